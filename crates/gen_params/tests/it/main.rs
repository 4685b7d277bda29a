//! Known answers of the whole way from a file to the integers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and prints tables"
)]

mod c_programs;
mod certificates;
mod cmsis_nn;
mod cmsis_structs;
mod containers;
mod export;
mod forms;
mod goldens;
mod layers;
mod one_network;
mod onnx;
mod onnx_fused;
mod seed;
mod support;
mod targets;
mod tflite;
mod windows;
