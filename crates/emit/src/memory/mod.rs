//! The memory of a target: which numbers lie where.

mod kind;
mod plan;

pub use kind::Kind;
pub use plan::{Memory, Packing, TablePlan};
