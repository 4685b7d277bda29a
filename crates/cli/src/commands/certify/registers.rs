//! `--accumulators`: the bits that accumulators take, and what narrower registers do to them.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value as Json, json};

use gen_params::prove::{LayerRegisters, REGISTER_WIDTHS};

use crate::outputs::{align_right, ruled};
use crate::table::count;

/// Prints them.
pub(super) fn print(out: &mut impl Write, layers: &[LayerRegisters]) -> Result<()> {
    writeln!(
        out,
        "\nAccumulators sum(x*w): bits that hold every sum, and every partial sum in any order of additions; and, of \
         all\nreachable sums, those that narrower registers get wrong: wrapping, in any order; saturating, where products \
         are\nadded in the order of the weights (some input passes beyond the register on the way to the sum)."
    )?;
    let mut table = ruled();
    let mut header: Vec<String> = ["layer", "bits", "any order", "reachable"].map(str::to_owned).into();
    for bits in REGISTER_WIDTHS {
        header.extend([format!("{bits} bits, wrap"), format!("{bits} bits, saturate")]);
    }
    table.set_header(header);
    for layer in layers {
        let mut row = vec![layer.name.clone()];
        match &layer.known {
            Some(known) => {
                row.extend([
                    known.bits.to_string(),
                    known.bits_in_any_order.to_string(),
                    format!("{}{}", if known.exact { "" } else { "≤" }, count(known.reachable)),
                ]);
                row.extend(known.wrong.iter().flatten().map(|&wrong| count(wrong)));
            }
            None => row.push("?".into()),
        }
        table.add_row(row);
    }
    align_right(&mut table, 1..);
    writeln!(out, "{table}")?;
    Ok(())
}

/// All counts.
pub(super) fn to_json(layers: &[LayerRegisters]) -> Json {
    let of_layer = |layer: &LayerRegisters| {
        let known = layer.known.as_ref();
        let widths = known.map(|known| {
            let widths = REGISTER_WIDTHS.iter().zip(&known.wrong);
            let widths = widths
                .map(|(bits, [wrap, saturate])| json!({"bits": bits, "wrap": wrap, "saturate": saturate}));
            widths.collect::<Vec<_>>()
        });
        json!({
            "name": layer.name,
            "bits": known.map(|known| known.bits),
            "exact": known.map(|known| known.exact),
            "bits_in_any_order": known.map(|known| known.bits_in_any_order),
            "reachable": known.map(|known| known.reachable),
            "wrong": widths,
        })
    };
    layers.iter().map(of_layer).collect()
}
