//! Inputs of a layer that hurt by construction: largest sums, saturation, ties of the rounding, codes of zero, borders.
//!
//! An input is solved for: the codes that one output element meets are chosen so that their sum is the wanted one. All
//! inputs are then run, and only those are kept that reach what they were made for. Codes are those that the layer's
//! producer can give, so what is reached can occur; the largest and the smallest accumulator are those of inputs of the
//! size that is made.

mod element;
mod search;

use super::{Stage, Stages, TargetError, TargetLayer};
use crate::parameters::Range;

/// What an input was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aim {
    /// Every code is the real zero, Z1: the bias alone.
    ZeroPoint,
    /// Every code is Z1 - 1.
    BelowZeroPoint,
    /// Every code is Z1 + 1.
    AboveZeroPoint,
    /// The largest accumulator that a channel can have.
    LargestAccumulator,
    /// The smallest.
    SmallestAccumulator,
    /// The product lies exactly halfway between two multiples of 2^n, above zero.
    PositiveTie,
    /// The same below zero, where roundings go other ways.
    NegativeTie,
    /// The value before the clamp is below its smallest code: the last sum of codes for which it is.
    LowerSaturation,
    /// It is above its largest code: the first sum for which it is.
    UpperSaturation,
    /// Taps meet padding, and the output is another one if padding is not Z1.
    Padding,
}

impl Aim {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ZeroPoint,
        Self::BelowZeroPoint,
        Self::AboveZeroPoint,
        Self::LargestAccumulator,
        Self::SmallestAccumulator,
        Self::PositiveTie,
        Self::NegativeTie,
        Self::LowerSaturation,
        Self::UpperSaturation,
        Self::Padding,
    ];

    /// The name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::ZeroPoint => "zero-point",
            Self::BelowZeroPoint => "below-zero-point",
            Self::AboveZeroPoint => "above-zero-point",
            Self::LargestAccumulator => "largest-accumulator",
            Self::SmallestAccumulator => "smallest-accumulator",
            Self::PositiveTie => "positive-tie",
            Self::NegativeTie => "negative-tie",
            Self::LowerSaturation => "lower-saturation",
            Self::UpperSaturation => "upper-saturation",
            Self::Padding => "padding",
        }
    }
}

/// One input of a layer, and the output element that it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// What it was made for.
    pub aim: Aim,
    /// The output channel.
    pub channel: usize,
    /// The output position, spatial....
    pub position: Vec<usize>,
    /// Where the aim shows.
    pub stage: Stage,
    /// The value of that stage, as found by running the layer.
    pub value: i64,
    /// The output code there with padding of another code than Z1, for [`Aim::Padding`].
    pub wrong_padding: Option<WrongPadding>,
}

/// What an output code is if padding is not Z1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongPadding {
    /// The wrong code of padding, as the target has it: 0, or the largest code where Z1 is 0.
    pub code: i32,
    /// The output code, as the target has it.
    pub output: i64,
    /// Taps that meet padding.
    pub taps: usize,
}

/// An aim for which a layer has no input, or none was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The aim.
    pub aim: Aim,
    /// Whether it is proven that there is none; otherwise none was found.
    pub proven: bool,
    /// Why.
    pub reason: String,
    /// The values that the stage can have, over all channels and all inputs, where that is the reason.
    pub reachable: Option<(Stage, Range<i64>)>,
}

/// Inputs of one layer, all of one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerVectors {
    /// What they were made for, one per image of `stages`.
    pub vectors: Vec<Vector>,
    /// Every stage of the layer, for all inputs: (vectors, C, spatial...).
    pub stages: Stages,
    /// Aims without a vector.
    pub missing: Vec<Missing>,
}

impl TargetLayer {
    /// Inputs for every [`Aim`], each for at most `channels` output channels, spread evenly over those that can reach it.
    ///
    /// # Errors
    /// Strides, padding or dilation that are not known, or a layer too large to be run on these inputs.
    pub fn vectors(&self, channels: usize) -> Result<LayerVectors, TargetError> {
        search::Search::new(self)?.run(channels)
    }
}
