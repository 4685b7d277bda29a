//! The named integers of layers and operators, in the order in which every include file declares them.

mod operator;
mod recurrent;

use std::borrow::Cow;

use gen_params_core::parameters::{CodeType, LayerKind, LayerParameters, Parameters, Window};

use crate::names::identifier_prefix;
use crate::numbers::narrow;

/// What belongs to one node of the network: its constants, under its name.
pub(crate) struct Section<'a> {
    /// The name in the model.
    pub(crate) name: &'a str,
    /// What the reader of an include file wants to know before the numbers: one comment line each.
    pub(crate) head: Vec<String>,
    /// The constants, all but weights.
    pub(crate) constants: Vec<Constant<'a>>,
}

impl<'a> Section<'a> {
    /// That of a layer with weights.
    pub(crate) fn of_layer(layer: &'a LayerParameters) -> Self {
        Self { name: &layer.name, head: description(layer).to_vec(), constants: constants(layer) }
    }

    /// Those of all operators that are no layers and have integers: those with states first, then tables.
    pub(crate) fn of_operators(parameters: &'a Parameters) -> impl Iterator<Item = Self> {
        let recurrent = parameters.recurrent.iter().flat_map(recurrent::sections);
        recurrent.chain(parameters.tables.iter().map(operator::table)).chain(
            parameters.operators.iter().filter_map(|this| operator::section(this, parameters.rounding)),
        )
    }

    /// The identifier of one of its constants.
    pub(crate) fn identifier(&self, suffix: &str) -> String {
        format!("{}_{suffix}", identifier_prefix(self.name))
    }
}

/// One constant of one node.
pub(crate) struct Constant<'a> {
    /// What follows the node's prefix and an underscore.
    pub(crate) suffix: Cow<'static, str>,
    /// Its value.
    pub(crate) value: Value<'a>,
}

/// The value of a constant.
pub(crate) enum Value<'a> {
    /// One integer.
    Integer(i64),
    /// Signed integers of 32 bits: one per output channel, or per input.
    Signed(Cow<'a, [i32]>),
    /// Signed integers of 64 bits, at least one of which needs more than 32.
    Wide(Cow<'a, [i64]>),
    /// Unsigned integers of 32 bits.
    Unsigned(Cow<'a, [u32]>),
    /// Signed integers of 8 bits.
    Short(Cow<'a, [i32]>),
    /// Codes of a type.
    Codes(&'a [i32], CodeType),
    /// Not determined by the model file; why.
    Unknown(&'static str),
}

/// What the names in the equation of a layer mean, as comment lines.
pub(crate) const TERMS: &str = "\
// accumulator: the sum of x * (w - WEIGHT_ZERO_POINT) over the receptive field, x and w the codes of input and weight;
//              padding has the code PADDING_VALUE.
// FOLDED_BIAS: BIAS - INPUT_ZERO_POINT * WEIGHT_SUM (a minus, whatever some write-ups say)
//              + taps * INPUT_ZERO_POINT * WEIGHT_ZERO_POINT.
";

const NO_WINDOW: &str = "the file does not say";
const NO_INPUT: &str = "the scale and zero point of the layer's input are not known";
const NO_OUTPUT: &str = "the scale and zero point of the layer's output are not known";
const NO_CLAMP: &str = "neither the file nor the user says whether a ReLU is fused";
const NO_MULTIPLIER: &str = "it takes the scales of the layer's input and output";
const NO_REACH: &str = "the codes that the layer's input can take are not known";

/// Every constant of `layer` but its weights. Their suffixes depend on its kind and on whether rounding constants were
/// chosen, not on what is known.
fn constants(layer: &LayerParameters) -> Vec<Constant<'_>> {
    let mut list = vec![integer("CHANNELS", Some(layer.channels), "")];
    for (axis, &size) in layer.kind.axes().chars().zip(&layer.weight.shape) {
        list.push(integer(format!("WEIGHT_{axis}"), Some(size), ""));
    }
    if layer.kind != LayerKind::Linear {
        window(layer.kind, layer.window.as_ref(), &mut list);
    }

    let input = layer.input.as_ref();
    list.push(integer("INPUT_ZERO_POINT", input.map(|input| input.zero_point), NO_INPUT));
    list.push(integer("INPUT_MIN", layer.input_range.map(|range| range.min), NO_REACH));
    list.push(integer("INPUT_MAX", layer.input_range.map(|range| range.max), NO_REACH));
    list.push(integer("PADDING_VALUE", layer.padding_value, NO_INPUT));
    let weight_zero_point = layer.weight.file_zero_point();
    list.push(match weight_zero_point.as_slice() {
        [first, rest @ ..] if rest.iter().all(|other| other == first) => {
            integer("WEIGHT_ZERO_POINT", Some(*first), "")
        }
        _ => Constant { suffix: "WEIGHT_ZERO_POINT".into(), value: Value::Signed(weight_zero_point.into()) },
    });
    let output = layer.output.as_ref();
    list.push(integer("OUTPUT_ZERO_POINT", output.map(|output| output.zero_point), NO_OUTPUT));
    list.push(integer("CLAMP_MIN", layer.clamp.map(|clamp| clamp.min), NO_CLAMP));
    list.push(integer("CLAMP_MAX", layer.clamp.map(|clamp| clamp.max), NO_CLAMP));
    list.push(integer("ACCUMULATOR_BITS", layer.accumulator.map(|reach| reach.bits), NO_REACH));
    list.push(integer("BIASED_BITS", layer.biased.map(|reach| reach.bits), NO_REACH));

    list.push(array("BIAS", layer.bias.as_deref(), narrowest, NO_INPUT));
    list.push(Constant {
        suffix: "WEIGHT_SUM".into(),
        value: layer
            .file_weight_sum()
            .map_or(Value::Unknown("it does not fit in 32 bits"), |sums| Value::Signed(sums.into())),
    });
    list.push(array("FOLDED_BIAS", layer.folded_bias.as_deref(), narrowest, NO_INPUT));
    let multiplier = layer.multiplier.as_deref();
    list.push(array("MULTIPLIER", multiplier, |values| Value::Unsigned(values.into()), NO_MULTIPLIER));
    list.push(array("SHIFT", layer.shift.as_deref(), |values| Value::Short(values.into()), NO_MULTIPLIER));
    if let Some(constants) = &layer.rounding_constant {
        let value = Value::Wide(constants.as_slice().into());
        list.push(Constant { suffix: "ROUNDING_CONSTANT".into(), value });
    }
    list
}

/// Integers of 32 bits, where all fit.
fn narrowest<'a>(values: impl Into<Cow<'a, [i64]>>) -> Value<'a> {
    let values = values.into();
    match narrow(&values) {
        Some(narrow) => Value::Signed(narrow.into()),
        None => Value::Wide(values),
    }
}

/// The geometry of a convolution, one constant per spatial axis.
fn window(kind: LayerKind, window: Option<&Window>, list: &mut Vec<Constant<'_>>) {
    let fields = [
        ("STRIDE", window.and_then(|window| window.stride.as_ref())),
        ("PADDING", window.and_then(|window| window.padding.as_ref())),
        ("PADDING_END", window.and_then(|window| window.padding_end.as_ref())),
        ("DILATION", window.and_then(|window| window.dilation.as_ref())),
        ("OUTPUT_PADDING", window.and_then(|window| window.output_padding.as_ref())),
    ];
    for (name, sizes) in fields {
        if name == "PADDING_END" && sizes.is_none() {
            continue;
        }
        if name == "OUTPUT_PADDING" && !matches!(kind, LayerKind::ConvTranspose(_)) {
            continue;
        }
        for (index, axis) in kind.axes().chars().skip(2).enumerate() {
            let size = sizes.and_then(|sizes| sizes.get(index)).copied();
            list.push(integer(format!("{name}_{axis}"), size, NO_WINDOW));
        }
    }
    list.push(integer("GROUPS", window.and_then(|window| window.groups), NO_WINDOW));
}

fn integer<'a>(
    suffix: impl Into<Cow<'static, str>>,
    value: Option<impl TryInto<i64>>,
    unknown: &'static str,
) -> Constant<'a> {
    let value = value.and_then(|value| value.try_into().ok());
    Constant { suffix: suffix.into(), value: value.map_or(Value::Unknown(unknown), Value::Integer) }
}

fn array<'a, T>(
    suffix: &'static str,
    values: Option<&'a [T]>,
    kind: impl FnOnce(&'a [T]) -> Value<'a>,
    unknown: &'static str,
) -> Constant<'a> {
    Constant { suffix: suffix.into(), value: values.map_or(Value::Unknown(unknown), kind) }
}

/// What the reader of an include file wants to know of `layer` before its numbers: one comment line each.
///
/// The name is quoted and escaped: it came from the model file and must not end the comment.
fn description(layer: &LayerParameters) -> [String; 3] {
    let real = |scale: Option<f64>| scale.map_or("unknown".to_owned(), |scale| scale.to_string());
    let weight_scale = match layer.weight.scale.as_slice() {
        [scale] => scale.to_string(),
        _ => "one per output channel, see manifest.json".to_owned(),
    };
    [
        format!(
            "Layer {:?}: {}, weight {} {}",
            layer.name,
            layer.kind.name(),
            layer.kind.axes(),
            layer.weight.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
        ),
        match layer.rounding_constant {
            None => {
                "output = clamp(round((accumulator + FOLDED_BIAS) * MULTIPLIER * 2^-SHIFT) + OUTPUT_ZERO_POINT, \
                 CLAMP_MIN, CLAMP_MAX)"
            }
            Some(_) => {
                "output = clamp((((accumulator + FOLDED_BIAS) * MULTIPLIER + ROUNDING_CONSTANT) >> SHIFT) + \
                 OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX)"
            }
        }
        .to_owned(),
        format!(
            "S1 = {}, S2 = {weight_scale}, S3 = {}",
            real(layer.input.map(|input| input.scale)),
            real(layer.output.map(|output| output.scale))
        ),
    ]
}
