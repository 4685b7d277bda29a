//! Certificates of the fixtures pass their own check, and forgeries of them are refused: by the checker here and by
//! `tools/check_certificate.py`, which shares no line with it, for the same kind of reason.

mod forgeries;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gen_params::certify::{
    self, CertificateFile, CertifiedChannel, CertifiedLayer, FileSubject, certify_operators, layer_channels,
};
use gen_params::contract::Contract;
use gen_params::derive::{self, Options};
use gen_params::emit;
use gen_params::hardware::{Rounding, Target};
use gen_params::lower;
use gen_params::machine::{Arithmetic, Machine};
use gen_params::network::IntNetwork;
use gen_params::ops::Op;
use gen_params::parameters::{MultiplierForm, Parameters};
use serde_json::Value;

use crate::support::{assert_no_failures, files, fixtures};

/// Everything that a certificate is made of.
struct Subject {
    network: IntNetwork,
    parameters: Parameters,
}

impl Subject {
    /// None of a file that cannot be lowered or derived without options.
    fn open(path: &Path, bits: u32) -> Option<Self> {
        let source = gen_params::read(gen_params::map_file(path).ok()?).ok()?;
        let network = lower::lower(&source, &lower::Options::default()).ok()?;
        let options = Options { form: MultiplierForm::Bits(bits), ..Options::default() };
        let parameters = derive::derive(&network, &options).ok()?;
        Some(Self { network, parameters })
    }

    /// The certificate; why nothing can be proven else.
    fn certify(
        &self,
        contract: Contract,
        target: Target,
        input: Option<&[usize]>,
    ) -> Result<CertificateFile, String> {
        let Self { network, parameters } = self;
        let shapes = input.map(|input| {
            let machine = Machine::new(network, parameters, Arithmetic::Target(target)).unwrap();
            machine.shapes(&[input.to_vec()]).unwrap()
        });
        let mut layers = Vec::new();
        for node in &network.nodes {
            let Op::Layer(layer) = &node.op else { continue };
            let numbers = parameters.layers.iter().find(|known| known.name == node.name);
            let numbers = numbers.ok_or("a layer without parameters")?;
            if layer.saturates_pairs(contract) && numbers.input_range.is_none_or(|range| range.max > 127) {
                return Err("a depthwise kernel that saturates".to_owned());
            }
            let channels = layer_channels(contract, layer, numbers, target).map_err(|e| e.to_string())?;
            let channels = channels.into_iter().map(|c| CertifiedChannel::new(c, target.product_bits));
            let channels = channels.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
            layers.push(CertifiedLayer { name: node.name.clone(), channels });
        }
        let operators = certify_operators(network, parameters, contract, target, shapes.as_deref());
        let digest = emit::digest(parameters).map_err(|error| error.to_string())?;
        let subject = FileSubject {
            network,
            parameters,
            parameters_sha256: &digest,
            contract,
            target,
            shapes: shapes.as_deref(),
            version: "0",
        };
        CertificateFile::new(&subject, &layers, &operators)
    }
}

/// `confirmed`, or the kind of the first fault.
fn verdict(text: &[u8]) -> String {
    match certify::check(text) {
        Ok(_) => "confirmed".to_owned(),
        Err(faults) => faults.first().map_or("no fault", |fault| fault.kind.name()).to_owned(),
    }
}

/// The verdicts of the other checker, file by file; `None` without Python.
fn other_verdicts(paths: &[PathBuf]) -> Option<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/check_certificate.py");
    let check = |paths: &[PathBuf]| {
        let output = Command::new("python3").arg(&script).args(paths).output();
        let output = output.inspect_err(|error| println!("not checked by Python: {error}")).ok()?;
        let text = String::from_utf8(output.stdout).unwrap();
        let verdicts: Vec<String> = text.lines().map(verdict_of_line).collect();
        assert_eq!(verdicts.len(), paths.len(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        Some(verdicts)
    };
    // Python has one processor.
    let (first, second) = paths.split_at(paths.len() / 2);
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| if first.is_empty() { Some(Vec::new()) } else { check(first) });
        let second = check(second);
        (other.join().unwrap(), second)
    });
    Some([first?, second?].concat())
}

/// The verdict of a line `FILE: refused: KIND: ...` or `FILE: confirmed: ...`.
fn verdict_of_line(line: &str) -> String {
    let mut words = line.split(": ").skip(1);
    match words.next() {
        Some("refused") => words.next().unwrap_or("no kind").to_owned(),
        found => found.unwrap_or("no verdict").to_owned(),
    }
}

/// Every network of the fixtures, each against another contract with another rounding, and some with fractional biases.
#[test]
fn certificates_of_the_fixtures_pass_both_checks() {
    let folder = tempfile::tempdir().unwrap();
    let (mut paths, mut failures, mut names, mut refusals) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut certificates = 0;
    let models = files(&fixtures(), &[".pt", ".pth", ".pt2", ".onnx", ".tflite"]);
    for (index, path) in models.iter().enumerate() {
        let Some(subject) = Subject::open(path, [8, 16, 31][index % 3]) else { continue };
        let contract = Contract::ALL[index % Contract::ALL.len()];
        let target = Target {
            rounding: Rounding::ALL[index % Rounding::ALL.len()],
            bias_fraction_bits: [0, 0, 8][index % 3],
            ..Target::default()
        };
        let name = format!("{} against {}", path.display(), contract.name());
        let certificate = match subject.certify(contract, target, None) {
            Ok(certificate) => certificate,
            Err(why) => {
                refusals.push(format!("{name}: {why}"));
                continue;
            }
        };
        let text = serde_json::to_vec(&certificate).unwrap();
        if let Err(faults) = certify::check(&text) {
            failures.push(format!("{name}: {}", faults[0]));
        }
        certificates += 1;
        // Of the files of one network, one.
        if path.starts_with(fixtures().join("layers")) && !path.ends_with("script.pt") {
            continue;
        }
        let written = folder.path().join(format!("{index}.json"));
        fs::write(&written, text).unwrap();
        paths.push(written);
        names.push(name);
    }
    println!("{certificates} certificates; of {} networks nothing can be proven", refusals.len());
    println!("{}", refusals.join("\n"));
    for (name, found) in names.iter().zip(other_verdicts(&paths).unwrap_or_default()) {
        if found != "confirmed" {
            failures.push(format!("{name}: Python says {found}"));
        }
    }
    assert!(certificates >= 60, "only {certificates}");
    assert_no_failures(&failures, certificates);
}

/// A file, the contract, and the sizes of its input where windows depend on them.
type Forged = (&'static str, Contract, Option<&'static [usize]>);

/// Networks with convolutions, transposed ones, linear layers, sums, products, means, tables and batch norms.
const FORGED: [Forged; 7] = [
    ("one_network/script.pt", Contract::X86, None),
    ("one_network/qoperator.onnx", Contract::Onnxruntime, None),
    ("one_network/model.tflite", Contract::Litert, None),
    ("layers/transposed2d_qnnpack/script.pt", Contract::Qnnpack, None),
    ("layers/activations_fbgemm/script.pt", Contract::Fbgemm, None),
    ("onnx_fused/u8.onnx", Contract::Onnxruntime, None),
    ("operators/squeeze.pt", Contract::Exact, Some(&[1, 4, 7, 5])),
];

/// Certificates that each forgery is made of, at most.
const NETWORKS: usize = 2;

#[test]
fn forgeries_are_refused_by_both_checkers_for_the_same_reason() {
    let folder = tempfile::tempdir().unwrap();
    let all = forgeries::all();
    let (mut paths, mut rows, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let good = FORGED.map(|(model, contract, input)| {
        let subject = Subject::open(&fixtures().join(model), 8).unwrap();
        let good = subject.certify(contract, Target::default(), input).unwrap();
        assert_eq!(verdict(&serde_json::to_vec(&good).unwrap()), "confirmed", "{model}");
        (model, serde_json::to_value(&good).unwrap())
    });
    for (index, forgery) in all.iter().enumerate() {
        let networks = good.iter().cycle().skip(index).take(good.len());
        let forged = networks.filter_map(|(model, good)| Some((model, forgery.apply(good)?)));
        let before = rows.len();
        for (model, text) in forged.take(NETWORKS) {
            let path = folder.path().join(format!("{}.json", paths.len()));
            fs::write(&path, &text).unwrap();
            paths.push(path);
            rows.push((format!("{model}: {}", forgery.name), forgery.expected, verdict(&text)));
        }
        if rows.len() == before {
            failures.push(format!("{}: applies to no certificate", forgery.name));
        }
    }
    let others = other_verdicts(&paths);
    for (index, (name, expected, found)) in rows.iter().enumerate() {
        let other = others.as_ref().map_or(found, |others| &others[index]);
        if found == "confirmed" || found != other || expected.is_some_and(|expected| expected != found) {
            failures.push(format!("{name}: {found}, by Python {other}, expected {expected:?}"));
        }
    }
    println!("{} forgeries, {} files", all.len(), paths.len());
    assert!(all.len() >= 60, "only {} forgeries", all.len());
    assert_no_failures(&failures, rows.len());
}

/// Whoever changes a certificate can sign it again: a smaller claim is still a true one.
#[test]
fn what_is_true_is_confirmed_however_it_is_laid_out() {
    let subject = Subject::open(&fixtures().join("one_network/script.pt"), 8).unwrap();
    let good = subject.certify(Contract::X86, Target::default(), None).unwrap();
    let value = serde_json::to_value(&good).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pretty.json");
    let text = serde_json::to_vec_pretty(&sorted(&value)).unwrap();
    fs::write(&path, &text).unwrap();
    assert_eq!(verdict(&text), "confirmed");
    if let Some(found) = other_verdicts(&[path]) {
        assert_eq!(found, ["confirmed"]);
    }
}

/// The same with the keys of every object in reverse order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| b.0.cmp(&a.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
