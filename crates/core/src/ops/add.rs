//! Sums, differences and products of two tensors of codes.

use super::axes::broadcast;
use super::context::{Context, OpError};
use super::iteration::Vectors;
use crate::contract::Contract;
use crate::exact::Ratio;
use crate::fixed_point::FixedPoint;
use crate::parameters::{Activation, CodeType};
use crate::quantize::{dequantize, dequantize_fused, offset, quantize, quantize_as, round_exact};
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

    /// S1*(a - Z1)/S3 + S2*(b - Z2)/S3 + Z3, or with a minus, rounded once, ties to even.
    fn add_exact(&self, a: i32, b: i32, sign: Sign) -> Option<i32> {
        let term = |code: i32, activation: Activation| {
            Some(
                Ratio::from_f64(activation.scale)?
                    .times(&Ratio::from_i64(i64::from(code) - i64::from(activation.zero_point))),
            )
        };
        let (first, second) = (term(a, self.a)?, term(b, self.b)?);
        let sum = match sign {
            Sign::Plus => first.plus(&second),
            Sign::Minus => first.minus(&second),
        };
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

/// Whether the second operand is added or subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

/// ONNX Runtime's addition: `rint(fma(a, S1/S3, fma(b, S2/S3, Z3 - fma(S1/S3, Z1, S2/S3*Z2))))`.
struct FusedSum {
    a: f32,
    b: f32,
    fixed: f32,
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the engine computes in float32; the cast saturates"
)]
impl FusedSum {
    fn new(binary: &Binary) -> Self {
        let [a, b] = [binary.a, binary.b].map(|input| input.scale as f32 / binary.output.scale as f32);
        let zero_points = a.mul_add(binary.a.zero_point as f32, b * binary.b.zero_point as f32);
        Self { a, b, fixed: binary.output.zero_point as f32 - zero_points }
    }

    fn code(&self, a: i32, b: i32) -> i64 {
        self.a.mul_add(a as f32, self.b.mul_add(b as f32, self.fixed)).round_ties_even() as i64
    }
}

/// TFLite's addition: both operands, shifted left, at twice the larger scale, and their sum at S3; every product is
/// rounded twice.
struct LeftShiftedSum {
    left_shift: u32,
    a: FixedPoint,
    b: FixedPoint,
    output: FixedPoint,
}

impl LeftShiftedSum {
    fn new(binary: &Binary, sign: Sign) -> Option<Self> {
        let left_shift = if binary.output.code_type == CodeType::I16 { 15 } else { 20 };
        let twice_larger = 2.0 * binary.a.scale.max(binary.b.scale);
        let b = FixedPoint::of(binary.b.scale / twice_larger)?;
        let b = match sign {
            Sign::Plus => b,
            Sign::Minus => FixedPoint { multiplier: -b.multiplier, ..b },
        };
        Some(Self {
            left_shift,
            a: FixedPoint::of(binary.a.scale / twice_larger)?,
            b,
            output: FixedPoint::of(twice_larger / (f64::from(1 << left_shift) * binary.output.scale))?,
        })
    }

    fn code(&self, binary: &Binary, a: i32, b: i32) -> i64 {
        let a = self.a.double((a - binary.a.zero_point) << self.left_shift);
        let b = self.b.double((b - binary.b.zero_point) << self.left_shift);
        i64::from(self.output.double(a.wrapping_add(b))) + i64::from(binary.output.zero_point)
    }
}

/// The integer addition of QNNPACK and XNNPACK: `(a*am + b*bm) >> shift` around the zero points.
struct SharedShift {
    a: i64,
    b: i64,
    shift: i32,
}

impl SharedShift {
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

    fn sum(&self, binary: &Binary, a: i32, b: i32, sign: Sign) -> i64 {
        let second = i64::from(b - binary.b.zero_point) * self.b;
        i64::from(a - binary.a.zero_point) * self.a
            + match sign {
                Sign::Plus => second,
                Sign::Minus => -second,
            }
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

/// Sum or difference of two tensors.
pub(super) fn add(
    a: &Codes,
    b: &Codes,
    sign: Sign,
    relu: bool,
    context: &Context<'_>,
) -> Result<Codes, OpError> {
    let binary = Binary::new(context, relu)?;
    let memory = [(a.shape(), a.layout()), (b.shape(), b.layout())];
    let (a, b) = broadcast(a, b)?;
    let refuse = || OpError::new("scales too far apart", "ratios that the engine can add");
    match context.contract {
        contract @ (Contract::Fbgemm | Contract::X86 | Contract::Onednn | Contract::Qnnpack)
            if sign == Sign::Minus =>
        {
            Err(OpError::no_formula("sub", contract))
        }
        Contract::Fbgemm | Contract::X86 | Contract::Onednn => {
            let vectors = Vectors::new(a.shape(), a.layout(), &memory);
            Ok(zip(&a, &b, |i, x, y| binary.add_float(x, y, vectors.contains(i))))
        }
        Contract::Qnnpack => {
            let unsigned = binary.a.code_type == CodeType::U8;
            let fixed = SharedShift::new(&binary, if unsigned { 21 } else { 20 }).ok_or_else(refuse)?;
            Ok(zip(&a, &b, |_, x, y| {
                let sum = fixed.sum(&binary, x, y, sign);
                let rounded = if unsigned { fixed.half_away(sum) } else { fixed.half_up(sum) };
                binary.clamp(rounded + i64::from(binary.output.zero_point))
            }))
        }
        Contract::Onnxruntime => Ok(match sign {
            Sign::Plus if context.is_float() => zip(&a, &b, |_, x, y| {
                let sum = dequantize(x, binary.a) + dequantize(y, binary.b);
                binary.clamp(i64::from(quantize_as(Contract::Onnxruntime, sum, binary.output)))
            }),
            Sign::Plus => {
                let sum = FusedSum::new(&binary);
                zip(&a, &b, |_, x, y| binary.clamp(sum.code(x, y)))
            }
            // There is no quantized subtraction: it is one of dequantized numbers.
            Sign::Minus => zip(&a, &b, |_, x, y| {
                let difference = dequantize(x, binary.a) - dequantize(y, binary.b);
                binary.clamp(i64::from(quantize_as(Contract::Onnxruntime, difference, binary.output)))
            }),
        }),
        Contract::Litert | Contract::LitertBuiltin => {
            let sum = LeftShiftedSum::new(&binary, sign).ok_or_else(refuse)?;
            Ok(zip(&a, &b, |_, x, y| binary.clamp(sum.code(&binary, x, y))))
        }
        Contract::LitertXnnpack => {
            let fixed = SharedShift::new(&binary, 20).ok_or_else(refuse)?;
            Ok(zip(&a, &b, |_, x, y| {
                let rounded = fixed.half_up(fixed.sum(&binary, x, y, sign));
                binary.clamp(rounded + i64::from(binary.output.zero_point))
            }))
        }
        Contract::Exact => {
            context.finite()?;
            Ok(zip(&a, &b, |_, x, y| binary.add_exact(x, y, sign).unwrap_or(binary.output.zero_point)))
        }
    }
}

/// Product of two tensors, p = (a - Z1)*(b - Z2): in PyTorch `rint(f32(p) * ((S1*S2) * (1/S3))) + Z3`, in XNNPACK with
/// `(S1*S2) / S3`, in ONNX Runtime with Z3 added before rounding; TFLite's reference kernels round twice.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the engines narrow to float32, in this order; the cast saturates"
)]
pub(super) fn multiply(a: &Codes, b: &Codes, relu: bool, context: &Context<'_>) -> Result<Codes, OpError> {
    let binary = Binary::new(context, relu)?;
    let (a, b) = broadcast(a, b)?;
    let product = |x: i32, y: i32| (x - binary.a.zero_point).wrapping_mul(y - binary.b.zero_point);
    let scales = binary.a.scale as f32 * binary.b.scale as f32;
    let quotient = scales / binary.output.scale as f32;
    let rounded = |multiplier: f32| {
        zip(&a, &b, |_, x, y| {
            let rounded = (product(x, y) as f32 * multiplier).round_ties_even();
            binary.clamp(i64::from(offset(rounded, binary.output)))
        })
    };
    Ok(match context.contract {
        Contract::Fbgemm | Contract::Qnnpack | Contract::Onednn | Contract::X86 => {
            rounded(scales * (1.0 / binary.output.scale as f32))
        }
        Contract::LitertXnnpack => rounded(quotient),
        Contract::Onnxruntime if context.is_float() => zip(&a, &b, |_, x, y| {
            let real = dequantize(x, binary.a) * dequantize(y, binary.b);
            binary.clamp(i64::from(quantize_as(Contract::Onnxruntime, real, binary.output)))
        }),
        Contract::Onnxruntime => zip(&a, &b, |_, x, y| {
            let real = product(x, y) as f32 * quotient + binary.output.zero_point as f32;
            binary.clamp(real.round_ties_even() as i64)
        }),
        Contract::Litert | Contract::LitertBuiltin => {
            // TFLite multiplies and divides the scales as float32.
            let factor = FixedPoint::of(f64::from(quotient))
                .ok_or_else(|| OpError::new("scales too far apart", "a product below 2^31"))?;
            zip(&a, &b, |_, x, y| {
                let code = i64::from(factor.double(product(x, y))) + i64::from(binary.output.zero_point);
                binary.clamp(code)
            })
        }
        Contract::Exact => {
            context.finite()?;
            zip(&a, &b, |_, x, y| binary.multiply_exact(x, y).unwrap_or(binary.output.zero_point))
        }
    })
}

/// Element-wise function of (row-major index, element, element); the result has the layout of `a`.
fn zip(a: &Codes, b: &Codes, f: impl Fn(usize, i32, i32) -> i32) -> Codes {
    let (x, y) = (a.elements(), b.elements());
    Tensor::build(a.shape().to_vec(), a.dense_layout(), |i| f(i, x[i], y[i]))
}
