//! Files beside a model: some formats keep their weights in another file of the model's folder.

use std::path::{Component, Path};

use bytes::Bytes;

use crate::error::{ReadError, Result};

/// Where a reader gets the files that a model names.
pub trait Files {
    /// The bytes of a file by the name that the model has for it, relative to the model's folder. Callers pass names as
    /// they stand in the model; implementations refuse those that [`relative`] refuses.
    ///
    /// # Errors
    /// There is no such file, or the name leads out of the model's folder.
    fn open(&self, name: &str) -> Result<Bytes>;
}

/// For models that come as bytes alone: there are no other files.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

impl Files for NoFiles {
    fn open(&self, _: &str) -> Result<Bytes> {
        Err(ReadError::unsupported("", "weights in another file", "weights in the model itself")
            .hint("give the model by its path, with its other files beside it"))
    }
}

/// A name from a model as a path below the model's folder.
///
/// # Errors
/// The name is absolute, climbs out of the folder, or is none.
pub fn relative(name: &str) -> Result<&Path> {
    let path = Path::new(name);
    let foreign = name.is_empty() || name.contains(['\\', ':', '\0']);
    let inside = path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if foreign || !inside {
        return Err(ReadError::malformed(
            "",
            format!("the file name '{}'", name.escape_debug()),
            "a file in the model's folder",
        ));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_folder() {
        for name in ["weights.bin", "./weights.bin", "data/weights.bin"] {
            assert!(relative(name).is_ok(), "{name}");
        }
        for name in ["", "..", "../secret", "/etc/passwd", "a/../../b", "C:\\secret", "a\\..\\b", "nul\0"] {
            assert!(relative(name).is_err(), "{name}");
        }
    }
}
