//! `gen_params vectors`: inputs that hurt, layer by layer and for the whole network, with golden values.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use gen_params::emit::folder::golden::axes;
use gen_params::emit::{Existing, Golden, GoldenTensor, Vectors as Files, write_vectors};
use gen_params::hardware::{Aim, LayerVectors, Missing, Stage};
use gen_params::machine::Machine;
use gen_params::ops::Value;
use gen_params::tensor::Tensor;

use super::golden;
use crate::arguments::Vectors;
use crate::simulation::{Prepared, batches};
use crate::table::thousands;
use crate::{arithmetic, terminal};

/// Images of --input unless --limit says otherwise.
const FEW_IMAGES: usize = 4;

pub(crate) fn run(arguments: &Vectors) -> Result<()> {
    let prepared = Prepared::open(&arguments.subject)?.not_guessed()?;
    let machine = prepared.on_target()?;
    let golden = |tensors| Golden {
        contract: machine.arithmetic().name().to_owned(),
        options: arithmetic::describe(machine.arithmetic()),
        tensors,
    };
    let layers = layer_vectors(&machine, arguments.channels as usize)?;
    let tensors = layers.iter().flat_map(|(node, vectors)| layer_tensors(&machine, *node, vectors)).collect();
    let named = |(node, vectors): (usize, LayerVectors)| (prepared.network.nodes[node].name.clone(), vectors);
    let network = network_values(arguments, &prepared, &machine).with_context(|| prepared.model.name())?;
    let files = Files {
        layers: layers.into_iter().map(named).collect(),
        layer_golden: golden(tensors),
        network: network.map(|(images, tensors)| (images, golden(tensors))),
    };

    let model = &prepared.model;
    let source = model.source_file();
    let existing = Existing::forced(arguments.force);
    let (network, parameters) = (&prepared.network, &prepared.parameters);
    let written = prepared.target.golden_files();
    let manifest =
        write_vectors(&arguments.output, network, parameters, Some(source), &files, &written, existing)?;
    report(arguments, &files, manifest.files.len() + 1);
    Ok(())
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

/// What the images are, and the values at all points of the network; `None` if no sizes were given.
fn network_values(
    arguments: &Vectors,
    prepared: &Prepared,
    machine: &Machine<'_>,
) -> Result<Option<(Vec<String>, Vec<GoldenTensor>)>> {
    let input = match &arguments.input {
        Some(path) => Some(prepared.input(path, &arguments.input_options)?),
        None => None,
    };
    let image = match (&input, &arguments.shape) {
        (Some(input), _) => input.shape.get(1..).unwrap_or_default().to_vec(),
        (None, Some(shape)) => shape.0.clone(),
        (None, None) => return Ok(None),
    };
    let &[id] = machine.network().inputs.as_slice() else {
        bail!("the network has {} inputs; networks with one can be run", machine.network().inputs.len());
    };
    let activation = machine.input_activation(id).context("its input has no known scale and zero point")?;
    let (smallest, largest) = activation.code_type.range();
    let constants =
        [("smallest-code", smallest), ("largest-code", largest), ("zero-point", activation.zero_point)];
    let elements = image.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
    let elements = elements.filter(|&n| n <= LARGEST_IMAGE).context("--shape: too large an image")?;
    let shape: Vec<usize> = [1].into_iter().chain(image).collect();
    let mut names = Vec::new();
    let mut values = Vec::new();
    for (name, code) in constants {
        values.push((names.len(), Value::Codes(Tensor::new(shape.clone(), vec![code; elements])?)));
        names.push(name.to_owned());
    }
    if let Some(input) = &input {
        let count = arguments.input_options.limit.unwrap_or(FEW_IMAGES);
        for (number, value) in batches(machine, input, 1)?.into_iter().take(count) {
            values.push((names.len(), value));
            names.push(format!("input {number}"));
        }
    }
    let points = golden::compute_batches(machine, values, &Stage::ALL)?;
    Ok(Some((names, points.into_iter().map(|point| point.tensor).collect())))
}

/// Elements of a constant image, at most.
const LARGEST_IMAGE: usize = 1 << 26;

/// What was written, and the kinds that a layer has no vector for.
fn report(arguments: &Vectors, files: &Files, count: usize) {
    for (layer, vectors) in &files.layers {
        let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for missing in &vectors.missing {
            reasons.entry(reason(missing)).or_default().push(missing.aim.name());
        }
        for (reason, kinds) in reasons {
            terminal::say(format!("{layer}: no {}: {reason}", kinds.join(", ")));
        }
    }
    let vectors: usize = files.layers.iter().map(|(_, layer)| layer.vectors.len()).sum();
    let images = match &files.network {
        Some((images, _)) => format!("{} images of the network", images.len()),
        None => "none of the network (give --shape or --input)".into(),
    };
    terminal::say(format!(
        "{}: {} vectors of {} kinds for {} layers, {images}, {} files",
        arguments.output.display(),
        thousands(vectors),
        Aim::ALL.len(),
        files.layers.len(),
        thousands(count),
    ));
}

fn reason(missing: &Missing) -> String {
    match missing.reachable {
        Some((stage, range)) => {
            format!("{} ({stage} values lie within {}..={})", missing.reason, range.min, range.max)
        }
        None => missing.reason.clone(),
    }
}
