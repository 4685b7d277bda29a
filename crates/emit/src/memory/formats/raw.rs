//! The bytes of the words and nothing else: each word takes as few bytes as it fits in.

use std::io::{self, Write};

use super::{MemoryFile, ReadError};
use crate::memory::layout::{ByteOrder, Words};

pub(super) fn write(out: &mut dyn Write, file: &MemoryFile<'_>) -> io::Result<()> {
    out.write_all(&bytes(file.words, file.byte_order))
}

pub(super) fn read(bytes: &[u8], bits: u32, byte_order: ByteOrder) -> Result<Words, ReadError> {
    let mut words = Words::new(bits);
    let chunks = bytes.chunks_exact(words.stride());
    if !chunks.remainder().is_empty() {
        let found = format!("{} bytes", bytes.len());
        return Err(ReadError::whole(found, format!("a multiple of {}", words.stride())));
    }
    for (index, chunk) in chunks.enumerate() {
        let mut word = chunk.to_vec();
        if byte_order == ByteOrder::Big {
            word.reverse();
        }
        words.push(&word).ok_or_else(|| ReadError {
            place: format!("word {index}"),
            found: format!("{chunk:02x?}"),
            expected: format!("{bits} bits"),
        })?;
    }
    Ok(words)
}

/// All bytes in the order in which they lie in memory.
pub(super) fn bytes(words: &Words, byte_order: ByteOrder) -> Vec<u8> {
    let mut bytes = words.as_bytes().to_vec();
    if byte_order == ByteOrder::Big {
        bytes.chunks_exact_mut(words.stride()).for_each(<[u8]>::reverse);
    }
    bytes
}
