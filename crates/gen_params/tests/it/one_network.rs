//! One network in every format, from one set of codes and scales: the same integers and the same codes.

use std::fs::{self, File};
use std::io::BufReader;

use gen_params_test_support::npz::NpzArchive;
use serde_json::Value as Json;

use gen_params::contract::Contract;
use gen_params::derive::{self, Options};
use gen_params::hardware::Target;
use gen_params::machine::{Arithmetic, Machine};
use gen_params::network::IntNetwork;
use gen_params::ops::{Op, Value};
use gen_params::parameters::{LayerParameters, Parameters};
use gen_params::tensor::Tensor;

use crate::support::{assert_no_failures, fixtures, network};

/// The files, the engine that each is for, and the name of its outputs in the golden file.
const FILES: [(&str, Contract, &str); 5] = [
    ("model.tflite", Contract::Litert, "litert"),
    ("qdq.onnx", Contract::Onnxruntime, "onnxruntime_qdq"),
    ("qoperator.onnx", Contract::Onnxruntime, "onnxruntime_qoperator"),
    ("script.pt", Contract::Qnnpack, "qnnpack"),
    ("program.pt2", Contract::Exact, "program"),
];

/// The results in the order of execution.
const RESULTS: [&str; 5] = ["conv", "depthwise", "add", "pool", "linear"];

struct Form {
    file: &'static str,
    network: IntNetwork,
    parameters: Parameters,
}

/// Every file, with its integers.
fn forms() -> Vec<Form> {
    let read = |(file, _, _)| {
        let network = network(&fixtures().join("one_network").join(file));
        let parameters = derive::derive(&network, &Options::default()).unwrap();
        Form { file, network, parameters }
    };
    FILES.into_iter().map(read).collect()
}

impl Form {
    /// The codes of the results, in the order of [`RESULTS`].
    fn run(&self, arithmetic: Arithmetic, images: &Tensor<i32>) -> Vec<Tensor<i32>> {
        let machine = Machine::new(&self.network, &self.parameters, arithmetic).unwrap();
        let images = if self.file == "model.tflite" { channels_last(images) } else { images.clone() };
        let mut values = machine.begin(vec![Value::Codes(images)]).unwrap();
        let mut results = Vec::new();
        for (index, node) in self.network.nodes.iter().enumerate() {
            let step = machine.step(index, &values).unwrap();
            if matches!(node.op, Op::Layer(_) | Op::Add { .. } | Op::MaxPool(_)) {
                results.push(step.results[0].codes().unwrap().clone());
            }
            values.set(&node.outputs, step.results);
        }
        results
    }
}

/// (N, C, H, W) as the (N, H, W, C) of a TFLite file.
fn channels_last(images: &Tensor<i32>) -> Tensor<i32> {
    let [count, channels, height, width] = images.shape()[..] else { panic!("{:?}", images.shape()) };
    let area = height * width;
    let place = |index: usize| {
        let (position, channel) = (index / channels, index % channels);
        (position / area * channels + channel) * area + position % area
    };
    let elements = (0..images.elements().len()).map(|index| images.elements()[place(index)]).collect();
    Tensor::new(vec![count, height, width, channels], elements).unwrap()
}

type Archive = NpzArchive<BufReader<File>>;

fn golden() -> Archive {
    NpzArchive::open(fixtures().join("one_network/golden.npz")).unwrap()
}

fn codes(archive: &mut Archive, name: &str) -> Tensor<i32> {
    let file = archive.by_name(name).unwrap().unwrap();
    let shape = file.shape().iter().map(|&size| size.try_into().unwrap()).collect();
    let elements = file.into_vec::<i8>().unwrap().into_iter().map(i32::from).collect();
    Tensor::new(shape, elements).unwrap()
}

/// The integers that `expected.json` has of a layer.
fn integers(layer: &LayerParameters) -> [(&'static str, Vec<i64>); 7] {
    let clamp = layer.clamp.unwrap();
    [
        ("weight", layer.weight.codes.iter().map(|&code| i64::from(code)).collect()),
        ("bias", layer.bias.clone().unwrap()),
        ("weight_sum", layer.weight_sum.iter().map(|&sum| i64::from(sum)).collect()),
        ("folded_bias", layer.folded_bias.clone().unwrap()),
        ("multiplier", layer.multiplier.iter().flatten().map(|&multiplier| i64::from(multiplier)).collect()),
        ("shift", layer.shift.iter().flatten().map(|&shift| i64::from(shift)).collect()),
        ("clamp", vec![i64::from(clamp.min), i64::from(clamp.max)]),
    ]
}

#[test]
fn every_format_gives_the_same_integers() {
    let text = fs::read_to_string(fixtures().join("one_network/expected.json")).unwrap();
    let expected: Json = serde_json::from_str(&text).unwrap();
    let expected = expected["layers"].as_array().unwrap();
    let forms = forms();
    let mut failures = Vec::new();
    for form in &forms {
        let (layers, first) = (&form.parameters.layers, &forms[0].parameters);
        assert_eq!(layers.len(), expected.len(), "{}", form.file);
        for ((layer, expected), other) in layers.iter().zip(expected).zip(&first.layers) {
            for (name, ours) in integers(layer) {
                if serde_json::json!(ours) != expected[name] {
                    failures.push(format!("{} {}: {name} {ours:?}", form.file, layer.name));
                }
            }
            let facts = |l: &LayerParameters| {
                let scale = |channel: usize| l.weight.scale[if l.per_channel() { channel } else { 0 }];
                let scales: Vec<f64> = (0..l.channels).map(scale).collect();
                (l.kind, l.input, l.output, scales, l.real_multiplier.clone(), l.padding_value, l.accumulator)
            };
            if facts(layer) != facts(other) {
                failures.push(format!("{} {}: {:?}", form.file, layer.name, facts(layer)));
            }
        }
        let operators = |parameters: &Parameters| -> Vec<_> {
            let sums = parameters.operators.iter().filter(|operator| operator.op == "add");
            sums.map(|o| (o.inputs.clone(), o.output, o.clamp, o.arithmetic.clone())).collect()
        };
        if operators(&form.parameters).len() != 1 || operators(&form.parameters) != operators(first) {
            failures.push(format!("{}: {:?}", form.file, operators(&form.parameters)));
        }
    }
    assert_no_failures(&failures, forms.len() * expected.len());
}

#[test]
fn every_format_gives_the_same_codes() {
    let mut archive = golden();
    let images = codes(&mut archive, "input");
    let exact: Vec<Tensor<i32>> =
        RESULTS.iter().map(|name| codes(&mut archive, &format!("{name}/exact"))).collect();
    let mut failures = Vec::new();
    let mut on_hardware: Option<Vec<Tensor<i32>>> = None;
    for (form, (_, contract, engine)) in forms().iter().zip(FILES) {
        // Real numbers, rounded once.
        let found = form.run(Arithmetic::Contract(Contract::Exact), &images);
        assert_eq!(found.len(), RESULTS.len(), "{}", form.file);
        for ((name, ours), theirs) in RESULTS.iter().zip(&found).zip(&exact) {
            if ours.elements() != theirs.elements() {
                failures.push(format!("{} {name}: not the exact codes", form.file));
            }
        }
        // The file's own engine.
        let found = form.run(Arithmetic::Contract(contract), &images);
        let theirs = codes(&mut archive, &format!("output/{engine}"));
        if found.last().map(Tensor::elements) != Some(theirs.elements()) {
            failures.push(format!("{}: not the codes of {engine}", form.file));
        }
        // Integer-only hardware.
        let found = form.run(Arithmetic::Target(Target::default()), &images);
        let elements = |results: &[Tensor<i32>]| -> Vec<Vec<i32>> {
            results.iter().map(|tensor| tensor.elements().to_vec()).collect()
        };
        let first = on_hardware.get_or_insert_with(|| found.clone());
        if elements(&found) != elements(first) {
            failures.push(format!("{}: other codes than those of {} on hardware", form.file, FILES[0].0));
        }
    }
    assert_no_failures(&failures, FILES.len() * (RESULTS.len() + 2));
}
