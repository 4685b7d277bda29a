//! TFLite: each operator of the file becomes an operation on codes, its tensors edges.
//!
//! A file's images are (N, H, W, C), a network's (N, C, H, W). Windows need channels first, everything else computes in
//! either order, and only what reads elements in sequence sees which it is: there, and at inputs and outputs of the
//! network, stands an explicit permutation.

mod call;
mod elementwise;
mod folding;
mod layers;
mod pools;
mod recurrent;
mod shapes;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

use gen_params_formats::{Argument, Form, Graph, Quantization, SourceModel, Tensor, ValueFacts, ValueId};

use super::Options;
use super::builder::Builder;
use call::Call;
use gen_params_core::error::{LowerError, Reason, Result};
use gen_params_core::network::{EdgeId, IntNetwork};
use gen_params_core::ops::{Op, Shape};
use gen_params_core::parameters::{Activation, CodeType, Wiring};
use variables::Variables;

/// Tensors of more axes are no network's.
const MOST_AXES: usize = 8;

/// How an operator is lowered.
type Lower = fn(&mut Lowering<'_>, &Call<'_>) -> Result<()>;

/// The operators that are supported.
#[rustfmt::skip]
const OPERATORS: &[(&str, Lower)] = &[
    ("ADD", elementwise::binary), ("ASSIGN_VARIABLE", variables::assign), ("AVERAGE_POOL_2D", pools::pool),
    ("CALL_ONCE", variables::call_once), ("CONCATENATION", shapes::concatenation),
    ("CONV_2D", layers::convolution), ("DEPTHWISE_CONV_2D", layers::convolution),
    ("DEQUANTIZE", elementwise::dequantize), ("EXPAND_DIMS", shapes::reshape),
    ("FULLY_CONNECTED", layers::fully_connected), ("HARD_SWISH", elementwise::function),
    ("LEAKY_RELU", elementwise::function), ("LOGISTIC", elementwise::function), ("MAX_POOL_2D", pools::pool),
    ("MEAN", pools::mean), ("MUL", elementwise::binary), ("PACK", shapes::pack), ("PAD", shapes::pad),
    ("PADV2", shapes::pad), ("QUANTIZE", elementwise::quantize), ("READ_VARIABLE", variables::read),
    ("RELU", elementwise::rectifier), ("RELU6", elementwise::rectifier),
    ("RELU_N1_TO_1", elementwise::rectifier), ("RESHAPE", shapes::reshape),
    ("RESIZE_NEAREST_NEIGHBOR", shapes::resize), ("SHAPE", shapes::shape), ("SOFTMAX", elementwise::softmax),
    ("SPLIT", shapes::split), ("SPLIT_V", shapes::split), ("SQUEEZE", shapes::reshape),
    ("STRIDED_SLICE", shapes::strided_slice), ("SUB", elementwise::binary), ("SVDF", recurrent::svdf),
    ("TANH", elementwise::function), ("TRANSPOSE", shapes::transpose), ("TRANSPOSE_CONV", layers::transposed),
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", recurrent::lstm), ("UNPACK", shapes::unpack),
    ("VAR_HANDLE", variables::handle),
];

/// The names of the operators that are supported, in alphabetical order.
pub(super) fn operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|(name, _)| *name)
}

/// Lowers a file.
pub(super) fn lower(source: &SourceModel, graph: &Graph, options: &Options) -> Result<IntNetwork> {
    debug_assert_eq!(source.form, Form::Tflite);
    let mut lowering = Lowering {
        graph,
        builder: Builder::new(source, Wiring::File, options),
        slots: BTreeMap::new(),
        folded: BTreeMap::new(),
        variables: Variables::default(),
        kept: 0,
        computed: graph.nodes.iter().flat_map(|node| node.outputs.iter().copied()).collect(),
    };
    let mut reasons: Vec<Reason> = Vec::new();
    let mut hint = None;
    for (id, name) in &graph.inputs {
        match lowering.input(*id, name) {
            Ok(()) => {}
            Err(error) => reasons.extend(error.reasons),
        }
    }
    for node in &graph.nodes {
        if lowering.builder.is_spent() {
            break;
        }
        let call = Call::new(node);
        let lowered = match OPERATORS.iter().find(|(name, _)| *name == call.operator) {
            Some((_, lower)) => lower(&mut lowering, &call).and_then(|()| call.finish()),
            None => Err(call.refuse("is not supported")),
        };
        // Later operators are still looked at, so that all reasons are listed at once.
        if let Err(error) = lowered {
            reasons.extend(error.reasons);
            hint = hint.or(error.hint);
        }
    }
    if !reasons.is_empty() {
        return Err(LowerError { reasons, hint });
    }
    let outputs = graph.outputs.iter().map(|output| match output {
        Argument::Value(id) => lowering.file_order(*id),
        Argument::Constant(..) | Argument::List(_) => Err(LowerError::new("returns a constant")),
    });
    let outputs = outputs.collect::<Result<Vec<EdgeId>>>()?;
    Ok(lowering.builder.finish(outputs))
}

/// The order of a tensor's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As in the file, (N, H, W, C).
    File,
    /// (N, C, H, W).
    ChannelsFirst,
}

impl Order {
    /// For each of the file's axes, its place in this order.
    fn places(self, rank: usize) -> Vec<usize> {
        (0..rank).map(|axis| self.place(axis, rank)).collect()
    }

    /// The place in this order of an axis of the file.
    fn place(self, axis: usize, rank: usize) -> usize {
        match (self, axis) {
            (Self::File, _) | (Self::ChannelsFirst, 0) => axis,
            (Self::ChannelsFirst, _) if axis + 1 == rank => 1,
            (Self::ChannelsFirst, _) => axis + 1,
        }
    }
}

/// The edges that hold one tensor of the file.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The edge that its operator made.
    edge: EdgeId,
    /// The order of that one's axes.
    order: Order,
    /// The edge with its axes in the other order, once it was needed.
    permuted: Option<EdgeId>,
}

/// A network in the making.
struct Lowering<'a> {
    graph: &'a Graph,
    builder: Builder,
    slots: BTreeMap<ValueId, Slot>,
    /// Integers that are known before the network runs: sizes and indices.
    folded: BTreeMap<ValueId, Vec<i64>>,
    variables: Variables,
    /// Codes of all states so far.
    kept: usize,
    /// Tensors that operators make, also those that are refused.
    computed: BTreeSet<ValueId>,
}

impl<'a> Lowering<'a> {
    fn input(&mut self, id: ValueId, name: &str) -> Result<()> {
        let facts = self.facts(id)?;
        let activation = match &facts.quantization {
            Some(quantization) => Some(activation_of(name, facts, quantization)?),
            None if facts.element_type == "FLOAT32" => None,
            None => {
                // Sizes that can be given anew: those in the file are taken, and nothing else may read them.
                self.builder.warn(format!(
                    "{name}: this input of {} is no input of the network in integers; the shapes in the file are used",
                    facts.element_type
                ));
                return Ok(());
            }
        };
        let edge = self.builder.input(name, activation);
        self.slots.insert(id, Slot { edge, order: Order::File, permuted: None });
        Ok(())
    }

    /// What the file says of a tensor.
    fn facts(&self, id: ValueId) -> Result<&'a ValueFacts> {
        let facts = self.graph.facts.get(&id);
        facts.ok_or_else(|| LowerError::new(format!("has no tensor {}", id.0)))
    }

    /// The sizes of a tensor, in the file's order.
    fn shape(&self, id: ValueId) -> Result<Vec<usize>> {
        let facts = self.facts(id)?;
        let rank = facts.shape.as_ref().map_or(0, Vec::len);
        if rank > MOST_AXES {
            return Err(LowerError::at(
                &facts.name,
                format!("has {rank} axes, expected at most {MOST_AXES}"),
            ));
        }
        let sizes = facts.shape.iter().flatten();
        sizes
            .map(|&size| {
                usize::try_from(size)
                    .map_err(|_| LowerError::at(&facts.name, format!("has a size of {size}")))
            })
            .collect()
    }

    /// S and Z of a tensor of codes.
    fn activation(&self, call: &Call<'_>, id: ValueId) -> Result<Activation> {
        let facts = self.facts(id)?;
        match &facts.quantization {
            // Codes of 32 bits stand around a network, behind a change of scale.
            Some(_) if facts.element_type == "INT32" && call.operator != "QUANTIZE" => Err(call.refuse(
                &format!("has activations of {}, expected INT8, UINT8 or INT16", facts.element_type),
            )),
            Some(quantization) => activation_of(&call.place(), facts, quantization),
            None => Err(call.float(facts)),
        }
    }

    /// The edge that an operator made for a tensor, and the order of its axes.
    fn natural(&self, call: &Call<'_>, id: ValueId) -> Result<(EdgeId, Order)> {
        if let Some(slot) = self.slots.get(&id) {
            return Ok((slot.edge, slot.order));
        }
        if self.computed.contains(&id) {
            // Whoever makes it was refused already.
            return Err(LowerError { reasons: Vec::new(), hint: None });
        }
        let facts = self.facts(id)?;
        let kind = if facts.constant.is_some() { "the constant" } else { "the state or sizes" };
        Err(call.refuse(&format!("reads {kind} `{}` where it can read an activation only", facts.name)))
    }

    /// The edge of a tensor with its axes in one order.
    fn ordered(&mut self, call: &Call<'_>, id: ValueId, order: Order) -> Result<EdgeId> {
        self.natural(call, id)?;
        self.permuted(id, order)
    }

    /// The edge of a tensor in the order of the file.
    fn file_order(&mut self, id: ValueId) -> Result<EdgeId> {
        self.permuted(id, Order::File)
    }

    fn permuted(&mut self, id: ValueId, order: Order) -> Result<EdgeId> {
        let rank = self.shape(id)?.len();
        let Some(slot) = self.slots.get(&id).copied() else {
            return Err(LowerError::at(&self.facts(id)?.name, "is never computed"));
        };
        if slot.order == order || rank < 3 {
            return Ok(slot.edge);
        }
        if let Some(edge) = slot.permuted {
            return Ok(edge);
        }
        // For each axis of the result, the axis of what is there.
        let (suffix, axes) = match order {
            Order::ChannelsFirst => ("nchw", [0, rank - 1].into_iter().chain(1..rank - 1).collect()),
            Order::File => ("nhwc", Order::ChannelsFirst.places(rank)),
        };
        let axes = axes.into_iter().filter_map(|axis| i64::try_from(axis).ok()).collect();
        let name = format!("{}.{suffix}", self.builder.name(slot.edge));
        let op = Op::Shape(Shape::Permute(axes));
        let edge = first(self.builder.node(&name, op, &[slot.edge], None)?)?;
        self.slots.insert(id, Slot { permuted: Some(edge), ..slot });
        Ok(edge)
    }

    /// An edge whose elements are in the sequence that they have in the file, whatever its axes are.
    fn in_sequence(&mut self, call: &Call<'_>, id: ValueId) -> Result<EdgeId> {
        let (edge, order) = self.natural(call, id)?;
        let shape = self.shape(id)?;
        let one_sequence = match shape.as_slice() {
            [_, positions @ .., channels] => *channels == 1 || positions.iter().all(|&size| size == 1),
            _ => true,
        };
        if order == Order::File || one_sequence { Ok(edge) } else { self.permuted(id, Order::File) }
    }

    /// Adds the operation that makes an operator's only result, with S and Z of the result.
    fn define(&mut self, call: &Call<'_>, op: Op, inputs: &[EdgeId], order: Order) -> Result<()> {
        let output = call.output(0)?;
        let activation = self.activation(call, output)?;
        let edges = self.builder.node(&call.node.name, op, inputs, Some(activation))?;
        self.assign(output, first(edges)?, order);
        Ok(())
    }

    /// Adds a change of shape, which has S and Z of what goes in: the file must say the same.
    fn define_shape(
        &mut self,
        call: &Call<'_>,
        output: usize,
        shape: Shape,
        input: EdgeId,
        order: Order,
    ) -> Result<()> {
        let id = call.output(output)?;
        if self.facts(id)?.quantization.is_some()
            && self.builder.activation(input) != Some(self.activation(call, id)?)
        {
            return Err(call.refuse("changes the scale or zero point of codes that it only moves"));
        }
        let name = if output == 0 { call.node.name.clone() } else { format!("{}.{output}", call.node.name) };
        let edges = self.builder.node(&name, Op::Shape(shape), &[input], None)?;
        self.assign(id, first(edges)?, order);
        Ok(())
    }

    fn assign(&mut self, id: ValueId, edge: EdgeId, order: Order) {
        self.slots.insert(id, Slot { edge, order, permuted: None });
    }

    /// The elements of a constant.
    fn constant(&self, id: ValueId) -> Option<&'a Tensor> {
        self.graph.facts.get(&id)?.constant.as_ref()
    }
}

/// The only result of a node that has one.
fn first(edges: Vec<EdgeId>) -> Result<EdgeId> {
    edges.first().copied().ok_or_else(|| LowerError::new("has a node without a result"))
}

/// S and Z of codes, one of each.
fn activation_of(place: &str, facts: &ValueFacts, quantization: &Quantization) -> Result<Activation> {
    let refuse = |text: String| LowerError::at(place, text);
    let code_type = match facts.element_type.as_str() {
        "INT8" => CodeType::I8,
        "UINT8" => CodeType::U8,
        "INT16" => CodeType::I16,
        "INT32" => CodeType::I32,
        other => return Err(refuse(format!("has activations of {other}, expected INT8, UINT8 or INT16"))),
    };
    let (&[scale], &[zero_point]) = (quantization.scale.as_slice(), quantization.zero_point.as_slice())
    else {
        return Err(refuse(format!(
            "has an activation `{}` with {} scales and {} zero points, expected one of each",
            facts.name,
            quantization.scale.len(),
            quantization.zero_point.len()
        )));
    };
    if !(scale.is_finite() && scale > 0.0) {
        return Err(refuse(format!("has an activation `{}` of scale {scale}", facts.name)));
    }
    let (min, max) = code_type.range();
    let zero_point = i32::try_from(zero_point).ok().filter(|z| (min..=max).contains(z)).ok_or_else(|| {
        refuse(format!("has zero point {zero_point}, expected {min}..={max} for {}", facts.element_type))
    })?;
    if code_type == CodeType::I32 && zero_point != 0 {
        return Err(refuse(format!("has zero point {zero_point}, expected 0 for {}", facts.element_type)));
    }
    Ok(Activation { scale: scale.into(), zero_point, code_type })
}
