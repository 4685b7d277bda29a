//! Files of words, one module per format: each writes a memory and reads it back.

mod coe;
mod csv_table;
mod decimal;
pub(crate) mod digits;
mod intel_hex;
mod lines;
mod mif;
mod npy;
mod raw;
mod readmem;

use std::io::{self, Write};

use crate::memory::Contents;
use crate::memory::layout::{ByteOrder, Words};

/// A memory that is written into a file of its own.
#[derive(Debug, Clone)]
pub struct MemoryFile<'a> {
    /// The head of the file, one line each; empty for none.
    pub head: Vec<String>,
    /// The words.
    pub words: &'a Words,
    /// Whether decimal formats write words in two's complement.
    pub signed: bool,
    /// The order of bytes in a word, for formats that have bytes.
    pub byte_order: ByteOrder,
}

/// A format of files of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemoryFormat {
    /// Hexadecimal lines, for `$readmemh`.
    Hex,
    /// Binary lines, for `$readmemb`.
    Binary,
    /// AMD's coefficient file.
    Coe,
    /// Intel's memory initialization file, in hexadecimal.
    Mif,
    /// The same in decimal.
    MifDecimal,
    /// The same in binary.
    MifBinary,
    /// The bytes themselves.
    Raw,
    /// Intel HEX.
    IntelHex,
    /// Decimal lines.
    Decimal,
    /// Comma-separated addresses and values.
    Csv,
    /// An array for numpy.
    Npy,
}

/// Why a file of words cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: found {found}, expected {expected}")]
pub struct ReadError {
    /// Line or byte, in words.
    pub place: String,
    /// What is there.
    pub found: String,
    /// What should be.
    pub expected: String,
}

impl ReadError {
    pub(crate) fn at_line(line: usize, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { place: format!("line {line}"), found: shorten(found.into()), expected: expected.into() }
    }

    pub(crate) fn whole(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { place: "the file".to_owned(), found: shorten(found.into()), expected: expected.into() }
    }
}

/// Enough of a text to know it by.
fn shorten(text: String) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain(['…']).collect() }
}

impl MemoryFormat {
    /// What follows the dot in the name of a file.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Binary => "bin",
            Self::Coe => "coe",
            Self::Mif => "mif",
            Self::MifDecimal => "dec.mif",
            Self::MifBinary => "bin.mif",
            Self::Raw => "raw",
            Self::IntelHex => "ihex",
            Self::Decimal => "dec",
            Self::Csv => "csv",
            Self::Npy => "npy",
        }
    }

    /// The format of a file of this name; that of `.mif` files is the same for all radices.
    pub fn of_file(name: &str) -> Option<Self> {
        Some(match name.rsplit_once('.')?.1 {
            "hex" => Self::Hex,
            "bin" => Self::Binary,
            "coe" => Self::Coe,
            "mif" => Self::Mif,
            "raw" => Self::Raw,
            "ihex" => Self::IntelHex,
            "dec" => Self::Decimal,
            "csv" => Self::Csv,
            "npy" => Self::Npy,
            _ => return None,
        })
    }

    /// Writes a memory.
    ///
    /// # Errors
    /// Those of `out`, and a memory beyond the 4 GiB of an Intel HEX file.
    pub fn write(self, out: &mut dyn Write, file: &MemoryFile<'_>) -> io::Result<()> {
        match self {
            Self::Hex => readmem::write(out, file, readmem::Radix::Hex),
            Self::Binary => readmem::write(out, file, readmem::Radix::Binary),
            Self::Coe => coe::write(out, file),
            Self::Mif => mif::write(out, file, mif::Radix::Hex),
            Self::MifDecimal => mif::write(out, file, mif::Radix::Decimal),
            Self::MifBinary => mif::write(out, file, mif::Radix::Binary),
            Self::Raw => raw::write(out, file),
            Self::IntelHex => intel_hex::write(out, file),
            Self::Decimal => decimal::write(out, file),
            Self::Csv => csv_table::write(out, file),
            Self::Npy => npy::write(out, file),
        }
    }

    /// Reads the words of a memory back.
    ///
    /// # Errors
    /// The place in the file, what is there and what should be.
    pub fn read(self, bytes: &[u8], bits: u32, byte_order: ByteOrder) -> Result<Words, ReadError> {
        match self {
            Self::Hex => readmem::read(bytes, bits, readmem::Radix::Hex),
            Self::Binary => readmem::read(bytes, bits, readmem::Radix::Binary),
            Self::Coe => coe::read(bytes, bits),
            Self::Mif | Self::MifDecimal | Self::MifBinary => mif::read(bytes, bits),
            Self::Raw => raw::read(bytes, bits, byte_order),
            Self::IntelHex => intel_hex::read(bytes, bits, byte_order),
            Self::Decimal => decimal::read(bytes, bits),
            Self::Csv => csv_table::read(bytes, bits),
            Self::Npy => npy::read(bytes, bits, byte_order),
        }
    }

    /// What a file says of itself; `None` for formats without comments, and where it says nothing.
    pub fn contents(bytes: &[u8]) -> Option<Contents> {
        let text = std::str::from_utf8(bytes).ok()?;
        Contents::find_all(text).into_iter().next().map(|(_, contents)| contents)
    }
}
