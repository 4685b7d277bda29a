//! The bytes of a pickle, read from front to back; nothing is allocated for a length before its bytes are there.

use bytes::Bytes;

use crate::error::{ReadError, Result};

/// A position in the bytes of a pickle.
pub(crate) struct Input<'a> {
    bytes: &'a Bytes,
    /// What the bytes are called in errors.
    pub(crate) entry: &'a str,
    at: usize,
    opcode_at: usize,
}

impl<'a> Input<'a> {
    /// Begins at byte `start` of `bytes`.
    pub(crate) fn new(bytes: &'a Bytes, start: usize, entry: &'a str) -> Self {
        Self { bytes, entry, at: start, opcode_at: start }
    }

    /// The next opcode, the place of errors from here on.
    pub(crate) fn opcode(&mut self) -> Result<u8> {
        self.opcode_at = self.at;
        self.array().map(|[opcode]| opcode)
    }

    /// Byte offset of what comes next.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Number of bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Where the opcode stands.
    pub(crate) fn place(&self) -> String {
        format!("{} at byte {}", self.entry, self.opcode_at)
    }

    /// An opcode that contradicts the format.
    pub(crate) fn malformed(&self, found: impl Into<String>, expected: impl Into<String>) -> ReadError {
        ReadError::malformed(self.place(), found, expected)
    }

    /// An opcode that is sound and refused.
    pub(crate) fn unsupported(&self, found: impl Into<String>, expected: impl Into<String>) -> ReadError {
        ReadError::unsupported(self.place(), found, expected)
    }

    /// The next `length` bytes, shared with the file; nothing is allocated.
    pub(crate) fn take(&mut self, length: usize) -> Result<Bytes> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let Some(end) = end else {
            let left = self.left();
            return Err(self.malformed(
                format!("an opcode that asks for {length} bytes"),
                format!("at most the {left} that are left"),
            ));
        };
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).copied();
        match bytes {
            Some(bytes) => {
                self.at += N;
                Ok(bytes)
            }
            None => Err(self.malformed("the end of the bytes", "the rest of the pickle, up to STOP")),
        }
    }

    /// A length of `N` bytes, little-endian.
    pub(crate) fn length<const N: usize>(&mut self) -> Result<usize> {
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(self.array::<N>()?) {
            *to = from;
        }
        let length = u64::from_le_bytes(wide);
        usize::try_from(length)
            .map_err(|_| self.malformed(format!("a length of {length}"), "one that fits the file"))
    }

    /// A length that the format lets be negative.
    pub(crate) fn signed_length(&mut self) -> Result<usize> {
        let length = i32::from_le_bytes(self.array()?);
        usize::try_from(length)
            .map_err(|_| self.malformed(format!("a length of {length}"), "one that is not negative"))
    }

    /// A line of a textual opcode, without its end.
    pub(crate) fn line(&mut self) -> Result<Bytes> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return Err(self.malformed("a textual opcode without an end of line", "a line"));
        };
        let line = self.take(length)?;
        self.at += 1;
        Ok(line)
    }

    /// A line that is a memo index.
    pub(crate) fn decimal_line(&mut self) -> Result<u32> {
        let line = self.line()?;
        std::str::from_utf8(&line)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| self.malformed("a memo index", "a decimal number"))
    }
}
