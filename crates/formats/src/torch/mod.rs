//! PyTorch files: pickles in zip or legacy containers.
use crate::error::{ReadError, Result};
use crate::source::SourceModel;

/// Reads any PyTorch file.
///
/// # Errors
/// The bytes are malformed, or of a form that is refused by name.
pub fn read(_bytes: bytes::Bytes) -> Result<SourceModel> {
    Err(ReadError::unsupported("file", "a PyTorch file", ""))
}
