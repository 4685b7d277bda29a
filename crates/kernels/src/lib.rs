//! Exact integer dot products and matrix products, per instruction set; knows nothing of networks.
//!
//! Activations are 8-bit codes, unsigned or signed, weights are signed 8-bit codes, sums are int32. No kernel saturates
//! an intermediate result: every sum is exact modulo 2^32, hence exact whenever it fits an int32.
//!
//! A product is described without any notion of convolution: [`PackedWeights`] say which byte, relative to the start of
//! a row, each weight multiplies, and the caller gives the starts of the rows. A convolution is then a product without
//! `im2col`: its rows are the output positions, and rows overlap in memory.
//!
//! [`Kernel`] is the only way in. Its variants hold tokens that exist only where the instructions do, so calling code
//! compiled for them is sound.

mod depthwise;
mod kernel;
mod packed;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use depthwise::DepthwiseWeights;
pub use kernel::{Kernel, Operation};
pub use packed::{CodeSign, LANES, PackedWeights};
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512Vnni, AvxVnni};
