//! Softmax of codes along an axis.

use super::axes::axis_of;
use super::context::{Context, OpError};
use super::fixed_function::clamped;
use super::wide_softmax::WideSoftmax;
use crate::contract::Contract;
use crate::fixed_point::{FixedPoint, divide_half_away, doubling_high};
use crate::gemmlowp::{exp_of_negative, reciprocal_of_one_plus, shift_left};
use crate::parameters::{Activation, CodeType};
use crate::quantize::{dequantize, quantize};
use crate::tensor::{Codes, Layout, Tensor, coordinates, strides};

/// exp(x - max) / sum(exp(x - max)) of the dequantized codes, quantized.
///
/// 0 mismatches in 737,280 values with PyTorch's `quantized::softmax`, whose order of summation is not known.
#[allow(clippy::cast_possible_truncation, reason = "PyTorch computes in float32")]
pub(super) fn softmax(axis: i64, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let (source, output) = (context.input(0)?, context.output()?);
    let shape = input.shape();
    let axis = axis_of(axis, shape.len())?;
    let fixed_output = output.scale == 1.0 / 256.0 && output.zero_point == 0;
    if context.contract == Contract::Qnnpack
        && source.code_type == CodeType::U8
        && fixed_output
        && axis + 1 == shape.len()
    {
        return Err(OpError::new(
            "a softmax over its last axis to scale 1/256, which QNNPACK computes by a table of its own",
            "another engine",
        ));
    }
    let step = strides(shape)[axis];
    let elements = input.elements();
    let fixed = matches!(context.contract, Contract::Litert | Contract::LitertBuiltin);
    if fixed && source.code_type == CodeType::I16 {
        let softmax = WideSoftmax::new(source, output)?;
        return Ok(Tensor::build(shape.to_vec(), input.dense_layout(), |index| {
            let first = index - coordinates(index, shape)[axis] * step;
            softmax.code((0..shape[axis]).map(|i| elements[first + i * step]), elements[index])
        }));
    }
    if context.contract == Contract::Litert {
        let softmax = FixedSoftmax::new(source, output)?;
        return Ok(Tensor::build(shape.to_vec(), input.dense_layout(), |index| {
            let first = index - coordinates(index, shape)[axis] * step;
            softmax.code((0..shape[axis]).map(|i| elements[first + i * step]), elements[index])
        }));
    }
    if context.contract == Contract::Onnxruntime && !context.is_float() {
        let softmax = TabledSoftmax::new(source, output, shape[axis]);
        return Ok(Tensor::build(shape.to_vec(), input.layout(), |index| {
            let first = index - coordinates(index, shape)[axis] * step;
            softmax.code((0..shape[axis]).map(|i| elements[first + i * step]), elements[index])
        }));
    }
    if context.contract == Contract::LitertBuiltin {
        return Ok(Tensor::build(shape.to_vec(), input.dense_layout(), |index| {
            let first = index - coordinates(index, shape)[axis] * step;
            float_share((0..shape[axis]).map(|i| elements[first + i * step]), elements[index], source, output)
        }));
    }
    Ok(Tensor::build(shape.to_vec(), layout(axis, input, context), |index| {
        let first = index - coordinates(index, shape)[axis] * step;
        let line = || (0..shape[axis]).map(|i| elements[first + i * step]);
        let largest = line().max().unwrap_or(0);
        let power = |code: i32| {
            let distance = dequantize(code, source) - dequantize(largest, source);
            f64::from(distance).exp() as f32
        };
        match context.contract {
            Contract::Onnxruntime | Contract::LitertXnnpack => {
                // The engine's table of exponentials is finer than codes: none of 384,000 of LiteRT differs. ONNX Runtime
                // is here for what it does not fuse, where exponentials and the order of their sum are its own.
                let power = |code: i32| (f64::from(code - largest) * source.scale).exp();
                let share = power(elements[index]) / line().map(power).sum::<f64>();
                clamped((share / output.scale).round_ties_even() as i64, output)
            }
            Contract::Fbgemm
            | Contract::Qnnpack
            | Contract::Onednn
            | Contract::X86
            | Contract::Litert
            | Contract::LitertBuiltin
            | Contract::Exact => {
                let sum: f64 = line().map(|code| f64::from(power(code))).sum();
                quantize(power(elements[index]) / sum as f32, output)
            }
        }
    }))
}

/// ONNX Runtime's softmax of codes: a table of exponentials of distances from the largest code, so large that their sum
/// still fits a float32; the sum in float32, in order; and the share of the whole number of S3 that 1 holds.
///
/// Source: ONNX Runtime `contrib_ops/cpu/quantization/qlinear_softmax.cc`; 0 of 15,948,649 codes of ONNX Runtime 1.32 differ
/// (both signs, S1 of 1e-5 to 300, S3 of 1e-6 to 2, lines of 1 to 2,000 codes).
struct TabledSoftmax {
    /// By distance from the largest code.
    powers: Vec<f32>,
    /// floor(1 / S3).
    unit: f64,
    output: Activation,
}

impl TabledSoftmax {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the engine narrows to float32, in this order"
    )]
    fn new(input: Activation, output: Activation, length: usize) -> Self {
        /// Powers of e that are kept in reserve.
        const RESERVE: f64 = 5.0;
        let scale = f64::from(input.scale as f32);
        let most = f64::from(f64::from(f32::MAX / length as f32).ln() as f32);
        let shift = (most - RESERVE).max(0.0) / scale;
        let power = |distance: i32| ((shift - f64::from(distance)) * scale).exp() as f32;
        Self {
            powers: (0..256).map(power).collect(),
            unit: f64::from((1.0 / output.scale as f32).floor()),
            output,
        }
    }

    /// The code of an element of a line.
    fn code(&self, line: impl Iterator<Item = i32> + Clone, element: i32) -> i32 {
        let largest = line.clone().max().unwrap_or(0);
        let power = |code: i32| {
            let distance = usize::try_from(largest - code).ok();
            distance.and_then(|distance| self.powers.get(distance)).copied().unwrap_or(0.0)
        };
        let sum = line.map(power).fold(0.0f32, |sum, power| sum + power);
        let share = f64::from(power(element)) * self.unit / f64::from(sum);
        #[allow(clippy::cast_possible_truncation, reason = "the cast saturates before the clamp")]
        clamped(share.round_ties_even() as i64, self.output)
    }
}

/// The code of an element of a line in TFLite's optimized kernel: float32 exponentials, added up in the order of the line,
/// and one reciprocal.
///
/// Source: TFLite `kernels/internal/optimized/optimized_ops.h`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the kernel computes in float32"
)]
fn float_share(
    line: impl Iterator<Item = i32> + Clone,
    element: i32,
    input: Activation,
    output: Activation,
) -> i32 {
    let largest = line.clone().max().unwrap_or(0);
    let scale = -(input.scale as f32);
    let power = |code: i32| f64::from(scale * (largest - code) as f32).exp() as f32;
    let sum = line.fold(0.0_f32, |sum, code| sum + power(code));
    let share = power(element) * (1.0 / (sum * output.scale as f32));
    let rounded = match output.code_type {
        CodeType::U8 => (share + 0.5) as i64,
        CodeType::I8 | CodeType::I16 | CodeType::I32 => share.round() as i64,
    };
    clamped(rounded, output)
}

/// TFLite's softmax in fixed point, of 8-bit codes to codes of 8 or 16 bits that count 1/256 or 1/65536 from the smallest
/// code on: exponentials without integer bits, their sum with 12.
///
/// Source: TFLite `kernels/internal/reference/softmax.h`.
struct FixedSoftmax {
    factor: FixedPoint,
    smallest_difference: i32,
    output: CodeType,
}

/// Integer bits of a scaled difference of codes.
const DIFFERENCE_BITS: i32 = 5;

/// Integer bits of the sum of exponentials.
const SUM_BITS: i32 = 12;

impl FixedSoftmax {
    fn new(input: Activation, output: Activation) -> Result<Self, OpError> {
        // TFLite takes a scale of 16-bit codes that is near to the one that it computes with.
        let (expected, tolerance) = match output.code_type {
            CodeType::U8 => ((1.0 / 256.0, 0), 0.0),
            CodeType::I8 => ((1.0 / 256.0, -128), 0.0),
            CodeType::I16 | CodeType::I32 => ((1.0 / 65_536.0, -32_768), 0.001),
        };
        let near = (output.scale - expected.0).abs() <= tolerance * expected.0;
        if !near || output.zero_point != expected.1 {
            return Err(OpError::new(
                format!("a softmax to scale {} and zero point {}", output.scale, output.zero_point),
                format!("{} and {}, the only ones that TFLite has", expected.0, expected.1),
            ));
        }
        let largest = 2_147_483_647.0_f64;
        let factor = FixedPoint::of((input.scale * f64::from(1 << (31 - DIFFERENCE_BITS))).min(largest))
            .filter(|factor| (0..=31).contains(&factor.exponent))
            .ok_or_else(|| {
                OpError::new(format!("a softmax of scale {}", input.scale), "one between 2^-27 and 32")
            })?;
        let reach = f64::from((1 << DIFFERENCE_BITS) - 1) * f64::from(1 << (31 - DIFFERENCE_BITS));
        #[allow(clippy::cast_possible_truncation, reason = "below 2^31")]
        let radius = (reach / 2f64.powi(factor.exponent)).floor() as i64;
        let smallest_difference = i32::try_from(-radius).unwrap_or(i32::MIN);
        Ok(Self { factor, smallest_difference, output: output.code_type })
    }

    /// exp(difference) without integer bits; `None` where it is nothing beside 1.
    fn exp(&self, difference: i32) -> Option<i32> {
        let scaled =
            || self.factor.doubling_high(shift_left(difference, self.factor.exponent.unsigned_abs()));
        (difference >= self.smallest_difference).then(|| exp_of_negative(scaled()))
    }

    /// The code of an element of a line.
    fn code(&self, line: impl Iterator<Item = i32> + Clone, element: i32) -> i32 {
        let (min, max) = self.output.range();
        let largest = line.clone().max().unwrap_or(0);
        let sum = line
            .filter_map(|code| self.exp(code - largest))
            .fold(0_i32, |sum, exp| sum.wrapping_add(divide_half_away(exp, SUM_BITS)));
        let Some(exp) = self.exp(element - largest) else { return min };
        // The sum is at least 1: normalised, it lies in 1..2.
        let headroom = sum.leading_zeros();
        let normalized = (sum.cast_unsigned() << headroom.min(31)).wrapping_sub(1 << 31).cast_signed();
        let product = doubling_high(reciprocal_of_one_plus(normalized), exp);
        let bits_over_unit = SUM_BITS - i32::try_from(headroom).unwrap_or(0);
        let bits = i32::try_from(self.output.bits()).unwrap_or(8);
        let share = divide_half_away(product, (bits_over_unit + 31 - bits).clamp(0, 31));
        share.saturating_add(min).clamp(min, max)
    }
}

/// PyTorch's result lies in row-major order; QNNPACK's, after the axis that it is computed over has been moved to the end.
fn layout(axis: usize, input: &Codes, context: &Context<'_>) -> Layout {
    if !context.contract.is_pytorch() {
        return input.dense_layout();
    }
    let unsigned = context.input(0).is_ok_and(|activation| activation.code_type == CodeType::U8);
    let shape = input.shape();
    let last = shape.len().saturating_sub(1);
    if context.contract != Contract::Qnnpack || !unsigned || axis == last {
        return Layout::Contiguous;
    }
    if axis == 1 && shape.len() == 4 && input.is_channels_last() {
        return Layout::ChannelsLast;
    }
    let mut moved = shape.to_vec();
    moved.swap(axis, last);
    let mut distances = strides(&moved);
    distances.swap(axis, last);
    Layout::of_strides(&distances, shape)
}
