//! Faults that hardware of this kind has: each one changes a layer's numbers, and what it then computes is known exactly.

use std::fmt;

use super::{Rounding, TargetLayer};

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Padding has the code 0 and not Z1.
    ZeroPadding,
    /// The weights lie as (output, input, kernel...) and are read as (output, kernel..., input).
    WeightReadChannelsLast,
    /// The weights lie as (output, kernel..., input) and are read as (output, input, kernel...).
    WeightWrittenChannelsLast,
    /// Each output channel has the weights of the one before it.
    WeightOfPreviousChannel,
    /// Each output channel has the weights of the one after it.
    WeightOfNextChannel,
    /// Z1*weight_sum is added to the bias and not subtracted.
    PlusWeightSum,
    /// Z1*weight_sum is left out.
    NoWeightSum,
    /// The bias is left out; Z1*weight_sum is not.
    NoBias,
    /// The bytes of each word of folded_bias are in reverse order.
    BiasByteOrder,
    /// Each output channel has the folded_bias of the one before it.
    BiasOfPreviousChannel,
    /// Each output channel has the folded_bias of the one after it.
    BiasOfNextChannel,
    /// The bytes of each word of M0 are in reverse order.
    MultiplierByteOrder,
    /// M0 and n of channel 0 are used for all channels.
    MultiplierOfFirstChannel,
    /// The shift rounds in this way and not in the target's.
    Rounding(Rounding),
    /// Z3 is left out.
    NoOutputZeroPoint,
    /// The output is clamped at 0 and not at its clamp's minimum, which is Z3 after a ReLU.
    ReluAtZero,
    /// The output is clamped to its type alone.
    NoRelu,
}

impl Fault {
    /// All faults, in the order of the stages in which they show.
    pub const ALL: [Self; 22] = [
        Self::ZeroPadding,
        Self::WeightReadChannelsLast,
        Self::WeightWrittenChannelsLast,
        Self::WeightOfPreviousChannel,
        Self::WeightOfNextChannel,
        Self::PlusWeightSum,
        Self::NoWeightSum,
        Self::NoBias,
        Self::BiasByteOrder,
        Self::BiasOfPreviousChannel,
        Self::BiasOfNextChannel,
        Self::MultiplierByteOrder,
        Self::MultiplierOfFirstChannel,
        Self::Rounding(Rounding::Floor),
        Self::Rounding(Rounding::Double),
        Self::Rounding(Rounding::TowardZero),
        Self::Rounding(Rounding::HalfUp),
        Self::Rounding(Rounding::HalfEven),
        Self::Rounding(Rounding::HalfAway),
        Self::NoOutputZeroPoint,
        Self::ReluAtZero,
        Self::NoRelu,
    ];

    /// The layer with this fault; `None` where the fault changes none of its numbers.
    #[must_use]
    pub fn planted(self, layer: &TargetLayer) -> Option<TargetLayer> {
        let mut faulty = layer.clone();
        match self {
            Self::ZeroPadding => faulty.padding_value = 0,
            Self::WeightReadChannelsLast => faulty.weight = read_channels_last(layer),
            Self::WeightWrittenChannelsLast => faulty.weight = written_channels_last(layer),
            Self::WeightOfPreviousChannel => {
                faulty.weight.rotate_right(layer.taps().min(layer.weight.len()));
            }
            Self::WeightOfNextChannel => faulty.weight.rotate_left(layer.taps().min(layer.weight.len())),
            Self::PlusWeightSum => {
                for (folded, bias) in faulty.folded_bias.iter_mut().zip(&layer.bias) {
                    *folded = bias.checked_mul(2)?.checked_sub(*folded)?;
                }
            }
            Self::NoWeightSum => faulty.folded_bias.clone_from(&layer.bias),
            Self::NoBias => {
                for (folded, bias) in faulty.folded_bias.iter_mut().zip(&layer.bias) {
                    *folded = folded.checked_sub(*bias)?;
                }
            }
            Self::BiasByteOrder => {
                for folded in &mut faulty.folded_bias {
                    *folded = i64::from(i32::try_from(*folded).ok()?.swap_bytes());
                }
            }
            Self::BiasOfPreviousChannel => faulty.folded_bias.rotate_right(1.min(layer.channels())),
            Self::BiasOfNextChannel => faulty.folded_bias.rotate_left(1.min(layer.channels())),
            Self::MultiplierByteOrder => {
                for multiplier in &mut faulty.multiplier {
                    *multiplier = multiplier.swap_bytes();
                }
            }
            Self::MultiplierOfFirstChannel => {
                faulty.multiplier = vec![*layer.multiplier.first()?; layer.channels()];
                faulty.shift = vec![*layer.shift.first()?; layer.channels()];
            }
            Self::Rounding(rounding) => faulty.target.rounding = rounding,
            Self::NoOutputZeroPoint => faulty.output_zero_point = 0,
            Self::ReluAtZero => faulty.clamp.min = 0,
            Self::NoRelu => faulty.clamp.min = layer.smallest_output_code(),
        }
        (faulty != *layer).then_some(faulty)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroPadding => "padding is 0 and not Z1: outside the input stands the code of the real zero, Z1",
            Self::WeightReadChannelsLast => {
                "weights are in OIHW order and were read as OHWI: the input channel is not the innermost axis"
            }
            Self::WeightWrittenChannelsLast => {
                "weights were stored in OHWI order and read as OIHW: the input channel is the axis after the output's"
            }
            Self::WeightOfPreviousChannel => {
                "weights are off by one channel: each output channel has the weights of the one before it"
            }
            Self::WeightOfNextChannel => {
                "weights are off by one channel: each output channel has the weights of the one after it"
            }
            Self::PlusWeightSum => {
                "the sign of Z1*weight_sum: it was added; expanding (x - Z1)*(w - Z2) gives minus Z1*weight_sum"
            }
            Self::NoWeightSum => "Z1*weight_sum is missing: the bias was added, not folded_bias",
            Self::NoBias => "the bias is missing: only -Z1*weight_sum was added",
            Self::BiasByteOrder => "the byte order of folded_bias is reversed",
            Self::BiasOfPreviousChannel => {
                "folded_bias is off by one channel: each output channel has that of the one before it"
            }
            Self::BiasOfNextChannel => {
                "folded_bias is off by one channel: each output channel has that of the one after it"
            }
            Self::MultiplierByteOrder => "the byte order of M0 is reversed",
            Self::MultiplierOfFirstChannel => {
                "M0 and n of channel 0 were used for all channels: each output channel has its own"
            }
            Self::Rounding(Rounding::Floor) => {
                "rounding is missing: the shift truncates; add 2^(n-1) before it (half-up)"
            }
            Self::Rounding(Rounding::Double) => {
                "rounded twice, as gemmlowp does (SRDHM, then a rounding shift), and not once"
            }
            Self::Rounding(Rounding::TowardZero) => "rounding is missing: the division drops the fraction, towards zero",
            Self::Rounding(Rounding::HalfUp) => "ties were rounded up (half-up)",
            Self::Rounding(Rounding::HalfEven) => "ties were rounded to even (half-even)",
            Self::Rounding(Rounding::HalfAway) => "ties were rounded away from zero (half-away)",
            Self::NoOutputZeroPoint => "Z3 was not added",
            Self::ReluAtZero => "ReLU clamps at 0 and not at Z3: the code of the real zero is Z3",
            Self::NoRelu => "ReLU is missing: the output is clamped to its type alone, not at Z3",
        })
    }
}

/// What a reader finds that takes the weights' memory for (output, kernel..., input).
fn read_channels_last(layer: &TargetLayer) -> Vec<i8> {
    by_output_channel(layer, |codes, inputs, positions, read| {
        (0..inputs * positions).for_each(|i| read.push(codes[(i % positions) * inputs + i / positions]));
    })
}

/// What a reader of (output, input, kernel...) finds in a memory that is (output, kernel..., input).
fn written_channels_last(layer: &TargetLayer) -> Vec<i8> {
    by_output_channel(layer, |codes, inputs, positions, read| {
        (0..inputs * positions).for_each(|i| read.push(codes[(i % inputs) * positions + i / inputs]));
    })
}

/// Reorders the weights of each output channel, which are `inputs` times `positions`.
fn by_output_channel(layer: &TargetLayer, reorder: impl Fn(&[i8], usize, usize, &mut Vec<i8>)) -> Vec<i8> {
    let shape = layer.weight_shape();
    let (inputs, positions) = (shape[1], shape[2..].iter().product());
    let mut read = Vec::with_capacity(layer.weight.len());
    for codes in layer.weight.chunks_exact(layer.taps().max(1)) {
        reorder(codes, inputs, positions, &mut read);
    }
    read
}
