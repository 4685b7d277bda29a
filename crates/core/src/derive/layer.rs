//! The integers of one layer with weights.

use super::Options;
use super::multiplier::{Multipliers, layer_form};
use crate::error::{LowerError, Result};
use crate::hardware::reach::{
    accumulator_range, of_channel, output_channels, reach_of, signed_bits, weight_sums,
};
use crate::network::{EdgeId, IntNetwork, Node};
use crate::ops::{Bias, Layer, Op, PaddingMode, Shape};
use crate::parameters::{Activation, CodeType, LayerKind, LayerParameters, Range, Reach, Window};
use crate::quantize::quantize_bias;

pub(super) fn derive_layer(
    network: &IntNetwork,
    node: &Node,
    layer: &Layer,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<LayerParameters> {
    let refuse = |text: String| LowerError::at(&node.name, text);
    let (Some(&input_id), Some(&output_id)) = (node.inputs.first(), node.outputs.first()) else {
        return Err(refuse("has no input or no output".into()));
    };
    let (input, output) = (network.edge(input_id).activation, network.edge(output_id).activation);
    let channels = check(layer, input, output).map_err(refuse)?;
    let weight_sum = narrow(weight_sums(layer, channels, &[0]).into_iter())
        .ok_or_else(|| refuse("weight_sum does not fit in 32 bits".into()))?;
    let bias = bias_codes(layer, channels, input).map_err(refuse)?;
    let folded_bias = match (input, &bias) {
        (Some(input), Some(bias)) => Some(fold_bias(layer, input, bias, &weight_sum).map_err(refuse)?),
        _ => None,
    };
    let multipliers = match input.zip(output) {
        Some(ends) => {
            let form = layer_form(network, node, layer, options.form)?;
            Some(Multipliers::new(network, &node.name, layer, channels, ends, form, warnings)?)
        }
        None => None,
    };

    let input_range = network.edge(input_id).range.or(input.map(|a| {
        let (min, max) = a.code_type.range();
        Range { min, max }
    }));
    let reached = input
        .zip(input_range)
        .and_then(|(input, range)| accumulator_range(layer, channels, range, input.zero_point));
    let accumulator = reached.as_ref().and_then(|channels| hull(channels.iter().copied()));
    let biased = reached.as_ref().zip(folded_bias.as_ref()).and_then(|(channels, folded)| {
        let sums = channels.iter().zip(folded);
        hull(sums.map(|(&(min, max), &b)| (min.saturating_add(b), max.saturating_add(b))))
    });
    let widths = [("the accumulator", accumulator), ("accumulator + folded_bias", biased)];
    warn_about_widths(&node.name, widths, folded_bias.as_deref(), options, warnings);

    let (window, mode) = folded_padding(network, input_id, layer);
    if let Some(border) = mode.copies() {
        warnings.push(format!(
            "{}: its border is padded by {border} of the input, not with a constant code",
            node.name
        ));
    }
    let (real_multiplier, multiplier, shift) = match multipliers {
        Some(m) => (Some(m.real), Some(m.multiplier), Some(m.shift)),
        None => (None, None, None),
    };
    Ok(LayerParameters {
        name: node.name.clone(),
        kind: layer.kind,
        relu: layer.relu,
        input,
        input_range,
        weight: layer.weight.clone(),
        channels,
        bias,
        weight_sum,
        folded_bias,
        real_multiplier,
        multiplier,
        shift,
        rounding_constant: None,
        thresholds: None,
        output,
        clamp: output.and_then(|output| folded_clamp(network, output_id, layer.clamp_of(output))),
        padding_value: input.filter(|_| mode == PaddingMode::Zeros).map(|a| a.zero_point),
        accumulator,
        biased,
        window,
    })
}

/// The number of output channels, of a layer whose sizes fit each other and whose scales are positive.
fn check(layer: &Layer, input: Option<Activation>, output: Option<Activation>) -> Result<usize, String> {
    let channels = output_channels(layer)
        .ok_or_else(|| format!("weight of sizes {:?} does not divide into groups", layer.weight.shape))?;
    if let Some(bias) = layer.bias.as_ref().filter(|b| b.len() != channels) {
        let transposed = layer.window.is_some() && !matches!(layer.kind, LayerKind::ConvTranspose(_));
        return Err(format!(
            "has {} biases for {channels} output channels{}",
            bias.len(),
            if transposed {
                "; if it is a transposed convolution, which a state_dict does not tell, say so with --graph"
            } else {
                ""
            }
        ));
    }
    let scales = layer.weight.scale.iter().map(|&s| ("weight scale", s));
    let scales = scales
        .chain(input.map(|a| ("input scale", a.scale)))
        .chain(output.map(|a| ("output scale", a.scale)));
    for (what, scale) in scales {
        if !(scale.is_finite() && scale > 0.0) {
            return Err(format!("{what} is {scale}, which is no positive finite number"));
        }
    }
    Ok(channels)
}

/// Bits that a bias may have: accumulators of 16-bit activations have up to 64, and so may their bias.
fn bias_bits(input: Option<Activation>) -> u32 {
    if input.is_some_and(|input| input.code_type == CodeType::I16) { 64 } else { 32 }
}

fn fits(value: i64, bits: u32) -> bool {
    bits == 64 || i32::try_from(value).is_ok()
}

/// `round(b / (S1*S2))` per output channel; `None` where S1 is not known.
fn bias_codes(layer: &Layer, channels: usize, input: Option<Activation>) -> Result<Option<Vec<i64>>, String> {
    let bits = bias_bits(input);
    match (input, &layer.bias) {
        (_, None) => Ok(Some(vec![0; channels])),
        (None, Some(Bias::Real(_))) => Ok(None),
        (_, Some(Bias::Codes(codes) | Bias::WideCodes(codes))) => {
            match codes.iter().find(|&&code| !fits(code, bits)) {
                Some(code) => Err(format!("bias {code} does not fit in {bits} bits")),
                None => Ok(Some(codes.clone())),
            }
        }
        (Some(input), Some(Bias::Real(bias))) => {
            let scales = &layer.weight.scale;
            let codes = bias.iter().enumerate().map(|(channel, &b)| {
                let scale = scales[if scales.len() > 1 { channel } else { 0 }];
                quantize_bias(b, input.scale, scale).filter(|&code| fits(code, bits)).ok_or_else(|| {
                    format!(
                        "bias {b} of channel {channel} divided by S1*S2 = {:.3e} does not fit in {bits} bits",
                        input.scale * scale
                    )
                })
            });
            codes.collect::<Result<_, _>>().map(Some)
        }
    }
}

/// `bias - Z1*weight_sum + K*Z1*Z2` per output channel.
fn fold_bias(layer: &Layer, input: Activation, bias: &[i64], weight_sum: &[i32]) -> Result<Vec<i64>, String> {
    let bits = bias_bits(Some(input));
    let taps = i64::try_from(layer.weight.codes.len() / bias.len().max(1))
        .map_err(|_| "has more weights of a channel than 63 bits can count".to_owned())?;
    let z1 = i64::from(input.zero_point);
    let folded = bias.iter().zip(weight_sum).enumerate().map(|(channel, (&b, &sum))| {
        let z2 = of_channel(&layer.weight.zero_point, channel);
        let folded = taps.checked_mul(z1 * z2)?.checked_sub(z1 * i64::from(sum))?.checked_add(b)?;
        fits(folded, bits).then_some(folded)
    });
    folded
        .collect::<Option<_>>()
        .ok_or_else(|| format!("folded_bias = bias - Z1*weight_sum does not fit in {bits} bits"))
}

/// The smallest and largest of the values that several channels reach.
fn hull(channels: impl Iterator<Item = (i64, i64)>) -> Option<Reach> {
    let (min, max) = channels.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    Some(reach_of(min, max))
}

fn warn_about_widths(
    name: &str,
    reaches: [(&str, Option<Reach>); 2],
    folded_bias: Option<&[i64]>,
    options: &Options,
    warnings: &mut Vec<String>,
) {
    for (what, reach) in reaches {
        if let Some(reach) = reach.filter(|r| r.bits > options.target.accumulator_bits) {
            warnings.push(format!(
                "{name}: {what} reaches {}..={}, which needs {} bits and not {}",
                reach.min, reach.max, reach.bits, options.target.accumulator_bits
            ));
        }
    }
    if let Some(widest) =
        folded_bias.unwrap_or_default().iter().map(|&b| signed_bits(Range { min: b, max: b })).max()
        && widest > options.bias_bits
    {
        warnings.push(format!("{name}: folded_bias needs {widest} bits and not {}", options.bias_bits));
    }
}

/// Geometry and padding mode of a convolution, with the padding of a `pad` node that feeds it alone: TorchScript writes
/// every padding but zeros as a node of its own.
fn folded_padding(network: &IntNetwork, input: EdgeId, layer: &Layer) -> (Option<Window>, PaddingMode) {
    let own = (layer.window.clone(), layer.padding_mode);
    let pad = network.nodes.iter().find(|n| n.outputs.contains(&input));
    let Some(Op::Shape(Shape::Pad { amounts, mode })) = pad.map(|n| &n.op) else { return own };
    let alone = network.nodes.iter().filter(|n| n.inputs.contains(&input)).count() == 1;
    // Before and after each axis, from the last axis backwards.
    let sides = amounts.chunks(2).rev().map(|side| match side {
        [before, after] => u32::try_from(*before).ok().zip(u32::try_from(*after).ok()),
        _ => None,
    });
    match (own.0, sides.collect::<Option<(Vec<u32>, Vec<u32>)>>()) {
        (Some(mut window), Some((padding, padding_end)))
            if alone
                && window.padding_end.is_none()
                && window
                    .padding
                    .as_ref()
                    .is_some_and(|p| p.len() == padding.len() && p.iter().all(|&p| p == 0)) =>
        {
            window.padding_end = (padding_end != padding).then_some(padding_end);
            window.padding = Some(padding);
            (Some(window), *mode)
        }
        (window, _) => (window, own.1),
    }
}

/// Includes the clamp of a ReLU or clamp node that alone consumes the layer's codes: clamping codes twice is clamping
/// them once, so hardware needs one comparator pair.
fn folded_clamp(network: &IntNetwork, output: EdgeId, own: Option<Range<i32>>) -> Option<Range<i32>> {
    let own = own?;
    if network.outputs.contains(&output) {
        return Some(own);
    }
    let mut consumers = network.nodes.iter().filter(|n| n.inputs.contains(&output));
    match (consumers.next(), consumers.next()) {
        (Some(only), None) if matches!(only.op, Op::Relu | Op::Clamp { .. }) => {
            let range = only.outputs.first().and_then(|&id| network.edge(id).range)?;
            Some(Range { min: own.min.max(range.min), max: own.max.min(range.max) })
        }
        _ => Some(own),
    }
}

fn narrow(values: impl Iterator<Item = i64>) -> Option<Vec<i32>> {
    values.map(|v| i32::try_from(v).ok()).collect()
}
