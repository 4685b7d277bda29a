//! The front door of `gen_params`: the integers that hardware needs, from a trained, quantized neural network.
//!
//! ```
//! # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
//! # let folder = tempfile::tempdir()?;
//! # let place = folder.path().join("weight");
//! use gen_params::{Existing, Formats, Model};
//!
//! let model = Model::open("converted_script.pt")?;
//! let derived = model.derive(&gen_params::target("q31")?)?;
//! derived.write(&place, &Formats::default(), Existing::KeepForeign)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Model`] is a file that was read; [`Model::derive`] gives it the integers of a target, and [`Derived`] has the verbs: write
//! them, run the network, prove it, compare a hardware's values with it, write it as a program. They return values, print
//! nothing, and fail with one [`Error`]. The rooms behind the door are re-exported as modules.

mod accuracy;
mod arithmetic;
mod compare;
mod derived;
mod dump;
mod error;
mod golden;
pub mod input;
mod map;
mod model;
mod programs;
pub mod prove;
mod run;
pub mod text;
mod vectors;
mod versus;

pub use accuracy::Accuracy;
pub use arithmetic::{describe, target};
pub use compare::{Comparison, FirstDifference};
pub use derived::Derived;
pub use error::{Cause, Error, Result};
pub use gen_params_core::error::{LowerError, Reason};
pub use gen_params_core::{
    certify, contract, derive, exact, fixed_point, hardware, machine, network, ops, parameters, quantize,
    tensor,
};
pub use gen_params_emit::folder::target_file::TargetFile;
pub use gen_params_emit::{self as emit, Existing, Formats};
pub use gen_params_formats::{self as formats, read, read_with};
pub use gen_params_lower as lower;
pub use gen_params_runtime as runtime;
pub use input::{Input, InputOptions};
pub use map::{Folder, map_file};
pub use model::{Model, graph};
pub use programs::TestImages;
pub use prove::check_certificate;
pub use run::{Output, Progress, Run, RunOptions, largest};
pub use vectors::NetworkImages;
pub use versus::{Difference, NodeDifference, Versus};
