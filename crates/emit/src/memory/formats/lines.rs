//! What formats of lines have in common.

use std::io::{self, Write};

use super::{ReadError, digits};
use crate::memory::layout::Words;

/// Text that is gathered between two calls of `write_all`.
const BLOCK: usize = 1 << 16;

/// Writes the head, each line after `comment`.
pub(super) fn write_head(out: &mut dyn Write, head: &[String], comment: &str) -> io::Result<()> {
    head.iter().try_for_each(|line| writeln!(out, "{comment} {line}"))
}

/// Writes every word with what `append` makes of it; the number says which it is.
pub(super) fn write_words(
    out: &mut dyn Write,
    words: &Words,
    mut append: impl FnMut(usize, &[u8], &mut String),
) -> io::Result<()> {
    let mut text = String::with_capacity(BLOCK + 4096);
    for (index, word) in words.iter().enumerate() {
        append(index, word, &mut text);
        if text.len() >= BLOCK {
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    out.write_all(text.as_bytes())
}

/// The file as text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, ReadError> {
    std::str::from_utf8(bytes).map_err(|error| ReadError {
        place: format!("byte {}", error.valid_up_to()),
        found: "no UTF-8".to_owned(),
        expected: "text".to_owned(),
    })
}

/// Appends the word that digits stand for.
pub(super) fn push(words: &mut Words, text: &str, radix: u32, line: usize) -> Result<(), ReadError> {
    let word = digits::from_digits(text, radix, words.bits());
    word.and_then(|word| words.push(&word)).ok_or_else(|| {
        ReadError::at_line(
            line,
            format!("{text:?}"),
            format!("a number of {} bits in radix {radix}", words.bits()),
        )
    })
}
