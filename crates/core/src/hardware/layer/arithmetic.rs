//! From the taps of one output element through every stage, in registers of the target's widths.

use super::geometry::Geometry;
use super::overflow::Overflows;
use super::{Overflow, TargetLayer};
use crate::hardware::{OnOverflow, Register, Rounding, Stage};
use crate::parameters::Range;

/// The stages of one output element: accumulator to output.
pub(super) type Element = [i64; 6];

/// Products that certainly sum without overflow in 32 bits: each is at most 2^22 in magnitude.
const SAFE_PRODUCTS: usize = 1 << 8;

/// The exact sum of x*w.
fn dot(codes: &[i16], weights: &[i8]) -> i64 {
    codes
        .chunks(SAFE_PRODUCTS)
        .zip(weights.chunks(SAFE_PRODUCTS))
        .map(|(codes, weights)| {
            let products = codes.iter().zip(weights).map(|(&x, &w)| i32::from(x) * i32::from(w));
            i64::from(products.sum::<i32>())
        })
        .sum()
}

/// The sum of x*w in a register, and the first value that did not fit. A register that saturates does so after every
/// addition, in the order of the weights; one that wraps ends as if it had wrapped once, and only that counts.
fn accumulate(register: Register, codes: &[i16], weights: &[i8]) -> (i64, Option<i128>) {
    if register.on_overflow == OnOverflow::Wrap {
        let exact = i128::from(dot(codes, weights));
        let (held, overflowed) = register.hold(exact);
        return (held, overflowed.then_some(exact));
    }
    let mut first = None;
    let sum = codes.iter().zip(weights).fold(0_i64, |sum, (&x, &w)| {
        let exact = i128::from(sum) + i128::from(x) * i128::from(w);
        let (held, overflowed) = register.hold(exact);
        if overflowed && first.is_none() {
            first = Some(exact);
        }
        held
    });
    (sum, first)
}

impl TargetLayer {
    pub(super) fn evaluate(
        &self,
        geometry: &Geometry,
        codes: &[i32],
        shape: &[usize],
        mut record: impl FnMut(usize, Element),
    ) -> Vec<Overflow> {
        let mut overflows = Overflows::default();
        for (index, &code) in codes.iter().enumerate() {
            if !(self.input_range.min..=self.input_range.max).contains(&code) {
                overflows.add(Stage::Input, index, i128::from(code));
            }
        }
        let taps = self.taps();
        let channels_per_group = self.channels() / self.groups.max(1);
        let may_overflow = self.accumulator_may_overflow();
        let mut patch = vec![0_i16; taps];
        for image in 0..geometry.images {
            for group in 0..self.groups {
                for position in 0..geometry.positions {
                    geometry.gather(self, codes, image, group, position, &mut patch);
                    let code_sum: i64 = patch.iter().map(|&x| i64::from(x)).sum();
                    for channel in group * channels_per_group..(group + 1) * channels_per_group {
                        let weights = &self.weight[channel * taps..(channel + 1) * taps];
                        let (accumulator, partial) = if may_overflow {
                            accumulate(self.target.accumulator(), &patch, weights)
                        } else {
                            (dot(&patch, weights), None)
                        };
                        let index = (image * self.channels() + channel) * geometry.positions + position;
                        let mut note = |stage, value| overflows.add(stage, index, value);
                        if let Some(partial) = partial {
                            note(Stage::Accumulator, partial);
                        }
                        record(index, self.requantize(channel, accumulator, code_sum, note));
                    }
                }
            }
        }
        overflows.finish(shape, &geometry.output_shape)
    }

    /// The stages after the accumulator, of one element.
    pub(in crate::hardware) fn requantize(
        &self,
        channel: usize,
        accumulator: i64,
        code_sum: i64,
        mut note: impl FnMut(Stage, i128),
    ) -> Element {
        let target = &self.target;
        let mut hold = |stage, register: Register, value: i128| {
            let (held, overflowed) = register.hold(value);
            if overflowed {
                note(stage, value);
            }
            held
        };
        let scaled =
            i128::from(accumulator) - i128::from(self.weight_zero_point[channel]) * i128::from(code_sum);
        let biased = (scaled << target.bias_fraction_bits) + i128::from(self.folded_bias[channel]);
        let biased = hold(Stage::Biased, target.biased(), biased);
        let product = i128::from(biased) * i128::from(self.multiplier[channel]);
        let product = hold(Stage::Product, target.product(), product);
        let shift = self.shift[channel];
        let shifted = match &self.rounding_constant {
            Some(constants) => {
                Rounding::Floor.shift(i128::from(product) + i128::from(constants[channel]), shift)
            }
            None => target.rounding.shift(i128::from(product), shift),
        };
        // Beyond 128 bits nothing is left of the low bits, and the sign is the product's.
        let shifted = shifted.unwrap_or(match (target.on_overflow, product < 0) {
            (OnOverflow::Saturate, true) => i128::MIN,
            (OnOverflow::Saturate, false) => i128::MAX,
            (OnOverflow::Wrap, _) => 1 << 126,
        });
        let shifted = hold(Stage::Shifted, target.product(), shifted);
        let offset = i128::from(shifted) + i128::from(self.output_zero_point);
        let offset = hold(Stage::Offset, target.product(), offset);
        let output = offset.clamp(i64::from(self.clamp.min), i64::from(self.clamp.max));
        [accumulator, biased, product, shifted, offset, output]
    }

    /// Whether every stage fits its register for every input that the target can be given: then registers need not be
    /// looked at while the layer runs. An interval analysis, so that `false` says only that it was not shown.
    ///
    /// Between the smallest and the largest sum of a channel, every stage is monotone (M0 is not negative, and roundings
    /// keep order), so that both ends are all that must be looked at.
    pub fn fits_its_registers(&self) -> bool {
        !self.accumulator_may_overflow() && (0..self.channels()).all(|channel| self.ends(channel).is_some())
    }

    /// Whether every product of every channel is at most `2^63 - 1 - room` in magnitude, so that a number of this size can
    /// be added to it in 64 bits. As [`Self::fits_its_registers`], shown by intervals.
    pub fn products_leave_room(&self, room: i64) -> bool {
        (0..self.channels()).all(|channel| {
            self.ends(channel).is_some_and(|ends| {
                ends.iter().all(|element| {
                    element[Stage::Product as usize - 1].unsigned_abs() < (i64::MAX - room).unsigned_abs()
                })
            })
        })
    }

    /// The stages at the smallest and largest sum of a channel; `None` where one leaves its register.
    fn ends(&self, channel: usize) -> Option<[Element; 2]> {
        let Range { min, max } = self.input_range();
        let (min, max) = (min.min(self.padding_value), max.max(self.padding_value));
        let taps = self.taps();
        let weights = &self.weight[channel * taps..(channel + 1) * taps];
        // The sum of x*(w - Z2), which Z2 makes of the sum of x*w.
        let zero_point = self.weight_zero_point[channel];
        let extreme = |best: i32, worst: i32| {
            weights.iter().map(|&w| i64::from(w) - i64::from(zero_point)).try_fold(0_i64, |sum, w| {
                sum.checked_add(w.checked_mul(i64::from(if w < 0 { worst } else { best }))?)
            })
        };
        let stages = |sum: i64| {
            let mut fits = true;
            // As if the sum of codes were 0: Z2 has been taken off already.
            let element = self.requantize(channel, sum, 0, |_, _| fits = false);
            fits.then_some(element)
        };
        Some([stages(extreme(min, max)?)?, stages(extreme(max, min)?)?])
    }

    /// Whether some input could take an accumulator, or a partial sum of one, out of its register.
    pub(in crate::hardware) fn accumulator_may_overflow(&self) -> bool {
        let largest = [self.input_range.min - self.input_shift, self.input_range.max - self.input_shift]
            .into_iter()
            .chain([self.padding_value])
            .map(|x| i64::from(x).abs())
            .fold(0, i64::max);
        let limit = self.target.accumulator().range().max;
        self.weight.chunks(self.taps().max(1)).any(|weights| {
            let magnitude: i64 = weights.iter().map(|&w| i64::from(w).abs()).sum();
            magnitude.checked_mul(largest).is_none_or(|reach| reach > limit)
        })
    }

    /// An input code as the target has it.
    pub(super) fn receive(&self, code: i32) -> i32 {
        code.clamp(self.input_range.min, self.input_range.max) - self.input_shift
    }
}
