//! Calls that remain, collected into a graph.

use std::collections::HashSet;

use super::Source;
use super::memory;
use crate::error::Result;
use crate::source::{Argument, Callee, Graph, Node, Place, ValueId};

/// The most calls that one `forward` may make.
const MAX_NODES: usize = 200_000;

/// The graph under construction.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    inputs: Vec<(ValueId, String)>,
    nodes: Vec<Node>,
    /// For every value, whether it may turn out to be `None`.
    optional: Vec<bool>,
}

/// A call to record.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) callee: Callee,
    /// The variable that takes the result, where there is one.
    pub(super) name: Option<&'a str>,
    pub(super) scope: &'a str,
    pub(super) arguments: Vec<Argument>,
    pub(super) keywords: Vec<(String, Argument)>,
    pub(super) place: Place,
}

/// A state to return to.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecorderMark {
    nodes: usize,
    values: usize,
}

impl Recorder {
    fn value(&mut self, optional: bool) -> ValueId {
        // Nodes are limited, and inputs are parameters in a text whose lines are counted in 32 bits.
        let id = ValueId(u32::try_from(self.optional.len()).unwrap_or(u32::MAX));
        self.optional.push(optional);
        id
    }

    /// An input of the network; `optional` if its annotation admits `None`.
    pub(super) fn input(&mut self, name: &str, optional: bool) -> ValueId {
        let id = self.value(optional);
        self.inputs.push((id, name.to_owned()));
        id
    }

    /// Records a call, and gives its result.
    pub(super) fn call(&mut self, source: Source<'_>, call: Call<'_>) -> Result<ValueId> {
        if self.nodes.len() >= MAX_NODES {
            return Err(source.unsupported(
                call.place.line,
                "another call",
                format!("at most {MAX_NODES} calls in `forward`"),
            ));
        }
        let written = match &call.callee {
            Callee::Function(path) | Callee::Method(path) | Callee::Module(path) => path,
        };
        let name = call.name.unwrap_or_else(|| written.rsplit('.').next().unwrap_or(written)).to_owned();
        // A part of something, or a field of something, can be None; what a tensor operator returns cannot.
        let optional = matches!(
            &call.callee,
            Callee::Function(path) if path == "operator.getitem" || path == "getattr"
        );
        let output = self.value(optional);
        self.nodes.push(Node {
            callee: call.callee,
            name,
            scope: call.scope.to_owned(),
            arguments: call.arguments,
            keywords: call.keywords,
            outputs: vec![output],
            place: call.place,
        });
        Ok(output)
    }

    /// True if `value` may turn out to be `None`.
    pub(super) fn may_be_none(&self, value: ValueId) -> bool {
        self.optional.get(value.0 as usize).copied().unwrap_or(true)
    }

    /// True if `value` has been made, and not forgotten.
    pub(super) fn holds(&self, value: ValueId) -> bool {
        (value.0 as usize) < self.optional.len()
    }

    pub(super) fn mark(&self) -> RecorderMark {
        RecorderMark { nodes: self.nodes.len(), values: self.optional.len() }
    }

    /// Forgets what was recorded since `mark`.
    pub(super) fn rollback(&mut self, mark: RecorderMark) {
        self.nodes.truncate(mark.nodes);
        self.optional.truncate(mark.values);
    }

    /// A call since `mark` that changes its argument in place.
    pub(super) fn change_since(&self, mark: RecorderMark) -> Option<&Node> {
        self.nodes.iter().skip(mark.nodes).find(|node| memory::changes_argument(node))
    }

    /// The graph that returns `outputs`. With `prune`, without the calls whose result nothing uses.
    ///
    /// # Errors
    /// A value is used after it was changed in place.
    pub(super) fn finish(self, outputs: Vec<Argument>, prune: bool) -> Result<Graph> {
        let Self { inputs, mut nodes, optional } = self;
        if prune {
            retain_used(&mut nodes, &outputs);
        }
        let values = u32::try_from(optional.len()).unwrap_or(u32::MAX);
        let mut graph = Graph { inputs, outputs, nodes, values, ..Graph::default() };
        memory::check(&graph)?;
        renumber(&mut graph);
        Ok(graph)
    }
}

/// Keeps the nodes that an output needs, and those that change an argument in place.
fn retain_used(nodes: &mut Vec<Node>, outputs: &[Argument]) {
    let mut used = HashSet::new();
    for output in outputs {
        output.for_each_value(&mut |id| {
            used.insert(id);
        });
    }
    let mut keep: Vec<bool> = Vec::with_capacity(nodes.len());
    for node in nodes.iter().rev() {
        let needed =
            memory::changes_argument(node) || node.outputs.iter().any(|output| used.contains(output));
        if needed {
            for argument in node.all_arguments() {
                argument.for_each_value(&mut |id| {
                    used.insert(id);
                });
            }
        }
        keep.push(needed);
    }
    nodes.retain(|_| keep.pop().unwrap_or(true));
}

/// Numbers the values anew: inputs, then results in execution order.
fn renumber(graph: &mut Graph) {
    let mut numbers = vec![ValueId(0); graph.values as usize];
    let mut next = 0;
    let mut define = |id: &mut ValueId| {
        if let Some(number) = numbers.get_mut(id.0 as usize) {
            *number = ValueId(next);
        }
        *id = ValueId(next);
        next += 1;
    };
    graph.inputs.iter_mut().for_each(|(id, _)| define(id));
    for node in &mut graph.nodes {
        node.outputs.iter_mut().for_each(&mut define);
    }
    graph.values = next;
    let renamed = |argument: &mut Argument| rename(argument, &numbers);
    for node in &mut graph.nodes {
        node.arguments.iter_mut().for_each(renamed);
        node.keywords.iter_mut().for_each(|(_, argument)| renamed(argument));
    }
    graph.outputs.iter_mut().for_each(renamed);
}

fn rename(argument: &mut Argument, numbers: &[ValueId]) {
    match argument {
        Argument::Value(id) => *id = numbers.get(id.0 as usize).copied().unwrap_or(*id),
        Argument::Constant(..) => {}
        Argument::List(items) => items.iter_mut().for_each(|item| rename(item, numbers)),
    }
}
