//! Golden values: what a network computes for one input, for hardware to be compared with.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use gen_params_core::hardware::Stage;
use gen_params_core::network::IntNetwork;
use gen_params_core::parameters::{CodeType, Parameters};
use serde::Serialize;

use crate::memory::formats::MemoryFormat;
use crate::memory::layout::{Description, Field, LayoutError};
use crate::memory::{Contents, PackedFile, Packing, pack_values};
use crate::names::{NameSpace, file_stem};
use crate::numbers::decimal_list;
use crate::numbers::hex;
use crate::numbers::npz::Archive;
use crate::output::{FileToWrite, Output};
use crate::{Error, Existing, Format, Formats, Manifest, SourceFile, write_folder};

/// Name of the file that says what the others hold.
pub const INDEX: &str = "golden.json";

/// Name of the archive with all values.
pub const ARCHIVE: &str = "golden.npz";

/// Name of the network's input among the golden values.
pub const INPUT: &str = "input";

/// What stands for an input in [`GoldenTensor::node`]: nothing for the only one, `input_0`, ... for several.
pub fn input_node(index: usize, inputs: usize) -> Option<String> {
    (inputs > 1).then(|| format!("{INPUT}_{index}"))
}

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
    /// The node; `None` for the network's input, see [`input_node`] for several.
    pub node: Option<String>,
    /// The point inside the node.
    pub stage: Stage,
    /// Sizes.
    pub shape: Vec<usize>,
    /// What they are of: `NCHW`, or as many of these letters as there are sizes; `NHWC` for images that the model itself has
    /// so. See [`axes`].
    pub axes: String,
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
    /// Bits, and whether one of them is a sign.
    pub fn bits(self) -> (u32, bool) {
        match self {
            Self::Uint8 => (8, false),
            Self::Int8 => (8, true),
            Self::Int16 => (16, true),
            Self::Int32 => (32, true),
            Self::Int64 => (64, true),
        }
    }

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

/// The axes of a tensor with so many sizes, channels first.
pub fn axes(sizes: usize) -> String {
    match sizes {
        0..=2 => "NC".chars().take(sizes).collect(),
        3..=5 => "NC".chars().chain("DHW".chars().skip(5 - sizes)).collect(),
        // Letters that no order has.
        _ => "NC".chars().chain(('P'..).take(sizes - 2)).collect(),
    }
}

/// In which files golden values are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldenFiles {
    /// How codes lie in memory; `None` in row-major order, one a word, as all other values do.
    pub activation: Option<Packing>,
    /// The formats. [`ARCHIVE`] is always written, and those that hold no values never.
    pub formats: Formats,
}

impl GoldenFiles {
    /// Whether files of a format hold golden values.
    pub fn has(format: Format) -> bool {
        match format {
            Format::Hex | Format::List | Format::Npz | Format::Memory(_) => true,
            Format::Svh | Format::Header | Format::Package(_) => false,
        }
    }
}

impl Default for GoldenFiles {
    /// Hexadecimal lines.
    fn default() -> Self {
        Self { activation: None, formats: [Format::Hex].into_iter().collect() }
    }
}

impl GoldenTensor {
    /// How it lies in a memory where codes lie as `activation` says. An order without N is that of each image.
    pub fn description(&self, activation: Option<&Packing>) -> Description {
        let (bits, signed) = self.width.bits();
        let field = Field { name: self.stage.name().to_owned(), bits, signed };
        let layer = self.node.as_deref().unwrap_or_default();
        match activation.filter(|_| self.is_codes()) {
            None => Description::plain(layer, field, &self.axes, &self.shape),
            Some(packing) => {
                let order = packing.order.clone().map(|order| order.inside('N'));
                let packing = Packing { order, ..packing.clone() };
                packing.describe(layer, self.stage.name(), vec![field], &self.axes, self.shape.clone())
            }
        }
    }

    /// Whether these are codes, which memories of activations hold, and not values inside a layer.
    pub fn is_codes(&self) -> bool {
        matches!(self.stage, Stage::Input | Stage::Output)
    }

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
    axes: &'a str,
    shape: &'a [usize],
    array: String,
    files: Vec<String>,
}

/// Writes golden values and the manifest into `directory`.
///
/// Returns the manifest as written. See [`write_folder`] for what happens to a folder that is there already.
///
/// # Errors
///
/// [`Error::SameName`] for nodes that would share a file, [`Error::Golden`] for values that do not fit their type and
/// [`Error::Layout`] for axes that an order lacks, before anything is written; otherwise as [`write_folder`].
pub fn write_golden(
    directory: &std::path::Path,
    network: &IntNetwork,
    parameters: &Parameters,
    source: Option<SourceFile>,
    golden: &Golden,
    written: &GoldenFiles,
    existing: Existing,
) -> Result<Manifest, Error> {
    let mut manifest = Manifest::describe(parameters, source, &Formats::none());
    let files = golden_files("", network, golden, written, &mut manifest.layouts)?;
    write_folder(directory, &files, manifest, existing)
}

/// The files of golden values, below `prefix`: empty, or a folder with `/` at its end. `layouts` gets those of their words.
pub(crate) fn golden_files<'a>(
    prefix: &str,
    network: &IntNetwork,
    golden: &'a Golden,
    written: &GoldenFiles,
    layouts: &mut BTreeMap<String, Contents>,
) -> Result<Vec<FileToWrite<'a>>, Error> {
    let mut names = NameSpace::default();
    for tensor in &golden.tensors {
        names.claim(&tensor.file_stem(), tensor.node.as_deref().unwrap_or(INPUT))?;
        check(tensor)?;
    }
    let mut files =
        vec![FileToWrite::new(format!("{prefix}{ARCHIVE}"), |out| write_archive(out, &golden.tensors))];
    let mut of_tensors = Vec::new();
    for tensor in &golden.tensors {
        let own = tensor_files(prefix, tensor, written, layouts)?;
        of_tensors.push(own.iter().map(|file| file.name().to_owned()).collect());
        files.extend(own);
    }
    let index = index(network, golden, of_tensors)?;
    files.push(FileToWrite::new(format!("{prefix}{INDEX}"), move |out| out.write_all(&index)));
    Ok(files)
}

/// The files of one point, in every format that holds values.
pub(crate) fn tensor_files<'a>(
    prefix: &str,
    tensor: &'a GoldenTensor,
    written: &GoldenFiles,
    layouts: &mut BTreeMap<String, Contents>,
) -> Result<Vec<FileToWrite<'a>>, Error> {
    let stem = format!("{prefix}{}", tensor.file_stem());
    let laid_out = written.activation.as_ref().filter(|_| tensor.is_codes());
    let mut files = Vec::new();
    let mut packed: Option<Arc<[PackedFile]>> = None;
    for format in written.formats.iter() {
        let format = match format {
            Format::Hex if laid_out.is_none() => {
                files.push(FileToWrite::new(format!("{stem}.hex"), |out| write_hex(out, tensor)));
                continue;
            }
            Format::List => {
                let name = format!("{stem}.txt");
                files.push(FileToWrite::new(name, |out| decimal_list::write_integers(out, &tensor.values)));
                continue;
            }
            Format::Hex => MemoryFormat::Hex,
            Format::Memory(format) => format,
            Format::Svh | Format::Header | Format::Npz | Format::Package(_) => continue,
        };
        let banks = match &packed {
            Some(banks) => Arc::clone(banks),
            None => pack_tensor(&stem, tensor, laid_out)?.into(),
        };
        for index in 0..banks.len() {
            let file = &banks[index];
            let name = format!("{}.{}", file.stem, format.extension());
            // Names of other banks are those in the same folder.
            let mut contents = file.contents_with(format.extension());
            for name in &mut contents.files {
                *name = name.strip_prefix(prefix).unwrap_or(name).to_owned();
            }
            layouts.insert(name.clone(), contents.clone());
            let banks = Arc::clone(&banks);
            files.push(FileToWrite::new(name, move |out| banks[index].write(out, format, &contents)));
        }
        packed = Some(banks);
    }
    Ok(files)
}

fn pack_tensor(
    stem: &str,
    tensor: &GoldenTensor,
    laid_out: Option<&Packing>,
) -> Result<Vec<PackedFile>, Error> {
    let failed = |source: LayoutError| Error::Layout {
        layer: tensor.node.clone().unwrap_or_else(|| INPUT.to_owned()),
        table: tensor.stage.name().to_owned(),
        source,
    };
    pack_values(stem, &tensor.description(laid_out), &tensor.values).map_err(failed)
}

fn index(network: &IntNetwork, golden: &Golden, files: Vec<Vec<String>>) -> Result<Vec<u8>, Error> {
    let index = Index {
        schema: 1,
        contract: &golden.contract,
        options: &golden.options,
        nodes: network.nodes.iter().map(|node| node.name.as_str()).collect(),
        tensors: golden
            .tensors
            .iter()
            .zip(files)
            .map(|(tensor, files)| IndexEntry {
                node: tensor.node.as_deref(),
                stage: tensor.stage.name(),
                dtype: tensor.width,
                axes: &tensor.axes,
                shape: &tensor.shape,
                array: tensor.array_name(),
                files: files
                    .into_iter()
                    .map(|name| name.rsplit_once('/').map_or(name.clone(), |(_, name)| name.to_owned()))
                    .collect(),
            })
            .collect(),
    };
    let unwritable = |error: &dyn std::fmt::Display| Error::Golden { found: error.to_string() };
    let value = serde_json::to_value(index).map_err(|error| unwritable(&error))?;
    let mut text = Vec::new();
    crate::folder::json::write(&mut text, &value).map_err(|error| unwritable(&error))?;
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

fn write_hex(out: &mut dyn Output, tensor: &GoldenTensor) -> io::Result<()> {
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
