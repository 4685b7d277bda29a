//! What `certify` and CONSTANT `auto` say of small networks whose right answers are known by hand.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::command::gen_params;

fn json(folder: &Path, words: &str) -> (i32, Json) {
    let done = gen_params(folder, words);
    let report = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{words}: {}", done.stderr));
    (done.code, report)
}

fn manifest(folder: &Path) -> Json {
    serde_json::from_slice(&fs::read(folder.join("weight/manifest.json")).unwrap()).unwrap()
}

/// Codes of 30..=130 and Z1 = 10: at a corner one tap alone meets a code, and all others Z1.
#[test]
fn the_border_of_a_transposed_convolution_meets_z1() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let model = "tests/fixtures/proofs/transpose_false_equal.pt";
    let (code, report) = json(folder, &format!("certify {model} --against fbgemm --json"));
    assert_eq!((code, &report["equal"]), (1, &Json::Bool(false)));
    let written = gen_params(folder, &format!("{model} -o FOLDER/weight"));
    assert_eq!(written.code, 0, "{}", written.stderr);
    // One tap meets the smallest code, 30, and eight meet Z1 = 10, through weights of 12.
    assert_eq!(manifest(folder)["layers"][0]["accumulator"]["min"], 12 * (30 + 8 * 10));
    // The witness is what the engine and the hardware really differ by: 4 corners of 36 positions.
    let input = "--input tests/fixtures/proofs/transpose_false_equal_input.npy";
    let run = gen_params(folder, &format!("run {model} --contract fbgemm --versus target {input} --json"));
    assert!(run.stdout.contains("\"mismatches\": 4"), "{}", run.stdout);
}

/// Weights 2, 4 and -6: sums are even.
#[test]
fn sums_that_no_input_has_are_neither_counted_nor_named() {
    let place = tempfile::tempdir().unwrap();
    let words = "certify tests/fixtures/proofs/gcd_even_weights.pt --against exact --json";
    let (code, report) = json(place.path(), words);
    let layer = &report["layers"][0];
    assert_eq!((code, &layer["reachable"], &layer["differing"]), (0, &1531.into(), &0.into()));
    assert_eq!(layer["witnesses"]["first"], Json::Null);
}

/// By width and freedom: what is known of the network, by trying every M0, n and constant in Python.
#[test]
fn searches_find_what_every_m0_tried_by_hand_has() {
    let place = tempfile::tempdir().unwrap();
    let found = |model: &str, bits: usize, freedom: &str| {
        let words = format!("certify tests/fixtures/proofs/{model}.pt --against exact --search --json");
        let (_, report) = json(place.path(), &words);
        let width = &report["search"]["network"]["by_width"][freedom][bits - 1];
        assert_eq!((&width["bits"], &width["at_most"]), (&bits.into(), &Json::Bool(false)));
        (width["differing"].as_u64().unwrap(), width["largest"].as_u64().unwrap())
    };
    // 15.8 rounds up to 16: M0 = 8 with n - 1, as --multiplier-bits 4 has it.
    assert_eq!(found("search_carry", 4, "nearest"), (277, 2));
    assert_eq!(found("search_carry", 4, "multiplier"), (277, 2));
    // M0 = 507, n = 12, and 25 with M * 2^n rounded to nearest.
    assert_eq!(found("search_carry", 9, "multiplier"), (22, 1));
    assert_eq!(found("search_carry", 9, "nearest"), (25, 1));
    // M0 = 1, n = 3, and M0 = 5, n = 5.
    assert_eq!(found("search_not_optimal", 1, "multiplier"), (41, 6));
    assert_eq!(found("search_not_optimal", 4, "multiplier"), (2, 1));
}

#[test]
fn auto_takes_an_m0_of_one_and_means_operators_too() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let model = "tests/fixtures/proofs/auto_m0_1.pt";
    let said = gen_params(folder, &format!("{model} auto --against exact --within 0.05 -o FOLDER/weight"));
    assert!(said.stderr.contains("n = 5, the smallest"), "{}", said.stderr);
    assert_eq!(manifest(folder)["layers"][0]["multiplier"], serde_json::json!([1]));
    let certify = |model: &str, n: u64, within: &str| {
        gen_params(folder, &format!("certify {model} {n} --against exact --within {within}")).code
    };
    assert_eq!((certify(model, 5, "0.05"), certify(model, 4, "0.05")), (0, 2));

    // A network with additions: what auto finds, certify confirms; one less is refused by one or the other.
    let resnet = "examples/fashion_mnist/resnet8_script.pt";
    let words = format!("{resnet} auto --against exact --within 1e-3 -o FOLDER/weight --force");
    let said = gen_params(folder, &words);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.contains("operators without weights"), "{}", said.stderr);
}

/// A CONSTANT that a hint names is accepted.
#[test]
fn constants_that_are_named_are_accepted() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let model = "tests/fixtures/proofs/constant_31_message.pt";
    for constant in [31, 60, 127, 0, 4] {
        let done = gen_params(folder, &format!("{model} {constant} -o FOLDER/weight --force"));
        let named = done.stderr.rsplit("CONSTANT").next().unwrap();
        let digits = |c: &char| c.is_ascii_digit() || *c == '-';
        let named: String = named.chars().skip_while(|c| !digits(c)).take_while(digits).collect();
        if done.code == 0 && named.is_empty() {
            continue;
        }
        let again = gen_params(folder, &format!("{model} {named} -o FOLDER/weight --force"));
        assert_eq!(again.code, 0, "{constant}: {}\n{named}: {}", done.stderr, again.stderr);
    }
}

#[test]
fn networks_without_layers_are_proven_by_their_operators() {
    let place = tempfile::tempdir().unwrap();
    let (code, said) = {
        let words = "certify tests/fixtures/proofs/operators_only.onnx --against onnxruntime";
        let done = gen_params(place.path(), words);
        assert!(!done.stdout.contains("accumulator"), "{}", done.stdout);
        (done.code, done.stderr)
    };
    assert_eq!((code, said.starts_with("proven equal: 1 operators")), (0, true), "{said}");
    // A sum that LiteRT rounds in another way at one pair of codes.
    let done =
        gen_params(place.path(), "certify tests/fixtures/proofs/cert_no_channel.tflite --against litert");
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.starts_with("not equal: 1 of 1 operators"), "{}", done.stderr);
    let bound = "certify tests/fixtures/proofs/cert_no_channel.tflite --against litert --within 1e-4";
    assert_eq!(gen_params(place.path(), bound).code, 0);
}
