//! `IntNetwork`: operations on integer codes, in execution order, each edge with its scale, zero point and reachable codes.

mod verify;

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::Contract;
use crate::error::Reason;
pub use crate::ops::{EdgeId, Fusion, Unfused};
use crate::ops::{Op, Shape};
use crate::parameters::{Activation, Range, Wiring};
use crate::tensor::Codes;

/// One activation tensor: the result of a node, or an input of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Name of the node that makes it, or of the input.
    pub name: String,
    /// S and Z; `None` for float tensors and where the file does not say.
    pub activation: Option<Activation>,
    /// The codes it can take, after its producer's own clamp; `None` with `activation`, or where the file does not
    /// say whether the producer clamps.
    pub range: Option<Range<i32>>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Name in the model, with dots; unique.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Its inputs.
    pub inputs: Vec<EdgeId>,
    /// Its results: one, or several for `chunk` and operators that keep a state.
    pub outputs: Vec<EdgeId>,
}

impl Node {
    /// Whether so many results are what it has edges for. `chunk` gives fewer parts than it is asked for where the sizes do
    /// not go up: the last edges then have no tensor.
    pub fn has_edges_for(&self, results: usize) -> bool {
        match self.op {
            Op::Shape(Shape::Chunk { .. }) => (1..=self.outputs.len()).contains(&results),
            _ => results == self.outputs.len(),
        }
    }
}

/// A tensor that is kept from one run to the next: registers between two edges.
///
/// A run is one step of a sequence. The state begins with the same codes for every sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The edge that has it while a run goes on.
    pub before: EdgeId,
    /// The edge that has it for the next run.
    pub after: EdgeId,
    /// Its codes in the first run: the zero point everywhere, unless the file says otherwise.
    pub beginning: Codes,
}

/// A network of operations on integer codes.
#[derive(Debug, Clone, PartialEq)]
pub struct IntNetwork {
    /// How it is known who feeds whom.
    pub wiring: Wiring,
    /// The engine that the user named, where the file needed one.
    pub engine: Option<Contract>,
    /// How ONNX Runtime fuses a node, by its name; nodes without an entry are computed on their codes.
    pub fusions: BTreeMap<String, Fusion>,
    /// Nodes, by name, that LiteRT's XNNPACK delegate leaves for another reason than their types and scales.
    pub undelegated: BTreeSet<String>,
    /// Edges.
    pub edges: Vec<Edge>,
    /// Inputs of the network.
    pub inputs: Vec<EdgeId>,
    /// Outputs of the network.
    pub outputs: Vec<EdgeId>,
    /// What it keeps from one run to the next.
    pub states: Vec<State>,
    /// Operations in execution order.
    pub nodes: Vec<Node>,
    /// What the user must know, one sentence each.
    pub warnings: Vec<String>,
}

impl Default for IntNetwork {
    /// A network with nothing in it yet, wired as the file says.
    fn default() -> Self {
        Self {
            wiring: Wiring::File,
            engine: None,
            fusions: BTreeMap::new(),
            undelegated: BTreeSet::new(),
            edges: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            states: Vec::new(),
            nodes: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl IntNetwork {
    /// A reason for each state, against what takes each image by itself.
    pub fn states_as_reasons(&self) -> Vec<Reason> {
        let reason = |state: &State| Reason {
            place: self.edge(state.before).name.clone(),
            text: "is kept from one image to the next, expected images by themselves".into(),
        };
        self.states.iter().map(reason).collect()
    }

    /// The edge of an id of this network.
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.0]
    }

    /// S, Z and type of an input of the network: its own, or those of the `quantize` that takes it.
    pub fn input_activation(&self, id: EdgeId) -> Option<Activation> {
        self.edge(id).activation.or_else(|| {
            let quantize = self.nodes.iter().find(|n| n.op == Op::Quantize && n.inputs.contains(&id))?;
            self.edge(*quantize.outputs.first()?).activation
        })
    }

    /// How ONNX Runtime fuses a node.
    pub fn fusion(&self, node: &Node) -> Fusion {
        self.fusions.get(&node.name).copied().unwrap_or_default()
    }

    /// The contract whose arithmetic a node has in an engine: what LiteRT's XNNPACK delegate leaves is computed by other
    /// kernels.
    pub fn contract_of(&self, node: &Node, contract: Contract) -> Contract {
        if contract != Contract::LitertXnnpack {
            return contract;
        }
        // A clamp is the end of the operator before it, in the same kernel.
        let before =
            self.nodes.iter().find(|before| node.inputs.iter().any(|id| before.outputs.contains(id)));
        if let (Op::Clamp { .. }, Some(before)) = (&node.op, before) {
            return self.contract_of(before, contract);
        }
        let inputs: Vec<Option<Activation>> =
            node.inputs.iter().map(|&id| self.edge(id).activation).collect();
        let output = node.outputs.first().and_then(|&id| self.edge(id).activation);
        if self.undelegated.contains(&node.name) || !node.op.is_delegated(&inputs, output) {
            Contract::LitertBuiltin
        } else {
            contract
        }
    }

    /// What a user must know of an engine's results at a node, where they are not reproduced to the last bit.
    pub fn difference(&self, contract: Contract, node: &Node) -> Option<String> {
        match self.fusion(node) {
            Fusion::Floats(unfused)
                if contract == Contract::Onnxruntime && !node.op.is_exact_in_floats(unfused) =>
            {
                Some(match unfused {
                    Unfused::Merged | Unfused::ForeignBias => {
                        format!("ONNX Runtime does otherwise, because {unfused}: its codes may differ")
                    }
                    _ => format!(
                        "ONNX Runtime computes it in floats, because {unfused}: codes beside a tie may differ by one"
                    ),
                })
            }
            Fusion::Codes | Fusion::Unsigned | Fusion::Floats(_) => None,
        }
    }
}
