//! A folder of values that hardware wrote, in files named as golden ones are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::input::{Array, Elements, read_arrays};

/// The values of one file or array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dumped {
    /// Where they are, for messages.
    pub(crate) place: String,
    /// Values of `bits` bits each, as they lie in the file.
    pub(crate) words: Vec<u64>,
    /// Width of each word: the digits of hex, the element type of an array.
    pub(crate) bits: u32,
    /// Sizes, where the file has them.
    pub(crate) shape: Option<Vec<usize>>,
    /// The element type, where the file has one.
    pub(crate) element: Option<&'static str>,
}

impl Dumped {
    /// The words as integers.
    pub(crate) fn values(&self, signed: bool) -> Vec<i64> {
        self.words.iter().map(|&word| interpret(word, self.bits, signed)).collect()
    }

    /// The same words with their bytes in reverse order; `None` where they have one byte, or half of one.
    pub(crate) fn bytes_reversed(&self) -> Option<Self> {
        if self.bits <= 8 || !self.bits.is_multiple_of(8) {
            return None;
        }
        let words = self.words.iter().map(|word| word.swap_bytes() >> (64 - self.bits)).collect();
        Some(Self { words, ..self.clone() })
    }
}

fn interpret(word: u64, bits: u32, signed: bool) -> i64 {
    let unused = 64 - bits.clamp(1, 64);
    if signed { (word << unused).cast_signed() >> unused } else { word.cast_signed() }
}

/// Everything in a folder, by the name of its file without extension (`conv1_output`) or of its array
/// (`conv1/output`). The records that `run --golden` writes beside the values are not looked at.
pub(crate) fn read_folder(folder: &Path) -> Result<BTreeMap<String, Dumped>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| folder.display().to_string())?;
    paths.sort();
    let mut found: BTreeMap<String, Dumped> = BTreeMap::new();
    for path in paths {
        for (name, dumped) in read_file(&path).with_context(|| path.display().to_string())? {
            if let Some(other) = found.get(&name) {
                // A folder of golden values has everything twice.
                let same =
                    other.words.len() == dumped.words.len() && other.values(true) == dumped.values(true);
                if !same {
                    bail!("{} and {} both hold {name}, and differ", other.place, dumped.place);
                }
            }
            // Of two, the one that knows its shape.
            if dumped.shape.is_some() || !found.contains_key(&name) {
                found.insert(name, dumped);
            }
        }
    }
    Ok(found)
}

fn read_file(path: &Path) -> Result<Vec<(String, Dumped)>> {
    let lower = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().to_lowercase());
    let place = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    match lower(path.extension()).as_deref() {
        Some("hex" | "mem") => {
            let text = std::fs::read_to_string(path)?;
            let (words, bits) = parse_hex(&text)?;
            Ok(vec![(stem, Dumped { place, words, bits, shape: None, element: None })])
        }
        Some("npy") => read_arrays(path)?
            .into_iter()
            .map(|(name, array)| Ok((name, words(place.clone(), array)?)))
            .collect(),
        Some("npz") => read_arrays(path)?
            .into_iter()
            .map(|(name, array)| {
                let dumped = words(format!("{place}:{name}"), array)?;
                // Arrays are named with the model's own dots and a slash, files with underscores alone.
                Ok((name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect(), dumped))
            })
            .collect(),
        Some("json") if place == "manifest.json" || place == "golden.json" => Ok(Vec::new()),
        _ if place.starts_with('.') => Ok(Vec::new()),
        _ => bail!("expected .hex, .mem, .npy or .npz"),
    }
}

fn words(place: String, array: Array) -> Result<Dumped> {
    let bits = match &array.elements {
        Elements::U8(_) | Elements::I8(_) => 8,
        Elements::I16(_) => 16,
        Elements::I32(_) => 32,
        Elements::I64(_) => 64,
        Elements::F32(_) | Elements::F64(_) => {
            bail!("found an array of {}, expected integers", array.elements.type_name())
        }
    };
    let element = Some(array.elements.type_name());
    let integers = array.elements.integers().unwrap_or_default();
    let words =
        integers.into_iter().map(|value| (value.cast_unsigned() << (64 - bits)) >> (64 - bits)).collect();
    Ok(Dumped { place, words, bits, shape: Some(array.shape), element })
}

/// Words of hexadecimal digits, as `$writememh` and loggers write them: separated by space, `//` comments, `_` between
/// digits. All words have as many digits.
fn parse_hex(text: &str) -> Result<(Vec<u64>, u32)> {
    let mut words = Vec::new();
    let mut digits = None;
    for (number, line) in text.lines().enumerate() {
        let line_number = number + 1;
        for word in line.split("//").next().unwrap_or_default().split_whitespace() {
            if word.starts_with('@') {
                bail!(
                    "line {line_number}: found the address {word}; expected values only, from the first on"
                );
            }
            let plain: String = word.chars().filter(|&c| c != '_').collect();
            let plain = plain.strip_prefix("0x").unwrap_or(&plain);
            let value = u64::from_str_radix(plain, 16).map_err(|_| {
                let undefined = plain.contains(['x', 'X', 'z', 'Z']);
                let why = if undefined { ": the hardware never wrote it" } else { "" };
                anyhow!("line {line_number}: found {word:?}, expected up to 16 hexadecimal digits{why}")
            })?;
            let count = *digits.get_or_insert(plain.len());
            if plain.len() != count {
                bail!("line {line_number}: found {} digits, and {count} in the lines before", plain.len());
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

    #[test]
    fn words_have_signs_where_the_stage_has() {
        let dumped = |bits, words: &[u64]| Dumped {
            place: String::new(),
            words: words.to_vec(),
            bits,
            shape: None,
            element: None,
        };
        assert_eq!(dumped(8, &[0xff]).values(false), [255]);
        assert_eq!(dumped(8, &[0xff]).values(true), [-1]);
        assert_eq!(dumped(20, &[0xf_fffe]).values(true), [-2]);
        assert_eq!(dumped(32, &[0x0100_0000]).bytes_reversed().unwrap().words, [1]);
        assert_eq!(dumped(8, &[1]).bytes_reversed(), None);
    }
}
