//! Concatenation along an axis, each input's codes mapped to the output's S and Z.

use super::axes::axis_of;
use super::context::{Context, OpError};
use crate::contract::Contract;
use crate::parameters::{Activation, CodeType};
use crate::quantize::{dequantize, dequantize_fused, offset, quantize, quantize_as, requantize_exact};
use crate::tensor::{Codes, Layout, Tensor, coordinates, strides};

/// Shape of the result.
pub(super) fn shape(axis: i64, inputs: &[&[usize]]) -> Result<Vec<usize>, OpError> {
    let Some((&first, rest)) = inputs.split_first() else {
        return Err(OpError::new("no inputs", "at least one"));
    };
    let axis = axis_of(axis, first.len())?;
    let mut shape = first.to_vec();
    for &other in rest {
        let fits = other.len() == first.len()
            && first.iter().zip(other).enumerate().all(|(i, (a, b))| i == axis || a == b);
        if !fits {
            return Err(OpError::new(
                format!("inputs {first:?} and {other:?}"),
                format!("sizes that differ along axis {axis} only"),
            ));
        }
        shape[axis] += other[axis];
    }
    Ok(shape)
}

/// Concatenates; the output's S and Z apply to all.
pub(super) fn concatenate(axis: i64, inputs: &[&Codes], context: &Context<'_>) -> Result<Codes, OpError> {
    let shapes: Vec<&[usize]> = inputs.iter().map(|t| t.shape()).collect();
    let shape = shape(axis, &shapes)?;
    let axis = axis_of(axis, shape.len())?;
    let output = context.output()?;
    let interleaved = shape.len() == 4 && axis == 1 && inputs.iter().all(|t| t.is_channels_last());
    let layout = if interleaved || inputs.iter().all(|t| t.dense_layout() == Layout::ChannelsLast) {
        Layout::ChannelsLast
    } else {
        Layout::Contiguous
    };
    let mut starts = Vec::new();
    let mut next = 0;
    for input in inputs {
        starts.push(next);
        next += input.shape()[axis];
    }
    let activations: Vec<Activation> =
        (0..inputs.len()).map(|i| context.input(i)).collect::<Result<_, _>>()?;
    let differs = activations.iter().any(|&input| input != output);
    let litert =
        matches!(context.contract, Contract::Litert | Contract::LitertXnnpack | Contract::LitertBuiltin);
    let unsigned = output.code_type == CodeType::U8;
    if differs && litert && !unsigned {
        return Err(OpError::new(
            "inputs whose scale or zero point is not the result's",
            "equal ones, as TFLite concatenates codes; requantize them before",
        ));
    }
    let all_strides: Vec<Vec<usize>> = inputs.iter().map(|t| strides(t.shape())).collect();
    Ok(Tensor::build(shape.clone(), layout, |index| {
        let mut place = coordinates(index, &shape);
        let which = starts.partition_point(|&start| start <= place[axis]) - 1;
        place[axis] -= starts[which];
        let source: usize = place.iter().zip(&all_strides[which]).map(|(c, s)| c * s).sum();
        let code = inputs[which].elements()[source];
        let input = activations[which];
        if input == output {
            return code;
        }
        // The channels-last kernel takes 8 channels at a time with a fused multiply-add; the rest go one by one.
        let fused = interleaved && place[axis] < inputs[which].shape()[axis] / 8 * 8;
        match context.contract {
            Contract::Exact => requantize_exact(code, input, output),
            Contract::Litert | Contract::LitertXnnpack | Contract::LitertBuiltin => {
                rescaled_by_litert(code, input, output)
            }
            Contract::Onnxruntime => quantize_as(Contract::Onnxruntime, dequantize(code, input), output),
            _ if fused => quantize(dequantize_fused(code, input), output),
            _ => quantize(dequantize(code, input), output),
        }
    }))
}

/// TFLite's concatenation of uint8 codes: `round(code * (S1 * (1/S3)) - Z1 * (S1 * (1/S3))) + Z3` in float32, ties away from
/// zero.
///
/// Source: TFLite `reference/concatenation.h`, `ConcatenationWithScaling`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "TFLite computes in float32; codes are below 2^24"
)]
fn rescaled_by_litert(code: i32, input: Activation, output: Activation) -> i32 {
    let scale = input.scale as f32 * (1.0 / output.scale as f32);
    let bias = -(input.zero_point as f32) * scale;
    offset((code as f32 * scale + bias).round(), output)
}
