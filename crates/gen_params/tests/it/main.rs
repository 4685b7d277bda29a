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
mod engines;
mod export;
mod forms;
mod goldens;
mod hostile_names;
mod layers;
mod one_network;
mod onnx;
mod onnx_fused;
mod onnx_runtime;
mod seed;
mod silence;
mod support;
mod targets;
mod tflite;
mod tflite_kernels;
mod windows;
