//! Operators that LiteRT's kernels round each in a way of its own, against the codes of its reference kernels and of its
//! default interpreter.

use std::collections::BTreeSet;
use std::fs::File;

use gen_params::contract::Contract;
use gen_params::machine::{self, Keep};
use gen_params::ops::Value;
use gen_params::tensor::{Codes, Tensor};
use gen_params_test_support::npz::NpzArchive;

use crate::support::{fixtures, network};

/// Folders of `tests/fixtures/tflite_kernels`.
const FOLDERS: usize = 29;

fn codes(archive: &mut NpzArchive<std::io::BufReader<File>>, name: &str) -> Codes {
    let file = archive.by_name(name).unwrap().unwrap();
    let shape: Vec<usize> = file.shape().iter().map(|&size| size.try_into().unwrap()).collect();
    let elements: Vec<i32> = match file.dtype().descr().as_str() {
        "'|u1'" => file.into_vec::<u8>().unwrap().into_iter().map(i32::from).collect(),
        "'|i1'" => file.into_vec::<i8>().unwrap().into_iter().map(i32::from).collect(),
        "'<i2'" => file.into_vec::<i16>().unwrap().into_iter().map(i32::from).collect(),
        other => panic!("{name} of {other}"),
    };
    Tensor::new(shape, elements).unwrap()
}

/// One image after the other, each with the states that the one before it left: the codes of the only output.
fn run(folder: &std::path::Path, contract: Contract, input: &Codes) -> Vec<i32> {
    let network = network(&folder.join("model.tflite"));
    let batch = network.states.first().map_or(input.shape()[0], |state| state.beginning.shape()[0]);
    let size = input.elements().len() / input.shape()[0] * batch;
    let mut previous = None;
    let mut found = Vec::new();
    for images in input.elements().chunks(size) {
        let mut shape = input.shape().to_vec();
        shape[0] = batch;
        let value = Value::Codes(Tensor::new(shape, images.to_vec()).unwrap());
        let trace = match &previous {
            Some(trace) => machine::run_after(trace, &network, contract, &[value], Keep::Outputs),
            None => machine::run(&network, contract, &[value], Keep::Outputs),
        };
        let trace = trace.unwrap();
        assert!(trace.warnings.is_empty(), "{}: {:?}", folder.display(), trace.warnings);
        found.extend_from_slice(trace.outputs[0].codes().unwrap().elements());
        previous = Some(trace);
    }
    found
}

#[test]
fn codes_are_those_of_litert() {
    let root = fixtures().join("tflite_kernels");
    let mut failures = Vec::new();
    let mut folders = BTreeSet::new();
    for entry in std::fs::read_dir(&root).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() || folder.ends_with("__pycache__") {
            continue;
        }
        let mut archive = NpzArchive::open(folder.join("codes.npz")).unwrap();
        let input = codes(&mut archive, "input");
        for contract in [Contract::Litert, Contract::LitertXnnpack] {
            let expected = codes(&mut archive, contract.name());
            let found = run(&folder, contract, &input);
            let wrong = found.iter().zip(expected.elements()).filter(|(a, b)| a != b).count();
            if wrong > 0 || found.len() != expected.elements().len() {
                let all = found.len();
                failures.push(format!("{} {}: {wrong} of {all}", folder.display(), contract.name()));
            }
        }
        folders.insert(folder);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(folders.len(), FOLDERS);
}
