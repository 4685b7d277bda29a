//! The scalar reference against the codes that PyTorch's engines computed, tensor by tensor.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use gen_params::contract::Contract;
use gen_params::lower::{self, Engine};
use gen_params::machine::{self, Keep, Trace};
use gen_params::network::IntNetwork;
use gen_params::ops::Value;
use gen_params::parameters::{Activation, CodeType};
use gen_params::tensor::Tensor;
use gen_params_test_support::npz::NpzArchive;
use gen_params_test_support::{fixtures, needs, samples, shared};

use crate::support::golden_folders;

/// An array of a golden file, as integers or as floats.
fn array(archive: &mut NpzArchive<BufReader<File>>, name: &str) -> Option<Value> {
    let file = archive.by_name(name).unwrap()?;
    let shape: Vec<usize> = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
    if file.dtype().descr() == "'<f4'" {
        let floats = file.into_vec::<f32>().unwrap();
        return Some(Value::Floats(Tensor::new(shape, floats).unwrap()));
    }
    let codes = match file.dtype().descr().as_str() {
        "'|u1'" => file.into_vec::<u8>().unwrap().into_iter().map(i32::from).collect(),
        "'|i1'" => file.into_vec::<i8>().unwrap().into_iter().map(i32::from).collect(),
        other => panic!("{name} has dtype {other}"),
    };
    Some(Value::Codes(Tensor::new(shape, codes).unwrap()))
}

fn load(path: &Path) -> Result<IntNetwork, String> {
    let bytes = gen_params::map_file(path).map_err(|e| e.to_string())?;
    let source = gen_params::read(bytes).map_err(|e| e.to_string())?;
    lower::lower(&source, &lower::Options::default()).map_err(|e| e.to_string())
}

/// Codes compared and codes that differ, by operation and engine.
#[derive(Default)]
struct Table {
    rows: BTreeMap<(String, &'static str), (usize, usize)>,
    failures: Vec<String>,
    files: usize,
}

impl Table {
    fn compare(&mut self, place: &str, op: &str, contract: Contract, ours: &Value, theirs: &Value) {
        let differing = match (ours, theirs) {
            (Value::Codes(a), Value::Codes(b)) if a.shape() == b.shape() => {
                a.elements().iter().zip(b.elements()).filter(|(a, b)| a != b).count()
            }
            (Value::Floats(a), Value::Floats(b)) if a.shape() == b.shape() => {
                a.elements().iter().zip(b.elements()).filter(|(a, b)| a != b).count()
            }
            _ => {
                self.failures.push(format!("{place}: {:?}, expected {:?}", ours.shape(), theirs.shape()));
                return;
            }
        };
        let count: usize = theirs.shape().iter().product();
        let row = self.rows.entry((op.to_owned(), contract.name())).or_default();
        row.0 += count;
        row.1 += differing;
        if differing > 0 {
            self.failures.push(format!("{place} ({op}): {differing} of {count} differ"));
        }
    }

    fn print(&self) {
        println!("| op | engine | codes | mismatches |\n|---|---|---|---|");
        for ((op, engine), (count, differing)) in &self.rows {
            println!("| {op} | {engine} | {count} | {differing} |");
        }
        println!("{} files", self.files);
    }
}

fn same(ours: &Value, theirs: &Value) -> bool {
    ours.shape() == theirs.shape()
        && ours.codes().map(Tensor::elements) == theirs.codes().map(Tensor::elements)
}

/// Compares every tensor of a golden file.
fn compare_trace(
    table: &mut Table,
    place: &str,
    network: &IntNetwork,
    trace: &Trace,
    contract: Contract,
    archive: &mut NpzArchive<BufReader<File>>,
) {
    let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
    for name in names.iter().filter_map(|n| n.strip_suffix("/int")) {
        let flat = |s: &str| s.replace('.', "_");
        let theirs = array(archive, &format!("{name}/int")).unwrap();
        let place = format!("{place} {name}");
        let node = network.nodes.iter().find(|n| flat(&n.name) == flat(name));
        if let Some((op, edge)) = node.and_then(|n| Some((n.op.name(), *n.outputs.first()?))) {
            let ours = trace.edges[edge.0].as_ref().unwrap();
            table.compare(&place, op, contract, ours, &theirs);
        } else if let Some(ours) = trace.edges.iter().flatten().find(|ours| same(ours, &theirs)) {
            // A module that was fused away and hands its input on, or one that a trace has renamed.
            table.compare(&place, "(found by its codes)", contract, ours, &theirs);
        } else {
            table.failures.push(format!("{place}: no edge has this name or these codes"));
        }
    }
    for name in ["output/float", "output_f32"] {
        if let Some(theirs) = array(archive, name) {
            let ours = trace.outputs.first().unwrap();
            table.compare(&format!("{place} {name}"), "output", contract, ours, &theirs);
        }
    }
}

const FORMS: [&str; 7] = [
    "converted_script.pt",
    "converted_trace.pt",
    "converted_module.pt",
    "frozen_script.pt",
    "frozen_trace.pt",
    "script.pt",
    "trace.pt",
];

/// Runs every form of a folder on its input.
fn check_folder(table: &mut Table, folder: &Path, contract: Contract, input: &Value) {
    for form in FORMS {
        let path = folder.join(form);
        if !path.exists() {
            continue;
        }
        let place = format!("{}/{form}", folder.display());
        let network = match load(&path) {
            Ok(network) => network,
            Err(error) => {
                // Modules outside an FX graph hold no topology.
                if form != "converted_module.pt" {
                    table.failures.push(format!("{place}: {error}"));
                }
                continue;
            }
        };
        table.files += 1;
        match machine::run(&network, contract, std::slice::from_ref(input), Keep::Edges) {
            // Registered in another order than executed: what the keys suggest is called a guess, and is wrong here.
            Ok(_) if place.contains("misordered") && network.wiring.name() == "key-order" => {}
            Ok(trace) => {
                let mut archive = NpzArchive::open(folder.join("golden.npz")).unwrap();
                compare_trace(table, &place, &network, &trace, contract, &mut archive);
            }
            Err(error) if form == "converted_module.pt" && network.wiring.name() == "key-order" => {
                println!("{place}: {error}");
            }
            Err(error) => table.failures.push(format!("{place}: {error}")),
        }
    }
}

#[test]
fn every_tensor_of_the_samples_has_pytorchs_codes() {
    pytorchs_codes(&samples());
}

#[needs(shared)]
fn every_tensor_of_pytorchs_networks_has_pytorchs_codes() {
    pytorchs_codes(&shared().join("fixtures"));
}

fn pytorchs_codes(root: &Path) {
    let mut table = Table::default();
    for folder in golden_folders(root) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(contract) = name.rsplit_once('_').and_then(|(_, engine)| Contract::from_name(engine)) else {
            continue;
        };
        let Ok(bytes) = fs::read(folder.join("input_f32.npy")) else { continue };
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        let shape = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
        let input = Value::Floats(Tensor::new(shape, file.into_vec::<f32>().unwrap()).unwrap());
        check_folder(&mut table, &folder, contract, &input);
    }
    table.print();
    assert!(table.files > 0);
    assert!(table.failures.is_empty(), "{} failures:\n{}", table.failures.len(), table.failures.join("\n"));
}

#[test]
fn every_tensor_of_the_small_networks_has_pytorchs_codes() {
    let mut table = Table::default();
    for folder in golden_folders(&fixtures().join("layers")) {
        let facts = fs::read_to_string(folder.join("facts.json")).unwrap();
        let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
        let engine = Engine::ALL.into_iter().find(|e| Some(e.name()) == facts["engine"].as_str()).unwrap();
        let contract = Contract::from_name(engine.name()).unwrap();
        let mut archive = NpzArchive::open(folder.join("golden.npz")).unwrap();
        let input = array(&mut archive, "input_f32").unwrap();
        check_folder(&mut table, &folder, contract, &input);
    }
    table.print();
    assert!(table.files > 0);
    assert!(table.failures.is_empty(), "{} failures:\n{}", table.failures.len(), table.failures.join("\n"));
}

/// The Fashion-MNIST test images as the networks saw them, (count, 1, 28, 28).
fn fashion_images(shared: &Path, count: usize) -> Tensor<f32> {
    let packed = File::open(shared.join("data/fashion-mnist/t10k-images-idx3-ubyte.gz")).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let pixels = bytes[16..].iter().take(count * 28 * 28);
    let images = pixels.map(|&p| (f32::from(p) / 255.0 - 0.2860) / 0.3530).collect();
    Tensor::new(vec![count, 1, 28, 28], images).unwrap()
}

#[needs(shared)]
fn fashion_mnist_networks_answer_as_pytorch_did() {
    let shared = shared();
    let folder = shared.join("models/fashion_mnist");
    let mut table = Table::default();
    for (name, count) in [("lenet", 200), ("resnet8", 20)] {
        let images = Value::Floats(fashion_images(&shared, count));
        let mut archive = NpzArchive::open(folder.join(format!("{name}_test_logits.npz"))).unwrap();
        let Some(Value::Codes(all)) = array(&mut archive, "codes") else { panic!("{name} has no codes") };
        let expected = Tensor::new(vec![count, 10], all.elements()[..count * 10].to_vec()).unwrap();
        for form in ["script", "trace"] {
            let network = load(&folder.join(format!("{name}_{form}.pt"))).unwrap();
            let trace =
                machine::run(&network, Contract::X86, std::slice::from_ref(&images), Keep::Edges).unwrap();
            let dequantized = network.nodes.iter().find(|n| n.outputs == network.outputs).unwrap();
            let ours = trace.edges[dequantized.inputs[0].0].as_ref().unwrap();
            table.files += 1;
            let theirs = Value::Codes(expected.clone());
            table.compare(&format!("{name} {form}"), "logits", Contract::X86, ours, &theirs);
        }
    }
    table.print();
    assert!(table.failures.is_empty(), "{}", table.failures.join("\n"));
}

/// PyTorch's own serialization tests of 2019 to 2021: a layer, one batch and what it gave, saved as lone tensors.
#[needs(shared)]
fn pytorchs_serialization_tests_give_what_they_expect() {
    let folder =
        shared().join("models/third_party/deb__pytorch-2.6.0/test/quantization/serialized/TestSerialization");
    // The bytes of a file's only storage are its last ones.
    let storage = |path: &str, size: usize| {
        let bytes = fs::read(path).unwrap();
        bytes[bytes.len() - size..].to_vec()
    };
    let mut table = Table::default();
    for (test, shape) in [
        ("test_linear", vec![1, 3]),
        ("test_linear_relu", vec![1, 3]),
        ("test_conv2d", vec![1, 3, 6, 6]),
        ("test_conv2d_relu", vec![1, 3, 6, 6]),
        ("test_conv3d", vec![1, 3, 6, 6, 6]),
        ("test_conv3d_relu", vec![1, 3, 6, 6, 6]),
    ] {
        let file = |suffix: &str| format!("{}.{test}.{suffix}.pt", folder.display());
        let bytes = storage(&file("input"), shape.iter().product());
        let codes = Tensor::new(shape, bytes.into_iter().map(i32::from).collect()).unwrap();
        for form in ["scripted", "traced"] {
            let mut network = load(Path::new(&file(form))).unwrap();
            // The input arrives quantized, with these numbers in the files of all six.
            let activation = Activation { scale: 0.5, zero_point: 2, code_type: CodeType::U8 };
            let input = network.inputs[0];
            network.edges[input.0].activation = Some(activation);
            for edge in &mut network.edges {
                if let Some(activation) = &mut edge.activation {
                    activation.code_type = CodeType::U8;
                }
            }
            table.files += 1;
            let input = Value::Codes(codes.clone());
            match machine::run(&network, Contract::Fbgemm, &[input], Keep::Outputs) {
                Ok(trace) => {
                    let ours = trace.outputs[0].codes().unwrap();
                    let memory = storage(&file("expected"), ours.elements().len());
                    // Written in the order of PyTorch's memory.
                    let theirs = (0..memory.len()).map(|i| i32::from(memory[ours.memory_index(i)])).collect();
                    let theirs = Value::Codes(Tensor::new(ours.shape().to_vec(), theirs).unwrap());
                    table.compare(
                        &format!("{test} {form}"),
                        test,
                        Contract::Fbgemm,
                        &trace.outputs[0],
                        &theirs,
                    );
                }
                Err(error) => table.failures.push(format!("{test} {form}: {error}")),
            }
        }
    }
    table.print();
    assert!(table.failures.is_empty(), "{}", table.failures.join("\n"));
}
