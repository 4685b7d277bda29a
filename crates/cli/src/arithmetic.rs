//! `--contract`: a name, and the options of `target`, to an arithmetic.

use anyhow::{Result, anyhow};
use serde_json::{Map, Value, json};

use gen_params::contract::Contract;
use gen_params::emit::folder::target_file::TargetFile;
use gen_params::formats::Form;
use gen_params::hardware::Target;
use gen_params::machine::Arithmetic;
use gen_params::network::IntNetwork;

/// The name of the integer-only arithmetic.
pub(crate) const TARGET: &str = "target";

/// The arithmetic of this name.
pub(crate) fn named(name: &str, file: &TargetFile) -> Result<Arithmetic> {
    if name == TARGET {
        return Ok(Arithmetic::Target(target(file)?));
    }
    let contract = Contract::from_name(name);
    contract.map(Arithmetic::Contract).ok_or_else(|| anyhow!("found {name:?}, expected one of:{}", list()))
}

/// The contract that an option names.
pub(crate) fn contract(option: &str, name: &str) -> Result<Contract> {
    Contract::from_name(name).ok_or_else(|| {
        let known = Contract::ALL.map(Contract::name).join(", ");
        anyhow!("{option}: found {name:?}, expected one of: {known}")
    })
}

/// The engine that the file names, or that its format belongs to.
pub(crate) fn engine_of(network: &IntNetwork) -> Option<Contract> {
    let own = match network.source_form.as_str() {
        form if form == Form::Tflite.name() => Some(Contract::Litert),
        form if form == Form::Onnx.name() => Some(Contract::Onnxruntime),
        _ => None,
    };
    network.engine.as_deref().and_then(Contract::from_name).or(own)
}

/// The arithmetic of the file's engine.
pub(crate) fn of_file(network: &IntNetwork) -> Result<Arithmetic> {
    engine_of(network).map(Arithmetic::Contract).ok_or_else(|| {
        anyhow!(
            "the file does not say which engine it was made for, and engines differ in their roundings\n  hint: give \
             --contract NAME, one of:{}",
            list()
        )
    })
}

/// All names, one a line.
fn list() -> String {
    let contracts = Contract::ALL.into_iter().map(|contract| (contract.name(), contract.description()));
    let target = (
        TARGET,
        "The integer-only arithmetic of hardware, as --rounding, CONSTANT and the like describe it.",
    );
    let rows: Vec<_> = contracts.chain([target]).collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().map(|(name, text)| format!("\n  {name:<width$}  {text}")).collect()
}

/// The integer-only arithmetic of a target.
pub(crate) fn target(file: &TargetFile) -> Result<Target> {
    match file.thresholds {
        None => Ok(file.arithmetic),
        Some(contract) => Err(anyhow!(
            "--target: its thresholds have the codes of {contract} by construction, and there is no multiplier to compute \
             with\n  hint: --contract {contract}; what `emit` writes multiplies: give it another target, such as q31",
            contract = contract.name()
        )),
    }
}

/// The choices of an arithmetic, for records: empty for engines.
pub(crate) fn describe(arithmetic: Arithmetic) -> Map<String, Value> {
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
