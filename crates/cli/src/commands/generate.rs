//! The main command: derives the parameters and writes them into a folder.

use anyhow::{Result, bail};

use gen_params::contract::Contract;
use gen_params::emit::Existing;
use gen_params::parameters::MultiplierForm;
use gen_params::prove::SmallestShift;
use gen_params::{Model, TargetFile};

use crate::arguments::{Constant, Generate};
use crate::hardware::target_file;
use crate::table::contents;
use crate::{model, terminal};

pub(crate) fn run(arguments: &Generate) -> Result<()> {
    let constant = arguments.derivation.constant();
    let mut target = target_file(&arguments.derivation.without_auto(), None)?;
    if let Some(contract) = arguments.tables {
        target.derivation.tables = contract;
    }
    let formats = arguments.format.clone().or_else(|| target.formats.clone()).unwrap_or_default();
    let model = model::open(&arguments.source)?;
    if constant == Some(Constant::Auto) {
        target.derivation.form = MultiplierForm::Shift(smallest_shift(arguments, &model, &target)?);
    }
    let derived = model.derive(&target)?;
    derived.complete()?;
    model::warn(derived.warnings());
    let manifest = derived.write(&arguments.output, &formats, Existing::forced(arguments.force))?;
    terminal::say(format!(
        "{}: {}, {} files",
        arguments.output.display(),
        contents(derived.parameters()),
        manifest.files.len() + 1,
    ));
    Ok(())
}

/// The n of CONSTANT auto.
fn smallest_shift(arguments: &Generate, model: &Model, target: &TargetFile) -> Result<u32> {
    let contract = arguments.against.or(model.contract()?).unwrap_or(Contract::Exact);
    let within = arguments.within;
    if !(0.0..=1.0).contains(&within) {
        bail!("--within: found {within}, expected a fraction of accumulators, 0 to 1");
    }
    let SmallestShift { n, summary, operators } = model.derive(target)?.smallest_shift(contract, within)?;
    let left_out = operators.iter().filter(|operator| operator.counted.is_err());
    let left_out: Vec<&str> = left_out.map(|operator| operator.name.as_str()).collect();
    let mut text = String::new();
    if left_out.len() < operators.len() {
        text += &format!("; so do {} operators without weights", operators.len() - left_out.len());
    }
    if !left_out.is_empty() {
        text += &format!("; left out, because they cannot be counted: {}", left_out.join(", "));
    }
    terminal::say(format!(
        "CONSTANT auto: n = {n}, the smallest with which codes are within 1 LSB of those of {} and differ at no more than \
         {within:e} of the accumulators: {:.3} ppm{text}",
        contract.name(),
        summary.parts_per_million(),
    ));
    Ok(n)
}
