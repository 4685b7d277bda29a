//! Wiring and meaning of exported programs (`.pt2`): ATen calls between Quantize and Dequantize, each by the operator table.
//!
//! Calls are walked in execution order. Sizes become [`Extent`]s, tensors become values of the float graph of
//! [`super::qdq`], which is what makes an integer network of it. A call that is not in [`OPERATORS`], overload included,
//! is refused by name, and so is an argument that its operator does not read; all refusals are listed at once.

mod arithmetic;
mod call;
mod elementwise;
mod layers;
mod pools;
mod quantization;
mod shapes;

use std::collections::{BTreeMap, HashMap, HashSet};

use gen_params_formats::{Argument, Callee, Graph as SourceGraph, Node, SourceModel, ValueId};

use super::Options;
use super::qdq::{Graph, Value};
use call::Call;
use gen_params_core::error::{LowerError, Reason, Result};
use gen_params_core::network::{EdgeId, IntNetwork};
use gen_params_core::ops::{Extent, Op};

/// An operator that is lowered.
pub(super) struct Operator {
    /// Its name with its overload, without `torch.ops.`.
    pub(super) name: &'static str,
    lower: fn(&mut Lowering<'_>, &Call<'_>) -> Result<Slot>,
}

const fn row(name: &'static str, lower: fn(&mut Lowering<'_>, &Call<'_>) -> Result<Slot>) -> Operator {
    Operator { name, lower }
}

/// Every operator that is lowered, in the order in which they are listed to users.
pub(super) const OPERATORS: &[Operator] = &[
    row("quantized_decomposed.quantize_per_tensor.default", quantization::quantize_per_tensor),
    row("quantized_decomposed.quantize_per_tensor.tensor", quantization::quantize_per_tensor),
    row("quantized_decomposed.quantize_per_channel.default", quantization::quantize_per_channel),
    row("quantized_decomposed.dequantize_per_tensor.default", quantization::dequantize_per_tensor),
    row("quantized_decomposed.dequantize_per_tensor.tensor", quantization::dequantize_per_tensor),
    row("quantized_decomposed.dequantize_per_channel.default", quantization::dequantize_per_channel),
    row("aten.conv1d.default", layers::convolution),
    row("aten.conv1d.padding", layers::convolution),
    row("aten.conv2d.default", layers::convolution),
    row("aten.conv2d.padding", layers::convolution),
    row("aten.conv3d.default", layers::convolution),
    row("aten.conv3d.padding", layers::convolution),
    row("aten.convolution.default", layers::any_convolution),
    row("aten.conv_transpose1d.default", layers::transposed_convolution),
    row("aten.conv_transpose2d.input", layers::transposed_convolution),
    row("aten.conv_transpose3d.input", layers::transposed_convolution),
    row("aten.linear.default", layers::linear),
    row("aten.addmm.default", layers::addmm),
    row("aten.mm.default", layers::product),
    row("aten.matmul.default", layers::product),
    row("aten.bmm.default", layers::product),
    row("aten.batch_norm.default", layers::batch_norm),
    row("aten._native_batch_norm_legit_no_training.default", layers::batch_norm),
    row("aten.add.Tensor", elementwise::add),
    row("aten.add_.Tensor", elementwise::add),
    row("aten.mul.Tensor", elementwise::mul),
    row("aten.mul_.Tensor", elementwise::mul),
    row("aten.relu.default", elementwise::relu),
    row("aten.relu_.default", elementwise::relu),
    row("aten.relu6.default", elementwise::relu6),
    row("aten.hardtanh.default", elementwise::hardtanh),
    row("aten.hardtanh_.default", elementwise::hardtanh),
    row("aten.clamp.default", elementwise::clamp),
    row("aten.clamp_.default", elementwise::clamp),
    row("aten.clamp_min.default", elementwise::clamp_min),
    row("aten.sigmoid.default", elementwise::sigmoid),
    row("aten.tanh.default", elementwise::tanh),
    row("aten.hardsigmoid.default", elementwise::hardsigmoid),
    row("aten.hardsigmoid_.default", elementwise::hardsigmoid),
    row("aten.hardswish.default", elementwise::hardswish),
    row("aten.hardswish_.default", elementwise::hardswish),
    row("aten.leaky_relu.default", elementwise::leaky_relu),
    row("aten.leaky_relu_.default", elementwise::leaky_relu),
    row("aten.elu.default", elementwise::elu),
    row("aten.elu_.default", elementwise::elu),
    row("aten.gelu.default", elementwise::gelu),
    row("aten.silu.default", elementwise::silu),
    row("aten.silu_.default", elementwise::silu),
    row("aten.softmax.int", elementwise::softmax),
    row("aten._softmax.default", elementwise::softmax),
    row("aten.layer_norm.default", elementwise::layer_norm),
    row("aten.max_pool1d.default", pools::max_pool),
    row("aten.max_pool2d.default", pools::max_pool),
    row("aten.max_pool3d.default", pools::max_pool),
    row("aten.max_pool2d_with_indices.default", pools::max_pool),
    row("aten.avg_pool1d.default", pools::average_pool),
    row("aten.avg_pool2d.default", pools::average_pool),
    row("aten.avg_pool3d.default", pools::average_pool),
    row("aten.adaptive_avg_pool1d.default", pools::adaptive_average_pool),
    row("aten.adaptive_avg_pool2d.default", pools::adaptive_average_pool),
    row("aten._adaptive_avg_pool2d.default", pools::adaptive_average_pool),
    row("aten.adaptive_avg_pool3d.default", pools::adaptive_average_pool),
    row("aten.mean.dim", pools::mean),
    row("aten.cat.default", shapes::cat),
    row("aten.reshape.default", shapes::reshape),
    row("aten.view.default", shapes::reshape),
    row("aten._unsafe_view.default", shapes::reshape),
    row("aten.flatten.using_ints", shapes::flatten),
    row("aten.permute.default", shapes::permute),
    row("aten.transpose.int", shapes::transpose),
    row("aten.t.default", shapes::transpose_matrix),
    row("aten.squeeze.default", shapes::squeeze),
    row("aten.squeeze.dim", shapes::squeeze),
    row("aten.unsqueeze.default", shapes::unsqueeze),
    row("aten.slice.Tensor", shapes::slice),
    row("aten.chunk.default", shapes::chunk),
    row("aten.pad.default", shapes::pad),
    row("aten.constant_pad_nd.default", shapes::pad),
    row("aten.channel_shuffle.default", shapes::channel_shuffle),
    row("aten.upsample_nearest1d.vec", shapes::upsample_nearest),
    row("aten.upsample_nearest2d.vec", shapes::upsample_nearest),
    row("aten.upsample_nearest3d.vec", shapes::upsample_nearest),
    row("aten.dropout.default", shapes::same),
    row("aten.dropout_.default", shapes::same),
    row("aten.feature_dropout.default", shapes::same),
    row("aten.clone.default", shapes::same),
    row("aten.contiguous.default", shapes::same),
    row("aten.alias.default", shapes::same),
    row("aten.detach.default", shapes::same),
    row("aten.detach_.default", shapes::same),
    row("aten.lift_fresh_copy.default", shapes::same),
    row("aten.sym_size.int", arithmetic::size),
    row("_operator.add", arithmetic::plus),
    row("_operator.sub", arithmetic::minus),
    row("_operator.mul", arithmetic::times),
    row("_operator.floordiv", arithmetic::over),
];

/// What to do about a layer whose float result another operator takes.
const LEFT_FLOAT: &str = "quantize with XNNPACKQuantizer, which quantizes the result of every operator; \
                          X86InductorQuantizer leaves float what its backend fuses";

/// What a value of the file is.
#[derive(Debug, Clone)]
enum Slot {
    /// A value of the float graph.
    Value(Value),
    /// Several of them: the parts of a chunk.
    Values(Vec<Value>),
    /// A size, or a computation on sizes.
    Size(Extent),
    /// What this operator computes from constants alone, and what nothing quantized can use.
    Computed(String),
}

/// Lowers an exported program.
///
/// # Errors
/// Every call and argument that is not supported, and every refusal of the float graph.
pub(super) fn lower(source: &SourceModel, graph: &SourceGraph, options: &Options) -> Result<IntNetwork> {
    Lowering::walk(source, graph, options).finish().map(|(network, _)| network)
}

/// For each result of a quantize that the network computes, by its name in the program, the edge that holds it.
///
/// # Errors
/// As [`lower`].
pub(super) fn edges(
    source: &SourceModel,
    graph: &SourceGraph,
    options: &Options,
) -> Result<BTreeMap<String, EdgeId>> {
    Lowering::walk(source, graph, options).finish().map(|(_, edges)| edges)
}

/// The layers of an exported program of which parts are refused: what is quantized between parts that stay float, each
/// quantize of a refused value being an input of the network.
///
/// # Errors
/// As [`lower`], where something is refused and there is no layer at all.
pub(super) fn layers(source: &SourceModel, graph: &SourceGraph, options: &Options) -> Result<IntNetwork> {
    let mut lowering = Lowering::walk(source, graph, options);
    let refusal = LowerError { reasons: std::mem::take(&mut lowering.reasons), hint: lowering.hint.take() };
    let has_layers = |network: &IntNetwork| network.nodes.iter().any(|node| matches!(node.op, Op::Layer(_)));
    match lowering.finish() {
        Ok((network, _)) if refusal.reasons.is_empty() || has_layers(&network) => Ok(network),
        Ok(_) => Err(refusal),
        Err(error) => Err(if refusal.reasons.is_empty() { error } else { refusal }),
    }
}

/// The walk.
struct Lowering<'a> {
    graph: Graph,
    source: &'a SourceModel,
    program: &'a SourceGraph,
    /// Values that a call or the network's output takes.
    used: HashSet<ValueId>,
    /// Values that are computed; what was refused has none.
    slots: HashMap<ValueId, Slot>,
    /// Layers whose user was refused, each with the name of that user.
    dangling: BTreeMap<ValueId, (String, Value)>,
    reasons: Vec<Reason>,
    hint: Option<String>,
}

impl<'a> Lowering<'a> {
    fn walk(source: &'a SourceModel, program: &'a SourceGraph, options: &Options) -> Self {
        let mut lowering = Self {
            graph: Graph::new(source, options),
            source,
            program,
            used: used(program),
            slots: HashMap::new(),
            dangling: BTreeMap::new(),
            reasons: Vec::new(),
            hint: None,
        };
        for (id, name) in &program.inputs {
            let value = lowering.graph.input(name, None);
            lowering.slots.insert(*id, Slot::Value(value));
        }
        for node in &program.nodes {
            if lowering.graph.is_spent() {
                break;
            }
            lowering.node(node);
        }
        lowering
    }

    fn node(&mut self, node: &Node) {
        // Checks of sizes and updates of counters, which compute nothing that anything uses.
        if node.outputs.iter().all(|id| !self.used.contains(id)) {
            return;
        }
        let (Callee::Function(target) | Callee::Method(target) | Callee::Module(target)) = &node.callee;
        let name = target.strip_prefix("torch.ops.").unwrap_or(target);
        let call = Call::new(node, name, self.name_of(node, name));
        // Its producer has been refused already: no second reason for the same thing.
        if !quantization::starts_anew(name) && call.values().any(|id| !self.slots.contains_key(&id)) {
            self.dangle(node);
            return;
        }
        match self.lowered(&call) {
            Ok(Slot::Values(values)) => {
                for (&id, value) in node.outputs.iter().zip(values) {
                    self.slots.insert(id, Slot::Value(value));
                }
            }
            Ok(slot) => {
                if let Some(&id) = node.outputs.first() {
                    self.slots.insert(id, slot);
                }
            }
            // Batch norms that were not folded compute with constants; whether that matters, their user knows.
            Err(_) if is_float_arithmetic(name) && call.values().all(|id| self.is_computed(id)) => {
                if let Some(&id) = node.outputs.first() {
                    self.slots.insert(id, Slot::Computed(name.to_owned()));
                }
            }
            Err(error) => self.refused(node, error),
        }
    }

    fn is_computed(&self, id: ValueId) -> bool {
        matches!(self.slots.get(&id), Some(Slot::Computed(_)))
    }

    fn lowered(&mut self, call: &Call<'_>) -> Result<Slot> {
        let operator = OPERATORS.iter().find(|operator| operator.name == call.operator);
        let operator = operator
            .ok_or_else(|| call.refuse(format!("the operator `{}` is not supported", call.operator)))?;
        let slot = (operator.lower)(self, call)?;
        if let Slot::Value(Value::Constant(constant)) = &slot {
            self.graph.hold(&call.name, &constant.shape)?;
        }
        call.finish()?;
        Ok(slot)
    }

    fn refused(&mut self, node: &Node, error: LowerError) {
        self.reasons.extend(error.reasons);
        self.hint = self.hint.take().or(error.hint);
        if self.dangle(node) {
            self.hint.get_or_insert_with(|| LEFT_FLOAT.to_owned());
        }
    }

    /// Keeps the layers that a refused call would have used; true if there are any.
    fn dangle(&mut self, node: &Node) -> bool {
        let call = Call::new(node, "", String::new());
        let mut found = false;
        for id in call.values() {
            if let Some(Slot::Value(value)) = self.slots.get(&id)
                && Graph::is_layer(value)
            {
                found = true;
                self.dangling.insert(id, (node.name.clone(), value.clone()));
            }
        }
        found
    }

    /// The network, with an edge for each name of a quantized result.
    fn finish(self) -> Result<(IntNetwork, BTreeMap<String, EdgeId>)> {
        if !self.reasons.is_empty() {
            return Err(LowerError { reasons: self.reasons, hint: self.hint });
        }
        let mut outputs: Vec<(String, Value)> = self.dangling.into_values().collect();
        for (index, output) in self.program.outputs.iter().enumerate() {
            let name = format!("output {index}");
            match output {
                Argument::Value(id) => match self.slots.get(id) {
                    Some(Slot::Value(value)) => outputs.push((name, value.clone())),
                    Some(_) => return Err(LowerError::at(name, "is no tensor that the network computes")),
                    // Refused, where only the layers are asked for.
                    None => {}
                },
                Argument::Constant(..) | Argument::List(_) => {
                    return Err(LowerError::at(name, "is a constant"));
                }
            }
        }
        let quantized =
            self.program.nodes.iter().filter_map(|node| match self.slots.get(node.outputs.first()?) {
                Some(Slot::Value(value @ Value::Codes(_))) => Some((node.name.clone(), value.clone())),
                _ => None,
            });
        let named: Vec<(String, Value)> = quantized.collect();
        self.graph.finish(&outputs, &named)
    }

    /// The name of a call in the network: its module's path where the module computes nothing else, else the path and
    /// the operator.
    fn name_of(&self, node: &Node, operator: &str) -> String {
        let is_leaf = |path: &str| {
            let class = self.source.modules.get(path).and_then(|module| module.class.as_deref());
            !path.is_empty() && class.is_some_and(|class| class.starts_with("torch."))
        };
        if is_leaf(&node.scope) {
            return node.scope.clone();
        }
        let base = operator.split('.').nth(1).unwrap_or(operator).trim_end_matches('_');
        super::parts::join(&node.scope, base)
    }
}

/// False for the operators whose constants are weights.
fn is_float_arithmetic(operator: &str) -> bool {
    !operator.starts_with("quantized_decomposed.")
}

/// Every value that something takes.
fn used(program: &SourceGraph) -> HashSet<ValueId> {
    let mut found = Vec::new();
    for node in &program.nodes {
        node.arguments.iter().for_each(|argument| call::collect(argument, &mut found));
        node.keywords.iter().for_each(|(_, argument)| call::collect(argument, &mut found));
    }
    program.outputs.iter().for_each(|output| call::collect(output, &mut found));
    found.into_iter().collect()
}
