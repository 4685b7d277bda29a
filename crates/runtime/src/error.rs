//! Why a network cannot be run.

use thiserror::Error;

/// Why a network cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// An operation that cannot be computed.
    #[error("{node}: {text}")]
    Node {
        /// Name of the node.
        node: String,
        /// What was found there.
        text: String,
    },
    /// An input that does not fit the network.
    #[error("the input: {0}")]
    Input(
        /// What was found, and what was expected.
        String,
    ),
}

impl Error {
    pub(crate) fn node(node: &str, text: impl Into<String>) -> Self {
        Self::Node { node: node.into(), text: text.into() }
    }
}

/// Result of planning or running.
pub type Result<T, E = Error> = std::result::Result<T, E>;
