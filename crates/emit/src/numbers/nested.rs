//! Nested lists of decimal codes, as Python and C write them.

use std::io::{self, Write};

use gen_params_core::parameters::Weight;

/// Bytes that are gathered between two calls of `write_all`.
const BLOCK: usize = 1 << 16;

/// The punctuation of a nested list.
pub(crate) struct Punctuation {
    /// Opens a list.
    pub(crate) open: u8,
    /// Closes it.
    pub(crate) close: u8,
    /// Between two entries of the outermost list; `, ` is between all others.
    pub(crate) between_outermost: &'static str,
}

/// A short text that is copied whole: a copy of fixed length, cut to size, is several times faster than one of the
/// right length.
#[derive(Clone, Copy)]
struct Snippet {
    bytes: [u8; 16],
    length: usize,
}

impl Snippet {
    /// `None` if the text is too long.
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, length: text.len() })
    }

    fn append_to(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(&self.bytes);
        text.truncate(text.len() - self.bytes.len() + self.length);
    }
}

/// Writes the codes of a weight, as its file has them, as lists nested like its shape.
///
/// The shape has one to five axes, its sizes are positive, and their product is the number of codes.
pub(crate) fn write(
    out: &mut (impl Write + ?Sized),
    weight: &Weight,
    punctuation: &Punctuation,
) -> io::Result<()> {
    let Weight { shape, codes, offset, .. } = weight;
    // Half of a residual network is 1x1 kernels. Brackets around single codes go into the table of texts, so that
    // such a layer has long rows like any other.
    let unit_axes = shape.iter().skip(1).rev().take_while(|&&size| size == 1).count();
    let tables = code_snippets(unit_axes, *offset, punctuation)
        .zip(row_separators(shape.len() - unit_axes, punctuation));
    let ((codes_as_text, separators), (&row_length, outer)) =
        tables.zip(shape[..shape.len() - unit_axes].split_last()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("a weight with {} axes", shape.len()))
        })?;

    let mut text = Vec::with_capacity(BLOCK + BLOCK / 4);
    let mut position = vec![0; outer.len()];
    text.resize(outer.len() + 1, punctuation.open);
    for (index, row) in codes.chunks(row_length).enumerate() {
        if index > 0 {
            separators[advance(&mut position, outer)].append_to(&mut text);
        }
        for part in row.chunks(BLOCK / 16) {
            if text.len() >= BLOCK {
                out.write_all(&text)?;
                text.clear();
            }
            for code in part {
                codes_as_text[usize::from(code.cast_unsigned())].append_to(&mut text);
            }
        }
        text.truncate(text.len() - ", ".len());
    }
    text.resize(text.len() + outer.len() + 1, punctuation.close);
    out.write_all(&text)
}

/// Steps to the next row; returns how many axes of `sizes`, counted from the innermost, began anew.
fn advance(position: &mut [usize], sizes: &[usize]) -> usize {
    for (finished, (index, &size)) in position.iter_mut().zip(sizes).rev().enumerate() {
        *index += 1;
        if *index < size {
            return finished;
        }
        *index = 0;
    }
    sizes.len()
}

/// The text of every code plus `offset`, by the code's unsigned value, with the brackets of its unit axes and the `, ` that follows.
fn code_snippets(unit_axes: usize, offset: i32, punctuation: &Punctuation) -> Option<Vec<Snippet>> {
    (0..=u8::MAX)
        .map(|byte| {
            let mut text = vec![punctuation.open; unit_axes];
            let code = i32::from(byte.cast_signed()).saturating_add(offset);
            text.extend_from_slice(code.to_string().as_bytes());
            text.resize(text.len() + unit_axes, punctuation.close);
            text.extend_from_slice(b", ");
            Snippet::new(&text)
        })
        .collect()
}

/// The text between two rows, by how many axes around them began anew.
fn row_separators(axes: usize, punctuation: &Punctuation) -> Option<Vec<Snippet>> {
    (1..=axes)
        .map(|brackets| {
            let mut text = vec![punctuation.close; brackets];
            let outermost = brackets + 1 == axes;
            text.extend_from_slice(if outermost { punctuation.between_outermost } else { ", " }.as_bytes());
            text.resize(text.len() + brackets, punctuation.open);
            Snippet::new(&text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: Punctuation = Punctuation { open: b'[', close: b']', between_outermost: ", " };

    fn python(shape: &[usize], codes: &[i8]) -> String {
        let mut text = Vec::new();
        let weight = Weight::of_bytes(shape.to_vec(), codes.into(), vec![1.0], vec![0]);
        write(&mut text, &weight, &PYTHON).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn unsigned_codes_are_written_as_the_file_has_them() {
        let mut text = Vec::new();
        let codes = [-128, 0, 127].into();
        let weight = Weight { offset: 128, ..Weight::of_bytes(vec![3], codes, vec![1.0], vec![0]) };
        write(&mut text, &weight, &PYTHON).unwrap();
        assert_eq!(text, b"[0, 128, 255]");
    }

    #[test]
    fn lists_nest_like_the_shape() {
        // As `str(numpy.arange(-2, n - 2).reshape(shape).tolist())` prints them.
        let rows: &[(&[usize], &str)] = &[
            (&[3], "[-2, -1, 0]"),
            (&[1], "[-2]"),
            (&[2, 2], "[[-2, -1], [0, 1]]"),
            (&[2, 1], "[[-2], [-1]]"),
            (&[1, 2], "[[-2, -1]]"),
            (&[2, 1, 1, 1], "[[[[-2]]], [[[-1]]]]"),
            (&[1, 1, 1, 1], "[[[[-2]]]]"),
            (&[2, 2, 1, 1], "[[[[-2]], [[-1]]], [[[0]], [[1]]]]"),
            (&[2, 1, 2, 1], "[[[[-2], [-1]]], [[[0], [1]]]]"),
            (&[2, 2, 1, 2], "[[[[-2, -1]], [[0, 1]]], [[[2, 3]], [[4, 5]]]]"),
            (&[1, 1, 1, 1, 1], "[[[[[-2]]]]]"),
            (&[2, 1, 1, 1, 2], "[[[[[-2, -1]]]], [[[[0, 1]]]]]"),
        ];
        let failures: Vec<_> = rows
            .iter()
            .map(|(shape, expected)| {
                let codes: Vec<i8> = (-2..).take(shape.iter().product()).collect();
                (shape, python(shape, &codes), expected)
            })
            .filter(|(_, found, expected)| found != *expected)
            .collect();
        assert!(failures.is_empty(), "{failures:#?}");
    }

    #[test]
    fn blocks_join_without_a_seam() {
        let codes: Vec<i8> = (-128..=127).cycle().take(3 * BLOCK).collect();
        let flat = format!("{codes:?}");
        assert!(python(&[3 * BLOCK], &codes) == flat);
        assert!(python(&[1, 3 * BLOCK], &codes) == format!("[{flat}]"));
        let rows: Vec<_> = codes.chunks(16).collect();
        assert!(python(&[3 * BLOCK / 16, 16], &codes) == format!("{rows:?}"));
    }
}
