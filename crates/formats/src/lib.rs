//! Untrusted model files to facts.
//!
//! Each reader turns bytes into a [`SourceModel`]: what the file says, un-normalised. Nothing is padded, defaulted or
//! guessed, nothing a file contains is ever run, and no size from a file is trusted before it is checked against the
//! bytes that are there.
#![forbid(unsafe_code)]

pub mod error;
pub mod python;
pub mod source;
pub mod tensor;
pub mod tflite;
pub mod torch;

pub use error::{ErrorKind, ReadError, Result};
pub use source::{
    Argument, Callee, Form, Geometry, Graph, Module, Node, PackedParams, Place, Quantization, SourceModel,
    Value, ValueFacts, ValueId,
};
pub use tensor::{ByteOrder, DType, Quantizer, Tensor};

/// Reads a model file of any supported format.
///
/// # Errors
/// The bytes are malformed, or of a form that is refused by name.
pub fn read(bytes: bytes::Bytes) -> Result<SourceModel> {
    if tflite::is_tflite(&bytes) { tflite::read(&bytes) } else { torch::read(bytes) }
}
