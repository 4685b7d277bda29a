//! A VHDL package.

use super::PackageMemory;
use super::language::{Language, join};
use crate::memory::formats::digits;

pub(super) struct Vhdl;

/// Bits of an integer, in every tool.
const INTEGER_BITS: u32 = 32;

impl Language for Vhdl {
    const COMMENT: &'static str = "--";
    const HEAD: &'static str = "\
library ieee;
use ieee.std_logic_1164.all;

package gen_params_pkg is
";
    const TAIL: &'static str = "\nend package gen_params_pkg;\n";
    const WIDEST_WORD: u32 = u32::MAX;
    const ROW: [char; 2] = ['(', ')'];

    fn constant(name: &str, value: i64) -> String {
        format!("constant {} : integer := {value};", identifier(name))
    }

    fn list(name: &str, values: &[i64], bits: u32) -> String {
        if bits > INTEGER_BITS {
            let mut list = Self::open(name, bits, values.len());
            list.push_str(&join(values, |index, value, text| {
                Self::word(index, &value.to_le_bytes(), bits, text);
            }));
            return list + "\n);";
        }
        let name = identifier(name);
        let list = join(values, |index, value, text| text.push_str(&format!("{index} => {value}")));
        format!(
            "type {name}_t is array (0 to {}) of integer;\nconstant {name} : {name}_t := ({list}\n);",
            values.len().saturating_sub(1)
        )
    }

    fn open(name: &str, bits: u32, count: usize) -> String {
        let name = identifier(name);
        format!(
            "type {name}_t is array (0 to {}) of std_logic_vector({} downto 0);\nconstant {name} : {name}_t := (",
            count.saturating_sub(1),
            bits - 1
        )
    }

    fn close(_: &PackageMemory<'_>) -> String {
        "\n);".to_owned()
    }

    fn word(index: usize, word: &[u8], bits: u32, text: &mut String) {
        // By name: a list of one element has no other form. Hexadecimal digits have four bits each until VHDL-2008.
        text.push_str(&format!("{index} => "));
        if bits.is_multiple_of(4) {
            text.push_str("x\"");
            digits::to_hex(word, bits, text);
        } else {
            text.push('"');
            digits::to_binary(word, bits, text);
        }
        text.push('"');
    }

    fn digits(token: &str) -> Option<(&str, u32)> {
        let radix = if token.starts_with('x') { 16 } else { 2 };
        let digits = token.trim_start_matches('x').strip_prefix('"')?.strip_suffix('"')?;
        Some((digits, radix))
    }
}

/// A name without two underscores in a row, which VHDL does not have: `LAYER__FC1` is `LAYER_U_FC1`.
fn identifier(name: &str) -> String {
    let mut name = name.to_owned();
    while name.contains("__") {
        name = name.replace("__", "_U_");
    }
    name
}
