//! `emit`: a program that computes the whole network, with golden values that it is tested with.

use anyhow::{Context, Result};

use gen_params::emit::programs::systemverilog;
use gen_params::emit::{Existing, arbitrary_images};
use gen_params::hardware::Stage;
use gen_params::machine::Machine;
use gen_params::ops::Value;

use super::{emit_c, golden};
use crate::arguments::{Emit, EmitSv};
use crate::simulation::{Prepared, batches};
use crate::table::thousands;
use crate::terminal;

pub(crate) fn run(language: &Emit) -> Result<()> {
    match language {
        Emit::C(arguments) => emit_c::run(arguments),
        Emit::Sv(arguments) => emit_systemverilog(arguments),
    }
}

fn emit_systemverilog(arguments: &EmitSv) -> Result<()> {
    let prepared = Prepared::open(&arguments.subject)?.not_guessed()?;
    let machine = prepared.on_target()?;
    let images = images(arguments, &prepared, &machine)?;
    let count = images.len();
    let stages: &[Stage] = if arguments.stages { &Stage::ALL } else { &[Stage::Output] };
    let golden = golden::compute_images(&machine, images, stages)?;
    // What a layer reads is what the node before it has written.
    let golden = golden.into_iter().map(|point| point.tensor).filter(|tensor| tensor.stage != Stage::Input);
    let design = systemverilog::Design {
        machine: &machine,
        parameters: &prepared.parameters,
        golden: &golden.collect::<Vec<_>>(),
        memory: &prepared.target.golden_files(),
        options: systemverilog::Options {
            clocks_per_output: arguments.clocks_per_output as usize,
            pipeline: !arguments.combinational,
        },
    };
    let model = &prepared.model;
    let source = model.source_file();
    let existing = Existing::forced(arguments.force);
    let manifest = systemverilog::write(&arguments.output, &design, Some(source), existing)
        .with_context(|| model.name())?;
    terminal::say(format!(
        "{0}: {1} files, golden values of {2} images; simulate with make -C {0} icarus, or verilator",
        arguments.output.display(),
        manifest.files.len() + 1,
        thousands(count)
    ));
    Ok(())
}

/// Images of `--shape`, unless `--limit` says otherwise.
const FEW_IMAGES: usize = 4;

/// The images that testbenches run it on, each one value per input.
fn images(arguments: &EmitSv, prepared: &Prepared, machine: &Machine<'_>) -> Result<Vec<Vec<Value>>> {
    let Some(path) = &arguments.input else {
        let shapes: Vec<Vec<usize>> = arguments.shape.iter().map(|shape| shape.0.clone()).collect();
        let count = arguments.input_options.limit.unwrap_or(FEW_IMAGES);
        return arbitrary_images(machine, &shapes, count).with_context(|| prepared.model.name());
    };
    let input = prepared.input(path, &arguments.input_options)?;
    Ok(batches(machine, &input, 1)?.into_iter().map(|(_, value)| vec![value]).collect())
}
