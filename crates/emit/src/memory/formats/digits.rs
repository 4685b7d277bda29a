//! Words as digits, and digits as words.

use num_bigint::{BigInt, BigUint, Sign};

/// All digits of a little-endian word of `bits` bits in hexadecimal, the highest first.
pub(crate) fn to_hex(word: &[u8], bits: u32, text: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for digit in (0..bits.div_ceil(4) as usize).rev() {
        let byte = word.get(digit / 2).copied().unwrap_or(0);
        text.push(DIGITS[usize::from(if digit % 2 == 1 { byte >> 4 } else { byte & 15 })]);
    }
}

/// All bits of a word, the highest first.
pub(crate) fn to_binary(word: &[u8], bits: u32, text: &mut String) {
    for bit in (0..bits as usize).rev() {
        let byte = word.get(bit / 8).copied().unwrap_or(0);
        text.push(if byte >> (bit % 8) & 1 == 1 { '1' } else { '0' });
    }
}

/// A word as a decimal number, in two's complement if `signed`.
pub(crate) fn to_decimal(word: &[u8], bits: u32, signed: bool, text: &mut String) {
    let value = BigInt::from_bytes_le(Sign::Plus, word);
    let negative = signed && value.bit(u64::from(bits) - 1);
    let value = if negative { value - (BigInt::from(1) << bits) } else { value };
    text.push_str(&value.to_string());
}

/// A number of at most `bits` bits as a little-endian word; `None` if these are no digits of the radix (2, 10 or 16), or
/// too many. A decimal one may be negative. Underscores between digits do not count.
pub(crate) fn from_digits(text: &str, radix: u32, bits: u32) -> Option<Vec<u8>> {
    // More digits than any word has are not read.
    if text.len() > 4096 || text.is_empty() {
        return None;
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) if radix == 10 => (true, digits),
        _ => (false, text),
    };
    let digits: Vec<u8> = digits.bytes().filter(|&byte| byte != b'_').collect();
    let magnitude = BigUint::parse_bytes(&digits, radix)?;
    let value = if negative {
        let power = BigUint::from(1_u32) << bits;
        // -2^(bits-1) is the smallest.
        if magnitude.bits() == 0 || magnitude > BigUint::from(1_u32) << (bits - 1) {
            return None;
        }
        power - magnitude
    } else {
        magnitude
    };
    if value.bits() > u64::from(bits) {
        return None;
    }
    let mut word = value.to_bytes_le();
    word.resize(bits.div_ceil(8) as usize, 0);
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        // Word, bits; in hexadecimal, in binary, without and with a sign.
        type Row<'a> = (&'a [u8], u32, &'a str, &'a str, &'a str, &'a str);
        let rows: [Row<'_>; 5] = [
            (&[0x0a], 8, "0a", "00001010", "10", "10"),
            (&[0xfe], 8, "fe", "11111110", "254", "-2"),
            (&[0x01, 0x02], 10, "201", "1000000001", "513", "-511"),
            (&[0x00, 0x80], 16, "8000", "1000000000000000", "32768", "-32768"),
            (&[0xff; 9], 72, "ffffffffffffffffff", &"1".repeat(72), "4722366482869645213695", "-1"),
        ];
        for (word, bits, hex, binary, unsigned, signed) in rows {
            let write = |with: &dyn Fn(&mut String)| {
                let mut text = String::new();
                with(&mut text);
                text
            };
            assert_eq!(write(&|text| to_hex(word, bits, text)), hex);
            assert_eq!(write(&|text| to_binary(word, bits, text)), binary);
            assert_eq!(write(&|text| to_decimal(word, bits, false, text)), unsigned);
            assert_eq!(write(&|text| to_decimal(word, bits, true, text)), signed);
            for (text, radix) in [(hex, 16), (binary, 2), (unsigned, 10), (signed, 10)] {
                assert_eq!(from_digits(text, radix, bits).as_deref(), Some(word), "{text}");
            }
        }
        for (text, radix, bits) in [
            ("", 16, 8),
            ("100", 16, 8),
            ("-129", 10, 8),
            ("-0", 10, 8),
            ("-1", 16, 8),
            ("g", 16, 8),
            ("2", 2, 8),
        ] {
            assert_eq!(from_digits(text, radix, bits), None, "{text}");
        }
    }
}
