//! Signed codes that ONNX Runtime on x86-64 computes as unsigned ones.
//!
//! It turns a signed QuantizeLinear and the DequantizeLinear behind it into unsigned ones, codes and zero point 128 higher,
//! and only then fuses what stands between such pairs. Sums, products and means of windows add the zero point to a float32
//! before they round, so that a number just beside a tie may round to the other side when the zero point is larger.

use super::{Context, Fusion, Op, OpError, Shapes, Value};
use crate::contract::Contract;
use crate::parameters::{Activation, CodeType};

/// How much higher unsigned codes are.
const OFFSET: i32 = 128;

/// Whether an operator's rounding depends on its codes' sign, and the engine drops it.
pub(super) fn is_computed_unsigned(op: &Op, context: &Context<'_>) -> bool {
    let signed = |activation: Option<Activation>| activation.is_some_and(|a| a.code_type == CodeType::I8);
    context.fusion == Fusion::Unsigned
        && context.contract == Contract::Onnxruntime
        && matches!(op, Op::Add { .. } | Op::Mul { .. } | Op::AveragePool(_))
        && context.inputs.iter().copied().chain([context.output]).all(signed)
}

/// The results of an operator, computed with unsigned codes and given as signed ones.
pub(super) fn apply_unsigned(
    op: &Op,
    inputs: &[&Value],
    known: &Shapes,
    context: &Context<'_>,
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
    let results = op.apply(&higher.iter().collect::<Vec<_>>(), known, &context)?;
    Ok(results.iter().map(|value| moved(value, -OFFSET)).collect())
}

/// Codes with a number added.
fn moved(value: &Value, by: i32) -> Value {
    match value {
        Value::Codes(codes) => Value::Codes(codes.map(|&code| code + by)),
        Value::Floats(floats) => Value::Floats(floats.clone()),
    }
}
