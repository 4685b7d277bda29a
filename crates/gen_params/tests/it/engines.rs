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

/// oneDNN reads these weights in the wrong order: the right codes are given, and the layer is named.
#[test]
fn an_engines_defect_is_warned_of() {
    let folder = fixtures().join("engines");
    let network = network(&folder.join("transposed_defect.pt"));
    let mut archive = NpzArchive::open(folder.join("answers.npz")).unwrap();
    let mut array = |name: &str| {
        let array = archive.by_name(name).unwrap().unwrap();
        let shape = array.shape().iter().map(|&size| size.try_into().unwrap()).collect();
        Value::Floats(Tensor::new(shape, array.into_vec::<f32>().unwrap()).unwrap())
    };
    let input = array("transposed_defect/input");
    for (contract, warnings) in [(Contract::X86, 1), (Contract::Onednn, 1), (Contract::Fbgemm, 0)] {
        let trace = machine::run(&network, contract, std::slice::from_ref(&input), Keep::Outputs).unwrap();
        assert_eq!(trace.warnings.len(), warnings, "{}: {:?}", contract.name(), trace.warnings);
        assert!(trace.warnings.iter().all(|text| text.starts_with("t: ") && text.contains("oneDNN")));
    }
    let trace = machine::run(&network, Contract::Fbgemm, &[input], Keep::Outputs).unwrap();
    let (Some(Value::Floats(found)), Value::Floats(expected)) =
        (trace.outputs.first(), array("transposed_defect/fbgemm"))
    else {
        panic!("codes where floats are expected")
    };
    assert_eq!(found.elements(), expected.elements());
}
