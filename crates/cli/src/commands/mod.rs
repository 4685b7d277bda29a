//! One module per command.

pub(crate) mod certify;
pub(crate) mod compare;
pub(crate) mod emit;
pub(crate) mod generate;
pub(crate) mod graph;
pub(crate) mod inspect;
pub(crate) mod layout;
pub(crate) mod run;
pub(crate) mod supported;
pub(crate) mod targets;
pub(crate) mod vectors;
mod versus;

/// What a command that compares has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// No difference, or none was looked for.
    None,
    /// A difference, or an accuracy below the bar.
    Different,
}
