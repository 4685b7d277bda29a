//! What an engine does that nobody would expect, said in words: it is reproduced, and the user must know.

use super::context::{Context, Value};
use super::function::Function;
use super::layer::Layer;
use super::op::Op;
use super::{float_layer, float_mean, pool};
use crate::contract::Contract;
use crate::parameters::{CodeType, LayerKind};
use crate::tensor::Layout;

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
            Self::Layer(layer) if layer.is_taken_transposed(context.contract) => Some(
                "PyTorch's oneDNN reads the weights of a transposed convolution as (out, in, ...) where the file has (in, out, \
                 ...): nearly all of its codes are wrong here, and these are the right ones, not the engine's"
                    .into(),
            ),
            Self::Layer(layer) if layer.leaves_its_memory(context.contract, codes.shape()) => Some(
                "PyTorch's oneDNN gives arbitrary codes for convolutions with a stride along the last axis whose result is 1 \
                 wide, and for those that pad by a whole kernel: these are the right ones, not the engine's"
                    .into(),
            ),
            Self::Layer(layer) if layer.leaves_places_unwritten(context.contract, codes.shape()) => Some(
                "PyTorch's oneDNN leaves codes of a transposed convolution unwritten where its stride leaves two places or more \
                 in a row without a product, along an axis before the last: these are the right ones, not the engine's"
                    .into(),
            ),
            Self::MaxPool(_) | Self::AveragePool(_) | Self::AdaptiveAveragePool { .. }
                if context.contract.is_pytorch()
                    && codes.is_channels_last()
                    && !codes.is_contiguous()
                    && codes.dense_layout() == Layout::Contiguous =>
            {
                Some(
                    "PyTorch writes the result of a pool of an image whose axes were moved so that it is 1 wide in one order, \
                     and reads it in another: these are the right codes, not the engine's"
                        .into(),
                )
            }
            Self::Clamp { .. } if qnnpack && codes.shape().len() >= 4 && !codes.is_contiguous() && codes.dense_layout() == Layout::ChannelsLast => Some(
                "QNNPACK's clamp hands bytes in channels-last order back as if they were contiguous: every code moves"
                    .into(),
            ),
            Self::AveragePool(pool)
                if qnnpack
                    && !pool.ceil_mode
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
            Self::Layer(layer)
                if context.is_float()
                    && float_layer::is_known(layer)
                    && float_layer::depends_on_threads(layer) =>
            {
                Some(
                    "ONNX Runtime does not fuse this layer, and adds its products for a single image in an order that depends \
                     on the number of threads: these are its codes with one thread, or for several images"
                        .into(),
                )
            }
            Self::Mul { .. } if context.contract.is_pytorch() && multiplies_memory(inputs, context) => Some(
                "PyTorch multiplies signed codes place by place in memory, in whatever order the two lie there: these are \
                 the right codes, not the engine's"
                    .into(),
            ),
            Self::MatMul if context.contract.is_pytorch() => Some(
                "PyTorch multiplies matrices of floats in an order of additions that is not reproduced: about one code in \
                 a million differs by one"
                    .into(),
            ),
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

/// Whether two operands of signed codes and equal shapes lie in different orders of memory, or in none without gaps.
fn multiplies_memory(inputs: &[&Value], context: &Context<'_>) -> bool {
    let signed = context.inputs.first().copied().flatten().is_some_and(|a| a.code_type == CodeType::I8);
    let [Value::Codes(a), Value::Codes(b)] = inputs else { return false };
    let alike = (a.is_contiguous() && b.is_contiguous()) || (a.is_channels_last() && b.is_channels_last());
    signed && a.shape() == b.shape() && !alike
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

impl Op {
    /// Whether PyTorch computes a mean of codes that lie channels last as one of floats: `mean` over whole axes, which
    /// adaptive pooling of three axes to one position is, too; but not what QNNPACK computes itself.
    pub(crate) fn averages_floats(&self, context: &Context<'_>) -> bool {
        match self {
            Self::Mean { axes, .. } => {
                let images = [2, 3].iter().all(|axis| axes.contains(axis) || axes.contains(&(axis - 4)));
                let own_kernel = context.input(0).is_ok_and(|input| pool::by_qnnpack(context, input));
                !(own_kernel && axes.len() == 2 && images)
            }
            Self::AdaptiveAveragePool { size } => size.len() == 3 && size.iter().all(|&size| size == Some(1)),
            _ => false,
        }
    }
}
