//! `gen_params certify`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use crate::command::{gen_params, root};

const LENET: &str = "examples/fashion_mnist/lenet_script.pt";
const TRANSPOSED: &str = "tests/fixtures/layers/transposed2d_qnnpack/script.pt";

fn certify(folder: &Path, words: &str) -> String {
    gen_params(folder, &format!("certify {words}")).text(folder)
}

/// Exit code and last line of the independent checker; `None` without Python.
fn independent_checker(arguments: &[&Path]) -> Option<(i32, String)> {
    let script = root().join("tools/check_certificate.py");
    let output = Command::new("python3").arg(script).args(arguments).output();
    let output = output.inspect_err(|error| println!("not checked by Python: {error}")).ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().last().unwrap_or_default();
    Some((output.status.code().unwrap(), line.split(": ").skip(1).collect::<Vec<_>>().join(": ")))
}

#[test]
fn certificates_are_files_that_two_programs_prove_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certificate.json");
    let made =
        gen_params(folder.path(), &format!("certify {LENET} 20 --against x86 -o FOLDER/certificate.json"));
    assert_eq!(made.code, 1, "{}", made.stderr);
    insta::assert_snapshot!("proven_again", certify(folder.path(), "--check FOLDER/certificate.json"));
    if let Some((code, said)) = independent_checker(&[&path]) {
        assert_eq!(code, 0, "{said}");
        assert!(said.starts_with("confirmed: 178 channels against x86, "), "{said}");
    }

    // With the folder that the main command writes, every number is bound; with that of another constant it is not.
    let words = "--check FOLDER/certificate.json --parameters FOLDER/weight";
    for (constant, name, expected) in [(20, "bound", 0), (19, "not_bound", 1)] {
        let written = gen_params(folder.path(), &format!("{LENET} {constant} -o FOLDER/weight"));
        assert_eq!(written.code, 0, "{}", written.stderr);
        insta::assert_snapshot!(name, certify(folder.path(), words));
        let weight = folder.path().join("weight");
        if let Some((code, said)) = independent_checker(&[&path, Path::new("--parameters"), &weight]) {
            assert_eq!(code, expected, "{said}");
            assert!(code == 0 || said.starts_with("refused: parameters: "), "{said}");
        }
    }

    // A file of the folder that was changed afterwards.
    gen_params(folder.path(), &format!("{LENET} 20 -o FOLDER/weight"));
    fs::write(folder.path().join("weight/conv1_multiplier.hex"), "0\n").unwrap();
    insta::assert_snapshot!("changed_file", certify(folder.path(), words));

    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"multiplier\":", "\"multiplier\":1", 1)).unwrap();
    insta::assert_snapshot!("not_so", certify(folder.path(), "--check FOLDER/certificate.json"));
    if let Some((code, said)) = independent_checker(&[&path]) {
        assert_eq!(code, 1);
        assert!(said.starts_with("refused: digest: "), "{said}");
    }
    fs::write(&path, "{}").unwrap();
    insta::assert_snapshot!("no_certificate", certify(folder.path(), "--check FOLDER/certificate.json"));
    insta::assert_snapshot!(
        "older_certificate",
        certify(folder.path(), "--check tests/fixtures/certificates/schema_1.json")
    );
}

#[test]
fn a_check_takes_no_model_and_a_folder_no_proof() {
    let folder = tempfile::tempdir().unwrap();
    for words in
        ["--check FOLDER/x model.pt", "--check FOLDER/x --search", "--check FOLDER/x --rounding floor"]
    {
        let done = gen_params(folder.path(), &format!("certify {words}"));
        assert!(done.code == 2 && done.stderr.contains("cannot be used with"), "{words}: {}", done.stderr);
    }
    let done = gen_params(folder.path(), &format!("certify {LENET} --against x86 --parameters FOLDER/x"));
    assert!(done.code == 2 && done.stderr.contains("cannot be used with"), "{}", done.stderr);
}

/// Nothing of a certificate reaches a terminal as it stands in the file.
#[test]
fn what_a_certificate_says_is_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certificate.json");
    gen_params(
        folder.path(),
        "certify tests/fixtures/one_network/script.pt --against x86 -o FOLDER/certificate.json",
    );
    let good: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (pointer, key) in [("/contract", None), ("/layers/0/name", None), ("", Some("\u{1b}[2J\u{202e}"))] {
        let mut forged = good.clone();
        match key {
            None => *forged.pointer_mut(pointer).unwrap() = "\u{1b}]0;owned\u{7}\u{202e}".into(),
            Some(key) => drop(forged.as_object_mut().unwrap().insert(key.to_owned(), 1.into())),
        }
        let digest = ::gen_params::certify::digest_of(&forged);
        forged["sha256"] = digest.into();
        fs::write(&path, forged.to_string()).unwrap();
        let done = gen_params(folder.path(), "certify --check FOLDER/certificate.json");
        assert_ne!(done.code, 0, "{}", done.stderr);
        let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!done.stderr.contains(raw) && !done.stdout.contains(raw), "{:?}", done.stderr);
    }
}

/// Operators without layers, and neither: as equal as they are, and their certificates pass their own check.
#[test]
fn networks_without_layers_are_certified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certificate.json");
    for (file, contract) in [("operators_only.onnx", "onnxruntime"), ("cert_no_channel.tflite", "exact")] {
        let words = format!("tests/fixtures/proofs/{file} --against {contract} -o FOLDER/certificate.json");
        let made = gen_params(folder.path(), &format!("certify {words}"));
        assert_eq!(made.code, 0, "{file}: {}", made.stderr);
        assert!(made.stderr.contains("proven equal"), "{file}: {}", made.stderr);
        let checked = gen_params(folder.path(), "certify --check FOLDER/certificate.json");
        assert_eq!(checked.code, 0, "{file}: {}", checked.stderr);
        if let Some((code, said)) = independent_checker(&[&path]) {
            assert_eq!(code, 0, "{file}: {said}");
        }
    }
}

/// What one command writes appears together or not at all.
#[test]
fn a_command_that_fails_leaves_no_certificate_behind() {
    let folder = tempfile::tempdir().unwrap();
    // The folder is somebody else's.
    fs::create_dir(folder.path().join("taken")).unwrap();
    fs::write(folder.path().join("taken/thesis.txt"), "").unwrap();
    let words = "-o FOLDER/certificate.json --thresholds FOLDER/taken";
    let done = gen_params(folder.path(), &format!("certify {LENET} --against x86 {words}"));
    assert_eq!(done.code, 2, "{}", done.stderr);
    let left: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["taken"]);
}

#[test]
fn chosen_constants_are_written_with_their_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let words =
        format!("{TRANSPOSED} --against qnnpack --search --write FOLDER/weight --plot FOLDER/trade.svg");
    let done = certify(folder.path(), &words);
    insta::assert_snapshot!(done);
    let certificate = folder.path().join("weight/certificate.json");
    let check = gen_params(folder.path(), "certify --check FOLDER/weight/certificate.json");
    assert_eq!(check.code, 0, "{}", check.stderr);
    if let Some((code, said)) = independent_checker(&[&certificate]) {
        assert_eq!(code, 0, "{said}");
    }
    let manifest = fs::read(folder.path().join("weight/manifest.json")).unwrap();
    let manifest: Json = serde_json::from_slice(&manifest).unwrap();
    for layer in manifest["layers"].as_array().unwrap() {
        let channels = usize::try_from(layer["channels"].as_u64().unwrap()).unwrap();
        assert_eq!(layer["rounding_constant"].as_array().unwrap().len(), channels);
    }
    let plot = fs::read_to_string(folder.path().join("trade.svg")).unwrap();
    assert_eq!(plot.matches("<polyline").count(), 4);
}

#[test]
fn alternatives_and_registers_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let words = format!("{LENET} --against x86 --alternatives --accumulators --thresholds FOLDER/weight");
    insta::assert_snapshot!(certify(folder.path(), &words));
    // One threshold per channel and code above the smallest: 16 channels, codes 0..=255.
    let thresholds = fs::read_to_string(folder.path().join("weight/conv1_threshold.hex")).unwrap();
    assert_eq!(thresholds.lines().count(), 16 * 255);
}

#[test]
fn operators_without_weights_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let words = "examples/fashion_mnist/resnet8_script.pt --against x86 --multiplier-bits 16";
    insta::assert_snapshot!(certify(folder.path(), words));
}

#[test]
fn measured_shares_stand_beside_the_proven_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
    idx.extend((0..2 * 28 * 28_u32).map(|place| u8::try_from(place * place % 251).unwrap()));
    fs::write(folder.path().join("images.idx"), idx).unwrap();
    fs::write(folder.path().join("labels.txt"), "8\n0\n").unwrap();
    let input = "--input FOLDER/images.idx --labels FOLDER/labels.txt --mean 0.286 --std 0.353";
    let words = format!("{LENET} --against x86 --multiplier-bits 8 {input}");
    insta::assert_snapshot!(certify(folder.path(), &words));
}

#[test]
fn the_smallest_shift_is_found_by_the_main_command() {
    let folder = tempfile::tempdir().unwrap();
    let run =
        |words: &str| gen_params(folder.path(), &format!("{words} -o FOLDER/weight")).text(folder.path());
    insta::assert_snapshot!("auto", run(&format!("{LENET} auto --against x86 --within 1e-4")));
    insta::assert_snapshot!("auto_option", run(&format!("{LENET} --constant auto")));
    // The engine that a file is for.
    let files = [("onnx/qdq.onnx", "onnxruntime"), ("tflite/MLP_pt_int8/model.tflite", "litert")];
    for (file, engine) in files {
        let said = run(&format!("tests/fixtures/{file} auto"));
        assert!(said.contains(&format!(" of {engine} ")), "{said}");
    }
    insta::assert_snapshot!("auto_out_of_reach", run(&format!("{LENET} auto --within 1e-9")));
    let inspect = gen_params(folder.path(), &format!("inspect {LENET} auto"));
    assert_eq!(inspect.code, 2, "{}", inspect.stderr);
    // What it found holds: one less does not.
    let certify =
        |n: u32| gen_params(folder.path(), &format!("certify {LENET} {n} --against x86 --within 1e-4")).code;
    run(&format!("{LENET} auto --against x86 --within 1e-4"));
    let manifest = fs::read(folder.path().join("weight/manifest.json")).unwrap();
    let manifest: Json = serde_json::from_slice(&manifest).unwrap();
    let n = u32::try_from(manifest["multiplier_form"]["n"].as_u64().unwrap()).unwrap();
    assert_eq!((certify(n), certify(n - 1)), (0, 1));
}

#[test]
fn bounds_decide_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let code =
        |words: &str| gen_params(folder.path(), &format!("certify {LENET} --against x86 {words}")).code;
    assert_eq!(code("--within 1e-4"), 0);
    assert_eq!(code("--within 1e-6"), 1);
    assert_eq!(code("--within 2"), 2);
    assert_eq!(code("--plot FOLDER/x.svg"), 2);
}
