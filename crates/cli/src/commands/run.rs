//! `gen_params run`: integer inference, its accuracy, its golden values.

use std::io::Write;

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use gen_params::machine::Arithmetic;
use gen_params::network::EdgeId;
use gen_params::parameters::Activation;
use gen_params::runtime::Request;

use super::{Finding, golden, versus};
use crate::accuracy::Accuracy;
use crate::arguments::Run;
use crate::input::{Input, read_matching_labels};
use crate::simulation::{self, OverflowList, Prepared};
use crate::{arithmetic, outputs, terminal};

pub(crate) fn run(arguments: &Run) -> Result<Finding> {
    let prepared = Prepared::open_to_run(&arguments.subject)?.not_guessed()?;
    let chosen = match &arguments.contract {
        Some(name) => prepared.arithmetic("--contract", name)?,
        None if arguments.stages => prepared.arithmetic("--contract", arithmetic::TARGET)?,
        None => arithmetic::of_file(&prepared.network).with_context(|| prepared.model.name())?,
    };
    if arguments.stages && !matches!(chosen, Arithmetic::Target(_)) {
        bail!("--stages: the arithmetic of {chosen} has no integer stages\n  hint: --contract target");
    }
    let input = prepared.input(&arguments.input, &arguments.input_options)?;
    if let Some(other) = &arguments.versus {
        versus::run(arguments, &prepared, &input, [chosen, prepared.arithmetic("--versus", other)?])?;
        return Ok(Finding::None);
    }
    let labels = match &arguments.labels {
        Some(path) => Some(read_matching_labels(path, &input, &arguments.input_options)?),
        None => None,
    };
    if let Some(percent) = arguments.min_accuracy.filter(|p| !(0.0..=100.0).contains(p)) {
        bail!("--min-accuracy: found {percent}, expected 0 to 100");
    }
    if let Some(directory) = &arguments.golden {
        golden::write(arguments, &prepared, &input, chosen, directory)?;
    }
    let results = compute(&prepared, &input, chosen, arguments.batch as usize)?;
    let accuracy = match (&labels, results.outputs.first()) {
        (Some(labels), Some(output)) => {
            Some(Accuracy::new(&output.classes()?, labels, output.values_per_image)?)
        }
        _ => None,
    };

    let mut stdout = terminal::out();
    if arguments.json {
        let report = report(&prepared, chosen, &input, &results, accuracy.as_ref());
        writeln!(stdout, "{report:#}")?;
    } else {
        if labels.is_none() || input.images() <= outputs::FEW_IMAGES {
            for output in &results.outputs {
                output.print(&mut stdout, &input, labels.as_deref(), results.outputs.len() > 1)?;
            }
        }
        if let Some(accuracy) = &accuracy {
            accuracy.print(&mut stdout)?;
        }
    }
    Ok(match (arguments.min_accuracy, &accuracy) {
        (Some(least), Some(accuracy)) if accuracy.percent() < least => {
            terminal::say(format!("accuracy {:.2} % is below {least} %", accuracy.percent()));
            Finding::Different
        }
        _ => Finding::None,
    })
}

/// What a run gives.
struct Results {
    outputs: Vec<outputs::Output>,
    overflows: Vec<(usize, gen_params::hardware::Overflow)>,
}

fn compute(prepared: &Prepared, input: &Input, chosen: Arithmetic, batch: usize) -> Result<Results> {
    let machine = prepared.machine(chosen)?;
    let edges_out = prepared.code_outputs()?;
    let batches = simulation::batches(&machine, input, batch)?;
    if let (Arithmetic::Contract(_), Some((_, first))) = (chosen, batches.first()) {
        simulation::warn_of_peculiarities(&machine, first)?;
    }
    let engine = simulation::fast(&machine, input);
    let wanted: Vec<EdgeId> = edges_out.iter().map(|&(edge, _)| edge).collect();
    let parts = match &engine {
        Some(engine) => simulation::in_parallel(batches, input.images(), |first, value| {
            let request = Request { edges: &wanted, accumulators: &[] };
            let observed = engine.observe(&[value], request, |_| {})?;
            let mut overflows = OverflowList::default();
            for (node, overflow) in observed.overflows {
                overflows.add(node, first, vec![overflow]);
            }
            Ok((observed.edges, overflows))
        }),
        None => simulation::for_each_batch([&machine], batches, input.images(), |first, [edges]| {
            let overflows = simulation::run_nodes(&machine, edges, first)?;
            let codes = edges_out.iter().map(|&(edge, _)| Ok(simulation::codes_of(edges, edge)?.clone()));
            Ok((codes.collect::<Result<Vec<_>>>()?, overflows))
        }),
    }?;
    let name =
        |(edge, activation): &(_, Activation)| (prepared.network.edge(*edge).name.clone(), *activation);
    let mut outputs: Vec<_> = edges_out.iter().map(name).map(|(n, a)| outputs::Output::new(n, a)).collect();
    let mut overflows = OverflowList::default();
    for (codes, new) in parts {
        outputs.iter_mut().zip(codes).for_each(|(output, codes)| output.append(&codes));
        overflows.merge(new);
    }
    let overflows = overflows.sorted();
    simulation::warn_of_overflows(&machine, &overflows);
    Ok(Results { outputs, overflows })
}

/// The report for machines.
fn report(
    prepared: &Prepared,
    chosen: Arithmetic,
    input: &Input,
    results: &Results,
    accuracy: Option<&Accuracy>,
) -> Json {
    let overflows: Vec<Json> = results
        .overflows
        .iter()
        .map(|(node, overflow)| {
            json!({
                "layer": prepared.network.nodes.get(*node).map(|node| &node.name),
                "stage": overflow.stage.name(),
                "count": overflow.count,
                "first": overflow.first,
                "value": overflow.value.to_string(),
            })
        })
        .collect();
    json!({
        "schema": 1,
        "contract": chosen.name(),
        "options": arithmetic::describe(chosen),
        "images": input.images(),
        "names": input.names,
        "outputs": results.outputs.iter().map(outputs::Output::to_json).collect::<Vec<_>>(),
        "accuracy": accuracy.map(Accuracy::to_json),
        "overflows": overflows,
    })
}
