//! Classes against labels.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use gen_params::Accuracy;
use gen_params::text::thousands;

use crate::outputs::{align_right, ruled};

/// More classes than this have no matrix on the terminal, only the most frequent confusions.
const MATRIX_CLASSES: usize = 20;

/// How many confusions are printed instead.
const CONFUSIONS: usize = 10;

/// Prints the accuracy, and the matrix or the most frequent confusions.
pub(crate) fn print(accuracy: &Accuracy, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "accuracy {:.2} % ({} of {} images)",
        accuracy.percent(),
        thousands(accuracy.right()),
        thousands(accuracy.images())
    )?;
    if accuracy.classes() > MATRIX_CLASSES {
        for (count, label, class) in accuracy.confusions().into_iter().take(CONFUSIONS) {
            writeln!(out, "label {label} taken for {class}: {count}")?;
        }
        return Ok(());
    }
    let mut table = ruled();
    let classes = (0..accuracy.classes()).map(|class| class.to_string());
    table.set_header(std::iter::once("label \\ class".to_owned()).chain(classes));
    for (label, row) in accuracy.matrix().enumerate() {
        let counts = row.iter().map(|&count| if count == 0 { "·".into() } else { count.to_string() });
        table.add_row(std::iter::once(label.to_string()).chain(counts));
    }
    align_right(&mut table, 0..);
    writeln!(out, "{table}")
}

/// The same for machines.
pub(crate) fn to_json(accuracy: &Accuracy) -> Json {
    json!({
        "percent": accuracy.percent(),
        "right": accuracy.right(),
        "images": accuracy.images(),
        "confusion": accuracy.matrix().collect::<Vec<_>>(),
    })
}
