//! Convolutions and fully connected layers: weights into this house's order of axes, biases, windows, fused activations.

use std::sync::Arc;

use gen_params_formats::{Tensor, ValueId, recipe};

use super::call::{Call, Fused};
use super::pools::{Side, same};
use super::{Lowering, Order};
use gen_params_core::error::Result;
use gen_params_core::ops::{Bias, Extent, Layer, Op, PaddingMode, Shape};
use gen_params_core::parameters::{Activation, LayerKind, Range, Weight, Window};

/// How the axes of a file's weights become those of [`LayerKind::axes`].
struct Axes {
    /// For each axis of ours, the file's.
    order: &'static [usize],
    /// The file's axis of output channels.
    channels: usize,
}

/// `CONV_2D` and `TRANSPOSE_CONV` have (O, H, W, I).
const CONVOLUTION: Axes = Axes { order: &[0, 3, 1, 2], channels: 0 };
const TRANSPOSED: Axes = Axes { order: &[3, 0, 1, 2], channels: 0 };

/// `DEPTHWISE_CONV_2D` has (1, H, W, O).
const DEPTHWISE: Axes = Axes { order: &[3, 0, 1, 2], channels: 3 };

/// `FULLY_CONNECTED` has (O, I).
const LINEAR: Axes = Axes { order: &[0, 1], channels: 0 };

/// Weights with more input channels than this per group, or a larger window, are no network's.
const LARGEST: usize = 1 << 24;

/// `CONV_2D` and `DEPTHWISE_CONV_2D`.
pub(super) fn convolution(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    let axes = if call.operator == "DEPTHWISE_CONV_2D" { DEPTHWISE } else { CONVOLUTION };
    let weight = lowering.weight(call, 1, &axes)?;
    let shape = lowering.image(call, input)?;
    let [outputs, group_inputs, kernel_h, kernel_w] = four(call, &weight.shape)?;
    let channels = shape[3];
    if group_inputs == 0 || !channels.is_multiple_of(group_inputs) {
        return Err(call.refuse(&format!("has {channels} input channels and weights for {group_inputs}")));
    }
    let groups = channels / group_inputs;
    if groups == 0 || !outputs.is_multiple_of(groups) {
        return Err(call.refuse(&format!("has {groups} groups and {outputs} output channels")));
    }
    let stride = [call.size("stride_h")?, call.size("stride_w")?];
    let dilation = [call.size("dilation_h_factor")?, call.size("dilation_w_factor")?];
    let sides = if call.text("padding")? == "SAME" {
        [same(shape[1], kernel_h, stride[0], dilation[0]), same(shape[2], kernel_w, stride[1], dilation[1])]
    } else {
        [Some(Side::default()); 2]
    };
    let [Some(top), Some(left)] = sides else { return Err(call.refuse("has a window beyond all sizes")) };
    let (padding, padding_end) = (vec![top.before, left.before], vec![top.after, left.after]);
    let window = Window {
        stride: Some(stride.to_vec()),
        padding_end: (padding_end != padding).then_some(padding_end),
        padding: Some(padding),
        dilation: Some(dilation.to_vec()),
        output_padding: None,
        groups: u32::try_from(groups).ok(),
    };
    let layer = lowering.layer(call, LayerKind::Conv(2), weight, 2, Some(window))?;
    let edge = lowering.ordered(call, input, Order::ChannelsFirst)?;
    lowering.define(call, Op::Layer(layer), &[edge], Order::ChannelsFirst)
}

/// `TRANSPOSE_CONV`: its first input is the shape of the result, whose padding is that of the convolution which would
/// lead back to the input.
pub(super) fn transposed(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(2)?;
    let weight = lowering.weight(call, 1, &TRANSPOSED)?;
    let shape = lowering.image(call, input)?;
    let result = lowering.shape(call.output(0)?)?;
    let [inputs, _, kernel_h, kernel_w] = four(call, &weight.shape)?;
    if inputs != shape[3] || result.len() != 4 {
        return Err(
            call.refuse(&format!("has an input {shape:?}, a result {result:?} and weights for {inputs}"))
        );
    }
    let stride = [call.size("stride_h")?, call.size("stride_w")?];
    let mut window = Window {
        stride: Some(stride.to_vec()),
        dilation: Some(vec![1, 1]),
        groups: Some(1),
        ..Window::default()
    };
    let same = call.text("padding")? == "SAME";
    let (mut before, mut after, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    for (axis, kernel) in [kernel_h, kernel_w].into_iter().enumerate() {
        let number = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let reach = (number(shape[axis + 1]) - 1)
            .saturating_mul(i64::from(stride[axis]))
            .saturating_add(number(kernel));
        let surplus = reach.saturating_sub(number(result[axis + 1]));
        if surplus > 0 && !same {
            return Err(call.refuse(&format!("has a result {result:?}, smaller than all of its windows")));
        }
        let (first, last) = (surplus.max(0) / 2, surplus.max(0) - surplus.max(0) / 2);
        for (sizes, size) in [(&mut before, first), (&mut after, last), (&mut extra, (-surplus).max(0))] {
            sizes.push(u32::try_from(size).map_err(|_| call.refuse("has a window beyond all sizes"))?);
        }
    }
    window.padding_end = (after != before).then_some(after);
    (window.padding, window.output_padding) = (Some(before), Some(extra));
    let layer = lowering.layer(call, LayerKind::ConvTranspose(2), weight, 3, Some(window))?;
    let strides_beyond =
        [kernel_h, kernel_w].into_iter().zip(stride).any(|(kernel, step)| wide(kernel) < i64::from(step));
    if lowering.constant(call.input(0)?).is_none() || same && strides_beyond {
        lowering.builder.leave_undelegated(&call.node.name);
    }
    let edge = lowering.ordered(call, input, Order::ChannelsFirst)?;
    lowering.define(call, Op::Layer(layer), &[edge], Order::ChannelsFirst)
}

/// `FULLY_CONNECTED`: takes its input as rows of as many elements as the weights have columns.
pub(super) fn fully_connected(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    if call.text("weights_format")? != "DEFAULT" {
        return Err(call.refuse("has shuffled weights"));
    }
    let weight = lowering.weight(call, 1, &LINEAR)?;
    let (shape, result) = (lowering.shape(input)?, lowering.shape(call.output(0)?)?);
    let &[outputs, inputs] = weight.shape.as_slice() else {
        return Err(call.refuse("has weights that are no matrix"));
    };
    let layer = lowering.layer(call, LayerKind::Linear, weight, 2, None)?;
    // Rows are kept where the result has the axes of the input but the last.
    let keeps = shape.last() == Some(&inputs)
        && shape.len() == result.len()
        && shape.iter().rev().skip(1).eq(result.iter().rev().skip(1));
    if keeps {
        let edge = lowering.ordered(call, input, Order::File)?;
        return lowering.define(call, Op::Layer(layer), &[edge], Order::File);
    }
    let rows: usize = result.iter().rev().skip(1).product();
    if result.len() != 2 || result.last() != Some(&outputs) || rows.checked_mul(inputs) != product(&shape) {
        return Err(call.refuse(&format!("makes {result:?} of {shape:?} with weights ({outputs}, {inputs})")));
    }
    let edge = lowering.in_sequence(call, input)?;
    let first = if shape.first() == Some(&rows) { Extent::Of(edge, 0) } else { Extent::Fixed(wide(rows)) };
    let rows = Op::Shape(Shape::Reshape(vec![first, Extent::Fixed(wide(inputs))]));
    let name = format!("{}.rows", call.node.name);
    let edge = super::first(lowering.builder.node(&name, rows, &[edge], None)?)?;
    lowering.define(call, Op::Layer(layer), &[edge], Order::File)
}

fn wide(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}

fn four(call: &Call<'_>, shape: &[usize]) -> Result<[usize; 4]> {
    match *shape {
        [a, b, c, d] if shape.iter().all(|size| (1..=LARGEST).contains(size)) => Ok([a, b, c, d]),
        _ => Err(call.refuse(&format!("has weights of sizes {shape:?}"))),
    }
}

impl Lowering<'_> {
    /// The sizes (N, H, W, C) of an image.
    pub(super) fn image(&self, call: &Call<'_>, id: ValueId) -> Result<[usize; 4]> {
        let shape = self.shape(id)?;
        shape
            .as_slice()
            .try_into()
            .map_err(|_| call.refuse(&format!("has an input of sizes {shape:?}, expected four")))
    }

    /// A layer with its bias and activation.
    fn layer(
        &self,
        call: &Call<'_>,
        kind: LayerKind,
        weight: Weight,
        bias: usize,
        window: Option<Window>,
    ) -> Result<Layer> {
        let output = self.activation(call, call.output(0)?)?;
        let fused = call.fused()?;
        let channels = match kind {
            LayerKind::ConvTranspose(_) => weight.shape.get(1),
            LayerKind::Conv(_) | LayerKind::Linear => weight.shape.first(),
        };
        let bias = match call.optional(bias) {
            None => None,
            Some(id) => {
                let bias = self.bias(call, id)?;
                if Some(&bias.len()) != channels {
                    return Err(call.refuse(&format!(
                        "has {} biases for {} output channels",
                        bias.len(),
                        channels.unwrap_or(&0)
                    )));
                }
                Some(bias)
            }
        };
        Ok(Layer {
            kind,
            weight,
            bias,
            relu: Some(matches!(fused, Fused::Relu | Fused::Relu6)),
            clamp: clamp(fused, output),
            window,
            padding_mode: PaddingMode::Zeros,
        })
    }

    /// Integers at scale S1*S2.
    pub(super) fn bias(&self, call: &Call<'_>, id: ValueId) -> Result<Bias> {
        let facts = self.facts(id)?;
        let refuse = |what: &str| call.refuse(&format!("has a bias `{}` of {what}", facts.name));
        let constant = self.constant(id).ok_or_else(|| refuse("elements that are not in the file"))?;
        let codes = constant.to_i64();
        match (facts.element_type.as_str(), codes) {
            ("INT32", Some(codes)) => Ok(Bias::Codes(codes)),
            ("INT64", Some(codes)) => Ok(Bias::WideCodes(codes)),
            (other, _) => Err(refuse(other)),
        }
    }

    /// Weights in the order of axes of this house.
    fn weight(&self, call: &Call<'_>, index: usize, axes: &Axes) -> Result<Weight> {
        let facts = self.facts(call.input(index)?)?;
        let refuse = |text: String| call.refuse(&format!("has weights `{}` {text}", facts.name));
        let tensor = facts.constant.as_ref().ok_or_else(|| refuse("that are not in the file".into()))?;
        let (offset, bits) = match facts.element_type.as_str() {
            "INT8" => (0, 8),
            "UINT8" => (128, 8),
            "INT4" => (0, 4),
            "INT2" => (0, 2),
            other => {
                let error = refuse(format!("of {other}, expected INT8, UINT8, INT4 or INT2"));
                return Err(if tensor.dtype().is_float() { error.hint(recipe::TFLITE) } else { error });
            }
        };
        let input = self.facts(call.input(if call.operator == "TRANSPOSE_CONV" { 2 } else { 0 })?)?;
        if input.quantization.is_none() {
            return Err(call
                .refuse(&format!(
                    "has {} weights and {} activations: this is dynamic-range quantization, whose activations are \
                     quantized anew for each input",
                    facts.element_type, input.element_type
                ))
                .hint(recipe::TFLITE));
        }
        let quantization = facts.quantization.as_ref().ok_or_else(|| refuse("without a scale".into()))?;
        if tensor.shape().len() != axes.order.len() || tensor.is_empty() {
            return Err(refuse(format!("of sizes {:?}", tensor.shape())));
        }
        let channels = tensor.shape()[axes.channels];
        let scales = quantization.scale.len();
        if scales != 1 && (scales != channels || quantization.axis != wide(axes.channels)) {
            return Err(refuse(format!(
                "with {scales} scales along axis {} of {:?}, expected one, or {channels} along axis {}",
                quantization.axis,
                tensor.shape(),
                axes.channels
            )));
        }
        if let Some(scale) = quantization.scale.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            return Err(refuse(format!("of scale {scale}")));
        }
        let zero_point = quantization
            .zero_point
            .iter()
            .map(|&z| {
                i32::try_from(z).ok().map(|z| z.saturating_sub(offset)).filter(|z| (-128..=127).contains(z))
            })
            .collect::<Option<Vec<i32>>>()
            .filter(|zero_points| zero_points.len() == scales)
            .ok_or_else(|| refuse(format!("of zero points {:?}", quantization.zero_point)))?;
        let codes = reordered(tensor, axes.order, offset)
            .ok_or_else(|| refuse(format!("of {}, which are no 8-bit codes", facts.element_type)))?;
        Ok(Weight {
            shape: axes.order.iter().map(|&axis| tensor.shape()[axis]).collect(),
            codes: Arc::from(codes),
            scale: quantization.scale.iter().map(|&scale| f64::from(scale)).collect(),
            zero_point,
            offset,
            bits,
        })
    }
}

/// The elements of a tensor less `offset`, with its axes in another order: for each axis of the result, the tensor's.
fn reordered(tensor: &Tensor, order: &[usize], offset: i32) -> Option<Vec<i8>> {
    let codes: Vec<i8> = match tensor.to_i8() {
        Some(codes) => codes,
        // Less 128 is the same bits with the first one turned.
        None => tensor.to_u8()?.into_iter().map(|code| (code ^ 0x80).cast_signed()).collect(),
    };
    debug_assert!(offset == 0 || offset == 128);
    let strides = gen_params_core::tensor::strides(tensor.shape());
    let shape: Vec<usize> = order.iter().map(|&axis| tensor.shape()[axis]).collect();
    let strides: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
    let mut place = vec![0usize; shape.len()];
    let mut from = 0;
    let mut result = Vec::with_capacity(codes.len());
    for _ in 0..codes.len() {
        result.push(codes[from]);
        for axis in (0..shape.len()).rev() {
            place[axis] += 1;
            from += strides[axis];
            if place[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            place[axis] = 0;
        }
    }
    Some(result)
}

/// The codes that RELU6 and RELU_N1_TO_1 leave; `None` for what says nothing beyond `relu`.
///
/// Source: TFLite `CalculateActivationRangeQuantized`: bounds are `Z + round(bound / S)` in float32, ties away from zero.
fn clamp(fused: Fused, output: Activation) -> Option<Range<i32>> {
    let (min, max) = output.code_type.range();
    #[allow(clippy::cast_possible_truncation, reason = "scales are float32 there; the cast saturates")]
    let code = |bound: f32| {
        let steps = (bound / output.scale as f32).round() as i32;
        output.zero_point.saturating_add(steps).clamp(min, max)
    };
    match fused {
        Fused::None | Fused::Relu => None,
        Fused::Relu6 => Some(Range { min: code(0.0), max: code(6.0) }),
        Fused::ReluN1To1 => Some(Range { min: code(-1.0), max: code(1.0) }),
    }
}
