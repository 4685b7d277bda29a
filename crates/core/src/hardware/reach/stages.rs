//! The range of every stage, for layers and operators, in the registers that take it.
//!
//! Every stage is monotone in the one before it: M0 is not negative, every rounding keeps the order, and so do additions of
//! constants. The extremes of a stage are therefore its values at the extremes of the stage before it, and both occur if
//! those do. A register that some value does not fit may hold any of its own values afterwards, which is what the stages
//! behind it are then computed from; a sum whose register saturates lies between the smallest and the largest partial sum.
//!
//! A partial sum has some of the products of a whole one. Whatever the order of the additions, it is at least the sum of
//! those products that can be negative, each at its smallest, and at most the sum of those that can be positive, each at
//! its largest; the order that adds these first attains both.

use super::super::integer_op::{ChannelAffine, MatrixProduct, Part, Product, Sum, WindowSum};
use super::super::{OnOverflow, Register, Rescale, Stage, TargetLayer};
use crate::parameters::Range;

/// Bits of the narrowest two's complement integer that holds both ends.
pub fn signed_bits<T: Into<i128>>(range: Range<T>) -> u32 {
    let bits = |v: i128| i128::BITS + 1 - if v < 0 { v.leading_ones() } else { v.leading_zeros() };
    bits(range.min.into()).max(bits(range.max.into()))
}

/// The smallest range that holds both.
pub fn hull<T: Ord>(a: Range<T>, b: Range<T>) -> Range<T> {
    Range { min: a.min.min(b.min), max: a.max.max(b.max) }
}

const NOTHING: Range<i128> = Range { min: 0, max: 0 };

/// A range with zero in it.
fn with_zero(range: Range<i128>) -> Range<i128> {
    Range { min: range.min.min(0), max: range.max.max(0) }
}

/// The products of all pairs of two ranges.
fn products(a: Range<i128>, b: Range<i128>) -> Range<i128> {
    let with =
        |a: i128| hull(Range { min: a * b.min, max: a * b.min }, Range { min: a * b.max, max: a * b.max });
    hull(with(a.min), with(a.max))
}

/// The values that a register has.
fn values(register: Register) -> Range<i128> {
    let Range { min, max } = register.range();
    Range { min: min.into(), max: max.into() }
}

fn contains(outer: Range<i128>, inner: Range<i128>) -> bool {
    outer.min <= inner.min && inner.max <= outer.max
}

/// The values of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageRange {
    /// Those that reach its register.
    pub reached: Range<i128>,
    /// Those that the register has afterwards: the same, or all of its own where it does not hold them.
    pub held: Range<i128>,
}

impl StageRange {
    /// Whether the register holds all that reaches it.
    pub fn fits(&self) -> bool {
        self.reached == self.held
    }
}

/// The stages behind a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRanges {
    /// The sum, shifted left by F, plus the bias.
    pub biased: StageRange,
    /// Times M0.
    pub product: StageRange,
    /// Divided by 2^n.
    pub shifted: StageRange,
    /// Plus Z3.
    pub offset: StageRange,
}

impl StageRanges {
    /// Whether the register of the product and of what comes after it holds all that reaches it.
    pub fn product_fits(&self) -> bool {
        self.product.fits() && self.shifted.fits() && self.offset.fits()
    }

    /// What the register of the product and of what comes after it has.
    pub fn of_product(&self) -> Range<i128> {
        hull(self.product.held, hull(self.shifted.held, self.offset.held))
    }
}

impl Rescale {
    /// The stages of every sum of a range, in registers with these values.
    pub fn ranges(&self, sum: Range<i128>, register: impl Fn(Stage) -> Range<i128>) -> StageRanges {
        // By stage, whether its register does not hold all; the first of them decides what reaches those behind it.
        let mut left = [false; Stage::ALL.len()];
        loop {
            let mut reached = [NOTHING; Stage::ALL.len()];
            let mut end = |sum: i128, end: fn(&mut Range<i128>) -> &mut i128| {
                self.stages(sum, |stage, value| {
                    *end(&mut reached[stage as usize]) = value;
                    if left[stage as usize] { *end(&mut register(stage)) } else { value }
                })
            };
            end(sum.min, |range| &mut range.min);
            end(sum.max, |range| &mut range.max);
            let at = |stage: Stage| {
                let reached = reached[stage as usize];
                StageRange { reached, held: if left[stage as usize] { register(stage) } else { reached } }
            };
            let leaves = |stage: &Stage| {
                !left[*stage as usize] && !contains(register(*stage), reached[*stage as usize])
            };
            match Stage::ALL.into_iter().find(leaves) {
                Some(stage) => left[stage as usize] = true,
                None => {
                    return StageRanges {
                        biased: at(Stage::Biased),
                        product: at(Stage::Product),
                        shifted: at(Stage::Shifted),
                        offset: at(Stage::Offset),
                    };
                }
            }
        }
    }

    /// The stages of every sum of a range, in registers that hold them.
    pub fn exact_ranges(&self, sum: Range<i128>) -> StageRanges {
        self.ranges(sum, |_| Range { min: i128::MIN, max: i128::MAX })
    }
}

/// What can reach each register of one output channel of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRanges {
    /// Partial sums of x*w, in whatever order.
    pub partial: Range<i128>,
    /// What the accumulator ends with.
    pub accumulator: Range<i128>,
    /// Sums of x.
    pub code_sum: Range<i128>,
    /// Whether the accumulator does not hold all that reaches it: partial sums where it saturates, whole ones where it
    /// wraps.
    pub accumulator_overflows: bool,
    /// Everything behind it.
    pub stages: StageRanges,
}

impl ChannelRanges {
    /// Whether every register holds all that reaches it.
    pub fn fits(&self) -> bool {
        !self.accumulator_overflows && self.stages.biased.fits() && self.stages.product_fits()
    }
}

impl TargetLayer {
    /// What can reach the registers of an output channel, for input codes in `codes`, as the target has them, and padding.
    pub fn ranges(&self, channel: usize, codes: Range<i32>) -> ChannelRanges {
        let padding = self.padding_value;
        let codes = hull(codes, Range { min: padding, max: padding });
        let codes = Range { min: i128::from(codes.min), max: i128::from(codes.max) };
        let taps = self.taps();
        let weights = &self.weight[channel * taps..(channel + 1) * taps];
        let zero_point = i128::from(self.weight_zero_point[channel]);
        // Sums of the positive and of the negative factors: each product is extreme where its code is.
        let factors = |zero_point: i128| {
            weights.iter().fold((0_i128, 0_i128), |(positive, negative), &weight| {
                let factor = i128::from(weight) - zero_point;
                (positive + factor.max(0), negative + factor.min(0))
            })
        };
        let over = |(positive, negative): (i128, i128), Range { min, max }: Range<i128>| Range {
            min: positive * min + negative * max,
            max: positive * max + negative * min,
        };
        let plain = factors(0);
        let (whole, partial) = (over(plain, codes), over(plain, with_zero(codes)));
        let code_sum = {
            let Range { min, max } = with_zero(codes);
            Range { min: min * taps as i128, max: max * taps as i128 }
        };

        let register = self.target.accumulator();
        let held = values(register);
        let (accumulator_overflows, accumulator) = match register.on_overflow {
            OnOverflow::Wrap if contains(held, whole) => (false, whole),
            OnOverflow::Wrap => (true, held),
            OnOverflow::Saturate if contains(held, partial) => (false, whole),
            OnOverflow::Saturate => {
                let clamp = |value: i128| value.min(held.max).max(held.min);
                (true, Range { min: clamp(partial.min), max: clamp(partial.max) })
            }
        };
        let centred = if accumulator_overflows {
            // What is left of a sum in its register says nothing of the codes.
            let of_codes = products(code_sum, Range { min: zero_point, max: zero_point });
            Range { min: accumulator.min - of_codes.max, max: accumulator.max - of_codes.min }
        } else {
            over(if zero_point == 0 { plain } else { factors(zero_point) }, codes)
        };
        let stages = self.rescale(channel).ranges(centred, |stage| values(self.target.register(stage)));
        ChannelRanges { partial, accumulator, code_sum, accumulator_overflows, stages }
    }

    /// Whether every stage fits its register for every input that the target can be given: then registers need not be
    /// looked at while the layer runs.
    pub fn fits_its_registers(&self) -> bool {
        (0..self.channels()).all(|channel| self.ranges(channel, self.input_range()).fits())
    }

    /// Whether every product of every channel is at most `2^63 - 1 - room` in magnitude, so that a number of this size can
    /// be added to it in 64 bits.
    pub fn products_leave_room(&self, room: i64) -> bool {
        let limit = i128::from(i64::MAX) - i128::from(room);
        let held = Range { min: 1 - limit, max: limit - 1 };
        (0..self.channels())
            .all(|channel| contains(held, self.ranges(channel, self.input_range()).stages.product.reached))
    }

    /// Whether some input could take an accumulator, or a partial sum of one that saturates, out of its register.
    pub(in crate::hardware) fn accumulator_may_overflow(&self) -> bool {
        (0..self.channels()).any(|channel| self.ranges(channel, self.input_range()).accumulator_overflows)
    }
}

fn wide(range: Range<i64>) -> Range<i128> {
    Range { min: range.min.into(), max: range.max.into() }
}

/// A whole sum of this many terms, and every partial one.
fn sums_of(term: Range<i128>, count: usize) -> Range<i128> {
    let Range { min, max } = with_zero(term);
    let count = i128::try_from(count).unwrap_or(i128::MAX >> 40);
    Range { min: min * count, max: max * count }
}

impl Sum {
    /// The sums that are rescaled.
    pub fn sums(&self) -> Range<i128> {
        let term = |index: usize| {
            let multiplier = i128::from(self.multipliers[index]);
            products(wide(self.pair.operands[index].centred()), Range { min: multiplier, max: multiplier })
        };
        let (a, b) = (term(0), term(1));
        Range { min: a.min + b.min, max: a.max + b.max }
    }
}

impl Product {
    /// The products that are rescaled.
    pub fn sums(&self) -> Range<i128> {
        let [a, b] = &self.pair.operands;
        products(wide(a.centred()), wide(b.centred()))
    }
}

impl MatrixProduct {
    /// The sums that are rescaled, and every partial one.
    pub fn sums(&self) -> Range<i128> {
        let [a, b] = &self.operands;
        sums_of(products(wide(a.centred()), wide(b.centred())), self.inner)
    }
}

impl WindowSum {
    /// The sums that are rescaled, and every partial one.
    pub fn sums(&self) -> Range<i128> {
        sums_of(wide(self.input.centred()), self.longest())
    }
}

impl ChannelAffine<'_> {
    /// What is rescaled.
    pub fn sums(&self) -> Range<i128> {
        let codes = wide(self.input.centred());
        let channels = self.multipliers.iter().zip(self.offsets).map(|(&multiplier, &offset)| {
            let (multiplier, offset) = (i128::from(multiplier), i128::from(offset));
            let Range { min, max } = products(codes, Range { min: multiplier, max: multiplier });
            Range { min: min + offset, max: max + offset }
        });
        channels.reduce(hull).unwrap_or(NOTHING)
    }
}

impl Part {
    /// What is rescaled: the codes minus their zero point.
    pub fn sums(&self) -> Range<i128> {
        wide(self.input.centred())
    }
}

#[cfg(test)]
mod tests;
