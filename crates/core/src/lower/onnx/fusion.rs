//! Which operators between DequantizeLinear and QuantizeLinear ONNX Runtime leave unfused on x86-64, and computes in floats.
//!
//! Its kernels there are for unsigned codes. Signed ones become unsigned only between a QuantizeLinear and the one
//! DequantizeLinear behind it, which it first gives every reader for itself: codes with several readers, or with one that
//! takes codes, stay signed, and the operators around them float. Seen in the graphs that ONNX Runtime 1.32 writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gen_params_formats::{Argument, Callee, Graph, Node, ValueId};

use crate::network::{EdgeId, IntNetwork, Unfused};
use crate::ops::Op;
use crate::parameters::CodeType;

fn is(node: &Node, operator: &str) -> bool {
    matches!(&node.callee, Callee::Function(name) if name == operator)
}

/// Names of codes that stay signed where they are.
pub(super) struct Signed<'a> {
    /// Those that a DequantizeLinear reads.
    read: BTreeSet<&'a str>,
    /// Those that a QuantizeLinear gives.
    given: BTreeSet<&'a str>,
}

/// The codes between operators on reals that do not go from a QuantizeLinear to one reader behind a DequantizeLinear.
pub(super) fn signed_codes(source: &Graph) -> Signed<'_> {
    let mut readers: HashMap<ValueId, Vec<&Node>> = HashMap::new();
    for node in &source.nodes {
        for argument in &node.arguments {
            if let Argument::Value(id) = argument {
                readers.entry(*id).or_default().push(node);
            }
        }
    }
    let readers = |id: ValueId| readers.get(&id).map(Vec::as_slice).unwrap_or_default();
    let is_returned = |id: ValueId| {
        source.outputs.iter().any(|output| matches!(output, Argument::Value(returned) if *returned == id))
    };
    let has_one_reader = |id: ValueId| match readers(id) {
        [reader] if !is_returned(id) && is(reader, "DequantizeLinear") => {
            let reals = reader.outputs.first();
            reals.is_some_and(|&reals| readers(reals).len() + usize::from(is_returned(reals)) == 1)
        }
        _ => false,
    };
    let name = |id: ValueId| source.facts.get(&id).map(|facts| facts.name.as_str());
    let of = |operator: &'static str| source.nodes.iter().filter(move |node| is(node, operator));
    let given: Vec<ValueId> = of("QuantizeLinear").filter_map(|node| node.outputs.first().copied()).collect();
    let unsigned: BTreeSet<ValueId> = given.iter().copied().filter(|&id| has_one_reader(id)).collect();
    let read = of("DequantizeLinear").filter_map(|node| match node.arguments.first() {
        Some(Argument::Value(id)) => Some(*id),
        _ => None,
    });
    let stay = |ids: &mut dyn Iterator<Item = ValueId>| {
        ids.filter(|id| !unsigned.contains(id)).filter_map(name).collect()
    };
    Signed { read: stay(&mut read.into_iter()), given: stay(&mut given.into_iter()) }
}

/// Marks the operators around signed codes; `edges` has the edges of codes by their names.
pub(super) fn mark(network: &mut IntNetwork, signed: &Signed<'_>, edges: &BTreeMap<String, EdgeId>) {
    let of = |names: &BTreeSet<&str>| -> BTreeSet<EdgeId> {
        let is_signed =
            |id: &EdgeId| network.edge(*id).activation.is_some_and(|a| a.code_type == CodeType::I8);
        names.iter().filter_map(|name| edges.get(*name).copied()).filter(is_signed).collect()
    };
    let (read, given) = (of(&signed.read), of(&signed.given));
    for node in &network.nodes {
        let sums = matches!(
            node.op,
            Op::Layer(_)
                | Op::Add { .. }
                | Op::Mul { .. }
                | Op::MatMul
                | Op::AveragePool(_)
                | Op::AdaptiveAveragePool { .. }
        );
        let (mut inputs, mut outputs) = (node.inputs.iter(), node.outputs.iter());
        if sums && (inputs.any(|id| read.contains(id)) || outputs.any(|id| given.contains(id))) {
            network.unfused.entry(node.name.clone()).or_insert(Unfused::SignedCodes);
        }
    }
}
