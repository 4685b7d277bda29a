//! What is true of each operator, whoever computes it: one row each.

use super::float_layer;
use super::function::Function;
use super::fusion::Unfused;
use super::op::Op;

/// What a result's scale and zero point are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultScale {
    /// Its own: the file must say them.
    Own,
    /// Those of the first operand, where the file says no others.
    Operand,
    /// It has none: the result is real numbers.
    Real,
}

/// What is true of an operator, whoever computes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The name in graph files and tables.
    pub name: &'static str,
    /// Operands that it needs at least.
    pub operands: usize,
    /// Scale and zero point of its results.
    pub scale: ResultScale,
    /// A ReLU is part of it: no result is below the zero point.
    pub relu: bool,
    /// Its results are codes of its operands, or are defined by codes alone: every engine and every target agrees.
    pub selects: bool,
    /// Why it has no form in integers only; `None` where it has one.
    pub without_integers: Option<&'static str>,
    /// ONNX Runtime's codes are known to the last bit where it computes the operator on dequantized floats.
    pub exact_in_floats: bool,
}

impl Facts {
    /// An operator of one operand with a scale of its own and a form in integers, of which no more is known.
    const fn of(name: &'static str) -> Self {
        Self {
            name,
            operands: 1,
            scale: ResultScale::Own,
            relu: false,
            selects: false,
            without_integers: None,
            exact_in_floats: false,
        }
    }

    /// The same with the scale of its operand.
    const fn of_operand(name: &'static str) -> Self {
        Self { scale: ResultScale::Operand, ..Self::of(name) }
    }

    /// An operator whose results are codes of its operands.
    const fn selection(name: &'static str) -> Self {
        Self { selects: true, exact_in_floats: true, ..Self::of_operand(name) }
    }

    /// Two operands, element by element: each operation on an element is rounded once.
    const fn pair(name: &'static str, relu: bool) -> Self {
        Self { operands: 2, relu, exact_in_floats: true, ..Self::of(name) }
    }

    const fn without(self, why: &'static str) -> Self {
        Self { without_integers: Some(why), ..self }
    }
}

impl Op {
    /// What is true of this operator, whoever computes it.
    pub fn facts(&self) -> Facts {
        let kernel_alone =
            "has the integers of TFLite's kernel alone, which `run --contract litert` computes";
        match self {
            Self::Quantize => Facts { selects: true, exact_in_floats: true, ..Facts::of("quantize") },
            Self::Dequantize => Facts { scale: ResultScale::Real, ..Facts::selection("dequantize") },
            Self::Constant(_) => {
                Facts { operands: 0, selects: true, exact_in_floats: true, ..Facts::of("constant") }
            }
            Self::Layer(layer) => {
                Facts { exact_in_floats: float_layer::is_known(layer), ..Facts::of(layer.kind.name()) }
            }
            Self::Add { relu } => Facts::pair("add", *relu),
            Self::Sub { relu } => Facts::pair("sub", *relu).without("has no integer-only form here"),
            Self::Mul { relu } => Facts::pair("mul", *relu),
            Self::Extremum(extremum) => {
                Facts::pair(extremum.name(), false).without("has no integer-only form here")
            }
            Self::MatMul => Facts { operands: 2, ..Facts::of("matmul") },
            Self::Concatenate { requantizes, .. } => Facts {
                scale: if *requantizes { ResultScale::Own } else { ResultScale::Operand },
                exact_in_floats: true,
                ..Facts::of("cat")
            },
            Self::MaxPool(_) => Facts::selection("max_pool"),
            Self::AveragePool(_) => Facts::of_operand("avg_pool"),
            Self::AdaptiveAveragePool { .. } => Facts::of_operand("adaptive_avg_pool"),
            // What is not fused has rules of its own, which are followed and warned of elsewhere.
            Self::Mean { .. } => Facts { exact_in_floats: true, ..Facts::of_operand("mean") },
            Self::Relu => Facts::selection("relu"),
            Self::Clamp { .. } => Facts { exact_in_floats: true, ..Facts::of_operand("clamp") },
            // The engine's exponential and its error function are its own.
            Self::Function(function) => Facts {
                exact_in_floats: !matches!(function, Function::Elu(_) | Function::Gelu),
                ..Facts::of(function.name())
            },
            Self::Shape(shape) => Facts::selection(shape.name()),
            Self::BatchNorm(norm) => Facts { relu: norm.relu, ..Facts::of("batch_norm") },
            Self::LayerNorm(_) => {
                Facts::of("layer_norm").without("has no integer-only form: it divides by a deviation")
            }
            Self::Softmax { .. } => {
                Facts::of("softmax").without("has no integer-only form: it divides by a sum of exponentials")
            }
            Self::Svdf(_) => Facts { operands: 2, ..Facts::of("svdf") }.without(kernel_alone),
            Self::Lstm(_) => Facts { operands: 3, ..Facts::of("lstm") }.without(kernel_alone),
        }
    }

    /// The name in graph files and tables.
    pub fn name(&self) -> &'static str {
        self.facts().name
    }

    /// Whether the codes are ONNX Runtime's to the last bit where it computes the operator on dequantized floats, for this
    /// reason.
    pub fn is_exact_in_floats(&self, unfused: Unfused) -> bool {
        let known = match self {
            Self::Layer(_) => !matches!(unfused, Unfused::Between | Unfused::ForeignBias),
            Self::Function(_) => unfused != Unfused::Merged,
            _ => true,
        };
        known && self.facts().exact_in_floats
    }
}
