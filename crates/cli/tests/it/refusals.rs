//! Bad input: exit code 2, an error with the file's name, and nothing on disk.

use std::fs;
use std::path::PathBuf;

use gen_params_test_support::{files, needs, root, shared};

use crate::support::run_in;

/// Runs the main command on each file; all must be refused and leave nothing.
fn all_refused(paths: &[PathBuf]) {
    let place = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        let run = run_in(place.path(), &[&name]);
        let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        let mut problem = |text: String| wrong.push(format!("{name}: {text}"));
        if run.code != Some(2) {
            problem(format!("exit {:?}", run.code));
        }
        if !run.stderr.starts_with("error: ") || !run.stderr.contains(&name) || !run.stdout.is_empty() {
            problem(format!("said {:?} and {:?}", run.stdout, run.stderr));
        }
        if !left.is_empty() {
            problem(format!("left {left:?}"));
            left.iter().for_each(|l| drop(fs::remove_dir_all(place.path().join(l))));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), paths.len(), wrong.join("\n"));
    println!("{} files refused", paths.len());
}

#[test]
fn cut_files_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for name in ["lenet_script.pt", "lenet_state_dict.pt"] {
        let bytes = fs::read(root().join("examples/fashion_mnist").join(name)).unwrap();
        for length in [0, 1, 4, 100, bytes.len() / 2, bytes.len() - 1] {
            let path = place.path().join(format!("{length}_{name}"));
            fs::write(&path, &bytes[..length]).unwrap();
            paths.push(path);
        }
    }
    all_refused(&paths);
}

#[needs(shared)]
fn hostile_files_are_refused() {
    let bad = shared().join("bad");
    let folders = ["pickle", "torch", "zip_tar", "go-fuzz-corpus", "flatbuffers", "onnx", "tflite"];
    let mut paths: Vec<PathBuf> = folders.iter().flat_map(|folder| files(&bad.join(folder), &[""])).collect();
    // Models of the converter's own tests: small, and nothing is wrong with them.
    let sound =
        ["lite/testdata/fc_qat.bin", "lite/testdata/svdf_quantized.bin", "python/testdata/pc_conv.bin"];
    paths.retain(|path| !sound.iter().any(|sound| path.ends_with(sound)));
    all_refused(&paths);
}
