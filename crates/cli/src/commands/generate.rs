//! The main command: derives the parameters and writes them into a folder.

use anyhow::{Context, Result, bail};

use gen_params::contract::Contract;
use gen_params::emit::{Existing, Formats, write_for_target};
use gen_params::error::LowerError;
use gen_params::hardware::{Target, on_target};
use gen_params::network::IntNetwork;
use gen_params::parameters::{MultiplierForm, Wiring};
use gen_params::{derive, lower};

use super::certify::auto;
use crate::arguments::{Constant, Generate};
use crate::hardware::target_file;
use crate::model::Model;
use crate::table::contents;
use crate::{arithmetic, terminal};

pub(crate) fn run(arguments: &Generate) -> Result<()> {
    let constant = arguments.derivation.constant();
    let mut target = target_file(&arguments.derivation.without_auto(), None)?;
    let formats: Formats = match &arguments.format {
        Some(list) => list.parse().context("--format")?,
        None => target.formats.clone().unwrap_or_default(),
    };
    let model = Model::open(&arguments.source)?;
    let name = || model.name();
    let mut options = target.derivation;
    if let Some(name) = &arguments.tables {
        options.tables = arithmetic::contract("--tables", name)?;
    }
    let network = lower::lower(&model.source, &model.options).with_context(name)?;
    if constant == Some(Constant::Auto) {
        let n = smallest_shift(arguments, &network, &options, target.arithmetic).with_context(name)?;
        options.form = MultiplierForm::Shift(n);
        target.derivation.form = options.form;
    }
    let parameters = derive::derive(&network, &options).with_context(name)?;
    let mut missing = derive::incomplete(&parameters);
    // Where the file's own topology shows that nothing quantizes a layer's result, null is the answer, and a warning
    // says so; where the topology is the user's, it is a gap to be filled.
    let float_result = |name: &str| {
        parameters.wiring == Wiring::File
            && parameters.layers.iter().any(|layer| layer.name == name && layer.input.is_some())
    };
    missing.retain(|reason| !float_result(&reason.place));
    if !missing.is_empty() {
        let error = LowerError { reasons: missing, hint: None }.hint(
            "give what is missing in a graph file: gen_params graph MODEL > net.toml, edit, --graph net.toml",
        );
        return Err(anyhow::Error::new(error).context(name()));
    }
    for warning in &parameters.warnings {
        terminal::warning(warning);
    }
    let source = model.source_file();
    let parameters = on_target(&network, &parameters, target.arithmetic, target.relu, target.thresholds)
        .with_context(name)?;
    let existing = Existing::forced(arguments.force);
    let manifest =
        write_for_target(&arguments.output, &parameters, Some(source), &formats, &target, existing)?;
    terminal::say(format!(
        "{}: {}, {} files",
        arguments.output.display(),
        contents(&parameters),
        manifest.files.len() + 1,
    ));
    Ok(())
}

/// The n of CONSTANT auto.
fn smallest_shift(
    arguments: &Generate,
    network: &IntNetwork,
    options: &derive::Options,
    target: Target,
) -> Result<u32> {
    let contract = match &arguments.against {
        Some(name) => arithmetic::contract("--against", name)?,
        None => arithmetic::engine_of(network).unwrap_or(Contract::Exact),
    };
    if !(0.0..=1.0).contains(&arguments.within) {
        bail!("--within: found {}, expected a fraction of accumulators, 0 to 1", arguments.within);
    }
    auto::smallest_shift(network, options, contract, target, arguments.within)
}
