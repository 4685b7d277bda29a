//! The integers of each layer: what hardware needs, derived, ready to be written.
//!
//! Notation: S1, Z1 scale and zero point of a layer's input; S2, Z2 of its weight; S3, Z3 of its output. Every `Vec`
//! called "per output channel" has `channels` entries. A field that the file does not determine is `None`.

mod recurrent;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::hardware::Rounding;

pub use recurrent::{FactorParameters, ProductParameters, RecurrentParameters};

/// How the wiring (who feeds whom) is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wiring {
    /// The file holds the topology.
    File,
    /// The user gave it with `--graph`.
    GraphFile,
    /// Guessed from the order of keys.
    KeyOrder,
    /// Not known: layers stand alone.
    Unknown,
}

impl Wiring {
    /// The name in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::GraphFile => "graph-file",
            Self::KeyOrder => "key-order",
            Self::Unknown => "unknown",
        }
    }
}

/// Element type of quantized activations and weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeType {
    /// Unsigned 8 bits, 0..=255.
    U8,
    /// Signed 8 bits, -128..=127.
    I8,
    /// Signed 16 bits, -32768..=32767: activations only, with a zero point of 0 in every file that has them.
    I16,
    /// Signed 32 bits: what TFLite gives and takes around a network, and nothing computes with.
    I32,
}

impl CodeType {
    /// The name in the manifest: `uint8`, `int8`, `int16`, `int32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
        }
    }

    /// Smallest and largest code.
    pub fn range(self) -> (i32, i32) {
        match self {
            Self::U8 => (0, 255),
            Self::I8 => (-128, 127),
            Self::I16 => (-32_768, 32_767),
            Self::I32 => (i32::MIN, i32::MAX),
        }
    }

    /// Width of a code.
    pub fn bits(self) -> u32 {
        match self {
            Self::U8 | Self::I8 => 8,
            Self::I16 => 16,
            Self::I32 => 32,
        }
    }

    /// True for codes of more than 8 bits.
    pub fn is_wide(self) -> bool {
        self.bits() > 8
    }
}

/// How the codes of an activation map to reals: `real = scale * (code - zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activation {
    /// Scale, as stored (a binary32 is widened exactly).
    pub scale: f64,
    /// Zero point.
    pub zero_point: i32,
    /// Element type of the codes.
    pub code_type: CodeType,
}

/// A closed range of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range<T> {
    /// Smallest.
    pub min: T,
    /// Largest.
    pub max: T,
}

/// The kind of a layer with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerKind {
    /// Convolution with this many spatial axes (1 to 3).
    Conv(u8),
    /// Transposed convolution with this many spatial axes (1 to 3).
    ConvTranspose(u8),
    /// Fully connected.
    Linear,
}

impl LayerKind {
    /// The name in manifest, graph files and tables: `conv2d`, `conv_transpose2d`, `linear`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conv(1) => "conv1d",
            Self::Conv(2) => "conv2d",
            Self::Conv(_) => "conv3d",
            Self::ConvTranspose(1) => "conv_transpose1d",
            Self::ConvTranspose(2) => "conv_transpose2d",
            Self::ConvTranspose(_) => "conv_transpose3d",
            Self::Linear => "linear",
        }
    }

    /// Names of the weight's axes, outermost first: `OIHW` for `conv2d`, `IOHW` for `conv_transpose2d`, `OI` for linear.
    pub fn axes(self) -> &'static str {
        match self {
            Self::Conv(1) => "OIW",
            Self::Conv(2) => "OIHW",
            Self::Conv(_) => "OIDHW",
            Self::ConvTranspose(1) => "IOW",
            Self::ConvTranspose(2) => "IOHW",
            Self::ConvTranspose(_) => "IODHW",
            Self::Linear => "OI",
        }
    }
}

/// Quantized weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// Sizes along [`LayerKind::axes`].
    pub shape: Vec<usize>,
    /// Codes in row-major order of `shape`.
    pub codes: Arc<[i8]>,
    /// S2: one entry (per tensor) or one per output channel.
    pub scale: Vec<f64>,
    /// Z2, in the terms of `codes`: as many entries as `scale`.
    pub zero_point: Vec<i32>,
    /// What was subtracted from the file's codes, and from its zero points, to make them fit: 128 where the file has
    /// unsigned codes of 8 bits, else 0. Changes neither `(x - Z1) * (w - Z2)` nor the folded bias.
    pub offset: i32,
    /// Width of a code in the file: 8, 4, 2 or 1.
    pub bits: u32,
}

impl Weight {
    /// Codes of 8 signed bits, as the file has them.
    pub fn of_bytes(shape: Vec<usize>, codes: Arc<[i8]>, scale: Vec<f64>, zero_point: Vec<i32>) -> Self {
        Self { shape, codes, scale, zero_point, offset: 0, bits: 8 }
    }

    /// The name in the manifest of the file's element type: `int8`, `uint8`, `int4`, ...
    pub fn type_name(&self) -> String {
        format!("{}{}", if self.offset > 0 { "uint" } else { "int" }, self.bits)
    }

    /// The file's Z2: as many entries as `scale`.
    pub fn file_zero_point(&self) -> Vec<i32> {
        self.zero_point.iter().map(|z| z.saturating_add(self.offset)).collect()
    }
}

/// Geometry of a convolution, one entry per spatial axis, outermost first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    /// Step.
    pub stride: Option<Vec<u32>>,
    /// Padding before each axis, and after it unless `padding_end` says otherwise.
    pub padding: Option<Vec<u32>>,
    /// Padding after each axis, where it differs from `padding`.
    pub padding_end: Option<Vec<u32>>,
    /// Distance between taps.
    pub dilation: Option<Vec<u32>>,
    /// Extra output size (transposed convolutions).
    pub output_padding: Option<Vec<u32>>,
    /// Channel groups.
    pub groups: Option<u32>,
}

/// Reachable values of a sum, over all output channels, and the two's complement bits that hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Smallest.
    pub min: i64,
    /// Largest.
    pub max: i64,
    /// Bits of the narrowest two's complement integer that holds both.
    pub bits: u32,
}

/// Everything hardware needs to compute one layer in integers:
/// `clamp(round(M0 * (sum(x_q * w_q) + folded_bias) * 2^-n) + Z3, min, max)`, with `w_q - Z2` for `w_q` where Z2 is not 0.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerParameters {
    /// Name in the model, with dots.
    pub name: String,
    /// Kind.
    pub kind: LayerKind,
    /// Whether a ReLU is fused; `None` where the file does not say.
    pub relu: Option<bool>,
    /// S1, Z1.
    pub input: Option<Activation>,
    /// The codes that the input can take, after its producer's own clamp.
    pub input_range: Option<Range<i32>>,
    /// S2, Z2 and the codes.
    pub weight: Weight,
    /// Number of output channels.
    pub channels: usize,
    /// `round(b / (S1*S2))`, per output channel; zeros where the layer has no bias. 32 bits, or up to 64 where the
    /// activations have 16.
    pub bias: Option<Vec<i64>>,
    /// `sum(w_q)`, per output channel, in the terms of `weight.codes`.
    pub weight_sum: Vec<i32>,
    /// `bias - Z1*weight_sum + K*Z1*Z2`, per output channel; K is the number of taps.
    pub folded_bias: Option<Vec<i64>>,
    /// M = S1*S2/S3, nearest binary64, per output channel.
    pub real_multiplier: Option<Vec<f64>>,
    /// M0, per output channel.
    pub multiplier: Option<Vec<u32>>,
    /// n, per output channel: M ~ M0 * 2^-n. Negative for M of 2^31 and more.
    pub shift: Option<Vec<i32>>,
    /// C, per output channel, where one was chosen (see [`crate::certify`]): added to the product before the shift, in
    /// place of the rounding: `(M0 * (sum(x_q * w_q) + folded_bias) + C) >> n`.
    pub rounding_constant: Option<Vec<i64>>,
    /// Where thresholds replace the multiplier (see [`crate::certify::thresholds`]): per output channel, row-major, the
    /// smallest `sum(x_q * w_q)` that gives each output code but the smallest.
    pub thresholds: Option<Vec<i64>>,
    /// S3, Z3.
    pub output: Option<Activation>,
    /// Clamp of the output codes. `None` where the file does not say whether a ReLU is fused and it matters.
    pub clamp: Option<Range<i32>>,
    /// The code that padding has: Z1; `None` where the border is reflected, repeated or wrapped instead.
    pub padding_value: Option<i32>,
    /// Reachable values of `sum(x_q * w_q)`, padding included (`w_q - Z2` where Z2 is not 0).
    pub accumulator: Option<Reach>,
    /// Reachable values of `sum(x_q * w_q) + folded_bias`.
    pub biased: Option<Reach>,
    /// Convolution geometry; `None` for linear layers.
    pub window: Option<Window>,
}

impl LayerParameters {
    /// True if there is one weight scale (and so one multiplier) per output channel.
    pub fn per_channel(&self) -> bool {
        self.weight.scale.len() > 1
    }

    /// `sum(w_q)` of the file's codes, per output channel; `None` beyond 32 bits.
    pub fn file_weight_sum(&self) -> Option<Vec<i32>> {
        let taps = i32::try_from(self.weight.codes.len() / self.channels.max(1)).ok()?;
        let added = self.weight.offset.checked_mul(taps)?;
        self.weight_sum.iter().map(|sum| sum.checked_add(added)).collect()
    }
}

/// An element-wise function (sigmoid, hardswish, ...) as a table of 256 codes.
#[derive(Debug, Clone, PartialEq)]
pub struct TableParameters {
    /// Name in the model, with dots.
    pub name: String,
    /// The function: `sigmoid`, `tanh`, `hardswish`, ...
    pub function: &'static str,
    /// The arithmetic that filled the table: a contract's name.
    pub contract: &'static str,
    /// S and Z of the codes that go in.
    pub input: Activation,
    /// S and Z of the codes that come out.
    pub output: Activation,
    /// Output codes of the input codes in ascending order: 0, 1, ... for `uint8`, -128, -127, ... for `int8`.
    pub codes: Vec<i32>,
}

/// A positive factor in integers: M ~ M0 * 2^-n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// M0.
    pub multiplier: u32,
    /// n; negative for a shift to the left.
    pub shift: i32,
}

/// How often an operator in integers gives another code than the real one, rounded once, half to even (`exact`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Everything that can occur: pairs of codes, codes by channel, or sums of a window.
    pub cases: u64,
    /// Those with another code. 0 is the proof that both are equal.
    pub differing: u64,
}

/// The integer-only form of an operator without weights. Codes are `a`, `b`, `x`; Z their zero points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorArithmetic {
    /// `round((M0a*(a - Za) + M0b*(b - Zb)) * 2^-n) + Z3`.
    Sum {
        /// M0a and M0b.
        multipliers: [u32; 2],
        /// n.
        shift: i32,
    },
    /// `round(M0*(a - Za)*(b - Zb) * 2^-n) + Z3`.
    Product(Scale),
    /// `round(M0*sum((a - Za)*(b - Zb)) * 2^-n) + Z3`, rows of one with columns of the other.
    MatrixProduct(Scale),
    /// For each input `round(M0*(x - Z1) * 2^-n) + Z3`; `None` where its codes pass unchanged.
    Concatenation(Vec<Option<Scale>>),
    /// `round(M0*sum(x - Z1) * 2^-n) + Z3` over a window.
    Mean(
        /// By the number of positions that the sum is divided by. Other numbers, which the sizes of an input may bring,
        /// get theirs by the same rule: [`crate::hardware::mean_scale`].
        Vec<(i64, Scale)>,
    ),
    /// `round((M0*(x - Z1) + B) * 2^-n) + Z3`.
    ChannelScale {
        /// M0, per channel.
        multipliers: Vec<i32>,
        /// B, per channel.
        offsets: Vec<i32>,
        /// n.
        shift: i32,
    },
    /// The output codes of the input codes in ascending order, 256 of them.
    Table(Vec<i32>),
    /// The code itself, within the clamp.
    Clamp,
    /// The largest code of a window.
    Largest,
    /// Codes in another shape or place; where there is none, the code Z1.
    Selection,
}

/// An operator without weights, ready for hardware. Every code that leaves it is clamped last.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorParameters {
    /// Name in the model, with dots.
    pub name: String,
    /// What it computes: `add`, `avg_pool`, ...
    pub op: &'static str,
    /// S and Z of its inputs.
    pub inputs: Vec<Activation>,
    /// S3 and Z3.
    pub output: Activation,
    /// Clamp of the output codes.
    pub clamp: Range<i32>,
    /// Its integers.
    pub arithmetic: OperatorArithmetic,
    /// How it agrees with `exact`; `None` where nothing is rounded, or the number of cases has no bound.
    pub agreement: Option<Agreement>,
}

/// How M was turned into integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultiplierForm {
    /// `CONSTANT`: one n for all layers, M0 = round(M * 2^n).
    Shift(u32),
    /// M0 has exactly this many bits, normalised per channel, each with its own n; or at most as many, where they were
    /// chosen (see [`crate::certify`]). With one bit M0 is 1: M is rounded to a power of two.
    Bits(u32),
    /// One n per layer, such that its largest M0 has exactly this many bits.
    LayerBits(u32),
    /// One n for all layers, such that the largest M0 of all has exactly this many bits.
    NetworkBits(u32),
}

/// The parameters of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// How the wiring is known.
    pub wiring: Wiring,
    /// The engine that the activation range was taken from, where the user had to name it.
    pub engine: Option<&'static str>,
    /// How M was turned into integers.
    pub form: MultiplierForm,
    /// S, Z of the network's inputs, in order, by name, where known.
    pub inputs: Vec<(String, Option<Activation>)>,
    /// Layers with weights, in execution order.
    pub layers: Vec<LayerParameters>,
    /// Operators that keep a state, in execution order.
    pub recurrent: Vec<RecurrentParameters>,
    /// Element-wise functions, in execution order.
    pub tables: Vec<TableParameters>,
    /// How the divisions by 2^n of [`Self::operators`] round.
    pub rounding: Rounding,
    /// Operators without weights, in execution order: those whose scales are known.
    pub operators: Vec<OperatorParameters>,
    /// What the user must know: one sentence each, with the layer's name.
    pub warnings: Vec<String>,
}
