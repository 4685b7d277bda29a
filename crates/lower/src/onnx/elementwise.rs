//! Sums, products, activations and functions of reals.

use super::call::Call;
use super::layers::is_layer;
use super::numbers::Data;
use super::{Lowering, Slot, constants, one};
use crate::qdq::{Constant, Graph, Value};
use gen_params_core::error::Result;
use gen_params_core::ops::{Function, Op};
use gen_params_core::parameters::Range;

/// `A + B`: of two tensors, or a bias.
pub(super) fn add(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    if let Some(known) = constants::arithmetic(lowering, call, |a, b| a + b, i64::checked_add)? {
        return Ok(vec![known]);
    }
    let (a, b) = (lowering.value(call, 0)?, lowering.value(call, 1)?);
    one(lowering.sum(call, &a, &b)?)
}

/// `A - B`: of two tensors, or a bias.
pub(super) fn sub(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    if let Some(known) = constants::arithmetic(lowering, call, |a, b| a - b, i64::checked_sub)? {
        return Ok(vec![known]);
    }
    match (lowering.value(call, 0)?, lowering.value(call, 1)?) {
        (layer, Value::Constant(constant)) if is_layer(&layer) => {
            let addend = lowering.graph.channel_values(&call.name, &layer, &constant)?;
            let addend: Vec<f64> = addend.into_iter().map(|x| -x).collect();
            one(lowering.graph.affine(&call.name, &layer, &vec![1.0; addend.len()], &addend)?)
        }
        (a, b) => one(lowering.graph.operator(&call.name, Op::Sub { relu: false }, &[a, b])?),
    }
}

/// `A * B`: of two tensors, or a factor of a layer. `x * HardSigmoid(x)` is hardswish.
pub(super) fn mul(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    if let Some(known) = constants::arithmetic(lowering, call, |a, b| a * b, i64::checked_mul)? {
        return Ok(vec![known]);
    }
    let (a, b) = (lowering.value(call, 0)?, lowering.value(call, 1)?);
    match (&a, &b) {
        (layer, Value::Constant(constant)) | (Value::Constant(constant), layer) if is_layer(layer) => {
            one(lowering.scaled(call, layer, constant, |x| x)?)
        }
        _ => one(lowering.graph.product_of(&call.name, &a, &b)?),
    }
}

/// `A / B`, where B is a factor of a layer.
pub(super) fn div(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    if let Some(known) = constants::arithmetic(lowering, call, |a, b| a / b, i64::checked_div)? {
        return Ok(vec![known]);
    }
    match (lowering.value(call, 0)?, lowering.value(call, 1)?) {
        (layer, Value::Constant(constant)) if is_layer(&layer) => {
            one(lowering.scaled(call, &layer, &constant, |x| 1.0 / x)?)
        }
        _ => Err(call.refuse("`Div` is supported after a layer, by a constant, only")),
    }
}

/// `max(X, 0)`.
pub(super) fn relu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let value = lowering.value(call, 0)?;
    one(lowering.graph.clamp(&call.name, &value, 0.0, f64::INFINITY)?)
}

/// `min(max(X, min), max)`; the limits are attributes in old operator sets, inputs in new ones. Limits of codes are codes.
pub(super) fn clip(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let limit = |position: usize, name: &str, open: f64| {
        let Some(id) = call.optional(position) else { return call.float(name, open) };
        let numbers = lowering.numbers(id);
        let found = numbers.as_ref().and_then(|n| match &n.data {
            Data::Reals(reals) => reals.first().map(|&x| f64::from(x)),
            #[allow(clippy::cast_precision_loss, reason = "codes are small")]
            Data::Integers(integers) => integers.first().map(|&x| x as f64),
            Data::Sizes(_) => None,
        });
        found.ok_or_else(|| call.refuse(format!("its limit `{name}` is computed while the network runs")))
    };
    let (min, max) = (limit(1, "min", f64::NEG_INFINITY)?, limit(2, "max", f64::INFINITY)?);
    if let Some(numbers) = lowering.numbers(call.input(0)?) {
        return constants::limited(&numbers, min, max)
            .map(|numbers| vec![Slot::Numbers(numbers)])
            .ok_or_else(|| call.refuse("limits sizes that are not known before the network runs"));
    }
    let value = lowering.value(call, 0)?;
    if matches!(&value, Value::Real(_)) {
        return one(lowering.graph.clamp(&call.name, &value, min, max)?);
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the cast saturates: what is beyond every code limits nothing"
    )]
    let limits = Range { min: min as i64, max: max as i64 };
    one(lowering.graph.clip_codes(&call.name, &value, limits)?)
}

/// `1 / (1 + exp(-X))`.
pub(super) fn sigmoid(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    lowering.function(call, Function::Sigmoid)
}

/// `tanh(X)`.
pub(super) fn tanh(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    lowering.function(call, Function::Tanh)
}

/// `min(max(alpha * X + beta, 0), 1)`, as PyTorch has it: alpha 1/6, beta 1/2.
pub(super) fn hard_sigmoid(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (alpha, beta) = (call.float("alpha", 0.2)?, call.float("beta", 0.5)?);
    #[allow(clippy::cast_possible_truncation, reason = "attributes are float32")]
    if (alpha as f32, beta as f32) != (1.0 / 6.0, 0.5) {
        return Err(call.refuse(format!("has alpha {alpha} and beta {beta}, expected 1/6 and 1/2")));
    }
    lowering.function(call, Function::Hardsigmoid)
}

/// `X * HardSigmoid(X)` with alpha 1/6, beta 1/2.
pub(super) fn hard_swish(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    lowering.function(call, Function::Hardswish)
}

/// `X` where it is positive, `alpha * X` elsewhere.
pub(super) fn leaky_relu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let slope = call.float("alpha", 0.01)?;
    lowering.function(call, Function::LeakyRelu(slope))
}

/// `X` where it is positive, `alpha * (exp(X) - 1)` elsewhere.
pub(super) fn elu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let alpha = call.float("alpha", 1.0)?;
    lowering.function(call, Function::Elu(alpha))
}

/// `X * Phi(X)`.
pub(super) fn gelu(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    match call.text("approximate", "none")? {
        "none" => lowering.function(call, Function::Gelu),
        other => Err(call.refuse(format!("is approximated by {other}, which is not supported"))),
    }
}

/// `exp(X) / sum(exp(X))` along an axis.
pub(super) fn softmax(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let value = lowering.value(call, 0)?;
    let version = lowering.version();
    one(lowering.softmax_of(call, &value, version)?)
}

impl Lowering<'_> {
    fn function(&mut self, call: &Call<'_>, function: Function) -> Result<Vec<Slot>> {
        let value = self.value(call, 0)?;
        one(self.graph.operator(&call.name, Op::Function(function), &[value])?)
    }

    /// The sum of two values, or a layer with a bias.
    pub(super) fn sum(&mut self, call: &Call<'_>, a: &Value, b: &Value) -> Result<Value> {
        match (a, b) {
            (layer, Value::Constant(constant)) | (Value::Constant(constant), layer) if is_layer(layer) => {
                // The engine fuses the sum of a matrix product and a bias, and none of a convolution.
                if Graph::is_linear(layer) {
                    self.graph.biased(&call.name, layer, constant)
                } else {
                    let layer = self.graph.left_unfused(&call.name, layer)?;
                    self.graph.biased(&call.name, &layer, constant)
                }
            }
            _ => self.graph.operator(&call.name, Op::Add { relu: false }, &[a.clone(), b.clone()]),
        }
    }

    fn scaled(
        &mut self,
        call: &Call<'_>,
        layer: &Value,
        constant: &Constant,
        factor: impl Fn(f64) -> f64,
    ) -> Result<Value> {
        let values = self.graph.channel_values(&call.name, layer, constant)?;
        let factors: Vec<f64> = values.into_iter().map(factor).collect();
        self.graph.affine(&call.name, layer, &factors, &vec![0.0; factors.len()])
    }

    /// Softmax; before operator set 13, over all axes from `axis` on.
    pub(super) fn softmax_of(&mut self, call: &Call<'_>, value: &Value, version: i64) -> Result<Value> {
        let axis = call.int("axis", if version < 13 { 1 } else { -1 })?;
        let rank = call.optional(0).and_then(|id| self.rank(id)).and_then(|rank| i64::try_from(rank).ok());
        let last = axis == -1 || rank.is_some_and(|rank| axis == rank - 1);
        if version < 13 && !last {
            return Err(call.refuse(format!("is over all axes from {axis} on, expected the last one")));
        }
        let axis = if last { -1 } else { axis };
        self.graph.operator(&call.name, Op::Softmax { axis }, std::slice::from_ref(value))
    }
}
