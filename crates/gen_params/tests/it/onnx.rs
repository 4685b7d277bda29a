//! ONNX files against ONNX Runtime 1.32: every tensor of codes that a reference has, node by node and end to end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use gen_params::contract::Contract;
use gen_params::lower::{self, Engine, Options};
use gen_params::machine::{self, Keep};
use gen_params::network::{EdgeId, IntNetwork};
use gen_params::ops::{Bias, Context, Fusion, Op, Unfused, Value};
use gen_params::quantize::{dequantize, quantize_as};
use gen_params::tensor::Tensor;
use gen_params_test_support::npz::NpzArchive;
use gen_params_test_support::{files, fixtures, needs, samples, shared};

use crate::support::{assert_no_failures, parameters};

type Archive = NpzArchive<BufReader<File>>;

/// An array of codes or floats; `None` for names that are absent and for other types.
fn array(archive: &mut Archive, name: &str) -> Option<Value> {
    let file = archive.by_name(name).ok().flatten()?;
    let shape: Vec<usize> = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
    let codes = |codes: Vec<i32>| Some(Value::Codes(Tensor::new(shape.clone(), codes).unwrap()));
    match file.dtype().descr().as_str() {
        "'<f4'" => Some(Value::Floats(Tensor::new(shape.clone(), file.into_vec::<f32>().unwrap()).unwrap())),
        "'|u1'" => codes(file.into_vec::<u8>().unwrap().into_iter().map(i32::from).collect()),
        "'|i1'" => codes(file.into_vec::<i8>().unwrap().into_iter().map(i32::from).collect()),
        "'<i2'" => codes(file.into_vec::<i16>().unwrap().into_iter().map(i32::from).collect()),
        _ => None,
    }
}

/// A network, and for each edge that has a name in the file, the names.
struct Model {
    network: IntNetwork,
    /// Version of the default operator set.
    version: i64,
    values: BTreeMap<String, EdgeId>,
}

fn load(path: &Path) -> Result<Model, String> {
    let bytes = gen_params::map_file(path).map_err(|e| e.to_string())?;
    let source = gen_params::read_with(bytes, &gen_params::Folder::of(path)).map_err(|e| e.to_string())?;
    let network = lower::lower(&source, &Options::default()).map_err(|e| e.to_string())?;
    let values = lower::values(&source, &Options::default()).map_err(|e| e.to_string())?;
    let version = source.graph.and_then(|graph| graph.versions.get("").copied()).unwrap_or_default();
    Ok(Model { network, version, values })
}

/// What one run of a model is compared with: the engine's inputs, and its values by their names in the file.
struct Reference {
    inputs: Vec<Value>,
    values: BTreeMap<String, Value>,
}

/// Codes compared, codes that differ, and the largest difference.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    codes: usize,
    differing: usize,
    largest: i32,
}

impl Count {
    fn add(&mut self, ours: &Value, theirs: &Value) -> Result<(), String> {
        let (Value::Codes(a), Value::Codes(b)) = (ours, theirs) else { return Ok(()) };
        if a.shape() != b.shape() {
            return Err(format!("{:?}, expected {:?}", a.shape(), b.shape()));
        }
        self.codes += a.elements().len();
        for (x, y) in a.elements().iter().zip(b.elements()) {
            self.differing += usize::from(x != y);
            self.largest = self.largest.max((x - y).abs());
        }
        Ok(())
    }
}

/// Each node on the engine's own inputs, so that no difference is counted twice; and the whole network from its inputs.
struct Outcome {
    nodes: BTreeMap<&'static str, Count>,
    whole: Count,
    /// The output that the engine gives with all its fusions, where the reference has it: numbers, and those that differ.
    fused: (usize, usize),
    /// Nodes that the contract has no formula for, and errors.
    failures: Vec<String>,
}

/// The mean of windows of 2 x 2 as the engine computes it between DequantizeLinear and QuantizeLinear when it fuses nothing:
/// column by column before operator set 19, row by row from then on, and the zero point added after rounding.
fn unfused_average(op: &Op, version: i64, input: &Value, context: &Context<'_>) -> Option<Value> {
    let Op::AveragePool(pool) = op else { return None };
    if [&pool.kernel, &pool.stride, &pool.padding] != [&[2, 2], &[2, 2], &[0, 0]] {
        return None;
    }
    let (codes, activation) = (input.codes()?, context.inputs[0]?);
    let [batch, channels, height, width] = codes.shape()[..] else { return None };
    let (rows, columns) = (height / 2, width / 2);
    let mean = |index: usize| {
        let (place, column) = (index / columns, index % columns);
        let first = (place / rows * height + place % rows * 2) * width + column * 2;
        let real = |offset: usize| dequantize(codes.elements()[first + offset], activation);
        let [a, b, c, d] = [0, 1, width, width + 1].map(real);
        let sum = if version < 19 { (a + c) + (b + d) } else { a + b + c + d };
        quantize_as(Contract::Onnxruntime, sum / 4.0, context.output.unwrap())
    };
    let elements = (0..batch * channels * rows * columns).map(mean).collect();
    Some(Value::Codes(Tensor::new(vec![batch, channels, rows, columns], elements).unwrap()))
}

fn compare(model: &Model, reference: &Reference, on_codes: bool) -> Outcome {
    let mut outcome =
        Outcome { nodes: BTreeMap::new(), whole: Count::default(), fused: (0, 0), failures: Vec::new() };
    let network = &model.network;
    let mut theirs: Vec<Option<&Value>> = vec![None; network.edges.len()];
    for (name, edge) in &model.values {
        if let Some(value) = reference.values.get(name) {
            theirs[edge.0] = Some(value);
        }
    }
    for (&edge, value) in network.inputs.iter().zip(&reference.inputs) {
        theirs[edge.0] = Some(value);
    }
    let shapes: Vec<Option<Vec<usize>>> = theirs.iter().map(|v| v.map(|v| v.shape().to_vec())).collect();
    for node in &network.nodes {
        let inputs: Option<Vec<&Value>> = node.inputs.iter().map(|e| theirs[e.0]).collect();
        let expected: Option<Vec<&Value>> = node.outputs.iter().map(|e| theirs[e.0]).collect();
        let (Some(inputs), Some(expected)) = (inputs, expected) else { continue };
        let activations: Vec<_> = node.inputs.iter().map(|&e| network.edge(e).activation).collect();
        let output = node.outputs.first().and_then(|&e| network.edge(e).activation);
        // With every tensor as an output the engine fuses no softmax; operators of codes are in the file.
        let fusion = match node.op {
            Op::Softmax { .. } if !on_codes => Fusion::Floats(Unfused::Surroundings),
            _ => network.fusion(node),
        };
        let context = Context { contract: Contract::Onnxruntime, inputs: &activations, output, fusion };
        let unfused = unfused_average(&node.op, model.version, inputs[0], &context).filter(|_| !on_codes);
        let results =
            unfused.map_or_else(|| node.op.apply(&inputs, &shapes, &context), |codes| Ok(vec![codes]));
        match results {
            Ok(results) => {
                let count = outcome.nodes.entry(node.op.name()).or_default();
                for (ours, theirs) in results.iter().zip(expected) {
                    if let Err(error) = count.add(ours, theirs) {
                        outcome.failures.push(format!("{}: {error}", node.name));
                    }
                }
            }
            Err(error) => outcome.failures.push(format!("{} ({}): {error}", node.name, node.op.name())),
        }
    }
    match machine::run(network, Contract::Onnxruntime, &reference.inputs, Keep::Edges) {
        Ok(trace) => {
            for (ours, theirs) in trace.edges.iter().zip(&theirs) {
                if let (Some(ours), Some(theirs)) = (ours, theirs)
                    && let Err(error) = outcome.whole.add(ours, theirs)
                {
                    outcome.failures.push(error);
                }
            }
            let fused = reference.values.iter().find(|(name, _)| name.starts_with("fused_out:"));
            if let (Some((_, Value::Floats(theirs))), Some(Value::Floats(ours))) =
                (fused, trace.outputs.first())
                && ours.shape() == theirs.shape()
            {
                let pairs = ours.elements().iter().zip(theirs.elements());
                outcome.fused = (ours.elements().len(), pairs.filter(|(a, b)| a != b).count());
            }
        }
        Err(error) => outcome.failures.push(error.to_string()),
    }
    outcome
}

/// The engine's values of a fixture: all of them, by name.
fn fixture_reference(path: &Path) -> Option<Reference> {
    let stem = path.to_string_lossy().strip_suffix(".onnx")?.to_owned();
    let mut archive = NpzArchive::open(format!("{stem}_golden.npz")).ok()?;
    let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
    let values: BTreeMap<String, Value> =
        names.into_iter().filter_map(|name| Some((name.clone(), array(&mut archive, &name)?))).collect();
    let bytes = std::fs::read(path.with_file_name("input_f32.npy")).ok()?;
    let file = npyz::NpyFile::new(&bytes[..]).ok()?;
    let shape: Vec<usize> = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
    let floats: Vec<f32> = file.into_vec().ok()?;
    // Some references hold fewer images than the input.
    let batch = values.values().map(Value::shape).filter(|s| s.len() == shape.len() && s[1..] == shape[1..]);
    let batch = batch.map(|s| s[0]).filter(|&n| n <= shape[0]).min().unwrap_or(shape[0]);
    let each: usize = shape[1..].iter().product();
    let shape = [&[batch], &shape[1..]].concat();
    let input = Value::Floats(Tensor::new(shape, floats[..batch * each].to_vec()).ok()?);
    Some(Reference { inputs: vec![input], values })
}

/// The engine's values of a model of other people: those of its first input.
fn model_reference(path: &Path, inputs: usize) -> Option<Reference> {
    let mut archive = NpzArchive::open(format!("{}.ref.npz", path.display())).ok()?;
    let inputs =
        (0..inputs).map(|i| array(&mut archive, &format!("s0/in{i}"))).collect::<Option<Vec<Value>>>()?;
    let meta = archive.by_name("value_meta_json").ok()??.into_vec::<u8>().ok()?;
    let meta: serde_json::Value = serde_json::from_slice(&meta).ok()?;
    let mut values = BTreeMap::new();
    for entry in meta.as_array()? {
        let (Some(index), Some(name)) = (entry[0].as_u64(), entry[1].as_str()) else { continue };
        if let Some(value) = array(&mut archive, &format!("v{index}")) {
            values.insert(name.to_owned(), value);
        }
    }
    Some(Reference { inputs, values })
}

/// Whether some layer has a float bias: the reference adds it in float32, integers round it to 32 bits first.
fn has_float_bias(model: &Model) -> bool {
    model
        .network
        .nodes
        .iter()
        .any(|node| matches!(&node.op, Op::Layer(l) if matches!(l.bias, Some(Bias::Real(_)))))
}

/// Of codes behind a float bias, one in this many may differ, by one.
const FLOAT_BIAS: usize = 200;

fn table(folder: &Path, references: impl Fn(&Path, &Model) -> Option<Reference>) -> Vec<String> {
    let mut failures = Vec::new();
    let mut by_operator: BTreeMap<(&str, bool), Count> = BTreeMap::new();
    println!(
        "| model | nodes | codes | node by node | end to end | largest | fused output |\n|---|---|---|---|---|---|---|"
    );
    for path in files(folder, &[".onnx"]) {
        let place = path.strip_prefix(folder).unwrap().display().to_string();
        let model = match load(&path) {
            Ok(model) => model,
            Err(error) => {
                println!("| {place} | | | | | {} |", error.replace("\n", ";"));
                continue;
            }
        };
        let Some(reference) = references(&path, &model) else {
            println!("| {place} | {} | no reference | | | |", model.network.nodes.len());
            continue;
        };
        let outcome = compare(&model, &reference, place.contains("qoperator"));
        let float = has_float_bias(&model);
        let mut sum = Count::default();
        for (op, count) in &outcome.nodes {
            let row = by_operator.entry((op, float)).or_default();
            for total in [&mut sum, row] {
                total.codes += count.codes;
                total.differing += count.differing;
                total.largest = total.largest.max(count.largest);
            }
        }
        println!(
            "| {place} | {} | {} | {} | {} of {} | {} | {} of {} |",
            model.network.nodes.len(),
            sum.codes,
            sum.differing,
            outcome.whole.differing,
            outcome.whole.codes,
            outcome.whole.largest,
            outcome.fused.1,
            outcome.fused.0,
        );
        let excused = if float { sum.codes / FLOAT_BIAS } else { 0 };
        if sum.differing > excused || (sum.differing > 0 && sum.largest > 1) {
            failures.push(format!("{place}: {} of {} codes differ", sum.differing, sum.codes));
        }
        let network = &model.network;
        let known = network.nodes.iter().all(|n| network.difference(Contract::Onnxruntime, n).is_none());
        if (!float || known) && outcome.fused.1 > 0 {
            failures
                .push(format!("{place}: {} of {} fused outputs differ", outcome.fused.1, outcome.fused.0));
        }
        for failure in outcome.failures {
            // Operators that the engine computes as floats, and last layers that nothing quantizes.
            if failure.contains("no known formula") || failure.contains("scale and zero point of its output")
            {
                println!("| {place} | | | | | {failure} |");
            } else {
                failures.push(format!("{place}: {failure}"));
            }
        }
    }
    println!("| operation | network | codes | mismatches | largest |\n|---|---|---|---|---|");
    for ((op, float), count) in &by_operator {
        let kind = if *float { "float bias" } else { "integer bias" };
        println!("| {op} | {kind} | {} | {} | {} |", count.codes, count.differing, count.largest);
    }
    failures
}

#[test]
fn every_code_of_the_samples_is_onnx_runtimes() {
    codes_of(&samples());
}

#[needs(shared)]
fn every_code_of_the_fixtures_is_onnx_runtimes() {
    codes_of(&shared().join("fixtures"));
}

fn codes_of(root: &Path) {
    let mut failures = table(&root.join("onnx"), |path, _| fixture_reference(path));
    failures.extend(table(&root.join("brevitas"), |path, _| fixture_reference(path)));
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[needs(shared)]
fn every_code_of_other_peoples_models_is_onnx_runtimes() {
    let failures = table(&shared().join("models/third_party"), |path, model| {
        model_reference(path, model.network.inputs.len())
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_code_of_our_own_models_is_onnx_runtimes() {
    let failures = table(&fixtures().join("onnx"), |path, _| fixture_reference(path));
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Where both forms have the same S1, Z1, S2, S3, Z3 in a layer, everything that is derived is the same.
fn same_integers(qdq: &Path, qoperator: &Path, failures: &mut Vec<String>) -> usize {
    let options = gen_params::derive::Options::default();
    let (first, second) = match (parameters(qdq, None, &options), parameters(qoperator, None, &options)) {
        (Ok(first), Ok(second)) => (first.layers, second.layers),
        (first, second) => {
            failures.extend([first.err(), second.err()].into_iter().flatten());
            return 0;
        }
    };
    if first.len() != second.len() {
        failures.push(format!("{}: {} and {} layers", qdq.display(), first.len(), second.len()));
    }
    let mut compared = 0;
    for (a, b) in first.iter().zip(&second) {
        if (a.input, a.output, &a.weight) != (b.input, b.output, &b.weight) {
            continue;
        }
        compared += 1;
        let numbers = |l: &gen_params::parameters::LayerParameters| {
            (
                l.bias.clone(),
                l.folded_bias.clone(),
                l.multiplier.clone(),
                l.shift.clone(),
                l.weight_sum.clone(),
            )
        };
        if numbers(a) != numbers(b) || a.name != b.name || a.window != b.window {
            failures.push(format!("{} {}: {:?}\n{:?}", qdq.display(), a.name, numbers(a), numbers(b)));
        }
    }
    compared
}

#[test]
fn qdq_and_qoperator_of_the_samples_give_the_same_integers() {
    let mut failures = Vec::new();
    let own = fixtures().join("onnx");
    let layers = same_integers(&own.join("qdq.onnx"), &own.join("qoperator.onnx"), &mut failures);
    assert_no_failures(&failures, layers);
    both_forms(&samples());
}

#[needs(shared)]
fn qdq_and_qoperator_give_the_same_integers() {
    both_forms(&shared().join("fixtures"));
}

fn both_forms(root: &Path) {
    let (mut failures, mut layers) = (Vec::new(), 0);
    for qdq in files(&root.join("onnx/ort"), &[".onnx"]) {
        let name = qdq.file_name().unwrap().to_string_lossy().into_owned();
        if let Some(rest) = name.strip_prefix("qdq_") {
            layers += same_integers(&qdq, &qdq.with_file_name(format!("qoperator_{rest}")), &mut failures);
        }
    }
    println!("{layers} layers have the same quantization in both forms");
    assert_no_failures(&failures, layers);
}

/// PyTorch's export of a fake-quantized network says the same as its state_dict before conversion. Weight codes are
/// ONNX's by division and PyTorch's by multiplication with a reciprocal, so a code may differ: such layers are left out.
#[test]
fn the_export_of_a_prepared_sample_gives_the_integers_of_its_state_dict() {
    exports_of_prepared(&samples(), &[("LeNet_qnnpack", Engine::Qnnpack)], 3);
}

/// The same, of more networks: all but one of 16 layers have the same weight codes.
#[needs(shared)]
fn exports_of_prepared_networks_give_the_integers_of_their_state_dict() {
    let networks = [
        ("LeNet_qnnpack", Engine::Qnnpack),
        ("LeNet_x86", Engine::X86),
        ("LeNetBN_qnnpack", Engine::Qnnpack),
        ("LeNetBN_x86", Engine::X86),
    ];
    exports_of_prepared(&shared().join("fixtures"), &networks, 15);
}

fn exports_of_prepared(root: &Path, networks: &[(&str, Engine)], least: usize) {
    let options = gen_params::derive::Options::default();
    let mut failures = Vec::new();
    let mut compared = 0;
    for &(name, engine) in networks {
        let folder = root.join("onnx/torch_export").join(name);
        let exported = parameters(&folder.join("qat_prepared_ts.onnx"), None, &options).unwrap();
        let prepared =
            parameters(&folder.join("qat_v0_prepared_state_dict.pt"), Some(engine), &options).unwrap();
        assert_eq!(exported.layers.len(), prepared.layers.len(), "{name}");
        for (a, b) in exported.layers.iter().zip(&prepared.layers) {
            if a.weight.codes != b.weight.codes {
                continue;
            }
            compared += 1;
            let same = (&a.bias, &a.folded_bias, &a.multiplier, &a.shift, &a.weight_sum)
                == (&b.bias, &b.folded_bias, &b.multiplier, &b.shift, &b.weight_sum);
            if !same || (a.input, a.output) != (b.input, b.output) {
                failures.push(format!("{name} {} and {}", a.name, b.name));
            }
        }
    }
    println!("{compared} layers have the same weight codes in both forms");
    assert!(compared >= least, "only {compared} layers have the same weight codes");
    assert_no_failures(&failures, compared);
}

#[test]
fn weights_may_stand_beside_the_model_and_nowhere_else() {
    let folder = fixtures().join("onnx");
    let inside = load(&folder.join("qdq.onnx")).unwrap().network;
    let beside = load(&folder.join("external.onnx")).unwrap().network;
    assert_eq!(inside, beside);
    let bytes = std::fs::read(folder.join("external.onnx")).unwrap();
    let alone = gen_params::read(bytes.clone().into()).unwrap_err();
    assert!(alone.to_string().contains("weights in another file"), "{alone}");
    // The same length, so that the protobuf around it stays sound.
    let name = b"external.bin";
    for outside in ["../../../etc", "/etc/passwd\0", "sub/../../a.b", "C:\\externals"] {
        let mut bytes = bytes.clone();
        for at in 0..bytes.len() - name.len() {
            if bytes[at..].starts_with(name) {
                bytes[at..at + name.len()].copy_from_slice(&outside.as_bytes()[..name.len()]);
            }
        }
        let path = folder.join("external.onnx");
        let error = gen_params::read_with(bytes.into(), &gen_params::Folder::of(&path)).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
