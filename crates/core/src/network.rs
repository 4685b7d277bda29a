//! `IntNetwork`: operations on integer codes, in execution order, each edge with its scale, zero point and reachable codes.

use std::collections::BTreeMap;
use std::fmt;

use crate::contract::Contract;
use crate::error::Reason;
use crate::ops::Op;
use crate::parameters::{Activation, Range, Wiring};
use crate::tensor::Codes;

/// Index of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId(pub usize);

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

/// Why ONNX Runtime on x86-64 does not fuse an operator with the DequantizeLinear before and the QuantizeLinear behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfused {
    /// Signed codes become unsigned ones only where one operator alone reads them, and its kernels are for unsigned ones.
    SignedCodes,
    /// A factor, a batch norm or a limit stands between a layer and its QuantizeLinear.
    Between,
}

impl fmt::Display for Unfused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignedCodes => "its int8 codes do not have exactly one reader",
            Self::Between => "a factor, a batch norm or a limit stands before its QuantizeLinear",
        })
    }
}

/// A network of operations on integer codes.
#[derive(Debug, Clone, PartialEq)]
pub struct IntNetwork {
    /// The form of the source file.
    pub source_form: String,
    /// How it is known who feeds whom.
    pub wiring: Wiring,
    /// The engine that the user named, where the file needed one.
    pub engine: Option<String>,
    /// Whether ONNX Runtime on x86-64 computes signed codes of sums, products and means as unsigned ones, 128 higher: what
    /// it does with operators that stand between DequantizeLinear and QuantizeLinear.
    pub signed_as_unsigned: bool,
    /// Nodes, by name, that ONNX Runtime computes in floats although codes go in and come out.
    pub unfused: BTreeMap<String, Unfused>,
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

    /// What a user must know of an engine's results at a node, where they are not reproduced to the last bit.
    pub fn difference(&self, contract: Contract, node: &Node) -> Option<String> {
        let unfused = self.unfused.get(&node.name).filter(|_| contract == Contract::Onnxruntime)?;
        Some(format!(
            "ONNX Runtime computes it in floats, because {unfused}: codes beside a tie may differ by one"
        ))
    }
}
