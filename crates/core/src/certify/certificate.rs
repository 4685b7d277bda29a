//! What was proven, channel by channel, and what that is of layers and networks.

use super::channel::{Channel, Refusal};
use crate::hardware::steps::Difference;

/// What was proven of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// Version of the tool that made it.
    pub version: String,
    /// The reference.
    pub contract: String,
    /// SHA-256 of the parameters that it is about, as the archive `params.npz` that is written of them; lower-case hex.
    pub parameters_sha256: String,
    /// Layers with weights, in execution order.
    pub layers: Vec<CertifiedLayer>,
}

/// What was proven of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct CertifiedLayer {
    /// Name in the model.
    pub name: String,
    /// By output channel.
    pub channels: Vec<CertifiedChannel>,
}

/// What was proven of a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct CertifiedChannel {
    /// Both arithmetics, and the accumulators.
    pub channel: Channel,
    /// Where they differ.
    pub difference: Difference,
    /// Whether they differ at ties of the exact output only; true where they do not differ.
    pub only_ties: bool,
}

/// Channels together: those of a layer or of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Number of channels.
    pub channels: usize,
    /// Reachable accumulators, each channel's counted on its own.
    pub reachable: u64,
    /// Those at which the codes differ.
    pub differing: u64,
    /// Channels with such an accumulator.
    pub differing_channels: usize,
    /// The largest distance of codes.
    pub largest: u32,
    /// Whether the codes differ at ties of the exact output only; true where they do not differ.
    pub only_ties: bool,
    /// Channels of which only an interval is known that contains their accumulators.
    pub intervals: usize,
}

impl Default for Summary {
    /// Of no channel.
    fn default() -> Self {
        Self::NOTHING
    }
}

impl Summary {
    /// Of no channel.
    pub const NOTHING: Self = Self {
        channels: 0,
        reachable: 0,
        differing: 0,
        differing_channels: 0,
        largest: 0,
        only_ties: true,
        intervals: 0,
    };

    /// Adds one channel.
    pub fn add(&mut self, difference: &Difference, only_ties: bool) {
        self.channels += 1;
        self.reachable = self.reachable.saturating_add(difference.reachable);
        self.differing = self.differing.saturating_add(difference.differing);
        self.differing_channels += usize::from(!difference.is_none());
        self.largest = self.largest.max(difference.largest_distance());
        self.only_ties &= only_ties;
    }

    /// Adds a channel for which there is no hardware: wrong at all of its `reachable` accumulators, by as much as codes
    /// can be.
    pub fn add_without_hardware(&mut self, reachable: u64) {
        self.merge(&Self {
            channels: 1,
            reachable,
            differing: reachable,
            differing_channels: 1,
            largest: u8::MAX.into(),
            only_ties: false,
            intervals: 0,
        });
    }

    /// Adds those of another summary.
    pub fn merge(&mut self, other: &Self) {
        self.channels += other.channels;
        self.reachable = self.reachable.saturating_add(other.reachable);
        self.differing = self.differing.saturating_add(other.differing);
        self.differing_channels += other.differing_channels;
        self.largest = self.largest.max(other.largest);
        self.only_ties &= other.only_ties;
        self.intervals += other.intervals;
    }

    /// The share of accumulators that differ, 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    pub fn share(&self) -> f64 {
        self.differing as f64 / self.reachable.max(1) as f64
    }

    /// The share of accumulators that differ, in millionths.
    pub fn parts_per_million(&self) -> f64 {
        self.share() * 1e6
    }

    /// Whether the codes are nowhere further apart than 1, and differ at no more than `fraction` of the accumulators.
    pub fn is_within(&self, fraction: f64) -> bool {
        self.largest <= 1 && self.share() <= fraction
    }
}

impl CertifiedChannel {
    /// Proves a channel with a product register of `product_bits`.
    ///
    /// # Errors
    /// Nothing can be proven, and why.
    pub fn new(channel: Channel, product_bits: u32) -> Result<Self, Refusal> {
        let (reference, hardware) = (channel.reference_steps()?, channel.hardware_steps(product_bits)?);
        let ranks = channel.ranks()?;
        let difference = Difference::between(&reference, &hardware, &ranks)
            .ok_or(Refusal::Unsound("two ranges of codes"))?;
        let only_ties = channel.only_ties(&reference, &hardware, &ranks);
        Ok(Self { channel, difference, only_ties })
    }
}

impl CertifiedChannel {
    /// Whether only an interval is known that contains the accumulators: a witness may then be none that occurs.
    pub fn is_of_interval(&self) -> bool {
        self.channel.sums.as_ref().is_some_and(|sums| !sums.exact)
    }
}

impl CertifiedLayer {
    /// Its channels together.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for channel in &self.channels {
            summary.add(&channel.difference, channel.only_ties);
            summary.intervals += usize::from(channel.is_of_interval());
        }
        summary
    }
}

impl Certificate {
    /// All channels together.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for layer in &self.layers {
            summary.merge(&layer.summary());
        }
        summary
    }

    /// Whether every channel is proven equal; so they are where there is none.
    pub fn is_equal(&self) -> bool {
        self.layers.iter().flat_map(|layer| &layer.channels).all(|channel| channel.difference.is_none())
    }
}
