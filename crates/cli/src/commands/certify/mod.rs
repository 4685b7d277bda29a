//! `gen_params certify`: proof, over every accumulator that can occur, that the hardware's requantization equals an engine's.

mod alternatives;
pub(crate) mod auto;
mod file;
mod measure;
mod operators;
mod parameters;
mod plot;
mod prove;
mod registers;
mod screen;
mod search;
mod search_screen;
mod write;

use anyhow::{Context, Result, bail};

use gen_params::certify::{Certificate, Counted, OperatorProof, certify_operators};
use gen_params::emit::folder::target_file::TargetFile;
use gen_params::machine::Arithmetic;
use gen_params::parameters::MultiplierForm;

use super::Finding;
use crate::arguments::{Certify, ShiftName};
use crate::arithmetic;
use crate::simulation::Prepared;
use crate::table::thousands;
use crate::terminal;

pub(crate) fn run(arguments: &Certify) -> Result<Finding> {
    if let Some(path) = &arguments.check {
        return file::check(path, arguments.parameters.as_deref());
    }
    let name = arguments.against.as_deref().unwrap_or_default();
    let contract = arithmetic::contract("--against", name)?;
    if let Some(fraction) = arguments.within.filter(|fraction| !(0.0..=1.0).contains(fraction)) {
        bail!("--within: found {fraction}, expected a fraction of accumulators, 0 to 1");
    }
    let prepared = Prepared::open(&arguments.subject)?.not_guessed()?;
    let file = &prepared.target;
    let target = file.arithmetic;
    let certificate = prove::prove(&prepared, contract, target)
        .with_context(|| prepared.model.path.display().to_string())?;
    let name = || prepared.model.name();
    let input = arguments.input.as_ref().map(|path| prepared.input(path, &arguments.input_options));
    let input = input.transpose()?;
    let shapes = input.as_ref().map(|input| {
        let image = input.shape.iter().skip(1).copied();
        let machine = prepared.machine(Arithmetic::Target(target))?;
        machine.shapes(&[[1].into_iter().chain(image).collect()]).with_context(name)
    });
    let (network, parameters) = (&prepared.network, &prepared.parameters);
    let shapes = shapes.transpose()?;
    let operators = certify_operators(network, parameters, contract, target, shapes.as_deref());
    let folders =
        write::Folders { arguments, prepared: &prepared, contract, target, shapes: shapes.as_deref() };
    // What one command writes appears at its end.
    let mut pending = Vec::new();
    if let Some(path) = &arguments.output {
        let subject = folders.subject(parameters, &certificate.parameters_sha256);
        let text = prove::text(subject, &certificate, &operators).with_context(name)?;
        pending.push(file::Pending::write(path, |out| Ok(out.write_all(&text)?))?);
    }
    let tasks = arguments
        .search
        .then(|| search::Tasks::new(&certificate.layers, sharing(arguments, file), target.product_bits))
        .transpose()
        .with_context(name)?;
    let alternatives = arguments
        .alternatives
        .then(|| alternatives::count_all(&certificate.layers, target.product_bits))
        .transpose()
        .with_context(name)?;
    let report = screen::Report {
        certificate: &certificate,
        target,
        operators: &operators,
        search: tasks.as_ref().map(search::Tasks::search),
        alternatives,
        registers: arguments.accumulators.then(|| registers::count_all(network, &prepared.parameters)),
        measured: input
            .map(|input| measure::measure(arguments, &prepared, &input, contract, target))
            .transpose()?,
    };
    report.show(arguments)?;
    if let (Some(path), Some(found)) = (&arguments.plot, &report.search) {
        pending.push(file::Pending::write(path, |out| {
            plot::write(out, &name(), contract, found)?;
            Ok(writeln!(out)?)
        })?);
    }
    if let Some(directory) = &arguments.thresholds {
        folders.thresholds(directory, &certificate.layers)?;
    }
    let chosen = match (&arguments.write, &tasks, &report.search) {
        (Some(directory), Some(tasks), Some(found)) => Some(folders.chosen(directory, tasks, found)?),
        _ => None,
    };
    for file in pending {
        file.keep()?;
    }
    if let Some(finding) = chosen {
        return Ok(finding);
    }
    Ok(verdict(&certificate, &operators, arguments.within))
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
fn verdict(certificate: &Certificate, operators: &[OperatorProof], within: Option<f64>) -> Finding {
    let network = certificate.summary();
    let count = thousands(network.channels);
    let counted = || operators.iter().filter_map(|operator| operator.counted.as_ref().ok());
    let differing_operators = counted().filter(|counted| counted.differing > 0).count();
    // What was not counted may differ: the network is not proven then, whatever its layers are.
    let unproven = operators.iter().filter(|operator| operator.counted.is_err());
    let unproven: Vec<&str> = unproven.map(|operator| operator.name.as_str()).collect();
    let of_operators = match (counted().count(), differing_operators) {
        (0, _) => None,
        (all, 0) => Some(format!("{all} operators without weights, everything that can enter them")),
        (all, differing) => Some(format!("{differing} of {all} operators without weights differ")),
    };
    let not_proven = (!unproven.is_empty()).then(|| format!("not proven: {}", unproven.join(", ")));
    let say = |verdict: &str, layers: Option<String>| {
        let parts: Vec<String> =
            [layers, of_operators.clone(), not_proven.clone()].into_iter().flatten().collect();
        let parts =
            if parts.is_empty() { "nothing in it computes codes".to_owned() } else { parts.join("; ") };
        terminal::say(format!("{verdict}: {parts}"));
    };
    let has_layers = network.channels > 0;
    if network.differing == 0 && differing_operators == 0 {
        say("proven equal", has_layers.then(|| format!("{count} channels, every reachable accumulator")));
        return if unproven.is_empty() { Finding::None } else { Finding::Different };
    }
    let differing =
        has_layers.then(|| format!("{} of {count} channels differ", thousands(network.differing_channels)));
    let Some(fraction) = within else {
        say("not equal", differing);
        return Finding::Different;
    };
    if network.is_within(fraction)
        && counted().all(|counted| is_within(counted, fraction))
        && unproven.is_empty()
    {
        let verdict = "proven within 1 LSB everywhere, and different at no more than the given share";
        let layers = differing
            .map(|differing| format!("{:.3} ppm of accumulators, {differing}", network.parts_per_million()));
        say(verdict, layers);
        return Finding::None;
    }
    let layers = has_layers.then(|| {
        format!(
            "{:.3} ppm of accumulators differ, by up to {} LSB",
            network.parts_per_million(),
            network.largest
        )
    });
    say("not within the bound", layers);
    Finding::Different
}

/// Whether an operator's codes are nowhere further apart than 1, and differ at no more than `fraction` of what can enter.
#[allow(clippy::cast_precision_loss, reason = "a share")]
fn is_within(counted: &Counted, fraction: f64) -> bool {
    counted.largest <= 1 && counted.differing as f64 <= fraction * counted.cases as f64
}
