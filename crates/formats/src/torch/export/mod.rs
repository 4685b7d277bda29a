//! `.pt2` archives of `torch.export.save`: a graph as JSON, and the tensors that it names.
//!
//! | written by | schema | graph | tensors |
//! |---|---|---|---|
//! | PyTorch 2.1 to 2.7 | 1 to 8 | `serialized_exported_program.json` | `serialized_state_dict.pt`, `serialized_constants.pt` |
//! | 2.8 | 8 | `models/<name>.json` | `data/weights/<name>.pt`, `data/constants/<name>.pt` |
//! | 2.9 and newer | 8 | `models/<name>.json` | raw `data/weights/weight_N`, listed in `<name>_weights_config.json` |
//!
//! Schemas before 5 (PyTorch 2.4) are refused by name.

mod graph;
mod schema;
mod tensors;

use indexmap::IndexMap;

use super::archive::{Archive, FORMAT, OLD_PROGRAM};
use super::budget::Budget;
use super::heap::shortened;
use crate::error::{ReadError, Result};
use crate::source::{Graph, Module};
use schema::Program;

/// Schemas that we know, by their major version.
const SCHEMAS: std::ops::RangeInclusive<u64> = 5..=8;

/// True where the archive is one of `torch.export.save`.
pub(crate) fn is_export(archive: &Archive) -> bool {
    archive.names().any(|name| name == OLD_PROGRAM || name == FORMAT)
}

/// Reads a `.pt2` archive: its parameters and buffers by module, and its graph.
///
/// # Errors
/// An entry is broken, the schema is unknown, or there are several models or none.
pub(crate) fn read(archive: &Archive, budget: &Budget) -> Result<(IndexMap<String, Module>, Graph)> {
    let (entry, model) = program(archive)?;
    let bytes = archive.require(&entry, budget)?;
    // What the parsed text may take: arguments take the most, 7 times their shortest text.
    budget.take(bytes.len().saturating_mul(8), &entry)?;
    let program: Program<'_> = schema::parse(&entry, &bytes)?;
    let version = program.schema_version;
    if !SCHEMAS.contains(&version.major) {
        return Err(ReadError::unsupported(
            &*entry,
            format!("schema version {}.{}", version.major, version.minor),
            format!("{} to {}, of PyTorch 2.4 and newer", SCHEMAS.start(), SCHEMAS.end()),
        )
        .hint("load the file with torch.export.load in a PyTorch that can, and save it again"));
    }
    let tensors = tensors::read(archive, model.as_deref(), budget)?;
    graph::build(&entry, &program, &tensors, budget)
}

/// The entry that holds the graph, and the model's name where the archive names it.
fn program(archive: &Archive) -> Result<(String, Option<String>)> {
    if archive.names().any(|name| name == OLD_PROGRAM) {
        return Ok((OLD_PROGRAM.to_owned(), None));
    }
    let model = |entry: &str| {
        let name = entry.strip_prefix("models/")?.strip_suffix(".json")?;
        (!name.is_empty()).then(|| name.to_owned())
    };
    let models: Vec<String> = archive.names().filter_map(model).collect();
    match models.as_slice() {
        [model] => Ok((format!("models/{model}.json"), Some(model.clone()))),
        [] => Err(ReadError::unsupported(
            "the archive",
            "no models/<name>.json: it is an AOTInductor package, whose network is compiled",
            "the exported program itself",
        )
        .hint("save the converted model with torch.export.save(torch.export.export(model, inputs), \"model.pt2\")")),
        several => {
            let names: Vec<String> = several.iter().take(8).map(|name| shortened(name)).collect();
            Err(ReadError::unsupported(
                "the archive",
                format!("{} models: {}", several.len(), names.join(", ")),
                "one",
            )
            .hint("save the one you mean alone with torch.export.save"))
        }
    }
}
