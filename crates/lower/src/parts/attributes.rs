//! What the attributes of a module say: scales, sizes, geometry.

use gen_params_formats::{Module, Value};

use crate::arguments::{Literal, shown};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::ops::PaddingMode;
use gen_params_core::parameters::{Activation, CodeType, Window};

/// S and Z under the names that modules have for them.
pub(crate) fn activation_of_module(module: &Module) -> Option<Activation> {
    let scale = module.attributes.get("scale").or_else(|| module.attributes.get("output_scale"))?;
    let zero_point =
        module.attributes.get("zero_point").or_else(|| module.attributes.get("output_zero_point"))?;
    let mut activation = activation_of(scale, zero_point)?;
    if let Some(dtype) = module.attributes.get("dtype").and_then(code_type_of) {
        activation.code_type = dtype;
    }
    Some(activation)
}

/// S and Z from stored values. Activations are quint8 unless said otherwise; a negative zero point says qint8.
pub(crate) fn activation_of(scale: &Value, zero_point: &Value) -> Option<Activation> {
    #[allow(clippy::cast_precision_loss, reason = "a scale saved as the integer 1")]
    let scale = scale.as_f64().or_else(|| scale.as_i64().map(|i| i as f64))?;
    let zero_point = i32::try_from(zero_point.as_i64()?).ok()?;
    let code_type = if zero_point < 0 { CodeType::I8 } else { CodeType::U8 };
    Some(Activation { scale, zero_point, code_type })
}

/// The element type of quantized codes, by PyTorch's name or number.
pub(crate) fn code_type_of(value: &Value) -> Option<CodeType> {
    match (value.as_str(), value.as_i64()) {
        (Some("torch.quint8"), _) | (_, Some(13)) => Some(CodeType::U8),
        (Some("torch.qint8"), _) | (_, Some(12)) => Some(CodeType::I8),
        _ => None,
    }
}

/// Geometry from a module's plain attributes; what is absent stays unknown.
pub(crate) fn window_of(module: &Module) -> Window {
    let sizes = |name: &str| {
        module
            .attributes
            .get(name)
            .and_then(Value::as_ints)
            .and_then(|v| v.into_iter().map(|x| u32::try_from(x).ok()).collect::<Option<Vec<u32>>>())
    };
    Window {
        stride: sizes("stride"),
        padding: sizes("padding"),
        padding_end: None,
        dilation: sizes("dilation"),
        output_padding: sizes("output_padding"),
        groups: module.attributes.get("groups").and_then(Value::as_i64).and_then(|g| u32::try_from(g).ok()),
    }
}

pub(crate) fn padding_mode(place: &str, module: &Module) -> Result<PaddingMode> {
    match module.attributes.get("padding_mode").and_then(Value::as_str) {
        None => Ok(PaddingMode::Zeros),
        Some(name) => PaddingMode::from_name(name)
            .ok_or_else(|| LowerError::at(place, format!("has padding mode '{name}'"))),
    }
}

/// Classes, their attributes that are read, and those that must be as they are here.
type Attributes = (&'static [&'static str], &'static [&'static str], &'static [(&'static str, Literal)]);

/// The plain attributes of `torch.nn`'s classes: those that are read, and those that must be as the class has them where
/// nobody says otherwise, because nothing here computes anything else.
#[rustfmt::skip]
const ATTRIBUTES: &[Attributes] = &[
    (&["ReLU", "Sigmoid", "Tanh", "Hardswish", "Hardsigmoid", "Quantize", "DeQuantize", "DeQuantStub"], &[], &[]),
    (&["Hardtanh"], &["min_val", "max_val"], &[]),
    (&["ReLU6"], &[], &[("min_val", Literal::Int(0)), ("max_val", Literal::Int(6))]),
    (&["GELU"], &[], &[("approximate", Literal::Text("none"))]),
    (&["LeakyReLU"], &["negative_slope"], &[]),
    (&["ELU"], &["alpha"], &[]),
    (&["MaxPool1d", "MaxPool2d", "MaxPool3d"], &["kernel_size", "stride", "padding", "dilation", "ceil_mode"],
        &[("return_indices", Literal::Bool(false))]),
    (&["AvgPool1d", "AvgPool2d", "AvgPool3d"],
        &["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"], &[]),
    (&["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d"], &["output_size"], &[]),
    (&["Flatten"], &["start_dim", "end_dim"], &[]),
    (&["ChannelShuffle"], &["groups"], &[]),
    (&["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "BNReLU2d", "BNReLU3d"], &["eps", "num_features"], &[]),
    (&["LayerNorm"], &["normalized_shape", "eps"], &[]),
    (&["Softmax"], &["dim"], &[]),
];

/// Attributes of any class that do not change what it computes once it is trained.
const WITHOUT_MEANING: [&str; 8] = [
    "training",
    "inplace",
    "momentum",
    "affine",
    "elementwise_affine",
    "track_running_stats",
    "qconfig",
    "dtype",
];

/// The first attribute of a module of `torch.nn` that changes what it computes and that nobody reads.
pub(super) fn unread(class: &str, module: &Module) -> Option<String> {
    let (_, read, neutral) = ATTRIBUTES.iter().find(|(classes, ..)| classes.contains(&class))?;
    let scale = ["scale", "zero_point", "output_scale", "output_zero_point"];
    module.attributes.iter().find_map(|(name, value)| {
        let own = name.as_str();
        let is_known = own.starts_with('_')
            || read.contains(&own)
            || scale.contains(&own)
            || WITHOUT_MEANING.contains(&own)
            || neutral.iter().any(|(neutral, default)| *neutral == own && default.is(value));
        let is_plain = matches!(
            value,
            Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::Str(_)
                | Value::Tuple(_)
                | Value::List(_)
        );
        (!is_known && is_plain)
            .then(|| format!("is a {class} with `{own}` = {}, which is not supported", shown(value)))
    })
}

/// A list of sizes that are not negative.
pub(crate) fn sizes(value: &Value) -> Option<Vec<usize>> {
    value.as_ints()?.into_iter().map(|size| usize::try_from(size).ok()).collect()
}

/// Output sizes of adaptive pooling; `None` entries keep the input's size.
pub(crate) fn optional_sizes(value: &Value, axes: usize) -> Option<Vec<Option<i64>>> {
    match value {
        Value::Tuple(v) | Value::List(v) => v
            .iter()
            .map(|v| match v {
                Value::None => Some(None),
                other => other.as_i64().map(Some),
            })
            .collect(),
        Value::None => Some(vec![None; axes]),
        other => other.as_i64().map(|one| vec![Some(one); axes]),
    }
}
