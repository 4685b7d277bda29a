//! How operators name the tensors of their network.

/// Index of an edge of a network: one activation tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId(pub usize);
