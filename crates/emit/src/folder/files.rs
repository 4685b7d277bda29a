//! Which files a set of formats consists of, and what each holds.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

use gen_params_core::parameters::{LayerParameters, Parameters, ProductParameters, Weight};

use crate::folder::check::check;
use crate::memory::formats::MemoryFormat;
use crate::memory::layer_file;
use crate::memory::{Contents, Kind, Memory, PackedFile, pack_all};
use crate::names::table_file;
use crate::names::{NameSpace, file_stem, identifier_prefix};
use crate::numbers::c_header;
use crate::numbers::constants::{Constant, Section, Value};
use crate::numbers::decimal_list;
use crate::numbers::hex;
use crate::numbers::npz;
use crate::numbers::packages::{Package, PackageFormat, PackageMemory, PackageSection};
use crate::numbers::svh;
use crate::numbers::{file_bytes, narrow};
use crate::output::{FileToWrite, Output, WriteOnly};
use crate::{Error, Format, Formats};

/// Numbers of one kind, as they are in memory.
#[derive(Debug, Clone)]
enum Numbers<'a> {
    Weight(&'a Weight),
    /// 32 bits where all fit, else 64.
    Bias(&'a [i64]),
    Signed(Vec<i32>),
    Unsigned(&'a [u32]),
    Shift(&'a [i32]),
    Wide(&'a [i64]),
}

/// The numbers of one of the usual kinds; `None` where they are unknown.
fn numbers(kind: Kind, layer: &LayerParameters) -> Option<Numbers<'_>> {
    match kind {
        Kind::Weight => Some(Numbers::Weight(&layer.weight)),
        Kind::Bias => layer.bias.as_deref().map(Numbers::Bias),
        Kind::WeightSum => layer.file_weight_sum().map(Numbers::Signed),
        Kind::FoldedBias => layer.folded_bias.as_deref().map(Numbers::Bias),
        Kind::Multiplier => layer.multiplier.as_deref().map(Numbers::Unsigned),
        Kind::Shift => layer.shift.as_deref().map(Numbers::Shift),
        Kind::RoundingConstant => layer.rounding_constant.as_deref().map(Numbers::Wide),
        Kind::Exponent | Kind::Threshold => None,
    }
}

/// The name of the file with a layer's thresholds: accumulators, per channel and code, in hex.
pub fn threshold_file(layer: &str) -> String {
    format!("{}_threshold.hex", file_stem(layer))
}

/// Files, and how the words in them lie.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    pub(crate) files: Vec<FileToWrite<'a>>,
    /// What each file of words holds, by its name.
    pub(crate) layouts: BTreeMap<String, Contents>,
}

/// The files that `formats` selects, every number as it is unless a target says otherwise. Nothing is rendered yet.
///
/// Kinds of numbers that are unknown have no file.
///
/// # Errors
///
/// [`Error::Inconsistent`] for lists of a wrong length, reals that are not finite, and shifts beyond 8 bits;
/// [`Error::SameName`] for layers that would share a file or an identifier, in upper or lower case.
pub fn files<'a>(parameters: &'a Parameters, formats: &Formats) -> Result<Vec<FileToWrite<'a>>, Error> {
    Ok(files_in(parameters, formats, &Memory::default())?.files)
}

/// The same, with the tables of a memory.
pub(crate) fn files_in<'a>(
    parameters: &'a Parameters,
    formats: &Formats,
    memory: &Memory,
) -> Result<Files<'a>, Error> {
    check(parameters)?;
    check_names(parameters, formats, memory)?;
    let usual = memory.is_usual();
    let mut files = Vec::new();
    let (memories, packages) = word_formats(formats, usual);
    // The largest first: the others fill the gaps between them when several are written at once.
    if formats.contains(Format::Header) && usual {
        files.push(FileToWrite::new(PackageFormat::C.file_name(), |out| c_header::write(out, parameters)));
    }
    if formats.contains(Format::Npz) {
        files.push(FileToWrite::new("params.npz", |out| npz::write(out, parameters)));
    }
    if formats.contains(Format::Svh) {
        let hex = formats.contains(Format::Hex) && usual;
        files.push(FileToWrite::new("params.svh", move |out| svh::write(out, parameters, hex)));
    }
    let mut layouts = BTreeMap::new();
    if !memories.is_empty() || !packages.is_empty() {
        let packed: Arc<[PackedFile]> = pack_all(parameters, memory)?.into();
        for format in packages {
            let packed = Arc::clone(&packed);
            files.push(FileToWrite::new(format.file_name(), move |out| {
                format.write(&mut WriteOnly(out), &package(parameters, &packed))
            }));
        }
        for format in memories {
            for index in 0..packed.len() {
                let contents = packed[index].contents_with(format.extension());
                let name = format!("{}.{}", packed[index].stem, format.extension());
                layouts.insert(name.clone(), contents.clone());
                let packed = Arc::clone(&packed);
                files.push(FileToWrite::new(name, move |out| packed[index].write(out, format, &contents)));
            }
        }
    }
    for layer in &parameters.layers {
        for kind in Kind::USUAL {
            let Some(numbers) = numbers(kind, layer) else { continue };
            if formats.contains(Format::Hex) && usual {
                let name = layer_file(&layer.name, kind, "hex");
                let numbers = numbers.clone();
                files.push(FileToWrite::new(name, move |out| write_hex(out, &numbers)));
            }
            if formats.contains(Format::List) {
                let name = layer_file(&layer.name, kind, "txt");
                files.push(FileToWrite::new(name, move |out| write_list(out, &numbers)));
            }
        }
    }
    for product in parameters.recurrent.iter().flat_map(|recurrent| &recurrent.products) {
        let name = |kind, extension| layer_file(&product.name, kind, extension);
        let biases = [(Kind::Bias, &product.bias), (Kind::FoldedBias, &product.folded_bias)];
        if formats.contains(Format::Hex) {
            files.push(FileToWrite::new(name(Kind::Weight, "hex"), move |out| write_product(out, product)));
            for (kind, values) in biases {
                files.push(FileToWrite::new(name(kind, "hex"), move |out| write_bias(out, values)));
            }
        }
        if formats.contains(Format::List) {
            files.push(FileToWrite::new(name(Kind::Weight, "txt"), move |out| {
                decimal_list::write_integers(out, &product.weight)
            }));
            for (kind, values) in biases {
                let name = name(kind, "txt");
                files.push(FileToWrite::new(name, move |out| decimal_list::write_integers(out, values)));
            }
        }
    }
    for table in &parameters.tables {
        if formats.contains(Format::Hex) {
            let name = table_file(&table.name, "hex");
            files.push(FileToWrite::new(name, move |out| hex::write_i8(out, &low_bytes(&table.codes))));
        }
        if formats.contains(Format::List) {
            let name = table_file(&table.name, "txt");
            files.push(FileToWrite::new(name, move |out| decimal_list::write_integers(out, &table.codes)));
        }
    }
    Ok(Files { files, layouts })
}

/// The formats that hold words: files of one memory each, and packages of all.
fn word_formats(formats: &Formats, usual: bool) -> (Vec<MemoryFormat>, Vec<PackageFormat>) {
    let (mut memories, mut packages) = (Vec::new(), Vec::new());
    for format in formats.iter() {
        match format {
            Format::Hex if !usual => memories.push(MemoryFormat::Hex),
            Format::Header if !usual => packages.push(PackageFormat::C),
            Format::Memory(format) => memories.push(format),
            Format::Package(format) => packages.push(format),
            Format::Hex | Format::Header | Format::Svh | Format::Npz | Format::List => {}
        }
    }
    (memories, packages)
}

/// Every constant, and every memory.
fn package<'a>(parameters: &Parameters, packed: &'a [PackedFile]) -> Package<'a> {
    // The lists of a layer are memories, all but this one.
    let layers = parameters.layers.iter().map(Section::of_layer);
    let layers = layers.map(|section| package_section(section, |suffix| suffix == "WEIGHT_ZERO_POINT"));
    let operators = Section::of_operators(parameters).map(|section| package_section(section, |_| true));
    let memories = packed.iter().map(|file| PackageMemory {
        name: file.identifier.clone(),
        contents: Contents { files: file.identifiers.clone(), ..file.contents.clone() },
        words: &file.words,
    });
    Package { sections: layers.chain(operators).collect(), memories: memories.collect() }
}

/// The constants of a section, and those lists that `has_list` takes.
fn package_section(section: Section<'_>, has_list: impl Fn(&str) -> bool) -> PackageSection {
    fn wide<T: Copy + Into<i64>>(values: &[T]) -> Vec<i64> {
        values.iter().map(|&value| value.into()).collect()
    }
    let mut package = PackageSection { head: section.head.clone(), constants: Vec::new(), lists: Vec::new() };
    for Constant { suffix, value } in &section.constants {
        let values = match value {
            Value::Integer(value) => {
                package.constants.push((section.identifier(suffix), *value));
                continue;
            }
            Value::Unknown(_) => continue,
            Value::Signed(values) | Value::Short(values) => wide(values),
            Value::Codes(values, _) => wide(values),
            Value::Unsigned(values) => wide(values),
            Value::Wide(values) => values.to_vec(),
        };
        if has_list(suffix) {
            package.lists.push((section.identifier(suffix), values));
        }
    }
    package
}

/// Codes of 8 bits, signed or not, as the bytes that memory holds.
fn low_bytes(codes: &[i32]) -> Vec<i8> {
    codes.iter().map(|code| code.to_le_bytes()[0].cast_signed()).collect()
}

fn write_hex(out: &mut dyn Output, numbers: &Numbers<'_>) -> io::Result<()> {
    match numbers {
        Numbers::Weight(weight) if weight.offset > 0 => hex::write_u8(out, &file_bytes(weight)),
        Numbers::Weight(weight) => hex::write_i8(out, &weight.codes),
        Numbers::Bias(values) => match narrow(values) {
            Some(values) => hex::write_i32(out, &values),
            None => hex::write_i64(out, values),
        },
        Numbers::Signed(values) => hex::write_i32(out, values),
        Numbers::Unsigned(values) => hex::write_u32(out, values),
        Numbers::Shift(values) => {
            let narrow = values.iter().map(|&value| i8::try_from(value)).collect::<Result<Vec<_>, _>>();
            hex::write_i8(out, &narrow.map_err(io::Error::other)?)
        }
        Numbers::Wide(values) => hex::write_i64(out, values),
    }
}

/// The weights of a product, in as many digits as they have in the file.
fn write_product(out: &mut dyn Output, product: &ProductParameters) -> io::Result<()> {
    match product.bytes() {
        Some(bytes) => hex::write_i8(out, &bytes),
        None => hex::write_i16(out, &product.weight),
    }
}

/// Biases in 32 bits, where all fit.
fn write_bias(out: &mut dyn Output, values: &[i64]) -> io::Result<()> {
    match narrow(values) {
        Some(values) => hex::write_i32(out, &values),
        None => hex::write_i64(out, values),
    }
}

fn write_list(out: &mut dyn Output, numbers: &Numbers<'_>) -> io::Result<()> {
    match numbers {
        Numbers::Weight(weight) => decimal_list::write_weight(out, weight),
        Numbers::Bias(values) => decimal_list::write_integers(out, values),
        Numbers::Signed(values) => decimal_list::write_integers(out, values),
        Numbers::Shift(values) => decimal_list::write_integers(out, values),
        Numbers::Unsigned(values) => decimal_list::write_integers(out, values),
        Numbers::Wide(values) => decimal_list::write_integers(out, values),
    }
}

/// No two layers share a name in the model, a file, or an identifier of an include file.
fn check_names(parameters: &Parameters, formats: &Formats, memory: &Memory) -> Result<(), Error> {
    let (mut names, mut files, mut identifiers) =
        (HashSet::new(), NameSpace::default(), NameSpace::default());
    let mut tables = Kind::USUAL.map(Kind::name).to_vec();
    for table in &memory.tables {
        if !tables.contains(&table.name.as_str()) {
            tables.push(&table.name);
        }
    }
    let per_table = |format: Format| matches!(format, Format::Hex | Format::List | Format::Memory(_));
    let in_source = |format: Format| matches!(format, Format::Svh | Format::Header | Format::Package(_));
    for layer in &parameters.layers {
        let name = &layer.name;
        if !names.insert(name) {
            return Err(Error::SameName { name: name.clone(), first: name.clone(), second: name.clone() });
        }
        if formats.iter().any(per_table) {
            for table in &tables {
                files.claim(&format!("{}_{table}.hex", file_stem(name)), name)?;
            }
        }
        if formats.iter().any(in_source) {
            let prefix = identifier_prefix(name);
            for constant in Section::of_layer(layer).constants {
                identifiers.claim(&format!("{prefix}_{}", constant.suffix), name)?;
            }
            let usual = Kind::ALL.map(Kind::name);
            let records = memory.tables.iter().map(|table| table.name.as_str());
            for record in records.filter(|record| !usual.contains(record)) {
                identifiers.claim(&format!("{prefix}_{record}"), name)?;
            }
            for suffix in ["WEIGHT", "WEIGHT_FILE", "EXPONENT", "THRESHOLD"] {
                identifiers.claim(&format!("{prefix}_{suffix}"), name)?;
            }
        }
    }
    for product in parameters.recurrent.iter().flat_map(|recurrent| &recurrent.products) {
        for kind in [Kind::Weight, Kind::Bias, Kind::FoldedBias] {
            files.claim(&layer_file(&product.name, kind, "hex"), &product.name)?;
        }
        identifiers.claim(&format!("{}_WEIGHT", identifier_prefix(&product.name)), &product.name)?;
    }
    for table in &parameters.tables {
        files.claim(&table_file(&table.name, "hex"), &table.name)?;
    }
    for section in Section::of_operators(parameters).filter(|_| formats.iter().any(in_source)) {
        for Constant { suffix, value } in &section.constants {
            identifiers.claim(&section.identifier(suffix), section.name)?;
            if matches!(value, Value::Codes(..)) {
                identifiers.claim(&section.identifier("TABLE_FILE"), section.name)?;
            }
        }
    }
    Ok(())
}
