//! The roundings of a division by 2^n.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the product is divided by 2^n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// To the nearest, ties towards +infinity: add 2^(n-1), shift right arithmetically.
    #[default]
    HalfUp,
    /// To the nearest, ties to even.
    HalfEven,
    /// To the nearest, ties away from zero.
    HalfAway,
    /// Towards -infinity: shift right arithmetically.
    Floor,
    /// Towards zero: drop the fraction of the magnitude.
    TowardZero,
    /// gemmlowp's double rounding: a saturating rounding doubling high multiplication (the product divided by 2^31, ties
    /// towards +infinity), then a division by 2^(n-31) with ties away from zero.
    Double,
}

impl Rounding {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::HalfUp, Self::HalfEven, Self::HalfAway, Self::Floor, Self::TowardZero, Self::Double];

    /// The name in commands and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::HalfUp => "half-up",
            Self::HalfEven => "half-even",
            Self::HalfAway => "half-away",
            Self::Floor => "floor",
            Self::TowardZero => "toward-zero",
            Self::Double => "double",
        }
    }

    /// `value * 2^-n`, rounded. Exact for n <= 0; `None` if the result does not fit in 128 bits.
    ///
    /// `value` must be within +-2^125; products of registers of up to 64 bits and 32-bit multipliers are.
    pub fn shift(self, value: i128, n: i32) -> Option<i128> {
        let Ok(n @ 1..) = u32::try_from(n) else {
            return 1_i128.checked_shl(n.unsigned_abs()).and_then(|power| value.checked_mul(power));
        };
        Some(match self {
            Self::Double => {
                let high = Self::HalfUp.divide(value, n.min(GEMMLOWP_BITS));
                match n.saturating_sub(GEMMLOWP_BITS) {
                    0 => high,
                    rest => Self::HalfAway.divide(high, rest),
                }
            }
            rounding => rounding.divide(value, n),
        })
    }

    /// `value / 2^n` for n >= 1.
    fn divide(self, value: i128, n: u32) -> i128 {
        // |value| <= 2^125 is less than half of 2^127: dividing by 2^126 and more gives the same roundings.
        let n = n.min(126);
        let floor = value >> n;
        let remainder = value - (floor << n);
        let half = 1_i128 << (n - 1);
        let up = match self {
            Self::HalfUp => remainder >= half,
            Self::HalfEven => remainder > half || (remainder == half && floor & 1 == 1),
            // Both sides of a tie are equally far: away from zero is up for positive values only.
            Self::HalfAway | Self::Double => remainder > half || (remainder == half && value > 0),
            Self::Floor => false,
            Self::TowardZero => value < 0 && remainder > 0,
        };
        floor + i128::from(up)
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Fraction bits of gemmlowp's multiplier.
pub(crate) const GEMMLOWP_BITS: u32 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    /// Value, n, and the results of half-up, half-even, half-away, floor, toward-zero and double rounding, by hand.
    const ROUNDINGS: &[(i128, i32, [i128; 6])] = &[
        (5, 1, [3, 2, 3, 2, 2, 3]),        // 2.5
        (-5, 1, [-2, -2, -3, -3, -2, -2]), // -2.5
        (7, 1, [4, 4, 4, 3, 3, 4]),        // 3.5
        (-7, 1, [-3, -4, -4, -4, -3, -3]), // -3.5
        (11, 2, [3, 3, 3, 2, 2, 3]),       // 2.75
        (-11, 2, [-3, -3, -3, -3, -2, -3]),
        (9, 2, [2, 2, 2, 2, 2, 2]), // 2.25
        (-9, 2, [-2, -2, -2, -3, -2, -2]),
        (0, 31, [0; 6]),
        (6, 0, [6; 6]),
        (-6, -2, [-24; 6]),
        (-1, 127, [0, 0, 0, -1, 0, 0]),
        // 0.5 - 2^-62: the first of two roundings makes it 2^30 of 2^31, a tie.
        ((1 << 61) - 1, 62, [0, 0, 0, 0, 0, 1]),
        // 0.5 - 2^-33: the first rounding makes it 2 of 4, a tie.
        ((1 << 32) - 1, 33, [0, 0, 0, 0, 0, 1]),
        // The same below zero: the tie goes away from zero.
        (-((1 << 32) - 1), 33, [0, 0, 0, -1, 0, -1]),
    ];

    #[test]
    fn roundings_are_those_worked_by_hand() {
        let mut failures = Vec::new();
        for &(value, n, expected) in ROUNDINGS {
            for (rounding, expected) in Rounding::ALL.into_iter().zip(expected) {
                let found = rounding.shift(value, n);
                if found != Some(expected) {
                    failures.push((value, n, rounding, found, expected));
                }
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
        assert_eq!(Rounding::Floor.shift(3, -127), None);
    }
}
