//! Runs a network with the scalar references, node by node: the specification that everything fast must equal.

use std::fmt;

use crate::contract::Contract;
use crate::error::Reason;
use crate::network::{IntNetwork, Node};
use crate::ops::{Context, Op, OpError, Value};
use crate::parameters::{Activation, LayerKind};
use crate::quantize::quantize_as;
use crate::tensor::Tensor;

/// What a run keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// The outputs of the network; an edge is freed after its last use.
    Outputs,
    /// Every edge.
    Edges,
    /// Every edge, and the accumulators of every layer.
    Accumulators,
}

/// What a run gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// By edge; `None` where it was not kept.
    pub edges: Vec<Option<Value>>,
    /// By node: `sum((x - Z1) * (w - Z2))` in the shape of the layer's result; `None` for other nodes.
    pub accumulators: Vec<Option<Tensor<i64>>>,
    /// The outputs of the network, in order.
    pub outputs: Vec<Value>,
    /// What the network keeps for the next step, in the order of [`IntNetwork::states`].
    pub states: Vec<Value>,
    /// Shapes of all edges.
    pub shapes: Vec<Option<Vec<usize>>>,
    /// What the user must know, one sentence each.
    pub warnings: Vec<String>,
}

/// Why a network cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunError {
    /// All reasons, each with its node.
    pub reasons: Vec<Reason>,
}

impl RunError {
    fn at(node: &str, text: impl fmt::Display) -> Self {
        Self { reasons: vec![Reason { place: node.into(), text: text.to_string() }] }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reason) in self.reasons.iter().enumerate() {
            let separator = if i > 0 { "\n  " } else { "" };
            write!(f, "{separator}{reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RunError {}

/// Everything that a file does not say and that running needs, for all nodes at once.
pub fn missing(network: &IntNetwork) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for node in &network.nodes {
        let mut report = |text: String| reasons.push(Reason { place: node.name.clone(), text });
        let known = |edge: &crate::network::EdgeId| network.edge(*edge).activation.is_some();
        match &node.op {
            Op::Layer(layer) if layer.kind != LayerKind::Linear => {
                if let Err(error) = layer.geometry() {
                    report(error.to_string());
                }
            }
            Op::BatchNorm(norm) if norm.epsilon.is_none() => {
                report("the file does not say its epsilon".into());
            }
            _ => {}
        }
        if node.op != Op::Quantize && !node.inputs.iter().all(known) {
            report("the file does not say the scale and zero point of its input".into());
        }
        if node.op != Op::Dequantize && !node.outputs.iter().all(known) {
            report("the file does not say the scale and zero point of its output".into());
        }
    }
    reasons
}

/// Runs a network on one batch: one value per input of the network, (N, C, spatial...). Floats for an input that arrives
/// quantized are quantized first.
///
/// # Errors
/// Everything that the file does not say of the nodes, all at once; or the first node whose inputs do not fit it.
pub fn run(
    network: &IntNetwork,
    contract: Contract,
    inputs: &[Value],
    keep: Keep,
) -> Result<Trace, RunError> {
    run_from(network, contract, inputs, keep, None)
}

/// The next step of a sequence: as [`run`], with the states that the step before it left.
///
/// # Errors
/// As [`run`].
pub fn run_after(
    previous: &Trace,
    network: &IntNetwork,
    contract: Contract,
    inputs: &[Value],
    keep: Keep,
) -> Result<Trace, RunError> {
    run_from(network, contract, inputs, keep, Some(previous))
}

fn run_from(
    network: &IntNetwork,
    contract: Contract,
    inputs: &[Value],
    keep: Keep,
    previous: Option<&Trace>,
) -> Result<Trace, RunError> {
    let reasons = missing(network);
    if !reasons.is_empty() {
        return Err(RunError { reasons });
    }
    if inputs.len() != network.inputs.len() {
        let expected = network.inputs.len();
        return Err(RunError::at(
            "inputs",
            OpError::new(format!("{} inputs", inputs.len()), expected.to_string()),
        ));
    }
    let count = network.edges.len();
    let mut trace = Trace {
        edges: vec![None; count],
        accumulators: vec![None; network.nodes.len()],
        outputs: Vec::new(),
        states: Vec::new(),
        shapes: vec![None; count],
        warnings: Vec::new(),
    };
    for (&id, value) in network.inputs.iter().zip(inputs) {
        let value = match (value, network.edge(id).activation) {
            (Value::Floats(floats), Some(activation)) => {
                Value::Codes(floats.map(|&x| quantize_as(contract, x, activation)))
            }
            (Value::Codes(codes), Some(activation)) => {
                let (min, max) = activation.code_type.range();
                if let Some(code) = codes.elements().iter().find(|c| !(min..=max).contains(c)) {
                    let error = OpError::new(format!("code {code}"), format!("{min}..={max}"));
                    return Err(RunError::at(&network.edge(id).name, error));
                }
                value.clone()
            }
            (Value::Floats(_) | Value::Codes(_), None) => value.clone(),
        };
        trace.shapes[id.0] = Some(value.shape().to_vec());
        trace.edges[id.0] = Some(value);
    }
    for (index, state) in network.states.iter().enumerate() {
        let kept = previous.and_then(|trace| trace.states.get(index)).cloned();
        let value = kept.unwrap_or_else(|| Value::Codes(state.beginning.clone()));
        trace.shapes[state.before.0] = Some(value.shape().to_vec());
        trace.edges[state.before.0] = Some(value);
    }
    let last_use = last_uses(network);
    for (index, node) in network.nodes.iter().enumerate() {
        let results = step(network, contract, index, node, keep, &mut trace)
            .map_err(|error| RunError::at(&node.name, error))?;
        if !node.has_edges_for(results.len()) {
            let found = OpError::new(format!("{} results", results.len()), node.outputs.len().to_string());
            return Err(RunError::at(&node.name, found));
        }
        for (&id, value) in node.outputs.iter().zip(results) {
            trace.shapes[id.0] = Some(value.shape().to_vec());
            trace.edges[id.0] = Some(value);
        }
        if keep == Keep::Outputs {
            for id in node.inputs.iter().chain(&node.outputs).filter(|id| last_use[id.0] == Some(index)) {
                trace.edges[id.0] = None;
            }
        }
    }
    for &id in &network.outputs {
        let value = trace.edges[id.0].clone();
        trace.outputs.push(value.ok_or_else(|| RunError::at(&network.edge(id).name, "is never computed"))?);
    }
    for state in &network.states {
        let value = trace.edges[state.after.0].clone();
        let name = &network.edge(state.after).name;
        trace.states.push(value.ok_or_else(|| RunError::at(name, "is never computed"))?);
    }
    Ok(trace)
}

/// For each edge, the last node that reads it, or makes it where nobody reads it; `None` for outputs of the network.
fn last_uses(network: &IntNetwork) -> Vec<Option<usize>> {
    let mut last = vec![None; network.edges.len()];
    for (index, node) in network.nodes.iter().enumerate() {
        for id in node.inputs.iter().chain(&node.outputs) {
            last[id.0] = Some(index);
        }
    }
    for id in network.outputs.iter().chain(network.states.iter().map(|state| &state.after)) {
        last[id.0] = None;
    }
    last
}

/// Computes one node.
fn step(
    network: &IntNetwork,
    contract: Contract,
    index: usize,
    node: &Node,
    keep: Keep,
    trace: &mut Trace,
) -> Result<Vec<Value>, OpError> {
    let activations: Vec<Option<Activation>> =
        node.inputs.iter().map(|&id| network.edge(id).activation).collect();
    let output = node.outputs.first().and_then(|&id| network.edge(id).activation);
    let fusion = network.fusion(node);
    let contract = network.contract_of(node, contract);
    let context = Context { contract, inputs: &activations, output, fusion };
    let inputs = node
        .inputs
        .iter()
        .map(|id| trace.edges[id.0].as_ref())
        .collect::<Option<Vec<&Value>>>()
        .ok_or_else(|| OpError::new("an input that is computed later", "nodes in execution order"))?;
    let difference = || network.difference(contract, node);
    let peculiarity = node.op.peculiarity(&inputs, &context).or_else(difference);
    let results = match (&node.op, inputs.first()) {
        (Op::Layer(layer), Some(Value::Codes(codes))) => {
            let (accumulators, result) = layer.apply(codes, &context)?;
            trace.accumulators[index] = (keep == Keep::Accumulators).then_some(accumulators);
            vec![Value::Codes(result)]
        }
        _ => node.op.apply(&inputs, &trace.shapes, &context)?,
    };
    trace.warnings.extend(peculiarity.map(|text| format!("{}: {text}", node.name)));
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Edge, EdgeId};
    use crate::ops::Shape;
    use crate::parameters::{CodeType, Range};

    const HALF: Activation = Activation { scale: 0.5, zero_point: 10, code_type: CodeType::U8 };

    /// input -> quantize -> relu -> flatten -> dequantize.
    fn chain() -> IntNetwork {
        let edge = |name: &str, activation: Option<Activation>| Edge {
            name: name.into(),
            activation,
            range: activation.map(|_| Range { min: 0, max: 255 }),
        };
        let node = |name: &str, op, from: usize| Node {
            name: name.into(),
            op,
            inputs: vec![EdgeId(from)],
            outputs: vec![EdgeId(from + 1)],
        };
        IntNetwork {
            edges: vec![
                edge("input", None),
                edge("quantize", Some(HALF)),
                edge("relu", Some(HALF)),
                edge("flatten", Some(HALF)),
                edge("dequantize", None),
            ],
            inputs: vec![EdgeId(0)],
            outputs: vec![EdgeId(4)],
            nodes: vec![
                node("quantize", Op::Quantize, 0),
                node("relu", Op::Relu, 1),
                node("flatten", Op::Shape(Shape::Flatten { start: 1, end: -1 }), 2),
                node("dequantize", Op::Dequantize, 3),
            ],
            ..IntNetwork::new("test")
        }
    }

    fn input() -> Value {
        Value::Floats(Tensor::new(vec![1, 2, 2], vec![-1.0, 0.0, 0.5, 3.2]).unwrap())
    }

    #[test]
    fn a_chain_is_computed_and_kept_as_asked() {
        for contract in Contract::ALL {
            let trace = run(&chain(), contract, &[input()], Keep::Edges).unwrap();
            let codes: Vec<&[i32]> =
                trace.edges[1..4].iter().map(|v| v.as_ref().unwrap().codes().unwrap().elements()).collect();
            assert_eq!(codes, [[8, 10, 11, 16], [10, 10, 11, 16], [10, 10, 11, 16]]);
            assert_eq!(
                trace.outputs,
                [Value::Floats(Tensor::new(vec![1, 4], vec![0.0, 0.0, 0.5, 3.0]).unwrap())]
            );
            let lean = run(&chain(), contract, &[input()], Keep::Outputs).unwrap();
            assert_eq!(lean.edges.iter().filter(|e| e.is_some()).count(), 1);
            assert_eq!((lean.outputs, lean.shapes), (trace.outputs, trace.shapes));
        }
    }

    #[test]
    fn everything_that_is_missing_is_listed() {
        let mut network = chain();
        network.edges[1].activation = None;
        let error = run(&network, Contract::Exact, &[input()], Keep::Outputs).unwrap_err();
        let places: Vec<&str> = error.reasons.iter().map(|r| r.place.as_str()).collect();
        assert_eq!(places, ["quantize", "relu"]);
    }

    #[test]
    fn inputs_are_checked() {
        let no_input = run(&chain(), Contract::Exact, &[], Keep::Outputs).unwrap_err();
        assert_eq!(no_input.to_string(), "inputs: has 0 inputs, expected 1");
        let mut network = chain();
        network.inputs = vec![EdgeId(1)];
        network.nodes.remove(0);
        let codes = |code| Value::Codes(Tensor::new(vec![1, 1], vec![code]).unwrap());
        assert!(run(&network, Contract::Exact, &[codes(255)], Keep::Outputs).is_ok());
        let error = run(&network, Contract::Exact, &[codes(256)], Keep::Outputs).unwrap_err();
        assert_eq!(error.to_string(), "quantize: has code 256, expected 0..=255");
        // Floats for a quantized input are quantized.
        let floats = Value::Floats(Tensor::new(vec![1, 1], vec![2.0]).unwrap());
        let trace = run(&network, Contract::Exact, &[floats], Keep::Outputs).unwrap();
        assert_eq!(trace.outputs, [Value::Floats(Tensor::new(vec![1, 1], vec![2.0]).unwrap())]);
    }
}
