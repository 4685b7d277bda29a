//! What is said of inputs, names and closed pipes.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{root, run, run_in};

const LENET: &str = "examples/fashion_mnist/lenet_script.pt";

/// A `.npy` file of float32.
fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// Runs LeNet on one image, and gives the exit code and stderr.
fn run_on(folder: &Path, image: &[f32]) -> (Option<i32>, String) {
    fs::write(folder.join("image.npy"), npy(&[1, 1, 28, 28], image)).unwrap();
    let model = root().join(LENET).canonicalize().unwrap().display().to_string();
    let done = run_in(folder, &["run", &model, "--contract", "x86", "--input", "image.npy"]);
    (done.code, done.stderr)
}

#[test]
fn what_is_no_number_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let mut image = vec![0.5; 784];
        image[3 * 28 + 4] = value;
        let said = run_on(folder.path(), &image);
        let right = format!("error: image.npy: [0, 0, 3, 4]: found {name}, expected finite numbers\n");
        assert_eq!(said, (Some(2), right));
    }
}

#[test]
fn saturating_inputs_are_said_to_be_once_and_only_where_notable() {
    let folder = tempfile::tempdir().unwrap();
    let raw: Vec<f32> = (0..784_u16).map(|i| f32::from(i % 256)).collect();
    let (code, said) = run_on(folder.path(), &raw);
    assert_eq!(code, Some(0));
    assert_eq!(said.matches("of the input saturates").count(), 1, "{said}");
    assert!(said.contains("97 %") && said.contains("0 to 255") && said.contains("raw pixels"), "{said}");
    // A few outliers are what calibration cuts off.
    let mut usual = vec![0.5; 784];
    usual[..30].fill(100.0);
    assert_eq!(run_on(folder.path(), &usual), (Some(0), String::new()));
}

#[test]
fn bytes_that_are_taken_for_codes_are_said_to_be() {
    let golden = "tests/fixtures/layers/conv2d_fbgemm/golden.npz";
    let model = "tests/fixtures/layers/conv2d_fbgemm/script.pt";
    let codes = run(&["run", model, "--contract", "fbgemm", "--input", &format!("{golden}:input_q")]);
    assert!(
        codes.stderr.contains("uint8, taken for codes: real = 0.05114 * (code - 56)"),
        "{}",
        codes.stderr
    );
    let reals = run(&["run", model, "--contract", "fbgemm", "--input", &format!("{golden}:input_f32")]);
    assert!(!reals.stderr.contains("taken for codes"), "{}", reals.stderr);
}

#[test]
fn constants_stand_once_among_golden_values_whatever_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = root().join("tests/fixtures/messages").canonicalize().unwrap();
    let file = |name: &str| fixtures.join(name).display().to_string();
    let mut archives = Vec::new();
    for batch in ["1", "2", "3", "4"] {
        let place = format!("golden_{batch}");
        let (model, input) = (file("scalar_constant.onnx"), file("scalar_constant_input.npy"));
        let done =
            run_in(folder.path(), &["run", &model, "--input", &input, "--golden", &place, "--batch", batch]);
        assert_eq!(done.code, Some(0), "--batch {batch}: {}", done.stderr);
        archives.push(fs::read(folder.path().join(place).join("golden.npz")).unwrap());
    }
    assert!(archives.windows(2).all(|pair| pair[0] == pair[1]), "batches differ");
}

/// Runs a command whose reader closes its end after the first byte, or before it.
fn into_closed_pipe(arguments: &[&str], read: usize) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gen_params"))
        .args(arguments)
        .current_dir(root())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut bytes = vec![0; read];
    stdout.read_exact(&mut bytes).unwrap();
    drop(stdout);
    child.wait().unwrap().code()
}

#[test]
fn a_closed_stdout_keeps_the_exit_code() {
    // 0 would mean proven.
    let certify = ["certify", LENET, "--against", "x86"];
    assert_eq!(run(&certify).code, Some(1));
    for read in [0, 1] {
        assert_eq!(into_closed_pipe(&certify, read), Some(1), "after {read} bytes");
        assert_eq!(into_closed_pipe(&["graph", LENET], read), Some(0), "after {read} bytes");
    }
}

#[test]
fn names_that_act_on_a_terminal_reach_none() {
    let folder = "tests/fixtures/messages";
    for name in ["escaped_operator.onnx", "escaped_names.onnx", "bidirectional_names.onnx"] {
        let model = format!("{folder}/{name}");
        for arguments in [
            &["inspect", &model][..],
            &["inspect", &model, "--json"],
            &["graph", &model],
            &["certify", &model, "--against", "exact"],
            &["emit", "sv", &model, "--shape", "1"],
            &["run", &model, "--input", "no.npy"],
        ] {
            let done = run(arguments);
            let acts = |c: char| {
                (c.is_control() && c != '\n' && c != '\t') || ('\u{202a}'..='\u{202e}').contains(&c)
            };
            assert!(!done.stdout.contains(acts), "{arguments:?}: {:?}", done.stdout);
            assert!(!done.stderr.contains(acts), "{arguments:?}: {:?}", done.stderr);
        }
    }
    // What is printed as JSON says the name as it is.
    let json = run(&["inspect", &format!("{folder}/escaped_names.onnx"), "--json"]).stdout;
    let manifest: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(manifest.to_string().contains("\\u001b]0;pwned"), "{json}");
}

#[test]
fn files_of_other_frameworks_are_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("model.h5", b"\x89HDF\r\n\x1a\n0000");
    write("model.gguf", b"GGUF\x03\0\0\0");
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let tensors = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    write("model.safetensors", &tensors);
    write("graph.pb", b"\x0a\x14\x0a\x05input\x12\x0bPlaceholder");
    fs::create_dir(folder.path().join("saved")).unwrap();
    write("saved/saved_model.pb", b"\x08\x01\x12\x08\x0a\x05\x22\x05serve");
    let rows = [
        ("model.h5", "HDF5", "TFLiteConverter"),
        ("model.gguf", "GGUF", "PyTorch model"),
        ("model.safetensors", "no scale", "load_model"),
        ("graph.pb", "TensorFlow graph", "TFLiteConverter"),
        ("saved", "SavedModel", "TFLiteConverter"),
        ("saved/saved_model.pb", "SavedModel", "TFLiteConverter"),
    ];
    for (name, what, hint) in rows {
        let done = run_in(folder.path(), &[name]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{name}");
        let (error, told) = done.stderr.split_once("\n  hint: ").unwrap_or_else(|| panic!("{}", done.stderr));
        assert!(error.starts_with(&format!("error: {name}: ")) && error.contains(what), "{error}");
        assert!(told.contains(hint), "{told}");
    }
}
