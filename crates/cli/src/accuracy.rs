//! Classes against labels.

use std::io::{self, Write};

use anyhow::{Result, bail};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value as Json, json};

use crate::table::thousands;

/// More classes than this have no matrix on the terminal, only the most frequent confusions.
const MATRIX_CLASSES: usize = 20;

/// How many confusions are printed instead.
const CONFUSIONS: usize = 10;

/// How often each class was taken for each other.
#[derive(Debug)]
pub(crate) struct Accuracy {
    /// (label, class), row-major.
    counts: Vec<usize>,
    classes: usize,
}

impl Accuracy {
    /// Counts the classes found against the labels.
    pub(crate) fn new(found: &[usize], labels: &[usize], classes: usize) -> Result<Self> {
        let mut counts = vec![0; classes * classes];
        for (image, (&class, &label)) in found.iter().zip(labels).enumerate() {
            if label >= classes {
                bail!(
                    "--labels: the label of image {image} is {label}, and the network has {classes} classes"
                );
            }
            counts[label * classes + class] += 1;
        }
        Ok(Self { counts, classes })
    }

    fn right(&self) -> usize {
        (0..self.classes).map(|class| self.counts[class * self.classes + class]).sum()
    }

    fn images(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Percent of the images whose class is their label.
    #[allow(clippy::cast_precision_loss, reason = "numbers of images")]
    pub(crate) fn percent(&self) -> f64 {
        100.0 * self.right() as f64 / self.images().max(1) as f64
    }

    /// The accuracy, and the matrix or the most frequent confusions.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "accuracy {:.2} % ({} of {} images)",
            self.percent(),
            thousands(self.right()),
            thousands(self.images())
        )?;
        if self.classes > MATRIX_CLASSES {
            return self.print_confusions(out);
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
        let classes = (0..self.classes).map(|class| class.to_string());
        table.set_header(std::iter::once("label \\ class".to_owned()).chain(classes));
        for (label, row) in self.counts.chunks(self.classes).enumerate() {
            let counts = row.iter().map(|&count| if count == 0 { "·".into() } else { count.to_string() });
            table.add_row(std::iter::once(label.to_string()).chain(counts));
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(out, "{table}")
    }

    fn print_confusions(&self, out: &mut impl Write) -> io::Result<()> {
        let mut confusions: Vec<(usize, usize, usize)> = (0..self.counts.len())
            .map(|index| (self.counts[index], index / self.classes, index % self.classes))
            .filter(|&(count, label, class)| count > 0 && label != class)
            .collect();
        confusions.sort_by_key(|&(count, label, class)| (std::cmp::Reverse(count), label, class));
        for (count, label, class) in confusions.into_iter().take(CONFUSIONS) {
            writeln!(out, "label {label} taken for {class}: {count}")?;
        }
        Ok(())
    }

    pub(crate) fn to_json(&self) -> Json {
        json!({
            "percent": self.percent(),
            "right": self.right(),
            "images": self.images(),
            "confusion": self.counts.chunks(self.classes.max(1)).collect::<Vec<_>>(),
        })
    }
}
