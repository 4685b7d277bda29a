//! `gen_params inspect`: what is in a model, layer by layer.

use std::io::Write;

use anyhow::Result;

use gen_params::Formats;

use crate::arguments::Inspect;
use crate::hardware::target_file;
use crate::{model, table, terminal};

pub(crate) fn run(arguments: &Inspect) -> Result<()> {
    let model = model::open(&arguments.source)?;
    let (derived, unwired) = model.inspect(&target_file(&arguments.derivation, None)?)?;
    if let Some(error) = unwired {
        terminal::warning(&error.to_string());
    }
    let mut stdout = terminal::out();
    if arguments.json {
        stdout.write_all(&derived.manifest(&Formats::none()).to_json()?)?;
        return Ok(());
    }
    model::warn(derived.warnings());
    let parameters = derived.parameters();
    writeln!(stdout, "{}", table::heading(&model, parameters))?;
    let layers = (!parameters.layers.is_empty()).then(|| table::layers(parameters));
    let tables = [layers, table::recurrent(parameters), table::operators(parameters)];
    let tables: Vec<String> = tables.iter().flatten().map(ToString::to_string).collect();
    if !tables.is_empty() {
        writeln!(stdout, "{}", tables.join("\n\n"))?;
    }
    Ok(())
}
