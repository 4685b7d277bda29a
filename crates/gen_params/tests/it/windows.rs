//! Convolutions that pad with the input itself, and weights with zero points by channel, as PyTorch computes them.

use gen_params::contract::Contract;
use gen_params::machine::{self, Keep};
use gen_params::ops::{Op, Value};
use gen_params::tensor::Tensor;
use gen_params_test_support::npz::NpzArchive;

use crate::support::{fixtures, network};

/// Each file, and whose arithmetic its codes are of.
#[test]
fn the_last_codes_are_those_of_pytorch() {
    let rows = [("padding", Contract::Exact), ("zero_points", Contract::Fbgemm)];
    let mut failures = Vec::new();
    println!("| file | codes | mismatches |\n|---|---|---|");
    for (name, contract) in rows {
        let folder = fixtures().join("windows");
        let network = network(&folder.join(format!("{name}.pt")));
        let mut archive = NpzArchive::open(folder.join(format!("{name}_golden.npz"))).unwrap();
        let images = archive.by_name("input_f32").unwrap().unwrap();
        let shape = images.shape().iter().map(|&size| size.try_into().unwrap()).collect();
        let images = Value::Floats(Tensor::new(shape, images.into_vec::<f32>().unwrap()).unwrap());
        let expected = archive.by_name("output").unwrap().unwrap().into_vec::<u8>().unwrap();

        let trace = machine::run(&network, contract, &[images], Keep::Edges).unwrap();
        let last = network.nodes.iter().rfind(|node| matches!(node.op, Op::Layer(_))).unwrap();
        let found = trace.edges[last.outputs[0].0].as_ref().and_then(Value::codes).unwrap().elements();
        assert_eq!(found.len(), expected.len(), "{name}");
        let pairs = found.iter().zip(&expected);
        let mismatches = pairs.filter(|&(&code, &known)| code != i32::from(known)).count();
        println!("| {name} | {} | {mismatches} |", found.len());
        if mismatches > 0 {
            failures.push(format!("{name}: {mismatches} codes differ"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
