//! One step of a plan: a node's way of being computed fast.

use gen_params_core::hardware::Overflow;
use gen_params_core::ops::Vectors;
use gen_params_core::tensor::Layout;
use gen_params_kernels::Kernel;

use crate::error::Result;
use crate::layer::{Accumulators, LayerStep, Scratch};
use crate::memory::{Order, to_byte, to_integer};
use crate::oracle::Oracle;
use crate::pool::{MaxPool, SumPool};
use crate::table::Table;

/// How a node is computed.
#[derive(Debug)]
pub(crate) enum Computation {
    /// A layer with weights.
    Layer(Box<LayerStep>),
    /// A table of codes.
    Single { table: Table, order: Order, memory: Memory },
    /// A table of pairs of codes.
    Pair { table: Table, order: Order, memory: Memory, operands: [Operand; 2] },
    /// Largest codes.
    MaxPool(MaxPool),
    /// Means by sums.
    SumPool(SumPool),
    /// A rearrangement: for each result, the place of each of its codes in the input, or the code that fills it.
    Select { input_length: usize, results: Vec<Vec<Source>> },
    /// The reference, image by image.
    Reference(Box<Reference>),
}

/// Where a code comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A place in the input image.
    Place(usize),
    /// The code that fills.
    Filling(u8),
}

/// How an operand is read.
#[derive(Debug)]
pub(crate) enum Operand {
    /// It has the shape of the result.
    Whole,
    /// It is broadcast: its place for each place of the result.
    Broadcast { length: usize, places: Vec<usize> },
}

/// Where PyTorch's loops find the elements of a result and of its operands: it decides which of them come in whole vectors.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Shape (C, spatial...) and layout of the result.
    pub(crate) result: (Vec<usize>, Layout),
    /// Shapes and layouts of the operands.
    pub(crate) operands: Vec<(Vec<usize>, Layout)>,
}

impl Memory {
    /// The elements of a batch of so many images that come in whole vectors.
    fn vectors(&self, batch: usize) -> Vectors {
        let of_batch =
            |image: &[usize]| -> Vec<usize> { [batch].into_iter().chain(image.iter().copied()).collect() };
        let shapes: Vec<Vec<usize>> = self.operands.iter().map(|(image, _)| of_batch(image)).collect();
        let operands: Vec<(&[usize], Layout)> = shapes
            .iter()
            .zip(&self.operands)
            .map(|(shape, (_, layout))| (shape.as_slice(), *layout))
            .collect();
        Vectors::new(&of_batch(&self.result.0), self.result.1, &operands)
    }
}

/// A node that only the reference computes.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) oracle: Oracle,
    /// Shapes (C, spatial...) and layouts of the inputs.
    pub(crate) inputs: Vec<(Vec<usize>, Layout)>,
    /// Shapes of the results.
    pub(crate) outputs: Vec<Vec<usize>>,
}

/// Some images of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Images {
    /// The first one's number in the batch.
    pub(crate) first: usize,
    /// How many.
    pub(crate) count: usize,
    /// Images of the batch.
    pub(crate) batch: usize,
}

impl Computation {
    /// True for a layer with weights.
    pub(crate) fn is_layer(&self) -> bool {
        match self {
            Self::Layer(_) => true,
            Self::Reference(reference) => reference.oracle.is_layer(),
            _ => false,
        }
    }

    /// Computes the results of some images from their inputs, both with [`SLACK`](crate::layer::SLACK) bytes behind them,
    /// and gives what did not fit into the target's registers.
    pub(crate) fn run(
        &self,
        kernel: Kernel,
        images: Images,
        inputs: &[&[u8]],
        outputs: &mut [Vec<u8>],
        accumulators: Accumulators<'_>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Overflow>> {
        let ([first, ..], Some((output, _))) = (inputs, outputs.split_first_mut()) else {
            return Ok(Vec::new());
        };
        match self {
            Self::Layer(layer) => layer.run(kernel, images.count, first, output, accumulators, scratch),
            Self::MaxPool(pool) => pool.run(kernel, images.count, first, output, scratch),
            Self::SumPool(pool) => pool.run(kernel, images.count, first, output, scratch),
            Self::Single { table, order, memory } => {
                let length = images.count * order.length();
                for (code, &input) in output[..length].iter_mut().zip(*first) {
                    *code = table.body[usize::from(input)];
                }
                if let Some(tail) = &table.tail {
                    for place in tail_places(images, *order, memory) {
                        output[place] = tail[usize::from(first[place])];
                    }
                }
            }
            Self::Pair { table, order, memory, operands } => {
                let [_, second, ..] = inputs else { return Ok(Vec::new()) };
                let length = images.count * order.length();
                match operands {
                    [Operand::Whole, Operand::Whole] => {
                        for ((code, &a), &b) in output[..length].iter_mut().zip(*first).zip(*second) {
                            *code = table.body[usize::from(a) << 8 | usize::from(b)];
                        }
                    }
                    [a, b] => {
                        for (place, code) in output[..length].iter_mut().enumerate() {
                            let (a, b) = (a.read(first, place, *order), b.read(second, place, *order));
                            *code = table.body[usize::from(a) << 8 | usize::from(b)];
                        }
                    }
                }
                if let Some(tail) = &table.tail {
                    let [a, b] = operands;
                    for place in tail_places(images, *order, memory) {
                        let (a, b) = (a.read(first, place, *order), b.read(second, place, *order));
                        output[place] = tail[usize::from(a) << 8 | usize::from(b)];
                    }
                }
            }
            Self::Select { input_length, results } => {
                for (output, sources) in outputs.iter_mut().zip(results) {
                    let inputs = first.chunks_exact((*input_length).max(1));
                    let outputs = output.chunks_exact_mut(sources.len().max(1));
                    for (input, output) in inputs.zip(outputs).take(images.count) {
                        for (code, source) in output.iter_mut().zip(sources) {
                            *code = match *source {
                                Source::Place(place) => input[place],
                                Source::Filling(code) => code,
                            };
                        }
                    }
                }
            }
            Self::Reference(reference) => return reference.run(images, inputs, outputs, accumulators),
        }
        Ok(Vec::new())
    }
}

impl Operand {
    fn read(&self, codes: &[u8], place: usize, order: Order) -> u8 {
        match self {
            Self::Whole => codes[place],
            Self::Broadcast { length, places } => {
                codes[place / order.length() * length + places[place % order.length()]]
            }
        }
    }
}

/// Places, in the memory of some images, of the elements that PyTorch's loops take one by one.
fn tail_places(images: Images, order: Order, memory: &Memory) -> Vec<usize> {
    let length = order.length();
    let first = images.first * length;
    let end = (images.first + images.count) * length;
    let vectors = memory.vectors(images.batch);
    let Some(body) = vectors.whole() else {
        let alone = |&place: &usize| {
            let (image, within) = (images.first + place / length, place % length);
            !vectors.contains(image * length + order.index(within))
        };
        return (0..end - first).filter(alone).collect();
    };
    let place = |element: usize| {
        let (image, within) = ((element - first) / length, element % length);
        image * length
            + match memory.result.1 {
                Layout::ChannelsLast => within,
                Layout::Contiguous | Layout::Strided(_) => order.place(within),
            }
    };
    (body.max(first)..end).map(place).collect()
}

impl Reference {
    fn run(
        &self,
        images: Images,
        inputs: &[&[u8]],
        outputs: &mut [Vec<u8>],
        mut accumulators: Accumulators<'_>,
    ) -> Result<Vec<Overflow>> {
        let mut overflows = Vec::new();
        for image in 0..images.count {
            let mut tensors = Vec::with_capacity(inputs.len());
            for (index, (codes, (shape, layout))) in inputs.iter().zip(&self.inputs).enumerate() {
                let order = Order::of(shape);
                let mut elements = Vec::with_capacity(order.length());
                let codes = &codes[image * order.length()..][..order.length()];
                order.load(codes, &mut elements, to_integer(self.oracle.input(index)?.code_type));
                let whole = [1].into_iter().chain(shape.iter().copied()).collect();
                tensors.push(self.oracle.tensor(whole, *layout, elements)?);
            }
            if let (Some(accumulators), [input, ..], [shape, ..]) =
                (accumulators.as_deref_mut(), tensors.as_slice(), self.outputs.as_slice())
            {
                let order = Order::of(shape);
                let sums = &mut accumulators[image * order.length()..][..order.length()];
                // The reference refuses sums of 8-bit codes that leave 32 bits.
                let narrow = |sum: i64| i32::try_from(sum).unwrap_or(i32::MAX);
                order.store(self.oracle.accumulate(input)?.elements(), sums, narrow);
            }
            let (results, beyond) = self.oracle.compute(tensors, &[])?;
            overflows.extend(beyond.into_iter().map(|mut overflow| {
                // It was the only image; its place in the batch is another.
                if let Some(place) = overflow.first.first_mut() {
                    *place += images.first + image;
                }
                overflow
            }));
            for ((result, output), shape) in results.iter().zip(outputs.iter_mut()).zip(&self.outputs) {
                let order = Order::of(shape);
                let codes = &mut output[image * order.length()..][..order.length()];
                order.store(result.elements(), codes, to_byte);
            }
        }
        Ok(overflows)
    }
}
