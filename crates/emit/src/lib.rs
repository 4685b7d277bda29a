//! Writers: one module per output format, all from the same [`Parameters`](gen_params_core::parameters::Parameters), into a folder that is complete or absent.
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

mod error;
pub mod folder;
pub mod memory;
mod names;
pub mod numbers;
mod output;
pub mod programs;

pub use error::Error;
pub use folder::{
    Existing, Format, Formats, Golden, GoldenFiles, GoldenTensor, Manifest, SourceFile, UnknownFormat,
    Vectors, Width, digest, file_digest, files, threshold_file, write_folder, write_for_target, write_golden,
    write_parameters, write_vectors,
};
pub use output::{FileToWrite, Output};
pub use programs::arbitrary_images;
