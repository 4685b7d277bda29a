//! What a file of words holds, as the head of the file and the manifest say it.

use serde::{Deserialize, Serialize};

use crate::memory::layout::{ByteOrder, Description, LayoutError, Words, sentences, unpack};

/// What a file of words holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// Which bank of its tables this file is, from 0.
    pub bank: u32,
    /// The files of all banks, in order; this file alone where there is one bank.
    pub files: Vec<String>,
    /// The tables, in the order in which they lie in the file.
    pub tables: Vec<Placed>,
}

/// A table and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// The first word, counted from the beginning of the file.
    pub offset: usize,
    /// Number of words, in each bank.
    pub words: usize,
    /// How it lies there.
    pub table: Description,
}

/// Stands before the description that machines read, in the head of a file.
pub(crate) const MARK: &str = "gen_params layout: ";

impl Contents {
    /// The head of a file: what it holds in words, and once more on one line for programs.
    pub(crate) fn head(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.files.len() > 1 {
            lines.push(format!("Bank {} of {}.", self.bank, self.files.len()));
        }
        for placed in &self.tables {
            if self.tables.len() > 1 {
                lines.push(format!(
                    "Words {} to {}:",
                    placed.offset,
                    placed.offset + placed.words.max(1) - 1
                ));
            }
            lines.extend(sentences(&placed.table));
        }
        // A description is strings and integers: it always can be written. In ASCII, for it stands in comments of sources,
        // where compilers refuse characters that turn the direction of text.
        if let Ok(json) = serde_json::to_string(self) {
            lines.push(format!("{MARK}{}", ascii(&json)));
        }
        lines
    }

    /// Every description in a text, by the byte where it ends.
    pub(crate) fn find_all(text: &str) -> Vec<(usize, Self)> {
        let mut found = Vec::new();
        for (start, _) in text.match_indices(MARK) {
            let rest = &text[start + MARK.len()..];
            let line = rest.lines().next().unwrap_or_default();
            if let Ok(contents) = serde_json::from_str(line) {
                found.push((start + MARK.len() + line.len(), contents));
            }
        }
        found
    }

    /// Bits of a word, 8 to 1024; `None` for others, and without tables.
    pub fn word_bits(&self) -> Option<u32> {
        self.tables.first().map(|placed| placed.table.word_bits).filter(|bits| (8..=1024).contains(bits))
    }

    /// The order of bytes in a word.
    pub fn byte_order(&self) -> ByteOrder {
        self.tables.first().map_or(ByteOrder::Little, |placed| placed.table.byte_order)
    }

    /// Whether each word is one signed number.
    pub(crate) fn has_signed_words(&self) -> bool {
        self.tables.iter().all(|Placed { table, .. }| match table.fields.as_slice() {
            [field] => table.lanes == 1 && field.signed && field.bits == table.word_bits,
            _ => false,
        })
    }

    /// The numbers of every table, by field; `banks` are the words of all files.
    ///
    /// # Errors
    /// Words that are not those of the tables.
    pub fn read(&self, banks: &[Words]) -> Result<Vec<Vec<Vec<i64>>>, LayoutError> {
        let end = self.tables.last().map_or(Some(0), |last| last.offset.checked_add(last.words));
        for bank in banks {
            if Some(bank.len()) != end {
                return Err(LayoutError::Words {
                    found: format!("{} words", bank.len()),
                    expected: end.map_or_else(|| "fewer".to_owned(), |end| end.to_string()),
                });
            }
        }
        let table = |placed: &Placed| {
            let range = placed.offset..placed.offset.saturating_add(placed.words);
            let parts = banks.iter().map(|bank| bank.slice(range.clone()));
            let parts = parts.collect::<Option<Vec<_>>>().ok_or_else(|| LayoutError::Words {
                found: "a table beyond the end of the file".to_owned(),
                expected: format!("words {range:?}"),
            })?;
            unpack(&placed.table, &parts)
        };
        self.tables.iter().map(table).collect()
    }
}

/// JSON with every character beyond ASCII as JSON escapes it.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && !character.is_ascii_control() {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}
