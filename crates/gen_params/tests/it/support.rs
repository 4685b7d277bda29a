//! Where the files are, how C is compiled, and how tables of failures are printed.

use std::path::{Path, PathBuf};
use std::process::Command;

use gen_params::derive::{self, Options};
use gen_params::lower::{self, Engine};
use gen_params::network::IntNetwork;
use gen_params::parameters::Parameters;
pub(crate) use gen_params_test_support::{files, fixtures};

/// The network of a file that needs no options.
pub(crate) fn network(path: &Path) -> IntNetwork {
    let source = gen_params::read(gen_params::map_file(path).unwrap()).unwrap();
    lower::lower(&source, &lower::Options::default()).unwrap()
}

/// Reads, lowers and derives one file.
pub(crate) fn parameters(
    path: &Path,
    engine: Option<Engine>,
    options: &Options,
) -> Result<Parameters, String> {
    let bytes = gen_params::map_file(path).map_err(|e| e.to_string())?;
    let source = gen_params::read(bytes).map_err(|e| e.to_string())?;
    let lowering = lower::Options { engine, ..lower::Options::default() };
    let network = lower::lower(&source, &lowering).map_err(|e| e.to_string())?;
    derive::derive(&network, options).map_err(|e| e.to_string())
}

/// Fails with every row.
pub(crate) fn assert_no_failures(failures: &[String], checked: usize) {
    assert!(checked > 0, "nothing was checked");
    assert!(failures.is_empty(), "{} of {checked} checks fail:\n{}", failures.len(), failures.join("\n"));
}

/// All PyTorch files below a folder, sorted.
pub(crate) fn torch_files(folder: &Path) -> Vec<PathBuf> {
    files(folder, &[".pt", ".pth", ".pth.tar", ".ptl", ".pt2"])
}

/// All folders below a folder that hold golden values, sorted.
pub(crate) fn golden_folders(root: &Path) -> Vec<PathBuf> {
    files(root, &["/golden.npz"]).iter().map(|file| file.parent().unwrap().to_owned()).collect()
}

/// Compiles C99 sources of a folder with every warning an error and every sanitizer, and runs the program.
///
/// # Errors
/// The first lines of what the compiler or the program said.
pub(crate) fn compile_and_run(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let first_lines =
        |said: &[u8]| String::from_utf8_lossy(said).lines().take(5).collect::<Vec<_>>().join(" / ");
    let compiled = Command::new("gcc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-fsanitize=undefined,address"])
        .args(["-fno-sanitize-recover=all", "-I.", "-o", "net"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    if !compiled.status.success() {
        return Err(first_lines(&compiled.stderr));
    }
    let ran = Command::new(folder.join("net")).output().unwrap();
    if ran.status.success() { Ok(()) } else { Err(first_lines(&[ran.stdout, ran.stderr].concat())) }
}
