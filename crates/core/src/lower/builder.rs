//! Builds the network node by node: each result edge gets its scale, zero point and reachable codes by the operation's rule.

use std::collections::HashMap;

use gen_params_formats::SourceModel;

use super::Options;
use super::budget::Budget;
use crate::derive::layer_clamp;
use crate::error::{LowerError, Result};
use crate::network::{Edge, EdgeId, IntNetwork, Node, State, Unfused};
use crate::ops::{Function, Op, PaddingMode, Shape};
use crate::parameters::{Activation, CodeType, Range, Wiring};
use crate::quantize::quantize;
use crate::tensor::Codes;

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
                source_form: source.form.name().into(),
                wiring,
                engine: options.engine.map(|e| e.name().into()),
                signed_as_unsigned: false,
                unfused: std::collections::BTreeMap::new(),
                edges: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                states: Vec::new(),
                nodes: Vec::new(),
                warnings: Vec::new(),
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
                Op::Layer(layer) => layer_clamp(layer, activation),
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

    /// The name of an edge.
    pub(super) fn name(&self, id: EdgeId) -> &str {
        &self.network.edge(id).name
    }

    pub(super) fn is_input(&self, id: EdgeId) -> bool {
        self.network.inputs.contains(&id)
    }

    /// Its file has sums, products or means between DequantizeLinear and QuantizeLinear.
    pub(super) fn compute_signed_as_unsigned(&mut self) {
        self.network.signed_as_unsigned = true;
    }

    /// ONNX Runtime computes a node in floats.
    pub(super) fn leave_unfused(&mut self, node: &str, why: Unfused) {
        self.network.unfused.insert(node.to_owned(), why);
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.network.warnings.push(warning);
    }

    pub(super) fn finish(mut self, outputs: Vec<EdgeId>) -> IntNetwork {
        self.network.outputs = outputs;
        self.network
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
            Op::Layer(layer) => (own, own.and_then(|a| layer_clamp(layer, a))),
            Op::Add { relu } | Op::Sub { relu } | Op::Mul { relu } => (own, with_relu(*relu)),
            Op::BatchNorm(norm) => (own, with_relu(norm.relu)),
            Op::MatMul
            | Op::Extremum(_)
            | Op::Concatenate { requantizes: true, .. }
            | Op::LayerNorm(_)
            | Op::Softmax { .. }
            | Op::Svdf(_)
            | Op::Lstm(_) => (own, with_relu(false)),
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
                let activation = match function {
                    Function::Sigmoid | Function::Hardsigmoid => {
                        own.or(input.map(|a| unit_interval(a.code_type)))
                    }
                    Function::Tanh => own.or(input.map(|a| symmetric_unit(a.code_type))),
                    Function::Hardswish | Function::Requantize { .. } => own,
                    Function::LeakyRelu(_) | Function::Elu(_) | Function::Gelu => own.or(input),
                };
                (activation, activation.map(full_range))
            }
        })
    }
}

/// Sigmoid's output when the model has no other: PyTorch fixes 1/256 and the smallest code.
fn unit_interval(code_type: CodeType) -> Activation {
    Activation { scale: 1.0 / 256.0, zero_point: code_type.range().0, code_type }
}

/// Tanh's output when the model has no other: PyTorch fixes 1/128 and the middle code.
fn symmetric_unit(code_type: CodeType) -> Activation {
    Activation { scale: 1.0 / 128.0, zero_point: code_type.range().0 + 128, code_type }
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
