//! Labels: one class number per image.

use std::path::Path;

use super::{Input, array, idx};
use crate::error::{At, Error, Result, refuse};

/// Reads the class of each image of an input: `.npy` or `.npz` integers, an idx1 file, or a text with one integer a line.
///
/// There are as many as images, or, where the input is `limited` to the first ones, perhaps more.
///
/// # Errors
/// The file is none of these, or does not have a class for each image.
pub fn labels(path: impl AsRef<Path>, input: &Input, limited: bool) -> Result<Vec<usize>> {
    let mut labels = read_labels(path.as_ref())?;
    let images = input.images();
    if limited {
        labels.truncate(images);
    }
    if labels.len() != images {
        let problem = format!("found {} labels for {images} images", labels.len());
        return Err(Error::option("labels", problem));
    }
    Ok(labels)
}

/// Reads labels from `.npy` or `.npz` integers, an idx1 file, or a text with one integer a line.
pub(super) fn read_labels(path: &Path) -> Result<Vec<usize>> {
    read(path).at(|| path.display())
}

fn read(path: &Path) -> Result<Vec<usize>> {
    let (file, member) = array::split_member(path);
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.ends_with(".npy") || name.ends_with(".npz") {
        let array = array::read_one(&file, member.as_deref())?;
        let Some(values) = array.elements.integers().filter(|_| array.shape.len() == 1) else {
            refuse!(
                "found {} of shape {:?}, expected integers of shape (N,)",
                array.elements.type_name(),
                array.shape
            );
        };
        let class = |label| {
            usize::try_from(label).map_err(|_| Error::given(format!("label {label} is no class number")))
        };
        return values.into_iter().map(class).collect();
    }
    if name.ends_with(".txt") || name.ends_with(".csv") {
        let text = std::fs::read_to_string(&file)?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        return lines
            .map(|(number, line)| {
                let label = line.trim().parse();
                label.map_err(|_| {
                    Error::given(format!("line {}: found {line:?}, expected one integer", number + 1))
                })
            })
            .collect();
    }
    Ok(idx::read_labels(&file)?.into_iter().map(usize::from).collect())
}
