//! `gen_params graph`: the topology as TOML.

use std::io::Write;

use anyhow::{Context, Result};

use crate::arguments::Graph;
use crate::{model, terminal};

pub(crate) fn run(arguments: &Graph) -> Result<()> {
    let model = model::open(&arguments.source)?;
    let text = model.graph()?.to_toml().with_context(|| model.name())?;
    match model.network() {
        Ok(network) => model::warn(&network.warnings),
        Err(error) => {
            terminal::warning(&format!(
                "this is a draft in the order of the keys, to be edited: {}",
                error.cause
            ));
        }
    }
    terminal::out().write_all(text.as_bytes())?;
    Ok(())
}
