//! `--write`: the constants that a search chose, as parameters ready for use, with their certificate.

use std::path::Path;

use anyhow::{Result, bail};

use gen_params::certify::{CertifiedChannel, CertifiedLayer, Channel, Chosen, Freedom};
use gen_params::contract::Contract;
use gen_params::emit::{Existing, FileToWrite, Formats, Manifest, SourceFile, files, write_folder};
use gen_params::parameters::{LayerParameters, MultiplierForm};
use gen_params::target::Target;

use super::prove::{certificate, channels};
use super::search::{Search, Sharing, Tasks};
use super::search_screen::of_network;
use super::verdict;
use crate::arguments::{Certify, FreedomName};
use crate::commands::Finding;
use crate::simulation::Prepared;
use crate::terminal;

/// The name of the certificate in the folder.
const CERTIFICATE: &str = "certificate.json";

/// What is to be written.
pub(super) struct Request<'a> {
    pub(super) arguments: &'a Certify,
    pub(super) prepared: &'a Prepared,
    pub(super) contract: Contract,
    pub(super) target: Target,
    pub(super) directory: &'a Path,
}

/// Writes the folder, and says what its certificate is.
pub(super) fn write(request: &Request<'_>, tasks: &Tasks<'_>, found: &Search) -> Result<Finding> {
    let Request { arguments, prepared, contract, target, directory } = *request;
    if target.bias_fraction_bits > 0 {
        bail!(
            "--write: parameters have integer biases, and --bias-fraction-bits is {}",
            target.bias_fraction_bits
        );
    }
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
    let Some(bits) = arguments.width.or_else(|| of_network(found, freedom, arguments.within)) else {
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
        Sharing::Channel | Sharing::Layer | Sharing::Network => MultiplierForm::Bits(bits),
    };
    let mut certified = Vec::with_capacity(chosen.len());
    for ((name, channels), chosen) in channels(prepared, contract, target)?.into_iter().zip(chosen) {
        let Some(layer) = parameters.layers.iter_mut().find(|layer| layer.name == name) else { continue };
        put(layer, &chosen, freedom);
        let channels = channels.into_iter().zip(chosen).map(|(channel, chosen)| {
            CertifiedChannel::new(Channel { hardware: chosen.hardware, ..channel }, target.product_bits)
        });
        certified.push(CertifiedLayer { channels: channels.collect::<Result<_, _>>()?, name });
    }
    let certificate = certificate(contract, target, &parameters, certified)?;
    let text = serde_json::to_vec(&certificate)?;
    let formats = Formats::default();
    let mut files = files(&parameters, &formats)?;
    files.push(FileToWrite::new(CERTIFICATE, |out| out.write_all(&text)));
    let name = prepared.model.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let source = SourceFile::new(name, &prepared.model.bytes);
    let existing = if arguments.force { Existing::Replace } else { Existing::KeepForeign };
    let manifest = Manifest::describe(&parameters, Some(source), &formats);
    let manifest = write_folder(directory, &files, manifest, existing)?;
    terminal::say(format!(
        "{}: M0 of {bits} bits, {} files, and the certificate of these constants:",
        directory.display(),
        manifest.files.len() + 1
    ));
    Ok(verdict(&certificate, arguments.within))
}

/// Puts chosen numbers in the place of the derived ones.
fn put(layer: &mut LayerParameters, chosen: &[Chosen], freedom: Freedom) {
    let hardware = || chosen.iter().map(|chosen| &chosen.hardware);
    layer.multiplier = Some(hardware().map(|hardware| hardware.multiplier).collect());
    layer.shift = Some(hardware().map(|hardware| hardware.shift).collect());
    if freedom == Freedom::Constant {
        layer.rounding_constant =
            Some(hardware().map(|hardware| hardware.constant.unwrap_or_default()).collect());
    }
    if let (Some(bias), Some(folded)) = (&mut layer.bias, &mut layer.folded_bias) {
        for ((bias, folded), hardware) in bias.iter_mut().zip(folded).zip(hardware()) {
            // The search moves a bias by a few units.
            *folded = folded.saturating_add(hardware.bias.saturating_sub(*bias));
            *bias = hardware.bias;
        }
    }
}
