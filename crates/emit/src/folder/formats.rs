//! The set of output formats that `--format LIST` selects.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::memory::formats::MemoryFormat;
use crate::numbers::packages::PackageFormat;

/// One output format. `manifest.json` is none of them: it is always written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `NAME_KIND.hex`, for `$readmemh`.
    Hex,
    /// `params.svh`, for SystemVerilog.
    Svh,
    /// `params.h`, for C99.
    Header,
    /// `params.npz`, for numpy.
    Npz,
    /// `NAME_KIND.txt`, nested decimal lists.
    List,
    /// A file of words for each table.
    Memory(MemoryFormat),
    /// A source file with all tables, in a language that none of the others is for.
    Package(PackageFormat),
}

impl Format {
    /// Every format, in the order in which they are listed.
    pub const ALL: [Self; 19] = [
        Self::Hex,
        Self::Svh,
        Self::Header,
        Self::Npz,
        Self::List,
        Self::Memory(MemoryFormat::Binary),
        Self::Memory(MemoryFormat::Coe),
        Self::Memory(MemoryFormat::Mif),
        Self::Memory(MemoryFormat::MifDecimal),
        Self::Memory(MemoryFormat::MifBinary),
        Self::Memory(MemoryFormat::Raw),
        Self::Memory(MemoryFormat::IntelHex),
        Self::Memory(MemoryFormat::Decimal),
        Self::Memory(MemoryFormat::Csv),
        Self::Memory(MemoryFormat::Npy),
        Self::Package(PackageFormat::Rust),
        Self::Package(PackageFormat::SystemVerilog),
        Self::Package(PackageFormat::Vhdl),
        Self::Package(PackageFormat::Json),
    ];

    /// The word that selects it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Svh => "svh",
            Self::Header => "h",
            Self::Npz => "npz",
            Self::List => "list",
            Self::Memory(format) => match format {
                MemoryFormat::Hex => "hex",
                MemoryFormat::Binary => "bin",
                MemoryFormat::Coe => "coe",
                MemoryFormat::Mif => "mif",
                MemoryFormat::MifDecimal => "mif-dec",
                MemoryFormat::MifBinary => "mif-bin",
                MemoryFormat::Raw => "raw",
                MemoryFormat::IntelHex => "ihex",
                MemoryFormat::Decimal => "dec",
                MemoryFormat::Csv => "csv",
                MemoryFormat::Npy => "npy",
            },
            Self::Package(format) => match format {
                PackageFormat::C => "h",
                PackageFormat::Rust => "rs",
                PackageFormat::SystemVerilog => "sv",
                PackageFormat::Vhdl => "vhdl",
                PackageFormat::Json => "json",
            },
        }
    }

    /// One line on what it writes and who reads it.
    pub fn description(self) -> &'static str {
        match self {
            Self::Hex => {
                "NAME_weight.hex, NAME_bias.hex, ...: one two's complement value a line, for $readmemh"
            }
            Self::Svh => "params.svh: a SystemVerilog include with every constant but the weights",
            Self::Header => "params.h: a C99 header with every constant and the weights",
            Self::Npz => "params.npz: every array, for numpy.load",
            Self::List => "NAME_weight.txt, NAME_bias.txt, ...: nested decimal lists, for ast.literal_eval",
            Self::Memory(format) => match format {
                MemoryFormat::Hex => Self::Hex.description(),
                MemoryFormat::Binary => "NAME_weight.bin, ...: one word a line in binary, for $readmemb",
                MemoryFormat::Coe => "NAME_weight.coe, ...: AMD's coefficient files",
                MemoryFormat::Mif => "NAME_weight.mif, ...: Intel's memory initialization files, hexadecimal",
                MemoryFormat::MifDecimal => "NAME_weight.dec.mif, ...: the same, decimal",
                MemoryFormat::MifBinary => "NAME_weight.bin.mif, ...: the same, binary",
                MemoryFormat::Raw => "NAME_weight.raw, ...: the bytes of the words",
                MemoryFormat::IntelHex => "NAME_weight.ihex, ...: the same bytes as Intel HEX",
                MemoryFormat::Decimal => "NAME_weight.dec, ...: one word a line in decimal",
                MemoryFormat::Csv => "NAME_weight.csv, ...: rows of address and decimal word",
                MemoryFormat::Npy => "NAME_weight.npy, ...: arrays of words, for numpy.load",
            },
            Self::Package(format) => match format {
                PackageFormat::C => Self::Header.description(),
                PackageFormat::Rust => "params.rs: a Rust module with every constant and every table",
                PackageFormat::SystemVerilog => {
                    "params_pkg.sv: a SystemVerilog package with every constant and every table"
                }
                PackageFormat::Vhdl => "params_pkg.vhd: a VHDL package with every constant and every table",
                PackageFormat::Json => "params.json: every constant and every table",
            },
        }
    }
}

/// A set of formats; hex, svh, h and npz unless said otherwise.
///
/// ```
/// use gen_params_emit::{Format, Formats};
/// let formats: Formats = "npz,hex".parse()?;
/// assert!(formats.contains(Format::Hex) && !formats.contains(Format::Svh));
/// # Ok::<(), gen_params_emit::UnknownFormat>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formats(BTreeSet<Format>);

impl Formats {
    /// No files beside the manifest.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Whether `format` is selected.
    pub fn contains(&self, format: Format) -> bool {
        self.0.contains(&format)
    }

    /// The selected formats, in the order of [`Format::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Format> {
        self.0.iter().copied()
    }
}

impl Default for Formats {
    fn default() -> Self {
        [Format::Hex, Format::Svh, Format::Header, Format::Npz].into_iter().collect()
    }
}

impl FromIterator<Format> for Formats {
    fn from_iter<I: IntoIterator<Item = Format>>(formats: I) -> Self {
        Self(formats.into_iter().collect())
    }
}

/// A word in `--format LIST` that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {found:?}, expected a comma-separated list of: {}", Format::ALL.map(Format::name).join(", "))]
pub struct UnknownFormat {
    /// The word.
    pub found: String,
}

impl FromStr for Formats {
    type Err = UnknownFormat;

    /// Parses comma-separated names; spaces around them and repetitions do not matter.
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        text.split(',')
            .map(str::trim)
            .map(|word| {
                let known = Format::ALL.into_iter().find(|format| format.name() == word);
                known.ok_or_else(|| UnknownFormat { found: word.to_owned() })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_lists() {
        let rows: &[(&str, &[Format])] = &[
            ("hex", &[Format::Hex]),
            ("list, h", &[Format::Header, Format::List]),
            ("npz,npz,svh", &[Format::Svh, Format::Npz]),
        ];
        let failures: Vec<_> = rows
            .iter()
            .filter(|(text, expected)| text.parse() != Ok(expected.iter().copied().collect::<Formats>()))
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
    }

    #[test]
    fn an_error_names_the_word_and_the_choices() {
        let message = |text: &str| text.parse::<Formats>().unwrap_err().to_string();
        let choices = "expected a comma-separated list of: hex, svh, h, npz, list, bin, coe, mif, mif-dec, mif-bin, raw, ihex, dec, csv, \
             npy, rs, sv, vhdl, json";
        assert_eq!(message("hex,HEX"), format!("unknown format \"HEX\", {choices}"));
        assert_eq!(message(""), format!("unknown format \"\", {choices}"));
    }
}
