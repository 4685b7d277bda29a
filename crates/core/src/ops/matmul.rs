//! Matrix product of two tensors of codes.

use super::axes::broadcast_shape;
use super::context::{Context, OpError};
use crate::contract::Contract;
use crate::exact::Ratio;
use crate::fixed_point::FixedPoint;
use crate::parameters::{Activation, CodeType};
use crate::quantize::{dequantize, offset, quantize, round_exact};
use crate::tensor::{Codes, Layout, Tensor, coordinates, strides};

/// (.., M, P) from (.., M, K) and (.., K, P); leading axes are matched from the last one, and one of size 1 is repeated.
pub(super) fn shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, OpError> {
    match (a, b) {
        ([lead @ .., m, k], [other @ .., rows, p]) if k == rows => {
            let mut shape = broadcast_shape(lead, other)?;
            shape.extend([*m, *p]);
            Ok(shape)
        }
        _ => Err(OpError::new(format!("inputs {a:?} and {b:?}"), "(.., M, K) and (.., K, P)")),
    }
}

/// How an engine makes a code of a sum of products of codes.
enum Scaling {
    /// PyTorch multiplies dequantized matrices and quantizes the product.
    ///
    /// The order of its float32 sum is not known; summed in float64 and narrowed, 0 of 164,226 codes differ from
    /// `torch.ops.quantized.matmul` (torch 2.9.1, engines x86 and qnnpack, K up to 39).
    Reals,
    /// rint(f32(sum) * ((S1*S2) / S3)) + Z3: ONNX Runtime, XNNPACK.
    Rounded(f32),
    /// TFLite's factor, rounded twice.
    Double(FixedPoint),
    /// TFLite's factor of 15 bits, rounded once: sums of 64 bits.
    Reduced(FixedPoint),
    /// The exact real number S1*S2*sum, rounded once.
    Exact(Ratio),
}

impl Scaling {
    fn new(context: &Context<'_>, a: Activation, b: Activation, output: Activation) -> Result<Self, OpError> {
        let factor = || {
            FixedPoint::of(a.scale * b.scale / output.scale)
                .ok_or_else(|| OpError::new("scales too far apart", "a product below 2^31"))
        };
        #[allow(clippy::cast_possible_truncation, reason = "the engines hold scales as float32")]
        let [s1, s2, s3] = [a, b, output].map(|activation| activation.scale as f32);
        Ok(match context.contract {
            Contract::Fbgemm | Contract::X86 | Contract::Onednn | Contract::Qnnpack => Self::Reals,
            Contract::Onnxruntime | Contract::LitertXnnpack => Self::Rounded(s1 * s2 / s3),
            Contract::Litert if output.code_type == CodeType::I16 => Self::Reduced(factor()?),
            Contract::Litert => Self::Double(factor()?),
            Contract::LitertBuiltin => return Err(OpError::no_formula("matmul", context.contract)),
            Contract::Exact => {
                context.finite()?;
                let scales = Ratio::from_f64(a.scale).zip(Ratio::from_f64(b.scale));
                let product = scales.map(|(x, y)| x.times(&y));
                Self::Exact(product.ok_or_else(|| OpError::new("scales that are no numbers", "numbers"))?)
            }
        })
    }

    /// The code of `pairs` of codes of one row and one column.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the engines' own roundings; sums of 8-bit codes are checked to fit 32 bits by their number"
    )]
    fn code(
        &self,
        pairs: impl Iterator<Item = (i32, i32)>,
        a: Activation,
        b: Activation,
        output: Activation,
    ) -> i32 {
        if matches!(self, Self::Reals) {
            let real = |(x, y)| f64::from(dequantize(x, a)) * f64::from(dequantize(y, b));
            return quantize(pairs.map(real).sum::<f64>() as f32, output);
        }
        let sum: i64 = pairs.map(|(x, y)| i64::from(x - a.zero_point) * i64::from(y - b.zero_point)).sum();
        let shifted = |code: i64| {
            let (min, max) = output.code_type.range();
            let code = code.saturating_add(i64::from(output.zero_point));
            i32::try_from(code.clamp(i64::from(min), i64::from(max))).unwrap_or(min)
        };
        match self {
            Self::Reals => output.zero_point,
            Self::Rounded(multiplier) => offset((sum as f32 * multiplier).round_ties_even(), output),
            Self::Double(factor) => shifted(i64::from(factor.double(sum as i32))),
            Self::Reduced(factor) => shifted(factor.reduced(sum)),
            Self::Exact(scale) => {
                round_exact(&scale.times(&Ratio::from_i64(sum)), output).unwrap_or(output.zero_point)
            }
        }
    }
}

/// Sums of so many products of 8-bit codes, each below 2^16, fit 32 bits.
const MOST_PRODUCTS: usize = 1 << 15;

/// `S1*S2/S3 * sum((a - Z1) * (b - Z2)) + Z3`, as the engine rounds it.
pub(super) fn matmul(a: &Codes, b: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let (first, second, output) = (context.input(0)?, context.input(1)?, context.output()?);
    let shape = shape(a.shape(), b.shape())?;
    let inner = a.shape()[a.shape().len() - 1];
    let scaling = Scaling::new(context, first, second, output)?;
    if matches!(scaling, Scaling::Double(_)) && inner > MOST_PRODUCTS {
        return Err(OpError::new(format!("sums of {inner} products"), format!("at most {MOST_PRODUCTS}")));
    }
    let (a_strides, b_strides) = (strides(a.shape()), strides(b.shape()));
    let step = b_strides[b_strides.len() - 2];
    let layout = if context.contract.is_pytorch() { Layout::Contiguous } else { a.dense_layout() };
    Ok(Tensor::build(shape.clone(), layout, |index| {
        let place = coordinates(index, &shape);
        // The element at this place but for the axis that is summed over, counted from the last.
        let start = |own: &[usize], strides: &[usize], summed: usize| -> usize {
            let missing = shape.len() - own.len();
            (0..own.len())
                .filter(|&axis| own.len() - axis != summed && own[axis] != 1)
                .map(|axis| place[axis + missing] * strides[axis])
                .sum()
        };
        let (from_a, from_b) = (start(a.shape(), &a_strides, 1), start(b.shape(), &b_strides, 2));
        let pairs = (0..inner).map(|k| (a.elements()[from_a + k], b.elements()[from_b + k * step]));
        scaling.code(pairs, first, second, output)
    }))
}
