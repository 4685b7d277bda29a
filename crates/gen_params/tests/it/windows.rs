//! Convolutions that pad with the input itself, and weights with zero points by channel, as PyTorch computes them.

use npyz::npz::NpzArchive;

use gen_params::contract::Contract;
use gen_params::ops::{Op, Value};
use gen_params::reference::{self, Keep};
use gen_params::tensor::Tensor;

use crate::support::{fixtures, network};

/// The file, whose arithmetic its codes are of, and how many of them may be one apart: fake quantization computes with
/// weights and biases that are reals.
#[test]
fn the_last_codes_are_those_of_pytorch() {
    let rows = [("padding", Contract::Exact, 4), ("zero_points", Contract::Fbgemm, 0)];
    let mut failures = Vec::new();
    println!("| file | codes | one apart | further |\n|---|---|---|---|");
    for (name, contract, allowed) in rows {
        let folder = fixtures().join("windows");
        let network = network(&folder.join(format!("{name}.pt")));
        let mut archive = NpzArchive::open(folder.join(format!("{name}_golden.npz"))).unwrap();
        let images = archive.by_name("input_f32").unwrap().unwrap();
        let shape = images.shape().iter().map(|&size| size.try_into().unwrap()).collect();
        let images = Value::Floats(Tensor::new(shape, images.into_vec::<f32>().unwrap()).unwrap());
        let expected = archive.by_name("output").unwrap().unwrap().into_vec::<u8>().unwrap();

        let trace = reference::run(&network, contract, &[images], Keep::Edges).unwrap();
        let last = network.nodes.iter().rfind(|node| matches!(node.op, Op::Layer(_))).unwrap();
        let found = trace.edges[last.outputs[0].0].as_ref().and_then(Value::codes).unwrap().elements();
        assert_eq!(found.len(), expected.len(), "{name}");
        let distances = || found.iter().zip(&expected).map(|(&code, &known)| code.abs_diff(i32::from(known)));
        let (near, far) = (distances().filter(|&d| d == 1).count(), distances().filter(|&d| d > 1).count());
        println!("| {name} | {} | {near} | {far} |", found.len());
        if near > allowed || far > 0 {
            failures.push(format!("{name}: {near} codes are one apart, {far} further"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
