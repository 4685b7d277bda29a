//! What was typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use gen_params::lower::Engine;

/// Writes the integers that hardware needs from a trained, quantized neural network: weights, biases, zero points, clamps, and
/// the factor M = S1*S2/S3 of each layer as an integer M0 and a shift n, M ~ M0 * 2^-n.
#[derive(Debug, Parser)]
#[command(
    name = "gen_params",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
        gen_params model.pth             M0 of 31 bits, normalised per channel, each with its own shift\n  \
        gen_params model.pth 16          n = 16 for all layers: M0 = round(M * 2^16)\n  \
        gen_params inspect model.pth     what is in it, layer by layer\n\n\
        A model whose path is the name of a command is written with a folder: ./inspect"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) generate: Generate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows what is in a model, layer by layer
    Inspect(Inspect),
    /// Prints the topology as TOML, to read or to edit and pass back with --graph
    Graph(Graph),
}

/// The main command: writes the folder of parameters.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
    /// Folder to write; replaced only if it is one of ours
    #[arg(short, long, value_name = "DIR", default_value = "weight")]
    pub(crate) output: PathBuf,
    /// What to write, separated by commas: hex, svh, h, npz, list (manifest.json is always written)
    #[arg(long, value_name = "LIST")]
    pub(crate) format: Option<String>,
    /// Replace the folder even if it is not one of ours
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
    /// Print JSON, in the form of manifest.json
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) source: Source,
}

/// The model and what the user says beside it.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The model: a PyTorch checkpoint (state_dict, prepared or converted), pickled module, FX GraphModule or TorchScript
    #[arg(value_name = "MODEL", required = true)]
    pub(crate) model: Option<PathBuf>,
    /// Topology, where the model does not hold it (see `gen_params graph`)
    #[arg(long, value_name = "TOML")]
    pub(crate) graph: Option<PathBuf>,
    /// The engine that a prepared (fake-quantized) checkpoint was trained for: decides its activation range
    #[arg(long, value_enum)]
    pub(crate) engine: Option<EngineName>,
    /// Epsilon of the batch norms of a prepared state_dict, which does not hold it [PyTorch's default: 1e-5]
    #[arg(long, value_name = "EPSILON")]
    pub(crate) bn_eps: Option<f64>,
}

/// How the integers are derived.
#[derive(Debug, Args)]
pub(crate) struct Derivation {
    /// n, one shift for all layers: M0 = round(M * 2^n). Without it M0 has 31 bits and every channel its own n
    #[arg(value_name = "CONSTANT", value_parser = clap::value_parser!(u32).range(0..=127))]
    pub(crate) constant: Option<u32>,
    /// Bits of a normalised M0, instead of 31
    #[arg(long, value_name = "B", conflicts_with = "constant", value_parser = clap::value_parser!(u32).range(2..=32))]
    pub(crate) multiplier_bits: Option<u32>,
    /// Width of the accumulator register: layers that need more are warned about
    #[arg(long, value_name = "B", default_value_t = 32, value_parser = clap::value_parser!(u32).range(8..=64))]
    pub(crate) accumulator_bits: u32,
    /// Width of the folded bias: layers that need more are warned about
    #[arg(long, value_name = "B", default_value_t = 32, value_parser = clap::value_parser!(u32).range(8..=32))]
    pub(crate) bias_bits: u32,
}

/// PyTorch's quantized engines.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum EngineName {
    /// FBGEMM: activations 0..=127
    Fbgemm,
    /// QNNPACK: activations 0..=255
    Qnnpack,
    /// oneDNN: activations 0..=255
    Onednn,
    /// x86: activations 0..=127
    X86,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Self {
        match name {
            EngineName::Fbgemm => Self::Fbgemm,
            EngineName::Qnnpack => Self::Qnnpack,
            EngineName::Onednn => Self::Onednn,
            EngineName::X86 => Self::X86,
        }
    }
}
