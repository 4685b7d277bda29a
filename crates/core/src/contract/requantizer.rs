//! One output channel's way from accumulator to output code, as each engine computes it.

use serde::{Deserialize, Serialize};

use super::arithmetic::{Arithmetic, FixedRounding, fits_32_bits};
use crate::parameters::Range;

/// One output channel's way from the accumulator `sum((x - Z1) * (w - Z2))` to the output code: plain data, cheap to
/// apply, and a step function that never falls as long as the scaled accumulator fits 32 bits (beyond, FBGEMM and QNNPACK
/// jump to the smallest code, and LiteRT wraps).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requantizer {
    pub(crate) arithmetic: Arithmetic,
    pub(crate) zero_point: i32,
    pub(crate) clamp: Range<i32>,
}

impl Requantizer {
    /// The output code of an accumulator.
    pub fn apply(&self, accumulator: i64) -> i32 {
        let rounded = match &self.arithmetic {
            Arithmetic::FbgemmPerChannel { addend, multiplier } => {
                convert((float(accumulator) + addend) * multiplier)
            }
            Arithmetic::FbgemmPerTensor { bias, reciprocal, multiplier } => {
                convert(bias.mul_add(*reciprocal, float(accumulator)) * multiplier)
            }
            Arithmetic::Qnnpack { bias, multiplier } => {
                convert(float(i64::from(wrap(accumulator.saturating_add(i64::from(*bias))))) * multiplier)
            }
            Arithmetic::Onednn { scale, bias, multiplier } => {
                let real = float(accumulator) * scale + bias;
                let code = (real * multiplier + float(i64::from(self.zero_point))).round_ties_even();
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "the cast saturates, as the engine does"
                )]
                return (code as i32).clamp(self.clamp.min, self.clamp.max);
            }
            Arithmetic::Rounded { bias, multiplier } => {
                let real = float(i64::from(wrap(accumulator.saturating_add(i64::from(*bias))))) * multiplier;
                let [min, max] =
                    [self.clamp.min, self.clamp.max].map(|code| float(i64::from(code - self.zero_point)));
                #[allow(clippy::cast_possible_truncation, reason = "within the clamp")]
                return real.max(min).min(max).round_ties_even() as i32 + self.zero_point;
            }
            Arithmetic::Fixed { bias, factor, rounding } => {
                let sum = accumulator.saturating_add(*bias);
                let scaled = match rounding {
                    FixedRounding::Double => i64::from(factor.double(wrap(sum))),
                    FixedRounding::DoubleUp => i64::from(factor.double_up(wrap(sum))),
                    FixedRounding::Reduced => factor.reduced(sum),
                };
                let code = scaled
                    .saturating_add(i64::from(self.zero_point))
                    .clamp(i64::from(self.clamp.min), i64::from(self.clamp.max));
                return i32::try_from(code).unwrap_or(self.clamp.max);
            }
            Arithmetic::Nearest { bias, multiplier, wide } => {
                let sum = accumulator.saturating_add(*bias);
                let sum = if *wide { sum } else { i64::from(wrap(sum)) };
                let code = convert_double((double(sum) * multiplier).round()).wrapping_add(self.zero_point);
                return code.clamp(self.clamp.min, self.clamp.max);
            }
            Arithmetic::Exact { thresholds } => {
                let steps = thresholds.partition_point(|&t| t <= accumulator);
                // At most 255 thresholds: the codes of a clamp range but its first.
                return self.clamp.min + i32::try_from(steps).unwrap_or(0);
            }
        };
        let code = saturate_16(saturate_16(rounded) + self.zero_point);
        code.clamp(self.clamp.min, self.clamp.max)
    }

    /// Its constants.
    pub fn arithmetic(&self) -> &Arithmetic {
        &self.arithmetic
    }

    /// Z3.
    pub fn zero_point(&self) -> i32 {
        self.zero_point
    }

    /// Whether it is known to be a step function that never falls over `range`, whatever its numbers are: constants are
    /// finite, multipliers not negative, and no value leaves 32 bits, where engines jump to the smallest code. Rounding
    /// keeps the order of what it rounds, so the values at both ends bound all others.
    pub fn never_falls(&self, range: Range<i32>) -> bool {
        let sound = |x: &f32| x.is_finite() && *x >= 0.0;
        let ends = [range.min, range.max].map(i64::from);
        let within = |value: &dyn Fn(i64) -> f32| {
            ends.into_iter().all(|end| value(end).round_ties_even().abs() < 2_147_483_648.0)
        };
        let arithmetic = match &self.arithmetic {
            Arithmetic::FbgemmPerChannel { addend, multiplier } => {
                addend.is_finite()
                    && sound(multiplier)
                    && within(&|accumulator| (float(accumulator) + addend) * multiplier)
            }
            Arithmetic::FbgemmPerTensor { bias, reciprocal, multiplier } => {
                bias.is_finite()
                    && sound(reciprocal)
                    && sound(multiplier)
                    && within(&|accumulator| bias.mul_add(*reciprocal, float(accumulator)) * multiplier)
            }
            Arithmetic::Qnnpack { bias, multiplier } => {
                sound(multiplier)
                    && ends.iter().all(|&end| fits_32_bits(end + i64::from(*bias)))
                    && within(&|accumulator| float(accumulator + i64::from(*bias)) * multiplier)
            }
            Arithmetic::Rounded { bias, multiplier } => {
                sound(multiplier) && ends.iter().all(|&end| fits_32_bits(end + i64::from(*bias)))
            }
            Arithmetic::Fixed { bias, factor, rounding } => {
                let known = factor.multiplier >= 0 && (-31..=31).contains(&factor.exponent);
                let shifted = |end: i64| {
                    end.checked_add(*bias).is_some_and(|sum| match rounding {
                        FixedRounding::Double | FixedRounding::DoubleUp => {
                            fits_32_bits(sum) && fits_32_bits(sum << factor.exponent.clamp(0, 31))
                        }
                        FixedRounding::Reduced => true,
                    })
                };
                known && ends.into_iter().all(shifted)
            }
            Arithmetic::Nearest { bias, multiplier, wide } => {
                // With room for the zero point.
                let within = |end: i64| {
                    end.checked_add(*bias).is_some_and(|sum| {
                        (*wide || fits_32_bits(sum)) && (double(sum) * multiplier).abs() < f64::from(1 << 30)
                    })
                };
                multiplier.is_finite() && *multiplier >= 0.0 && ends.into_iter().all(within)
            }
            Arithmetic::Onednn { scale, bias, multiplier } => {
                // Beyond the floats nothing falls, but infinity times a multiplier of 0 is no number.
                let finite = |end: i64| (float(end) * scale + bias).is_finite();
                bias.is_finite() && sound(scale) && sound(multiplier) && ends.into_iter().all(finite)
            }
            Arithmetic::Exact { thresholds } => {
                thresholds.is_sorted()
                    && i32::try_from(thresholds.len()) == Ok(self.clamp.max - self.clamp.min)
            }
        };
        let codes = i32::from(i16::MIN)..=i32::from(i16::MAX);
        let known = [self.zero_point, self.clamp.min, self.clamp.max].iter().all(|code| codes.contains(code));
        known && self.clamp.min <= self.clamp.max && arithmetic
    }

    /// The codes it can give.
    pub fn clamp(&self) -> Range<i32> {
        self.clamp
    }
}

/// Integer to float32, rounded to nearest even: exact below 2^24.
#[allow(clippy::cast_precision_loss, reason = "this rounding is the engine's")]
fn float(x: i64) -> f32 {
    x as f32
}

/// Integer to float64, rounded to nearest even: exact below 2^53.
#[allow(clippy::cast_precision_loss, reason = "this rounding is the engine's")]
fn double(x: i64) -> f64 {
    x as f64
}

/// `cvttsd2si`: what does not fit becomes the smallest integer.
#[allow(clippy::cast_possible_truncation, reason = "the magnitude is below 2^31")]
fn convert_double(x: f64) -> i32 {
    if x.abs() < 2_147_483_648.0 { x as i32 } else { i32::MIN }
}

/// The low 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "int32 additions of the engines wrap")]
fn wrap(x: i64) -> i32 {
    x as i32
}

/// `cvtps2dq`: round to nearest even; what does not fit becomes the smallest integer.
#[allow(clippy::cast_possible_truncation, reason = "the magnitude is below 2^31")]
fn convert(x: f32) -> i32 {
    let rounded = x.round_ties_even();
    if rounded.abs() < 2_147_483_648.0 { rounded as i32 } else { i32::MIN }
}

fn saturate_16(x: i32) -> i32 {
    x.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}
