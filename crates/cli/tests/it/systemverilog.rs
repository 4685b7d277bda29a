//! `emit sv`: whole networks in the hands of Icarus Verilog, Verilator and Yosys, against `run --contract target`.
//!
//! The testbenches compare every code of every node, and every stage of every layer, with golden values of the target's
//! arithmetic; these tests make sure that they are run, that they pass, and that they fail when something is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use gen_params_test_support::{needs, samples};
use tempfile::TempDir;

use crate::support::{root, run};

/// Images of each simulation.
pub(crate) const IMAGES: usize = 20;

/// What Verilator writes, and its own library, are run for a moment only: they are not worth the C++ compiler's optimisation.
pub(crate) const NOT_OPTIMISED: &str = "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0";

/// `make` in a folder: whether it succeeded, and all that it printed.
pub(crate) fn make(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let flags = format!("VERILATOR_FLAGS=-MAKEFLAGS '{NOT_OPTIMISED}'");
    let output =
        Command::new("make").arg("-s").arg("-C").arg(folder).arg(flags).args(arguments).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// The line that a testbench ends with.
pub(crate) fn verdict(text: &str) -> &str {
    text.lines().find(|line| line.starts_with("PASS") || line.starts_with("FAIL")).unwrap_or(text)
}

/// An array of images as 20 of them: those of the file, then the same with other values, which real images do not have:
/// codes with bits inverted, reals multiplied.
pub(crate) fn images(file: &Path, place: &Path) -> Option<PathBuf> {
    let bytes = fs::read(file).ok()?;
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]).into_owned();
    let sizes = header.split_once("'shape': (")?.1.split_once(')')?.0;
    let (count, rest) = sizes.split_once(',')?;
    let count: usize = count.trim().parse().ok()?;
    let is_real = header.contains("'<f4'");
    let mut values = Vec::new();
    let bytes_of_all = (bytes.len() - start) / count * IMAGES;
    for (mask, factor) in [(0x00, 1.0), (0xff, -1.0), (0x55, 0.5), (0xaa, -0.5)].into_iter().cycle() {
        if values.len() >= bytes_of_all {
            break;
        }
        let bytes = &bytes[start..];
        values.extend(if is_real {
            let reals = bytes.as_chunks::<4>().0.iter().map(|&real| f32::from_le_bytes(real) * factor);
            reals.flat_map(f32::to_le_bytes).collect::<Vec<u8>>()
        } else {
            bytes.iter().map(|code| code ^ mask).collect()
        });
    }
    values.truncate(bytes_of_all);
    let header = header.replace(&format!("({sizes})"), &format!("({IMAGES},{rest})"));
    let header =
        format!("{:<width$}\n", header.trim_end(), width = 64 * (header.len() + 10).div_ceil(64) - 11);
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let path = place.join(file.file_name()?);
    fs::write(&path, [&bytes[..8], &length, header.as_bytes(), &values].concat()).unwrap();
    Some(path)
}

/// The first codes of a folder's inputs, as 20 images.
fn input(folder: &Path, place: &Path) -> Option<PathBuf> {
    images(&folder.join("input_q.npy"), place)
}

/// A model in SystemVerilog; `Err` is what the command said.
pub(crate) fn emit(model: &Path, input: &Path, options: &[&str]) -> Result<TempDir, String> {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("sv");
    let [model, input, output] = [model, input, &output].map(|path| path.to_string_lossy().into_owned());
    let fixed = ["emit", "sv", &model, "--input", &input, "-o", &output, "--stages"];
    let done = run(&[&fixed, options].concat());
    if done.code == Some(0) { Ok(place) } else { Err(done.stderr) }
}

/// Simulates a model, and lints what was written; failures go into `failures`.
pub(crate) fn simulate(
    model: &Path,
    input: &Path,
    options: &[&str],
    tools: &[&str],
    failures: &mut Vec<String>,
) {
    let name = format!("{} {}", model.display(), options.join(" "));
    let start = Instant::now();
    let place = match emit(model, input, options) {
        Ok(place) => place,
        Err(text) => return failures.push(format!("{name}: {text}")),
    };
    let folder = place.path().join("sv");
    for tool in tools {
        let (success, text) = make(&folder, &[tool, "ARGUMENTS=+stages"]);
        let simulates = *tool == "icarus" || *tool == "verilator";
        let found = if simulates || !success { verdict(&text) } else { "clean" };
        println!("| {name} | {tool} | {found} | {:.0} s |", start.elapsed().as_secs_f64());
        if !success || (simulates && !found.starts_with("PASS")) {
            failures.push(format!("{name} under {tool}: {text}"));
        }
    }
}

/// Every architecture under Icarus Verilog with every stage; the one with the most operators under Verilator, its lint and
/// Yosys, too.
#[needs(make, iverilog, verilator, yosys)]
fn networks_equal_the_target_in_simulation() {
    let place = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    let all: &[&str] = &["icarus", "verilator", "lint", "synth"];
    let rows: [(&str, &[&str], &[&str]); 7] = [
        ("torch2.9/eager_qat/ResNetMini_x86", &[], all),
        ("torch2.9/eager_qat/LeNetBN_qnnpack", &["16"], &["icarus"]),
        ("torch2.9/eager_qat/Conv1dNet_x86", &["--rounding", "double"], &["icarus", "lint"]),
        ("torch2.9/eager_qat/MLP_x86", &["--rounding", "half-even", "--combinational"], &["icarus", "lint"]),
        (
            "torch2.9/eager_qat/LeNet_qnnpack",
            &["--bias-fraction-bits", "8", "--clocks-per-output", "1"],
            &["icarus"],
        ),
        // Registers that are too narrow, on purpose.
        ("torch2.9/eager_qat/LeNet_x86", &["--accumulator-bits", "13", "--product-bits", "40"], &["icarus"]),
        (
            "torch2.9/eager_qat/LeNet_x86",
            &[
                "--accumulator-bits",
                "13",
                "--product-bits",
                "40",
                "--overflow",
                "saturate",
                "--rounding",
                "half-away",
            ],
            &["icarus", "lint"],
        ),
    ];
    for (folder, options, tools) in rows {
        let folder = samples().join(folder);
        let input = input(&folder, place.path()).unwrap();
        simulate(&folder.join("converted_script.pt"), &input, options, tools, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every network of the repository's own fixtures under Icarus Verilog, or refused by name.
#[needs(make, iverilog)]
fn small_networks_equal_the_target_in_simulation() {
    let mut failures = Vec::new();
    let mut simulated = 0;
    for entry in fs::read_dir(root().join("tests/fixtures/layers")).unwrap() {
        let folder = entry.unwrap().path();
        let (model, golden) = (folder.join("script.pt"), folder.join("golden.npz"));
        if !model.is_file() || !golden.is_file() {
            continue;
        }
        let input = PathBuf::from(format!("{}:input_f32", golden.display()));
        match emit(&model, &input, &["--limit", "4"]) {
            Ok(_) => {
                simulated += 1;
                simulate(&model, &input, &["--limit", "4"], &["icarus"], &mut failures);
            }
            Err(text) => println!("| {} | refused | {} |", model.display(), text.replace('\n', " ")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(simulated >= 15, "only {simulated} networks are written in SystemVerilog");
}

/// A fault anywhere ends the simulation with its place and an exit code.
#[needs(make, iverilog)]
fn testbenches_name_the_first_difference() {
    let folder = samples().join("torch2.9/eager_qat/LeNet_qnnpack");
    let place = tempfile::tempdir().unwrap();
    let images = input(&folder, place.path()).unwrap();
    let written = emit(&folder.join("converted_script.pt"), &images, &[]).unwrap();
    let sv = written.path().join("sv");

    // A golden product of conv2 that is one too large: image 1, channel 2 of 12 on 4 x 4 positions, row 3, column 1.
    let file = sv.join("golden/conv2_product.hex");
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line = &mut lines[12 * 16 + 2 * 16 + 3 * 4 + 1];
    let value = i64::from_str_radix(line, 16)
        .unwrap_or_else(|_| u64::from_str_radix(line, 16).unwrap().cast_signed());
    *line = format!("{:016x}", value + 1);
    fs::write(&file, lines.join("\n")).unwrap();
    for test in ["network", "conv2"] {
        let (success, text) = make(&sv, &["icarus", &format!("TEST={test}"), "ARGUMENTS=+stages"]);
        let expected = format!(
            "FAIL: layer conv2, image 1, channel 2, position (3, 1), stage product: expected {}, found {value}",
            value + 1
        );
        assert!(!success && verdict(&text) == expected, "{text}\nexpected {expected}");
        let (success, text) = make(&sv, &["icarus", &format!("TEST={test}")]);
        assert!(success, "without +stages: {text}");
    }
    fs::write(&file, text).unwrap();

    // One weight of fc1 with another sign: its first output differs already in the accumulator.
    let file = sv.join("data/fc1_weight.hex");
    let text = fs::read_to_string(&file).unwrap();
    let flipped: String = text.lines().map(|line| if line == "00" { "00\n" } else { "7f\n" }).collect();
    fs::write(&file, flipped).unwrap();
    let (success, screen) = make(&sv, &["icarus", "TEST=fc1", "ARGUMENTS=+stages"]);
    let verdict = verdict(&screen);
    assert!(
        !success
            && verdict.starts_with("FAIL: layer fc1, image 0, channel 0, position (0, 0), stage accumulator"),
        "{screen}"
    );
    fs::write(&file, text).unwrap();
}

/// The user's module stands where ours stood: here, one that hands on to ours, and one that computes nothing.
#[needs(make, iverilog)]
fn a_module_of_the_users_own_fits_the_socket() {
    let folder = samples().join("torch2.9/eager_qat/LeNet_qnnpack");
    let place = tempfile::tempdir().unwrap();
    let images = input(&folder, place.path()).unwrap();
    let written = emit(&folder.join("converted_script.pt"), &images, &[]).unwrap();
    let sv = written.path().join("sv");
    let ours = fs::read_to_string(sv.join("rtl/layer_conv1.sv")).unwrap();
    let user = written.path().join("user_conv1.sv");
    let arguments = |test: &str| {
        vec![
            "icarus".to_owned(),
            format!("TEST={test}"),
            "DEFINES=-DUSER_CONV1".into(),
            format!("USER={}", user.display()),
        ]
    };
    for (text, passes) in [
        (ours.replace("module layer_conv1", "module user_conv1"), true),
        (
            ours.replace("module layer_conv1", "module user_conv1")
                .replace(".PADDING_VALUE(127)", ".PADDING_VALUE(0)"),
            false,
        ),
    ] {
        fs::write(&user, text).unwrap();
        for test in ["network", "conv1"] {
            let arguments = arguments(test);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (success, screen) = make(&sv, &arguments);
            let verdict = verdict(&screen);
            assert_eq!(success, passes, "{screen}");
            let expected = if passes { "PASS: 20 images" } else { "FAIL: layer conv1, image 0, channel 0" };
            assert!(verdict.starts_with(expected), "{verdict}");
        }
    }
}

/// What has no module is refused by name, and nothing is written.
#[test]
fn what_has_no_module_is_refused_by_name() {
    let folder = root().join("tests/fixtures/layers/linear_fbgemm");
    let (model, golden) = (folder.join("script.pt"), folder.join("golden.npz"));
    let graph = run(&["graph", &model.to_string_lossy()]).stdout;
    let (graph, _) = graph.rsplit_once("[[node]]").unwrap();
    let graph = graph.replace(r#"output = ["dequant"]"#, r#"output = ["soft"]"#)
        + "[[node]]\nname = \"soft\"\nop = \"softmax\"\ninputs = [\"linear4\"]\naxis = 1\nscale = 0.00390625\nzero_point = 0\n";
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("net.toml");
    fs::write(&path, graph).unwrap();
    let input = PathBuf::from(format!("{}:input_f32", golden.display()));
    let error = emit(&model, &input, &["--graph", &path.to_string_lossy()]).unwrap_err();
    assert!(error.contains("soft: softmax has no integer-only form"), "{error}");
}
