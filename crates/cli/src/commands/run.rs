//! `gen_params run`: integer inference, its accuracy, its golden values.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde_json::{Value as Json, json};

use gen_params::emit::{Existing, GoldenFiles};
use gen_params::hardware::Stage;
use gen_params::input::labels;
use gen_params::machine::Arithmetic;
use gen_params::text::thousands;
use gen_params::{Accuracy, Derived, Input, RunOptions, describe};

use super::{Finding, versus};
use crate::arguments::{Run, arithmetics};
use crate::model::{derive_to_run, input, warn};
use crate::{accuracy, outputs, terminal};

pub(crate) fn run(arguments: &Run) -> Result<Finding> {
    let derived = derive_to_run(&arguments.subject)?;
    derived.wired()?;
    let chosen = match arguments.contract {
        Some(name) => name.of(&derived)?,
        None if arguments.stages => derived.arithmetic()?,
        None => of_file(&derived)?,
    };
    if arguments.stages && !matches!(chosen, Arithmetic::Target(_)) {
        bail!("--stages: the arithmetic of {chosen} has no integer stages\n  hint: --contract target");
    }
    let input = input(&derived, &arguments.input, &arguments.input_options)?;
    if let Some(other) = arguments.versus {
        versus::run(arguments, &derived, &input, [chosen, other.of(&derived)?])?;
        return Ok(Finding::None);
    }
    let labels =
        arguments.labels.as_ref().map(|path| labels(path, &input, arguments.input_options.limit.is_some()));
    let labels = labels.transpose()?;
    if let Some(percent) = arguments.min_accuracy.filter(|p| !(0.0..=100.0).contains(p)) {
        bail!("--min-accuracy: found {percent}, expected 0 to 100");
    }
    if let Some(directory) = &arguments.golden {
        write_golden(arguments, &derived, &input, chosen, directory)?;
    }
    let batch = arguments.batch as usize;
    let done =
        terminal::with_progress(|progress| derived.run(&input, chosen, RunOptions { batch, progress }))?;
    warn(&done.warnings);
    let accuracy = match (&labels, done.outputs.first()) {
        (Some(labels), Some(output)) => {
            Some(Accuracy::new(&output.classes()?, labels, output.values_per_image())?)
        }
        _ => None,
    };

    let mut stdout = terminal::out();
    if arguments.json {
        let report = report(chosen, &input, &done, accuracy.as_ref());
        writeln!(stdout, "{report:#}")?;
    } else {
        if labels.is_none() || input.images() <= outputs::FEW_IMAGES {
            for output in &done.outputs {
                outputs::print(output, &mut stdout, &input, labels.as_deref(), done.outputs.len() > 1)?;
            }
        }
        if let Some(accuracy) = &accuracy {
            accuracy::print(accuracy, &mut stdout)?;
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

/// The arithmetic of the file's engine.
fn of_file(derived: &Derived) -> Result<Arithmetic> {
    let contract = derived.model().contract()?;
    contract.map(Arithmetic::Contract).ok_or_else(|| {
        anyhow!(
            "{}: the file does not say which engine it was made for, and engines differ in their roundings\n  hint: give \
             --contract NAME, one of:{}",
            derived.model().name(),
            arithmetics()
        )
    })
}

/// Writes golden values into a folder.
fn write_golden(
    arguments: &Run,
    derived: &Derived,
    input: &Input,
    chosen: Arithmetic,
    directory: &Path,
) -> Result<()> {
    let stages: &[Stage] = if arguments.stages { &Stage::ALL } else { &[Stage::Accumulator, Stage::Output] };
    let batch = arguments.batch as usize;
    let golden = terminal::with_progress(|progress| {
        derived.golden(input, chosen, stages, RunOptions { batch, progress })
    })?;
    let mut files = derived.target().golden_files();
    if let Some(formats) = &arguments.format {
        if let Some(format) = formats.iter().find(|&format| !GoldenFiles::has(format)) {
            bail!("--format: files of {} hold constants, and no golden values", format.name());
        }
        files.formats = formats.clone();
    }
    let manifest = derived.write_golden(directory, &golden, &files, Existing::forced(arguments.force))?;
    terminal::say(format!(
        "{}: golden values of {} images, {} files",
        directory.display(),
        thousands(input.images()),
        manifest.files.len() + 1
    ));
    Ok(())
}

/// The report for machines.
fn report(chosen: Arithmetic, input: &Input, done: &gen_params::Run, accuracy: Option<&Accuracy>) -> Json {
    let overflows: Vec<Json> = done
        .overflows
        .iter()
        .map(|(layer, overflow)| {
            json!({
                "layer": layer,
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
        "options": describe(chosen),
        "images": input.images(),
        "names": input.names,
        "outputs": done.outputs.iter().map(outputs::to_json).collect::<Vec<_>>(),
        "accuracy": accuracy.map(accuracy::to_json),
        "overflows": overflows,
    })
}
