//! One network in every container that PyTorch writes, and files that are to be refused.

use std::fs::{self, File};
use std::path::Path;

use gen_params::derive::{self, Options};
use gen_params::lower::{self, Engine};
use gen_params::network::IntNetwork;
use gen_params::ops::{Bias, Op};
use gen_params_test_support::npz::NpzArchive;
use serde_json::Value;

use crate::support::{assert_no_failures, fixtures};

fn layers(path: &Path, engine: Option<Engine>) -> Result<IntNetwork, String> {
    let bytes = gen_params::map_file(path).map_err(|e| e.to_string())?;
    let source = gen_params::read(bytes).map_err(|e| e.to_string())?;
    let options = lower::Options { engine, ..lower::Options::default() };
    lower::layers(&source, &options).map_err(|e| e.to_string())
}

fn array<T: npyz::Deserialize>(
    archive: &mut NpzArchive<std::io::BufReader<File>>,
    name: &str,
) -> Option<Vec<T>> {
    archive.by_name(name).unwrap().map(|a| a.into_vec().unwrap())
}

#[test]
fn every_container_holds_the_same_network() {
    let folder = fixtures().join("containers");
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let mut failures = Vec::new();
    let mut checked = 0;
    for (name, facts) in expected.as_object().unwrap() {
        checked += 1;
        let engine = Engine::ALL.into_iter().find(|e| Some(e.name()) == facts["engine"].as_str());
        let read = layers(&folder.join(name), engine);
        let contents = facts["contents"].as_str().unwrap();
        let network = match (contents, read) {
            ("refuse", Ok(network)) => {
                failures.push(format!("{name}: has {} nodes and was to be refused", network.nodes.len()));
                continue;
            }
            ("refuse", Err(reason)) => {
                println!("{name}: {reason}");
                continue;
            }
            (_, Err(reason)) => {
                failures.push(format!("{name}: {reason}"));
                continue;
            }
            (_, Ok(network)) => network,
        };
        let file = if contents == "plain" { "plain_params.npz" } else { contents };
        let mut archive = NpzArchive::open(folder.join(file)).unwrap();
        // ScriptObjects stand in the archive under the name of their attribute as well.
        let weights = archive
            .array_names()
            .filter(|n| n.ends_with("/weight") && !n.contains("._packed_params"))
            .count();
        let mut seen = 0;
        for node in &network.nodes {
            let Op::Layer(layer) = &node.op else { continue };
            seen += 1;
            let key = |what: &str| format!("{}/{what}", node.name);
            let codes: Option<Vec<i8>> = array(&mut archive, &key("weight"));
            if codes.as_deref() != Some(&layer.weight.codes[..]) {
                failures.push(format!("{name} {}: weight", node.name));
            }
            if array::<f64>(&mut archive, &key("weight_scale")).as_ref() != Some(&layer.weight.scale) {
                failures.push(format!("{name} {}: weight scale", node.name));
            }
            if array::<f32>(&mut archive, &key("bias")).map(Bias::Real) != layer.bias {
                failures.push(format!("{name} {}: bias", node.name));
            }
        }
        if seen != weights {
            failures.push(format!("{name}: {seen} layers, expected {weights}"));
        }
    }
    assert_no_failures(&failures, checked);
}

#[test]
fn a_stub_that_stands_last_is_not_guessed_around() {
    let path = fixtures().join("containers/quant_last.pt");
    let source = gen_params::read(gen_params::map_file(&path).unwrap()).unwrap();
    let error = lower::lower(&source, &lower::Options::default()).unwrap_err().to_string();
    assert!(error.contains("stands after the first layer"), "{error}");
    // The draft puts it first, and is a graph file as it is.
    let graph = lower::draft(&source, &lower::Options::default()).unwrap();
    let options = lower::Options { graph: Some(graph), ..lower::Options::default() };
    let network = lower::lower(&source, &options).unwrap();
    let parameters = derive::derive(&network, &Options::default()).unwrap();
    assert!(derive::incomplete(&parameters).is_empty());
}
