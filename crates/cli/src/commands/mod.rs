//! One module per command.

pub(crate) mod generate;
pub(crate) mod graph;
pub(crate) mod inspect;
