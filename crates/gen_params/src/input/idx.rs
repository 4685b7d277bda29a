//! The idx format of MNIST: two zero bytes, an element type, a number of axes, big-endian sizes, then the elements.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{At, Result, refuse};

/// Grey images.
pub(super) struct Images {
    pub(super) count: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// (count, rows, columns), row-major.
    pub(super) pixels: Vec<u8>,
}

/// Reads an idx3 file of bytes, gzipped or not.
pub(super) fn read_images(path: &Path) -> Result<Images> {
    let (sizes, pixels) = read(path)?;
    match sizes.as_slice() {
        &[count, rows, columns] => Ok(Images { count, rows, columns, pixels }),
        sizes => refuse!("is an idx file of {} axes, expected 3: images, rows, columns", sizes.len()),
    }
}

/// Reads an idx1 file of bytes, gzipped or not.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u8>> {
    let (sizes, labels) = read(path)?;
    if sizes.len() != 1 {
        refuse!("is an idx file of {} axes, expected 1: the labels", sizes.len());
    }
    Ok(labels)
}

const UNSIGNED_BYTE: u8 = 8;

fn read(path: &Path) -> Result<(Vec<usize>, Vec<u8>)> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let packed = std::mem::take(&mut bytes);
        flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).at(|| "gzip")?;
    }
    let [0, 0, element, axes, rest @ ..] = bytes.as_slice() else {
        refuse!("is no idx file: it does not begin with two zero bytes");
    };
    if *element != UNSIGNED_BYTE {
        refuse!("is an idx file of element type {element:#04x}, expected 0x08, unsigned bytes");
    }
    let header = usize::from(*axes) * 4;
    let Some((sizes, elements)) = rest.split_at_checked(header) else { refuse!("ends within its header") };
    let sizes: Vec<usize> = sizes
        .chunks_exact(4)
        .map(|size| size.iter().fold(0, |value, &byte| value << 8 | usize::from(byte)))
        .collect();
    let expected = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    if expected != Some(elements.len()) {
        refuse!("has {} bytes of elements, which is not what its sizes {sizes:?} hold", elements.len());
    }
    Ok((sizes, elements.to_vec()))
}
