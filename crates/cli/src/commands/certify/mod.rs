//! `gen_params certify`: proof, over every accumulator that can occur, that the hardware's requantization equals an engine's.

mod alternatives;
mod file;
mod measure;
mod operators;
mod registers;
mod screen;
mod search_screen;

use anyhow::{Result, bail};

use gen_params::TargetFile;
use gen_params::contract::Contract;
use gen_params::emit::Existing;
use gen_params::parameters::MultiplierForm;
use gen_params::prove::{Choice, Proof, Sharing, Tasks};
use gen_params::text::thousands;

use super::Finding;
use crate::arguments::Certify;
use crate::model::{derive, optional_input};
use crate::terminal;

pub(crate) fn run(arguments: &Certify) -> Result<Finding> {
    if let Some(path) = &arguments.check {
        return file::check(path, arguments.parameters.as_deref());
    }
    if let Some(fraction) = arguments.within.filter(|fraction| !(0.0..=1.0).contains(fraction)) {
        bail!("--within: found {fraction}, expected a fraction of accumulators, 0 to 1");
    }
    let derived = derive(&arguments.subject)?;
    derived.wired()?;
    let input = optional_input(&derived, arguments.input.as_ref(), &arguments.input_options)?;
    let proof = derived.certify(arguments.against.unwrap_or(Contract::Exact), input.as_ref())?;
    // What one command writes appears at its end.
    let mut pending = Vec::new();
    if let Some(path) = &arguments.output {
        let text = derived.certificate(&proof)?;
        pending.push(file::Pending::write(path, |out| Ok(out.write_all(&text)?))?);
    }
    let tasks = arguments.search.then(|| proof.tasks(sharing(arguments, derived.target()))).transpose()?;
    let report = screen::Report {
        proof: &proof,
        search: tasks.as_ref().map(Tasks::search),
        alternatives: arguments.alternatives.then(|| proof.alternatives()).transpose()?,
        registers: arguments.accumulators.then(|| derived.registers()),
        measured: input.map(|input| measure::measure(arguments, &derived, &input, &proof)).transpose()?,
    };
    report.show(arguments)?;
    if let (Some(path), Some(found)) = (&arguments.plot, &report.search) {
        pending.push(file::Pending::write(path, |out| {
            found.plot(out, &derived.model().name(), proof.contract)?;
            Ok(writeln!(out)?)
        })?);
    }
    let existing = Existing::forced(arguments.force);
    if let Some(directory) = &arguments.thresholds {
        let manifest = derived.write_thresholds(directory, &proof, existing)?;
        let count = manifest.files.len() + 1;
        let (folder, contract) = (directory.display(), proof.contract.name());
        terminal::say(format!("{folder}: thresholds of {contract}, {count} files"));
    }
    let mut certified = None;
    if let (Some(directory), Some(tasks), Some(found)) = (&arguments.write, &tasks, &report.search) {
        let Certify { choose: freedom, width, within, .. } = *arguments;
        let (chosen, proof, bits) =
            derived.choose(&proof, tasks, found, Choice { freedom, width, within })?;
        let count = chosen.write_certified(directory, &proof, existing)?.files.len() + 1;
        terminal::say(format!(
            "{}: M0 of {bits} bits, {count} files, and the certificate of these constants:",
            directory.display()
        ));
        certified = Some(proof);
    }
    for file in pending {
        file.keep()?;
    }
    Ok(verdict(certified.as_ref().unwrap_or(&proof), arguments.within))
}

/// Who shares a shift in the search.
fn sharing(arguments: &Certify, file: &TargetFile) -> Sharing {
    match (file.derivation.form, arguments.shift) {
        (MultiplierForm::Shift(n), _) => Sharing::Fixed(n + file.derivation.target.bias_fraction_bits),
        (_, Some(sharing)) => sharing,
        (MultiplierForm::Bits(_), None) => Sharing::Channel,
        (MultiplierForm::LayerBits(_), None) => Sharing::Layer,
        (MultiplierForm::NetworkBits(_), None) => Sharing::Network,
    }
}

/// The last line, and the exit code.
fn verdict(proof: &Proof, within: Option<f64>) -> Finding {
    let network = proof.certificate.summary();
    let count = thousands(network.channels);
    let differing_operators = proof.counted().filter(|counted| counted.differing > 0).count();
    // What was not counted may differ: the network is not proven then, whatever its layers are.
    let unproven = proof.unproven();
    let of_operators = match (proof.counted().count(), differing_operators) {
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
    if proof.is_equal() {
        say("proven equal", has_layers.then(|| format!("{count} channels, every reachable accumulator")));
        return if unproven.is_empty() { Finding::None } else { Finding::Different };
    }
    let differing =
        has_layers.then(|| format!("{} of {count} channels differ", thousands(network.differing_channels)));
    let Some(fraction) = within else {
        say("not equal", differing);
        return Finding::Different;
    };
    if proof.is_within(fraction) {
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
