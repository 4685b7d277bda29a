//! The topology of a network as entries.

use super::{NodeEntry, Sizes};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::network::{EdgeId, IntNetwork, Node};
use gen_params_core::ops::{Extent, Op, PaddingMode, ResultScale, Shape};
use gen_params_core::parameters::LayerKind;

/// How an edge is called in `inputs`: its producer's name, with `:INDEX` after the first result.
pub(super) fn reference(network: &IntNetwork, id: EdgeId) -> String {
    let name = network.edge(id).name.clone();
    let index = network.nodes.iter().find_map(|n| n.outputs.iter().position(|&o| o == id)).unwrap_or(0);
    if index == 0 { name } else { format!("{name}:{index}") }
}

fn wide(sizes: Option<&Vec<u32>>) -> Option<Sizes<i64>> {
    sizes.map(|v| Sizes::Each(v.iter().map(|&x| i64::from(x)).collect()))
}

pub(super) fn entry(network: &IntNetwork, node: &Node, named: &impl Fn(&str) -> bool) -> Result<NodeEntry> {
    let mut entry = NodeEntry {
        name: node.name.clone(),
        op: node.op.name().into(),
        inputs: node.inputs.iter().map(|&id| reference(network, id)).collect(),
        ..NodeEntry::default()
    };
    let own_scale = node.op.facts().scale == ResultScale::Own;
    // Old versions of PyTorch leave the scale of activation modules out of the state_dict: it is always written.
    if own_scale
        && (matches!(node.op, Op::Function(_)) || !named(&node.name))
        && let Some(activation) = node.outputs.first().and_then(|&id| network.edge(id).activation)
    {
        entry.scale = Some(activation.scale);
        entry.zero_point = Some(activation.zero_point);
        entry.dtype = Some(activation.code_type.name().into());
    }
    of_op(&mut entry, &node.op, node.inputs.first().copied())?;
    Ok(entry)
}

/// What an operation says of itself; `input` is what it is applied to, where that is known.
pub(super) fn of_op(entry: &mut NodeEntry, op: &Op, input: Option<EdgeId>) -> Result<()> {
    match op {
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
            entry.kernel = Some(pool.kernel.clone().into());
            entry.stride = Some(pool.stride.clone().into());
            entry.padding = Some(pool.padding.clone().into());
            entry.padding_end = pool.padding_end.clone().map(Sizes::Each);
            entry.ceil_mode = Some(pool.ceil_mode);
            if matches!(op, Op::MaxPool(_)) {
                entry.dilation = Some(pool.dilation.clone().into());
            } else {
                if pool.dilation.iter().any(|&d| d != 1) {
                    entry.dilation = Some(pool.dilation.clone().into());
                }
                entry.count_include_pad = Some(pool.count_include_pad);
                entry.divisor = pool.divisor;
            }
        }
        Op::AdaptiveAveragePool { size } => {
            entry.size = Some(Sizes::Each(size.iter().map(|s| s.unwrap_or(-1)).collect()))
        }
        Op::Mean { axes, keep } => {
            entry.axes = Some(axes.clone().into());
            entry.keep = Some(*keep);
        }
        Op::Clamp { min, max } => {
            entry.min = min.is_finite().then_some(*min);
            entry.max = max.is_finite().then_some(*max);
        }
        Op::Function(function) => {
            entry.alpha = function.number();
            if let Some((min, max)) = function.bounds() {
                entry.min = min.is_finite().then_some(min);
                entry.max = max.is_finite().then_some(max);
            }
        }
        Op::Shape(shape) => shape_entry(entry, input, shape)?,
    }
    Ok(())
}

fn shape_entry(entry: &mut NodeEntry, input: Option<EdgeId>, shape: &Shape) -> Result<()> {
    match shape {
        Shape::Flatten { start, end } => (entry.start, entry.end) = (Some(*start), Some(*end)),
        Shape::Reshape(extents) => {
            let sizes = extents.iter().zip(0i64..).map(|(extent, place)| match extent {
                Extent::Fixed(size) => Some(*size),
                Extent::Of(edge, axis) if *axis == place && input == Some(*edge) => Some(0),
                _ => None,
            });
            entry.size = Some(sizes.collect::<Option<Vec<i64>>>().map(Sizes::Each).ok_or_else(|| {
                LowerError::at(
                    &entry.name,
                    "reshapes to sizes computed from other sizes, which a graph file cannot hold",
                )
            })?);
        }
        Shape::Permute(axes) => entry.axes = Some(axes.clone().into()),
        Shape::Transpose(a, b) => entry.axes = Some(vec![*a, *b].into()),
        Shape::Squeeze(axis) => entry.axis = *axis,
        Shape::Unsqueeze(axis) => entry.axis = Some(*axis),
        Shape::Slice { axis, start, end, step } => {
            (entry.axis, entry.start, entry.step) = (Some(*axis), Some(*start), Some(*step));
            entry.end = (*end != i64::MAX).then_some(*end);
        }
        Shape::Chunk { parts, axis } => (entry.parts, entry.axis) = (Some(*parts), Some(*axis)),
        Shape::Upsample { size, factors } => {
            entry.factors = factors.clone().map(Sizes::Each);
            if let Some(size) = size {
                let fixed = size.iter().map(|e| if let Extent::Fixed(s) = e { Some(*s) } else { None });
                entry.size = Some(fixed.collect::<Option<Vec<i64>>>().map(Sizes::Each).ok_or_else(|| {
                    LowerError::at(&entry.name, "resizes to computed sizes, which a graph file cannot hold")
                })?);
            }
        }
        Shape::Pad { amounts, mode } => {
            entry.padding = Some(amounts.clone().into());
            entry.padding_mode = (*mode != PaddingMode::Zeros).then(|| mode.name().into());
        }
        Shape::PadWith { .. } => {
            return Err(LowerError::at(
                &entry.name,
                "pads with another value than zero, which a graph file cannot hold",
            ));
        }
        Shape::InMemory { .. } => {}
        Shape::ChannelShuffle(groups) => entry.groups = Some(*groups),
    }
    Ok(())
}
