//! `emit sv`: every target that comes with the tool, and operators in the shapes that an ordinary network does not have, in
//! simulation against `run --contract target`.

use std::path::PathBuf;

use gen_params::emit::target_file::Preset;

use crate::support::root;
use crate::systemverilog::{emit, has, simulate};

/// A model of the repository's own fixtures, and its input.
fn fixture(model: &str, golden: &str) -> (PathBuf, PathBuf) {
    let fixtures = root().join("tests/fixtures");
    (fixtures.join(model), PathBuf::from(format!("{}:input_f32", fixtures.join(golden).display())))
}

/// Operands that are repeated, matrix products, batch normalisation, constants, means and windows of all kinds; codes as
/// they are, signed ones, and those of 7 bits.
#[test]
fn operators_of_any_shape_equal_the_target_in_simulation() {
    if !has("iverilog", "-V") || !has("verilator", "--version") {
        return;
    }
    let rows: [(&str, &str, &[&str], &[&str]); 6] = [
        (
            "operators/squeeze.pt",
            "operators/squeeze_golden.npz",
            &["--signed-activations"],
            &["icarus", "lint"],
        ),
        (
            "operators/squeeze.pt",
            "operators/squeeze_golden.npz",
            &["--activation-range", "0..127"],
            &["icarus"],
        ),
        ("operators/volume.pt", "operators/volume_golden.npz", &["16"], &["icarus", "lint"]),
        (
            "operators/constants.onnx",
            "operators/constants_golden.npz",
            &["--signed-activations", "--activation-range", "3..250", "--combinational"],
            &["icarus", "lint"],
        ),
        (
            "layers/products_qnnpack/script.pt",
            "layers/products_qnnpack/golden.npz",
            &["--signed-activations", "--rounding", "toward-zero"],
            &["icarus", "lint"],
        ),
        ("layers/products_fbgemm/script.pt", "layers/products_fbgemm/golden.npz", &[], &["verilator"]),
    ];
    let mut failures = Vec::new();
    for (model, golden, options, tools) in rows {
        let (model, input) = fixture(model, golden);
        simulate(&model, &input, options, tools, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Each preset on a network with branches.
#[test]
fn every_target_equals_its_arithmetic_in_simulation() {
    if !has("iverilog", "-V") {
        return;
    }
    let (model, input) = fixture("layers/branches_qnnpack/script.pt", "layers/branches_qnnpack/golden.npz");
    let mut failures = Vec::new();
    for preset in Preset::ALL {
        let options = ["--target", preset.name, "--limit", "2"];
        match emit(&model, &input, &options) {
            Err(text) if preset.name == "threshold" => {
                assert!(text.contains("there is no multiplier to compute with"), "{text}");
                println!("| --target {} | refused | {} |", preset.name, text.replace('\n', " "));
            }
            _ => simulate(&model, &input, &options, &["icarus"], &mut failures),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
