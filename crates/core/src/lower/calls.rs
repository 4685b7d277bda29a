//! The file's own topology: each call of a TorchScript or FX graph becomes an operation.

use std::collections::HashMap;

use gen_params_formats::{
    Argument, Callee, Form, Graph, Module, Node, PackedParams, SourceModel, Value, ValueId,
};

use super::Options;
use super::builder::Builder;
use super::parts::{self, Part, Parts, activation_of, code_type_of, join, kind_of_packed, layer_of_packed};
use crate::error::{LowerError, Reason, Result};
use crate::network::{EdgeId, IntNetwork};
use crate::ops::{BatchNorm, Extent, Function, LayerNorm, Op, PaddingMode, Pool, Shape};
use crate::parameters::{Activation, LayerKind, Wiring};

/// What a value of the graph is in the network.
#[derive(Debug, Clone)]
enum Slot {
    Edge(EdgeId),
    /// A size or a computation on sizes.
    Extent(Extent),
    /// All sizes of an edge.
    Sizes(EdgeId),
    List(Vec<Slot>),
    /// A constant that took part in a call.
    Constant(Value),
}

/// Lowers a graph.
pub(super) fn lower(
    source: &SourceModel,
    graph: &Graph,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<IntNetwork> {
    // Modules are looked up by FX only; TorchScript's calls carry their constants themselves.
    let parts = match source.form {
        Form::TorchScript | Form::ExportedProgram | Form::Onnx | Form::Tflite => Parts::new(),
        Form::StateDict | Form::Module | Form::GraphModule => parts::recognise(source, options, warnings)?,
    };
    let mut lowering = Lowering {
        source,
        parts,
        builder: Builder::new(source, Wiring::File, options),
        slots: HashMap::new(),
        reasons: Vec::new(),
    };
    for (id, name) in &graph.inputs {
        let edge = lowering.builder.input(name, None);
        lowering.slots.insert(*id, Slot::Edge(edge));
    }
    for node in &graph.nodes {
        if let Err(error) = lowering.node(node) {
            lowering.reasons.extend(error.reasons);
            for &id in &node.outputs {
                // Later nodes are still looked at, so that all reasons are listed at once.
                lowering.slots.remove(&id);
            }
        }
    }
    let mut outputs = Vec::new();
    for output in &graph.outputs {
        lowering.collect_edges(output, &mut outputs);
    }
    let Lowering { builder, reasons, .. } = lowering;
    if !reasons.is_empty() {
        return Err(LowerError { reasons, hint: None });
    }
    Ok(builder.finish(outputs))
}

/// Every call that is lowered, by its name without `torch.`, `ops.aten.` and the like.
#[rustfmt::skip]
pub(super) const OPERATORS: &[&str] = &[
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

struct Lowering<'a> {
    source: &'a SourceModel,
    parts: Parts,
    builder: Builder,
    slots: HashMap<ValueId, Slot>,
    reasons: Vec<Reason>,
}

/// The arguments of one call, by position or keyword.
struct Arguments<'a> {
    node: &'a Node,
    callee: &'a str,
}

impl<'a> Arguments<'a> {
    fn get(&self, position: usize, name: &str) -> Option<&'a Argument> {
        self.node
            .arguments
            .get(position)
            .or_else(|| self.node.keywords.iter().find(|(k, _)| k == name).map(|(_, v)| v))
    }

    fn constant(&self, position: usize, name: &str) -> Option<&'a Value> {
        match self.get(position, name) {
            Some(Argument::Constant(value, _)) => Some(value),
            _ => None,
        }
    }

    fn int(&self, position: usize, name: &str, default: Option<i64>) -> Result<i64> {
        match self.constant(position, name).map(|v| (v, v.as_i64())) {
            Some((_, Some(int))) => Ok(int),
            None | Some((Value::None, _)) => default.ok_or_else(|| self.missing(name)),
            Some((other, None)) => Err(self.wrong(name, other)),
        }
    }

    fn number(&self, position: usize, name: &str, default: Option<f64>) -> Result<f64> {
        #[allow(clippy::cast_precision_loss, reason = "a bound written as an integer in the model's source")]
        match self.constant(position, name).map(|v| (v, v.as_f64().or_else(|| v.as_i64().map(|i| i as f64))))
        {
            Some((_, Some(number))) => Ok(number),
            None | Some((Value::None, _)) => default.ok_or_else(|| self.missing(name)),
            Some((other, None)) => Err(self.wrong(name, other)),
        }
    }

    fn flag(&self, position: usize, name: &str, default: bool) -> Result<bool> {
        match self.constant(position, name) {
            Some(Value::Bool(flag)) => Ok(*flag),
            None | Some(Value::None) => Ok(default),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// One number or one per axis; an absent or empty list is `None`.
    fn extent(&self, position: usize, name: &str, axes: usize) -> Result<Option<Vec<i64>>> {
        match self.constant(position, name) {
            None | Some(Value::None) => Ok(None),
            Some(Value::List(v) | Value::Tuple(v)) if v.is_empty() => Ok(None),
            Some(value) => parts::spread(value, axes).map(Some).ok_or_else(|| self.wrong(name, value)),
        }
    }

    fn missing(&self, name: &str) -> LowerError {
        self.refuse(format!("`{}` without a constant `{name}`", self.callee))
    }

    fn wrong(&self, name: &str, value: &Value) -> LowerError {
        self.refuse(format!("`{}` with {} for `{name}`", self.callee, value.kind()))
    }

    fn refuse(&self, text: String) -> LowerError {
        LowerError::at(self.node.place.to_string(), text)
    }
}

impl Lowering<'_> {
    fn node(&mut self, node: &Node) -> Result<()> {
        let outputs = match &node.callee {
            Callee::Module(path) => self.module(node, path)?,
            Callee::Function(name) => self.function(node, &operator_name(name))?,
            Callee::Method(name) => self.function(node, name)?,
        };
        match (outputs, node.outputs.as_slice()) {
            (Slot::List(slots), ids) if ids.len() == slots.len() && ids.len() > 1 => {
                for (&id, slot) in ids.iter().zip(slots) {
                    self.slots.insert(id, slot);
                }
            }
            (Slot::Sizes(edge), ids) if ids.len() > 1 => {
                for (axis, &id) in (0i64..).zip(ids) {
                    self.slots.insert(id, Slot::Extent(Extent::Of(edge, axis)));
                }
            }
            (slot, [id]) => {
                self.slots.insert(*id, slot);
            }
            (_, ids) => {
                return Err(LowerError::at(
                    node.place.to_string(),
                    format!("`{}` is unpacked into {} values", callee_name(&node.callee), ids.len()),
                ));
            }
        }
        Ok(())
    }

    /// A call of a module, by its recognised part.
    fn module(&mut self, node: &Node, path: &str) -> Result<Slot> {
        let arguments = Arguments { node, callee: path };
        let input = self.tensor(&arguments, 0, "input")?;
        let part = self.parts.get(path).cloned().unwrap_or(Part::Unspecified);
        let class = self.source.modules.get(path).and_then(|m| m.class.clone()).unwrap_or_default();
        match part {
            Part::Op { op, activation } => self.single(path, op, &[input], activation),
            Part::Nothing => Ok(Slot::Edge(input)),
            Part::Observer(activation) => Ok(Slot::Edge(self.observe(path, input, activation)?)),
            Part::Float => Err(arguments.refuse(format!("{path} is a {class} with float weights"))),
            Part::Bare { .. } | Part::Unknown(_) | Part::Unspecified => {
                Err(arguments.refuse(format!("{path} is a {class}, which is not supported")))
            }
        }
    }

    /// An observer on the network's input is the place where it is quantized; elsewhere it gives its producer S and Z.
    fn observe(&mut self, path: &str, input: EdgeId, activation: Activation) -> Result<EdgeId> {
        if self.builder.is_input(input) {
            let outputs = self.builder.node(path, Op::Quantize, &[input], Some(activation))?;
            return outputs.first().copied().ok_or_else(|| LowerError::at(path, "has no result"));
        }
        self.builder.observe(input, activation);
        Ok(input)
    }

    #[allow(clippy::too_many_lines, reason = "one row per operator: the table of what is supported")]
    fn function(&mut self, node: &Node, operator: &str) -> Result<Slot> {
        let arguments = Arguments { node, callee: operator };
        let a = &arguments;
        if !OPERATORS.contains(&operator) {
            let dynamic = operator.contains("dynamic");
            let why = if dynamic {
                "is dynamic quantization, whose activations are float"
            } else {
                "is not supported"
            };
            return Err(a.refuse(format!("`{}` {why}", callee_name(&node.callee))));
        }
        if let Some(rest) = operator.strip_prefix("quantized.")
            && (rest.starts_with("conv") || rest.starts_with("linear"))
        {
            return self.layer(a, rest);
        }
        // Shape arithmetic and plumbing first: it has no tensors for results.
        match operator {
            "size" | "shape" => {
                let edge = self.tensor(a, 0, "self")?;
                return Ok(match a.get(1, "dim") {
                    None => Slot::Sizes(edge),
                    Some(_) => Slot::Extent(Extent::Of(edge, a.int(1, "dim", None)?)),
                });
            }
            "getattr" => {
                let edge = self.tensor(a, 0, "self")?;
                return match a.constant(1, "name").and_then(Value::as_str) {
                    Some("shape") => Ok(Slot::Sizes(edge)),
                    other => Err(a.refuse(format!("attribute `{}` of a tensor", other.unwrap_or("?")))),
                };
            }
            "getitem" | "__getitem__" => return self.getitem(a),
            // Traces carry sizes through one-element tensors.
            "int" | "Int" | "prim.NumToTensor" | "ScalarImplicit" | "IntImplicit" => {
                return self.slot(a, 0, "a");
            }
            "mul" | "add" | "sub" | "floordiv" | "floor_divide" if !self.has_edge(a) => {
                let left = self.extent(a, 0)?;
                let right = self.extent(a, 1)?;
                let (left, right) = (Box::new(left), Box::new(right));
                return Ok(Slot::Extent(match operator {
                    "mul" => Extent::Times(left, right),
                    "add" => Extent::Plus(left, right),
                    "sub" => Extent::Minus(left, right),
                    _ => Extent::Over(left, right),
                }));
            }
            "identity" | "contiguous" | "clone" | "detach" | "dropout" | "feature_dropout" | "alias" => {
                return self.slot(a, 0, "input");
            }
            _ => {}
        }
        let name = self.name(node, operator);
        let one = |this: &Self| this.tensor(a, 0, "input");
        match operator {
            "quantize_per_tensor" => {
                let input = one(self)?;
                let mut activation = self.activation(a, 1, "scale", 2, "zero_point")?;
                let dtype = a.constant(3, "dtype");
                activation.code_type = dtype.and_then(code_type_of).ok_or_else(|| {
                    a.refuse(format!(
                        "quantize_per_tensor to {}; only quint8 and qint8 are supported",
                        dtype.map_or_else(|| "an unknown type".into(), Value::kind)
                    ))
                })?;
                self.single(&name, Op::Quantize, &[input], Some(activation))
            }
            "dequantize" => {
                let input = one(self)?;
                self.single(&name, Op::Dequantize, &[input], None)
            }
            "quantized.add" | "quantized.add_relu" | "quantized.mul" | "quantized.mul_relu" => {
                let inputs = [self.tensor(a, 0, "qa")?, self.tensor(a, 1, "qb")?];
                let activation = self.activation(a, 2, "scale", 3, "zero_point")?;
                let relu = operator.ends_with("_relu");
                let op = if operator.contains("add") { Op::Add { relu } } else { Op::Mul { relu } };
                self.single(&name, op, &inputs, Some(activation))
            }
            "quantized.matmul" => {
                let inputs = [self.tensor(a, 0, "qa")?, self.tensor(a, 1, "qb")?];
                let activation = self.activation(a, 2, "scale", 3, "zero_point")?;
                self.single(&name, Op::MatMul, &inputs, Some(activation))
            }
            "quantized.cat" => {
                let inputs = self.tensors(a, 0, "qx")?;
                let axis = a.int(1, "dim", None)?;
                let activation = self.activation(a, 2, "scale", 3, "zero_point")?;
                self.single(&name, Op::Concatenate { axis, requantizes: true }, &inputs, Some(activation))
            }
            "cat" | "concat" => {
                let inputs = self.tensors(a, 0, "tensors")?;
                let axis = a.int(1, "dim", Some(0))?;
                self.single(&name, Op::Concatenate { axis, requantizes: false }, &inputs, None)
            }
            "relu" | "relu_" | "quantized.relu" => self.simple(a, &name, Op::Relu),
            "relu6" | "relu6_" | "quantized.relu6" => self.simple(a, &name, Op::Clamp { min: 0.0, max: 6.0 }),
            "hardtanh" | "hardtanh_" | "clamp" | "clamp_" | "quantized.clamp" | "clip" => {
                let defaults = if operator.starts_with("hardtanh") {
                    (-1.0, 1.0)
                } else {
                    (f64::NEG_INFINITY, f64::INFINITY)
                };
                let (min_name, max_name) =
                    if operator.starts_with("hardtanh") { ("min_val", "max_val") } else { ("min", "max") };
                let min = a.number(1, min_name, Some(defaults.0))?;
                let max = a.number(2, max_name, Some(defaults.1))?;
                self.simple(a, &name, Op::Clamp { min, max })
            }
            "sigmoid" | "sigmoid_" => self.simple(a, &name, Op::Function(Function::Sigmoid)),
            "tanh" | "tanh_" => self.simple(a, &name, Op::Function(Function::Tanh)),
            "hardsigmoid" => self.simple(a, &name, Op::Function(Function::Hardsigmoid)),
            "gelu" => self.simple(a, &name, Op::Function(Function::Gelu)),
            "leaky_relu" => {
                let slope = a.number(1, "negative_slope", Some(0.01))?;
                self.simple(a, &name, Op::Function(Function::LeakyRelu(slope)))
            }
            "elu" => {
                let alpha = a.number(1, "alpha", Some(1.0))?;
                self.simple(a, &name, Op::Function(Function::Elu(alpha)))
            }
            "quantized.sigmoid" | "quantized.hardswish" => {
                let input = one(self)?;
                let activation = self.activation(a, 1, "output_scale", 2, "output_zero_point")?;
                let function =
                    if operator.ends_with("sigmoid") { Function::Sigmoid } else { Function::Hardswish };
                self.single(&name, Op::Function(function), &[input], Some(activation))
            }
            "quantized.leaky_relu" => {
                let input = one(self)?;
                let slope = a.number(1, "negative_slope", Some(0.01))?;
                let activation = self.activation(a, 3, "output_scale", 4, "output_zero_point")?;
                self.single(&name, Op::Function(Function::LeakyRelu(slope)), &[input], Some(activation))
            }
            "quantized.elu" => {
                let input = one(self)?;
                let activation = self.activation(a, 1, "output_scale", 2, "output_zero_point")?;
                let alpha = a.number(3, "alpha", Some(1.0))?;
                self.single(&name, Op::Function(Function::Elu(alpha)), &[input], Some(activation))
            }
            "quantized.layer_norm" => self.layer_norm(a, &name),
            "quantized.softmax" => {
                let input = one(self)?;
                let axis = a.int(1, "dim", None)?;
                let activation = self.activation(a, 2, "output_scale", 3, "output_zero_point")?;
                self.single(&name, Op::Softmax { axis }, &[input], Some(activation))
            }
            "quantized.batch_norm1d"
            | "quantized.batch_norm2d"
            | "quantized.batch_norm3d"
            | "quantized.batch_norm"
            | "quantized.batch_norm1d_relu"
            | "quantized.batch_norm2d_relu"
            | "quantized.batch_norm3d_relu"
            | "quantized.batch_norm_relu" => self.batch_norm(a, &name, operator),
            "max_pool1d" | "max_pool2d" | "max_pool3d" | "_max_pool1d" | "_max_pool2d" | "_max_pool3d" => {
                let axes = axes_of(operator);
                let kernel = a.extent(1, "kernel_size", axes)?.ok_or_else(|| a.missing("kernel_size"))?;
                let op = Op::MaxPool(Pool {
                    stride: a.extent(2, "stride", axes)?.unwrap_or_else(|| kernel.clone()),
                    padding: a.extent(3, "padding", axes)?.unwrap_or_else(|| vec![0; axes]),
                    padding_end: None,
                    dilation: a.extent(4, "dilation", axes)?.unwrap_or_else(|| vec![1; axes]),
                    ceil_mode: a.flag(5, "ceil_mode", false)?,
                    count_include_pad: false,
                    divisor: None,
                    kernel,
                });
                self.simple(a, &name, op)
            }
            "avg_pool1d" | "avg_pool2d" | "avg_pool3d" => {
                let axes = axes_of(operator);
                let kernel = a.extent(1, "kernel_size", axes)?.ok_or_else(|| a.missing("kernel_size"))?;
                let op = Op::AveragePool(Pool {
                    stride: a.extent(2, "stride", axes)?.unwrap_or_else(|| kernel.clone()),
                    padding: a.extent(3, "padding", axes)?.unwrap_or_else(|| vec![0; axes]),
                    padding_end: None,
                    dilation: vec![1; axes],
                    ceil_mode: a.flag(4, "ceil_mode", false)?,
                    count_include_pad: a.flag(5, "count_include_pad", true)?,
                    divisor: a.constant(6, "divisor_override").and_then(Value::as_i64),
                    kernel,
                });
                self.simple(a, &name, op)
            }
            "adaptive_avg_pool1d" | "adaptive_avg_pool2d" | "adaptive_avg_pool3d" => {
                let value = a.constant(1, "output_size").ok_or_else(|| a.missing("output_size"))?;
                let size = parts::optional_sizes(value, axes_of(operator))
                    .ok_or_else(|| a.wrong("output_size", value))?;
                self.simple(a, &name, Op::AdaptiveAveragePool { size })
            }
            "mean" => {
                let value = a.constant(1, "dim").ok_or_else(|| a.missing("dim"))?;
                let axes = value
                    .as_i64()
                    .map(|one| vec![one])
                    .or_else(|| value.as_ints())
                    .ok_or_else(|| a.wrong("dim", value))?;
                let keep = a.flag(2, "keepdim", false)?;
                self.simple(a, &name, Op::Mean { axes, keep })
            }
            "interpolate" | "upsample_nearest1d" | "upsample_nearest2d" | "upsample_nearest3d"
            | "upsample" => self.upsample(a, &name, operator),
            _ => match self.shape(a, operator)? {
                Some(shape) => self.simple(a, &name, Op::Shape(shape)),
                None => Err(a.refuse(format!("`{}` is not supported", callee_name(&node.callee)))),
            },
        }
    }

    /// Operators that only move codes.
    fn shape(&self, a: &Arguments<'_>, operator: &str) -> Result<Option<Shape>> {
        Ok(Some(match operator {
            "flatten" => {
                Shape::Flatten { start: a.int(1, "start_dim", Some(0))?, end: a.int(2, "end_dim", Some(-1))? }
            }
            "reshape" | "view" => {
                let extents = self.extents(a, 1, "shape")?;
                let input = self.tensor(a, 0, "self")?;
                // The usual way to write flatten: x.view(x.size(0), -1).
                match extents.as_slice() {
                    [Extent::Of(edge, 0), Extent::Fixed(-1)] if *edge == input => {
                        Shape::Flatten { start: 1, end: -1 }
                    }
                    _ => Shape::Reshape(extents),
                }
            }
            "permute" => {
                let axes = match a.constant(1, "dims") {
                    Some(value @ (Value::List(_) | Value::Tuple(_))) => {
                        value.as_ints().ok_or_else(|| a.wrong("dims", value))?
                    }
                    _ => {
                        (1..a.node.arguments.len()).map(|i| a.int(i, "dims", None)).collect::<Result<_>>()?
                    }
                };
                Shape::Permute(axes)
            }
            "transpose" => Shape::Transpose(a.int(1, "dim0", None)?, a.int(2, "dim1", None)?),
            "squeeze" => Shape::Squeeze(match a.get(1, "dim") {
                None => None,
                Some(_) => Some(a.int(1, "dim", None)?),
            }),
            "unsqueeze" => Shape::Unsqueeze(a.int(1, "dim", None)?),
            "slice" => Shape::Slice {
                axis: a.int(1, "dim", Some(0))?,
                start: a.int(2, "start", Some(0))?,
                end: a.int(3, "end", Some(i64::MAX))?,
                step: a.int(4, "step", Some(1))?,
            },
            "chunk" => Shape::Chunk { parts: a.int(1, "chunks", None)?, axis: a.int(2, "dim", Some(0))? },
            "pad" | "constant_pad_nd" => {
                let mode = a.constant(2, "mode").and_then(Value::as_str).unwrap_or("constant");
                let value = a.number(3, "value", Some(0.0));
                let value = if operator == "pad" { value? } else { 0.0 };
                let mode = match mode {
                    "constant" if value == 0.0 => PaddingMode::Zeros,
                    "constant" => return Err(a.refuse(format!("`pad` with {value}; only 0 is supported"))),
                    other => PaddingMode::from_name(other)
                        .ok_or_else(|| a.refuse(format!("`pad` with mode '{other}' is not supported")))?,
                };
                let amounts = a.constant(1, "pad").ok_or_else(|| a.missing("pad"))?;
                let amounts = amounts.as_ints().ok_or_else(|| a.wrong("pad", amounts))?;
                Shape::Pad { amounts, mode }
            }
            "channel_shuffle" => Shape::ChannelShuffle(a.int(1, "groups", None)?),
            _ => return Ok(None),
        }))
    }

    /// `quantized.conv*` and `quantized.linear*`.
    fn layer(&mut self, a: &Arguments<'_>, rest: &str) -> Result<Slot> {
        let (base, relu) = match rest.strip_suffix("_relu") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let kind = match base {
            "conv1d" => LayerKind::Conv(1),
            "conv2d" => LayerKind::Conv(2),
            "conv3d" => LayerKind::Conv(3),
            "conv_transpose1d" => LayerKind::ConvTranspose(1),
            "conv_transpose2d" => LayerKind::ConvTranspose(2),
            "conv_transpose3d" => LayerKind::ConvTranspose(3),
            "linear" => LayerKind::Linear,
            _ => return Err(a.refuse(format!("`quantized.{rest}` is not supported"))),
        };
        let input = self.tensor(a, 0, "qx")?;
        let Some(Argument::Constant(Value::Packed(packed), path)) = a.get(1, "packed_weight") else {
            return Err(a.refuse(format!("`quantized.{rest}` without packed parameters")));
        };
        // Files of 2019 repeat stride, padding, dilation and groups as arguments.
        let last = a.node.arguments.len();
        let (scale, zero_point) = if last > 4 { (last - 2, last - 1) } else { (2, 3) };
        let activation = self.activation(a, scale, "output_scale", zero_point, "output_zero_point")?;
        let name = self.layer_name(a.node, path.as_deref(), base);
        let mut packed = PackedParams::clone(packed);
        if let (None, true, LayerKind::Conv(axes)) = (&packed.geometry, last > 4, kind) {
            packed.geometry = Some(explicit_geometry(a, usize::from(axes))?);
        }
        if kind == LayerKind::Linear {
            kind_of_packed(&name, &packed, &Module::default())?;
        }
        let layer = layer_of_packed(&name, &packed, kind, Some(relu), PaddingMode::Zeros)?;
        self.single(&name, Op::Layer(layer), &[input], Some(activation))
    }

    fn batch_norm(&mut self, a: &Arguments<'_>, name: &str, operator: &str) -> Result<Slot> {
        let input = self.tensor(a, 0, "qx")?;
        let vector = |i: usize, what: &str| match a.constant(i, what) {
            Some(Value::Tensor(t)) => t.to_f32().ok_or_else(|| a.missing(what)),
            _ => Err(a.missing(what)),
        };
        let norm = BatchNorm {
            weight: vector(1, "weight")?,
            bias: vector(2, "bias")?,
            mean: vector(3, "mean")?,
            variance: vector(4, "var")?,
            epsilon: Some(a.number(5, "eps", None)?),
            relu: operator.ends_with("_relu"),
        };
        let activation = self.activation(a, 6, "output_scale", 7, "output_zero_point")?;
        self.single(name, Op::BatchNorm(norm), &[input], Some(activation))
    }

    fn layer_norm(&mut self, a: &Arguments<'_>, name: &str) -> Result<Slot> {
        let input = self.tensor(a, 0, "input")?;
        let vector = |i: usize, what: &str| match a.constant(i, what) {
            None | Some(Value::None) => Ok(None),
            Some(Value::Tensor(t)) => t.to_f32().map(Some).ok_or_else(|| a.missing(what)),
            Some(other) => Err(a.wrong(what, other)),
        };
        let sizes = a.constant(1, "normalized_shape").ok_or_else(|| a.missing("normalized_shape"))?;
        let norm = LayerNorm {
            shape: parts::sizes(sizes).ok_or_else(|| a.wrong("normalized_shape", sizes))?,
            weight: vector(2, "weight")?,
            bias: vector(3, "bias")?,
            epsilon: a.number(4, "eps", None)?,
        };
        let activation = self.activation(a, 5, "output_scale", 6, "output_zero_point")?;
        self.single(name, Op::LayerNorm(norm), &[input], Some(activation))
    }

    fn upsample(&mut self, a: &Arguments<'_>, name: &str, operator: &str) -> Result<Slot> {
        let mode = a.constant(3, "mode").and_then(Value::as_str).unwrap_or("nearest");
        if !operator.starts_with("upsample_nearest") && mode != "nearest" {
            return Err(a.refuse(format!("`{operator}` with mode '{mode}'; only nearest is supported")));
        }
        let given =
            |i: usize, what: &str| !matches!(a.get(i, what), None | Some(Argument::Constant(Value::None, _)));
        let size = if given(1, "size") { Some(self.extents(a, 1, "size")?) } else { None };
        let factors = match a.constant(2, "scale_factor") {
            Some(Value::List(v) | Value::Tuple(v)) => v.iter().map(Value::as_f64).collect(),
            Some(value) => value.as_f64().map(|one| vec![one]),
            None => None,
        };
        self.simple(a, name, Op::Shape(Shape::Upsample { size, factors }))
    }

    /// One input, one result, S and Z by the operation's own rule.
    fn simple(&mut self, a: &Arguments<'_>, name: &str, op: Op) -> Result<Slot> {
        let input = self.tensor(a, 0, "input")?;
        self.single(name, op, &[input], None)
    }

    fn single(&mut self, name: &str, op: Op, inputs: &[EdgeId], own: Option<Activation>) -> Result<Slot> {
        let outputs = self.builder.node(name, op, inputs, own)?;
        Ok(match outputs.as_slice() {
            [one] => Slot::Edge(*one),
            many => Slot::List(many.iter().copied().map(Slot::Edge).collect()),
        })
    }

    fn getitem(&self, a: &Arguments<'_>) -> Result<Slot> {
        let index = a.int(1, "index", None)?;
        let at = |len: usize| {
            let len = i64::try_from(len).unwrap_or(i64::MAX);
            usize::try_from(if index < 0 { index + len } else { index }).ok()
        };
        match self.slot(a, 0, "self")? {
            Slot::Sizes(edge) => Ok(Slot::Extent(Extent::Of(edge, index))),
            Slot::List(slots) => at(slots.len())
                .and_then(|i| slots.get(i).cloned())
                .ok_or_else(|| a.refuse(format!("index {index} of a list of {}", slots.len()))),
            _ => Err(a.refuse("indexing of a tensor is not supported".into())),
        }
    }

    fn slot(&self, a: &Arguments<'_>, position: usize, name: &str) -> Result<Slot> {
        let argument = a.get(position, name).ok_or_else(|| a.missing(name))?;
        self.resolve(argument)
    }

    fn resolve(&self, argument: &Argument) -> Result<Slot> {
        match argument {
            Argument::Value(id) => self.slots.get(id).cloned().ok_or_else(|| {
                // Its producer has been refused already: no second reason for the same thing.
                LowerError { reasons: Vec::new(), hint: None }
            }),
            Argument::Constant(Value::Int(i), _) => Ok(Slot::Extent(Extent::Fixed(*i))),
            Argument::Constant(value, _) => Ok(Slot::Constant(value.clone())),
            Argument::List(items) => {
                Ok(Slot::List(items.iter().map(|i| self.resolve(i)).collect::<Result<_>>()?))
            }
        }
    }

    fn tensor(&self, a: &Arguments<'_>, position: usize, name: &str) -> Result<EdgeId> {
        // The tensor comes first whatever the operator calls it.
        let argument = a
            .get(position, name)
            .or_else(|| a.node.keywords.get(position).map(|(_, v)| v))
            .ok_or_else(|| a.missing(name))?;
        match self.resolve(argument)? {
            Slot::Edge(edge) => Ok(edge),
            Slot::Constant(value) => Err(a.refuse(format!("`{}` of {}", a.callee, value.kind()))),
            Slot::Extent(_) | Slot::Sizes(_) => Err(a.refuse(format!("`{}` of a size", a.callee))),
            Slot::List(_) => Err(a.refuse(format!("`{}` of a list", a.callee))),
        }
    }

    fn tensors(&self, a: &Arguments<'_>, position: usize, name: &str) -> Result<Vec<EdgeId>> {
        match self.slot(a, position, name)? {
            Slot::List(slots) => slots
                .into_iter()
                .map(|slot| match slot {
                    Slot::Edge(edge) => Ok(edge),
                    _ => Err(a.refuse(format!("`{}` of something that is no tensor", a.callee))),
                })
                .collect(),
            _ => Err(a.missing(name)),
        }
    }

    fn has_edge(&self, a: &Arguments<'_>) -> bool {
        a.node.arguments.iter().any(|argument| match argument {
            Argument::Value(id) => matches!(self.slots.get(id), Some(Slot::Edge(_))),
            _ => false,
        })
    }

    fn extent(&self, a: &Arguments<'_>, position: usize) -> Result<Extent> {
        match self.slot(a, position, "other")? {
            Slot::Extent(extent) => Ok(extent),
            _ => Err(a.refuse(format!("`{}` of something that is no size", a.callee))),
        }
    }

    /// Sizes given as one list or as separate arguments.
    fn extents(&self, a: &Arguments<'_>, position: usize, name: &str) -> Result<Vec<Extent>> {
        let of = |slot: Slot| match slot {
            Slot::Extent(extent) => Ok(extent),
            Slot::Constant(value) => value.as_i64().map(Extent::Fixed).ok_or_else(|| a.wrong(name, &value)),
            _ => Err(a.refuse(format!("`{}` with a `{name}` that is no list of sizes", a.callee))),
        };
        match self.slot(a, position, name)? {
            Slot::List(slots) => slots.into_iter().map(of).collect(),
            Slot::Constant(value @ (Value::List(_) | Value::Tuple(_))) => {
                let sizes = value.as_ints().ok_or_else(|| a.wrong(name, &value))?;
                Ok(sizes.into_iter().map(Extent::Fixed).collect())
            }
            first => {
                let mut extents = vec![of(first)?];
                for i in position + 1..a.node.arguments.len() {
                    extents.push(of(self.slot(a, i, name)?)?);
                }
                Ok(extents)
            }
        }
    }

    fn activation(
        &self,
        a: &Arguments<'_>,
        scale: usize,
        scale_name: &str,
        zero_point: usize,
        zero_point_name: &str,
    ) -> Result<Activation> {
        let scale = a.constant(scale, scale_name).ok_or_else(|| a.missing(scale_name))?;
        let zero_point = a.constant(zero_point, zero_point_name).ok_or_else(|| a.missing(zero_point_name))?;
        let mut activation = activation_of(scale, zero_point).ok_or_else(|| a.wrong(scale_name, scale))?;
        // Results have the type of the first tensor.
        if let Some(id) = a.node.arguments.first()
            && let Ok(Slot::Edge(edge)) = self.resolve(id)
            && let Some(input) = self.builder.activation(edge)
        {
            activation.code_type = input.code_type;
        }
        Ok(activation)
    }

    fn collect_edges(&self, argument: &Argument, edges: &mut Vec<EdgeId>) {
        match argument {
            Argument::Value(id) => match self.slots.get(id) {
                Some(Slot::Edge(edge)) => edges.push(*edge),
                Some(Slot::List(slots)) => {
                    edges.extend(
                        slots.iter().filter_map(|s| if let Slot::Edge(e) = s { Some(*e) } else { None }),
                    );
                }
                _ => {}
            },
            Argument::List(items) => items.iter().for_each(|i| self.collect_edges(i, edges)),
            Argument::Constant(..) => {}
        }
    }

    /// Name of a layer: its module's path; at the root, the packed parameters' own name or the variable's.
    fn layer_name(&self, node: &Node, constant: Option<&str>, base: &str) -> String {
        if !node.scope.is_empty() {
            return node.scope.clone();
        }
        if let Some(path) = constant {
            // Freezing and mobile passes hoist `features.0.0._packed_params` to `_jit_pass_..features.0.0._packed_params.1`.
            if let Some((hoisted, _)) = path.split_once("._packed_params") {
                return hoisted.trim_start_matches("_jit_pass_hoist_conv_packed_params.").to_owned();
            }
        }
        if is_temporary(&node.name) { base.to_owned() } else { node.name.clone() }
    }

    /// Name of any other node: its module's path, or module path and variable.
    fn name(&self, node: &Node, operator: &str) -> String {
        let base = operator.rsplit('.').next().unwrap_or(operator);
        let leaf = self
            .source
            .modules
            .get(&node.scope)
            .is_some_and(|m| m.class.as_deref().is_some_and(|c| c.starts_with("torch.")));
        // A convolution that pads by reflection is one module and two operations: its name is the layer's.
        if leaf && !node.scope.is_empty() && base != "pad" {
            node.scope.clone()
        } else if self.source.form == Form::GraphModule && !is_temporary(&node.name) {
            node.name.clone()
        } else {
            join(&node.scope, base)
        }
    }
}

/// TorchScript's `_0`, `x1`, `input2`: numbered variables that name nothing.
fn is_temporary(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    matches!(stem, "" | "_" | "x" | "input" | "Xq" | "r" | "out" | "y")
}

/// Number of spatial axes in names such as `max_pool2d`.
fn axes_of(operator: &str) -> usize {
    operator.bytes().rev().find(u8::is_ascii_digit).map_or(2, |d| usize::from(d - b'0'))
}

/// `torch.ops.quantized.add` is `quantized.add`; `torch.nn.functional.relu` is `relu`.
fn operator_name(name: &str) -> String {
    const PREFIXES: [&str; 12] = [
        "torch.ops.aten.",
        "torch.ops.",
        "torch.nn.functional.",
        "torch.nn.quantized.functional.",
        "torch.ao.nn.quantized.functional.",
        "torch._C._nn.",
        "torch.",
        "ops.aten.",
        "ops.",
        "aten.",
        "operator.",
        "_operator.",
    ];
    PREFIXES.iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name).to_owned()
}

fn callee_name(callee: &Callee) -> &str {
    match callee {
        Callee::Function(name) | Callee::Method(name) | Callee::Module(name) => name,
    }
}

/// Geometry written as arguments: `conv2d(x, packed, stride, padding, dilation, groups, scale, zero_point)`.
fn explicit_geometry(a: &Arguments<'_>, axes: usize) -> Result<gen_params_formats::Geometry> {
    Ok(gen_params_formats::Geometry {
        stride: a.extent(2, "stride", axes)?.unwrap_or_else(|| vec![1; axes]),
        padding: a.extent(3, "padding", axes)?.unwrap_or_else(|| vec![0; axes]),
        dilation: a.extent(4, "dilation", axes)?.unwrap_or_else(|| vec![1; axes]),
        output_padding: vec![0; axes],
        groups: a.int(5, "groups", Some(1))?,
        transposed: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operator of the list that nothing lowers would be refused as one that is not in it.
    #[test]
    fn every_operator_of_the_list_is_lowered() {
        let source = SourceModel {
            form: Form::TorchScript,
            wrapping: Vec::new(),
            modules: indexmap::IndexMap::new(),
            graph: None,
        };
        let mut failures = Vec::new();
        for operator in OPERATORS {
            let graph = Graph {
                inputs: vec![(ValueId(0), "x".into())],
                outputs: Vec::new(),
                nodes: vec![Node {
                    callee: Callee::Function((*operator).into()),
                    name: "y".into(),
                    scope: String::new(),
                    arguments: vec![Argument::Value(ValueId(0))],
                    keywords: Vec::new(),
                    outputs: vec![ValueId(1)],
                    place: gen_params_formats::Place { file: "test".into(), line: 1 },
                }],
                values: 2,
                ..Graph::default()
            };
            if let Err(error) = lower(&source, &graph, &Options::default(), &mut Vec::new())
                && error.to_string().contains("is not supported")
            {
                failures.push(error.to_string());
            }
        }
        // These compute sizes; of tensors they are other operators.
        failures.retain(|f| {
            !["`mul`", "`add`", "`sub`", "`floordiv`", "`floor_divide`", "`getitem`", "`__getitem__`"]
                .iter()
                .any(|n| f.contains(n))
        });
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
