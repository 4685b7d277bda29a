//! Writers: one module per output format, all from the same [`Parameters`], into a folder that is complete or absent.
//!
//! ```no_run
//! use gen_params_core::parameters::Parameters;
//! use gen_params_emit::{Existing, Formats, write_parameters};
//!
//! fn save(parameters: &Parameters) -> Result<(), gen_params_emit::Error> {
//!     write_parameters("weight".as_ref(), parameters, None, &Formats::default(), Existing::KeepForeign)?;
//!     Ok(())
//! }
//! ```
#![forbid(unsafe_code)]

pub mod c_header;
pub mod c_program;
mod check;
mod constants;
pub mod decimal_list;
mod describe;
mod error;
mod files;
pub mod folder;
pub mod formats;
pub mod golden;
pub mod hex;
mod json;
pub mod layout;
pub mod manifest;
mod names;
mod nested;
pub mod npz;
pub mod svh;

use std::path::Path;

use gen_params_core::parameters::Parameters;

pub use error::Error;
pub use files::files;
pub use folder::{Existing, FileToWrite, Output, write_folder};
pub use formats::{Format, Formats, UnknownFormat};
pub use golden::{Golden, GoldenTensor, Width, write_golden};
pub use manifest::{Manifest, SourceFile};

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
    let files = files(parameters, formats)?;
    let manifest = Manifest::describe(parameters, source, formats);
    write_folder(directory, &files, manifest, existing)
}
