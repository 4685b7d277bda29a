//! A C99 header.

use super::PackageMemory;
use super::language::{Language, integer_bits, join};
use crate::memory::formats::digits;

pub(super) struct C;

impl Language for C {
    const COMMENT: &'static str = "//";
    const HEAD: &'static str = "\
//
// Include it in one source file: every file that includes it has its own copy of the tables that it uses.
#ifndef GEN_PARAMS_PARAMS_H
#define GEN_PARAMS_PARAMS_H

#include <stdint.h>
";
    const TAIL: &'static str = "\n#endif // GEN_PARAMS_PARAMS_H\n";
    const WIDEST_WORD: u32 = 64;
    const ROW: [char; 2] = ['{', '}'];

    fn constant(name: &str, value: i64) -> String {
        if value < 0 { format!("#define {name} ({value})") } else { format!("#define {name} {value}") }
    }

    fn list(name: &str, values: &[i64], bits: u32) -> String {
        // No decimal constant of C99 is the smallest.
        let list = join(values, |_, value, text| match value {
            i64::MIN => text.push_str("INT64_MIN"),
            value => text.push_str(&value.to_string()),
        });
        format!("static const int{bits}_t {name}[{}] = {{{list}\n}};", values.len())
    }

    fn open(name: &str, bits: u32, count: usize) -> String {
        if bits <= Self::WIDEST_WORD {
            format!("static const uint{}_t {name}[{count}] = {{", integer_bits(bits))
        } else {
            format!("static const uint8_t {name}[{count}][{}] = {{", bits.div_ceil(8))
        }
    }

    fn close(_: &PackageMemory<'_>) -> String {
        "\n};".to_owned()
    }

    fn word(_: usize, word: &[u8], bits: u32, text: &mut String) {
        // Without suffixes: C99 gives a hexadecimal constant the first type that holds it.
        text.push_str("0x");
        digits::to_hex(word, bits, text);
    }

    fn digits(token: &str) -> Option<(&str, u32)> {
        token.strip_prefix("0x").map(|digits| (digits, 16))
    }
}
