//! The constants that each engine makes of three scales and a bias, in its order of casts.

use super::layer::{Bias, Layer};
use crate::contract::{Arithmetic, FixedRounding, Missing, fits_32_bits};
use crate::exact::Ratio;
use crate::fixed_point::FixedPoint;
use crate::parameters::{CodeType, LayerKind, Range};

/// Channels that TFLite's optimized kernels round at a time.
const BLOCK: usize = 8;

/// Whether TFLite's reference kernels add up in 64 bits: 16-bit codes, but for a bias of 32 bits.
fn has_wide_sums(layer: &Layer, input: CodeType) -> bool {
    input == CodeType::I16 && !matches!(layer.bias, Some(Bias::Real(_) | Bias::Codes(_)))
}

/// S1, S2 of one channel, S3.
pub(super) struct Scales {
    pub(super) input: f64,
    pub(super) weight: f64,
    pub(super) output: f64,
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the engines narrow these numbers to float32, in this order"
)]
impl Scales {
    /// FBGEMM `requantizeOutputProcessingAvx2` with a float bias.
    pub(super) fn fbgemm(&self, bias: Option<f32>, per_channel: bool) -> Arithmetic {
        let product = self.input as f32 * self.weight as f32;
        let multiplier = product / self.output as f32;
        match bias {
            None => Arithmetic::FbgemmPerChannel { addend: 0.0, multiplier },
            Some(bias) if per_channel => Arithmetic::FbgemmPerChannel { addend: bias / product, multiplier },
            Some(bias) => Arithmetic::FbgemmPerTensor {
                bias,
                reciprocal: (1.0 / f64::from(product)) as f32,
                multiplier,
            },
        }
    }

    /// QNNPACK for quint8, XNNPACK (which PyTorch's qnnpack engine calls) for qint8: an int32 bias.
    pub(super) fn qnnpack(&self, bias: i32, code_type: CodeType) -> Arithmetic {
        let (input, weight, output) = (self.input as f32, self.weight as f32, self.output as f32);
        let multiplier = match code_type {
            CodeType::U8 => (weight * input) * (1.0 / output),
            CodeType::I8 | CodeType::I16 | CodeType::I32 => (input * weight) / output,
        };
        Arithmetic::Qnnpack { bias, multiplier }
    }

    /// The int32 bias that PyTorch makes for QNNPACK.
    pub(super) fn qnnpack_bias(&self, bias: Option<f32>) -> i32 {
        let bias_scale = (self.weight * self.input) as f32;
        // The cast saturates, as PyTorch's quantization to qint32 does.
        bias.map_or(0, |b| (b * (1.0 / bias_scale)).round_ties_even() as i32)
    }

    /// ONNX Runtime's MLAS, and XNNPACK's fp32 requantization.
    pub(super) fn rounded(&self, bias: i32) -> Arithmetic {
        let multiplier = (self.input as f32 * self.weight as f32) / self.output as f32;
        Arithmetic::Rounded { bias, multiplier }
    }

    /// TFLite's reference kernels: convolutions round twice, with accumulators of 64 bits once by a multiplier of 15 bits;
    /// fully connected layers multiply in float64.
    ///
    /// Source: TFLite `reference/integer_ops/conv.h`, `fully_connected.h`.
    pub(super) fn litert(&self, bias: i64, layer: &Layer, input: CodeType) -> Result<Arithmetic, Missing> {
        let wide = has_wide_sums(layer, input);
        if !wide && !fits_32_bits(bias) {
            return Err(Missing::Bias);
        }
        match layer.kind {
            LayerKind::Linear => {
                Ok(Arithmetic::Nearest { bias, multiplier: self.input * self.weight / self.output, wide })
            }
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => {
                self.fixed(bias, input, if wide { FixedRounding::Reduced } else { FixedRounding::Double })
            }
        }
    }

    /// TFLite's optimized kernels, whose matrix products round twice, ties up. Depthwise and transposed convolutions do so
    /// with eight channels at a time, and the channels that are left round as the reference does. What adds up in 64 bits,
    /// and depthwise convolutions of 16-bit codes, the reference itself computes.
    ///
    /// Source: TFLite `optimized/optimized_ops.h`, `Quantize`; ruy.
    pub(super) fn litert_builtin(
        &self,
        bias: i64,
        layer: &Layer,
        input: CodeType,
        channel: usize,
    ) -> Result<Arithmetic, Missing> {
        let unbiased = layer.kind == LayerKind::Linear && layer.bias.is_none();
        let depthwise = layer.is_depthwise();
        if has_wide_sums(layer, input) && !unbiased || depthwise && input == CodeType::I16 {
            return self.litert(bias, layer, input);
        }
        if !fits_32_bits(bias) {
            return Err(Missing::Bias);
        }
        let in_blocks = depthwise || matches!(layer.kind, LayerKind::ConvTranspose(_));
        let whole = layer.output_channels() / BLOCK * BLOCK;
        let left = in_blocks && input != CodeType::U8 && channel >= whole;
        self.fixed(bias, input, if left { FixedRounding::Double } else { FixedRounding::DoubleUp })
    }

    /// TFLite multiplies S1 and S2 in float32 for unsigned codes, in float64 for signed ones. Of 31 million codes of convolutions
    /// and depthwise and transposed ones 41 differ with a product in float64 for unsigned codes, none as it is here.
    ///
    /// Source: TFLite `kernel_util.cc`, `GetQuantizedConvolutionMultipler`.
    fn fixed(&self, bias: i64, input: CodeType, rounding: FixedRounding) -> Result<Arithmetic, Missing> {
        let product = match input {
            CodeType::U8 => f64::from(self.input as f32 * self.weight as f32),
            CodeType::I8 | CodeType::I16 | CodeType::I32 => self.input * self.weight,
        };
        let factor = FixedPoint::of(product / self.output).ok_or(Missing::Scale)?;
        Ok(Arithmetic::Fixed { bias, factor, rounding })
    }

    /// oneDNN: reciprocals of reciprocals, some of them from the double.
    pub(super) fn onednn(&self, bias: Option<f32>, kind: LayerKind, per_channel: bool) -> Arithmetic {
        let input = 1.0 / ((1.0 / self.input) as f32);
        let weight = match kind {
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => self.weight as f32,
            LayerKind::Linear if per_channel => 1.0 / (1.0 / self.weight as f32),
            LayerKind::Linear => 1.0 / ((1.0 / self.weight) as f32),
        };
        let output = 1.0 / (1.0 / ((1.0 / self.output) as f32));
        Arithmetic::Onednn { scale: input * weight, bias: bias.unwrap_or(0.0), multiplier: output }
    }

    /// round((acc*S1*S2 + b) / S3) + Z3, ties to even: the code k is reached at (k - Z3 - 1/2)*S3, where the tie
    /// belongs to the even k - Z3.
    ///
    /// b is a real number or an integer of accumulators.
    pub(super) fn exact(
        &self,
        real: Option<f32>,
        integer: i64,
        zero_point: i32,
        clamp: Range<i32>,
    ) -> Option<Arithmetic> {
        let product = Ratio::from_f64(self.input)?.times(&Ratio::from_f64(self.weight)?);
        let bias = Ratio::from_f64(f64::from(real.unwrap_or(0.0)))?;
        let integer = Ratio::from_i64(integer);
        let half_step = Ratio::from_f64(self.output)?.times(&Ratio::from_f64(0.5)?);
        let mut thresholds = Vec::new();
        for code in clamp.min + 1..=clamp.max {
            let offset = code - zero_point;
            let bound =
                half_step.times(&Ratio::from_i64(2 * i64::from(offset) - 1)).minus(&bias).over(&product)?;
            let bound = bound.minus(&integer);
            let first = bound.ceil_saturating();
            let tie_goes_down = offset & 1 == 1 && bound.is_integer();
            thresholds.push(if tie_goes_down { first.saturating_add(1) } else { first });
        }
        Some(Arithmetic::Exact { thresholds })
    }
}
