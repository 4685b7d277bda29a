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

/// Operators that are lowered alike.
pub(crate) struct Operators {
    /// Their names without `torch.`, `ops.aten.` and the like.
    pub(crate) names: &'static [&'static str],
    /// What a call becomes; the text is the name.
    lower: fn(&mut Lowering<'_>, &Arguments<'_>, &str) -> Result<Slot>,
}

const fn row(
    names: &'static [&'static str],
    lower: fn(&mut Lowering<'_>, &Arguments<'_>, &str) -> Result<Slot>,
) -> Operators {
    Operators { names, lower }
}

/// What the quantized operators of old call the scale and zero point of their result, and those of today.
const OLD: (&str, &str) = ("scale", "zero_point");
const OUTPUT: (&str, &str) = ("output_scale", "output_zero_point");

/// Every call that is lowered.
#[rustfmt::skip]
pub(crate) const OPERATORS: &[Operators] = &[
    row(&["quantized.conv1d", "quantized.conv1d_relu", "quantized.conv2d", "quantized.conv2d_relu", "quantized.conv3d",
          "quantized.conv3d_relu", "quantized.conv_transpose1d", "quantized.conv_transpose2d",
          "quantized.conv_transpose3d", "quantized.linear", "quantized.linear_relu"], |l, a, own| l.layer(a, own)),
    // Sizes, and what passes its argument on.
    row(&["Int", "IntImplicit", "ScalarImplicit", "int", "prim.NumToTensor"], |l, a, _| l.slot(a, "a")),
    row(&["__getitem__", "getitem"], |l, a, _| l.getitem(a)),
    row(&["alias", "clone", "detach", "identity"], |l, a, _| l.slot(a, a.first())),
    row(&["dropout", "feature_dropout"], |l, a, _| l.dropout(a)),
    row(&["add", "floor_divide", "floordiv", "mul", "sub"], |l, a, own| l.arithmetic(a, own)),
    row(&["getattr"], |l, a, _| l.attribute(a)),
    row(&["shape", "size"], |l, a, _| l.sizes(a)),
    // Operators that are given the scale and zero point of their result.
    row(&["quantize_per_tensor"], |l, a, own| l.quantize(a, own)),
    row(&["dequantize"], |l, a, own| l.simple(a, own, Op::Dequantize)),
    row(&["quantized.batch_norm", "quantized.batch_norm1d", "quantized.batch_norm1d_relu", "quantized.batch_norm2d",
          "quantized.batch_norm2d_relu", "quantized.batch_norm3d", "quantized.batch_norm3d_relu",
          "quantized.batch_norm_relu"], |l, a, own| l.batch_norm(a, own, has_relu(own))),
    row(&["quantized.layer_norm"], |l, a, own| l.layer_norm(a, own)),
    row(&["quantized.add", "quantized.add_relu"], |l, a, own| l.pair(a, own, Op::Add { relu: has_relu(own) })),
    row(&["quantized.mul", "quantized.mul_relu"], |l, a, own| l.pair(a, own, Op::Mul { relu: has_relu(own) })),
    row(&["quantized.matmul"], |l, a, own| l.pair(a, own, Op::MatMul)),
    row(&["quantized.cat"], |l, a, own| {
        let op = Op::Concatenate { axis: a.int("dim")?, requantizes: true };
        let inputs = l.tensors(a, "qx")?;
        l.scaled(a, own, op, &inputs, OLD)
    }),
    row(&["quantized.sigmoid"], |l, a, own| l.scaled_function(a, own, Function::Sigmoid)),
    row(&["quantized.hardswish"], |l, a, own| l.scaled_function(a, own, Function::Hardswish)),
    row(&["quantized.leaky_relu"], |l, a, own| {
        l.scaled_function(a, own, Function::LeakyRelu(a.number("negative_slope")?))
    }),
    row(&["quantized.elu"], |l, a, own| l.scaled_function(a, own, Function::Elu(a.number("alpha")?))),
    row(&["quantized.softmax"], |l, a, own| {
        let (op, input) = (Op::Softmax { axis: a.int("dim")? }, l.input(a)?);
        l.scaled(a, own, op, &[input], OUTPUT)
    }),
    // Functions of each element whose result has its scale and zero point by the function's own rule.
    row(&["quantized.relu", "relu", "relu_"], |l, a, own| l.simple(a, own, Op::Relu)),
    row(&["quantized.relu6", "relu6", "relu6_"], |l, a, own| l.simple(a, own, Op::Clamp { min: 0.0, max: 6.0 })),
    row(&["hardtanh", "hardtanh_"], |l, a, own| {
        l.simple(a, own, Op::Clamp { min: a.number("min_val")?, max: a.number("max_val")? })
    }),
    row(&["clamp", "clamp_", "clip", "quantized.clamp"], |l, a, own| l.simple(a, own, clamp(a)?)),
    row(&["sigmoid", "sigmoid_"], |l, a, own| l.simple(a, own, Op::Function(Function::Sigmoid))),
    row(&["tanh", "tanh_"], |l, a, own| l.simple(a, own, Op::Function(Function::Tanh))),
    row(&["hardsigmoid"], |l, a, own| l.simple(a, own, Op::Function(Function::Hardsigmoid))),
    row(&["gelu"], |l, a, own| l.simple(a, own, Op::Function(Function::Gelu))),
    row(&["leaky_relu"], |l, a, own| {
        l.simple(a, own, Op::Function(Function::LeakyRelu(a.number("negative_slope")?)))
    }),
    row(&["elu"], |l, a, own| l.simple(a, own, Op::Function(Function::Elu(a.number("alpha")?)))),
    // Pools and means.
    row(&["_max_pool1d", "_max_pool2d", "_max_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"],
        |l, a, own| l.simple(a, own, Op::MaxPool(max_pool(a, axes_of(own))?))),
    row(&["avg_pool1d", "avg_pool2d", "avg_pool3d"],
        |l, a, own| l.simple(a, own, Op::AveragePool(average_pool(a, axes_of(own))?))),
    row(&["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"], |l, a, own| {
        let value = a.needed("output_size")?;
        let size = parts::optional_sizes(value, axes_of(own)).ok_or_else(|| a.wrong("output_size", value))?;
        l.simple(a, own, Op::AdaptiveAveragePool { size })
    }),
    row(&["mean"], |l, a, own| {
        let axes = a.ints("dim")?.filter(|axes| !axes.is_empty());
        let axes = axes.ok_or_else(|| a.refuse("averages everything, batch included"))?;
        l.simple(a, own, Op::Mean { axes, keep: a.flag("keepdim")? })
    }),
    // What only moves codes.
    row(&["cat", "concat"], |l, a, own| {
        let inputs = l.tensors(a, "tensors")?;
        let op = Op::Concatenate { axis: a.int("dim")?, requantizes: false };
        l.single(&l.name(a.node, own), op, &inputs, None)
    }),
    row(&["interpolate", "upsample", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"],
        |l, a, own| l.upsample(a, own)),
    row(&["channel_shuffle", "chunk", "constant_pad_nd", "flatten", "pad", "permute", "reshape", "slice", "squeeze",
          "transpose", "unsqueeze", "view"], |l, a, own| {
        let shape = l.shape(a, own)?;
        l.simple(a, own, Op::Shape(shape))
    }),
    row(&["contiguous"], |l, a, own| l.contiguous(a, own)),
];

/// The names of all operators: layers with weights, then the rest, sorted.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = OPERATORS.iter().flat_map(|row| row.names.iter().copied()).collect();
    let layers = OPERATORS.first().map_or(0, |row| row.names.len());
    names[layers..].sort_unstable();
    names
}

/// Whether an operator has a ReLU in it, by its name.
fn has_relu(operator: &str) -> bool {
    operator.ends_with("_relu")
}

fn clamp(a: &Arguments<'_>) -> Result<Op> {
    // PyTorch's quantized function spells them with a line behind.
    let limit = |name: &str, python: &str| match a.optional_number(name)? {
        Some(limit) => Ok(Some(limit)),
        None => a.optional_number(python),
    };
    Ok(Op::Clamp {
        min: limit("min", "min_")?.unwrap_or(f64::NEG_INFINITY),
        max: limit("max", "max_")?.unwrap_or(f64::INFINITY),
    })
}

fn max_pool(a: &Arguments<'_>, axes: usize) -> Result<Pool> {
    let kernel = a.per_axis("kernel_size", axes)?.ok_or_else(|| a.missing("kernel_size"))?;
    Ok(Pool {
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

fn average_pool(a: &Arguments<'_>, axes: usize) -> Result<Pool> {
    let kernel = a.per_axis("kernel_size", axes)?.ok_or_else(|| a.missing("kernel_size"))?;
    Ok(Pool {
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

impl Lowering<'_> {
    pub(super) fn function(&mut self, node: &Node, operator: &str) -> Result<Slot> {
        let signatures = signatures::of(operator, is_python(&node.callee));
        let a = &Arguments::new(node, callee_name(&node.callee), node.place.to_string(), signatures);
        let Some(row) = OPERATORS.iter().find(|row| row.names.contains(&operator)) else {
            return Err(a.refuse(if operator.contains("dynamic") {
                "is dynamic quantization, whose activations are float"
            } else {
                "is not supported"
            }));
        };
        let slot = (row.lower)(self, a, operator)?;
        a.finish()?;
        Ok(slot)
    }

    fn quantize(&mut self, a: &Arguments<'_>, operator: &str) -> Result<Slot> {
        let mut activation = self.activation(a, "scale", "zero_point")?;
        let dtype = a.known("dtype")?;
        activation.code_type = dtype.and_then(code_type_of).ok_or_else(|| {
            a.refuse(format!(
                "quantizes to {}; only quint8 and qint8 are supported",
                dtype.map_or_else(|| "an unknown type".into(), Value::kind)
            ))
        })?;
        let input = self.input(a)?;
        self.single(&self.name(a.node, operator), Op::Quantize, &[input], Some(activation))
    }

    /// Two operands and the scale of the result.
    fn pair(&mut self, a: &Arguments<'_>, operator: &str, op: Op) -> Result<Slot> {
        let inputs = [self.tensor(a, "qa")?, self.tensor(a, "qb")?];
        self.scaled(a, operator, op, &inputs, OLD)
    }

    /// A function of each element, and the scale of its result.
    fn scaled_function(&mut self, a: &Arguments<'_>, operator: &str, function: Function) -> Result<Slot> {
        let input = self.input(a)?;
        self.scaled(a, operator, Op::Function(function), &[input], OUTPUT)
    }

    /// An operator that is given the scale and zero point of its result, under these names.
    fn scaled(
        &mut self,
        a: &Arguments<'_>,
        operator: &str,
        op: Op,
        inputs: &[EdgeId],
        (scale, zero_point): (&str, &str),
    ) -> Result<Slot> {
        let activation = self.activation(a, scale, zero_point)?;
        self.single(&self.name(a.node, operator), op, inputs, Some(activation))
    }

    /// One input, one result, S and Z by the operation's own rule.
    pub(super) fn simple(&mut self, a: &Arguments<'_>, operator: &str, op: Op) -> Result<Slot> {
        let input = self.input(a)?;
        self.single(&self.name(a.node, operator), op, &[input], None)
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
