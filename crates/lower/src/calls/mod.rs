//! The file's own topology: each call of a TorchScript or FX graph becomes an operation.

mod layers;
mod names;
mod operators;
mod shapes;
mod slots;

use std::collections::HashMap;

use gen_params_formats::{Callee, Form, Graph, Node, SourceModel, Value, ValueId};

use self::names::{callee_name, operator_name};
pub(super) use self::operators::names;
use super::Options;
use super::arguments::Arguments;
use super::builder::Builder;
use super::parts::{self, Part, Parts};
use gen_params_core::error::{LowerError, Reason, Result};
use gen_params_core::network::{EdgeId, IntNetwork};
use gen_params_core::ops::{Extent, Op};
use gen_params_core::parameters::{Activation, Wiring};

/// What a value of the graph is in the network.
#[derive(Debug, Clone)]
enum Slot {
    Edge(EdgeId),
    /// A size or a computation on sizes.
    Extent(Extent),
    /// All sizes of an edge.
    Sizes(EdgeId),
    List(Vec<Slot>),
    /// A constant that took part in a call.
    Constant(Value),
}

/// Lowers a graph.
pub(super) fn lower(
    source: &SourceModel,
    graph: &Graph,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<IntNetwork> {
    // Modules are looked up by FX only; TorchScript's calls carry their constants themselves.
    let parts = match source.form {
        Form::TorchScript | Form::ExportedProgram | Form::Onnx | Form::Tflite => Parts::new(),
        Form::StateDict | Form::Module | Form::GraphModule => parts::recognise(source, options, warnings)?,
    };
    let mut lowering = Lowering {
        source,
        parts,
        builder: Builder::new(source, Wiring::File, options),
        slots: HashMap::new(),
        reasons: Vec::new(),
        hint: None,
    };
    for (id, name) in &graph.inputs {
        let edge = lowering.builder.input(name, None);
        lowering.slots.insert(*id, Slot::Edge(edge));
    }
    for node in &graph.nodes {
        if let Err(error) = lowering.node(node) {
            lowering.reasons.extend(error.reasons);
            lowering.hint = lowering.hint.take().or(error.hint);
            for &id in &node.outputs {
                // Later nodes are still looked at, so that all reasons are listed at once.
                lowering.slots.remove(&id);
            }
        }
    }
    let mut outputs = Vec::new();
    for output in &graph.outputs {
        lowering.collect_edges(output, &mut outputs);
    }
    let Lowering { builder, reasons, hint, .. } = lowering;
    if !reasons.is_empty() {
        return Err(LowerError { reasons, hint });
    }
    Ok(builder.finish(outputs))
}

struct Lowering<'a> {
    source: &'a SourceModel,
    parts: Parts,
    builder: Builder,
    slots: HashMap<ValueId, Slot>,
    reasons: Vec<Reason>,
    hint: Option<String>,
}

impl Lowering<'_> {
    fn node(&mut self, node: &Node) -> Result<()> {
        let outputs = match &node.callee {
            Callee::Module(path) => self.module(node, path)?,
            Callee::Function(name) => self.function(node, &operator_name(name))?,
            Callee::Method(name) => self.function(node, name)?,
        };
        match (outputs, node.outputs.as_slice()) {
            (Slot::List(slots), ids) if ids.len() == slots.len() && ids.len() > 1 => {
                for (&id, slot) in ids.iter().zip(slots) {
                    self.slots.insert(id, slot);
                }
            }
            (Slot::Sizes(edge), ids) if ids.len() > 1 => {
                for (axis, &id) in (0i64..).zip(ids) {
                    self.slots.insert(id, Slot::Extent(Extent::Of(edge, axis)));
                }
            }
            (slot, [id]) => {
                self.slots.insert(*id, slot);
            }
            (_, ids) => {
                return Err(LowerError::at(
                    node.place.to_string(),
                    format!("`{}` is unpacked into {} values", callee_name(&node.callee), ids.len()),
                ));
            }
        }
        Ok(())
    }

    /// A call of a module, by its recognised part.
    fn module(&mut self, node: &Node, path: &str) -> Result<Slot> {
        let arguments = Arguments::new(node, path, node.place.to_string(), &["input"]);
        let input = self.input(&arguments)?;
        arguments.finish()?;
        let part = self.parts.get(path).cloned().unwrap_or(Part::Unspecified);
        let class = self.source.modules.get(path).and_then(|m| m.class.clone()).unwrap_or_default();
        match part {
            Part::Op { op, activation } => self.single(path, op, &[input], activation),
            Part::Nothing => Ok(Slot::Edge(input)),
            Part::Observer(activation) => Ok(Slot::Edge(self.observe(path, input, activation)?)),
            Part::Float => Err(arguments.refuse(format!("is a {class} with float weights"))),
            Part::Bare { .. } | Part::Unknown(_) | Part::Unspecified => {
                Err(arguments.refuse(format!("is a {class}, which is not supported")))
            }
        }
    }

    /// An observer on the network's input is the place where it is quantized; elsewhere it gives its producer S and Z.
    fn observe(&mut self, path: &str, input: EdgeId, activation: Activation) -> Result<EdgeId> {
        if self.builder.is_input(input) {
            let outputs = self.builder.node(path, Op::Quantize, &[input], Some(activation))?;
            return outputs.first().copied().ok_or_else(|| LowerError::at(path, "has no result"));
        }
        self.builder.observe(input, activation);
        Ok(input)
    }
}

#[cfg(test)]
mod tests {
    use gen_params_formats::Argument;

    use super::*;

    /// An operator of the list that nothing lowers would be refused as one that is not in it.
    #[test]
    fn every_operator_of_the_list_is_lowered() {
        let source = SourceModel {
            form: Form::TorchScript,
            wrapping: Vec::new(),
            modules: indexmap::IndexMap::new(),
            graph: None,
        };
        let mut failures = Vec::new();
        for operator in names() {
            let graph = Graph {
                inputs: vec![(ValueId(0), "x".into())],
                outputs: Vec::new(),
                nodes: vec![Node {
                    callee: Callee::Function(operator.into()),
                    name: "y".into(),
                    scope: String::new(),
                    arguments: vec![Argument::Value(ValueId(0))],
                    keywords: Vec::new(),
                    outputs: vec![ValueId(1)],
                    place: gen_params_formats::Place { file: "test".into(), line: 1 },
                }],
                values: 2,
                ..Graph::default()
            };
            if let Err(error) = lower(&source, &graph, &Options::default(), &mut Vec::new())
                && error.to_string().contains("is not supported")
            {
                failures.push(error.to_string());
            }
        }
        // These compute sizes; of tensors they are other operators.
        failures.retain(|f| {
            !["`mul`", "`add`", "`sub`", "`floordiv`", "`floor_divide`", "`getitem`", "`__getitem__`"]
                .iter()
                .any(|n| f.contains(n))
        });
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
