//! Operators that compute each element by itself: sums, products, functions, changes of scale.

use gen_params_formats::ValueId;

use super::call::{Call, Fused};
use super::{Lowering, Order};
use gen_params_core::error::Result;
use gen_params_core::network::EdgeId;
use gen_params_core::ops::{Extent, Function, Op, Shape};
use gen_params_core::tensor::{Layout, Tensor};

/// The largest operand that a file may hold.
const LARGEST_CONSTANT: usize = 1 << 24;

/// `ADD`, `SUB` and `MUL`, of two activations or an activation and a constant.
pub(super) fn binary(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let operands = [call.input(0)?, call.input(1)?];
    let rank = lowering.shape(call.output(0)?)?.len();
    // Both in the order of the first that is an activation of all axes.
    let mut order = Order::File;
    for id in operands {
        if lowering.constant(id).is_none() {
            let (_, natural) = lowering.natural(call, id)?;
            if natural == Order::ChannelsFirst && lowering.shape(id)?.len() == rank {
                order = natural;
            }
        }
    }
    let edges = [
        lowering.operand(call, operands[0], order, rank)?,
        lowering.operand(call, operands[1], order, rank)?,
    ];
    let fused = call.fused()?;
    let relu = matches!(fused, Fused::Relu | Fused::Relu6);
    let op = match call.operator {
        "ADD" => Op::Add { relu },
        "SUB" => Op::Sub { relu },
        _ => Op::Mul { relu },
    };
    if !matches!(op, Op::Mul { .. }) && call.flag("pot_scale_int16")? {
        warn_of_shifts(lowering, call)?;
    }
    lowering.define_with(call, op, &edges, order, fused)
}

/// Sums of 16-bit codes whose scales are powers of two, or nearly, have a kernel of their own, which rounds one operand before
/// it adds.
///
/// Source: TFLite `CheckedLog2`.
fn warn_of_shifts(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let activations =
        [call.input(0)?, call.input(1)?, call.output(0)?].map(|id| lowering.activation(call, id));
    let by_shifts = activations.into_iter().collect::<Result<Vec<_>>>()?.into_iter().all(|activation| {
        let exponent = activation.scale.log2();
        activation.code_type.is_wide() && (exponent - exponent.round()).abs() < 1e-3
    });
    if by_shifts {
        lowering.builder.warn(format!(
            "{}: LiteRT adds 16-bit codes whose scales are powers of two by shifts (pot_scale_int16), which is not \
             reproduced: codes beside a tie may differ by one",
            call.node.name
        ));
    }
    Ok(())
}

/// `LOGISTIC`, `TANH`, `HARD_SWISH`, `LEAKY_RELU`.
pub(super) fn function(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let function = match call.operator {
        "LOGISTIC" => Function::Sigmoid,
        "TANH" => Function::Tanh,
        "HARD_SWISH" => Function::Hardswish,
        _ => Function::LeakyRelu(call.number("alpha")?),
    };
    unary(lowering, call, Op::Function(function))
}

/// `RELU`, `RELU6`, `RELU_N1_TO_1`, which may change the scale.
pub(super) fn rectifier(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let (min, max) = match call.operator {
        "RELU" => (0.0, f64::INFINITY),
        "RELU6" => (0.0, 6.0),
        _ => (-1.0, 1.0),
    };
    unary(lowering, call, Op::Function(Function::Requantize { min, max }))
}

/// `QUANTIZE`, of reals or of codes of another scale.
pub(super) fn quantize(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    let facts = lowering.facts(input)?;
    match (facts.element_type.as_str(), &facts.quantization) {
        ("FLOAT32", None) => unary(lowering, call, Op::Quantize),
        (_, Some(_)) => {
            lowering.activation(call, input)?;
            let (min, max) = (f64::NEG_INFINITY, f64::INFINITY);
            unary(lowering, call, Op::Function(Function::Requantize { min, max }))
        }
        (_, None) => Err(call.float(facts)),
    }
}

/// `DEQUANTIZE` to float32.
pub(super) fn dequantize(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let (edge, order) = lowering.natural(call, call.input(0)?)?;
    let output = call.output(0)?;
    let edges = lowering.builder.node(&call.node.name, Op::Dequantize, &[edge], None)?;
    lowering.assign(output, super::first(edges)?, order);
    Ok(())
}

/// `SOFTMAX` over the last axis.
pub(super) fn softmax(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let beta = call.number("beta")?;
    if (beta - 1.0).abs() > f64::EPSILON {
        return Err(call.refuse(&format!("has a beta of {beta}, expected 1")));
    }
    let input = call.input(0)?;
    let (edge, order) = lowering.natural(call, input)?;
    let rank = lowering.shape(input)?.len();
    let axis = i64::try_from(order.place(rank.saturating_sub(1), rank)).unwrap_or(-1);
    lowering.define(call, Op::Softmax { axis }, &[edge], order)
}

fn unary(lowering: &mut Lowering<'_>, call: &Call<'_>, op: Op) -> Result<()> {
    let (edge, order) = lowering.natural(call, call.input(0)?)?;
    lowering.define(call, op, &[edge], order)
}

impl Lowering<'_> {
    /// [`Lowering::define`], with the activation that an operator ends with where the operation has only ReLU.
    pub(super) fn define_with(
        &mut self,
        call: &Call<'_>,
        op: Op,
        inputs: &[EdgeId],
        order: Order,
        fused: Fused,
    ) -> Result<()> {
        let follower = match fused {
            Fused::Relu6 => Op::Clamp { min: 0.0, max: 6.0 },
            Fused::ReluN1To1 => Op::Clamp { min: -1.0, max: 1.0 },
            Fused::Relu if !matches!(op, Op::Add { .. } | Op::Sub { .. } | Op::Mul { .. }) => Op::Relu,
            Fused::None | Fused::Relu => return self.define(call, op, inputs, order),
        };
        let activation = self.activation(call, call.output(0)?)?;
        let name = format!("{}.{}", call.node.name, op.name());
        let edge = super::first(self.builder.node(&name, op, inputs, Some(activation))?)?;
        self.define(call, follower, &[edge], order)
    }

    /// An operand of an operator that broadcasts: with `rank` axes where they are not in the order of the file.
    fn operand(&mut self, call: &Call<'_>, id: ValueId, order: Order, rank: usize) -> Result<EdgeId> {
        let shape = self.shape(id)?;
        if self.constant(id).is_some() {
            return self.constant_operand(call, id, order, rank);
        }
        if order == Order::File || shape.len() == rank {
            return self.ordered(call, id, order);
        }
        let edge = self.in_sequence(call, id)?;
        // Axes are matched from the last one, which is that of channels.
        let mut sizes = vec![1; rank.saturating_sub(shape.len())];
        sizes.extend(&shape);
        let extents = order_sizes(&sizes, order)
            .into_iter()
            .map(|size| Extent::Fixed(i64::try_from(size).unwrap_or(i64::MAX)));
        let positions: usize = sizes.iter().rev().skip(1).product();
        if positions != 1 {
            return Err(call.refuse("broadcasts more than channels over an image"));
        }
        let name = format!("{}.channels", self.builder.name(edge));
        super::first(self.builder.node(&name, Op::Shape(Shape::Reshape(extents.collect())), &[edge], None)?)
    }

    /// A constant as a node of its own, with `rank` axes in the order.
    fn constant_operand(
        &mut self,
        call: &Call<'_>,
        id: ValueId,
        order: Order,
        rank: usize,
    ) -> Result<EdgeId> {
        let facts = self.facts(id)?;
        let activation = self.activation(call, id)?;
        let elements = self.constant(id).filter(|tensor| tensor.len() <= LARGEST_CONSTANT);
        let elements = elements.and_then(|tensor| tensor.to_i64());
        let codes = elements
            .and_then(|codes| {
                codes.into_iter().map(|code| i32::try_from(code).ok()).collect::<Option<Vec<i32>>>()
            })
            .ok_or_else(|| call.refuse(&format!("has a constant `{}` that is too large", facts.name)))?;
        if gen_params_core::tensor::element_count(&self.shape(id)?) != Some(codes.len()) {
            return Err(call.refuse(&format!(
                "has a constant `{}` of {} elements for sizes {:?}",
                facts.name,
                codes.len(),
                self.shape(id)?
            )));
        }
        let mut sizes = vec![1; rank.saturating_sub(self.shape(id)?.len())];
        sizes.extend(self.shape(id)?);
        let strides = gen_params_core::tensor::strides(&sizes);
        let places = order.places(sizes.len());
        let shape = order_sizes(&sizes, order);
        let tensor = Tensor::build(shape.clone(), Layout::Contiguous, |index| {
            let place = gen_params_core::tensor::coordinates(index, &shape);
            let source: usize = places.iter().zip(&strides).map(|(&p, stride)| place[p] * stride).sum();
            codes[source]
        });
        let short = facts.name.split(';').next().unwrap_or_default();
        let name = if short.is_empty() { format!("{}.constant", call.node.name) } else { short.to_owned() };
        super::first(self.builder.node(&name, Op::Constant(tensor), &[], Some(activation))?)
    }
}

/// Sizes of the file's axes in an order.
fn order_sizes(sizes: &[usize], order: Order) -> Vec<usize> {
    let mut ordered = sizes.to_vec();
    for (place, &size) in order.places(sizes.len()).into_iter().zip(sizes) {
        ordered[place] = size;
    }
    ordered
}
