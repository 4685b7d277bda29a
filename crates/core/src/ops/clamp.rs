//! ReLU and clamps of codes.

use super::context::{Context, OpError};
use super::layer::Layer;
use crate::contract::Contract;
use crate::exact::Ratio;
use crate::parameters::{Activation, CodeType, Range};
use crate::quantize::{quantize, quantize_as, round_exact};
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
        Contract::LitertXnnpack => bound_of_delegate(narrow, activation),
        Contract::Litert | Contract::LitertBuiltin => quantize_as(Contract::Litert, narrow, activation),
        Contract::Exact => match Ratio::from_f64(value) {
            Some(value) => round_exact(&value, activation).unwrap_or(activation.zero_point),
            None => quantize(narrow, activation),
        },
    }
}

/// `clamp(rint(x / S + Z))` in binary32: XNNPACK adds the zero point before it rounds.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the engine narrows to float32; the cast saturates"
)]
fn bound_of_delegate(value: f32, activation: Activation) -> i32 {
    let (min, max) = activation.code_type.range();
    let code = (value / activation.scale as f32 + activation.zero_point as f32).round_ties_even();
    (code as i32).clamp(min, max)
}

impl Layer {
    /// The clamp of its own output codes in an engine: [`Layer::clamp_of`], but for a fused RELU6 or RELU_N1_TO_1 in XNNPACK,
    /// which rounds their bounds otherwise than TFLite's kernels do, so that a bound at a tie may be one code away.
    pub(crate) fn clamp_in(&self, contract: Contract, output: Activation) -> Option<Range<i32>> {
        let own = self.clamp_of(output)?;
        if contract != Contract::LitertXnnpack || self.clamp.is_none() {
            return Some(own);
        }
        let (min, max) = if self.relu == Some(true) { (0.0, 6.0) } else { (-1.0, 1.0) };
        let end = |value: f64, code: i32| {
            let is_it = bound(value, output, Contract::Litert) == code;
            if is_it { bound(value, output, contract) } else { code }
        };
        Some(Range { min: end(min, own.min), max: end(max, own.max) })
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
