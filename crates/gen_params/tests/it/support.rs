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
