//! Layers with weights between Dequantize and Quantize, and what folds into them: biases, batch norm, factors.

use super::value::{Constant, Elements, Pending, Scheme, Value};
use super::{Graph, UNBOUNDED};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::network::EdgeId;
use gen_params_core::ops::{Bias, Layer, Op, PaddingMode};
use gen_params_core::parameters::{LayerKind, Weight, Window};

/// Relative distance within which a scale is the product of two others, and a product of a factor and its reciprocal is
/// one: a few roundings of float32.
const FLOAT_ROUNDINGS: f64 = 1e-6;

impl Graph {
    /// A convolution or linear layer: reals of codes, weights along [`LayerKind::axes`], a bias of one number per output
    /// channel.
    ///
    /// # Errors
    /// The input or the weights are not quantized, or the bias is none.
    pub(crate) fn layer(
        &mut self,
        name: &str,
        kind: LayerKind,
        input: &Value,
        weight: &Value,
        bias: Option<&Value>,
        window: Option<Window>,
    ) -> Result<Value> {
        let Value::Real(real) = input else {
            return Err(LowerError::at(
                name,
                format!("its input is {}, expected dequantized codes", input.kind()),
            ));
        };
        let edge = self.edge(name, real)?;
        let Value::Constant(weight) = weight else {
            return Err(LowerError::at(name, "its weights are computed, expected constants"));
        };
        let layer = Layer {
            kind,
            weight: weight_of(name, kind, weight, window.as_ref())?,
            bias: None,
            relu: Some(false),
            clamp: None,
            window,
            padding_mode: PaddingMode::Zeros,
        };
        let own_scale = Some((layer.weight.scale.clone(), layer.weight.zero_point.clone()));
        let pending = Pending {
            name: name.to_owned(),
            op: Op::Layer(layer),
            inputs: vec![edge],
            bounds: UNBOUNDED,
            own_scale,
            fusion: self.fusion,
            after: Vec::new(),
        };
        let layer = self.pending(pending)?;
        match bias {
            Some(Value::Constant(bias)) => {
                let quantized = self.quantized_bias(edge, &layer, bias);
                self.biased(name, &layer, quantized.as_ref().unwrap_or(bias))
            }
            Some(other) => {
                Err(LowerError::at(name, format!("its bias is {}, expected a constant", other.kind())))
            }
            None => Ok(layer),
        }
    }

    /// A float bias of a layer that ONNX Runtime computes in floats: it has given it int32 codes of scale S1*S2 before.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the engine divides and multiplies float32 scales; the cast saturates"
    )]
    fn quantized_bias(&self, input: EdgeId, layer: &Value, bias: &Constant) -> Option<Constant> {
        let (Elements::Reals(reals), Some(pending)) = (&bias.elements, Self::layer_of(layer)) else {
            return None;
        };
        let Op::Layer(layer) = &pending.op else { return None };
        let input = self.builder.activation(input).filter(|_| pending.fusion.is_float())?;
        let scales: Vec<f64> =
            layer.weight.scale.iter().map(|&scale| f64::from(input.scale as f32 * scale as f32)).collect();
        let scale = |channel: usize| scales.get(if scales.len() > 1 { channel } else { 0 }).copied();
        let code =
            |(channel, &real): (usize, &f32)| Some((real / scale(channel)? as f32).round_ties_even() as i32);
        let codes = reals.iter().enumerate().map(code).collect::<Option<Vec<i32>>>()?;
        let zeros = vec![0; scales.len()];
        let axis = (bias.shape.len() == 1 && scales.len() > 1).then_some(0);
        let elements = Elements::Codes(codes.into(), Scheme::new(scales, zeros, axis, true, 32));
        Some(Constant { shape: bias.shape.clone(), elements })
    }

    /// True for the result of a layer that still takes biases and factors.
    pub(crate) fn is_layer(value: &Value) -> bool {
        Self::layer_of(value).is_some()
    }

    /// True for the result of a linear layer that still takes biases and factors.
    pub(crate) fn is_linear(value: &Value) -> bool {
        let linear = |op: &Op| matches!(op, Op::Layer(layer) if layer.kind == LayerKind::Linear);
        Self::layer_of(value).is_some_and(|pending| linear(&pending.op))
    }

    /// Adds one number per output channel to the result of a layer.
    ///
    /// # Errors
    /// The value is no layer's, or the numbers do not belong to its channels.
    pub(crate) fn biased(&mut self, name: &str, value: &Value, bias: &Constant) -> Result<Value> {
        let (mut next, mut layer) = pending_layer(name, value)?;
        let channels = layer.output_channels();
        let reals = per_channel(name, &layer, bias)?;
        let input = next.inputs.first().and_then(|&edge| self.builder.activation(edge));
        let codes = match (&bias.elements, input, &layer.bias) {
            (Elements::Codes(codes, scheme), Some(input), None) if codes.len() == channels => {
                // What is computed in floats takes the file's scale as it is.
                let nearness = if next.fusion.is_float() { 0.0 } else { FLOAT_ROUNDINGS };
                at_accumulator_scale(scheme, input.scale, &layer.weight.scale, nearness)
                    .then(|| codes.iter().map(|&c| i64::from(c)).collect())
            }
            _ => None,
        };
        layer.bias = Some(match codes {
            Some(codes) => Bias::Codes(codes),
            None => Bias::Real(self.with_bias(&next, &layer, &reals)),
        });
        next.op = Op::Layer(layer);
        self.pending(next)
    }

    /// `value * factor + addend`, one of each per output channel of a layer: batch norm, or what quantization-aware
    /// training puts around one. A factor changes S2, an addend the bias.
    ///
    /// # Errors
    /// The value is no layer's, the numbers do not belong to its channels, or a factor is 0.
    pub(crate) fn affine(
        &mut self,
        name: &str,
        value: &Value,
        factor: &[f64],
        addend: &[f64],
    ) -> Result<Value> {
        let (mut next, mut layer) = pending_layer(name, value)?;
        let channels = layer.output_channels();
        if ![factor, addend].iter().all(|v| v.len() == channels) {
            let found = format!("has {} factors and {} addends", factor.len(), addend.len());
            return Err(LowerError::at(name, format!("{found} for {channels} channels")));
        }
        let scales = &layer.weight.scale;
        let scale = |channel: usize| scales.get(if scales.len() > 1 { channel } else { 0 }).copied();
        let scaled: Vec<f64> = (0..channels).map(|c| scale(c).unwrap_or(f64::NAN) * factor[c]).collect();
        if let Some(index) = scaled.iter().position(|s| !s.is_finite() || *s == 0.0) {
            return Err(LowerError::at(name, format!("multiplies channel {index} by {}", factor[index])));
        }
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a bias is float32 in every engine that has a float one"
        )]
        let bias = (0..channels)
            .map(|c| (self.real_bias(&next, &layer, c) * factor[c] + addend[c]) as f32)
            .collect();
        let keeps_bias = addend.iter().all(|&a| a == 0.0) && !matches!(layer.bias, Some(Bias::Real(_)));
        if !keeps_bias {
            layer.bias = Some(Bias::Real(bias));
        }
        let own = next.own_scale.clone().unwrap_or_default();
        let own_of = |c: usize| own.0.get(if own.0.len() > 1 { c } else { 0 }).copied().unwrap_or(f64::NAN);
        if (0..channels).all(|c| nearly_one(scaled[c] / own_of(c))) {
            // Training divides by the factor of the batch norm that follows: what is left of both is rounding.
            (layer.weight.scale, layer.weight.zero_point) = own;
        } else if layer.weight.scale.len() == 1 && scaled.windows(2).all(|pair| pair[0] == pair[1]) {
            layer.weight.scale = scaled.into_iter().take(1).collect();
        } else {
            if let [zero_point] = layer.weight.zero_point[..] {
                layer.weight.zero_point = vec![zero_point; channels];
            }
            layer.weight.scale = scaled;
        }
        next.fusion = self.left_between(next.fusion);
        next.op = Op::Layer(layer);
        self.pending(next)
    }

    /// One number per output channel of a layer.
    ///
    /// # Errors
    /// The value is no layer's, or the numbers do not belong to its channels.
    pub(crate) fn channel_values(&self, name: &str, value: &Value, constant: &Constant) -> Result<Vec<f64>> {
        let (_, layer) = pending_layer(name, value)?;
        Ok(per_channel(name, &layer, constant)?.into_iter().map(f64::from).collect())
    }

    fn real_bias(&self, pending: &Pending, layer: &Layer, channel: usize) -> f64 {
        let input = pending.inputs.first().and_then(|&edge| self.builder.activation(edge));
        let input = input.map_or(f64::NAN, |a| a.scale);
        let scales = &layer.weight.scale;
        let weight = scales.get(if scales.len() > 1 { channel } else { 0 }).copied().unwrap_or(f64::NAN);
        match &layer.bias {
            None => 0.0,
            // What is no number is refused with the scale that makes it none.
            Some(bias) => bias.real(channel, input, weight).map_or(f64::NAN, f64::from),
        }
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "a bias is float32 in every engine that has a float one"
    )]
    fn with_bias(&self, pending: &Pending, layer: &Layer, added: &[f32]) -> Vec<f32> {
        let sum =
            |(channel, &b): (usize, &f32)| (self.real_bias(pending, layer, channel) + f64::from(b)) as f32;
        added.iter().enumerate().map(sum).collect()
    }
}

/// Whether a factor is one but for a few roundings of float32.
fn nearly_one(factor: f64) -> bool {
    (factor - 1.0).abs() < FLOAT_ROUNDINGS
}

fn pending_layer(name: &str, value: &Value) -> Result<(Pending, Layer)> {
    match Graph::layer_of(value) {
        Some(pending) => match &pending.op {
            Op::Layer(layer) => Ok((pending.clone(), layer.clone())),
            _ => Err(LowerError::at(name, "does not follow a layer")),
        },
        None => {
            Err(LowerError::at(name, "does not follow a layer directly, so it cannot be folded into one"))
        }
    }
}

/// True if a bias has the scale S1*S2 and zero point 0 in every channel; S1*S2 of float32 where it must not differ at all.
#[allow(clippy::cast_possible_truncation, reason = "files and engines multiply float32 scales")]
fn at_accumulator_scale(bias: &Scheme, input: f64, weight: &[f64], nearness: f64) -> bool {
    let channels = bias.scale.len().max(weight.len());
    bias.zero_point.iter().all(|&z| z == 0)
        && (0..channels).all(|channel| {
            let (scale, _) = bias.of_channel(channel);
            let weight = weight.get(if weight.len() > 1 { channel } else { 0 }).copied().unwrap_or(f64::NAN);
            let expected =
                if nearness > 0.0 { input * weight } else { f64::from(input as f32 * weight as f32) };
            (scale - expected).abs() <= expected * nearness
        })
}

/// A constant that has one number, or one per output channel along the channel axis of a layer's result.
fn per_channel(name: &str, layer: &Layer, constant: &Constant) -> Result<Vec<f32>> {
    let channels = layer.output_channels();
    let reals = constant.reals();
    // Axes after the channels': those of the window.
    let behind = layer.weight.shape.len().saturating_sub(2);
    let place = constant.shape.iter().position(|&size| size != 1);
    let fits = match place {
        None => true,
        // A bias that stands alone is a plain vector; one that is broadcast has the axes of the window behind it.
        Some(axis) => {
            let after = constant.shape.len() - 1 - axis;
            reals.len() == channels && (after == behind || constant.shape.len() == 1)
        }
    };
    match (fits, &reals[..]) {
        (true, [one]) => Ok(vec![*one; channels]),
        (true, _) if reals.len() == channels => Ok(reals.to_vec()),
        _ => Err(LowerError::at(
            name,
            format!("has a constant of sizes {:?} for {channels} output channels", constant.shape),
        )),
    }
}

/// Weights of a layer from a constant.
fn weight_of(name: &str, kind: LayerKind, constant: &Constant, window: Option<&Window>) -> Result<Weight> {
    let Elements::Codes(codes, scheme) = &constant.elements else {
        return Err(LowerError::at(name, "its weights are float: nothing quantizes them"));
    };
    let shape = constant.shape.clone();
    if shape.len() != kind.axes().len() {
        return Err(LowerError::at(
            name,
            format!("has weights of sizes {shape:?}, expected axes {}", kind.axes()),
        ));
    }
    let channel_axis = usize::from(matches!(kind, LayerKind::ConvTranspose(_)));
    let groups = window.and_then(|w| w.groups).unwrap_or(1);
    if scheme.axis.is_some_and(|axis| axis != channel_axis || (channel_axis == 1 && groups > 1)) {
        return Err(LowerError::at(
            name,
            "its weights have scales along an axis that is not the output channels",
        ));
    }
    let channels = shape.get(channel_axis).copied().unwrap_or(0);
    if scheme.scale.len() != 1 && scheme.scale.len() != channels {
        return Err(LowerError::at(
            name,
            format!("its weights have {} scales for {channels} output channels", scheme.scale.len()),
        ));
    }
    if scheme.bits > 8 {
        let sign = if scheme.signed { "int" } else { "uint" };
        return Err(LowerError::at(name, format!("weights of type {sign}{} are not supported", scheme.bits)));
    }
    if let Some(scale) = scheme.scale.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        return Err(LowerError::at(
            name,
            format!("its weights have the scale {scale}, expected a positive number"),
        ));
    }
    // A narrow type is written in the next width that memories have.
    let bits = scheme.bits.next_power_of_two();
    let offset = if scheme.signed { 0 } else { 1i32 << (bits - 1) };
    let narrow = |code: i64| i8::try_from(code - i64::from(offset));
    let codes = codes.iter().map(|&code| narrow(i64::from(code))).collect::<Result<_, _>>();
    let zero_point = scheme.zero_point.iter().map(|&z| narrow(z).map(i32::from)).collect::<Result<_, _>>();
    match (codes, zero_point) {
        (Ok(codes), Ok(zero_point)) => {
            Ok(Weight { shape, codes, scale: scheme.scale.clone(), zero_point, offset, bits })
        }
        _ => Err(LowerError::at(name, format!("has weights beyond {bits} bits"))),
    }
}
