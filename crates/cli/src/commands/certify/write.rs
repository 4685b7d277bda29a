//! `--write` and `--thresholds`: what takes the place of the derived constants, as parameters ready for use.

use std::path::Path;

use anyhow::{Context, Result, bail};

use gen_params::certify::{
    CertifiedChannel, CertifiedLayer, Channel, Chosen, FileSubject, Freedom, certify_operators,
};
use gen_params::contract::Contract;
use gen_params::emit::folder::files;
use gen_params::emit::numbers::hex;
use gen_params::emit::numbers::npz;
use gen_params::emit::{self, Existing, FileToWrite, Formats, Manifest, write_folder};
use gen_params::hardware::Target;
use gen_params::parameters::{LayerParameters, MultiplierForm, Parameters};

use super::prove::{certificate, channels, text};
use super::search::{Search, Sharing, Tasks};
use super::search_screen::of_network;
use super::verdict;
use crate::arguments::{Certify, FreedomName};
use crate::commands::Finding;
use crate::simulation::Prepared;
use crate::terminal;

/// The name of the certificate in the folder.
const CERTIFICATE: &str = "certificate.json";

/// Writes folders of a certified network.
pub(super) struct Folders<'a> {
    pub(super) arguments: &'a Certify,
    pub(super) prepared: &'a Prepared,
    pub(super) contract: Contract,
    pub(super) target: Target,
    /// Sizes of all edges, where an input was given.
    pub(super) shapes: Option<&'a [Vec<usize>]>,
}

impl Folders<'_> {
    /// Writes the chosen constants, and says what their certificate is.
    pub(super) fn chosen(&self, directory: &Path, tasks: &Tasks<'_>, found: &Search) -> Result<Finding> {
        let Self { arguments, prepared, contract, target, .. } = *self;
        if target.bias_fraction_bits > 0 {
            bail!(
                "--write: parameters have integer biases, and --bias-fraction-bits is {}",
                target.bias_fraction_bits
            );
        }
        let freedom = match arguments.choose {
            FreedomName::Nearest => Freedom::Nearest,
            FreedomName::Multiplier => Freedom::Multiplier,
            FreedomName::Bias => Freedom::Bias,
            FreedomName::Constant => Freedom::Constant,
        };
        let Some(bits) =
            arguments.width.or_else(|| of_network(found, freedom, arguments.within).map(|found| found.bits))
        else {
            bail!(
                "--write: no M0 of up to 32 bits makes the whole network {} with --choose {}\n  hint: allow differences with \
             --within FRACTION, or name the width with --width BITS",
                arguments
                    .within
                    .map_or("equal".to_owned(), |f| format!("differ at no more than {f:e} of accumulators")),
                freedom.name()
            );
        };
        let Some(chosen) = tasks.chosen(freedom, bits) else {
            bail!(
                "--write: no M0 of {bits} bits fits a product of {} bits in every channel",
                target.product_bits
            );
        };
        let mut parameters = prepared.parameters.clone();
        parameters.form = match found.sharing {
            Sharing::Fixed(n) => MultiplierForm::Shift(n),
            Sharing::Channel => MultiplierForm::Bits(bits),
            Sharing::Layer => MultiplierForm::LayerBits(bits),
            Sharing::Network => MultiplierForm::NetworkBits(bits),
        };
        let mut certified = Vec::with_capacity(chosen.len());
        for ((name, channels), chosen) in
            channels(&prepared.network, &prepared.parameters, contract, target)?.into_iter().zip(chosen)
        {
            let Some(layer) = parameters.layers.iter_mut().find(|layer| layer.name == name) else { continue };
            put(layer, &chosen, freedom)?;
            let channels = channels.into_iter().zip(chosen).map(|(channel, chosen)| {
                CertifiedChannel::new(Channel { hardware: chosen.hardware, ..channel }, target.product_bits)
            });
            certified.push(CertifiedLayer { channels: channels.collect::<Result<_, _>>()?, name });
        }
        let certificate = certificate(contract, &parameters, certified)?;
        let operators = certify_operators(&prepared.network, &parameters, contract, target, self.shapes);
        let text = text(self.subject(&parameters, &certificate.parameters_sha256), &certificate, &operators)?;
        let record = FileToWrite::new(CERTIFICATE, |out| out.write_all(&text));
        let count = self.folder(directory, &parameters, vec![record])?;
        terminal::say(format!(
            "{}: M0 of {bits} bits, {count} files, and the certificate of these constants:",
            directory.display()
        ));
        Ok(verdict(&certificate, &operators, arguments.within))
    }

    /// What a certificate of these parameters is about.
    pub(super) fn subject<'b>(&'b self, parameters: &'b Parameters, digest: &'b str) -> FileSubject<'b> {
        FileSubject {
            network: &self.prepared.network,
            parameters,
            parameters_sha256: digest,
            contract: self.contract,
            target: self.target,
            shapes: self.shapes,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Writes the accumulators at which each channel's code steps under the contract, beside the parameters: with them the
    /// code is CLAMP_MIN plus the number of thresholds that the accumulator sum(x*(w - Z2)) has reached.
    pub(super) fn thresholds(&self, directory: &Path, layers: &[CertifiedLayer]) -> Result<()> {
        let parameters = &self.prepared.parameters;
        let mut tables = Vec::new();
        for certified in layers {
            let Some(layer) = parameters.layers.iter().find(|layer| layer.name == certified.name) else {
                continue;
            };
            let (Some(bias), Some(folded)) = (&layer.bias, &layer.folded_bias) else { continue };
            let mut rows: Vec<i64> = Vec::new();
            for ((channel, bias), folded) in certified.channels.iter().zip(bias).zip(folded) {
                // The certificate's accumulator is sum((x - Z1)*(w - Z2)).
                let steps = channel.channel.reference_steps()?;
                rows.extend(steps.levels().map(|(_, first)| first + bias - folded));
            }
            let channels = certified.channels.len();
            tables.push((layer, [channels, rows.len() / channels.max(1)], rows));
        }
        let files = tables.iter().map(|(layer, _, rows)| {
            FileToWrite::new(emit::threshold_file(&layer.name), |out| hex::write_i64(out, rows))
        });
        let mut files: Vec<FileToWrite<'_>> = files.collect();
        files.push(FileToWrite::new("thresholds.npz", |out| {
            let mut archive = npz::Archive::new(out);
            for (layer, shape, rows) in &tables {
                archive.array(&format!("{}/threshold", layer.name), shape, rows)?;
            }
            archive.finish()
        }));
        let count = self.folder(directory, parameters, files)?;
        terminal::say(format!(
            "{}: thresholds of {}, {count} files",
            directory.display(),
            self.contract.name()
        ));
        Ok(())
    }

    /// Writes parameters with further files, and returns how many files there are.
    fn folder(&self, directory: &Path, parameters: &Parameters, more: Vec<FileToWrite<'_>>) -> Result<usize> {
        let formats = Formats::default();
        let mut files = files(parameters, &formats)?;
        files.extend(more);
        let model = &self.prepared.model;
        let source = model.source_file();
        let existing = Existing::forced(self.arguments.force);
        let manifest = Manifest::describe(parameters, Some(source), &formats);
        Ok(write_folder(directory, &files, manifest, existing)?.files.len() + 1)
    }
}

/// Puts chosen numbers in the place of the derived ones.
fn put(layer: &mut LayerParameters, chosen: &[Chosen], freedom: Freedom) -> Result<()> {
    let hardware = || chosen.iter().map(|chosen| &chosen.hardware);
    layer.multiplier = Some(hardware().map(|hardware| hardware.multiplier).collect());
    layer.shift = Some(hardware().map(|hardware| hardware.shift).collect());
    if freedom == Freedom::Constant {
        let constants = hardware().map(|hardware| hardware.constant).collect::<Option<Vec<i64>>>();
        let constants = constants.with_context(|| {
            format!("{}: found a channel without a chosen constant, expected one for each", layer.name)
        })?;
        layer.rounding_constant = Some(constants);
    }
    if let (Some(bias), Some(folded)) = (&mut layer.bias, &mut layer.folded_bias) {
        for ((bias, folded), hardware) in bias.iter_mut().zip(folded).zip(hardware()) {
            // The search moves a bias by a few units.
            *folded = folded.saturating_add(hardware.bias.saturating_sub(*bias));
            *bias = hardware.bias;
        }
    }
    Ok(())
}
