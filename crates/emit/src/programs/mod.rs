//! Whole networks as programs: C, SystemVerilog, and the calls of CMSIS-NN.

mod arbitrary;
pub mod c;
pub mod cmsis_nn;
pub mod systemverilog;

pub use arbitrary::arbitrary_images;
