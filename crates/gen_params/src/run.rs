//! A network on an input, batch by batch, on all processors.

use std::ops::ControlFlow;

use rayon::prelude::*;

use gen_params_core::hardware::{OnOverflow, Overflow, Stage};
use gen_params_core::machine::{Arithmetic, Keep, Machine, Values as Edges};
use gen_params_core::network::{EdgeId, IntNetwork};
use gen_params_core::ops::{Op, Value};
use gen_params_core::parameters::Activation;
use gen_params_core::tensor::{Tensor, element_count};
use gen_params_runtime::{Engine, Request};

use crate::error::{Cause, Error, Result, refuse};
use crate::input::{Input, Values};
use crate::text::{position, thousands};

/// Is told of work that is done, as images and as images in all, and says whether to go on.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) -> ControlFlow<()> + Sync);

/// How a network is run.
#[derive(Clone, Copy)]
pub struct RunOptions<'a> {
    /// Images that are computed together, 1 or more.
    pub batch: usize,
    /// Is told of every batch that is done.
    pub progress: Progress<'a>,
}

impl Default for RunOptions<'_> {
    /// One image at a time, to the end.
    fn default() -> Self {
        Self { batch: 1, progress: &|_, _| ControlFlow::Continue(()) }
    }
}

/// What a network makes of an input.
#[derive(Debug, Clone)]
pub struct Run {
    /// The outputs of the network, in order: where reals leave it, the codes before them.
    pub outputs: Vec<Output>,
    /// Values that left a register of the target, by layer and stage, in execution order.
    pub overflows: Vec<(String, Overflow)>,
    /// What the user must know, one sentence each.
    pub warnings: Vec<String>,
}

/// One output of a network, for all images.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its name in the model.
    pub name: String,
    /// S, Z and type of its codes.
    pub activation: Activation,
    /// Sizes of one image's values.
    pub shape: Vec<usize>,
    /// The codes of all images, one image after the other, each in row-major order.
    pub codes: Vec<i32>,
}

impl Output {
    /// Number of values of one image.
    pub fn values_per_image(&self) -> usize {
        self.shape.iter().product::<usize>().max(1)
    }

    /// The codes of each image.
    pub fn images(&self) -> std::slice::Chunks<'_, i32> {
        self.codes.chunks(self.values_per_image())
    }

    /// S * (code - Z), to the last digit that binary32 has.
    pub fn real(&self, code: i32) -> f64 {
        self.activation.scale * f64::from(code - self.activation.zero_point)
    }

    /// The class of each image: that with the largest code, the first of several.
    ///
    /// # Errors
    /// The output is not one value per class.
    pub fn classes(&self) -> Result<Vec<usize>> {
        if self.shape.len() != 1 {
            let problem =
                format!("the output {} has shape {:?} per image, expected (classes,)", self.name, self.shape);
            return Err(Error::option("labels", problem));
        }
        Ok(self.images().map(largest).collect())
    }
}

/// The index of the largest code, the first of several.
pub fn largest(codes: &[i32]) -> usize {
    let best = codes.iter().enumerate().max_by_key(|&(index, &code)| (code, std::cmp::Reverse(index)));
    best.map_or(0, |(index, _)| index)
}

/// Runs a network on all images: with the fast engine where it takes the input, else node by node.
pub(crate) fn run(
    machine: &Machine<'_>,
    edges_out: &[(EdgeId, Activation)],
    input: &Input,
    options: RunOptions<'_>,
) -> Result<Run> {
    let network = machine.network();
    let batches = batches(machine, input, options.batch)?;
    // What the engine does on these inputs that nobody would expect.
    let mut warnings = match (machine.arithmetic(), batches.first()) {
        (Arithmetic::Contract(_), Some((_, first))) => {
            machine.run(std::slice::from_ref(first), Keep::Outputs, None)?.warnings
        }
        _ => Vec::new(),
    };
    let wanted: Vec<EdgeId> = edges_out.iter().map(|&(edge, _)| edge).collect();
    let parts = match fast(machine, input) {
        Some(engine) => in_parallel(batches, input.images(), options.progress, |first, value| {
            let request = Request { edges: &wanted, accumulators: &[] };
            let observed = engine.observe(&[value], request, |_| {})?;
            let mut overflows = Overflows::default();
            for (node, overflow) in observed.overflows {
                overflows.add(node, first, vec![overflow]);
            }
            Ok((observed.edges, overflows))
        }),
        None => for_each_batch([machine], batches, input.images(), options.progress, |first, [edges]| {
            let overflows = run_nodes(machine, edges, first)?;
            let codes = wanted.iter().map(|&edge| Ok(codes_of(edges, edge)?.clone()));
            Ok((codes.collect::<Result<Vec<_>>>()?, overflows))
        }),
    }?;
    let mut outputs: Vec<Output> = edges_out
        .iter()
        .map(|&(edge, activation)| Output {
            name: network.edge(edge).name.clone(),
            activation,
            shape: Vec::new(),
            codes: Vec::new(),
        })
        .collect();
    let mut overflows = Overflows::default();
    for (codes, new) in parts {
        for (output, codes) in outputs.iter_mut().zip(codes) {
            output.shape = codes.shape().get(1..).unwrap_or_default().to_vec();
            output.codes.extend_from_slice(codes.elements());
        }
        overflows.merge(new);
    }
    warnings.extend(overflows.warnings(machine));
    Ok(Run { outputs, overflows: overflows.named(network), warnings })
}

/// The edges with the codes of the network's outputs: where reals leave, the codes before them.
pub(crate) fn code_outputs(network: &IntNetwork) -> Result<Vec<(EdgeId, Activation)>> {
    let code_edge = |id: EdgeId| {
        let dequantize = network.nodes.iter().find(|n| n.op == Op::Dequantize && n.outputs.contains(&id));
        let edge = dequantize.and_then(|node| node.inputs.first().copied()).unwrap_or(id);
        let activation = network.edge(edge).activation;
        activation
            .map(|activation| (edge, activation))
            .ok_or_else(|| Error::given(format!("the output {} has no known scale", network.edge(id).name)))
    };
    network.outputs.iter().map(|&id| code_edge(id)).collect()
}

/// The network's only input.
pub(crate) fn only_input(network: &IntNetwork) -> Result<EdgeId> {
    let &[id] = network.inputs.as_slice() else {
        refuse!("the network has {} inputs; networks with one can be run", network.inputs.len());
    };
    Ok(id)
}

/// The input as values of at most `batch` images each, with the number of the first image of each; of a network that
/// keeps states, as many images as its states are for.
pub(crate) fn batches(machine: &Machine<'_>, input: &Input, batch: usize) -> Result<Vec<(usize, Value)>> {
    let network = machine.network();
    let id = only_input(network)?;
    let takes = machine.input_activation(id);
    if let (Values::Codes(_, found), Some(takes)) = (&input.values, takes)
        && *found != takes.code_type.name()
    {
        refuse!("the input has codes of type {found}, and the network takes {}", takes.code_type.name());
    }
    let elements = input.shape.iter().skip(1).product::<usize>();
    if element_count(&input.shape) != Some(input.values.len()) {
        refuse!(
            "the input has {} values, which is not what the shape {:?} holds",
            input.values.len(),
            input.shape
        );
    }
    let states = network.states.first().and_then(|state| state.beginning.shape().first().copied());
    let batch = states.unwrap_or(batch).max(1);
    (0..input.images())
        .step_by(batch)
        .map(|first| {
            let count = batch.min(input.images() - first);
            let mut shape = input.shape.clone();
            shape[0] = count;
            let range = first * elements..(first + count) * elements;
            let value = match &input.values {
                Values::Reals(reals) => Value::Floats(Tensor::new(shape, reals[range].to_vec())?),
                Values::Codes(codes, _) => Value::Codes(Tensor::new(shape, codes[range].to_vec())?),
            };
            Ok((first, value))
        })
        .collect()
}

/// The fast runtime, where it gives what the machine gives: for inputs as the network takes
/// them. `None` leaves the run to the machine, which also says what is wrong.
fn fast(machine: &Machine<'_>, input: &Input) -> Option<Engine> {
    let &[id] = machine.network().inputs.as_slice() else { return None };
    let as_taken = match input.values {
        Values::Reals(_) => machine.network().edge(id).activation.is_none(),
        Values::Codes(..) => machine.network().edge(id).activation.is_some(),
    };
    let image = input.shape.get(1..)?.to_vec();
    if as_taken { Engine::of(machine, &[image]).ok() } else { None }
}

/// Computes `each` for every batch in some arithmetics and gives the results in order: on all processors, or, where the
/// network keeps states, one after the other, each with the states that the one before it left. `each` gets the number of the
/// batch's first image and the edges of each machine, and runs all nodes.
pub(crate) fn for_each_batch<const N: usize, T: Send>(
    machines: [&Machine<'_>; N],
    batches: Vec<(usize, Value)>,
    images: usize,
    progress: Progress<'_>,
    each: impl Fn(usize, &mut [Edges; N]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let begin = |value: Value, previous: Option<&[Edges; N]>| -> Result<[Edges; N]> {
        let mut begun = Vec::with_capacity(N);
        for (index, machine) in machines.iter().enumerate() {
            let input = vec![value.clone()];
            begun.push(match previous.and_then(|edges| edges.get(index)) {
                Some(previous) => machine.begin_after(previous, input)?,
                None => machine.begin(input)?,
            });
        }
        begun.try_into().map_err(|_| Error::given("another number of machines"))
    };
    if machines.iter().all(|machine| machine.network().states.is_empty()) {
        return in_parallel(batches, images, progress, |first, value| each(first, &mut begin(value, None)?));
    }
    let mut previous = None;
    let mut results = Vec::with_capacity(batches.len());
    for (first, value) in batches {
        let count = value.shape().first().copied().unwrap_or(0);
        let mut edges = begin(value, previous.as_ref())?;
        results.push(each(first, &mut edges)?);
        told(progress, count, images)?;
        previous = Some(edges);
    }
    Ok(results)
}

/// Computes `each` for every batch, on all processors, and gives the results in order. `each` gets the number of the
/// batch's first image and its input.
fn in_parallel<T: Send>(
    batches: Vec<(usize, Value)>,
    images: usize,
    progress: Progress<'_>,
    each: impl Fn(usize, Value) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    batches
        .into_par_iter()
        .with_max_len(1)
        .map(|(first, value)| {
            let count = value.shape().first().copied().unwrap_or(0);
            let result = each(first, value)?;
            told(progress, count, images)?;
            Ok(result)
        })
        .collect()
}

/// Tells of images that are done.
fn told(progress: Progress<'_>, images: usize, all: usize) -> Result<()> {
    match progress(images, all) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Cause::Stopped.into()),
    }
}

/// Runs all nodes on the edges of [`Machine::begin`].
fn run_nodes(machine: &Machine<'_>, edges: &mut Edges, first_image: usize) -> Result<Overflows> {
    let mut overflows = Overflows::default();
    for (index, node) in machine.network().nodes.iter().enumerate() {
        let step = machine.step(index, edges)?;
        overflows.add(index, first_image, step.overflows);
        edges.set(&node.outputs, step.results);
    }
    Ok(overflows)
}

/// The codes on an edge.
pub(crate) fn codes_of(edges: &Edges, edge: EdgeId) -> Result<&Tensor<i32>> {
    match edges.get(edge) {
        Some(Value::Codes(codes)) => Ok(codes),
        Some(Value::Floats(_)) => Err(Error::given("an edge holds reals and no codes")),
        None => Err(Error::given("an edge is never computed")),
    }
}

/// Overflows by node and stage, over all batches.
#[derive(Debug, Default)]
pub(crate) struct Overflows(Vec<(usize, Overflow)>);

impl Overflows {
    /// Adds those of one node, for images from `first_image` on.
    pub(crate) fn add(&mut self, node: usize, first_image: usize, overflows: Vec<Overflow>) {
        for mut overflow in overflows {
            if let Some(image) = overflow.first.first_mut() {
                *image += first_image;
            }
            match self.0.iter_mut().find(|(at, known)| *at == node && known.stage == overflow.stage) {
                Some((_, known)) => {
                    known.count += overflow.count;
                    if overflow.first < known.first {
                        (known.first, known.value) = (overflow.first, overflow.value);
                    }
                }
                None => self.0.push((node, overflow)),
            }
        }
    }

    /// Adds another list.
    pub(crate) fn merge(&mut self, other: Self) {
        for (node, overflow) in other.0 {
            self.add(node, 0, vec![overflow]);
        }
    }

    /// In execution order.
    fn sorted(&self) -> Vec<&(usize, Overflow)> {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|(node, overflow)| (*node, overflow.stage));
        sorted
    }

    /// In execution order, with the names of nodes.
    fn named(&self, network: &IntNetwork) -> Vec<(String, Overflow)> {
        let name = |node: usize| network.nodes.get(node).map_or_else(String::new, |node| node.name.clone());
        self.sorted().into_iter().map(|(node, overflow)| (name(*node), overflow.clone())).collect()
    }

    /// One sentence per layer and register.
    pub(crate) fn warnings(&self, machine: &Machine<'_>) -> Vec<String> {
        let Arithmetic::Target(target) = machine.arithmetic() else { return Vec::new() };
        let sentence = |(node, overflow): &(usize, Overflow)| {
            let bits = match overflow.stage {
                Stage::Accumulator => target.accumulator().bits,
                Stage::Biased => target.biased().bits,
                Stage::Input | Stage::Product | Stage::Shifted | Stage::Offset | Stage::Output => {
                    target.product().bits
                }
            };
            let what = match overflow.stage {
                Stage::Input => "input codes are outside the activation range and were clamped".to_owned(),
                stage => format!(
                    "{stage} values do not fit in {bits} bits and {}",
                    match target.on_overflow {
                        OnOverflow::Wrap => "wrapped",
                        OnOverflow::Saturate => "saturated",
                    }
                ),
            };
            format!(
                "{}: {} {what}; the first, {}, at {}",
                machine.network().nodes.get(*node).map_or("", |node| node.name.as_str()),
                thousands(usize::try_from(overflow.count).unwrap_or(usize::MAX)),
                overflow.value,
                position(&overflow.first),
            )
        };
        self.sorted().into_iter().map(sentence).collect()
    }
}
