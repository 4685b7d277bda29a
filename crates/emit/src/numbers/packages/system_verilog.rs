//! A SystemVerilog package.

use super::PackageMemory;
use super::language::{Language, join};
use crate::memory::formats::digits;

pub(super) struct SystemVerilog;

impl Language for SystemVerilog {
    const COMMENT: &'static str = "//";
    const HEAD: &'static str = "\
//
// A memory NAME is an unpacked array of words. Icarus Verilog (through 12) and Yosys have no array parameters; there it is
// one vector NAME_PACKED, with word 0 in its lowest bits.
`ifdef __ICARUS__
`define GEN_PARAMS_NO_ARRAYS
`elsif YOSYS
`define GEN_PARAMS_NO_ARRAYS
`endif
/* verilator lint_save */
/* verilator lint_off UNUSEDPARAM */
package gen_params_pkg;
";
    const TAIL: &'static str = "\nendpackage\n/* verilator lint_restore */\n";
    const WIDEST_WORD: u32 = u32::MAX;
    const ROW: [char; 2] = ['{', '}'];

    fn constant(name: &str, value: i64) -> String {
        format!("localparam int {name} = {value};")
    }

    fn list(name: &str, values: &[i64], bits: u32) -> String {
        let mut reversed = values.to_vec();
        reversed.reverse();
        let bytes = bits as usize / 8;
        let append = |value: i64, text: &mut String| {
            text.push_str(&format!("{bits}'h"));
            digits::to_hex(&value.to_le_bytes()[..bytes], bits, text);
        };
        let array = join(values, |_, value, text| append(value, text));
        let packed = join(&reversed, |_, value, text| append(value, text));
        format!(
            "`ifndef GEN_PARAMS_NO_ARRAYS\nlocalparam logic signed [{}:0] {name} [0:{}] = '{{{array}\n}};\n`else\n\
             localparam logic [{}:0] {name}_PACKED = {{{packed}\n}};\n`endif",
            bits - 1,
            values.len().saturating_sub(1),
            (8 * bytes * values.len()).saturating_sub(1)
        )
    }

    fn open(name: &str, bits: u32, count: usize) -> String {
        format!(
            "`ifndef GEN_PARAMS_NO_ARRAYS\nlocalparam logic [{}:0] {name} [0:{}] = '{{",
            bits - 1,
            count.saturating_sub(1)
        )
    }

    fn close(memory: &PackageMemory<'_>) -> String {
        let (words, bits) = (memory.words, memory.words.bits());
        let width = words.len() * bits as usize;
        let mut text = format!(
            "\n}};\n`else\nlocalparam logic [{}:0] {}_PACKED = {{",
            width.saturating_sub(1),
            memory.name
        );
        for (index, word) in words.iter().rev().enumerate() {
            text.push_str(match index {
                0 => "\n    ",
                _ if index % 8 == 0 => ",\n    ",
                _ => ", ",
            });
            Self::word(index, word, bits, &mut text);
        }
        text.push_str("\n};\n`endif");
        text
    }

    fn word(_: usize, word: &[u8], bits: u32, text: &mut String) {
        text.push_str(&format!("{bits}'h"));
        digits::to_hex(word, bits, text);
    }

    fn digits(token: &str) -> Option<(&str, u32)> {
        token.split_once("'h").map(|(_, digits)| (digits, 16))
    }
}
