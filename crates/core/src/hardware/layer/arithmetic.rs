//! From the taps of one output element through every stage, in registers of the target's widths.

use super::geometry::Geometry;
use super::overflow::Overflows;
use super::{Overflow, TargetLayer};
use crate::hardware::{OnOverflow, Register, Rescale, Stage};
use crate::parameters::Range;

/// The stages of one output element: accumulator to output.
pub(in crate::hardware) type Element = [i64; 6];

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
        record: impl FnMut(usize, Element),
    ) -> Vec<Overflow> {
        let received: Vec<i32> = self.receive(codes).collect();
        let mut overflows = self.sweep(geometry, &received, record);
        for (index, &code) in codes.iter().enumerate() {
            if !(self.input_range.min..=self.input_range.max).contains(&code) {
                overflows.add(Stage::Input, index, i128::from(code));
            }
        }
        overflows.finish(shape, &geometry.output_shape)
    }

    /// Every element of the output from codes as the target has them.
    pub(in crate::hardware) fn sweep(
        &self,
        geometry: &Geometry,
        codes: &[i32],
        mut record: impl FnMut(usize, Element),
    ) -> Overflows {
        let mut overflows = Overflows::default();
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
        overflows
    }

    /// The equation of an output channel, for sums of x*(w - Z2).
    pub fn rescale(&self, channel: usize) -> Rescale {
        Rescale {
            bias: self.folded_bias[channel],
            bias_fraction_bits: self.target.bias_fraction_bits,
            multiplier: self.multiplier[channel],
            shift: self.shift[channel],
            rounding: self.target.rounding,
            constant: self.rounding_constant.as_ref().map(|constants| constants[channel]),
            zero_point: self.output_zero_point,
            clamp: self.clamp,
        }
    }

    /// The stages of one element from the accumulator on, in the target's registers.
    pub(in crate::hardware) fn requantize(
        &self,
        channel: usize,
        accumulator: i64,
        code_sum: i64,
        mut note: impl FnMut(Stage, i128),
    ) -> Element {
        let centred =
            i128::from(accumulator) - i128::from(self.weight_zero_point[channel]) * i128::from(code_sum);
        let stages = self.rescale(channel).stages(centred, |stage, value| {
            let (held, overflowed) = self.target.register(stage).hold(value);
            if overflowed {
                note(stage, value);
            }
            held.into()
        });
        let mut element = [accumulator; 6];
        for (place, value) in element[1..].iter_mut().zip(stages) {
            // Registers have 64 bits at most.
            *place = i64::try_from(value).unwrap_or_default();
        }
        element
    }

    /// Input codes as the target has them.
    pub(super) fn receive<'a>(&'a self, codes: &'a [i32]) -> impl Iterator<Item = i32> + 'a {
        let Range { min, max } = self.input_range;
        codes.iter().map(move |code| code.clamp(&min, &max) - self.input_shift)
    }
}
