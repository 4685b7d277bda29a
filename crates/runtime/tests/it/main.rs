//! The fast engine against the scalar reference, and both against PyTorch.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it skips"
)]

mod fashion_mnist;
mod files;
mod layers;
mod support;
