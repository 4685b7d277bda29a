//! JSON: constants by name, memories with their layout and their words in hexadecimal.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Package;
use crate::memory::Contents;
use crate::memory::formats::{ReadError, digits};
use crate::memory::layout::Words;

/// The version of the form.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    schema: u32,
    constants: Map<String, Value>,
    memories: Vec<Memory>,
}

#[derive(Serialize, Deserialize)]
struct Memory {
    name: String,
    layout: Contents,
    /// Digits of each word.
    words: Vec<String>,
}

pub(super) fn write(out: &mut dyn Write, package: &Package<'_>) -> io::Result<()> {
    let mut constants = Map::new();
    for section in &package.sections {
        constants.extend(section.constants.iter().map(|(name, value)| (name.clone(), (*value).into())));
        constants.extend(section.lists.iter().map(|(name, values)| (name.clone(), values.clone().into())));
    }
    let memories = package.memories.iter().map(|memory| {
        let digits = |word: &[u8]| {
            let mut text = String::new();
            digits::to_hex(word, memory.words.bits(), &mut text);
            text
        };
        let words = memory.words.iter().map(digits).collect();
        Memory { name: memory.name.clone(), layout: memory.contents.clone(), words }
    });
    let file = File { schema: SCHEMA, constants, memories: memories.collect() };
    serde_json::to_writer_pretty(&mut *out, &file)?;
    out.write_all(b"\n")
}

pub(super) fn read(text: &str) -> Result<Vec<(Contents, Words)>, ReadError> {
    let file: File = serde_json::from_str(text)
        .map_err(|error| ReadError::at_line(error.line(), error.to_string(), "constants and memories"))?;
    if file.schema != SCHEMA {
        return Err(ReadError::whole(format!("schema {}", file.schema), SCHEMA.to_string()));
    }
    let memories = file.memories.into_iter().map(|memory| {
        let bits = memory.layout.word_bits().ok_or_else(|| ReadError::whole("no table", "one or more"))?;
        let mut words = Words::new(bits);
        for (index, word) in memory.words.iter().enumerate() {
            let parsed = digits::from_digits(word, 16, bits);
            parsed.and_then(|word| words.push(&word)).ok_or_else(|| ReadError {
                place: format!("{}, word {index}", memory.name),
                found: format!("{word:?}"),
                expected: format!("{bits} bits in hexadecimal"),
            })?;
        }
        Ok((memory.layout, words))
    });
    memories.collect()
}
