//! What was typed.

mod certify;
mod hardware;
mod input;
mod meant;
mod names;
mod source;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use gen_params::Formats;
use gen_params::contract::Contract;

pub(crate) use self::certify::Certify;
use self::hardware::parse_constant;
pub(crate) use self::hardware::{Constant, Derivation, TargetOptions};
use self::input::parse_shape;
pub(crate) use self::input::{InputOptions, Shape};
pub(crate) use self::meant::hint_for_missing;
pub(crate) use self::names::{ArithmeticName, arithmetics};
use self::names::{arithmetic, contract, formats};
pub(crate) use self::source::{Source, Subject};

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
    /// Runs the network in integers: outputs, accuracy, golden values, the difference between two arithmetics
    Run(Run),
    /// Finds the first layer, stage, channel and position where a hardware's values leave the golden ones
    Compare(Compare),
    /// Writes inputs that hurt, with golden values: ties, saturation, largest accumulators, padding, layer by layer
    Vectors(Vectors),
    /// Reads a file of words back: prints the numbers in it, as the layout in its head says
    Layout(Layout),
    /// Lists the targets that come with the tool, or prints one as TOML to start from
    Targets(Targets),
    /// Proves, over every accumulator that can occur, that hardware gives an engine's codes, or counts the differences
    Certify(Certify),
    /// Lists the formats that are read
    Formats,
    /// Lists the operators that are supported, by format
    Ops,
    /// Writes a program that computes the whole network in integers, with golden values that it is tested with
    #[command(subcommand)]
    Emit(Emit),
}

/// The language of the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Emit {
    /// C99: a header and a source without allocation or library, with a known-answer test compiled in
    #[command(aliases = ["C", "c99"])]
    C(EmitC),
    /// SystemVerilog: a module per layer, the network, self-checking testbenches; for Icarus Verilog, Verilator and Yosys
    #[command(aliases = ["SV", "systemverilog", "verilog"])]
    Sv(EmitSv),
}

/// The main command: writes the folder of parameters.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
    /// The engine whose codes CONSTANT auto compares with [the file's or its format's, as `run` has it; or exact]
    #[arg(long, value_name = "CONTRACT", value_parser = contract)]
    pub(crate) against: Option<Contract>,
    /// The bound of CONSTANT auto: codes within 1 LSB everywhere, and different at no more than this fraction of reachable
    /// accumulators
    #[arg(long, value_name = "FRACTION", default_value_t = 1e-3)]
    pub(crate) within: f64,
    /// Folder to write; replaced only if it is one of ours
    #[arg(short, long, value_name = "DIR", default_value = "weight")]
    pub(crate) output: PathBuf,
    /// The engine whose tables are written for sigmoid, tanh, hardswish, ... [default: exact, the real function]
    #[arg(long, value_name = "CONTRACT", value_parser = contract)]
    pub(crate) tables: Option<Contract>,
    /// What to write, separated by commas: hex, svh, h, npz (these four unless said otherwise), list, bin, coe, mif,
    /// mif-dec, mif-bin, raw, ihex, dec, csv, npy, rs, sv, vhdl, json; manifest.json is always written
    #[arg(long, value_name = "LIST", value_parser = formats)]
    pub(crate) format: Option<Formats>,
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
pub(crate) struct Layout {
    /// A file that this tool wrote: words in any format, in any layout
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print JSON: each table with its layout and its numbers
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the numbers as arrays into this .npz file instead
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) npz: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Targets {
    /// The target to print
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) source: Source,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What to run it on: .npy or .npz (uint8 or int8 codes, or reals), png or jpeg, a folder of them, or idx (MNIST).
    /// An array of an archive is named after a colon: golden.npz:input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// The class of each image: .npy, .npz, idx1, or .txt with one integer a line. Prints accuracy and confusion matrix
    #[arg(short, long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// Exit with 1 if fewer percent than this are right
    #[arg(long, value_name = "PERCENT", requires = "labels")]
    pub(crate) min_accuracy: Option<f64>,
    /// Whose arithmetic: an engine's, or `target`, the integer-only one that the options below describe [the file's
    /// engine, where it names one; `target` with --stages]
    #[arg(short, long, value_name = "NAME", value_parser = arithmetic)]
    pub(crate) contract: Option<ArithmeticName>,
    /// Run this arithmetic, too, and report where it differs, layer by layer
    #[arg(long, value_name = "NAME", conflicts_with_all = ["labels", "golden"], value_parser = arithmetic)]
    pub(crate) versus: Option<ArithmeticName>,
    /// Images that are computed together
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: u32,
    /// Write the codes and accumulators of every layer into this folder, as hex and npz; codes as the [layout.activation] of
    /// --target says
    #[arg(long, value_name = "DIR")]
    pub(crate) golden: Option<PathBuf>,
    /// File formats of --golden beside npz, separated by commas: hex, bin, coe, mif, raw, ... (see --format of the main
    /// command) [those of --target, or hex]
    #[arg(long, value_name = "LIST", requires = "golden", value_parser = formats)]
    pub(crate) format: Option<Formats>,
    /// All seven stages in --golden: input, accumulator, biased, product, shifted, offset, output
    #[arg(long, requires = "golden")]
    pub(crate) stages: bool,
    /// Replace the --golden folder even if it is not one of ours
    #[arg(long, requires = "golden")]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) subject: Subject,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Folder with the hardware's values, in files named as --golden of `run` names them: LAYER_STAGE.hex, .raw, .npy or any
    /// other format of words, codes as the [layout.activation] of --target says; or any .npz with arrays LAYER/STAGE; any
    /// subset
    #[arg(short, long, value_name = "DIR")]
    pub(crate) dump: PathBuf,
    /// What the hardware was given; without it, the input in DIR (input.npy, or golden.npz as `run` writes it)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// Whose arithmetic the golden values have: `target`, the integer-only one of the options below, or an engine's
    #[arg(short, long, value_name = "NAME", default_value = "target", value_parser = arithmetic)]
    pub(crate) contract: ArithmeticName,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) subject: Subject,
}

#[derive(Debug, Args)]
pub(crate) struct Vectors {
    /// Folder to write; replaced only if it is one of ours
    #[arg(short, long, value_name = "DIR", default_value = "vectors")]
    pub(crate) output: PathBuf,
    /// Also run the whole network, on this (4 images of it unless --limit says otherwise), and on nothing but the smallest
    /// code, the largest and Z1
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Sizes of one image, instead of --input: 3x32x32. The network is then run on the three constant images alone
    #[arg(long, value_name = "CxHxW", value_parser = parse_shape, conflicts_with = "input")]
    pub(crate) shape: Option<Shape>,
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// Output channels of a layer that each kind of vector is made for, at most, spread over those that can reach it
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) channels: u32,
    /// Replace the folder even if it is not one of ours
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) subject: Subject,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("images").required(true).args(["input", "shape"])))]
pub(crate) struct EmitSv {
    /// What the testbenches run it on, in the forms that `run` takes; its sizes are those of the hardware
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Sizes of one image, instead of --input: 3x32x32. The testbenches then run it on 4 images of arbitrary codes. One for
    /// each input of the network
    #[arg(long, value_name = "CxHxW", value_parser = parse_shape)]
    pub(crate) shape: Vec<Shape>,
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// Folder to write; replaced only if it is one of ours
    #[arg(short, long, value_name = "DIR", default_value = "sv")]
    pub(crate) output: PathBuf,
    /// Golden values of every stage of every layer, for +stages: accumulator, biased, product, shifted, offset
    #[arg(long)]
    pub(crate) stages: bool,
    /// Clocks that an output of a layer may take, where its output channels can be computed side by side
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) clocks_per_output: u32,
    /// No registers inside of the requantization, instead of three stages
    #[arg(long)]
    pub(crate) combinational: bool,
    /// Replace the folder even if it is not one of ours
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) subject: Subject,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("images").required(true).args(["input", "shape"])))]
pub(crate) struct EmitC {
    /// Write the parameter structs of a library instead of a program
    #[arg(long, value_enum, value_name = "API")]
    pub(crate) api: Option<ApiName>,
    /// Known answers are computed for this, in the forms that `run` takes, 4 images of it unless --limit says otherwise;
    /// its sizes are those of the program
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Sizes of one image, instead of --input: 3x32x32. Known answers are then those of arbitrary codes
    #[arg(long, value_name = "CxHxW", value_parser = parse_shape)]
    pub(crate) shape: Vec<Shape>,
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// Folder to write; replaced only if it is one of ours
    #[arg(short, long, value_name = "DIR", default_value = "c")]
    pub(crate) output: PathBuf,
    /// Name of the files, and prefix of what they declare [default: that of the model's file]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Replace the folder even if it is not one of ours
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) subject: Subject,
}

/// Libraries whose parameter structs are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ApiName {
    /// Arm's CMSIS-NN, int8; --target is cmsis-nn unless given
    CmsisNn,
}
