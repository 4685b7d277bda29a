//! The topology as TOML: written by `gen_params graph`, edited by people, read back with `--graph`.
//!
//! One `[[node]]` per operation in execution order. Layers take weights and scales from the model, by name; what the
//! model does not hold (stride, padding, a fused ReLU, the scale of an unnamed add) stands here.

use gen_params_formats::SourceModel;
use serde::{Deserialize, Serialize};

use super::Options;
use super::builder::Builder;
use super::parts::{Part, Parts};
use crate::error::{LowerError, Reason, Result};
use crate::network::{EdgeId, IntNetwork, Node};
use crate::ops::{Extent, Extremum, Function, Layer, Op, PaddingMode, Pool, Shape};
use crate::parameters::{Activation, CodeType, LayerKind, Wiring};

/// The version of the format that this reads and writes.
pub const SCHEMA: u32 = 1;

/// A topology.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphFile {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Names of the network's outputs.
    pub output: Vec<String>,
    /// Inputs of the network.
    #[serde(default)]
    pub input: Vec<InputEntry>,
    /// Operations in execution order.
    #[serde(default)]
    pub node: Vec<NodeEntry>,
}

/// An input of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputEntry {
    /// Name.
    pub name: String,
    /// S, if the input arrives quantized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Z, if the input arrives quantized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_point: Option<i32>,
    /// `uint8` (the default) or `int8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
}

/// One operation; which fields it takes depends on `op`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// Name; for layers the module's path in the model.
    pub name: String,
    /// The operation.
    pub op: String,
    /// Names of nodes or inputs; `NAME:1` is the second result of a `chunk`.
    pub inputs: Vec<String>,
    /// The module or observer that holds S and Z of the result, if it is not the one of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observer: Option<String>,
    /// S of the result, where the model does not hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Z of the result, where the model does not hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_point: Option<i32>,
    /// `uint8` or `int8`, with `scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// A ReLU is fused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relu: Option<bool>,
    /// Kernel of a pooling window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Vec<i64>>,
    /// Step per spatial axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<Vec<i64>>,
    /// Padding per spatial axis; for `pad`, before and after each axis from the last backwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<Vec<i64>>,
    /// Padding after each axis of a window, where it differs from `padding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding_end: Option<Vec<i64>>,
    /// Dilation per spatial axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dilation: Option<Vec<i64>>,
    /// Output padding of a transposed convolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_padding: Option<Vec<i64>>,
    /// Channel groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<i64>,
    /// Padding mode of a convolution, if not `zeros`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding_mode: Option<String>,
    /// Pooling rounds its output size up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceil_mode: Option<bool>,
    /// Average pooling counts padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_include_pad: Option<bool>,
    /// Average pooling divides by this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divisor: Option<i64>,
    /// Output sizes of adaptive pooling (-1 keeps the input's), `reshape` (-1 infers, 0 keeps) or upsampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Vec<i64>>,
    /// Scale factors of upsampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factors: Option<Vec<f64>>,
    /// Axes of `mean`, `permute`, `transpose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub axes: Option<Vec<i64>>,
    /// Axis of `cat`, `chunk`, `slice`, `squeeze`, `unsqueeze`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub axis: Option<i64>,
    /// `mean` keeps its axes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<bool>,
    /// First axis of `flatten`, first index of `slice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// Last axis of `flatten`, end index of `slice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// Step of `slice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// Parts of `chunk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<i64>,
    /// Smallest real value of `clamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest real value of `clamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Slope of `leaky_relu`, alpha of `elu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
}

impl GraphFile {
    /// Parses TOML text.
    ///
    /// # Errors
    /// No TOML, unknown fields, or another schema; with line and column.
    pub fn parse(text: &str) -> Result<Self> {
        let file: Self = toml::from_str(text)
            .map_err(|e| LowerError::new(format!("no graph file: {}", e.to_string().trim_end())))?;
        if file.schema != SCHEMA {
            return Err(LowerError::new(format!("found graph schema {}, expected {SCHEMA}", file.schema)));
        }
        Ok(file)
    }

    /// The topology of a network, ready to edit.
    ///
    /// `named` says whether the model holds S and Z under a node's own name, so that they need not be repeated here.
    ///
    /// # Errors
    /// Lists the nodes whose sizes are computed from other sizes and cannot be written.
    pub fn from_network(network: &IntNetwork, named: impl Fn(&str) -> bool) -> Result<Self> {
        let mut reasons = network.states_as_reasons();
        let node = network
            .nodes
            .iter()
            .map(|node| {
                entry(network, node, &named).unwrap_or_else(|error| {
                    reasons.extend(error.reasons);
                    NodeEntry::default()
                })
            })
            .collect();
        if !reasons.is_empty() {
            return Err(LowerError { reasons, hint: None });
        }
        let input = network.inputs.iter().map(|&id| {
            let edge = network.edge(id);
            InputEntry {
                name: edge.name.clone(),
                scale: edge.activation.map(|a| a.scale),
                zero_point: edge.activation.map(|a| a.zero_point),
                dtype: edge.activation.map(|a| a.code_type.name().into()),
            }
        });
        let input = input.collect();
        let output = network.outputs.iter().map(|&id| reference(network, id)).collect();
        Ok(Self { schema: SCHEMA, output, input, node })
    }

    /// TOML text.
    ///
    /// # Errors
    /// A number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        let body =
            toml::to_string(self).map_err(|e| LowerError::new(format!("cannot be written as TOML: {e}")))?;
        Ok(format!(
            "# Topology of a quantized network: one [[node]] per operation, in execution order.\n\
             # Layers take weights, scales and zero points from the model by name; edit what is wrong here and pass\n\
             # the file to gen_params with --graph.\n{body}"
        ))
    }
}

/// Stands in a draft for an input that the file does not tell.
pub const UNKNOWN: &str = "EDIT: name of a node";

/// Modules as a chain in the order of the keys, to be edited. A stub that stands last goes first; what has a scale and
/// no weight is written as an `add` whose second input is [`UNKNOWN`].
pub(super) fn draft(parts: &Parts) -> GraphFile {
    let is_stub = |part: &Part| {
        matches!(part, Part::Bare { looks_like_stub: true, .. } | Part::Op { op: Op::Quantize, .. })
    };
    let (stubs, others): (Vec<_>, Vec<_>) = parts.iter().partition(|(_, part)| is_stub(part));
    let mut node: Vec<NodeEntry> = Vec::new();
    if stubs.is_empty() {
        node.push(NodeEntry {
            name: "quant".into(),
            op: "quantize".into(),
            inputs: vec!["input".into()],
            ..NodeEntry::default()
        });
    }
    for (path, part) in stubs.into_iter().chain(others) {
        let before = node.last().map_or_else(|| "input".to_owned(), |n| n.name.clone());
        let mut entry = NodeEntry { name: path.clone(), inputs: vec![before], ..NodeEntry::default() };
        match part {
            Part::Bare { looks_like_stub: true, .. } => entry.op = "quantize".into(),
            Part::Bare { .. } => {
                entry.op = "add".into();
                entry.inputs.push(UNKNOWN.into());
            }
            Part::Op { op, .. } => entry.op = op.name().into(),
            Part::Observer(_) | Part::Nothing | Part::Float | Part::Unknown(_) | Part::Unspecified => {
                continue;
            }
        }
        node.push(entry);
    }
    let output = node.last().map(|n| n.name.clone()).into_iter().collect();
    let input = vec![InputEntry { name: "input".into(), scale: None, zero_point: None, dtype: None }];
    GraphFile { schema: SCHEMA, output, input, node }
}

/// How an edge is called in `inputs`: its producer's name, with `:INDEX` after the first result.
fn reference(network: &IntNetwork, id: EdgeId) -> String {
    let name = network.edge(id).name.clone();
    let index = network.nodes.iter().find_map(|n| n.outputs.iter().position(|&o| o == id)).unwrap_or(0);
    if index == 0 { name } else { format!("{name}:{index}") }
}

fn wide(sizes: Option<&Vec<u32>>) -> Option<Vec<i64>> {
    sizes.map(|v| v.iter().map(|&x| i64::from(x)).collect())
}

fn entry(network: &IntNetwork, node: &Node, named: &impl Fn(&str) -> bool) -> Result<NodeEntry> {
    let mut entry = NodeEntry {
        name: node.name.clone(),
        op: node.op.name().into(),
        inputs: node.inputs.iter().map(|&id| reference(network, id)).collect(),
        ..NodeEntry::default()
    };
    let own_scale = match &node.op {
        Op::Quantize
        | Op::Layer(_)
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Extremum(_)
        | Op::BatchNorm(_)
        | Op::LayerNorm(_)
        | Op::MatMul
        | Op::Softmax { .. }
        | Op::Svdf(_)
        | Op::Lstm(_)
        | Op::Constant(_)
        | Op::Function(_) => true,
        Op::Concatenate { requantizes, .. } => *requantizes,
        Op::Dequantize
        | Op::MaxPool(_)
        | Op::AveragePool(_)
        | Op::AdaptiveAveragePool { .. }
        | Op::Mean { .. }
        | Op::Relu
        | Op::Clamp { .. }
        | Op::Shape(_) => false,
    };
    // Old versions of PyTorch leave the scale of activation modules out of the state_dict: it is always written.
    if own_scale
        && (matches!(node.op, Op::Function(_)) || !named(&node.name))
        && let Some(activation) = node.outputs.first().and_then(|&id| network.edge(id).activation)
    {
        entry.scale = Some(activation.scale);
        entry.zero_point = Some(activation.zero_point);
        entry.dtype = Some(activation.code_type.name().into());
    }
    match &node.op {
        // The codes stay in the model: this says where they are used.
        Op::Constant(_) => {}
        Op::Quantize
        | Op::Dequantize
        | Op::Relu
        | Op::MatMul
        | Op::Extremum(_)
        | Op::BatchNorm(_)
        | Op::LayerNorm(_) => {}
        Op::Svdf(_) | Op::Lstm(_) => {}
        Op::Softmax { axis } => entry.axis = Some(*axis),
        Op::Layer(layer) => {
            entry.relu = layer.relu;
            if let Some(window) = &layer.window {
                entry.stride = wide(window.stride.as_ref());
                entry.padding = wide(window.padding.as_ref());
                entry.padding_end = wide(window.padding_end.as_ref());
                entry.dilation = wide(window.dilation.as_ref());
                if matches!(layer.kind, LayerKind::ConvTranspose(_)) {
                    entry.output_padding = wide(window.output_padding.as_ref());
                }
                entry.groups = window.groups.map(i64::from);
            }
            if layer.padding_mode != PaddingMode::Zeros {
                entry.padding_mode = Some(layer.padding_mode.name().into());
            }
        }
        Op::Add { relu } | Op::Sub { relu } | Op::Mul { relu } => entry.relu = Some(*relu),
        Op::Concatenate { axis, .. } => entry.axis = Some(*axis),
        Op::MaxPool(pool) | Op::AveragePool(pool) => {
            entry.kernel = Some(pool.kernel.clone());
            entry.stride = Some(pool.stride.clone());
            entry.padding = Some(pool.padding.clone());
            entry.padding_end = pool.padding_end.clone();
            entry.ceil_mode = Some(pool.ceil_mode);
            if matches!(node.op, Op::MaxPool(_)) {
                entry.dilation = Some(pool.dilation.clone());
            } else {
                entry.count_include_pad = Some(pool.count_include_pad);
                entry.divisor = pool.divisor;
            }
        }
        Op::AdaptiveAveragePool { size } => entry.size = Some(size.iter().map(|s| s.unwrap_or(-1)).collect()),
        Op::Mean { axes, keep } => {
            entry.axes = Some(axes.clone());
            entry.keep = Some(*keep);
        }
        Op::Clamp { min, max } => {
            entry.min = min.is_finite().then_some(*min);
            entry.max = max.is_finite().then_some(*max);
        }
        Op::Function(function) => match function {
            Function::LeakyRelu(alpha) | Function::Elu(alpha) => entry.alpha = Some(*alpha),
            Function::Requantize { min, max } => {
                entry.min = min.is_finite().then_some(*min);
                entry.max = max.is_finite().then_some(*max);
            }
            Function::Sigmoid
            | Function::Tanh
            | Function::Hardswish
            | Function::Hardsigmoid
            | Function::Gelu => {}
        },
        Op::Shape(shape) => shape_entry(&mut entry, node, shape)?,
    }
    Ok(entry)
}

fn shape_entry(entry: &mut NodeEntry, node: &Node, shape: &Shape) -> Result<()> {
    match shape {
        Shape::Flatten { start, end } => (entry.start, entry.end) = (Some(*start), Some(*end)),
        Shape::Reshape(extents) => {
            let sizes = extents.iter().zip(0i64..).map(|(extent, place)| match extent {
                Extent::Fixed(size) => Some(*size),
                Extent::Of(edge, axis) if *axis == place && node.inputs.first() == Some(edge) => Some(0),
                _ => None,
            });
            entry.size = Some(sizes.collect::<Option<Vec<i64>>>().ok_or_else(|| {
                LowerError::at(
                    &node.name,
                    "reshapes to sizes computed from other sizes, which a graph file cannot hold",
                )
            })?);
        }
        Shape::Permute(axes) => entry.axes = Some(axes.clone()),
        Shape::Transpose(a, b) => entry.axes = Some(vec![*a, *b]),
        Shape::Squeeze(axis) => entry.axis = *axis,
        Shape::Unsqueeze(axis) => entry.axis = Some(*axis),
        Shape::Slice { axis, start, end, step } => {
            (entry.axis, entry.start, entry.step) = (Some(*axis), Some(*start), Some(*step));
            entry.end = (*end != i64::MAX).then_some(*end);
        }
        Shape::Chunk { parts, axis } => (entry.parts, entry.axis) = (Some(*parts), Some(*axis)),
        Shape::Upsample { size, factors } => {
            entry.factors.clone_from(factors);
            if let Some(size) = size {
                let fixed = size.iter().map(|e| if let Extent::Fixed(s) = e { Some(*s) } else { None });
                entry.size = Some(fixed.collect::<Option<Vec<i64>>>().ok_or_else(|| {
                    LowerError::at(&node.name, "resizes to computed sizes, which a graph file cannot hold")
                })?);
            }
        }
        Shape::Pad { amounts, mode } => {
            entry.padding = Some(amounts.clone());
            entry.padding_mode = (*mode != PaddingMode::Zeros).then(|| mode.name().into());
        }
        Shape::PadWith { .. } => {
            return Err(LowerError::at(
                &node.name,
                "pads with another value than zero, which a graph file cannot hold",
            ));
        }
        Shape::ChannelShuffle(groups) => entry.groups = Some(*groups),
    }
    Ok(())
}

/// Lowers a model along a graph file.
pub(super) fn lower(
    source: &SourceModel,
    parts: &Parts,
    file: &GraphFile,
    options: &Options,
) -> Result<IntNetwork> {
    let mut builder = Builder::new(source, Wiring::GraphFile, options);
    let mut edges: std::collections::HashMap<String, Vec<EdgeId>> = std::collections::HashMap::new();
    let mut reasons = Vec::new();
    for input in &file.input {
        let activation = match (input.scale, input.zero_point) {
            (Some(scale), Some(zero_point)) => Some(Activation {
                scale,
                zero_point,
                code_type: code_type(&input.name, input.dtype.as_deref())?,
            }),
            _ => None,
        };
        edges.insert(input.name.clone(), vec![builder.input(&input.name, activation)]);
    }
    for entry in &file.node {
        let inputs: Vec<EdgeId> = entry
            .inputs
            .iter()
            .filter_map(|name| {
                let found = find(&edges, name);
                if found.is_none() {
                    reasons.push(Reason {
                        place: entry.name.clone(),
                        text: format!("takes `{name}`, which is no input and no earlier node"),
                    });
                }
                found
            })
            .collect();
        let made = operation(entry, parts).and_then(|(mut op, activation)| {
            if let (Op::Shape(Shape::Reshape(extents)), Some(&input)) = (&mut op, inputs.first()) {
                for (extent, axis) in extents.iter_mut().zip(0i64..).filter(|(e, _)| **e == Extent::Fixed(0))
                {
                    *extent = Extent::Of(input, axis);
                }
            }
            let two =
                matches!(op, Op::Add { .. } | Op::Sub { .. } | Op::Mul { .. } | Op::Extremum(_) | Op::MatMul);
            let needed = if two { 2 } else { 1 };
            if entry.inputs.len() < needed {
                return Err(LowerError::at(
                    &entry.name,
                    format!("has {} inputs, expected {needed}", entry.inputs.len()),
                ));
            }
            builder.node(&entry.name, op, &inputs, activation)
        });
        match made {
            Ok(outputs) => {
                if edges.insert(entry.name.clone(), outputs).is_some() {
                    reasons
                        .push(Reason { place: entry.name.clone(), text: "is the name of two nodes".into() });
                }
            }
            Err(error) => reasons.extend(error.reasons),
        }
    }
    let outputs: Vec<EdgeId> = file.output.iter().filter_map(|name| find(&edges, name)).collect();
    if outputs.len() != file.output.len() {
        reasons.push(Reason { place: "output".into(), text: "names something that is no node".into() });
    }
    for (path, part) in parts {
        if matches!(part, Part::Op { op: Op::Layer(_), .. }) && !edges.contains_key(path) {
            builder.warn(format!("{path} has weights and is not in the graph file: left out"));
        }
    }
    if reasons.is_empty() { Ok(builder.finish(outputs)) } else { Err(LowerError { reasons, hint: None }) }
}

fn find(edges: &std::collections::HashMap<String, Vec<EdgeId>>, name: &str) -> Option<EdgeId> {
    if let Some(results) = edges.get(name) {
        return results.first().copied();
    }
    let (name, index) = name.rsplit_once(':')?;
    edges.get(name)?.get(index.parse::<usize>().ok()?).copied()
}

fn code_type(place: &str, name: Option<&str>) -> Result<CodeType> {
    match name {
        None | Some("uint8") => Ok(CodeType::U8),
        Some("int8") => Ok(CodeType::I8),
        Some("int16") => Ok(CodeType::I16),
        Some(other) => Err(LowerError::at(place, format!("has dtype `{other}`, expected uint8 or int8"))),
    }
}

/// The operation of an entry, and S and Z of its result.
fn operation(entry: &NodeEntry, parts: &Parts) -> Result<(Op, Option<Activation>)> {
    let refuse = |text: String| LowerError::at(&entry.name, text);
    let missing = |field: &str| refuse(format!("is a {} without `{field}`", entry.op));
    let ints = |value: &Option<Vec<i64>>, field: &str| value.clone().ok_or_else(|| missing(field));
    let int = |value: Option<i64>, field: &str| value.ok_or_else(|| missing(field));
    let number = |value: Option<f64>, field: &str| value.ok_or_else(|| missing(field));
    let holder = entry.observer.as_deref().unwrap_or(&entry.name);
    let stored = match parts.get(holder) {
        Some(Part::Op { activation, .. }) => *activation,
        Some(Part::Bare { activation, .. } | Part::Observer(activation)) => Some(*activation),
        _ if entry.observer.is_some() => {
            return Err(refuse(format!("names the observer `{holder}`, which the model does not have")));
        }
        _ => None,
    };
    let activation = match (entry.scale, entry.zero_point) {
        (Some(scale), Some(zero_point)) => {
            Some(Activation { scale, zero_point, code_type: code_type(&entry.name, entry.dtype.as_deref())? })
        }
        (None, None) => stored,
        _ => return Err(refuse("has only one of `scale` and `zero_point`".into())),
    };
    let relu = entry.relu.unwrap_or(false);
    let op = match entry.op.as_str() {
        "quantize" => Op::Quantize,
        "dequantize" => Op::Dequantize,
        "conv1d" | "conv2d" | "conv3d" | "conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d"
        | "linear" => Op::Layer(layer(entry, parts)?),
        "add" => Op::Add { relu },
        "sub" => Op::Sub { relu },
        "mul" => Op::Mul { relu },
        "minimum" => Op::Extremum(Extremum::Minimum),
        "maximum" => Op::Extremum(Extremum::Maximum),
        "matmul" => Op::MatMul,
        "cat" => Op::Concatenate { axis: int(entry.axis, "axis")?, requantizes: activation.is_some() },
        "max_pool" | "avg_pool" => {
            let kernel = ints(&entry.kernel, "kernel")?;
            let axes = kernel.len();
            let pool = Pool {
                stride: entry.stride.clone().unwrap_or_else(|| kernel.clone()),
                padding: entry.padding.clone().unwrap_or_else(|| vec![0; axes]),
                padding_end: entry.padding_end.clone(),
                dilation: entry.dilation.clone().unwrap_or_else(|| vec![1; axes]),
                ceil_mode: entry.ceil_mode.unwrap_or(false),
                count_include_pad: entry.count_include_pad.unwrap_or(entry.op == "avg_pool"),
                divisor: entry.divisor,
                kernel,
            };
            if [&pool.stride, &pool.padding, pool.padding_end(), &pool.dilation]
                .iter()
                .any(|v| v.len() != axes)
            {
                return Err(refuse(format!("has a kernel of {axes} axes and other sizes of another number")));
            }
            if entry.op == "max_pool" { Op::MaxPool(pool) } else { Op::AveragePool(pool) }
        }
        "adaptive_avg_pool" => Op::AdaptiveAveragePool {
            size: ints(&entry.size, "size")?.into_iter().map(|s| (s >= 0).then_some(s)).collect(),
        },
        "mean" => Op::Mean { axes: ints(&entry.axes, "axes")?, keep: entry.keep.unwrap_or(false) },
        "relu" => Op::Relu,
        "clamp" => {
            Op::Clamp { min: entry.min.unwrap_or(f64::NEG_INFINITY), max: entry.max.unwrap_or(f64::INFINITY) }
        }
        "requantize" => Op::Function(Function::Requantize {
            min: entry.min.unwrap_or(f64::NEG_INFINITY),
            max: entry.max.unwrap_or(f64::INFINITY),
        }),
        "sigmoid" => Op::Function(Function::Sigmoid),
        "tanh" => Op::Function(Function::Tanh),
        "hardswish" => Op::Function(Function::Hardswish),
        "hardsigmoid" => Op::Function(Function::Hardsigmoid),
        "gelu" => Op::Function(Function::Gelu),
        "leaky_relu" => Op::Function(Function::LeakyRelu(number(entry.alpha, "alpha")?)),
        "elu" => Op::Function(Function::Elu(number(entry.alpha, "alpha")?)),
        "flatten" => {
            Op::Shape(Shape::Flatten { start: entry.start.unwrap_or(1), end: entry.end.unwrap_or(-1) })
        }
        "reshape" => {
            Op::Shape(Shape::Reshape(ints(&entry.size, "size")?.into_iter().map(Extent::Fixed).collect()))
        }
        "permute" => Op::Shape(Shape::Permute(ints(&entry.axes, "axes")?)),
        "transpose" => match ints(&entry.axes, "axes")?.as_slice() {
            [a, b] => Op::Shape(Shape::Transpose(*a, *b)),
            other => return Err(refuse(format!("is a transpose of {} axes, expected 2", other.len()))),
        },
        "squeeze" => Op::Shape(Shape::Squeeze(entry.axis)),
        "unsqueeze" => Op::Shape(Shape::Unsqueeze(int(entry.axis, "axis")?)),
        "slice" => Op::Shape(Shape::Slice {
            axis: int(entry.axis, "axis")?,
            start: entry.start.unwrap_or(0),
            end: entry.end.unwrap_or(i64::MAX),
            step: entry.step.unwrap_or(1),
        }),
        "chunk" => {
            Op::Shape(Shape::Chunk { parts: int(entry.parts, "parts")?, axis: int(entry.axis, "axis")? })
        }
        "upsample_nearest" => Op::Shape(Shape::Upsample {
            size: entry.size.as_ref().map(|v| v.iter().copied().map(Extent::Fixed).collect()),
            factors: entry.factors.clone(),
        }),
        "pad" => {
            let mode = entry.padding_mode.as_deref().unwrap_or("zeros");
            let mode =
                PaddingMode::from_name(mode).ok_or_else(|| refuse(format!("has padding mode '{mode}'")))?;
            Op::Shape(Shape::Pad { amounts: ints(&entry.padding, "padding")?, mode })
        }
        "channel_shuffle" => Op::Shape(Shape::ChannelShuffle(int(entry.groups, "groups")?)),
        "batch_norm" => match parts.get(&entry.name) {
            Some(Part::Op { op: op @ Op::BatchNorm(_), .. }) => op.clone(),
            _ => return Err(refuse("is a batch norm that the model does not have".into())),
        },
        "layer_norm" => match parts.get(&entry.name) {
            Some(Part::Op { op: op @ Op::LayerNorm(_), .. }) => op.clone(),
            _ => return Err(refuse("is a layer norm that the model does not have".into())),
        },
        "softmax" => Op::Softmax { axis: int(entry.axis, "axis")? },
        other => {
            return Err(refuse(format!(
                "has op `{other}`, which is not one of those that `gen_params ops` lists"
            )));
        }
    };
    Ok((op, activation))
}

/// A layer of the model, with the geometry and ReLU of the entry.
fn layer(entry: &NodeEntry, parts: &Parts) -> Result<Layer> {
    let refuse = |text: String| LowerError::at(&entry.name, text);
    let Some(Part::Op { op: Op::Layer(layer), .. }) = parts.get(&entry.name) else {
        let known: Vec<&str> = parts
            .iter()
            .filter(|(_, p)| matches!(p, Part::Op { op: Op::Layer(_), .. }))
            .map(|(path, _)| path.as_str())
            .collect();
        return Err(refuse(format!("is no layer of the model, which has {}", known.join(", "))));
    };
    let mut layer = layer.clone();
    if entry.op != layer.kind.name() {
        // A state_dict does not tell a transposed convolution from an ordinary one.
        layer.kind = match (layer.kind, entry.op.as_str()) {
            (LayerKind::Conv(axes), op)
                if op == LayerKind::ConvTranspose(axes).name() && layer.weight.scale.len() == 1 =>
            {
                LayerKind::ConvTranspose(axes)
            }
            (kind, op) => {
                return Err(refuse(format!(
                    "is a {} in the model and a {op} in the graph file",
                    kind.name()
                )));
            }
        };
    }
    if entry.relu.is_some() {
        layer.relu = entry.relu;
    }
    if let Some(mode) = &entry.padding_mode {
        layer.padding_mode =
            PaddingMode::from_name(mode).ok_or_else(|| refuse(format!("has padding mode '{mode}'")))?;
    }
    if layer.kind == LayerKind::Linear {
        return Ok(layer);
    }
    let axes = layer.weight.shape.len() - 2;
    let window = layer.window.get_or_insert_default();
    if entry.padding.is_some() {
        window.padding_end = None;
    }
    for (given, slot, name) in [
        (&entry.stride, &mut window.stride, "stride"),
        (&entry.padding, &mut window.padding, "padding"),
        (&entry.padding_end, &mut window.padding_end, "padding_end"),
        (&entry.dilation, &mut window.dilation, "dilation"),
        (&entry.output_padding, &mut window.output_padding, "output_padding"),
    ] {
        if let Some(given) = given {
            let sizes = given.iter().map(|&v| u32::try_from(v).ok()).collect::<Option<Vec<u32>>>();
            *slot = Some(sizes.filter(|s| s.len() == axes).ok_or_else(|| {
                refuse(format!("has {name} {given:?}, expected {axes} numbers that are not negative"))
            })?);
        }
    }
    if let Some(groups) = entry.groups {
        let groups = u32::try_from(groups).ok().filter(|&g| g > 0);
        window.groups = Some(groups.ok_or_else(|| refuse("has no positive number of groups".into()))?);
    }
    Ok(layer)
}
