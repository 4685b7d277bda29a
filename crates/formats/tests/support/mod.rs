//! The shared test files, which are not part of the repository.
#![allow(dead_code, reason = "each test program uses what it needs")]

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// Their folder; `None`, and a line that says so, where it is absent.
pub(crate) fn shared() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    if !folder.is_dir() {
        println!("skipped: {} is absent", folder.display());
        return None;
    }
    Some(folder.to_owned())
}

/// The files below a folder whose paths end in one of these, sorted.
pub(crate) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let paths =
        WalkDir::new(folder).into_iter().map(|entry| entry.unwrap()).filter(|e| e.file_type().is_file());
    let mut found: Vec<PathBuf> = paths.map(DirEntry::into_path).collect();
    found.retain(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)));
    found.sort();
    found
}
