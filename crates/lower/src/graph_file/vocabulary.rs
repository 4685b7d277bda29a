//! The words of a graph file: its operations with their keys. What is read, what is refused and what is documented
//! (`docs/graph_files.md`) comes from this table.

use std::fmt::Write;

use super::{NodeEntry, SCHEMA};
use gen_params_core::error::{LowerError, Reason};
use gen_params_core::ops::Function;

/// An operation, under each of its names.
pub(super) struct Operation {
    names: &'static [&'static str],
    /// Keys that it needs.
    needs: &'static [&'static str],
    /// Keys that it may have, beside those of every node.
    takes: &'static [&'static str],
    /// What it is, for users: a sentence.
    about: &'static str,
}

const fn operation(
    names: &'static [&'static str],
    needs: &'static [&'static str],
    takes: &'static [&'static str],
    about: &'static str,
) -> Operation {
    Operation { names, needs, takes, about }
}

/// Keys of the file itself.
const TOP: &[(&str, &str)] = &[
    ("schema", "The version of this format: 1."),
    (
        "guess",
        "`true` while the file still holds guesses: it is then believed no more than the order of keys, and `run`, \
         `vectors`, `certify` and `emit` ask. Delete it, and the marks `# guess`, when every marked line is right.",
    ),
    ("output", "Names of the nodes whose results are the network's outputs."),
    ("input", "An `[[input]]` for each input of the network."),
    ("node", "A `[[node]]` for each operation, in execution order."),
];

/// Keys of an input.
const INPUT: &[(&str, &str)] = &[
    ("name", "The name by which nodes take it."),
    ("scale", "S, if it arrives quantized."),
    ("zero_point", "Z, if it arrives quantized."),
    ("dtype", "`uint8` (taken where nothing is said), `int8` or `int16`."),
];

/// Keys of every node.
const NODE: &[(&str, &str)] = &[
    (
        "name",
        "Its name; of a layer, the name that the model has for it, from which weights and scales are taken.",
    ),
    ("op", "The operation, one of those below."),
    ("inputs", "Names of inputs or earlier nodes; `NAME:1` is the second result of a `chunk`."),
    (
        "observer",
        "The module or observer of the model that holds S and Z of the result, if it is not the one of this name.",
    ),
    ("scale", "S of the result, where the model does not hold it."),
    ("zero_point", "Z of the result, with `scale`."),
    ("dtype", "`uint8` (taken where nothing is said), `int8` or `int16`, with `scale`."),
];

/// Keys of some operations.
const KEYS: &[(&str, &str)] = &[
    (
        "relu",
        "Whether a ReLU is fused; not said, it is as in the model, and unknown where that does not say it.",
    ),
    ("kernel", "Sizes of a pooling window."),
    ("stride", "Steps of a window; of a pool `kernel`, of a layer the model's where nothing is said."),
    (
        "padding",
        "Padding on both sides of each axis; of a pool 0, of a layer the model's where nothing is said. For `pad`, \
         before and behind each axis, from the last axis backwards.",
    ),
    ("padding_end", "Padding behind each axis, where it differs from `padding`."),
    ("dilation", "Distance between taps; of a pool 1, of a layer the model's where nothing is said."),
    ("output_padding", "Extra size of a transposed convolution's output."),
    ("groups", "Groups of channels."),
    ("padding_mode", "`zeros`, `reflect`, `replicate` or `circular`."),
    ("ceil_mode", "A pool's output size is rounded up; `false` where nothing is said."),
    ("count_include_pad", "An average counts padding; `true` where nothing is said."),
    ("divisor", "An average divides by this, and not by the size of its window."),
    (
        "size",
        "Output sizes: of `adaptive_avg_pool` (-1 keeps the input's), of `reshape` (-1 infers, 0 keeps), of `upsample_nearest`.",
    ),
    ("factors", "Scale factors of `upsample_nearest`, in place of `size`."),
    ("axes", "Axes of `mean`, `permute` and `transpose`."),
    ("axis", "The axis that an operation works along."),
    ("keep", "`mean` keeps its axes with size 1; `false` where nothing is said."),
    ("start", "First axis of `flatten` (1 where nothing is said), first index of `slice` (0)."),
    ("end", "Last axis of `flatten` (-1 where nothing is said), index behind the last of `slice` (all)."),
    ("step", "Step of `slice`; 1 where nothing is said."),
    ("parts", "Number of parts of `chunk`."),
    ("min", "Smallest real result; none where nothing is said."),
    ("max", "Largest real result; none where nothing is said."),
    ("alpha", "Slope of `leaky_relu`, alpha of `elu`."),
];

const WINDOW: &[&str] = &["relu", "stride", "padding", "padding_end", "dilation", "groups", "padding_mode"];
const TRANSPOSED: &[&str] =
    &["relu", "stride", "padding", "padding_end", "dilation", "output_padding", "groups", "padding_mode"];

/// All operations, in the order in which they are documented.
const OPERATIONS: &[Operation] = &[
    operation(&["quantize"], &[], &[], "Reals become codes."),
    operation(&["dequantize"], &[], &[], "Codes become reals."),
    operation(&["conv1d", "conv2d", "conv3d"], &[], WINDOW, "A convolution of the model."),
    operation(
        &["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"],
        &[],
        TRANSPOSED,
        "A transposed convolution of the model.",
    ),
    operation(&["linear"], &[], &["relu"], "A fully connected layer of the model."),
    operation(&["add", "sub", "mul"], &[], &["relu"], "The sum, difference or product of two tensors."),
    operation(&["minimum", "maximum"], &[], &[], "The smaller or larger of two tensors, element by element."),
    operation(&["matmul"], &[], &[], "The matrix product of two tensors."),
    operation(&["cat"], &["axis"], &[], "Tensors one behind the other along an axis."),
    operation(
        &["max_pool"],
        &["kernel"],
        &["stride", "padding", "padding_end", "dilation", "ceil_mode"],
        "The largest of each window.",
    ),
    operation(
        &["avg_pool"],
        &["kernel"],
        &["stride", "padding", "padding_end", "dilation", "ceil_mode", "count_include_pad", "divisor"],
        "The mean of each window.",
    ),
    operation(&["adaptive_avg_pool"], &["size"], &[], "Means over as many windows as give this size."),
    operation(&["mean"], &["axes"], &["keep"], "The mean over axes."),
    operation(&["relu"], &[], &[], "No result below the real 0."),
    operation(&["clamp"], &[], &["min", "max"], "Results within limits, S and Z as before."),
    operation(&["requantize"], &[], &["min", "max"], "The same reals under another S and Z, within limits."),
    operation(&Function::PLAIN, &[], &[], "A function of each element."),
    operation(&Function::WITH_NUMBER, &["alpha"], &[], "A function of each element, with a parameter."),
    operation(&["softmax"], &["axis"], &[], "Shares of the exponentials' sum along an axis."),
    operation(&["batch_norm", "layer_norm"], &[], &[], "A norm of the model, which has its numbers."),
    operation(&["constant"], &[], &[], "Codes of the model."),
    operation(&["flatten"], &[], &["start", "end"], "Axes become one."),
    operation(&["reshape"], &["size"], &[], "The same codes under other sizes."),
    operation(&["permute", "transpose"], &["axes"], &[], "Axes in this order; these two swapped."),
    operation(&["squeeze"], &[], &["axis"], "An axis of size 1 is left out, or all of them."),
    operation(&["unsqueeze"], &["axis"], &[], "An axis of size 1 is put in."),
    operation(&["slice"], &["axis"], &["start", "end", "step"], "A part along an axis."),
    operation(&["chunk"], &["parts", "axis"], &[], "Parts along an axis, each a result."),
    operation(&["upsample_nearest"], &[], &["size", "factors"], "Each code repeated."),
    operation(&["pad"], &["padding"], &["padding_mode"], "A border around a tensor."),
    operation(&["channel_shuffle"], &["groups"], &[], "Channels of the groups in turn."),
    operation(
        &["contiguous", "channels_last"],
        &[],
        &[],
        "The same codes in another order of memory, on which some of PyTorch's kernels depend.",
    ),
];

/// Everything in a file's table that is no word of ours, or stands where nobody would read it.
pub(super) fn strangers(file: &toml::Table) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut check =
        |place: &str, table: &toml::Table, known: &[(&str, &str)], more: &[(&str, &str)], whose: &str| {
            for key in table.keys() {
                let names = || known.iter().chain(more).map(|(name, _)| *name);
                if !names().any(|name| name == key) {
                    let text =
                        format!("has a key `{key}`, which {whose} does not have{}", meant(key, names()));
                    reasons.push(Reason { place: place.to_owned(), text });
                }
            }
        };
    check("", file, TOP, &[], "a graph file");
    let tables = |key: &str| file.get(key).and_then(toml::Value::as_array).into_iter().flatten();
    let name_of = |table: &toml::Table, kind: &str, number: usize| match table.get("name") {
        Some(toml::Value::String(name)) => name.clone(),
        _ => format!("{kind} {number}"),
    };
    for (number, input) in tables("input").filter_map(toml::Value::as_table).enumerate() {
        check(&name_of(input, "input", number + 1), input, INPUT, &[], "an input");
    }
    for (number, node) in tables("node").filter_map(toml::Value::as_table).enumerate() {
        check(&name_of(node, "node", number + 1), node, NODE, KEYS, "a node");
    }
    reasons
}

/// What a node lacks, and what it has that its operation does not read; with all reasons at once.
pub(super) fn check(entry: &NodeEntry) -> Result<(), LowerError> {
    let Some(operation) = OPERATIONS.iter().find(|operation| operation.names.contains(&entry.op.as_str()))
    else {
        let names = OPERATIONS.iter().flat_map(|operation| operation.names.iter().copied());
        let text =
            format!("has op `{}`, which is no operation of graph files{}", entry.op, meant(&entry.op, names));
        return Err(
            LowerError::at(&entry.name, text).hint("docs/graph_files.md lists the operations and their keys")
        );
    };
    let present = match toml::Value::try_from(entry) {
        Ok(toml::Value::Table(table)) => table,
        Ok(_) | Err(_) => return Err(LowerError::at(&entry.name, "cannot be written as TOML")),
    };
    let missing = operation.needs.iter().filter(|key| !present.contains_key(**key));
    let mut texts: Vec<String> = missing.map(|key| format!("is a {} without `{key}`", entry.op)).collect();
    for key in present.keys().map(String::as_str) {
        let of_every_node = NODE.iter().any(|(name, _)| *name == key);
        if !of_every_node && !operation.needs.contains(&key) && !operation.takes.contains(&key) {
            texts.push(format!("has `{key}`, which a {} does not take", entry.op));
        }
    }
    let reasons: Vec<Reason> =
        texts.into_iter().map(|text| Reason { place: entry.name.clone(), text }).collect();
    if reasons.is_empty() { Ok(()) } else { Err(LowerError { reasons, hint: None }) }
}

/// `; did you mean ...`, where a known word is near.
fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|name| (distance(word, name), name)).min();
    match nearest {
        Some((far, name)) if far <= 1 + name.len() / 3 => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}

/// Letters to insert, leave out or replace between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The vocabulary as Markdown: what `docs/graph_files.md` ends with.
pub fn documentation() -> String {
    let mut text = String::new();
    let mut list = |title: &str, rows: &[(&str, &str)]| {
        let _ = writeln!(text, "## {title}\n\n| key | is |\n|---|---|");
        for (name, about) in rows {
            let _ = writeln!(text, "| `{name}` | {about} |");
        }
        text.push('\n');
    };
    list(&format!("The file (schema {SCHEMA})"), TOP);
    list("`[[input]]`", INPUT);
    list("`[[node]]`: keys of every operation", NODE);
    list("`[[node]]`: keys of some operations", KEYS);
    text.push_str("## Operations\n\n| op | is | needs | may have |\n|---|---|---|---|\n");
    let names = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for operation in OPERATIONS {
        let Operation { names: own, needs, takes, about } = operation;
        let _ = writeln!(text, "| {} | {about} | {} | {} |", names(own), names(needs), names(takes));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that the table does not have would be refused before serde sees it, and one that serde does not have is
    /// read by nobody.
    #[test]
    fn the_table_has_the_keys_that_are_read() {
        let text = "schema = 1\noutput = []\n[[node]]\nname = \"n\"\nop = \"relu\"\ninputs = []\nxyz = 1\n";
        let error = toml::from_str::<super::super::GraphFile>(text).unwrap_err().to_string();
        let (_, list) = error.split_once("expected one of ").unwrap();
        let mut read: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
        let mut known: Vec<&str> = NODE.iter().chain(KEYS).map(|(name, _)| *name).collect();
        read.sort_unstable();
        known.sort_unstable();
        assert_eq!(read, known);
        for operation in OPERATIONS {
            for key in operation.needs.iter().chain(operation.takes) {
                assert!(KEYS.iter().any(|(name, _)| name == key), "{key}");
            }
        }
    }

    #[test]
    fn what_was_meant_is_the_nearest_word() {
        let table = "schema = 1\nouput = []\n[[node]]\nname = \"pool\"\nop = \"max_pool\"\ninputs = []\nstrid = 2\nxyz = 3\n";
        let reasons = strangers(&table.parse().unwrap());
        let texts: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "has a key `ouput`, which a graph file does not have; did you mean `output`?",
                "pool: has a key `strid`, which a node does not have; did you mean `stride`?",
                "pool: has a key `xyz`, which a node does not have",
            ]
        );
    }
}
