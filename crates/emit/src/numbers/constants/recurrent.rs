//! The constants of operators that keep a state: their matrix products and their factors.

use gen_params_core::parameters::{ProductParameters, RecurrentParameters};

use super::{Constant, Section, Value, integer, narrowest};

/// That of the operator, with its factors, and those of its products.
pub(super) fn sections(recurrent: &RecurrentParameters) -> impl Iterator<Item = Section<'_>> {
    operator(recurrent).into_iter().chain(recurrent.products.iter().map(product))
}

/// The factors of an operator; `None` where it has none.
fn operator(recurrent: &RecurrentParameters) -> Option<Section<'_>> {
    let mut constants = Vec::new();
    for factor in &recurrent.factors {
        let name = factor.name.to_uppercase();
        constants.push(integer(format!("{name}_MULTIPLIER"), Some(factor.multiplier), ""));
        constants.push(integer(format!("{name}_SHIFT"), Some(factor.shift), ""));
    }
    if recurrent.cell_clip.is_some() {
        constants.push(integer("CELL_CLIP", recurrent.cell_clip, ""));
    }
    let head = vec![
        format!("Operator {:?}: {}; a factor is MULTIPLIER * 2^-SHIFT", recurrent.name, recurrent.op),
        "cell = clamp(FORGET_TO_CELL * forget * cell + INPUT_TO_CELL * input * new, -CELL_CLIP, CELL_CLIP)"
            .to_owned(),
        "output = OUTPUT * output_gate * tanh(cell) + the output's zero point".to_owned(),
    ];
    (!recurrent.factors.is_empty()).then(|| Section { name: &recurrent.name, head, constants })
}

fn product(product: &ProductParameters) -> Section<'_> {
    let [results, inputs] = product.weight_shape;
    let (min, max) = product.output.code_type.range();
    let head = vec![
        format!("Product {:?}: weight {results}x{inputs}, RANK rows to a result", product.name),
        "output = clamp(round((sum(w * x) + FOLDED_BIAS) * MULTIPLIER * 2^-SHIFT) + OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX), \
         rounded twice: divided by 2^31, then by the rest"
            .to_owned(),
        format!(
            "S1 = {}, S2 = {}, S3 = {}",
            product.input.scale, product.weight_scale, product.output.scale
        ),
    ];
    let constants = vec![
        integer("WEIGHT_O", Some(results), ""),
        integer("WEIGHT_I", Some(inputs), ""),
        integer("RANK", Some(product.rank), ""),
        integer("INPUT_ZERO_POINT", Some(product.input.zero_point), ""),
        integer("OUTPUT_ZERO_POINT", Some(product.output.zero_point), ""),
        integer("CLAMP_MIN", Some(min), ""),
        integer("CLAMP_MAX", Some(max), ""),
        list("BIAS", narrowest(product.bias.as_slice())),
        list("FOLDED_BIAS", narrowest(product.folded_bias.as_slice())),
        list("MULTIPLIER", Value::Unsigned(vec![product.multiplier].into())),
        list("SHIFT", Value::Short(vec![product.shift].into())),
    ];
    Section { name: &product.name, head, constants }
}

fn list<'a>(suffix: &'static str, value: Value<'a>) -> Constant<'a> {
    Constant { suffix: suffix.into(), value }
}
