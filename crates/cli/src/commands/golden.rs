//! `run --golden`: every layer's codes and accumulators, or all stages, into a folder.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use gen_params::emit::folder::golden::{axes, input_node};
use gen_params::emit::{Existing, Golden, GoldenFiles, GoldenTensor, Width, write_golden};
use gen_params::hardware::Stage;
use gen_params::machine::{Arithmetic, Machine, Values};
use gen_params::network::{EdgeId, IntNetwork, Node};
use gen_params::ops::{Op, Shape, Value};
use gen_params::parameters::Activation;
use gen_params::tensor::Tensor;
use rayon::prelude::*;

use crate::arguments::Run;
use crate::arithmetic;
use crate::input::Input;
use crate::simulation::{self, Prepared};
use crate::table::thousands;
use crate::terminal;

/// Writes golden values into `directory`.
pub(super) fn write(
    arguments: &Run,
    prepared: &Prepared,
    input: &Input,
    chosen: Arithmetic,
    directory: &Path,
) -> Result<()> {
    let wanted: &[Stage] = if arguments.stages { &Stage::ALL } else { &[Stage::Accumulator, Stage::Output] };
    let machine = prepared.machine(chosen)?;
    let tensors = compute(&machine, input, arguments.batch as usize, wanted)?;
    let golden = Golden {
        contract: chosen.name().to_owned(),
        options: arithmetic::describe(chosen),
        tensors: tensors.into_iter().map(|point| point.tensor).collect(),
    };
    let model = &prepared.model;
    let source = model.source_file();
    let existing = Existing::forced(arguments.force);
    let (network, parameters) = (&prepared.network, &prepared.parameters);
    let mut written = prepared.target.golden_files();
    if let Some(list) = &arguments.format {
        written.formats = list.parse().context("--format")?;
        if let Some(format) = written.formats.iter().find(|&format| !GoldenFiles::has(format)) {
            bail!("--format: files of {} hold constants, and no golden values", format.name());
        }
    }
    let manifest = write_golden(directory, network, parameters, Some(source), &golden, &written, existing)?;
    terminal::say(format!(
        "{}: golden values of {} images, {} files",
        directory.display(),
        thousands(input.images()),
        manifest.files.len() + 1
    ));
    Ok(())
}

/// The values at one point of a network.
pub(super) struct Point {
    /// Index of the node; `None` for the network's input.
    pub(super) node: Option<usize>,
    /// Whether the values are the same whatever the images: a constant of the network, or made of constants alone.
    constant: bool,
    pub(super) tensor: GoldenTensor,
}

/// Values that are held in memory at once, at most.
const LARGEST: usize = 1 << 28;

/// The values at all points of `wanted` stages, in execution order. Nodes without weights have codes alone.
pub(super) fn compute(
    machine: &Machine<'_>,
    input: &Input,
    batch: usize,
    wanted: &[Stage],
) -> Result<Vec<Point>> {
    compute_batches(machine, simulation::batches(machine, input, batch)?, wanted)
}

/// The same for batches with the number of the first image of each.
pub(super) fn compute_batches(
    machine: &Machine<'_>,
    batches: Vec<(usize, Value)>,
    wanted: &[Stage],
) -> Result<Vec<Point>> {
    let count = batches.len();
    let images = batches.iter().filter_map(|(_, value)| value.shape().first()).sum();
    join(simulation::for_each_batch([machine], batches, images, |_, [edges]| {
        few_enough(batch_points(machine, edges, wanted)?, count, images)
    })?)
}

/// The same for images of one value per input each, none of which leaves a state to the next.
pub(super) fn compute_images(
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
        bail!("golden values of {images} images are too many\n  hint: --limit N");
    }
    Ok(points)
}

/// The points of all batches, images one after another; constants once.
fn join(parts: Vec<Vec<Point>>) -> Result<Vec<Point>> {
    let mut parts = parts.into_iter();
    let mut all = parts.next().context("no image")?;
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
pub(super) fn width(machine: &Machine<'_>, node: usize, stage: Stage) -> Width {
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
