//! The scalar reference against the codes that PyTorch's engines computed, tensor by tensor.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use gen_params::contract::Contract;
use gen_params::lower::{self, Engine};
use gen_params::network::IntNetwork;
use gen_params::ops::Value;
use gen_params::reference::{self, Keep, Trace};
use gen_params::tensor::Tensor;
use npyz::npz::NpzArchive;

use crate::support::{fixtures, shared};

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
    unmatched: BTreeMap<String, usize>,
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
        println!("{} files; golden names without an edge: {:?}", self.files, self.unmatched);
    }
}

/// Compares every tensor of a golden file that has an edge of its name.
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
        let node = network.nodes.iter().find(|n| flat(&n.name) == flat(name));
        let Some((op, edge)) = node.and_then(|n| Some((n.op.name(), *n.outputs.first()?))) else {
            *table.unmatched.entry(name.to_owned()).or_default() += 1;
            continue;
        };
        let theirs = array(archive, &format!("{name}/int")).unwrap();
        let ours = trace.edges[edge.0].as_ref().unwrap();
        table.compare(&format!("{place} {name}"), op, contract, ours, &theirs);
    }
    for name in ["output/float", "output_f32"] {
        if let Some(theirs) = array(archive, name) {
            let ours = trace.outputs.first().unwrap();
            table.compare(&format!("{place} {name}"), "output", contract, ours, &theirs);
        }
    }
}

fn folders_of_goldens(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.ends_with("golden.npz") {
                found.push(folder.clone());
            }
        }
    }
    found.sort();
    found
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
        match reference::run(&network, contract, std::slice::from_ref(input), Keep::Edges) {
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
fn every_tensor_of_pytorchs_networks_has_pytorchs_codes() {
    let Some(shared) = shared() else { return };
    let mut table = Table::default();
    for folder in folders_of_goldens(&shared.join("fixtures")) {
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
    for folder in folders_of_goldens(&fixtures().join("layers")) {
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
