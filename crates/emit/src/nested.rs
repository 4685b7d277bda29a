//! Nested lists of decimal codes, as Python and C write them.

use std::io::{self, Write};

/// Bytes that are gathered between two calls of `write_all`.
const BLOCK: usize = 1 << 16;

/// Longest `open` + `close` that an [`Item`] carries, per axis of size 1.
const MOST_UNIT_AXES: usize = 4;

/// The punctuation of a nested list.
pub(crate) struct Punctuation {
    /// Opens a list.
    pub(crate) open: u8,
    /// Closes it.
    pub(crate) close: u8,
    /// Between two entries of the outermost list; `, ` is between all others.
    pub(crate) between_outermost: &'static str,
}

/// One code as text, brackets of its unit axes and the following `, ` included.
#[derive(Clone, Copy)]
struct Item {
    text: [u8; 16],
    length: usize,
}

/// Writes `codes`, in row-major order of `shape`, as lists nested like `shape`.
///
/// `shape` has at least one axis, its sizes are positive, and their product is the number of codes.
pub(crate) fn write(
    out: &mut (impl Write + ?Sized),
    shape: &[usize],
    codes: &[i8],
    punctuation: &Punctuation,
) -> io::Result<()> {
    // Half of a residual network is 1x1 kernels. Brackets around single codes go into the table of texts, so that
    // such a layer has long rows like any other.
    let unit_axes = shape.iter().skip(1).rev().take_while(|&&size| size == 1).count().min(MOST_UNIT_AXES);
    let items = items(unit_axes, punctuation);
    let Some((&row_length, outer)) = shape[..shape.len() - unit_axes].split_last() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a weight without axes"));
    };

    let mut text = Vec::with_capacity(BLOCK + BLOCK / 4);
    let mut position = vec![0; outer.len()];
    text.resize(outer.len(), punctuation.open);
    for (index, row) in codes.chunks(row_length).enumerate() {
        if index > 0 {
            let finished = advance(&mut position, outer);
            text.resize(text.len() + finished, punctuation.close);
            let outermost = finished + 1 == outer.len();
            text.extend_from_slice(if outermost { punctuation.between_outermost } else { ", " }.as_bytes());
            text.resize(text.len() + finished, punctuation.open);
        }
        text.push(punctuation.open);
        for part in row.chunks(BLOCK / 16) {
            if text.len() >= BLOCK {
                out.write_all(&text)?;
                text.clear();
            }
            for code in part {
                // A copy of fixed length and a shorter end is several times faster than one of variable length.
                let item = &items[usize::from(code.cast_unsigned())];
                text.extend_from_slice(&item.text);
                text.truncate(text.len() - item.text.len() + item.length);
            }
        }
        text.truncate(text.len() - ", ".len());
        text.push(punctuation.close);
    }
    text.resize(text.len() + outer.len(), punctuation.close);
    out.write_all(&text)
}

/// Steps to the next row; returns how many lists the last row was the end of, itself not counted.
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

/// The text of every code, by its unsigned value.
fn items(unit_axes: usize, punctuation: &Punctuation) -> Vec<Item> {
    (0..=u8::MAX)
        .map(|byte| {
            let mut bytes = vec![punctuation.open; unit_axes];
            bytes.extend_from_slice(byte.cast_signed().to_string().as_bytes());
            bytes.resize(bytes.len() + unit_axes, punctuation.close);
            bytes.extend_from_slice(b", ");
            let mut text = [0; 16];
            text[..bytes.len()].copy_from_slice(&bytes);
            Item { text, length: bytes.len() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: Punctuation = Punctuation { open: b'[', close: b']', between_outermost: ", " };

    fn python(shape: &[usize], codes: &[i8]) -> String {
        let mut text = Vec::new();
        write(&mut text, shape, codes, &PYTHON).unwrap();
        String::from_utf8(text).unwrap()
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
            (&[1, 1, 1, 1, 1, 1], "[[[[[[-2]]]]]]"),
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
