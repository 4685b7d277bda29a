//! Lines for `$readmemh` and `$readmemb` (IEEE 1800-2017, 21.4): one word a line, comments after `//`.

use std::io::{self, Write};

use super::{MemoryFile, ReadError, digits, lines};
use crate::memory::layout::Words;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Radix {
    Hex,
    Binary,
}

pub(super) fn write(out: &mut dyn Write, file: &MemoryFile<'_>, radix: Radix) -> io::Result<()> {
    lines::write_head(out, &file.head, "//")?;
    let bits = file.words.bits();
    lines::write_words(out, file.words, |_, word, text| {
        match radix {
            Radix::Hex => digits::to_hex(word, bits, text),
            Radix::Binary => digits::to_binary(word, bits, text),
        }
        text.push('\n');
    })
}

pub(super) fn read(bytes: &[u8], bits: u32, radix: Radix) -> Result<Words, ReadError> {
    let radix = if radix == Radix::Hex { 16 } else { 2 };
    let mut words = Words::new(bits);
    for (index, line) in lines::text(bytes)?.lines().enumerate() {
        let line = line.split_once("//").map_or(line, |(before, _)| before);
        for word in line.split_whitespace() {
            lines::push(&mut words, word, radix, index + 1)?;
        }
    }
    Ok(words)
}
