//! What was proven, for people and machines.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value as Json, json};

use gen_params::certify::{Certificate, CertifiedChannel, CertifiedLayer, Summary, Witness};
use gen_params::describe;
use gen_params::machine::Arithmetic;
use gen_params::prove::{LayerAlternatives, LayerRegisters, Proof, Search};

use super::measure::{self, Measured};
use super::{alternatives, operators, registers, search_screen};
use crate::arguments::Certify;
use crate::outputs::{align_right, ruled};
use crate::table::count;
use crate::terminal;

/// Everything that was found.
pub(super) struct Report<'a> {
    pub(super) proof: &'a Proof,
    pub(super) search: Option<Search>,
    pub(super) alternatives: Option<Vec<LayerAlternatives>>,
    pub(super) registers: Option<Vec<LayerRegisters>>,
    pub(super) measured: Option<Measured>,
}

impl Report<'_> {
    /// Prints it.
    pub(super) fn show(&self, arguments: &Certify) -> Result<()> {
        let mut stdout = terminal::out();
        if arguments.json {
            writeln!(stdout, "{:#}", self.to_json(arguments.within))?;
            return Ok(());
        }
        let Proof { certificate, operators: proven, .. } = self.proof;
        print_layers(&mut stdout, certificate)?;
        if !proven.is_empty() {
            if !certificate.layers.is_empty() {
                writeln!(stdout)?;
            }
            operators::print(&mut stdout, proven)?;
        }
        if let Some(found) = &self.search {
            search_screen::print(&mut stdout, found, arguments.within)?;
        }
        if let Some(layers) = &self.alternatives {
            alternatives::print(&mut stdout, layers)?;
        }
        if let Some(layers) = &self.registers {
            registers::print(&mut stdout, layers)?;
        }
        if let Some(measured) = &self.measured {
            measure::print(&mut stdout, measured, self.proof)?;
        }
        Ok(())
    }

    fn to_json(&self, within: Option<f64>) -> Json {
        let certificate = &self.proof.certificate;
        let mut report = json!({
            "schema": 1,
            "version": certificate.version,
            "contract": certificate.contract,
            "target": describe(Arithmetic::Target(self.proof.target)),
            "parameters_sha256": certificate.parameters_sha256,
            "equal": certificate.is_equal(),
            "layers": certificate.layers.iter().map(layer_json).collect::<Vec<_>>(),
            "operators": operators::to_json(&self.proof.operators),
        });
        if let Some(found) = &self.search {
            report["search"] = search_screen::to_json(found, within);
        }
        if let Some(layers) = &self.alternatives {
            report["alternatives"] = alternatives::to_json(layers);
        }
        if let Some(layers) = &self.registers {
            report["accumulators"] = registers::to_json(layers);
        }
        if let Some(measured) = &self.measured {
            report["measured"] = measure::to_json(measured, self.proof);
        }
        report
    }
}

/// Prints the certificate, layer by layer.
fn print_layers(stdout: &mut impl Write, certificate: &Certificate) -> Result<()> {
    if certificate.layers.is_empty() {
        return Ok(());
    }
    writeln!(
        stdout,
        "Reachable accumulators at which the hardware's code differs from that of {}:",
        certificate.contract
    )?;
    let mut table = ruled();
    table.set_header([
        "layer",
        "channels",
        "accumulators",
        "differing",
        "ppm",
        "largest",
        "",
        "for example: channel, accumulator, codes",
    ]);
    for layer in &certificate.layers {
        let summary = layer.summary();
        table.add_row([
            layer.name.clone(),
            summary.channels.to_string(),
            count(summary.reachable),
            count(summary.differing),
            format!("{:.3}", summary.parts_per_million()),
            format!("{} LSB", summary.largest),
            remark(&summary).to_owned(),
            example(layer),
        ]);
    }
    align_right(&mut table, 1..7);
    writeln!(stdout, "{table}")?;
    Ok(())
}

fn remark(summary: &Summary) -> &'static str {
    match (summary.differing, summary.only_ties, summary.intervals) {
        (0, ..) => "proven equal",
        (_, true, 0) => "only at ties",
        (_, false, 0) => "",
        // Which accumulators between the ends occur is not known: fewer may differ.
        _ => "of the interval",
    }
}

/// The channel and accumulator at which the codes of a layer are furthest apart.
fn worst(layer: &CertifiedLayer) -> Option<(usize, Witness)> {
    let witnesses = known(layer).filter_map(|(i, c)| Some((i, c.difference.largest?)));
    // The first of several.
    witnesses.rev().max_by_key(|(_, witness)| witness.distance())
}

/// The channels of which it is known which accumulators occur: only those have witnesses that do.
fn known(layer: &CertifiedLayer) -> impl DoubleEndedIterator<Item = (usize, &CertifiedChannel)> {
    layer.channels.iter().enumerate().filter(|(_, channel)| !channel.is_of_interval())
}

fn example(layer: &CertifiedLayer) -> String {
    worst(layer).map_or_else(String::new, |(channel, witness)| {
        format!("{channel}, {}: {}, hardware {}", witness.accumulator, witness.reference, witness.hardware)
    })
}

fn layer_json(layer: &CertifiedLayer) -> Json {
    let summary = layer.summary();
    let witness = |witness: Option<Witness>, channel: usize| {
        witness.map(|w| {
            json!({
                "channel": channel,
                "accumulator": w.accumulator,
                "reference": w.reference,
                "hardware": w.hardware,
            })
        })
    };
    let first = known(layer).find_map(|(i, c)| witness(c.difference.first, i));
    json!({
        "name": layer.name,
        "channels": summary.channels,
        "reachable": summary.reachable,
        "differing": summary.differing,
        "differing_channels": summary.differing_channels,
        "largest": summary.largest,
        "only_ties": summary.only_ties,
        "channels_of_interval": summary.intervals,
        "witnesses": {
            "first": first,
            "largest": worst(layer).and_then(|(channel, found)| witness(Some(found), channel)),
        },
    })
}
