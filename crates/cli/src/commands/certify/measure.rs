//! `--input`: what is measured on inputs, beside what is proven.

use std::io::Write;

use anyhow::Result;
use comfy_table::CellAlignment;
use serde_json::{Value as Json, json};

use gen_params::certify::{Certificate, OperatorProof};
use gen_params::contract::Contract;
use gen_params::hardware::Target;
use gen_params::machine::Arithmetic;

use crate::arguments::Certify;
use crate::commands::versus::{self, Comparison};
use crate::input::{Input, read_matching_labels};
use crate::outputs::ruled;
use crate::simulation::Prepared;
use crate::table::thousands;

/// What was measured.
pub(super) struct Measured {
    images: usize,
    layers: Vec<versus::NodeDifference>,
    same_class: usize,
    /// Images that the engine and the hardware put into their class.
    right: Option<[usize; 2]>,
}

/// Runs both arithmetics on the inputs.
pub(super) fn measure(
    arguments: &Certify,
    prepared: &Prepared,
    input: &Input,
    contract: Contract,
    target: Target,
) -> Result<Measured> {
    let labels = match &arguments.labels {
        Some(path) => Some(read_matching_labels(path, input, &arguments.input_options)?),
        None => None,
    };
    let arithmetics = [Arithmetic::Contract(contract), Arithmetic::Target(target)];
    let Comparison { layers, classes, same_class } = versus::compare(prepared, input, arithmetics, 1)?;
    let right = labels.map(|labels| {
        classes.map(|classes| classes.iter().zip(&labels).filter(|(class, label)| class == label).count())
    });
    Ok(Measured { images: input.images(), layers, same_class, right })
}

/// What is proven of a node: the share of its accumulators, or cases, that differ.
fn proven(name: &str, certificate: &Certificate, operators: &[OperatorProof]) -> Option<f64> {
    if let Some(layer) = certificate.layers.iter().find(|layer| layer.name == name) {
        return Some(layer.summary().share());
    }
    let counted = operators.iter().find(|operator| operator.name == name)?.counted.as_ref().ok()?;
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    let share = counted.differing as f64 / counted.cases.max(1) as f64;
    Some(share)
}

/// Prints it.
pub(super) fn print(
    out: &mut impl Write,
    measured: &Measured,
    certificate: &Certificate,
    operators: &[OperatorProof],
) -> Result<()> {
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
    for layer in &measured.layers {
        let mut row = vec![layer.name.clone(), layer.op.to_owned(), thousands(layer.isolated.values)];
        row.push(proven(&layer.name, certificate, operators).map_or_else(String::new, ppm));
        for difference in [layer.isolated, layer.accumulated] {
            row.extend([ppm(difference.share()), difference.largest.to_string()]);
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{table}")?;
    let changed = measured.images - measured.same_class;
    writeln!(out, "top-1 answers changed: {} of {} images", thousands(changed), thousands(measured.images))?;
    if let Some([engine, hardware]) = measured.right {
        #[allow(clippy::cast_precision_loss, reason = "numbers of images")]
        let percent = |right: usize| 100.0 * right as f64 / measured.images.max(1) as f64;
        writeln!(
            out,
            "accuracy: {} {:.2} %, hardware {:.2} %",
            certificate.contract,
            percent(engine),
            percent(hardware)
        )?;
    }
    Ok(())
}

/// All of it.
pub(super) fn to_json(measured: &Measured, certificate: &Certificate, operators: &[OperatorProof]) -> Json {
    let layers = measured.layers.iter().map(|layer| {
        let difference = |d: versus::Difference| {
            json!({"values": d.values, "differing": d.mismatches, "largest": d.largest})
        };
        json!({
            "name": layer.name,
            "op": layer.op,
            "proven_share": proven(&layer.name, certificate, operators),
            "isolated": difference(layer.isolated),
            "accumulated": difference(layer.accumulated),
        })
    });
    json!({
        "images": measured.images,
        "layers": layers.collect::<Vec<_>>(),
        "top_1_changed": measured.images - measured.same_class,
        "right": measured.right.map(|[engine, hardware]| json!({"reference": engine, "hardware": hardware})),
    })
}
