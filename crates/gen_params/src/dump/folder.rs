//! The files of a dump, by the point of the network that they are named after.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gen_params_emit::GoldenTensor;
use gen_params_emit::folder::read_back::{describe, read_tables};
use gen_params_emit::memory::formats::MemoryFormat;
use gen_params_emit::memory::layout::Description;
use gen_params_emit::memory::{BANK, Packing};

use super::hex::parse_hex;
use super::{Dumped, memory, word};
use crate::error::{At, Error, Result, refuse};
use crate::input::{Array, Elements, read_arrays};

/// A folder of values, by the name of its files without extension (`conv1_output`) or of its arrays (`conv1/output`).
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    sources: BTreeMap<String, Vec<Source>>,
}

/// Where the values of one point are.
#[derive(Debug)]
enum Source {
    /// An array of an archive.
    Array(Box<Dumped>),
    /// A file, or one for each bank of a memory, in order.
    Files(Vec<PathBuf>),
}

impl Folder {
    /// Lists a folder. The records that `run --golden` writes beside the values are not looked at.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut paths: Vec<PathBuf> = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .at(|| path.display())?;
        paths.sort();
        let mut sources: BTreeMap<String, Vec<Source>> = BTreeMap::new();
        let mut banks: BTreeMap<(String, String), BTreeMap<usize, PathBuf>> = BTreeMap::new();
        for path in paths {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let (stem, extension) = name.split_once('.').unwrap_or((&name, ""));
            if stem.is_empty() || ["manifest.json", "golden.json"].contains(&name.as_str()) {
                continue;
            }
            let extension = extension.to_lowercase();
            match extension.as_str() {
                "npz" => {
                    for (name, array) in read_arrays(&path).at(|| path.display())? {
                        let dumped =
                            dumped(format!("{}:{name}", file_name(&path)), array).at(|| path.display())?;
                        // Arrays are named with the model's own dots and a slash, files with underscores alone.
                        let stem = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
                        sources.entry(stem.collect()).or_default().push(Source::Array(Box::new(dumped)));
                    }
                }
                "mem" | "txt" => {
                    sources.entry(stem.to_owned()).or_default().push(Source::Files(vec![path]));
                }
                _ if MemoryFormat::of_file(&name).is_some() => {
                    let bank =
                        stem.rsplit_once(BANK).and_then(|(stem, bank)| Some((stem, bank.parse().ok()?)));
                    let (stem, bank) = bank.unwrap_or((stem, 0));
                    banks.entry((stem.to_owned(), extension)).or_default().insert(bank, path);
                }
                _ => refuse!(
                    "{}: expected .npz, .npy, .mem, .txt or a format of words: hex, bin, coe, mif, raw, ihex, dec, csv",
                    path.display()
                ),
            }
        }
        for ((stem, _), files) in banks {
            sources.entry(stem).or_default().push(Source::Files(files.into_values().collect()));
        }
        Ok(Self { path: path.to_owned(), sources })
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The places of values that have none of these names.
    pub(crate) fn others(&self, names: &[String]) -> Vec<String> {
        let others = self.sources.iter().filter(|(name, _)| !names.contains(name));
        others.flat_map(|(_, sources)| sources).map(Source::place).collect()
    }

    /// Values of this name that know their shape.
    pub(crate) fn with_shape(&self, name: &str) -> Result<Option<Dumped>> {
        for source in self.sources.get(name).into_iter().flatten() {
            match source {
                Source::Array(dumped) => return Ok(Some((**dumped).clone())),
                Source::Files(files) => {
                    let is_array = files[0].extension().is_some_and(|extension| extension == "npy");
                    if let Some(described) = self_described(files)? {
                        return Ok(Some(described));
                    }
                    if is_array {
                        return Ok(Some(array(&files[0])?));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The values of a point, whose codes lie as `activation` says; `None` where the folder has none.
    pub(crate) fn find(&self, golden: &GoldenTensor, activation: Option<&Packing>) -> Result<Option<Dumped>> {
        let laid_out = activation.filter(|_| golden.is_codes());
        let mut found: Option<Dumped> = None;
        for source in self.sources.get(&golden.file_stem()).into_iter().flatten() {
            let dumped = match source {
                Source::Array(dumped) => (**dumped).clone(),
                Source::Files(files) => match self_described(files)? {
                    Some(dumped) => dumped,
                    None => read(files, golden.description(laid_out), laid_out.is_some())
                        .at(|| self.path.display())?,
                },
            };
            if let Some(other) = &found
                && (other.words.len() != dumped.words.len() || other.values(true) != dumped.values(true))
            {
                // A folder of golden values has everything twice.
                refuse!("{} and {} both hold {}, and differ", other.place, dumped.place, golden.file_stem());
            }
            // Of two, the one that knows its shape.
            if dumped.shape.is_some() || found.is_none() {
                found = Some(dumped);
            }
        }
        Ok(found)
    }
}

impl Source {
    fn place(&self) -> String {
        match self {
            Self::Array(dumped) => dumped.place.clone(),
            Self::Files(files) => files.iter().map(|path| file_name(path)).collect::<Vec<_>>().join(", "),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The values of files that say how they lie there; `None` for others.
fn self_described(files: &[PathBuf]) -> Result<Option<Dumped>> {
    let Some(first) = files.first().filter(|path| MemoryFormat::of_file(&file_name(path)).is_some()) else {
        return Ok(None);
    };
    if describe(first)?.is_none() {
        return Ok(None);
    }
    let Some(table) = read_tables(first)?.into_iter().next() else { return Ok(None) };
    let Description { shape, fields, .. } = table.description;
    let (Some(field), Some(values)) = (fields.first(), table.numbers.into_iter().next()) else {
        return Ok(None);
    };
    let words = values.into_iter().map(|value| word(value, field.bits)).collect();
    Ok(Some(Dumped::plain(file_name(first), words, field.bits, Some(shape))))
}

/// The values of files that do not say how they lie there.
fn read(files: &[PathBuf], description: Description, is_laid_out: bool) -> Result<Dumped> {
    let names: Vec<String> = files.iter().map(|path| file_name(path)).collect();
    let (first, name) = files.first().zip(names.first()).ok_or_else(|| Error::given("no file"))?;
    match name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).as_deref() {
        Some("txt") => {
            let text = fs::read_to_string(first).at(|| name)?;
            return decimals(name, &text, &description);
        }
        Some("hex" | "mem") if !is_laid_out => {
            let text = fs::read_to_string(first).at(|| name)?;
            let (words, bits) = parse_hex(&text).at(|| name)?;
            return Ok(Dumped::plain(name.clone(), words, bits, None));
        }
        Some("npy") if !is_laid_out => return array(first),
        _ => {}
    }
    if files.len() != description.banks as usize {
        refuse!("found {}, expected {} banks", names.join(", "), description.banks);
    }
    let (bits, byte_order) = (description.word_bits, description.byte_order);
    let banks = files.iter().zip(&names).map(|(path, name)| {
        // Of a simulator's own memory files.
        let format = MemoryFormat::of_file(name).unwrap_or(MemoryFormat::Hex);
        let bytes = fs::read(path).at(|| name)?;
        format.read(&bytes, bits, byte_order).at(|| name)
    });
    memory::read(description, banks.collect::<Result<_>>()?, names)
}

/// Decimal integers in lists, as Python prints them.
fn decimals(name: &str, text: &str, description: &Description) -> Result<Dumped> {
    let bits = description.fields.first().map_or(64, |field| field.bits);
    let integers = text.split(|c: char| !(c.is_ascii_digit() || c == '-')).filter(|token| !token.is_empty());
    let words = integers.map(|token| {
        let value: i64 =
            token.parse().map_err(|_| Error::given(format!("{name}: found {token:?}, expected integers")))?;
        Ok(word(value, bits))
    });
    Ok(Dumped::plain(name.to_owned(), words.collect::<Result<_>>()?, bits, None))
}

fn array(path: &Path) -> Result<Dumped> {
    let place = file_name(path);
    let (_, array) = read_arrays(path)?.into_iter().next().ok_or_else(|| Error::given(&place))?;
    dumped(place.clone(), array).at(|| place)
}

fn dumped(place: String, array: Array) -> Result<Dumped> {
    let bits = match &array.elements {
        Elements::U8(_) | Elements::I8(_) => 8,
        Elements::I16(_) => 16,
        Elements::I32(_) => 32,
        Elements::I64(_) => 64,
        Elements::F32(_) | Elements::F64(_) => {
            refuse!("found an array of {}, expected integers", array.elements.type_name())
        }
    };
    let element = Some(array.elements.type_name());
    let integers = array.elements.integers().unwrap_or_default();
    let words = integers.into_iter().map(|value| word(value, bits)).collect();
    Ok(Dumped { element, ..Dumped::plain(place, words, bits, Some(array.shape)) })
}
