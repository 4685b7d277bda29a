//! The integer network and its equations: lowering of files to it, derivation of the integers, proofs.
//!
//! Pure: no files, no threads, no clock.
#![forbid(unsafe_code)]

pub mod certify;
pub mod contract;
pub mod derive;
pub mod error;
pub mod exact;
pub mod fixed_point;
mod gemmlowp;
mod gemmlowp_narrow;
pub mod hardware;
pub mod machine;
pub mod network;
pub mod ops;
pub mod parameters;
pub mod quantize;
pub mod tensor;
