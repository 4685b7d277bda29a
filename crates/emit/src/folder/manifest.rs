//! `manifest.json`: every number of every layer, and every file with its digest; the machine interface.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::memory::Contents;

/// The version of the layout of `manifest.json` that this module writes and reads.
pub const SCHEMA: u32 = 1;

/// The name of the tool in `manifest.json`, by which it knows a folder as its own.
pub const GENERATOR: &str = "gen_params";

/// The name of the manifest in its folder.
pub const FILE_NAME: &str = "manifest.json";

/// The whole file. A field that is unknown is `null`: never absent, never a guess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout: [`SCHEMA`].
    pub schema: u32,
    /// Name of the tool: [`GENERATOR`].
    pub generator: String,
    /// Version of the tool.
    pub version: String,
    /// The model file.
    pub source: Source,
    /// How it is known which layer feeds which: `file`, `graph-file` or `key-order` (a guess).
    pub wiring: String,
    /// The engine that the activation range was taken from, where the user had to name it.
    pub engine: Option<String>,
    /// How real multipliers were turned into integers.
    pub multiplier_form: MultiplierForm,
    /// The network's inputs, in order.
    pub inputs: Vec<NetworkInput>,
    /// Layers with weights, in execution order.
    pub layers: Vec<Layer>,
    /// Operators that keep a state, in execution order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recurrent: Vec<Recurrent>,
    /// Element-wise functions as tables of 256 codes, in execution order.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// How the divisions by 2^n of `operators` round.
    #[serde(default)]
    pub rounding: String,
    /// Operators without weights that have integers of their own, in execution order.
    #[serde(default)]
    pub operators: Vec<Operator>,
    /// What the user must know: one sentence each.
    pub warnings: Vec<String>,
    /// The hardware, in the sections and keys of its TOML file.
    #[serde(default)]
    pub target: serde_json::Value,
    /// How words lie in those files that hold words, by name; the files of `layers` have one number a line.
    #[serde(default)]
    pub layouts: BTreeMap<String, Contents>,
    /// Every other file of the folder, sorted by name.
    pub files: Vec<FileRecord>,
}

/// An operator that keeps a state: SVDF or LSTM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recurrent {
    /// Name in the model.
    pub name: String,
    /// The operator: `svdf` or `lstm`.
    pub op: String,
    /// Its states by name, in order. They begin at their zero points.
    pub states: Vec<State>,
    /// Its matrix products, in the order in which they are computed.
    pub products: Vec<Product>,
    /// Its element-wise factors.
    pub factors: Vec<Factor>,
    /// The largest magnitude of a cell's code.
    pub cell_clip: Option<i32>,
}

/// A state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its name.
    pub name: String,
    /// S and Z.
    #[serde(flatten)]
    pub quantization: Quantization,
}

/// A matrix product: `round(multiplier * (sum(w * x) + folded_bias) * 2^-shift) + Z3`, rounded twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// Name of the operator, a dot, and what it is.
    pub name: String,
    /// S1, Z1.
    pub input: Quantization,
    /// The weights.
    pub weight: ProductWeight,
    /// Rows of weights whose sums are added up to one result.
    pub rank: usize,
    /// Per result.
    pub bias: Vec<i64>,
    /// `bias - Z1*sum(w)`, per result.
    pub folded_bias: Vec<i64>,
    /// M.
    pub real_multiplier: f64,
    /// M0.
    pub multiplier: u32,
    /// n.
    pub shift: i32,
    /// S3, Z3.
    pub output: Quantization,
}

/// The weights of a matrix product, whose zero point is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductWeight {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// `int8` or `int16`.
    pub dtype: String,
    /// S2.
    pub scale: f64,
    /// The file that holds them, row-major.
    pub file: Option<String>,
}

/// An element-wise factor, `multiplier * 2^-shift`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// What it multiplies.
    pub name: String,
    /// M0.
    pub multiplier: u32,
    /// n.
    pub shift: i32,
}

/// An element-wise function: output codes of the input codes in ascending order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Name in the model.
    pub name: String,
    /// The function, e.g. `sigmoid`.
    pub op: String,
    /// The arithmetic that filled the table: a contract's name.
    pub contract: String,
    /// S and Z of the codes that go in.
    pub input: Quantization,
    /// S and Z of the codes that come out.
    pub output: Quantization,
    /// 256 output codes.
    pub codes: Vec<i32>,
    /// The file with the codes in hex, where it is written.
    pub file: Option<String>,
}

/// An operator without weights: `clamp(round(value * 2^-shift) + Z3)`, where the value is, by `op`,
///
/// - `add`: `multiplier[0]*(a - Za) + multiplier[1]*(b - Zb)`
/// - `mul`: `multiplier[0]*(a - Za)*(b - Zb)`; `matmul`: the sum of such products
/// - `cat`: `multiplier[i]*(x - Z)` for codes of input i; `null` where they pass unchanged
/// - means: `multiplier[i]*sum(x - Z)` over `divisor[i]` positions; none where the sizes of the input decide
/// - `batch_norm`: `multiplier[c]*(x - Z) + offset[c]` for channel c
/// - `relu`, `clamp`: the code itself, without multiplier and shift
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operator {
    /// Name in the model.
    pub name: String,
    /// What it computes.
    pub op: String,
    /// S and Z of its inputs.
    pub inputs: Vec<Quantization>,
    /// S3 and Z3.
    pub output: Quantization,
    /// Smallest and largest output code.
    pub clamp: Clamp,
    /// M0.
    pub multiplier: Vec<Option<i64>>,
    /// n: one for all, or as many as there are multipliers.
    pub shift: Vec<Option<i32>>,
    /// `batch_norm` only.
    pub offset: Option<Vec<i32>>,
    /// Means only.
    pub divisor: Option<Vec<i64>>,
    /// How it agrees with real numbers, rounded once, half to even; `null` where nothing is rounded or the number of cases
    /// has no bound.
    pub against_exact: Option<Agreement>,
}

/// A proof of equality, or the count of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Everything that can occur: pairs of codes, codes by channel, or sums of a window.
    pub cases: u64,
    /// Those with another code; 0 is the proof.
    pub differing: u64,
}

/// The model file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What kind of file it is; `null` where it was not said.
    pub form: Option<String>,
    /// Its name without folders; `null` where the model did not come from a named file.
    pub name: Option<String>,
    /// SHA-256 of its bytes, 64 lower-case hex digits.
    pub sha256: Option<String>,
}

/// Name and digest of the model file, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// What kind of file it is.
    pub form: &'static str,
    /// Its name without folders, so that the manifest does not depend on where the file lay.
    pub name: String,
    /// SHA-256 of its bytes, 64 lower-case hex digits.
    pub sha256: String,
}

impl SourceFile {
    /// The record of a file of this form, with this name and these bytes.
    pub fn new(form: &'static str, name: impl Into<String>, bytes: &[u8]) -> Self {
        Self { form, name: name.into(), sha256: crate::folder::digest::hex_digest(bytes) }
    }
}

impl From<SourceFile> for Source {
    fn from(file: SourceFile) -> Self {
        Self { form: Some(file.form.to_owned()), name: Some(file.name), sha256: Some(file.sha256) }
    }
}

/// How a real multiplier M became integers: M ~ `multiplier` * 2^-`shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum MultiplierForm {
    /// One shift for all layers.
    Shift {
        /// n, the shift.
        n: u32,
    },
    /// One shift per output channel, such that the multiplier has exactly this many bits.
    Bits {
        /// Bits of the multiplier.
        bits: u32,
    },
    /// One shift per layer, such that its largest multiplier has exactly this many bits.
    LayerBits {
        /// Bits of the largest multiplier.
        bits: u32,
    },
    /// One shift for all layers, such that the largest multiplier of all has exactly this many bits.
    NetworkBits {
        /// Bits of the largest multiplier.
        bits: u32,
    },
}

/// One input of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkInput {
    /// Its name in the model.
    pub name: String,
    /// Its scale, zero point and element type.
    pub quantization: Option<Quantization>,
}

/// How codes map to reals: `real = scale * (code - zero_point)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantization {
    /// Scale, exact: reading it as a binary64 gives the number in the model file.
    pub scale: f64,
    /// Zero point, a code.
    pub zero_point: i32,
    /// Element type of the codes: `uint8` or `int8`.
    pub dtype: String,
}

/// One layer with weights. Lists with one entry per output channel have `channels` entries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name in the model, with dots.
    pub name: String,
    /// Its kind: `conv1d` to `conv3d`, `conv_transpose1d` to `conv_transpose3d`, `linear`.
    pub op: String,
    /// Number of output channels.
    pub channels: usize,
    /// Whether a ReLU is fused into it.
    pub relu: Option<bool>,
    /// S1, Z1 and the reachable codes of its input.
    pub input: Option<Input>,
    /// S2, Z2 and where the codes are.
    pub weight: Weight,
    /// `round(b / (S1*S2))`, per output channel.
    pub bias: Option<Vec<i64>>,
    /// `sum(w_q)`, per output channel; `null` beyond 32 bits.
    pub weight_sum: Option<Vec<i32>>,
    /// `bias - Z1*weight_sum + K*Z1*Z2`, per output channel; K is the number of taps.
    pub folded_bias: Option<Vec<i64>>,
    /// M = S1*S2/S3, nearest binary64, per output channel.
    pub real_multiplier: Option<Vec<f64>>,
    /// M0, per output channel, 0..=2^32-1.
    pub multiplier: Option<Vec<u32>>,
    /// n, per output channel, -128..=127.
    pub shift: Option<Vec<i32>>,
    /// C, per output channel, where constants were chosen: `(M0 * (sum(x_q * w_q) + folded_bias) + C) >> n` takes the
    /// place of the rounding.
    #[serde(default)]
    pub rounding_constant: Option<Vec<i64>>,
    /// S3, Z3.
    pub output: Option<Quantization>,
    /// Smallest and largest code of its output.
    pub clamp: Option<Clamp>,
    /// The code that padding has: Z1.
    pub padding_value: Option<i32>,
    /// Reachable values of `sum(x_q * w_q)`, over all output channels, padding included.
    pub accumulator: Option<Reach>,
    /// Reachable values of `sum(x_q * w_q) + folded_bias`.
    pub biased: Option<Reach>,
    /// Step per spatial axis, outermost first; `null` for linear layers, too, like the next four.
    pub stride: Option<Vec<u32>>,
    /// Padding on both sides, per spatial axis; before the axis, where `padding_end` is given.
    pub padding: Option<Vec<u32>>,
    /// Padding after each spatial axis, where it differs from `padding`.
    #[serde(default)]
    pub padding_end: Option<Vec<u32>>,
    /// Distance between taps, per spatial axis.
    pub dilation: Option<Vec<u32>>,
    /// Extra output size, per spatial axis; transposed convolutions only.
    pub output_padding: Option<Vec<u32>>,
    /// Channel groups.
    pub groups: Option<u32>,
    /// Names of the layer's own files.
    pub files: LayerFiles,
}

/// The input of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// S1.
    pub scale: f64,
    /// Z1.
    pub zero_point: i32,
    /// Element type of the codes: `uint8` or `int8`.
    pub dtype: String,
    /// Smallest code that it can have, after its producer's own clamp.
    pub min: Option<i32>,
    /// Largest code that it can have.
    pub max: Option<i32>,
}

/// Quantized weights; the codes themselves are in `file`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    /// Sizes along `axes`.
    pub shape: Vec<usize>,
    /// Element type of the codes: `int8`, `uint8`, `int4`, ...
    pub dtype: String,
    /// S2: one entry, or one per output channel.
    pub scale: Vec<f64>,
    /// Z2: as many entries as `scale`.
    pub zero_point: Vec<i32>,
    /// One letter per axis, outermost first: `OIHW`.
    pub axes: String,
    /// The hex file with the codes in row-major order of `shape`; `null` if hex files were not asked for.
    pub file: Option<String>,
}

/// Smallest and largest output code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clamp {
    /// Smallest.
    pub min: i32,
    /// Largest.
    pub max: i32,
}

/// Reachable values of a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Smallest.
    pub min: i64,
    /// Largest.
    pub max: i64,
    /// Bits of the narrowest two's complement integer that holds both.
    pub bits: u32,
}

/// The files of a layer, by format; `null` for a format that was not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFiles {
    /// One value a line, in hexadecimal.
    pub hex: Option<FilesOfKinds>,
    /// Nested decimal lists.
    pub list: Option<FilesOfKinds>,
}

/// One file name per kind of number; `null` where the numbers are unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesOfKinds {
    /// Weight codes.
    pub weight: String,
    /// `bias`.
    pub bias: Option<String>,
    /// `weight_sum`.
    pub weight_sum: String,
    /// `folded_bias`.
    pub folded_bias: Option<String>,
    /// `multiplier`.
    pub multiplier: Option<String>,
    /// `shift`.
    pub shift: Option<String>,
    /// `rounding_constant`, where constants were chosen.
    #[serde(default)]
    pub rounding_constant: Option<String>,
}

/// One file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Path inside the folder, with `/`.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, 64 lower-case hex digits.
    pub sha256: String,
}

impl Manifest {
    /// Reads a manifest back.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] for text that is not a manifest of this tool, or has another [`SCHEMA`].
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let unreadable = |error: serde_json::Error| Error::Manifest { found: error.to_string() };
        let mark: Mark = serde_json::from_slice(text).map_err(unreadable)?;
        if mark.generator != GENERATOR {
            return Err(Error::Manifest {
                found: format!("generator is {:?}, expected {GENERATOR:?}", mark.generator),
            });
        }
        if mark.schema != SCHEMA {
            return Err(Error::Manifest { found: format!("schema is {}, expected {SCHEMA}", mark.schema) });
        }
        serde_json::from_slice(text).map_err(unreadable)
    }

    /// The text of `manifest.json`: indented, a list of numbers on one line, every real number exact.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] if serialization fails, which it does for no value that [`Manifest::describe`] makes.
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        let value =
            serde_json::to_value(self).map_err(|error| Error::Manifest { found: error.to_string() })?;
        let mut text = Vec::new();
        crate::folder::json::write(&mut text, &value)
            .map_err(|error| Error::Manifest { found: error.to_string() })?;
        Ok(text)
    }
}

/// What every version of the manifest has in common: enough to know a folder as this tool's own.
#[derive(Debug, Deserialize)]
pub(crate) struct Mark {
    pub(crate) schema: u32,
    pub(crate) generator: String,
    pub(crate) files: Vec<MarkedFile>,
}

/// One file of a [`Mark`].
#[derive(Debug, Deserialize)]
pub(crate) struct MarkedFile {
    pub(crate) name: String,
}
