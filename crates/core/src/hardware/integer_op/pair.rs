//! Two operands: sums and products of elements, products of matrices.

use super::Operand;
use crate::hardware::Rescale;
use crate::tensor::coordinates;

/// Two operands that meet element by element; axes are matched from the last one, and those of size 1 are repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// a and b.
    pub operands: [Operand; 2],
    /// Sizes of the result's axes.
    pub shape: Vec<usize>,
}

impl Pair {
    /// By axis of the result: the distance of neighbours in an operand, in elements; 0 where it is repeated.
    pub fn steps(&self, operand: usize) -> Vec<usize> {
        let mut steps = vec![0; self.shape.len()];
        let mut step = 1;
        for (&size, place) in self.operands[operand].shape.iter().rev().zip(steps.iter_mut().rev()) {
            *place = if size == 1 { 0 } else { step };
            step *= size;
        }
        steps
    }

    /// Whether both operands have as many elements as the result: none is repeated.
    pub fn is_whole(&self) -> bool {
        let count: usize = self.shape.iter().product();
        self.operands.iter().all(|operand| operand.elements() == count)
    }

    /// The codes of the result, from `value` of two codes minus their zero points.
    fn codes(&self, a: &[i32], b: &[i32], rescale: &Rescale, value: impl Fn(i64, i64) -> i64) -> Vec<i32> {
        let [first, second] = &self.operands;
        let code = |a: i32, b: i32| rescale.code(value(first.centre(a), second.centre(b)));
        if self.is_whole() {
            return a.iter().zip(b).map(|(&a, &b)| code(a, b)).collect();
        }
        let steps = [self.steps(0), self.steps(1)];
        let from = |codes: &[i32], steps: &[usize], place: &[usize]| {
            codes[place.iter().zip(steps).map(|(place, step)| place * step).sum::<usize>()]
        };
        let element = |index: usize| {
            let place = coordinates(index, &self.shape);
            code(from(a, &steps[0], &place), from(b, &steps[1], &place))
        };
        (0..self.shape.iter().product()).map(element).collect()
    }
}

/// `rescale(M0a*(a - Za) + M0b*(b - Zb))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    /// a and b.
    pub pair: Pair,
    /// M0a and M0b.
    pub multipliers: [u32; 2],
    /// Of the sum; its own M0 is 1.
    pub rescale: Rescale,
}

impl Sum {
    pub(super) fn apply(&self, a: &[i32], b: &[i32]) -> Vec<i32> {
        let [first, second] = self.multipliers.map(i64::from);
        self.pair.codes(a, b, &self.rescale, |a, b| first * a + second * b)
    }
}

/// `rescale((a - Za) * (b - Zb))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// a and b.
    pub pair: Pair,
    /// Of the product.
    pub rescale: Rescale,
}

impl Product {
    pub(super) fn apply(&self, a: &[i32], b: &[i32]) -> Vec<i32> {
        self.pair.codes(a, b, &self.rescale, |a, b| a * b)
    }
}

/// `rescale(sum((a - Za) * (b - Zb)))`: (matrices, rows, inner) times (matrices, inner, columns).
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixProduct {
    /// a and b.
    pub operands: [Operand; 2],
    /// Sizes of the result's axes: (.., rows, columns).
    pub shape: Vec<usize>,
    /// Product of the leading axes, which both have.
    pub matrices: usize,
    /// Rows of a.
    pub rows: usize,
    /// Columns of a, rows of b.
    pub inner: usize,
    /// Columns of b.
    pub columns: usize,
    /// Of each sum.
    pub rescale: Rescale,
}

impl MatrixProduct {
    pub(super) fn apply(&self, a: &[i32], b: &[i32]) -> Vec<i32> {
        let &Self { matrices, rows, inner, columns, .. } = self;
        let [first, second] = &self.operands;
        let element = |index: usize| {
            let (matrix, row, column) = (index / (rows * columns), index / columns % rows, index % columns);
            let from_a = &a[(matrix * rows + row) * inner..][..inner];
            let from_b = b[matrix * inner * columns + column..].iter().step_by(columns);
            let products = from_a.iter().zip(from_b).map(|(&a, &b)| first.centre(a) * second.centre(b));
            self.rescale.code(products.sum())
        };
        (0..matrices * rows * columns).map(element).collect()
    }
}
