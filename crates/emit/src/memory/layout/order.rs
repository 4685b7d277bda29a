//! The order of a tensor's elements: a nest of loops over its axes, written like `OIHW16i16o`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::LayoutError;

/// One loop of the nest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loop {
    /// The axis, an upper-case letter.
    pub axis: char,
    /// `None` for the loop over a whole axis (over its blocks, where it has any), else the size of a block of it.
    pub block: Option<u32>,
}

/// A nest of loops, outermost first, as text: an upper-case letter is the loop over an axis, a number with a lower-case
/// letter a loop inside a block of that many of its elements. The last loop runs fastest.
///
/// `OHWI` is channels last. `OIHW16i16o` has tiles of 16 input by 16 output channels, output channels innermost; axes are
/// padded to whole blocks. Blocks may nest: `OIHW4i16o4i` has 16 input channels a tile, in fours.
///
/// An axis that a tensor does not have is one of size 1, so that one order serves layers of several kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Order(Vec<Loop>);

/// More blocks than any memory has, so that sizes of untrusted orders stay bounded.
const LARGEST_BLOCK: u32 = 1 << 16;

/// More loops than any tensor has.
const MOST_LOOPS: usize = 16;

impl Order {
    /// Row-major order of `axes`.
    pub fn row_major(axes: &str) -> Self {
        Self(axes.chars().map(|axis| Loop { axis: axis.to_ascii_uppercase(), block: None }).collect())
    }

    /// The same nest inside a loop over `axis`, unless it has one.
    pub fn inside(mut self, axis: char) -> Self {
        if !self.0.iter().any(|this| this.axis == axis) {
            self.0.insert(0, Loop { axis, block: None });
        }
        self
    }

    /// The loops, outermost first.
    pub fn loops(&self) -> &[Loop] {
        &self.0
    }

    /// True if no axis has blocks and the axes that both have come as in `axes`.
    pub fn is_row_major(&self, axes: &str) -> bool {
        let own = self.0.iter().map(|this| this.axis).filter(|axis| axes.contains(*axis));
        self.0.iter().all(|this| this.block.is_none()) && own.eq(axes.chars())
    }

    /// Whole blocks of an axis have this many elements.
    fn block_of(&self, axis: char) -> Option<usize> {
        let blocks = self.0.iter().filter(|this| this.axis == axis).filter_map(|this| this.block);
        blocks.map(|block| block as usize).try_fold(1, |product: usize, block| product.checked_mul(block))
    }

    /// The nest for a tensor of `shape` along `axes`.
    ///
    /// # Errors
    /// An axis of the tensor that has no loop, or sizes beyond what can be counted.
    pub(super) fn nest(&self, axes: &str, shape: &[usize]) -> Result<Nest, LayoutError> {
        let refuse = |what: String| LayoutError::Description { what };
        if axes.chars().count() != shape.len() {
            return Err(refuse(format!("{} sizes for the axes {axes}", shape.len())));
        }
        if let Some(missing) = axes.chars().find(|&axis| !self.0.iter().any(|this| this.axis == axis)) {
            return Err(refuse(format!("order {self} has no loop over axis {missing} of {axes}")));
        }
        let too_large =
            || refuse(format!("order {self} of a tensor of sizes {shape:?} is beyond what can be counted"));
        let mut stride = 1_usize;
        let mut strides = vec![0; shape.len()];
        for (place, &size) in strides.iter_mut().zip(shape).rev() {
            *place = stride;
            stride = stride.checked_mul(size).ok_or_else(too_large)?;
        }
        let mut loops = Vec::with_capacity(self.0.len());
        let mut slots = 1_usize;
        for (index, this) in self.0.iter().enumerate() {
            let axis = axes.chars().position(|axis| axis == this.axis);
            let size = axis.map_or(1, |axis| shape[axis]);
            // What is further in, of the same axis, is stepped over.
            let inner =
                self.0[index + 1..].iter().filter(|other| other.axis == this.axis && other.block.is_some());
            let block = self.block_of(this.axis).ok_or_else(too_large)?;
            let (extent, step) = match this.block {
                None => (size.div_ceil(block), block),
                Some(own) => {
                    let step = inner.map(|other| other.block.unwrap_or(1) as usize).product();
                    (own as usize, step)
                }
            };
            slots = slots.checked_mul(extent).ok_or_else(too_large)?;
            loops.push(NestedLoop { axis, extent, step });
        }
        Ok(Nest { loops, sizes: shape.to_vec(), strides, slots })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|this| match this.block {
            None => write!(f, "{}", this.axis),
            Some(block) => write!(f, "{block}{}", this.axis.to_ascii_lowercase()),
        })
    }
}

impl FromStr for Order {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let refuse = |what: &str| {
            let what = format!("order {text:?}: {what}; expected axes and blocks such as OHWI or OIHW16i16o");
            LayoutError::Description { what }
        };
        let mut loops: Vec<Loop> = Vec::new();
        let mut digits = String::new();
        for letter in text.chars() {
            if letter.is_ascii_digit() {
                digits.push(letter);
                continue;
            }
            let axis = letter.to_ascii_uppercase();
            let this = match (letter, digits.as_str()) {
                ('A'..='Z', "") => Loop { axis, block: None },
                ('a'..='z', digits) if !digits.is_empty() => {
                    let block = digits.parse().ok().filter(|block| (2..=LARGEST_BLOCK).contains(block));
                    Loop {
                        axis,
                        block: Some(block.ok_or_else(|| refuse("a block has 2 to 65536 elements"))?),
                    }
                }
                ('A'..='Z', _) => {
                    return Err(refuse("a number stands before the lower-case letter of a block"));
                }
                ('a'..='z', _) => {
                    return Err(refuse("a lower-case letter is a block and has a size before it"));
                }
                _ => return Err(refuse("it has a character that is neither a letter nor a digit")),
            };
            digits.clear();
            let opened = loops.iter().any(|other| other.axis == axis && other.block.is_none());
            if opened && this.block.is_none() {
                return Err(refuse("an axis stands twice"));
            }
            if !opened && this.block.is_some() {
                return Err(refuse("a block stands before its axis"));
            }
            loops.push(this);
        }
        if !digits.is_empty() {
            return Err(refuse("it ends in a number"));
        }
        if loops.is_empty() || loops.len() > MOST_LOOPS {
            return Err(refuse("it has 1 to 16 loops"));
        }
        Ok(Self(loops))
    }
}

impl TryFrom<String> for Order {
    type Error = LayoutError;

    fn try_from(text: String) -> Result<Self, LayoutError> {
        text.parse()
    }
}

impl From<Order> for String {
    fn from(order: Order) -> Self {
        order.to_string()
    }
}

/// One loop with its extent in a given tensor.
#[derive(Debug, Clone, Copy)]
struct NestedLoop {
    /// Index of the axis; `None` for an axis that the tensor does not have.
    axis: Option<usize>,
    extent: usize,
    /// By how much the index along the axis grows.
    step: usize,
}

/// The loops for a given tensor.
#[derive(Debug, Clone)]
pub(super) struct Nest {
    loops: Vec<NestedLoop>,
    sizes: Vec<usize>,
    strides: Vec<usize>,
    /// Elements and padding.
    pub(super) slots: usize,
}

impl Nest {
    /// Visits every slot in order with the row-major index of its element; `None` is padding.
    pub(super) fn for_each<E>(&self, mut visit: impl FnMut(Option<usize>) -> Result<(), E>) -> Result<(), E> {
        if self.slots == 0 {
            return Ok(());
        }
        let mut counters = vec![0; self.loops.len()];
        let mut indices = vec![0; self.sizes.len()];
        // Of an axis that the tensor does not have, only index 0 is there.
        let mut absent = 0_usize;
        loop {
            let inside = absent == 0 && indices.iter().zip(&self.sizes).all(|(index, size)| index < size);
            let offset = indices.iter().zip(&self.strides).map(|(index, stride)| index * stride).sum();
            visit(inside.then_some(offset))?;
            let mut rest = self.loops.iter().zip(&mut counters).rev();
            loop {
                let Some((this, counter)) = rest.next() else { return Ok(()) };
                let index = this.axis.map_or(&mut absent, |axis| &mut indices[axis]);
                *counter += 1;
                if *counter < this.extent {
                    *index += this.step;
                    break;
                }
                *index -= (*counter - 1) * this.step;
                *counter = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(order: &str, axes: &str, shape: &[usize]) -> Vec<Option<usize>> {
        let nest = order.parse::<Order>().unwrap().nest(axes, shape).unwrap();
        let mut found = Vec::new();
        nest.for_each(|slot| {
            found.push(slot);
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(found.len(), nest.slots);
        found
    }

    #[test]
    fn orders_are_the_loops_that_they_say() {
        // By numpy: arange(n).reshape(shape), transposed, padded and reshaped.
        let some = |indices: &[usize]| indices.iter().map(|&index| Some(index)).collect::<Vec<_>>();
        assert_eq!(walk("OI", "OI", &[2, 3]), some(&[0, 1, 2, 3, 4, 5]));
        assert_eq!(walk("IO", "OI", &[2, 3]), some(&[0, 3, 1, 4, 2, 5]));
        assert_eq!(walk("OHWI", "OI", &[2, 3]), some(&[0, 1, 2, 3, 4, 5]));
        assert_eq!(walk("OHWI", "OIHW", &[1, 2, 2, 2]), some(&[0, 4, 1, 5, 2, 6, 3, 7]));
        assert_eq!(walk("OI2o", "OI", &[4, 2]), some(&[0, 2, 1, 3, 4, 6, 5, 7]));
        assert_eq!(walk("OI2i2o", "OI", &[2, 4]), some(&[0, 4, 1, 5, 2, 6, 3, 7]));
        assert_eq!(walk("OI2i2o2i", "OI", &[2, 4]), some(&[0, 1, 4, 5, 2, 3, 6, 7]));
        let padded = [Some(0), Some(1), Some(2), None];
        assert_eq!(walk("O2o", "O", &[3]), padded);
        assert_eq!(walk("OI2i", "O", &[2]), [Some(0), None, Some(1), None]);
    }

    #[test]
    fn text_that_is_no_order_is_refused_with_the_reason() {
        let rows = [
            ("", "1 to 16 loops"),
            ("OO", "twice"),
            ("O16", "ends in a number"),
            ("16oO", "before its axis"),
            ("Oi", "has a size"),
            ("16O", "before the lower-case"),
            ("O1o", "2 to 65536"),
            ("O99999999999o", "2 to 65536"),
            ("O-I", "neither a letter"),
            ("ABCDEFGHIJKLMNOPQ", "1 to 16 loops"),
        ];
        let failures: Vec<_> = rows
            .iter()
            .map(|(text, expected)| {
                (text, text.parse::<Order>().map_err(|error| error.to_string()), expected)
            })
            .filter(|(_, found, expected)| !found.as_ref().is_err_and(|error| error.contains(*expected)))
            .collect();
        assert!(failures.is_empty(), "{failures:#?}");
        let order: Order = "OIHW4i16o4i".parse().unwrap();
        assert_eq!(order.to_string(), "OIHW4i16o4i");
        assert!(order.nest("OIDHW", &[1; 5]).is_err());
        assert!(order.nest("OIHW", &[usize::MAX / 2, 3, 1, 1]).is_err());
    }
}
