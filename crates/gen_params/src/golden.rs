//! Golden values: every layer's codes and accumulators, or all stages, at every point of a network.

use std::collections::BTreeSet;

use rayon::prelude::*;

use gen_params_core::hardware::Stage;
use gen_params_core::machine::{Arithmetic, Machine, Values};
use gen_params_core::network::{EdgeId, IntNetwork, Node};
use gen_params_core::ops::{Op, Shape, Value};
use gen_params_core::parameters::Activation;
use gen_params_core::tensor::Tensor;
use gen_params_emit::folder::golden::{axes, input_node};
use gen_params_emit::{Golden, GoldenTensor, Width};

use crate::arithmetic::describe;
use crate::error::{Error, Result};
use crate::input::Input;
use crate::run::{Progress, RunOptions, batches, for_each_batch};

/// The record of values that a machine has computed.
pub(crate) fn golden(machine: &Machine<'_>, tensors: impl IntoIterator<Item = GoldenTensor>) -> Golden {
    let arithmetic = machine.arithmetic();
    Golden {
        contract: arithmetic.name().to_owned(),
        options: describe(arithmetic),
        tensors: tensors.into_iter().collect(),
    }
}

/// The values at one point of a network.
pub(crate) struct Point {
    /// Index of the node; `None` for the network's input.
    pub(crate) node: Option<usize>,
    /// Whether the values are the same whatever the images: a constant of the network, or made of constants alone.
    constant: bool,
    pub(crate) tensor: GoldenTensor,
}

/// Values that are held in memory at once, at most.
const LARGEST: usize = 1 << 28;

/// The values at all points of `wanted` stages, in execution order. Nodes without weights have codes alone.
pub(crate) fn compute(
    machine: &Machine<'_>,
    input: &Input,
    options: RunOptions<'_>,
    wanted: &[Stage],
) -> Result<Vec<Point>> {
    compute_batches(machine, batches(machine, input, options.batch)?, options.progress, wanted)
}

/// The same for batches with the number of the first image of each.
pub(crate) fn compute_batches(
    machine: &Machine<'_>,
    batches: Vec<(usize, Value)>,
    progress: Progress<'_>,
    wanted: &[Stage],
) -> Result<Vec<Point>> {
    let count = batches.len();
    let images = batches.iter().filter_map(|(_, value)| value.shape().first()).sum();
    join(for_each_batch([machine], batches, images, progress, |_, [edges]| {
        few_enough(batch_points(machine, edges, wanted)?, count, images)
    })?)
}

/// The same for images of one value per input each, none of which leaves a state to the next.
pub(crate) fn compute_images(
    machine: &Machine<'_>,
    images: Vec<Vec<Value>>,
    wanted: &[Stage],
) -> Result<Vec<Point>> {
    let count = images.len();
    let points =
        |values| few_enough(batch_points(machine, &mut machine.begin(values)?, wanted)?, count, count);
    join(images.into_par_iter().map(points).collect::<Result<_>>()?)
}

/// The points of one of `parts` batches, if those of all can be held.
fn few_enough(points: Vec<Point>, parts: usize, images: usize) -> Result<Vec<Point>> {
    let values: usize = points.iter().map(|point| point.tensor.values.len()).sum();
    if values.saturating_mul(parts) > LARGEST {
        let problem = format!("golden values of {images} images are too many");
        return Err(Error::given(problem).with_hint("--limit N"));
    }
    Ok(points)
}

/// The points of all batches, images one after another; constants once.
fn join(parts: Vec<Vec<Point>>) -> Result<Vec<Point>> {
    let mut parts = parts.into_iter();
    let mut all = parts.next().ok_or_else(|| Error::given("no image"))?;
    for part in parts {
        for (whole, more) in all.iter_mut().zip(part).filter(|(whole, _)| !whole.constant) {
            if let (Some(images), Some(new)) = (whole.tensor.shape.first_mut(), more.tensor.shape.first()) {
                *images += new;
            }
            whole.tensor.values.extend(more.tensor.values);
        }
    }
    Ok(all)
}

fn batch_points(machine: &Machine<'_>, edges: &mut Values, wanted: &[Stage]) -> Result<Vec<Point>> {
    let network = machine.network();
    let mut points = Vec::new();
    let mut of_images: BTreeSet<EdgeId> = network.inputs.iter().copied().collect();
    of_images.extend(network.states.iter().map(|state| state.before));
    let mut inputs: Vec<(usize, EdgeId)> = network.inputs.iter().copied().enumerate().collect();
    for (index, node) in network.nodes.iter().enumerate() {
        let constant = !node.inputs.iter().any(|id| of_images.contains(id));
        if !constant {
            of_images.extend(&node.outputs);
        }
        let step = machine.step(index, edges)?;
        // The network's input is what its quantization gives, or the codes that it was given.
        for (number, id) in inputs.extract_if(.., |(_, id)| node.inputs.contains(id)) {
            let codes = if node.op == Op::Quantize { step.results.first() } else { edges.get(id) };
            if let (Some(Value::Codes(codes)), Some(activation)) = (codes, machine.input_activation(id)) {
                let name = input_node(number, network.inputs.len());
                let axes = axes_of(network, id, codes.shape().len());
                let tensor = GoldenTensor { axes, ..point(machine, name, activation, codes) };
                points.push(Point { node: None, constant: false, tensor });
            }
        }
        if let (Some(layer), Some(Value::Codes(codes))) =
            (machine.layer(index), input_of(edges, &node.inputs))
        {
            let stages = layer.stages(codes.elements(), codes.shape())?;
            for &stage in wanted.iter().filter(|stage| **stage != Stage::Output || is_target(machine)) {
                points.push(Point {
                    node: Some(index),
                    constant,
                    tensor: GoldenTensor {
                        node: Some(node.name.clone()),
                        stage,
                        shape: stages.shape_of(stage).to_vec(),
                        axes: axes(stages.shape_of(stage).len()),
                        width: width(machine, index, stage),
                        values: stages.of(stage).to_vec(),
                    },
                });
            }
        }
        let has_own_output = machine.layer(index).is_some() && is_target(machine);
        // Parts have no name of their own; states are written below.
        let parts = matches!(node.op, Op::Shape(Shape::Chunk { .. }));
        if let (false, false, Some(Value::Codes(codes))) = (has_own_output, parts, step.results.first())
            && node.op != Op::Quantize
            && let Some(&id) = node.outputs.first()
            && let Some(activation) = network.edge(id).activation
        {
            let axes = axes_of(network, id, codes.shape().len());
            let tensor = GoldenTensor { axes, ..point(machine, Some(node.name.clone()), activation, codes) };
            points.push(Point { node: Some(index), constant, tensor });
        }
        edges.set(&node.outputs, step.results);
    }
    for state in &network.states {
        let (name, kept) = (&network.edge(state.before).name, network.edge(state.after).activation);
        if let (Some(Value::Codes(codes)), Some(activation)) = (edges.get(state.after), kept) {
            let tensor = point(machine, Some(name.clone()), activation, codes);
            points.push(Point { node: None, constant: false, tensor });
        }
    }
    Ok(points)
}

fn is_target(machine: &Machine<'_>) -> bool {
    matches!(machine.arithmetic(), Arithmetic::Target(_))
}

fn input_of<'a>(edges: &'a Values, inputs: &[EdgeId]) -> Option<&'a Value> {
    edges.get(*inputs.first()?)
}

/// Codes of the model, as the target has them.
fn point(
    machine: &Machine<'_>,
    node: Option<String>,
    activation: Activation,
    codes: &Tensor<i32>,
) -> GoldenTensor {
    let (code_type, values) = match machine.arithmetic() {
        Arithmetic::Contract(_) => {
            (activation.code_type, codes.elements().iter().map(|&code| i64::from(code)).collect())
        }
        Arithmetic::Target(target) => {
            let held = |&code: &i32| i64::from(target.receive(code, activation.code_type));
            (target.activation(activation).code_type, codes.elements().iter().map(held).collect())
        }
    };
    let width = Width::of_codes(code_type);
    let shape = codes.shape().to_vec();
    GoldenTensor { node, stage: Stage::Output, axes: axes(shape.len()), shape, width, values }
}

/// The axes of what an edge holds: channels are first, but for images that the model has channels-last: those that a
/// permutation makes so, or that one turns into channels-first ones.
fn axes_of(network: &IntNetwork, edge: EdgeId, sizes: usize) -> String {
    let usual = axes(sizes);
    let permutations = |node: &Node| match &node.op {
        Op::Shape(Shape::Permute(order)) if order.len() == sizes => Some(order.clone()),
        _ => None,
    };
    let made = network.nodes.iter().filter(|node| node.outputs.contains(&edge)).find_map(permutations);
    // A quantization keeps the order, and may stand between.
    let taken_by = |edge: EdgeId| network.nodes.iter().filter(move |node| node.inputs.contains(&edge));
    let taken = taken_by(edge)
        .chain(
            taken_by(edge)
                .filter(|node| node.op == Op::Quantize)
                .flat_map(|node| node.outputs.iter().copied().flat_map(taken_by)),
        )
        .find_map(permutations);
    let last: String = usual.chars().take(1).chain(usual.chars().skip(2)).chain(['C']).collect();
    let moves = |order: Option<Vec<i64>>, from: &str, to: &str| {
        order.is_some_and(|order| {
            let letters = order.iter().map(|&axis| from.chars().nth(usize::try_from(axis).ok()?));
            letters.eq(to.chars().map(Some))
        })
    };
    if sizes > 2 && (moves(made, &usual, &last) || moves(taken, &last, &usual)) { last } else { usual }
}

/// The type of a layer's values in files.
pub(crate) fn width(machine: &Machine<'_>, node: usize, stage: Stage) -> Width {
    let network = machine.network();
    let Some(this) = network.nodes.get(node) else { return Width::Int64 };
    let codes = |edges: &[EdgeId], shift: i32| {
        let activation = edges.first().and_then(|&id| network.edge(id).activation);
        match (activation, shift) {
            (Some(activation), 0) => Width::of_codes(activation.code_type),
            _ => Width::Int8,
        }
    };
    let (input_shift, output_shift) =
        machine.layer(node).map_or((0, 0), |layer| (layer.input_shift, layer.output_shift));
    let target = match machine.arithmetic() {
        Arithmetic::Target(target) => target,
        // Engines count in 32 bits.
        Arithmetic::Contract(_) => {
            return if stage == Stage::Output { codes(&this.outputs, 0) } else { Width::Int32 };
        }
    };
    match stage {
        Stage::Input => codes(&this.inputs, input_shift),
        Stage::Accumulator => Width::of_register(target.accumulator().bits),
        Stage::Biased => Width::of_register(target.biased().bits),
        Stage::Product | Stage::Shifted | Stage::Offset => Width::of_register(target.product().bits),
        Stage::Output => codes(&this.outputs, output_shift),
    }
}
