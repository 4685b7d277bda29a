//! Sums and products of two tensors of codes.

use super::{Context, OpError, broadcast};
use crate::contract::Contract;
use crate::exact::Ratio;
use crate::parameters::{Activation, CodeType};
use crate::quantize::{dequantize, dequantize_fused, quantize, round_exact};
use crate::tensor::{Codes, Tensor};

/// Two operands and the result of an element-wise operation.
struct Binary {
    a: Activation,
    b: Activation,
    output: Activation,
    /// With ReLU: no code below the zero point.
    relu: bool,
}

impl Binary {
    fn new(context: &Context<'_>, relu: bool) -> Result<Self, OpError> {
        Ok(Self { a: context.input(0)?, b: context.input(1)?, output: context.output()?, relu })
    }

    fn clamp(&self, code: i64) -> i32 {
        let (min, max) = self.output.code_type.range();
        let min = if self.relu { min.max(self.output.zero_point) } else { min };
        i32::try_from(code.clamp(i64::from(min), i64::from(max))).unwrap_or(min)
    }

    /// FBGEMM: read both codes as floats, add, quantize. The vectorised loop reads them with a fused multiply-add.
    fn add_float(&self, a: i32, b: i32, fused: bool) -> i32 {
        let read = if fused { dequantize_fused } else { dequantize };
        let sum = read(a, self.a) + read(b, self.b);
        quantize(if self.relu { sum.max(0.0) } else { sum }, self.output)
    }

    /// S1*(a - Z1)/S3 + S2*(b - Z2)/S3 + Z3, rounded once, ties to even.
    fn add_exact(&self, a: i32, b: i32) -> Option<i32> {
        let term = |code: i32, activation: Activation| {
            Some(
                Ratio::from_f64(activation.scale)?
                    .times(&Ratio::from_i64(i64::from(code) - i64::from(activation.zero_point))),
            )
        };
        let sum = term(a, self.a)?.plus(&term(b, self.b)?);
        Some(round_exact(&sum, self.output)?.max(self.clamp(i64::MIN)))
    }

    /// S1*S2*(a - Z1)*(b - Z2)/S3 + Z3, rounded once, ties to even.
    fn multiply_exact(&self, a: i32, b: i32) -> Option<i32> {
        let product = i64::from(a - self.a.zero_point) * i64::from(b - self.b.zero_point);
        let scale = Ratio::from_f64(self.a.scale)?.times(&Ratio::from_f64(self.b.scale)?);
        let real = scale.times(&Ratio::from_i64(product));
        Some(round_exact(&real, self.output)?.max(self.clamp(i64::MIN)))
    }
}

/// The integer addition of QNNPACK and XNNPACK: `(a*am + b*bm) >> shift` around the zero points.
struct FixedPoint {
    a: i64,
    b: i64,
    shift: i32,
}

impl FixedPoint {
    /// Multipliers with `bits` bits beside the largest ratio of an input's scale to the output's.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the engines narrow scales to float32; multipliers have 22 bits"
    )]
    fn new(binary: &Binary, bits: i32) -> Option<Self> {
        let ratio_a = binary.a.scale as f32 / binary.output.scale as f32;
        let ratio_b = binary.b.scale as f32 / binary.output.scale as f32;
        let largest = Ratio::from_f64(f64::from(ratio_a.max(ratio_b)))?;
        let shift = bits - i32::try_from(largest.floor_log2()?).ok()?;
        if !(1..=62).contains(&shift) {
            return None;
        }
        let multiplier = |ratio: f32| (f64::from(ratio) * 2f64.powi(shift)).round_ties_even() as i64;
        Some(Self { a: multiplier(ratio_a), b: multiplier(ratio_b), shift })
    }

    fn sum(&self, binary: &Binary, a: i32, b: i32) -> i64 {
        i64::from(a - binary.a.zero_point) * self.a + i64::from(b - binary.b.zero_point) * self.b
    }

    /// QNNPACK: rounds half away from zero.
    fn half_away(&self, sum: i64) -> i64 {
        let mask = (1i64 << self.shift) - 1;
        let remainder = (sum & mask) - i64::from(sum < 0);
        (sum >> self.shift) + i64::from(remainder > mask >> 1)
    }

    /// XNNPACK: rounds half up.
    fn half_up(&self, sum: i64) -> i64 {
        (sum + (1i64 << (self.shift - 1))) >> self.shift
    }
}

/// Sum of two tensors.
pub(super) fn add(a: &Codes, b: &Codes, relu: bool, context: &Context<'_>) -> Result<Codes, OpError> {
    let binary = Binary::new(context, relu)?;
    let (a, b) = broadcast(a, b)?;
    let refuse = || OpError::new("scales too far apart", "ratios that QNNPACK can add");
    match context.contract {
        Contract::Fbgemm | Contract::X86 | Contract::Onednn => {
            // The vectorised loop takes 64 elements at a time; the rest, and operands in different orders, go one by one.
            let same_order =
                a.is_channels_last() == b.is_channels_last() && a.is_contiguous() == b.is_contiguous();
            let vectorised = if same_order { a.elements().len() / 64 * 64 } else { 0 };
            Ok(zip(&a, &b, |i, x, y| binary.add_float(x, y, a.memory_index(i) < vectorised)))
        }
        Contract::Qnnpack => {
            let unsigned = binary.a.code_type == CodeType::U8;
            let fixed = FixedPoint::new(&binary, if unsigned { 21 } else { 20 }).ok_or_else(refuse)?;
            Ok(zip(&a, &b, |_, x, y| {
                let sum = fixed.sum(&binary, x, y);
                let rounded = if unsigned { fixed.half_away(sum) } else { fixed.half_up(sum) };
                binary.clamp(rounded + i64::from(binary.output.zero_point))
            }))
        }
        contract @ (Contract::Onnxruntime | Contract::Litert | Contract::LitertXnnpack) => {
            Err(OpError::no_formula("add", contract))
        }
        Contract::Exact => {
            context.finite()?;
            Ok(zip(&a, &b, |_, x, y| binary.add_exact(x, y).unwrap_or(binary.output.zero_point)))
        }
    }
}

/// Difference of two tensors.
pub(super) fn subtract(a: &Codes, b: &Codes, relu: bool, context: &Context<'_>) -> Result<Codes, OpError> {
    let binary = Binary::new(context, relu)?;
    let (a, b) = broadcast(a, b)?;
    match context.contract {
        Contract::Exact => {
            context.finite()?;
            // b is mirrored at its zero point, which is exact.
            let mirrored = |y: i32| 2 * binary.b.zero_point - y;
            Ok(zip(&a, &b, |_, x, y| binary.add_exact(x, mirrored(y)).unwrap_or(binary.output.zero_point)))
        }
        engine => Err(OpError::no_formula("sub", engine)),
    }
}

/// Product of two tensors: `rint(f32((a - Z1)*(b - Z2)) * ((S1*S2) * (1/S3))) + Z3` in every engine.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "PyTorch narrows to float32, in this order"
)]
pub(super) fn multiply(a: &Codes, b: &Codes, relu: bool, context: &Context<'_>) -> Result<Codes, OpError> {
    let binary = Binary::new(context, relu)?;
    let (a, b) = broadcast(a, b)?;
    if context.contract == Contract::Exact {
        context.finite()?;
        return Ok(zip(&a, &b, |_, x, y| binary.multiply_exact(x, y).unwrap_or(binary.output.zero_point)));
    }
    let multiplier = (binary.a.scale as f32 * binary.b.scale as f32) * (1.0 / binary.output.scale as f32);
    Ok(zip(&a, &b, |_, x, y| {
        let product = (x - binary.a.zero_point) * (y - binary.b.zero_point);
        let rounded = (product as f32 * multiplier).round_ties_even() as i64;
        binary.clamp(rounded.saturating_add(i64::from(binary.output.zero_point)))
    }))
}

/// Element-wise function of (row-major index, element, element); the result has the layout of `a`.
fn zip(a: &Codes, b: &Codes, f: impl Fn(usize, i32, i32) -> i32) -> Codes {
    let (x, y) = (a.elements(), b.elements());
    Tensor::build(a.shape().to_vec(), a.layout(), |i| f(i, x[i], y[i]))
}
