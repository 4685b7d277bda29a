//! Where the files of tests are, and which tests can run without which of them.
//!
//! Everything that a claim needs to be repeated lies in the repository, under `tests/fixtures`. The shared material is more of
//! the same (hundreds of networks) and what is not ours to distribute: other people's models, published data sets, hostile
//! files. It lies in the folder that `GEN_PARAMS_SHARED` names, else in `../shared` beside the repository. A test that needs it
//! is marked `#[needs(shared)]`; without the material it is listed as ignored, with the reason, and never as passed.
//!
//! | where | what |
//! |---|---|
//! | [`fixtures`] | small files, made for one question each |
//! | [`samples`] | some folders of the shared fixtures, under the names that they have there |
//! | [`shared`] | the shared material; its `fixtures` are all of which [`samples`] has some |
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that finds no files fails by panicking")]

pub mod npz;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub use gen_params_test_attributes::needs;
use walkdir::{DirEntry, WalkDir};

/// The repository.
#[must_use]
pub fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    folder.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// The repository's own fixtures.
#[must_use]
pub fn fixtures() -> PathBuf {
    root().join("tests/fixtures")
}

/// The part of the shared fixtures that is in the repository: folders as they are there.
#[must_use]
pub fn samples() -> PathBuf {
    fixtures().join("samples")
}

/// The shared material, for tests that are marked `#[needs(shared)]`.
///
/// # Panics
/// Where there is none: no test may pass that has nothing to look at.
#[must_use]
pub fn shared() -> PathBuf {
    let named = std::env::var_os("GEN_PARAMS_SHARED").unwrap_or_else(|| "../shared".into());
    let folder = root().join(named);
    folder.canonicalize().unwrap_or_else(|error| {
        panic!(
            "{}: {error}; the shared material is no longer where it was when this test was built",
            folder.display()
        )
    })
}

/// All files below a folder whose paths end in one of these, sorted.
///
/// # Panics
/// Where the folder cannot be read.
#[must_use]
pub fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = WalkDir::new(folder).into_iter().map(Result::unwrap);
    let paths = entries.filter(|entry| entry.file_type().is_file()).map(DirEntry::into_path);
    let mut found: Vec<PathBuf> =
        paths.filter(|path| endings.iter().any(|end| path.to_string_lossy().ends_with(end))).collect();
    found.sort();
    found
}

/// What this thread has computed for: limits of time hold whatever else the machine does meanwhile. Elsewhere than on Linux it
/// is the time of day.
#[must_use]
pub fn processor_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let on_processor = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = on_processor.as_deref().and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}
