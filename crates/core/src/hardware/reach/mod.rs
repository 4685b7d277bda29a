//! What can reach each register, of layers over every input that their producer can give, and of operators.
//!
//! First the accumulators of a layer, as the set of those that occur; [the stages](StageRanges) behind them have a range each.
//!
//! The size of the input is in no model file that matters here, so what is said holds for every size, and is attained for
//! some: with an input large enough for a whole window to lie inside, and, where Z1 is not among the codes that can enter,
//! with whatever sizes let a border cut the window in another way.

mod borders;
mod stages;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use self::borders::meetings;
pub use self::stages::{ChannelRanges, StageRanges, hull, signed_bits};
pub use self::sums::{Combination, Ranks, Run, Sums};

use crate::ops::Layer;
use crate::parameters::{Activation, LayerKind, Range, Reach};

/// Patterns of borders of one layer for which the sets of sums are looked into; above, an interval is all that is said.
const LARGEST_PATTERNS: usize = 64;

/// Output channels of a layer; `None` if the groups do not divide them.
pub(crate) fn output_channels(layer: &Layer) -> Option<usize> {
    let shape = &layer.weight.shape;
    let channels = match layer.kind {
        LayerKind::Conv(_) | LayerKind::Linear => *shape.first()?,
        LayerKind::ConvTranspose(_) => {
            let groups = usize::try_from(layer.window.as_ref()?.groups?).ok()?;
            (shape.first()? % groups.max(1) == 0).then_some(shape.get(1)? * groups)?
        }
    };
    (channels > 0 && layer.weight.codes.len().is_multiple_of(channels)).then_some(channels)
}

/// The output channel and the weights of each kernel, in storage order.
fn for_each_kernel(layer: &Layer, channels: usize, mut visit: impl FnMut(usize, &[i8])) {
    match layer.kind {
        LayerKind::Conv(_) | LayerKind::Linear => {
            let taps = layer.weight.codes.len() / channels.max(1);
            for (channel, codes) in layer.weight.codes.chunks_exact(taps.max(1)).enumerate() {
                visit(channel, codes);
            }
        }
        LayerKind::ConvTranspose(_) => {
            // Axes are (in, out/groups, kernel...); input channel i belongs to group i / (in/groups).
            let per_group = layer.weight.shape[1];
            let groups = channels / per_group.max(1);
            let inputs_per_group = layer.weight.shape[0] / groups.max(1);
            let kernel: usize = layer.weight.shape[2..].iter().product();
            for (block, codes) in layer.weight.codes.chunks_exact(kernel.max(1)).enumerate() {
                let (input, output) = (block / per_group, block % per_group);
                visit((input / inputs_per_group.max(1)) * per_group + output, codes);
            }
        }
    }
}

/// Sums of w - `zero_point` per output channel; one zero point, or one per channel.
pub(crate) fn weight_sums(layer: &Layer, channels: usize, zero_points: &[i32]) -> Vec<i64> {
    let mut sums = vec![0; channels];
    for_each_kernel(layer, channels, |channel, codes| {
        let zero_point = of_channel(zero_points, channel);
        sums[channel] += codes.iter().map(|&code| i64::from(code) - zero_point).sum::<i64>();
    });
    sums
}

pub(crate) fn of_channel(zero_points: &[i32], channel: usize) -> i64 {
    i64::from(zero_points[if zero_points.len() > 1 { channel } else { 0 }])
}

/// Extremes of sum(x*(w - Z2)) per output channel, for inputs in `range` and padding at Z1. They are attained where
/// their borders (`exact`) says so, else they contain what can occur. `None` where they depend on a stride or dilation that
/// the file does not say.
pub(crate) fn accumulator_range(
    layer: &Layer,
    channels: usize,
    range: Range<i32>,
    zero_point: i32,
) -> Option<Vec<(i64, i64)>> {
    let met = meetings(layer, channels, range, zero_point)?;
    let kernel = met.kernel();
    // By channel and tap: sums of the positive and of the negative weights over the input channels.
    let mut sums = vec![(0_i64, 0_i64); channels * kernel];
    for_each_kernel(layer, channels, |channel, codes| {
        let z2 = of_channel(&layer.weight.zero_point, channel);
        for (index, &code) in codes.iter().enumerate() {
            let (weight, sum) = (i64::from(code) - z2, &mut sums[channel * kernel + index % kernel]);
            sum.0 += weight.max(0);
            sum.1 += weight.min(0);
        }
    });
    let (low, high, z1) = (i64::from(met.range.min), i64::from(met.range.max), i64::from(zero_point));
    let extremes = sums.chunks_exact(kernel).map(|taps| {
        let of_pattern = |inside: &Vec<bool>| {
            taps.iter().zip(inside).fold((0, 0), |(min, max), (&(positive, negative), &inside)| {
                if inside {
                    (min + positive * low + negative * high, max + positive * high + negative * low)
                } else {
                    let fixed = (positive + negative) * z1;
                    (min + fixed, max + fixed)
                }
            })
        };
        met.patterns.iter().map(of_pattern).fold((i64::MAX, i64::MIN), |a, b| (a.0.min(b.0), a.1.max(b.1)))
    });
    Some(extremes.collect())
}

/// The accumulators of one output channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accumulators {
    /// Smallest and largest.
    pub range: Range<i64>,
    /// Which of those between occur; `None` if all of them do.
    pub sums: Option<Sums>,
}

/// The accumulators `sum((x - Z1) * (w - Z2))` that can occur, per output channel, for input codes in `range` and padding
/// at Z1; `None` where they depend on a stride or dilation that the file does not say.
pub fn centred_accumulators(
    layer: &Layer,
    input: Activation,
    range: Range<i32>,
) -> Option<Vec<Accumulators>> {
    let channels = output_channels(layer)?;
    let extremes = accumulator_range(layer, channels, range, input.zero_point)?;
    let combinations = combinations(layer, channels, input, range)?;
    let totals = weight_sums(layer, channels, &layer.weight.zero_point);
    let centred = extremes.iter().zip(&totals).zip(combinations).map(|((&(min, max), total), patterns)| {
        let origin = i64::from(input.zero_point) * total;
        let range = Range { min: min - origin, max: max - origin };
        let sums = match patterns {
            Some(patterns) => Sums::of(&patterns, range),
            None => Some(Sums::interval(range)),
        };
        Accumulators { range, sums }
    });
    Some(centred.collect())
}

/// By output channel: the ways in which its centred accumulator is composed of codes, one for each set of taps that meet
/// the input; `None` where only an interval is known that contains them.
pub fn combinations(
    layer: &Layer,
    channels: usize,
    input: Activation,
    range: Range<i32>,
) -> Option<Vec<Option<Vec<Combination>>>> {
    let met = meetings(layer, channels, range, input.zero_point)?;
    if !met.exact || met.patterns.len() > LARGEST_PATTERNS {
        return Some(vec![None; channels]);
    }
    let kernel = met.kernel();
    let mut weights = vec![Vec::new(); channels];
    for_each_kernel(layer, channels, |channel, codes| {
        let z2 = of_channel(&layer.weight.zero_point, channel);
        weights[channel].extend(codes.iter().map(|&code| i64::from(code) - z2));
    });
    let z1 = i64::from(input.zero_point);
    let of_channel = |weights: Vec<i64>| {
        let of_pattern = |inside: &Vec<bool>| {
            let met = weights.iter().enumerate().filter(|(index, _)| inside[index % kernel]);
            let met: Vec<i64> = met.map(|(_, &weight)| weight).collect();
            let fixed = -z1 * met.iter().sum::<i64>();
            Combination { weights: met, range, fixed }
        };
        Some(met.patterns.iter().map(of_pattern).collect())
    };
    Some(weights.into_iter().map(of_channel).collect())
}

pub(crate) fn reach_of(min: i64, max: i64) -> Reach {
    Reach { min, max, bits: signed_bits(Range { min, max }) }
}
