//! gemmlowp's functions of 32-bit fixed-point numbers, from which TFLite's integer softmax is made.
//!
//! A number with I integer bits is `raw * 2^(I - 31)`. Source: gemmlowp `fixedpoint/fixedpoint.h`, step by step.

use crate::fixed_point::{divide_half_away, doubling_high};

/// `raw * 2^n`, saturated.
pub(crate) fn shift_left(raw: i32, n: u32) -> i32 {
    let wide = i64::from(raw) << n.min(32);
    i32::try_from(wide).unwrap_or(if raw < 0 { i32::MIN } else { i32::MAX })
}

/// exp(x) for -1/4 <= x < 0, both without integer bits: a Taylor polynomial about -1/8.
fn exp_of_small(x: i32) -> i32 {
    const EXP_OF_MINUS_EIGHTH: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = x + (1 << 28);
    let x2 = doubling_high(x, x);
    let x3 = doubling_high(x2, x);
    let x4 = doubling_high(x2, x2);
    let sum = doubling_high(divide_half_away(x4, 2) + x3, THIRD) + x2;
    EXP_OF_MINUS_EIGHTH + doubling_high(EXP_OF_MINUS_EIGHTH, x + divide_half_away(sum, 1))
}

/// exp(x) for x <= 0 with 5 integer bits; the result has none.
pub(crate) fn exp_of_negative(x: i32) -> i32 {
    /// exp(-2^k) for k = -2, -1, ... 4.
    const POWERS: [i32; 7] =
        [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    const QUARTER: i32 = 1 << 24;
    if x == 0 {
        return i32::MAX;
    }
    let small = (x & (QUARTER - 1)) - QUARTER;
    let remainder = small.wrapping_sub(x);
    let exp = exp_of_small(shift_left(small, 5));
    (24..).zip(POWERS).fold(exp, |exp, (bit, power)| {
        if remainder & (1_i32 << bit) == 0 { exp } else { doubling_high(exp, power) }
    })
}

/// 1/(1 + x) for 0 <= x < 1, both without integer bits: three steps of Newton and Raphson.
pub(crate) fn reciprocal_of_one_plus(x: i32) -> i32 {
    const C48_OVER_17: i32 = 1_515_870_810;
    const NEG_32_OVER_17: i32 = -1_010_580_540;
    // 1 with two integer bits.
    const ONE: i32 = 1 << 29;
    let sum = i64::from(x) + i64::from(i32::MAX);
    let half_denominator = i32::try_from((sum + 1) / 2).unwrap_or(i32::MAX);
    let mut y = C48_OVER_17.wrapping_add(doubling_high(half_denominator, NEG_32_OVER_17));
    for _ in 0..3 {
        let error = ONE.wrapping_sub(doubling_high(half_denominator, y));
        y = y.wrapping_add(shift_left(doubling_high(y, error), 2));
    }
    shift_left(y, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_close_to_the_real_ones() {
        let scale = 2f64.powi(31);
        for step in 0..2000 {
            let x = -(step * 30_011_i32) * 35;
            let real = f64::from(x) * 2f64.powi(-26);
            let found = f64::from(exp_of_negative(x)) / scale;
            assert!((found - real.exp()).abs() < 3e-7, "exp({real}) = {found}");
            let x = step * 1_073_741;
            let real = 1.0 / (1.0 + f64::from(x) / scale);
            let found = f64::from(reciprocal_of_one_plus(x)) / scale;
            assert!((found - real).abs() < 3e-8, "{found}, expected {real}");
        }
        assert_eq!(exp_of_negative(0), i32::MAX);
    }
}
