//! Which operators LiteRT's XNNPACK delegate takes; what it leaves, LiteRT's own optimized kernels compute.

use super::function::Function;
use super::layer::Layer;
use super::op::Op;
use crate::parameters::{Activation, CodeType, LayerKind};

impl Op {
    /// Whether the delegate takes the operation with these types and scales. What depends on the file beside them, such as
    /// a shape that the network computes, is in [`IntNetwork::undelegated`](crate::network::IntNetwork::undelegated).
    ///
    /// Source: LiteRT `tflite/delegates/xnnpack/xnnpack_delegate.cc`, of each operator the conditions of its `Visit...Node`.
    pub(crate) fn is_delegated(&self, inputs: &[Option<Activation>], output: Option<Activation>) -> bool {
        let activations = || inputs.iter().copied().chain([output]).flatten();
        if activations().any(|activation| activation.code_type.is_wide()) {
            return false;
        }
        let quotient = |index: usize| {
            let input = inputs.get(index).copied().flatten();
            input.zip(output).map(|(input, output)| narrow(input.scale) / narrow(output.scale))
        };
        let within = |quotient: Option<f32>, least: f32, bound: f32| {
            quotient.is_none_or(|quotient| (least..bound).contains(&quotient))
        };
        match self {
            Self::Layer(layer) => layer.is_delegated(inputs.first().copied().flatten()),
            Self::Add { .. } | Self::Sub { .. } => {
                (0..2).all(|index| within(quotient(index), 1.0 / 1024.0, 256.0))
            }
            Self::Mul { .. } => match inputs {
                [Some(a), Some(b)] => {
                    let product = output.map(|c| narrow(a.scale) * narrow(b.scale) / narrow(c.scale));
                    within(product, 1.0 / 65_536.0, 256.0)
                }
                _ => true,
            },
            Self::Function(Function::LeakyRelu(slope)) => {
                let negative = quotient(0).map(|quotient| quotient * narrow(*slope));
                let fits = |quotient: f32, least: f32| (least..=128.0).contains(&quotient);
                narrow(*slope).is_normal()
                    && quotient(0).is_none_or(|quotient| fits(quotient, 1.0 / 256.0))
                    && negative.is_none_or(|q| fits(q, -127.996_09) && q.abs() >= 1.0 / 256.0)
            }
            Self::Function(Function::Requantize { min, max }) => {
                let same_type = activations().all(|a| Some(a.code_type) == output.map(|o| o.code_type));
                let unbounded = min.is_infinite() && max.is_infinite();
                unbounded
                    && same_type
                    && quotient(0).is_none_or(|quotient| (1.0 / 256.0..=128.0).contains(&quotient))
            }
            Self::Function(function) => matches!(function, Function::Sigmoid | Function::Tanh),
            Self::AveragePool(_)
            | Self::AdaptiveAveragePool { .. }
            | Self::MatMul
            | Self::Softmax { .. }
            | Self::Svdf(_)
            | Self::Lstm(_) => false,
            Self::Quantize
            | Self::Dequantize
            | Self::Constant(_)
            | Self::Extremum(_)
            | Self::Concatenate { .. }
            | Self::MaxPool(_)
            | Self::Mean { .. }
            | Self::Relu
            | Self::Clamp { .. }
            | Self::Shape(_)
            | Self::BatchNorm(_)
            | Self::LayerNorm(_) => true,
        }
    }
}

impl Layer {
    /// Whether the delegate has its weights: convolutions of 8-bit ones, linear layers also of 4-bit and 2-bit ones that
    /// fill their bytes.
    fn is_delegated(&self, input: Option<Activation>) -> bool {
        let symmetric = self.weight.zero_point.iter().all(|&z| z == 0);
        let inputs = self.weight.shape.last().copied().unwrap_or(0);
        match (self.kind, self.weight.bits) {
            (LayerKind::Linear, 8) => symmetric || input.is_some_and(|input| input.code_type == CodeType::U8),
            (LayerKind::Linear, 4) => inputs.is_multiple_of(2),
            (LayerKind::Linear, 2) => inputs.is_multiple_of(4) && self.weight.scale.len() > 1,
            (LayerKind::Conv(_) | LayerKind::ConvTranspose(_), 8) => true,
            _ => false,
        }
    }
}

/// The delegate holds scales as float32.
#[allow(clippy::cast_possible_truncation, reason = "as the engine narrows it")]
fn narrow(real: f64) -> f32 {
    real as f32
}
