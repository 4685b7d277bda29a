//! TFLite's fixed-point multiplication: a real factor as an integer of 31 bits and a power of two, and its three roundings.
//!
//! Source: TFLite `kernels/internal/quantization_util.cc` and `common.h`; gemmlowp `fixedpoint/fixedpoint.h`.

use serde::{Deserialize, Serialize};

/// A factor `multiplier * 2^(exponent - 31)`; the multiplier is 0 or has exactly 31 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedPoint {
    /// The integer.
    pub multiplier: i32,
    /// Powers of two to the left; negative to the right.
    pub exponent: i32,
}

impl FixedPoint {
    /// The factor nearest to a real number, ties away from zero; below 2^-32 it is 0. `None` for what is negative, not a
    /// number, or 2^31 and more.
    pub fn of(real: f64) -> Option<Self> {
        if !(real.is_finite() && real >= 0.0) {
            return None;
        }
        if real < f64::MIN_POSITIVE {
            return Some(Self { multiplier: 0, exponent: 0 });
        }
        // frexp: a normal number is fraction * 2^exponent with the fraction in [1/2, 1).
        let bits = real.to_bits();
        let exponent = i32::try_from(bits >> 52).ok()? - 1022;
        let fraction = f64::from_bits((bits & ((1 << 52) - 1)) | (1022 << 52));
        #[allow(clippy::cast_possible_truncation, reason = "at most 2^31")]
        let rounded = (fraction * 2_147_483_648.0).round() as i64;
        let (rounded, exponent) =
            if rounded == 1 << 31 { (1 << 30, exponent + 1) } else { (rounded, exponent) };
        match exponent {
            ..-31 => Some(Self { multiplier: 0, exponent: 0 }),
            -31..=31 => Some(Self { multiplier: i32::try_from(rounded).ok()?, exponent }),
            _ => None,
        }
    }

    /// `MultiplyByQuantizedMultiplier` of 32 bits: the product is divided by 2^31 with ties up, and that by the rest with
    /// ties away from zero. What is shifted left beyond 32 bits wraps.
    pub fn double(self, x: i32) -> i32 {
        let shifted = x.wrapping_shl(self.exponent.max(0).unsigned_abs());
        divide_half_away(self.doubling_high(shifted), (-self.exponent).max(0))
    }

    /// `SaturatingRoundingDoublingHighMul`: `x * multiplier / 2^31`, ties up.
    pub fn doubling_high(self, x: i32) -> i32 {
        doubling_high(x, self.multiplier)
    }

    /// The same with both ties up: what matrix products of TFLite's optimized kernels are multiplied with.
    pub fn double_up(self, x: i32) -> i32 {
        let shifted = x.wrapping_shl(self.exponent.max(0).unsigned_abs());
        divide_half_up(self.doubling_high(shifted), (-self.exponent).max(0))
    }

    /// `MultiplyByQuantizedMultiplier` of 64 bits: the multiplier is rounded to 15 bits, the product once, ties up.
    pub fn reduced(self, x: i64) -> i64 {
        let multiplier =
            if self.multiplier < 0x7FFF_0000 { (self.multiplier + (1 << 15)) >> 16 } else { 0x7FFF };
        let product = i128::from(x) * i128::from(multiplier);
        let shift = 15 - self.exponent;
        let rounded = if shift > 0 { (product + (1 << (shift - 1))) >> shift } else { product << -shift };
        i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
    }
}

/// `SaturatingRoundingDoublingHighMul`: `a * b / 2^31`, ties up; only the product of two smallest numbers saturates.
pub fn doubling_high(a: i32, b: i32) -> i32 {
    let product = (i64::from(a) * i64::from(b) + (1 << 30)) >> 31;
    i32::try_from(product).unwrap_or(i32::MAX)
}

/// `RoundingDivideByPOT`: `x / 2^n`, ties away from zero, n in 0..=31.
pub fn divide_half_away(x: i32, n: i32) -> i32 {
    let mask = (1_i64 << n) - 1;
    let remainder = i64::from(x) & mask;
    let threshold = (mask >> 1) + i64::from(x < 0);
    (x >> n.min(31)) + i32::from(remainder > threshold)
}

/// `x / 2^n`, ties up, n in 0..=31.
pub fn divide_half_up(x: i32, n: i32) -> i32 {
    let half = if n > 0 { 1_i64 << (n - 1) } else { 0 };
    i32::try_from((i64::from(x) + half) >> n.min(32)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_those_of_frexp() {
        for (real, multiplier, exponent) in [
            (1.0, 1 << 30, 1),
            (0.5, 1 << 30, 0),
            (0.75, 3 << 29, 0),
            // Rounds up to 2^31, which is halved.
            (1.0 - 2f64.powi(-40), 1 << 30, 1),
            (0.0, 0, 0),
            (2f64.powi(-33), 0, 0),
            (2f64.powi(-32), 1 << 30, -31),
        ] {
            assert_eq!(FixedPoint::of(real), Some(FixedPoint { multiplier, exponent }), "{real}");
        }
        for refused in [-1.0, f64::NAN, f64::INFINITY, 2f64.powi(31)] {
            assert_eq!(FixedPoint::of(refused), None, "{refused}");
        }
    }

    #[test]
    fn the_three_roundings_differ_at_ties() {
        // A quarter: -2 is -0.5, 2 is 0.5; 6 is 1.5; 5 is 1.25, and 3 is 0.75.
        let quarter = FixedPoint { multiplier: 1 << 30, exponent: -1 };
        for (x, double, up, single) in
            [(-2, -1, 0, 0), (2, 1, 1, 1), (6, 2, 2, 2), (5, 2, 2, 1), (3, 1, 1, 1), (-6, -2, -1, -1)]
        {
            assert_eq!((quarter.double(x), quarter.double_up(x)), (double, up), "{x}");
            assert_eq!(quarter.reduced(x.into()), single, "{x}");
        }
        assert_eq!(FixedPoint { multiplier: 1 << 30, exponent: 3 }.double(5), 20);
        assert_eq!(doubling_high(i32::MIN, i32::MIN), i32::MAX);
        assert_eq!(divide_half_away(-1, 31), 0);
    }
}
