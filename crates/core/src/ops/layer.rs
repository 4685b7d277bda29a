//! Convolution, transposed convolution and fully connected layers: geometry and requantization.

use std::fmt;

use super::{Context, OpError, convolution, float_layer};
use crate::contract::{Contract, Missing, Requantizer};
use crate::derive::quantize_bias;
use crate::parameters::{Activation, CodeType, LayerKind, Range, Weight, Window};
use crate::tensor::{Codes, Layout, Tensor, element_count};

/// The bias of a layer as the file has it, one per output channel.
#[derive(Debug, Clone, PartialEq)]
pub enum Bias {
    /// Real numbers: PyTorch.
    Real(Vec<f32>),
    /// Integers of 32 bits at scale S1*S2: ONNX, TFLite. The engine's accumulators have 32 bits.
    Codes(Vec<i64>),
    /// Integers of 64 bits at scale S1*S2: TFLite with activations of 16 bits. The engine's accumulators have 64 bits.
    WideCodes(Vec<i64>),
}

impl Bias {
    /// Number of output channels that it has numbers for.
    pub fn len(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Codes(codes) | Self::WideCodes(codes) => codes.len(),
        }
    }

    /// True without any number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `round(b / (S1*S2))` of a channel, exact, ties to even; `None` beyond 64 bits or the last channel.
    pub fn code(&self, channel: usize, input_scale: f64, weight_scale: f64) -> Option<i64> {
        match self {
            Self::Real(values) => quantize_bias(*values.get(channel)?, input_scale, weight_scale),
            Self::Codes(codes) | Self::WideCodes(codes) => codes.get(channel).copied(),
        }
    }

    /// b of a channel as a float32; `None` beyond the last channel.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a bias of integers has no float32 of its own: the nearest is taken"
    )]
    pub fn real(&self, channel: usize, input_scale: f64, weight_scale: f64) -> Option<f32> {
        match self {
            Self::Real(values) => values.get(channel).copied(),
            Self::Codes(codes) | Self::WideCodes(codes) => {
                codes.get(channel).map(|&code| (code as f64 * (input_scale * weight_scale)) as f32)
            }
        }
    }
}

/// A layer with weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Kind.
    pub kind: LayerKind,
    /// Codes, S2, Z2.
    pub weight: Weight,
    /// Bias.
    pub bias: Option<Bias>,
    /// Fused ReLU; `None` where the file does not say.
    pub relu: Option<bool>,
    /// Output codes that a fused activation such as RELU6 leaves, beside `relu`.
    pub clamp: Option<Range<i32>>,
    /// Geometry; `None` for linear layers.
    pub window: Option<Window>,
    /// Names of padding modes other than zeros.
    pub padding_mode: PaddingMode,
}

/// What stands outside the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaddingMode {
    /// Zero, i.e. the code Z1.
    Zeros,
    /// Mirrored input without its border.
    Reflect,
    /// The input's border repeated.
    Replicate,
    /// The input's other side.
    Circular,
}

impl PaddingMode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Zeros, Self::Reflect, Self::Replicate, Self::Circular];

    /// The mode by PyTorch's name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "zeros" => Self::Zeros,
            "reflect" => Self::Reflect,
            "replicate" => Self::Replicate,
            "circular" => Self::Circular,
            _ => return None,
        })
    }

    /// The position of an axis of `size` that stands at a position which may lie outside; `None` is zero. Callers ensure
    /// that `reflect` and `circular` reach no further than one input away.
    pub(super) fn source(self, position: i64, size: usize) -> Option<usize> {
        let last = i64::try_from(size).unwrap_or(i64::MAX) - 1;
        let inside = match self {
            Self::Zeros => position,
            Self::Replicate => position.clamp(0, last.max(0)),
            Self::Circular => position.rem_euclid(last + 1),
            Self::Reflect if position < 0 => -position,
            Self::Reflect => position.min(2 * last - position),
        };
        usize::try_from(inside).ok().filter(|&p| p < size)
    }

    /// What the border holds of the input, in a word; `None` where it is a constant code.
    pub fn copies(self) -> Option<&'static str> {
        match self {
            Self::Zeros => None,
            Self::Reflect => Some("reflection"),
            Self::Replicate => Some("repetition"),
            Self::Circular => Some("wrapping"),
        }
    }

    /// PyTorch's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zeros => "zeros",
            Self::Reflect => "reflect",
            Self::Replicate => "replicate",
            Self::Circular => "circular",
        }
    }
}

/// The geometry of a convolution, complete: one entry per spatial axis, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Size of the window.
    pub kernel: Vec<usize>,
    /// Step.
    pub stride: Vec<usize>,
    /// Padding before each axis.
    pub padding: Vec<usize>,
    /// Padding after each axis.
    pub padding_end: Vec<usize>,
    /// Distance between taps.
    pub dilation: Vec<usize>,
    /// Extra output size; zeros but for transposed convolutions.
    pub output_padding: Vec<usize>,
    /// Channel groups.
    pub groups: usize,
}

/// What a file does not say of a layer's geometry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingGeometry(
    /// Names of the fields.
    pub Vec<&'static str>,
);

impl fmt::Display for MissingGeometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file does not say its {}", self.0.join(", "))
    }
}

impl std::error::Error for MissingGeometry {}

impl Layer {
    /// The geometry of a convolution.
    ///
    /// # Errors
    /// The file does not say all of it.
    pub fn geometry(&self) -> Result<Geometry, MissingGeometry> {
        let window = self.window.clone().unwrap_or_default();
        let kernel: Vec<usize> = self.weight.shape.iter().skip(2).copied().collect();
        let transposed = matches!(self.kind, LayerKind::ConvTranspose(_));
        let mut missing = Vec::new();
        let mut sizes = |value: Option<Vec<u32>>, name| {
            let sizes = value.map(|v| v.into_iter().map(widen).collect::<Vec<usize>>());
            if sizes.as_ref().is_none_or(|s| s.len() != kernel.len()) {
                missing.push(name);
            }
            sizes.unwrap_or_default()
        };
        let stride = sizes(window.stride, "stride");
        let padding = sizes(window.padding, "padding");
        let padding_end = match window.padding_end {
            Some(end) => sizes(Some(end), "padding_end"),
            None => padding.clone(),
        };
        let dilation = sizes(window.dilation, "dilation");
        let output_padding =
            if transposed { sizes(window.output_padding, "output_padding") } else { vec![0; kernel.len()] };
        let Some(groups) = window.groups.map(widen) else {
            missing.push("groups");
            return Err(MissingGeometry(missing));
        };
        if missing.is_empty() {
            Ok(Geometry { kernel, stride, padding, padding_end, dilation, output_padding, groups })
        } else {
            Err(MissingGeometry(missing))
        }
    }

    /// Number of output channels, with the groups of a transposed convolution.
    pub fn output_channels(&self) -> usize {
        let groups = self.window.as_ref().and_then(|w| w.groups).map_or(1, widen);
        match self.kind {
            LayerKind::Conv(_) | LayerKind::Linear => self.weight.shape.first().copied().unwrap_or(0),
            LayerKind::ConvTranspose(_) => self.weight.shape.get(1).copied().unwrap_or(0) * groups,
        }
    }

    /// Whether each of several input channels has filters of its own.
    pub(crate) fn is_depthwise(&self) -> bool {
        let groups = self.window.as_ref().and_then(|window| window.groups).unwrap_or(1);
        matches!(self.kind, LayerKind::Conv(_)) && groups > 1 && self.weight.shape.get(1) == Some(&1)
    }

    /// Z2 of an output channel.
    pub(super) fn weight_zero_point(&self, channel: usize) -> i32 {
        let zeros = &self.weight.zero_point;
        zeros.get(if zeros.len() > 1 { channel } else { 0 }).copied().unwrap_or(0)
    }

    /// Shape (N, O, spatial...) of the result for an input (N, I, spatial...); (..., O) for (..., I) of a linear layer.
    ///
    /// # Errors
    /// The input does not fit the weights or the window.
    pub fn shape(&self, input: &[usize]) -> Result<Vec<usize>, OpError> {
        if element_count(&self.weight.shape) != Some(self.weight.codes.len()) {
            return Err(OpError::new(
                format!("weights {:?} with {} codes", self.weight.shape, self.weight.codes.len()),
                "as many codes as the shape holds",
            ));
        }
        if self.weight.shape.len() != self.kind.axes().len() {
            return Err(OpError::new(
                format!("weights {:?}", self.weight.shape),
                format!("axes {} of a {}", self.kind.axes(), self.kind.name()),
            ));
        }
        match self.kind {
            LayerKind::Linear => {
                let [outputs, inputs] = self.weight.shape[..] else {
                    return Err(OpError::new(format!("weights {:?}", self.weight.shape), "axes (O, I)"));
                };
                match input.split_last() {
                    Some((&last, rest)) if last == inputs && !rest.is_empty() => {
                        Ok(rest.iter().copied().chain([outputs]).collect())
                    }
                    _ => Err(OpError::new(format!("an input {input:?}"), format!("(N, ..., {inputs})"))),
                }
            }
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => convolution::shape(self, input),
        }
    }

    /// True if FBGEMM's depthwise kernel computes it, which adds products in pairs that saturate at 16 bits: with codes
    /// above 127 its accumulators are not the sums.
    ///
    /// Source: FBGEMM `takeDepthWiseFastPath` for two spatial axes.
    pub fn saturates_pairs(&self, contract: Contract) -> bool {
        let Ok(geometry) = self.geometry() else { return false };
        let channels = self.output_channels();
        let all = |sizes: &[usize], wanted: &[usize]| sizes.iter().all(|s| wanted.contains(s));
        let size = geometry.kernel.first().copied().unwrap_or(0);
        self.kind == LayerKind::Conv(2)
            && contract.of_layer(self) == Contract::Fbgemm
            && self.weight.shape.get(1) == Some(&1)
            && geometry.groups == channels
            && channels.is_multiple_of(8)
            && (size == 3 || size == 5)
            && all(&geometry.kernel, &[size])
            && all(&geometry.stride, &[1, 2])
            && all(&geometry.dilation, &[1])
            && all(&geometry.padding, &[size / 2])
            && all(&geometry.padding_end, &[size / 2])
    }

    /// True for a transposed convolution whose weights PyTorch's oneDNN takes in the wrong order (torch 2.9): channels in and
    /// out of a group are not as many, and neither is one.
    pub fn is_taken_transposed(&self, contract: Contract) -> bool {
        let Ok(geometry) = self.geometry() else { return false };
        matches!(self.kind, LayerKind::ConvTranspose(_))
            && contract.of_layer(self) == Contract::Onednn
            && match self.weight.shape[..] {
                [inputs, outputs, ..] => {
                    let inputs = inputs / geometry.groups.max(1);
                    inputs != outputs && inputs > 1 && outputs > 1
                }
                _ => false,
            }
    }

    /// True for a convolution that PyTorch's oneDNN computes from memory that is not its own (torch 2.9): its stride along the
    /// last axis is above 1, and its result is 1 wide; or it pads by as much as its kernel covers.
    pub fn leaves_its_memory(&self, contract: Contract, input: &[usize]) -> bool {
        let Ok(geometry) = self.geometry() else { return false };
        let narrow = geometry.stride.last().is_some_and(|&stride| stride > 1)
            && self.shape(input).is_ok_and(|shape| shape.last() == Some(&1));
        let pads_whole = |axis: usize| {
            let covered = geometry.dilation[axis] * geometry.kernel[axis].saturating_sub(1) + 1;
            geometry.padding[axis].max(geometry.padding_end[axis]) >= covered
        };
        matches!(self.kind, LayerKind::Conv(_))
            && contract.of_layer(self) == Contract::Onednn
            && geometry.kernel.iter().any(|&size| size > 1)
            && (narrow || (0..geometry.kernel.len()).any(pads_whole))
    }

    /// The accumulators `sum((x - Z1) * (w - Z2))`, in the shape of the result.
    ///
    /// # Errors
    /// The input does not fit, or a sum of codes of 8 bits does not fit 32 bits.
    pub fn accumulate(
        &self,
        contract: Contract,
        input: &Codes,
        activation: Activation,
    ) -> Result<Tensor<i64>, OpError> {
        let shape = self.shape(input.shape())?;
        let sums = match self.kind {
            LayerKind::Linear => self.dot_products(input, activation.zero_point),
            LayerKind::Conv(_) => {
                let pairs = self.saturates_pairs(contract);
                convolution::direct(self, input, activation.zero_point, &shape, pairs)?
            }
            LayerKind::ConvTranspose(_) => {
                convolution::transposed(self, input, activation.zero_point, &shape)?
            }
        };
        let wide = activation.code_type == CodeType::I16;
        if let Some(sum) = sums.iter().find(|sum| !wide && i32::try_from(**sum).is_err()) {
            return Err(OpError::new(format!("the accumulator {sum}"), "one of 32 bits"));
        }
        // Every engine's convolution writes channels last, whatever it reads.
        let layout = if self.kind == LayerKind::Linear { Layout::Contiguous } else { Layout::ChannelsLast };
        let tensor = Tensor::new(shape, sums).map_err(|e| OpError::new(e.to_string(), "a sound layer"))?;
        Ok(tensor.with_layout(layout))
    }

    /// y[n, o] = sum over i of (x[n, i] - Z1) * (w[o, i] - Z2).
    fn dot_products(&self, input: &Codes, zero_point: i32) -> Vec<i64> {
        let inputs = self.weight.shape[1].max(1);
        let mut sums = Vec::new();
        for row in input.elements().chunks(inputs) {
            for (channel, weights) in self.weight.codes.chunks(inputs).enumerate() {
                let weight_zero_point = self.weight_zero_point(channel);
                let products = row
                    .iter()
                    .zip(weights)
                    .map(|(&x, &w)| i64::from(x - zero_point) * i64::from(i32::from(w) - weight_zero_point));
                sums.push(products.sum());
            }
        }
        sums
    }

    /// One requantizer per output channel.
    ///
    /// # Errors
    /// What the network does not say.
    pub fn requantizers(
        &self,
        contract: Contract,
        input: Activation,
        output: Activation,
    ) -> Result<Vec<Requantizer>, Missing> {
        (0..self.output_channels())
            .map(|channel| Requantizer::new(contract, self, input, output, channel))
            .collect()
    }

    /// Accumulators and output codes, both in the shape of the result.
    ///
    /// # Errors
    /// The input does not fit, a sum does not fit 32 bits, or the network does not say what the codes depend on.
    pub fn apply(&self, input: &Codes, context: &Context<'_>) -> Result<(Tensor<i64>, Codes), OpError> {
        let (source, output) = (context.input(0)?, context.output()?);
        let requantizers = self
            .requantizers(context.contract, source, output)
            .map_err(|missing| OpError::new(missing.to_string(), "all of it"))?;
        let accumulators = self.accumulate(context.contract, input, source)?;
        if context.is_float() {
            return Ok((accumulators, float_layer::apply(self, input, context)?));
        }
        let codes = Self::requantize(self.kind, &accumulators, &requantizers);
        Ok((accumulators, codes))
    }

    /// Output codes of accumulators in the shape of the result.
    fn requantize(kind: LayerKind, accumulators: &Tensor<i64>, requantizers: &[Requantizer]) -> Codes {
        let shape = accumulators.shape();
        let area: usize = match kind {
            LayerKind::Linear => 1,
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => shape.iter().skip(2).product(),
        };
        let channels = requantizers.len().max(1);
        let elements = accumulators.elements();
        Tensor::build(shape.to_vec(), accumulators.layout(), |i| {
            requantizers[i / area.max(1) % channels].apply(elements[i])
        })
    }
}

/// A size from a file; 32 bits fit everywhere that this runs.
fn widen(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
