//! Layer normalisation of codes.

use super::context::{Context, OpError};
use crate::contract::Contract;
use crate::parameters::Activation;
use crate::quantize::quantize;
use crate::tensor::{Codes, Layout, Tensor, element_count};

/// Parameters of a quantized layer normalisation over the last axes.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNorm {
    /// Sizes of the axes that are normalised together, the last ones of the input.
    pub shape: Vec<usize>,
    /// gamma, one per element of `shape`; `None` is 1.
    pub weight: Option<Vec<f32>>,
    /// beta, one per element of `shape`; `None` is 0.
    pub bias: Option<Vec<f32>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// The result has the input's shape.
    ///
    /// # Errors
    /// The input's last axes are others.
    pub(super) fn check(&self, input: &[usize]) -> Result<(), OpError> {
        let size = element_count(&self.shape).filter(|&s| s > 0);
        let fits = |values: &Option<Vec<f32>>| values.as_ref().is_none_or(|v| Some(v.len()) == size);
        if size.is_some() && input.ends_with(&self.shape) && fits(&self.weight) && fits(&self.bias) {
            Ok(())
        } else {
            Err(OpError::new(format!("an input {input:?}"), format!("(..., {:?})", self.shape)))
        }
    }

    /// `((x - Z1) - mean) * (S1/deviation) * gamma + beta`, quantized; mean and deviation from the sums of codes and of
    /// their squares.
    ///
    /// Source: PyTorch `quantized_normalize_kernel`, whose compiler fuses the square of the mean with the difference, and
    /// gamma with beta.
    pub(super) fn apply(&self, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
        self.check(input.shape())?;
        let (source, output) = (context.input(0)?, context.output()?);
        let size = element_count(&self.shape).unwrap_or(1).max(1);
        let one = |values: &Option<Vec<f32>>, i: usize, default: f32| {
            values.as_ref().and_then(|v| v.get(i)).copied().unwrap_or(default)
        };
        let mut codes = Vec::with_capacity(input.elements().len());
        for row in input.elements().chunks(size) {
            for (i, real) in self.normalised(row, source, context.contract).into_iter().enumerate() {
                let (gamma, beta) = (one(&self.weight, i, 1.0), one(&self.bias, i, 0.0));
                let real = match context.contract {
                    Contract::Exact => real * gamma + beta,
                    _ => real.mul_add(gamma, beta),
                };
                codes.push(quantize(real, output));
            }
        }
        // Every engine reads and writes row-major memory here.
        Ok(Tensor::build(input.shape().to_vec(), Layout::Contiguous, |i| codes[i]))
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "PyTorch narrows to float32, in this order"
    )]
    fn normalised(&self, row: &[i32], source: Activation, contract: Contract) -> Vec<f32> {
        let count = row.len();
        let sum: i64 = row.iter().map(|&x| i64::from(x)).sum();
        let squares: i64 = row.iter().map(|&x| i64::from(x) * i64::from(x)).sum();
        if contract == Contract::Exact {
            let mean = sum as f64 / count as f64;
            // n*sum(x^2) - sum(x)^2 is an integer: nothing is lost to cancellation.
            let spread =
                i128::try_from(count).unwrap_or(0) * i128::from(squares) - i128::from(sum) * i128::from(sum);
            let variance = spread as f64 / (count as f64 * count as f64);
            let gain = source.scale / (variance * source.scale * source.scale + self.epsilon).sqrt();
            return row.iter().map(|&x| ((f64::from(x) - mean) * gain) as f32).collect();
        }
        let scale = source.scale as f32;
        let raw_mean = sum as f32 / count as f32;
        let mean = raw_mean - source.zero_point as f32;
        let variance = (-raw_mean).mul_add(raw_mean, squares as f32 / count as f32).max(0.0);
        let deviation = (f64::from(variance * scale * scale) + self.epsilon).sqrt();
        let gain = (f64::from(scale) / deviation) as f32;
        row.iter().map(|&x| ((x - source.zero_point) as f32 - mean) * gain).collect()
    }
}
