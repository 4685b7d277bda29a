//! A network on an input, batch by batch, on all processors.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use gen_params::emit::folder::target_file::TargetFile;
use gen_params::error::LowerError;
use gen_params::formats::Form;
use gen_params::hardware::{Overflow, Stage};
use gen_params::machine::{Arithmetic, Machine, Values as Edges};
use gen_params::network::{EdgeId, IntNetwork};
use gen_params::ops::{Op, Value};
use gen_params::parameters::{Activation, Parameters, Wiring};
use gen_params::runtime::Engine;
use gen_params::tensor::Tensor;
use gen_params::{derive, lower};

use crate::arguments::{InputOptions, Source, Subject};
use crate::hardware::target_file;
use crate::input::{Input, Remark, Values};
use crate::model::Model;
use crate::{arithmetic, table, terminal};

/// [`derive::derive`] or [`derive::derive_any`].
type Derive = fn(&IntNetwork, &derive::Options) -> std::result::Result<Parameters, LowerError>;

/// A model, lowered and derived for a target.
pub(crate) struct Prepared {
    pub(crate) model: Model,
    pub(crate) target: TargetFile,
    pub(crate) network: IntNetwork,
    pub(crate) parameters: Parameters,
}

impl Prepared {
    /// Reads a model and derives its integers, for this target.
    pub(crate) fn open(subject: &Subject) -> Result<Self> {
        let target = target_file(&subject.derivation, Some(&subject.target))?;
        Self::for_target(&subject.source, target)
    }

    /// The same for a target that has been read.
    pub(crate) fn for_target(source: &Source, target: TargetFile) -> Result<Self> {
        Self::with(source, target, derive::derive)
    }

    fn with(source: &Source, target: TargetFile, derive: Derive) -> Result<Self> {
        let model = Model::open(source)?;
        let name = || model.name();
        let network = lower::lower(&model.source, &model.options).with_context(name)?;
        let parameters = derive(&network, &target.derivation).with_context(name)?;
        for warning in &parameters.warnings {
            terminal::warning(warning);
        }
        Ok(Self { model, target, network, parameters })
    }

    /// Reads a model to run it: one without integers to derive runs, too.
    pub(crate) fn open_to_run(subject: &Subject) -> Result<Self> {
        let target = target_file(&subject.derivation, Some(&subject.target))?;
        Self::with(&subject.source, target, derive::derive_any)
    }

    /// The same, where who feeds whom is known.
    ///
    /// # Errors
    /// The wiring is a guess: what is computed or proven with it would be, too.
    pub(crate) fn not_guessed(self) -> Result<Self> {
        if self.network.wiring != Wiring::KeyOrder {
            return Ok(self);
        }
        let chain: Vec<&str> = self.network.nodes.iter().map(|node| node.name.as_str()).collect();
        bail!(
            "{0}: the file does not say which layer feeds which, and the order of its keys is only a guess: {1}\n  \
             hint: gen_params graph {0} > net.toml; correct net.toml, delete its marks, and give it with --graph net.toml",
            self.model.name(),
            chain.join(" -> ")
        );
    }

    /// The input that `path` names, pixels in the order of axes that the network takes.
    pub(crate) fn input(&self, path: &Path, options: &InputOptions) -> Result<Input> {
        let input = Input::read(path, options)?;
        match self.taken().and_then(|activation| input.remarks(activation)) {
            Some(remark @ Remark::Codes(_)) => terminal::say(format!("{}: {remark}", path.display())),
            Some(remark @ Remark::Saturates { .. }) => {
                terminal::warning(&format!("{}: {remark}", path.display()));
            }
            None => {}
        }
        Ok(if self.model.source.form == Form::Tflite { input.channels_last() } else { input })
    }

    /// S, Z and type of the codes that the network makes of its input, where it has one, and they are known.
    fn taken(&self) -> Option<Activation> {
        let &[input] = self.network.inputs.as_slice() else { return None };
        self.network.input_activation(input)
    }

    /// The arithmetic of the name that `flag` gives.
    pub(crate) fn arithmetic(&self, flag: &'static str, name: &str) -> Result<Arithmetic> {
        arithmetic::named(name, &self.target).context(flag)
    }

    /// The network in the target's arithmetic.
    pub(crate) fn on_target(&self) -> Result<Machine<'_>> {
        self.machine(Arithmetic::Target(arithmetic::target(&self.target)?))
    }

    /// The network in one arithmetic.
    pub(crate) fn machine(&self, arithmetic: Arithmetic) -> Result<Machine<'_>> {
        Machine::new(&self.network, &self.parameters, arithmetic).with_context(|| self.model.name())
    }

    /// The edges with the codes of the network's outputs: where reals leave, the codes before them.
    pub(crate) fn code_outputs(&self) -> Result<Vec<(EdgeId, Activation)>> {
        let network = &self.network;
        let code_edge = |id: EdgeId| {
            let dequantize = network.nodes.iter().find(|n| n.op == Op::Dequantize && n.outputs.contains(&id));
            let edge = dequantize.and_then(|node| node.inputs.first().copied()).unwrap_or(id);
            let activation = network.edge(edge).activation;
            activation.map(|activation| (edge, activation)).ok_or_else(|| {
                anyhow!("{}: the output {} has no known scale", self.model.name(), network.edge(id).name)
            })
        };
        network.outputs.iter().map(|&id| code_edge(id)).collect()
    }
}

/// The input as values of at most `batch` images each, with the number of the first image of each; of a network that
/// keeps states, as many images as its states are for.
pub(crate) fn batches(machine: &Machine<'_>, input: &Input, batch: usize) -> Result<Vec<(usize, Value)>> {
    let network = machine.network();
    let &[id] = network.inputs.as_slice() else {
        bail!("the network has {} inputs; networks with one can be run", network.inputs.len());
    };
    let takes = machine.input_activation(id);
    if let (Values::Codes(_, found), Some(takes)) = (&input.values, takes)
        && *found != takes.code_type.name()
    {
        bail!("the input has codes of type {found}, and the network takes {}", takes.code_type.name());
    }
    let elements = input.shape.iter().skip(1).product::<usize>();
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
pub(crate) fn fast(machine: &Machine<'_>, input: &Input) -> Option<Engine> {
    let &[id] = machine.network().inputs.as_slice() else { return None };
    let as_taken = match input.values {
        Values::Reals(_) => machine.network().edge(id).activation.is_none(),
        Values::Codes(..) => machine.network().edge(id).activation.is_some(),
    };
    let image = input.shape.get(1..)?.to_vec();
    if as_taken { Engine::of(machine, &[image]).ok() } else { None }
}

/// Warns of what the engine does on these inputs that nobody would expect.
pub(crate) fn warn_of_peculiarities(machine: &Machine<'_>, value: &Value) -> Result<()> {
    let mut edges = machine.begin(vec![value.clone()])?;
    for (index, node) in machine.network().nodes.iter().enumerate() {
        if let Some(text) = machine.peculiarity(index, &edges) {
            terminal::warning(&text);
        }
        let step = machine.step(index, &edges)?;
        edges.set(&node.outputs, step.results);
    }
    Ok(())
}

/// Computes `each` for every batch in some arithmetics and gives the results in order: on all processors, or, where the
/// network keeps states, one after the other, each with the states that the one before it left. `each` gets the number of the
/// batch's first image and the edges of each machine, and runs all nodes.
pub(crate) fn for_each_batch<const N: usize, T: Send>(
    machines: [&Machine<'_>; N],
    batches: Vec<(usize, Value)>,
    images: usize,
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
        begun.try_into().map_err(|_| anyhow!("another number of machines"))
    };
    if machines.iter().all(|machine| machine.network().states.is_empty()) {
        return in_parallel(batches, images, |first, value| each(first, &mut begin(value, None)?));
    }
    let mut previous = None;
    let mut results = Vec::with_capacity(batches.len());
    for (first, value) in batches {
        let mut edges = begin(value, previous.as_ref())?;
        results.push(each(first, &mut edges)?);
        previous = Some(edges);
    }
    Ok(results)
}

/// Computes `each` for every batch, on all processors, and gives the results in order. `each` gets the number of the
/// batch's first image and its input.
pub(crate) fn in_parallel<T: Send>(
    batches: Vec<(usize, Value)>,
    images: usize,
    each: impl Fn(usize, Value) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    // Draws nothing unless stderr is a terminal.
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} images, {per_sec}, {eta} left");
    let progress =
        ProgressBar::new(images as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let results = batches
        .into_par_iter()
        .with_max_len(1)
        .map(|(first, value)| {
            let count = value.shape().first().copied().unwrap_or(0);
            let result = each(first, value);
            progress.inc(count as u64);
            result
        })
        .collect::<Result<Vec<T>>>();
    progress.finish_and_clear();
    results
}

/// Runs all nodes on the edges of [`Machine::begin`].
pub(crate) fn run_nodes(
    machine: &Machine<'_>,
    edges: &mut Edges,
    first_image: usize,
) -> Result<OverflowList> {
    let mut overflows = OverflowList::default();
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
        Some(Value::Floats(_)) => Err(anyhow!("an edge holds reals and no codes")),
        None => Err(anyhow!("an edge is never computed")),
    }
}

/// Overflows by node and stage, over all batches.
#[derive(Debug, Default)]
pub(crate) struct OverflowList(Vec<(usize, Overflow)>);

impl OverflowList {
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
    pub(crate) fn sorted(mut self) -> Vec<(usize, Overflow)> {
        self.0.sort_by_key(|(node, overflow)| (*node, overflow.stage));
        self.0
    }
}

/// One warning per layer and register.
pub(crate) fn warn_of_overflows(machine: &Machine<'_>, overflows: &[(usize, Overflow)]) {
    let Arithmetic::Target(target) = machine.arithmetic() else { return };
    for (node, overflow) in overflows {
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
                    gen_params::hardware::OnOverflow::Wrap => "wrapped",
                    gen_params::hardware::OnOverflow::Saturate => "saturated",
                }
            ),
        };
        terminal::warning(&format!(
            "{}: {} {what}; the first, {}, at {}",
            machine.network().nodes.get(*node).map_or("", |node| node.name.as_str()),
            table::count(overflow.count),
            overflow.value,
            position(&overflow.first),
        ));
    }
}

/// An index of (N, C, spatial...) in words.
pub(crate) fn position(index: &[usize]) -> String {
    match index {
        [image] => format!("image {image}"),
        [image, channel] => format!("image {image}, channel {channel}"),
        [image, channel, place @ ..] => {
            let place = place.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("image {image}, channel {channel}, position ({place})")
        }
        [] => "its only value".into(),
    }
}
