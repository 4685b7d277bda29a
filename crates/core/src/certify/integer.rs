//! The hardware's requantization of one output channel, in integers.

use serde::{Deserialize, Serialize};

use super::steps::Steps;
use crate::hardware::{GEMMLOWP_BITS, Rounding};
use crate::parameters::Range;

/// `clamp(round(((accumulator << F) + bias) * M0 * 2^-shift) + Z3)`, or with a constant C in place of the rounding
/// `clamp(((((accumulator << F) + bias) * M0 + C) >> shift) + Z3)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntegerRequantizer {
    /// `round(b / (S1*S2) * 2^F)`.
    pub bias: i64,
    /// F, 0..=24.
    pub bias_fraction_bits: u32,
    /// M0.
    pub multiplier: u32,
    /// n + F, of magnitude 127 at most. Negative shifts are to the left.
    pub shift: i32,
    /// Of the division by 2^shift.
    pub rounding: Rounding,
    /// C: what is added before the shift, in place of the rounding.
    pub constant: Option<i64>,
    /// Z3.
    pub zero_point: i32,
    /// Of the output codes.
    pub clamp: Range<i32>,
}

impl IntegerRequantizer {
    /// The output code of an accumulator within [`Self::product_bits`] of 64 bits.
    pub fn apply(&self, accumulator: i64) -> i32 {
        let product = self.product(accumulator);
        let shifted = match self.constant {
            Some(constant) => Rounding::Floor.shift(product + i128::from(constant), self.shift),
            None => self.rounding.shift(product, self.shift),
        };
        // What does not fit in 128 bits lies beyond every clamp.
        let shifted = shifted.unwrap_or(if product < 0 { i128::MIN } else { i128::MAX });
        let (min, max) = (i128::from(self.clamp.min), i128::from(self.clamp.max));
        let code = shifted.saturating_add(i128::from(self.zero_point)).min(max).max(min);
        i32::try_from(code).unwrap_or(self.clamp.max)
    }

    /// Its steps over accumulators within [`Self::product_bits`] of 64 bits.
    pub fn steps(&self, range: Range<i32>) -> Steps {
        let shift = u32::try_from(self.shift).ok().filter(|&n| n <= LARGEST_LINEAR_SHIFT);
        let Some(n) = shift.filter(|_| self.multiplier > 0) else {
            return Steps::of(range, self.clamp, |accumulator| self.apply(accumulator));
        };
        let multiplier = i128::from(self.multiplier);
        Steps::from_levels(range, self.clamp, |code| {
            let level = i128::from(code) - i128::from(self.zero_point);
            let biased = ceiling(least_product(self.rounding, self.constant, n, level), multiplier);
            let fraction = self.bias_fraction_bits.min(24);
            // Rounded up.
            (biased - i128::from(self.bias) + (1 << fraction) - 1) >> fraction
        })
    }

    /// Whether its numbers are within the ranges that the fields state, so that nothing here leaves 128 bits.
    pub(super) fn is_sound(&self) -> bool {
        self.bias_fraction_bits <= 24
            && self.shift.unsigned_abs() <= 127
            && i16::try_from(self.zero_point).is_ok()
    }

    fn product(&self, accumulator: i64) -> i128 {
        let biased = (i128::from(accumulator) << self.bias_fraction_bits.min(64)) + i128::from(self.bias);
        biased * i128::from(self.multiplier)
    }

    /// Bits that the product and what is added to it take for any accumulator of `range`.
    pub fn product_bits(&self, range: Range<i32>) -> u32 {
        let half = match self.constant {
            Some(constant) => i128::from(constant),
            // The sum of the product and half a step must fit, too, where the rounding adds it.
            None if self.rounding == Rounding::HalfUp && self.shift > 0 => {
                1_i128.checked_shl(self.shift.unsigned_abs() - 1).unwrap_or(i128::MAX >> 1)
            }
            None => 0,
        };
        let ends = [range.min, range.max].map(|end| self.product(i64::from(end)));
        let sums = ends.map(|end| end.saturating_add(half));
        ends.into_iter().chain(sums).map(signed_bits).max().unwrap_or(0)
    }
}

/// The largest shift n for which levels times 2^n are far from 128 bits.
const LARGEST_LINEAR_SHIFT: u32 = 64;

/// The smallest product that is rounded to `level` or more by the division by 2^n, or with a constant in place of the
/// rounding: each rounding is monotone, so it is known by where it goes over to a level, and on which side of it a tie is.
pub(super) fn least_product(rounding: Rounding, constant: Option<i64>, n: u32, level: i128) -> i128 {
    let reached = level << n;
    if let Some(constant) = constant {
        return reached - i128::from(constant);
    }
    if n == 0 {
        return reached;
    }
    let half = 1_i128 << (n - 1);
    match rounding {
        Rounding::Floor => reached,
        Rounding::HalfUp => reached - half,
        // The tie below an odd level goes to the even one.
        Rounding::HalfEven => reached - half + (level & 1),
        // The tie below a positive level goes up.
        Rounding::HalfAway => reached - half + i128::from(level <= 0),
        // What is cut off above zero is added below it.
        Rounding::TowardZero if level <= 0 => reached - 2 * half + 1,
        Rounding::TowardZero => reached,
        Rounding::Double if n <= GEMMLOWP_BITS => reached - half,
        Rounding::Double => {
            let high = least_product(Rounding::HalfAway, None, n - GEMMLOWP_BITS, level);
            least_product(Rounding::HalfUp, None, GEMMLOWP_BITS, high)
        }
    }
}

/// The quotient rounded up, for a positive divisor.
pub(super) fn ceiling(dividend: i128, divisor: i128) -> i128 {
    // Nearly always both fit in 64 bits, whose division is much faster.
    match (i64::try_from(dividend), i64::try_from(divisor)) {
        (Ok(dividend @ 1..), Ok(divisor)) => i128::from((dividend - 1) / divisor + 1),
        (Ok(dividend), Ok(divisor)) => i128::from(dividend / divisor),
        _ => -(-dividend).div_euclid(divisor),
    }
}

/// Bits of the narrowest two's complement integer that holds a value.
fn signed_bits(value: i128) -> u32 {
    i128::BITS + 1 - if value < 0 { value.leading_ones() } else { value.leading_zeros() }
}
