//! Bad input: exit code 2, an error with the file's name, and nothing on disk.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{root, run_in};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

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

#[test]
fn hostile_files_are_refused() {
    let bad = root().join("../shared/bad");
    if !bad.is_dir() {
        println!("{} is absent: nothing to check", bad.display());
        return;
    }
    let mut paths = Vec::new();
    for folder in ["pickle", "torch", "zip_tar", "go-fuzz-corpus", "flatbuffers", "onnx", "tflite"] {
        files(&bad.join(folder), &mut paths);
    }
    paths.sort();
    // Models of the converter's own tests: small, and nothing is wrong with them.
    let sound =
        ["lite/testdata/fc_qat.bin", "lite/testdata/svdf_quantized.bin", "python/testdata/pc_conv.bin"];
    paths.retain(|path| !sound.iter().any(|sound| path.ends_with(sound)));
    all_refused(&paths);
}
