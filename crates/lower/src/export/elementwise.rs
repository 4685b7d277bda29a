//! Sums, products, activations and functions of reals.

use gen_params_formats::{Argument, Value as Known};

use super::super::parts;
use super::super::qdq::{Graph, Value};
use super::call::Call;
use super::{Lowering, Slot};
use gen_params_core::error::Result;
use gen_params_core::ops::{Function, LayerNorm, Op};

/// `self + other`: of two tensors, or a layer and its bias.
pub(super) fn add(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let (a, b) = lowering.operands(call)?;
    let sum = match (&a, &b) {
        (layer, Value::Constant(bias)) | (Value::Constant(bias), layer) if Graph::is_layer(layer) => {
            lowering.graph.biased(&call.name, layer, bias)?
        }
        _ => lowering.graph.operator(&call.name, Op::Add { relu: false }, &[a, b])?,
    };
    Ok(Slot::Value(sum))
}

/// `self * other`, of two tensors; `x * hardsigmoid(x)` is hardswish.
pub(super) fn mul(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let (a, b) = lowering.operands(call)?;
    lowering.graph.product_of(&call.name, &a, &b).map(Slot::Value)
}

/// `max(self, 0)`.
pub(super) fn relu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.limited(call, 0.0, f64::INFINITY)
}

/// `min(max(self, 0), 6)`.
pub(super) fn relu6(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.limited(call, 0.0, 6.0)
}

/// `min(max(self, min_val), max_val)`.
pub(super) fn hardtanh(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let (min, max) = (call.number("min_val")?, call.number("max_val")?);
    lowering.limited(call, min, max)
}

/// `min(max(self, min), max)`.
pub(super) fn clamp(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let min = call.optional_number("min")?.unwrap_or(f64::NEG_INFINITY);
    let max = call.optional_number("max")?.unwrap_or(f64::INFINITY);
    lowering.limited(call, min, max)
}

/// `max(self, min)`.
pub(super) fn clamp_min(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let min = call.number("min")?;
    lowering.limited(call, min, f64::INFINITY)
}

/// `1 / (1 + exp(-self))`.
pub(super) fn sigmoid(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.function(call, Function::Sigmoid)
}

/// `tanh(self)`.
pub(super) fn tanh(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.function(call, Function::Tanh)
}

/// `min(max(self + 3, 0), 6) / 6`.
pub(super) fn hardsigmoid(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.function(call, Function::Hardsigmoid)
}

/// `self * min(max(self + 3, 0), 6) / 6`.
pub(super) fn hardswish(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.function(call, Function::Hardswish)
}

/// `self` where it is positive, `negative_slope * self` elsewhere.
pub(super) fn leaky_relu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let slope = call.number("negative_slope")?;
    lowering.function(call, Function::LeakyRelu(slope))
}

/// `self` where it is positive, `alpha * (exp(self) - 1)` elsewhere.
pub(super) fn elu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let alpha = call.number("alpha")?;
    lowering.function(call, Function::Elu(alpha))
}

/// `self * Phi(self)`.
pub(super) fn gelu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.function(call, Function::Gelu)
}

/// `self / (1 + exp(-self))`.
pub(super) fn silu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.function(call, Function::Silu)
}

/// `exp(self) / sum(exp(self))` along an axis.
pub(super) fn softmax(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let axis = call.int("dim")?;
    if call.operator == "aten._softmax.default" {
        if call.flag("half_to_float")? {
            return Err(call.refuse("its `half_to_float` is true"));
        }
    } else {
        call.in_float32("dtype")?;
    }
    let value = lowering.value(call, "self")?;
    lowering.graph.operator(&call.name, Op::Softmax { axis }, &[value]).map(Slot::Value)
}

/// `layer_norm(input, normalized_shape, weight, bias, eps, cudnn_enable)`.
pub(super) fn layer_norm(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let sizes = call.needed("normalized_shape")?;
    let norm = LayerNorm {
        shape: parts::sizes(sizes).ok_or_else(|| call.wrong("normalized_shape", sizes))?,
        weight: call.reals("weight")?,
        bias: call.reals("bias")?,
        epsilon: call.number("eps")?,
    };
    let value = lowering.value(call, "input")?;
    lowering.graph.operator(&call.name, Op::LayerNorm(norm), &[value]).map(Slot::Value)
}

impl Lowering<'_> {
    fn function(&mut self, call: &Call<'_>, function: Function) -> Result<Slot> {
        let value = self.value(call, "self")?;
        self.graph.operator(&call.name, Op::Function(function), &[value]).map(Slot::Value)
    }

    fn limited(&mut self, call: &Call<'_>, min: f64, max: f64) -> Result<Slot> {
        let value = self.value(call, "self")?;
        self.graph.clamp(&call.name, &value, min, max).map(Slot::Value)
    }

    /// Both operands of a sum or product.
    fn operands(&self, call: &Call<'_>) -> Result<(Value, Value)> {
        if let Some(Argument::Constant(Known::Int(_) | Known::Float(_), _)) = call.get("other") {
            return Err(call.refuse(format!("`{}` of a tensor and a number is not supported", call.operator)));
        }
        Ok((self.value(call, "self")?, self.value(call, "other")?))
    }
}
