//! What a layer's accumulators can reach, exactly, over every input that its producer can give.

use crate::ops::Layer;
use crate::parameters::{Activation, LayerKind, Range, Reach, Window};

/// Sums of the positive and of the negative weights of one output channel.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    positive: i64,
    negative: i64,
}

impl Sums {
    fn add(&mut self, weight: i64) {
        self.positive += weight.max(0);
        self.negative += weight.min(0);
    }

    pub(super) fn total(&self) -> i64 {
        self.positive + self.negative
    }

    /// Smallest and largest sum(x*w) for x in `range`.
    fn extremes(&self, range: Range<i32>) -> (i64, i64) {
        let (low, high) = (i64::from(range.min), i64::from(range.max));
        (self.positive * low + self.negative * high, self.positive * high + self.negative * low)
    }
}

/// Output channels of a layer; `None` if the groups do not divide them.
pub(super) fn output_channels(layer: &Layer) -> Option<usize> {
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

/// The output channel and the tap (index into the kernel) of each weight block, in storage order.
fn for_each_kernel(layer: &Layer, channels: usize, mut visit: impl FnMut(usize, &[i8])) {
    match layer.kind {
        LayerKind::Conv(_) | LayerKind::Linear => {
            let taps = layer.weight.codes.len() / channels;
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
pub(super) fn tap_sums(layer: &Layer, channels: usize, zero_points: &[i32]) -> Vec<Sums> {
    let mut sums = vec![Sums::default(); channels];
    for_each_kernel(layer, channels, |channel, codes| {
        let zero_point = of_channel(zero_points, channel);
        let sum = &mut sums[channel];
        for &code in codes {
            sum.add(i64::from(code) - zero_point);
        }
    });
    sums
}

pub(super) fn of_channel(zero_points: &[i32], channel: usize) -> i64 {
    i64::from(zero_points[if zero_points.len() > 1 { channel } else { 0 }])
}

/// Exact extremes of sum(x*(w - Z2)) per output channel, for inputs in `range` and padding at Z1.
///
/// A transposed convolution sees its input with Z1 inserted between the elements: an output position meets only the
/// taps of its phase, `tap * dilation = position (mod stride)` on every axis; all other taps meet Z1.
pub(crate) fn accumulator_range(
    layer: &Layer,
    channels: usize,
    range: Range<i32>,
    zero_point: i32,
) -> Option<Vec<(i64, i64)>> {
    let sums = tap_sums(layer, channels, &layer.weight.zero_point);
    // A clamp such as [1, 6] excludes the real zero; padding then widens what a tap can meet.
    let pads = |sides: Option<&Vec<u32>>| sides.is_none_or(|sides| sides.iter().any(|&side| side > 0));
    let range = match &layer.window {
        Some(window) if pads(window.padding.as_ref()) || window.padding_end.iter().any(|p| pads(Some(p))) => {
            Range { min: range.min.min(zero_point), max: range.max.max(zero_point) }
        }
        _ => range,
    };
    if !matches!(layer.kind, LayerKind::ConvTranspose(_)) {
        return Some(sums.iter().map(|s| s.extremes(range)).collect());
    }
    let Window { stride: Some(stride), dilation: Some(dilation), .. } = layer.window.as_ref()? else {
        return None;
    };
    let kernel = layer.weight.shape.get(2..)?;
    let phase_of_tap: Vec<usize> = (0..kernel.iter().product::<usize>())
        .map(|tap| {
            let mut rest = tap;
            let mut phase = 0;
            let mut place = 1;
            for axis in (0..kernel.len()).rev() {
                let (step, index) = (stride[axis] as usize, rest % kernel[axis]);
                rest /= kernel[axis];
                phase += place * ((index * dilation[axis] as usize) % step.max(1));
                place *= step.max(1);
            }
            phase
        })
        .collect();
    let phases: usize = stride.iter().map(|&s| s.max(1) as usize).product();
    let mut phase_sums = vec![Sums::default(); channels * phases];
    for_each_kernel(layer, channels, |channel, codes| {
        let z2 = of_channel(&layer.weight.zero_point, channel);
        for (&code, &phase) in codes.iter().zip(&phase_of_tap) {
            phase_sums[channel * phases + phase].add(i64::from(code) - z2);
        }
    });
    let extremes = phase_sums.chunks_exact(phases).zip(&sums).map(|(phases, all)| {
        phases
            .iter()
            .map(|met| {
                let (min, max) = met.extremes(range);
                let inserted = (all.total() - met.total()) * i64::from(zero_point);
                (min + inserted, max + inserted)
            })
            .fold((i64::MAX, i64::MIN), |a, b| (a.0.min(b.0), a.1.max(b.1)))
    });
    Some(extremes.collect())
}

/// Exact extremes of `sum((x - Z1) * (w - Z2))` per output channel, for input codes in `range` and padding at Z1; `None`
/// where they depend on a stride or dilation that the file does not say.
pub fn centred_accumulators(layer: &Layer, input: Activation, range: Range<i32>) -> Option<Vec<Range<i64>>> {
    let channels = output_channels(layer)?;
    let extremes = accumulator_range(layer, channels, range, input.zero_point)?;
    let sums = tap_sums(layer, channels, &layer.weight.zero_point);
    let centred = extremes.iter().zip(&sums).map(|(&(min, max), sums)| {
        let origin = i64::from(input.zero_point) * sums.total();
        Range { min: min - origin, max: max - origin }
    });
    Some(centred.collect())
}

/// `sum(w - Z2)` per output channel.
pub(crate) fn weight_totals(layer: &Layer) -> Option<Vec<i64>> {
    let channels = output_channels(layer)?;
    Some(tap_sums(layer, channels, &layer.weight.zero_point).iter().map(Sums::total).collect())
}

pub(crate) fn reach_of(min: i64, max: i64) -> Reach {
    Reach { min, max, bits: signed_bits(min, max) }
}

/// Bits of the narrowest two's complement integer that holds both.
pub(super) fn signed_bits(min: i64, max: i64) -> u32 {
    let bits = |v: i64| i64::BITS - if v < 0 { v.leading_ones() } else { v.leading_zeros() } + 1;
    bits(min).max(bits(max))
}
