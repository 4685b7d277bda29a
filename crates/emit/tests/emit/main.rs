//! What the writers write, read back by other tools than ours.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests are tests; clippy.toml allows these in functions that are marked as such only"
)]

mod folder;
mod layout_tools;
mod layouts;
mod manifest;
mod npz;
mod operators;
mod rounding;
mod sample;
mod text;
mod tools;
