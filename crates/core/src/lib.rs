//! The integer network and its equations: lowering of files to it, derivation of the integers, proofs.
//!
//! Pure: no files, no threads, no clock.
#![forbid(unsafe_code)]

pub mod parameters;
