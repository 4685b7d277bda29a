//! Runs an [`IntNetwork`](gen_params_core::network::IntNetwork) fast, equal in every bit to the scalar reference.
//!
//! A network is planned once for one shape of image: windows, packed weights, tables, memory. Then any number of images
//! runs through it, some at a time in each thread, without further allocation but for the results.
//!
//! Layers are computed by the kernels of this machine. Everything else is either a table, filled once by asking the
//! reference itself for every input there is, or a rearrangement, found once by sending indices through the reference,
//! or, where neither is possible, the reference itself, image by image.
#![forbid(unsafe_code)]

mod engine;
mod error;
mod geometry;
mod layer;
mod memory;
mod oracle;
mod plan;
mod pool;
mod quantize;
mod requantize;
mod step;
mod table;

pub use engine::{Engine, Observed, Request};
pub use error::{Error, Result};
