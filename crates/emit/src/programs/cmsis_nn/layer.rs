//! Convolutions and fully connected layers.

use gen_params_core::hardware::TargetLayer;
use gen_params_core::ops::PaddingMode;
use gen_params_core::parameters::{LayerKind, LayerParameters};

use super::order::Order;
use super::{Requantization, Scope, Structs, Tile};

/// Fraction bits of CMSIS-NN's multiplier.
const MULTIPLIER_BITS: i32 = 31;

/// Bits of the registers that it requantizes.
const REGISTER_BITS: i32 = 32;

impl Scope<'_> {
    /// The structs of a layer.
    pub(super) fn layer(&self, layer: &TargetLayer) -> Result<Structs, String> {
        let parameters = self.design.parameters.layers.iter().find(|known| known.name == layer.name);
        let parameters = parameters.ok_or("its parameters are not known")?;
        let requantization = requantization(layer, parameters)?;
        let narrow =
            |&bias: &i64| i32::try_from(bias).map_err(|_| format!("a bias of {bias}, expected 32 bits"));
        let bias: Vec<i32> = layer.bias.iter().map(narrow).collect::<Result<_, _>>()?;
        match layer.kind() {
            LayerKind::Linear => self.fully_connected(layer, parameters, requantization, bias),
            LayerKind::Conv(1 | 2) => self.convolution(layer, requantization, bias),
            kind => Err(format!("{} is not among what is written: conv1d, conv2d, linear", kind.name())),
        }
    }

    fn convolution(
        &self,
        layer: &TargetLayer,
        (multiplier, shift): (Vec<i32>, Vec<i32>),
        bias: Vec<i32>,
    ) -> Result<Structs, String> {
        if layer.padding_mode() != PaddingMode::Zeros {
            return Err("a border that is not zero".into());
        }
        if layer.weight_zero_point.iter().any(|&z| z != 0) {
            return Err("weights with a zero point, which convolutions have no offset for".into());
        }
        let (input, output) = (self.node.inputs[0].0, self.node.outputs[0].0);
        if self.orders.edges[input] != Order::ChannelsLast {
            return Err("an input that is not known to be channels-last".into());
        }
        let window = layer.window();
        let tile = |sizes: &Option<Vec<u32>>, what: &str| -> Result<Tile, String> {
            let sizes = sizes.as_ref().ok_or_else(|| format!("its {what} is not known"))?;
            let mut tile = [usize::from(what != "padding"); 2];
            for (place, &size) in tile.iter_mut().rev().zip(sizes.iter().rev()) {
                *place = usize::try_from(size).map_err(|error| error.to_string())?;
            }
            Ok(tile)
        };
        let [stride, padding, dilation] = [
            tile(&window.stride, "stride")?,
            tile(&window.padding, "padding")?,
            tile(&window.dilation, "dilation")?,
        ];
        let [kernel_height, kernel_width] = super::pool::plane(layer.kernel());
        let (channels, taps, area) = (layer.channels(), layer.group_inputs(), kernel_height * kernel_width);
        let inputs = self.shapes[input][1];
        let depthwise = layer.group_inputs() == 1 && layer.groups() == inputs && inputs > 1;
        let axes = format!(
            ".stride = {}, .padding = {}, .dilation = {},\n    .activation = {{.min = {}, .max = {}}}",
            super::tile(stride),
            super::tile(padding),
            super::tile(dilation),
            layer.clamp.min,
            layer.clamp.max
        );
        let offsets = format!(
            "\n    .input_offset = {}, .output_offset = {},",
            -layer.padding_value, layer.output_zero_point
        );
        let weight = |index: fn([usize; 3], [usize; 3]) -> usize| {
            let mut ordered = vec![0; layer.weight.len()];
            for (place, &code) in layer.weight.iter().enumerate() {
                let at = [place / (taps * area), place / area % taps, place % area];
                ordered[index(at, [channels, taps, area])] = code;
            }
            ordered
        };
        let (function, params, fields, weight, filter) = if depthwise {
            let multiplied = channels / inputs;
            (
                "arm_depthwise_conv_wrapper_s8",
                "cmsis_nn_dw_conv_params",
                format!("{offsets} .ch_mult = {multiplied},\n    {axes}\n"),
                weight(|[o, _, position], [channels, ..]| position * channels + o),
                [1, kernel_height, kernel_width, channels],
            )
        } else {
            (
                "arm_convolve_wrapper_s8",
                "cmsis_nn_conv_params",
                format!("{offsets}\n    {axes}\n"),
                weight(|[o, i, position], [_, taps, area]| (o * area + position) * taps + i),
                [channels, kernel_height, kernel_width, taps],
            )
        };
        Ok(Structs {
            function,
            params,
            fields,
            requantization: Some((Requantization::PerChannel, multiplier, shift)),
            weights: Some((weight, bias)),
            dims: vec![
                ("input", super::pool::dims(&self.shapes[input])),
                ("filter", filter),
                ("bias", [1, 1, 1, channels]),
                ("output", super::pool::dims(&self.shapes[output])),
            ],
        })
    }

    fn fully_connected(
        &self,
        layer: &TargetLayer,
        parameters: &LayerParameters,
        (multiplier, shift): (Vec<i32>, Vec<i32>),
        bias: Vec<i32>,
    ) -> Result<Structs, String> {
        let (input, channels, depth) = (self.node.inputs[0].0, layer.channels(), layer.taps());
        if self.shapes[input].len() != 2 {
            return Err(format!("an input of shape {:?}, expected vectors", self.shapes[input]));
        }
        let zero_point = layer.weight_zero_point.first().copied().unwrap_or(0);
        if layer.weight_zero_point.iter().any(|&z| z != zero_point) {
            return Err("a zero point for each channel of its weights, expected one filter offset".into());
        }
        let weight = match self.orders.edges[input] {
            Order::ChannelsLast | Order::AsTheShape => layer.weight.clone(),
            Order::Flattened { channels: inner, area } if inner * area == depth => {
                let mut ordered = Vec::with_capacity(layer.weight.len());
                for row in layer.weight.chunks(depth.max(1)) {
                    for position in 0..area {
                        ordered.extend(row.iter().skip(position).step_by(area.max(1)));
                    }
                }
                ordered
            }
            Order::Flattened { .. } | Order::Unknown => {
                return Err("an input whose order in channels-last memory is not known".into());
            }
        };
        let (kind, function) = if parameters.per_channel() {
            (Requantization::PerChannel, "arm_fully_connected_per_channel_s8")
        } else {
            (Requantization::PerTensor, "arm_fully_connected_s8")
        };
        let fields = format!(
            "\n    .input_offset = {}, .filter_offset = {}, .output_offset = {},\n    .activation = {{.min = {}, .max = {}}}\n",
            -layer.padding_value, -zero_point, layer.output_zero_point, layer.clamp.min, layer.clamp.max
        );
        Ok(Structs {
            function,
            params: "cmsis_nn_fc_params",
            fields,
            requantization: Some((kind, multiplier, shift)),
            weights: Some((weight, bias)),
            dims: vec![
                ("input", [1, 1, 1, depth]),
                ("filter", [depth, 1, 1, channels]),
                ("bias", [1, 1, 1, channels]),
                ("output", [1, 1, 1, channels]),
            ],
        })
    }
}

/// Multipliers and shifts, per output channel: M = multiplier * 2^(shift - 31).
fn requantization(layer: &TargetLayer, parameters: &LayerParameters) -> Result<(Vec<i32>, Vec<i32>), String> {
    if layer.rounding_constant.is_some() {
        return Err("a rounding constant, which CMSIS-NN does not add".into());
    }
    let reach = parameters.biased.ok_or("the reach of its accumulators is not known")?;
    let bits = i32::try_from(reach.bits).unwrap_or(i32::MAX);
    if bits > REGISTER_BITS {
        return Err(format!("accumulators of {bits} bits, expected at most {REGISTER_BITS}"));
    }
    let pairs = layer.multiplier.iter().zip(&layer.shift).map(|(&multiplier, &n)| {
        let multiplier =
            i32::try_from(multiplier).map_err(|_| format!("M0 = {multiplier}, expected at most 31 bits"))?;
        if multiplier == 0 {
            return Ok((0, 0));
        }
        let shift = MULTIPLIER_BITS - n;
        if shift < -MULTIPLIER_BITS {
            return Err(format!("n = {n}, expected at most {}", 2 * MULTIPLIER_BITS));
        }
        // The sum is shifted before it is multiplied.
        if shift > 0 && bits + shift > REGISTER_BITS {
            return Err(format!(
                "n = {n}: sums of {bits} bits, shifted left by {shift}, expected at most {REGISTER_BITS} bits; an M0 of 31 \
                 bits shifts less"
            ));
        }
        Ok((multiplier, shift))
    });
    Ok(pairs.collect::<Result<Vec<_>, _>>()?.into_iter().unzip())
}
