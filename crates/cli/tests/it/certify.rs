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
fn independent_checker(certificate: &Path) -> Option<(i32, String)> {
    let script = root().join("tools/check_certificate.py");
    let output = Command::new("python3").arg(script).arg(certificate).output();
    let output = output.inspect_err(|error| println!("not checked by Python: {error}")).ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    Some((output.status.code().unwrap(), text.lines().last().unwrap_or_default().to_owned()))
}

#[test]
fn certificates_are_files_that_two_programs_prove_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certificate.json");
    let made =
        gen_params(folder.path(), &format!("certify {LENET} 20 --against x86 -o FOLDER/certificate.json"));
    assert_eq!(made.code, 1, "{}", made.stderr);
    insta::assert_snapshot!("proven_again", certify(folder.path(), "--check FOLDER/certificate.json"));
    if let Some(found) = independent_checker(&path) {
        assert_eq!(found, (0, "178 channels against x86: 0 are not as the certificate says".to_owned()));
    }

    // The digest is that of the archive that the main command writes.
    let written = gen_params(folder.path(), &format!("{LENET} 20 -o FOLDER/weight"));
    assert_eq!(written.code, 0, "{}", written.stderr);
    let read = |path: &Path| serde_json::from_slice::<Json>(&fs::read(path).unwrap()).unwrap();
    let manifest = read(&folder.path().join("weight/manifest.json"));
    let archive =
        manifest["files"].as_array().unwrap().iter().find(|file| file["name"] == "params.npz").unwrap();
    assert_eq!(read(&path)["parameters_sha256"], archive["sha256"]);

    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"multiplier\":", "\"multiplier\":1", 1)).unwrap();
    insta::assert_snapshot!("not_so", certify(folder.path(), "--check FOLDER/certificate.json"));
    if let Some((code, _)) = independent_checker(&path) {
        assert_eq!(code, 1);
    }
    fs::write(&path, "{}").unwrap();
    insta::assert_snapshot!("no_certificate", certify(folder.path(), "--check FOLDER/certificate.json"));
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
    if let Some((code, said)) = independent_checker(&certificate) {
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
