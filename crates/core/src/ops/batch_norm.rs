//! Batch normalisation of codes that could not be folded into a convolution.

use super::context::{Context, OpError};
use crate::parameters::Activation;
use crate::tensor::{Codes, Layout};

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
    /// `rint(alpha*(x - Z1) + beta) + Z3` in float32 per channel, clamped.
    pub(super) fn apply(&self, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
        let (source, output) = (context.input(0)?, context.output()?);
        let gains =
            self.gains(source, output).ok_or_else(|| OpError::new("a batch norm without epsilon", "one"))?;
        let channels = input.shape().get(1).copied().unwrap_or(0);
        let complete = [&self.bias, &self.mean, &self.variance].iter().all(|v| v.len() == self.weight.len());
        if !complete || gains.len() != channels {
            return Err(OpError::new(
                format!("an input {:?}", input.shape()),
                format!("(N, {}, ...)", self.weight.len()),
            ));
        }
        let area: usize = input.shape()[2..].iter().product();
        let (min, max) = output.code_type.range();
        let min = if self.relu { min.max(output.zero_point) } else { min };
        let mut index = 0;
        let codes = input.map(|&code| {
            let gain = gains[index / area % channels];
            index += 1;
            let code = gain.code(code - source.zero_point, output);
            i32::try_from(code.clamp(i64::from(min), i64::from(max))).unwrap_or(min)
        });
        // PyTorch's kernel takes and gives channels last, whatever comes.
        let volume = context.contract.is_pytorch() && input.shape().len() >= 4;
        Ok(if volume { codes.with_layout(Layout::ChannelsLast) } else { codes })
    }

    /// alpha = gamma/sqrt(var + eps) * (S1/S3) and beta = (b - mean*gamma/sqrt(var + eps)) / S3 of each channel; `None`
    /// without an epsilon.
    #[allow(clippy::cast_possible_truncation, reason = "PyTorch narrows to float32, in this order")]
    pub(crate) fn gains(&self, input: Activation, output: Activation) -> Option<Vec<Gain>> {
        let epsilon = self.epsilon? as f32;
        let (input_scale, output_scale) = (input.scale as f32, output.scale as f32);
        let channels = self.weight.iter().zip(&self.bias).zip(self.mean.iter().zip(&self.variance));
        let gain = |((weight, bias), (mean, variance)): ((&f32, &f32), (&f32, &f32))| {
            let gain = weight * (1.0 / (variance + epsilon).sqrt());
            Gain { alpha: gain * (input_scale / output_scale), beta: (bias - mean * gain) / output_scale }
        };
        Some(channels.map(gain).collect())
    }
}

/// A batch normalisation of one channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gain {
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
}

impl Gain {
    /// `rint(alpha*x + beta) + Z3` of a code minus Z1, before the clamp.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "PyTorch computes in float32; the cast saturates"
    )]
    pub(crate) fn code(self, x: i32, output: Activation) -> i64 {
        let real = self.alpha.mul_add(x as f32, self.beta);
        (real.round_ties_even() as i64).saturating_add(i64::from(output.zero_point))
    }
}
