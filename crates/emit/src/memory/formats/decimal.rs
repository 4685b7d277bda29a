//! One decimal number a line, comments after `#`.

use std::io::{self, Write};

use super::{MemoryFile, ReadError, digits, lines};
use crate::memory::layout::Words;

pub(super) fn write(out: &mut dyn Write, file: &MemoryFile<'_>) -> io::Result<()> {
    lines::write_head(out, &file.head, "#")?;
    let bits = file.words.bits();
    lines::write_words(out, file.words, |_, word, text| {
        digits::to_decimal(word, bits, file.signed, text);
        text.push('\n');
    })
}

pub(super) fn read(bytes: &[u8], bits: u32) -> Result<Words, ReadError> {
    let mut words = Words::new(bits);
    for (index, line) in lines::text(bytes)?.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            lines::push(&mut words, line, 10, index + 1)?;
        }
    }
    Ok(words)
}
