//! The front door of `gen_params`: the public Rust API, re-exports only.

mod map;

pub use gen_params_core::{
    certify, contract, derive, error, exact, fixed_point, hardware, machine, network, ops, parameters,
    quantize, tensor,
};
pub use gen_params_emit as emit;
pub use gen_params_formats::{self as formats, read, read_with};
pub use gen_params_lower as lower;
pub use gen_params_runtime as runtime;
pub use map::{Folder, map_file};
