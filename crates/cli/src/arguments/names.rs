//! Names that are typed, to what they name: parsers made of the lists that the library has.

use std::fmt;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use gen_params::contract::Contract;
use gen_params::machine::Arithmetic;
use gen_params::{Derived, Formats};

/// A name that names nothing: what was found, and what was expected.
#[derive(Debug)]
pub(super) struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unknown {}

/// One of few, each of which the help lists with a sentence.
pub(super) fn one_of<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
    description: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let values = all.iter().map(|&value| PossibleValue::new(name(value)).help(description(value)));
    PossibleValuesParser::new(values)
        .try_map(move |text| all.iter().copied().find(|&value| name(value) == text).ok_or(Unknown(text)))
}

/// An engine.
pub(super) fn contract(text: &str) -> Result<Contract, Unknown> {
    Contract::from_name(text).ok_or_else(|| {
        let known = Contract::ALL.map(Contract::name).join(", ");
        Unknown(format!("found {text:?}, expected one of: {known}"))
    })
}

/// File formats.
pub(super) fn formats(text: &str) -> Result<Formats, Unknown> {
    text.parse().map_err(|error: gen_params::emit::UnknownFormat| Unknown(error.to_string()))
}

/// The name of the integer-only arithmetic.
const TARGET: &str = "target";

/// An arithmetic by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ArithmeticName {
    /// An engine's.
    Contract(Contract),
    /// The integer-only one that other options describe.
    Target,
}

impl ArithmeticName {
    /// The arithmetic.
    pub(crate) fn of(self, derived: &Derived) -> gen_params::Result<Arithmetic> {
        match self {
            Self::Contract(contract) => Ok(contract.into()),
            Self::Target => derived.arithmetic(),
        }
    }
}

/// An engine's arithmetic, or the target's.
pub(super) fn arithmetic(text: &str) -> Result<ArithmeticName, Unknown> {
    if text == TARGET {
        return Ok(ArithmeticName::Target);
    }
    let contract = Contract::from_name(text).map(ArithmeticName::Contract);
    contract.ok_or_else(|| Unknown(format!("found {text:?}, expected one of:{}", arithmetics())))
}

/// All names of arithmetics, one a line.
pub(crate) fn arithmetics() -> String {
    let contracts = Contract::ALL.into_iter().map(|contract| (contract.name(), contract.description()));
    let target = (
        TARGET,
        "The integer-only arithmetic of hardware, as --rounding, CONSTANT and the like describe it.",
    );
    let rows: Vec<_> = contracts.chain([target]).collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().map(|(name, text)| format!("\n  {name:<width$}  {text}")).collect()
}
