//! Batch normalisation of codes that could not be folded into a convolution.

use super::{Context, OpError};
use crate::tensor::Codes;

/// Parameters of a quantized batch normalisation, one entry per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    /// gamma.
    pub weight: Vec<f32>,
    /// beta.
    pub bias: Vec<f32>,
    /// Running mean.
    pub mean: Vec<f32>,
    /// Running variance.
    pub variance: Vec<f32>,
    /// Added to the variance; `None` where the file does not say.
    pub epsilon: Option<f64>,
    /// With ReLU.
    pub relu: bool,
}

impl BatchNorm {
    /// `rint(alpha*(x - Z1) + beta) + Z3` in float32 per channel, alpha = gamma/sqrt(var + eps) * (S1/S3),
    /// beta = (b - mean*gamma/sqrt(var + eps)) / S3.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "PyTorch narrows to float32, in this order; the cast saturates"
    )]
    pub(super) fn apply(&self, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
        let (source, output) = (context.input(0)?, context.output()?);
        let epsilon = self.epsilon.ok_or_else(|| OpError::new("a batch norm without epsilon", "one"))?;
        let channels = input.shape().get(1).copied().unwrap_or(0);
        if [&self.weight, &self.bias, &self.mean, &self.variance].iter().any(|v| v.len() != channels) {
            return Err(OpError::new(
                format!("an input {:?}", input.shape()),
                format!("(N, {}, ...)", self.weight.len()),
            ));
        }
        let (input_scale, output_scale) = (source.scale as f32, output.scale as f32);
        let constants: Vec<(f32, f32)> = (0..channels)
            .map(|c| {
                let gain = self.weight[c] * (1.0 / (self.variance[c] + epsilon as f32).sqrt());
                let alpha = gain * (input_scale / output_scale);
                (alpha, (self.bias[c] - self.mean[c] * gain) / output_scale)
            })
            .collect();
        let area: usize = input.shape()[2..].iter().product();
        let (min, max) = output.code_type.range();
        let min = if self.relu { min.max(output.zero_point) } else { min };
        let mut index = 0;
        Ok(input.map(|&code| {
            let (alpha, beta) = constants[index / area % channels];
            index += 1;
            let real = alpha.mul_add((code - source.zero_point) as f32, beta);
            let rounded = (real.round_ties_even() as i64).saturating_add(i64::from(output.zero_point));
            i32::try_from(rounded.clamp(i64::from(min), i64::from(max))).unwrap_or(min)
        }))
    }
}
