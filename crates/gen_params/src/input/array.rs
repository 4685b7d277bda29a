//! Arrays of numpy: `.npy` files and the members of `.npz` archives.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use npyz::{Deserialize, NpyFile, Order};
use zip::ZipArchive;

use crate::error::{At, Error, Result, refuse};

/// A dense array in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Elements.
    pub elements: Elements,
}

/// The elements of an array, in the type that the file has.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// uint8.
    U8(Vec<u8>),
    /// int8.
    I8(Vec<i8>),
    /// int16.
    I16(Vec<i16>),
    /// int32.
    I32(Vec<i32>),
    /// int64, or uint32 widened.
    I64(Vec<i64>),
    /// float32.
    F32(Vec<f32>),
    /// float64.
    F64(Vec<f64>),
}

impl Elements {
    /// numpy's name of the element type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "uint8",
            Self::I8(_) => "int8",
            Self::I16(_) => "int16",
            Self::I32(_) => "int32",
            Self::I64(_) => "int64",
            Self::F32(_) => "float32",
            Self::F64(_) => "float64",
        }
    }

    /// The elements as integers; `None` for reals.
    pub fn integers(&self) -> Option<Vec<i64>> {
        fn widen<T: Copy + Into<i64>>(values: &[T]) -> Vec<i64> {
            values.iter().map(|&value| value.into()).collect()
        }
        Some(match self {
            Self::U8(values) => widen(values),
            Self::I8(values) => widen(values),
            Self::I16(values) => widen(values),
            Self::I32(values) => widen(values),
            Self::I64(values) => values.clone(),
            Self::F32(_) | Self::F64(_) => return None,
        })
    }
}

/// A path and, after a colon, the name of an array in an archive: `golden.npz:conv1/output`.
pub(super) fn split_member(path: &Path) -> (PathBuf, Option<String>) {
    let text = path.to_string_lossy();
    match text.rsplit_once(".npz:") {
        Some((file, member)) if !path.exists() => (format!("{file}.npz").into(), Some(member.to_owned())),
        _ => (path.to_owned(), None),
    }
}

/// The array of a `.npy` file, the only one of a `.npz` archive, or the one of this name.
pub(super) fn read_one(path: &Path, member: Option<&str>) -> Result<Array> {
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("npz")) {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        return read_array(BufReader::new(file), length);
    }
    let mut archive = open_archive(path)?;
    let names = member_names(&archive)?;
    let name = match (member, names.as_slice()) {
        (Some(name), _) if names.iter().any(|known| known == name) => name,
        (Some(name), _) => refuse!("has no array {name}; it has {}", names.join(", ")),
        (None, [only]) => only,
        (None, []) => refuse!("holds no array"),
        (None, several) => {
            let problem = format!("holds {} arrays: {}", several.len(), several.join(", "));
            let hint = format!("name one of them: {}:NAME", path.display());
            return Err(Error::given(problem).with_hint(hint));
        }
    };
    read_member(&mut archive, name)
}

/// All arrays of a `.npy` file (named after it) or `.npz` archive, with their names, in the file's order.
pub(crate) fn read_arrays(path: &Path) -> Result<Vec<(String, Array)>> {
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("npz")) {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok(vec![(name, read_one(path, None)?)]);
    }
    let mut archive = open_archive(path)?;
    member_names(&archive)?
        .into_iter()
        .map(|name| {
            let array = read_member(&mut archive, &name).at(|| &name)?;
            Ok((name, array))
        })
        .collect()
}

fn open_archive(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    ZipArchive::new(BufReader::new(File::open(path)?)).at(|| "not a zip archive")
}

fn member_names<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<Vec<String>> {
    let names = archive.file_names().map(|name| {
        let name = name?;
        Ok(name.strip_suffix(".npy").unwrap_or(&name).to_owned())
    });
    names.collect()
}

fn read_member<R: Read + Seek>(archive: &mut ZipArchive<R>, name: &str) -> Result<Array> {
    let index = archive
        .index_for_name(&format!("{name}.npy"))
        .or_else(|| archive.index_for_name(name))
        .ok_or_else(|| Error::given(format!("has no array {name}")))?;
    let member = archive.by_index(index)?;
    let length = member.size();
    read_array(member, length)
}

/// Reads one array from at most `length` bytes.
fn read_array(reader: impl Read, length: u64) -> Result<Array> {
    let file = NpyFile::new(reader.take(length)).at(|| "not a .npy array")?;
    let header = file.header();
    let elements = header.shape().iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
    let order = header.order();
    let dtype = header.dtype();
    let size = dtype.num_bytes().unwrap_or(1) as u64;
    // The header claims; the file's length decides, before anything is allocated.
    if elements.and_then(|n| n.checked_mul(size)).is_none_or(|bytes| bytes > length) {
        refuse!("its header promises shape {:?}, for which it is too short", header.shape());
    }
    let shape = header.shape().iter().map(|&size| usize::try_from(size)).collect::<Result<Vec<_>, _>>()?;
    if order == Order::Fortran && shape.len() > 1 {
        refuse!("is in Fortran order; save numpy.ascontiguousarray(x) instead");
    }
    let name = dtype.descr();
    let name = name.trim_matches('\'');
    let elements = match name.get(1..).unwrap_or_default() {
        "u1" => Elements::U8(values(file)?),
        "i1" => Elements::I8(values(file)?),
        "i2" => Elements::I16(values(file)?),
        "i4" => Elements::I32(values(file)?),
        "i8" => Elements::I64(values(file)?),
        "u4" => Elements::I64(values::<u32, _>(file)?.into_iter().map(i64::from).collect()),
        "f4" => Elements::F32(values(file)?),
        "f8" => Elements::F64(values(file)?),
        _ => refuse!("holds elements of type {name}, expected integers of 8 to 64 bits, float32 or float64"),
    };
    Ok(Array { shape, elements })
}

fn values<T: Deserialize, R: Read>(file: NpyFile<R>) -> Result<Vec<T>> {
    Ok(file
        .data::<T>()
        .map_err(|error| Error::given(error.to_string()))?
        .collect::<std::io::Result<Vec<T>>>()?)
}
