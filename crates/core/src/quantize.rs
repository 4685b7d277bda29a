//! Real numbers to codes and back, as each engine does it.

use crate::contract::Contract;
use crate::exact::Ratio;
use crate::parameters::Activation;

/// The code that an engine gives a real number.
///
/// PyTorch and XNNPACK multiply by the reciprocal of S, see [`quantize`]. ONNX Runtime and LiteRT's reference kernels divide
/// by S in binary32, and LiteRT's round ties away from zero; Z is added after rounding. 0 mismatches in 27,000,000 values
/// of `QuantizeLinear` (ONNX Runtime 1.32) and 24,000,000 of `QUANTIZE` (LiteRT 2.3).
pub fn quantize_as(contract: Contract, x: f32, activation: Activation) -> i32 {
    #[allow(clippy::cast_possible_truncation, reason = "the engines hold scales as float32")]
    let scaled = x / activation.scale as f32;
    match contract {
        Contract::Fbgemm
        | Contract::Qnnpack
        | Contract::Onednn
        | Contract::X86
        | Contract::LitertXnnpack
        | Contract::LitertBuiltin => quantize(x, activation),
        Contract::Onnxruntime => offset(scaled.round_ties_even(), activation),
        Contract::Litert => offset(scaled.round(), activation),
        Contract::Exact => match Ratio::from_f64(f64::from(x)) {
            Some(real) => round_exact(&real, activation).unwrap_or(activation.zero_point),
            None => quantize(x, activation),
        },
    }
}

/// `clamp(rounded + Z, qmin, qmax)`.
pub(crate) fn offset(rounded: f32, activation: Activation) -> i32 {
    let (min, max) = activation.code_type.range();
    #[allow(clippy::cast_possible_truncation, reason = "the cast saturates before the clamp")]
    let code = (rounded as i64).saturating_add(i64::from(activation.zero_point));
    i32::try_from(code.clamp(i64::from(min), i64::from(max))).unwrap_or(min)
}

/// `clamp(rint(x * (1/S)) + Z, qmin, qmax)`, all in binary32 but the zero point, which is added after rounding.
///
/// Source: PyTorch `quantize_val`; 0 mismatches in 17,694,720 values for `torch.quantize_per_tensor` of torch 1.13 to 2.15.
pub fn quantize(x: f32, activation: Activation) -> i32 {
    #[allow(clippy::cast_possible_truncation, reason = "PyTorch narrows the scale to float32 first")]
    let reciprocal = 1.0 / activation.scale as f32;
    offset((x * reciprocal).round_ties_even(), activation)
}

/// `clamp(rint(x * (1/S) + Z), qmin, qmax)` in binary32: QNNPACK's and XNNPACK's tables.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the engine narrows to float32; the cast saturates"
)]
pub(crate) fn table_entry(value: f32, output: Activation) -> i32 {
    let (min, max) = output.code_type.range();
    let code = (value * (1.0 / output.scale as f32) + output.zero_point as f32).round_ties_even();
    (code as i32).clamp(min, max)
}

/// `(code - Z) * S` in binary32: what `torch.dequantize` gives.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "PyTorch narrows the scale; codes are below 2^24"
)]
pub fn dequantize(code: i32, activation: Activation) -> f32 {
    (code as f32 - activation.zero_point as f32) * activation.scale as f32
}

/// `fma(S, code, S * -Z)` in binary32: what PyTorch's vectorised kernels read from a code.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "PyTorch narrows the scale; codes are below 2^24"
)]
pub fn dequantize_fused(code: i32, activation: Activation) -> f32 {
    let scale = activation.scale as f32;
    scale.mul_add(code as f32, scale * -activation.zero_point as f32)
}

/// `clamp(round(real/S) + Z)`, ties to even, without any other rounding; `None` where S is not a positive number.
pub fn round_exact(real: &Ratio, activation: Activation) -> Option<i32> {
    let (min, max) = activation.code_type.range();
    let steps = real.over(&Ratio::from_f64(activation.scale)?)?;
    // Beyond 64 bits the clamp decides.
    let rounded = steps.round_scaled(0).unwrap_or(if steps.is_negative() { i128::MIN } else { i128::MAX });
    let code = rounded.saturating_add(i128::from(activation.zero_point)).clamp(min.into(), max.into());
    i32::try_from(code).ok()
}

/// The code of the same real number under another S and Z, rounded once, ties to even.
pub fn requantize_exact(code: i32, input: Activation, output: Activation) -> i32 {
    let steps = Ratio::from_i64(i64::from(code) - i64::from(input.zero_point));
    Ratio::from_f64(input.scale)
        .and_then(|scale| round_exact(&scale.times(&steps), output))
        .unwrap_or(output.zero_point)
}

/// `round(b / (S1*S2))`, exact, ties to even; `None` if it does not fit in 64 bits.
pub fn quantize_bias(bias: f32, input_scale: f64, weight_scale: f64) -> Option<i64> {
    let scale = Ratio::from_f64(input_scale)?.times(&Ratio::from_f64(weight_scale)?);
    let rounded = Ratio::from_f64(f64::from(bias))?.over(&scale)?.round_scaled(0)?;
    i64::try_from(rounded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::CodeType;

    #[test]
    fn engines_differ_at_ties_and_by_the_reciprocal() {
        let step =
            |scale: f32| Activation { scale: f64::from(scale), zero_point: 1, code_type: CodeType::I8 };
        // 2.5 steps of a half; and 7.4999995 steps of 0.3, which times the float32 reciprocal are 7.5.
        let rows = [(1.25, 0.5, [3, 3, 4, 3]), (-1.25, 0.5, [-1, -1, -2, -1]), (2.25, 0.3, [9, 8, 8, 8])];
        let contracts = [Contract::Fbgemm, Contract::Onnxruntime, Contract::Litert, Contract::Exact];
        for (x, scale, expected) in rows {
            assert_eq!(contracts.map(|c| quantize_as(c, x, step(scale))), expected, "{x} by {scale}");
        }
    }

    #[test]
    fn ties_and_ends() {
        let unit = Activation { scale: 1.0, zero_point: 3, code_type: CodeType::U8 };
        for (x, code) in
            [(0.5, 3), (1.5, 5), (-0.5, 3), (-10.0, 0), (1e30, 255), (f32::NEG_INFINITY, 0), (252.4, 255)]
        {
            assert_eq!(quantize(x, unit), code, "{x}");
        }
    }
}
