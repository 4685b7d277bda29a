//! `gen_params certify`: proof, over every accumulator that can occur, that the hardware's requantization equals an engine's.

mod file;
mod plot;
mod prove;
mod screen;
mod search;
mod search_screen;
mod write;

use anyhow::{Context, Result, anyhow, bail};

use gen_params::certify::Certificate;
use gen_params::contract::Contract;
use gen_params::emit::target_file::TargetFile;
use gen_params::parameters::MultiplierForm;

use super::Finding;
use crate::arguments::{Certify, ShiftName};
use crate::hardware::target_file;
use crate::simulation::Prepared;
use crate::table::thousands;
use crate::terminal;

pub(crate) fn run(arguments: &Certify) -> Result<Finding> {
    if let Some(path) = &arguments.check {
        return file::check(path);
    }
    let name = arguments.against.as_deref().unwrap_or_default();
    let contract = Contract::from_name(name).ok_or_else(|| {
        let known = Contract::ALL.map(Contract::name).join(", ");
        anyhow!("--against: found {name:?}, expected one of: {known}")
    })?;
    if let Some(fraction) = arguments.within.filter(|fraction| !(0.0..=1.0).contains(fraction)) {
        bail!("--within: found {fraction}, expected a fraction of accumulators, 0 to 1");
    }
    let file = target_file(&arguments.derivation, Some(&arguments.target))?;
    let target = file.arithmetic;
    let prepared = Prepared::open(&arguments.source, &arguments.derivation, &arguments.target)?;
    let certificate = prove::prove(&prepared, contract, target)
        .with_context(|| prepared.model.path.display().to_string())?;
    if let Some(path) = &arguments.output {
        file::write(path, &certificate)?;
    }
    let tasks = arguments
        .search
        .then(|| search::Tasks::new(&certificate.layers, sharing(arguments, &file), target.product_bits));
    let tasks = tasks.transpose().with_context(|| prepared.model.name())?;
    let found = tasks.as_ref().map(search::Tasks::search);
    screen::show(arguments, &certificate, target, found.as_ref())?;
    if let (Some(path), Some(found)) = (&arguments.plot, &found) {
        file::write_whole(path, |out| plot::write(out, &prepared.model.name(), contract, found))?;
    }
    if let (Some(directory), Some(tasks), Some(found)) = (&arguments.write, &tasks, &found) {
        let request = write::Request { arguments, prepared: &prepared, contract, target, directory };
        return write::write(&request, tasks, found);
    }
    Ok(verdict(&certificate, arguments.within))
}

/// Who shares a shift in the search.
fn sharing(arguments: &Certify, file: &TargetFile) -> search::Sharing {
    match (file.derivation.form, arguments.shift) {
        (MultiplierForm::Shift(n), _) => search::Sharing::Fixed(n + file.arithmetic.bias_fraction_bits),
        (_, Some(ShiftName::Channel)) | (MultiplierForm::Bits(_), None) => search::Sharing::Channel,
        (_, Some(ShiftName::Layer)) | (MultiplierForm::LayerBits(_), None) => search::Sharing::Layer,
        (_, Some(ShiftName::Network)) | (MultiplierForm::NetworkBits(_), None) => search::Sharing::Network,
    }
}

/// The last line, and the exit code.
fn verdict(certificate: &Certificate, within: Option<f64>) -> Finding {
    let channels = || certificate.layers.iter().flat_map(|layer| &layer.channels);
    let count = thousands(channels().count());
    if certificate.is_equal() {
        terminal::say(format!("proven equal: {count} channels, every reachable accumulator"));
        return Finding::None;
    }
    let differing = thousands(channels().filter(|channel| !channel.difference.is_none()).count());
    let network = certificate.summary();
    match within {
        Some(fraction) if network.is_within(fraction) => {
            terminal::say(format!(
                "proven within 1 LSB everywhere, and different at {:.3} ppm of accumulators: {differing} of {count} \
                 channels differ",
                network.parts_per_million()
            ));
            Finding::None
        }
        Some(_) => {
            terminal::say(format!(
                "not within the bound: {:.3} ppm of accumulators differ, by up to {} LSB",
                network.parts_per_million(),
                network.largest
            ));
            Finding::Different
        }
        None => {
            terminal::say(format!("not equal: {differing} of {count} channels differ"));
            Finding::Different
        }
    }
}
