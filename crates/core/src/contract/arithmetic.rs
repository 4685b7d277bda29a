//! The constants of one output channel in each engine's arithmetic.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Contract;
use crate::fixed_point::FixedPoint;

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
    /// The product in float64, ties away from zero: TFLite's reference kernel of fully connected layers.
    Nearest {
        /// round(b / (S1*S2)).
        bias: i64,
        /// S1*S2/S3.
        multiplier: f64,
        /// Whether the accumulator and the bias are added in 64 bits; in 32 otherwise, where what is larger wraps.
        wide: bool,
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
    /// [`FixedPoint::double_up`].
    DoubleUp,
    /// [`FixedPoint::reduced`].
    Reduced,
}

/// Whether a sum fits the engines' accumulators.
pub(crate) fn fits_32_bits(x: i64) -> bool {
    i32::try_from(x).is_ok()
}
