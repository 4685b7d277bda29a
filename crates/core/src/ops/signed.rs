//! Signed codes that ONNX Runtime on x86-64 computes as unsigned ones.
//!
//! It turns a signed QuantizeLinear and the DequantizeLinear behind it into unsigned ones, codes and zero point 128 higher,
//! and only then fuses what stands between such pairs. Sums, products and means of windows add the zero point to a float32
//! before they round, so that a number just beside a tie may round to the other side when the zero point is larger.

use super::context::{Context, OpError, Value};
use super::fusion::Fusion;
use crate::contract::Contract;
use crate::parameters::{Activation, CodeType};

/// How much higher unsigned codes are.
const OFFSET: i32 = 128;

/// Whether the engine drops the sign of an operator's codes, on which its rounding depends.
pub(super) fn is_computed_unsigned(context: &Context<'_>) -> bool {
    let signed = |activation: Option<Activation>| activation.is_some_and(|a| a.code_type == CodeType::I8);
    context.fusion == Fusion::Unsigned
        && context.contract == Contract::Onnxruntime
        && context.inputs.iter().copied().chain([context.output]).all(signed)
}

/// The results of an operator that `apply` computes, with unsigned codes and given as signed ones.
pub(super) fn apply_unsigned(
    inputs: &[&Value],
    context: &Context<'_>,
    apply: impl Fn(&[&Value], &Context<'_>) -> Result<Vec<Value>, OpError>,
) -> Result<Vec<Value>, OpError> {
    let unsigned = |activation: Activation| Activation {
        zero_point: activation.zero_point + OFFSET,
        code_type: CodeType::U8,
        ..activation
    };
    let activations: Vec<Option<Activation>> = context.inputs.iter().map(|a| a.map(unsigned)).collect();
    let context = Context {
        inputs: &activations,
        output: context.output.map(unsigned),
        fusion: Fusion::Codes,
        ..*context
    };
    let higher: Vec<Value> = inputs.iter().map(|value| moved(value, OFFSET)).collect();
    let results = apply(&higher.iter().collect::<Vec<_>>(), &context)?;
    Ok(results.iter().map(|value| moved(value, -OFFSET)).collect())
}

/// Codes with a number added.
fn moved(value: &Value, by: i32) -> Value {
    match value {
        Value::Codes(codes) => Value::Codes(codes.map(|&code| code + by)),
        Value::Floats(floats) => Value::Floats(floats.clone()),
    }
}
