//! TFLite files made by others: every file is read or refused with its place, never more.

use std::path::PathBuf;

use gen_params_formats::{Callee, read};
use gen_params_test_support::{files, needs, shared};

/// The manifest's maker read only the newer of the two fields that hold an operator's code, which older files lack, and
/// counted the operators of all subgraphs.
const NOT_COUNTED: [&str; 2] = ["/hps_model/", "/computer.tflite"];

/// Operators of each kind against the manifest that was written with TensorFlow's own reader.
#[needs(shared)]
fn operators_are_those_of_the_manifest() {
    let root = shared().join("models");
    let manifest = std::fs::read_to_string(root.join("third_party/MANIFEST.json")).unwrap();
    let manifest: Vec<serde_json::Value> = serde_json::from_str(&manifest).unwrap();
    let mut failures = Vec::new();
    let mut checked = 0;
    for entry in manifest.iter().filter(|e| e["file"].as_str().is_some_and(|f| f.ends_with(".tflite"))) {
        let file = entry["file"].as_str().unwrap();
        let source = match read(std::fs::read(root.join(file)).unwrap().into()) {
            Ok(source) => source,
            Err(error) => {
                failures.push(format!("{file}: {error}"));
                continue;
            }
        };
        let mut counts = serde_json::Map::new();
        for node in &source.graph.unwrap().nodes {
            if let Callee::Function(name) = &node.callee {
                let count = counts.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
                counts.insert(name.clone(), (count + 1).into());
            }
        }
        checked += 1;
        if NOT_COUNTED.iter().any(|name| file.contains(name)) {
            continue;
        }
        if entry["ops"] != serde_json::Value::Object(counts.clone()) {
            failures.push(format!("{file}: {counts:?}, expected {}", entry["ops"]));
        }
    }
    println!("{checked} files");
    assert!(failures.is_empty(), "{} wrong:\n{}", failures.len(), failures.join("\n"));
}

#[needs(shared)]
fn hostile_files_are_read_or_refused_with_a_place() {
    let mut refused = 0;
    let mut wrong = Vec::new();
    let folders = ["bad/tflite", "bad/flatbuffers"].map(|folder| shared().join(folder));
    let all: Vec<PathBuf> = folders.iter().flat_map(|folder| files(folder, &[""])).collect();
    for path in &all {
        let bytes = std::fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Files that do not claim to be TFLite are other readers' affair; these bytes are read as TFLite all the same.
        if let Err(error) = gen_params_formats::tflite::read(&bytes.into()) {
            refused += 1;
            if error.place.is_empty() || error.found.is_empty() {
                wrong.push(format!("{name}: {error:?}"));
            }
            println!("{name}: {error}");
        }
    }
    println!("{} files, {refused} refused", all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
