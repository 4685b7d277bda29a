//! Networks of PyTorch, all operators in them, by the fast engine and by the scalar reference.

use std::fs;
use std::path::{Path, PathBuf};

use gen_params_core::contract::Contract;
use gen_params_core::ops::Value;
use gen_params_core::tensor::Tensor;
use gen_params_lower as lower;
use gen_params_test_support::{needs, samples, shared};

use crate::support::{differences, target_differences, targets};

/// Folders below a folder that hold an input.
fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        if folder.join("input_f32.npy").exists() {
            found.push(folder.clone());
        }
        open.extend(fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()));
    }
    found.sort();
    found
}

/// The first images of a folder's input: an odd number, so that batches end within a vector.
fn input(folder: &Path) -> Value {
    let bytes = fs::read(folder.join("input_f32.npy")).unwrap();
    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
    let mut shape: Vec<usize> = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
    let image: usize = shape[1..].iter().product();
    shape[0] = shape[0].min(3);
    let mut reals: Vec<f32> = file.into_vec().unwrap();
    reals.truncate(shape[0] * image);
    Value::Floats(Tensor::new(shape, reals).unwrap())
}

#[test]
fn every_edge_and_accumulator_of_the_samples_as_the_reference() {
    as_the_reference(&samples().join("torch2.9"));
}

#[needs(shared)]
fn every_edge_and_accumulator_as_the_reference() {
    as_the_reference(&shared().join("fixtures/torch2.9"));
}

fn as_the_reference(root: &Path) {
    let mut failures = Vec::new();
    let (mut compared, mut on_targets) = (0, 0);
    for folder in folders(root) {
        let scripts = ["converted_script.pt", "script.pt"].map(|name| folder.join(name));
        let Some(path) = scripts.into_iter().find(|path| path.exists()) else { continue };
        let Ok(source) = gen_params_formats::read(fs::read(&path).unwrap().into()) else { continue };
        let Ok(network) = lower::lower(&source, &lower::Options::default()) else { continue };
        let input = input(&folder);
        for target in targets() {
            if let Some(differences) = target_differences(&network, target, &input) {
                on_targets += 1;
                failures.extend(differences.iter().map(|text| format!("{}: {text}", path.display())));
            }
        }
        for contract in Contract::ALL {
            if let Some(differences) = differences(&network, contract, &input) {
                compared += 1;
                failures.extend(differences.iter().map(|text| format!("{}: {text}", path.display())));
            }
        }
    }
    println!("{compared} pairs of network and contract compared, {on_targets} of network and target");
    assert!(compared > 0 && on_targets > 0);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
