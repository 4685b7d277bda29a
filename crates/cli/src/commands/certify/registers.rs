//! `--accumulators`: the bits that accumulators take, and what narrower registers do to them.

use std::io::Write;

use anyhow::Result;
use comfy_table::CellAlignment;
use serde_json::{Value as Json, json};

use gen_params::certify::Partial;
use gen_params::network::IntNetwork;
use gen_params::ops::{Layer, Op};
use gen_params::parameters::Parameters;

use crate::outputs::ruled;
use crate::table::count;

/// Widths that are tried.
const WIDTHS: [u32; 3] = [16, 20, 24];

/// The registers of one layer.
pub(super) struct LayerRegisters {
    name: String,
    /// `None` where the partial sums are not known.
    known: Option<Known>,
}

struct Known {
    /// Whether all sums that are counted occur; else they are those of an interval that contains what does.
    exact: bool,
    bits: u32,
    bits_in_any_order: u32,
    reachable: u64,
    /// By width: accumulators that a register which wraps gets wrong, and one which saturates can get wrong.
    wrong: [[u64; 2]; WIDTHS.len()],
}

/// Counts all of them.
pub(super) fn count_all(network: &IntNetwork, parameters: &Parameters) -> Vec<LayerRegisters> {
    let of_layer = |channels: Vec<Partial>| Known {
        exact: channels.iter().all(Partial::exact),
        bits: channels.iter().map(Partial::bits).max().unwrap_or(0),
        bits_in_any_order: channels.iter().map(Partial::bits_in_any_order).max().unwrap_or(0),
        reachable: channels.iter().map(Partial::reachable).sum(),
        wrong: WIDTHS.map(|bits| {
            let all = |wrong: &dyn Fn(&Partial) -> u64| channels.iter().map(wrong).sum();
            [all(&|channel| channel.wrapped(bits)), all(&|channel| channel.saturated(bits))]
        }),
    };
    let layers = parameters.layers.iter();
    layers
        .map(|layer| LayerRegisters {
            name: layer.name.clone(),
            known: of_node(network, &layer.name)
                .and_then(|found| Partial::of_layer(found, layer))
                .map(of_layer),
        })
        .collect()
}

/// The layer of this name.
fn of_node<'a>(network: &'a IntNetwork, name: &str) -> Option<&'a Layer> {
    network.nodes.iter().find_map(|node| match &node.op {
        Op::Layer(layer) if node.name == name => Some(layer),
        _ => None,
    })
}

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
    for bits in WIDTHS {
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
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{table}")?;
    Ok(())
}

/// All counts.
pub(super) fn to_json(layers: &[LayerRegisters]) -> Json {
    let of_layer = |layer: &LayerRegisters| {
        let known = layer.known.as_ref();
        let widths = known.map(|known| {
            let widths = WIDTHS.iter().zip(&known.wrong);
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
