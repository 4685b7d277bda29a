//! The smaller or the larger of two codes, element by element.

use super::axes::broadcast;
use super::context::{Context, OpError};
use crate::contract::Contract;
use crate::quantize::{dequantize, quantize_as};
use crate::tensor::{Codes, Tensor};

/// Which of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extremum {
    /// The smaller.
    Minimum,
    /// The larger.
    Maximum,
}

impl Extremum {
    /// The name in graph files: `minimum`, `maximum`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
        }
    }

    /// Picks codes where both operands and the result have one S and Z. ONNX Runtime also takes others: it has no quantized
    /// kernel and compares dequantized numbers.
    pub(super) fn apply(self, a: &Codes, b: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
        let (first, second, output) = (context.input(0)?, context.input(1)?, context.output()?);
        let (a, b) = broadcast(a, b)?;
        let (x, y) = (a.elements(), b.elements());
        if first == output && second == output {
            return Ok(Tensor::build(a.shape().to_vec(), a.dense_layout(), |i| match self {
                Self::Minimum => x[i].min(y[i]),
                Self::Maximum => x[i].max(y[i]),
            }));
        }
        if context.contract != Contract::Onnxruntime {
            return Err(OpError::new(
                "scales or zero points that differ",
                "one scale and zero point for all",
            ));
        }
        Ok(Tensor::build(a.shape().to_vec(), a.dense_layout(), |i| {
            let (x, y) = (dequantize(x[i], first), dequantize(y[i], second));
            let picked = match self {
                Self::Minimum => x.min(y),
                Self::Maximum => x.max(y),
            };
            quantize_as(context.contract, picked, output)
        }))
    }
}
