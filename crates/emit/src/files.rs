//! Which files a set of formats consists of, and what each holds.

use std::collections::HashSet;
use std::io;

use gen_params_core::parameters::{LayerParameters, Parameters, Weight};

use crate::check::check;
use crate::constants::constants;
use crate::folder::{FileToWrite, Output};
use crate::names::{NameSpace, file_stem, identifier_prefix};
use crate::{Error, Format, Formats, c_header, decimal_list, file_bytes, hex, narrow, npz, svh};

/// A kind of number that has a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Weight,
    Bias,
    WeightSum,
    FoldedBias,
    Multiplier,
    Shift,
    RoundingConstant,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Weight,
        Self::Bias,
        Self::WeightSum,
        Self::FoldedBias,
        Self::Multiplier,
        Self::Shift,
        Self::RoundingConstant,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::WeightSum => "weight_sum",
            Self::FoldedBias => "folded_bias",
            Self::Multiplier => "multiplier",
            Self::Shift => "shift",
            Self::RoundingConstant => "rounding_constant",
        }
    }

    /// The numbers of this kind; `None` where they are unknown.
    fn numbers(self, layer: &LayerParameters) -> Option<Numbers<'_>> {
        match self {
            Self::Weight => Some(Numbers::Weight(&layer.weight)),
            Self::Bias => layer.bias.as_deref().map(Numbers::Bias),
            Self::WeightSum => layer.file_weight_sum().map(Numbers::Signed),
            Self::FoldedBias => layer.folded_bias.as_deref().map(Numbers::Bias),
            Self::Multiplier => layer.multiplier.as_deref().map(Numbers::Unsigned),
            Self::Shift => layer.shift.as_deref().map(Numbers::Shift),
            Self::RoundingConstant => layer.rounding_constant.as_deref().map(Numbers::Wide),
        }
    }
}

/// Numbers of one kind.
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

/// The name of the file with the numbers of one kind of one layer.
pub(crate) fn layer_file(layer: &str, kind: Kind, extension: &str) -> String {
    format!("{}_{}.{extension}", file_stem(layer), kind.name())
}

/// The name of the file with a layer's thresholds: accumulators, per channel and code, in hex.
pub fn threshold_file(layer: &str) -> String {
    format!("{}_threshold.hex", file_stem(layer))
}

/// The name of the file with a function's table.
pub(crate) fn table_file(node: &str, extension: &str) -> String {
    format!("{}_table.{extension}", file_stem(node))
}

/// The files that `formats` selects. Nothing is rendered yet.
///
/// Kinds of numbers that are unknown have no file.
///
/// # Errors
///
/// [`Error::Inconsistent`] for lists of a wrong length, reals that are not finite, and shifts beyond 8 bits;
/// [`Error::SameName`] for layers that would share a file or an identifier, in upper or lower case.
pub fn files<'a>(parameters: &'a Parameters, formats: &Formats) -> Result<Vec<FileToWrite<'a>>, Error> {
    check(parameters)?;
    check_names(parameters, formats)?;

    let mut files = Vec::new();
    // The largest first: the others fill the gaps between them when several are written at once.
    if formats.contains(Format::Header) {
        files.push(FileToWrite::new("params.h", |out| c_header::write(out, parameters)));
    }
    if formats.contains(Format::Npz) {
        files.push(FileToWrite::new("params.npz", |out| npz::write(out, parameters)));
    }
    if formats.contains(Format::Svh) {
        let hex = formats.contains(Format::Hex);
        files.push(FileToWrite::new("params.svh", move |out| svh::write(out, parameters, hex)));
    }
    for layer in &parameters.layers {
        for kind in Kind::ALL {
            let Some(numbers) = kind.numbers(layer) else { continue };
            if formats.contains(Format::Hex) {
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
    Ok(files)
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
fn check_names(parameters: &Parameters, formats: &Formats) -> Result<(), Error> {
    let (mut names, mut files, mut identifiers) =
        (HashSet::new(), NameSpace::default(), NameSpace::default());
    for layer in &parameters.layers {
        let name = &layer.name;
        if !names.insert(name) {
            return Err(Error::SameName { name: name.clone(), first: name.clone(), second: name.clone() });
        }
        if formats.contains(Format::Hex) || formats.contains(Format::List) {
            for kind in Kind::ALL {
                files.claim(&layer_file(name, kind, "hex"), name)?;
            }
        }
        if formats.contains(Format::Svh) || formats.contains(Format::Header) {
            let prefix = identifier_prefix(name);
            for constant in constants(layer) {
                identifiers.claim(&format!("{prefix}_{}", constant.suffix), name)?;
            }
            for suffix in ["WEIGHT", "WEIGHT_FILE"] {
                identifiers.claim(&format!("{prefix}_{suffix}"), name)?;
            }
        }
    }
    for table in &parameters.tables {
        files.claim(&table_file(&table.name, "hex"), &table.name)?;
        identifiers.claim(&format!("{}_TABLE", identifier_prefix(&table.name)), &table.name)?;
    }
    Ok(())
}
