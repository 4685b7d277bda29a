//! SVDF: a fully connected layer over the last inputs of a sequence, of low rank; TFLite's integer kernel.
//!
//! Each filter multiplies the input by its feature weights and remembers the last results, its *memory*. An output is
//! the sum of `rank` filters' memories, multiplied by their time weights:
//!
//! ```text
//! memory = memory[1..], clamp(round(M1 * sum(feature * (x - Z1))) + Zs)
//! y = clamp(round(M2 * (bias + sum(time * (memory - Zs)))) + Z3)
//! ```
//!
//! Source: TFLite `kernels/internal/reference/svdf.h` for states of 16 bits, TFLite Micro `kernels/svdf_common.cc` for those
//! of 8 bits, which have a zero point.

use super::context::{Context, OpError};
use super::fixed_function::clamped;
use super::product::{Product, narrow};
use crate::tensor::{Codes, Tensor};

/// SVDF of an input (N, I) and a state (N, filters * memory), oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Svdf {
    /// (filters, I).
    pub feature: Product,
    /// (filters, memory).
    pub time: Product,
    /// At the scale of the state and time weights, one per output.
    pub bias: Option<Vec<i64>>,
    /// Filters of one output.
    pub rank: usize,
}

impl Svdf {
    /// Outputs of one image.
    pub fn units(&self) -> usize {
        self.feature.shape[0].checked_div(self.rank).unwrap_or(0)
    }

    /// Shapes of the result (N, units) and of the next state.
    pub(super) fn shapes(&self, input: &[usize], state: &[usize]) -> Result<Vec<Vec<usize>>, OpError> {
        self.feature.check()?;
        self.time.check()?;
        let [filters, inputs] = self.feature.shape;
        let units = self.units();
        if self.time.shape[0] != filters || units * self.rank != filters || units == 0 {
            let found =
                format!("{filters} feature and {} time filters of rank {}", self.time.shape[0], self.rank);
            return Err(OpError::new(found, "as many of both, a multiple of the rank"));
        }
        if self.bias.as_ref().is_some_and(|bias| bias.len() != units) {
            return Err(OpError::new("another number of biases", format!("{units}")));
        }
        match (input, state) {
            (&[images, columns], &[states, length])
                if columns == inputs && images == states && length == self.time.codes.len() =>
            {
                Ok(vec![vec![images, units], state.to_vec()])
            }
            _ => Err(OpError::new(
                format!("an input {input:?} and a state {state:?}"),
                format!("(N, {inputs}) and (N, {})", self.time.codes.len()),
            )),
        }
    }

    /// The result and the next state.
    pub(super) fn apply(
        &self,
        input: &Codes,
        state: &Codes,
        context: &Context<'_>,
    ) -> Result<Vec<Codes>, OpError> {
        let (from, kept, to) = (context.input(0)?, context.input(1)?, context.output()?);
        let memory = self.time.shape[1];
        let mut next = state.elements().to_vec();
        let mut results = Vec::new();
        let images = input.elements().chunks_exact(self.feature.shape[1]);
        for (image, lines) in images.zip(next.chunks_exact_mut(self.time.codes.len())) {
            let mut sums = Vec::with_capacity(self.feature.shape[0]);
            for (filter, line) in lines.chunks_exact_mut(memory).enumerate() {
                line.rotate_left(1);
                let feature = narrow(self.feature.sum(filter, image, from.zero_point));
                if let Some(newest) = line.last_mut() {
                    *newest = clamped(self.feature.factor.double(feature).into(), kept);
                }
                sums.push(self.time.sum(filter, line, kept.zero_point));
            }
            for (unit, sums) in sums.chunks_exact(self.rank).enumerate() {
                let bias = self.bias.as_ref().and_then(|bias| bias.get(unit)).copied().unwrap_or(0);
                let sum = narrow(sums.iter().sum::<i64>().wrapping_add(bias));
                results.push(clamped(self.time.factor.double(sum).into(), to));
            }
        }
        let images = state.shape().first().copied().unwrap_or(0);
        let tensor = |shape: Vec<usize>, elements| {
            Tensor::new(shape, elements)
                .map_err(|error| OpError::new(error.to_string(), "the sizes of an image"))
        };
        Ok(vec![tensor(vec![images, self.units()], results)?, tensor(state.shape().to_vec(), next)?])
    }
}
