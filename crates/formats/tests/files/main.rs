//! Sound files: each is read, and gives what its maker says that it holds.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and talks by printing"
)]

mod export;
mod tflite;
mod torch;
