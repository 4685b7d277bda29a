//! `gen_params vectors`: its screen, what it writes, and numpy's opinion of every vector.

use std::fs;
use std::process::Command;

use crate::command::gen_params;
use crate::support::root;

const LENET: &str = "examples/fashion_mnist/lenet_script.pt";

/// Networks whose vectors numpy recomputes: every geometry of a convolution, both code types, the largest sums.
const NETWORKS: &[&str] = &[
    "examples/fashion_mnist/lenet_script.pt",
    "tests/fixtures/layers/conv1d_fbgemm/script.pt",
    "tests/fixtures/layers/conv2d_qnnpack/script.pt",
    "tests/fixtures/layers/conv3d_fbgemm/script.pt",
    "tests/fixtures/layers/depthwise_qnnpack/script.pt",
    "tests/fixtures/layers/geometry_qnnpack/script.pt",
    "tests/fixtures/layers/grouped_fbgemm/script.pt",
    "tests/fixtures/layers/linear_qnnpack/script.pt",
];

/// What the checker says of a folder of vectors and the parameters; `None`, saying so, without numpy.
fn checked_by_numpy(vectors: &str, parameters: &str) -> Option<(bool, String)> {
    let has_numpy = Command::new("python3").args(["-c", "import numpy"]).output();
    if !has_numpy.is_ok_and(|output| output.status.success()) {
        println!("not checked: there is no python3 with numpy");
        return None;
    }
    let script = root().join("tests/fixtures/layers/check_vectors.py");
    let output = Command::new("python3").arg(script).args([vectors, parameters]).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), text))
}

#[test]
fn numpy_finds_in_every_vector_what_it_was_made_for() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    let mut failures = Vec::new();
    for model in NETWORKS {
        for words in [
            format!("vectors {model} -o FOLDER/vectors --force"),
            format!("{model} -o FOLDER/weight --force"),
        ] {
            let done = gen_params(place.path(), &words);
            assert_eq!(done.code, 0, "{words}: {}", done.stderr);
        }
        let Some((right, text)) = checked_by_numpy(&path("vectors"), &path("weight/params.npz")) else {
            return;
        };
        println!("{model}: {text}");
        if !right || text.starts_with("0 vectors") {
            failures.push(format!("{model}: {text}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    // A claim that is wrong is found.
    let index = place.path().join("vectors/vectors.json");
    let mut claims: serde_json::Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    claims["layers"][0]["vectors"][0]["value"] = (1_i64 << 40).into();
    fs::write(&index, claims.to_string()).unwrap();
    let (right, text) = checked_by_numpy(&path("vectors"), &path("weight/params.npz")).unwrap();
    assert!(!right && text.trim_end().ends_with("1 wrong"), "{text}");
}

#[test]
fn vectors_and_what_cannot_be_reached_are_listed() {
    let place = tempfile::tempdir().unwrap();
    let words = format!("vectors {LENET} 16 --shape 1x28x28 -o FOLDER/vectors");
    insta::assert_snapshot!("screen", gen_params(place.path(), &words).text(place.path()));

    let folder = place.path().join("vectors");
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("vectors.json")).unwrap()).unwrap();
    let first: Vec<String> =
        index["layers"][0]["vectors"].as_array().unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("first_layer", first.join("\n"));
    let mut files = Vec::new();
    for part in ["layers", "network"] {
        let entries = fs::read_dir(folder.join(part)).unwrap();
        files.extend(entries.map(|entry| {
            let path = entry.unwrap().path();
            let lines = fs::read(&path).unwrap();
            let lines = lines.iter().filter(|&&byte| byte == b'\n').count();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_hex = name.ends_with(".hex");
            format!("{part}/{name}{}", if is_hex { format!(": {lines} lines") } else { String::new() })
        }));
    }
    files.sort();
    insta::assert_snapshot!("files", files.join("\n"));
}
