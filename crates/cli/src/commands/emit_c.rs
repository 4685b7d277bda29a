//! `emit c`: the network as a C program, with known answers.

use anyhow::{Context, Result};

use gen_params::emit::c_program::{self, KnownAnswer, Program};
use gen_params::emit::{Existing, SourceFile};
use gen_params::machine::{Arithmetic, Machine};

use crate::arguments::EmitC;
use crate::input::Input;
use crate::simulation::{Prepared, batches};
use crate::table::thousands;
use crate::{arithmetic, terminal};

/// Images of the known-answer test unless --limit says otherwise.
const FEW_IMAGES: usize = 4;

pub(crate) fn run(arguments: &EmitC) -> Result<()> {
    let prepared = Prepared::open(&arguments.source, &arguments.derivation, &arguments.target)?;
    let target = arithmetic::target(&arguments.target, &arguments.derivation)?;
    let machine = prepared.machine(Arithmetic::Target(target))?;
    let model = &prepared.model;
    let (images, known_answers) = known_answers(arguments, &machine).with_context(|| model.name())?;
    let file_name = model.path.file_name().map_or_else(|| model.name(), |n| n.to_string_lossy().into_owned());
    let stem = model.path.file_stem().map_or_else(|| model.name(), |n| n.to_string_lossy().into_owned());
    let name = arguments.name.clone().unwrap_or(stem);
    let program = Program { machine: &machine, images: &images, name: &name, known_answers: &known_answers };
    let source = SourceFile::new(file_name, &model.bytes);
    let existing = if arguments.force { Existing::Replace } else { Existing::KeepForeign };
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

/// The shape of one image for each input, and what the network makes of some.
fn known_answers(arguments: &EmitC, machine: &Machine<'_>) -> Result<(Vec<Vec<usize>>, Vec<KnownAnswer>)> {
    let Some(path) = &arguments.input else {
        let images: Vec<Vec<usize>> = arguments.shape.iter().map(|shape| shape.0.clone()).collect();
        let answers = KnownAnswer::of_arbitrary(machine, &images, FEW_IMAGES)?;
        return Ok((images, answers));
    };
    let input = Input::read(path, &arguments.input_options)?;
    let image = input.shape.get(1..).unwrap_or_default().to_vec();
    let count = arguments.input_options.limit.unwrap_or(FEW_IMAGES);
    let answers = batches(machine, &input, 1)?
        .into_iter()
        .take(count)
        .map(|(_, value)| Ok(KnownAnswer::compute(machine, vec![value])?))
        .collect::<Result<_>>()?;
    Ok((vec![image], answers))
}
