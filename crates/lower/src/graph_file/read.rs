//! A network along a topology, its layers from the model.

use std::collections::HashMap;

use gen_params_formats::SourceModel;

use super::{GraphFile, MARK, NodeEntry, Sizes, UNKNOWN, vocabulary};
use crate::Options;
use crate::builder::Builder;
use crate::parts::{Part, Parts};
use gen_params_core::error::{LowerError, Reason, Result};
use gen_params_core::network::{EdgeId, IntNetwork};
use gen_params_core::ops::{Extent, Extremum, Function, Layer, Op, PaddingMode, Pool, Shape};
use gen_params_core::parameters::{Activation, CodeType, LayerKind, Wiring};

/// Lowers a model along a graph file.
pub(crate) fn lower(
    source: &SourceModel,
    parts: &Parts,
    own: Option<&IntNetwork>,
    file: &GraphFile,
    options: &Options,
) -> Result<IntNetwork> {
    let wiring = if file.guess { Wiring::KeyOrder } else { Wiring::GraphFile };
    let mut builder = Builder::new(source, wiring, options);
    let mut edges: HashMap<String, Vec<EdgeId>> = HashMap::new();
    let mut reasons = Vec::new();
    let mut hint = None;
    for input in &file.input {
        let activation = match given(&input.name, input.scale, input.zero_point, input.dtype.as_deref()) {
            Ok(activation) => activation,
            Err(error) => {
                reasons.extend(error.reasons);
                None
            }
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
                    let text = if name == UNKNOWN {
                        "has an input that is still to be filled in".into()
                    } else {
                        format!("takes `{name}`, which is no input and no earlier node")
                    };
                    reasons.push(Reason { place: entry.name.clone(), text });
                }
                found
            })
            .collect();
        let checked = vocabulary::check(entry);
        if let Err(error) = checked {
            reasons.extend(error.reasons);
            hint = hint.or(error.hint);
            // Its results have names: what takes them is looked at, too.
            let id = builder.placeholder(&entry.name);
            edges.entry(entry.name.clone()).or_insert_with(|| vec![id]);
            continue;
        }
        let made = operation(entry, parts).and_then(|(mut op, activation)| {
            if let (Op::Shape(Shape::Reshape(extents)), Some(&input)) = (&mut op, inputs.first()) {
                for (extent, axis) in extents.iter_mut().zip(0i64..).filter(|(e, _)| **e == Extent::Fixed(0))
                {
                    *extent = Extent::Of(input, axis);
                }
            }
            let needed = op.facts().operands;
            if inputs.len() < entry.inputs.len() {
                return Err(LowerError { reasons: Vec::new(), hint: None });
            }
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
            Err(error) => {
                reasons.extend(error.reasons);
                let id = builder.placeholder(&entry.name);
                edges.entry(entry.name.clone()).or_insert_with(|| vec![id]);
            }
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
    if !reasons.is_empty() {
        return Err(LowerError { reasons, hint });
    }
    if file.guess {
        builder.warn(format!(
            "the graph file still holds guesses (`guess = true` or lines marked `{MARK}`), and is believed no more than \
             the order of keys (wiring \"key-order\" in the manifest): correct the lines, then delete the marks"
        ));
    }
    let mut network = builder.finish(outputs);
    if let Some(own) = own {
        keep(&mut network, own);
    }
    Ok(network)
}

/// What the file's own graph says beyond a graph file's words: narrower codes of an edge, and how ONNX Runtime computes.
fn keep(network: &mut IntNetwork, own: &IntNetwork) {
    network.fusions.clone_from(&own.fusions);
    for node in &network.nodes {
        let Some(same) = own.nodes.iter().find(|same| same.name == node.name && same.op == node.op) else {
            continue;
        };
        for (&edge, &known) in node.outputs.iter().zip(&same.outputs) {
            let (known, edge) = (own.edge(known), &mut network.edges[edge.0]);
            if edge.activation == known.activation {
                edge.range = known.range;
            }
        }
    }
}

fn find(edges: &HashMap<String, Vec<EdgeId>>, name: &str) -> Option<EdgeId> {
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
        Some(other) => {
            Err(LowerError::at(place, format!("has dtype `{other}`, expected uint8, int8 or int16")))
        }
    }
}

/// S, Z and the type of codes, where an entry gives them.
fn given(
    place: &str,
    scale: Option<f64>,
    zero_point: Option<i32>,
    dtype: Option<&str>,
) -> Result<Option<Activation>> {
    match (scale, zero_point) {
        (Some(scale), Some(zero_point)) => {
            Ok(Some(Activation { scale, zero_point, code_type: code_type(place, dtype)? }))
        }
        (None, None) if dtype.is_none() => Ok(None),
        (None, None) => Err(LowerError::at(place, "has a `dtype` and no `scale` and `zero_point`")),
        _ => Err(LowerError::at(place, "has only one of `scale` and `zero_point`")),
    }
}

/// Comments for what a layer's entry does not say, and its model does not say either.
pub(super) fn unknown(entry: &NodeEntry) -> Vec<&'static str> {
    let (is_layer, is_window) =
        (entry.op == "linear" || entry.op.starts_with("conv"), entry.op.starts_with("conv"));
    let mut lines = Vec::new();
    if is_layer && entry.relu.is_none() {
        lines
            .push("# relu = false  # not in the model: true if a ReLU follows the layer, false if none does");
    }
    if is_window && entry.stride.is_none() {
        lines.push("# stride = 1  # not in the model");
    }
    if is_window && entry.padding.is_none() {
        lines.push("# padding = 0  # not in the model");
    }
    if is_window && entry.dilation.is_none() {
        lines.push("# dilation = 1  # not in the model");
    }
    if is_window && entry.groups.is_none() {
        lines.push("# groups = 1  # not in the model");
    }
    lines
}

/// The operation of an entry, and S and Z of its result.
fn operation(entry: &NodeEntry, parts: &Parts) -> Result<(Op, Option<Activation>)> {
    let refuse = |text: String| LowerError::at(&entry.name, text);
    let missing = |field: &str| refuse(format!("is a {} without `{field}`", entry.op));
    let ints = |value: &Option<Sizes<i64>>, field: &str| match value {
        Some(Sizes::Each(each)) => Ok(each.clone()),
        Some(Sizes::All(one)) => Ok(vec![*one]),
        None => Err(missing(field)),
    };
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
    let activation = given(&entry.name, entry.scale, entry.zero_point, entry.dtype.as_deref())?.or(stored);
    let relu = entry.relu.unwrap_or(false);
    let requantizes = match parts.get(holder) {
        Some(Part::Op { op: Op::Concatenate { requantizes, .. }, .. }) if entry.scale.is_none() => {
            *requantizes
        }
        _ => activation.is_some(),
    };
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
        "cat" => Op::Concatenate { axis: int(entry.axis, "axis")?, requantizes },
        "max_pool" | "avg_pool" => {
            let all = [&entry.kernel, &entry.stride, &entry.padding, &entry.padding_end, &entry.dilation];
            // One number stands for both axes of an image, unless another key says how many axes there are.
            let axes = all.iter().find_map(|sizes| sizes.as_ref()?.axes()).unwrap_or(2);
            let spread = |sizes: &Option<Sizes<i64>>| sizes.as_ref().map(|sizes| sizes.spread(axes));
            let kernel = spread(&entry.kernel).ok_or_else(|| missing("kernel"))?;
            let pool = Pool {
                stride: spread(&entry.stride).unwrap_or_else(|| kernel.clone()),
                padding: spread(&entry.padding).unwrap_or_else(|| vec![0; axes]),
                padding_end: spread(&entry.padding_end),
                dilation: spread(&entry.dilation).unwrap_or_else(|| vec![1; axes]),
                ceil_mode: entry.ceil_mode.unwrap_or(false),
                count_include_pad: entry.count_include_pad.unwrap_or(entry.op == "avg_pool"),
                divisor: entry.divisor,
                kernel,
            };
            if [&pool.kernel, &pool.stride, &pool.padding, pool.padding_end(), &pool.dilation]
                .iter()
                .any(|v| v.len() != axes)
            {
                return Err(refuse(format!("has a kernel of {axes} axes and other sizes of another number")));
            }
            if entry.op == "max_pool" { Op::MaxPool(pool) } else { Op::AveragePool(pool) }
        }
        "adaptive_avg_pool" => Op::AdaptiveAveragePool {
            size: match &entry.size {
                Some(Sizes::All(one)) => vec![*one; 2],
                _ => ints(&entry.size, "size")?,
            }
            .into_iter()
            .map(|s| (s >= 0).then_some(s))
            .collect(),
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
        name if Function::PLAIN.contains(&name) || Function::WITH_NUMBER.contains(&name) => {
            let function = match Function::plain(name) {
                Some(function) => Some(function),
                None => Function::with_number(name, number(entry.alpha, "alpha")?),
            };
            Op::Function(function.ok_or_else(|| refuse(format!("has op `{name}`, which is no function")))?)
        }
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
            size: entry.size.as_ref().map(|v| v.spread(2).into_iter().map(Extent::Fixed).collect()),
            factors: entry.factors.as_ref().map(|v| v.spread(2)),
        }),
        "pad" => {
            let mode = entry.padding_mode.as_deref().unwrap_or("zeros");
            let mode =
                PaddingMode::from_name(mode).ok_or_else(|| refuse(format!("has padding mode '{mode}'")))?;
            Op::Shape(Shape::Pad { amounts: ints(&entry.padding, "padding")?, mode })
        }
        "contiguous" => Op::Shape(Shape::InMemory { channels_last: false }),
        "channels_last" => Op::Shape(Shape::InMemory { channels_last: true }),
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
        "constant" => match parts.get(&entry.name) {
            Some(Part::Op { op: op @ Op::Constant(_), .. }) => op.clone(),
            _ => return Err(refuse("is a constant that the model does not have".into())),
        },
        other => return Err(refuse(format!("has op `{other}`, which is no operation of graph files"))),
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
            let sizes =
                given.spread(axes).iter().map(|&v| u32::try_from(v).ok()).collect::<Option<Vec<u32>>>();
            *slot = Some(sizes.filter(|s| s.len() == axes).ok_or_else(|| {
                refuse(format!(
                    "has {name} {:?}, expected {axes} numbers that are not negative",
                    given.spread(axes)
                ))
            })?);
        }
    }
    if let Some(groups) = entry.groups {
        let groups = u32::try_from(groups).ok().filter(|&g| g > 0);
        window.groups = Some(groups.ok_or_else(|| refuse("has no positive number of groups".into()))?);
    }
    Ok(layer)
}
