//! Runs a network from its inputs to its outputs, and keeps what is asked for.

use super::{Machine, RunError, Values};
use crate::contract::Contract;
use crate::network::{EdgeId, IntNetwork};
use crate::ops::Value;
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

/// Runs a network on one batch in an engine's arithmetic: one value per input of the network, (N, C, spatial...). Floats for
/// an input that arrives quantized are quantized first.
///
/// # Errors
/// Everything that the file does not say of the nodes, all at once; or the first node whose inputs do not fit it.
pub fn run(
    network: &IntNetwork,
    contract: Contract,
    inputs: &[Value],
    keep: Keep,
) -> Result<Trace, RunError> {
    Machine::of_engine(network, contract)?.run(inputs, keep, None)
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
    Machine::of_engine(network, contract)?.run(inputs, keep, Some(previous))
}

impl Machine<'_> {
    /// Runs one batch, after the step of a sequence that left `previous`.
    ///
    /// # Errors
    /// The first node whose inputs do not fit it.
    pub fn run(&self, inputs: &[Value], keep: Keep, previous: Option<&Trace>) -> Result<Trace, RunError> {
        let network = self.network;
        let mut values = self.begin_from(inputs.to_vec(), |index| previous?.states.get(index))?;
        let mut accumulators = vec![None; network.nodes.len()];
        let mut warnings = Vec::new();
        let last_use = last_uses(network);
        for (index, node) in network.nodes.iter().enumerate() {
            warnings.extend(self.peculiarity(index, &values));
            let step = self.step(index, &values)?;
            values.set(&node.outputs, step.results);
            if keep == Keep::Accumulators {
                accumulators[index] = step.accumulators;
            }
            if keep == Keep::Outputs {
                for id in node.inputs.iter().chain(&node.outputs).filter(|id| last_use[id.0] == Some(index)) {
                    values.edges[id.0] = None;
                }
            }
        }
        let computed = |id: EdgeId| {
            let value = values.get(id).cloned();
            value.ok_or_else(|| RunError::at(&network.edge(id).name, "is never computed"))
        };
        let outputs = network.outputs.iter().map(|&id| computed(id)).collect::<Result<_, _>>()?;
        let states = network.states.iter().map(|state| computed(state.after)).collect::<Result<_, _>>()?;
        let Values { edges, shapes } = values;
        Ok(Trace { edges, accumulators, outputs, states, shapes, warnings })
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Edge, Node};
    use crate::ops::{Op, Shape};
    use crate::parameters::{Activation, CodeType, Range};

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
            ..IntNetwork::default()
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
        assert_eq!(
            error.to_string(),
            "quantize: has code 256 at element 0 of its input, expected uint8, 0..=255"
        );
        // Floats for a quantized input are quantized.
        let floats = Value::Floats(Tensor::new(vec![1, 1], vec![2.0]).unwrap());
        let trace = run(&network, Contract::Exact, &[floats], Keep::Outputs).unwrap();
        assert_eq!(trace.outputs, [Value::Floats(Tensor::new(vec![1, 1], vec![2.0]).unwrap())]);
    }
}
