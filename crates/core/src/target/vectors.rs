//! Inputs of a layer that hurt by construction: largest sums, saturation, ties of the rounding, codes of zero.
//!
//! An input is solved for: the codes under one window are chosen so that their sum is the wanted accumulator. What each input
//! reaches is then read off by [`TargetLayer::stages`], so that nothing is claimed that does not happen.

use super::{Stage, Stages, TargetError, TargetLayer};
use crate::parameters::{LayerKind, Range};

/// What an input was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aim {
    /// Every code is the real zero, Z1: the bias alone.
    Zero,
    /// The largest accumulator that a channel can have.
    LargestAccumulator,
    /// The smallest.
    SmallestAccumulator,
    /// The product lies exactly halfway between two multiples of 2^n.
    Tie,
}

/// One input of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// What it was made for.
    pub aim: Aim,
    /// The output channel that it was made for.
    pub channel: usize,
    /// Codes in the element type of the model, (1, C, spatial...), row-major.
    pub codes: Vec<i32>,
    /// The stages of the layer for it.
    pub stages: Stages,
}

impl Vector {
    /// Output elements that reach past the smallest and past the largest code of the clamp.
    pub fn saturated(&self, clamp: Range<i32>) -> [usize; 2] {
        let offsets = self.stages.of(Stage::Offset);
        [
            offsets.iter().filter(|&&offset| offset < i64::from(clamp.min)).count(),
            offsets.iter().filter(|&&offset| offset > i64::from(clamp.max)).count(),
        ]
    }
}

/// The shape of the smallest input with one window that no padding touches, and where that window begins.
struct Frame {
    shape: Vec<usize>,
    start: Vec<usize>,
    dilation: Vec<usize>,
}

impl TargetLayer {
    /// Inputs for these output channels: for each the largest and the smallest accumulator and, where the layer can have
    /// one, a tie; and one input of zeros. `None` for transposed convolutions, whose taps do not lie under one window.
    ///
    /// # Errors
    /// Strides, padding or dilation that are not known.
    pub fn vectors(&self, channels: &[usize]) -> Result<Option<Vec<Vector>>, TargetError> {
        let Some(frame) = self.frame() else { return Ok(None) };
        let zero = self.padding_value;
        let mut wanted = vec![(Aim::Zero, 0, vec![zero; self.taps()])];
        for &channel in channels.iter().filter(|&&channel| channel < self.channels()) {
            let weights = &self.weight[channel * self.taps()..(channel + 1) * self.taps()];
            let Range { min, max } = self.input_range();
            let extreme =
                |up: i32, down: i32| weights.iter().map(move |&w| if w < 0 { down } else { up }).collect();
            wanted.push((Aim::LargestAccumulator, channel, extreme(max, min)));
            wanted.push((Aim::SmallestAccumulator, channel, extreme(min, max)));
            let ties = self.tied_accumulators(channel).into_iter();
            let tie = ties.filter_map(|sum| solve(weights, zero, self.input_range(), sum)).next();
            wanted.extend(tie.map(|codes| (Aim::Tie, channel, codes)));
        }
        let vectors = wanted.into_iter().map(|(aim, channel, taps)| {
            let codes = self.spread_taps(&frame, channel, &taps);
            let stages = self.stages(&codes, &frame.shape)?;
            Ok(Vector { aim, channel, codes, stages })
        });
        vectors.collect::<Result<Vec<Vector>, TargetError>>().map(Some)
    }

    /// Accumulators of a channel whose products are ties, those of the smallest magnitude first.
    ///
    /// With M0 = m*2^t and m odd, biased*M0 is an odd multiple of 2^(n-1) if and only if biased is one of 2^(n-1-t).
    fn tied_accumulators(&self, channel: usize) -> Vec<i64> {
        let zeros = i64::from(self.multiplier[channel].trailing_zeros().min(31));
        let exponent = i64::from(self.shift[channel]) - 1 - zeros;
        // With weight zero points the biased value depends on the codes' sum, too.
        let plain = self.target.bias_fraction_bits == 0 && self.weight_zero_point[channel] == 0;
        if !plain || !(0..=40).contains(&exponent) || self.multiplier[channel] == 0 {
            return Vec::new();
        }
        [1, -1, 3, -3, 5, -5].map(|odd| odd * (1_i64 << exponent) - self.folded_bias[channel]).to_vec()
    }

    /// `None` where there is no such input.
    fn frame(&self) -> Option<Frame> {
        let channels = self.groups() * self.group_inputs();
        let mut frame = Frame { shape: vec![1, channels], start: Vec::new(), dilation: Vec::new() };
        if matches!(self.kind(), LayerKind::ConvTranspose(_)) {
            return None;
        }
        let entry = |sizes: &Option<Vec<u32>>, axis: usize| {
            usize::try_from(*sizes.as_ref()?.get(axis)?).ok().filter(|&size| size < 1 << 16)
        };
        for (axis, &kernel) in self.kernel().iter().enumerate() {
            let stride = entry(&self.window().stride, axis).filter(|&stride| stride > 0)?;
            let padding = entry(&self.window().padding, axis)?;
            let dilation = entry(&self.window().dilation, axis)?;
            let start = padding.div_ceil(stride) * stride - padding;
            // Borders that mirror the input need as much of it.
            frame.shape.push((start + dilation * (kernel.max(1) - 1) + 1).max(padding + 1));
            frame.start.push(start);
            frame.dilation.push(dilation);
        }
        Some(frame)
    }

    /// Codes of the model: those of the taps under the window of the channel's group, zero elsewhere.
    fn spread_taps(&self, frame: &Frame, channel: usize, taps: &[i32]) -> Vec<i32> {
        let area: usize = frame.shape[2..].iter().product();
        let mut codes = vec![self.padding_value + self.input_shift; frame.shape[1] * area];
        let group = channel / (self.channels() / self.groups().max(1)).max(1);
        let positions: usize = self.kernel().iter().product();
        for (tap, &code) in taps.iter().enumerate() {
            let input = group * self.group_inputs() + tap / positions.max(1);
            let (mut rest, mut place, mut step) = (tap % positions.max(1), 0, 1);
            for axis in (0..self.kernel().len()).rev() {
                let position = frame.start[axis] + rest % self.kernel()[axis] * frame.dilation[axis];
                rest /= self.kernel()[axis];
                place += position * step;
                step *= frame.shape[axis + 2];
            }
            codes[input * area + place] = code + self.input_shift;
        }
        codes
    }
}

/// Codes within a range whose sum with these weights is `wanted`, begun from `zero`: the largest weights take what they
/// can, smaller ones the rest. `None` where that does not end at the sum.
fn solve(weights: &[i8], zero: i32, range: Range<i32>, wanted: i64) -> Option<Vec<i32>> {
    let mut codes = vec![zero.clamp(range.min, range.max); weights.len()];
    let sum: i64 = codes.iter().zip(weights).map(|(&x, &w)| i64::from(x) * i64::from(w)).sum();
    let mut left = wanted - sum;
    let mut order: Vec<usize> = (0..weights.len()).filter(|&tap| weights[tap] != 0).collect();
    order.sort_by_key(|&tap| std::cmp::Reverse(weights[tap].unsigned_abs()));
    for tap in order {
        let weight = i64::from(weights[tap]);
        let room = (i64::from(range.min - codes[tap]), i64::from(range.max - codes[tap]));
        let change = (left / weight).clamp(room.0, room.1);
        codes[tap] += i32::try_from(change).ok()?;
        left -= change * weight;
    }
    (left == 0).then_some(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: Range<i32> = Range { min: 0, max: 255 };

    #[test]
    fn sums_are_solved_for() {
        let weights = [50, -20, 7, -3, 1, 0];
        for wanted in [0, 1, -1, 5000, -3000, 12345, 14790, -5865] {
            let codes = solve(&weights, 3, CODES, wanted).unwrap();
            let sum: i64 = codes.iter().zip(weights).map(|(&x, w)| i64::from(x) * i64::from(w)).sum();
            assert_eq!(sum, wanted);
            assert!(codes.iter().all(|code| (0..=255).contains(code)));
        }
        // 255 * (50 + 7 + 1) = 14790 is the largest; even weights have no odd sum.
        assert_eq!(solve(&weights, 3, CODES, 14791), None);
        assert_eq!(solve(&[2, -4], 0, CODES, 3), None);
    }
}
