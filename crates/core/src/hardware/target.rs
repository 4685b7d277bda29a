//! What is told of the user's hardware: roundings, widths, codes.

use super::register::{OnOverflow, Register};
use super::rounding::Rounding;
use super::stage::Stage;
use crate::parameters::{Activation, CodeType, Range};

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
