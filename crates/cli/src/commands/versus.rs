//! `run --versus`: where two arithmetics differ, layer by layer.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use gen_params::machine::Arithmetic;
use gen_params::text::thousands;
use gen_params::{Derived, Difference, Input, RunOptions, Versus};

use crate::arguments::Run;
use crate::model::warn;
use crate::outputs::{align_right, ruled};
use crate::terminal;

/// Runs both arithmetics and reports where they differ.
pub(super) fn run(
    arguments: &Run,
    derived: &Derived,
    input: &Input,
    arithmetics: [Arithmetic; 2],
) -> Result<()> {
    let [first, second] = arithmetics;
    let Versus { layers, same_class, warnings, .. } = terminal::with_progress(|progress| {
        let options = RunOptions { batch: arguments.batch as usize, progress };
        derived.versus(input, arithmetics, options)
    })?;
    warn(&warnings);
    let mut stdout = terminal::out();
    if arguments.json {
        let describe =
            |d: Difference| json!({"values": d.values, "mismatches": d.mismatches, "largest": d.largest});
        let layers = layers.iter().map(|layer| {
            json!({
                "name": layer.name,
                "op": layer.op,
                "isolated": describe(layer.isolated),
                "accumulated": describe(layer.accumulated),
            })
        });
        let report = json!({
            "schema": 1,
            "contracts": [first.name(), second.name()],
            "images": input.images(),
            "layers": layers.collect::<Vec<_>>(),
            "same_class": same_class,
        });
        writeln!(stdout, "{report:#}")?;
    } else {
        let mut table = ruled();
        table.set_header(["layer", "op", "codes", "isolated", "", "largest", "accumulated", "", "largest"]);
        for layer in layers {
            let mut row = vec![layer.name, layer.op.into(), thousands(layer.isolated.values)];
            row.extend(cells(layer.isolated));
            row.extend(cells(layer.accumulated));
            table.add_row(row);
        }
        align_right(&mut table, 2..);
        writeln!(
            stdout,
            "Codes of {second} that differ from those of {first}, {} images: isolated, both given {first}'s inputs; \
             accumulated, each its own from the network's input on.",
            thousands(input.images())
        )?;
        writeln!(stdout, "{table}")?;
        #[allow(clippy::cast_precision_loss, reason = "numbers of images")]
        let agreement = 100.0 * same_class as f64 / input.images().max(1) as f64;
        writeln!(
            stdout,
            "same largest output: {} of {} images ({agreement:.2} %)",
            thousands(same_class),
            thousands(input.images())
        )?;
    }
    Ok(())
}

/// Codes that differ, their share, and the largest distance.
fn cells(difference: Difference) -> [String; 3] {
    if difference.mismatches == 0 {
        return ["0".into(), String::new(), String::new()];
    }
    [thousands(difference.mismatches), percent(100.0 * difference.share()), difference.largest.to_string()]
}

/// Percent with three significant digits, however few.
fn percent(value: f64) -> String {
    if value >= 1.0 {
        return format!("{value:.2} %");
    }
    let digits = (2.0 - value.max(1e-9).log10().floor()).clamp(0.0, 9.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=9")]
    let digits = digits as usize;
    format!("{value:.digits$} %")
}
