//! What a search found, for people and machines.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value as Json, json};

use gen_params::certify::Freedom;
use gen_params::prove::{Bits, MARKS, Search, WIDTHS, Width, decades};

use super::alternatives::{EQUAL, cell};
use crate::outputs::{align_right, ruled};
use crate::table::count;

/// Columns of the terminal's plot, for all [`decades`].
const PLOT_COLUMNS: usize = 45;

/// What each freedom is called above its column, and its letter in the plot.
const HEADINGS: [(&str, char); 4] =
    [("rounded", 'r'), ("M0 chosen", 'm'), ("and bias", 'b'), ("and constant", 'c')];

/// Prints the narrowest M0 of each layer, and the trade.
pub(super) fn print(out: &mut impl Write, search: &Search, within: Option<f64>) -> Result<()> {
    let sharing = search.sharing.describe();
    writeln!(
        out,
        "\nThe narrowest M0 that is proven equal, in bits, with {sharing}: M0 = round(M*2^n); M0 chosen; M0 and the bias \
         chosen;\nM0 and the constant added before the shift chosen, per channel. ≤: at most, the search did not come to \
         its end."
    )?;
    narrowest_table(out, search, None)?;
    if let Some(fraction) = within {
        writeln!(
            out,
            "\nThe narrowest M0 that is within 1 LSB everywhere and differs at no more than {fraction:e} of the \
             accumulators:"
        )?;
        narrowest_table(out, search, Some(fraction))?;
    }
    writeln!(
        out,
        "\nDiffering accumulators of the whole network, of {} in all, by bits of M0.\n\
         ≤: at most, the search did not come to its end; else no numbers of as many bits differ at fewer.\n\
         ±: the largest difference of codes where it is more than 1; *: widths of multipliers in FPGAs and processors;\n\
         r, m, b, c: the share of accumulators that differ.",
        count(search.network(Freedom::Nearest).first().map_or(0, |width| width.summary.reachable))
    )?;
    let mut table = ruled();
    let mut header = vec!["bits".to_owned()];
    header.extend(HEADINGS.map(|(name, letter)| format!("{letter} {name}")));
    header.push(scale());
    table.set_header(header);
    let networks = Freedom::ALL.map(|freedom| search.network(freedom));
    for (index, bits) in WIDTHS.enumerate() {
        let widths: Vec<&Width> = networks.iter().filter_map(|network| network.get(index)).collect();
        let mark = if MARKS.contains(&bits) { "*" } else { " " };
        let mut row = vec![format!("{bits}{mark}")];
        row.extend(widths.iter().map(|width| at_most(width.best, &cell(&width.summary))));
        row.push(plot_row(&widths));
        table.add_row(row);
    }
    align_right(&mut table, 0..5);
    writeln!(out, "{table}")?;
    Ok(())
}

/// The heading of the plot: decades of the share of accumulators.
fn scale() -> String {
    let (low, high) = decades();
    let mut text = vec![' '; PLOT_COLUMNS + 6];
    for decade in (low..=high).step_by(3) {
        let label = if decade == 0 { "1".to_owned() } else { format!("1e{decade}") };
        for (place, letter) in text.iter_mut().skip(column(10f64.powi(decade))).zip(label.chars()) {
            *place = letter;
        }
    }
    text.into_iter().collect::<String>().trim_end().to_owned()
}

/// The column of a share; the first is that of none.
fn column(share: f64) -> usize {
    let (low, high) = decades();
    let place = (share.log10() - f64::from(low)) / f64::from(high - low);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "clamped to the columns"
    )]
    let column = (place.clamp(0.0, 1.0) * (PLOT_COLUMNS - 1) as f64).round() as usize;
    column + 1
}

/// A number that is known exactly, or from above.
fn at_most(exact: bool, number: &str) -> String {
    if exact || number == EQUAL { number.to_owned() } else { format!("≤{number}") }
}

fn plot_row(widths: &[&Width]) -> String {
    let mut row = vec![' '; PLOT_COLUMNS + 2];
    for (width, (_, letter)) in widths.iter().zip(HEADINGS) {
        let summary = &width.summary;
        let place = if summary.differing == 0 { 0 } else { column(summary.share()) };
        if let Some(cell) = row.get_mut(place) {
            *cell = letter;
        }
    }
    row.into_iter().collect::<String>().trim_end().to_owned()
}

fn narrowest_table(out: &mut impl Write, search: &Search, within: Option<f64>) -> Result<()> {
    let mut table = ruled();
    let mut header = vec!["layer".to_owned()];
    header.extend(HEADINGS.map(|(name, _)| name.to_owned()));
    table.set_header(header);
    let show = |bits: Option<Bits>| {
        bits.map_or_else(
            || "none of 32 bits".to_owned(),
            |found| at_most(found.narrowest, &found.bits.to_string()),
        )
    };
    for layer in &search.layers {
        let mut row = vec![layer.name.clone()];
        row.extend(Freedom::ALL.map(|freedom| show(search.narrowest_of(layer, freedom, within))));
        table.add_row(row);
    }
    if search.layers.len() > 1 {
        let mut row = vec!["all".to_owned()];
        row.extend(Freedom::ALL.map(|freedom| show(search.narrowest(freedom, within))));
        table.add_row(row);
    }
    align_right(&mut table, 1..);
    writeln!(out, "{table}")?;
    Ok(())
}

/// Everything that was found.
pub(super) fn to_json(search: &Search, within: Option<f64>) -> Json {
    let bits = |found: Option<Bits>| json!(found.map(|found| found.bits));
    let curve = |widths: &[Width]| -> Json {
        WIDTHS
            .zip(widths)
            .map(|(bits, Width { summary, best })| {
                json!({
                    "at_most": !best,
                    "bits": bits,
                    "differing": summary.differing,
                    "differing_channels": summary.differing_channels,
                    "largest": summary.largest,
                })
            })
            .collect()
    };
    let by_freedom = |value: &dyn Fn(Freedom) -> Json| -> Json {
        Freedom::ALL.iter().map(|&freedom| (freedom.name().to_owned(), value(freedom))).collect()
    };
    let layers = search.layers.iter().map(|layer| {
        json!({
            "name": layer.name,
            "equal": by_freedom(&|freedom| bits(search.narrowest_of(layer, freedom, None))),
            "within": within.map(|f| by_freedom(&|freedom| bits(search.narrowest_of(layer, freedom, Some(f))))),
            "channels_equal": by_freedom(&|freedom| json!(layer.equal[freedom as usize])),
            "by_width": by_freedom(&|freedom| curve(&layer.by_width[freedom as usize])),
        })
    });
    json!({
        "shift": search.sharing.describe(),
        "within": within,
        "network": {
            "reachable": search.network(Freedom::Nearest).first().map(|width| width.summary.reachable),
            "equal": by_freedom(&|freedom| bits(search.narrowest(freedom, None))),
            "within": within.map(|f| by_freedom(&|freedom| bits(search.narrowest(freedom, Some(f))))),
            "by_width": by_freedom(&|freedom| curve(&search.network(freedom))),
        },
        "layers": layers.collect::<Vec<_>>(),
    })
}
