//! Intel's memory initialization files: width and depth, radices, then address and word pairs, comments after `--`.

use std::io::{self, Write};

use super::{MemoryFile, ReadError, digits, lines};
use crate::memory::layout::Words;

/// The radix of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Radix {
    Hex,
    Decimal,
    Binary,
}

pub(super) fn write(out: &mut dyn Write, file: &MemoryFile<'_>, radix: Radix) -> io::Result<()> {
    let (bits, signed) = (file.words.bits(), file.signed);
    lines::write_head(out, &file.head, "--")?;
    // DEC is signed, UNS is not.
    let name = match (radix, signed) {
        (Radix::Hex, _) => "HEX",
        (Radix::Decimal, true) => "DEC",
        (Radix::Decimal, false) => "UNS",
        (Radix::Binary, _) => "BIN",
    };
    write!(
        out,
        "WIDTH={bits};\nDEPTH={};\n\nADDRESS_RADIX=UNS;\nDATA_RADIX={name};\n\nCONTENT BEGIN\n",
        file.words.len()
    )?;
    lines::write_words(out, file.words, |index, word, text| {
        text.push_str(&format!("    {index} : "));
        match radix {
            Radix::Hex => digits::to_hex(word, bits, text),
            Radix::Decimal => digits::to_decimal(word, bits, signed, text),
            Radix::Binary => digits::to_binary(word, bits, text),
        }
        text.push_str(";\n");
    })?;
    out.write_all(b"END;\n")
}

pub(super) fn read(bytes: &[u8], bits: u32) -> Result<Words, ReadError> {
    let mut words = Words::new(bits);
    let (mut depth, mut radix, mut in_content) = (None, None, false);
    for (index, line) in lines::text(bytes)?.lines().enumerate() {
        let number = index + 1;
        let line = line.split_once("--").map_or(line, |(before, _)| before).trim();
        let wrong = |expected: String| ReadError::at_line(number, line, expected);
        if line.is_empty() {
            continue;
        }
        if !in_content {
            if line == "CONTENT BEGIN" {
                in_content = true;
                continue;
            }
            let setting = line.strip_suffix(';').and_then(|line| line.split_once('='));
            let (key, value) = setting.ok_or_else(|| wrong("KEY=VALUE; or CONTENT BEGIN".to_owned()))?;
            match (key.trim(), value.trim()) {
                ("WIDTH", value) if value.parse() == Ok(bits) => {}
                ("WIDTH", _) => return Err(wrong(format!("WIDTH={bits}"))),
                ("DEPTH", value) => {
                    depth = Some(value.parse::<usize>().map_err(|_| wrong("a number of words".to_owned()))?);
                }
                ("ADDRESS_RADIX", "UNS") => {}
                ("DATA_RADIX", "HEX") => radix = Some(16),
                ("DATA_RADIX", "DEC" | "UNS") => radix = Some(10),
                ("DATA_RADIX", "BIN") => radix = Some(2),
                _ => {
                    let expected = "WIDTH, DEPTH, ADDRESS_RADIX=UNS, or DATA_RADIX= HEX, DEC, UNS or BIN";
                    return Err(wrong(expected.to_owned()));
                }
            }
            continue;
        }
        if line == "END;" {
            let expected = depth.unwrap_or(words.len());
            if words.len() != expected {
                return Err(ReadError::whole(format!("{} words", words.len()), format!("DEPTH={expected}")));
            }
            return Ok(words);
        }
        let pair = line.strip_suffix(';').and_then(|line| line.split_once(':'));
        let (address, value) = pair.ok_or_else(|| wrong("ADDRESS : WORD;".to_owned()))?;
        if address.trim().parse() != Ok(words.len()) {
            return Err(wrong(format!("address {}", words.len())));
        }
        let radix = radix.ok_or_else(|| wrong("DATA_RADIX before the first word".to_owned()))?;
        lines::push(&mut words, value.trim(), radix, number)?;
    }
    Err(ReadError::whole("no END; at its end", "a whole file"))
}
