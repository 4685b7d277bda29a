//! Tests of the Python subset: by construct, on PyTorch's own files, and on damaged text.

mod evaluation;
mod files;
mod fixtures;
mod hostile;
mod syntax;

use indexmap::IndexMap;

use super::{Program, trace_fx, trace_script};
use crate::error::Result;
use crate::source::{Argument, Callee, Graph, Module, Node, Value};

/// Modules by path, with their attributes.
fn modules(list: &[(&str, &[(&str, Value)])]) -> IndexMap<String, Module> {
    let module = |attributes: &[(&str, Value)]| Module {
        class: None,
        attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    };
    list.iter().map(|(path, attributes)| ((*path).to_owned(), module(attributes))).collect()
}

/// Evaluates `class Net` of one TorchScript text, whose root has `attributes`.
fn script(attributes: &[(&str, Value)], text: &str) -> Result<Graph> {
    let types = IndexMap::from([(String::new(), "__torch__.net.Net".to_owned())]);
    trace_script(&Program {
        modules: &modules(&[("", attributes)]),
        types: &types,
        sources: &[("code/__torch__/net.py", text)],
        constants: &[Value::Int(7)],
    })
}

/// Evaluates the body of `forward(self, x: Tensor)` as TorchScript.
fn body(attributes: &[(&str, Value)], lines: &str) -> Result<Graph> {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    script(
        attributes,
        &format!("class Net(Module):\n  def forward(self: Net,\n    x: Tensor) -> Tensor:\n{lines}"),
    )
}

/// Evaluates the body of `forward(self, x)` as FX.
fn fx(list: &[(&str, &[(&str, Value)])], lines: &str) -> Result<Graph> {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    trace_fx(&modules(list), "_code", &format!("def forward(self, x):\n{lines}"))
}

/// An argument as FX prints it, with the names of the nodes and inputs for values, and paths for attributes.
fn show_argument(graph: &Graph, argument: &Argument) -> String {
    let show_values = |values: &[Value]| values.iter().map(show_value).collect::<Vec<_>>().join(", ");
    match argument {
        Argument::Value(id) => graph
            .nodes
            .iter()
            .find(|node| node.outputs.contains(id))
            .map(|node| node.name.clone())
            .or_else(|| graph.inputs.iter().find(|(input, _)| input == id).map(|(_, name)| name.clone()))
            .expect("a value that a node or input defines"),
        Argument::Constant(_, Some(path)) => path.clone(),
        Argument::Constant(Value::Tuple(values), None) => format!("({})", show_values(values)),
        Argument::Constant(value, None) => show_value(value),
        Argument::List(items) => {
            let items: Vec<String> = items.iter().map(|item| show_argument(graph, item)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

fn show_value(value: &Value) -> String {
    match value {
        Value::None => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Int(i) => i.to_string(),
        Value::Float(x) => format!("{x:?}"),
        Value::Str(s) | Value::Symbol(s) => s.to_string(),
        Value::Tuple(items) | Value::List(items) => {
            let items: Vec<String> = items.iter().map(show_value).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.kind(),
    }
}

/// What a node calls, as written.
fn callee(node: &Node) -> &str {
    match &node.callee {
        Callee::Function(path) | Callee::Method(path) | Callee::Module(path) => path,
    }
}

/// A node as `name = callee(arguments)`.
fn show_node(graph: &Graph, node: &Node) -> String {
    let positional = node.arguments.iter().map(|argument| show_argument(graph, argument));
    let keywords =
        node.keywords.iter().map(|(name, argument)| format!("{name}={}", show_argument(graph, argument)));
    format!("{} = {}({})", node.name, callee(node), positional.chain(keywords).collect::<Vec<_>>().join(", "))
}

/// The nodes, and what is returned.
fn show(graph: &Graph) -> Vec<String> {
    let outputs: Vec<String> = graph.outputs.iter().map(|output| show_argument(graph, output)).collect();
    let nodes = graph.nodes.iter().map(|node| show_node(graph, node));
    nodes.chain([format!("-> {}", outputs.join(", "))]).collect()
}

/// The graph in one line, or the error.
fn outcome(result: Result<Graph>) -> String {
    match result {
        Ok(graph) => show(&graph).join("; "),
        Err(error) => error.to_string(),
    }
}

/// Compares each row's outcome with what is expected of it, and reports all rows that fail.
fn check_rows(rows: impl IntoIterator<Item = (String, String, String)>) {
    let failed: Vec<String> = rows
        .into_iter()
        .filter(|(_, found, expected)| found != expected)
        .map(|(row, found, expected)| format!("{row}\n     found {found}\n  expected {expected}"))
        .collect();
    assert!(failed.is_empty(), "{} rows fail:\n{}", failed.len(), failed.join("\n"));
}
