//! `.pt2` files: their integers are those of the same program as ONNX, their codes those of PyTorch.

use std::fs;
use std::path::{Path, PathBuf};

use gen_params::contract::Contract;
use gen_params::derive::{self, Options};
use gen_params::formats::{Callee, SourceModel};
use gen_params::lower::{self, graph_file::GraphFile};
use gen_params::machine::{self, Keep};
use gen_params::network::IntNetwork;
use gen_params::ops::{Op, Value};
use gen_params::parameters::{LayerParameters, Parameters};
use gen_params::tensor::Tensor;
use gen_params_test_support::npz::NpzArchive;
use gen_params_test_support::{fixtures, needs, samples, shared};

use crate::support::{assert_no_failures, torch_files};

fn read(path: &Path) -> Result<SourceModel, String> {
    let bytes = gen_params::map_file(path).map_err(|e| e.to_string())?;
    gen_params::read(bytes).map_err(|e| e.to_string())
}

fn lowered(path: &Path) -> Result<IntNetwork, String> {
    lower::lower(&read(path)?, &lower::Options::default()).map_err(|e| e.to_string())
}

fn derived(path: &Path) -> Result<Parameters, String> {
    derive::derive(&lowered(path)?, &Options::default()).map_err(|e| e.to_string())
}

fn archives(root: &Path) -> Vec<PathBuf> {
    let mut found = torch_files(root);
    found.retain(|path| path.extension().is_some_and(|e| e == "pt2"));
    found
}

/// What `X86InductorQuantizer` leaves float between layers, by network, and how many layers it quantizes nevertheless.
fn refusal(name: &str) -> Option<(&'static str, usize)> {
    let x86 = name.ends_with("_x86inductor");
    match name.split('_').next() {
        Some("ResNetMini") if x86 => Some(("nothing quantizes the result of `block.conv2`", 7)),
        Some("MLP") if x86 => Some(("nothing quantizes the result of `fc2`", 3)),
        Some("Conv1dNet") if x86 => Some(("c1: its `weight` is float", 2)),
        _ => None,
    }
}

#[test]
fn every_sample_is_derived_or_refused_by_what_is_float() {
    derived_or_refused(&samples());
}

#[needs(shared)]
fn every_program_is_derived_or_refused_by_what_is_float() {
    derived_or_refused(&shared().join("fixtures"));
}

fn derived_or_refused(root: &Path) {
    let (mut failures, mut checked) = (Vec::new(), 0);
    println!("{:<62}{:>8}{:>10}  incomplete, or refused", "file", "layers", "complete");
    for path in archives(root) {
        checked += 1;
        let folder = path.parent().unwrap();
        let name = folder.strip_prefix(root).unwrap().display().to_string();
        let network = folder.file_name().unwrap().to_str().unwrap();
        match (derived(&path), refusal(network)) {
            (Ok(parameters), None) => {
                let incomplete = derive::incomplete(&parameters);
                let places: Vec<&str> = incomplete.iter().map(|reason| reason.place.as_str()).collect();
                let layers = &parameters.layers;
                println!(
                    "{name:<62}{:>8}{:>10}  {}",
                    layers.len(),
                    layers.len() - places.len(),
                    places.join(", ")
                );
                // XNNPACKQuantizer quantizes the last layer's result, X86InductorQuantizer does not.
                let expected: &[&str] = match layers.last() {
                    Some(last) if name.ends_with("_x86inductor") => &[last.name.as_str()],
                    _ => &[],
                };
                if places != expected {
                    failures.push(format!("{name}: {places:?} incomplete, expected {expected:?}"));
                }
                let unknown = |layer: &LayerParameters| layer.bias.is_none() || layer.folded_bias.is_none();
                if let Some(layer) = layers.iter().find(|layer| unknown(layer)) {
                    failures.push(format!("{name}: no bias of {}", layer.name));
                }
            }
            (Err(error), Some((reason, expected))) if error.contains(reason) => {
                let layers = lower::layers(&read(&path).unwrap(), &lower::Options::default()).unwrap();
                let count = layers.nodes.iter().filter(|node| matches!(node.op, Op::Layer(_))).count();
                if count != expected {
                    failures.push(format!("{name}: {count} layers are quantized, expected {expected}"));
                }
                println!("{name:<62}{:>8}{:>10}  {}", "", "", error.replace('\n', ";"));
            }
            (Ok(_), Some(_)) => failures.push(format!("{name}: derived")),
            (Err(error), _) => failures.push(format!("{name}: {error}")),
        }
    }
    assert_no_failures(&failures, checked);
}

/// `X86InductorQuantizer` leaves the last layer's result float; hardware needs codes, whose scale the user chooses.
#[test]
fn a_float_result_gets_its_scale_from_a_graph_file() {
    let path = samples().join("torch2.9/pt2e_qat_torchao/LeNet_x86inductor/converted.pt2");
    let source = read(&path).unwrap();
    let mut file = lower::draft(&source, &lower::Options::default()).unwrap();
    let last = file.node.last_mut().unwrap();
    (last.scale, last.zero_point) = (Some(0.125), Some(100));
    let graph = Some(GraphFile::parse(&file.to_toml().unwrap()).unwrap());
    let network = lower::lower(&source, &lower::Options { graph, ..lower::Options::default() }).unwrap();
    let ours = derive::derive(&network, &Options::default()).unwrap();
    let own = derived(&path).unwrap();
    assert!(derive::incomplete(&ours).is_empty());
    let (last, others) = ours.layers.split_last().unwrap();
    for (ours, own) in others.iter().zip(&own.layers) {
        assert_eq!(integers(ours), integers(own), "{}", ours.name);
    }
    let own = own.layers.last().unwrap();
    assert_eq!((&last.bias, &last.folded_bias, &last.weight), (&own.bias, &own.folded_bias, &own.weight));
    for (m, s2) in last.real_multiplier.as_ref().unwrap().iter().zip(&last.weight.scale) {
        // 1/0.125 is a power of two: one rounding, that of the product.
        assert_eq!(*m, last.input.unwrap().scale * s2 * 8.0);
    }
}

/// The integers of a layer, and where it stands in the network.
fn integers(layer: &LayerParameters) -> String {
    let LayerParameters { kind, relu, input, weight, bias, weight_sum, folded_bias, .. } = layer;
    let LayerParameters {
        real_multiplier,
        multiplier,
        shift,
        output,
        clamp,
        padding_value,
        accumulator,
        window,
        ..
    } = layer;
    format!(
        "{kind:?} {relu:?} {input:?} {weight:?} {bias:?} {weight_sum:?} {folded_bias:?} {real_multiplier:?} \
         {multiplier:?} {shift:?} {output:?} {clamp:?} {padding_value:?} {accumulator:?} {window:?}"
    )
}

/// PyTorch's ONNX exporter was given these very files.
#[test]
fn the_same_sample_as_onnx_has_the_same_integers() {
    same_as_onnx(&samples());
}

/// The same, of every program.
#[needs(shared)]
fn the_same_program_as_onnx_has_the_same_integers() {
    same_as_onnx(&shared().join("fixtures"));
}

fn same_as_onnx(root: &Path) {
    let (mut failures, mut compared) = (Vec::new(), 0);
    for onnx in fs::read_dir(root.join("onnx/torch_export_pt2e")).unwrap() {
        let folder = onnx.unwrap();
        let name = folder.file_name().into_string().unwrap();
        let pt2 = root.join("torch2.9/pt2e_qat_torchao").join(&name).join("converted.pt2");
        match (derived(&pt2), derived(&folder.path().join("pt2e_dynamo.onnx"))) {
            (Ok(ours), Ok(theirs)) => {
                if ours.layers.len() != theirs.layers.len() {
                    failures.push(format!(
                        "{name}: {} layers and {}",
                        ours.layers.len(),
                        theirs.layers.len()
                    ));
                }
                for (ours, theirs) in ours.layers.iter().zip(&theirs.layers) {
                    compared += 1;
                    if integers(ours) != integers(theirs) {
                        failures.push(format!(
                            "{name} {}:\n{}\n{}",
                            ours.name,
                            integers(ours),
                            integers(theirs)
                        ));
                    }
                }
            }
            (Err(_), Err(_)) => println!("{name}: neither is integer"),
            (Err(error), _) => failures.push(format!("{name}.pt2: {error}")),
            (_, Err(error)) => println!("{name} as ONNX: {error}"),
        }
    }
    println!("{compared} layers compared");
    assert_no_failures(&failures, compared);
}

/// `torch.ao` and `torchao`, and two versions of the latter, quantize one network alike.
#[test]
fn two_quantizers_of_a_sample_give_the_same_integers() {
    assert_eq!(two_quantizers(&samples()), 2);
}

/// The same, of more networks.
#[needs(shared)]
fn two_quantizers_of_one_network_give_the_same_integers() {
    assert!(two_quantizers(&shared().join("fixtures")) >= 5);
}

/// How many pairs there are.
fn two_quantizers(root: &Path) -> usize {
    let mut pairs = 0;
    let (mut failures, mut compared) = (Vec::new(), 0);
    for (a, b) in [
        ("torch2.9/pt2e_ptq_torchao", "torch2.9/pt2e_ptq_torch_ao"),
        ("torch2.9/pt2e_qat_torchao", "torch2.9/pt2e_qat_torch_ao"),
        ("torch2.9/pt2e_qat_torchao", "torch2.15/pt2e_qat_torchao"),
    ] {
        for quantizer in ["x86inductor", "xnnpack"] {
            let file = |folder: &str| root.join(format!("{folder}/LeNetBN_{quantizer}/converted.pt2"));
            if !file(a).exists() || !file(b).exists() {
                continue;
            }
            pairs += 1;
            let (first, second) = (derived(&file(a)).unwrap(), derived(&file(b)).unwrap());
            for (first, second) in first.layers.iter().zip(&second.layers) {
                compared += 1;
                if (&first.name, integers(first)) != (&second.name, integers(second)) {
                    failures.push(format!("{a}, {b} {quantizer}: {}", first.name));
                }
            }
        }
    }
    assert_no_failures(&failures, compared);
    pairs
}

fn npy<T: npyz::Deserialize + Copy + Into<i32>>(file: npyz::NpyFile<impl std::io::Read>) -> Tensor<i32> {
    let shape = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
    Tensor::new(shape, file.into_vec::<T>().unwrap().into_iter().map(Into::into).collect()).unwrap()
}

/// The network without what follows its last quantized result: a layer that gives float logits.
fn integer_part(mut network: IntNetwork) -> IntNetwork {
    let open = |network: &IntNetwork, op: &Op, output| {
        matches!(op, Op::Layer(_)) && network.edge(output).activation.is_none()
    };
    let nodes = std::mem::take(&mut network.nodes);
    let (cut, kept) = nodes.into_iter().partition(|node| open(&network, &node.op, node.outputs[0]));
    network.nodes = kept;
    let cut: Vec<gen_params::network::Node> = cut;
    if let Some(last) = cut.first() {
        network.outputs = last.inputs.clone();
    }
    network
}

/// True for edges that a mean was computed for. A mean of 4 codes lies between two codes in a quarter of all cases, and
/// floats decide these by their rounding errors.
fn behind_means(network: &IntNetwork) -> Vec<bool> {
    let mut behind = vec![false; network.edges.len()];
    for node in &network.nodes {
        let mean = matches!(node.op, Op::AveragePool(_) | Op::AdaptiveAveragePool { .. } | Op::Mean { .. });
        let inherited = node.inputs.iter().any(|edge| behind[edge.0]);
        node.outputs.iter().for_each(|edge| behind[edge.0] = mean || inherited);
    }
    behind
}

/// The golden codes of the quantize of this number in the program. They were written before
/// torch.export traced the program once more and renamed it.
fn golden(archive: &mut NpzArchive<std::io::BufReader<fs::File>>, number: usize) -> Tensor<i32> {
    let suffix = if number == 0 { String::new() } else { format!("_{number}") };
    let file = archive.by_name(&format!("quantize_per_tensor_default{suffix}/int")).unwrap().unwrap();
    match file.dtype().descr().as_str() {
        "'|u1'" => npy::<u8>(file),
        _ => npy::<i8>(file),
    }
}

#[test]
fn every_quantized_result_of_a_small_program_is_pytorchs() {
    let (mut failures, mut checked) = (Vec::new(), 0);
    // Saved by PyTorch 2.9 and 2.8, whose archives hold weights in another way; as exported, and decomposed to core ATen
    // operators.
    for folder in [fixtures().join("export"), fixtures().join("export/torch2.8")] {
        let mut archive = NpzArchive::open(folder.join("small_golden.npz")).unwrap();
        let file = archive.by_name("input_f32").unwrap().unwrap();
        let shape = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
        let input = Value::Floats(Tensor::new(shape, file.into_vec::<f32>().unwrap()).unwrap());
        for program in ["small.pt2", "small_core.pt2"] {
            let path = folder.join(program);
            let source = read(&path).unwrap();
            let network = lower::lower(&source, &lower::Options::default()).unwrap();
            let edges = lower::values(&source, &lower::Options::default()).unwrap();
            let inputs = std::slice::from_ref(&input);
            let trace = machine::run(&network, Contract::Exact, inputs, Keep::Edges).unwrap();
            for (name, edge) in &edges {
                checked += 1;
                let theirs = npy::<i8>(archive.by_name(&format!("{name}/int")).unwrap().unwrap());
                let ours = trace.edges[edge.0].as_ref().unwrap().codes().unwrap();
                if (ours.shape(), ours.elements()) != (theirs.shape(), theirs.elements()) {
                    let (ours, theirs) = (ours.elements(), theirs.elements());
                    failures.push(format!("{} {name}: {ours:?}, not {theirs:?}", path.display()));
                }
            }
        }
    }
    assert_eq!(checked, 28);
    assert_no_failures(&failures, checked);
}

/// SiLU of every code under twelve scales, out of place and in place.
#[test]
fn silu_has_the_codes_of_pytorch() {
    let folder = fixtures().join("export");
    let mut archive = NpzArchive::open(folder.join("silu_golden.npz")).unwrap();
    let file = archive.by_name("input_f32").unwrap().unwrap();
    let shape = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
    let input = Value::Floats(Tensor::new(shape, file.into_vec::<f32>().unwrap()).unwrap());
    let network = lowered(&folder.join("silu.pt2")).unwrap();
    assert_eq!(network.nodes.iter().filter(|node| node.op.name() == "silu").count(), 12);
    let trace = machine::run(&network, Contract::Exact, &[input], Keep::Edges).unwrap();
    let mut failures = Vec::new();
    for (index, id) in network.outputs.iter().enumerate() {
        let theirs = npy::<i8>(archive.by_name(&format!("output{index}/int")).unwrap().unwrap());
        let last = network.nodes.iter().find(|node| node.outputs.contains(id)).unwrap();
        let ours = trace.edges[last.inputs[0].0].as_ref().unwrap().codes().unwrap();
        let differing = ours.elements().iter().zip(theirs.elements()).filter(|(a, b)| a != b).count();
        if differing > 0 || ours.elements().len() != theirs.elements().len() {
            failures.push(format!("output {index}: {differing} of {}", ours.elements().len()));
        }
    }
    assert_no_failures(&failures, network.outputs.len());
}

/// PyTorch runs these graphs in floats; integers differ where a float mean was rounded across a tie.
#[test]
fn quantized_results_of_the_samples_are_pytorchs_but_for_its_float_rounding() {
    but_for_float_rounding(&samples());
}

/// The same, of every program.
#[needs(shared)]
fn quantized_results_are_pytorchs_but_for_its_float_rounding() {
    but_for_float_rounding(&shared().join("fixtures"));
}

fn but_for_float_rounding(root: &Path) {
    let (mut failures, mut checked) = (Vec::new(), 0);
    println!(
        "{:<52}{:>8}{:>10}{:>11}{:>14}{:>11}{:>9}",
        "file", "tensors", "codes", "different", "behind means", "different", "largest"
    );
    for path in archives(root) {
        let folder = path.parent().unwrap();
        let name = folder.strip_prefix(root).unwrap().display().to_string();
        let source = read(&path).unwrap();
        let Ok(network) = lower::lower(&source, &lower::Options::default()) else { continue };
        let edges = lower::values(&source, &lower::Options::default()).unwrap();
        let network = integer_part(network);
        let behind = behind_means(&network);
        let bytes = fs::read(folder.join("input_f32.npy")).unwrap();
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        let shape = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
        let input = Value::Floats(Tensor::new(shape, file.into_vec::<f32>().unwrap()).unwrap());
        let trace = match machine::run(&network, Contract::Exact, &[input], Keep::Edges) {
            Ok(trace) => trace,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let mut archive = NpzArchive::open(folder.join("golden.npz")).unwrap();
        let quantize = Callee::Function("torch.ops.quantized_decomposed.quantize_per_tensor.default".into());
        let nodes = &source.graph.as_ref().unwrap().nodes;
        let (mut tensors, mut largest) = (0, 0);
        // Before and behind means.
        let (mut codes, mut different) = ([0; 2], [0; 2]);
        for (number, node) in nodes.iter().filter(|node| node.callee == quantize).enumerate() {
            let theirs = golden(&mut archive, number);
            let Some((edge, Some(Value::Codes(ours)))) =
                edges.get(&node.name).map(|edge| (edge, &trace.edges[edge.0]))
            else {
                failures.push(format!("{name}: {} was not computed", node.name));
                continue;
            };
            if ours.elements().len() != theirs.elements().len() {
                failures.push(format!("{name} {}: {:?} and {:?}", node.name, ours.shape(), theirs.shape()));
            }
            checked += 1;
            tensors += 1;
            let part = usize::from(behind[edge.0]);
            let distances = ours.elements().iter().zip(theirs.elements()).map(|(a, b)| (a - b).abs());
            codes[part] += theirs.elements().len();
            different[part] += distances.clone().filter(|&d| d != 0).count();
            largest = largest.max(distances.max().unwrap_or(0));
        }
        println!(
            "{name:<52}{tensors:>8}{:>10}{:>11}{:>14}{:>11}{largest:>9}",
            codes[0], different[0], codes[1], different[1]
        );
        if different[0] > 0 || different[1] * 4 > codes[1] || largest > 2 {
            failures.push(format!("{name}: {different:?} of {codes:?} codes differ, by up to {largest}"));
        }
    }
    assert_no_failures(&failures, checked);
}
