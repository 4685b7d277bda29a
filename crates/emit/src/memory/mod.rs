//! The memory of a target: which numbers lie where.

mod contents;
mod kind;
mod packed;
mod plan;

pub use contents::{Contents, Placed};
pub use kind::Kind;
pub(crate) use packed::{PackedFile, pack_all};
pub use plan::{FieldPlan, Memory, Packing, TablePlan};
