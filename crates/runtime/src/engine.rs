//! Runs a planned network: images in groups, groups on threads.

use std::sync::{Mutex, PoisonError};

use gen_params_core::contract::Contract;
use gen_params_core::hardware::Overflow;
use gen_params_core::machine::Machine;
use gen_params_core::network::{EdgeId, IntNetwork};
use gen_params_core::ops::Value;
use gen_params_core::quantize::dequantize;
use gen_params_core::tensor::{Codes, Layout, Tensor};
use gen_params_kernels::Kernel;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::layer::{SLACK, Scratch};
use crate::memory::{to_byte, to_integer};
use crate::oracle::{Integers, Oracle};
use crate::plan::{EdgePlan, Plan, Step};
use crate::quantize::quantize;
use crate::step::Images;

/// Bytes of codes that a thread works on: they stay in the cache of its core.
const GROUP_BYTES: usize = 1 << 18;

/// Images whose linear layers share one pass over the weights.
const MOST_IMAGES: usize = 32;

/// A network, ready to run.
#[derive(Debug)]
pub struct Engine {
    plan: Plan,
    kernel: Kernel,
    inputs: Vec<EdgeId>,
    outputs: Vec<EdgeId>,
    /// Memory of threads that are not running.
    idle: Mutex<Vec<Workspace>>,
}

/// What a run is asked for, besides being run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// Edges whose codes are wanted.
    pub edges: &'a [EdgeId],
    /// Nodes, by index in the network, whose accumulators `sum((x - Z1) * (w - Z2))` are wanted.
    pub accumulators: &'a [usize],
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// (N, C, spatial...), in the order of the request.
    pub edges: Vec<Codes>,
    /// (N, O, spatial...), in the order of the request.
    pub accumulators: Vec<Tensor<i32>>,
    /// What did not fit into the target's registers, with the index of its node; a node may have several of one stage, each
    /// of other images. Empty in an engine's arithmetic.
    pub overflows: Vec<(usize, Overflow)>,
}

/// Memory of one thread.
#[derive(Debug, Default)]
struct Workspace {
    buffers: Vec<Vec<u8>>,
    results: Vec<Vec<u8>>,
    accumulators: Vec<i32>,
    scratch: Scratch,
}

impl Engine {
    /// Plans a network for images of these shapes, (C, spatial...), one for each of its inputs, with the fastest kernel
    /// of this machine.
    ///
    /// # Errors
    /// The file does not say all that running needs, the shapes do not fit, or a node mixes the images of a batch.
    pub fn new(network: &IntNetwork, contract: Contract, images: &[Vec<usize>]) -> Result<Self> {
        Self::with_kernel(network, contract, images, Kernel::best())
    }

    /// The same with a kernel of one's choice. All give the same codes.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_kernel(
        network: &IntNetwork,
        contract: Contract,
        images: &[Vec<usize>],
        kernel: Kernel,
    ) -> Result<Self> {
        Self::planned(network, Integers::Contract(contract), images, kernel)
    }

    /// Plans what a machine runs node by node, in its arithmetic: an engine's, or the target's.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn of(machine: &Machine<'_>, images: &[Vec<usize>]) -> Result<Self> {
        Self::of_with_kernel(machine, images, Kernel::best())
    }

    /// The same with a kernel of one's choice. All give the same codes.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn of_with_kernel(machine: &Machine<'_>, images: &[Vec<usize>], kernel: Kernel) -> Result<Self> {
        Self::planned(machine.network(), Integers::of(machine), images, kernel)
    }

    fn planned(
        network: &IntNetwork,
        integers: Integers<'_>,
        images: &[Vec<usize>],
        kernel: Kernel,
    ) -> Result<Self> {
        let plan = Plan::new(network, integers, images)?;
        let (inputs, outputs) = (network.inputs.clone(), network.outputs.clone());
        Ok(Self { plan, kernel, inputs, outputs, idle: Mutex::default() })
    }

    /// Runs one batch: one value per input of the network, (N, C, spatial...). Gives the outputs of the network, in order.
    ///
    /// Codes do not depend on the number of threads, nor on the batch but where the contract's engine itself does: its
    /// additions and activation functions treat the elements after the last full 64 of a batch's tensor differently.
    ///
    /// # Errors
    /// The inputs do not have the planned shapes.
    pub fn run(&self, inputs: &[Value]) -> Result<Vec<Value>> {
        let observed = self.observe(inputs, Request { edges: &self.outputs, accumulators: &[] }, |_| {})?;
        let outputs = observed.edges.into_iter().zip(&self.outputs);
        Ok(outputs.map(|(codes, &id)| self.output(codes, id)).collect())
    }

    /// Runs one batch and gives what is asked for. `progress` is told the number of images of each group that is done,
    /// from any thread.
    ///
    /// # Errors
    /// The inputs do not have the planned shapes, or something is asked for that the network does not have.
    pub fn observe(
        &self,
        inputs: &[Value],
        request: Request<'_>,
        progress: impl Fn(usize) + Sync,
    ) -> Result<Observed> {
        let batch = self.check(inputs)?;
        let wanted: Vec<&EdgePlan> = request
            .edges
            .iter()
            .map(|id| {
                let codes_of = self.plan.codes_of.get(id.0).and_then(|&edge| self.plan.edges[edge].as_ref());
                codes_of.ok_or_else(|| Error::Input(format!("edge {} holds no codes", id.0)))
            })
            .collect::<Result<_>>()?;
        let layers: Vec<EdgeId> =
            request.accumulators.iter().map(|&node| self.layer(node)).collect::<Result<_>>()?;

        let size = self.group_size(batch);
        let groups: Vec<Images> = (0..batch)
            .step_by(size)
            .map(|first| Images { first, count: size.min(batch - first), batch })
            .collect();
        let parts: Vec<Part> = groups
            .par_iter()
            .map(|&images| {
                let mut workspace = self.borrow_workspace(size);
                let part = self.group(inputs, images, request, &mut workspace);
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
                progress(images.count);
                part
            })
            .collect::<Result<_>>()?;

        let join = |id: EdgeId, layout: Layout, pick: &dyn Fn(&Part) -> &[i32]| {
            let shape: Vec<usize> =
                [batch].into_iter().chain(self.plan.shapes[id.0].iter().copied()).collect();
            let elements = parts.iter().flat_map(|part| pick(part).iter().copied()).collect();
            let tensor = Tensor::new(shape, elements).map_err(|error| Error::Input(error.to_string()))?;
            Ok(tensor.with_layout(layout))
        };
        let edges = request.edges.iter().zip(&wanted).enumerate();
        let layers = layers.iter().enumerate();
        Ok(Observed {
            edges: edges
                .map(|(index, (&id, edge))| join(id, edge.layout, &|part| &part.edges[index]))
                .collect::<Result<_>>()?,
            accumulators: layers
                .map(|(index, &id)| {
                    let layout =
                        self.plan.edges[id.0].as_ref().map_or(Layout::Contiguous, |edge| edge.layout);
                    join(id, layout, &|part| &part.accumulators[index])
                })
                .collect::<Result<_>>()?,
            overflows: parts.iter().flat_map(|part| part.overflows.iter().cloned()).collect(),
        })
    }

    /// An output of the network: real numbers, where it is dequantized.
    fn output(&self, codes: Codes, id: EdgeId) -> Value {
        let source = self.plan.codes_of[id.0];
        match &self.plan.edges[source] {
            Some(edge) if source != id.0 => {
                let reals = codes.elements().iter().map(|&code| dequantize(code, edge.activation)).collect();
                match Tensor::new(codes.shape().to_vec(), reals) {
                    Ok(reals) => Value::Floats(reals.with_layout(codes.dense_layout())),
                    Err(_) => Value::Codes(codes),
                }
            }
            _ => Value::Codes(codes),
        }
    }

    /// The result of a layer, by the index of its node.
    fn layer(&self, wanted: usize) -> Result<EdgeId> {
        let found = self.plan.steps.iter().find_map(|step| match step {
            Step::Node { node, computation, outputs, .. } if *node == wanted && computation.is_layer() => {
                outputs.first().map(|&edge| EdgeId(edge))
            }
            _ => None,
        });
        found.ok_or_else(|| Error::Input(format!("node {wanted} has no accumulators")))
    }

    /// The number of images of a batch.
    fn check(&self, inputs: &[Value]) -> Result<usize> {
        if inputs.len() != self.inputs.len() {
            let (found, expected) = (inputs.len(), self.inputs.len());
            return Err(Error::Input(format!("found {found} tensors, expected {expected}")));
        }
        let batch = inputs.first().and_then(|value| value.shape().first().copied()).unwrap_or(0);
        for (value, id) in inputs.iter().zip(&self.inputs) {
            let image = &self.plan.shapes[id.0];
            if value.shape().first() != Some(&batch) || value.shape()[1..] != image[..] {
                let found = value.shape();
                return Err(Error::Input(format!("found the shape {found:?}, expected (N, {image:?})")));
            }
            let layout = match value {
                Value::Codes(codes) => codes.is_contiguous(),
                Value::Floats(floats) => floats.is_contiguous(),
            };
            if !layout {
                return Err(Error::Input("found channels last, expected a contiguous tensor".into()));
            }
        }
        Ok(batch)
    }

    /// Images that are computed together: as many as stay in a cache, and some for every thread.
    fn group_size(&self, batch: usize) -> usize {
        let bytes = self.plan.buffers.iter().sum::<usize>().max(1);
        let share = batch.div_ceil(rayon::current_num_threads());
        (GROUP_BYTES / bytes).min(share).clamp(1, MOST_IMAGES)
    }

    fn borrow_workspace(&self, images: usize) -> Workspace {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = idle.unwrap_or_default();
        workspace.buffers.resize_with(self.plan.buffers.len(), Vec::new);
        for (buffer, length) in workspace.buffers.iter_mut().zip(&self.plan.buffers) {
            let length = images * length + SLACK;
            if buffer.len() < length {
                buffer.resize(length, 0);
            }
        }
        workspace
    }

    /// Runs some images.
    fn group(
        &self,
        inputs: &[Value],
        images: Images,
        request: Request<'_>,
        workspace: &mut Workspace,
    ) -> Result<Part> {
        let mut part = Part {
            edges: vec![Vec::new(); request.edges.len()],
            accumulators: vec![Vec::new(); request.accumulators.len()],
            overflows: Vec::new(),
        };
        for step in &self.plan.steps {
            match step {
                Step::Load { input, edge, reference } => {
                    if let (Some(plan), Some(value)) = (&self.plan.edges[*edge], inputs.get(*input)) {
                        self.load(value, images, plan, reference.as_deref(), workspace)?;
                    }
                    self.keep(*edge, images, request, workspace, &mut part);
                }
                Step::Node { node, computation, inputs, outputs } => {
                    let buffer = |edge: usize| self.plan.edges[edge].as_ref().map_or(0, |edge| edge.buffer);
                    // Results are taken out of the workspace, so that they and the inputs can be borrowed together.
                    let mut results = std::mem::take(&mut workspace.results);
                    results.extend(
                        outputs.iter().map(|&edge| std::mem::take(&mut workspace.buffers[buffer(edge)])),
                    );
                    let operands: Vec<&[u8]> =
                        inputs.iter().map(|&edge| workspace.buffers[buffer(edge)].as_slice()).collect();
                    let wanted = request.accumulators.iter().position(|wanted| wanted == node);
                    let order = outputs.first().and_then(|&edge| self.plan.edges[edge].as_ref());
                    let accumulators = wanted.zip(order).map(|(_, edge)| {
                        workspace.accumulators.resize(images.count * edge.order.length(), 0);
                        workspace.accumulators.as_mut_slice()
                    });
                    let scratch = &mut workspace.scratch;
                    let overflows = computation.run(
                        self.kernel,
                        images,
                        &operands,
                        &mut results,
                        accumulators,
                        scratch,
                    )?;
                    part.overflows.extend(overflows.into_iter().map(|overflow| (*node, overflow)));
                    for (&edge, result) in outputs.iter().zip(results.drain(..)) {
                        workspace.buffers[buffer(edge)] = result;
                    }
                    workspace.results = results;
                    if let (Some(index), Some(edge)) = (wanted, order) {
                        for image in workspace.accumulators.chunks_exact(edge.order.length().max(1)) {
                            edge.order.load(image, &mut part.accumulators[index], |sum| sum);
                        }
                    }
                    for &edge in outputs {
                        self.keep(edge, images, request, workspace, &mut part);
                    }
                }
            }
        }
        Ok(part)
    }

    /// Stores the codes of an input.
    fn load(
        &self,
        value: &Value,
        images: Images,
        edge: &EdgePlan,
        reference: Option<&Oracle>,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let length = edge.order.length();
        let elements = images.first * length..(images.first + images.count) * length;
        let buffer = &mut workspace.buffers[edge.buffer];
        let images = buffer.chunks_exact_mut(length.max(1));
        match (value, reference) {
            (Value::Codes(codes), _) => {
                for (codes, image) in codes.elements()[elements].chunks_exact(length.max(1)).zip(images) {
                    edge.order.store(codes, image, to_byte);
                }
            }
            (Value::Floats(floats), Some(reference)) => {
                for (reals, image) in floats.elements()[elements].chunks_exact(length.max(1)).zip(images) {
                    let tensor = Tensor::new(vec![length], reals.to_vec());
                    let codes =
                        reference.quantize(tensor.map_err(|error| reference.error(error.to_string()))?)?;
                    edge.order.store(codes.elements(), image, to_byte);
                }
            }
            (Value::Floats(floats), None) => {
                let reals = &floats.elements()[elements];
                if edge.order.channels == 1 || edge.order.area == 1 {
                    quantize(self.kernel, reals, edge.activation, buffer);
                    return Ok(());
                }
                let bytes = &mut workspace.scratch.padded;
                bytes.resize(bytes.len().max(length), 0);
                for (reals, image) in reals.chunks_exact(length.max(1)).zip(images) {
                    quantize(self.kernel, reals, edge.activation, bytes);
                    edge.order.store(&bytes[..length], image, |code| code);
                }
            }
        }
        Ok(())
    }

    /// Copies the codes of an edge to all places where they are wanted.
    fn keep(
        &self,
        edge: usize,
        images: Images,
        request: Request<'_>,
        workspace: &Workspace,
        part: &mut Part,
    ) {
        let Some(plan) = &self.plan.edges[edge] else { return };
        for (id, kept) in request.edges.iter().zip(&mut part.edges) {
            if self.plan.codes_of[id.0] == edge {
                let length = plan.order.length().max(1);
                for image in workspace.buffers[plan.buffer].chunks_exact(length).take(images.count) {
                    plan.order.load(image, kept, to_integer(plan.activation.code_type));
                }
            }
        }
    }
}

/// What some images gave, row-major.
struct Part {
    edges: Vec<Vec<i32>>,
    accumulators: Vec<Vec<i32>>,
    overflows: Vec<(usize, Overflow)>,
}
