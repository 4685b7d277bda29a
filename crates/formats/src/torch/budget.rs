//! How much memory one file may make us allocate: a file cannot make a reader larger than itself by much.

use std::cell::Cell;

use crate::error::{ReadError, Result};

/// What any file may cost on top of its own size.
const BASE: usize = 40 << 20;

/// What a file may cost however much of the base was spent on decompressing it.
const FLOOR: usize = 8 << 20;

/// Bytes that a file's contents may still make us allocate. Charges are upper bounds (a growing vector is charged
/// for twice its contents) and are never given back.
#[derive(Debug)]
pub(crate) struct Budget(Cell<usize>);

impl Budget {
    /// For a file of `file` bytes that decompressed to `unpacked` (the same number where nothing was compressed).
    pub(crate) fn new(file: usize, unpacked: usize) -> Self {
        let spent = unpacked.saturating_sub(file);
        Self(Cell::new((BASE + file / 4).saturating_sub(spent).max(FLOOR)))
    }

    /// Spends `bytes`.
    ///
    /// # Errors
    /// There are fewer left. `place` is where in the file they were asked for.
    pub(crate) fn take(&self, bytes: usize, place: &str) -> Result<()> {
        match self.0.get().checked_sub(bytes) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(ReadError::unsupported(
                place,
                "contents that expand far beyond the size of the file",
                "a model, whose bulk is its weights",
            )),
        }
    }

    /// Spends what a vector of `count` elements of `T` may allocate while it grows.
    ///
    /// # Errors
    /// As [`Budget::take`].
    pub(crate) fn take_elements<T>(&self, count: usize, place: &str) -> Result<()> {
        self.take(count.saturating_mul(2 * size_of::<T>()), place)
    }
}
