//! What can go wrong while writing, with the place, what was found and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use gen_params_core::error::Reason;

use crate::memory::layout::LayoutError;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The parameters contradict themselves.
    #[error("layer {layer:?}: {field} has {found}, expected {expected}")]
    Inconsistent {
        /// The layer's name in the model.
        layer: String,
        /// The field that is wrong.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it must hold.
        expected: String,
    },
    /// Two layers would be written under one name.
    #[error(
        "layers {first:?} and {second:?} would both be written as {name} (characters other than letters, digits \
         and _ become _, and case does not count)\nhint: rename one of them in the model"
    )]
    SameName {
        /// The file or identifier.
        name: String,
        /// The layer that comes first.
        first: String,
        /// The layer that comes second.
        second: String,
    },
    /// A table cannot be laid out as the target says.
    #[error("layer {layer:?}: table {table}: {source}")]
    Layout {
        /// The layer's name in the model.
        layer: String,
        /// The table.
        table: String,
        /// Why.
        source: LayoutError,
    },
    /// The output folder holds something that this tool did not write.
    #[error("will not replace {}: {found}\nhint: {hint}", directory.display())]
    Foreign {
        /// The folder.
        directory: PathBuf,
        /// What is there.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// A file or folder could not be read, written or moved.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Golden values contradict themselves.
    #[error("golden values: {found}")]
    Golden {
        /// What is wrong.
        found: String,
    },
    /// A network has parts that cannot be written in a language.
    #[error("cannot be written in {what}:{}", List(reasons))]
    Unsupported {
        /// The language.
        what: &'static str,
        /// Every part.
        reasons: Vec<Reason>,
    },
    /// A manifest cannot be read back.
    #[error("not a manifest of this tool: {found}")]
    Manifest {
        /// What is wrong with it.
        found: String,
    },
}

/// Reasons, one a line.
struct List<'a>(&'a [Reason]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for reason in self.0 {
            write!(f, "\n  {reason}")?;
        }
        Ok(())
    }
}

impl Error {
    /// Adds what was tried and where to an [`io::Error`].
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
