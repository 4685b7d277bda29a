//! Operators between DequantizeLinear and QuantizeLinear, as ONNX Runtime computes them with all its optimizations.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use gen_params::contract::Contract;
use gen_params::machine::{self, Keep};
use gen_params::network::{Fusion, Unfused};
use gen_params::ops::{Op, Value};
use gen_params::quantize::dequantize;
use gen_params::tensor::Tensor;
use gen_params_test_support::npz::NpzArchive;
use gen_params_test_support::{needs, samples, shared};

use crate::support::{assert_no_failures, fixtures, network};

/// The codes of an array.
fn codes(archive: &mut NpzArchive<BufReader<File>>, name: &str) -> Tensor<i32> {
    let file = archive.by_name(name).unwrap().unwrap();
    let shape = file.shape().iter().map(|&size| size.try_into().unwrap()).collect();
    let signed = file.dtype().descr() == "'|i1'";
    let elements: Vec<i32> = if signed {
        file.into_vec::<i8>().unwrap().into_iter().map(i32::from).collect()
    } else {
        file.into_vec::<u8>().unwrap().into_iter().map(i32::from).collect()
    };
    Tensor::new(shape, elements).unwrap()
}

/// Every operator of a file, on inputs of its own: all codes are the engine's.
fn every_operator(name: &str) {
    let folder = fixtures().join("onnx_fused");
    let network = network(&folder.join(format!("{name}.onnx")));
    let mut archive = NpzArchive::open(folder.join(format!("{name}_golden.npz"))).unwrap();
    let inputs: Vec<Value> = network
        .inputs
        .iter()
        .map(|&input| {
            let quantize = network.nodes.iter().find(|node| node.inputs == [input]).unwrap();
            let activation = network.edge(quantize.outputs[0]).activation.unwrap();
            let codes = codes(&mut archive, &network.edge(input).name);
            let reals = codes.elements().iter().map(|&code| dequantize(code, activation)).collect();
            Value::Floats(Tensor::new(codes.shape().to_vec(), reals).unwrap())
        })
        .collect();
    let trace = machine::run(&network, Contract::Onnxruntime, &inputs, Keep::Edges).unwrap();
    let mut failures = Vec::new();
    println!("| {name} | operator | codes | mismatches |\n|---|---|---|---|");
    for node in &network.nodes {
        if matches!(node.op, Op::Quantize | Op::Dequantize) {
            continue;
        }
        let expected = codes(&mut archive, &node.name);
        let ours = trace.edges[node.outputs[0].0].as_ref().and_then(Value::codes).unwrap();
        assert_eq!(ours.shape(), expected.shape(), "{}", node.name);
        let pairs = ours.elements().iter().zip(expected.elements());
        let mismatches = pairs.filter(|(a, b)| a != b).count();
        println!("| {} | {} | {} | {mismatches} |", node.name, node.op.name(), expected.elements().len());
        if mismatches > 0 {
            failures.push(format!("{name} {}: {mismatches} codes differ", node.name));
        }
    }
    assert_no_failures(&failures, network.nodes.len());
}

#[test]
fn unsigned_codes_are_onnx_runtimes() {
    every_operator("u8");
}

/// The engine computes them as unsigned ones.
#[test]
fn signed_codes_are_onnx_runtimes() {
    every_operator("s8");
}

/// Which operators ONNX Runtime 1.32 leaves float, as the graphs show that it writes after its optimizations.
#[test]
fn operators_that_stay_float_are_named() {
    stay_float(&[
        (fixtures().join("onnx_fused/u8.onnx"), vec![]),
        (fixtures().join("onnx_fused/s8.onnx"), vec![]),
        (fixtures().join("one_network/qoperator.onnx"), vec![]),
        (fixtures().join("one_network/qdq.onnx"), vec!["add.result", "conv", "depthwise", "linear"]),
        (samples().join("onnx/ort/MLP/qdq_s8s8_pc.onnx"), vec![]),
    ]);
}

/// The same, of larger networks.
#[needs(shared)]
fn operators_of_exports_that_stay_float_are_named() {
    let exports = shared().join("fixtures/onnx");
    let shared_codes =
        vec!["node_add_141", "node_add_70", "node_conv2d", "node_conv2d_1", "node_conv2d_3", "node_conv2d_5"];
    stay_float(&[
        (
            exports.join("torch_export/LeNetBN_qnnpack/qat_prepared_ts.onnx"),
            // The engine takes the last layer's bias, which has another scale, for one of the scale S1*S2.
            vec!["classifier.1", "features.0", "features.4", "features.7", "features.8"],
        ),
        (exports.join("torch_export_pt2e/ResNetMini_xnnpack/pt2e_dynamo.onnx"), shared_codes),
        (exports.join("ort/LeNetBN/qdq_s8s8_pc.onnx"), vec![]),
    ]);
}

fn stay_float(cases: &[(PathBuf, Vec<&str>)]) {
    let mut failures = Vec::new();
    for (path, expected) in cases {
        let network = network(path);
        // What has no kernel on codes stays float everywhere.
        let found: Vec<&str> = network
            .fusions
            .iter()
            .filter(|(_, fusion)| fusion.is_float() && **fusion != Fusion::Floats(Unfused::Kernel))
            .map(|(name, _)| name.as_str())
            .collect();
        if found != *expected {
            failures.push(format!("{}: {found:?}, expected {expected:?}", path.display()));
        }
    }
    assert_no_failures(&failures, cases.len());
}
