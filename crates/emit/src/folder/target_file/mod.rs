//! The user's hardware as one TOML file: arithmetic and memory layout.

mod layout_section;
mod presets;
mod reader;

use std::fmt;

use gen_params_core::contract::Contract;
use gen_params_core::derive;
use gen_params_core::derive::Relu;
use gen_params_core::hardware::{OnOverflow, Rounding, Target};
use gen_params_core::parameters::{MultiplierForm, Range};
use serde_json::{Value, json};
use toml::de::DeTable;

pub use presets::Preset;
pub use reader::Fault;

use crate::Formats;
use crate::folder::golden::GoldenFiles;
use crate::memory::{Kind, Memory};
use reader::{Reader, Section};

/// A target: how its integers are derived, computed with and laid out. The default is that of `q31`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetFile {
    /// What it is, in a sentence; empty if nobody said.
    pub description: String,
    /// How M becomes M0 and n, the arithmetic, and which widths are warned about.
    pub derivation: derive::Options,
    /// Where a fused ReLU is computed.
    pub relu: Relu,
    /// Whose codes the thresholds of a target without multipliers give.
    pub thresholds: Option<Contract>,
    /// How numbers lie in memory.
    pub memory: Memory,
    /// What is written, if the file says.
    pub formats: Option<Formats>,
}

/// Everything that is wrong with a target file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFileError {
    /// In the order of the file.
    pub faults: Vec<Fault>,
}

impl TargetFileError {
    /// One line per fault, each with the file and its line.
    pub fn with_file(&self, file: &str) -> String {
        let lines: Vec<_> = self.faults.iter().map(|fault| format!("{file}:{fault}")).collect();
        lines.join("\n")
    }
}

impl fmt::Display for TargetFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_file("line "))
    }
}

impl std::error::Error for TargetFileError {}

/// How n is shared.
#[derive(Debug, Clone, Copy)]
enum SharedShift {
    Channel,
    Layer,
    Network,
}

impl TargetFile {
    /// Reads a target from TOML text. What it does not say is as in [`TargetFile::default`].
    ///
    /// # Errors
    /// Everything that is wrong with it: no TOML, unknown keys, values beyond their range, each with its line.
    pub fn parse(text: &str) -> Result<Self, TargetFileError> {
        let mut reader = Reader::new(text);
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                reader.fault(error.span().map_or(0, |span| span.start), error.message());
                return Err(TargetFileError { faults: reader.faults });
            }
        };
        let mut root = Section::root(document.get_ref());
        let file = Self::read(&mut reader, &mut root);
        reader.finish(root);
        if reader.faults.is_empty() {
            return Ok(file);
        }
        let mut faults = reader.faults;
        faults.sort_by_key(|fault| fault.line);
        Err(TargetFileError { faults })
    }

    fn read(reader: &mut Reader<'_>, root: &mut Section<'_>) -> Self {
        let description = reader
            .parsed(root, "description", |text| Ok::<_, fmt::Error>(text.to_owned()))
            .unwrap_or_default();

        let mut section = reader.section(root, "multiplier");
        let form = multiplier_form(reader, &mut section);
        reader.finish(section);

        let mut section = reader.section(root, "product");
        let roundings = Rounding::ALL.map(|rounding| (rounding.name(), rounding));
        let rounding = reader.choice(&mut section, "rounding", &roundings).unwrap_or_default();
        let product_bits = reader.size(&mut section, "bits", 8..=64).unwrap_or(64);
        reader.finish(section);

        let mut section = reader.section(root, "accumulator");
        let accumulator_bits = reader.size(&mut section, "bits", 8..=64).unwrap_or(32);
        let overflows = [OnOverflow::Wrap, OnOverflow::Saturate].map(|on| (on.name(), on));
        let on_overflow = reader.choice(&mut section, "overflow", &overflows).unwrap_or_default();
        reader.finish(section);

        let mut section = reader.section(root, "bias");
        let bias_bits = reader.size(&mut section, "bits", 8..=32).unwrap_or(32);
        let bias_fraction_bits = reader.size(&mut section, "fraction_bits", 0..=24).unwrap_or(0);
        reader.finish(section);

        let mut section = reader.section(root, "activation");
        let signed_activations = reader.flag(&mut section, "signed").unwrap_or(false);
        let activation_range =
            reader.pair(&mut section, "range", -128..=255).map(|(min, max)| Range { min, max });
        let relu = reader
            .choice(&mut section, "relu", &[("clamp", Relu::Clamp), ("separate", Relu::Separate)])
            .unwrap_or_default();
        zero_point(reader, &mut section, rounding);
        reader.finish(section);

        let mut section = reader.section(root, "tables");
        let contracts = Contract::ALL.map(|contract| (contract.name(), contract));
        let tables = reader.choice(&mut section, "contract", &contracts).unwrap_or(Contract::Exact);
        reader.finish(section);

        let mut section = reader.section(root, "thresholds");
        let thresholds = reader.choice(&mut section, "contract", &contracts);
        reader.finish(section);

        let mut section = reader.section(root, "layout");
        let formats = reader.parsed(&mut section, "format", str::parse);
        let usual: &[Kind] = match thresholds {
            Some(_) => &[Kind::Weight, Kind::Threshold],
            None => &Kind::USUAL,
        };
        let memory = layout_section::read(reader, &mut section, usual);
        reader.finish(section);

        let target = Target {
            rounding,
            accumulator_bits,
            product_bits,
            on_overflow,
            activation_range,
            signed_activations,
            bias_fraction_bits,
        };
        Self {
            description,
            derivation: derive::Options { form, bias_bits, tables, target },
            relu,
            thresholds,
            memory,
            formats,
        }
    }

    /// How golden values are written for it.
    pub fn golden_files(&self) -> GoldenFiles {
        let usual = GoldenFiles::default();
        GoldenFiles {
            activation: self.memory.activation.clone(),
            formats: self.formats.clone().unwrap_or(usual.formats),
        }
    }

    /// The target as JSON, for records: sections and keys as in the TOML file.
    pub fn to_json(&self) -> Value {
        let arithmetic = &self.derivation.target;
        let (shift, bits) = match self.derivation.form {
            MultiplierForm::Shift(n) => (json!(n), None),
            MultiplierForm::Bits(bits) => (json!("channel"), Some(bits)),
            MultiplierForm::LayerBits(bits) => (json!("layer"), Some(bits)),
            MultiplierForm::NetworkBits(bits) => (json!("network"), Some(bits)),
        };
        json!({
            "description": self.description,
            "multiplier": {"bits": bits, "shift": shift},
            "product": {"bits": arithmetic.product_bits, "rounding": arithmetic.rounding.name()},
            "accumulator": {
                "bits": arithmetic.accumulator_bits,
                "overflow": arithmetic.on_overflow.name(),
            },
            "bias": {"bits": self.derivation.bias_bits, "fraction_bits": arithmetic.bias_fraction_bits},
            "activation": {
                "signed": arithmetic.signed_activations,
                "range": arithmetic.activation_range.map(|range| [range.min, range.max]),
                "relu": match self.relu {
                    Relu::Clamp => "clamp",
                    Relu::Separate => "separate",
                },
                "zero_point": "after-rounding",
            },
            "tables": {"contract": self.derivation.tables.name()},
            "thresholds": {"contract": self.thresholds.map(Contract::name)},
        })
    }
}

/// `[multiplier]`: its width, and who shares a shift.
fn multiplier_form(reader: &mut Reader<'_>, section: &mut Section<'_>) -> MultiplierForm {
    if section.holds_integer("shift") {
        let n = reader.size(section, "shift", 0..=127);
        if reader.size(section, "bits", 1..=32).is_some() {
            let text = "multiplier.bits: with a given shift, M0 has as many bits as M * 2^shift";
            reader.fault(section.offset("bits"), text);
        }
        return MultiplierForm::Shift(n.unwrap_or(0));
    }
    let bits = reader.size(section, "bits", 1..=32).unwrap_or(31);
    let choices =
        [("channel", SharedShift::Channel), ("layer", SharedShift::Layer), ("network", SharedShift::Network)];
    match reader.choice(section, "shift", &choices).unwrap_or(SharedShift::Channel) {
        SharedShift::Channel => MultiplierForm::Bits(bits),
        SharedShift::Layer => MultiplierForm::LayerBits(bits),
        SharedShift::Network => MultiplierForm::NetworkBits(bits),
    }
}

/// `activation.zero_point`: Z3 before the rounding gives the same codes where the rounding does not look at sign or
/// parity, and is refused where it gives others.
fn zero_point(reader: &mut Reader<'_>, section: &mut Section<'_>, rounding: Rounding) {
    let choices = [("after-rounding", false), ("before-rounding", true)];
    let before = reader.choice(section, "zero_point", &choices).unwrap_or(false);
    if before && !matches!(rounding, Rounding::HalfUp | Rounding::Floor) {
        let offset = section.offset("zero_point");
        reader.fault(
            offset,
            format!(
                "activation.zero_point: with rounding {rounding}, which looks at sign or parity, Z3 is added \
                 after-rounding; before-rounding gives the same codes with half-up and floor only"
            ),
        );
    }
}
