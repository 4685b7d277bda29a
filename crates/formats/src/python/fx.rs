//! FX text: one `forward`, straight-line, in which every call is a node.

use indexmap::IndexMap;

use super::Source;
use super::ast::StatementKind;
use super::evaluate::{Dialect, Evaluator, finish};
use super::parser::parse;
use crate::error::Result;
use crate::source::{Graph, Module};

/// Evaluates the `forward` that the text of an FX `GraphModule` defines. `modules` holds the modules by path (the
/// root's is empty), `entry` is how messages call the text.
///
/// # Errors
/// The text is malformed, or does what is not supported; the place is `entry:line`.
pub fn trace_fx(modules: &IndexMap<String, Module>, entry: &str, text: &str) -> Result<Graph> {
    let source = Source { name: entry, text };
    let forward = parse(source)?.into_iter().find_map(|statement| match statement.kind {
        StatementKind::Function(function) if function.name == "forward" => Some(function),
        _ => None,
    });
    let Some(forward) = forward else {
        return Err(source.malformed(1, "no function `forward`", "`def forward(self, x)`"));
    };
    let mut run = Evaluator::new(Dialect::Fx, modules);
    let outputs = finish(run.forward(source, &forward))?;
    run.recorder.finish(outputs, false)
}
