//! Where the files are, and how tables of failures are printed.

use std::path::{Path, PathBuf};

use gen_params::derive::{self, Options};
use gen_params::lower::{self, Engine};
use gen_params::parameters::Parameters;

/// The project's own fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
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

/// Other people's files and the large fixtures, beside the repository; tests that read them say so where they are absent.
pub(crate) fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if path.is_dir() {
        Some(path)
    } else {
        println!("{} is absent: nothing to check", path.display());
        None
    }
}

/// All PyTorch files below a folder, sorted.
pub(crate) fn torch_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if [".pt", ".pth", ".pth.tar", ".ptl", ".pt2"].iter().any(|e| name.ends_with(e)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
