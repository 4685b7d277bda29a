//! The folder that is written: which files it has, its manifest, golden values and vectors, whole or not at all.

mod check;
mod describe;
mod digest;
mod files;
pub mod formats;
pub mod golden;
mod json;
pub mod manifest;
pub mod read_back;
pub mod target_file;
mod vectors;
mod write;

use std::path::Path;

use gen_params_core::parameters::Parameters;

use crate::Error;
use crate::numbers::npz;

use target_file::TargetFile;

pub use files::{files, threshold_file};
pub use formats::{Format, Formats, UnknownFormat};
pub use golden::{Golden, GoldenFiles, GoldenTensor, Width, write_golden};
pub use manifest::{Manifest, SourceFile};
pub use vectors::{Vectors, write_vectors};
pub use write::{Existing, write_folder};

/// Writes everything that `formats` selects, and the manifest, into `directory`.
///
/// Returns the manifest as written. See [`write_folder`] for what happens to a folder that is there already.
///
/// # Errors
///
/// [`Error::Inconsistent`] and [`Error::SameName`] before anything is written; otherwise as [`write_folder`].
pub fn write_parameters(
    directory: &Path,
    parameters: &Parameters,
    source: Option<SourceFile>,
    formats: &Formats,
    existing: Existing,
) -> Result<Manifest, Error> {
    write_for_target(directory, parameters, source, formats, &TargetFile::default(), existing)
}

/// The same for a target: its tables, in its layout. `parameters` are as the target has them.
///
/// # Errors
///
/// As [`write_parameters`], and [`Error::Layout`] for numbers that do not fit where the target has them.
pub fn write_for_target(
    directory: &Path,
    parameters: &Parameters,
    source: Option<SourceFile>,
    formats: &Formats,
    target: &TargetFile,
    existing: Existing,
) -> Result<Manifest, Error> {
    let files = files::files_in(parameters, formats, &target.memory)?;
    // Files of words in a layout are listed with it, and not with the layers.
    let plain = formats.iter().filter(|&format| format != Format::Hex || target.memory.is_usual()).collect();
    let mut manifest = Manifest::describe(parameters, source, &plain);
    manifest.target = target.to_json();
    manifest.layouts = files.layouts;
    write_folder(directory, &files.files, manifest, existing)
}

/// SHA-256 of a file, lower-case hex, as a manifest lists it.
///
/// # Errors
///
/// [`Error::Io`] for a file that cannot be read.
pub fn file_digest(path: &Path) -> Result<String, Error> {
    let digest = std::fs::File::open(path).and_then(|mut file| digest::digest(&mut file));
    Ok(digest.map_err(Error::io("read", path))?.1)
}

/// SHA-256 of the parameters, lower-case hex: that of the archive `params.npz`, which holds every integer of every layer.
/// The same is in the manifest's list of files.
///
/// # Errors
///
/// [`Error::Inconsistent`] for parameters that cannot be written.
pub fn digest(parameters: &Parameters) -> Result<String, Error> {
    check::check(parameters)?;
    let mut archive = std::io::Cursor::new(Vec::new());
    npz::write(&mut archive, parameters).map_err(Error::io("write", "params.npz"))?;
    Ok(digest::hex_digest(archive.get_ref()))
}
