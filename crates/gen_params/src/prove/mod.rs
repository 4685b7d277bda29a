//! Proof, over every accumulator that can occur, that hardware gives an engine's codes, on all processors.

mod alternatives;
mod auto;
mod bound;
mod plot;
mod registers;
mod search;
mod write;

use std::path::Path;

use rayon::prelude::*;

use gen_params_core::certify::{
    Certificate, CertificateFile, CertifiedChannel, CertifiedLayer, Channel, Checked, Counted, Fault,
    FaultKind, FileSubject, OperatorProof, certify_operators, check, layer_channels,
};
use gen_params_core::contract::Contract;
use gen_params_core::hardware::Target;
use gen_params_core::ops::Op;
use gen_params_emit::digest;

use crate::error::{At, Error, Result, refuse};
use crate::{Derived, Input};

pub use alternatives::{LayerAlternatives, TRIED};
pub use auto::SmallestShift;
pub use plot::{MARKS, decades};
pub use registers::{KnownRegisters, LayerRegisters, REGISTER_WIDTHS};
pub use search::{Bits, Search, SearchedLayer, Sharing, Tasks, WIDTHS, Width};
pub use write::Choice;

/// What is proven of a network on its target against an engine.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The engine.
    pub contract: Contract,
    /// The arithmetic of the hardware.
    pub target: Target,
    /// Every channel of every layer with weights.
    pub certificate: Certificate,
    /// Operators without weights, over everything that can enter them.
    pub operators: Vec<OperatorProof>,
    /// Sizes of all edges, where an input was given.
    pub(crate) shapes: Option<Vec<Vec<usize>>>,
}

impl Proof {
    /// What is proven of the operators, beside the layers.
    fn new(
        derived: &Derived,
        contract: Contract,
        shapes: Option<Vec<Vec<usize>>>,
        layers: Vec<CertifiedLayer>,
    ) -> Result<Self> {
        let (network, parameters, target) =
            (&derived.network, &derived.parameters, derived.target.derivation.target);
        let certificate = Certificate {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            contract: contract.name().to_owned(),
            parameters_sha256: digest(parameters)?,
            layers,
        };
        let operators = certify_operators(network, parameters, contract, target, shapes.as_deref());
        Ok(Self { contract, target, certificate, operators, shapes })
    }

    /// The operators without weights that were counted.
    pub fn counted(&self) -> impl Iterator<Item = &Counted> {
        self.operators.iter().filter_map(|operator| operator.counted.as_ref().ok())
    }

    /// The operators that were not counted: their codes may differ.
    pub fn unproven(&self) -> Vec<&str> {
        let unproven = self.operators.iter().filter(|operator| operator.counted.is_err());
        unproven.map(|operator| operator.name.as_str()).collect()
    }

    /// Whether the codes of everything that was counted are those of the engine.
    pub fn is_equal(&self) -> bool {
        self.certificate.summary().differing == 0 && self.counted().all(|counted| counted.differing == 0)
    }

    /// Whether all of it was counted, no codes are further apart than 1, and they differ at no more than `fraction` of the
    /// reachable accumulators, nor of what can enter any operator without weights.
    pub fn is_within(&self, fraction: f64) -> bool {
        self.certificate.summary().is_within(fraction)
            && self.counted().all(|counted| is_within(counted, fraction))
            && self.unproven().is_empty()
    }

    /// What is proven of a node: the share of its accumulators, or cases, that differ.
    pub fn share(&self, node: &str) -> Option<f64> {
        if let Some(layer) = self.certificate.layers.iter().find(|layer| layer.name == node) {
            return Some(layer.summary().share());
        }
        let counted = self.operators.iter().find(|operator| operator.name == node)?.counted.as_ref().ok()?;
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let share = counted.differing as f64 / counted.cases.max(1) as f64;
        Some(share)
    }

    /// Prepares the search for the narrowest M0 on all channels.
    ///
    /// # Errors
    /// A channel of which nothing can be proven.
    pub fn tasks(&self, sharing: Sharing) -> Result<Tasks<'_>> {
        Tasks::new(&self.certificate.layers, sharing, self.target.product_bits)
    }
}

/// Whether an operator's codes are nowhere further apart than 1, and differ at no more than `fraction` of what can enter.
#[allow(clippy::cast_precision_loss, reason = "a share")]
fn is_within(counted: &Counted, fraction: f64) -> bool {
    counted.largest <= 1 && counted.differing as f64 <= fraction * counted.cases as f64
}

/// Proofs of a network.
impl Derived {
    /// Proves, over every accumulator that can occur, that the target's codes are those of an engine, or counts the
    /// differences. Operators whose integers depend on sizes are counted where an input is given.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Model, TargetFile};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// use gen_params::contract::Contract;
    ///
    /// let proof = derived.certify(Contract::Exact, None)?;
    /// assert!(proof.is_within(1e-3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A guessed wiring; a layer of which nothing can be proven.
    pub fn certify(&self, against: Contract, input: Option<&Input>) -> Result<Proof> {
        self.wired()?;
        let name = || self.model.name();
        let target = self.target.derivation.target;
        let shapes = input.map(|input| {
            let input = self.ordered(input);
            let image = input.shape.iter().skip(1).copied();
            let machine = self.machine(gen_params_core::machine::Arithmetic::Target(target))?;
            machine.shapes(&[[1].into_iter().chain(image).collect()]).at(name)
        });
        let layers = self.channels(against).at(name)?.into_iter().map(|(layer, channels)| {
            let proven = channels
                .into_par_iter()
                .map(|channel| CertifiedChannel::new(channel, target.product_bits))
                .collect::<Result<_, _>>();
            Ok(CertifiedLayer { channels: proven.at(|| &layer).at(name)?, name: layer })
        });
        Proof::new(self, against, shapes.transpose()?, layers.collect::<Result<_>>()?).at(name)
    }

    /// A proof as the text of a certificate, which [`check_certificate`] proves again without the model.
    ///
    /// # Errors
    /// A target whose codes are not the model's, or a layer of which something is not known.
    pub fn certificate(&self, proof: &Proof) -> Result<Vec<u8>> {
        let subject = FileSubject {
            network: &self.network,
            parameters: &self.parameters,
            parameters_sha256: &proof.certificate.parameters_sha256,
            contract: proof.contract,
            target: proof.target,
            shapes: proof.shapes.as_deref(),
            version: env!("CARGO_PKG_VERSION"),
        };
        let file = CertificateFile::new(&subject, &proof.certificate.layers, &proof.operators);
        let file = file.map_err(|error| Error::given(error.to_string())).at(|| self.model.name())?;
        let text = serde_json::to_vec(&file).map(|text| [text.as_slice(), b"\n"].concat());
        text.map_err(|error| Error::given(error.to_string()))
    }

    /// The channels of all layers with weights, by layer.
    fn channels(&self, contract: Contract) -> Result<Vec<(String, Vec<Channel>)>> {
        let (network, target) = (&self.network, self.target.derivation.target);
        let mut layers = Vec::new();
        for node in &network.nodes {
            let Op::Layer(layer) = &node.op else { continue };
            let Some(parameters) = self.parameters.layers.iter().find(|p| p.name == node.name) else {
                refuse!("{}: its parameters were not derived", node.name);
            };
            if layer.saturates_pairs(contract) && parameters.input_range.is_none_or(|range| range.max > 127) {
                refuse!(
                    "{}: {}'s depthwise kernel saturates for codes above 127, which this layer can reach: its \
                     accumulators are not sums, and nothing can be proven of them",
                    node.name,
                    contract.name()
                );
            }
            if contract == Contract::Onnxruntime && network.fusion(node).is_float() {
                refuse!(
                    "{}: ONNX Runtime does not fuse this layer, but adds up floats: its codes are no function of the accumulators, \
                     and nothing can be proven of them",
                    node.name
                );
            }
            let channels = layer_channels(network.contract_of(node, contract), layer, parameters, target)
                .at(|| &node.name)?;
            layers.push((node.name.clone(), channels));
        }
        Ok(layers)
    }
}

/// Proves a certificate again, without the model, and compares every number with those of a folder of parameters, if one is
/// given. Gives what was proven, or all that is not as the certificate says.
///
/// # Errors
/// The certificate or the folder cannot be read, or is none.
pub fn check_certificate(path: &Path, folder: Option<&Path>) -> Result<Result<Checked, Vec<Fault>>> {
    let text = std::fs::read(path).at(|| path.display())?;
    let checked = match check(&text) {
        Ok(checked) => checked,
        Err(faults) => match faults.as_slice() {
            // Nothing was found to be otherwise than it says: it does not say anything.
            [fault] if matches!(fault.kind, FaultKind::Format | FaultKind::Schema) => {
                return Err(Error::given(fault.to_string()).at(path.display()));
            }
            _ => return Ok(Err(faults)),
        },
    };
    let faults = folder.map(|folder| bound::differences(&checked.file, folder)).transpose()?;
    Ok(match faults {
        Some(faults) if !faults.is_empty() => Err(faults),
        _ => Ok(checked),
    })
}
