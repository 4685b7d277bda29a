//! What an engine does that nobody would expect, said in words: it is reproduced, and the user must know.

use super::{Context, Op, Value, float_mean};
use crate::contract::Contract;
use crate::parameters::CodeType;

impl Op {
    /// Why this engine's results for these inputs are not those of the operation's equation; `None` where they are.
    pub fn peculiarity(&self, inputs: &[&Value], context: &Context<'_>) -> Option<String> {
        let codes = inputs.first()?.codes()?;
        let qnnpack = context.contract == Contract::Qnnpack
            && context.inputs.first().copied().flatten().is_some_and(|a| a.code_type == CodeType::U8);
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
            Self::Clamp { .. } if qnnpack && codes.shape().len() >= 4 && !codes.is_contiguous() => Some(
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
            Self::Mean { .. } if context.contract == Contract::LitertXnnpack => Some(
                "XNNPACK's mean is not reproduced to the last bit: about one code in 1,700 differs by one".into(),
            ),
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
