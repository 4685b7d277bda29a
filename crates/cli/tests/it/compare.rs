//! `gen_params compare`, on the faulty values of `tests/fixtures/target/plant.py`.

use std::fs;
use std::path::Path;

use crate::command::{gen_params, root};

const MODEL: &str = "tests/fixtures/layers/conv2d_fbgemm/script.pt";
const PLANTED: &str = "tests/fixtures/target/planted";

/// Folder, options, and the beginning of what is to be found.
const FAULTS: &[(&str, &str, &str)] = &[
    ("zero_padding", "", "padding is 0 and not Z1"),
    ("no_rounding", "", "rounding is missing: the shift truncates"),
    ("double_rounding", "", "rounded twice"),
    ("plus_weight_sum", "", "the sign of Z1*weight_sum"),
    ("weight_read_as_ohwi", "", "weights are in OIHW order and were read as OHWI"),
    ("weight_written_as_ohwi", "", "weights were stored in OHWI order and read as OIHW"),
    (
        "previous_channel",
        "",
        "weights are off by one channel: each output channel has the weights of the one before",
    ),
    (
        "next_channel",
        "",
        "weights are off by one channel: each output channel has the weights of the one after",
    ),
    ("bias_byte_order", "", "the byte order of folded_bias is reversed"),
    ("file_byte_order", "", "the bytes of each word in conv1_accumulator.hex are in reverse order"),
    ("relu_at_zero", "--signed-activations", "ReLU clamps at 0 and not at Z3"),
];

fn words(folder: &str, options: &str) -> String {
    format!("compare {MODEL} --dump {PLANTED}/{folder} --input {PLANTED}/input.npy {options}")
}

#[test]
fn every_planted_fault_is_named_and_no_other() {
    let mut failures = Vec::new();
    for (folder, options, cause) in FAULTS {
        let outcome = gen_params(&root(), &format!("{} --json", words(folder, options)));
        let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
        let causes: Vec<String> = serde_json::from_value(report["causes"].clone()).unwrap_or_default();
        if outcome.code != 1 || causes.len() != 1 || !causes[0].starts_with(cause) {
            failures.push(format!("{folder}: exit {}, {causes:?} {}", outcome.code, outcome.stderr));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_first_difference_is_shown() {
    for folder in ["right", "zero_padding", "double_rounding", "unknown", "undefined"] {
        insta::assert_snapshot!(folder, gen_params(&root(), &words(folder, "")).text(&root()));
    }
}

#[test]
fn a_fault_may_lie_before_the_first_file() {
    let folder = tempfile::tempdir().unwrap();
    let from = root().join(PLANTED).join("relu_at_zero/conv2_output.hex");
    fs::copy(from, folder.path().join("conv2_output.hex")).unwrap();
    let words = format!("compare {MODEL} --dump FOLDER --input {PLANTED}/input.npy --signed-activations");
    insta::assert_snapshot!(gen_params(folder.path(), &words).text(folder.path()));
}

#[test]
fn folders_that_cannot_be_compared_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let compare = |name: &str, text: &str| {
        let path: &Path = folder.path();
        fs::remove_dir_all(path).unwrap();
        fs::create_dir(path).unwrap();
        fs::write(path.join(name), text).unwrap();
        let words = format!("compare {MODEL} --dump FOLDER --input {PLANTED}/input.npy");
        gen_params(path, &words).text(path)
    };
    insta::assert_snapshot!("unknown_name", compare("conv9_output.hex", "00\n"));
    insta::assert_snapshot!("wrong_length", compare("conv1_output.hex", "00\n01\n"));
    insta::assert_snapshot!("no_values", compare("manifest.json", ""));
}
