//! Builds the network node by node: each result edge gets its scale, zero point and reachable codes by the operation's rule.

use std::collections::HashMap;

use gen_params_formats::SourceModel;

use super::budget::Budget;
use super::{Engine, Options};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::network::{Edge, EdgeId, Fusion, IntNetwork, Node, State};
use gen_params_core::ops::{Extent, Op, PaddingMode, Shape};
use gen_params_core::parameters::{Activation, LayerKind, Range, Wiring};
use gen_params_core::quantize::quantize;
use gen_params_core::tensor::Codes;

pub(super) struct Builder {
    network: IntNetwork,
    /// Names taken, each with the number to try next for a further node of that name.
    names: HashMap<String, u32>,
    budget: Budget,
}

impl Builder {
    pub(super) fn new(source: &SourceModel, wiring: Wiring, options: &Options) -> Self {
        Self {
            network: IntNetwork {
                wiring,
                engine: options.engine.map(Engine::contract),
                ..IntNetwork::default()
            },
            names: HashMap::new(),
            budget: Budget::of(source),
        }
    }

    /// Counts numbers that the file's lowering holds from now on.
    ///
    /// # Errors
    /// They are out of proportion to the file.
    pub(super) fn hold(&mut self, place: &str, numbers: usize) -> Result<()> {
        self.budget.hold(place, numbers)
    }

    /// Whether nothing more may be held, and the rest of the file is not worth a look.
    pub(super) fn is_spent(&self) -> bool {
        self.budget.is_spent()
    }

    /// Adds an input of the network, with S and Z if it arrives quantized.
    pub(super) fn input(&mut self, name: &str, activation: Option<Activation>) -> EdgeId {
        let id = self.edge(name, activation, activation.map(full_range));
        self.network.inputs.push(id);
        id
    }

    /// An edge that stands for the result of something refused, so that what takes it is looked at, too.
    pub(super) fn placeholder(&mut self, name: &str) -> EdgeId {
        self.edge(name, None, None)
    }

    /// Adds a state that begins with these codes, and returns the edge that has it.
    pub(super) fn state(&mut self, name: &str, activation: Activation, beginning: Codes) -> EdgeId {
        let name = self.unique(name);
        let before = self.edge(&name, Some(activation), Some(full_range(activation)));
        self.network.states.push(State { before, after: before, beginning });
        before
    }

    /// Says which edge has a state for the next run. Until then the state stays what it is.
    pub(super) fn keep(&mut self, before: EdgeId, after: EdgeId) {
        for state in self.network.states.iter_mut().filter(|state| state.before == before) {
            state.after = after;
        }
    }

    /// How ONNX Runtime fuses the node that will have a name.
    pub(super) fn set_fusion_of(&mut self, name: &str, fusion: Fusion) {
        self.network.fusions.insert(name.to_owned(), fusion);
    }

    /// Adds a node and returns its result edges. `name` is made unique with a number if it is taken.
    ///
    /// # Errors
    /// The operation needs S and Z of its own, or equal ones on its inputs, and does not have them.
    pub(super) fn node(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[EdgeId],
        activation: Option<Activation>,
    ) -> Result<Vec<EdgeId>> {
        let name = self.unique(name);
        self.hold(&name, numbers_of(&op))?;
        let (activation, range) = self.result(&name, &op, inputs, activation)?;
        let mut results = vec![(activation, range)];
        match op {
            Op::Shape(Shape::Chunk { parts, .. }) => {
                let parts = usize::try_from(parts).ok().filter(|p| (1..=4096).contains(p));
                let parts = parts.ok_or_else(|| LowerError::at(&name, "splits into too many parts"))?;
                results = vec![(activation, range); parts];
            }
            // The next states are as the states are.
            Op::Svdf(_) | Op::Lstm(_) => results.extend(inputs.iter().skip(1).map(|&id| {
                let edge = self.network.edge(id);
                (edge.activation, edge.range)
            })),
            _ => {}
        }
        let outputs: Vec<EdgeId> =
            results.into_iter().map(|(activation, range)| self.edge(&name, activation, range)).collect();
        self.network.nodes.push(Node { name, op, inputs: inputs.to_vec(), outputs: outputs.clone() });
        Ok(outputs)
    }

    /// Gives the producer of an edge S and Z: a FakeQuantize or observer was applied to it.
    pub(super) fn observe(&mut self, id: EdgeId, activation: Activation) {
        let range = self
            .network
            .nodes
            .iter()
            .rev()
            .find(|n| n.outputs.contains(&id))
            .and_then(|n| match &n.op {
                Op::Layer(layer) => layer.clamp_of(activation),
                _ => None,
            })
            .unwrap_or_else(|| full_range(activation));
        let edge = &mut self.network.edges[id.0];
        edge.activation = Some(activation);
        edge.range = Some(range);
    }

    pub(super) fn activation(&self, id: EdgeId) -> Option<Activation> {
        self.network.edge(id).activation
    }

    /// The node that gives an edge.
    pub(super) fn producer(&self, id: EdgeId) -> Option<&Node> {
        self.network.nodes.iter().rev().find(|node| node.outputs.contains(&id))
    }

    /// The name of an edge.
    pub(super) fn name(&self, id: EdgeId) -> &str {
        &self.network.edge(id).name
    }

    pub(super) fn is_input(&self, id: EdgeId) -> bool {
        self.network.inputs.contains(&id)
    }

    /// How ONNX Runtime fuses the node that gives an edge.
    pub(super) fn set_fusion(&mut self, result: EdgeId, fusion: Fusion) {
        let name = self.producer(result).map(|node| node.name.clone());
        if let Some(name) = name.filter(|_| fusion != Fusion::Codes) {
            self.network.fusions.insert(name, fusion);
        }
    }

    /// LiteRT's XNNPACK delegate does not take a node.
    pub(super) fn leave_undelegated(&mut self, node: &str) {
        self.network.undelegated.insert(node.to_owned());
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.network.warnings.push(warning);
    }

    /// Whether a tensor of codes may lie in another order of memory than this one.
    pub(super) fn may_move(&self, id: EdgeId, channels_last: bool) -> bool {
        if self.network.edge(id).activation.is_none() {
            return false;
        }
        match self.network.nodes.iter().find(|node| node.outputs.contains(&id)).map(|node| &node.op) {
            None | Some(Op::Quantize | Op::Mean { .. } | Op::LayerNorm(_)) => channels_last,
            Some(Op::Layer(layer)) => channels_last == (layer.kind == LayerKind::Linear),
            Some(_) => true,
        }
    }

    /// Takes out changes of the order of memory that nothing can notice: what reads them has an order of its own.
    fn drop_moves(&mut self) {
        let network = &mut self.network;
        let mut index = 0;
        while let Some(node) = network.nodes.get(index) {
            let (Op::Shape(Shape::InMemory { channels_last }), &[from], &[to]) =
                (&node.op, node.inputs.as_slice(), node.outputs.as_slice())
            else {
                index += 1;
                continue;
            };
            let notices = |reader: &Node| match &reader.op {
                Op::Layer(_) | Op::Dequantize => false,
                // A tensor that lies otherwise is copied before its axes are split or joined.
                Op::Shape(Shape::Reshape(_) | Shape::Flatten { .. }) => *channels_last,
                _ => true,
            };
            let is_noticed =
                network.nodes.iter().any(|reader| reader.inputs.contains(&to) && notices(reader));
            if is_noticed {
                index += 1;
                continue;
            }
            network.nodes.remove(index);
            network.edges.remove(to.0);
            for_each_edge(network, &mut |id| match id.0.cmp(&to.0) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => *id = from,
                std::cmp::Ordering::Greater => id.0 -= 1,
            });
        }
    }

    pub(super) fn finish(mut self, outputs: Vec<EdgeId>) -> IntNetwork {
        self.network.outputs = outputs;
        self.drop_moves();
        self.network
    }

    /// The network without rearrangements whose results nobody takes, and for each edge that is left, what it was.
    pub(super) fn finish_without_unused(
        mut self,
        outputs: Vec<EdgeId>,
    ) -> (IntNetwork, HashMap<EdgeId, EdgeId>) {
        self.network.outputs = outputs;
        let IntNetwork { nodes, edges, inputs, outputs, states, .. } = &mut self.network;
        let mut taken = vec![false; edges.len()];
        let returned = outputs.iter().chain(states.iter().map(|state| &state.after));
        returned.for_each(|id| taken[id.0] = true);
        let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
        for node in std::mem::take(nodes).into_iter().rev() {
            let unused =
                matches!(node.op, Op::Shape(Shape::Permute(_))) && node.outputs.iter().all(|id| !taken[id.0]);
            if !unused {
                node.inputs.iter().chain(&node.outputs).for_each(|id| taken[id.0] = true);
                kept.push(node);
            }
        }
        kept.reverse();
        inputs.iter().chain(states.iter().map(|state| &state.before)).for_each(|id| taken[id.0] = true);
        let mut places = HashMap::new();
        let mut left = Vec::new();
        for (index, edge) in std::mem::take(edges).into_iter().enumerate().filter(|(index, _)| taken[*index])
        {
            places.insert(EdgeId(index), EdgeId(left.len()));
            left.push(edge);
        }
        let moved = |id: &mut EdgeId| *id = places.get(id).copied().unwrap_or(*id);
        kept.iter_mut().flat_map(|node| node.inputs.iter_mut().chain(&mut node.outputs)).for_each(moved);
        inputs.iter_mut().chain(outputs).for_each(moved);
        states.iter_mut().flat_map(|state| [&mut state.before, &mut state.after]).for_each(moved);
        (*nodes, *edges) = (kept, left);
        (self.network, places)
    }

    fn edge(&mut self, name: &str, activation: Option<Activation>, range: Option<Range<i32>>) -> EdgeId {
        self.network.edges.push(Edge { name: name.into(), activation, range });
        EdgeId(self.network.edges.len() - 1)
    }

    fn unique(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        while self.names.contains_key(&unique) {
            let next = self.names.entry(name.to_owned()).or_insert(0);
            *next += 1;
            unique = format!("{name}_{next}");
        }
        self.names.insert(unique.clone(), 0);
        unique
    }

    /// S, Z and reachable codes of a result.
    fn result(
        &self,
        name: &str,
        op: &Op,
        inputs: &[EdgeId],
        own: Option<Activation>,
    ) -> Result<(Option<Activation>, Option<Range<i32>>)> {
        let refuse = |text: String| LowerError::at(name, text);
        let first = inputs.first().map(|&id| self.network.edge(id));
        let input = first.and_then(|e| e.activation);
        let range = first.and_then(|e| e.range);
        let with_relu = |relu: bool| {
            own.map(|a| {
                let full = full_range(a);
                if relu { Range { min: full.min.max(a.zero_point), ..full } } else { full }
            })
        };
        Ok(match op {
            Op::Quantize => {
                (Some(own.ok_or_else(|| refuse("has no scale and zero point".into()))?), with_relu(false))
            }
            Op::Dequantize => (None, None),
            Op::Constant(codes) => {
                let elements = codes.elements().iter().copied();
                let range = elements.map(|code| Range { min: code, max: code }).reduce(hull);
                (own, own.and(range))
            }
            Op::Layer(layer) => (own, own.and_then(|a| layer.clamp_of(a))),
            Op::Concatenate { requantizes: false, .. } => {
                // torch.cat keeps the first input's S and Z and requantizes the others to them.
                let same = inputs.iter().all(|&id| self.network.edge(id).activation == input);
                let ranges = inputs.iter().map(|&id| self.network.edge(id).range);
                let range = if same {
                    ranges.reduce(|a, b| a.zip(b).map(|(a, b)| hull(a, b))).flatten()
                } else {
                    input.map(full_range)
                };
                (input, range)
            }
            // Another S and Z than the input's: other codes.
            Op::MaxPool(_) | Op::AveragePool(_) | Op::AdaptiveAveragePool { .. } | Op::Mean { .. }
                if own.is_some() && own != input =>
            {
                (own, own.map(full_range))
            }
            Op::MaxPool(_) | Op::AdaptiveAveragePool { .. } | Op::Mean { .. } => (own.or(input), range),
            // Dividing by another number than the window's size may leave the codes that went in.
            Op::AveragePool(pool) if pool.divisor.is_some() => (own.or(input), own.or(input).map(full_range)),
            Op::AveragePool(pool) => {
                // Padding that counts has the real value 0, the code Z.
                let padded = pool.padding.iter().chain(pool.padding_end()).any(|&p| p > 0);
                let range = range.zip(input).map(|(r, a)| {
                    if padded { hull(r, Range { min: a.zero_point, max: a.zero_point }) } else { r }
                });
                (own.or(input), range)
            }
            Op::Shape(Shape::Pad { mode: PaddingMode::Zeros, .. }) => {
                let range =
                    range.zip(input).map(|(r, a)| hull(r, Range { min: a.zero_point, max: a.zero_point }));
                (input, range)
            }
            Op::Shape(shape @ Shape::PadWith { .. }) => {
                let range = range.zip(input).map(|(r, a)| {
                    let filling = shape.filling(a.zero_point);
                    hull(r, Range { min: filling, max: filling })
                });
                (input, range)
            }
            Op::Shape(_) => (input, range),
            Op::Relu => {
                let range = range.zip(input).map(|(r, a)| clip(r, a.zero_point, i32::MAX));
                (input, range)
            }
            Op::Clamp { min, max } => {
                #[allow(clippy::cast_possible_truncation, reason = "PyTorch quantizes the bounds as float32")]
                let range = range
                    .zip(input)
                    .map(|(r, a)| clip(r, quantize(*min as f32, a), quantize(*max as f32, a)));
                (input, range)
            }
            Op::Function(function) => {
                let activation = function.result(own, input);
                (activation, activation.map(full_range))
            }
            _ => (own, with_relu(op.facts().relu)),
        })
    }
}

fn full_range(activation: Activation) -> Range<i32> {
    let (min, max) = activation.code_type.range();
    Range { min, max }
}

fn hull(a: Range<i32>, b: Range<i32>) -> Range<i32> {
    Range { min: a.min.min(b.min), max: a.max.max(b.max) }
}

/// Codes of `range` after a clamp to `min..=max`.
fn clip(range: Range<i32>, min: i32, max: i32) -> Range<i32> {
    Range { min: range.min.clamp(min, max.max(min)), max: range.max.clamp(min, max.max(min)) }
}

/// The numbers that an operation holds.
pub(super) fn numbers_of(op: &Op) -> usize {
    if let Op::Layer(layer) = op {
        layer.weight.codes.len()
    } else if let Op::Constant(codes) = op {
        codes.elements().len()
    } else {
        0
    }
}

/// Changes every mention of an edge.
fn for_each_edge(network: &mut IntNetwork, change: &mut impl FnMut(&mut EdgeId)) {
    fn in_extent(extent: &mut Extent, change: &mut impl FnMut(&mut EdgeId)) {
        match extent {
            Extent::Fixed(_) => {}
            Extent::Of(id, _) => change(id),
            Extent::Times(a, b) | Extent::Plus(a, b) | Extent::Minus(a, b) | Extent::Over(a, b) => {
                in_extent(a, change);
                in_extent(b, change);
            }
        }
    }
    network.inputs.iter_mut().chain(&mut network.outputs).for_each(&mut *change);
    for state in &mut network.states {
        change(&mut state.before);
        change(&mut state.after);
    }
    for node in &mut network.nodes {
        node.inputs.iter_mut().chain(&mut node.outputs).for_each(&mut *change);
        if let Op::Shape(Shape::Reshape(sizes) | Shape::Upsample { size: Some(sizes), .. }) = &mut node.op {
            sizes.iter_mut().for_each(|size| in_extent(size, change));
        }
    }
}
