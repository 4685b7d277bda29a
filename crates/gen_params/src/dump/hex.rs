//! Hexadecimal lines of any width, as simulators write them.

use crate::error::{Error, Result, refuse};

/// Words of hexadecimal digits, as `$writememh` and loggers write them: separated by space, `//` comments, `_` between
/// digits. All words have as many digits.
pub(super) fn parse_hex(text: &str) -> Result<(Vec<u64>, u32)> {
    let mut words = Vec::new();
    let mut digits = None;
    for (number, line) in text.lines().enumerate() {
        let line_number = number + 1;
        for word in line.split("//").next().unwrap_or_default().split_whitespace() {
            if word.starts_with('@') {
                refuse!(
                    "line {line_number}: found the address {word}; expected values only, from the first on"
                );
            }
            let plain: String = word.chars().filter(|&c| c != '_').collect();
            let plain = plain.strip_prefix("0x").unwrap_or(&plain);
            let value = u64::from_str_radix(plain, 16).map_err(|_| {
                let undefined = plain.contains(['x', 'X', 'z', 'Z']);
                let why = if undefined { ": the hardware never wrote it" } else { "" };
                Error::given(format!(
                    "line {line_number}: found {word:?}, expected up to 16 hexadecimal digits{why}"
                ))
            })?;
            let count = *digits.get_or_insert(plain.len());
            if plain.len() != count {
                refuse!("line {line_number}: found {} digits, and {count} in the lines before", plain.len());
            }
            words.push(value);
        }
    }
    let bits = u32::try_from(digits.unwrap_or(2) * 4).unwrap_or(64);
    Ok((words, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_what_writememh_writes() {
        let text = "// 0x00000000\nff 7f\n8_0 // third\n\n0a\n";
        assert_eq!(parse_hex(text).unwrap(), (vec![0xff, 0x7f, 0x80, 0x0a], 8));
        let rows = [
            ("xx\n", "never wrote it"),
            ("ff\nfff\n", "3 digits"),
            ("@10\n", "address"),
            ("-1\n", "hexadecimal"),
        ];
        for (text, expected) in rows {
            let error = parse_hex(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
