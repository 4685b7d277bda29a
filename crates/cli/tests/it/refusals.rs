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

/// What is computed or proven along a guess would be a guess, too.
#[test]
fn a_guessed_topology_is_asked_for() {
    let fixtures = root().join("tests/fixtures/modules");
    let place = tempfile::tempdir().unwrap();
    let graph = place.path().join("net.toml");
    for model in ["frelu.pt", "frelu_sd.pt", "reg.pt"] {
        let path = fixtures.join(model).display().to_string();
        let drafted = run_in(place.path(), &["graph", &path]);
        assert_eq!(drafted.code, Some(0), "{}", drafted.stderr);
        fs::write(&graph, &drafted.stdout).unwrap();
        let input = fixtures.join("frelu.npy").display().to_string();
        for arguments in [
            &["run", &path, "--input", &input][..],
            &["run", &path, "--input", &input, "--graph", "net.toml"],
            &["certify", &path, "--against", "fbgemm"],
            &["certify", &path, "--against", "fbgemm", "--graph", "net.toml"],
            &["vectors", &path, "--shape", "1x8x8", "-o", "out"],
            &["vectors", &path, "--graph", "net.toml", "-o", "out"],
            &["emit", "c", &path, "--shape", "1x8x8", "-o", "out"],
            &["emit", "sv", &path, "--shape", "1x8x8", "-o", "out"],
        ] {
            let run = run_in(place.path(), arguments);
            assert_eq!(run.code, Some(2), "{arguments:?}\n{}", run.screen());
            let asks =
                run.stderr.contains("hint: gen_params graph ") && run.stderr.contains("--graph net.toml");
            assert!(asks && run.stderr.contains(" -> "), "{arguments:?}\n{}", run.screen());
            assert!(!place.path().join("out").exists(), "{arguments:?}");
        }
    }
}
