//! The operations of an [`IntNetwork`](crate::network::IntNetwork): a closed set; adding one is one variant here and
//! the match arms that the compiler then asks for.

use crate::parameters::{LayerKind, Weight, Window};

/// What a node computes. Shapes are (N, C, spatial...).
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Float to codes with the output edge's S and Z.
    Quantize,
    /// Codes to float.
    Dequantize,
    /// Convolution, transposed convolution or linear layer.
    Layer(Layer),
    /// Sum of two tensors, optionally with ReLU.
    Add {
        /// With ReLU.
        relu: bool,
    },
    /// Product of two tensors, optionally with ReLU.
    Mul {
        /// With ReLU.
        relu: bool,
    },
    /// Concatenation along an axis. Without S and Z of its own it keeps the first input's.
    Concatenate {
        /// The axis.
        axis: i64,
        /// Whether the output has its own S and Z.
        requantizes: bool,
    },
    /// Largest code in a window; padding never wins.
    MaxPool(Pool),
    /// Mean over a window.
    AveragePool(Pool),
    /// Mean over as many windows as the output has positions; `None` keeps the input's size.
    AdaptiveAveragePool {
        /// Output size per spatial axis.
        size: Vec<Option<i64>>,
    },
    /// Mean over whole axes.
    Mean {
        /// The axes.
        axes: Vec<i64>,
        /// Keep them with size 1.
        keep: bool,
    },
    /// max(code, Z).
    Relu,
    /// Clamp of the real value, applied to codes: [q(min), q(max)].
    Clamp {
        /// Smallest real value.
        min: f64,
        /// Largest real value.
        max: f64,
    },
    /// An element-wise function, a table of 256 entries.
    Function(Function),
    /// A change of shape or a selection; codes pass through unchanged.
    Shape(Shape),
    /// Batch normalisation of codes, optionally with ReLU.
    BatchNorm(BatchNorm),
}

impl Op {
    /// The name in graph files and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Quantize => "quantize",
            Self::Dequantize => "dequantize",
            Self::Layer(layer) => layer.kind.name(),
            Self::Add { .. } => "add",
            Self::Mul { .. } => "mul",
            Self::Concatenate { .. } => "cat",
            Self::MaxPool(_) => "max_pool",
            Self::AveragePool(_) => "avg_pool",
            Self::AdaptiveAveragePool { .. } => "adaptive_avg_pool",
            Self::Mean { .. } => "mean",
            Self::Relu => "relu",
            Self::Clamp { .. } => "clamp",
            Self::Function(function) => function.name(),
            Self::Shape(shape) => shape.name(),
            Self::BatchNorm(_) => "batch_norm",
        }
    }
}

/// A layer with weights, and its float bias as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Kind.
    pub kind: LayerKind,
    /// Codes, S2, Z2.
    pub weight: Weight,
    /// Float bias, one per output channel.
    pub bias: Option<Vec<f32>>,
    /// Fused ReLU; `None` where the file does not say.
    pub relu: Option<bool>,
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

/// A pooling window, one entry per spatial axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Size.
    pub kernel: Vec<i64>,
    /// Step.
    pub stride: Vec<i64>,
    /// Padding on both sides.
    pub padding: Vec<i64>,
    /// Distance between taps.
    pub dilation: Vec<i64>,
    /// Round the output size up.
    pub ceil_mode: bool,
    /// Averages divide by the whole window, padding included.
    pub count_include_pad: bool,
    /// Averages divide by this instead.
    pub divisor: Option<i64>,
}

/// Element-wise functions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// tanh(x).
    Tanh,
    /// x * min(max(x + 3, 0), 6) / 6.
    Hardswish,
    /// min(max(x + 3, 0), 6) / 6.
    Hardsigmoid,
    /// x for x > 0, slope * x else.
    LeakyRelu(
        /// Slope.
        f64,
    ),
    /// x for x > 0, alpha * (exp(x) - 1) else.
    Elu(
        /// alpha.
        f64,
    ),
    /// x * Phi(x).
    Gelu,
}

impl Function {
    /// The name in graph files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Hardswish => "hardswish",
            Self::Hardsigmoid => "hardsigmoid",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Elu(_) => "elu",
            Self::Gelu => "gelu",
        }
    }
}

/// Changes of shape and selections. An [`Extent`] is a size, possibly computed from the sizes of other edges.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Axes `start..=end` become one.
    Flatten {
        /// First axis.
        start: i64,
        /// Last axis.
        end: i64,
    },
    /// New sizes for the same elements.
    Reshape(
        /// Sizes; -1 is inferred.
        Vec<Extent>,
    ),
    /// Axes in another order.
    Permute(
        /// For each output axis, the input axis.
        Vec<i64>,
    ),
    /// Two axes swapped.
    Transpose(
        /// One axis.
        i64,
        /// The other.
        i64,
    ),
    /// An axis of size 1 removed, or all of them.
    Squeeze(
        /// The axis.
        Option<i64>,
    ),
    /// An axis of size 1 inserted.
    Unsqueeze(
        /// Its place.
        i64,
    ),
    /// `x[start:end:step]` along an axis.
    Slice {
        /// The axis.
        axis: i64,
        /// First index.
        start: i64,
        /// End index, exclusive.
        end: i64,
        /// Step.
        step: i64,
    },
    /// Equal parts along an axis.
    Chunk {
        /// Number of parts.
        parts: i64,
        /// The axis.
        axis: i64,
    },
    /// Nearest-neighbour upsampling.
    Upsample {
        /// Output sizes, where given.
        size: Option<Vec<Extent>>,
        /// Scale factors, where given.
        factors: Option<Vec<f64>>,
    },
    /// Padding with the real value zero (the code Z), amounts from the last axis backwards.
    Pad(
        /// Amounts: before and after the last axis, before and after the one before it, and so on.
        Vec<i64>,
    ),
    /// The channels of groups interleaved.
    ChannelShuffle(
        /// Groups.
        i64,
    ),
}

impl Shape {
    /// The name in graph files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Flatten { .. } => "flatten",
            Self::Reshape(_) => "reshape",
            Self::Permute(_) => "permute",
            Self::Transpose(..) => "transpose",
            Self::Squeeze(_) => "squeeze",
            Self::Unsqueeze(_) => "unsqueeze",
            Self::Slice { .. } => "slice",
            Self::Chunk { .. } => "chunk",
            Self::Upsample { .. } => "upsample_nearest",
            Self::Pad(_) => "pad",
            Self::ChannelShuffle(_) => "channel_shuffle",
        }
    }
}

/// A size: a number, or computed from the sizes of edges when they are known.
#[derive(Debug, Clone, PartialEq)]
pub enum Extent {
    /// A number.
    Fixed(i64),
    /// The size of the edge at this index of the network along an axis.
    Of(crate::network::EdgeId, i64),
    /// Product.
    Times(Box<Extent>, Box<Extent>),
    /// Sum.
    Plus(Box<Extent>, Box<Extent>),
    /// Difference.
    Minus(Box<Extent>, Box<Extent>),
    /// Quotient, rounded down.
    Over(Box<Extent>, Box<Extent>),
}

/// Parameters of a quantized batch normalisation, one entry per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    /// gamma.
    pub weight: Vec<f32>,
    /// beta.
    pub bias: Vec<f32>,
    /// Running mean.
    pub mean: Vec<f32>,
    /// Running variance.
    pub variance: Vec<f32>,
    /// Added to the variance; `None` where the file does not say.
    pub epsilon: Option<f64>,
    /// With ReLU.
    pub relu: bool,
}
