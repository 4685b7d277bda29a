//! A certificate, proven again or refused: by its text alone.

use std::fmt;

use serde_json::Value;

use super::*;
use crate::contract::Contract;

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// Not the JSON of a certificate: a key that is not known, missing or there twice, a value of another type or out of
    /// range.
    Format,
    /// A form of another version.
    Schema,
    /// A contract that no engine has.
    Contract,
    /// A digest that is not that of the file, or is none.
    Digest,
    /// Nodes and edges that are no network.
    Network,
    /// Layers or operators that are not the network's, each once, in their order.
    Layers,
    /// Another number of channels than the weights have.
    Channels,
    /// Weights, scales or biases that are none.
    Weights,
    /// A range that is not what weights and producers give.
    Range,
    /// A clamp that is not the layer's.
    Clamp,
    /// A number that does not fit in its register.
    Register,
    /// A reference of which nothing can be proven.
    Reference,
    /// Numbers that are none of the operator.
    Operator,
    /// Counts or witnesses that are not what is found.
    Difference,
    /// Parameters that are not those of the certificate.
    Parameters,
}

impl FaultKind {
    /// The word in messages, the same in both checkers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Schema => "schema",
            Self::Contract => "contract",
            Self::Digest => "digest",
            Self::Network => "network",
            Self::Layers => "layers",
            Self::Channels => "channels",
            Self::Weights => "weights",
            Self::Range => "range",
            Self::Clamp => "clamp",
            Self::Register => "register",
            Self::Reference => "reference",
            Self::Operator => "operator",
            Self::Difference => "difference",
            Self::Parameters => "parameters",
        }
    }
}

/// Something in a certificate that is not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The node or edge; empty for the file as a whole.
    pub place: String,
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// What is wrong.
    pub text: String,
}

impl Fault {
    /// A fault.
    pub fn new(place: &str, kind: FaultKind, text: impl Into<String>) -> Self {
        Self { place: place.to_owned(), kind, text: text.into() }
    }
}

impl fmt::Display for Fault {
    /// Words and names come from the file: what would move a terminal's cursor or turn its text is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind.name())?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place.escape_debug())?;
        }
        // A hint has a line of its own.
        let mut lines = self.text.split('\n');
        let first = lines.next().unwrap_or_default();
        write!(f, "{}", printable(first))?;
        lines.try_for_each(|line| write!(f, "\n{}", printable(line)))
    }
}

/// The text with control and other unprintable characters escaped; quotes stay as they are.
fn printable(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(escaped).collect()
}

/// A certificate that was proven again.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The certificate.
    pub file: CertificateFile,
    /// Channels of layers.
    pub channels: usize,
    /// Their reachable accumulators, each channel's counted on its own.
    pub reachable: u64,
    /// Those at which codes differ.
    pub differing: u64,
    /// Channels with such an accumulator.
    pub differing_channels: usize,
    /// Operators that were counted.
    pub operators: usize,
    /// Those with differing codes.
    pub differing_operators: usize,
    /// Operators that are not proven.
    pub unproven: Vec<String>,
    /// The largest distance of codes, of layers and operators.
    pub largest: u32,
}

/// Proves everything that a certificate says again.
///
/// # Errors
/// What is not so: the first fault, or all channels and operators that are not as they are said to be.
pub fn check(text: &[u8]) -> Result<Checked, Vec<Fault>> {
    let one = |kind, text: String| vec![Fault::new("", kind, text)];
    let not_json = |error: serde_json::Error| one(FaultKind::Format, error.to_string());
    let value: Value = serde_json::from_slice(text).map_err(not_json)?;
    let schema = value.get("schema").and_then(Value::as_u64);
    match schema {
        Some(schema) if schema == u64::from(CertificateFile::SCHEMA) => {}
        Some(schema) => {
            return Err(one(
                FaultKind::Schema,
                format!(
                    "found schema {schema}, expected {}\n  hint: certificates of schema 1 bind neither reference nor \
                     ranges; make it again with `certify MODEL --against CONTRACT -o FILE`",
                    CertificateFile::SCHEMA
                ),
            ));
        }
        None => {
            return Err(one(
                FaultKind::Schema,
                "has no schema, expected a certificate that `gen_params certify -o FILE` wrote".to_owned(),
            ));
        }
    }
    // From the text, where keys that stand twice are seen.
    let file: CertificateFile = serde_json::from_slice(text).map_err(not_json)?;
    // What is read leniently, such as a missing `null`, is written otherwise.
    if file.to_value().ok().as_ref() != Some(&value) {
        return Err(one(FaultKind::Format, "a key is missing, or a value is of another type".to_owned()));
    }
    let Some(contract) = Contract::from_name(&file.contract) else {
        let names: Vec<&str> = Contract::ALL.iter().map(|contract| contract.name()).collect();
        return Err(one(
            FaultKind::Contract,
            format!("found {:?}, expected one of {}", file.contract, names.join(", ")),
        ));
    };
    let found = digest_of(&value);
    if found != file.sha256 {
        return Err(one(FaultKind::Digest, format!("the file says {:?}, and has {found}", file.sha256)));
    }
    let digits = |digest: &str| {
        digest.len() == 64 && digest.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !digits(&file.parameters_sha256) || file.parameters_sha256.bytes().all(|digit| digit == b'0') {
        return Err(one(FaultKind::Digest, "parameters_sha256 is no digest".to_owned()));
    }
    let target = file.target;
    let registers = 2..=64;
    if !registers.contains(&target.accumulator_bits)
        || !registers.contains(&target.product_bits)
        || target.bias_fraction_bits > 24
    {
        return Err(one(
            FaultKind::Register,
            "registers of 2 to 64 bits, and 24 bits of fraction".to_owned(),
        ));
    }
    file.check_network().and_then(|()| file.check_ranges()).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    for layer in &file.layers {
        file.check_layer(layer, contract, &mut faults);
    }
    for operator in &file.operators {
        faults.extend(file.check_operator(operator, contract).err());
    }
    if faults.is_empty() { Ok(summary(file)) } else { Err(faults) }
}

fn summary(file: CertificateFile) -> Checked {
    let channels = || file.layers.iter().flat_map(|layer| &layer.channels);
    let counted = || file.operators.iter().filter_map(|operator| operator.counted.as_ref());
    let unproven = file.operators.iter().filter(|operator| operator.unproven.is_some());
    let largest = channels().map(|channel| channel.difference.largest_distance());
    Checked {
        channels: channels().count(),
        reachable: channels().fold(0, |sum, channel| sum.saturating_add(channel.difference.reachable)),
        differing: channels().fold(0, |sum, channel| sum.saturating_add(channel.difference.differing)),
        differing_channels: channels().filter(|channel| !channel.difference.is_none()).count(),
        operators: counted().count(),
        differing_operators: counted().filter(|counted| counted.differing > 0).count(),
        unproven: unproven.map(|operator| operator.name.clone()).collect(),
        largest: largest.chain(counted().map(|counted| counted.largest)).max().unwrap_or(0),
        file,
    }
}
