//! The tables of a network as words, ready to be written in any format.

use std::io;

use gen_params_core::parameters::{LayerParameters, Parameters};
use rayon::prelude::*;

use super::contents::{Contents, Placed};
use super::plan::{Memory, TablePlan};
use crate::Error;
use crate::memory::formats::{MemoryFile, MemoryFormat};
use crate::memory::layout::{Description, LayoutError, Words, pack};
use crate::names::{file_stem, identifier_prefix};
use crate::output::{Output, WriteOnly};

/// One bank of a table, or of an image.
#[derive(Debug, Clone)]
pub(crate) struct PackedFile {
    /// Name of its file, without extension.
    pub(crate) stem: String,
    /// Name in a package.
    pub(crate) identifier: String,
    /// Names of all banks there, in order.
    pub(crate) identifiers: Vec<String>,
    /// What it holds; its files are stems, too.
    pub(crate) contents: Contents,
    /// The words.
    pub(crate) words: Words,
}

impl PackedFile {
    /// What it holds, where its files have this extension.
    pub(crate) fn contents_with(&self, extension: &str) -> Contents {
        let files = self.contents.files.iter().map(|stem| format!("{stem}.{extension}")).collect();
        Contents { files, ..self.contents.clone() }
    }

    /// Writes it as a file of a format, for which `contents` are.
    pub(crate) fn write(
        &self,
        out: &mut dyn Output,
        format: MemoryFormat,
        contents: &Contents,
    ) -> io::Result<()> {
        let file = MemoryFile {
            head: contents.head(),
            words: &self.words,
            signed: contents.has_signed_words(),
            byte_order: contents.byte_order(),
        };
        format.write(&mut WriteOnly(out), &file)
    }
}

/// Name of the file of an image, without extension.
const IMAGE: &str = "image";

/// Packs every table of every layer.
///
/// # Errors
/// [`Error::Layout`] for the first number that does not fit, and for orders that lack an axis.
pub(crate) fn pack_all(parameters: &Parameters, memory: &Memory) -> Result<Vec<PackedFile>, Error> {
    let jobs: Vec<_> = parameters
        .layers
        .iter()
        .flat_map(|layer| memory.tables.iter().map(move |table| (layer, table)))
        .collect();
    let packed: Result<Vec<Option<_>>, Error> =
        jobs.par_iter().with_max_len(1).map(|(layer, table)| pack_table(layer, table)).collect();
    let packed: Vec<_> = packed?.into_iter().flatten().collect();
    if memory.image {
        return image(packed);
    }
    let files = packed.into_iter().flat_map(|(description, banks)| {
        let stem = format!("{}_{}", file_stem(&description.layer), description.name);
        let identifier =
            format!("{}_{}", identifier_prefix(&description.layer), description.name.to_ascii_uppercase());
        bank_files(&stem, &identifier, banks, |words| {
            vec![Placed { offset: 0, words, table: description.clone() }]
        })
    });
    Ok(files.collect())
}

fn pack_table(
    layer: &LayerParameters,
    table: &TablePlan,
) -> Result<Option<(Description, Vec<Words>)>, Error> {
    let Some(values) = table.values(layer) else { return Ok(None) };
    let description = table.describe(layer);
    let fields: Vec<&[i64]> = values.iter().map(Vec::as_slice).collect();
    let banks = pack(&description, &fields).map_err(|source| Error::Layout {
        layer: layer.name.clone(),
        table: table.name.clone(),
        source,
    })?;
    Ok(Some((description, banks)))
}

/// The banks of values that belong to no layer's parameters.
pub(crate) fn pack_values(
    stem: &str,
    description: &Description,
    values: &[i64],
) -> Result<Vec<PackedFile>, LayoutError> {
    let banks = pack(description, &[values])?;
    Ok(bank_files(stem, &stem.to_ascii_uppercase(), banks, |words| {
        vec![Placed { offset: 0, words, table: description.clone() }]
    }))
}

/// What follows the stem of a file, before the number of its bank.
pub const BANK: &str = "_bank";

/// Files of the banks of one memory; `tables` says what lies in that many words.
fn bank_files(
    stem: &str,
    identifier: &str,
    banks: Vec<Words>,
    tables: impl Fn(usize) -> Vec<Placed>,
) -> Vec<PackedFile> {
    let names = |name: &str, infix: &str| match banks.len() {
        1 => vec![name.to_owned()],
        count => (0..count).map(|bank| format!("{name}{infix}{bank}")).collect(),
    };
    let (stems, identifiers) = (names(stem, BANK), names(identifier, &BANK.to_ascii_uppercase()));
    let named = stems.clone().into_iter().zip(identifiers.clone()).zip(banks).zip(0..);
    named
        .map(|(((stem, identifier), words), bank)| PackedFile {
            stem,
            identifier,
            identifiers: identifiers.clone(),
            contents: Contents { bank, files: stems.clone(), tables: tables(words.len()) },
            words,
        })
        .collect()
}

/// All tables one behind the other, bank by bank.
fn image(packed: Vec<(Description, Vec<Words>)>) -> Result<Vec<PackedFile>, Error> {
    let mut banks: Vec<Words> = Vec::new();
    let mut placed = Vec::new();
    for (table, words) in packed {
        let mismatch = || Error::Layout {
            layer: table.layer.clone(),
            table: table.name.clone(),
            source: LayoutError::Description {
                what: "all tables of one image have the same word_bits and banks".to_owned(),
            },
        };
        if banks.is_empty() {
            banks = words.iter().map(|bank| Words::new(bank.bits())).collect();
        }
        if banks.len() != words.len() {
            return Err(mismatch());
        }
        let length = words.first().map_or(0, Words::len);
        // A table begins where its own alignment says.
        let offset = banks.first().map_or(0, Words::len).next_multiple_of(table.align as usize);
        for (bank, words) in banks.iter_mut().zip(&words) {
            bank.extend_zeros(offset - bank.len());
            bank.append(words).ok_or_else(mismatch)?;
        }
        placed.push(Placed { offset, words: length, table });
    }
    Ok(bank_files(IMAGE, "IMAGE", banks, |_| placed.clone()))
}
