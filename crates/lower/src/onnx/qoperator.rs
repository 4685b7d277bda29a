//! Operators on codes that carry S and Z among their inputs: QOperator form.

use super::call::Call;
use super::quantization::coded;
use super::{Lowering, Slot, one};
use crate::qdq::{Scheme, Value};
use gen_params_core::error::Result;
use gen_params_core::ops::{Function, Op, Shape};

/// `QLinearConv(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B)`.
pub(super) fn conv(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, scheme) = lowering.dequantized(call, 0)?;
    let (weight, weight_scheme) = lowering.weight(call, 3, 0)?;
    let bias = lowering.integer_bias(call, 8, &scheme, &weight_scheme)?;
    let name = lowering.layer_name(call, 3);
    let last = has_channels_last(call)?;
    let input = if last { lowering.channels_first(call, &input)? } else { input };
    let result = lowering.convolution(call, &name, &input, &weight, bias.as_ref(), false)?;
    let result = if last { lowering.channels_last(call, &result)? } else { result };
    lowering.quantized(call, &result, 6)
}

/// `QLinearMatMul(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point)`.
pub(super) fn matmul(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, _) = lowering.dequantized(call, 0)?;
    let known = call.optional(3).is_some_and(|id| lowering.numbers(id).is_some());
    let weight = if known { lowering.weight(call, 3, 1)?.0 } else { lowering.dequantized(call, 3)?.0 };
    let name = lowering.layer_name(call, 3);
    let result = lowering.product(call, &name, &input, &weight)?;
    lowering.quantized(call, &result, 6)
}

/// `QGemm(A, a_scale, a_zero_point, B, b_scale, b_zero_point, C, y_scale, y_zero_point)`.
pub(super) fn gemm(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, scheme) = lowering.dequantized(call, 0)?;
    let axis = usize::from(call.int("transB", 0)? == 0);
    let (weight, weight_scheme) = lowering.weight(call, 3, axis)?;
    let bias = lowering.integer_bias(call, 6, &scheme, &weight_scheme)?;
    let name = lowering.layer_name(call, 3);
    let result = lowering.gemm_of(call, &name, &input, &weight, bias.as_ref())?;
    if call.optional(7).is_none() {
        return one(result);
    }
    lowering.quantized(call, &result, 7)
}

/// `QLinearAdd(A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point)`.
pub(super) fn add(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let operands = lowering.two(call)?;
    let result = lowering.sum(call, &operands[0], &operands[1])?;
    lowering.quantized(call, &result, 6)
}

/// `QLinearMul`, as `QLinearAdd`.
pub(super) fn mul(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let operands = lowering.two(call)?;
    let result = lowering.graph.operator(&call.name, Op::Mul { relu: false }, &operands)?;
    lowering.quantized(call, &result, 6)
}

/// `QLinearAveragePool(X, x_scale, x_zero_point, y_scale, y_zero_point)`.
pub(super) fn average_pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, _) = lowering.dequantized(call, 0)?;
    let last = has_channels_last(call)?;
    let input = if last { lowering.channels_first(call, &input)? } else { input };
    let result = lowering.averaged(call, &input)?;
    let result = if last { lowering.channels_last(call, &result)? } else { result };
    lowering.quantized(call, &result, 3)
}

/// `QLinearGlobalAveragePool`, as `QLinearAveragePool`.
pub(super) fn global_average_pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, _) = lowering.dequantized(call, 0)?;
    let last = has_channels_last(call)?;
    let input = if last { lowering.channels_first(call, &input)? } else { input };
    let result = lowering.globally_averaged(call, &input)?;
    let result = if last { lowering.channels_last(call, &result)? } else { result };
    lowering.quantized(call, &result, 3)
}

/// `QLinearConcat(y_scale, y_zero_point, x, x_scale, x_zero_point, ...)`.
pub(super) fn concat(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let axis = call.int("axis", 0)?;
    let mut operands = Vec::new();
    for position in (2..call.count()).step_by(3) {
        operands.push(lowering.dequantized(call, position)?.0);
    }
    if let Some(rank) = call.optional(2).and_then(|id| lowering.rank(id)) {
        lowering.ranks.insert(call.output()?, rank);
    }
    let op = Op::Concatenate { axis, requantizes: true };
    let result = lowering.graph.operator(&call.name, op, &operands)?;
    lowering.quantized(call, &result, 0)
}

/// `QLinearLeakyRelu(X, x_scale, x_zero_point, y_scale, y_zero_point)`.
pub(super) fn leaky_relu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let slope = call.float("alpha", 0.01)?;
    function(lowering, call, Function::LeakyRelu(slope))
}

/// `QLinearSigmoid`, as `QLinearLeakyRelu`.
pub(super) fn sigmoid(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    function(lowering, call, Function::Sigmoid)
}

/// `QLinearSoftmax(X, x_scale, x_zero_point, y_scale, y_zero_point)`; `opset` says what `axis` means.
pub(super) fn softmax(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let version = call.int("opset", lowering.version())?;
    let (input, _) = lowering.dequantized(call, 0)?;
    let result = lowering.softmax_of(call, &input, version)?;
    lowering.quantized(call, &result, 3)
}

fn function(lowering: &mut Lowering<'_>, call: &Call<'_>, function: Function) -> Result<Vec<Slot>> {
    let (input, _) = lowering.dequantized(call, 0)?;
    let result = lowering.graph.operator(&call.name, Op::Function(function), &[input])?;
    lowering.quantized(call, &result, 3)
}

/// Whether the channels are the last axis of the input: so ONNX Runtime writes its optimized graphs.
fn has_channels_last(call: &Call<'_>) -> Result<bool> {
    Ok(call.int("channels_last", 0)? != 0)
}

impl Lowering<'_> {
    /// A value whose last axis has the channels, with them as its second.
    pub(super) fn channels_first(&mut self, call: &Call<'_>, value: &Value) -> Result<Value> {
        let last = i64::try_from(self.known_rank(call, 0)?).unwrap_or(i64::MAX).saturating_sub(1);
        self.permuted(call, [0, last].into_iter().chain(1..last).collect(), value)
    }

    /// A value whose second axis has the channels, with them as its last.
    pub(super) fn channels_last(&mut self, call: &Call<'_>, value: &Value) -> Result<Value> {
        let rank = i64::try_from(self.known_rank(call, 0)?).unwrap_or(i64::MAX);
        self.permuted(call, [0].into_iter().chain(2..rank).chain([1]).collect(), value)
    }

    fn permuted(&mut self, call: &Call<'_>, axes: Vec<i64>, value: &Value) -> Result<Value> {
        let name = format!("{}.permute", call.name);
        let permuted = self.graph.preserving(&name, Op::Shape(Shape::Permute(axes)), value)?;
        permuted.into_iter().next().ok_or_else(|| call.refuse("has no result"))
    }

    /// The reals of an input of codes, whose S and Z follow it.
    fn dequantized(&mut self, call: &Call<'_>, position: usize) -> Result<(Value, Scheme)> {
        let scheme = self.scheme_along(call, position + 1, position + 2, None, None)?;
        let id = call.input(position)?;
        let value = match self.numbers(id) {
            Some(numbers) => Value::Constant(coded(call, &numbers, scheme.clone())?),
            None => self.value(call, position)?,
        };
        Ok((self.graph.dequantize(&call.name, &value, &scheme)?, scheme))
    }

    /// Known codes whose S and Z follow, one for each index along `axis` or one for all.
    fn weight(&mut self, call: &Call<'_>, position: usize, axis: usize) -> Result<(Value, Scheme)> {
        let Some(numbers) = call.optional(position).and_then(|id| self.numbers(id)) else {
            return Err(call.refuse("its weights are computed while the network runs"));
        };
        let scheme =
            self.scheme_along(call, position + 1, position + 2, Some(numbers.element), Some(axis))?;
        Ok((Value::Constant(coded(call, &numbers, scheme.clone())?), scheme))
    }

    /// An int32 bias, which has the scale of the accumulators.
    fn integer_bias(
        &self,
        call: &Call<'_>,
        position: usize,
        input: &Scheme,
        weight: &Scheme,
    ) -> Result<Option<Value>> {
        let Some(id) = call.optional(position) else { return Ok(None) };
        let Some(numbers) = self.numbers(id) else {
            return Err(call.refuse("its bias is computed while the network runs"));
        };
        let input = input.scale.first().copied().unwrap_or(f64::NAN);
        let scale: Vec<f64> = weight.scale.iter().map(|w| input * w).collect();
        let zeros = vec![0; scale.len()];
        let scheme = Scheme::new(scale, zeros, Some(0), true, 32);
        Ok(Some(Value::Constant(coded(call, &numbers, scheme)?)))
    }

    fn two(&mut self, call: &Call<'_>) -> Result<[Value; 2]> {
        Ok([self.dequantized(call, 0)?.0, self.dequantized(call, 3)?.0])
    }

    /// A result as codes, S and Z from inputs.
    fn quantized(&mut self, call: &Call<'_>, result: &Value, position: usize) -> Result<Vec<Slot>> {
        let scheme = self.scheme_along(call, position, position + 1, Some(super::Element::UINT8), None)?;
        one(self.graph.quantize(&call.name, result, &scheme)?)
    }
}
