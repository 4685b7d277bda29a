//! What the languages have in common: comments, constants, and arrays of words.

use std::io::{self, Write};

use super::{Package, PackageMemory};
use crate::memory::Contents;
use crate::memory::formats::{ReadError, digits};
use crate::memory::layout::{ByteOrder, Words};

/// A language.
pub(super) trait Language {
    /// Begins a comment.
    const COMMENT: &'static str;
    /// Before everything else.
    const HEAD: &'static str;
    /// After everything else.
    const TAIL: &'static str;
    /// Words wider than this are rows of bytes in the byte order of the memory.
    const WIDEST_WORD: u32;
    /// Around such a row.
    const ROW: [char; 2];

    /// A constant.
    fn constant(name: &str, value: i64) -> String;

    /// A list of integers of 32 or 64 bits, with a sign.
    fn list(name: &str, values: &[i64], bits: u32) -> String;

    /// What stands before the elements of an array of `count` words of `bits` bits.
    fn open(name: &str, bits: u32, count: usize) -> String;

    /// What stands after them.
    fn close(memory: &PackageMemory<'_>) -> String;

    /// Appends the word of this number.
    fn word(index: usize, word: &[u8], bits: u32, text: &mut String);

    /// The digits of a token and their radix; `None` for tokens that are no words.
    fn digits(token: &str) -> Option<(&str, u32)>;
}

/// Text that is gathered between two calls of `write_all`.
const BLOCK: usize = 1 << 16;

pub(super) fn write<L: Language>(out: &mut dyn Write, package: &Package<'_>) -> io::Result<()> {
    let comment = |out: &mut dyn Write, lines: &[String]| {
        lines.iter().try_for_each(|line| writeln!(out, "{} {line}", L::COMMENT))
    };
    let title = "Constants and memories of a quantized network, written by gen_params.".to_owned();
    comment(out, &[title])?;
    out.write_all(L::HEAD.as_bytes())?;
    for section in &package.sections {
        writeln!(out)?;
        comment(out, &section.head)?;
        for (name, value) in &section.constants {
            writeln!(out, "{}", L::constant(name, *value))?;
        }
        for (name, values) in &section.lists {
            writeln!(out, "{}", L::list(name, values, list_bits(values)))?;
        }
    }
    for memory in &package.memories {
        writeln!(out)?;
        comment(out, &memory.contents.head())?;
        write_array::<L>(out, memory)?;
    }
    out.write_all(L::TAIL.as_bytes())
}

fn write_array<L: Language>(out: &mut dyn Write, memory: &PackageMemory<'_>) -> io::Result<()> {
    let words = memory.words;
    let bits = words.bits();
    let mut text = L::open(&memory.name, bits, words.len());
    for (index, word) in words.iter().enumerate() {
        text.push_str(match index {
            0 => "\n    ",
            _ if index % 8 == 0 => ",\n    ",
            _ => ", ",
        });
        if bits <= L::WIDEST_WORD {
            L::word(index, word, bits, &mut text);
        } else {
            append_row::<L>(word, memory.byte_order(), &mut text);
        }
        if text.len() >= BLOCK {
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    text.push_str(&L::close(memory));
    text.push('\n');
    out.write_all(text.as_bytes())
}

/// A word as a row of bytes, in the brackets of the language.
fn append_row<L: Language>(word: &[u8], byte_order: ByteOrder, text: &mut String) {
    let [open, close] = L::ROW;
    text.push(open);
    for place in 0..word.len() {
        let index = if byte_order == ByteOrder::Big { word.len() - 1 - place } else { place };
        if place > 0 {
            text.push_str(", ");
        }
        L::word(place, &word[index..=index], 8, text);
    }
    text.push(close);
}

pub(super) fn read<L: Language>(text: &str) -> Result<Vec<(Contents, Words)>, ReadError> {
    let mut memories = Vec::new();
    for (end, contents) in Contents::find_all(text) {
        let line = 1 + text[..end].lines().count();
        let wrong = |found: &str| ReadError::at_line(line, found, "an array of words after its description");
        // From the first `=` behind the comment to the end of the declaration.
        let rest = text[end..].split_once('=').ok_or_else(|| wrong("no ="))?.1;
        let array = rest.split_once(';').ok_or_else(|| wrong("no semicolon"))?.0;
        let bits = contents.word_bits().ok_or_else(|| wrong("no table"))?;
        let words = read_array::<L>(array, bits, contents.byte_order()).map_err(|token| {
            let expected = format!("words of {bits} bits");
            ReadError::at_line(line, format!("{token:?}"), expected)
        })?;
        memories.push((contents, words));
    }
    Ok(memories)
}

/// The words of an array; the error is the token that is none.
fn read_array<L: Language>(array: &str, bits: u32, byte_order: ByteOrder) -> Result<Words, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || ['_', '\'', '"'].contains(&c);
    let tokens = array.split(|c| !is_part(c)).filter_map(|token| Some((token, L::digits(token)?)));
    let mut words = Words::new(bits);
    let mut row = Vec::new();
    for (token, (digits, radix)) in tokens {
        if bits <= L::WIDEST_WORD {
            let word = digits::from_digits(digits, radix, bits);
            word.and_then(|word| words.push(&word)).ok_or_else(|| token.to_owned())?;
            continue;
        }
        row.extend(digits::from_digits(digits, radix, 8).ok_or_else(|| token.to_owned())?);
        if row.len() == words.stride() {
            if byte_order == ByteOrder::Big {
                row.reverse();
            }
            words.push(&row).ok_or_else(|| token.to_owned())?;
            row.clear();
        }
    }
    if row.is_empty() { Ok(words) } else { Err("a part of a word".to_owned()) }
}

/// Values separated by commas, eight a line.
pub(super) fn join(values: &[i64], mut append: impl FnMut(usize, i64, &mut String)) -> String {
    let mut text = String::new();
    for (index, &value) in values.iter().enumerate() {
        text.push_str(match index {
            0 => "\n    ",
            _ if index % 8 == 0 => ",\n    ",
            _ => ", ",
        });
        append(index, value, &mut text);
    }
    text
}

/// Bits of the integers of a list: 32 where they are enough.
fn list_bits(values: &[i64]) -> u32 {
    if values.iter().all(|&value| i32::try_from(value).is_ok()) { 32 } else { 64 }
}

/// Bytes of the narrowest of the integer types of 8, 16, 32, ... bits that holds a word.
pub(super) fn integer_bits(bits: u32) -> u32 {
    bits.next_power_of_two().max(8)
}
