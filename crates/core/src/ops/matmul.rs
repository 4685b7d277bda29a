//! Matrix product of two tensors of codes.

use super::{Context, OpError};
use crate::contract::Contract;
use crate::exact::Ratio;
use crate::quantize::{dequantize, quantize, round_exact};
use crate::tensor::{Codes, Tensor, coordinates, strides};

/// (.., M, P) from (.., M, K) and (.., K, P) with the same leading axes.
pub(super) fn shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, OpError> {
    match (a, b) {
        ([lead @ .., m, k], [other @ .., rows, p]) if lead == other && k == rows => {
            Ok(lead.iter().copied().chain([*m, *p]).collect())
        }
        _ => Err(OpError::new(format!("inputs {a:?} and {b:?}"), "(.., M, K) and (.., K, P)")),
    }
}

/// `quantize(sum(S1*(a - Z1) * S2*(b - Z2)))`: PyTorch multiplies the dequantized matrices and quantizes the product.
///
/// The order of the engine's float32 sum is not known; summed in float64 and narrowed, 0 of 164,226 codes differ from
/// `torch.ops.quantized.matmul` (torch 2.9.1, engines x86 and qnnpack, K up to 39).
pub(super) fn matmul(a: &Codes, b: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let (first, second, output) = (context.input(0)?, context.input(1)?, context.output()?);
    let shape = shape(a.shape(), b.shape())?;
    let rank = shape.len();
    let inner = a.shape()[rank - 1];
    let (a_strides, b_strides) = (strides(a.shape()), strides(b.shape()));
    let exact_scale = match context.contract {
        Contract::Exact => {
            context.finite()?;
            Ratio::from_f64(first.scale).zip(Ratio::from_f64(second.scale)).map(|(x, y)| x.times(&y))
        }
        contract @ (Contract::Onnxruntime | Contract::Litert | Contract::LitertXnnpack) => {
            return Err(OpError::no_formula("matmul", contract));
        }
        Contract::Fbgemm | Contract::X86 | Contract::Onednn | Contract::Qnnpack => None,
    };
    Ok(Tensor::build(shape.clone(), a.layout(), |index| {
        let place = coordinates(index, &shape);
        let start = |own: &[usize], varies: usize| -> usize {
            (0..rank).filter(|&axis| axis != varies).map(|axis| place[axis] * own[axis]).sum()
        };
        let (from_a, from_b) = (start(&a_strides, rank - 1), start(&b_strides, rank - 2));
        let pairs =
            (0..inner).map(|k| (a.elements()[from_a + k], b.elements()[from_b + k * b_strides[rank - 2]]));
        match &exact_scale {
            Some(scale) => {
                let sum: i64 = pairs
                    .map(|(x, y)| i64::from(x - first.zero_point) * i64::from(y - second.zero_point))
                    .sum();
                round_exact(&scale.times(&Ratio::from_i64(sum)), output).unwrap_or(output.zero_point)
            }
            None => {
                let real = |(x, y)| f64::from(dequantize(x, first)) * f64::from(dequantize(y, second));
                #[allow(clippy::cast_possible_truncation, reason = "PyTorch's product is float32")]
                let sum = pairs.map(real).sum::<f64>() as f32;
                quantize(sum, output)
            }
        }
    }))
}
