//! `gen_params compare`: the first layer, stage, channel and position where a hardware's values leave the golden ones.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use gen_params::text::{position, thousands};
use gen_params::{FirstDifference, RunOptions};

use super::Finding;
use crate::arguments::Compare;
use crate::model::{derive, optional_input, warn};
use crate::terminal;

pub(crate) fn run(arguments: &Compare) -> Result<Finding> {
    let derived = derive(&arguments.subject)?;
    derived.wired()?;
    let arithmetic = arguments.contract.of(&derived)?;
    let input = optional_input(&derived, arguments.input.as_ref(), &arguments.input_options)?;
    let comparison = terminal::with_progress(|progress| {
        let options = RunOptions { progress, ..RunOptions::default() };
        derived.compare(&arguments.dump, input.as_ref(), arithmetic, options)
    })?;
    warn(&comparison.warnings);
    let mut stdout = terminal::out();
    if let Some(difference) = &comparison.difference {
        print(&mut stdout, difference, arguments.json)?;
        return Ok(Finding::Different);
    }
    let (files, values) = (comparison.files, comparison.equal);
    if arguments.json {
        writeln!(stdout, "{:#}", json!({"schema": 1, "equal": true, "files": files, "values": values}))?;
    } else {
        writeln!(stdout, "equal: {} values in {files} files", thousands(values))?;
    }
    Ok(Finding::None)
}

/// Prints where the values leave the golden ones.
fn print(stdout: &mut impl Write, difference: &FirstDifference, json: bool) -> Result<()> {
    if json {
        let report = json!({
            "schema": 1,
            "equal": false,
            "layer": difference.layer,
            "stage": difference.stage.name(),
            "file": difference.file,
            "place": difference.place,
            "first": difference.index,
            "expected": difference.expected,
            "found": difference.found,
            "mismatches": difference.mismatches,
            "values": difference.values,
            "largest": difference.largest,
            "causes": difference.causes,
            "notes": difference.notes,
        });
        writeln!(stdout, "{report:#}")?;
        return Ok(());
    }
    match &difference.layer {
        Some(layer) => writeln!(stdout, "first difference: layer {layer}, stage {}", difference.stage)?,
        None => writeln!(stdout, "first difference: the network's input")?,
    }
    writeln!(stdout, "  at        {}", position(&difference.index))?;
    writeln!(stdout, "  expected  {}", difference.expected)?;
    writeln!(stdout, "  found     {}  ({})", difference.found, difference.place)?;
    writeln!(
        stdout,
        "  in all    {} of {} values differ, in {} of {} channels, by up to {}",
        thousands(difference.mismatches),
        thousands(difference.values),
        difference.differing_channels,
        difference.channels,
        difference.largest
    )?;
    match difference.causes.as_slice() {
        [] => writeln!(stdout, "  cause     none of the known faults explains these values")?,
        [one] => writeln!(stdout, "  cause     {one}")?,
        several => {
            for (index, cause) in several.iter().enumerate() {
                writeln!(stdout, "  {}    {cause}", if index == 0 { "cause " } else { "or    " })?;
            }
        }
    }
    for note in &difference.notes {
        writeln!(stdout, "  note      {note}")?;
    }
    Ok(())
}
