//! Where two arithmetics differ, layer by layer.

use gen_params_core::machine::Machine;
use gen_params_core::network::EdgeId;
use gen_params_core::ops::{Op, Value};
use gen_params_core::parameters::Activation;

use crate::error::Result;
use crate::input::Input;
use crate::run::{Overflows, RunOptions, batches, codes_of, for_each_batch, largest};

/// How two lists of codes differ.
#[derive(Debug, Clone, Copy, Default)]
pub struct Difference {
    /// Codes that were compared.
    pub values: usize,
    /// Those that differ.
    pub mismatches: usize,
    /// The largest distance.
    pub largest: u32,
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
    pub fn share(self) -> f64 {
        self.mismatches as f64 / self.values.max(1) as f64
    }
}

/// How two arithmetics differ at a node.
#[derive(Debug, Clone)]
pub struct NodeDifference {
    /// The node.
    pub name: String,
    /// Its operator.
    pub op: &'static str,
    /// Both given the first arithmetic's inputs.
    pub isolated: Difference,
    /// Each with its own inputs.
    pub accumulated: Difference,
}

/// How two arithmetics differ on inputs.
#[derive(Debug, Clone)]
pub struct Versus {
    /// Nodes that give codes, but those that only arrange them.
    pub layers: Vec<NodeDifference>,
    /// The class of each image, by arithmetic.
    pub classes: [Vec<usize>; 2],
    /// Images that both put into one class.
    pub same_class: usize,
    /// What the user must know, one sentence each.
    pub warnings: Vec<String>,
}

/// Differences of one batch.
struct Part {
    /// By node: with the first arithmetic's inputs for both, and each with its own.
    nodes: Vec<[Difference; 2]>,
    classes: [Vec<usize>; 2],
    overflows: [Overflows; 2],
}

/// Runs two machines of one network, whose output codes lie on the edges `outputs`.
pub(crate) fn versus(
    [a, b]: [&Machine<'_>; 2],
    outputs: &[(EdgeId, Activation)],
    input: &Input,
    options: RunOptions<'_>,
) -> Result<Versus> {
    let nodes = &a.network().nodes;
    let batches = batches(a, input, options.batch)?;
    let parts =
        for_each_batch([a, b], batches, input.images(), options.progress, |image, [a_edges, b_edges]| {
            let mut differences = vec![[Difference::default(); 2]; nodes.len()];
            let mut overflows = [Overflows::default(), Overflows::default()];
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
                    let codes = codes_of(edges, edge)?;
                    let size = codes.shape().iter().skip(1).product::<usize>().max(1);
                    classes.extend(codes.elements().chunks(size).map(largest));
                }
            }
            Ok(Part { nodes: differences, classes, overflows })
        })?;

    let mut total = vec![[Difference::default(); 2]; nodes.len()];
    let mut overflows = [Overflows::default(), Overflows::default()];
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
    let warnings = [ours.warnings(a), theirs.warnings(b)].concat();

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
    Ok(Versus { layers: layers.collect(), classes, same_class, warnings })
}
