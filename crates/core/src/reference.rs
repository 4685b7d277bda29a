//! Runs a network with the scalar references, node by node: the specification that everything fast must equal.

use std::fmt;

use crate::contract::Contract;
use crate::error::Reason;
use crate::network::{IntNetwork, Node};
use crate::ops::{Context, Op, OpError, Value};
use crate::parameters::Activation;
use crate::quantize::quantize;
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
    pub accumulators: Vec<Option<Tensor<i32>>>,
    /// The outputs of the network, in order.
    pub outputs: Vec<Value>,
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
        for (i, Reason { place, text }) in self.reasons.iter().enumerate() {
            let separator = if i > 0 { "\n  " } else { "" };
            write!(f, "{separator}{place}: {text}")?;
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
            Op::Layer(layer) => {
                if layer.window.is_some() || layer.weight.shape.len() > 2 {
                    if let Err(error) = layer.geometry() {
                        report(error.to_string());
                    }
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
        shapes: vec![None; count],
        warnings: Vec::new(),
    };
    for (&id, value) in network.inputs.iter().zip(inputs) {
        let value = match (value, network.edge(id).activation) {
            (Value::Floats(floats), Some(activation)) => {
                Value::Codes(floats.map(|&x| quantize(x, activation)))
            }
            _ => value.clone(),
        };
        trace.shapes[id.0] = Some(value.shape().to_vec());
        trace.edges[id.0] = Some(value);
    }
    let last_use = last_uses(network);
    for (index, node) in network.nodes.iter().enumerate() {
        let results = step(network, contract, index, node, keep, &mut trace)
            .map_err(|error| RunError::at(&node.name, error))?;
        if results.len() != node.outputs.len() {
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
    for id in &network.outputs {
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
    let context = Context { contract, inputs: &activations, output };
    let inputs = node
        .inputs
        .iter()
        .map(|id| trace.edges[id.0].as_ref())
        .collect::<Option<Vec<&Value>>>()
        .ok_or_else(|| OpError::new("an input that is computed later", "nodes in execution order"))?;
    if let (Op::Layer(layer), Some(&Value::Codes(codes)), Some(activation)) =
        (&node.op, inputs.first(), activations.first().copied().flatten())
    {
        let saturates = layer.saturates_pairs(contract) && codes.elements().iter().any(|&c| c > 127);
        if keep == Keep::Accumulators {
            trace.accumulators[index] = Some(layer.accumulate(contract, codes, activation)?);
        }
        if saturates {
            trace.warnings.push(format!(
                "{}: FBGEMM's depthwise kernel adds products in pairs that saturate at 16 bits, and codes above 127 \
                 reach it: its accumulators, reproduced here, are not the sums",
                node.name
            ));
        }
    }
    node.op.apply(&inputs, &trace.shapes, &context)
}
