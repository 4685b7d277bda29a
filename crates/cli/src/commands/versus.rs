//! `run --versus`: where two arithmetics differ, layer by layer.

use std::io::Write;

use anyhow::Result;
use comfy_table::CellAlignment;
use serde_json::json;

use gen_params::machine::Arithmetic;
use gen_params::ops::{Op, Value};

use crate::arguments::Run;
use crate::input::Input;
use crate::outputs::{largest, ruled};
use crate::simulation::{self, OverflowList, Prepared};
use crate::table::thousands;
use crate::terminal;

/// How two lists of codes differ.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Difference {
    /// Codes that were compared.
    pub(super) values: usize,
    /// Those that differ.
    pub(super) mismatches: usize,
    /// The largest distance.
    pub(super) largest: u32,
}

impl Difference {
    fn add(&mut self, a: &Value, b: &Value) {
        if let (Value::Codes(a), Value::Codes(b)) = (a, b) {
            self.values += a.elements().len();
            for distance in a.elements().iter().zip(b.elements()).map(|(a, b)| a.abs_diff(*b)) {
                self.mismatches += usize::from(distance > 0);
                self.largest = self.largest.max(distance);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.values += other.values;
        self.mismatches += other.mismatches;
        self.largest = self.largest.max(other.largest);
    }

    /// The share of codes that differ.
    #[allow(clippy::cast_precision_loss, reason = "numbers of values")]
    pub(super) fn share(self) -> f64 {
        self.mismatches as f64 / self.values.max(1) as f64
    }

    fn cells(self) -> [String; 3] {
        if self.mismatches == 0 {
            return ["0".into(), String::new(), String::new()];
        }
        [thousands(self.mismatches), percent(100.0 * self.share()), self.largest.to_string()]
    }
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

/// How two arithmetics differ at a node.
pub(super) struct NodeDifference {
    /// The node.
    pub(super) name: String,
    /// Its operator.
    pub(super) op: &'static str,
    /// Both given the first arithmetic's inputs.
    pub(super) isolated: Difference,
    /// Each with its own inputs.
    pub(super) accumulated: Difference,
}

/// How two arithmetics differ on inputs.
pub(super) struct Comparison {
    /// Nodes that give codes, but those that only arrange them.
    pub(super) layers: Vec<NodeDifference>,
    /// The class of each image, by arithmetic.
    pub(super) classes: [Vec<usize>; 2],
    /// Images that both put into one class.
    pub(super) same_class: usize,
}

/// Differences of one batch.
struct Part {
    /// By node: with the first arithmetic's inputs for both, and each with its own.
    nodes: Vec<[Difference; 2]>,
    classes: [Vec<usize>; 2],
    overflows: [OverflowList; 2],
}

/// Runs both arithmetics.
pub(super) fn compare(
    prepared: &Prepared,
    input: &Input,
    arithmetics: [Arithmetic; 2],
    batch: usize,
) -> Result<Comparison> {
    let [first, second] = arithmetics;
    let (a, b) = (prepared.machine(first)?, prepared.machine(second)?);
    let outputs = prepared.code_outputs()?;
    let nodes = &prepared.network.nodes;
    let batches = simulation::batches(&a, input, batch)?;
    let parts =
        simulation::for_each_batch([&a, &b], batches, input.images(), |image, [a_edges, b_edges]| {
            let mut differences = vec![[Difference::default(); 2]; nodes.len()];
            let mut overflows = [OverflowList::default(), OverflowList::default()];
            for (index, node) in nodes.iter().enumerate() {
                let (ours, isolated, theirs) =
                    (a.step(index, a_edges)?, b.step(index, a_edges)?, b.step(index, b_edges)?);
                for ((own, alone), accumulated) in
                    ours.results.iter().zip(&isolated.results).zip(&theirs.results)
                {
                    differences[index][0].add(own, alone);
                    differences[index][1].add(own, accumulated);
                }
                overflows[0].add(index, image, ours.overflows);
                overflows[1].add(index, image, theirs.overflows);
                a_edges.set(&node.outputs, ours.results);
                b_edges.set(&node.outputs, theirs.results);
            }
            let mut classes = [Vec::new(), Vec::new()];
            if let Some(&(edge, _)) = outputs.first() {
                for (classes, edges) in classes.iter_mut().zip([&*a_edges, &*b_edges]) {
                    let codes = simulation::codes_of(edges, edge)?;
                    let size = codes.shape().iter().skip(1).product::<usize>().max(1);
                    classes.extend(codes.elements().chunks(size).map(largest));
                }
            }
            Ok(Part { nodes: differences, classes, overflows })
        })?;

    let mut total = vec![[Difference::default(); 2]; nodes.len()];
    let mut overflows = [OverflowList::default(), OverflowList::default()];
    let mut classes = [Vec::new(), Vec::new()];
    for part in parts {
        for (sum, new) in total.iter_mut().zip(part.nodes) {
            sum[0].merge(new[0]);
            sum[1].merge(new[1]);
        }
        for (all, new) in overflows.iter_mut().zip(part.overflows) {
            all.merge(new);
        }
        for (all, new) in classes.iter_mut().zip(part.classes) {
            all.extend(new);
        }
    }
    let [ours, theirs] = overflows;
    simulation::warn_of_overflows(&a, &ours.sorted());
    simulation::warn_of_overflows(&b, &theirs.sorted());

    let shown = nodes
        .iter()
        .zip(total)
        .filter(|(node, difference)| difference[0].values > 0 && !matches!(node.op, Op::Shape(_)));
    let layers = shown.map(|(node, [isolated, accumulated])| NodeDifference {
        name: node.name.clone(),
        op: node.op.name(),
        isolated,
        accumulated,
    });
    let same_class = classes[0].iter().zip(&classes[1]).filter(|(ours, theirs)| ours == theirs).count();
    Ok(Comparison { layers: layers.collect(), classes, same_class })
}

/// Runs both arithmetics and reports where they differ.
pub(super) fn run(
    arguments: &Run,
    prepared: &Prepared,
    input: &Input,
    arithmetics: [Arithmetic; 2],
) -> Result<()> {
    let [first, second] = arithmetics;
    let Comparison { layers, same_class, .. } =
        compare(prepared, input, arithmetics, arguments.batch as usize)?;
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
            row.extend(layer.isolated.cells());
            row.extend(layer.accumulated.cells());
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
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
