//! Runs a network node by node in a chosen arithmetic: that of an engine, or that of the user's hardware.
//!
//! It is slow and simple, each operator a short loop beside its equation: the specification that everything fast must equal.

mod error;
mod run;

use std::fmt;

use crate::contract::Contract;
use crate::error::Reason;
use crate::hardware::integer_op::DotProduct;
use crate::hardware::{IntegerOp, Overflow, Target, TargetLayer, TargetOperator};
use crate::network::{EdgeId, IntNetwork};
use crate::ops::{Context, Op, OpError, Shapes, Value};
use crate::parameters::{Activation, Parameters};
use crate::quantize::quantize_as;
use crate::tensor::{Codes, Tensor};

pub use error::{RunError, missing};
pub use run::{Keep, Trace, run, run_after};

/// Whose integers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// A reference engine's.
    Contract(Contract),
    /// The hardware's: layers with weights as [`TargetLayer`] says, everything else as [`TargetOperator`] does. Reals are
    /// quantized and dequantized outside of it, as [`Contract::Exact`].
    Target(Target),
}

impl Arithmetic {
    /// The name in commands and manifests: a contract's, or `target`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Contract(contract) => contract.name(),
            Self::Target(_) => "target",
        }
    }
}

impl From<Contract> for Arithmetic {
    fn from(contract: Contract) -> Self {
        Self::Contract(contract)
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A network, ready to be run in one arithmetic.
#[derive(Debug, Clone)]
pub struct Machine<'a> {
    network: &'a IntNetwork,
    arithmetic: Arithmetic,
    /// By node; `None` for nodes without weights. The layers of the target, or those that count the accumulators that
    /// all arithmetics share.
    layers: Vec<Option<TargetLayer>>,
    /// By node; `None` for layers with weights, for constants and conversions from and to reals, and in an engine's
    /// arithmetic.
    operators: Vec<Option<TargetOperator>>,
}

/// The values on a network's edges while it runs.
#[derive(Debug, Clone)]
pub struct Values {
    edges: Vec<Option<Value>>,
    shapes: Vec<Option<Vec<usize>>>,
}

impl Values {
    /// The value of an edge, where it was computed.
    pub fn get(&self, edge: EdgeId) -> Option<&Value> {
        self.edges.get(edge.0)?.as_ref()
    }

    /// Writes the results of a node.
    pub fn set(&mut self, edges: &[EdgeId], results: Vec<Value>) {
        for (&edge, value) in edges.iter().zip(results) {
            self.shapes[edge.0] = Some(value.shape().to_vec());
            self.edges[edge.0] = Some(value);
        }
    }
}

/// What a node gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// One value per output of the node.
    pub results: Vec<Value>,
    /// `sum((x - Z1) * (w - Z2))` in the shape of the result, of a layer in an engine's arithmetic.
    pub accumulators: Option<Tensor<i64>>,
    /// What did not fit into the target's registers.
    pub overflows: Vec<Overflow>,
}

impl Step {
    fn of(results: Vec<Value>) -> Self {
        Self { results, accumulators: None, overflows: Vec::new() }
    }
}

impl<'a> Machine<'a> {
    /// Prepares a network for an engine's arithmetic. No node has [stages](Self::layer).
    ///
    /// # Errors
    /// Everything that the file does not say of the nodes, all at once.
    pub fn of_engine(network: &'a IntNetwork, contract: Contract) -> Result<Self, RunError> {
        let reasons = missing(network);
        if !reasons.is_empty() {
            return Err(RunError { reasons });
        }
        let count = network.nodes.len();
        let (layers, operators) = (vec![None; count], vec![None; count]);
        Ok(Self { network, arithmetic: Arithmetic::Contract(contract), layers, operators })
    }

    /// Prepares a network. `parameters` are those derived from it.
    ///
    /// # Errors
    /// Everything that the file does not say of the nodes, all at once.
    pub fn new(
        network: &'a IntNetwork,
        parameters: &Parameters,
        arithmetic: Arithmetic,
    ) -> Result<Self, RunError> {
        let mut reasons = missing(network);
        let target = match arithmetic {
            Arithmetic::Target(target) => target,
            Arithmetic::Contract(_) => Target { accumulator_bits: 64, ..Target::default() },
        };
        let mut layers = Vec::with_capacity(network.nodes.len());
        for node in &network.nodes {
            let Op::Layer(layer) = &node.op else {
                layers.push(None);
                continue;
            };
            let prepared = match parameters.layers.iter().find(|p| p.name == node.name) {
                Some(parameters) => TargetLayer::new(parameters, layer, target).map_err(|e| e.to_string()),
                None => Err("its parameters were not derived".into()),
            };
            // What is missing for a target only does not keep an engine from running.
            match (prepared, arithmetic) {
                (Ok(layer), _) => layers.push(Some(layer)),
                (Err(_), Arithmetic::Contract(_)) => layers.push(None),
                (Err(text), Arithmetic::Target(_)) => {
                    if !reasons.iter().any(|reason| reason.place == node.name) {
                        reasons.push(Reason { place: node.name.clone(), text });
                    }
                }
            }
        }
        let operators = match arithmetic {
            Arithmetic::Target(target) => operators(network, parameters, target, &mut reasons),
            Arithmetic::Contract(_) => vec![None; network.nodes.len()],
        };
        if !reasons.is_empty() {
            return Err(RunError { reasons });
        }
        Ok(Self { network, arithmetic, layers, operators })
    }

    /// The network.
    pub fn network(&self) -> &'a IntNetwork {
        self.network
    }

    /// Whose integers it computes.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// The layer with weights at a node, with all its stages. In an engine's arithmetic only its accumulators mean
    /// something, and only where they are not known to saturate.
    pub fn layer(&self, node: usize) -> Option<&TargetLayer> {
        self.layers.get(node)?.as_ref()
    }

    /// The operator without weights at a node, as the target computes it; `None` in an engine's arithmetic.
    pub fn operator(&self, node: usize) -> Option<&TargetOperator> {
        self.operators.get(node)?.as_ref()
    }

    /// The form in which the target computes a node, for edges of these shapes, all of them known; `None` for constants, for
    /// conversions from and to reals, and in an engine's arithmetic.
    ///
    /// # Errors
    /// The shapes do not fit the node.
    pub fn integer_op(&self, node: usize, shapes: &Shapes) -> Result<Option<IntegerOp<'_>>, OpError> {
        let Arithmetic::Target(_) = self.arithmetic else { return Ok(None) };
        let inputs = self.network.nodes.get(node).map(|node| node.inputs.as_slice()).unwrap_or_default();
        let inputs = inputs.iter().map(|id| shapes.get(id.0)?.as_deref()).collect::<Option<Vec<&[usize]>>>();
        let inputs = inputs.ok_or_else(|| OpError::new("an input of unknown shape", "known ones"))?;
        match (self.layer(node), self.operator(node), inputs.as_slice()) {
            (Some(layer), _, [input]) => Ok(Some(IntegerOp::DotProduct(DotProduct::new(layer, input)?))),
            (None, Some(operator), inputs) => operator.at(inputs, shapes).map(Some),
            _ => Ok(None),
        }
    }

    /// The edges before the first node runs: one value per input of the network, (N, C, spatial...). Codes are taken as
    /// they are, also where the network would quantize reals itself.
    ///
    /// # Errors
    /// Another number of inputs than the network has, or a code beyond its element type.
    pub fn begin(&self, inputs: Vec<Value>) -> Result<Values, RunError> {
        self.begin_from(inputs, |_| None)
    }

    /// The next step of a sequence: as [`Machine::begin`], with the states that `previous`, whose nodes have all run, left.
    ///
    /// # Errors
    /// As [`Machine::begin`].
    pub fn begin_after(&self, previous: &Values, inputs: Vec<Value>) -> Result<Values, RunError> {
        self.begin_from(inputs, |index| previous.get(self.network.states.get(index)?.after))
    }

    /// `state` has the value of a state, by its index; where it has none, the state begins.
    fn begin_from<'v>(
        &self,
        inputs: Vec<Value>,
        state: impl Fn(usize) -> Option<&'v Value>,
    ) -> Result<Values, RunError> {
        let count = self.network.edges.len();
        let mut values = Values { edges: vec![None; count], shapes: vec![None; count] };
        if inputs.len() != self.network.inputs.len() {
            let expected = format!("{}", self.network.inputs.len());
            return Err(RunError::at("inputs", OpError::new(format!("{} inputs", inputs.len()), expected)));
        }
        for (&id, value) in self.network.inputs.iter().zip(inputs) {
            let name = &self.network.edge(id).name;
            let value = match (value, self.network.edge(id).activation) {
                (Value::Floats(floats), Some(activation)) => {
                    Value::Codes(floats.map(|&real| quantize_as(self.contract(), real, activation)))
                }
                (value, _) => value,
            };
            if let (Value::Codes(codes), Some(activation)) = (&value, self.input_activation(id)) {
                check_codes(codes.elements(), activation).map_err(|error| RunError::at(name, error))?;
            }
            values.set(&[id], vec![value]);
        }
        for (index, begun) in self.network.states.iter().enumerate() {
            let value = state(index).cloned().unwrap_or_else(|| Value::Codes(begun.beginning.clone()));
            values.set(&[begun.before], vec![value]);
        }
        Ok(values)
    }

    /// The shapes of all edges, by edge, for inputs of these shapes, (N, C, spatial...).
    ///
    /// # Errors
    /// The shapes do not fit the network.
    pub fn shapes(&self, inputs: &[Vec<usize>]) -> Result<Vec<Vec<usize>>, RunError> {
        let network = self.network;
        let mut shapes: Vec<Option<Vec<usize>>> = vec![None; network.edges.len()];
        if inputs.len() != network.inputs.len() {
            let expected = network.inputs.len().to_string();
            return Err(RunError::at("inputs", OpError::new(format!("{} shapes", inputs.len()), expected)));
        }
        for (&id, shape) in network.inputs.iter().zip(inputs) {
            shapes[id.0] = Some(shape.clone());
        }
        for state in &network.states {
            shapes[state.before.0] = Some(state.beginning.shape().to_vec());
        }
        for node in &network.nodes {
            let given =
                node.inputs.iter().map(|id| shapes[id.0].as_deref()).collect::<Option<Vec<&[usize]>>>();
            let given = given.ok_or_else(|| {
                RunError::at(
                    &node.name,
                    OpError::new("an input that is computed later", "nodes in execution order"),
                )
            })?;
            let results = node.op.shapes(&given, &shapes).map_err(|error| RunError::at(&node.name, error))?;
            for (&id, shape) in node.outputs.iter().zip(results) {
                shapes[id.0] = Some(shape);
            }
        }
        Ok(shapes.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// S, Z and type of an input of the network: its own, or those of the `quantize` that takes it.
    pub fn input_activation(&self, id: EdgeId) -> Option<Activation> {
        self.network.input_activation(id)
    }

    /// What the engine does at a node, on these values, that nobody would expect; it is reproduced.
    pub fn peculiarity(&self, node: usize, values: &Values) -> Option<String> {
        let Arithmetic::Contract(contract) = self.arithmetic else { return None };
        let node = self.network.nodes.get(node)?;
        let contract = self.network.contract_of(node, contract);
        let inputs = node.inputs.iter().map(|&id| values.get(id)).collect::<Option<Vec<&Value>>>()?;
        let activations: Vec<_> = node.inputs.iter().map(|&id| self.network.edge(id).activation).collect();
        let output = node.outputs.first().and_then(|&id| self.network.edge(id).activation);
        let context = Context { contract, inputs: &activations, output, fusion: self.network.fusion(node) };
        let difference = || self.network.difference(contract, node);
        let text = node.op.peculiarity(&inputs, &context).or_else(difference)?;
        Some(format!("{}: {text}", node.name))
    }

    /// Computes a node from the values on its inputs.
    ///
    /// # Errors
    /// The inputs do not fit the node.
    pub fn step(&self, node: usize, values: &Values) -> Result<Step, RunError> {
        let Some(this) = self.network.nodes.get(node) else {
            return Err(RunError::at("", OpError::new(format!("node {node}"), "a node of the network")));
        };
        let refuse = |error: OpError| RunError::at(&this.name, error);
        let inputs = this.inputs.iter().map(|&id| values.get(id)).collect::<Option<Vec<&Value>>>();
        let inputs = inputs.ok_or_else(|| {
            refuse(OpError::new("an input that is computed later", "nodes in execution order"))
        })?;
        let on_target = match self.arithmetic {
            Arithmetic::Target(_) => self.layer(node),
            Arithmetic::Contract(_) => None,
        };
        let step = match (&this.op, inputs.as_slice(), on_target, self.operator(node)) {
            (Op::Quantize, [Value::Codes(codes)], ..) => Step::of(vec![Value::Codes(codes.clone())]),
            (Op::Layer(_), [Value::Codes(codes)], Some(layer), _) => {
                let computed = layer.codes(codes.elements(), codes.shape()).map_err(|error| RunError {
                    reasons: vec![Reason { place: String::new(), text: error.to_string() }],
                })?;
                let tensor = Tensor::new(computed.shape, computed.codes).map_err(|error| {
                    refuse(OpError::new(error.to_string(), "as many elements as the shape holds"))
                })?;
                Step { overflows: computed.overflows, ..Step::of(vec![Value::Codes(tensor)]) }
            }
            (.., Some(operator)) => {
                let codes = inputs.iter().map(|value| value.codes()).collect::<Option<Vec<&Codes>>>();
                let codes = codes.ok_or_else(|| refuse(OpError::new("an input of floats", "codes")))?;
                let computed = operator.codes(&codes, &values.shapes).map_err(refuse)?;
                let results = computed.results.into_iter().map(Value::Codes).collect();
                Step { overflows: computed.overflows, ..Step::of(results) }
            }
            (op, ..) => {
                let activations: Vec<_> =
                    this.inputs.iter().map(|&id| self.network.edge(id).activation).collect();
                let context = Context {
                    contract: self.network.contract_of(this, self.contract()),
                    inputs: &activations,
                    output: this.outputs.first().and_then(|&id| self.network.edge(id).activation),
                    fusion: self.network.fusion(this),
                };
                match (op, inputs.as_slice()) {
                    (Op::Layer(layer), [Value::Codes(codes)]) => {
                        op.check(&inputs, &values.shapes, &context).map_err(refuse)?;
                        let (accumulators, result) = layer.apply(codes, &context).map_err(refuse)?;
                        let accumulators = Some(accumulators);
                        Step { accumulators, ..Step::of(vec![Value::Codes(result)]) }
                    }
                    _ => Step::of(op.apply(&inputs, &values.shapes, &context).map_err(refuse)?),
                }
            }
        };
        if !this.has_edges_for(step.results.len()) {
            let found = format!("{} results", step.results.len());
            return Err(refuse(OpError::new(found, this.outputs.len().to_string())));
        }
        Ok(step)
    }

    /// The engine whose arithmetic the rest of the network has.
    fn contract(&self) -> Contract {
        match self.arithmetic {
            Arithmetic::Contract(contract) => contract,
            Arithmetic::Target(_) => Contract::Exact,
        }
    }
}

/// The operators of a target; what has none is a reason.
fn operators(
    network: &IntNetwork,
    parameters: &Parameters,
    target: Target,
    reasons: &mut Vec<Reason>,
) -> Vec<Option<TargetOperator>> {
    let mut operators = Vec::with_capacity(network.nodes.len());
    for node in &network.nodes {
        if matches!(node.op, Op::Quantize | Op::Dequantize | Op::Constant(_) | Op::Layer(_)) {
            operators.push(None);
            continue;
        }
        let prepared = match parameters.operators.iter().find(|operator| operator.name == node.name) {
            Some(operator) => {
                TargetOperator::new(operator, &node.op, parameters.form, target).map_err(|e| e.to_string())
            }
            None => Err(match node.op.facts().without_integers {
                Some(why) => format!("{} {why}", node.op.name()),
                None => "has no integer-only form with the scales that are known".into(),
            }),
        };
        match prepared {
            Ok(operator) => operators.push(Some(operator)),
            Err(text) => {
                operators.push(None);
                if !reasons.iter().any(|reason| reason.place == node.name) {
                    reasons.push(Reason { place: node.name.clone(), text });
                }
            }
        }
    }
    operators
}

fn check_codes(codes: &[i32], activation: Activation) -> Result<(), OpError> {
    let (min, max) = activation.code_type.range();
    match codes.iter().position(|code| !(min..=max).contains(code)) {
        Some(index) => Err(OpError::new(
            format!("code {} at element {index} of its input", codes[index]),
            format!("{}, {min}..={max}", activation.code_type.name()),
        )),
        None => Ok(()),
    }
}
