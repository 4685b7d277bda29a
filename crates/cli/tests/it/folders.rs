//! What the main command leaves on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{root, run_in};

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&p).unwrap()))
        .collect()
}

fn example() -> String {
    root().join("examples/fashion_mnist/lenet_script.pt").canonicalize().unwrap().display().to_string()
}

#[test]
fn two_runs_write_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let model = example();
    let all = "hex,svh,h,npz,list";
    for folder in ["first", "second"] {
        let run = run_in(place.path(), &[&model, "-o", folder, "--format", all]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stdout.is_empty(), "stdout is data, and this command has none");
    }
    let first = contents(&place.path().join("first"));
    assert!(first.len() > 4 * 6, "{:?}", first.keys());
    assert_eq!(first, contents(&place.path().join("second")));
}

#[test]
fn only_our_own_folders_are_replaced() {
    let place = tempfile::tempdir().unwrap();
    let model = example();
    assert_eq!(run_in(place.path(), &[&model, "16"]).code, Some(0));
    let before = contents(&place.path().join("weight"));
    assert_eq!(run_in(place.path(), &[&model, "20"]).code, Some(0));
    let after = contents(&place.path().join("weight"));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert_ne!(before["conv1_multiplier.hex"], after["conv1_multiplier.hex"]);

    let foreign = place.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "years of work").unwrap();
    let run = run_in(place.path(), &[&model, "-o", "foreign"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--force"), "{}", run.stderr);
    assert_eq!(contents(&foreign)["thesis.tex"], b"years of work");
    assert_eq!(run_in(place.path(), &[&model, "-o", "foreign", "--force"]).code, Some(0));
    assert!(contents(&foreign).contains_key("manifest.json"));
}

#[test]
fn hex_files_hold_what_the_manifest_says() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(run_in(place.path(), &[&example(), "20"]).code, Some(0));
    let folder = place.path().join("weight");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["schema"], 1);
    assert_eq!(manifest["wiring"], "file");
    let hex = |name: &str| -> Vec<i64> {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        text.lines().map(|l| i64::from(u32::from_str_radix(l, 16).unwrap().cast_signed())).collect()
    };
    for layer in manifest["layers"].as_array().unwrap() {
        let name = layer["name"].as_str().unwrap();
        for kind in ["bias", "folded_bias", "weight_sum", "multiplier"] {
            let expected: Vec<i64> =
                layer[kind].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
            assert_eq!(hex(&format!("{name}_{kind}.hex")), expected, "{name} {kind}");
        }
        assert_eq!(layer["shift"][0], 20);
    }
}

#[test]
fn a_graph_file_that_the_command_wrote_reads_back_to_the_same_numbers() {
    let place = tempfile::tempdir().unwrap();
    let model = root().join("tests/fixtures/layers/branches_fbgemm/script.pt").canonicalize().unwrap();
    let twin = model.with_file_name("converted_state_dict.pt").display().to_string();
    let model = model.display().to_string();
    let graph = run_in(place.path(), &["graph", &model]);
    assert_eq!(graph.code, Some(0), "{}", graph.stderr);
    fs::write(place.path().join("net.toml"), &graph.stdout).unwrap();
    for (model, folder) in [(&model, "script"), (&twin, "twin")] {
        let run = run_in(place.path(), &[model, "--graph", "net.toml", "-o", folder]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    let (mut script, mut twin) =
        (contents(&place.path().join("script")), contents(&place.path().join("twin")));
    // The manifests differ in the source's name and digest alone.
    script.remove("manifest.json").unwrap();
    twin.remove("manifest.json").unwrap();
    assert_eq!(script.keys().collect::<Vec<_>>(), twin.keys().collect::<Vec<_>>());
    for (name, bytes) in script {
        assert!(twin[&name] == bytes, "{name}");
    }
}
