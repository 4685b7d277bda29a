//! The hardware: how integers are derived for it, and how it computes.

use clap::Args;

use gen_params::hardware::{OnOverflow, Rounding};
use gen_params::parameters::Range;

use super::names::one_of;

/// How the integers are derived.
#[derive(Debug, Clone, Args)]
pub(crate) struct Derivation {
    /// n, one shift for all layers: M0 = round(M * 2^n). Without it M0 has 31 bits and every channel its own n. `auto`, of
    /// the main command: the smallest n within the bound of --within
    #[arg(value_name = "CONSTANT", value_parser = parse_constant, allow_negative_numbers = true)]
    constant: Option<Constant>,
    /// CONSTANT, as an option
    #[arg(long = "constant", alias = "n", id = "constant_option", value_name = "CONSTANT",
        value_parser = parse_constant, allow_negative_numbers = true, conflicts_with_all = ["constant", "multiplier_bits"])]
    constant_option: Option<Constant>,
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

impl Derivation {
    /// CONSTANT, in either way that it is given.
    pub(crate) fn constant(&self) -> Option<Constant> {
        self.constant_option.or(self.constant)
    }

    /// The same for the target of this name.
    pub(crate) fn on(&self, target: String) -> Self {
        Self { target: Some(target), ..self.clone() }
    }

    /// The same without CONSTANT auto, which only the main command has an answer to.
    pub(crate) fn without_auto(&self) -> Self {
        let given = |constant: Option<Constant>| constant.filter(|&constant| constant != Constant::Auto);
        Self { constant: given(self.constant), constant_option: given(self.constant_option), ..self.clone() }
    }
}

/// One shift for all layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constant {
    /// This one.
    Shift(u32),
    /// The smallest within a bound.
    Auto,
}

pub(super) fn parse_constant(text: &str) -> Result<Constant, String> {
    if text == "auto" {
        return Ok(Constant::Auto);
    }
    let n = text.parse().ok().filter(|n| (0..=127).contains(n));
    n.map(Constant::Shift).ok_or_else(|| "expected n, 0 to 127, or auto".into())
}

/// The arithmetic `target`.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Arithmetic of --contract target (with CONSTANT, --multiplier-bits, --accumulator-bits)"
)]
pub(crate) struct TargetOptions {
    /// How the product is divided by 2^n [default: half-up]
    #[arg(long, value_parser = one_of(&Rounding::ALL, Rounding::name, describe_rounding))]
    pub(crate) rounding: Option<Rounding>,
    /// Width of the product [default: 64]
    #[arg(long, value_name = "B", value_parser = clap::value_parser!(u32).range(8..=64))]
    pub(crate) product_bits: Option<u32>,
    /// What accumulator and product do beyond their width [default: wrap]
    #[arg(long, value_parser = one_of(&OVERFLOWS, OnOverflow::name, describe_overflow))]
    pub(crate) overflow: Option<OnOverflow>,
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

/// What a rounding does, for the help.
fn describe_rounding(rounding: Rounding) -> &'static str {
    match rounding {
        Rounding::HalfUp => "To the nearest, ties up: add half, shift",
        Rounding::HalfEven => "To the nearest, ties to even",
        Rounding::HalfAway => "To the nearest, ties away from zero",
        Rounding::Floor => "Down: shift",
        Rounding::TowardZero => "Towards zero",
        Rounding::Double => "gemmlowp's: SRDHM, then a rounding shift (ties away from zero)",
    }
}

const OVERFLOWS: [OnOverflow; 2] = [OnOverflow::Wrap, OnOverflow::Saturate];

/// What a register does beyond its width, for the help.
fn describe_overflow(overflow: OnOverflow) -> &'static str {
    match overflow {
        OnOverflow::Wrap => "Keeps the low bits",
        OnOverflow::Saturate => {
            "Takes the nearest value that it can hold; an accumulator after every addition, in the order of the weights"
        }
    }
}

fn parse_range(text: &str) -> Result<Range<i32>, String> {
    let ends = text.split_once("..").and_then(|(min, max)| {
        Some(Range { min: min.parse().ok()?, max: max.trim_start_matches('=').parse().ok()? })
    });
    ends.filter(|range| range.min < range.max && range.min >= -128 && range.max <= 255)
        .ok_or_else(|| "expected MIN..MAX within -128..255, such as 0..127".into())
}
