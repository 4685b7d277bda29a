//! The integer-only arithmetic of the user's hardware: rounding, register widths, and what happens beyond them.
//!
//! ```text
//! output = clamp(round((sum(x_q * w_q) * 2^F + folded_bias) * M0 * 2^-(n + F)) + Z3, min, max)
//! ```
//!
//! with F = 0 unless the bias has fractional bits, each intermediate value held in a register of a given width.

mod fault;
pub mod integer_op;
mod layer;
mod operator;
pub mod reach;
mod register;
mod rescale;
mod rounding;
mod stage;
pub mod steps;
mod target;
mod vectors;

pub use fault::Fault;
pub use integer_op::IntegerOp;
pub(crate) use layer::taps::{Axis, AxisSizes};
pub use layer::{LayerCodes, Overflow, Stages, TargetError, TargetLayer, unravel};
pub use operator::{Choice, Means, OperatorCodes, Port, TargetOperator, derive_operator, mean_scale};
pub use register::{OnOverflow, Register};
pub use rescale::Rescale;
pub(crate) use rounding::GEMMLOWP_BITS;
pub use rounding::Rounding;
pub use stage::Stage;
pub use target::Target;
pub use vectors::{Aim, LayerVectors, Missing, Vector, WrongPadding};
