//! A layer of a certificate, proven again.

use std::sync::Arc;

use super::check::{Fault, FaultKind};
use super::*;
use crate::certify::certificate::CertifiedChannel;
use crate::certify::channel::{Channel, ChannelFacts, Refusal, channel_facts};
use crate::contract::Contract;
use crate::hardware::Rescale;
use crate::hardware::reach::weight_sums;
use crate::ops::{Bias, Layer};
use crate::parameters::{Weight, Window};

/// Output positions of a transposed convolution that meet other taps, at most.
const MOST_PHASES: u64 = 1 << 16;

/// The numbers of a layer that a folder of parameters has, too.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNumbers {
    /// Name in the model.
    pub name: String,
    /// Sizes of the weight.
    pub weight_shape: Vec<usize>,
    /// Weight codes as the model has them.
    pub weight: Vec<i64>,
    /// S2.
    pub weight_scale: Vec<f64>,
    /// Z2 as the model has it.
    pub weight_zero_point: Vec<i64>,
    /// `round(b / (S1*S2))`, by channel; `None` where the hardware's has fractional bits.
    pub bias: Option<Vec<i64>>,
    /// M0, by channel.
    pub multiplier: Vec<i64>,
    /// n, by channel.
    pub shift: Vec<i64>,
    /// C, by channel, where there is one.
    pub rounding_constant: Option<Vec<i64>>,
    /// S1 and S3.
    pub scales: [f64; 2],
    /// Z1 and Z3.
    pub zero_points: [i64; 2],
    /// The codes that enter.
    pub input_range: Range<i32>,
    /// Of the output codes.
    pub clamp: Range<i32>,
}

impl LayerRecord {
    /// The layer's own clamp; `None` where it depends on whether a ReLU is fused and nobody says.
    pub(super) fn own_clamp(&self, output: &EdgeRecord) -> Option<Range<i32>> {
        let whole = output.activation();
        // Weights take no part in it.
        let layer = Layer {
            kind: LayerKind::Linear,
            weight: Weight::of_bytes(Vec::new(), Arc::from([]), Vec::new(), Vec::new()),
            bias: None,
            relu: self.relu,
            clamp: self.activation_clamp,
            window: None,
            padding_mode: self.padding_mode,
        };
        layer.clamp_of(whole).filter(|clamp| clamp.min <= clamp.max)
    }

    /// The layer, if its lists are as long as its sizes say; else what is wrong.
    fn layer(&self, kind: LayerKind) -> Result<Layer, String> {
        let weight = &self.weight;
        let axes = match kind {
            LayerKind::Linear => 0,
            LayerKind::Conv(axes) | LayerKind::ConvTranspose(axes) => usize::from(axes),
        };
        if weight.shape.len() != axes + 2 || weight.shape.contains(&0) {
            return Err(format!("weights of sizes {:?}, expected {} sizes above 0", weight.shape, axes + 2));
        }
        let Some(codes) = base64::decode(&weight.codes) else {
            return Err("weight codes that are no base64".to_owned());
        };
        let count = weight.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        if count != Some(codes.len()) {
            return Err(format!("{} weights of sizes {:?}", codes.len(), weight.shape));
        }
        let window = match (&self.window, axes) {
            (None, 0) => None,
            (Some(window), 1..) => Some(window_of(window, axes, kind)?),
            (None, _) => return Err("a convolution without a window".to_owned()),
            (Some(_), _) => return Err("a linear layer with a window".to_owned()),
        };
        let groups = window.as_ref().and_then(|window| window.groups).unwrap_or(1) as usize;
        let channels = match kind {
            LayerKind::Linear | LayerKind::Conv(_) => Some(weight.shape[0]),
            LayerKind::ConvTranspose(_) => weight.shape[1].checked_mul(groups),
        };
        if groups == 0 || !weight.shape[0].is_multiple_of(groups) {
            return Err(format!("{groups} groups of weights of sizes {:?}", weight.shape));
        }
        let biases = match &self.bias {
            Some(BiasRecord::Real(values)) => Some(values.len()),
            Some(BiasRecord::Codes(codes) | BiasRecord::WideCodes(codes)) => Some(codes.len()),
            None => channels,
        };
        let scales = weight.scale.len();
        if !(scales == 1 || Some(scales) == channels)
            || weight.zero_point.len() != scales
            || biases != channels
        {
            return Err("scales, zero points or biases of another number of channels".to_owned());
        }
        if weight.scale.iter().any(|&scale| !(scale.is_finite() && scale > 0.0)) {
            return Err("a weight scale that is no positive number".to_owned());
        }
        // Weights have 8 bits, and so have their zero points.
        if weight.zero_point.iter().any(|zero_point| !(-256..=255).contains(zero_point))
            || ![0, 128].contains(&weight.offset)
        {
            return Err("a zero point or offset that weights of 8 bits do not have".to_owned());
        }
        let bias = match &self.bias {
            None => None,
            Some(BiasRecord::Real(values)) => Some(Bias::Real(
                values
                    .iter()
                    .map(|&value| {
                        #[allow(clippy::cast_possible_truncation, reason = "what changes is refused")]
                        let narrow = value as f32;
                        (f64::from(narrow) == value).then_some(narrow)
                    })
                    .collect::<Option<_>>()
                    .ok_or("a bias that is no float32")?,
            )),
            Some(BiasRecord::Codes(codes)) => Some(Bias::Codes(codes.clone())),
            Some(BiasRecord::WideCodes(codes)) => Some(Bias::WideCodes(codes.clone())),
        };
        let codes: Arc<[i8]> = codes.into_iter().map(|byte| i8::from_le_bytes([byte])).collect();
        Ok(Layer {
            kind,
            weight: Weight {
                offset: weight.offset,
                ..Weight::of_bytes(
                    weight.shape.clone(),
                    codes,
                    weight.scale.clone(),
                    weight.zero_point.clone(),
                )
            },
            bias,
            relu: self.relu,
            clamp: self.activation_clamp,
            window,
            padding_mode: self.padding_mode,
        })
    }
}

/// A window whose lists have one entry per axis.
fn window_of(record: &WindowRecord, axes: usize, kind: LayerKind) -> Result<Window, String> {
    let WindowRecord { stride, padding, padding_end, dilation, output_padding, groups } = record.clone();
    let lists = [&stride, &padding, &padding_end, &dilation, &output_padding];
    let positive = [&stride, &dilation];
    if lists.into_iter().flatten().any(|list| list.len() != axes)
        || positive.into_iter().flatten().flatten().any(|&step| step == 0)
    {
        return Err(format!("a window that is none in {axes} axes"));
    }
    if matches!(kind, LayerKind::ConvTranspose(_)) {
        let phases =
            stride.iter().flatten().fold(1_u64, |product, &step| product.saturating_mul(step.into()));
        if phases > MOST_PHASES || groups.is_none() {
            return Err("a transposed convolution of too large strides, or without groups".to_owned());
        }
    }
    Ok(Window { stride, padding, padding_end, dilation, output_padding, groups })
}

fn bits(value: i128) -> u32 {
    i128::BITS + 1 - if value < 0 { value.leading_ones() } else { value.leading_zeros() }
}

impl CertificateFile {
    /// Proves a layer again.
    pub(super) fn check_layer(&self, record: &LayerRecord, contract: Contract, faults: &mut Vec<Fault>) {
        if let Err(fault) = self.prove_layer(record, contract, faults) {
            faults.push(fault);
        }
    }

    fn prove_layer(
        &self,
        record: &LayerRecord,
        contract: Contract,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        let fault = |kind, text: String| Fault::new(&record.name, kind, text);
        let parts = self.node(&record.name).and_then(|node| {
            let kind = Self::layer_kind(&node.op)?;
            Some((node, kind, self.edge(node.inputs.first())?, self.edge(node.outputs.first())?))
        });
        let Some((node, kind, input, output)) = parts else {
            return Err(fault(FaultKind::Network, "its input or output has no codes".to_owned()));
        };
        let layer = record.layer(kind).map_err(|text| fault(FaultKind::Weights, text))?;
        let channels = layer.output_channels();
        if record.channels.len() != channels {
            let found = record.channels.len();
            return Err(fault(FaultKind::Channels, format!("has {found} channels, expected {channels}")));
        }
        let Some(range) = input.range else {
            return Err(fault(FaultKind::Range, "the range of its input is not known".to_owned()));
        };
        let Some(own) = record.own_clamp(output) else {
            return Err(fault(FaultKind::Clamp, "its own clamp is not known, or is none".to_owned()));
        };
        let expected = self.expected_clamp(node, own);
        if record.clamp != expected || expected.min > expected.max {
            return Err(fault(
                FaultKind::Clamp,
                format!(
                    "says {}..={}, expected {}..={}",
                    record.clamp.min, record.clamp.max, expected.min, expected.max
                ),
            ));
        }
        if layer.saturates_pairs(contract) && range.max > 127 {
            return Err(fault(
                FaultKind::Reference,
                "the engine's depthwise kernel saturates for codes above 127: its accumulators are not sums"
                    .to_owned(),
            ));
        }
        if contract == Contract::Onnxruntime && node.fusion == FusionRecord::Floats {
            let found = "the engine adds up floats: its codes are no function of the accumulators".to_owned();
            return Err(fault(FaultKind::Reference, found));
        }
        let constants = record.channels.iter().filter(|channel| channel.constant.is_some()).count();
        if constants > 0 && constants < channels {
            return Err(fault(
                FaultKind::Channels,
                "some channels have a constant, and some have none".to_owned(),
            ));
        }
        if output.code_type.is_wide() {
            return Err(fault(FaultKind::Reference, "output codes of more than 8 bits".to_owned()));
        }
        let facts = channel_facts(contract, &layer, input.activation(), output.activation(), range)
            .map_err(|refusal| fault(kind_of(&refusal), refusal.to_string()))?;
        let totals = weight_sums(&layer, channels, &layer.weight.zero_point);
        for (index, (facts, claimed)) in facts.into_iter().zip(&record.channels).enumerate() {
            let total = totals.get(index).copied().unwrap_or_default();
            let origin = i128::from(input.zero_point) * i128::from(total);
            let found = self.prove_channel(claimed, facts, record, output, origin);
            if let Err((kind, text)) = found {
                faults.push(fault(kind, format!("channel {index}: {text}")));
            }
        }
        Ok(())
    }

    /// `origin` is Z1*sum(w - Z2): what the hardware's `sum(x * (w - Z2))` is larger by.
    fn prove_channel(
        &self,
        claimed: &ChannelRecord,
        facts: ChannelFacts,
        record: &LayerRecord,
        output: &EdgeRecord,
        origin: i128,
    ) -> Result<(), (FaultKind, String)> {
        let ChannelFacts { accumulator, sums, real, reference } = facts;
        if claimed.accumulator != accumulator {
            return Err((
                FaultKind::Range,
                format!(
                    "says that accumulators are {}..={}, and its weights give {}..={}",
                    claimed.accumulator.min, claimed.accumulator.max, accumulator.min, accumulator.max
                ),
            ));
        }
        let exact = sums.as_ref().is_none_or(|sums| sums.exact);
        if claimed.exact != exact {
            return Err((
                FaultKind::Range,
                format!("says that which accumulators occur is known: {}, expected {exact}", claimed.exact),
            ));
        }
        let fraction = self.target.bias_fraction_bits;
        let ends = [accumulator.min, accumulator.max].map(i128::from);
        let plain = ends.map(|end| bits(end + origin));
        let biased = ends.map(|end| bits((end << fraction.min(64)) + i128::from(claimed.bias)));
        let widths =
            [(plain, self.target.accumulator_bits), (biased, self.target.accumulator_bits + fraction)];
        for (needed, available) in widths {
            if needed.into_iter().any(|needed| needed > available.min(64)) {
                return Err((
                    FaultKind::Register,
                    format!("its accumulator can need {needed:?} bits, and there are {available}"),
                ));
            }
        }
        let channel = Channel {
            accumulator,
            sums,
            real,
            reference,
            hardware: Rescale {
                bias: claimed.bias,
                bias_fraction_bits: fraction,
                multiplier: claimed.multiplier,
                shift: claimed.shift,
                rounding: self.target.rounding,
                constant: claimed.constant,
                zero_point: output.zero_point,
                clamp: record.clamp,
            },
        };
        let found = CertifiedChannel::new(channel, self.target.product_bits)
            .map_err(|refusal| (kind_of(&refusal), format!("nothing can be proven: {refusal}")))?;
        if (&found.difference, found.only_ties) == (&claimed.difference, claimed.only_ties) {
            return Ok(());
        }
        Err((
            FaultKind::Difference,
            format!(
                "says that {} of {} accumulators differ, and {} of {} do; or another first, largest or tie",
                claimed.difference.differing,
                claimed.difference.reachable,
                found.difference.differing,
                found.difference.reachable
            ),
        ))
    }

    /// The numbers that a folder of parameters must have, by layer. Only of a certificate that was proven again.
    pub fn numbers(&self) -> Vec<LayerNumbers> {
        let layers = self.layers.iter().filter_map(|record| {
            let node = self.node(&record.name)?;
            let (input, output) = (self.edge(node.inputs.first())?, self.edge(node.outputs.first())?);
            let offset = i64::from(record.weight.offset);
            let fraction = i64::from(self.target.bias_fraction_bits);
            let of_channels =
                |number: fn(&ChannelRecord) -> i64| record.channels.iter().map(number).collect();
            let codes = base64::decode(&record.weight.codes)?;
            Some(LayerNumbers {
                name: record.name.clone(),
                weight_shape: record.weight.shape.clone(),
                weight: codes.into_iter().map(|byte| i64::from(i8::from_le_bytes([byte])) + offset).collect(),
                weight_scale: record.weight.scale.clone(),
                weight_zero_point: record.weight.zero_point.iter().map(|&z| i64::from(z) + offset).collect(),
                bias: (fraction == 0).then(|| of_channels(|channel| channel.bias)),
                multiplier: of_channels(|channel| channel.multiplier.into()),
                shift: record.channels.iter().map(|channel| i64::from(channel.shift) - fraction).collect(),
                rounding_constant: record.channels.iter().map(|channel| channel.constant).collect(),
                scales: [input.scale, output.scale],
                zero_points: [input.zero_point.into(), output.zero_point.into()],
                input_range: input.range?,
                clamp: record.clamp,
            })
        });
        layers.collect()
    }
}

/// What kind of fault a refusal is.
fn kind_of(refusal: &Refusal) -> FaultKind {
    match refusal {
        Refusal::Accumulator { .. } | Refusal::Product { .. } => FaultKind::Register,
        Refusal::Unknown(_) | Refusal::ReferenceFalls => FaultKind::Reference,
        Refusal::Unsound(_) => FaultKind::Register,
    }
}
