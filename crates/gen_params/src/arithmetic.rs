//! A target by its name, and what it computes with.

use std::path::Path;

use serde_json::{Map, Value, json};

use gen_params_core::hardware::Target;
use gen_params_core::machine::Arithmetic;
use gen_params_emit::folder::target_file::{Preset, TargetFile};

use crate::error::{At, Error, Result};

/// The hardware of this name: one that comes with the tool, or a TOML file.
///
/// ```
/// let target = gen_params::target("dsp18")?;
/// assert_eq!(target.derivation.form, gen_params::parameters::MultiplierForm::Bits(17));
/// # Ok::<(), gen_params::Error>(())
/// ```
///
/// # Errors
/// There is neither, or everything that is wrong with the file.
pub fn target(name: &str) -> Result<TargetFile> {
    if let Some(preset) = Preset::named(name) {
        return preset.read().at(|| name);
    }
    if !Path::new(name).exists() {
        let presets = Preset::ALL.map(|preset| preset.name).join(", ");
        let problem = format!("found {name:?}, expected a TOML file or one of: {presets}");
        return Err(Error::option("target", problem).with_hint("gen_params targets"));
    }
    let text = std::fs::read_to_string(name).at(|| name)?;
    TargetFile::parse(&text).at(|| name)
}

/// The integer-only arithmetic of a target.
///
/// # Errors
/// It has thresholds in the place of multipliers.
pub(crate) fn of_target(file: &TargetFile) -> Result<Target> {
    let Some(contract) = file.thresholds else { return Ok(file.derivation.target) };
    let contract = contract.name();
    let problem = format!(
        "its thresholds have the codes of {contract} by construction, and there is no multiplier to compute with"
    );
    Err(Error::option("target", problem).with_hint(format!(
        "--contract {contract}; what `emit` writes multiplies: give it another target, such as q31"
    )))
}

/// The choices of an arithmetic, by name, for records: none for engines.
pub fn describe(arithmetic: Arithmetic) -> Map<String, Value> {
    let Arithmetic::Target(target) = arithmetic else { return Map::new() };
    let choices = [
        ("rounding", json!(target.rounding.name())),
        ("accumulator_bits", json!(target.accumulator_bits)),
        ("product_bits", json!(target.product_bits)),
        ("overflow", json!(target.on_overflow.name())),
        ("activation_range", json!(target.activation_range.map(|range| [range.min, range.max]))),
        ("signed_activations", json!(target.signed_activations)),
        ("bias_fraction_bits", json!(target.bias_fraction_bits)),
    ];
    choices.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
