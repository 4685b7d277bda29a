//! Convolution, transposed convolution and fully connected layers: geometry and requantization.

use std::fmt;

use crate::parameters::{Activation, LayerKind, Range, Weight, Window};
use crate::quantize::quantize_bias;

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
    /// The clamp of its own output codes; `None` where it depends on whether a ReLU is fused and nobody says.
    pub fn clamp_of(&self, output: Activation) -> Option<Range<i32>> {
        let (min, max) = output.code_type.range();
        let Range { min, max } = match self.clamp {
            // A clamp beside the type's codes leaves the nearest of them.
            Some(clamp) => Range { min: clamp.min.clamp(min, max), max: clamp.max.clamp(min, max) },
            None => Range { min, max },
        };
        match self.relu {
            Some(true) => Some(Range { min: output.zero_point.clamp(min, max), max }),
            Some(false) => Some(Range { min, max }),
            None if output.zero_point <= min => Some(Range { min, max }),
            None => None,
        }
    }

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
}

/// A size from a file; 32 bits fit everywhere that this runs.
fn widen(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
