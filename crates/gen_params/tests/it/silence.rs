//! Nothing is passed over in silence: arguments, attributes and keys that nobody reads, and what a file does not say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gen_params::derive::{self, Options};
use gen_params::lower::graph_file::{self, GraphFile};
use gen_params::lower::{self, Engine};
use gen_params::network::IntNetwork;
use gen_params::ops::{Bias, Op};
use gen_params::parameters::{Parameters, Wiring};
use gen_params_test_support::{files, needs, shared};
use serde_json::Value;

use crate::support::{assert_no_failures, fixtures, network};

fn lowered(path: &Path, options: &lower::Options) -> Result<IntNetwork, String> {
    let bytes = gen_params::map_file(path).map_err(|e| e.to_string())?;
    let source = gen_params::read(bytes).map_err(|e| e.to_string())?;
    lower::lower(&source, options).map_err(|e| e.to_string())
}

fn draft(path: &Path, options: &lower::Options) -> Result<String, String> {
    let bytes = gen_params::map_file(path).map_err(|e| e.to_string())?;
    let source = gen_params::read(bytes).map_err(|e| e.to_string())?;
    lower::draft(&source, options).and_then(|file| file.to_toml()).map_err(|e| e.to_string())
}

fn derived(network: &IntNetwork) -> Parameters {
    derive::derive(network, &Options::default()).unwrap()
}

/// Files of `arguments/`, and what their refusal says; nothing where the file is derived.
const ARGUMENTS: [(&str, Option<&str>); 25] = [
    ("gelu_none.pt", None),
    ("gelu_tanh.pt", Some("`torch.gelu` with `approximate` = 'tanh' is not supported; only 'none' is")),
    ("elu_ones.pt", None),
    ("elu_scale.pt", Some("with `scale` = 1.5 is not supported; only 1 is")),
    ("elu_input_scale.pt", Some("with `input_scale` = 2.0 is not supported; only 1 is")),
    ("quantized_elu_scale.pt", Some("with `scale` = 1.7 is not supported; only 1 is")),
    ("divisor_none.pt", None),
    ("divisor_computed.pt", Some("has a `divisor_override` that is computed while the network runs")),
    ("flatten_computed.pt", Some("has a `start_dim` that is computed while the network runs")),
    ("kernel_computed.pt", Some("has a `kernel_size` that is computed while the network runs")),
    ("mean_dtype_none.pt", None),
    ("pad_five.pt", Some("pads with 5; only 0 is supported")),
    ("dropout_training.pt", Some("drops values at random")),
    ("dropout.pt", None),
    ("clamp_named.pt", None),
    ("fx_gelu_tanh.pth", Some("with `approximate` = 'tanh' is not supported; only 'none' is")),
    ("fx_elu_inplace_false.pth", None),
    ("fx_divisor.pth", None),
    ("fx_return_indices.pth", Some("with `return_indices` = True is not supported; only False is")),
    ("fx_foo.pth", Some("has an argument `foo`, which PyTorch's operator does not have")),
    ("fx_many.pth", Some("has an argument 2, which PyTorch's operator does not have")),
    ("fx_antialias.pth", Some("with `antialias` = True is not supported; only False is")),
    ("fx_interpolate.pth", None),
    ("fx_functional_dropout.pth", Some("drops values at random")),
    ("fx_mean_dtype.pth", Some("with `dtype` = torch.float64 is not supported; only None is")),
];

#[test]
fn an_argument_that_nobody_reads_refuses_its_call_by_name() {
    let mut failures = Vec::new();
    for (file, expected) in ARGUMENTS {
        let result = lowered(&fixtures().join("arguments").join(file), &lower::Options::default());
        match (result, expected) {
            (Ok(_), None) => {}
            (Ok(_), Some(text)) => failures.push(format!("{file}: accepted, expected: {text}")),
            (Err(error), None) => failures.push(format!("{file}: refused: {error}")),
            (Err(error), Some(text)) if error.contains(text) => {}
            (Err(error), Some(text)) => failures.push(format!("{file}: {error}\n  expected: {text}")),
        }
    }
    assert_no_failures(&failures, ARGUMENTS.len());
}

#[test]
fn what_changes_the_codes_in_pytorch_is_refused_and_what_does_not_is_read() {
    let text = std::fs::read_to_string(fixtures().join("arguments/expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let mut failures = Vec::new();
    for (name, effect) in expected["effects"].as_object().unwrap() {
        let result = lowered(&fixtures().join(format!("arguments/{name}.pt")), &lower::Options::default());
        if effect == "other" && result.is_ok() {
            failures.push(format!("{name}: changes PyTorch's codes, and is accepted"));
        }
    }
    assert_no_failures(&failures, expected["effects"].as_object().unwrap().len());
}

fn modules(name: &str) -> PathBuf {
    fixtures().join("modules").join(name)
}

/// For each layer, whether a ReLU follows, as the network knows it.
fn relus(network: &IntNetwork) -> Vec<(&str, Option<bool>)> {
    let layers = network.nodes.iter().filter_map(|node| match &node.op {
        Op::Layer(layer) => Some((node.name.as_str(), layer.relu)),
        _ => None,
    });
    layers.collect()
}

#[test]
fn what_forward_says_of_a_pickled_module_is_unknown() {
    for file in ["frelu.pt", "frelu_sd.pt"] {
        let network = network(&modules(file));
        assert_eq!(network.wiring, Wiring::KeyOrder, "{file}");
        assert!(relus(&network).iter().all(|(_, relu)| relu.is_none()), "{file}: {:?}", relus(&network));
        assert!(derived(&network).layers.iter().all(|layer| layer.clamp.is_none()), "{file}");
    }
    // Registered before the convolutions, they are not put on the network's input.
    let network = network(&modules("reg.pt"));
    assert!(relus(&network).iter().all(|(_, relu)| relu.is_none()));
    let ops: Vec<&str> = network.nodes.iter().map(|node| node.op.name()).collect();
    assert!(!ops.contains(&"relu") && !ops.contains(&"max_pool"), "{ops:?}");
    let said = network.warnings.join("\n");
    assert!(said.contains("relu, pool") || said.contains("pool, relu"), "{said}");
    let chain: Vec<&str> = network.nodes.iter().map(|node| node.name.as_str()).collect();
    assert!(said.contains(&chain.join(" -> ")), "{said}");
}

#[test]
fn inside_a_sequential_what_follows_is_known() {
    // conv, dropout, max pool, conv in a Sequential: a pool follows the first, F.relu or anything else the second.
    let network = network(&modules("mixed.pt"));
    assert_eq!(relus(&network), [("features.0", Some(false)), ("features.3", None), ("last", None)]);
    assert!(network.nodes.iter().any(|node| node.op.name() == "max_pool"));
    assert!(!network.nodes.iter().any(|node| node.op == Op::Relu));
}

#[test]
fn an_attribute_that_nobody_reads_refuses_its_module_by_name() {
    let options = lower::Options::default();
    lowered(&modules("gelu_none.pt"), &options).unwrap();
    let error = lowered(&modules("gelu_tanh.pt"), &options).unwrap_err();
    assert!(
        error.contains("body.1: is a GELU with `approximate` = 'tanh', which is not supported"),
        "{error}"
    );
}

#[test]
fn a_draft_is_a_guess_until_its_marks_are_gone() {
    for file in ["frelu.pt", "frelu_sd.pt", "reg.pt", "mixed.pt"] {
        let text = draft(&modules(file), &lower::Options::default()).unwrap();
        let nodes = text.lines().filter(|line| *line == "[[node]]").count();
        let marked = text.lines().filter(|line| line.starts_with("inputs = ") && line.contains("# guess"));
        assert_eq!(marked.count(), nodes, "{file}:\n{text}");
        assert!(text.contains("guess = true"), "{file}:\n{text}");
        let wiring = |text: &str| {
            let graph = Some(GraphFile::parse(text).unwrap());
            let options = lower::Options { graph, ..lower::Options::default() };
            lowered(&modules(file), &options).map(|network| (network.wiring, network.warnings.join("\n")))
        };
        let (untouched, warnings) = wiring(&text).unwrap();
        assert_eq!(untouched, Wiring::KeyOrder, "{file}");
        assert!(
            warnings.contains("the order of its keys was taken for the order of execution"),
            "{file}: {warnings}"
        );
        // Only the key, or only the comments: still a guess.
        assert_eq!(wiring(&text.replace("guess = true\n", "")).unwrap().0, Wiring::KeyOrder, "{file}");
        assert_eq!(wiring(&text.replace("  # guess", "  # yes")).unwrap().0, Wiring::KeyOrder, "{file}");
        let confirmed = text.replace("guess = true\n", "").replace("  # guess", "  # yes");
        let (confirmed, warnings) = wiring(&confirmed).unwrap();
        assert_eq!(confirmed, Wiring::GraphFile, "{file}: {warnings}");
    }
}

/// Weights, biases, S3 and Z3 of a prepared file against those of PyTorch's own convert.
fn differences(file: &str, expected: &Value) -> Vec<String> {
    let network = match lowered(&modules(file), &lower::Options::default()) {
        Ok(network) => network,
        Err(error) => return vec![format!("{file}: {error}")],
    };
    let mut found = Vec::new();
    for (name, layer) in expected.as_object().unwrap() {
        let Some(node) = network.nodes.iter().find(|node| &node.name == name) else {
            found.push(format!("{file}: {name} is missing"));
            continue;
        };
        let activation = network.edge(node.outputs[0]).activation.unwrap();
        if (Some(activation.scale), Some(i64::from(activation.zero_point)))
            != (layer["scale"].as_f64(), layer["zero_point"].as_i64())
        {
            found.push(format!(
                "{file}: {name}: {activation:?}, expected {} {}",
                layer["scale"], layer["zero_point"]
            ));
        }
        let Op::Layer(own) = &node.op else { continue };
        let codes: Vec<i64> = own.weight.codes.iter().map(|&code| i64::from(code)).collect();
        if Value::from(codes) != layer["weight"] {
            found.push(format!("{file}: {name}: other weights"));
        }
        let Some(Bias::Real(bias)) = &own.bias else { continue };
        let bias: Vec<f64> = bias.iter().map(|&real| f64::from(real)).collect();
        if Value::from(bias) != layer["bias"] {
            found.push(format!("{file}: {name}: other biases"));
        }
    }
    found
}

#[test]
fn an_observer_that_never_ran_and_the_names_of_old_pytorch_refuse_nothing() {
    let text = std::fs::read_to_string(modules("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let mut failures = Vec::new();
    let mut checked = 0;
    for engine in ["fbgemm", "qnnpack"] {
        for file in [format!("unused_{engine}.pt"), format!("torch1.3_{engine}.pt")] {
            checked += 1;
            failures.extend(differences(&file, &expected[engine]));
        }
    }
    assert_no_failures(&failures, checked);
    let warnings = network(&modules("unused_fbgemm.pt")).warnings.join("\n");
    assert!(
        warnings.contains("first.skip_add has scale 1 and zero point 0: taken for a functional"),
        "{warnings}"
    );
}

#[test]
fn the_scale_of_an_observer_tells_the_engine() {
    let mut failures = Vec::new();
    let mut checked = 0;
    let mut folders: Vec<_> =
        std::fs::read_dir(fixtures().join("layers")).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let path = folder.join("prepared_state_dict.pt");
        if !path.exists() {
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let own = Engine::ALL.into_iter().find(|engine| name.ends_with(engine.name())).unwrap();
        let with =
            |engine: Option<Engine>| lowered(&path, &lower::Options { engine, ..lower::Options::default() });
        let topology = |error: &str| error.contains("the order of its keys");
        let told = match (with(None), with(Some(own))) {
            (Ok(told), Ok(named)) => {
                if told.edges != named.edges || told.nodes != named.nodes {
                    failures.push(format!("{name}: what it tells is not what {} gives", own.name()));
                }
                true
            }
            (Err(told), Err(named)) if topology(&told) && topology(&named) => true,
            // Nothing in it is fake-quantized: refused whatever its engine is.
            (Err(told), Err(named)) if told == named && told.contains("no fake-quantized weights") => {
                continue;
            }
            (told, named) => {
                failures.push(format!("{name}: {:?}, and with its engine {:?}", told.err(), named.err()));
                continue;
            }
        };
        checked += usize::from(told);
        for other in Engine::ALL.into_iter().filter(|e| e.largest_activation() != own.largest_activation()) {
            match with(Some(other)) {
                Ok(_) => failures.push(format!("{name}: --engine {} is accepted", other.name())),
                Err(error) if error.contains(&format!("and --engine {} has", other.name())) => {}
                Err(error) => failures.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(checked >= 7, "{checked} prepared files");
    assert_no_failures(&failures, checked);
}

/// Every model below a folder.
fn models(folder: &Path) -> Vec<PathBuf> {
    files(folder, &[".pt", ".pth", ".pth.tar", ".ptl", ".pt2", ".onnx", ".tflite"])
}

/// What `graph` says that it cannot write.
const NOT_WRITTEN: [&str; 4] = [
    "which a graph file cannot hold",
    "is kept from one image to the next",
    "whose numbers a graph file",
    "only its own graph says",
];

#[test]
fn a_graph_that_was_printed_gives_the_same_integers() {
    let mut models = models(&fixtures());
    models.extend(self::models(&fixtures().join("../../examples")));
    graphs_give_the_same_integers(&models);
}

#[needs(shared)]
fn a_graph_that_was_printed_of_a_shared_fixture_gives_the_same_integers() {
    graphs_give_the_same_integers(&models(&shared().join("fixtures")));
}

fn graphs_give_the_same_integers(models: &[PathBuf]) {
    let mut failures = Vec::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut checked = 0;
    for path in models {
        let own = lower::Options::default();
        let Ok(bytes) = gen_params::map_file(path) else { continue };
        let folder = gen_params::Folder::of(path);
        let Ok(source) = gen_params::read_with(bytes, &folder) else { continue };
        let Ok(network) = lower::lower(&source, &own) else { continue };
        let Ok(expected) = derive::derive(&network, &Options::default()) else { continue };
        let name = path.to_string_lossy().into_owned();
        let text = match lower::draft(&source, &own).and_then(|file| file.to_toml()) {
            Ok(text) => text,
            Err(error) => {
                let text = error.to_string();
                if error.reasons.iter().all(|r| NOT_WRITTEN.iter().any(|known| r.text.contains(known))) {
                    *reasons.entry(error.reasons[0].text.clone()).or_default() += 1;
                } else {
                    failures.push(format!("{name}: graph: {text}"));
                }
                continue;
            }
        };
        checked += 1;
        let graph = match GraphFile::parse(&text) {
            Ok(graph) => graph,
            Err(error) => {
                failures.push(format!("{name}: --graph: {error}"));
                continue;
            }
        };
        let options = lower::Options { graph: Some(graph), ..lower::Options::default() };
        let given =
            lower::lower(&source, &options).and_then(|network| derive::derive(&network, &Options::default()));
        match given {
            Err(error) => failures.push(format!("{name}: --graph: {error}")),
            Ok(given) => {
                let same = given.layers == expected.layers && given.operators == expected.operators;
                if !same {
                    failures.push(format!("{name}: {}", first_difference(&expected, &given)));
                } else if given.warnings != expected.warnings {
                    failures.push(format!(
                        "{name}: warns {:?}, expected {:?}",
                        given.warnings, expected.warnings
                    ));
                }
            }
        }
    }
    println!("{checked} graphs; not written: {reasons:#?}");
    assert_no_failures(&failures, checked);
}

fn first_difference(expected: &Parameters, given: &Parameters) -> String {
    let layers = expected.layers.iter().zip(&given.layers).filter(|(a, b)| a != b);
    let operators = expected.operators.iter().zip(&given.operators).filter(|(a, b)| a != b);
    let layer = layers.map(|(a, b)| (format!("{a:?}"), format!("{b:?}"))).next();
    let found = layer.or_else(|| operators.map(|(a, b)| (format!("{a:?}"), format!("{b:?}"))).next());
    let Some((a, b)) = found else { return "another number of layers or operators".into() };
    let at = a.bytes().zip(b.bytes()).position(|(a, b)| a != b).unwrap_or(0);
    let cut = |text: &str| text.chars().skip(at.saturating_sub(60)).take(120).collect::<String>();
    format!("{} | {}", cut(&a), cut(&b))
}

#[test]
fn all_that_a_graph_file_lacks_is_said_at_once() {
    let text = "schema = 1\noutput = [\"d\"]\n[[input]]\nname = \"x\"\n\
        [[node]]\nname = \"quant\"\nop = \"quantize\"\ninputs = [\"x\"]\n\
        [[node]]\nname = \"p\"\nop = \"max_pool\"\ninputs = [\"quant\"]\naxis = 1\n\
        [[node]]\nname = \"c\"\nop = \"cat\"\ninputs = [\"p\", \"nobody\"]\n\
        [[node]]\nname = \"q\"\nop = \"avgpool\"\ninputs = [\"c\"]\n\
        [[node]]\nname = \"d\"\nop = \"dequantize\"\ninputs = [\"q\"]\n";
    let graph = Some(GraphFile::parse(text).unwrap());
    let options = lower::Options { graph, ..lower::Options::default() };
    let error = lowered(&modules("frelu_sd.pt"), &options).unwrap_err();
    for expected in [
        "p: is a max_pool without `kernel`",
        "p: has `axis`, which a max_pool does not take",
        "c: takes `nobody`, which is no input and no earlier node",
        "c: is a cat without `axis`",
        "q: has op `avgpool`, which is no operation of graph files; did you mean `avg_pool`?",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
}

#[test]
fn one_number_stands_for_both_axes_of_an_image() {
    let text = draft(&modules("mixed.pt"), &lower::Options::default()).unwrap();
    assert!(text.contains("kernel = [2, 2]"), "{text}");
    let scalar = text.replace("kernel = [2, 2]", "kernel = 2").replace("stride = [2, 2]", "stride = 2");
    assert_ne!(text, scalar);
    let with = |text: &str| {
        let graph = Some(GraphFile::parse(text).unwrap());
        lowered(&modules("mixed.pt"), &lower::Options { graph, ..lower::Options::default() }).unwrap()
    };
    assert_eq!(with(&text).nodes, with(&scalar).nodes);
}

#[test]
fn the_vocabulary_of_graph_files_is_documented() {
    let path = fixtures().join("../../docs/graph_files.md");
    let generated = graph_file::documentation();
    let document = std::fs::read_to_string(&path).unwrap();
    if std::env::var_os("GEN_PARAMS_DOCS").is_some_and(|value| value == "update") {
        let (head, _) = document.split_once("## The file").unwrap();
        std::fs::write(&path, format!("{head}{generated}")).unwrap();
    } else {
        assert!(document.ends_with(&generated), "docs/graph_files.md ends otherwise than\n{generated}");
    }
}
