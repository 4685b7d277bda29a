//! What was typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use gen_params::lower::Engine;
use gen_params::parameters::Range;
use gen_params::target::Rounding;

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
    C(EmitC),
    /// SystemVerilog: a module per layer, the network, self-checking testbenches; for Icarus Verilog, Verilator and Yosys
    Sv(EmitSv),
}

/// The main command: writes the folder of parameters.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
    /// CONSTANT, as an option
    #[arg(long = "constant", id = "constant_option", value_name = "CONSTANT", value_parser = parse_constant,
        conflicts_with_all = ["constant", "multiplier_bits"])]
    pub(crate) constant: Option<Constant>,
    /// The engine whose codes CONSTANT auto compares with [the file's or its format's, as `run` has it; or exact]
    #[arg(long, value_name = "CONTRACT")]
    pub(crate) against: Option<String>,
    /// The bound of CONSTANT auto: codes within 1 LSB everywhere, and different at no more than this fraction of reachable
    /// accumulators
    #[arg(long, value_name = "FRACTION", default_value_t = 1e-3)]
    pub(crate) within: f64,
    /// Folder to write; replaced only if it is one of ours
    #[arg(short, long, value_name = "DIR", default_value = "weight")]
    pub(crate) output: PathBuf,
    /// The engine whose tables are written for sigmoid, tanh, hardswish, ... [default: exact, the real function]
    #[arg(long, value_name = "CONTRACT")]
    pub(crate) tables: Option<String>,
    /// What to write, separated by commas: hex, svh, h, npz (these four unless said otherwise), list, bin, coe, mif,
    /// mif-dec, mif-bin, raw, ihex, dec, csv, npy, rs, sv, vhdl, json; manifest.json is always written
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
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
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
    #[arg(short, long, value_name = "NAME")]
    pub(crate) contract: Option<String>,
    /// Run this arithmetic, too, and report where it differs, layer by layer
    #[arg(long, value_name = "NAME", conflicts_with_all = ["labels", "golden"])]
    pub(crate) versus: Option<String>,
    /// Images that are computed together
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: u32,
    /// Write the codes and accumulators of every layer into this folder, as hex and npz; codes as the [layout.activation] of
    /// --target says
    #[arg(long, value_name = "DIR")]
    pub(crate) golden: Option<PathBuf>,
    /// File formats of --golden beside npz, separated by commas: hex, bin, coe, mif, raw, ... (see --format of the main
    /// command) [those of --target, or hex]
    #[arg(long, value_name = "LIST", requires = "golden")]
    pub(crate) format: Option<String>,
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
    pub(crate) target: TargetOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
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
    #[arg(short, long, value_name = "NAME", default_value = "target")]
    pub(crate) contract: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: TargetOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Vectors {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
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
    pub(crate) target: TargetOptions,
}

#[derive(Debug, Args)]
pub(crate) struct EmitSv {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
    /// What the testbenches run it on, in the forms that `run` takes; its sizes are those of the hardware
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: PathBuf,
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
    pub(crate) target: TargetOptions,
}

#[derive(Debug, Args)]
pub(crate) struct EmitC {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
    /// Write the parameter structs of a library instead of a program
    #[arg(long, value_enum, value_name = "API")]
    pub(crate) api: Option<ApiName>,
    /// Known answers are computed for this, in the forms that `run` takes, 4 images of it unless --limit says otherwise;
    /// its sizes are those of the program
    #[arg(short, long, value_name = "FILE", required_unless_present = "shape")]
    pub(crate) input: Option<PathBuf>,
    /// Sizes of one image, instead of --input: 3x32x32. Known answers are then those of arbitrary codes
    #[arg(long, value_name = "CxHxW", value_parser = parse_shape, conflicts_with = "input")]
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
    pub(crate) target: TargetOptions,
}

/// Libraries whose parameter structs are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ApiName {
    /// Arm's CMSIS-NN, int8; --target is cmsis-nn unless given
    CmsisNn,
}

/// Sizes of one image.
#[derive(Debug, Clone)]
pub(crate) struct Shape(pub(crate) Vec<usize>);

fn parse_shape(text: &str) -> Result<Shape, String> {
    let sizes = text.split('x').map(|size| size.parse().ok().filter(|size| (1..=1 << 20).contains(size)));
    sizes.collect::<Option<_>>().map(Shape).ok_or_else(|| "expected sizes such as 3x32x32".into())
}

/// How pixels become what the network takes.
#[derive(Debug, Args)]
pub(crate) struct InputOptions {
    /// Subtracted from pixel/255: one number, or one per channel separated by commas
    #[arg(long, value_name = "M", value_delimiter = ',', allow_negative_numbers = true)]
    pub(crate) mean: Option<Vec<f32>>,
    /// What the difference is divided by: one number, or one per channel
    #[arg(long, value_name = "S", value_delimiter = ',')]
    pub(crate) std: Option<Vec<f32>>,
    /// Resize images, bilinear and anti-aliased; sizes differ by a code or two between programs that do this
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = parse_size)]
    pub(crate) resize: Option<[u32; 2]>,
    /// Use the first N images only
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    pub(crate) limit: Option<usize>,
}

/// The arithmetic `target`.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Arithmetic of --contract target (with CONSTANT, --multiplier-bits, --accumulator-bits)"
)]
pub(crate) struct TargetOptions {
    /// How the product is divided by 2^n [default: half-up]
    #[arg(long, value_enum)]
    pub(crate) rounding: Option<RoundingName>,
    /// Width of the product [default: 64]
    #[arg(long, value_name = "B", value_parser = clap::value_parser!(u32).range(8..=64))]
    pub(crate) product_bits: Option<u32>,
    /// What accumulator and product do beyond their width [default: wrap]
    #[arg(long, value_enum)]
    pub(crate) overflow: Option<OverflowName>,
    /// Fractional bits of the bias; the accumulator is shifted left by as many, the product right [default: 0]
    #[arg(long, value_name = "F", value_parser = clap::value_parser!(u32).range(0..=24))]
    pub(crate) bias_fraction_bits: Option<u32>,
    /// Codes that activations are clamped to, beside their own clamp: 0..127
    #[arg(long, value_name = "MIN..MAX", value_parser = parse_range, allow_hyphen_values = true)]
    pub(crate) activation_range: Option<Range<i32>>,
    /// Unsigned activations travel as signed ones: codes and zero points are 128 less
    #[arg(long)]
    pub(crate) signed_activations: bool,
}

/// Roundings.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoundingName {
    /// To the nearest, ties up: add half, shift
    HalfUp,
    /// To the nearest, ties to even
    HalfEven,
    /// To the nearest, ties away from zero
    HalfAway,
    /// Down: shift
    Floor,
    /// Towards zero
    TowardZero,
    /// gemmlowp's: SRDHM, then a rounding shift (ties away from zero)
    Double,
}

impl From<RoundingName> for Rounding {
    fn from(name: RoundingName) -> Self {
        match name {
            RoundingName::HalfUp => Self::HalfUp,
            RoundingName::HalfEven => Self::HalfEven,
            RoundingName::HalfAway => Self::HalfAway,
            RoundingName::Floor => Self::Floor,
            RoundingName::TowardZero => Self::TowardZero,
            RoundingName::Double => Self::Double,
        }
    }
}

/// What a register does beyond its width.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OverflowName {
    /// Keeps the low bits
    Wrap,
    /// Takes the nearest value that it can hold; an accumulator after every addition, in the order of the weights
    Saturate,
}

fn parse_constant(text: &str) -> Result<Constant, String> {
    if text == "auto" {
        return Ok(Constant::Auto);
    }
    let n = text.parse().ok().filter(|n| (0..=127).contains(n));
    n.map(Constant::Shift).ok_or_else(|| "expected n, 0 to 127, or auto".into())
}

fn parse_size(text: &str) -> Result<[u32; 2], String> {
    let sizes =
        text.split_once('x').and_then(|(height, width)| Some([height.parse().ok()?, width.parse().ok()?]));
    let limits = 1..=1 << 14;
    sizes
        .filter(|sizes: &[u32; 2]| sizes.iter().all(|size| limits.contains(size)))
        .ok_or_else(|| "expected HEIGHTxWIDTH, such as 28x28".into())
}

fn parse_limit(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&limit| limit > 0)
        .ok_or_else(|| "expected a number of images, 1 or more".into())
}

fn parse_range(text: &str) -> Result<Range<i32>, String> {
    let ends = text.split_once("..").and_then(|(min, max)| {
        Some(Range { min: min.parse().ok()?, max: max.trim_start_matches('=').parse().ok()? })
    });
    ends.filter(|range| range.min < range.max && range.min >= -128 && range.max <= 255)
        .ok_or_else(|| "expected MIN..MAX within -128..255, such as 0..127".into())
}

/// Proof instead of samples.
#[derive(Debug, Args)]
pub(crate) struct Certify {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
    /// The engine whose codes are the reference, or exact (see --contract of `run`)
    #[arg(long, value_name = "CONTRACT", required = true)]
    pub(crate) against: Option<String>,
    /// Write the certificate, which `--check` proves again without the model
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Prove a certificate again: no model, no other option
    #[arg(long, value_name = "FILE", exclusive = true)]
    pub(crate) check: Option<PathBuf>,
    /// Be content (exit 0) with codes within 1 LSB everywhere that differ at no more than this fraction of accumulators
    #[arg(long, value_name = "FRACTION")]
    pub(crate) within: Option<f64>,
    /// Find the narrowest M0, and how many accumulators differ with each width of 4 to 32 bits. CONSTANT, if given, is the
    /// shift of all
    #[arg(long)]
    pub(crate) search: bool,
    /// Who shares a shift in the search [each channel has its own, or the network CONSTANT]
    #[arg(long, value_enum, requires = "search", conflicts_with = "constant")]
    pub(crate) shift: Option<ShiftName>,
    /// Draw width against differing accumulators as SVG
    #[arg(long, value_name = "FILE", requires = "search")]
    pub(crate) plot: Option<PathBuf>,
    /// Write the constants that the search chose into this folder, as the main command does, and their certificate: the
    /// narrowest M0 that is equal for the whole network, or within the bound of --within
    #[arg(long, value_name = "DIR", requires = "search")]
    pub(crate) write: Option<PathBuf>,
    /// What --write may choose for each channel
    #[arg(long, value_enum, requires = "write", default_value_t = FreedomName::Constant)]
    pub(crate) choose: FreedomName,
    /// Bits of M0 for --write, whatever differs
    #[arg(long, value_name = "B", requires = "write", value_parser = clap::value_parser!(u32).range(4..=32))]
    pub(crate) width: Option<u32>,
    /// Also count what differs without a multiplier: one shift, sums of shifts, canonical signed digits, thresholds
    #[arg(long)]
    pub(crate) alternatives: bool,
    /// Write the accumulators at which codes step into this folder, as hex and npz, beside the parameters
    #[arg(long, value_name = "DIR")]
    pub(crate) thresholds: Option<PathBuf>,
    /// Also count what accumulators of 16, 20 and 24 bits get wrong, wrapping or saturating
    #[arg(long)]
    pub(crate) accumulators: bool,
    /// Also run both on inputs, as `run` takes them: the measured share of differing codes, and changed answers
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// The class of each image, as `run` takes them: the accuracy of both
    #[arg(short, long, value_name = "FILE", requires = "input")]
    pub(crate) labels: Option<PathBuf>,
    /// Replace the --write or --thresholds folder even if it is not one of ours
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: TargetOptions,
}

/// Who shares a shift.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ShiftName {
    /// Every channel has its own
    Channel,
    /// The channels of a layer
    Layer,
    /// All channels of the network
    Network,
}

/// What may be chosen for each channel.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FreedomName {
    /// Nothing: M0 = round(M * 2^n)
    Nearest,
    /// M0
    Multiplier,
    /// M0 and the bias
    Bias,
    /// M0 and the constant that is added before the shift, in place of the rounding
    Constant,
}

/// The model and what the user says beside it.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The model: a PyTorch checkpoint, pickled module, FX GraphModule, TorchScript or torch.export program; an ONNX or
    /// TFLite file (see `gen_params formats`)
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

/// One shift for all layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constant {
    /// This one.
    Shift(u32),
    /// The smallest within a bound.
    Auto,
}

/// How the integers are derived.
#[derive(Debug, Clone, Args)]
pub(crate) struct Derivation {
    /// n, one shift for all layers: M0 = round(M * 2^n). Without it M0 has 31 bits and every channel its own n. `auto`, of
    /// the main command: the smallest n within the bound of --within
    #[arg(value_name = "CONSTANT", value_parser = parse_constant)]
    pub(crate) constant: Option<Constant>,
    /// The hardware: a TOML file, or the name of one that comes with the tool (see `gen_params targets`). Other options
    /// override what it says
    #[arg(short, long, value_name = "TARGET")]
    pub(crate) target: Option<String>,
    /// Bits of a normalised M0, instead of 31; 1 rounds M to a power of two
    #[arg(long, value_name = "B", conflicts_with = "constant", value_parser = clap::value_parser!(u32).range(1..=32))]
    pub(crate) multiplier_bits: Option<u32>,
    /// Width of the accumulator register: layers that need more are warned about [default: 32]
    #[arg(long, value_name = "B", value_parser = clap::value_parser!(u32).range(8..=64))]
    pub(crate) accumulator_bits: Option<u32>,
    /// Width of the folded bias: layers that need more are warned about [default: 32]
    #[arg(long, value_name = "B", value_parser = clap::value_parser!(u32).range(8..=32))]
    pub(crate) bias_bits: Option<u32>,
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
