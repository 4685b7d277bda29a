//! Golden values: what a network computes for one input, as hex and npz, for hardware to be compared with.

use std::io;

use gen_params_core::network::IntNetwork;
use gen_params_core::parameters::{CodeType, Parameters};
use gen_params_core::target::Stage;
use serde::Serialize;

use crate::folder::{FileToWrite, Output};
use crate::names::{NameSpace, file_stem};
use crate::npz::Archive;
use crate::{Error, Existing, Formats, Manifest, SourceFile, hex, write_folder};

/// Name of the file that says what the others hold.
pub const INDEX: &str = "golden.json";

/// Name of the archive with all values.
pub const ARCHIVE: &str = "golden.npz";

/// Name of the network's input among the golden values.
pub const INPUT: &str = "input";

/// Golden values of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// Name of the arithmetic.
    pub contract: String,
    /// The choices of the target's arithmetic, by name; empty for engines.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// Values, in the order in which they are computed.
    pub tensors: Vec<GoldenTensor>,
}

/// The values at one point of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenTensor {
    /// The node; `None` for the network's input.
    pub node: Option<String>,
    /// The point inside the node.
    pub stage: Stage,
    /// (N, C, spatial...).
    pub shape: Vec<usize>,
    /// Width in files.
    pub width: Width,
    /// Row-major values.
    pub values: Vec<i64>,
}

/// The integer type that values have in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// Unsigned 8 bits.
    Uint8,
    /// Signed 8 bits.
    Int8,
    /// Signed 16 bits.
    Int16,
    /// Signed 32 bits.
    Int32,
    /// Signed 64 bits.
    Int64,
}

impl Width {
    /// That of codes.
    pub fn of_codes(code_type: CodeType) -> Self {
        match code_type {
            CodeType::U8 => Self::Uint8,
            CodeType::I8 => Self::Int8,
            CodeType::I16 => Self::Int16,
            CodeType::I32 => Self::Int32,
        }
    }

    /// The narrower of 32 and 64 signed bits that holds a register.
    pub fn of_register(bits: u32) -> Self {
        if bits <= 32 { Self::Int32 } else { Self::Int64 }
    }
}

impl GoldenTensor {
    /// The name of its array in [`ARCHIVE`]: `conv1/accumulator`.
    pub fn array_name(&self) -> String {
        match &self.node {
            Some(node) => format!("{node}/{}", self.stage),
            None => INPUT.into(),
        }
    }

    /// The name of its file, without extension: `conv1_accumulator`.
    pub fn file_stem(&self) -> String {
        stem(self.node.as_deref(), self.stage)
    }
}

/// The name of the file with the values at one point of the network, without extension.
pub fn stem(node: Option<&str>, stage: Stage) -> String {
    match node {
        Some(node) => format!("{}_{stage}", file_stem(node)),
        None => INPUT.into(),
    }
}

/// The file that says what the others hold.
#[derive(Serialize)]
struct Index<'a> {
    schema: u32,
    contract: &'a str,
    options: &'a serde_json::Map<String, serde_json::Value>,
    /// Nodes in execution order.
    nodes: Vec<&'a str>,
    tensors: Vec<IndexEntry<'a>>,
}

#[derive(Serialize)]
struct IndexEntry<'a> {
    node: Option<&'a str>,
    stage: &'static str,
    dtype: Width,
    shape: &'a [usize],
    array: String,
    file: String,
}

/// Writes golden values and the manifest into `directory`.
///
/// Returns the manifest as written. See [`write_folder`] for what happens to a folder that is there already.
///
/// # Errors
///
/// [`Error::SameName`] for nodes that would share a file, [`Error::Golden`] for values that do not fit their type, before
/// anything is written; otherwise as [`write_folder`].
pub fn write_golden(
    directory: &std::path::Path,
    network: &IntNetwork,
    parameters: &Parameters,
    source: Option<SourceFile>,
    golden: &Golden,
    existing: Existing,
) -> Result<Manifest, Error> {
    let files = golden_files("", network, golden)?;
    write_folder(directory, &files, Manifest::describe(parameters, source, &Formats::none()), existing)
}

/// The files of golden values, below `prefix`: empty, or a folder with `/` at its end.
pub(crate) fn golden_files<'a>(
    prefix: &str,
    network: &IntNetwork,
    golden: &'a Golden,
) -> Result<Vec<FileToWrite<'a>>, Error> {
    let mut names = NameSpace::default();
    for tensor in &golden.tensors {
        names.claim(&tensor.file_stem(), tensor.node.as_deref().unwrap_or(INPUT))?;
        check(tensor)?;
    }
    let index = index(network, golden)?;
    let mut files =
        vec![FileToWrite::new(format!("{prefix}{ARCHIVE}"), |out| write_archive(out, &golden.tensors))];
    for tensor in &golden.tensors {
        let name = format!("{prefix}{}.hex", tensor.file_stem());
        files.push(FileToWrite::new(name, |out| write_hex(out, tensor)));
    }
    files.push(FileToWrite::new(format!("{prefix}{INDEX}"), move |out| out.write_all(&index)));
    Ok(files)
}

fn index(network: &IntNetwork, golden: &Golden) -> Result<Vec<u8>, Error> {
    let index = Index {
        schema: 1,
        contract: &golden.contract,
        options: &golden.options,
        nodes: network.nodes.iter().map(|node| node.name.as_str()).collect(),
        tensors: golden
            .tensors
            .iter()
            .map(|tensor| IndexEntry {
                node: tensor.node.as_deref(),
                stage: tensor.stage.name(),
                dtype: tensor.width,
                shape: &tensor.shape,
                array: tensor.array_name(),
                file: format!("{}.hex", tensor.file_stem()),
            })
            .collect(),
    };
    let unwritable = |error: &dyn std::fmt::Display| Error::Golden { found: error.to_string() };
    let value = serde_json::to_value(index).map_err(|error| unwritable(&error))?;
    let mut text = Vec::new();
    crate::json::write(&mut text, &value).map_err(|error| unwritable(&error))?;
    Ok(text)
}

fn check(tensor: &GoldenTensor) -> Result<(), Error> {
    let fits = match tensor.width {
        Width::Uint8 => narrow::<u8>(&tensor.values).is_ok(),
        Width::Int8 => narrow::<i8>(&tensor.values).is_ok(),
        Width::Int16 => narrow::<i16>(&tensor.values).is_ok(),
        Width::Int32 => narrow::<i32>(&tensor.values).is_ok(),
        Width::Int64 => true,
    };
    if fits && tensor.shape.iter().product::<usize>() == tensor.values.len() {
        return Ok(());
    }
    let found = format!(
        "{}: {} values of {:?} in a shape of {:?}",
        tensor.array_name(),
        tensor.values.len(),
        tensor.width,
        tensor.shape
    );
    Err(Error::Golden { found })
}

fn narrow<T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>>(
    values: &[i64],
) -> io::Result<Vec<T>> {
    values.iter().map(|&value| T::try_from(value)).collect::<Result<_, _>>().map_err(io::Error::other)
}

pub(crate) fn write_hex(out: &mut dyn Output, tensor: &GoldenTensor) -> io::Result<()> {
    match tensor.width {
        Width::Uint8 => hex::write_u8(out, &narrow(&tensor.values)?),
        Width::Int8 => hex::write_i8(out, &narrow(&tensor.values)?),
        Width::Int16 => hex::write_i16(out, &narrow(&tensor.values)?),
        Width::Int32 => hex::write_i32(out, &narrow(&tensor.values)?),
        Width::Int64 => hex::write_i64(out, &tensor.values),
    }
}

fn write_archive(out: &mut dyn Output, tensors: &[GoldenTensor]) -> io::Result<()> {
    let mut archive = Archive::new(out);
    for tensor in tensors {
        let (name, shape) = (tensor.array_name(), tensor.shape.as_slice());
        match tensor.width {
            Width::Uint8 => archive.array(&name, shape, &narrow::<u8>(&tensor.values)?)?,
            Width::Int8 => archive.array(&name, shape, &narrow::<i8>(&tensor.values)?)?,
            Width::Int16 => archive.array(&name, shape, &narrow::<i16>(&tensor.values)?)?,
            Width::Int32 => archive.array(&name, shape, &narrow::<i32>(&tensor.values)?)?,
            Width::Int64 => archive.array(&name, shape, &tensor.values)?,
        }
    }
    archive.finish()
}
