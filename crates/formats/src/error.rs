//! What can be wrong with a file, as values with fields: place, found, expected, hint.

use std::fmt;

/// Which of the two ways a file can fail us: it is broken, or it is sound and not for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bytes contradict the format they claim to be in.
    Malformed,
    /// The bytes are in order, and say something that is refused by name.
    Unsupported,
}

/// Why a file could not be read.
///
/// `place` is a position inside the file in the terms of its format: an archive entry and byte offset,
/// a dotted key, or a line of TorchScript text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// Broken or not supported.
    pub kind: ErrorKind,
    /// Where in the file, empty where the file as a whole is another than expected.
    pub place: String,
    /// What stands there.
    pub found: String,
    /// What had to stand there, empty where the finding alone says it.
    pub expected: String,
    /// What to do instead.
    pub hint: Option<String>,
}

impl ReadError {
    /// A file that contradicts its own format at `place`.
    pub fn malformed(
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            kind: ErrorKind::Malformed,
            place: place.into(),
            found: found.into(),
            expected: expected.into(),
            hint: None,
        }
    }

    /// A sound file that says something at `place` that is refused by name.
    pub fn unsupported(
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { kind: ErrorKind::Unsupported, ..Self::malformed(place, found, expected) }
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "found {}", self.found)?;
        if !self.expected.is_empty() {
            write!(f, ", expected {}", self.expected)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ReadError {}

/// Result of reading.
pub type Result<T, E = ReadError> = std::result::Result<T, E>;
