//! The operations of an [`IntNetwork`](crate::network::IntNetwork): a closed set, one file each with its rule for shapes
//! and its scalar reference; adding one is one variant here and the match arms that the compiler then asks for.
//!
//! The references are the specification: plain loops over integers, each beside its equation. Everything fast is tested
//! for equality with them.

mod add;
mod batch_norm;
mod clamp;
mod concatenate;
mod convolution;
mod delegated;
mod extremum;
mod fixed_function;
mod float_layer;
mod float_mean;
mod function;
mod fusion;
mod gates;
mod iteration;
mod layer;
mod layer_norm;
mod lstm;
mod matmul;
mod peculiarity;
mod pool;
mod product;
mod shape;
mod signed;
mod softmax;
mod svdf;
#[cfg(test)]
mod tests;
mod wide_function;
mod wide_softmax;
mod window;

use std::fmt;

pub use batch_norm::BatchNorm;
pub(crate) use clamp::layer_clamp_of;
pub use extremum::Extremum;
pub use function::{Function, Table};
pub use fusion::{Fusion, Unfused};
pub use iteration::Vectors;
pub use layer::{Bias, Geometry, Layer, MissingGeometry, PaddingMode};
pub use layer_norm::LayerNorm;
pub use lstm::{GATE_SCALE, GATES, Gate, Lstm, LstmKernel};
pub use pool::Pool;
pub use product::Product;
pub use shape::{Extent, Shape, Shapes, Sources};
pub use svdf::Svdf;
pub use window::Span;
pub(crate) use window::adaptive_spans;

use self::add::Sign;
use crate::contract::Contract;
use crate::parameters::{Activation, CodeType};
use crate::quantize::{dequantize, quantize_as};
use crate::tensor::{Codes, Tensor, coordinates, element_count, strides};

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

impl Op {
    /// The name in graph files and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Quantize => "quantize",
            Self::Dequantize => "dequantize",
            Self::Constant(_) => "constant",
            Self::Layer(layer) => layer.kind.name(),
            Self::Add { .. } => "add",
            Self::Sub { .. } => "sub",
            Self::Mul { .. } => "mul",
            Self::Extremum(extremum) => extremum.name(),
            Self::MatMul => "matmul",
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
            Self::LayerNorm(_) => "layer_norm",
            Self::Softmax { .. } => "softmax",
            Self::Svdf(_) => "svdf",
            Self::Lstm(_) => "lstm",
        }
    }
}

/// Why an operation cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpError {
    /// What it met.
    pub found: String,
    /// What it can take.
    pub expected: String,
}

impl OpError {
    /// An error.
    pub fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into() }
    }

    /// An operator whose formula under an engine is not known.
    pub(crate) fn no_formula(op: &str, contract: Contract) -> Self {
        Self::new(format!("no known formula for {op} under {}", contract.name()), "another contract")
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "has {}, expected {}", self.found, self.expected)
    }
}

impl std::error::Error for OpError {}

/// A tensor on an edge: codes, or floats before quantization and after dequantization.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Integer codes.
    Codes(Codes),
    /// Real numbers.
    Floats(Tensor<f32>),
}

impl Value {
    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Codes(codes) => codes.shape(),
            Self::Floats(floats) => floats.shape(),
        }
    }

    /// The codes, where it has codes.
    pub fn codes(&self) -> Option<&Codes> {
        match self {
            Self::Codes(codes) => Some(codes),
            Self::Floats(_) => None,
        }
    }
}

/// What the arithmetic of a node depends on, besides its operands.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The engine.
    pub contract: Contract,
    /// S and Z of each input; `None` for floats.
    pub inputs: &'a [Option<Activation>],
    /// S and Z of the result; `None` for floats.
    pub output: Option<Activation>,
    /// How ONNX Runtime fuses it.
    pub fusion: Fusion,
}

impl Context<'_> {
    fn input(&self, index: usize) -> Result<Activation, OpError> {
        self.inputs.get(index).copied().flatten().ok_or_else(|| {
            OpError::new("an input whose scale and zero point are not known", "a quantized one")
        })
    }

    fn output(&self) -> Result<Activation, OpError> {
        self.output.ok_or_else(|| {
            OpError::new("a result whose scale and zero point are not known", "a quantized one")
        })
    }

    /// Whether the engine computes dequantized floats.
    fn is_float(&self) -> bool {
        self.contract == Contract::Onnxruntime && self.fusion.is_float()
    }

    /// Exact arithmetic needs scales that are numbers.
    fn finite(&self) -> Result<(), OpError> {
        let scales = self.inputs.iter().copied().chain([self.output]).flatten().map(|a| a.scale);
        match scales.into_iter().find(|s| !(s.is_finite() && *s > 0.0)) {
            Some(scale) => Err(OpError::new(format!("a scale of {scale}"), "a positive number")),
            None => Ok(()),
        }
    }
}

/// Axes beyond this are no network's: what a file asks for is refused before it is allocated.
const MAX_AXIS: usize = 1 << 24;

/// Tensors beyond this many elements are no network's.
const MAX_ELEMENTS: usize = 1 << 32;

impl Op {
    /// Shapes of the results for shapes of the inputs. `known` has the shapes of all edges before this node.
    ///
    /// # Errors
    /// The inputs do not fit.
    pub fn shapes(&self, inputs: &[&[usize]], known: &Shapes) -> Result<Vec<Vec<usize>>, OpError> {
        let shapes = self.result_shapes(inputs, known)?;
        match shapes.iter().find(|s| element_count(s).is_none_or(|count| count > MAX_ELEMENTS)) {
            Some(shape) => {
                Err(OpError::new(format!("a result {shape:?}"), format!("at most {MAX_ELEMENTS} elements")))
            }
            None => Ok(shapes),
        }
    }

    fn result_shapes(&self, inputs: &[&[usize]], known: &Shapes) -> Result<Vec<Vec<usize>>, OpError> {
        if let Self::Constant(codes) = self {
            return Ok(vec![codes.shape().to_vec()]);
        }
        let Some((&first, rest)) = inputs.split_first() else {
            return Err(OpError::new("no inputs", "at least one"));
        };
        let one = |shape: Vec<usize>| Ok(vec![shape]);
        match self {
            Self::Quantize
            | Self::Dequantize
            | Self::Relu
            | Self::Clamp { .. }
            | Self::Function(_)
            | Self::BatchNorm(_) => one(first.to_vec()),
            Self::LayerNorm(norm) => {
                norm.check(first)?;
                one(first.to_vec())
            }
            Self::Softmax { axis } => {
                axis_of(*axis, first.len())?;
                one(first.to_vec())
            }
            Self::Constant(codes) => one(codes.shape().to_vec()),
            Self::Layer(layer) => one(layer.shape(first)?),
            Self::Add { .. } | Self::Sub { .. } | Self::Mul { .. } | Self::Extremum(_) => {
                let second = rest.first().ok_or_else(|| OpError::new("one input", "two"))?;
                one(broadcast_shape(first, second)?)
            }
            Self::MatMul => {
                let second = rest.first().ok_or_else(|| OpError::new("one input", "two"))?;
                one(matmul::shape(first, second)?)
            }
            Self::Concatenate { axis, .. } => one(concatenate::shape(*axis, inputs)?),
            Self::MaxPool(pool) | Self::AveragePool(pool) => one(pool.shape(first)?),
            Self::AdaptiveAveragePool { size } => one(pool::adaptive_shape(size, first)?),
            Self::Mean { axes, keep } => one(pool::mean_shape(axes, *keep, first)?),
            Self::Shape(shape) => shape.shapes(first, known),
            Self::Svdf(svdf) => match rest {
                [state] => svdf.shapes(first, state),
                _ => Err(OpError::new(format!("{} inputs", inputs.len()), "an input and a state")),
            },
            Self::Lstm(lstm) => match rest {
                [hidden, cell] => lstm.shapes(first, hidden, cell),
                _ => Err(OpError::new(format!("{} inputs", inputs.len()), "an input and two states")),
            },
        }
    }

    /// Whether the codes are ONNX Runtime's to the last bit where it computes the operator on dequantized floats.
    pub fn is_exact_in_floats(&self, unfused: Unfused) -> bool {
        match self {
            Self::Layer(layer) => {
                !matches!(unfused, Unfused::Between | Unfused::ForeignBias) && float_layer::is_known(layer)
            }
            Self::Function(_) if unfused == Unfused::Merged => false,
            // Its exponential and its error function are its own.
            Self::Function(Function::Elu(_) | Function::Gelu) => false,
            // One rounding for each operation on an element, and none of a sum.
            Self::Quantize
            | Self::Dequantize
            | Self::Constant(_)
            | Self::Add { .. }
            | Self::Sub { .. }
            | Self::Mul { .. }
            | Self::Extremum(_)
            | Self::Concatenate { .. }
            | Self::MaxPool(_)
            | Self::Relu
            | Self::Clamp { .. }
            | Self::Function(_)
            | Self::Shape(_) => true,
            // What is not fused has rules of its own, which are followed and warned of elsewhere.
            Self::Mean { .. } => true,
            Self::AveragePool(_)
            | Self::AdaptiveAveragePool { .. }
            | Self::MatMul
            | Self::Softmax { .. }
            | Self::BatchNorm(_)
            | Self::LayerNorm(_)
            | Self::Svdf(_)
            | Self::Lstm(_) => false,
        }
    }

    /// Engines do not have every operator, and none but TFLite's computes with codes of 16 bits.
    fn check_contract(&self, context: &Context<'_>) -> Result<(), OpError> {
        let activations = || context.inputs.iter().copied().chain([context.output]).flatten();
        let rescales = matches!(self, Self::Function(Function::Requantize { .. }) | Self::Shape(_));
        if !rescales && activations().any(|activation| activation.code_type == CodeType::I32) {
            return Err(OpError::new("codes of 32 bits", "a change of scale, which alone has them"));
        }
        let contract = context.contract;
        match contract {
            Contract::Litert | Contract::LitertBuiltin | Contract::Exact => {}
            Contract::Fbgemm
            | Contract::Qnnpack
            | Contract::Onednn
            | Contract::X86
            | Contract::Onnxruntime
            | Contract::LitertXnnpack => {
                if activations().any(|activation| activation.code_type.is_wide()) {
                    return Err(OpError::new(
                        format!("codes of 16 bits under {}", contract.name()),
                        "the contract litert",
                    ));
                }
            }
        }
        match (self, contract) {
            (
                Self::BatchNorm(_) | Self::LayerNorm(_),
                Contract::Onnxruntime | Contract::Litert | Contract::LitertXnnpack | Contract::LitertBuiltin,
            )
            | (
                Self::Svdf(_) | Self::Lstm(_),
                Contract::Fbgemm
                | Contract::Qnnpack
                | Contract::Onednn
                | Contract::X86
                | Contract::Onnxruntime
                | Contract::LitertXnnpack
                | Contract::Exact,
            ) => Err(OpError::no_formula(self.name(), contract)),
            _ => Ok(()),
        }
    }

    /// Computes the node's results; [`Layer::apply`] gives a layer's accumulators too.
    ///
    /// # Errors
    /// The inputs do not fit, something is not known, or the engine cannot do it.
    pub fn apply(
        &self,
        inputs: &[&Value],
        known: &Shapes,
        context: &Context<'_>,
    ) -> Result<Vec<Value>, OpError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|v| v.shape()).collect();
        self.shapes(&shapes, known)?;
        self.check_contract(context)?;
        if signed::is_computed_unsigned(self, context) {
            return signed::apply_unsigned(self, inputs, known, context);
        }
        let codes = |index: usize| match inputs.get(index) {
            Some(Value::Codes(codes)) => Ok(codes),
            Some(Value::Floats(_)) => Err(OpError::new("an input of floats", "codes")),
            None => Err(OpError::new(format!("{} inputs", inputs.len()), "more")),
        };
        let result = match self {
            Self::Quantize => match inputs.first() {
                Some(Value::Floats(floats)) => {
                    let output = context.output()?;
                    floats.map(|&x| quantize_as(context.contract, x, output))
                }
                _ => return Err(OpError::new("an input of codes", "floats")),
            },
            Self::Dequantize => {
                let input = context.input(0)?;
                return Ok(vec![Value::Floats(codes(0)?.map(|&code| dequantize(code, input)))]);
            }
            Self::Constant(codes) => codes.clone(),
            Self::Layer(layer) => layer.apply(codes(0)?, context)?.1,
            Self::Add { relu } => add::add(codes(0)?, codes(1)?, Sign::Plus, *relu, context)?,
            Self::Sub { relu } => add::add(codes(0)?, codes(1)?, Sign::Minus, *relu, context)?,
            Self::Mul { relu } => add::multiply(codes(0)?, codes(1)?, *relu, context)?,
            Self::Extremum(extremum) => extremum.apply(codes(0)?, codes(1)?, context)?,
            Self::MatMul => matmul::matmul(codes(0)?, codes(1)?, context)?,
            Self::Concatenate { axis, .. } => {
                let all = (0..inputs.len()).map(codes).collect::<Result<Vec<_>, _>>()?;
                concatenate::concatenate(*axis, &all, context)?
            }
            Self::MaxPool(pool) => pool::max(pool, codes(0)?, context)?,
            Self::AveragePool(pool) => pool::average(pool, codes(0)?, context)?,
            Self::AdaptiveAveragePool { size } => pool::adaptive(size, codes(0)?, context)?,
            Self::Mean { axes, keep } => pool::mean(axes, *keep, codes(0)?, context)?,
            Self::Relu => clamp::relu(codes(0)?, context)?,
            Self::Clamp { min, max } => clamp::clamp(*min, *max, codes(0)?, context)?,
            Self::Function(function) => function.apply(codes(0)?, context)?,
            Self::BatchNorm(norm) => norm.apply(codes(0)?, context)?,
            Self::LayerNorm(norm) => norm.apply(codes(0)?, context)?,
            Self::Softmax { axis } => softmax::softmax(*axis, codes(0)?, context)?,
            Self::Svdf(svdf) => {
                let results = svdf.apply(codes(0)?, codes(1)?, context)?;
                return Ok(results.into_iter().map(Value::Codes).collect());
            }
            Self::Lstm(lstm) => {
                let results = lstm.apply(codes(0)?, [codes(1)?, codes(2)?], context)?;
                return Ok(results.into_iter().map(Value::Codes).collect());
            }
            Self::Shape(shape) => {
                return Ok(shape.apply(codes(0)?, known, context)?.into_iter().map(Value::Codes).collect());
            }
        };
        Ok(vec![Value::Codes(result)])
    }
}

/// An axis that may count from the end, as an index below `rank`.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Result<usize, OpError> {
    let rank_signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let counted = if axis < 0 { axis.saturating_add(rank_signed) } else { axis };
    usize::try_from(counted)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| OpError::new(format!("axis {axis}"), format!("one of {rank} axes")))
}

/// The shape of an element-wise operation: axes are matched from the last one; one of size 1 is repeated.
fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, OpError> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(OpError::new(format!("inputs {a:?} and {b:?}"), "equal sizes, or 1")),
        })
        .collect()
}

/// Both operands in the shape of the result.
pub(crate) fn broadcast(a: &Codes, b: &Codes) -> Result<(Codes, Codes), OpError> {
    let shape = broadcast_shape(a.shape(), b.shape())?;
    let spread = |tensor: &Codes| {
        if tensor.shape() == shape {
            return tensor.clone();
        }
        let own = strides(tensor.shape());
        Tensor::build(shape.clone(), tensor.dense_layout(), |index| {
            let place = coordinates(index, &shape);
            let missing = shape.len() - own.len();
            let source: usize = (0..own.len())
                .map(|axis| if tensor.shape()[axis] == 1 { 0 } else { place[axis + missing] * own[axis] })
                .sum();
            tensor.elements()[source]
        })
    };
    Ok((spread(a), spread(b)))
}
