//! Where PyTorch's codes depend on more than the numbers: the order of memory, runs of the vectorised loop, the kernel.

use gen_params_test_support::npz::NpzArchive;

use gen_params::contract::Contract;
use gen_params::machine::{self, Keep};
use gen_params::ops::Value;
use gen_params::runtime::Engine;
use gen_params::tensor::Tensor;

use crate::support::{assert_no_failures, fixtures, network};

/// The answers of a file under each engine that the archive has for it; and where the fast engine takes the network, its
/// answers are the same.
#[test]
fn outputs_are_those_of_pytorch() {
    let path = fixtures().join("engines/answers.npz");
    let mut archive = NpzArchive::open(&path).unwrap();
    let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
    let mut array = |name: &str| {
        let array = archive.by_name(name).unwrap().unwrap();
        let shape = array.shape().iter().map(|&size| size.try_into().unwrap()).collect();
        Tensor::new(shape, array.into_vec::<f32>().unwrap()).unwrap()
    };
    let mut failures = Vec::new();
    let (mut checked, mut fast) = (0, 0);
    for name in &names {
        let (file, engine) = name.split_once('/').unwrap();
        let Some(contract) = Contract::from_name(engine) else { continue };
        let network = network(&path.with_file_name(format!("{file}.pt")));
        let input = Value::Floats(array(&format!("{file}/input")));
        let expected = array(name);
        let trace = machine::run(&network, contract, std::slice::from_ref(&input), Keep::Outputs).unwrap();
        let Some(Value::Floats(found)) = trace.outputs.first() else { panic!("{name}: gives codes") };
        assert_eq!(found.shape(), expected.shape(), "{name}");
        let pairs = found.elements().iter().zip(expected.elements());
        let different = pairs.filter(|(found, expected)| found != expected).count();
        if different > 0 {
            failures.push(format!("{name}: {different} of {} differ", expected.elements().len()));
        }
        checked += 1;
        let Ok(engine) = Engine::new(&network, contract, &[input.shape()[1..].to_vec()]) else { continue };
        fast += 1;
        if engine.run(&[input]).unwrap() != trace.outputs {
            failures.push(format!("{name}: the fast engine differs from the reference"));
        }
    }
    assert!(fast > checked / 2, "{fast} of {checked} are fast");
    assert_no_failures(&failures, checked);
}

/// What PyTorch does wrong: the right codes are given, and the operator is named under the engines that do it.
#[test]
fn an_engines_defect_is_warned_of() {
    use Contract::{Fbgemm, Onednn, Qnnpack, X86};
    let folder = fixtures().join("engines");
    let mut archive = NpzArchive::open(folder.join("answers.npz")).unwrap();
    let mut array = |name: &str| {
        let array = archive.by_name(name).unwrap().unwrap();
        let shape = array.shape().iter().map(|&size| size.try_into().unwrap()).collect();
        Tensor::new(shape, array.into_vec::<f32>().unwrap()).unwrap()
    };
    let rows: [(&str, &str, &str, &[Contract]); 3] = [
        ("transposed_defect", "transposed_defect/fbgemm", "t: PyTorch's oneDNN ", &[X86, Onednn]),
        ("transposed_holes", "transposed_holes/right", "step: PyTorch's oneDNN ", &[X86, Onednn]),
        ("pool_of_columns", "pool_of_columns/right", "avg_pool2d: PyTorch ", &[Fbgemm, X86, Onednn, Qnnpack]),
    ];
    for (file, right, warning, defective) in rows {
        let network = network(&folder.join(format!("{file}.pt")));
        let input = Value::Floats(array(&format!("{file}/input")));
        let expected = array(right);
        for contract in [Fbgemm, X86, Onednn, Qnnpack] {
            let trace =
                machine::run(&network, contract, std::slice::from_ref(&input), Keep::Outputs).unwrap();
            let warned = trace.warnings.iter().any(|text| text.starts_with(warning));
            let name = format!("{file} {}: {:?}", contract.name(), trace.warnings);
            assert_eq!(warned, defective.contains(&contract), "{name}");
            let Some(Value::Floats(found)) = trace.outputs.first() else { panic!("{name}: gives codes") };
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
            // Engines round biases each in its own way; only the right one's codes are known.
            let is_known = contract != Qnnpack && (file == "pool_of_columns" || contract == Fbgemm);
            assert!(!is_known || found.elements().iter().zip(expected.elements()).all(near), "{name}");
        }
    }
}
