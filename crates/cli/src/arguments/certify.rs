//! `gen_params certify`.

use std::path::PathBuf;

use clap::Args;

use gen_params::certify::Freedom;
use gen_params::contract::Contract;
use gen_params::prove::Sharing;

use super::names::{contract, one_of};
use super::{InputOptions, Subject};

/// What a proof takes, and a check does not.
const PROVING: [&str; 33] = [
    "model",
    "constant",
    "graph",
    "engine",
    "bn_eps",
    "target",
    "multiplier_bits",
    "accumulator_bits",
    "bias_bits",
    "rounding",
    "product_bits",
    "overflow",
    "bias_fraction_bits",
    "activation_range",
    "signed_activations",
    "against",
    "output",
    "within",
    "search",
    "shift",
    "plot",
    "write",
    "choose",
    "width",
    "alternatives",
    "thresholds",
    "accumulators",
    "input",
    "mean",
    "std",
    "resize",
    "limit",
    "json",
];

/// Proof instead of samples.
#[derive(Debug, Args)]
pub(crate) struct Certify {
    /// The engine whose codes are the reference, or exact (see --contract of `run`)
    #[arg(long, value_name = "CONTRACT", required = true, value_parser = contract)]
    pub(crate) against: Option<Contract>,
    /// Write the certificate, which `--check` proves again without the model
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Prove a certificate again, without the model
    #[arg(long, value_name = "FILE", conflicts_with_all = PROVING)]
    pub(crate) check: Option<PathBuf>,
    /// With --check: compare the certificate with the parameters in this folder, number by number
    #[arg(long, value_name = "DIR", requires = "check", conflicts_with = "model")]
    pub(crate) parameters: Option<PathBuf>,
    /// Be content (exit 0) with codes within 1 LSB everywhere that differ at no more than this fraction of accumulators
    #[arg(long, value_name = "FRACTION")]
    pub(crate) within: Option<f64>,
    /// Find the narrowest M0, and how many accumulators differ with each width of 1 to 32 bits. CONSTANT, if given, is the
    /// shift of all
    #[arg(long)]
    pub(crate) search: bool,
    /// Who shares a shift in the search [each channel has its own, or the network CONSTANT]
    #[arg(long, requires = "search", conflicts_with_all = ["constant", "constant_option"],
        value_parser = one_of(&SHARINGS, sharing_name, describe_sharing))]
    pub(crate) shift: Option<Sharing>,
    /// Draw width against differing accumulators as SVG
    #[arg(long, value_name = "FILE", requires = "search")]
    pub(crate) plot: Option<PathBuf>,
    /// Write the constants that the search chose into this folder, as the main command does, and their certificate: the
    /// narrowest M0 that is equal for the whole network, or within the bound of --within
    #[arg(long, value_name = "DIR", requires = "search")]
    pub(crate) write: Option<PathBuf>,
    /// What --write may choose for each channel
    #[arg(long, requires = "write", default_value = Freedom::Constant.name(),
        value_parser = one_of(&Freedom::ALL, Freedom::name, describe_freedom))]
    pub(crate) choose: Freedom,
    /// Bits of M0 for --write, whatever differs
    #[arg(long, value_name = "B", requires = "write", value_parser = clap::value_parser!(u32).range(1..=32))]
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
    pub(crate) subject: Subject,
}

const SHARINGS: [Sharing; 3] = [Sharing::Channel, Sharing::Layer, Sharing::Network];

fn sharing_name(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::Channel => "channel",
        Sharing::Layer => "layer",
        Sharing::Network | Sharing::Fixed(_) => "network",
    }
}

/// Who shares a shift, for the help.
fn describe_sharing(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::Channel => "Every channel has its own",
        Sharing::Layer => "The channels of a layer",
        Sharing::Network | Sharing::Fixed(_) => "All channels of the network",
    }
}

/// What may be chosen for each channel, for the help.
fn describe_freedom(freedom: Freedom) -> &'static str {
    match freedom {
        Freedom::Nearest => "Nothing: M0 = round(M * 2^n)",
        Freedom::Multiplier => "M0",
        Freedom::Bias => "M0 and the bias",
        Freedom::Constant => "M0 and the constant that is added before the shift, in place of the rounding",
    }
}
