//! AMD's coefficient files: radix, then all words separated by commas, comments on lines that begin with `;`.

use std::io::{self, Write};

use super::{MemoryFile, ReadError, digits, lines};
use crate::memory::layout::Words;

pub(super) fn write(out: &mut dyn Write, file: &MemoryFile<'_>) -> io::Result<()> {
    lines::write_head(out, &file.head, ";")?;
    writeln!(out, "memory_initialization_radix=16;\nmemory_initialization_vector=")?;
    let (bits, last) = (file.words.bits(), file.words.len());
    lines::write_words(out, file.words, |index, word, text| {
        digits::to_hex(word, bits, text);
        text.push_str(if index + 1 == last { ";\n" } else { ",\n" });
    })
}

pub(super) fn read(bytes: &[u8], bits: u32) -> Result<Words, ReadError> {
    let mut words = Words::new(bits);
    let mut radix = None;
    let mut in_vector = false;
    for (index, line) in lines::text(bytes)?.lines().enumerate() {
        let line = line.trim();
        if line.starts_with(';') && !in_vector {
            continue;
        }
        let mut rest = line;
        if let Some((key, value)) = line.split_once('=') {
            rest = value;
            match key.trim() {
                "memory_initialization_radix" => {
                    let value = value.trim_end_matches(';').trim();
                    let known = [2, 10, 16].into_iter().find(|known: &u32| known.to_string() == value);
                    radix = Some(
                        known
                            .ok_or_else(|| ReadError::at_line(index + 1, value, "a radix of 2, 10 or 16"))?,
                    );
                    continue;
                }
                "memory_initialization_vector" => in_vector = true,
                other => {
                    let expected = "memory_initialization_radix or memory_initialization_vector";
                    return Err(ReadError::at_line(index + 1, other, expected));
                }
            }
        }
        if let (false, Some(_)) = (in_vector, rest.chars().next()) {
            return Err(ReadError::at_line(index + 1, rest, "memory_initialization_vector="));
        }
        let radix = radix.ok_or_else(|| ReadError::at_line(index + 1, rest, "memory_initialization_radix"));
        let (values, ends) = rest.split_once(';').map_or((rest, false), |(before, _)| (before, true));
        for value in values.split(|c: char| c == ',' || c.is_whitespace()).filter(|value| !value.is_empty()) {
            lines::push(&mut words, value, radix.clone()?, index + 1)?;
        }
        if ends {
            return Ok(words);
        }
    }
    Err(ReadError::whole("no semicolon at its end", "a whole vector"))
}
