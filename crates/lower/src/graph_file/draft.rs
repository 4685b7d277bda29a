//! A topology to be edited, where the model holds none.

use super::{GraphFile, InputEntry, NodeEntry, SCHEMA, UNKNOWN, write};
use crate::parts::{Part, Parts};
use gen_params_core::error::Result;
use gen_params_core::ops::Op;

/// Modules as a chain in the order of the keys, to be edited. A stub that stands last goes first; what has a scale and
/// no weight is written as an `add` whose second input is [`UNKNOWN`].
pub(crate) fn draft(parts: &Parts) -> Result<GraphFile> {
    let is_stub = |part: &Part| {
        matches!(part, Part::Bare { looks_like_stub: true, .. } | Part::Op { op: Op::Quantize, .. })
    };
    let (stubs, others): (Vec<_>, Vec<_>) = parts.iter().partition(|(_, part)| is_stub(part));
    let mut node: Vec<NodeEntry> = Vec::new();
    if stubs.is_empty() {
        node.push(NodeEntry {
            name: "quant".into(),
            op: "quantize".into(),
            inputs: vec!["input".into()],
            ..NodeEntry::default()
        });
    }
    for (path, part) in stubs.into_iter().chain(others) {
        let before = node.last().map_or_else(|| "input".to_owned(), |n| n.name.clone());
        let mut entry = NodeEntry { name: path.clone(), inputs: vec![before], ..NodeEntry::default() };
        match part {
            Part::Bare { looks_like_stub: true, .. } => entry.op = "quantize".into(),
            Part::Bare { .. } => {
                entry.op = "add".into();
                entry.inputs.push(UNKNOWN.into());
            }
            Part::Op { op, .. } => {
                entry.op = op.name().into();
                write::of_op(&mut entry, op, None)?;
            }
            Part::Observer(_) | Part::Nothing | Part::Float | Part::Unknown(_) | Part::Unspecified => {
                continue;
            }
        }
        node.push(entry);
    }
    let output = node.last().map(|n| n.name.clone()).into_iter().collect();
    let input = vec![InputEntry { name: "input".into(), scale: None, zero_point: None, dtype: None }];
    Ok(GraphFile { schema: SCHEMA, guess: true, output, input, node, unplaced: Vec::new() })
}
