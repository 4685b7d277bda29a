//! Element-wise functions as TFLite computes them in fixed point: requantization, leaky ReLU and hardswish.

use crate::contract::Contract;
use crate::fixed_point::{FixedPoint, divide_half_away};
use crate::gemmlowp_narrow::{doubling_high, saturate};
use crate::parameters::{Activation, Range};
use crate::quantize::quantize_as;

/// `clamp(rounded + Z, qmin, qmax)`.
pub(super) fn clamped(rounded: i64, output: Activation) -> i32 {
    let (min, max) = output.code_type.range();
    let code = rounded.saturating_add(i64::from(output.zero_point));
    i32::try_from(code.clamp(i64::from(min), i64::from(max))).unwrap_or(min)
}

/// `x * factor / 256`, ties up: XNNPACK's products.
fn in_256ths(x: i64, factor: i64) -> i64 {
    (x * factor + 128) >> 8
}

/// XNNPACK's factor, `rint(256 * quotient)`; `None` for factors that the delegate refuses.
#[allow(clippy::cast_possible_truncation, reason = "at most 2^15")]
fn coarse_factor(quotient: f32) -> Option<i64> {
    (quotient.abs() <= 128.0).then(|| (quotient * 256.0).round_ties_even() as i64)
}

/// The same reals under another S and Z, within bounds.
///
/// `QUANTIZE` has a factor of the quotient in float64, a ReLU of the one in float32, rounded twice; XNNPACK's `QUANTIZE` has
/// one of 8 fractional bits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Requantization {
    /// TFLite's own kernels.
    Fixed {
        /// S1/S3.
        factor: FixedPoint,
        /// Of the output codes.
        clamp: Range<i32>,
    },
    /// XNNPACK.
    Coarse(i64),
}

impl Requantization {
    /// `min` and `max` are real numbers, infinite where there is no bound. `None` for scales too far apart.
    #[allow(clippy::cast_possible_truncation, reason = "TFLite divides the scales of a ReLU as float32")]
    pub(super) fn new(
        contract: Contract,
        bounds: [f64; 2],
        input: Activation,
        output: Activation,
    ) -> Option<Self> {
        let quotient = input.scale as f32 / output.scale as f32;
        let unbounded = bounds.iter().all(|bound| bound.is_infinite());
        if unbounded && contract == Contract::LitertXnnpack {
            return coarse_factor(quotient).map(Self::Coarse);
        }
        let [min, max] = bounds.map(|bound| quantize_as(Contract::Litert, bound as f32, output));
        let real = if unbounded { input.scale / output.scale } else { f64::from(quotient) };
        Some(Self::Fixed { factor: FixedPoint::of(real)?, clamp: Range { min, max } })
    }

    pub(super) fn code(self, code: i32, input: Activation, output: Activation) -> i32 {
        let x = code - input.zero_point;
        match self {
            Self::Fixed { factor, clamp } => {
                clamped(i64::from(factor.double(x)), output).min(clamp.max).max(clamp.min)
            }
            Self::Coarse(factor) => clamped(in_256ths(i64::from(x), factor), output),
        }
    }
}

/// TFLite's leaky ReLU with a slope for each sign, `FixedPoint` factors of float32 quotients, rounded twice.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeakyRelu {
    positive: FixedPoint,
    negative: FixedPoint,
}

#[allow(clippy::cast_possible_truncation, reason = "TFLite multiplies and divides scales as float32")]
impl LeakyRelu {
    /// `None` for a negative slope or scales too far apart.
    pub(super) fn new(slope: f64, input: Activation, output: Activation) -> Option<Self> {
        let (s1, s3) = (input.scale as f32, output.scale as f32);
        Some(Self {
            positive: FixedPoint::of(f64::from(s1 / s3))?,
            negative: FixedPoint::of(f64::from(s1 * slope as f32 / s3))?,
        })
    }

    pub(super) fn code(self, code: i32, input: Activation, output: Activation) -> i32 {
        let x = code - input.zero_point;
        let factor = if x >= 0 { self.positive } else { self.negative };
        clamped(i64::from(factor.double(x)), output)
    }
}

/// XNNPACK's leaky ReLU: factors with 8 fractional bits, ties up.
///
/// The factor of negative codes is the product of the float32 factor of positive ones and the slope.
#[derive(Debug, Clone, Copy)]
pub(super) struct CoarseLeakyRelu {
    positive: i64,
    negative: i64,
}

#[allow(clippy::cast_possible_truncation, reason = "the delegate holds scales and slopes as float32")]
impl CoarseLeakyRelu {
    /// `None` for factors that the delegate refuses: beyond 128.
    pub(super) fn new(slope: f64, input: Activation, output: Activation) -> Option<Self> {
        let positive = input.scale as f32 / output.scale as f32;
        let negative = positive * slope as f32;
        Some(Self { positive: coarse_factor(positive)?, negative: coarse_factor(negative)? })
    }

    pub(super) fn code(self, code: i32, input: Activation, output: Activation) -> i32 {
        let x = i64::from(code - input.zero_point);
        clamped(in_256ths(x, if x >= 0 { self.positive } else { self.negative }), output)
    }
}

/// TFLite's hardswish in 16-bit fixed point, of all its kernels and of the delegate.
///
/// Source: TFLite `kernels/internal/reference/hard_swish.h`; 0 mismatches in 1,228,800 codes of LiteRT 2.3.
#[derive(Debug, Clone, Copy)]
pub(super) struct HardSwish {
    output: Factor,
    reluish: Factor,
}

/// A factor of 15 bits and a power of two.
#[derive(Debug, Clone, Copy)]
struct Factor {
    multiplier: i32,
    exponent: i32,
}

impl Factor {
    fn of(real: f32) -> Option<Self> {
        let FixedPoint { multiplier, exponent } = FixedPoint::of(f64::from(real))?;
        let narrow = if multiplier >= i32::MAX - (1 << 15) { 0x7FFF } else { (multiplier + (1 << 15)) >> 16 };
        Some(Self { multiplier: narrow, exponent })
    }
}

impl HardSwish {
    /// `None` for an output scale finer than a 128th of the input's.
    #[allow(clippy::cast_possible_truncation, reason = "TFLite multiplies and divides scales as float32")]
    pub(super) fn new(input: Activation, output: Activation) -> Option<Self> {
        let fine = (1.0_f32 / 128.0) * input.scale as f32;
        let output = Factor::of(fine / output.scale as f32).filter(|factor| factor.exponent <= 0)?;
        Some(Self { output, reluish: Factor::of(fine / (3.0_f32 / 32_768.0))? })
    }

    pub(super) fn code(self, code: i32, input: Activation, output: Activation) -> i32 {
        let fine = (code - input.zero_point) * 128;
        let preshift = doubling_high(fine, self.output.multiplier);
        // min(max(x + 3, 0), 6) / 6 as -1..1, then as 0..1, in 15 fractional bits.
        let exponent = self.reluish.exponent;
        let mut reluish = fine;
        if exponent > 0 {
            reluish = saturate(reluish << (exponent - 1).min(15));
        }
        reluish = doubling_high(reluish, self.reluish.multiplier);
        if exponent > 0 {
            reluish = saturate(reluish << 1);
        }
        reluish = divide_half_away(reluish, (-exponent).clamp(0, 31));
        let gate = (reluish + (1 << 15)) >> 1;
        // The truncating product cancels the bias of the rounding ones before it.
        let product = saturate(gate * preshift / (1 << 15));
        clamped(i64::from(divide_half_away(product, (-self.output.exponent).min(31))), output)
    }
}
