//! The integer-only arithmetic of the user's hardware: rounding, register widths, and what happens beyond them.
//!
//! ```text
//! output = clamp(round((sum(x_q * w_q) * 2^F + folded_bias) * M0 * 2^-(n + F)) + Z3, min, max)
//! ```
//!
//! with F = 0 unless the bias has fractional bits, each intermediate value held in a register of a given width.

mod fault;
pub mod integer_op;
mod layer;
mod operator;
mod parameters;
pub mod reach;
mod rescale;
mod thresholds;
mod vectors;

use std::fmt;

pub use fault::Fault;
pub use integer_op::IntegerOp;
pub(crate) use layer::taps::{Axis, AxisSizes};
pub use layer::{LayerCodes, Overflow, Stages, TargetError, TargetLayer, unravel};
pub use operator::{Choice, Means, OperatorCodes, Port, TargetOperator, derive_operator, mean_scale};
pub use parameters::{Relu, on_target};
pub use rescale::Rescale;
pub use thresholds::thresholds;
pub use vectors::{Aim, LayerVectors, Missing, Vector, WrongPadding};

use serde::{Deserialize, Serialize};

use crate::parameters::{Activation, CodeType, Range};

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

/// What a register does with a value that it cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnOverflow {
    /// Keeps the low bits.
    #[default]
    Wrap,
    /// Takes the nearest value that it can hold.
    Saturate,
}

impl OnOverflow {
    /// The name in commands and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrap => "wrap",
            Self::Saturate => "saturate",
        }
    }
}

/// A two's complement register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Width, 2..=64.
    pub bits: u32,
    /// What happens beyond it.
    pub on_overflow: OnOverflow,
}

impl Register {
    /// Smallest and largest value.
    pub fn range(self) -> Range<i64> {
        let unused = 64 - self.bits.clamp(2, 64);
        Range { min: i64::MIN >> unused, max: i64::MAX >> unused }
    }

    /// What is in the register after `value` was written to it, and whether that is something else.
    pub fn hold(self, value: i128) -> (i64, bool) {
        let Range { min, max } = self.range();
        let exact = i64::try_from(value).ok().filter(|v| (min..=max).contains(v));
        match (exact, self.on_overflow) {
            (Some(exact), _) => (exact, false),
            (None, OnOverflow::Saturate) => (if value < 0 { min } else { max }, true),
            (None, OnOverflow::Wrap) => {
                let unused = 64 - self.bits.clamp(2, 64);
                #[allow(clippy::cast_possible_truncation, reason = "wrapping keeps the low bits")]
                let low = value as i64;
                ((low << unused) >> unused, true)
            }
        }
    }
}

/// The arithmetic of the user's hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Of the division by 2^n.
    pub rounding: Rounding,
    /// Width of the accumulator in bits, 2..=64. The biased accumulator has `bias_fraction_bits` more, 64 at most.
    pub accumulator_bits: u32,
    /// Width of the product in bits, 2..=64; what comes after it is as wide.
    pub product_bits: u32,
    /// What accumulator and product do beyond their widths.
    pub on_overflow: OnOverflow,
    /// Codes that activations may have beside their own clamp, such as 0..=127.
    pub activation_range: Option<Range<i32>>,
    /// Unsigned activations travel as signed ones: codes and zero points are 128 less, and the folded bias is that of
    /// the smaller Z1. Signed activations stay as they are.
    pub signed_activations: bool,
    /// F: fractional bits of the bias. The bias is `round(b / (S1*S2) * 2^F)`, the accumulator is shifted left by F
    /// before it is added, and the product is shifted right by n + F.
    pub bias_fraction_bits: u32,
}

impl Default for Target {
    /// Ties up, a 32-bit accumulator and a 64-bit product that wrap, codes as they are, an integer bias.
    fn default() -> Self {
        Self {
            rounding: Rounding::HalfUp,
            accumulator_bits: 32,
            product_bits: 64,
            on_overflow: OnOverflow::Wrap,
            activation_range: None,
            signed_activations: false,
            bias_fraction_bits: 0,
        }
    }
}

impl Target {
    /// What is subtracted from codes of this type: 128 where unsigned codes travel as signed ones, else 0.
    pub fn code_shift(&self, code_type: CodeType) -> i32 {
        if self.signed_activations && code_type == CodeType::U8 { 128 } else { 0 }
    }

    /// The codes of a range that activations may have.
    pub fn within(&self, range: Range<i32>) -> Range<i32> {
        match self.activation_range {
            Some(allowed) => Range {
                min: range.min.clamp(allowed.min, allowed.max),
                max: range.max.clamp(allowed.min, allowed.max),
            },
            None => range,
        }
    }

    /// The type that codes of this type have on the target.
    pub fn code_type(&self, code_type: CodeType) -> CodeType {
        if self.code_shift(code_type) == 0 { code_type } else { CodeType::I8 }
    }

    /// S, Z and type of an activation, as the target has them.
    pub fn activation(&self, activation: Activation) -> Activation {
        let zero_point = activation.zero_point - self.code_shift(activation.code_type);
        Activation { zero_point, code_type: self.code_type(activation.code_type), ..activation }
    }

    /// The codes of this type in the model that activations may have, as the target has them.
    pub fn codes(&self, code_type: CodeType) -> Range<i32> {
        let (min, max) = code_type.range();
        let Range { min, max } = self.within(Range { min, max });
        let shift = self.code_shift(code_type);
        Range { min: min - shift, max: max - shift }
    }

    /// A code of the model as the target has it: the nearest that it can have.
    pub fn receive(&self, code: i32, code_type: CodeType) -> i32 {
        let Range { min, max } = self.codes(code_type);
        code.saturating_sub(self.code_shift(code_type)).clamp(min, max)
    }

    /// The register of sum(x_q * w_q).
    pub fn accumulator(&self) -> Register {
        Register { bits: self.accumulator_bits, on_overflow: self.on_overflow }
    }

    /// The register of the accumulator plus folded_bias.
    pub fn biased(&self) -> Register {
        let bits = self.accumulator_bits.saturating_add(self.bias_fraction_bits).min(64);
        Register { bits, on_overflow: self.on_overflow }
    }

    /// The register of the product, and of what comes after it.
    pub fn product(&self) -> Register {
        Register { bits: self.product_bits, on_overflow: self.on_overflow }
    }

    /// The register of a stage after the input.
    pub fn register(&self, stage: Stage) -> Register {
        match stage {
            Stage::Input | Stage::Accumulator => self.accumulator(),
            Stage::Biased => self.biased(),
            Stage::Product | Stage::Shifted | Stage::Offset | Stage::Output => self.product(),
        }
    }
}

/// One observable point inside a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// x_q, the input codes.
    Input,
    /// sum(x_q * w_q), padding counted as Z1.
    Accumulator,
    /// accumulator + folded_bias (- Z2*sum(x_q) where Z2 is not 0).
    Biased,
    /// biased * M0.
    Product,
    /// product * 2^-n, rounded.
    Shifted,
    /// shifted + Z3.
    Offset,
    /// clamp(offset), the output codes.
    Output,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Input,
        Self::Accumulator,
        Self::Biased,
        Self::Product,
        Self::Shifted,
        Self::Offset,
        Self::Output,
    ];

    /// The name in files, commands and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Accumulator => "accumulator",
            Self::Biased => "biased",
            Self::Product => "product",
            Self::Shifted => "shifted",
            Self::Offset => "offset",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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

    #[test]
    fn registers_wrap_or_saturate() {
        let hold = |bits, on_overflow, value| Register { bits, on_overflow }.hold(value);
        let rows = [
            (8, 127, (127, false), (127, false)),
            (8, 128, (-128, true), (127, true)),
            (8, -129, (127, true), (-128, true)),
            (8, 1000, (-24, true), (127, true)),
            (32, 1 << 31, (-(1 << 31), true), ((1 << 31) - 1, true)),
            (64, i128::from(i64::MAX) + 1, (i64::MIN, true), (i64::MAX, true)),
        ];
        for (bits, value, wrapped, saturated) in rows {
            assert_eq!(hold(bits, OnOverflow::Wrap, value), wrapped, "{value} in {bits} bits");
            assert_eq!(hold(bits, OnOverflow::Saturate, value), saturated, "{value} in {bits} bits");
        }
    }
}
