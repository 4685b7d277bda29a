//! Exact arithmetic on binary floating point values: products and quotients as ratios of integers, rounded once.
//!
//! Every finite binary float is an integer times a power of two, so S1*S2/S3 and b/(S1*S2) are ratios of integers and
//! their roundings can be computed without any error. Nothing here ever rounds twice.

use num_bigint::{BigInt, BigUint, Sign};

/// A non-negative rational number times a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratio {
    negative: bool,
    numerator: BigUint,
    denominator: BigUint,
}

impl Ratio {
    /// The exact value of a finite float; `None` for infinities and NaN.
    pub fn from_f64(x: f64) -> Option<Self> {
        if !x.is_finite() {
            return None;
        }
        let bits = x.to_bits();
        let fraction = bits & ((1 << 52) - 1);
        let exponent = (bits >> 52) & 0x7ff;
        // Subnormals have no implicit bit and the exponent of the smallest normal.
        let (mantissa, exponent) =
            if exponent == 0 { (fraction, 1) } else { (fraction | (1 << 52), exponent) };
        let (numerator, denominator) = (BigUint::from(mantissa), BigUint::from(1u32));
        // The value is mantissa * 2^(exponent - 1075).
        let (numerator, denominator) = if exponent >= 1075 {
            (numerator << (exponent - 1075), denominator)
        } else {
            (numerator, denominator << (1075 - exponent))
        };
        Some(Self { negative: x.is_sign_negative(), numerator, denominator })
    }

    /// An integer.
    pub fn from_i64(x: i64) -> Self {
        Self { negative: x < 0, numerator: BigUint::from(x.unsigned_abs()), denominator: BigUint::from(1u32) }
    }

    /// Sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = self.signed_numerator() * BigInt::from(other.denominator.clone())
            + other.signed_numerator() * BigInt::from(self.denominator.clone());
        let (sign, numerator) = sum.into_parts();
        Self { negative: sign == Sign::Minus, numerator, denominator: &self.denominator * &other.denominator }
    }

    /// Difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.plus(&Self { negative: !other.negative, ..other.clone() })
    }

    /// True below zero.
    pub fn is_negative(&self) -> bool {
        self.negative && !self.is_zero()
    }

    /// True for integers.
    pub fn is_integer(&self) -> bool {
        (&self.numerator % &self.denominator).bits() == 0
    }

    /// The smallest integer that is not below, limited to the range of `i64`.
    pub fn ceil_saturating(&self) -> i64 {
        let quotient = &self.numerator / &self.denominator;
        // Division of magnitudes truncates towards zero, which is up for negative numbers only.
        let magnitude =
            if self.negative || self.is_integer() { quotient } else { quotient + BigUint::from(1u32) };
        match (i64::try_from(magnitude), self.negative) {
            (Ok(magnitude), true) => -magnitude,
            (Ok(magnitude), false) => magnitude,
            (Err(_), true) => i64::MIN,
            (Err(_), false) => i64::MAX,
        }
    }

    fn signed_numerator(&self) -> BigInt {
        BigInt::from_biguint(if self.negative { Sign::Minus } else { Sign::Plus }, self.numerator.clone())
    }

    /// Product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        Self {
            negative: self.negative != other.negative,
            numerator: &self.numerator * &other.numerator,
            denominator: &self.denominator * &other.denominator,
        }
    }

    /// Quotient; `None` if `other` is zero.
    #[must_use]
    pub fn over(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        Some(Self {
            negative: self.negative != other.negative,
            numerator: &self.numerator * &other.denominator,
            denominator: &self.denominator * &other.numerator,
        })
    }

    /// True for zero.
    pub fn is_zero(&self) -> bool {
        self.numerator.bits() == 0
    }

    /// floor(log2(|self|)); `None` for zero.
    pub fn floor_log2(&self) -> Option<i64> {
        if self.is_zero() {
            return None;
        }
        let guess = bit_count(&self.numerator) - bit_count(&self.denominator);
        // numerator/denominator lies in (2^(guess-1), 2^(guess+1)): one comparison decides.
        let (numerator, denominator) = scale(&self.numerator, &self.denominator, -guess);
        Some(if numerator >= denominator { guess } else { guess - 1 })
    }

    /// `round(self * 2^n)`, ties to even; `None` if the magnitude does not fit in 64 bits.
    pub fn round_scaled(&self, n: i64) -> Option<i128> {
        let magnitude = match self.floor_log2() {
            None => 0,
            Some(log2) if log2 + n >= 64 => return None,
            Some(log2) if log2 + n < -2 => 0,
            Some(_) => {
                let (numerator, denominator) = scale(&self.numerator, &self.denominator, n);
                let quotient = &numerator / &denominator;
                let twice_remainder = (&numerator - &quotient * &denominator) << 1u32;
                let quotient = u128::try_from(quotient).ok()?;
                let round_up =
                    twice_remainder > denominator || (twice_remainder == denominator && quotient & 1 == 1);
                i128::try_from(quotient + u128::from(round_up)).ok()?
            }
        };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// The nearest binary64, ties to even; infinite or zero beyond its range.
    pub fn to_f64(&self) -> f64 {
        let Some(log2) = self.floor_log2() else {
            return 0.0;
        };
        // 53 significant bits for normals, fewer below the smallest normal: never finer than 2^-1074.
        let n = (52 - log2).min(1074);
        let Some(mantissa) = self.round_scaled(n) else {
            return f64::INFINITY;
        };
        // |mantissa| <= 2^53 is exact in binary64, and both factors below are powers of two whose product with it is
        // exact: n is split because 2^-1074 times a 53-bit mantissa passes through no subnormal intermediate.
        #[allow(clippy::cast_precision_loss, reason = "|mantissa| <= 2^53")]
        let mantissa = mantissa as f64;
        let half = n / 2;
        mantissa * power_of_two(-half) * power_of_two(half - n)
    }
}

fn bit_count(x: &BigUint) -> i64 {
    i64::try_from(x.bits()).unwrap_or(i64::MAX)
}

/// numerator/denominator * 2^n, as a pair.
fn scale(numerator: &BigUint, denominator: &BigUint, n: i64) -> (BigUint, BigUint) {
    if n >= 0 {
        (numerator << n.unsigned_abs(), denominator.clone())
    } else {
        (numerator.clone(), denominator << n.unsigned_abs())
    }
}

/// 2^n, zero or infinite beyond the range of binary64.
fn power_of_two(n: i64) -> f64 {
    2f64.powi(i32::try_from(n).unwrap_or(if n < 0 { i32::MIN } else { i32::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(x: f64) -> Ratio {
        Ratio::from_f64(x).unwrap()
    }

    #[test]
    fn floats_survive_the_round_trip() {
        for x in [0.0, 1.0, -1.5, 0.1, 1e-300, 1e300, f64::MAX, f64::MIN_POSITIVE, 5e-324, 2.2e-308] {
            assert_eq!(ratio(x).to_f64(), x, "{x:e}");
        }
        assert_eq!(Ratio::from_f64(f64::NAN), None);
        assert_eq!(Ratio::from_f64(f64::INFINITY), None);
    }

    #[test]
    fn ties_go_to_even() {
        let cases = [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (-2.5, -2), (0.49, 0), (0.51, 1)];
        for (x, expected) in cases {
            assert_eq!(ratio(x).round_scaled(0), Some(expected), "{x}");
        }
    }

    #[test]
    fn sums_and_ceilings() {
        for (a, b, sum, ceil) in
            [(0.5, 0.25, 0.75, 1), (0.5, -0.5, 0.0, 0), (-2.0, 0.5, -1.5, -1), (-3.0, 1.0, -2.0, -2)]
        {
            let result = ratio(a).plus(&ratio(b));
            assert_eq!((result.to_f64(), result.ceil_saturating()), (sum, ceil), "{a} + {b}");
        }
        assert!(Ratio::from_i64(-7).minus(&ratio(0.5)).plus(&ratio(1.5)).is_integer());
        assert_eq!(ratio(-1e300).ceil_saturating(), i64::MIN);
    }

    #[test]
    fn one_third_has_the_bits_that_long_division_gives() {
        // 1/3 = 0.010101..., so round(2^32/3) = 1431655765 and floor(log2) = -2.
        let third = ratio(1.0).over(&ratio(3.0)).unwrap();
        assert_eq!(third.round_scaled(32), Some(1_431_655_765));
        assert_eq!(third.floor_log2(), Some(-2));
        assert_eq!(third.to_f64(), 1.0 / 3.0);
        assert_eq!(third.round_scaled(200), None);
        assert_eq!(third.round_scaled(-5000), Some(0));
    }

    #[test]
    fn log2_is_exact_at_powers_of_two() {
        for (x, expected) in [(1.0, 0), (2.0, 1), (0.5, -1), (1.999_999_9, 0), (0.999_999_9, -1), (3.0, 1)] {
            assert_eq!(ratio(x).floor_log2(), Some(expected), "{x}");
        }
        assert_eq!(ratio(1.0).over(&ratio(0.0)), None);
    }
}
