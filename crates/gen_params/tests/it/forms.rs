//! Every PyTorch file at hand: derived completely, or refused with its reason; and all forms of one network agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gen_params::derive::{self, Options};
use gen_params::lower::graph_file::GraphFile;
use gen_params::lower::{self, Engine};
use gen_params::ops::{Bias, Op};
use gen_params::parameters::{LayerParameters, Parameters, Weight};
use gen_params_test_support::{needs, samples, shared};

use crate::support::{assert_no_failures, torch_files};

/// The engine that a fixture was made for, from the name of its folder.
fn engine_of(path: &Path) -> Option<Engine> {
    let name = path.parent()?.file_name()?.to_str()?;
    // The README of fashion_mnist names its engine.
    let engine = if name == "fashion_mnist" { "x86" } else { name.rsplit('_').next()? };
    Engine::ALL.into_iter().find(|e| e.name() == engine)
}

fn derive_file(path: &Path, graph: Option<GraphFile>) -> Result<Parameters, String> {
    let bytes = gen_params::map_file(path).map_err(|e| e.to_string())?;
    let source = gen_params::read(bytes).map_err(|e| e.to_string())?;
    let engine = if source.modules.keys().any(|p| p.contains("activation_post_process")) {
        engine_of(path)
    } else {
        None
    };
    let options = lower::Options { engine, graph, batch_norm_epsilon: None };
    let network = lower::lower(&source, &options).map_err(|e| e.to_string())?;
    let parameters = derive::derive(&network, &Options::default()).map_err(|e| e.to_string())?;
    match derive::incomplete(&parameters).first() {
        None => Ok(parameters),
        Some(reason) => Err(format!("{}: {}", reason.place, reason.text)),
    }
}

fn graph_of(path: &Path) -> Option<GraphFile> {
    let source = gen_params::read(gen_params::map_file(path).ok()?).ok()?;
    let graph = lower::draft(&source, &lower::Options::default()).ok()?;
    // Through the text, as a user would.
    Some(GraphFile::parse(&graph.to_toml().unwrap()).unwrap())
}

type NamedLayer = (String, Weight, Option<Bias>);

/// Name, weight and bias of each layer, without any wiring.
fn layers_of(path: &Path) -> Result<Vec<NamedLayer>, String> {
    let bytes = gen_params::map_file(path).map_err(|e| e.to_string())?;
    let source = gen_params::read(bytes).map_err(|e| e.to_string())?;
    let options = lower::Options { engine: engine_of(path), ..lower::Options::default() };
    let network = lower::layers(&source, &options).map_err(|e| e.to_string())?;
    let layers = network.nodes.into_iter().filter_map(|node| match node.op {
        Op::Layer(layer) => Some((node.name, layer.weight, layer.bias)),
        _ => None,
    });
    Ok(layers.collect())
}

/// Files that hold no integers of ours: what their paths contain, and what one of their refusals says.
const REFUSED: [(&[&str], &[&str]); 13] = [
    (
        &["/pt2e_", "/converted_state_dict.pt"],
        &["belongs to a PT2E state_dict, which has weights but no activation scale"],
    ),
    (
        &["/pt2e_", "/prepared_state_dict.pt"],
        &["HistogramObserver", "has observers but no fake-quantized weights"],
    ),
    (
        &["/pt2e_", "/converted.pt2"],
        &["is float: nothing quantizes", "the scale and zero point of its output are not in the file"],
    ),
    (&["reference_state_dict.pt"], &["reference-quantized"]),
    (&["reference_module.pt"], &["reference-quantized"]),
    (&["negative/float_state_dict.pt"], &["float checkpoint"]),
    (&["negative/dynamic_state_dict.pt"], &["dynamic quantization"]),
    (&["negative/torchao_int8wo_state_dict.pt"], &["torchao"]),
    (&["brevitas/"], &["Brevitas"]),
    (&["fx_prepared_module"], &["HistogramObserver"]),
    (&["_ptq/"], &["HistogramObserver"]),
    (&["third_party", "TestSerialization"], &["without the tensors of a network", "torch.package"]),
    (
        &["third_party"],
        &[
            "the scale and zero point of its input are not in the file",
            "is dynamic quantization",
            "`torch.quantized_lstm` is not supported",
            "the observers never saw data",
            "only int8 is supported",
            "holds no convolution and no linear layer",
            "whether its activations are 0..=127 or 0..=255 is not stored in it",
        ],
    ),
];

/// Whether a refusal is one that its file is known for. A topology that a file does not hold is no surprise in any.
fn is_known(name: &str, reason: &str) -> bool {
    reason.contains("the order of its keys")
        || REFUSED.iter().any(|(parts, words)| {
            parts.iter().all(|part| name.contains(part)) && words.iter().any(|word| reason.contains(word))
        })
}

fn derived_or_refused(root: &Path, folders: &[&str]) {
    let mut failures = Vec::new();
    let mut rows: BTreeMap<String, (usize, usize, BTreeMap<String, usize>)> = BTreeMap::new();
    let mut checked = 0;
    for folder in folders {
        for path in torch_files(&root.join(folder)) {
            checked += 1;
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let kind = path.file_name().unwrap().to_string_lossy().into_owned();
            let kind = if kind.starts_with("TestSerialization") {
                format!("*.{}", kind.rsplit('.').nth(1).unwrap())
            } else {
                kind
            };
            let row = rows.entry(kind).or_default();
            match derive_file(&path, None) {
                Ok(_) => row.0 += 1,
                Err(reason) => {
                    row.1 += 1;
                    let lines: Vec<&str> = reason.lines().map(str::trim).collect();
                    let first = lines.iter().take(2).copied().collect::<Vec<_>>().join(" / ");
                    *row.2.entry(first.chars().take(150).collect()).or_default() += 1;
                    if !is_known(&name, &reason) {
                        failures.push(format!("{name}: {reason}"));
                    }
                }
            }
        }
    }
    println!("{:<42}{:>8}{:>8}  reasons", "file", "derived", "refused");
    for (kind, (derived, refused, reasons)) in &rows {
        println!("{kind:<42}{derived:>8}{refused:>8}");
        for (reason, count) in reasons {
            println!("{:>62} x {reason}", count);
        }
    }
    assert_no_failures(&failures, checked);
}

#[test]
fn every_sample_is_derived_or_refused_with_its_reason() {
    derived_or_refused(&samples(), &[""]);
}

#[needs(shared)]
fn every_file_is_derived_or_refused_with_its_reason() {
    derived_or_refused(&shared(), &["fixtures", "models"]);
}

/// What two forms of one network say differently; a field that one of them does not know is no difference.
fn differences(ours: &LayerParameters, theirs: &LayerParameters) -> Vec<&'static str> {
    fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    let same_range = ours.input_range == theirs.input_range;
    let mut found = Vec::new();
    let window = |l: &LayerParameters| l.window.clone().unwrap_or_default();
    let (a, b) = (window(ours), window(theirs));
    for (name, different) in [
        ("kind", ours.kind != theirs.kind),
        ("relu", differ(&ours.relu, &theirs.relu)),
        ("input", ours.input != theirs.input),
        ("weight", ours.weight != theirs.weight),
        ("bias", ours.bias != theirs.bias),
        ("weight_sum", ours.weight_sum != theirs.weight_sum),
        ("folded_bias", ours.folded_bias != theirs.folded_bias),
        ("real_multiplier", ours.real_multiplier != theirs.real_multiplier),
        ("multiplier", ours.multiplier != theirs.multiplier),
        ("shift", ours.shift != theirs.shift),
        ("output", ours.output != theirs.output),
        ("padding_value", ours.padding_value != theirs.padding_value),
        ("accumulator", same_range && ours.accumulator != theirs.accumulator),
        ("stride", differ(&a.stride, &b.stride)),
        ("padding", differ(&a.padding, &b.padding)),
        ("dilation", differ(&a.dilation, &b.dilation)),
        ("groups", differ(&a.groups, &b.groups)),
    ] {
        if different {
            found.push(name);
        }
    }
    found
}

/// Files with each other that lie in one folder.
fn by_folder(root: &Path) -> BTreeMap<PathBuf, Vec<PathBuf>> {
    let mut by_folder: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for path in torch_files(root) {
        if !path.to_string_lossy().contains("pt2e") {
            by_folder.entry(path.parent().unwrap().to_path_buf()).or_default().push(path);
        }
    }
    by_folder
}

#[test]
fn all_forms_of_the_samples_agree() {
    forms_agree(&samples(), by_folder(&samples()));
}

#[needs(shared)]
fn all_forms_of_a_network_agree() {
    let mut by_folder = by_folder(&shared().join("fixtures"));
    // The two networks of fashion_mnist share a folder.
    for net in ["lenet", "resnet8"] {
        let folder = shared().join("models/fashion_mnist");
        let files = torch_files(&folder)
            .into_iter()
            .filter(|p| p.file_name().unwrap().to_string_lossy().starts_with(net))
            .collect();
        by_folder.insert(folder.join(net), files);
    }
    forms_agree(&shared(), by_folder);
}

fn forms_agree(root: &Path, by_folder: BTreeMap<PathBuf, Vec<PathBuf>>) {
    let mut failures = Vec::new();
    let (mut compared, mut networks) = (0, 0);
    for files in by_folder.into_values() {
        let named = |part: &str| files.iter().find(|p| p.to_string_lossy().contains(part));
        let Some(with_topology) = named("script.pt").or_else(|| named("trace.pt")) else { continue };
        let Ok(reference) = derive_file(with_topology, None) else { continue };
        networks += 1;
        for path in &files {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            // Without a topology of its own, a form takes the one that TorchScript tells.
            let derived = match derive_file(path, None) {
                Ok(derived) if !name.contains("prepared") => derived,
                _ => match graph_of(with_topology).map(|graph| derive_file(path, Some(graph))) {
                    Some(Ok(derived)) => derived,
                    // FX numbers its observers; only its own graph ties them to layers.
                    _ if name.contains("fx_") && name.contains("prepared_state_dict") => {
                        match (layers_of(path), layers_of(with_topology)) {
                            (Ok(ours), Ok(theirs)) => {
                                for (ours, theirs) in ours.iter().zip(&theirs) {
                                    compared += 1;
                                    if ours != theirs {
                                        failures.push(format!("{name} {}: weight or bias", ours.0));
                                    }
                                }
                            }
                            _ if name.contains("_ptq") => {}
                            (Err(error), _) | (_, Err(error)) => failures.push(format!("{name}: {error}")),
                        }
                        continue;
                    }
                    _ if name.contains("_ptq")
                        || name.contains("reference")
                        || name.contains("fx_prepared") =>
                    {
                        continue;
                    }
                    Some(Err(error)) => {
                        failures.push(format!("{name}: {error}"));
                        continue;
                    }
                    None => continue,
                },
            };
            // MLP's sigmoid leaves no key: a chain in key order is wrong there, and is refused or called a guess.
            if derived.layers.len() != reference.layers.len() {
                failures.push(format!("{name}: {} layers", derived.layers.len()));
            }
            for (ours, theirs) in derived.layers.iter().zip(&reference.layers) {
                compared += 1;
                let found = differences(ours, theirs);
                if !found.is_empty() {
                    failures.push(format!("{name} {}: {}", ours.name, found.join(", ")));
                }
            }
        }
    }
    println!("{networks} networks, {compared} layers of other forms compared with TorchScript's");
    assert_no_failures(&failures, compared);
}
