//! A matrix of weights inside of a recurrent operator, and the factor that its sums are multiplied by.

use std::sync::Arc;

use super::context::OpError;
use crate::fixed_point::FixedPoint;

/// Weights (results, inputs) whose zero point is 0, and S1*S2/S3 of their sums.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Results, and what each of them sums.
    pub shape: [usize; 2],
    /// Row-major.
    pub codes: Arc<[i16]>,
    /// Width of a code in the file: 8 or 16.
    pub bits: u32,
    /// S2.
    pub scale: f64,
    /// S1*S2/S3 as the engine holds it.
    pub factor: FixedPoint,
}

impl Product {
    /// `sum(w * (x - Z))` of a row; without inputs where the row is not there.
    pub(super) fn sum(&self, row: usize, inputs: &[i32], zero_point: i32) -> i64 {
        let columns = self.shape[1];
        let weights = self.codes.get(row * columns..(row + 1) * columns).unwrap_or_default();
        let products = weights.iter().zip(inputs);
        products.map(|(&weight, &input)| i64::from(weight) * i64::from(input - zero_point)).sum()
    }

    /// Refuses sizes without elements, and a number of codes that is not theirs.
    pub(super) fn check(&self) -> Result<(), OpError> {
        let [results, inputs] = self.shape;
        if results == 0 || inputs == 0 || results.checked_mul(inputs) != Some(self.codes.len()) {
            let found = format!("{} weights of sizes {results} and {inputs}", self.codes.len());
            return Err(OpError::new(found, "as many as the sizes say"));
        }
        Ok(())
    }
}

/// A sum as the engine holds it: in 32 bits, where what is larger wraps.
#[allow(clippy::cast_possible_truncation, reason = "the low bits are what the engine has")]
pub(super) fn narrow(sum: i64) -> i32 {
    sum as i32
}
