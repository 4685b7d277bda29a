//! ONNX files: one protobuf message whose graph is already in execution order.

mod graph;
mod proto;
mod tensor;

use bytes::Bytes;
use indexmap::IndexMap;
use prost::Message;

use crate::error::{ReadError, Result};
use crate::files::Files;
use crate::recipe;
use crate::source::{Form, SourceModel};

/// True for bytes that begin as every ONNX writer begins: field 1 (`ir_version`, a small number), then field 2
/// (`producer_name`), 7 (`graph`) or 8 (`opset_import`). ONNX has no magic number.
pub fn recognises(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=127, 0x12 | 0x1a | 0x3a | 0x42, ..])
}

/// TensorFlow's SavedModel begins as an ONNX file of version 1 can: with the number 1, then a message 2.
fn looks_like_saved_model(bytes: &[u8]) -> bool {
    const VERSION_KEY: &[u8] = b"tensorflow_version";
    let head = bytes.get(..bytes.len().min(1 << 16)).unwrap_or_default();
    bytes.starts_with(&[0x08, 0x01, 0x12])
        && [VERSION_KEY, b"serve", b"NoOp", b"VarHandleOp"]
            .iter()
            .any(|word| memchr::memmem::find(head, word).is_some())
}

fn saved_model() -> ReadError {
    ReadError::unsupported("", "a TensorFlow SavedModel", "a PyTorch, ONNX or TFLite model")
        .hint(format!("load it as a Keras model, then {}", recipe::TFLITE))
}

/// Reads an ONNX file; `files` gives those that its tensors are kept in.
///
/// # Errors
/// The bytes are malformed, or say something that is refused by name.
pub fn read(bytes: Bytes, files: &dyn Files) -> Result<SourceModel> {
    let is_saved_model = looks_like_saved_model(&bytes);
    let model = proto::Model::decode(bytes).map_err(|error| {
        ReadError::malformed("", format!("protobuf that cannot be decoded ({error})"), "an ONNX model")
    });
    let model = match model {
        Ok(model) => model,
        Err(_) if is_saved_model => return Err(saved_model()),
        Err(error) => return Err(error),
    };
    if model.ir_version.is_none_or(|version| version < 1) {
        return Err(ReadError::malformed("", "no ir_version", "an ONNX model"));
    }
    let Some(graph) = &model.graph else {
        if is_saved_model {
            return Err(saved_model());
        }
        return Err(ReadError::malformed("", "no graph", "an ONNX model"));
    };
    let mut read = graph::read(graph, files)?;
    read.versions =
        model.opset_import.iter().map(|set| (graph::domain(&set.domain).into(), set.version)).collect();
    if read.versions.is_empty() {
        // Models of before operator sets were versioned.
        read.versions.insert(String::new(), 1);
    }
    Ok(SourceModel { form: Form::Onnx, wrapping: Vec::new(), modules: IndexMap::new(), graph: Some(read) })
}
