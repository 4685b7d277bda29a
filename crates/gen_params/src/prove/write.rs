//! What takes the place of the derived constants, as folders of parameters ready for use.

use std::path::Path;

use gen_params_core::certify::{CertifiedChannel, CertifiedLayer, Channel, Chosen, Freedom};
use gen_params_core::parameters::{LayerParameters, MultiplierForm};
use gen_params_emit::numbers::{hex, npz};
use gen_params_emit::{Existing, FileToWrite, Formats, Manifest, files, threshold_file, write_folder};

use super::{Proof, Search, Sharing, Tasks};
use crate::Derived;
use crate::error::{Error, Result};

/// The name of the certificate in the folder.
const CERTIFICATE: &str = "certificate.json";

/// Which of the constants that a search found are taken.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// What may be chosen for each channel.
    pub freedom: Freedom,
    /// Bits of M0, whatever differs; else the narrowest that holds the bound.
    pub width: Option<u32>,
    /// The share of accumulators that may differ, by 1 LSB; none unless it is given.
    pub within: Option<f64>,
}

impl Derived {
    /// The model with the constants that a search chose in the place of the derived ones, what is proven of them, and the bits
    /// of their M0.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Model, TargetFile, contract::Contract};
    /// # let derived = Model::open("../MLP_x86/converted_script.pt")?.derive(&TargetFile::default())?;
    /// use gen_params::certify::Freedom;
    /// use gen_params::prove::{Choice, Sharing};
    ///
    /// let proof = derived.certify(Contract::X86, None)?;
    /// let tasks = proof.tasks(Sharing::Channel)?;
    /// let choice = Choice { freedom: Freedom::Constant, width: Some(24), within: None };
    /// let (chosen, proof, bits) = derived.choose(&proof, &tasks, &tasks.search(), choice)?;
    /// assert!(bits == 24 && chosen.parameters().layers[0].rounding_constant.is_some());
    /// assert!(proof.is_within(1e-3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A target with a fraction in its biases; no M0 that holds the bound, or that fits the product register.
    pub fn choose(
        &self,
        proof: &Proof,
        tasks: &Tasks<'_>,
        found: &Search,
        choice: Choice,
    ) -> Result<(Self, Proof, u32)> {
        let Choice { freedom, width, within } = choice;
        let Proof { contract, target, ref shapes, .. } = *proof;
        let refuse = |problem: String| Error::option("write", problem);
        if target.bias_fraction_bits > 0 {
            let fraction = target.bias_fraction_bits;
            return Err(refuse(format!(
                "parameters have integer biases, and --bias-fraction-bits is {fraction}"
            )));
        }
        let narrowest = || found.narrowest(freedom, within).map(|found| found.bits);
        let Some(bits) = width.or_else(narrowest) else {
            let bound = within
                .map_or("equal".to_owned(), |f| format!("differ at no more than {f:e} of accumulators"));
            let problem = format!(
                "no M0 of up to 32 bits makes the whole network {bound} with --choose {}",
                freedom.name()
            );
            let hint = "allow differences with --within FRACTION, or name the width with --width BITS";
            return Err(refuse(problem).with_hint(hint));
        };
        let Some(chosen) = tasks.chosen(freedom, bits) else {
            return Err(refuse(format!(
                "no M0 of {bits} bits fits a product of {} bits in every channel",
                target.product_bits
            )));
        };
        let mut derived = self.clone();
        derived.parameters.form = match found.sharing {
            Sharing::Fixed(n) => MultiplierForm::Shift(n),
            Sharing::Channel => MultiplierForm::Bits(bits),
            Sharing::Layer => MultiplierForm::LayerBits(bits),
            Sharing::Network => MultiplierForm::NetworkBits(bits),
        };
        let mut certified = Vec::with_capacity(chosen.len());
        for ((name, channels), chosen) in self.channels(contract)?.into_iter().zip(chosen) {
            let layers = &mut derived.parameters.layers;
            let Some(layer) = layers.iter_mut().find(|layer| layer.name == name) else { continue };
            put(layer, &chosen, freedom)?;
            let channels = channels.into_iter().zip(chosen).map(|(channel, chosen)| {
                CertifiedChannel::new(Channel { hardware: chosen.hardware, ..channel }, target.product_bits)
            });
            certified.push(CertifiedLayer { channels: channels.collect::<Result<_, _>>()?, name });
        }
        let proof = Proof::new(&derived, contract, shapes.clone(), certified)?;
        Ok((derived, proof, bits))
    }

    /// Writes the folder of parameters with the certificate of a proof of them.
    ///
    /// # Errors
    /// As [`Derived::certificate`] and [`Derived::write`].
    pub fn write_certified(
        &self,
        directory: impl AsRef<Path>,
        proof: &Proof,
        existing: Existing,
    ) -> Result<Manifest> {
        let text = self.certificate(proof)?;
        let record = FileToWrite::new(CERTIFICATE, |out| out.write_all(&text));
        self.folder(directory.as_ref(), vec![record], existing)
    }

    /// Writes the accumulators at which each channel's code steps under the engine, beside the parameters: with them the
    /// code is CLAMP_MIN plus the number of thresholds that the accumulator sum(x*(w - Z2)) has reached.
    ///
    /// # Errors
    /// As [`Derived::write`].
    pub fn write_thresholds(
        &self,
        directory: impl AsRef<Path>,
        proof: &Proof,
        existing: Existing,
    ) -> Result<Manifest> {
        let parameters = &self.parameters;
        let mut tables = Vec::new();
        for certified in &proof.certificate.layers {
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
            FileToWrite::new(threshold_file(&layer.name), |out| hex::write_i64(out, rows))
        });
        let mut files: Vec<FileToWrite<'_>> = files.collect();
        files.push(FileToWrite::new("thresholds.npz", |out| {
            let mut archive = npz::Archive::new(out);
            for (layer, shape, rows) in &tables {
                archive.array(&format!("{}/threshold", layer.name), shape, rows)?;
            }
            archive.finish()
        }));
        self.folder(directory.as_ref(), files, existing)
    }

    /// Writes parameters with further files.
    fn folder(&self, directory: &Path, more: Vec<FileToWrite<'_>>, existing: Existing) -> Result<Manifest> {
        let formats = Formats::default();
        let mut files = files(&self.parameters, &formats)?;
        files.extend(more);
        Ok(write_folder(directory, &files, self.manifest(&formats), existing)?)
    }
}

/// Puts chosen numbers in the place of the derived ones.
fn put(layer: &mut LayerParameters, chosen: &[Chosen], freedom: Freedom) -> Result<()> {
    let hardware = || chosen.iter().map(|chosen| &chosen.hardware);
    layer.multiplier = Some(hardware().map(|hardware| hardware.multiplier).collect());
    layer.shift = Some(hardware().map(|hardware| hardware.shift).collect());
    if freedom == Freedom::Constant {
        let constants = hardware().map(|hardware| hardware.constant).collect::<Option<Vec<i64>>>();
        let missing = || Error::given("found a channel without a chosen constant, expected one for each");
        let constants = constants.ok_or_else(|| missing().at(&layer.name))?;
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
