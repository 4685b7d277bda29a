//! Files of words back to the numbers that are in them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::folder::manifest::{self, Manifest};
use crate::memory::formats::{MemoryFormat, ReadError};
use crate::memory::layout::{Description, Field, LayoutError, Words};
use crate::memory::{Contents, Kind, Placed};
use crate::numbers::c_header;
use crate::numbers::packages::PackageFormat;

/// A table that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTable {
    /// How it lies in memory.
    pub description: Description,
    /// The numbers of each field, in row-major order of its shape.
    pub numbers: Vec<Vec<i64>>,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadBackError {
    /// The system says why.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No format has files of this name.
    #[error("{}: no format of words has files of this name", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// Neither the file nor a manifest says what is in it.
    #[error(
        "{}: neither its head nor a manifest.json beside it says how numbers lie in it\nhint: keep the file in the \
         folder that it was written into, or write a format that has comments",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// The file is not of its format.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The place, and what is there.
        source: ReadError,
    },
    /// The words are not those of the tables.
    #[error("{}: {source}", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: LayoutError,
    },
}

/// Reads every table of a file; the files of other banks are read with it, from the same folder.
///
/// # Errors
/// What the file, its description or the words lack, with the file.
pub fn read_tables(path: &Path) -> Result<Vec<ReadTable>, ReadBackError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let bytes = read(path)?;
    if let Some(format) = PackageFormat::of_file(&name) {
        return package(path, format, &bytes);
    }
    let format =
        MemoryFormat::of_file(&name).ok_or_else(|| ReadBackError::Format { path: path.to_owned() })?;
    let unknown = || ReadBackError::Unknown { path: path.to_owned() };
    let contents = contents(path, &name, &bytes)?.ok_or_else(unknown)?;
    let bits = contents.word_bits().ok_or_else(unknown)?;
    let mut banks = Vec::new();
    for (index, file) in contents.files.iter().enumerate() {
        // A name from a file must not lead anywhere else.
        let name = Path::new(file).file_name().ok_or_else(unknown)?;
        let path = path.with_file_name(name);
        let other;
        let bytes = if index == contents.bank as usize {
            &bytes
        } else {
            other = read(&path)?;
            &other
        };
        banks.push(words(&path, format, bytes, bits, &contents)?);
    }
    tables(path, &contents, &banks)
}

/// What a file of words, or the manifest beside it, says of its contents; `None` where neither says anything.
///
/// # Errors
/// The file cannot be read.
pub fn describe(path: &Path) -> Result<Option<Contents>, ReadBackError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    contents(path, &name, &read(path)?)
}

fn contents(path: &Path, name: &str, bytes: &[u8]) -> Result<Option<Contents>, ReadBackError> {
    MemoryFormat::contents(bytes).map_or_else(|| of_manifest(path, name), |found| Ok(Some(found)))
}

fn read(path: &Path) -> Result<Vec<u8>, ReadBackError> {
    fs::read(path).map_err(|source| ReadBackError::Io { path: path.to_owned(), source })
}

fn words(
    path: &Path,
    format: MemoryFormat,
    bytes: &[u8],
    bits: u32,
    contents: &Contents,
) -> Result<Words, ReadBackError> {
    // Widths from a file are checked before anything is read with them.
    let checked = contents.tables.iter().try_for_each(|placed| placed.table.words_per_bank().map(|_| ()));
    checked.map_err(|source| ReadBackError::Layout { path: path.to_owned(), source })?;
    let found = format.read(bytes, bits, contents.byte_order());
    found.map_err(|source| ReadBackError::File { path: path.to_owned(), source })
}

fn tables(path: &Path, contents: &Contents, banks: &[Words]) -> Result<Vec<ReadTable>, ReadBackError> {
    let numbers =
        contents.read(banks).map_err(|source| ReadBackError::Layout { path: path.to_owned(), source })?;
    let descriptions = contents.tables.iter().map(|placed| placed.table.clone());
    Ok(descriptions.zip(numbers).map(|(description, numbers)| ReadTable { description, numbers }).collect())
}

/// The memories of a package; banks follow each other.
fn package(path: &Path, format: PackageFormat, bytes: &[u8]) -> Result<Vec<ReadTable>, ReadBackError> {
    let failed = |source| ReadBackError::File { path: path.to_owned(), source };
    let memories = format.read(bytes).map_err(failed)?;
    if memories.is_empty() {
        // A header without memories has arrays as C declares them.
        let arrays = match (format, std::str::from_utf8(bytes)) {
            (PackageFormat::C, Ok(text)) => c_header::read(text).map_err(failed)?,
            _ => Vec::new(),
        };
        if arrays.is_empty() {
            return Err(ReadBackError::Unknown { path: path.to_owned() });
        }
        let table = |(description, numbers)| ReadTable { description, numbers: vec![numbers] };
        return Ok(arrays.into_iter().map(table).collect());
    }
    let mut found = Vec::new();
    let mut rest = memories.as_slice();
    while let Some((contents, _)) = rest.first() {
        let count = rest.iter().take_while(|(other, _)| other.files == contents.files).count();
        let (banks, others) = rest.split_at(count);
        let words: Vec<_> = banks.iter().map(|(_, words)| words.clone()).collect();
        found.extend(tables(path, contents, &words)?);
        rest = others;
    }
    Ok(found)
}

/// What the manifest beside a file says of it.
fn of_manifest(path: &Path, name: &str) -> Result<Option<Contents>, ReadBackError> {
    let Ok(text) = fs::read(path.with_file_name(manifest::FILE_NAME)) else { return Ok(None) };
    let Ok(manifest) = Manifest::from_json(&text) else { return Ok(None) };
    if let Some(contents) = manifest.layouts.get(name) {
        return Ok(Some(contents.clone()));
    }
    for layer in &manifest.layers {
        let Some(files) = &layer.files.hex else { continue };
        let files = [
            (Kind::Weight, Some(&files.weight)),
            (Kind::Bias, files.bias.as_ref()),
            (Kind::WeightSum, Some(&files.weight_sum)),
            (Kind::FoldedBias, files.folded_bias.as_ref()),
            (Kind::Multiplier, files.multiplier.as_ref()),
            (Kind::Shift, files.shift.as_ref()),
            (Kind::RoundingConstant, files.rounding_constant.as_ref()),
        ];
        let Some((kind, _)) = files.into_iter().find(|(_, file)| file.is_some_and(|file| file == name))
        else {
            continue;
        };
        let (axes, shape) = match kind {
            Kind::Weight => (layer.weight.axes.as_str(), layer.weight.shape.clone()),
            _ => ("O", vec![layer.channels]),
        };
        let wide = |biases: Option<&Vec<i64>>| {
            biases.into_iter().flatten().any(|&bias| i32::try_from(bias).is_err())
        };
        let (bits, signed) = match kind {
            Kind::Weight => (8, !layer.weight.dtype.starts_with('u')),
            Kind::Bias => (if wide(layer.bias.as_ref()) { 64 } else { 32 }, true),
            Kind::FoldedBias => (if wide(layer.folded_bias.as_ref()) { 64 } else { 32 }, true),
            Kind::WeightSum | Kind::Threshold => (32, true),
            Kind::Multiplier => (32, false),
            Kind::Shift | Kind::Exponent => (8, true),
            Kind::RoundingConstant => (64, true),
        };
        let field = Field { name: kind.name().to_owned(), bits, signed };
        let table = Description::plain(&layer.name, field, axes, &shape);
        let words = table
            .words_per_bank()
            .map_err(|source| ReadBackError::Layout { path: path.to_owned(), source })?;
        let tables = vec![Placed { offset: 0, words, table }];
        return Ok(Some(Contents { bank: 0, files: vec![name.to_owned()], tables }));
    }
    Ok(None)
}
