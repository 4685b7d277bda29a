//! Untrusted model files to facts.
//!
//! Each reader turns bytes into a [`SourceModel`]: what the file says, un-normalised. Nothing is padded, defaulted or
//! guessed, nothing a file contains is ever run, and no size from a file is trusted before it is checked against the
//! bytes that are there.
#![forbid(unsafe_code)]

pub mod error;
pub mod files;
pub mod onnx;
pub mod python;
pub mod recipe;
pub mod source;
pub mod tensor;
pub mod tflite;
pub mod torch;

pub use error::{ErrorKind, ReadError, Result};
pub use files::{Files, NoFiles};
pub use source::{
    Argument, Callee, Form, Geometry, Graph, Module, Node, PackedParams, Place, Quantization, SourceModel,
    Value, ValueFacts, ValueId,
};
pub use tensor::{ByteOrder, DType, Quantizer, Tensor};

/// Reads a model of any supported format that is complete in itself.
///
/// # Errors
/// The bytes are malformed, of a form that is refused by name, or keep their weights in another file.
pub fn read(bytes: bytes::Bytes) -> Result<SourceModel> {
    read_with(bytes, &NoFiles)
}

/// Reads a model of any supported format; `files` gives the other files that it names.
///
/// # Errors
/// The bytes are malformed, or of a form that is refused by name.
pub fn read_with(bytes: bytes::Bytes, files: &dyn Files) -> Result<SourceModel> {
    if onnx::recognises(&bytes) {
        return onnx::read(bytes, files);
    }
    if tflite::is_tflite(&bytes) { tflite::read(&bytes) } else { torch::read(bytes) }
}
