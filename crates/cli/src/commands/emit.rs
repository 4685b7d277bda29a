//! `emit`: a program that computes the whole network, with golden values that it is tested with.

use anyhow::Result;

use gen_params::emit::Existing;
use gen_params::emit::programs::systemverilog;
use gen_params::hardware::Stage;
use gen_params::text::thousands;
use gen_params::{Derived, Input, TestImages};

use crate::arguments::{ApiName, Emit, EmitC, EmitSv, Shape, Subject};
use crate::hardware::target_file;
use crate::model::{derive, derive_for, optional_input};
use crate::terminal;

/// Images that a program is tested with unless --limit says otherwise.
const FEW_IMAGES: usize = 4;

pub(crate) fn run(language: &Emit) -> Result<()> {
    match language {
        Emit::C(arguments) => match arguments.api {
            None => c(arguments),
            Some(ApiName::CmsisNn) => cmsis_nn(arguments),
        },
        Emit::Sv(arguments) => systemverilog(arguments),
    }
}

fn sizes(shapes: &[Shape]) -> Vec<Vec<usize>> {
    shapes.iter().map(|shape| shape.0.clone()).collect()
}

/// The name of a program's files.
fn name(arguments: &EmitC, derived: &Derived) -> String {
    let model = derived.model();
    let stem = model.path().file_stem().map_or_else(|| model.name(), |n| n.to_string_lossy().into_owned());
    arguments.name.clone().unwrap_or(stem)
}

/// The input that a program is tested with, if one is given.
fn test_input(arguments: &EmitC, derived: &Derived) -> Result<Option<Input>> {
    let options = &arguments.input_options;
    let mut given = optional_input(derived, arguments.input.as_ref(), options)?;
    if let Some(input) = &mut given {
        input.truncate(options.limit.unwrap_or(FEW_IMAGES));
    }
    Ok(given)
}

fn c(arguments: &EmitC) -> Result<()> {
    let derived = derive(&arguments.subject)?;
    derived.wired()?;
    let (input, sizes) = (test_input(arguments, &derived)?, sizes(&arguments.shape));
    let images = input.as_ref().map_or(TestImages::Arbitrary(&sizes, FEW_IMAGES), TestImages::Input);
    let existing = Existing::forced(arguments.force);
    let written = derived.emit_c(&arguments.output, &name(arguments, &derived), images, existing)?;
    let folder = arguments.output.display();
    terminal::say(format!(
        "{folder}: {0}.h, {0}.c: {1} bytes of activations, {2} bytes of constants; test with\n  cc -std=c99 -O2 \
         -DGEN_PARAMS_TEST {folder}/{0}.c -o test && ./test",
        written.name,
        thousands(written.arena_bytes),
        thousands(written.constant_bytes),
    ));
    Ok(())
}

fn cmsis_nn(arguments: &EmitC) -> Result<()> {
    let Subject { source, derivation, target } = &arguments.subject;
    let hardware = derivation.target.clone().unwrap_or_else(|| "cmsis-nn".to_owned());
    let derived = derive_for(source, &target_file(&derivation.on(hardware), Some(target))?)?;
    derived.wired()?;
    let (input, sizes) = (test_input(arguments, &derived)?, sizes(&arguments.shape));
    let images = input.as_ref().map_or(TestImages::Arbitrary(&sizes, FEW_IMAGES), TestImages::Input);
    let existing = Existing::forced(arguments.force);
    let written = derived.emit_cmsis_nn(&arguments.output, &name(arguments, &derived), images, existing)?;
    for node in &written.left_out {
        terminal::warning(&format!("{node}: has no CMSIS-NN structs here and is left out"));
    }
    terminal::say(format!(
        "{}: {1}.h, {1}.c: CMSIS-NN's structs of {2} layers and poolings; they include your arm_nnfunctions.h",
        arguments.output.display(),
        written.name,
        written.nodes,
    ));
    Ok(())
}

fn systemverilog(arguments: &EmitSv) -> Result<()> {
    let derived = derive(&arguments.subject)?;
    derived.wired()?;
    let options = &arguments.input_options;
    let input = optional_input(&derived, arguments.input.as_ref(), options)?;
    let sizes = sizes(&arguments.shape);
    let count = options.limit.unwrap_or(FEW_IMAGES);
    let images = input.as_ref().map_or(TestImages::Arbitrary(&sizes, count), TestImages::Input);
    let stages: &[Stage] = if arguments.stages { &Stage::ALL } else { &[Stage::Output] };
    let options = systemverilog::Options {
        clocks_per_output: arguments.clocks_per_output as usize,
        pipeline: !arguments.combinational,
    };
    let existing = Existing::forced(arguments.force);
    let manifest = derived.emit_sv(&arguments.output, images, stages, options, existing)?;
    terminal::say(format!(
        "{0}: {1} files, golden values of {2} images; simulate with make -C {0} icarus, or verilator",
        arguments.output.display(),
        manifest.files.len() + 1,
        thousands(input.map_or(count, |input| input.images()))
    ));
    Ok(())
}
