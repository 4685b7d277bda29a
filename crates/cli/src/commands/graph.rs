//! `gen_params graph`: the topology as TOML.

use std::io::Write;

use anyhow::{Context, Result};

use gen_params::lower;

use crate::arguments::Graph;
use crate::model::Model;
use crate::terminal;

pub(crate) fn run(arguments: &Graph) -> Result<()> {
    let model = Model::open(&arguments.source)?;
    let wiring = lower::lower(&model.source, &model.options);
    let draft = lower::draft(&model.source, &model.options).with_context(|| model.name())?;
    let text = draft.to_toml().with_context(|| model.name())?;
    match wiring {
        Ok(network) => network.warnings.iter().for_each(|w| terminal::warning(w)),
        Err(error) => {
            terminal::warning(&format!("this is a draft in the order of the keys, to be edited: {error}"));
        }
    }
    terminal::out().write_all(text.as_bytes())?;
    Ok(())
}
