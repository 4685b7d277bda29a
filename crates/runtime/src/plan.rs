//! A network made into steps: shapes, layouts, memory, and for each node the fastest way that gives the reference's codes.

use gen_params_core::contract::Contract;
use gen_params_core::machine;
use gen_params_core::network::{Edge, EdgeId, IntNetwork, Node};
use gen_params_core::ops::{Layer, Op};
use gen_params_core::parameters::{Activation, LayerKind};
use gen_params_core::tensor::Layout;

use crate::error::{Error, Result};
use crate::layer::LayerStep;
use crate::memory::{Buffers, Order, to_byte};
use crate::oracle::{Integers, OnTarget, Oracle};
use crate::pool::{MaxPool, SumPool};
use crate::requantize::Rescaling;
use crate::step::{Computation, Memory, Operand, Reference, Source};
use crate::table::Table;

/// Images that shapes are planned with: enough to tell the batch from other axes.
const IMAGES: usize = 2;

/// A network, planned for one shape of image.
#[derive(Debug)]
pub(crate) struct Plan {
    /// By edge; `None` for edges that hold floats.
    pub(crate) edges: Vec<Option<EdgePlan>>,
    /// By edge, where its codes are: itself, or for dequantized edges the edge that was dequantized.
    pub(crate) codes_of: Vec<usize>,
    /// Shapes (C, spatial...) by edge.
    pub(crate) shapes: Vec<Vec<usize>>,
    /// In execution order.
    pub(crate) steps: Vec<Step>,
    /// Bytes of each buffer, for one image.
    pub(crate) buffers: Vec<usize>,
}

/// An edge that holds codes.
#[derive(Debug, Clone)]
pub(crate) struct EdgePlan {
    pub(crate) activation: Activation,
    pub(crate) layout: Layout,
    pub(crate) order: Order,
    pub(crate) buffer: usize,
}

/// One step.
#[derive(Debug)]
pub(crate) enum Step {
    /// An input of the network becomes the codes of an edge.
    Load {
        /// Index of the input.
        input: usize,
        /// The edge.
        edge: usize,
        /// The reference, where it quantizes otherwise than in float32.
        reference: Option<Box<Oracle>>,
    },
    /// A node.
    Node {
        /// Its index in the network.
        node: usize,
        computation: Box<Computation>,
        inputs: Vec<usize>,
        outputs: Vec<usize>,
    },
}

impl Plan {
    /// Plans a network for batches of images of these shapes, (C, spatial...), one for each of its inputs.
    pub(crate) fn new(network: &IntNetwork, integers: Integers<'_>, images: &[Vec<usize>]) -> Result<Self> {
        if let Some(reason) = machine::missing(network).into_iter().next() {
            return Err(Error::node(&reason.place, reason.text));
        }
        if images.len() != network.inputs.len() {
            let (found, expected) = (images.len(), network.inputs.len());
            return Err(Error::Input(format!("found {found} shapes, expected {expected}")));
        }
        let wide = |edge: &&Edge| edge.activation.is_some_and(|activation| activation.code_type.is_wide());
        if let Some(edge) = network.edges.iter().find(wide) {
            return Err(Error::node(
                &edge.name,
                "has codes of 16 bits or more, which only the reference computes with",
            ));
        }
        if let Some(node) = network.nodes.iter().find(|node| matches!(node.op, Op::Constant(_))) {
            return Err(Error::node(&node.name, "is a constant, which only the reference computes with"));
        }
        if let Some(state) = network.states.first() {
            let name = &network.edge(state.before).name;
            return Err(Error::node(name, "is kept between images, which only the reference does"));
        }
        let mut planner = Planner::new(network, integers);
        for (index, (&id, image)) in network.inputs.iter().zip(images).enumerate() {
            planner.shapes[id.0] = Some(image_to_batch(image));
            if let Some(activation) = network.edge(id).activation {
                planner.add_edge(id, activation, Layout::Contiguous);
                planner.steps.push(Step::Load { input: index, edge: id.0, reference: None });
            }
        }
        for (index, node) in network.nodes.iter().enumerate() {
            planner.node(index, node)?;
        }
        planner.finish()
    }
}

/// A plan in the making.
struct Planner<'a> {
    network: &'a IntNetwork,
    integers: Integers<'a>,
    contract: Contract,
    /// With [`IMAGES`] images.
    shapes: Vec<Option<Vec<usize>>>,
    edges: Vec<Option<EdgePlan>>,
    codes_of: Vec<usize>,
    steps: Vec<Step>,
}

impl<'a> Planner<'a> {
    fn new(network: &'a IntNetwork, integers: Integers<'a>) -> Self {
        let count = network.edges.len();
        Self {
            network,
            integers,
            contract: integers.contract(),
            shapes: vec![None; count],
            edges: vec![None; count],
            codes_of: (0..count).collect(),
            steps: Vec::new(),
        }
    }

    /// Shape (C, spatial...) of an edge that is known.
    fn image(&self, id: EdgeId) -> Vec<usize> {
        self.shapes[id.0].as_ref().map(|shape| shape[1..].to_vec()).unwrap_or_default()
    }

    fn add_edge(&mut self, id: EdgeId, activation: Activation, layout: Layout) {
        let order = Order::of(&self.image(id));
        self.edges[id.0] = Some(EdgePlan { activation, layout, order, buffer: 0 });
    }

    fn edge(&self, id: EdgeId) -> Option<&EdgePlan> {
        self.edges[self.codes_of[id.0]].as_ref()
    }

    fn node(&mut self, index: usize, node: &Node) -> Result<()> {
        let shapes = self.node_shapes(node)?;
        let results = shapes.len();
        for (&id, shape) in node.outputs.iter().zip(shapes) {
            self.shapes[id.0] = Some(shape);
        }
        let oracle = Oracle::new(self.network, index, node, self.integers);
        let [first, ..] = node.inputs[..] else { return Err(oracle.error("has no inputs")) };
        match &node.op {
            Op::Dequantize => {
                self.codes_of[node.outputs[0].0] = self.codes_of[first.0];
                return Ok(());
            }
            Op::Quantize => {
                let input = self.network.inputs.iter().position(|&id| id == first);
                let Some(input) = input else {
                    return Err(oracle.error("quantizes what is not an input of the network"));
                };
                self.add_edge(node.outputs[0], oracle.output()?, Layout::Contiguous);
                let reference = match self.contract {
                    Contract::Fbgemm
                    | Contract::Qnnpack
                    | Contract::Onednn
                    | Contract::X86
                    | Contract::LitertXnnpack
                    | Contract::LitertBuiltin => None,
                    Contract::Onnxruntime | Contract::Litert | Contract::Exact => Some(Box::new(oracle)),
                };
                self.steps.push(Step::Load { input, edge: node.outputs[0].0, reference });
                return Ok(());
            }
            _ => {}
        }
        let (computation, layouts) = self.computation(node, oracle)?;
        for (&id, layout) in node.outputs.iter().zip(layouts) {
            if let Some(activation) = self.network.edge(id).activation {
                self.add_edge(id, activation, layout);
            }
        }
        self.steps.push(Step::Node {
            node: index,
            computation: Box::new(computation),
            inputs: node.inputs.iter().map(|id| self.codes_of[id.0]).collect(),
            outputs: node.outputs.iter().take(results).map(|id| id.0).collect(),
        });
        Ok(())
    }

    /// Shapes of a node's results; the batch must stay their first axis.
    fn node_shapes(&self, node: &Node) -> Result<Vec<Vec<usize>>> {
        let inputs: Option<Vec<&[usize]>> =
            node.inputs.iter().map(|id| self.shapes[id.0].as_deref()).collect();
        let inputs = inputs.ok_or_else(|| Error::node(&node.name, "has an input that is computed later"))?;
        let shapes = node
            .op
            .shapes(&inputs, &self.shapes)
            .map_err(|error| Error::node(&node.name, error.to_string()))?;
        if !node.has_edges_for(shapes.len()) {
            let (found, expected) = (shapes.len(), node.outputs.len());
            return Err(Error::node(&node.name, format!("gives {found} results, expected {expected}")));
        }
        match shapes.iter().find(|shape| shape.first() != Some(&IMAGES)) {
            Some(shape) => Err(mixes_images(node, shape)),
            None => Ok(shapes),
        }
    }

    /// How a node is computed, and the layouts of its results.
    fn computation(&self, node: &Node, oracle: Oracle) -> Result<(Computation, Vec<Layout>)> {
        let inputs: Vec<&EdgePlan> = node
            .inputs
            .iter()
            .map(|&id| self.edge(id).ok_or_else(|| oracle.error("has an input of floats")))
            .collect::<Result<_>>()?;
        let [input, ..] = inputs[..] else { return Err(oracle.error("has no inputs")) };
        let images: Vec<Vec<usize>> = node.inputs.iter().map(|&id| self.image(id)).collect();
        let output = self.image(node.outputs[0]);
        let order = Order::of(&output);
        // Codes that the target cannot have are counted where they are met.
        if !oracle.takes_every_code() {
            return self.reference(node, oracle);
        }
        let unfused = self.contract == Contract::Onnxruntime && self.network.fusion(node).is_float();
        Ok(match &node.op {
            Op::Layer(layer) => {
                let layout =
                    if layer.kind == LayerKind::Linear { Layout::Contiguous } else { Layout::ChannelsLast };
                if unfused || self.needs_reference(layer, node, &images[0]) {
                    return self.reference(node, oracle);
                }
                let activations = [oracle.input(0)?, oracle.output()?];
                let rescaling = match oracle.on_target() {
                    Some(OnTarget::Layer(layer)) => match Rescaling::of_target(layer) {
                        Some(rescaling) => rescaling,
                        None => return self.reference(node, oracle),
                    },
                    _ => {
                        let contract = self.network.contract_of(node, self.contract);
                        Rescaling::of_contract(&node.name, layer, contract, activations)?
                    }
                };
                let step =
                    LayerStep::new(&node.name, layer, &rescaling, activations[0], &images[0], &output)?;
                (Computation::Layer(Box::new(step)), vec![layout])
            }
            Op::Relu | Op::Function(_) => self.table(node, &oracle)?,
            Op::Clamp { .. } if self.contract != Contract::Qnnpack => self.table(node, &oracle)?,
            Op::Add { .. } | Op::Sub { .. } | Op::Mul { .. } | Op::Extremum(_) => {
                if inputs.len() < 2 {
                    return Err(oracle.error("has one input, expected two"));
                }
                let table = Table::new(&oracle, 2)?;
                let operands = [operand(&images[0], &output), operand(&images[1], &output)];
                let memory = self.memory(node, &oracle)?;
                let layout = memory.result.1;
                (Computation::Pair { table, order, memory, operands }, vec![layout])
            }
            Op::MaxPool(pool) => {
                let layouts = self.layouts(node, &oracle)?;
                match MaxPool::new(pool, &images[0], &output, input.activation.code_type) {
                    Some(pool) => (Computation::MaxPool(pool), layouts),
                    None => return self.reference(node, oracle),
                }
            }
            // Where channels are last, PyTorch adds floats over three axes: no function of the sum of codes.
            Op::AdaptiveAveragePool { size }
                if unfused || (size.len() == 3 && self.contract.is_pytorch()) =>
            {
                return self.reference(node, oracle);
            }
            Op::AdaptiveAveragePool { .. } if order.area == 1 && images[0].len() > 1 => {
                let layouts = self.layouts(node, &oracle)?;
                match SumPool::new(&oracle, &images[0], input.layout)? {
                    Some(pool) => (Computation::SumPool(pool), layouts),
                    None => return self.reference(node, oracle),
                }
            }
            Op::Shape(_) => return self.select(node, &oracle, input),
            Op::Quantize | Op::Dequantize | Op::Constant(_) => {
                return Err(oracle.error("is computed elsewhere"));
            }
            _ => return self.reference(node, oracle),
        })
    }

    /// A table of one code.
    fn table(&self, node: &Node, oracle: &Oracle) -> Result<(Computation, Vec<Layout>)> {
        let table = Table::new(oracle, 1)?;
        let order = Order::of(&self.image(node.outputs[0]));
        let memory = self.memory(node, oracle)?;
        let layout = memory.result.1;
        Ok((Computation::Single { table, order, memory }, vec![layout]))
    }

    /// Where the elements of a node's operands and of its only result lie.
    fn memory(&self, node: &Node, oracle: &Oracle) -> Result<Memory> {
        let layout = self.layouts(node, oracle)?.first().copied().unwrap_or(Layout::Contiguous);
        let operand = |&id: &EdgeId| {
            let (image, layout) = (self.image(id), self.edge(id)?.layout);
            let layout = match &node.op {
                Op::Function(function) => function.read_layout(&image_to_batch(&image), layout),
                _ => layout,
            };
            Some((image, layout))
        };
        Ok(Memory {
            result: (self.image(node.outputs[0]), layout),
            operands: node.inputs.iter().filter_map(operand).collect(),
        })
    }

    /// True for a layer whose sums the kernels do not give: they may leave 32 bits, or saturate in the engine, or have
    /// axes that stand elsewhere in memory.
    fn needs_reference(&self, layer: &Layer, node: &Node, image: &[usize]) -> bool {
        let Some(activation) = self.network.edge(node.inputs[0]).activation else { return true };
        let (min, max) = activation.code_type.range();
        let reachable = self.network.edge(node.inputs[0]).range.map_or(max, |range| range.max);
        if layer.saturates_pairs(self.contract) && reachable > 127 {
            return true;
        }
        let distance =
            i64::from((max - activation.zero_point).abs().max((min - activation.zero_point).abs()));
        let channels = i64::try_from(layer.output_channels()).unwrap_or(1).max(1);
        let taps = i64::try_from(layer.weight.codes.len()).unwrap_or(i64::MAX) / channels;
        let zero_point =
            layer.weight.zero_point.iter().map(|z| i64::from(z.unsigned_abs())).max().unwrap_or(0);
        let largest = taps.saturating_mul(distance).saturating_mul(128 + zero_point);
        largest > i64::from(i32::MAX) || (layer.kind == LayerKind::Linear && image.len() != 1)
    }

    /// The reference, image by image.
    fn reference(&self, node: &Node, oracle: Oracle) -> Result<(Computation, Vec<Layout>)> {
        let layouts = self.layouts(node, &oracle)?;
        let inputs =
            node.inputs.iter().filter_map(|&id| Some((self.image(id), self.edge(id)?.layout))).collect();
        let outputs = node.outputs.iter().map(|&id| self.image(id)).collect();
        Ok((Computation::Reference(Box::new(Reference { oracle, inputs, outputs })), layouts))
    }

    /// Layouts of a node's results, by asking for one image of zero points.
    fn layouts(&self, node: &Node, oracle: &Oracle) -> Result<Vec<Layout>> {
        if let Op::Layer(layer) = &node.op {
            let linear = layer.kind == LayerKind::Linear;
            return Ok(vec![if linear { Layout::Contiguous } else { Layout::ChannelsLast }]);
        }
        let tensors = node.inputs.iter().filter_map(|&id| Some((id, self.edge(id)?))).map(|(id, edge)| {
            let shape: Vec<usize> = [1].into_iter().chain(self.image(id)).collect();
            let zeros = vec![edge.activation.zero_point; edge.order.length()];
            oracle.tensor(shape, edge.layout, zeros)
        });
        let results = oracle.ask(tensors.collect::<Result<_>>()?, &self.shapes)?;
        Ok(results.iter().map(gen_params_core::tensor::Tensor::layout).collect())
    }

    /// A rearrangement, by asking for the indices of the elements.
    fn select(&self, node: &Node, oracle: &Oracle, input: &EdgePlan) -> Result<(Computation, Vec<Layout>)> {
        let length = input.order.length();
        let too_many = || oracle.error("has more elements than fit 31 bits");
        let count = i32::try_from(IMAGES * length).map_err(|_| too_many())?;
        // What fills is told apart by a zero point that is no index.
        let above_zero = match &node.op {
            Op::Shape(shape) => shape.filling(0),
            _ => 0,
        };
        let filling = to_byte(input.activation.zero_point + above_zero);
        let marked = oracle.clone().with_zero_point(-1 - above_zero);
        let shape: Vec<usize> = [IMAGES].into_iter().chain(self.image(node.inputs[0])).collect();
        let indices = marked.tensor(shape, input.layout, (0..count).collect())?;
        let results = marked.ask(vec![indices], &self.shapes)?;
        let layouts: Vec<Layout> = results.iter().map(gen_params_core::tensor::Tensor::layout).collect();
        if layouts != self.layouts(node, &marked)? {
            return Err(oracle.error("lies in memory in another way for one image than for several"));
        }
        let results = results
            .iter()
            .zip(&node.outputs)
            .map(|(result, &id)| {
                let order = Order::of(&self.image(id));
                // Every image must come from the image before, in the same way.
                let (one, two) = result.elements().split_at(order.length());
                let alike =
                    one.iter().zip(two).all(|(&a, &b)| match (usize::try_from(a), usize::try_from(b)) {
                        (Ok(a), Ok(b)) => a < length && b == a + length,
                        (Err(_), Err(_)) => true,
                        _ => false,
                    });
                if !alike {
                    return Err(mixes_images(node, result.shape()));
                }
                let source = |place: usize| match usize::try_from(one[order.index(place)]) {
                    Ok(index) => Source::Place(input.order.place(index)),
                    Err(_) => Source::Filling(filling),
                };
                Ok((0..order.length()).map(source).collect())
            })
            .collect::<Result<Vec<_>>>()?;
        Ok((Computation::Select { input_length: length, results }, layouts))
    }

    /// Gives every edge its buffer.
    fn finish(self) -> Result<Plan> {
        let Self { mut edges, steps, shapes, codes_of, .. } = self;
        let mut last_use = vec![0; edges.len()];
        for (index, step) in steps.iter().enumerate() {
            match step {
                Step::Load { edge, .. } => last_use[*edge] = index,
                Step::Node { inputs, outputs, .. } => {
                    for &edge in inputs.iter().chain(outputs) {
                        last_use[edge] = index;
                    }
                }
            }
        }
        let mut buffers = Buffers::default();
        for (index, step) in steps.iter().enumerate() {
            let (inputs, outputs): (&[usize], &[usize]) = match step {
                Step::Load { edge, .. } => (&[], std::slice::from_ref(edge)),
                Step::Node { inputs, outputs, .. } => (inputs, outputs),
            };
            for &output in outputs {
                if let Some(edge) = &mut edges[output] {
                    edge.buffer = buffers.take(edge.order.length());
                }
            }
            let mut ended: Vec<usize> =
                inputs.iter().chain(outputs).copied().filter(|&edge| last_use[edge] == index).collect();
            ended.sort_unstable();
            ended.dedup();
            for edge in ended {
                if let Some(edge) = &edges[edge] {
                    buffers.give(edge.buffer);
                }
            }
        }
        let shapes =
            shapes.into_iter().map(|shape| shape.map(|s| s[1..].to_vec()).unwrap_or_default()).collect();
        Ok(Plan { edges, codes_of, shapes, steps, buffers: buffers.lengths })
    }
}

/// How an operand of this shape is read for a result of that one, both (C, spatial...).
fn operand(image: &[usize], result: &[usize]) -> Operand {
    if image == result {
        return Operand::Whole;
    }
    let (own, order) = (Order::of(image), Order::of(result));
    let places = (0..order.length())
        .map(|place| {
            let mut rest = order.index(place);
            let mut index = 0;
            let mut step = 1;
            // From the last axis on: an axis of size 1 is repeated.
            for (axis, &size) in result.iter().enumerate().rev() {
                let coordinate = rest % size;
                rest /= size;
                let missing = result.len() - image.len();
                let own_size = axis.checked_sub(missing).map_or(1, |axis| image[axis]);
                if own_size > 1 {
                    index += coordinate * step;
                }
                step *= own_size;
            }
            own.place(index)
        })
        .collect();
    Operand::Broadcast { length: own.length(), places }
}

fn image_to_batch(image: &[usize]) -> Vec<usize> {
    [IMAGES].into_iter().chain(image.iter().copied()).collect()
}

fn mixes_images(node: &Node, shape: &[usize]) -> Error {
    let text = format!("mixes the images of a batch: the shape of {IMAGES} images becomes {shape:?}");
    Error::node(&node.name, text)
}
