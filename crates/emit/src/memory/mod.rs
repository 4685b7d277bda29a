//! The memory of a target: which numbers lie where, in which layout, in which format of file.

mod contents;
pub mod formats;
mod kind;
pub mod layout;
mod packed;
mod plan;

pub use contents::{Contents, Placed};
pub use kind::Kind;
pub(crate) use kind::layer_file;
pub use packed::BANK;
pub(crate) use packed::{PackedFile, pack_all, pack_values};
pub use plan::{FieldPlan, Memory, Packing, TablePlan};
