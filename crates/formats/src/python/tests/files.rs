//! PyTorch's own files: every text parses, and every graph is the one that PyTorch had.

use std::fs;
use std::path::{Path, PathBuf};

use gen_params_test_support::{files, needs, samples, shared};

use super::fixtures::{Archive, count_functions, fx_modules};
use super::{callee, check_rows, show_argument};
use crate::python::trace_fx;
use crate::source::{Graph, Node};

#[test]
fn every_text_of_the_samples_parses_completely() {
    let (texts, functions) = texts_parse(&samples());
    assert!(texts > 150 && functions > 250, "{texts} texts with {functions} functions");
}

#[needs(shared)]
fn every_torchscript_text_parses_completely() {
    let (texts, functions) = texts_parse(&shared());
    assert!(texts > 2_000 && functions > 3_000, "{texts} texts with {functions} functions");
}

/// How many texts and functions the files below a folder have.
fn texts_parse(root: &Path) -> (usize, usize) {
    let mut failed = Vec::new();
    let (mut texts, mut functions) = (0, 0);
    for path in scripts(root) {
        let Some(archive) = Archive::open(&path) else { continue };
        for (name, text) in &archive.sources {
            texts += 1;
            // A `def` at the start of a line is a function: one that the parser lost would be missing.
            let written = text.lines().filter(|line| line.trim_start().starts_with("def ")).count();
            match count_functions(name, text) {
                Ok(found) if found == written => functions += found,
                other => failed.push(format!("{} {name}: {other:?} of {written}", path.display())),
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    (texts, functions)
}

/// Files below a folder that may be TorchScript; those that only try to break the reader are not among them.
fn scripts(root: &Path) -> Vec<PathBuf> {
    let mut found = files(root, &[".pt", ".ptl"]);
    found.retain(|path| !path.starts_with(root.join("bad")));
    found
}

/// A node as the manifest writes FX's: `name = call_module:path(a, b)`.
fn show_as_fx(graph: &Graph, node: &Node) -> String {
    let arguments: Vec<String> =
        node.arguments.iter().map(|argument| show_argument(graph, argument)).collect();
    let kind = match &node.callee {
        crate::Callee::Function(_) => "call_function",
        crate::Callee::Method(_) => "call_method",
        crate::Callee::Module(_) => "call_module",
    };
    let target = callee(node).trim_start_matches("torch.ops.").trim_start_matches("operator.");
    let target = target.strip_prefix("torch.").unwrap_or(target);
    format!("{} = {kind}:{target}({})", node.name, arguments.join(", "))
}

/// A line of the manifest, without what says only how Python prints a function.
fn plain(line: &str) -> String {
    for prefix in ["<built-in function ", "<built-in method "] {
        if let Some((before, rest)) = line.split_once(prefix) {
            let (function, arguments) = rest.split_once(">(").expect("a function and its arguments");
            let name = function.split(' ').next().expect("a name");
            return format!("{before}{name}({arguments}");
        }
    }
    line.to_owned()
}

#[test]
fn fx_text_of_the_samples_gives_the_graph_that_pytorch_had() {
    assert!(graphs_of_fx(&samples()) >= 2);
}

#[needs(shared)]
fn fx_text_gives_the_graph_that_pytorch_had() {
    assert!(graphs_of_fx(&shared().join("fixtures")) >= 36);
}

/// How many graphs a manifest lists.
fn graphs_of_fx(fixtures: &Path) -> usize {
    let manifest = fs::read(fixtures.join("MANIFEST.json")).expect("the manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    let mut rows = Vec::new();
    for row in manifest["rows"].as_array().expect("rows") {
        let Some(lines) = row["graph"].as_array() else { continue };
        let file = row["file"].as_str().expect("a file");
        let Ok(text) = fs::read_to_string(fixtures.join(file.replace("_module.pt", "_code.txt"))) else {
            continue;
        };
        if row["form"] != "FX converted GraphModule" {
            continue;
        }
        let lines: Vec<&str> = lines.iter().filter_map(|line| line.as_str()).collect();
        let graph = match trace_fx(&fx_modules(&text), "_code", &text) {
            Ok(graph) => graph,
            Err(error) => {
                rows.push((file.to_owned(), error.to_string(), String::new()));
                continue;
            }
        };
        let inputs = graph.inputs.iter().map(|(_, name)| format!("{name} = placeholder:{name}()"));
        let nodes = graph.nodes.iter().map(|node| show_as_fx(&graph, node));
        let outputs: Vec<String> = graph.outputs.iter().map(|output| show_argument(&graph, output)).collect();
        let output = format!("output = output:output({})", outputs.join(", "));
        let found: Vec<String> = inputs.chain(nodes).chain([output]).collect();
        // Attributes are arguments here, not nodes.
        let expected: Vec<String> =
            lines.iter().filter(|line| !line.contains(" = get_attr:")).map(|line| plain(line)).collect();
        rows.push((file.to_owned(), found.join("\n"), expected.join("\n")));
    }
    let count = rows.len();
    check_rows(rows);
    count
}

#[test]
fn functional_fx_text_keeps_keywords_and_packed_weights() {
    let text = fs::read_to_string(samples().join("torch2.9/extra/FuncNet_x86/code.txt")).expect("a text");
    let graph = trace_fx(&fx_modules(&text), "_code", &text).expect("a graph");
    assert_eq!(operators(&graph, &["torch.ops.quantized.", "torch.nn.functional.", "torch."]), LENET);
    assert_eq!(
        super::show_node(&graph, &graph.nodes[1]),
        "conv2d = torch.ops.quantized.conv2d_relu(quantize_per_tensor, _packed_weight_0, _scale_1, _zero_point_1)"
    );
    assert_eq!(
        super::show_node(&graph, &graph.nodes[2]),
        "max_pool2d = torch.nn.functional.max_pool2d(conv2d, 2, stride=None, padding=0, dilation=1, \
         ceil_mode=False, return_indices=False)"
    );
}

/// What LeNet computes, whichever way it was saved.
const LENET: [&str; 9] = [
    "quantize_per_tensor",
    "conv2d_relu",
    "max_pool2d",
    "conv2d_relu",
    "max_pool2d",
    "flatten",
    "linear_relu",
    "linear",
    "dequantize",
];

/// The operators in order, without the first of `prefixes` that they have.
fn operators<'g>(graph: &'g Graph, prefixes: &[&str]) -> Vec<&'g str> {
    let short = |path: &'g str| prefixes.iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path);
    graph.nodes.iter().map(|node| short(callee(node))).collect()
}

const SCRIPT: [&str; 3] = ["ops.quantized.", "torch.", "ops."];

#[test]
fn script_trace_and_frozen_give_the_same_operators() {
    let fixtures = samples().join("torch2.9");
    let rows = [
        "eager_qat/LeNet_x86/converted_script.pt",
        "eager_qat/LeNet_x86/converted_trace.pt",
        "extra/LeNet_x86/frozen_script.pt",
        "extra/LeNet_x86/frozen_trace.pt",
        "extra/LeNet_x86/lite_unoptimized.ptl",
        "extra/LeNet_x86/mobile.ptl",
        "extra/FuncNet_x86/converted_script.pt",
        "extra/FuncNet_x86/converted_trace.pt",
    ];
    check_rows(rows.map(|file| {
        let graph = Archive::open(&fixtures.join(file)).expect("TorchScript").trace(None);
        let found =
            graph.map_or_else(|error| error.to_string(), |graph| operators(&graph, &SCRIPT).join(" "));
        (file.to_owned(), found, LENET.join(" "))
    }));
}

#[test]
fn a_scripted_network_is_wired_through_its_branches() {
    let path = samples().join("torch2.9/eager_qat/ResNetMini_x86/converted_script.pt");
    let graph = Archive::open(&path).expect("TorchScript").trace(None).expect("a graph");
    // `forward` in fixtures/make/nets.py: stem, residual block, depthwise block with a sum, two branches joined by
    // `cat`, pooling, classifier. Arguments that are data, by the scope of the node that made them.
    let scope = |id| graph.nodes.iter().find(|n| n.outputs.contains(&id)).map_or("x", |n| n.scope.as_str());
    let found: Vec<String> = graph
        .nodes
        .iter()
        .map(|node| {
            let mut sources = Vec::new();
            for argument in &node.arguments {
                argument.for_each_value(&mut |id| sources.push(scope(id)));
            }
            format!("{} <- {}", node.scope, sources.join(", "))
        })
        .collect();
    let expected = [
        "quant <- x",
        "stem.0 <- quant",
        "block.conv1 <- stem.0",
        "block.conv2 <- block.conv1",
        "block.skip <- block.conv2, stem.0",
        "dwb.dw <- block.skip",
        "dwb.act <- dwb.dw",
        "dwb.pw <- dwb.act",
        "dwb.skip <- block.skip, dwb.pw",
        "down.0 <- dwb.skip",
        "hs <- down.0",
        "pool <- dwb.skip",
        "cat <- hs, pool",
        "gap <- cat",
        " <- gap",
        "fc <- ",
        "dequant <- fc",
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_sample_evaluates_and_scripts_agree_with_traces() {
    let (evaluated, pairs) = evaluates(&samples());
    assert!(evaluated > 20 && pairs >= 9, "{evaluated} files, {pairs} pairs of script and trace");
}

#[needs(shared)]
fn every_torchscript_file_evaluates_and_scripts_agree_with_traces() {
    let (evaluated, pairs) = evaluates(&shared());
    assert!(evaluated > 190 && pairs > 70, "{evaluated} files, {pairs} pairs of script and trace");
}

/// How many files are evaluated, and how many scripts have a trace beside them.
fn evaluates(root: &Path) -> (usize, usize) {
    let mut failed = Vec::new();
    let mut evaluated = 0;
    let mut pairs = Vec::new();
    for path in scripts(root) {
        let Some(archive) = Archive::open(&path) else { continue };
        let graph = match archive.trace(None) {
            Ok(graph) => graph,
            Err(error) => {
                failed.push(format!("{}: {error}", path.display()));
                continue;
            }
        };
        evaluated += 1;
        let name = path.display().to_string();
        if !name.ends_with("converted_script.pt") {
            continue;
        }
        if let Some(trace) = Archive::open(&path.with_file_name("converted_trace.pt")) {
            let trace = trace.trace(None).map(|graph| layers(&graph)).map_err(|error| error.to_string());
            pairs.push((name, layers(&graph), trace.unwrap_or_else(|error| error)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let count = pairs.len();
    check_rows(pairs);
    (evaluated, count)
}

/// The operators, without the arithmetic on sizes, which tracing writes in tensors, and with one name for ReLU6.
fn layers(graph: &Graph) -> String {
    let names = operators(graph, &SCRIPT).into_iter().filter_map(|name| match name {
        "size" | "prim.NumToTensor" | "int" | "operator.getitem" => None,
        "hardtanh" => Some("relu6"),
        name => Some(name),
    });
    names.collect::<Vec<_>>().join(" ")
}
