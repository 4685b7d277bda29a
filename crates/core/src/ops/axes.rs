//! Axes that count from the end, and operands of several shapes.

use super::context::OpError;
use crate::tensor::{Codes, Tensor, coordinates, strides};

/// An axis that may count from the end, as an index below `rank`.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Result<usize, OpError> {
    let rank_signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let counted = if axis < 0 { axis.saturating_add(rank_signed) } else { axis };
    usize::try_from(counted)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| OpError::new(format!("axis {axis}"), format!("one of {rank} axes")))
}

/// The shape of an element-wise operation: axes are matched from the last one; one of size 1 is repeated.
pub(super) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, OpError> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(OpError::new(format!("inputs {a:?} and {b:?}"), "equal sizes, or 1")),
        })
        .collect()
}

/// Both operands in the shape of the result.
pub(crate) fn broadcast(a: &Codes, b: &Codes) -> Result<(Codes, Codes), OpError> {
    let shape = broadcast_shape(a.shape(), b.shape())?;
    let spread = |tensor: &Codes| {
        if tensor.shape() == shape {
            return tensor.clone();
        }
        let own = strides(tensor.shape());
        Tensor::build(shape.clone(), tensor.dense_layout(), |index| {
            let place = coordinates(index, &shape);
            let missing = shape.len() - own.len();
            let source: usize = (0..own.len())
                .map(|axis| if tensor.shape()[axis] == 1 { 0 } else { place[axis + missing] * own[axis] })
                .sum();
            tensor.elements()[source]
        })
    };
    Ok((spread(a), spread(b)))
}
