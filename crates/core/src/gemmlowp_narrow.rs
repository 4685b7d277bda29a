//! gemmlowp's functions of 16-bit fixed-point numbers, from which TFLite's gates are made.
//!
//! A number with I integer bits is `raw * 2^(I - 15)`; all of them are held in 32 bits here. Source: gemmlowp
//! `fixedpoint/fixedpoint.h`, step by step.

use crate::fixed_point::divide_half_away;

/// The nearest 16-bit number.
pub(crate) fn saturate(x: i32) -> i32 {
    x.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// The low 16 bits, with their sign: what gemmlowp's sums of 16-bit numbers give.
#[allow(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
fn wrap(x: i32) -> i32 {
    i32::from(x as i16)
}

/// `SaturatingRoundingDoublingHighMul`: `a * b / 2^15`, ties up.
pub(crate) fn doubling_high(a: i32, b: i32) -> i32 {
    saturate((a * b + (1 << 14)) >> 15)
}

/// `raw * 2^n`, saturated.
fn shift_left(raw: i32, n: u32) -> i32 {
    saturate(raw << n.min(15))
}

/// Constants of 31 fractional bits, rounded to 15.
const fn narrow(constant: i32) -> i32 {
    (constant + (1 << 15)) >> 16
}

/// exp(x) for -1/4 <= x < 0, both without integer bits: a Taylor polynomial about -1/8.
fn exp_of_small(x: i32) -> i32 {
    const EXP_OF_MINUS_EIGHTH: i32 = narrow(1_895_147_668);
    const THIRD: i32 = narrow(715_827_883);
    let x = wrap(x + (1 << 12));
    let x2 = doubling_high(x, x);
    let x3 = doubling_high(x2, x);
    let x4 = doubling_high(x2, x2);
    let sum = wrap(doubling_high(wrap(divide_half_away(x4, 2) + x3), THIRD) + x2);
    let polynomial = wrap(x + divide_half_away(sum, 1));
    saturate(EXP_OF_MINUS_EIGHTH + doubling_high(EXP_OF_MINUS_EIGHTH, polynomial))
}

/// exp(x) for x <= 0 with `integer_bits`, at most 13; the result has none.
fn exp_of_negative(x: i32, integer_bits: u32) -> i32 {
    /// exp(-2^k) for k = -2, -1, ... 4.
    const POWERS: [i32; 7] = [
        narrow(1_672_461_947),
        narrow(1_302_514_674),
        narrow(790_015_084),
        narrow(290_630_308),
        narrow(39_332_535),
        narrow(720_401),
        narrow(242),
    ];
    if x == 0 {
        return i32::from(i16::MAX);
    }
    let quarter_bit = 13 - integer_bits.min(13);
    let quarter = 1 << quarter_bit;
    // Beyond -32 the factors below no longer reach.
    if integer_bits > 5 && x < -(quarter << 7) {
        return 0;
    }
    let small = wrap((x & (quarter - 1)) - quarter);
    let remainder = wrap(small - x);
    let exp = exp_of_small(shift_left(small, integer_bits));
    // A factor belongs to a bit of the remainder, of which there are 15.
    (quarter_bit..15).zip(POWERS).fold(exp, |exp, (bit, power)| {
        if remainder & (1 << bit) == 0 { exp } else { doubling_high(exp, power) }
    })
}

/// Three steps of Newton and Raphson towards 2/(1 + x) for 0 <= x < 1 without integer bits; the result has two.
fn twice_reciprocal_of_one_plus(x: i32) -> i32 {
    const C48_OVER_17: i32 = narrow(1_515_870_810);
    const NEG_32_OVER_17: i32 = narrow(-1_010_580_540);
    // 1 with two integer bits.
    const ONE: i32 = 1 << 13;
    let half_denominator = (x + i32::from(i16::MAX) + 1) / 2;
    let mut y = wrap(C48_OVER_17 + doubling_high(half_denominator, NEG_32_OVER_17));
    for _ in 0..3 {
        let error = wrap(ONE - doubling_high(half_denominator, y));
        y = wrap(y + shift_left(doubling_high(y, error), 2));
    }
    y
}

/// 1/(1 + exp(-x)) of a number with three integer bits; the result has none.
pub(crate) fn logistic(x: i32) -> i32 {
    let positive = shift_left(twice_reciprocal_of_one_plus(exp_of_negative(wrap(-x.abs()), 3)), 1);
    match x {
        0 => 1 << 14,
        1.. => positive,
        _ => i32::from(i16::MAX) - positive,
    }
}

/// tanh(x) of a number with `integer_bits`, at most 6; the result has none.
pub(crate) fn tanh(x: i32, integer_bits: u32) -> i32 {
    if x == 0 {
        return 0;
    }
    // (1 - e)/(1 + e) = 2/(1 + e) - 1 with e = exp(-2|x|).
    let reciprocal = twice_reciprocal_of_one_plus(exp_of_negative(-x.abs(), integer_bits + 1));
    let magnitude = shift_left(wrap(reciprocal - (1 << 13)), 2);
    if x < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_close_to_the_real_ones() {
        for x in (-32_768..32_768).step_by(37) {
            let real = 32_768.0 / (1.0 + (-f64::from(x) / 4096.0).exp());
            assert!((f64::from(logistic(x)) - real).abs() < 20.0, "logistic {x}: {}, {real}", logistic(x));
            for (integer_bits, power) in (0..7).zip(-15..) {
                let real = 32_768.0 * (f64::from(x) * 2f64.powi(power)).tanh();
                let found = tanh(x, integer_bits);
                assert!((f64::from(found) - real).abs() < 40.0, "tanh {x}, {integer_bits}: {found}, {real}");
            }
        }
    }
}
