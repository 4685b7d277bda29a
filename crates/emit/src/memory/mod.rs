//! The memory of a target: which numbers lie where.

mod contents;
mod kind;
mod packed;
mod plan;

pub use contents::{Contents, Placed};
pub use kind::Kind;
pub use packed::BANK;
pub(crate) use packed::{PackedFile, pack_all, pack_values};
pub use plan::{FieldPlan, Memory, Packing, TablePlan};
