//! One output channel under both arithmetics, over the accumulators that it can reach.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::real::Real;
use crate::contract::{Contract, Missing, Requantizer};
use crate::hardware::reach::{Ranks, Sums, centred_accumulators, signed_bits};
use crate::hardware::steps::Steps;
use crate::hardware::steps::{Difference, disagreements};
use crate::hardware::{Rescale, Target, TargetError, TargetLayer};
use crate::ops::{Bias, Layer};
use crate::parameters::{Activation, LayerParameters, Range};

/// Why nothing can be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The model file does not say something that the codes depend on.
    Unknown(String),
    /// An accumulator that the layer can reach does not fit in the register of the reference, of 32 bits, or of the
    /// hardware.
    Accumulator {
        /// Bits that it needs.
        needed: u32,
        /// Bits that there are.
        available: u32,
    },
    /// A product that the channel can reach does not fit in the hardware's register.
    Product {
        /// Bits that it needs.
        needed: u32,
        /// Bits that there are.
        available: u32,
    },
    /// The reference's scaled accumulator leaves 32 bits, where it jumps to the smallest code, or its numbers are none.
    ReferenceFalls,
    /// Numbers that cannot be those of a channel of both arithmetics.
    Unsound(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(what) => f.write_str(what),
            Self::Accumulator { needed, available } => {
                write!(f, "the accumulator can need {needed} bits, and there are {available}")
            }
            Self::Product { needed, available } => {
                write!(f, "the product can need {needed} bits, and there are {available}")
            }
            Self::ReferenceFalls => f.write_str(
                "the reference's scaled accumulator can leave 32 bits, where it jumps to the smallest code; it is no step \
                 function that never falls",
            ),
            Self::Unsound(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Missing> for Refusal {
    fn from(missing: Missing) -> Self {
        Self::Unknown(missing.to_string())
    }
}

impl From<TargetError> for Refusal {
    fn from(error: TargetError) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// One output channel: everything that its certificate is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The reachable `sum((x - Z1) * (w - Z2))`: extremes, over all inputs in their range, padding included.
    pub accumulator: Range<i32>,
    /// Which of those between occur; `None` if all of them do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sums: Option<Sums>,
    /// The exact output.
    pub real: Real,
    /// The reference's arithmetic; its own clamp may be wider than the hardware's.
    pub reference: Requantizer,
    /// The hardware's. Its clamp holds for both: it includes that of a ReLU or clamp that follows.
    pub hardware: Rescale,
}

/// The channels of a layer under a contract and on a target.
///
/// # Errors
/// What is not known, or a range that does not fit in the registers.
pub fn layer_channels(
    contract: Contract,
    layer: &Layer,
    parameters: &LayerParameters,
    target: Target,
) -> Result<Vec<Channel>, Refusal> {
    let unknown = |what: &str| Refusal::Unknown(format!("{what} is not known"));
    if target.activation_range.is_some() {
        return Err(Refusal::Unsound("the target clamps codes that the reference does not"));
    }
    // Changes no accumulator and no code: the folded bias and Z3 move with the codes.
    let target = Target { signed_activations: false, ..target };
    let hardware = TargetLayer::new(parameters, layer, target)?;
    let input = parameters.input.ok_or_else(|| unknown("the scale and zero point of its input"))?;
    let output = parameters.output.ok_or_else(|| unknown("the scale and zero point of its output"))?;
    let range = parameters.input_range.ok_or_else(|| unknown("the range of its input codes"))?;
    if let Some(reach) =
        [parameters.accumulator, parameters.biased].into_iter().flatten().max_by_key(|reach| reach.bits)
        && reach.bits > target.accumulator_bits
    {
        return Err(Refusal::Accumulator { needed: reach.bits, available: target.accumulator_bits });
    }
    let facts = channel_facts(contract, layer, input, output, range)?;
    if facts.len() != hardware.channels() {
        return Err(Refusal::Unsound("not every list has one entry for each channel"));
    }
    let channel = |(index, facts): (usize, ChannelFacts)| {
        let ChannelFacts { accumulator, sums, real, reference } = facts;
        // Accumulators here are centred: Z1 is in them already.
        let hardware = Rescale { bias: hardware.bias[index], ..hardware.rescale(index) };
        Channel { accumulator, sums, real, reference, hardware }
    };
    Ok(facts.into_iter().enumerate().map(channel).collect())
}

/// What a channel is without hardware: its accumulators, its exact output, and the reference.
pub(super) struct ChannelFacts {
    pub(super) accumulator: Range<i32>,
    pub(super) sums: Option<Sums>,
    pub(super) real: Real,
    pub(super) reference: Requantizer,
}

/// The channels of a layer whose input codes lie in `range`.
///
/// # Errors
/// What is not known, or a range that does not fit in 32 bits.
pub(super) fn channel_facts(
    contract: Contract,
    layer: &Layer,
    input: Activation,
    output: Activation,
    range: Range<i32>,
) -> Result<Vec<ChannelFacts>, Refusal> {
    let accumulators = centred_accumulators(layer, input, range).ok_or_else(|| {
        Refusal::Unknown(
            "which accumulators it can reach, for want of its stride or dilation, is not known".to_owned(),
        )
    })?;
    if layer.clamp_in(contract, output) != layer.clamp_of(output) {
        return Err(Refusal::Unsound(
            "the engine's fused activation ends at other codes than the parameters'",
        ));
    }
    let references = layer.requantizers(contract, input, output)?;
    let mut channels = Vec::with_capacity(references.len());
    for (index, (reference, accumulator)) in references.into_iter().zip(accumulators).enumerate() {
        let narrow = |end: i64| {
            let needed = signed_bits(Range { min: end, max: end });
            i32::try_from(end).map_err(|_| Refusal::Accumulator { needed, available: i32::BITS })
        };
        let scales = &layer.weight.scale;
        let Some(&weight_scale) = scales.get(if scales.len() > 1 { index } else { 0 }) else {
            return Err(Refusal::Unsound("not every list has one entry for each channel"));
        };
        let own_bias = match &layer.bias {
            Some(Bias::Real(values)) => values.get(index).map(|&real| (real, 0)),
            Some(Bias::Codes(codes) | Bias::WideCodes(codes)) => codes.get(index).map(|&code| (0.0, code)),
            None => Some((0.0, 0)),
        };
        let Some((real_bias, bias_code)) = own_bias else {
            return Err(Refusal::Unsound("not every channel has a bias"));
        };
        channels.push(ChannelFacts {
            accumulator: Range { min: narrow(accumulator.range.min)?, max: narrow(accumulator.range.max)? },
            sums: accumulator.sums,
            real: Real {
                input_scale: input.scale,
                weight_scale,
                output_scale: output.scale,
                bias: real_bias,
                bias_code,
            },
            reference,
        });
    }
    Ok(channels)
}

impl Channel {
    /// The accumulators that occur, as far as that is known.
    ///
    /// # Errors
    /// Runs that are none, or not within the range.
    pub fn ranks(&self) -> Result<Ranks, Refusal> {
        let range = Range { min: self.accumulator.min.into(), max: self.accumulator.max.into() };
        if range.min > range.max {
            return Err(Refusal::Unsound("a range of accumulators whose ends are swapped"));
        }
        if self.sums.as_ref().is_some_and(|sums| !sums.is_sound(range)) {
            return Err(Refusal::Unsound("runs of accumulators that are not those of the range"));
        }
        Ok(Ranks::new(range, self.sums.as_ref()))
    }

    /// The reference's steps.
    ///
    /// # Errors
    /// It is not known to be a step function that never falls.
    pub fn reference_steps(&self) -> Result<Steps, Refusal> {
        let clamp = self.hardware.clamp;
        let codes = i32::from(i8::MIN)..=i32::from(u8::MAX);
        if clamp.min > clamp.max || !codes.contains(&clamp.min) || !codes.contains(&clamp.max) {
            return Err(Refusal::Unsound("a clamp that is no range of 8-bit codes"));
        }
        if self.accumulator.min > self.accumulator.max {
            return Err(Refusal::Unsound("a range of accumulators whose ends are swapped"));
        }
        if !self.reference.never_falls(self.accumulator) {
            return Err(Refusal::ReferenceFalls);
        }
        Ok(Steps::of(self.accumulator, clamp, |accumulator| {
            self.reference.apply(accumulator).clamp(clamp.min, clamp.max)
        }))
    }

    /// The hardware's steps, with a product register of `product_bits`.
    ///
    /// # Errors
    /// A product that does not fit, or numbers that no hardware has.
    pub fn hardware_steps(&self, product_bits: u32) -> Result<Steps, Refusal> {
        if !self.hardware.is_sound() {
            return Err(Refusal::Unsound(
                "a shift, zero point or number of fractional bits that no hardware has",
            ));
        }
        let needed = self.hardware.product_bits(self.accumulator);
        if needed > product_bits {
            return Err(Refusal::Product { needed, available: product_bits });
        }
        Ok(self.hardware.steps(self.accumulator))
    }

    /// Where both differ.
    ///
    /// # Errors
    /// Nothing can be proven, and why.
    pub fn difference(&self, product_bits: u32) -> Result<Difference, Refusal> {
        let (reference, hardware) = (self.reference_steps()?, self.hardware_steps(product_bits)?);
        Difference::between(&reference, &hardware, &self.ranks()?).ok_or(Refusal::Unsound("two clamps"))
    }

    /// Whether every difference of two step functions of this channel is at an accumulator whose exact output lies
    /// halfway between two codes. True if there is none.
    pub fn only_ties(&self, reference: &Steps, hardware: &Steps, ranks: &Ranks) -> bool {
        disagreements(reference, hardware).all(|(code, low, high)| {
            let (first, end) = (ranks.below(low), ranks.below(high));
            let tie = || self.real.tie(code - self.hardware.zero_point);
            end == first || (end == first + 1 && tie() == ranks.at(first))
        })
    }
}
