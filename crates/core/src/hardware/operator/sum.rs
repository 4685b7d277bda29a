//! Sum of two tensors: `clamp(round((M0a*(a - Za) + M0b*(b - Zb)) * 2^-n) + Z3)`.

use super::scale::{Choice, clamped, count, narrowest, ratio};
use crate::exact::Ratio;
use crate::parameters::{Activation, Agreement, OperatorArithmetic, Range, Scale};

/// The narrowest multipliers with a common shift, against the exact sum of all pairs of codes.
pub(super) fn derive(
    a: Activation,
    b: Activation,
    output: Activation,
    clamp: Range<i32>,
    choice: Choice,
) -> Option<(OperatorArithmetic, Agreement)> {
    let (first, second) = (ratio(&[a.scale], output.scale)?, ratio(&[b.scale], output.scale)?);
    let pairs = pairs(a, b);
    let exact = exact_codes(&pairs, a, b, output, clamp)?;
    let ((multipliers, shift), differing) =
        narrowest(choice.candidates([&first, &second]), |&(multipliers, shift), limit| {
            let ours = choice.rescale(Scale { multiplier: 1, shift }, output.zero_point, clamp);
            let differs = pairs
                .iter()
                .zip(&exact)
                .map(|(&(x, y), &expected)| ours.code(sum(multipliers, x, y)) != expected);
            count(differs, limit)
        })?;
    let agreement = Agreement { cases: pairs.len() as u64, differing };
    Some((OperatorArithmetic::Sum { multipliers, shift }, agreement))
}

/// What is rescaled: M0a*(a - Za) + M0b*(b - Zb), of codes minus their zero points.
pub(super) fn sum(multipliers: [u32; 2], a: i32, b: i32) -> i64 {
    i64::from(multipliers[0]) * i64::from(a) + i64::from(multipliers[1]) * i64::from(b)
}

/// All pairs of codes, minus their zero points.
pub(super) fn pairs(a: Activation, b: Activation) -> Vec<(i32, i32)> {
    let codes = |activation: Activation| {
        let (min, max) = activation.code_type.range();
        min - activation.zero_point..=max - activation.zero_point
    };
    codes(a).flat_map(|x| codes(b).map(move |y| (x, y))).collect()
}

/// `clamp(round((S1*a + S2*b)/S3) + Z3)` of each pair, ties to even.
fn exact_codes(
    pairs: &[(i32, i32)],
    a: Activation,
    b: Activation,
    output: Activation,
    clamp: Range<i32>,
) -> Option<Vec<i32>> {
    let offset = |rounded: i128| clamped(rounded.saturating_add(i128::from(output.zero_point)), clamp);
    if let Some([first, second, unit]) = integers([a.scale, b.scale, output.scale]) {
        let code = |&(x, y): &(i32, i32)| {
            let sum = first * i128::from(x) + second * i128::from(y);
            offset(divide_to_even(sum, unit))
        };
        return Some(pairs.iter().map(code).collect());
    }
    let [first, second] = [ratio(&[a.scale], output.scale)?, ratio(&[b.scale], output.scale)?];
    let term = |factor: &Ratio, code: i32| factor.times(&Ratio::from_i64(i64::from(code)));
    let code = |&(x, y): &(i32, i32)| {
        let sum = term(&first, x).plus(&term(&second, y));
        offset(sum.round_scaled(0).unwrap_or(if sum.is_negative() { i128::MIN } else { i128::MAX }))
    };
    Some(pairs.iter().map(code).collect())
}

/// Bits of the largest scale as an integer: its products with codes, and sums of two, then fit in 128.
const LARGEST_SCALE_BITS: u64 = 100;

/// Scales as integers, all times the same power of two; `None` where they lie too far apart for 128 bits.
fn integers(scales: [f64; 3]) -> Option<[i128; 3]> {
    let parts = scales.map(|scale| {
        let bits = scale.to_bits();
        let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) & 0x7ff);
        // Subnormals have no implicit bit and the exponent of the smallest normal.
        let mantissa = if exponent == 0 { fraction } else { fraction | (1 << 52) };
        let unused = mantissa.trailing_zeros();
        (mantissa.checked_shr(unused).unwrap_or(0), exponent.max(1) + u64::from(unused))
    });
    let lowest = parts.iter().map(|&(_, exponent)| exponent).min()?;
    let mut integers = [0; 3];
    for (integer, (mantissa, exponent)) in integers.iter_mut().zip(parts) {
        let shift = exponent - lowest;
        if shift + u64::from(u64::BITS - mantissa.leading_zeros()) > LARGEST_SCALE_BITS {
            return None;
        }
        *integer = i128::from(mantissa) << shift;
    }
    Some(integers)
}

/// The quotient by a positive number, rounded, ties to even.
fn divide_to_even(value: i128, unit: i128) -> i128 {
    let (floor, remainder) = (value.div_euclid(unit), value.rem_euclid(unit));
    match (2 * remainder).cmp(&unit) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + (floor & 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::CodeType;

    #[test]
    fn both_ways_to_exact_codes_agree() {
        let activation = |scale, zero_point| Activation { scale, zero_point, code_type: CodeType::U8 };
        let (a, b) = (activation(f64::from(0.023_f32), 3), activation(f64::from(0.31_f32), 128));
        let clamp = Range { min: 0, max: 255 };
        let sample: Vec<(i32, i32)> = pairs(a, b).into_iter().step_by(97).collect();
        for (output, fits) in [(activation(f64::from(0.11_f32), 17), true), (activation(1e-40, 17), false)] {
            assert_eq!(integers([a.scale, b.scale, output.scale]).is_some(), fits);
            let expected: Vec<i32> = sample
                .iter()
                .map(|&(x, y)| {
                    let real = f64::from(x) * a.scale + f64::from(y) * b.scale;
                    // No pair of the sample is within 1e-9 of a tie.
                    let code = (real / output.scale).round() + f64::from(output.zero_point);
                    i32::from(code.clamp(0.0, 255.0).to_string().parse::<u8>().unwrap())
                })
                .collect();
            assert_eq!(exact_codes(&sample, a, b, output, clamp).unwrap(), expected);
        }
    }

    #[test]
    fn quotients_round_ties_to_even() {
        for (value, expected) in [(5, 2), (7, 4), (-5, -2), (-7, -4), (6, 3), (-1, 0), (1, 0), (3, 2)] {
            assert_eq!(divide_to_even(value, 2), expected, "{value}/2");
        }
    }
}
