//! `.pt2` archives: their tensors are those of the `state_dict` beside them, their calls those that PyTorch listed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gen_params_formats::{Argument, Callee, Form, SourceModel, Value, read};
use gen_params_test_support::{files, needs, samples, shared};

/// Every `.pt2` file of the fixtures, sorted.
fn archives(root: &Path) -> Vec<PathBuf> {
    let found = files(root, &[".pt2"]);
    assert!(!found.is_empty());
    found
}

/// Tensors by key, as their type, sizes and elements.
fn tensors(model: &SourceModel) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, module) in &model.modules {
        for (name, value) in &module.attributes {
            if let Value::Tensor(t) = value {
                let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let elements = format!("{:?} {:?}", t.to_i64(), t.to_f64());
                found.insert(key, format!("{} {:?} {elements}", t.dtype().name(), t.shape()));
            }
        }
    }
    found
}

#[test]
fn tensors_of_the_samples_are_those_of_the_state_dict() {
    tensors_equal(&samples());
}

#[needs(shared)]
fn tensors_are_those_of_the_state_dict() {
    tensors_equal(&shared().join("fixtures"));
}

fn tensors_equal(root: &Path) {
    let mut wrong = Vec::new();
    for path in archives(root) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let model = match read(fs::read(&path).unwrap().into()) {
            Ok(model) => model,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        assert_eq!(model.form, Form::ExportedProgram);
        let ours = tensors(&model);
        let state_dict = fs::read(path.with_file_name("converted_state_dict.pt")).unwrap();
        let theirs = tensors(&read(state_dict.into()).unwrap());
        let graph = model.graph.unwrap();
        println!("{name:74} {} tensors, {} calls", ours.len(), graph.nodes.len());
        for (key, tensor) in &theirs {
            if ours.get(key) != Some(tensor) {
                wrong.push(format!("{name}: {key} differs, or is missing"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The manifest lists the calls of the graph before `torch.export` traced it once more: the same quantization.
#[test]
fn quantization_of_the_samples_is_as_pytorch_listed_it() {
    quantization_equal(&samples());
}

#[needs(shared)]
fn quantization_is_as_pytorch_listed_it() {
    quantization_equal(&shared().join("fixtures"));
}

fn quantization_equal(root: &Path) {
    let manifest = fs::read(root.join("MANIFEST.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for path in archives(root) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let listed =
            manifest["rows"].as_array().unwrap().iter().find(|row| row["file"] == name.as_str()).unwrap();
        // NAME = call_function:quantized_decomposed.quantize_per_tensor.default(X, SCALE, ZERO_POINT, MIN, MAX, torch.DTYPE)
        let theirs: Vec<String> = listed["graph"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|line| {
                let (_, call) = line
                    .as_str()?
                    .split_once("call_function:quantized_decomposed.quantize_per_tensor.default(")?;
                let (_, arguments) = call.trim_end_matches(')').split_once(", ")?;
                Some(arguments.to_owned())
            })
            .collect();
        let graph = read(fs::read(&path).unwrap().into()).unwrap().graph.unwrap();
        let text = |argument: &Argument| match argument {
            Argument::Constant(Value::Int(number), None) => number.to_string(),
            Argument::Constant(Value::Float(number), None) => format!("{number:?}"),
            Argument::Constant(Value::Symbol(symbol), None) => symbol.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        let wanted = Callee::Function("torch.ops.quantized_decomposed.quantize_per_tensor.default".into());
        let ours: Vec<String> = graph
            .nodes
            .iter()
            .filter(|node| node.callee == wanted)
            .map(|node| {
                let all = node.arguments.iter().chain(node.keywords.iter().map(|(_, value)| value));
                all.skip(1).map(text).collect::<Vec<_>>().join(", ")
            })
            .collect();
        compared += ours.len();
        if ours != theirs {
            wrong.push(format!("{name}: {ours:#?} instead of {theirs:#?}"));
        }
    }
    println!("{compared} calls of quantize compared");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
