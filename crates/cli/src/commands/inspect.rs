//! `gen_params inspect`: what is in a model, layer by layer.

use std::io::Write;

use anyhow::{Context, Result};

use gen_params::emit::{Formats, Manifest};
use gen_params::{derive, lower};

use crate::arguments::Inspect;
use crate::hardware::target_file;
use crate::model::Model;
use crate::{table, terminal};

pub(crate) fn run(arguments: &Inspect) -> Result<()> {
    let model = Model::open(&arguments.source)?;
    let name = || model.name();
    let network = match lower::lower(&model.source, &model.options) {
        Ok(network) => network,
        // Where the file has a topology, what it says is what cannot be derived.
        Err(error) if model.source.graph.is_some() && model.options.graph.is_none() => {
            return Err(error).with_context(name);
        }
        Err(error) => {
            // Without a topology there is still something to show; without layers there is not.
            let layers =
                lower::layers(&model.source, &model.options).map_err(|_| error.clone()).with_context(name)?;
            terminal::warning(&format!("{}: {error}", model.name()));
            layers
        }
    };
    let target = target_file(&arguments.derivation, None)?;
    let parameters = derive::derive(&network, &target.derivation).with_context(name)?;
    let mut stdout = terminal::out();
    if arguments.json {
        let source = model.source_file();
        let manifest = Manifest::describe(&parameters, Some(source), &Formats::none());
        stdout.write_all(&manifest.to_json()?)?;
        return Ok(());
    }
    for warning in &parameters.warnings {
        terminal::warning(warning);
    }
    writeln!(stdout, "{}", table::heading(&model.name(), &model.source, &parameters))?;
    let layers = (!parameters.layers.is_empty()).then(|| table::layers(&parameters));
    let tables = [layers, table::recurrent(&parameters), table::operators(&parameters)];
    let tables: Vec<String> = tables.iter().flatten().map(ToString::to_string).collect();
    if !tables.is_empty() {
        writeln!(stdout, "{}", tables.join("\n\n"))?;
    }
    Ok(())
}
