//! The topology as TOML: written by `gen_params graph`, edited by people, read back with `--graph`.
//!
//! One `[[node]]` per operation in execution order. Layers take weights and scales from the model, by name; what the
//! model does not hold (stride, padding, a fused ReLU, the scale of an unnamed add) stands here.

mod draft;
mod read;
mod vocabulary;
mod write;

use serde::{Deserialize, Serialize};

pub(super) use self::draft::draft;
pub(super) use self::read::lower;
pub use self::vocabulary::documentation;
use self::write::{entry, reference};
use crate::parts::{Part, Parts};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::network::IntNetwork;
use gen_params_core::ops::Op;
use gen_params_core::parameters::Wiring;

/// The version of the format that this reads and writes.
pub const SCHEMA: u32 = 1;

/// A topology.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphFile {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The file holds guesses that nobody has confirmed: it is believed no more than the order of keys is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub guess: bool,
    /// Names of the network's outputs.
    pub output: Vec<String>,
    /// Inputs of the network.
    #[serde(default)]
    pub input: Vec<InputEntry>,
    /// Operations in execution order.
    #[serde(default)]
    pub node: Vec<NodeEntry>,
    /// Operations of the model whose place nobody knows: written as comments.
    #[serde(skip)]
    pub unplaced: Vec<NodeEntry>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// One number for all axes, or one for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number or a list of numbers")]
pub enum Sizes<T> {
    /// For all axes.
    All(T),
    /// For each axis, outermost first.
    Each(Vec<T>),
}

impl<T: Copy> Sizes<T> {
    /// One number per axis.
    fn spread(&self, axes: usize) -> Vec<T> {
        match self {
            Self::All(one) => vec![*one; axes],
            Self::Each(each) => each.clone(),
        }
    }

    /// Number of axes, where it is said.
    fn axes(&self) -> Option<usize> {
        match self {
            Self::All(_) => None,
            Self::Each(each) => Some(each.len()),
        }
    }
}

impl<T> From<Vec<T>> for Sizes<T> {
    fn from(each: Vec<T>) -> Self {
        Self::Each(each)
    }
}

/// An input of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputEntry {
    /// Name.
    pub name: String,
    /// S, if the input arrives quantized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Z, if the input arrives quantized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_point: Option<i32>,
    /// `uint8` (the default) or `int8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
}

/// One operation; which fields it takes depends on `op`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// Name; for layers the module's path in the model.
    pub name: String,
    /// The operation.
    pub op: String,
    /// Names of nodes or inputs; `NAME:1` is the second result of a `chunk`.
    pub inputs: Vec<String>,
    /// The module or observer that holds S and Z of the result, if it is not the one of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observer: Option<String>,
    /// S of the result, where the model does not hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Z of the result, where the model does not hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_point: Option<i32>,
    /// `uint8` or `int8`, with `scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// A ReLU is fused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relu: Option<bool>,
    /// Kernel of a pooling window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Sizes<i64>>,
    /// Step per spatial axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<Sizes<i64>>,
    /// Padding per spatial axis; for `pad`, before and after each axis from the last backwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<Sizes<i64>>,
    /// Padding after each axis of a window, where it differs from `padding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding_end: Option<Sizes<i64>>,
    /// Dilation per spatial axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dilation: Option<Sizes<i64>>,
    /// Output padding of a transposed convolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_padding: Option<Sizes<i64>>,
    /// Channel groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<i64>,
    /// Padding mode of a convolution, if not `zeros`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding_mode: Option<String>,
    /// Pooling rounds its output size up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceil_mode: Option<bool>,
    /// Average pooling counts padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_include_pad: Option<bool>,
    /// Average pooling divides by this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divisor: Option<i64>,
    /// Output sizes of adaptive pooling (-1 keeps the input's), `reshape` (-1 infers, 0 keeps) or upsampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Sizes<i64>>,
    /// Scale factors of upsampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factors: Option<Sizes<f64>>,
    /// Axes of `mean`, `permute`, `transpose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub axes: Option<Sizes<i64>>,
    /// Axis of `cat`, `chunk`, `slice`, `squeeze`, `unsqueeze`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub axis: Option<i64>,
    /// `mean` keeps its axes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<bool>,
    /// First axis of `flatten`, first index of `slice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// Last axis of `flatten`, end index of `slice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// Step of `slice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// Parts of `chunk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<i64>,
    /// Smallest real value of `clamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest real value of `clamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Slope of `leaky_relu`, alpha of `elu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
}

impl GraphFile {
    /// Parses TOML text.
    ///
    /// # Errors
    /// No TOML, unknown fields, or another schema; with line and column.
    pub fn parse(text: &str) -> Result<Self> {
        let no_toml =
            |e: toml::de::Error| LowerError::new(format!("no graph file: {}", e.to_string().trim_end()));
        let table: toml::Table = toml::from_str(text).map_err(no_toml)?;
        let reasons = vocabulary::strangers(&table);
        if !reasons.is_empty() {
            return Err(LowerError { reasons, hint: Some("docs/graph_files.md lists what there is".into()) });
        }
        let mut file: Self = toml::from_str(text).map_err(no_toml)?;
        // What is a comment altogether explains, and marks nothing.
        file.guess |= text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(MARK));
        if file.schema != SCHEMA {
            return Err(LowerError::new(format!("found graph schema {}, expected {SCHEMA}", file.schema)));
        }
        Ok(file)
    }

    /// The topology of a network, ready to edit.
    ///
    /// `named` says whether the model holds S and Z under a node's own name, so that they need not be repeated here.
    ///
    /// # Errors
    /// Lists the nodes whose sizes are computed from other sizes and cannot be written.
    pub fn from_network(network: &IntNetwork, named: impl Fn(&str) -> bool) -> Result<Self> {
        let mut reasons = network.states_as_reasons();
        let node = network
            .nodes
            .iter()
            .map(|node| {
                entry(network, node, &named).unwrap_or_else(|error| {
                    reasons.extend(error.reasons);
                    NodeEntry::default()
                })
            })
            .collect();
        if !reasons.is_empty() {
            return Err(LowerError { reasons, hint: None });
        }
        let input = network.inputs.iter().map(|&id| {
            let edge = network.edge(id);
            InputEntry {
                name: edge.name.clone(),
                scale: edge.activation.map(|a| a.scale),
                zero_point: edge.activation.map(|a| a.zero_point),
                dtype: edge.activation.map(|a| a.code_type.name().into()),
            }
        });
        let input = input.collect();
        let output = network.outputs.iter().map(|&id| reference(network, id)).collect();
        Ok(Self {
            schema: SCHEMA,
            guess: network.wiring == Wiring::KeyOrder,
            output,
            input,
            node,
            unplaced: Vec::new(),
        })
    }

    /// TOML text. Of a guess, every guessed line is marked.
    ///
    /// # Errors
    /// A number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        let mut text = String::from(HEAD);
        if self.guess {
            text.push_str(GUESS);
        }
        let mut body =
            toml::to_string(self).map_err(|e| LowerError::new(format!("cannot be written as TOML: {e}")))?;
        if self.guess {
            body = self.marked(&body);
        }
        text.push_str(&body);
        if !self.unplaced.is_empty() {
            text.push_str(UNPLACED);
        }
        for node in &self.unplaced {
            let node = toml::to_string(node)
                .map_err(|e| LowerError::new(format!("cannot be written as TOML: {e}")))?;
            text.push_str("\n# [[node]]\n");
            for line in node.lines() {
                text.push_str("# ");
                text.push_str(line);
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// Lists what the model has and no node of this file is.
    pub(super) fn unplaced(&mut self, parts: &Parts) -> Result<()> {
        for (path, part) in parts {
            let Part::Op { op, .. } = part else { continue };
            if matches!(op, Op::Quantize | Op::Dequantize) || self.node.iter().any(|node| &node.name == path)
            {
                continue;
            }
            let inputs = vec![UNKNOWN.into()];
            let mut entry =
                NodeEntry { name: path.clone(), op: op.name().into(), inputs, ..NodeEntry::default() };
            write::of_op(&mut entry, op, None)?;
            self.unplaced.push(entry);
        }
        Ok(())
    }

    /// The body with a mark on each line that was guessed, and a line for what is not known at all.
    fn marked(&self, body: &str) -> String {
        let mut text = String::new();
        let mut nodes = self.node.iter();
        for line in body.lines() {
            text.push_str(line);
            let is_guess = ["inputs = ", "output = "].iter().any(|key| line.starts_with(key));
            if is_guess {
                text.push_str("  ");
                text.push_str(MARK);
                text.push_str(": in the order of the keys");
            }
            text.push('\n');
            if line.starts_with("inputs = ")
                && let Some(node) = nodes.next()
            {
                for missing in read::unknown(node) {
                    text.push_str(missing);
                    text.push('\n');
                }
            }
        }
        text
    }
}

/// What every graph file begins with.
const HEAD: &str = "# Topology of a quantized network: one [[node]] per operation, in execution order.
# Layers take weights, scales and zero points from the model by name; edit what is wrong here and pass
# the file to gen_params with --graph. docs/graph_files.md lists operations and keys.
";

/// What a guess begins with.
const GUESS: &str = "# The model does not hold its topology: lines marked with \"# guess\" were guessed. Correct them, delete the marks
# and the line \"guess = true\"; until then this is believed no more than the order of the keys.
";

/// What stands above operations without a place.
const UNPLACED: &str = "
# The model has these, too; where forward() applies them, and how often, is not in it. Put each where it belongs.
";

/// The mark of a guessed line.
const MARK: &str = "# guess";

/// Stands in a draft for an input that the file does not tell.
pub const UNKNOWN: &str = "EDIT: name of a node";
