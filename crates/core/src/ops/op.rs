//! The closed set of operators.

use super::batch_norm::BatchNorm;
use super::extremum::Extremum;
use super::function::Function;
use super::layer::Layer;
use super::layer_norm::LayerNorm;
use super::lstm::Lstm;
use super::pool::Pool;
use super::shape::Shape;
use super::svdf::Svdf;
use crate::tensor::Codes;

/// What a node computes. Shapes are (N, C, spatial...).
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Float to codes with the output edge's S and Z.
    Quantize,
    /// Codes to float.
    Dequantize,
    /// Codes that the file holds; it has no input, and is the same for all images.
    Constant(Codes),
    /// Convolution, transposed convolution or linear layer.
    Layer(Layer),
    /// Sum of two tensors, optionally with ReLU.
    Add {
        /// With ReLU.
        relu: bool,
    },
    /// Difference of two tensors, the first minus the second, optionally with ReLU.
    Sub {
        /// With ReLU.
        relu: bool,
    },
    /// Product of two tensors, optionally with ReLU.
    Mul {
        /// With ReLU.
        relu: bool,
    },
    /// The smaller or the larger of two codes, element by element.
    Extremum(Extremum),
    /// Matrix product of two tensors, (.., M, K) and (.., K, P).
    MatMul,
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
    /// Layer normalisation of codes.
    LayerNorm(LayerNorm),
    /// Softmax of codes.
    Softmax {
        /// The axis whose results add up to 1.
        axis: i64,
    },
    /// SVDF of an input and a state; gives a result and the next state.
    Svdf(Box<Svdf>),
    /// LSTM of a sequence, the last output and the cell; gives a result and the next of both.
    Lstm(Box<Lstm>),
}
