//! From a network to the integers of each layer: bias, weight_sum, folded_bias, M0, n, clamp, reachable accumulators.
//!
//! With S1, Z1 of the input, S2, Z2 of the weight and S3, Z3 of the output, the real equation
//! `S3*(y - Z3) = sum(S1*(x - Z1) * S2*(w - Z2)) + b` becomes
//!
//! ```text
//! y = Z3 + M * (sum(x*(w - Z2)) + folded_bias),   M = S1*S2/S3
//! folded_bias = round(b / (S1*S2)) - Z1*weight_sum + K*Z1*Z2,   weight_sum = sum(w), K taps
//! ```
//!
//! Expanding `(x - Z1)*(w - Z2)` gives **minus** Z1*weight_sum; a well-known write-up of this derivation prints a plus.
//! All roundings are of exact rational values, ties to even.

use crate::contract::Contract;
use crate::error::{LowerError, Reason, Result};
use crate::exact::Ratio;
use crate::network::{EdgeId, IntNetwork, Node};
use crate::ops::{Bias, Function, Layer, Op, PaddingMode, Shape};
use crate::parameters::{
    Activation, CodeType, LayerKind, LayerParameters, MultiplierForm, OperatorParameters, Parameters, Range,
    Reach, TableParameters, Window,
};
use crate::target::{Choice, Rounding, derive_operator};

/// What the user can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How M becomes M0 and n.
    pub form: MultiplierForm,
    /// Width of the accumulator register, for warnings.
    pub accumulator_bits: u32,
    /// Width of the folded bias, for warnings.
    pub bias_bits: u32,
    /// The arithmetic that fills tables of element-wise functions.
    pub tables: Contract,
    /// How operators without weights divide by 2^n.
    pub rounding: Rounding,
}

impl Default for Options {
    /// M0 of 31 bits normalised per channel; 32-bit accumulator and bias; tables of the real functions.
    fn default() -> Self {
        Self {
            form: MultiplierForm::Bits(31),
            accumulator_bits: 32,
            bias_bits: 32,
            tables: Contract::Exact,
            rounding: Rounding::HalfUp,
        }
    }
}

/// M0 is written as an unsigned 32-bit word, but hardware and C multiply signed numbers: 31 bits unless asked otherwise.
const DEFAULT_MULTIPLIER_BITS: u32 = 31;

/// M0 with fewer significant bits than this is warned about: its relative error passes 2^-8, a step of an 8-bit output.
const SIGNIFICANT_BITS: u32 = 8;

/// The largest shift that the outputs can hold (signed 8 bits).
const LARGEST_SHIFT: i64 = 127;

/// Derives the integers of every layer with weights.
///
/// # Errors
/// Lists every layer whose integers would be wrong: scales that are not positive and finite, a bias that does not fit in
/// 32 bits, an M0 of zero or of more than 32 bits.
pub fn derive(network: &IntNetwork, options: &Options) -> Result<Parameters> {
    let form = options.form;
    let options = &Options { form: network_form(network, form)?, ..*options };
    let mut reasons = Vec::new();
    let mut warnings = network.warnings.clone();
    let mut layers = Vec::new();
    let mut tables = Vec::new();
    for node in &network.nodes {
        if let Op::Function(function) = &node.op {
            match table(network, node, *function, options.tables) {
                Ok(table) => tables.extend(table),
                Err(text) => warnings.push(format!("{}: no table: {text}", node.name)),
            }
        }
        if let Op::Layer(layer) = &node.op {
            match derive_layer(network, node, layer, options, &mut warnings) {
                Ok(parameters) => layers.push(parameters),
                Err(error) => reasons.extend(error.reasons),
            }
        }
    }
    if !reasons.is_empty() {
        return Err(LowerError { reasons, hint: None });
    }
    if layers.is_empty() {
        return Err(LowerError::new("found no convolution and no linear layer"));
    }
    warnings.extend(weight_zero_point_warning(&layers));
    let operators = operators(network, &tables, options, &mut warnings);
    Ok(Parameters {
        source_form: network.source_form.clone(),
        wiring: network.wiring,
        engine: network.engine.clone(),
        form,
        inputs: network
            .inputs
            .iter()
            .map(|&id| (network.edge(id).name.clone(), quantized_input(network, id)))
            .collect(),
        layers,
        tables,
        rounding: options.rounding,
        operators,
        warnings,
    })
}

/// One warning for all layers whose Z2 is not 0.
fn weight_zero_point_warning(layers: &[LayerParameters]) -> Option<String> {
    let has_zero_point = |layer: &&LayerParameters| layer.weight.zero_point.iter().any(|&z| z != 0);
    let names: Vec<&str> = layers.iter().filter(has_zero_point).map(|layer| layer.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{}: the weight zero point is not 0; hardware must also subtract Z2 * sum(x_q) from the accumulator",
            names.join(", ")
        )
    })
}

/// Operators without weights. Where a given shift does not suit one, it gets a shift of its own.
fn operators(
    network: &IntNetwork,
    tables: &[TableParameters],
    options: &Options,
    warnings: &mut Vec<String>,
) -> Vec<OperatorParameters> {
    let Options { form, rounding, .. } = *options;
    let own = Choice { form: MultiplierForm::Bits(DEFAULT_MULTIPLIER_BITS), rounding };
    let mut operators = Vec::new();
    for node in &network.nodes {
        let derived = derive_operator(network, node, tables, Choice { form, rounding });
        let derived = match (derived, form) {
            (Err(_), MultiplierForm::Shift(n)) => derive_operator(network, node, tables, own).inspect(|_| {
                warnings.push(format!(
                    "{}: its multipliers do not fit in {DEFAULT_MULTIPLIER_BITS} bits with n = {n}; it has an n of its own",
                    node.name
                ));
            }),
            (derived, _) => derived,
        };
        match derived {
            Ok(operator) => operators.extend(operator),
            // Tables have their own warning.
            Err(_) if matches!(node.op, Op::Function(_)) => {}
            Err(text) => warnings.push(format!("{}: {text}", node.name)),
        }
    }
    operators
}

/// The table of an element-wise function; `None` where its scales are not known.
fn table(
    network: &IntNetwork,
    node: &Node,
    function: Function,
    contract: Contract,
) -> Result<Option<TableParameters>, String> {
    let activation = |id: Option<&EdgeId>| id.and_then(|&id| network.edge(id).activation);
    let (Some(input), Some(output)) = (activation(node.inputs.first()), activation(node.outputs.first()))
    else {
        return Ok(None);
    };
    let table = function.table(contract, input, output).map_err(|error| error.to_string())?;
    Ok(Some(TableParameters {
        name: node.name.clone(),
        function: function.name(),
        contract: contract.name(),
        input,
        output,
        codes: table.codes.to_vec(),
    }))
}

/// S and Z of an input of the network: its own, or those of the `quantize` that takes it.
fn quantized_input(network: &IntNetwork, id: EdgeId) -> Option<Activation> {
    network.edge(id).activation.or_else(|| {
        let quantize = network.nodes.iter().find(|n| n.op == Op::Quantize && n.inputs.contains(&id))?;
        network.edge(*quantize.outputs.first()?).activation
    })
}

fn derive_layer(
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
    let (input_edge, output_edge) = (network.edge(input_id), network.edge(output_id));
    let (input, output) = (input_edge.activation, output_edge.activation);
    let channels = output_channels(layer).ok_or_else(|| {
        refuse(format!("weight of sizes {:?} does not divide into groups", layer.weight.shape))
    })?;
    if let Some(bias) = layer.bias.as_ref().filter(|b| b.len() != channels) {
        let transposed = layer.window.is_some() && !matches!(layer.kind, LayerKind::ConvTranspose(_));
        return Err(refuse(format!(
            "has {} biases for {channels} output channels{}",
            bias.len(),
            if transposed {
                "; if it is a transposed convolution, which a state_dict does not tell, say so with --graph"
            } else {
                ""
            }
        )));
    }
    for (what, scale) in layer
        .weight
        .scale
        .iter()
        .map(|&s| ("weight scale", s))
        .chain(input.map(|a| ("input scale", a.scale)))
        .chain(output.map(|a| ("output scale", a.scale)))
    {
        if !(scale.is_finite() && scale > 0.0) {
            return Err(refuse(format!("{what} is {scale}, which is no positive finite number")));
        }
    }

    let weight_sum = narrow(tap_sums(layer, channels, &[0]).iter().map(Sums::total))
        .ok_or_else(|| refuse("weight_sum does not fit in 32 bits".into()))?;
    let per_channel = |values: &[f64], channel: usize| values[if values.len() > 1 { channel } else { 0 }];

    // Accumulators of 16-bit activations have up to 64 bits, and so may their bias.
    let wide = input.is_some_and(|input| input.code_type == CodeType::I16);
    let fits = |value: &i64| wide || i32::try_from(*value).is_ok();
    let bias = match (input, &layer.bias) {
        (_, Some(Bias::Codes(codes) | Bias::WideCodes(codes))) => {
            if let Some(code) = codes.iter().find(|code| !fits(code)) {
                return Err(refuse(format!("bias {code} does not fit in 32 bits")));
            }
            Some(codes.clone())
        }
        (None, Some(Bias::Real(_))) => None,
        (_, None) => Some(vec![0; channels]),
        (Some(input), Some(Bias::Real(bias))) => Some(
            bias.iter()
                .enumerate()
                .map(|(channel, &b)| {
                    let scale = per_channel(&layer.weight.scale, channel);
                    quantize_bias(b, input.scale, scale).filter(fits).ok_or_else(|| {
                        refuse(format!(
                            "bias {b} of channel {channel} divided by S1*S2 = {:.3e} does not fit in {} bits",
                            input.scale * scale,
                            if wide { 64 } else { 32 }
                        ))
                    })
                })
                .collect::<Result<Vec<i64>>>()?,
        ),
    };
    let taps = layer.weight.codes.len() / channels;
    let folded_bias = match (input, &bias) {
        (Some(input), Some(bias)) => {
            let folded = bias.iter().zip(&weight_sum).enumerate().map(|(channel, (&b, &sum))| {
                let z1 = i64::from(input.zero_point);
                let zero_points = &layer.weight.zero_point;
                let z2 = i64::from(zero_points[if zero_points.len() > 1 { channel } else { 0 }]);
                let taps = i64::try_from(taps).unwrap_or(i64::MAX);
                taps.checked_mul(z1 * z2)?.checked_sub(z1 * i64::from(sum))?.checked_add(b).filter(fits)
            });
            Some(folded.collect::<Option<Vec<i64>>>().ok_or_else(|| {
                refuse(format!(
                    "folded_bias = bias - Z1*weight_sum does not fit in {} bits",
                    if wide { 64 } else { 32 }
                ))
            })?)
        }
        _ => None,
    };

    let (mut real_multiplier, mut multiplier, mut shift) = (None, None, None);
    if let (Some(input), Some(output)) = (input, output) {
        let options = &Options { form: layer_form(network, node, layer, options.form)?, ..*options };
        let requantizer =
            Requantizer::new(node, layer, channels, input.scale, output.scale, options, warnings)?;
        real_multiplier = Some(requantizer.real);
        multiplier = Some(requantizer.multiplier);
        shift = Some(requantizer.shift);
    }

    let clamp = output.and_then(|output| folded_clamp(network, output_id, layer_clamp(layer, output)));
    let input_range = input_edge.range.or(input.map(|a| {
        let (min, max) = a.code_type.range();
        Range { min, max }
    }));
    let reach = input
        .zip(input_range)
        .and_then(|(input, range)| accumulator_range(layer, channels, range, input.zero_point));
    let accumulator = reach.as_ref().and_then(|channels| {
        channels
            .iter()
            .copied()
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .map(|(min, max)| reach_of(min, max))
    });
    let biased = reach.as_ref().zip(folded_bias.as_ref()).and_then(|(channels, folded)| {
        channels
            .iter()
            .zip(folded)
            .map(|(&(min, max), &b)| (min.saturating_add(b), max.saturating_add(b)))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .map(|(min, max)| reach_of(min, max))
    });
    for (what, reach) in [("the accumulator", accumulator), ("accumulator + folded_bias", biased)] {
        if let Some(reach) = reach.filter(|r| r.bits > options.accumulator_bits) {
            warnings.push(format!(
                "{}: {what} reaches {}..={}, which needs {} bits and not {}",
                node.name, reach.min, reach.max, reach.bits, options.accumulator_bits
            ));
        }
    }
    if let Some(widest) = folded_bias.iter().flatten().map(|&b| signed_bits(b, b)).max()
        && widest > options.bias_bits
    {
        warnings
            .push(format!("{}: folded_bias needs {widest} bits and not {}", node.name, options.bias_bits));
    }

    let (window, mode) = folded_padding(network, input_id, layer);
    if mode != PaddingMode::Zeros {
        warnings.push(format!(
            "{}: its border is padded by {} of the input, not with a constant code",
            node.name,
            match mode {
                PaddingMode::Reflect => "reflection",
                PaddingMode::Replicate => "repetition",
                PaddingMode::Circular | PaddingMode::Zeros => "wrapping",
            }
        ));
    }

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
        clamp,
        padding_value: input.filter(|_| mode == PaddingMode::Zeros).map(|a| a.zero_point),
        accumulator,
        biased,
        window,
    })
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

/// `round(b / (S1*S2))`, exact, ties to even; `None` if it does not fit in 64 bits.
pub fn quantize_bias(bias: f32, input_scale: f64, weight_scale: f64) -> Option<i64> {
    let scale = Ratio::from_f64(input_scale)?.times(&Ratio::from_f64(weight_scale)?);
    let rounded = Ratio::from_f64(f64::from(bias))?.over(&scale)?.round_scaled(0)?;
    i64::try_from(rounded).ok()
}

/// M = S1*S2/S3, exactly; `None` if a scale is not finite or S3 is zero.
pub fn exact_multiplier(input_scale: f64, weight_scale: f64, output_scale: f64) -> Option<Ratio> {
    Ratio::from_f64(input_scale)?.times(&Ratio::from_f64(weight_scale)?).over(&Ratio::from_f64(output_scale)?)
}

/// Every M = S1*S2/S3 of a layer, one per weight scale; empty where a scale is not known or none.
fn exact_multipliers(network: &IntNetwork, node: &Node, layer: &Layer) -> Vec<Ratio> {
    let activation = |ids: &[EdgeId]| ids.first().and_then(|&id| network.edge(id).activation);
    let (Some(input), Some(output)) = (activation(&node.inputs), activation(&node.outputs)) else {
        return Vec::new();
    };
    let scales = layer.weight.scale.iter();
    scales.filter_map(|&scale| exact_multiplier(input.scale, scale, output.scale)).collect()
}

/// The n with which the largest of several M has an M0 of exactly `bits` bits; `None` without any.
fn common_shift(multipliers: impl IntoIterator<Item = Ratio>, bits: u32) -> Option<i64> {
    let largest = multipliers.into_iter().reduce(|a, b| if a.minus(&b).is_negative() { b } else { a })?;
    Some(normalized_multiplier(&largest, bits)?.1)
}

/// A form with the n of the whole network, where it has one.
fn network_form(network: &IntNetwork, form: MultiplierForm) -> Result<MultiplierForm> {
    let MultiplierForm::NetworkBits(bits) = form else { return Ok(form) };
    let multipliers = network.nodes.iter().flat_map(|node| match &node.op {
        Op::Layer(layer) => exact_multipliers(network, node, layer),
        _ => Vec::new(),
    });
    Ok(match common_shift(multipliers, bits) {
        Some(n) => MultiplierForm::Shift(given_shift(n).map_err(LowerError::new)?),
        // Nothing is known that would need one.
        None => MultiplierForm::Bits(bits),
    })
}

/// A form with the n of a layer, where it has one.
fn layer_form(
    network: &IntNetwork,
    node: &Node,
    layer: &Layer,
    form: MultiplierForm,
) -> Result<MultiplierForm> {
    let MultiplierForm::LayerBits(bits) = form else { return Ok(form) };
    Ok(match common_shift(exact_multipliers(network, node, layer), bits) {
        Some(n) => MultiplierForm::Shift(given_shift(n).map_err(|text| LowerError::at(&node.name, text))?),
        None => MultiplierForm::Bits(bits),
    })
}

/// An n that all channels have.
fn given_shift(n: i64) -> Result<u32, String> {
    let found = u32::try_from(n).ok().filter(|&n| i64::from(n) <= LARGEST_SHIFT);
    found.ok_or_else(|| format!("the largest M takes n = {n}, expected 0 to {LARGEST_SHIFT}"))
}

/// M0 of exactly `bits` bits and n with M ~ M0 * 2^-n; `None` for M = 0.
pub fn normalized_multiplier(m: &Ratio, bits: u32) -> Option<(u32, i64)> {
    let n = i64::from(bits) - 1 - m.floor_log2()?;
    let rounded = u64::try_from(m.round_scaled(n)?).ok()?;
    // Rounding up may carry into one bit more; then M0 is a power of two and halving it is exact.
    let (rounded, n) = if rounded >> bits == 1 { (rounded >> 1, n - 1) } else { (rounded, n) };
    Some((u32::try_from(rounded).ok()?, n))
}

struct Requantizer {
    real: Vec<f64>,
    multiplier: Vec<u32>,
    shift: Vec<i32>,
}

impl Requantizer {
    /// M, M0 and n of every output channel.
    fn new(
        node: &Node,
        layer: &Layer,
        channels: usize,
        input_scale: f64,
        output_scale: f64,
        options: &Options,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let refuse = |text: String| LowerError::at(&node.name, text);
        let name = &node.name;
        // One computation per distinct scale; per-tensor layers repeat theirs for every channel.
        let mut distinct = Vec::with_capacity(layer.weight.scale.len());
        let mut smallest: Option<Ratio> = None;
        for &scale in &layer.weight.scale {
            let m = exact_multiplier(input_scale, scale, output_scale)
                .filter(|m| !m.is_zero())
                .ok_or_else(|| refuse("M = S1*S2/S3 is not a positive finite number".into()))?;
            let (m0, n) = match options.form {
                MultiplierForm::Bits(bits)
                | MultiplierForm::LayerBits(bits)
                | MultiplierForm::NetworkBits(bits) => normalized_multiplier(&m, bits)
                    .filter(|&(_, n)| n.abs() <= LARGEST_SHIFT)
                    .ok_or_else(|| refuse(format!("M = {:.3e} needs a shift beyond 127", m.to_f64())))?,
                MultiplierForm::Shift(n) => {
                    let m0 = m
                        .round_scaled(i64::from(n))
                        .and_then(|m0| u32::try_from(m0).ok())
                        .filter(|m0| m0.leading_zeros() >= u32::BITS - DEFAULT_MULTIPLIER_BITS);
                    let m0 = m0.ok_or_else(|| {
                        refuse(format!(
                            "M = {:.3e} times 2^{n} does not fit in {DEFAULT_MULTIPLIER_BITS} bits; the largest CONSTANT that does \
                             is {}",
                            m.to_f64(),
                            i64::from(DEFAULT_MULTIPLIER_BITS) - 1 - m.floor_log2().unwrap_or_default()
                        ))
                    })?;
                    (m0, i64::from(n))
                }
            };
            if smallest.as_ref().is_none_or(|s| m.to_f64() < s.to_f64()) {
                smallest = Some(m.clone());
            }
            distinct.push((m.to_f64(), m0, i32::try_from(n).unwrap_or_default()));
        }
        if let (MultiplierForm::Shift(n), Some(smallest)) = (options.form, &smallest) {
            let enough = i64::from(SIGNIFICANT_BITS) - 1 - smallest.floor_log2().unwrap_or_default();
            let zero = distinct.iter().filter(|d| d.1 == 0).count();
            if zero > 0 {
                return Err(refuse(format!(
                    "M0 = round({:.3e} * 2^{n}) is 0{}: every output would be Z3; a CONSTANT of {enough} gives 8 \
                     significant bits",
                    smallest.to_f64(),
                    of_channels(zero, distinct.len())
                )));
            }
            let few = distinct.iter().filter(|d| u32::BITS - d.1.leading_zeros() < SIGNIFICANT_BITS).count();
            if few > 0 {
                let fewest =
                    distinct.iter().map(|d| u32::BITS - d.1.leading_zeros()).min().unwrap_or_default();
                warnings.push(format!(
                    "{name}: M0 has only {fewest} significant bits{}; a CONSTANT of {enough} gives 8",
                    of_channels(few, distinct.len())
                ));
            }
        }
        let large = distinct.iter().filter(|d| d.0 >= 1.0).count();
        if large > 0 {
            warnings.push(format!(
                "{name}: M >= 1{}: the output scale is finer than the accumulator's; hardware that only shifts right \
                 by 31 or more cannot compute it",
                of_channels(large, distinct.len())
            ));
        }
        let spread = |i: usize| distinct[if distinct.len() > 1 { i } else { 0 }];
        Ok(Self {
            real: (0..channels).map(|c| spread(c).0).collect(),
            multiplier: (0..channels).map(|c| spread(c).1).collect(),
            shift: (0..channels).map(|c| spread(c).2).collect(),
        })
    }
}

fn of_channels(count: usize, all: usize) -> String {
    if all > 1 { format!(" in {count} of {all} channels") } else { String::new() }
}

/// Sums of the positive and of the negative weights of one output channel.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    positive: i64,
    negative: i64,
}

impl Sums {
    fn add(&mut self, weight: i64) {
        self.positive += weight.max(0);
        self.negative += weight.min(0);
    }

    fn total(&self) -> i64 {
        self.positive + self.negative
    }

    /// Smallest and largest sum(x*w) for x in `range`.
    fn extremes(&self, range: Range<i32>) -> (i64, i64) {
        let (low, high) = (i64::from(range.min), i64::from(range.max));
        (self.positive * low + self.negative * high, self.positive * high + self.negative * low)
    }
}

/// Output channels of a layer; `None` if the groups do not divide them.
fn output_channels(layer: &Layer) -> Option<usize> {
    let shape = &layer.weight.shape;
    let channels = match layer.kind {
        LayerKind::Conv(_) | LayerKind::Linear => *shape.first()?,
        LayerKind::ConvTranspose(_) => {
            let groups = usize::try_from(layer.window.as_ref()?.groups?).ok()?;
            (shape.first()? % groups.max(1) == 0).then_some(shape.get(1)? * groups)?
        }
    };
    (channels > 0 && layer.weight.codes.len().is_multiple_of(channels)).then_some(channels)
}

/// The output channel and the tap (index into the kernel) of each weight block, in storage order.
fn for_each_kernel(layer: &Layer, channels: usize, mut visit: impl FnMut(usize, &[i8])) {
    match layer.kind {
        LayerKind::Conv(_) | LayerKind::Linear => {
            let taps = layer.weight.codes.len() / channels;
            for (channel, codes) in layer.weight.codes.chunks_exact(taps.max(1)).enumerate() {
                visit(channel, codes);
            }
        }
        LayerKind::ConvTranspose(_) => {
            // Axes are (in, out/groups, kernel...); input channel i belongs to group i / (in/groups).
            let per_group = layer.weight.shape[1];
            let groups = channels / per_group.max(1);
            let inputs_per_group = layer.weight.shape[0] / groups.max(1);
            let kernel: usize = layer.weight.shape[2..].iter().product();
            for (block, codes) in layer.weight.codes.chunks_exact(kernel.max(1)).enumerate() {
                let (input, output) = (block / per_group, block % per_group);
                visit((input / inputs_per_group.max(1)) * per_group + output, codes);
            }
        }
    }
}

/// Sums of w - `zero_point` per output channel; one zero point, or one per channel.
fn tap_sums(layer: &Layer, channels: usize, zero_points: &[i32]) -> Vec<Sums> {
    let mut sums = vec![Sums::default(); channels];
    for_each_kernel(layer, channels, |channel, codes| {
        let zero_point = of_channel(zero_points, channel);
        let sum = &mut sums[channel];
        for &code in codes {
            sum.add(i64::from(code) - zero_point);
        }
    });
    sums
}

fn of_channel(zero_points: &[i32], channel: usize) -> i64 {
    i64::from(zero_points[if zero_points.len() > 1 { channel } else { 0 }])
}

/// Exact extremes of sum(x*(w - Z2)) per output channel, for inputs in `range` and padding at Z1.
///
/// A transposed convolution sees its input with Z1 inserted between the elements: an output position meets only the
/// taps of its phase, `tap * dilation = position (mod stride)` on every axis; all other taps meet Z1.
pub(crate) fn accumulator_range(
    layer: &Layer,
    channels: usize,
    range: Range<i32>,
    zero_point: i32,
) -> Option<Vec<(i64, i64)>> {
    let sums = tap_sums(layer, channels, &layer.weight.zero_point);
    // A clamp such as [1, 6] excludes the real zero; padding then widens what a tap can meet.
    let pads = |sides: Option<&Vec<u32>>| sides.is_none_or(|sides| sides.iter().any(|&side| side > 0));
    let range = match &layer.window {
        Some(window) if pads(window.padding.as_ref()) || window.padding_end.iter().any(|p| pads(Some(p))) => {
            Range { min: range.min.min(zero_point), max: range.max.max(zero_point) }
        }
        _ => range,
    };
    if !matches!(layer.kind, LayerKind::ConvTranspose(_)) {
        return Some(sums.iter().map(|s| s.extremes(range)).collect());
    }
    let Window { stride: Some(stride), dilation: Some(dilation), .. } = layer.window.as_ref()? else {
        return None;
    };
    let kernel = layer.weight.shape.get(2..)?;
    let phase_of_tap: Vec<usize> = (0..kernel.iter().product::<usize>())
        .map(|tap| {
            let mut rest = tap;
            let mut phase = 0;
            let mut place = 1;
            for axis in (0..kernel.len()).rev() {
                let (step, index) = (stride[axis] as usize, rest % kernel[axis]);
                rest /= kernel[axis];
                phase += place * ((index * dilation[axis] as usize) % step.max(1));
                place *= step.max(1);
            }
            phase
        })
        .collect();
    let phases: usize = stride.iter().map(|&s| s.max(1) as usize).product();
    let mut phase_sums = vec![Sums::default(); channels * phases];
    for_each_kernel(layer, channels, |channel, codes| {
        let z2 = of_channel(&layer.weight.zero_point, channel);
        for (&code, &phase) in codes.iter().zip(&phase_of_tap) {
            phase_sums[channel * phases + phase].add(i64::from(code) - z2);
        }
    });
    let extremes = phase_sums.chunks_exact(phases).zip(&sums).map(|(phases, all)| {
        phases
            .iter()
            .map(|met| {
                let (min, max) = met.extremes(range);
                let inserted = (all.total() - met.total()) * i64::from(zero_point);
                (min + inserted, max + inserted)
            })
            .fold((i64::MAX, i64::MIN), |a, b| (a.0.min(b.0), a.1.max(b.1)))
    });
    Some(extremes.collect())
}

/// Exact extremes of `sum((x - Z1) * (w - Z2))` per output channel, for input codes in `range` and padding at Z1; `None`
/// where they depend on a stride or dilation that the file does not say.
pub fn centred_accumulators(layer: &Layer, input: Activation, range: Range<i32>) -> Option<Vec<Range<i64>>> {
    let channels = output_channels(layer)?;
    let extremes = accumulator_range(layer, channels, range, input.zero_point)?;
    let sums = tap_sums(layer, channels, &layer.weight.zero_point);
    let centred = extremes.iter().zip(&sums).map(|(&(min, max), sums)| {
        let origin = i64::from(input.zero_point) * sums.total();
        Range { min: min - origin, max: max - origin }
    });
    Some(centred.collect())
}

/// The clamp of a layer's own output codes; `None` where it depends on whether a ReLU is fused and nobody says.
pub(crate) fn layer_clamp(layer: &Layer, output: Activation) -> Option<Range<i32>> {
    let (min, max) = output.code_type.range();
    let Range { min, max } = match layer.clamp {
        // A clamp beside the type's codes leaves the nearest of them.
        Some(clamp) => Range { min: clamp.min.clamp(min, max), max: clamp.max.clamp(min, max) },
        None => Range { min, max },
    };
    match layer.relu {
        Some(true) => Some(Range { min: output.zero_point.clamp(min, max), max }),
        Some(false) => Some(Range { min, max }),
        None if output.zero_point <= min => Some(Range { min, max }),
        None => None,
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

pub(crate) fn reach_of(min: i64, max: i64) -> Reach {
    Reach { min, max, bits: signed_bits(min, max) }
}

/// Bits of the narrowest two's complement integer that holds both.
fn signed_bits(min: i64, max: i64) -> u32 {
    let bits = |v: i64| i64::BITS - if v < 0 { v.leading_ones() } else { v.leading_zeros() } + 1;
    bits(min).max(bits(max))
}

/// Reasons for layers whose constants cannot be completed, one per layer.
pub fn incomplete(parameters: &Parameters) -> Vec<Reason> {
    parameters
        .layers
        .iter()
        .filter_map(|layer| {
            let missing = match (layer.input, layer.output) {
                (None, None) => "the scale and zero point of its input and of its output are",
                (None, Some(_)) => "the scale and zero point of its input are",
                (Some(_), None) => "the scale and zero point of its output are",
                (Some(_), Some(_)) => return None,
            };
            Some(Reason { place: layer.name.clone(), text: format!("{missing} not in the file") })
        })
        .collect()
}
