//! Convolutions and matrix products on reals, batch normalization, and the two operators that give accumulators.

use super::call::Call;
use super::numbers::{Element, Numbers};
use super::quantization::coded;
use super::{Lowering, Slot, one};
use crate::qdq::{Graph, Scheme, Value};
use gen_params_core::error::Result;
use gen_params_core::ops::Op;
use gen_params_core::parameters::{CodeType, LayerKind, Window};

/// `Conv(X, W, B)`.
pub(super) fn conv(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, weight) = (lowering.value(call, 0)?, lowering.value(call, 1)?);
    let bias = call.optional(2).map(|_| lowering.value(call, 2)).transpose()?;
    let name = lowering.layer_name(call, 1);
    one(lowering.convolution(call, &name, &input, &weight, bias.as_ref(), false)?)
}

/// `FusedConv(X, W, B)`: a convolution and the activation that ONNX Runtime has put into it.
pub(super) fn fused_conv(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    if call.optional(3).is_some() {
        return Err(call.refuse("adds a fourth input, which is not supported"));
    }
    let slots = conv(lowering, call)?;
    activated(lowering, call, slots)
}

/// `FusedGemm(A, B, C)`, as `FusedConv`.
pub(super) fn fused_gemm(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let slots = gemm(lowering, call)?;
    activated(lowering, call, slots)
}

/// The activation that an attribute names.
fn activated(lowering: &mut Lowering<'_>, call: &Call<'_>, slots: Vec<Slot>) -> Result<Vec<Slot>> {
    let limits = match (call.text("activation", "")?, call.floats("activation_params")?.as_deref()) {
        ("", _) => return Ok(slots),
        ("Relu", _) => (0.0, f64::INFINITY),
        ("Clip", Some(&[min, max])) => (min, max),
        (other, _) => return Err(call.refuse(format!("its activation {other} is not supported"))),
    };
    match slots.first() {
        Some(Slot::Value(value)) => {
            let value = value.clone();
            one(lowering.graph.clamp(&call.name, &value, limits.0, limits.1)?)
        }
        _ => Err(call.refuse("has no result")),
    }
}

/// `ConvTranspose(X, W, B)`.
pub(super) fn conv_transpose(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    if call.ints("output_shape")?.is_some() {
        return Err(call.refuse("its `output_shape` is not supported"));
    }
    let (input, weight) = (lowering.value(call, 0)?, lowering.value(call, 1)?);
    let bias = call.optional(2).map(|_| lowering.value(call, 2)).transpose()?;
    let name = lowering.layer_name(call, 1);
    one(lowering.convolution(call, &name, &input, &weight, bias.as_ref(), true)?)
}

/// `Gemm(A, B, C)`: A * B + C, B transposed or not.
pub(super) fn gemm(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, weight) = (lowering.value(call, 0)?, lowering.value(call, 1)?);
    let bias = call.optional(2).map(|_| lowering.value(call, 2)).transpose()?;
    let name = lowering.layer_name(call, 1);
    one(lowering.gemm_of(call, &name, &input, &weight, bias.as_ref())?)
}

/// `MatMul(A, B)`: a linear layer where B is known.
pub(super) fn matmul(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, weight) = (lowering.value(call, 0)?, lowering.value(call, 1)?);
    let name = lowering.layer_name(call, 1);
    one(lowering.product(call, &name, &input, &weight)?)
}

/// `BatchNormalization(X, scale, B, mean, var)`, folded into the layer before it.
pub(super) fn batch_normalization(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    call.ignore(&["momentum", "spatial", "consumed_inputs"]);
    if call.int("training_mode", 0)? != 0 || (lowering.version() < 7 && call.int("is_test", 0)? == 0) {
        return Err(call.refuse("is in training mode"));
    }
    let epsilon = call.float("epsilon", 1e-5)?;
    let value = lowering.value(call, 0)?;
    let numbers = |position: usize| {
        let numbers = call.optional(position).and_then(|id| lowering.numbers(id));
        let reals = numbers.as_ref().and_then(Numbers::reals).map(<[f32]>::to_vec);
        reals.ok_or_else(|| call.refuse(format!("its input {position} is not known before the network runs")))
    };
    let (weight, bias, mean, variance) = (numbers(1)?, numbers(2)?, numbers(3)?, numbers(4)?);
    if [&bias, &mean, &variance].iter().any(|v| v.len() != weight.len()) {
        return Err(call.refuse("has numbers for different numbers of channels"));
    }
    let channels =
        || weight.iter().zip(&variance).map(|(&w, &v)| f64::from(w) / (f64::from(v) + epsilon).sqrt());
    let factor: Vec<f64> = channels().collect();
    let addend: Vec<f64> =
        factor.iter().zip(&bias).zip(&mean).map(|((f, &b), &m)| f64::from(b) - f64::from(m) * f).collect();
    one(lowering.graph.affine(&call.name, &value, &factor, &addend)?)
}

/// `ConvInteger(x, w, x_zero_point, w_zero_point)`: accumulators.
pub(super) fn conv_integer(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, weight) = lowering.integer_operands(call, 0)?;
    let name = lowering.layer_name(call, 1);
    one(lowering.convolution(call, &name, &input, &weight, None, false)?)
}

/// `MatMulInteger(A, B, a_zero_point, b_zero_point)`: accumulators.
pub(super) fn matmul_integer(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let (input, weight) = lowering.integer_operands(call, 1)?;
    let name = lowering.layer_name(call, 1);
    one(lowering.product(call, &name, &input, &weight)?)
}

/// A window, one entry per spatial axis.
pub(super) struct Reach {
    pub(super) kernel: Vec<i64>,
    pub(super) stride: Vec<i64>,
    pub(super) dilation: Vec<i64>,
}

impl Reach {
    /// Padding on both sides together that gives ceil(size / stride) windows.
    fn same(&self, sizes: &[i64]) -> Option<Vec<i64>> {
        let axis = |(axis, &size): (usize, &i64)| {
            let (kernel, stride) = (*self.kernel.get(axis)?, *self.stride.get(axis)?);
            let dilation = *self.dilation.get(axis)?;
            let windows = size.checked_add(stride.checked_sub(1)?)?.checked_div(stride)?;
            let covered = dilation.checked_mul(kernel.checked_sub(1)?)?.checked_add(1)?;
            Some(windows.checked_sub(1)?.checked_mul(stride)?.checked_add(covered)?.checked_sub(size)?.max(0))
        };
        sizes.iter().enumerate().map(axis).collect()
    }
}

impl Lowering<'_> {
    /// A convolution, its geometry from the attributes that all convolutions share.
    pub(super) fn convolution(
        &mut self,
        call: &Call<'_>,
        name: &str,
        input: &Value,
        weight: &Value,
        bias: Option<&Value>,
        transposed: bool,
    ) -> Result<Value> {
        let Value::Constant(constant) = weight else {
            return Err(call.refuse("its weights are computed while the network runs"));
        };
        let kernel: Vec<usize> = constant.shape.iter().skip(2).copied().collect();
        let axes = match u8::try_from(kernel.len()) {
            Ok(axes @ 1..=3) if constant.shape.len() > 2 => axes,
            _ => return Err(call.refuse(format!("has weights of sizes {:?}", constant.shape))),
        };
        let declared = call.ints("kernel_shape")?;
        if declared.is_some_and(|sizes| {
            sizes.iter().map(|&s| usize::try_from(s).ok()).ne(kernel.iter().map(|&k| Some(k)))
        }) {
            return Err(call.refuse(format!("its `kernel_shape` is not that of its weights, {kernel:?}")));
        }
        let all =
            |sizes: Option<Vec<i64>>, default: i64| sizes.unwrap_or_else(|| vec![default; kernel.len()]);
        let narrow = |sizes: Vec<i64>, what: &str| {
            let sizes: Option<Vec<u32>> = sizes.iter().map(|&s| u32::try_from(s).ok()).collect();
            sizes
                .filter(|s| s.len() == kernel.len())
                .ok_or_else(|| call.refuse(format!("its `{what}` is no size of {} axes", kernel.len())))
        };
        let dilation = all(call.ints("dilations")?, 1);
        let stride = all(call.ints("strides")?, 1);
        let reach = Reach {
            kernel: kernel.iter().map(|&k| i64::try_from(k).unwrap_or(i64::MAX)).collect(),
            stride,
            dilation,
        };
        let (before, after) = self.pads(call, &reach)?;
        let padding = narrow(before, "pads")?;
        let padding_end = narrow(after, "pads")?;
        let groups =
            u32::try_from(call.int("group", 1)?).map_err(|_| call.refuse("its `group` is no number"))?;
        let window = Window {
            stride: Some(narrow(reach.stride, "strides")?),
            padding_end: (padding_end != padding).then_some(padding_end),
            padding: Some(padding),
            dilation: Some(narrow(reach.dilation, "dilations")?),
            output_padding: if transposed {
                Some(narrow(all(call.ints("output_padding")?, 0), "output_padding")?)
            } else {
                None
            },
            groups: Some(groups),
        };
        let kind = if transposed { LayerKind::ConvTranspose(axes) } else { LayerKind::Conv(axes) };
        self.ranks.insert(call.output()?, kernel.len() + 2);
        self.graph.layer(name, kind, input, weight, bias, Some(window))
    }

    /// Padding before and after each spatial axis.
    pub(super) fn pads(&self, call: &Call<'_>, reach: &Reach) -> Result<(Vec<i64>, Vec<i64>)> {
        let axes = reach.kernel.len();
        let automatic = call.text("auto_pad", "NOTSET")?;
        let pads = call.ints("pads")?;
        match (automatic, pads) {
            ("VALID", _) | ("NOTSET" | "", None) => Ok((vec![0; axes], vec![0; axes])),
            ("NOTSET" | "", Some(pads)) if pads.len() == 2 * axes => {
                Ok((pads[..axes].to_vec(), pads[axes..].to_vec()))
            }
            ("NOTSET" | "", Some(pads)) => {
                Err(call.refuse(format!("has {} pads for {axes} axes", pads.len())))
            }
            ("SAME_UPPER" | "SAME_LOWER", _) => {
                let shape =
                    call.optional(0).and_then(|id| self.facts(id)).and_then(|facts| facts.shape.clone());
                let sizes = shape.as_ref().and_then(|s| s.get(2..)).filter(|s| s.len() == axes);
                let sizes = sizes.filter(|s| s.iter().all(|&size| size > 0)).ok_or_else(|| {
                    call.refuse(format!(
                        "its `auto_pad` is {automatic}, and the file does not say the sizes of its input"
                    ))
                    .hint("run shape inference on the model: onnx.shape_inference.infer_shapes")
                })?;
                let total = reach.same(sizes).ok_or_else(|| call.refuse("has a window that is no window"))?;
                let (small, large) = (total.iter().map(|t| t / 2), total.iter().map(|t| t - t / 2));
                if automatic == "SAME_UPPER" {
                    Ok((small.collect(), large.collect()))
                } else {
                    Ok((large.collect(), small.collect()))
                }
            }
            (other, _) => Err(call.refuse(format!("its `auto_pad` {other} is not supported"))),
        }
    }

    /// `alpha * A * B + beta * C`.
    pub(super) fn gemm_of(
        &mut self,
        call: &Call<'_>,
        name: &str,
        input: &Value,
        weight: &Value,
        bias: Option<&Value>,
    ) -> Result<Value> {
        let (alpha, beta) = (call.float("alpha", 1.0)?, call.float("beta", 1.0)?);
        if alpha != 1.0 || (bias.is_some() && beta != 1.0) {
            return Err(call.refuse(format!("has alpha {alpha} and beta {beta}, expected 1")));
        }
        if call.int("transA", 0)? != 0 {
            return Err(call.refuse("transposes its input, which is not supported"));
        }
        let Value::Constant(constant) = weight else {
            return Err(call.refuse("its weights are computed while the network runs"));
        };
        let transposed = call.int("transB", 0)? != 0;
        // Linear layers keep (O, I), which is B transposed.
        let weight = if transposed { Some(constant.clone()) } else { constant.permuted(&[1, 0]) };
        let weight =
            weight.ok_or_else(|| call.refuse(format!("has weights of sizes {:?}", constant.shape)))?;
        self.ranks.insert(call.output()?, 2);
        self.graph.layer(name, LayerKind::Linear, input, &Value::Constant(weight), bias, None)
    }

    /// `A * B`.
    pub(super) fn product(
        &mut self,
        call: &Call<'_>,
        name: &str,
        input: &Value,
        weight: &Value,
    ) -> Result<Value> {
        match (input, weight) {
            (Value::Constant(_), _) => {
                Err(call.refuse("multiplies a constant from the left, which is not supported"))
            }
            (_, Value::Constant(constant)) => {
                let weight = constant
                    .permuted(&[1, 0])
                    .ok_or_else(|| call.refuse(format!("has weights of sizes {:?}", constant.shape)))?;
                self.graph.layer(name, LayerKind::Linear, input, &Value::Constant(weight), None, None)
            }
            _ => self.graph.operator(&call.name, Op::MatMul, &[input.clone(), weight.clone()]),
        }
    }

    /// Operands whose product has scale 1: what follows says what the accumulators stand for. `axis` is that of the
    /// weights' zero points.
    fn integer_operands(&mut self, call: &Call<'_>, axis: usize) -> Result<(Value, Value)> {
        let Value::Codes(codes) = self.value(call, 0)? else {
            return Err(call.refuse("its input is no tensor of codes"));
        };
        let (input_zero, weight_zero) = (self.integers(call, 2)?, self.integers(call, 3)?);
        let Some(numbers) = call.optional(1).and_then(|id| self.numbers(id)) else {
            return Err(call.refuse("its weights are computed while the network runs"));
        };
        let value = Value::Codes(codes);
        let own = self.graph.activation_of(&value)?;
        let (scale, signed) = own.map_or((1.0, None), |a| (a.scale, Some(a.code_type != CodeType::U8)));
        let declared =
            call.optional(0).and_then(|id| self.facts(id)).and_then(|f| Element::of_name(&f.element_type));
        let Some(signed) = signed.or(declared.map(|e| e.signed)) else {
            return Err(call.refuse("its input's element type is not known"));
        };
        let zero = match input_zero.as_deref() {
            None => 0,
            Some(&[zero]) => zero,
            Some(zeros) => return Err(call.refuse(format!("has {} zero points of its input", zeros.len()))),
        };
        let input = self.graph.dequantize(
            &call.name,
            &value,
            &Scheme::new(vec![scale], vec![zero], None, signed, 8),
        )?;
        let zeros = weight_zero.unwrap_or_else(|| vec![0]);
        let scheme = Scheme::new(
            vec![1.0 / scale; zeros.len()],
            zeros,
            Some(axis),
            numbers.element.signed,
            numbers.element.bits,
        );
        let weight = coded(call, &numbers, scheme)?;
        Ok((input, Value::Constant(weight)))
    }
}

/// Whether a value is a layer that takes biases and factors.
pub(super) fn is_layer(value: &Value) -> bool {
    Graph::is_layer(value)
}
