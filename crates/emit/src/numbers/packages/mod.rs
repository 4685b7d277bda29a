//! Source text with every constant and every memory of a network, one module per language.

mod c;
mod json;
mod language;
mod rust;
mod system_verilog;
mod vhdl;

use std::io::{self, Write};

use crate::memory::Contents;
use crate::memory::formats::ReadError;
use crate::memory::layout::{ByteOrder, Words};

/// What goes into a package.
#[derive(Debug, Clone)]
pub struct Package<'a> {
    /// Layers, and then operators without weights.
    pub sections: Vec<PackageSection>,
    /// All memories.
    pub memories: Vec<PackageMemory<'a>>,
}

/// The constants of a layer, or of an operator without weights.
#[derive(Debug, Clone)]
pub struct PackageSection {
    /// What they belong to, one comment line each.
    pub head: Vec<String>,
    /// Names and values.
    pub constants: Vec<(String, i64)>,
    /// Lists, such as zero points per channel: of 32 bits with a sign, or of 64 where one of the numbers needs more.
    pub lists: Vec<(String, Vec<i64>)>,
}

/// A memory, with its name.
#[derive(Debug, Clone)]
pub struct PackageMemory<'a> {
    /// An upper-case identifier.
    pub name: String,
    /// What it holds.
    pub contents: Contents,
    /// The words.
    pub words: &'a Words,
}

impl PackageMemory<'_> {
    fn byte_order(&self) -> ByteOrder {
        self.contents.byte_order()
    }
}

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageFormat {
    /// A C99 header.
    C,
    /// A Rust module.
    Rust,
    /// A SystemVerilog package.
    SystemVerilog,
    /// A VHDL package.
    Vhdl,
    /// JSON.
    Json,
}

impl PackageFormat {
    /// Its file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::C => "params.h",
            Self::Rust => "params.rs",
            Self::SystemVerilog => "params_pkg.sv",
            Self::Vhdl => "params_pkg.vhd",
            Self::Json => "params.json",
        }
    }

    /// The language of a file of this name.
    pub fn of_file(name: &str) -> Option<Self> {
        Some(match name.rsplit_once('.')?.1 {
            "h" => Self::C,
            "rs" => Self::Rust,
            "sv" => Self::SystemVerilog,
            "vhd" => Self::Vhdl,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// Writes a package.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(self, out: &mut dyn Write, package: &Package<'_>) -> io::Result<()> {
        match self {
            Self::C => language::write::<c::C>(out, package),
            Self::Rust => language::write::<rust::Rust>(out, package),
            Self::SystemVerilog => language::write::<system_verilog::SystemVerilog>(out, package),
            Self::Vhdl => language::write::<vhdl::Vhdl>(out, package),
            Self::Json => json::write(out, package),
        }
    }

    /// Reads the memories of a package back.
    ///
    /// # Errors
    /// The place, what is there and what should be.
    pub fn read(self, bytes: &[u8]) -> Result<Vec<(Contents, Words)>, ReadError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ReadError::whole("no UTF-8", "text"))?;
        match self {
            Self::C => language::read::<c::C>(text),
            Self::Rust => language::read::<rust::Rust>(text),
            Self::SystemVerilog => language::read::<system_verilog::SystemVerilog>(text),
            Self::Vhdl => language::read::<vhdl::Vhdl>(text),
            Self::Json => json::read(text),
        }
    }
}
