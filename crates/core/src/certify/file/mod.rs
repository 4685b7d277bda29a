//! The certificate as a file: what was proven of a network, with all that it takes to prove it again without the model.
//!
//! Nothing that can be computed is believed. The file holds the network as far as codes depend on it (wiring, scales, zero
//! points, weights, biases), the hardware's numbers, and what was found. A [check](check) derives the reference from the
//! contract's name, the ranges from the weights, and compares. `docs/certificate.md` describes every field.

mod base64;
mod check;
mod digest;
mod layer;
mod names;
mod network;
mod operator;
mod write;

use serde::{Deserialize, Serialize};

use crate::hardware::Rounding;
use crate::hardware::steps::Difference;
use crate::parameters::{CodeType, LayerKind, Range, Scale};

pub use check::{Checked, Fault, FaultKind, check};
pub use digest::digest_of;
pub use layer::LayerNumbers;
pub use write::FileSubject;

/// A certificate as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// Version of this form.
    pub schema: u32,
    /// Version of the tool that made it.
    pub version: String,
    /// The reference, by its name.
    pub contract: String,
    /// The hardware's arithmetic, as far as it is the same for all layers.
    pub target: TargetRecord,
    /// SHA-256 of the parameters that it is about, as the archive `params.npz` that is written of them; lower-case hex.
    pub parameters_sha256: String,
    /// Tensors, by number; `null` for tensors of real numbers and where nothing is known.
    pub edges: Vec<Option<EdgeRecord>>,
    /// The edges that enter the network.
    pub inputs: Vec<usize>,
    /// The edges that leave it.
    pub outputs: Vec<usize>,
    /// The edges that hold what was kept from one run to the next.
    pub states: Vec<usize>,
    /// All operations, in execution order.
    pub nodes: Vec<NodeRecord>,
    /// Layers with weights: the nodes of their names, in their order.
    pub layers: Vec<LayerRecord>,
    /// Operators that compute codes without weights: the nodes of their names, in their order.
    pub operators: Vec<OperatorRecord>,
    /// SHA-256 of everything else in the file, see [`digest_of`].
    pub sha256: String,
}

/// The hardware's arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRecord {
    /// Of the division by 2^n.
    pub rounding: Rounding,
    /// Width of the accumulator.
    pub accumulator_bits: u32,
    /// Width of the product.
    pub product_bits: u32,
    /// F.
    pub bias_fraction_bits: u32,
}

/// A tensor of codes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeRecord {
    /// S.
    pub scale: f64,
    /// Z.
    pub zero_point: i32,
    /// Element type.
    #[serde(rename = "type", with = "names::code_type")]
    pub code_type: CodeType,
    /// The codes that it can have; `null` where the file does not say whether its producer clamps.
    pub range: Option<Range<i32>>,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeRecord {
    /// Name in the model.
    pub name: String,
    /// What it computes.
    pub op: String,
    /// The contract whose arithmetic computes it: the certificate's.
    pub contract: String,
    /// What ONNX Runtime computes it on.
    pub fusion: FusionRecord,
    /// Edges that enter it.
    pub inputs: Vec<usize>,
    /// Edges that it gives.
    pub outputs: Vec<usize>,
    /// What its codes depend on beside its inputs.
    pub detail: Option<Detail>,
}

/// What ONNX Runtime computes an operation on, see [`IntNetwork`](crate::network::IntNetwork).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FusionRecord {
    /// Its codes.
    Codes,
    /// Signed codes made unsigned, 128 higher.
    Unsigned,
    /// Real numbers.
    Floats,
}

/// What the codes of an operation depend on beside its inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Detail {
    /// Whether a ReLU follows the sum, difference or product.
    Relu(bool),
    /// Whether a concatenation gives its result S and Z of its own.
    Requantizes(bool),
    /// Bounds of a clamp; `null` is infinite.
    Bounds {
        /// Smallest real number.
        min: Option<f64>,
        /// Largest real number.
        max: Option<f64>,
    },
    /// The function's own number: the slope of a leaky ReLU, the alpha of an ELU.
    Number(f64),
    /// The code outside of the input.
    Filling(i32),
    /// The smallest and largest code of a constant.
    Constant(Range<i32>),
    /// The window of an average, whole.
    Window {
        /// By axis: of a pool by spatial axis; of a mean by axis from the third on, 1 where it is not averaged.
        sizes: Vec<usize>,
        /// What sums are divided by, where it is not the number of codes.
        divisor: Option<i64>,
        /// The code outside of the input, where it counts.
        filling: Option<i32>,
        /// Of a mean, the axes that are averaged.
        axes: Option<Vec<usize>>,
    },
    /// A batch normalisation, by channel.
    BatchNorm {
        /// gamma.
        weight: Vec<f64>,
        /// beta.
        bias: Vec<f64>,
        /// Running mean.
        mean: Vec<f64>,
        /// Running variance.
        variance: Vec<f64>,
        /// Added to the variance.
        epsilon: Option<f64>,
        /// With ReLU.
        relu: bool,
    },
}

/// A layer with weights: what is given of it, and what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRecord {
    /// Name of its node.
    pub name: String,
    /// Geometry; `null` for linear layers.
    pub window: Option<WindowRecord>,
    /// What stands outside of the input: `zeros` is the code Z1.
    #[serde(with = "names::padding_mode")]
    pub padding_mode: crate::ops::PaddingMode,
    /// S2, Z2 and codes.
    pub weight: WeightRecord,
    /// Biases as the model has them; `null` without.
    pub bias: Option<BiasRecord>,
    /// Whether a ReLU is fused; `null` where the file does not say.
    pub relu: Option<bool>,
    /// Output codes that another fused activation leaves.
    pub activation_clamp: Option<Range<i32>>,
    /// The hardware's clamp: the layer's own, within that of a ReLU or clamp that alone follows.
    pub clamp: Range<i32>,
    /// By output channel.
    pub channels: Vec<ChannelRecord>,
}

/// Geometry of a convolution, one entry per spatial axis; `null` where the file does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowRecord {
    /// Step.
    pub stride: Option<Vec<u32>>,
    /// Padding before each axis, and after it unless `padding_end` says otherwise.
    pub padding: Option<Vec<u32>>,
    /// Padding after each axis.
    pub padding_end: Option<Vec<u32>>,
    /// Distance between taps.
    pub dilation: Option<Vec<u32>>,
    /// Extra output size of transposed convolutions.
    pub output_padding: Option<Vec<u32>>,
    /// Channel groups.
    pub groups: Option<u32>,
}

/// Weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightRecord {
    /// Sizes, outermost first: (out, in / groups, kernel...), or (in, out / groups, kernel...) of a transposed convolution.
    pub shape: Vec<usize>,
    /// Codes in row-major order, a signed byte each, in base64.
    pub codes: String,
    /// S2: one, or one per output channel.
    pub scale: Vec<f64>,
    /// Z2, in the terms of `codes`: as many.
    pub zero_point: Vec<i32>,
    /// What was subtracted from the model's codes and zero points: 128 where they are unsigned.
    pub offset: i32,
}

/// Biases, one per output channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BiasRecord {
    /// Real numbers of float32.
    Real(Vec<f64>),
    /// Integers of 32 bits at scale S1*S2.
    Codes(Vec<i64>),
    /// Integers of 64 bits at scale S1*S2.
    WideCodes(Vec<i64>),
}

/// An output channel: the hardware's numbers, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelRecord {
    /// The reachable `sum((x - Z1) * (w - Z2))`.
    pub accumulator: Range<i32>,
    /// Whether each accumulator that is counted can occur. If not, those counted are all of the range, which contains them.
    pub exact: bool,
    /// The hardware's `round(b / (S1*S2) * 2^F)`, or what was chosen in its place.
    pub bias: i64,
    /// M0.
    pub multiplier: u32,
    /// n + F.
    pub shift: i32,
    /// C: what is added before the shift, in place of the rounding.
    pub constant: Option<i64>,
    /// Where codes differ.
    pub difference: Difference,
    /// Whether they differ at ties of the exact output only.
    pub only_ties: bool,
}

/// An operator without weights: counted, or not proven and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorRecord {
    /// Name of its node.
    pub name: String,
    /// What was counted.
    pub counted: Option<CountedRecord>,
    /// Why nothing was counted.
    pub unproven: Option<String>,
}

/// The hardware's integers of an operator, and what was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountedRecord {
    /// Clamp of the output codes.
    pub clamp: Range<i32>,
    /// The integers.
    pub integers: IntegersRecord,
    /// Different inputs.
    pub cases: u64,
    /// Those at which the codes differ.
    pub differing: u64,
    /// The largest distance of codes.
    pub largest: u32,
    /// The first of those at which it is largest.
    pub example: Option<CaseRecord>,
}

/// The integer-only form of an operator, see [`crate::parameters::OperatorArithmetic`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum IntegersRecord {
    /// `round((M0a*(a - Za) + M0b*(b - Zb)) * 2^-n) + Z3`.
    Sum {
        /// M0a and M0b.
        multipliers: [u32; 2],
        /// n.
        shift: i32,
    },
    /// `round(M0*(a - Za)*(b - Zb) * 2^-n) + Z3`.
    Product(Scale),
    /// For each input `round(M0*(x - Z1) * 2^-n) + Z3`; `null` where its codes pass unchanged.
    Concatenation(Vec<Option<Scale>>),
    /// `round(M0*sum(x - Z1) * 2^-n) + Z3`.
    Mean(Scale),
    /// `round((M0*(x - Z1) + B) * 2^-n) + Z3`.
    ChannelScale {
        /// M0, per channel.
        multipliers: Vec<i32>,
        /// B, per channel.
        offsets: Vec<i32>,
        /// n.
        shift: i32,
    },
    /// The output codes of the 256 input codes in ascending order.
    Table(Vec<i32>),
    /// The code itself, within the clamp.
    Clamp,
}

/// Inputs and the codes that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRecord {
    /// One code per input; of a mean, the sum of its codes.
    pub inputs: Vec<i64>,
    /// The reference's code.
    pub reference: i32,
    /// The hardware's code.
    pub hardware: i32,
}

impl CertificateFile {
    /// The form that is written.
    pub const SCHEMA: u32 = 2;

    /// The layers' nodes have one of these kinds.
    pub(super) fn layer_kind(op: &str) -> Option<LayerKind> {
        names::layer_kind(op)
    }
}
