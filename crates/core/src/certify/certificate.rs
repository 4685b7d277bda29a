//! A certificate: what was proven, with all that it takes to prove it again without the model.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::channel::{Channel, Refusal};
use super::difference::Difference;

/// What was proven of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Version of this form.
    pub schema: u32,
    /// Version of the tool that made it.
    pub version: String,
    /// The reference.
    pub contract: String,
    /// Width of the hardware's product in bits.
    pub product_bits: u32,
    /// SHA-256 of the parameters that it is about, lower-case hex.
    pub parameters_sha256: String,
    /// Layers with weights, in execution order.
    pub layers: Vec<CertifiedLayer>,
}

/// What was proven of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedLayer {
    /// Name in the model.
    pub name: String,
    /// By output channel.
    pub channels: Vec<CertifiedChannel>,
}

/// What was proven of a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedChannel {
    /// Both arithmetics, and the accumulators.
    pub channel: Channel,
    /// Where they differ.
    pub difference: Difference,
    /// Whether they differ at ties of the exact output only; true where they do not differ.
    pub only_ties: bool,
}

/// Something in a certificate that is not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The layer.
    pub layer: String,
    /// The output channel.
    pub channel: usize,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, channel {}: {}", self.layer, self.channel, self.text)
    }
}

impl CertifiedChannel {
    /// Proves a channel with a product register of `product_bits`.
    ///
    /// # Errors
    /// Nothing can be proven, and why.
    pub fn new(channel: Channel, product_bits: u32) -> Result<Self, Refusal> {
        let (reference, hardware) = (channel.reference_steps()?, channel.hardware_steps(product_bits)?);
        let difference =
            Difference::between(&reference, &hardware).ok_or(Refusal::Unsound("two ranges of codes"))?;
        let only_ties = channel.only_ties(&reference, &hardware);
        Ok(Self { channel, difference, only_ties })
    }

    /// Proves it again; the text says what is not so.
    fn fault(&self, product_bits: u32) -> Option<String> {
        let found = match Self::new(self.channel.clone(), product_bits) {
            Ok(found) => found,
            Err(refusal) => return Some(format!("nothing can be proven: {refusal}")),
        };
        if found.difference != self.difference {
            return Some(format!(
                "says that {} of {} accumulators differ, the first {:?}, the largest {:?}; found {} of {}, {:?}, {:?}",
                self.difference.differing,
                self.difference.reachable,
                self.difference.first,
                self.difference.largest,
                found.difference.differing,
                found.difference.reachable,
                found.difference.first,
                found.difference.largest,
            ));
        }
        (found.only_ties != self.only_ties)
            .then(|| format!("says that only ties differ: {}; found {}", self.only_ties, found.only_ties))
    }
}

impl Certificate {
    /// The form that is written.
    pub const SCHEMA: u32 = 1;

    /// Proves every channel again. An empty list is the confirmation: with the ranges and constants that the certificate
    /// names, what it says is so. That they are those of a model is for `parameters_sha256` to show.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for layer in &self.layers {
            for (index, channel) in layer.channels.iter().enumerate() {
                let text = channel.fault(self.product_bits);
                faults.extend(text.map(|text| Fault { layer: layer.name.clone(), channel: index, text }));
            }
        }
        faults
    }

    /// Whether every channel is proven equal. A certificate of nothing is none.
    pub fn is_equal(&self) -> bool {
        let mut channels = self.layers.iter().flat_map(|layer| &layer.channels).peekable();
        channels.peek().is_some() && channels.all(|channel| channel.difference.is_none())
    }
}
