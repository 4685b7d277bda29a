//! Convolutions and matrix products with known weights, and the batch norm that folds into them.

use gen_params_formats::{Argument, Value as Known};

use super::super::qdq::Value;
use super::call::Call;
use super::{Lowering, Slot};
use gen_params_core::error::Result;
use gen_params_core::ops::Op;
use gen_params_core::parameters::{LayerKind, Window};

/// Geometry as the arguments give it.
struct Geometry {
    stride: Vec<i64>,
    padding: Padding,
    dilation: Vec<i64>,
    output_padding: Option<Vec<i64>>,
    groups: i64,
}

/// What stands around the input.
enum Padding {
    /// As many zeros on both sides of each axis.
    Both(Vec<i64>),
    /// As many zeros as keep the size at stride 1, the odd one behind.
    Same,
}

/// `convNd(input, weight, bias, stride, padding, dilation, groups)`.
pub(super) fn convolution(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let axes = spatial_axes(call);
    let padding = match call.get("padding") {
        Some(Argument::Constant(Known::Str(mode), _)) => match &**mode {
            "valid" => Padding::Both(vec![0; axes]),
            "same" => Padding::Same,
            other => return Err(call.refuse(format!("its `padding` is {other:?}"))),
        },
        _ => Padding::Both(call.per_axis("padding", axes)?.unwrap_or_else(|| vec![0; axes])),
    };
    let geometry = Geometry {
        stride: call.per_axis("stride", axes)?.unwrap_or_else(|| vec![1; axes]),
        padding,
        dilation: call.per_axis("dilation", axes)?.unwrap_or_else(|| vec![1; axes]),
        output_padding: None,
        groups: call.int("groups")?,
    };
    lowering.convolution(call, axes, geometry)
}

/// `conv_transposeNd(input, weight, bias, stride, padding, output_padding, groups, dilation)`.
pub(super) fn transposed_convolution(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let axes = spatial_axes(call);
    let geometry = Geometry {
        stride: call.per_axis("stride", axes)?.unwrap_or_else(|| vec![1; axes]),
        padding: Padding::Both(call.per_axis("padding", axes)?.unwrap_or_else(|| vec![0; axes])),
        output_padding: Some(call.per_axis("output_padding", axes)?.unwrap_or_else(|| vec![0; axes])),
        groups: call.int("groups")?,
        dilation: call.per_axis("dilation", axes)?.unwrap_or_else(|| vec![1; axes]),
    };
    lowering.convolution(call, axes, geometry)
}

/// `convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)`.
pub(super) fn any_convolution(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let Value::Constant(weight) = lowering.value(call, "weight")? else {
        return Err(call.refuse("its weights are computed while the network runs"));
    };
    let axes = weight.shape.len().saturating_sub(2);
    let sizes = |name: &str, default: i64| {
        call.per_axis(name, axes).map(|sizes| sizes.unwrap_or_else(|| vec![default; axes]))
    };
    let transposed = call.flag("transposed")?;
    let output_padding = sizes("output_padding", 0)?;
    let geometry = Geometry {
        stride: sizes("stride", 1)?,
        padding: Padding::Both(sizes("padding", 0)?),
        dilation: sizes("dilation", 1)?,
        output_padding: transposed.then_some(output_padding),
        groups: call.int("groups")?,
    };
    lowering.convolution(call, axes, geometry)
}

/// `linear(input, weight, bias)`.
pub(super) fn linear(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let (input, weight) = (lowering.value(call, "input")?, lowering.value(call, "weight")?);
    let bias = lowering.optional(call, "bias")?;
    let name = lowering.layer_name(call, "bias");
    lowering.graph.layer(&name, LayerKind::Linear, &input, &weight, bias.as_ref(), None).map(Slot::Value)
}

/// `addmm(bias, input, weight, beta=1, alpha=1)`: bias + input * weight, weight along (I, O).
pub(super) fn addmm(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let bias = lowering.value(call, "self")?;
    let (input, weight) = (lowering.value(call, "mat1")?, lowering.value(call, "mat2")?);
    let name = lowering.layer_name(call, "self");
    lowering.product(call, &name, &input, &weight, Some(&bias))
}

/// `mm(a, b)`: a linear layer where b is known, of axes (I, O).
pub(super) fn product(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let (a, b) = (lowering.value(call, "self")?, lowering.value(call, other_name(call))?);
    lowering.product(call, &call.name, &a, &b, None)
}

/// `batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled)`, folded into the
/// layer before it: y * f + (b - mean * f), f = weight / sqrt(var + eps).
pub(super) fn batch_norm(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    if !call.operator.starts_with("aten._native") && call.flag("training")? {
        return Err(call.refuse("is in training mode").hint("call model.eval() before exporting"));
    }
    let value = lowering.value(call, "input")?;
    let mean = call.reals("running_mean")?.ok_or_else(|| call.missing("running_mean"))?;
    let variance = call.reals("running_var")?.ok_or_else(|| call.missing("running_var"))?;
    let weight = call.reals("weight")?.unwrap_or_else(|| vec![1.0; mean.len()]);
    let bias = call.reals("bias")?.unwrap_or_else(|| vec![0.0; mean.len()]);
    let epsilon = call.number("eps")?;
    if [&weight, &bias, &variance].iter().any(|numbers| numbers.len() != mean.len()) {
        return Err(call.refuse("has numbers for different numbers of channels"));
    }
    let factor: Vec<f64> = weight
        .iter()
        .zip(&variance)
        .map(|(&weight, &variance)| f64::from(weight) / (f64::from(variance) + epsilon).sqrt())
        .collect();
    let addend: Vec<f64> = factor
        .iter()
        .zip(&bias)
        .zip(&mean)
        .map(|((factor, &bias), &mean)| f64::from(bias) - f64::from(mean) * factor)
        .collect();
    lowering.graph.affine(&call.name, &value, &factor, &addend).map(Slot::Value)
}

/// What the signature calls the second factor.
fn other_name(call: &Call<'_>) -> &'static str {
    if call.operator.starts_with("aten.matmul") { "other" } else { "mat2" }
}

/// Number of spatial axes, from the operator's name.
fn spatial_axes(call: &Call<'_>) -> usize {
    let name = call.operator.split('.').nth(1).unwrap_or_default();
    name.bytes().find(u8::is_ascii_digit).map_or(2, |digit| usize::from(digit - b'0'))
}

impl Lowering<'_> {
    fn convolution(&mut self, call: &Call<'_>, axes: usize, geometry: Geometry) -> Result<Slot> {
        let (input, weight) = (self.value(call, "input")?, self.value(call, "weight")?);
        let bias = self.optional(call, "bias")?;
        let narrow = |sizes: &[i64], what: &str| -> Result<Option<Vec<u32>>> {
            let sizes: Option<Vec<u32>> = sizes.iter().map(|&size| u32::try_from(size).ok()).collect();
            sizes.map(Some).ok_or_else(|| call.refuse(format!("its `{what}` is negative, or no size")))
        };
        let (padding, padding_end) = match &geometry.padding {
            Padding::Both(padding) => (padding.clone(), None),
            Padding::Same => {
                let Value::Constant(weight) = &weight else {
                    return Err(call.refuse("its weights are computed while the network runs"));
                };
                let kernel = weight.shape.iter().skip(2).map(|&size| i64::try_from(size).unwrap_or(i64::MAX));
                let total: Vec<i64> =
                    kernel.zip(&geometry.dilation).map(|(k, d)| d.saturating_mul(k - 1)).collect();
                let before: Vec<i64> = total.iter().map(|t| t / 2).collect();
                let after: Vec<i64> = total.iter().zip(&before).map(|(t, b)| t - b).collect();
                let uneven = after != before;
                (before, uneven.then_some(after))
            }
        };
        let groups = u32::try_from(geometry.groups).ok().filter(|&groups| groups > 0);
        let groups = groups.ok_or_else(|| call.refuse(format!("has {} groups", geometry.groups)))?;
        let kind = match (u8::try_from(axes), &geometry.output_padding) {
            (Ok(axes @ 1..=3), None) => LayerKind::Conv(axes),
            (Ok(axes @ 1..=3), Some(_)) => LayerKind::ConvTranspose(axes),
            _ => return Err(call.refuse(format!("is a convolution of {axes} axes"))),
        };
        let window = Window {
            stride: narrow(&geometry.stride, "stride")?,
            padding: narrow(&padding, "padding")?,
            padding_end: match padding_end {
                Some(sizes) => narrow(&sizes, "padding")?,
                None => None,
            },
            dilation: narrow(&geometry.dilation, "dilation")?,
            output_padding: match &geometry.output_padding {
                Some(sizes) => narrow(sizes, "output_padding")?,
                None => None,
            },
            groups: Some(groups),
        };
        let name = self.layer_name(call, "bias");
        self.graph.layer(&name, kind, &input, &weight, bias.as_ref(), Some(window)).map(Slot::Value)
    }

    fn product(
        &mut self,
        call: &Call<'_>,
        name: &str,
        input: &Value,
        weight: &Value,
        bias: Option<&Value>,
    ) -> Result<Slot> {
        let Value::Constant(constant) = weight else {
            if bias.is_some() {
                return Err(call.refuse("multiplies two computed tensors and adds a third"));
            }
            let operands = [input.clone(), weight.clone()];
            return self.graph.operator(name, Op::MatMul, &operands).map(Slot::Value);
        };
        // Linear layers keep (O, I).
        let weight = constant
            .permuted(&[1, 0])
            .ok_or_else(|| call.refuse(format!("has weights of sizes {:?}", constant.shape)))?;
        let weight = Value::Constant(weight);
        self.graph.layer(name, LayerKind::Linear, input, &weight, bias, None).map(Slot::Value)
    }

    /// The name of a layer: its module's path; where the program does not tell that, the path of its bias.
    fn layer_name(&self, call: &Call<'_>, bias: &str) -> String {
        if !call.node.scope.is_empty() {
            return call.node.scope.clone();
        }
        match call.get(bias) {
            Some(Argument::Constant(_, Some(key))) => match key.rsplit_once('.') {
                Some((path, _)) => path.to_owned(),
                None => call.name.clone(),
            },
            _ => call.name.clone(),
        }
    }
}
