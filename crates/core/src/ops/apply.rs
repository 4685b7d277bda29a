//! From operands to results: which file's equation an operator is.

use super::add::{self, Sign};
use super::axes::{axis_of, broadcast_shape};
use super::context::{Context, OpError, Value};
use super::function::Function;
use super::op::Op;
use super::shape::Shapes;
use super::{clamp, concatenate, matmul, pool, signed, softmax};
use crate::contract::Contract;
use crate::parameters::CodeType;
use crate::quantize::{dequantize, quantize_as};
use crate::tensor::element_count;

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
        let needed = self.facts().operands;
        let (Some((&first, rest)), true) = (inputs.split_first(), inputs.len() >= needed) else {
            return Err(OpError::new(format!("{} inputs", inputs.len()), needed.to_string()));
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
                one(broadcast_shape(first, rest[0])?)
            }
            Self::MatMul => one(matmul::shape(first, rest[0])?),
            Self::Concatenate { axis, .. } => one(concatenate::shape(*axis, inputs)?),
            Self::MaxPool(pool) | Self::AveragePool(pool) => one(pool.shape(first)?),
            Self::AdaptiveAveragePool { size } => one(pool::adaptive_shape(size, first)?),
            Self::Mean { axes, keep } => one(pool::mean_shape(axes, *keep, first)?),
            Self::Shape(shape) => shape.shapes(first, known),
            Self::Svdf(svdf) => svdf.shapes(first, rest[0]),
            Self::Lstm(lstm) => lstm.shapes(first, rest[0], rest[1]),
        }
    }

    /// Engines do not have every operator, and none but TFLite's computes with codes of 16 bits.
    pub(super) fn check_contract(&self, context: &Context<'_>) -> Result<(), OpError> {
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

    /// Refuses inputs that do not fit, and what the engine does not have.
    pub(crate) fn check(
        &self,
        inputs: &[&Value],
        known: &Shapes,
        context: &Context<'_>,
    ) -> Result<(), OpError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|v| v.shape()).collect();
        self.shapes(&shapes, known)?;
        self.check_contract(context)
    }

    /// Computes the node's results; [`Layer::apply`](super::Layer::apply) gives a layer's accumulators too.
    ///
    /// # Errors
    /// The inputs do not fit, something is not known, or the engine cannot do it.
    pub fn apply(
        &self,
        inputs: &[&Value],
        known: &Shapes,
        context: &Context<'_>,
    ) -> Result<Vec<Value>, OpError> {
        self.check(inputs, known, context)?;
        let depends_on_sign = matches!(self, Self::Add { .. } | Self::Mul { .. } | Self::AveragePool(_));
        if depends_on_sign && signed::is_computed_unsigned(context) {
            return signed::apply_unsigned(inputs, context, |inputs, context| {
                self.apply(inputs, known, context)
            });
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
