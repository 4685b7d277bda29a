//! Parameters are checked against themselves before a byte is written.

use gen_params_core::parameters::{Activation, LayerParameters, OperatorParameters, Parameters};

use crate::Error;
use crate::numbers::Integers;

/// Every list has the length that its layer says, every real is finite, every shift fits in the 8 bits that it is
/// written in.
pub(crate) fn check(parameters: &Parameters) -> Result<(), Error> {
    for layer in &parameters.layers {
        check_layer(layer)?;
    }
    for operator in &parameters.operators {
        check_operator(operator)?;
    }
    for (name, activation) in &parameters.inputs {
        check_scale(name, "input scale", activation.as_ref())?;
    }
    Ok(())
}

fn check_operator(operator: &OperatorParameters) -> Result<(), Error> {
    let shifts = Integers::of(&operator.arithmetic).unwrap_or_default().shift;
    check_shift(&operator.name, shifts.iter().flatten())?;
    for input in &operator.inputs {
        check_scale(&operator.name, "input scale", Some(input))?;
    }
    check_scale(&operator.name, "output scale", Some(&operator.output))
}

fn check_shift<'a>(name: &str, mut shifts: impl Iterator<Item = &'a i32>) -> Result<(), Error> {
    match shifts.find(|&&shift| i8::try_from(shift).is_err()) {
        Some(shift) => Err(Error::Inconsistent {
            layer: name.to_owned(),
            field: "shift",
            found: shift.to_string(),
            expected: "-128 to 127, the 8 bits that it is written in".to_owned(),
        }),
        None => Ok(()),
    }
}

fn check_layer(layer: &LayerParameters) -> Result<(), Error> {
    let wrong = |field, found: String, expected: String| {
        Err(Error::Inconsistent { layer: layer.name.clone(), field, found, expected })
    };
    let weight = &layer.weight;
    let axes = layer.kind.axes();
    if weight.shape.len() != axes.len() {
        return wrong("weight shape", format!("{:?}", weight.shape), format!("the axes {axes}"));
    }
    if weight.codes.is_empty()
        || weight.shape.iter().try_fold(1, |product: usize, &size| product.checked_mul(size))
            != Some(weight.codes.len())
    {
        return wrong(
            "weight",
            format!("{} codes", weight.codes.len()),
            format!("a shape of {:?}", weight.shape),
        );
    }
    if layer.file_weight_sum().is_none() {
        return wrong("weight_sum", "a sum beyond 32 bits".into(), "sums of 32 bits".into());
    }
    if ![1, layer.channels].contains(&weight.scale.len()) {
        let expected = format!("1 entry or {}", layer.channels);
        return wrong("weight scale", format!("{} entries", weight.scale.len()), expected);
    }
    if weight.zero_point.len() != weight.scale.len() {
        let expected = format!("{} like its scale", weight.scale.len());
        return wrong("weight zero point", format!("{} entries", weight.zero_point.len()), expected);
    }
    let lengths = [
        ("weight_sum", Some(layer.weight_sum.len())),
        ("bias", layer.bias.as_ref().map(Vec::len)),
        ("folded_bias", layer.folded_bias.as_ref().map(Vec::len)),
        ("real_multiplier", layer.real_multiplier.as_ref().map(Vec::len)),
        ("multiplier", layer.multiplier.as_ref().map(Vec::len)),
        ("shift", layer.shift.as_ref().map(Vec::len)),
        ("rounding_constant", layer.rounding_constant.as_ref().map(Vec::len)),
    ];
    for (field, length) in lengths {
        if let Some(length) = length.filter(|&length| length != layer.channels) {
            return wrong(
                field,
                format!("{length} entries"),
                format!("one per output channel: {}", layer.channels),
            );
        }
    }
    if let Some(window) = &layer.window {
        let fields = [
            ("stride", &window.stride),
            ("padding", &window.padding),
            ("dilation", &window.dilation),
            ("output_padding", &window.output_padding),
        ];
        for (field, sizes) in fields {
            if let Some(sizes) = sizes.as_ref().filter(|sizes| sizes.len() + 2 != axes.len()) {
                let expected = format!("one entry per spatial axis of {axes}");
                return wrong(field, format!("{} entries", sizes.len()), expected);
            }
        }
    }
    let reals = [("weight scale", Some(&weight.scale)), ("real_multiplier", layer.real_multiplier.as_ref())];
    for (field, values) in reals {
        if let Some(value) = values.into_iter().flatten().find(|value| !value.is_finite()) {
            return wrong(field, value.to_string(), "finite numbers".to_owned());
        }
    }
    check_scale(&layer.name, "input scale", layer.input.as_ref())?;
    check_scale(&layer.name, "output scale", layer.output.as_ref())?;
    check_shift(&layer.name, layer.shift.iter().flatten())
}

fn check_scale(name: &str, field: &'static str, activation: Option<&Activation>) -> Result<(), Error> {
    match activation {
        Some(activation) if !activation.scale.is_finite() => Err(Error::Inconsistent {
            layer: name.to_owned(),
            field,
            found: activation.scale.to_string(),
            expected: "a finite number".to_owned(),
        }),
        _ => Ok(()),
    }
}
