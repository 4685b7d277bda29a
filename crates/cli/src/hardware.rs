//! `--target` and the options that override it, to a target.

use anyhow::{Result, bail};

use gen_params::TargetFile;
use gen_params::parameters::MultiplierForm;

use crate::arguments::{Constant, Derivation, TargetOptions};

/// The target that `--target` names, or the default one, with what the other options say instead.
pub(crate) fn target_file(derivation: &Derivation, options: Option<&TargetOptions>) -> Result<TargetFile> {
    if derivation.constant() == Some(Constant::Auto) {
        bail!(
            "CONSTANT auto is for the main command, which says what n it finds\n  hint: gen_params MODEL auto"
        );
    }
    let mut file = match &derivation.target {
        Some(name) => gen_params::target(name)?,
        None => TargetFile::default(),
    };
    derive_as(&mut file, derivation);
    if let Some(options) = options {
        compute_as(&mut file, options);
    }
    Ok(file)
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
        derivation.target.accumulator_bits = bits;
    }
    if let Some(bits) = options.bias_bits {
        derivation.bias_bits = bits;
    }
}

fn compute_as(file: &mut TargetFile, options: &TargetOptions) {
    let target = &mut file.derivation.target;
    target.rounding = options.rounding.unwrap_or(target.rounding);
    target.on_overflow = options.overflow.unwrap_or(target.on_overflow);
    target.product_bits = options.product_bits.unwrap_or(target.product_bits);
    target.bias_fraction_bits = options.bias_fraction_bits.unwrap_or(target.bias_fraction_bits);
    target.activation_range = options.activation_range.or(target.activation_range);
    target.signed_activations |= options.signed_activations;
}
