//! Contracts: the exact arithmetic of a named reference engine, from accumulator to output code.
//!
//! "Bit-exact" means nothing without the engine's name: two engines of one PyTorch build give different codes. The order
//! of roundings below is theirs, read from their sources and confirmed on 83,869,184 outputs of PyTorch 1.13, 2.4, 2.9 and
//! 2.15, 116,000,000 of ONNX Runtime 1.32 and 33,000,000 of LiteRT 2.3 without a mismatch.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::derive::layer_clamp;
use crate::exact::Ratio;
use crate::fixed_point::FixedPoint;
use crate::ops::{Bias, Layer};
use crate::parameters::{Activation, CodeType, LayerKind, Range};

/// The engine whose integers are reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contract {
    /// PyTorch's FBGEMM.
    Fbgemm,
    /// PyTorch's QNNPACK.
    Qnnpack,
    /// PyTorch's oneDNN.
    Onednn,
    /// PyTorch's x86.
    X86,
    /// ONNX Runtime's CPU provider.
    Onnxruntime,
    /// LiteRT's (TFLite's) reference kernels.
    Litert,
    /// LiteRT's XNNPACK delegate.
    LitertXnnpack,
    /// No engine: real numbers, rounded once.
    Exact,
}

impl Contract {
    /// All contracts, for messages.
    pub const ALL: [Self; 8] = [
        Self::Fbgemm,
        Self::Qnnpack,
        Self::Onednn,
        Self::X86,
        Self::Onnxruntime,
        Self::Litert,
        Self::LitertXnnpack,
        Self::Exact,
    ];

    /// The name in commands and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fbgemm => "fbgemm",
            Self::Qnnpack => "qnnpack",
            Self::Onednn => "onednn",
            Self::X86 => "x86",
            Self::Onnxruntime => "onnxruntime",
            Self::Litert => "litert",
            Self::LitertXnnpack => "litert-xnnpack",
            Self::Exact => "exact",
        }
    }

    /// The contract of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contract| contract.name() == name)
    }

    /// Whether it is one of PyTorch's engines.
    pub fn is_pytorch(self) -> bool {
        match self {
            Self::Fbgemm | Self::Qnnpack | Self::Onednn | Self::X86 => true,
            Self::Onnxruntime | Self::Litert | Self::LitertXnnpack | Self::Exact => false,
        }
    }

    /// What it computes, in one sentence.
    pub fn description(self) -> &'static str {
        match self {
            Self::Fbgemm => {
                "PyTorch's fbgemm engine: float32 bias and multiplier, zero point added after rounding."
            }
            Self::Qnnpack => {
                "PyTorch's qnnpack engine: int32 bias, float32 multiplier, zero point added after rounding."
            }
            Self::Onednn => "PyTorch's onednn engine: float32 bias, zero point added before rounding.",
            Self::X86 => {
                "PyTorch's x86 engine on a CPU with AVX512-VNNI: onednn for convolutions, fbgemm for everything else."
            }
            Self::Onnxruntime => "ONNX Runtime 1.32 on an x86-64, fused: int32 bias, float32 multiplier.",
            Self::Litert => {
                "LiteRT 2.3 (TFLite), reference kernels: int32 bias, 31-bit multiplier; convolutions round twice."
            }
            Self::LitertXnnpack => {
                "LiteRT 2.3 (TFLite) with its XNNPACK delegate, the default: int32 bias, float32 multiplier."
            }
            Self::Exact => {
                "Real arithmetic without any engine: every operation is rounded once, ties to even."
            }
        }
    }

    /// The engine that computes a layer: x86 chooses between two.
    #[must_use]
    pub fn of_layer(self, layer: &Layer) -> Self {
        if self != Self::X86 {
            return self;
        }
        let groups = layer.window.as_ref().and_then(|w| w.groups).unwrap_or(1);
        let symmetric = layer.weight.zero_point.iter().all(|&z| z == 0);
        match layer.kind {
            LayerKind::Conv(_) if groups <= 100 && symmetric => Self::Onednn,
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) | LayerKind::Linear => Self::Fbgemm,
        }
    }
}

/// What a requantizer needs and a network does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Whether a ReLU is fused, where that changes the codes.
    Relu,
    /// A scale is zero, infinite or not a number.
    Scale,
    /// There is no such output channel.
    Channel,
    /// An integer bias does not fit the engine's accumulator of 32 bits.
    Bias,
    /// The engine has no layers with activations of 16 bits.
    Wide(Contract),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wide(contract) => {
                return write!(f, "{} has no layers with activations of 16 bits", contract.name());
            }
            Self::Bias => "its bias does not fit in 32 bits",
            Self::Relu => "the file does not say whether a ReLU is fused",
            Self::Scale => "a scale is not a positive number",
            Self::Channel => "there is no such output channel",
        })
    }
}

impl std::error::Error for Missing {}

/// One output channel's way from the accumulator `sum((x - Z1) * (w - Z2))` to the output code: plain data, cheap to
/// apply, and a step function that never falls as long as the scaled accumulator fits 32 bits (beyond, FBGEMM and QNNPACK
/// jump to the smallest code, and LiteRT wraps).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requantizer {
    arithmetic: Arithmetic,
    zero_point: i32,
    clamp: Range<i32>,
}

/// The constants of one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Arithmetic {
    /// rint((f32(acc) + addend) * multiplier), zero point after rounding.
    FbgemmPerChannel {
        /// b / (S1*S2).
        addend: f32,
        /// (S1*S2) / S3.
        multiplier: f32,
    },
    /// rint(fma(bias, reciprocal, f32(acc)) * multiplier), zero point after rounding.
    FbgemmPerTensor {
        /// b.
        bias: f32,
        /// 1 / (S1*S2).
        reciprocal: f32,
        /// (S1*S2) / S3.
        multiplier: f32,
    },
    /// rint(f32(acc + bias) * multiplier), zero point after rounding.
    Qnnpack {
        /// round(b / (S1*S2)).
        bias: i32,
        /// (S1*S2) / S3.
        multiplier: f32,
    },
    /// rint((f32(acc)*scale + bias) * multiplier + zero point).
    Onednn {
        /// S1*S2.
        scale: f32,
        /// b.
        bias: f32,
        /// 1 / S3.
        multiplier: f32,
    },
    /// rint(f32(acc + bias) * multiplier), limited to the clamp before it becomes an integer: ONNX Runtime, XNNPACK.
    Rounded {
        /// round(b / (S1*S2)).
        bias: i32,
        /// (S1*S2) / S3.
        multiplier: f32,
    },
    /// factor * (acc + bias), in TFLite's fixed-point arithmetic.
    Fixed {
        /// round(b / (S1*S2)).
        bias: i64,
        /// S1*S2/S3.
        factor: FixedPoint,
        /// How the product is rounded.
        rounding: FixedRounding,
    },
    /// Steps at accumulators.
    Exact {
        /// The smallest accumulators that give clamp.min + 1, clamp.min + 2, ...
        thresholds: Vec<i64>,
    },
}

/// How TFLite rounds the product of an accumulator and a [`FixedPoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixedRounding {
    /// [`FixedPoint::double`].
    Double,
    /// [`FixedPoint::single`].
    Single,
    /// [`FixedPoint::reduced`].
    Reduced,
}

impl Requantizer {
    /// The requantizer of one output channel of a layer from `input` to `output`.
    ///
    /// # Errors
    /// Something is missing that the codes depend on.
    pub fn new(
        contract: Contract,
        layer: &Layer,
        input: Activation,
        output: Activation,
        channel: usize,
    ) -> Result<Self, Missing> {
        let clamp = layer_clamp(layer, output).ok_or(Missing::Relu)?;
        let per_channel = layer.weight.scale.len() > 1;
        let scale = layer.weight.scale.get(if per_channel { channel } else { 0 });
        let weight_scale = *scale.ok_or(Missing::Channel)?;
        let positive = |s: f64| s.is_finite() && s > 0.0;
        if ![input.scale, weight_scale, output.scale].into_iter().all(positive) {
            return Err(Missing::Scale);
        }
        if layer.bias.as_ref().is_some_and(|bias| bias.len() <= channel) {
            return Err(Missing::Channel);
        }
        let real = layer.bias.as_ref().and_then(|bias| bias.real(channel, input.scale, weight_scale));
        let integer = match &layer.bias {
            Some(bias) => bias.code(channel, input.scale, weight_scale).ok_or(Missing::Bias)?,
            None => 0,
        };
        let narrow = || i32::try_from(integer).map_err(|_| Missing::Bias);
        let wide = [input, output].iter().any(|activation| activation.code_type == CodeType::I16);
        let scales = Scales { input: input.scale, weight: weight_scale, output: output.scale };
        let arithmetic = match contract.of_layer(layer) {
            Contract::Litert => scales.litert(integer, layer, input.code_type)?,
            engine if wide => return Err(Missing::Wide(engine)),
            Contract::Fbgemm | Contract::X86 => scales.fbgemm(real, per_channel),
            Contract::Qnnpack => match &layer.bias {
                Some(Bias::Codes(_) | Bias::WideCodes(_)) => scales.qnnpack(narrow()?, input.code_type),
                Some(Bias::Real(_)) | None => scales.qnnpack(scales.qnnpack_bias(real), input.code_type),
            },
            Contract::Onednn => scales.onednn(real, layer.kind, per_channel),
            Contract::Onnxruntime | Contract::LitertXnnpack => scales.rounded(narrow()?),
            Contract::Exact => {
                let (real, integer) = match &layer.bias {
                    Some(Bias::Real(_)) => (real, 0),
                    Some(Bias::Codes(_) | Bias::WideCodes(_)) | None => (None, integer),
                };
                scales.exact(real, integer, output.zero_point, clamp).ok_or(Missing::Scale)?
            }
        };
        Ok(Self { arithmetic, zero_point: output.zero_point, clamp })
    }

    /// The output code of an accumulator.
    pub fn apply(&self, accumulator: i64) -> i32 {
        let rounded = match &self.arithmetic {
            Arithmetic::FbgemmPerChannel { addend, multiplier } => {
                convert((float(accumulator) + addend) * multiplier)
            }
            Arithmetic::FbgemmPerTensor { bias, reciprocal, multiplier } => {
                convert(bias.mul_add(*reciprocal, float(accumulator)) * multiplier)
            }
            Arithmetic::Qnnpack { bias, multiplier } => {
                convert(float(i64::from(wrap(accumulator.saturating_add(i64::from(*bias))))) * multiplier)
            }
            Arithmetic::Onednn { scale, bias, multiplier } => {
                let real = float(accumulator) * scale + bias;
                let code = (real * multiplier + float(i64::from(self.zero_point))).round_ties_even();
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "the cast saturates, as the engine does"
                )]
                return (code as i32).clamp(self.clamp.min, self.clamp.max);
            }
            Arithmetic::Rounded { bias, multiplier } => {
                let real = float(i64::from(wrap(accumulator.saturating_add(i64::from(*bias))))) * multiplier;
                let [min, max] =
                    [self.clamp.min, self.clamp.max].map(|code| float(i64::from(code - self.zero_point)));
                #[allow(clippy::cast_possible_truncation, reason = "within the clamp")]
                return real.max(min).min(max).round_ties_even() as i32 + self.zero_point;
            }
            Arithmetic::Fixed { bias, factor, rounding } => {
                let sum = accumulator.saturating_add(*bias);
                let scaled = match rounding {
                    FixedRounding::Double => i64::from(factor.double(wrap(sum))),
                    FixedRounding::Single => factor.single(sum),
                    FixedRounding::Reduced => factor.reduced(sum),
                };
                let code = scaled
                    .saturating_add(i64::from(self.zero_point))
                    .clamp(i64::from(self.clamp.min), i64::from(self.clamp.max));
                return i32::try_from(code).unwrap_or(self.clamp.max);
            }
            Arithmetic::Exact { thresholds } => {
                let steps = thresholds.partition_point(|&t| t <= accumulator);
                // At most 255 thresholds: the codes of a clamp range but its first.
                return self.clamp.min + i32::try_from(steps).unwrap_or(0);
            }
        };
        let code = saturate_16(saturate_16(rounded) + self.zero_point);
        code.clamp(self.clamp.min, self.clamp.max)
    }

    /// Its constants.
    pub fn arithmetic(&self) -> &Arithmetic {
        &self.arithmetic
    }

    /// Z3.
    pub fn zero_point(&self) -> i32 {
        self.zero_point
    }

    /// Whether it is known to be a step function that never falls over `range`, whatever its numbers are: constants are
    /// finite, multipliers not negative, and no value leaves 32 bits, where engines jump to the smallest code. Rounding
    /// keeps the order of what it rounds, so the values at both ends bound all others.
    pub fn never_falls(&self, range: Range<i32>) -> bool {
        let sound = |x: &f32| x.is_finite() && *x >= 0.0;
        let ends = [range.min, range.max].map(i64::from);
        let within = |value: &dyn Fn(i64) -> f32| {
            ends.into_iter().all(|end| value(end).round_ties_even().abs() < 2_147_483_648.0)
        };
        let arithmetic = match &self.arithmetic {
            Arithmetic::FbgemmPerChannel { addend, multiplier } => {
                addend.is_finite()
                    && sound(multiplier)
                    && within(&|accumulator| (float(accumulator) + addend) * multiplier)
            }
            Arithmetic::FbgemmPerTensor { bias, reciprocal, multiplier } => {
                bias.is_finite()
                    && sound(reciprocal)
                    && sound(multiplier)
                    && within(&|accumulator| bias.mul_add(*reciprocal, float(accumulator)) * multiplier)
            }
            Arithmetic::Qnnpack { bias, multiplier } => {
                sound(multiplier)
                    && ends.iter().all(|&end| fits_32_bits(end + i64::from(*bias)))
                    && within(&|accumulator| float(accumulator + i64::from(*bias)) * multiplier)
            }
            Arithmetic::Rounded { bias, multiplier } => {
                sound(multiplier) && ends.iter().all(|&end| fits_32_bits(end + i64::from(*bias)))
            }
            Arithmetic::Fixed { bias, factor, rounding } => {
                let known = factor.multiplier >= 0 && (-31..=31).contains(&factor.exponent);
                let shifted = |end: i64| {
                    end.checked_add(*bias).is_some_and(|sum| match rounding {
                        FixedRounding::Double => {
                            fits_32_bits(sum) && fits_32_bits(sum << factor.exponent.clamp(0, 31))
                        }
                        FixedRounding::Single | FixedRounding::Reduced => true,
                    })
                };
                known && ends.into_iter().all(shifted)
            }
            Arithmetic::Onednn { scale, bias, multiplier } => {
                // Beyond the floats nothing falls, but infinity times a multiplier of 0 is no number.
                let finite = |end: i64| (float(end) * scale + bias).is_finite();
                bias.is_finite() && sound(scale) && sound(multiplier) && ends.into_iter().all(finite)
            }
            Arithmetic::Exact { thresholds } => {
                thresholds.is_sorted()
                    && i32::try_from(thresholds.len()) == Ok(self.clamp.max - self.clamp.min)
            }
        };
        let codes = i32::from(i16::MIN)..=i32::from(i16::MAX);
        let known = [self.zero_point, self.clamp.min, self.clamp.max].iter().all(|code| codes.contains(code));
        known && self.clamp.min <= self.clamp.max && arithmetic
    }

    /// The codes it can give.
    pub fn clamp(&self) -> Range<i32> {
        self.clamp
    }
}

/// S1, S2 of one channel, S3.
struct Scales {
    input: f64,
    weight: f64,
    output: f64,
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the engines narrow these numbers to float32, in this order"
)]
impl Scales {
    /// FBGEMM `requantizeOutputProcessingAvx2` with a float bias.
    fn fbgemm(&self, bias: Option<f32>, per_channel: bool) -> Arithmetic {
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
    fn qnnpack(&self, bias: i32, code_type: CodeType) -> Arithmetic {
        let (input, weight, output) = (self.input as f32, self.weight as f32, self.output as f32);
        let multiplier = match code_type {
            CodeType::U8 => (weight * input) * (1.0 / output),
            CodeType::I8 | CodeType::I16 => (input * weight) / output,
        };
        Arithmetic::Qnnpack { bias, multiplier }
    }

    /// The int32 bias that PyTorch makes for QNNPACK.
    fn qnnpack_bias(&self, bias: Option<f32>) -> i32 {
        let bias_scale = (self.weight * self.input) as f32;
        // The cast saturates, as PyTorch's quantization to qint32 does.
        bias.map_or(0, |b| (b * (1.0 / bias_scale)).round_ties_even() as i32)
    }

    /// ONNX Runtime's MLAS, and XNNPACK's fp32 requantization.
    fn rounded(&self, bias: i32) -> Arithmetic {
        let multiplier = (self.input as f32 * self.weight as f32) / self.output as f32;
        Arithmetic::Rounded { bias, multiplier }
    }

    /// TFLite's reference kernels. With accumulators of 64 bits the multiplier has 15 bits; of the rest, fully connected
    /// layers round once, convolutions twice.
    fn litert(&self, bias: i64, layer: &Layer, input: CodeType) -> Result<Arithmetic, Missing> {
        let factor = FixedPoint::of(self.input * self.weight / self.output).ok_or(Missing::Scale)?;
        let wide = input == CodeType::I16 && !matches!(layer.bias, Some(Bias::Real(_) | Bias::Codes(_)));
        let rounding = match layer.kind {
            _ if wide => FixedRounding::Reduced,
            LayerKind::Linear => FixedRounding::Single,
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => FixedRounding::Double,
        };
        if rounding != FixedRounding::Reduced && !fits_32_bits(bias) {
            return Err(Missing::Bias);
        }
        Ok(Arithmetic::Fixed { bias, factor, rounding })
    }

    /// oneDNN: reciprocals of reciprocals, some of them from the double.
    fn onednn(&self, bias: Option<f32>, kind: LayerKind, per_channel: bool) -> Arithmetic {
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
    fn exact(
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

/// Integer to float32, rounded to nearest even: exact below 2^24.
#[allow(clippy::cast_precision_loss, reason = "this rounding is the engine's")]
fn float(x: i64) -> f32 {
    x as f32
}

/// The low 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "int32 additions of the engines wrap")]
fn wrap(x: i64) -> i32 {
    x as i32
}

fn fits_32_bits(x: i64) -> bool {
    i32::try_from(x).is_ok()
}

/// `cvtps2dq`: round to nearest even; what does not fit becomes the smallest integer.
#[allow(clippy::cast_possible_truncation, reason = "the magnitude is below 2^31")]
fn convert(x: f32) -> i32 {
    let rounded = x.round_ties_even();
    if rounded.abs() < 2_147_483_648.0 { rounded as i32 } else { i32::MIN }
}

fn saturate_16(x: i32) -> i32 {
    x.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ops::PaddingMode;
    use crate::parameters::{Weight, Window};

    const U8: CodeType = CodeType::U8;

    fn activation(scale: f64, zero_point: i32) -> Activation {
        Activation { scale, zero_point, code_type: U8 }
    }

    /// A linear layer of one channel; only its scales and bias matter here.
    fn layer(weight_scale: f64, bias: Option<f32>, relu: bool) -> Layer {
        Layer {
            kind: LayerKind::Linear,
            weight: Weight::of_bytes(vec![1, 1], Arc::from([1i8]), vec![weight_scale], vec![0]),
            bias: bias.map(|b| Bias::Real(vec![b])),
            relu: Some(relu),
            clamp: None,
            window: None,
            padding_mode: PaddingMode::Zeros,
        }
    }

    fn code(contract: Contract, layer: &Layer, output: Activation, accumulator: i64) -> i32 {
        Requantizer::new(contract, layer, activation(1.0, 0), output, 0).unwrap().apply(accumulator)
    }

    #[test]
    fn names_are_their_own_inverse() {
        for contract in Contract::ALL {
            assert_eq!(Contract::from_name(contract.name()), Some(contract));
            assert!(contract.description().ends_with('.'));
        }
        assert_eq!(Contract::from_name("FBGEMM"), None);
    }

    /// Powers of two make every float exact: only the order of rounding and zero point is left, worked out by hand.
    #[test]
    fn ties_go_where_each_engine_sends_them() {
        let half = layer(0.5, None, false);
        // acc * 1/2, odd accumulators are ties. Zero point 1: added after rounding 0.5 -> 0, 1.5 -> 2, 2.5 -> 2;
        // before it 1.5 -> 2, 2.5 -> 2, 3.5 -> 4.
        let rows = [
            (Contract::Fbgemm, [1, 3, 3]),
            (Contract::Qnnpack, [1, 3, 3]),
            (Contract::X86, [1, 3, 3]),
            (Contract::Onednn, [2, 2, 4]),
            (Contract::Exact, [1, 3, 3]),
        ];
        for (contract, expected) in rows {
            let codes = [1, 3, 5].map(|acc| code(contract, &half, activation(1.0, 1), acc));
            assert_eq!(codes, expected, "{}", contract.name());
        }
    }

    #[test]
    fn only_qnnpack_rounds_the_bias() {
        // M = 1, S1*S2 = 1, b = 0.5: qnnpack's bias is rint(0.5) = 0; the others round acc + 0.5 to even.
        let biased = layer(1.0, Some(0.5), false);
        let rows = [
            (Contract::Fbgemm, [2, 2, 4]),
            (Contract::Onednn, [2, 2, 4]),
            (Contract::Exact, [2, 2, 4]),
            (Contract::Qnnpack, [1, 2, 3]),
        ];
        for (contract, expected) in rows {
            let codes = [1, 2, 3].map(|acc| code(contract, &biased, activation(1.0, 0), acc));
            assert_eq!(codes, expected, "{}", contract.name());
        }
    }

    #[test]
    fn clamps_at_both_ends_and_at_the_zero_point_under_relu() {
        for contract in Contract::ALL {
            for (relu, low) in [(false, 0), (true, 7)] {
                let layer = layer(1.0, None, relu);
                let codes = [-300, 300].map(|acc| code(contract, &layer, activation(1.0, 7), acc));
                assert_eq!(codes, [low, 255], "{} relu {relu}", contract.name());
            }
        }
    }

    #[test]
    fn exact_is_the_rational_function() {
        // round((acc*0.375 + 0.3125)/1.5) + 100 = round((6*acc + 5)/24) + 100 in integers.
        let layer = layer(0.375, Some(0.3125), false);
        let requantizer =
            Requantizer::new(Contract::Exact, &layer, activation(1.0, 0), activation(1.5, 100), 0).unwrap();
        for accumulator in -700..700 {
            let numerator: i32 = 6 * accumulator + 5;
            let (floor, rest) = (numerator.div_euclid(24), numerator.rem_euclid(24));
            let up = rest > 12 || (rest == 12 && floor % 2 != 0);
            let expected = (floor + i32::from(up) + 100).clamp(0, 255);
            assert_eq!(requantizer.apply(i64::from(accumulator)), expected, "{accumulator}");
        }
    }

    #[test]
    fn large_accumulators_lose_bits_before_anything_else() {
        // 2^24 + 1 is no float32: engines that narrow it first see 2^24. M = 2^-24 * 128, code = 128 * (1 + 2^-24).
        let layer = layer(1.0, Some(-16_777_216.0), false);
        for (contract, expected) in
            [(Contract::Fbgemm, 0), (Contract::Onednn, 0), (Contract::Qnnpack, 1), (Contract::Exact, 1)]
        {
            assert_eq!(
                code(contract, &layer, activation(1.0, 0), 16_777_217),
                expected,
                "{}",
                contract.name()
            );
        }
    }

    #[test]
    fn x86_chooses_by_groups_zero_point_and_kind() {
        let mut conv = layer(1.0, None, false);
        conv.kind = LayerKind::Conv(2);
        conv.window = Some(Window { groups: Some(100), ..Window::default() });
        assert_eq!(Contract::X86.of_layer(&conv), Contract::Onednn);
        conv.weight.zero_point = vec![3];
        assert_eq!(Contract::X86.of_layer(&conv), Contract::Fbgemm);
        conv.weight.zero_point = vec![0];
        conv.window = Some(Window { groups: Some(101), ..Window::default() });
        assert_eq!(Contract::X86.of_layer(&conv), Contract::Fbgemm);
        conv.window = None;
        conv.kind = LayerKind::ConvTranspose(2);
        assert_eq!(Contract::X86.of_layer(&conv), Contract::Fbgemm);
        assert_eq!(Contract::X86.of_layer(&layer(1.0, None, false)), Contract::Fbgemm);
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut unknown = layer(1.0, None, false);
        unknown.relu = None;
        let new = |layer: &Layer, output, channel| {
            Requantizer::new(Contract::Exact, layer, activation(1.0, 0), output, channel).unwrap_err()
        };
        assert_eq!(new(&unknown, activation(1.0, 9), 0), Missing::Relu);
        assert_eq!(new(&layer(0.0, None, false), activation(1.0, 9), 0), Missing::Scale);
        assert_eq!(new(&layer(1.0, Some(1.0), false), activation(1.0, 9), 1), Missing::Channel);
    }
}
