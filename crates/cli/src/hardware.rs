//! `--target` and the options that override it, to a target.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use gen_params::emit::folder::target_file::{Preset, TargetFile};
use gen_params::hardware::OnOverflow;
use gen_params::parameters::MultiplierForm;

use crate::arguments::{Constant, Derivation, OverflowName, TargetOptions};

/// The target that `--target` names, or the default one, with what the other options say instead.
pub(crate) fn target_file(derivation: &Derivation, options: Option<&TargetOptions>) -> Result<TargetFile> {
    if derivation.constant() == Some(Constant::Auto) {
        bail!(
            "CONSTANT auto is for the main command, which says what n it finds\n  hint: gen_params MODEL auto"
        );
    }
    let mut file = match &derivation.target {
        Some(name) => read(name)?,
        None => TargetFile::default(),
    };
    derive_as(&mut file, derivation);
    if let Some(options) = options {
        compute_as(&mut file, options);
    }
    file.derivation.rounding = file.arithmetic.rounding;
    Ok(file)
}

/// A preset, or the file of this name.
fn read(name: &str) -> Result<TargetFile> {
    if let Some(preset) = Preset::named(name) {
        return preset.read().map_err(|error| anyhow!(error.with_file(name)));
    }
    let path = Path::new(name);
    if !path.exists() {
        let presets = Preset::ALL.map(|preset| preset.name).join(", ");
        bail!(
            "--target: found {name:?}, expected a TOML file or one of: {presets}\n  hint: gen_params targets"
        );
    }
    let text = std::fs::read_to_string(path).with_context(|| name.to_owned())?;
    TargetFile::parse(&text).map_err(|error| anyhow!(error.with_file(name)))
}

fn derive_as(file: &mut TargetFile, options: &Derivation) {
    let derivation = &mut file.derivation;
    if let Some(bits) = options.multiplier_bits {
        derivation.form = match derivation.form {
            MultiplierForm::LayerBits(_) => MultiplierForm::LayerBits(bits),
            MultiplierForm::NetworkBits(_) => MultiplierForm::NetworkBits(bits),
            MultiplierForm::Bits(_) | MultiplierForm::Shift(_) => MultiplierForm::Bits(bits),
        };
    }
    if let Some(Constant::Shift(n)) = options.constant() {
        derivation.form = MultiplierForm::Shift(n);
    }
    if let Some(bits) = options.accumulator_bits {
        derivation.accumulator_bits = bits;
        file.arithmetic.accumulator_bits = bits;
    }
    if let Some(bits) = options.bias_bits {
        derivation.bias_bits = bits;
    }
}

fn compute_as(file: &mut TargetFile, options: &TargetOptions) {
    let target = &mut file.arithmetic;
    if let Some(rounding) = options.rounding {
        target.rounding = rounding.into();
    }
    if let Some(overflow) = options.overflow {
        target.on_overflow = match overflow {
            OverflowName::Wrap => OnOverflow::Wrap,
            OverflowName::Saturate => OnOverflow::Saturate,
        };
    }
    target.product_bits = options.product_bits.unwrap_or(target.product_bits);
    target.bias_fraction_bits = options.bias_fraction_bits.unwrap_or(target.bias_fraction_bits);
    target.activation_range = options.activation_range.or(target.activation_range);
    target.signed_activations |= options.signed_activations;
}
