//! `emit sv`: every target that comes with the tool, and operators in the shapes that an ordinary network does not have, in
//! simulation against `run --contract target`.

use std::fs;
use std::path::PathBuf;

use gen_params::emit::folder::target_file::Preset;
use gen_params_test_support::{fixtures, needs, shared};

use crate::support::{root, run};
use crate::systemverilog::{emit, make, simulate, verdict};

/// A model of the repository's own fixtures, and its input.
fn fixture(model: &str, golden: &str) -> (PathBuf, PathBuf) {
    (fixtures().join(model), PathBuf::from(format!("{}:input_f32", fixtures().join(golden).display())))
}

/// Operands that are repeated, matrix products, batch normalisation, constants, means and windows of all kinds; codes as
/// they are, signed ones, and those of 7 bits.
#[needs(make, iverilog, verilator)]
fn operators_of_any_shape_equal_the_target_in_simulation() {
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

/// Convolutions in one to three dimensions: transposed, padded with the input itself, with weight zero points by channel,
/// and a linear layer over several axes; under both simulators, lint and synthesis.
#[needs(make, iverilog, verilator, yosys)]
fn windows_of_any_kind_equal_the_target_in_simulation() {
    let rows: [(&str, &str, &[&str], &[&str]); 5] = [
        ("windows/padding.pt", "windows/padding_golden.npz", &[], &["icarus", "verilator", "lint", "synth"]),
        (
            "windows/zero_points.pt",
            "windows/zero_points_golden.npz",
            &["--bias-fraction-bits", "3"],
            &["icarus", "verilator", "lint", "synth"],
        ),
        (
            "layers/transposed2d_qnnpack/script.pt",
            "layers/transposed2d_qnnpack/golden.npz",
            &["--accumulator-bits", "15", "--overflow", "saturate"],
            &["icarus", "lint", "synth"],
        ),
        (
            "layers/transposed3d_fbgemm/script.pt",
            "layers/transposed3d_fbgemm/golden.npz",
            &["--clocks-per-output", "2"],
            &["verilator", "lint"],
        ),
        ("layers/conv3d_fbgemm/script.pt", "layers/conv3d_fbgemm/golden.npz", &["16"], &["icarus", "lint"]),
    ];
    let mut failures = Vec::new();
    for (model, golden, options, tools) in rows {
        let (model, input) = fixture(model, golden);
        simulate(&model, &input, options, tools, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Networks of TFLite that others made: with codes of 16 bits and biases of 64, without a single block, with two inputs.
#[needs(shared, make, iverilog, verilator)]
fn published_networks_equal_the_target_in_simulation() {
    let folder = shared().join("models/third_party");
    let rows: [(&str, &str, &[&str], &[&str]); 6] = [
        (
            "tensorflow__tflite-micro/tensorflow/lite/micro/integration_tests/seanet/conv/conv12.tflite",
            "3x7x32",
            &[],
            &["icarus", "lint"],
        ),
        (
            "tensorflow__tflite-micro/tensorflow/lite/micro/integration_tests/seanet/conv/conv0.tflite",
            "8x166x2",
            &["--limit", "1", "--rounding", "double"],
            &["icarus"],
        ),
        (
            "tensorflow__tflite-micro/tensorflow/lite/micro/integration_tests/seanet/pad/pad12.tflite",
            "1x5x32",
            &[],
            &["icarus", "lint"],
        ),
        (
            "tensorflow__tflite-micro/tensorflow/lite/micro/integration_tests/seanet/strided_slice/strided_slice19.tflite",
            "1x22x32",
            &["--activation-range", "0..200"],
            &["icarus"],
        ),
        ("tum-ei-eda__mlonmcu-models/layers/aww_layer10.tflite", "1x1x64", &[], &["icarus", "lint"]),
        (
            "tum-ei-eda__mlonmcu-models/layers/resnet_layer11.tflite",
            "8x8x64",
            &["--shape", "8x8x64", "--limit", "2"],
            &["icarus", "lint"],
        ),
    ];
    let mut failures = Vec::new();
    for (name, shape, options, tools) in rows {
        let place = tempfile::tempdir().unwrap();
        let sv = place.path().join("sv");
        let model = folder.join(name).display().to_string();
        let fixed = ["emit", "sv", &model, "--shape", shape, "--stages", "-o", &sv.display().to_string()];
        let done = run(&[&fixed, options].concat());
        if done.code != Some(0) {
            failures.push(format!("{name}: {}", done.stderr));
            continue;
        }
        for tool in tools {
            let (success, screen) = make(&sv, &[tool, "ARGUMENTS=+stages"]);
            println!("| {name} {} | {tool} | {} |", options.join(" "), verdict(&screen));
            if !success || (*tool == "icarus" && !verdict(&screen).starts_with("PASS")) {
                failures.push(format!("{name} under {tool}: {screen}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Each preset on a network with branches.
#[needs(make, iverilog)]
fn every_target_equals_its_arithmetic_in_simulation() {
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

/// The modules of the example, alone and together, as its README says; and one with a wrong rounding constant.
#[needs(make, iverilog, verilator)]
fn modules_of_ones_own_stand_in_the_place_of_ours() {
    let place = tempfile::tempdir().unwrap();
    let sv = place.path().join("sv");
    let model = root().join("examples/fashion_mnist/lenet_script.pt");
    let arguments =
        [&model.to_string_lossy(), "16", "--shape", "1x28x28", "--stages", "-o", &sv.to_string_lossy()];
    let done = run(&[&["emit", "sv"], &arguments[..]].concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);

    let example = |name: &str| root().join("examples/systemverilog").join(name).display().to_string();
    let (layer, requantization) = (example("user_fc2.sv"), example("gp_requantize.sv"));
    let wrong = place.path().join("gp_requantize.sv");
    let text = fs::read_to_string(&requantization).unwrap();
    fs::write(&wrong, text.replace("(SUM_BITS'(product_1) + half)", "SUM_BITS'(product_1)")).unwrap();
    let rows: [(&str, &str, String, &str); 5] = [
        ("icarus", "fc2", layer.clone(), "PASS: 4 images, 10 codes"),
        ("icarus", "fc2", requantization.clone(), "PASS: 4 images, 10 codes"),
        ("icarus", "conv1", requantization.clone(), "PASS: 4 images, 12544 codes"),
        ("lint", "network", format!("{requantization} {layer}"), ""),
        (
            "icarus",
            "fc2",
            wrong.display().to_string(),
            "FAIL: layer fc2, image 0, channel 0, position (0, 0), stage shifted",
        ),
    ];
    let mut failures = Vec::new();
    for (tool, test, user, expected) in rows {
        let defines = if user.contains("user_fc2") { "DEFINES=-DUSER_FC2" } else { "DEFINES=" };
        let (test, user) = (format!("TEST={test}"), format!("USER={user}"));
        let (success, screen) = make(&sv, &[tool, &test, defines, &user, "ARGUMENTS=+stages"]);
        println!("| {tool} {test} {user} | {} |", verdict(&screen));
        if success == expected.starts_with("FAIL") || !verdict(&screen).starts_with(expected) {
            failures.push(format!("{tool} {test} {user}: {screen}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
