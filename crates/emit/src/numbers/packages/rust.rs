//! A Rust module.

use super::PackageMemory;
use super::language::{Language, integer_bits, join};
use crate::memory::formats::digits;

pub(super) struct Rust;

impl Language for Rust {
    const COMMENT: &'static str = "//";
    const HEAD: &'static str = "";
    const TAIL: &'static str = "";
    const WIDEST_WORD: u32 = 128;
    const ROW: [char; 2] = ['[', ']'];

    fn constant(name: &str, value: i64) -> String {
        format!("pub const {name}: i32 = {value};")
    }

    fn list(name: &str, values: &[i64], bits: u32) -> String {
        let list = join(values, |_, value, text| text.push_str(&value.to_string()));
        format!("pub static {name}: [i{bits}; {}] = [{list}\n];", values.len())
    }

    fn open(name: &str, bits: u32, count: usize) -> String {
        if bits <= Self::WIDEST_WORD {
            format!("pub static {name}: [u{}; {count}] = [", integer_bits(bits))
        } else {
            format!("pub static {name}: [[u8; {}]; {count}] = [", bits.div_ceil(8))
        }
    }

    fn close(_: &PackageMemory<'_>) -> String {
        "\n];".to_owned()
    }

    fn word(_: usize, word: &[u8], bits: u32, text: &mut String) {
        text.push_str("0x");
        digits::to_hex(word, bits, text);
    }

    fn digits(token: &str) -> Option<(&str, u32)> {
        token.strip_prefix("0x").map(|digits| (digits, 16))
    }
}
