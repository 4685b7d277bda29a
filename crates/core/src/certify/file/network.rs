//! Whether the wiring is one, every node has its proof, and every range holds what its producer gives.

use std::collections::HashSet;

use super::check::{Fault, FaultKind};
use super::*;
use crate::ops::Function;
use crate::parameters::Activation;
use crate::quantize::quantize;

/// Operations whose codes are those that enter, converted, selected or moved.
const SELECTING: [&str; 19] = [
    "quantize",
    "dequantize",
    "constant",
    "max_pool",
    "relu",
    "flatten",
    "reshape",
    "permute",
    "transpose",
    "squeeze",
    "unsqueeze",
    "slice",
    "chunk",
    "upsample_nearest",
    "pad",
    "pad_with",
    "channel_shuffle",
    "contiguous",
    "channels_last",
];

/// Operators that compute codes without weights, besides functions of each element.
const COMPUTING: [&str; 14] = [
    "add",
    "sub",
    "mul",
    "minimum",
    "maximum",
    "matmul",
    "cat",
    "avg_pool",
    "adaptive_avg_pool",
    "mean",
    "clamp",
    "batch_norm",
    "layer_norm",
    "softmax",
];

/// Whether an operator of this name computes codes without weights.
fn computes(op: &str) -> bool {
    COMPUTING.contains(&op) || Function::is_name(op)
}

/// Operators that keep a state.
const RECURRENT: [&str; 2] = ["svdf", "lstm"];

impl EdgeRecord {
    /// S, Z and type.
    pub(super) fn activation(&self) -> Activation {
        Activation { scale: self.scale, zero_point: self.zero_point, code_type: self.code_type }
    }

    fn whole(&self) -> Range<i32> {
        let (min, max) = self.code_type.range();
        Range { min, max }
    }

    fn has_activation_of(&self, other: &Self) -> bool {
        self.scale == other.scale && self.zero_point == other.zero_point && self.code_type == other.code_type
    }
}

impl CertificateFile {
    /// An edge's codes; `None` for one without.
    pub(super) fn edge(&self, id: Option<&usize>) -> Option<&EdgeRecord> {
        self.edges.get(*id?)?.as_ref()
    }

    pub(super) fn node(&self, name: &str) -> Option<&NodeRecord> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The nodes that `of_kind` selects have one proof each, in their order.
    fn expect_names<'a>(
        &self,
        of_kind: impl Fn(&str) -> bool,
        found: impl Iterator<Item = &'a str>,
        what: &str,
    ) -> Result<(), Fault> {
        let expected = self.nodes.iter().filter(|node| of_kind(&node.op)).map(|node| node.name.as_str());
        let (expected, found): (Vec<&str>, Vec<&str>) = (expected.collect(), found.collect());
        if expected == found {
            return Ok(());
        }
        Err(Fault::new(
            "",
            FaultKind::Layers,
            format!("has {what} {}, expected {}", found.join(", "), expected.join(", ")),
        ))
    }

    /// The wiring, and the list of proofs.
    pub(super) fn check_network(&self) -> Result<(), Fault> {
        let network = |place: &str, text: &str| Err(Fault::new(place, FaultKind::Network, text));
        if self.nodes.is_empty() {
            return network("", "has no nodes");
        }
        let mut produced = HashSet::new();
        for &id in self.inputs.iter().chain(&self.states) {
            if id >= self.edges.len() || !produced.insert(id) {
                return network("", &format!("edge {id} enters twice, or is none"));
            }
        }
        let mut names = HashSet::new();
        for node in &self.nodes {
            let place = node.name.as_str();
            if place.is_empty() || !names.insert(place) {
                return network(place, "its name is taken, or is none");
            }
            let known = SELECTING.contains(&node.op.as_str())
                || computes(&node.op)
                || RECURRENT.contains(&node.op.as_str())
                || Self::layer_kind(&node.op).is_some();
            if !known {
                return network(place, &format!("computes {:?}, which no operator does", node.op));
            }
            if node.contract != self.contract {
                return Err(Fault::new(
                    place,
                    FaultKind::Contract,
                    format!("found {:?}, expected {:?}", node.contract, self.contract),
                ));
            }
            if node.outputs.is_empty() || node.inputs.iter().any(|id| !produced.contains(id)) {
                return network(place, "takes what no node before it gives, or gives nothing");
            }
            for &id in &node.outputs {
                if id >= self.edges.len() || !produced.insert(id) {
                    return network(
                        place,
                        &format!("gives edge {id}, which has another producer, or is none"),
                    );
                }
            }
        }
        if produced.len() != self.edges.len() || self.outputs.iter().any(|id| !produced.contains(id)) {
            return network("", "has edges that no node gives");
        }
        for (id, edge) in self.edges.iter().enumerate() {
            let Some(edge) = edge else { continue };
            let whole = edge.whole();
            let is_scale = edge.scale.is_finite() && edge.scale > 0.0;
            if !is_scale || !(whole.min..=whole.max).contains(&edge.zero_point) {
                return network(
                    &format!("edge {id}"),
                    "its scale is not positive, or its zero point no code",
                );
            }
            if let Some(range) = edge.range
                && !(whole.min <= range.min && range.min <= range.max && range.max <= whole.max)
            {
                return Err(Fault::new(
                    &format!("edge {id}"),
                    FaultKind::Range,
                    format!("{}..={} is no range of its codes", range.min, range.max),
                ));
            }
        }
        self.expect_names(
            |op| Self::layer_kind(op).is_some(),
            self.layers.iter().map(|layer| layer.name.as_str()),
            "layers",
        )?;
        self.expect_names(
            |op| computes(op) || RECURRENT.contains(&op),
            self.operators.iter().map(|operator| operator.name.as_str()),
            "operators",
        )
    }

    /// Every range holds what its producer can give.
    pub(super) fn check_ranges(&self) -> Result<(), Fault> {
        let all = |id: usize| self.edge(Some(&id)).map(EdgeRecord::whole);
        for &id in self.inputs.iter().chain(&self.states) {
            self.expect_range(&format!("edge {id}"), id, all(id))?;
        }
        for node in &self.nodes {
            for (place, &id) in node.outputs.iter().enumerate() {
                self.expect_range(&node.name, id, self.given(node, place))?;
            }
        }
        Ok(())
    }

    fn expect_range(&self, place: &str, id: usize, given: Option<Range<i32>>) -> Result<(), Fault> {
        let claimed = self.edge(Some(&id)).and_then(|edge| edge.range);
        match (claimed, given) {
            (Some(claimed), Some(given)) if claimed.min > given.min || claimed.max < given.max => {
                Err(Fault::new(
                    place,
                    FaultKind::Range,
                    format!(
                        "says that its codes are {}..={}, and it can give {}..={}",
                        claimed.min, claimed.max, given.min, given.max
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    /// The codes that a node can give as one of its results; `None` for a result without codes.
    fn given(&self, node: &NodeRecord, place: usize) -> Option<Range<i32>> {
        let output = self.edge(node.outputs.get(place))?;
        let whole = output.whole();
        let from_zero = Range { min: output.zero_point, ..whole };
        let hull = |a: Range<i32>, b: Range<i32>| Range { min: a.min.min(b.min), max: a.max.max(b.max) };
        // Codes keep their range only where they keep their meaning.
        let entering = |index: usize| {
            let input = self.edge(node.inputs.get(index))?;
            input.range.filter(|_| input.has_activation_of(output))
        };
        let passed = || entering(0).unwrap_or(whole);
        let filled = |filling: Option<i32>| match filling {
            Some(code) => hull(passed(), Range { min: code, max: code }),
            None => passed(),
        };
        Some(match (node.op.as_str(), &node.detail) {
            (op, _) if Self::layer_kind(op).is_some() => {
                let layer = self.layers.iter().find(|layer| layer.name == node.name);
                layer.and_then(|layer| layer.own_clamp(output)).unwrap_or(whole)
            }
            ("relu", _) => {
                Range { min: passed().min.max(output.zero_point), max: passed().max.max(output.zero_point) }
            }
            ("clamp", Some(Detail::Bounds { min, max })) => {
                #[allow(clippy::cast_possible_truncation, reason = "PyTorch quantizes the bounds as float32")]
                let code = |bound: f64| quantize(bound as f32, output.activation());
                let min = code(min.unwrap_or(f64::NEG_INFINITY));
                let max = code(max.unwrap_or(f64::INFINITY)).max(min);
                Range { min: passed().min.clamp(min, max), max: passed().max.clamp(min, max) }
            }
            ("add" | "sub" | "mul", Some(Detail::Relu(true)))
            | ("batch_norm", Some(Detail::BatchNorm { relu: true, .. })) => from_zero,
            ("cat", Some(Detail::Requantizes(false))) => {
                let ranges: Option<Vec<Range<i32>>> = (0..node.inputs.len()).map(entering).collect();
                ranges.and_then(|ranges| ranges.into_iter().reduce(hull)).unwrap_or(whole)
            }
            ("avg_pool", Some(Detail::Window { filling, .. })) => filled(*filling),
            ("pad" | "pad_with", Some(Detail::Filling(code))) => filled(Some(*code)),
            ("constant", Some(Detail::Constant(range))) => *range,
            ("max_pool" | "adaptive_avg_pool" | "mean", _) => passed(),
            (op, _) if RECURRENT.contains(&op) && place > 0 => entering(place).unwrap_or(whole),
            (op, _) if SELECTING.contains(&op) && !matches!(op, "quantize" | "dequantize" | "constant") => {
                passed()
            }
            _ => whole,
        })
    }

    /// What the hardware's clamp of a layer is: its own, within that of a ReLU or clamp that alone follows.
    pub(super) fn expected_clamp(&self, node: &NodeRecord, own: Range<i32>) -> Range<i32> {
        let Some(id) = node.outputs.first().filter(|id| !self.outputs.contains(id)) else { return own };
        let mut readers = self.nodes.iter().filter(|reader| reader.inputs.contains(id));
        match (readers.next(), readers.next()) {
            (Some(only), None) if matches!(only.op.as_str(), "relu" | "clamp") => {
                match self.edge(only.outputs.first()).and_then(|edge| edge.range) {
                    Some(range) => Range { min: own.min.max(range.min), max: own.max.min(range.max) },
                    None => own,
                }
            }
            _ => own,
        }
    }
}
