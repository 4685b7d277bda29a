//! The hardware's equation as a step function of the accumulator, and the bits that it takes.

use crate::hardware::reach::{hull, signed_bits};
use crate::hardware::steps::Steps;
use crate::hardware::{GEMMLOWP_BITS, Rescale, Rounding};
use crate::parameters::Range;

impl Rescale {
    /// Its steps over accumulators within [`Self::product_bits`] of 64 bits.
    pub fn steps(&self, range: Range<i32>) -> Steps {
        let shift = u32::try_from(self.shift).ok().filter(|&n| n <= LARGEST_LINEAR_SHIFT);
        let Some(n) = shift.filter(|_| self.multiplier > 0) else {
            return Steps::of(range, self.clamp, |accumulator| self.code(accumulator));
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
        let range = Range { min: range.min.into(), max: range.max.into() };
        let Range { min, max } = self.exact_ranges(range).product.held;
        let added = Range { min: min.saturating_add(half), max: max.saturating_add(half) };
        signed_bits(hull(Range { min, max }, added))
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
