//! ReLU and clamps of codes.

use super::context::{Context, OpError};
use crate::contract::Contract;
use crate::exact::Ratio;
use crate::parameters::{Activation, CodeType};
use crate::quantize::{quantize, quantize_as, round_exact, table_entry};
use crate::tensor::{Codes, Layout, Tensor};

/// max(code, Z).
pub(super) fn relu(input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let zero_point = context.input(0)?.zero_point;
    Ok(input.map(|&code| code.max(zero_point)))
}

/// The code of a bound, which may be infinite.
fn bound(value: f64, activation: Activation, contract: Contract) -> i32 {
    #[allow(clippy::cast_possible_truncation, reason = "the engines hold bounds as float32")]
    let narrow = value as f32;
    match contract {
        Contract::Fbgemm | Contract::Qnnpack | Contract::Onednn | Contract::X86 => {
            quantize(narrow, activation)
        }
        Contract::Onnxruntime => quantize_as(contract, narrow, activation),
        // The delegate adds the zero point before it rounds.
        Contract::LitertXnnpack => table_entry(narrow, activation),
        Contract::Litert | Contract::LitertBuiltin => quantize_as(Contract::Litert, narrow, activation),
        Contract::Exact => match Ratio::from_f64(value) {
            Some(value) => round_exact(&value, activation).unwrap_or(activation.zero_point),
            None => quantize(narrow, activation),
        },
    }
}

/// Codes limited to the codes of `min` and `max`.
///
/// QNNPACK's kernel hands channels-last bytes back under the name of contiguous ones (PyTorch 1.13 to 2.15): every
/// element moves, and so it does here.
pub(super) fn clamp(min: f64, max: f64, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let activation = context.input(0)?;
    let (low, high) = (bound(min, activation, context.contract), bound(max, activation, context.contract));
    // As the engines do where the bounds cross: the upper one wins.
    let clamped = input.map(|&code| code.max(low).min(high));
    let by_qnnpack = context.contract == Contract::Qnnpack && activation.code_type == CodeType::U8;
    if !by_qnnpack || input.shape().len() < 4 || input.dense_layout() == Layout::Contiguous {
        return Ok(clamped);
    }
    let mut bytes = vec![0; clamped.elements().len()];
    for (index, &code) in clamped.elements().iter().enumerate() {
        bytes[clamped.memory_index(index)] = code;
    }
    Ok(Tensor::build(input.shape().to_vec(), Layout::Contiguous, |i| bytes[i]))
}
