//! `emit c`: the network as a C program with known answers, or as the parameter structs of a library.

use anyhow::{Context, Result};

use gen_params::emit::programs::c::{self as c_program, KnownAnswer, Program};
use gen_params::emit::programs::cmsis_nn;
use gen_params::emit::{Existing, SourceFile};
use gen_params::machine::Machine;

use crate::arguments::{ApiName, EmitC, Subject};
use crate::hardware::target_file;
use crate::model::Model;
use crate::simulation::{Prepared, batches};
use crate::table::thousands;
use crate::terminal;

/// Images of the known-answer test unless --limit says otherwise.
const FEW_IMAGES: usize = 4;

pub(crate) fn run(arguments: &EmitC) -> Result<()> {
    match arguments.api {
        None => program(arguments),
        Some(ApiName::CmsisNn) => cmsis_nn(arguments),
    }
}

/// Where it goes, and what the manifest and the files call it.
struct Output {
    name: String,
    source: SourceFile,
    existing: Existing,
}

impl Output {
    fn of(arguments: &EmitC, model: &Model) -> Self {
        let stem = model.path.file_stem().map_or_else(|| model.name(), |n| n.to_string_lossy().into_owned());
        Self {
            name: arguments.name.clone().unwrap_or(stem),
            source: model.source_file(),
            existing: Existing::forced(arguments.force),
        }
    }
}

fn program(arguments: &EmitC) -> Result<()> {
    let prepared = Prepared::open(&arguments.subject)?.not_guessed()?;
    let machine = prepared.on_target()?;
    let model = &prepared.model;
    let (images, known_answers) =
        known_answers(arguments, &prepared, &machine).with_context(|| model.name())?;
    let Output { name, source, existing } = Output::of(arguments, model);
    let program = Program { machine: &machine, images: &images, name: &name, known_answers: &known_answers };
    let written = c_program::write(&arguments.output, &program, &prepared.parameters, Some(source), existing)
        .with_context(|| model.name())?;
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
    let name = derivation.target.clone().unwrap_or_else(|| "cmsis-nn".to_owned());
    let derivation = derivation.on(name);
    let prepared = Prepared::for_target(source, target_file(&derivation, Some(target))?)?.not_guessed()?;
    let machine = prepared.on_target()?;
    let model = &prepared.model;
    let images = match &arguments.input {
        None => arguments.shape.iter().map(|shape| shape.0.clone()).collect(),
        Some(path) => {
            let input = prepared.input(path, &arguments.input_options)?;
            vec![input.shape.get(1..).unwrap_or_default().to_vec()]
        }
    };
    let Output { name, source, existing } = Output::of(arguments, model);
    let parameters = &prepared.parameters;
    let design = cmsis_nn::Design { machine: &machine, parameters, images: &images, name: &name };
    let written =
        cmsis_nn::write(&arguments.output, &design, Some(source), existing).with_context(|| model.name())?;
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

/// The shape of one image for each input, and what the network makes of some.
fn known_answers(
    arguments: &EmitC,
    prepared: &Prepared,
    machine: &Machine<'_>,
) -> Result<(Vec<Vec<usize>>, Vec<KnownAnswer>)> {
    let Some(path) = &arguments.input else {
        let images: Vec<Vec<usize>> = arguments.shape.iter().map(|shape| shape.0.clone()).collect();
        let answers = KnownAnswer::of_arbitrary(machine, &images, FEW_IMAGES)?;
        return Ok((images, answers));
    };
    let input = prepared.input(path, &arguments.input_options)?;
    let image = input.shape.get(1..).unwrap_or_default().to_vec();
    let count = arguments.input_options.limit.unwrap_or(FEW_IMAGES);
    let answers = batches(machine, &input, 1)?
        .into_iter()
        .take(count)
        .map(|(_, value)| Ok(KnownAnswer::compute(machine, vec![value])?))
        .collect::<Result<_>>()?;
    Ok((vec![image], answers))
}
