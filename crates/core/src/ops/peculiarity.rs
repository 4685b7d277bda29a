//! What an engine does that nobody would expect, said in words: it is reproduced, and the user must know.

use super::{Context, Function, Layer, Op, Value, axis_of, float_mean};
use crate::contract::Contract;
use crate::parameters::{CodeType, LayerKind};

impl Op {
    /// Why this engine's results for these inputs are not those of the operation's equation; `None` where they are.
    pub fn peculiarity(&self, inputs: &[&Value], context: &Context<'_>) -> Option<String> {
        let doubtful = context.contract == Contract::LitertBuiltin && matches!(self, Self::Quantize);
        if doubtful {
            return Some(
                "XNNPACK leaves it to a kernel of LiteRT that divides the last numbers of a tensor otherwise: codes beside a \
                 tie may differ by one"
                    .into(),
            );
        }
        let codes = inputs.first()?.codes()?;
        let qnnpack = context.contract == Contract::Qnnpack
            && context.inputs.first().copied().flatten().is_some_and(|a| a.code_type == CodeType::U8);
        let wide = context.inputs.iter().copied().flatten().any(|a| a.code_type.is_wide());
        match self {
            Self::Layer(layer)
                if layer.saturates_pairs(context.contract) && codes.elements().iter().any(|&c| c > 127) =>
            {
                Some(
                    "FBGEMM's depthwise kernel adds products in pairs that saturate at 16 bits, and codes above 127 \
                     reach it: its accumulators are not the sums"
                        .into(),
                )
            }
            Self::Clamp { .. } if qnnpack && codes.shape().len() >= 4 && !codes.is_contiguous() => Some(
                "QNNPACK's clamp hands bytes in channels-last order back as if they were contiguous: every code moves"
                    .into(),
            ),
            Self::AveragePool(pool)
                if qnnpack
                    && (pool.divisor.is_some()
                        || (!pool.count_include_pad && pool.padding.iter().any(|&p| p > 0))) =>
            {
                Some("QNNPACK's average pooling divides by the whole window whatever the model asks for".into())
            }
            Self::Layer(layer) if context.contract == Contract::LitertBuiltin => layer.doubtful_rounding(),
            Self::Add { .. }
            | Self::Sub { .. }
            | Self::Mul { .. }
            | Self::Function(Function::Requantize { min: f64::NEG_INFINITY, max: f64::INFINITY })
                if context.contract == Contract::LitertBuiltin =>
            {
                // Sums of 16-bit codes that are not repeated along an axis have such a kernel, too.
                let one_shape = inputs.windows(2).all(|pair| pair[0].shape() == pair[1].shape());
                let by_sixteens = !wide || matches!(self, Self::Add { .. }) && one_shape;
                by_sixteens.then(|| {
                    "XNNPACK leaves it to a kernel of LiteRT that rounds elements otherwise by sixteens: ties may differ \
                     by one"
                        .into()
                })
            }
            Self::Mean { axes, .. }
                if context.contract == Contract::Onnxruntime
                    && float_mean::is_product_of_matrices(axes, codes.shape().len()) =>
            {
                Some(
                    "ONNX Runtime averages floats over these axes by a product of matrices, in an order of additions that \
                     depends on the processor: ties may be rounded to the other side"
                        .into(),
                )
            }
            Self::Mean { axes, .. }
                if context.contract == Contract::Onnxruntime
                    && float_mean::depends_on_place(axes, codes.shape()) =>
            {
                Some(
                    "ONNX Runtime adds floats in packets of four that images of this size do not begin with: these are its \
                     codes for batches of one image, and in others ties may be rounded to the other side"
                        .into(),
                )
            }
            Self::Mean { axes, .. } if context.contract.is_pytorch() && !codes.is_contiguous() => {
                let rank = codes.shape().len();
                let whole = rank == 4
                    && axes.len() == 2
                    && axes.iter().all(|&axis| axis_of(axis, rank).is_ok_and(|axis| axis >= 2));
                (!(qnnpack && whole)).then(|| {
                    "PyTorch averages channels-last codes as floats in an order that is not reproduced: about one \
                     code in 1,500 differs by one"
                        .into()
                })
            }
            Self::Quantize
            | Self::Dequantize
            | Self::Layer(_)
            | Self::Constant(_)
            | Self::Add { .. }
            | Self::Sub { .. }
            | Self::Mul { .. }
            | Self::Extremum(_)
            | Self::MatMul
            | Self::Concatenate { .. }
            | Self::MaxPool(_)
            | Self::AveragePool(_)
            | Self::AdaptiveAveragePool { .. }
            | Self::Mean { .. }
            | Self::Relu
            | Self::Clamp { .. }
            | Self::Function(_)
            | Self::Shape(_)
            | Self::BatchNorm(_)
            | Self::LayerNorm(_)
            | Self::Softmax { .. }
            | Self::Svdf(_)
            | Self::Lstm(_) => None,
        }
    }
}

impl Layer {
    /// What LiteRT's optimized kernels round by the place of an element in memory, or by an operator that is not known any
    /// more.
    fn doubtful_rounding(&self) -> Option<String> {
        let one_input = self.weight.shape.get(1) == Some(&1);
        match self.kind {
            LayerKind::ConvTranspose(_) if self.weight.offset != 0 => Some(
                "XNNPACK leaves it to a kernel of LiteRT that rounds the last elements of a tensor otherwise: ties among \
                 them may differ by one"
                    .into(),
            ),
            LayerKind::Conv(_) if one_input && !self.is_depthwise() && self.weight.bits < 8 => Some(
                "XNNPACK leaves it to a kernel of LiteRT that rounds a depthwise convolution of one channel otherwise: if it \
                 is one, ties may differ by one"
                    .into(),
            ),
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) | LayerKind::Linear => None,
        }
    }
}
