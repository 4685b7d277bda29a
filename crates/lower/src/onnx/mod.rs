//! Wiring and meaning of ONNX graphs: QDQ, QOperator, QONNX and Brevitas' QCDQ, each node by the operator table.
//!
//! Nodes are walked in execution order. What can be computed before anything runs is computed ([`numbers`]); everything
//! else becomes calls on the float graph of [`super::qdq`], which is what makes an integer network of it. An operator
//! that is not in [`OPERATORS`] is refused by name, and so is an attribute that its operator does not read; all refusals
//! are listed at once.

mod call;
mod constants;
mod elementwise;
mod fusion;
mod layers;
mod numbers;
mod pools;
mod qoperator;
mod quantization;
mod shapes;

use std::collections::{BTreeMap, HashMap};

use gen_params_formats::{Argument, Callee, Graph as SourceGraph, SourceModel, ValueFacts, ValueId};

use super::Options;
use super::qdq::{Graph, Value};
use call::Call;
use gen_params_core::error::{LowerError, Reason, Result};
use gen_params_core::network::{EdgeId, IntNetwork};
use numbers::{Element, Numbers};

/// An operator that is lowered.
pub(super) struct Operator {
    /// Its name, with its domain where that is not the default one.
    pub(super) name: &'static str,
    lower: fn(&mut Lowering<'_>, &Call<'_>) -> Result<Vec<Slot>>,
}

/// Every operator that is lowered, in the order in which they are listed to users.
pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "QuantizeLinear", lower: quantization::quantize_linear },
    Operator { name: "DequantizeLinear", lower: quantization::dequantize_linear },
    Operator { name: "com.microsoft.QuantizeLinear", lower: quantization::quantize_linear },
    Operator { name: "com.microsoft.DequantizeLinear", lower: quantization::dequantize_linear },
    Operator { name: "Conv", lower: layers::conv },
    Operator { name: "ConvTranspose", lower: layers::conv_transpose },
    Operator { name: "Gemm", lower: layers::gemm },
    Operator { name: "MatMul", lower: layers::matmul },
    Operator { name: "BatchNormalization", lower: layers::batch_normalization },
    Operator { name: "ConvInteger", lower: layers::conv_integer },
    Operator { name: "MatMulInteger", lower: layers::matmul_integer },
    Operator { name: "com.microsoft.FusedConv", lower: layers::fused_conv },
    Operator { name: "com.microsoft.FusedGemm", lower: layers::fused_gemm },
    Operator { name: "QLinearConv", lower: qoperator::conv },
    Operator { name: "com.microsoft.QLinearConv", lower: qoperator::conv },
    Operator { name: "QLinearMatMul", lower: qoperator::matmul },
    Operator { name: "com.microsoft.QGemm", lower: qoperator::gemm },
    Operator { name: "com.microsoft.QLinearAdd", lower: qoperator::add },
    Operator { name: "com.microsoft.QLinearMul", lower: qoperator::mul },
    Operator { name: "com.microsoft.QLinearAveragePool", lower: qoperator::average_pool },
    Operator { name: "com.microsoft.QLinearGlobalAveragePool", lower: qoperator::global_average_pool },
    Operator { name: "com.microsoft.QLinearConcat", lower: qoperator::concat },
    Operator { name: "com.microsoft.QLinearLeakyRelu", lower: qoperator::leaky_relu },
    Operator { name: "com.microsoft.QLinearSigmoid", lower: qoperator::sigmoid },
    Operator { name: "com.microsoft.QLinearSoftmax", lower: qoperator::softmax },
    Operator { name: "qonnx.custom_op.general.Quant", lower: quantization::quant },
    Operator { name: "qonnx.custom_op.general.BipolarQuant", lower: quantization::bipolar_quant },
    Operator { name: "qonnx.custom_op.general.Trunc", lower: quantization::trunc },
    Operator { name: "onnx.brevitas.Quant", lower: quantization::quant },
    Operator { name: "onnx.brevitas.BipolarQuant", lower: quantization::bipolar_quant },
    Operator { name: "onnx.brevitas.Trunc", lower: quantization::trunc },
    Operator { name: "finn.custom_op.general.Quant", lower: quantization::quant },
    Operator { name: "Add", lower: elementwise::add },
    Operator { name: "Sub", lower: elementwise::sub },
    Operator { name: "Mul", lower: elementwise::mul },
    Operator { name: "Div", lower: elementwise::div },
    Operator { name: "Relu", lower: elementwise::relu },
    Operator { name: "Clip", lower: elementwise::clip },
    Operator { name: "Sigmoid", lower: elementwise::sigmoid },
    Operator { name: "Tanh", lower: elementwise::tanh },
    Operator { name: "HardSigmoid", lower: elementwise::hard_sigmoid },
    Operator { name: "HardSwish", lower: elementwise::hard_swish },
    Operator { name: "LeakyRelu", lower: elementwise::leaky_relu },
    Operator { name: "Elu", lower: elementwise::elu },
    Operator { name: "Gelu", lower: elementwise::gelu },
    Operator { name: "Softmax", lower: elementwise::softmax },
    Operator { name: "MaxPool", lower: pools::max_pool },
    Operator { name: "com.microsoft.NhwcMaxPool", lower: pools::nhwc_max_pool },
    Operator { name: "AveragePool", lower: pools::average_pool },
    Operator { name: "GlobalAveragePool", lower: pools::global_average_pool },
    Operator { name: "ReduceMean", lower: pools::reduce_mean },
    Operator { name: "Concat", lower: shapes::concat },
    Operator { name: "Reshape", lower: shapes::reshape },
    Operator { name: "Flatten", lower: shapes::flatten },
    Operator { name: "Transpose", lower: shapes::transpose },
    Operator { name: "Squeeze", lower: shapes::squeeze },
    Operator { name: "Unsqueeze", lower: shapes::unsqueeze },
    Operator { name: "Slice", lower: shapes::slice },
    Operator { name: "Split", lower: shapes::split },
    Operator { name: "Pad", lower: shapes::pad },
    Operator { name: "Resize", lower: shapes::resize },
    Operator { name: "Upsample", lower: shapes::resize },
    Operator { name: "Identity", lower: shapes::identity },
    Operator { name: "Dropout", lower: shapes::identity },
    Operator { name: "Cast", lower: constants::cast },
    Operator { name: "Shape", lower: constants::shape },
    Operator { name: "Gather", lower: constants::gather },
    Operator { name: "ConstantOfShape", lower: constants::constant_of_shape },
    Operator { name: "Sqrt", lower: constants::sqrt },
];

/// What a value of the file is.
#[derive(Debug, Clone)]
enum Slot {
    /// Known numbers.
    Numbers(Numbers),
    /// A value of the float graph.
    Value(Value),
}

/// Lowers an ONNX graph.
///
/// # Errors
/// Every node and attribute that is not supported, and every refusal of the float graph.
pub(super) fn lower(source: &SourceModel, graph: &SourceGraph, options: &Options) -> Result<IntNetwork> {
    walk(source, graph, options).map(|(network, _)| network)
}

/// For each value of an ONNX file that the network computes, by its name in the file, the edge that holds it.
///
/// # Errors
/// As [`lower`].
pub(super) fn edges(
    source: &SourceModel,
    graph: &SourceGraph,
    options: &Options,
) -> Result<BTreeMap<String, EdgeId>> {
    walk(source, graph, options).map(|(_, edges)| edges)
}

fn walk(
    source: &SourceModel,
    graph: &SourceGraph,
    options: &Options,
) -> Result<(IntNetwork, BTreeMap<String, EdgeId>)> {
    let mut lowering = Lowering {
        graph: Graph::new(source, options),
        surroundings: fusion::Surroundings::new(graph),
        source: graph,
        slots: HashMap::new(),
        ranks: HashMap::new(),
        origins: HashMap::new(),
        reasons: Vec::new(),
        hint: None,
    };
    for (id, name) in &graph.inputs {
        let element = lowering.facts(*id).map(|facts| facts.element_type.clone()).unwrap_or_default();
        match lowering.input(name, &element) {
            Ok(value) => {
                lowering.slots.insert(*id, Slot::Value(value));
            }
            Err(error) => lowering.refused(error),
        }
    }
    for node in &graph.nodes {
        if lowering.graph.is_spent() {
            break;
        }
        lowering.node(node);
    }
    lowering.finish()
}

/// The walk.
struct Lowering<'a> {
    graph: Graph,
    surroundings: fusion::Surroundings<'a>,
    source: &'a SourceGraph,
    /// Values that are computed; those of the file are in its facts. What was refused has none.
    slots: HashMap<ValueId, Slot>,
    /// Number of axes, where the file does not say and operators do.
    ranks: HashMap<ValueId, usize>,
    /// For constants that are computed from one constant of the file, that constant.
    origins: HashMap<ValueId, ValueId>,
    reasons: Vec<Reason>,
    hint: Option<String>,
}

impl Lowering<'_> {
    fn input(&mut self, name: &str, element: &str) -> Result<Value> {
        let codes = match Element::of_name(element) {
            Some(Element::REAL) => None,
            Some(element) => Some(quantization::code_type(name, element)?),
            None => return Err(LowerError::at(name, format!("is an input of type {element}"))),
        };
        Ok(self.graph.input(name, codes))
    }

    fn node(&mut self, node: &gen_params_formats::Node) {
        let name = match &node.callee {
            Callee::Function(name) | Callee::Method(name) | Callee::Module(name) => name.as_str(),
        };
        let Some(operator) = OPERATORS.iter().find(|operator| operator.name == name) else {
            self.reasons.push(Reason { place: node.name.clone(), text: refusal(name) });
            return;
        };
        // Its producer has been refused already: no second reason for the same thing.
        let refused = |argument: &Argument| match argument {
            Argument::Value(id) => !self.slots.contains_key(id) && !self.is_constant(*id),
            Argument::Constant(..) | Argument::List(_) => false,
        };
        if node.arguments.iter().any(refused) {
            return;
        }
        let call = Call::new(node, name);
        self.graph.compute_in(self.surroundings.of(node));
        match (operator.lower)(self, &call).and_then(|slots| self.held(&call, slots)) {
            Ok(slots) => {
                if let Some(unread) = call.unread() {
                    self.refused(call.refuse(format!("its attribute `{unread}` is not supported")));
                    return;
                }
                let first = call.optional(0);
                for (&id, slot) in node.outputs.iter().zip(slots) {
                    if !self.ranks.contains_key(&id)
                        && let Some(rank) = first.and_then(|first| self.rank(first))
                    {
                        self.ranks.insert(id, rank);
                    }
                    if let Some(first) = first
                        && matches!(slot, Slot::Numbers(_) | Slot::Value(Value::Constant(_)))
                    {
                        self.origins.insert(id, self.origins.get(&first).copied().unwrap_or(first));
                    }
                    self.slots.insert(id, slot);
                }
            }
            Err(error) => self.refused(error),
        }
    }

    /// Results of which the constants have been counted.
    fn held(&mut self, call: &Call<'_>, slots: Vec<Slot>) -> Result<Vec<Slot>> {
        for slot in &slots {
            match slot {
                Slot::Numbers(numbers) => self.graph.hold(&call.name, &numbers.shape)?,
                Slot::Value(Value::Constant(constant)) => self.graph.hold(&call.name, &constant.shape)?,
                Slot::Value(Value::Codes(_) | Value::Real(_)) => {}
            }
        }
        Ok(slots)
    }

    fn refused(&mut self, error: LowerError) {
        self.reasons.extend(error.reasons);
        self.hint = self.hint.take().or(error.hint);
    }

    fn finish(mut self) -> Result<(IntNetwork, BTreeMap<String, EdgeId>)> {
        let mut outputs = Vec::new();
        for output in &self.source.outputs {
            let Argument::Value(id) = output else { continue };
            let name = self.facts(*id).map(|facts| facts.name.clone()).unwrap_or_default();
            match self.slots.get(id) {
                Some(Slot::Value(value)) => outputs.push((name, value.clone())),
                Some(Slot::Numbers(_)) => {
                    self.reasons
                        .push(Reason { place: name, text: "is an output that nothing computes".into() });
                }
                // Refused already, or a constant of the file.
                None if self.is_constant(*id) => {
                    self.reasons
                        .push(Reason { place: name, text: "is an output that nothing computes".into() });
                }
                None => {}
            }
        }
        if !self.reasons.is_empty() {
            return Err(LowerError { reasons: self.reasons, hint: self.hint });
        }
        let named: Vec<(String, Value)> = self
            .slots
            .iter()
            .filter_map(|(id, slot)| match slot {
                Slot::Value(value @ Value::Codes(_)) => Some((self.facts(*id)?.name.clone(), value.clone())),
                _ => None,
            })
            .collect();
        self.graph.finish(&outputs, &named)
    }

    fn facts(&self, id: ValueId) -> Option<&ValueFacts> {
        self.source.facts.get(&id)
    }

    fn is_constant(&self, id: ValueId) -> bool {
        self.facts(id).is_some_and(|facts| facts.constant.is_some())
    }

    /// The numbers of a value, where they are known.
    fn numbers(&self, id: ValueId) -> Option<Numbers> {
        match self.slots.get(&id) {
            Some(Slot::Numbers(numbers)) => Some(numbers.clone()),
            Some(Slot::Value(_)) => None,
            None => Numbers::of_facts(self.facts(id)?),
        }
    }

    /// A value of the float graph; known reals are constants of it.
    fn value(&self, call: &Call<'_>, position: usize) -> Result<Value> {
        let id = call.input(position)?;
        if let Some(Slot::Value(value)) = self.slots.get(&id) {
            return Ok(value.clone());
        }
        let constant = self.numbers(id).and_then(|numbers| numbers.constant());
        constant.map(Value::Constant).ok_or_else(|| {
            let found = self.facts(id).map(|facts| facts.element_type.clone()).unwrap_or_default();
            call.refuse(format!("its input {position} is a constant of type {found}"))
        })
    }

    /// Integers that an input must be.
    fn integers(&self, call: &Call<'_>, position: usize) -> Result<Option<Vec<i64>>> {
        let Some(id) = call.optional(position) else { return Ok(None) };
        let numbers = self.numbers(id);
        match numbers.as_ref().and_then(Numbers::integers) {
            Some(integers) => Ok(Some(integers.to_vec())),
            None => Err(call.refuse(format!("its input {position} is not known before the network runs"))),
        }
    }

    /// Integers of an attribute in old operator sets, of an input in new ones.
    fn axes(&self, call: &Call<'_>, name: &str, position: usize) -> Result<Option<Vec<i64>>> {
        match call.ints(name)? {
            Some(axes) => Ok(Some(axes)),
            None => self.integers(call, position),
        }
    }

    /// Number of axes of a value, where it is known.
    fn rank(&self, id: ValueId) -> Option<usize> {
        self.ranks.get(&id).copied().or_else(|| self.facts(id)?.shape.as_ref().map(Vec::len))
    }

    /// Number of axes of an input.
    fn known_rank(&self, call: &Call<'_>, position: usize) -> Result<usize> {
        self.rank(call.input(position)?).ok_or_else(|| {
            call.refuse("the file does not say the sizes of its input")
                .hint("run shape inference on the model: onnx.shape_inference.infer_shapes")
        })
    }

    /// Version of the default operator set.
    fn version(&self) -> i64 {
        self.source.versions.get("").copied().unwrap_or(1)
    }

    /// The name of a layer: its weight's where that is named as PyTorch and the quantizers name weights, else the node's.
    fn layer_name(&self, call: &Call<'_>, weight: usize) -> String {
        let origin = call.optional(weight).map(|id| self.origins.get(&id).copied().unwrap_or(id));
        let name = origin.and_then(|id| self.facts(id)).map(|facts| facts.name.as_str()).unwrap_or_default();
        let stem = name.strip_suffix("_quantized").unwrap_or(name);
        match stem.strip_suffix(".weight") {
            Some(module) if !module.is_empty() => module.to_owned(),
            _ => call.name.clone(),
        }
    }
}

/// Why an operator is not lowered.
fn refusal(name: &str) -> String {
    if name.contains("DynamicQuantize") || name.contains("MatMulIntegerToFloat") {
        format!("`{name}` is dynamic quantization, whose activations are float")
    } else {
        format!("the operator `{name}` is not supported")
    }
}

fn one(value: Value) -> Result<Vec<Slot>> {
    Ok(vec![Slot::Value(value)])
}
