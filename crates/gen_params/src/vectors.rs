//! Inputs that hurt, layer by layer and for the whole network, with golden values.

use rayon::prelude::*;

use gen_params_core::hardware::{LayerVectors, Stage};
use gen_params_core::machine::Machine;
use gen_params_core::ops::Value;
use gen_params_core::tensor::{Tensor, element_count};
use gen_params_emit::folder::golden::axes;
use gen_params_emit::{GoldenTensor, Vectors};

use crate::error::{Error, Result};
use crate::golden::{self, golden};
use crate::input::Input;
use crate::run::{Progress, batches, only_input};

/// What a network is run on beside its layers.
#[derive(Debug, Clone, Copy)]
pub enum NetworkImages<'a> {
    /// Nothing: vectors of layers alone.
    None,
    /// Constant images of these sizes, (C, spatial...): nothing but the smallest code, the largest, and the zero point.
    Constant(&'a [usize]),
    /// Constant images, and these.
    Input(&'a Input),
}

/// Vectors of every layer with weights, each kind for at most `channels` of its output channels, and of the network.
pub(crate) fn vectors(
    machine: &Machine<'_>,
    channels: usize,
    images: NetworkImages<'_>,
    progress: Progress<'_>,
) -> Result<Vectors> {
    let nodes = &machine.network().nodes;
    let layers = layer_vectors(machine, channels)?;
    let tensors = layers.iter().flat_map(|(node, vectors)| layer_tensors(machine, *node, vectors));
    let layer_golden = golden(machine, tensors);
    let network = network_values(machine, images, progress)?;
    Ok(Vectors {
        layers: layers.into_iter().map(|(node, vectors)| (nodes[node].name.clone(), vectors)).collect(),
        layer_golden,
        network: network.map(|(names, tensors)| (names, golden(machine, tensors))),
    })
}

/// The vectors of all layers with weights, by node.
fn layer_vectors(machine: &Machine<'_>, channels: usize) -> Result<Vec<(usize, LayerVectors)>> {
    (0..machine.network().nodes.len())
        .into_par_iter()
        .with_max_len(1)
        .filter_map(|node| Some((node, machine.layer(node)?)))
        .map(|(node, layer)| Ok((node, layer.vectors(channels)?)))
        .collect()
}

/// Every stage of a layer, for its vectors.
fn layer_tensors(machine: &Machine<'_>, node: usize, vectors: &LayerVectors) -> [GoldenTensor; 7] {
    Stage::ALL.map(|stage| GoldenTensor {
        node: machine.network().nodes.get(node).map(|node| node.name.clone()),
        stage,
        shape: vectors.stages.shape_of(stage).to_vec(),
        axes: axes(vectors.stages.shape_of(stage).len()),
        width: golden::width(machine, node, stage),
        values: vectors.stages.of(stage).to_vec(),
    })
}

/// What the images are, and the values at all points of the network; `None` where it is not run.
fn network_values(
    machine: &Machine<'_>,
    images: NetworkImages<'_>,
    progress: Progress<'_>,
) -> Result<Option<(Vec<String>, Vec<GoldenTensor>)>> {
    let (image, input) = match images {
        NetworkImages::None => return Ok(None),
        NetworkImages::Constant(shape) => (shape, None),
        NetworkImages::Input(input) => (input.shape.get(1..).unwrap_or_default(), Some(input)),
    };
    let id = only_input(machine.network())?;
    let unknown = || Error::given("its input has no known scale and zero point");
    let activation = machine.input_activation(id).ok_or_else(unknown)?;
    let (smallest, largest) = activation.code_type.range();
    let constants =
        [("smallest-code", smallest), ("largest-code", largest), ("zero-point", activation.zero_point)];
    let elements = element_count(image).filter(|&n| n <= LARGEST_IMAGE);
    let elements = elements.ok_or_else(|| Error::option("shape", "too large an image"))?;
    let shape = [&[1], image].concat();
    let mut names = Vec::new();
    let mut values = Vec::new();
    for (name, code) in constants {
        values.push((names.len(), Value::Codes(Tensor::new(shape.clone(), vec![code; elements])?)));
        names.push(name.to_owned());
    }
    if let Some(input) = input {
        for (number, value) in batches(machine, input, 1)? {
            values.push((names.len(), value));
            names.push(format!("input {number}"));
        }
    }
    let points = golden::compute_batches(machine, values, progress, &Stage::ALL)?;
    Ok(Some((names, points.into_iter().map(|point| point.tensor).collect())))
}

/// Elements of a constant image, at most.
const LARGEST_IMAGE: usize = 1 << 26;
