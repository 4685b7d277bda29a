//! `--input`: what is measured on inputs, beside what is proven.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value as Json, json};

use gen_params::input::labels;
use gen_params::machine::Arithmetic;
use gen_params::prove::Proof;
use gen_params::text::thousands;
use gen_params::{Derived, Difference, Input, RunOptions, Versus};

use crate::arguments::Certify;
use crate::model::warn;
use crate::outputs::{align_right, ruled};
use crate::terminal;

/// What was measured.
pub(super) struct Measured {
    images: usize,
    versus: Versus,
    /// Images that the engine and the hardware put into their class.
    right: Option<[usize; 2]>,
}

/// Runs both arithmetics on the inputs.
pub(super) fn measure(
    arguments: &Certify,
    derived: &Derived,
    input: &Input,
    proof: &Proof,
) -> Result<Measured> {
    let limited = arguments.input_options.limit.is_some();
    let labels = arguments.labels.as_ref().map(|path| labels(path, input, limited)).transpose()?;
    let arithmetics = [Arithmetic::Contract(proof.contract), Arithmetic::Target(proof.target)];
    let versus = terminal::with_progress(|progress| {
        derived.versus(input, arithmetics, RunOptions { progress, ..RunOptions::default() })
    })?;
    warn(&versus.warnings);
    let right = labels.map(|labels| {
        let right = |classes: &Vec<usize>| classes.iter().zip(&labels).filter(|(a, b)| a == b).count();
        versus.classes.each_ref().map(right)
    });
    Ok(Measured { images: input.images(), versus, right })
}

/// Prints it.
pub(super) fn print(out: &mut impl Write, measured: &Measured, proof: &Proof) -> Result<()> {
    writeln!(
        out,
        "\nMeasured on {} images, beside the proven share of all that can occur: codes that differ where both are given \
         the\nengine's inputs (isolated), and where each has its own from the network's input on (accumulated).",
        thousands(measured.images)
    )?;
    let mut table = ruled();
    table.set_header([
        "layer",
        "op",
        "codes",
        "proven ppm",
        "isolated ppm",
        "largest",
        "accumulated ppm",
        "largest",
    ]);
    let ppm = |share: f64| format!("{:.3}", share * 1e6);
    for layer in &measured.versus.layers {
        let mut row = vec![layer.name.clone(), layer.op.to_owned(), thousands(layer.isolated.values)];
        row.push(proof.share(&layer.name).map_or_else(String::new, ppm));
        for difference in [layer.isolated, layer.accumulated] {
            row.extend([ppm(difference.share()), difference.largest.to_string()]);
        }
        table.add_row(row);
    }
    align_right(&mut table, 2..);
    writeln!(out, "{table}")?;
    let changed = measured.images - measured.versus.same_class;
    writeln!(out, "top-1 answers changed: {} of {} images", thousands(changed), thousands(measured.images))?;
    if let Some([engine, hardware]) = measured.right {
        #[allow(clippy::cast_precision_loss, reason = "numbers of images")]
        let percent = |right: usize| 100.0 * right as f64 / measured.images.max(1) as f64;
        writeln!(
            out,
            "accuracy: {} {:.2} %, hardware {:.2} %",
            proof.contract.name(),
            percent(engine),
            percent(hardware)
        )?;
    }
    Ok(())
}

/// All of it.
pub(super) fn to_json(measured: &Measured, proof: &Proof) -> Json {
    let layers = measured.versus.layers.iter().map(|layer| {
        let difference =
            |d: Difference| json!({"values": d.values, "differing": d.mismatches, "largest": d.largest});
        json!({
            "name": layer.name,
            "op": layer.op,
            "proven_share": proof.share(&layer.name),
            "isolated": difference(layer.isolated),
            "accumulated": difference(layer.accumulated),
        })
    });
    json!({
        "images": measured.images,
        "layers": layers.collect::<Vec<_>>(),
        "top_1_changed": measured.images - measured.versus.same_class,
        "right": measured.right.map(|[engine, hardware]| json!({"reference": engine, "hardware": hardware})),
    })
}
