//! Calls of operators: the table of what is supported.

use gen_params_formats::{Node, Value};

use super::super::arguments::Arguments;
use super::super::signatures;
use super::names::{axes_of, callee_name, is_python};
use super::{Lowering, Slot};
use crate::parts::{self, code_type_of};
use gen_params_core::error::Result;
use gen_params_core::network::EdgeId;
use gen_params_core::ops::{Function, Op, Pool};
use gen_params_core::parameters::Activation;

/// Every call that is lowered, by its name without `torch.`, `ops.aten.` and the like.
#[rustfmt::skip]
pub(crate) const OPERATORS: &[&str] = &[
    "quantized.conv1d", "quantized.conv1d_relu", "quantized.conv2d", "quantized.conv2d_relu",
    "quantized.conv3d", "quantized.conv3d_relu", "quantized.conv_transpose1d", "quantized.conv_transpose2d",
    "quantized.conv_transpose3d", "quantized.linear", "quantized.linear_relu", "Int", "IntImplicit",
    "ScalarImplicit", "__getitem__", "_max_pool1d", "_max_pool2d", "_max_pool3d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "add", "alias", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "cat", "channel_shuffle", "chunk", "clamp", "clamp_", "clip", "clone", "concat", "constant_pad_nd",
    "contiguous", "dequantize", "detach", "dropout", "elu", "feature_dropout", "flatten", "floor_divide",
    "floordiv", "gelu", "getattr", "getitem", "hardsigmoid", "hardtanh", "hardtanh_", "identity", "int",
    "interpolate", "leaky_relu", "max_pool1d", "max_pool2d", "max_pool3d", "mean", "mul", "pad", "permute",
    "prim.NumToTensor", "quantize_per_tensor", "quantized.add", "quantized.add_relu", "quantized.batch_norm",
    "quantized.batch_norm1d", "quantized.batch_norm1d_relu", "quantized.batch_norm2d",
    "quantized.batch_norm2d_relu", "quantized.batch_norm3d", "quantized.batch_norm3d_relu",
    "quantized.batch_norm_relu", "quantized.cat", "quantized.clamp", "quantized.elu", "quantized.hardswish",
    "quantized.layer_norm", "quantized.leaky_relu", "quantized.matmul", "quantized.mul", "quantized.mul_relu",
    "quantized.relu", "quantized.relu6", "quantized.sigmoid", "quantized.softmax", "relu", "relu6", "relu6_",
    "relu_", "reshape", "shape", "sigmoid", "sigmoid_", "size", "slice", "squeeze", "sub", "tanh", "tanh_",
    "transpose", "unsqueeze", "upsample", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
    "view",
];

impl Lowering<'_> {
    pub(super) fn function(&mut self, node: &Node, operator: &str) -> Result<Slot> {
        let signatures = signatures::of(operator, is_python(&node.callee));
        let a = &Arguments::new(node, callee_name(&node.callee), node.place.to_string(), signatures);
        let slot = self.operator(a, operator)?;
        a.finish()?;
        Ok(slot)
    }

    fn operator(&mut self, a: &Arguments<'_>, operator: &str) -> Result<Slot> {
        let refusal = |why: &str| a.refuse(why);
        if !OPERATORS.contains(&operator) {
            return Err(refusal(if operator.contains("dynamic") {
                "is dynamic quantization, whose activations are float"
            } else {
                "is not supported"
            }));
        }
        if let Some(slot) = self.plumbing(a, operator)? {
            return Ok(slot);
        }
        if let Some(rest) = operator.strip_prefix("quantized.")
            && (rest.starts_with("conv") || rest.starts_with("linear"))
        {
            return self.layer(a, rest);
        }
        let name = self.name(a.node, operator);
        if let Some(slot) = self.scaled(a, &name, operator)? {
            return Ok(slot);
        }
        match operator {
            "cat" | "concat" => return self.concatenation(a, &name),
            "interpolate" | "upsample_nearest1d" | "upsample_nearest2d" | "upsample_nearest3d"
            | "upsample" => return self.upsample(a, &name, operator),
            _ => {}
        }
        let op = match Self::element_wise(a, operator)? {
            Some(op) => Some(op),
            None => match Self::pool(a, operator)? {
                Some(op) => Some(op),
                None => self.shape(a, operator)?.map(Op::Shape),
            },
        };
        self.simple(a, &name, op.ok_or_else(|| refusal("is not supported"))?)
    }

    /// Operators that are given the scale and zero point of their result; `None` for others.
    fn scaled(&mut self, a: &Arguments<'_>, name: &str, operator: &str) -> Result<Option<Slot>> {
        let one = |this: &Self| this.input(a).map(|input| vec![input]);
        let two = |this: &Self| Ok(vec![this.tensor(a, "qa")?, this.tensor(a, "qb")?]);
        let relu = operator.ends_with("_relu");
        // What the operator calls the scale and zero point of its result.
        let (op, inputs, scale) = match operator {
            "quantize_per_tensor" => {
                let mut activation = self.activation(a, "scale", "zero_point")?;
                let dtype = a.known("dtype")?;
                activation.code_type = dtype.and_then(code_type_of).ok_or_else(|| {
                    a.refuse(format!(
                        "quantizes to {}; only quint8 and qint8 are supported",
                        dtype.map_or_else(|| "an unknown type".into(), Value::kind)
                    ))
                })?;
                return self.single(name, Op::Quantize, &one(self)?, Some(activation)).map(Some);
            }
            "dequantize" => return self.single(name, Op::Dequantize, &one(self)?, None).map(Some),
            "quantized.batch_norm1d"
            | "quantized.batch_norm2d"
            | "quantized.batch_norm3d"
            | "quantized.batch_norm"
            | "quantized.batch_norm1d_relu"
            | "quantized.batch_norm2d_relu"
            | "quantized.batch_norm3d_relu"
            | "quantized.batch_norm_relu" => return self.batch_norm(a, name, relu).map(Some),
            "quantized.layer_norm" => return self.layer_norm(a, name).map(Some),
            "quantized.add" | "quantized.add_relu" => (Op::Add { relu }, two(self)?, ("scale", "zero_point")),
            "quantized.mul" | "quantized.mul_relu" => (Op::Mul { relu }, two(self)?, ("scale", "zero_point")),
            "quantized.matmul" => (Op::MatMul, two(self)?, ("scale", "zero_point")),
            "quantized.cat" => {
                let axis = a.int("dim")?;
                let op = Op::Concatenate { axis, requantizes: true };
                (op, self.tensors(a, "qx")?, ("scale", "zero_point"))
            }
            "quantized.sigmoid" => {
                (Op::Function(Function::Sigmoid), one(self)?, ("output_scale", "output_zero_point"))
            }
            "quantized.hardswish" => {
                (Op::Function(Function::Hardswish), one(self)?, ("output_scale", "output_zero_point"))
            }
            "quantized.leaky_relu" => {
                let slope = a.number("negative_slope")?;
                let op = Op::Function(Function::LeakyRelu(slope));
                (op, one(self)?, ("output_scale", "output_zero_point"))
            }
            "quantized.elu" => {
                let op = Op::Function(Function::Elu(a.number("alpha")?));
                (op, one(self)?, ("output_scale", "output_zero_point"))
            }
            "quantized.softmax" => {
                let op = Op::Softmax { axis: a.int("dim")? };
                (op, one(self)?, ("output_scale", "output_zero_point"))
            }
            _ => return Ok(None),
        };
        let (scale, zero_point) = scale;
        let activation = self.activation(a, scale, zero_point)?;
        self.single(name, op, &inputs, Some(activation)).map(Some)
    }

    /// Functions of each element whose result has its scale and zero point by the function's own rule.
    fn element_wise(a: &Arguments<'_>, operator: &str) -> Result<Option<Op>> {
        Ok(Some(match operator {
            "relu" | "relu_" | "quantized.relu" => Op::Relu,
            "relu6" | "relu6_" | "quantized.relu6" => Op::Clamp { min: 0.0, max: 6.0 },
            "hardtanh" | "hardtanh_" => Op::Clamp { min: a.number("min_val")?, max: a.number("max_val")? },
            "clamp" | "clamp_" | "quantized.clamp" | "clip" => {
                // PyTorch's quantized function spells them with a line behind.
                let limit = |name: &str, python: &str| match a.optional_number(name)? {
                    Some(limit) => Ok(Some(limit)),
                    None => a.optional_number(python),
                };
                Op::Clamp {
                    min: limit("min", "min_")?.unwrap_or(f64::NEG_INFINITY),
                    max: limit("max", "max_")?.unwrap_or(f64::INFINITY),
                }
            }
            "sigmoid" | "sigmoid_" => Op::Function(Function::Sigmoid),
            "tanh" | "tanh_" => Op::Function(Function::Tanh),
            "hardsigmoid" => Op::Function(Function::Hardsigmoid),
            "gelu" => Op::Function(Function::Gelu),
            "leaky_relu" => Op::Function(Function::LeakyRelu(a.number("negative_slope")?)),
            "elu" => Op::Function(Function::Elu(a.number("alpha")?)),
            _ => return Ok(None),
        }))
    }

    /// Pools and means.
    fn pool(a: &Arguments<'_>, operator: &str) -> Result<Option<Op>> {
        let axes = axes_of(operator);
        let kernel = || a.per_axis("kernel_size", axes)?.ok_or_else(|| a.missing("kernel_size"));
        Ok(Some(match operator {
            "max_pool1d" | "max_pool2d" | "max_pool3d" | "_max_pool1d" | "_max_pool2d" | "_max_pool3d" => {
                let kernel = kernel()?;
                Op::MaxPool(Pool {
                    stride: a.per_axis("stride", axes)?.unwrap_or_else(|| kernel.clone()),
                    padding: a.per_axis("padding", axes)?.unwrap_or_else(|| vec![0; axes]),
                    padding_end: None,
                    dilation: a.per_axis("dilation", axes)?.unwrap_or_else(|| vec![1; axes]),
                    ceil_mode: a.flag("ceil_mode")?,
                    count_include_pad: false,
                    divisor: None,
                    kernel,
                })
            }
            "avg_pool1d" | "avg_pool2d" | "avg_pool3d" => {
                let kernel = kernel()?;
                Op::AveragePool(Pool {
                    stride: a.per_axis("stride", axes)?.unwrap_or_else(|| kernel.clone()),
                    padding: a.per_axis("padding", axes)?.unwrap_or_else(|| vec![0; axes]),
                    padding_end: None,
                    dilation: vec![1; axes],
                    ceil_mode: a.flag("ceil_mode")?,
                    count_include_pad: a.flag("count_include_pad")?,
                    divisor: a.optional_int("divisor_override")?,
                    kernel,
                })
            }
            "adaptive_avg_pool1d" | "adaptive_avg_pool2d" | "adaptive_avg_pool3d" => {
                let value = a.needed("output_size")?;
                let size = parts::optional_sizes(value, axes).ok_or_else(|| a.wrong("output_size", value))?;
                Op::AdaptiveAveragePool { size }
            }
            "mean" => {
                let axes = a.ints("dim")?.filter(|axes| !axes.is_empty());
                Op::Mean {
                    axes: axes.ok_or_else(|| a.refuse("averages everything, batch included"))?,
                    keep: a.flag("keepdim")?,
                }
            }
            _ => return Ok(None),
        }))
    }

    fn concatenation(&mut self, a: &Arguments<'_>, name: &str) -> Result<Slot> {
        let inputs = self.tensors(a, "tensors")?;
        let axis = a.int("dim")?;
        self.single(name, Op::Concatenate { axis, requantizes: false }, &inputs, None)
    }

    /// One input, one result, S and Z by the operation's own rule.
    pub(super) fn simple(&mut self, a: &Arguments<'_>, name: &str, op: Op) -> Result<Slot> {
        let input = self.input(a)?;
        self.single(name, op, &[input], None)
    }

    pub(super) fn single(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[EdgeId],
        own: Option<Activation>,
    ) -> Result<Slot> {
        let outputs = self.builder.node(name, op, inputs, own)?;
        Ok(match outputs.as_slice() {
            [one] => Slot::Edge(*one),
            many => Slot::List(many.iter().copied().map(Slot::Edge).collect()),
        })
    }
}
