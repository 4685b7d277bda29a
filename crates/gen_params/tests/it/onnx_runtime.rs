//! Files of `tests/fixtures/onnx_runtime` against ONNX Runtime's own codes: what it fuses in a way of its own, and what it
//! leaves float.

use std::path::PathBuf;

use gen_params_test_support::npz::NpzArchive;

use gen_params::contract::Contract;
use gen_params::machine::{self, Keep};
use gen_params::network::{Fusion, IntNetwork, Unfused};
use gen_params::ops::{Op, Value};
use gen_params::tensor::Tensor;

use crate::support::{assert_no_failures, fixtures, network};

fn folder() -> PathBuf {
    fixtures().join("onnx_runtime")
}

fn array<T: npyz::Deserialize>(archive: &mut NpzArchive, name: &str) -> (Vec<usize>, Vec<T>) {
    let file = archive.by_name(name).unwrap().unwrap();
    let shape = file.shape().iter().map(|&size| size.try_into().unwrap()).collect();
    (shape, file.into_vec::<T>().unwrap())
}

/// The codes that stand for the network's only output.
fn codes(network: &IntNetwork, input: Value) -> Vec<i32> {
    let trace = machine::run(network, Contract::Onnxruntime, &[input], Keep::Edges).unwrap();
    let output = network.outputs[0];
    let producer = network.nodes.iter().find(|node| node.outputs == [output]).unwrap();
    let edge = if producer.op == Op::Dequantize { producer.inputs[0] } else { output };
    trace.edges[edge.0].as_ref().and_then(Value::codes).unwrap().elements().to_vec()
}

/// The codes that differ from the engine's.
fn differing(model: &str, values: &str) -> (usize, usize) {
    let network = network(&folder().join(format!("{model}.onnx")));
    let mut archive = NpzArchive::open(folder().join(format!("{values}.npz"))).unwrap();
    let (shape, x) = array::<f32>(&mut archive, "x");
    let ours = codes(&network, Value::Floats(Tensor::new(shape, x).unwrap()));
    let signed = archive.by_name("y").unwrap().unwrap().dtype().descr() == "'|i1'";
    let theirs: Vec<i32> = if signed {
        array::<i8>(&mut archive, "y").1.into_iter().map(i32::from).collect()
    } else {
        array::<u8>(&mut archive, "y").1.into_iter().map(i32::from).collect()
    };
    assert_eq!(ours.len(), theirs.len(), "{model}");
    // In its optimized file the engine has made codes unsigned, 128 higher.
    let higher = if signed && model.ends_with("_optimized") { 128 } else { 0 };
    (ours.iter().zip(&theirs).filter(|(a, b)| **a != **b + higher).count(), theirs.len())
}

#[test]
fn every_code_is_onnx_runtimes() {
    let files = [
        ("softmax", "softmax"),
        ("add_s8", "add_s8"),
        ("mul_s8", "mul_s8"),
        ("conv_transpose_u8s8", "conv_transpose_u8s8"),
        ("bias_uint8", "bias_uint8"),
        ("bias_int8_per_channel", "bias_int8_per_channel"),
        ("bias_other_scale", "bias_other_scale"),
        ("bias_zero_point", "bias_zero_point"),
        ("output_type", "output_type"),
        ("average_of_image", "average_of_image"),
        ("residual", "residual"),
        ("residual_optimized", "residual"),
    ];
    let mut failures = Vec::new();
    println!("| file | codes | differing |\n|---|---|---|");
    for (model, values) in files {
        let (differing, codes) = differing(model, values);
        println!("| {model} | {codes} | {differing} |");
        if differing > 0 {
            failures.push(format!("{model}: {differing} of {codes} codes differ"));
        }
    }
    assert_no_failures(&failures, files.len());
}

/// As the optimized graph shows: int8 codes with two readers keep their sign, and convolutions around them stay float.
#[test]
fn what_stays_float_is_known_by_name() {
    let network = network(&folder().join("residual.onnx"));
    let float: Vec<(&str, Unfused)> = network
        .nodes
        .iter()
        .filter_map(|node| match network.fusion(node) {
            Fusion::Floats(why) => Some((node.name.as_str(), why)),
            Fusion::Codes | Fusion::Unsigned => None,
        })
        .collect();
    let signed = |name| (name, Unfused::SignedCodes);
    let expected = ["0", "2.a", "2.Add", "3.a", "3.down", "3.Add", "4.a", "4.Add"].map(signed);
    assert_eq!(float, expected);
    let bias = crate::support::network(&folder().join("bias_uint8.onnx"));
    assert!(
        bias.fusions.values().any(|fusion| *fusion == Fusion::Floats(Unfused::Bias)),
        "{:?}",
        bias.fusions
    );
}

/// A tool that takes zero points from a QuantizeLinear leaves them integers; the codes are those of Brevitas.
#[test]
fn integer_zero_points_of_qonnx_are_numbers() {
    let network = network(&folder().join("qonnx_integer_zero_point.onnx"));
    let mut archive = NpzArchive::open(folder().join("qonnx_integer_zero_point.npz")).unwrap();
    let (shape, x) = array::<f32>(&mut archive, "x");
    let (_, theirs) = array::<f32>(&mut archive, "y0");
    let input = Value::Floats(Tensor::new(shape, x).unwrap());
    let trace = machine::run(&network, Contract::Exact, &[input], Keep::Outputs).unwrap();
    let Value::Floats(ours) = &trace.outputs[0] else { panic!("codes, expected reals") };
    let pairs = ours.elements().iter().zip(&theirs);
    assert_eq!(pairs.filter(|(a, b)| (*a - *b).abs() > 1e-6).count(), 0);
}
