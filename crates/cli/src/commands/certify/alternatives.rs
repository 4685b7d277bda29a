//! `--alternatives`: what replaces the multiplier, side by side, each with its exact count of differences.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value as Json, json};

use gen_params::certify::Summary;
use gen_params::prove::{LayerAlternatives, TRIED};

use crate::outputs::{align_right, ruled};
use crate::table::count;

/// Prints them.
pub(super) fn print(out: &mut impl Write, layers: &[LayerAlternatives]) -> Result<()> {
    writeln!(
        out,
        "\nIn place of the multiplier, differing accumulators (±: the largest difference of codes where it is more than \
         1):\nM as one power of two; as the sum of two; as 2, 3, 4, 6 powers added or subtracted (canonical signed \
         digits);\nor no product at all, but comparisons with the accumulators at which the code steps, which are equal by \
         construction."
    )?;
    let mut table = ruled();
    let mut header = vec!["layer".to_owned(), "multiplier".into()];
    header.extend(TRIED.map(|(_, name, _)| name.to_owned()));
    header.push("thresholds".into());
    table.set_header(header);
    for layer in layers {
        let mut row = vec![layer.name.clone()];
        row.extend([&layer.multiplier].into_iter().chain(&layer.tried).map(cell));
        row.push(format!("equal with {}", count(layer.thresholds as u64)));
        table.add_row(row);
    }
    align_right(&mut table, 1..);
    writeln!(out, "{table}")?;
    Ok(())
}

/// No difference.
pub(super) const EQUAL: &str = "equal";

/// A count, with the largest difference where that is more than 1.
pub(super) fn cell(summary: &Summary) -> String {
    match (summary.differing, summary.largest) {
        (0, _) => EQUAL.to_owned(),
        (differing, 1) => count(differing),
        (differing, largest) => format!("{} ±{largest}", count(differing)),
    }
}

/// All counts.
pub(super) fn to_json(layers: &[LayerAlternatives]) -> Json {
    let summary = |s: &Summary| json!({"differing": s.differing, "largest": s.largest});
    let of_layer = |layer: &LayerAlternatives| {
        let tried = TRIED.iter().zip(&layer.tried);
        let mut report: serde_json::Map<String, Json> =
            tried.map(|((_, _, key), found)| ((*key).to_owned(), summary(found))).collect();
        report.insert("name".into(), json!(layer.name));
        report.insert("multiplier".into(), summary(&layer.multiplier));
        report.insert("thresholds".into(), json!({"differing": 0, "largest": 0, "count": layer.thresholds}));
        Json::Object(report)
    };
    layers.iter().map(of_layer).collect()
}
