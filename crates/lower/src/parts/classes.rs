//! Parts by their class, and in a state_dict, which names no classes, by their keys.

use gen_params_formats::{Module, Tensor, Value};

use super::Part;
use super::attributes::{activation_of, activation_of_module, optional_sizes, sizes, unread};
use crate::arguments::spread;
use gen_params_core::error::{LowerError, Result};
use gen_params_core::ops::{BatchNorm, Function, LayerNorm, Op, Pool, Shape};

/// A state_dict names no classes: what is left is recognised by its keys.
pub(super) fn state_dict_part(module: &Module) -> Result<Part> {
    let has = |name: &str| module.attributes.contains_key(name);
    if has("running_mean") && has("running_var") {
        return Ok(match activation_of_module(module) {
            Some(activation) => match batch_norm(module, false) {
                Some(op) => Part::Op { op: Op::BatchNorm(op), activation: Some(activation) },
                None => Part::Unknown("quantized batch norm with missing tensors".into()),
            },
            None => Part::Float,
        });
    }
    if let (Some(scale), Some(zero_point), false) =
        (module.attributes.get("scale"), module.attributes.get("zero_point"), has("weight"))
        && let Some(activation) = activation_of(scale, zero_point)
    {
        let looks_like_stub = matches!(scale, Value::Tensor(t) if t.shape() == [1]);
        return Ok(Part::Bare { activation, looks_like_stub });
    }
    if module.tensor("weight").is_some_and(|w| w.dtype().is_float() && w.shape().len() >= 2) {
        return Ok(Part::Float);
    }
    Ok(Part::Unspecified)
}

/// A module by its class.
pub(super) fn class_part(path: &str, class: &str, module: &Module) -> Result<Part> {
    let op = |op: Op| Part::Op { op, activation: activation_of_module(module) };
    let float = |name: &str| module.attributes.get(name).and_then(Value::as_f64);
    let int = |name: &str| module.attributes.get(name).and_then(Value::as_i64);
    let number = |name: &str| {
        float(name).or_else(|| {
            #[allow(
                clippy::cast_precision_loss,
                reason = "a bound written as an integer in the model's source"
            )]
            int(name).map(|i| i as f64)
        })
    };
    let missing = |name: &str| LowerError::at(path, format!("is a {class} without `{name}`"));
    if is_framework_class(module)
        && let Some(unread) = unread(class, module)
    {
        return Err(LowerError::at(path, unread).hint(
            "set it to what the class has where nothing is said, or write the operator out in forward()",
        ));
    }
    Ok(match class {
        "Identity" | "Dropout" | "Dropout1d" | "Dropout2d" | "Dropout3d" | "Sequential" | "ModuleList"
        | "ModuleDict" | "Module" | "LinearPackedParams" => Part::Nothing,
        "Quantize" => Part::Op { op: Op::Quantize, activation: activation_of_module(module) },
        "DeQuantize" | "DeQuantStub" => op(Op::Dequantize),
        "ReLU" => op(Op::Relu),
        "ReLU6" => op(Op::Clamp { min: 0.0, max: 6.0 }),
        "Hardtanh" => op(Op::Clamp {
            min: number("min_val").ok_or_else(|| missing("min_val"))?,
            max: number("max_val").ok_or_else(|| missing("max_val"))?,
        }),
        "Sigmoid" => op(Op::Function(Function::Sigmoid)),
        "Tanh" => op(Op::Function(Function::Tanh)),
        "Hardswish" => op(Op::Function(Function::Hardswish)),
        "Hardsigmoid" => op(Op::Function(Function::Hardsigmoid)),
        "GELU" => op(Op::Function(Function::Gelu)),
        "LeakyReLU" => op(Op::Function(Function::LeakyRelu(
            number("negative_slope").ok_or_else(|| missing("negative_slope"))?,
        ))),
        "ELU" => op(Op::Function(Function::Elu(number("alpha").ok_or_else(|| missing("alpha"))?))),
        "MaxPool1d" | "MaxPool2d" | "MaxPool3d" | "AvgPool1d" | "AvgPool2d" | "AvgPool3d" => {
            let axes = usize::from(class.as_bytes()[7] - b'0');
            let extent = |name: &str| module.attributes.get(name).and_then(|v| spread(v, axes));
            let kernel = extent("kernel_size").ok_or_else(|| missing("kernel_size"))?;
            let flag = |name: &str| matches!(module.attributes.get(name), Some(Value::Bool(true)));
            let pool = Pool {
                stride: extent("stride").unwrap_or_else(|| kernel.clone()),
                padding: extent("padding").ok_or_else(|| missing("padding"))?,
                padding_end: None,
                dilation: extent("dilation").unwrap_or_else(|| vec![1; axes]),
                ceil_mode: flag("ceil_mode"),
                count_include_pad: flag("count_include_pad"),
                divisor: int("divisor_override"),
                kernel,
            };
            op(if class.starts_with("Max") { Op::MaxPool(pool) } else { Op::AveragePool(pool) })
        }
        "AdaptiveAvgPool1d" | "AdaptiveAvgPool2d" | "AdaptiveAvgPool3d" => {
            let axes = usize::from(class.as_bytes()[15] - b'0');
            let size = module.attributes.get("output_size").ok_or_else(|| missing("output_size"))?;
            op(Op::AdaptiveAveragePool {
                size: optional_sizes(size, axes).ok_or_else(|| missing("output_size"))?,
            })
        }
        "Flatten" => op(Op::Shape(Shape::Flatten {
            start: int("start_dim").ok_or_else(|| missing("start_dim"))?,
            end: int("end_dim").ok_or_else(|| missing("end_dim"))?,
        })),
        "ChannelShuffle" => {
            op(Op::Shape(Shape::ChannelShuffle(int("groups").ok_or_else(|| missing("groups"))?)))
        }
        "BatchNorm1d" | "BatchNorm2d" | "BatchNorm3d" | "BNReLU2d" | "BNReLU3d"
            if activation_of_module(module).is_some() =>
        {
            match batch_norm(module, class.contains("ReLU")) {
                Some(norm) => op(Op::BatchNorm(norm)),
                None => return Err(missing("running_mean")),
            }
        }
        "LayerNorm" if activation_of_module(module).is_some() => match layer_norm(module) {
            Some(norm) => op(Op::LayerNorm(norm)),
            None => return Err(missing("normalized_shape")),
        },
        "Softmax" if activation_of_module(module).is_some() => {
            op(Op::Softmax { axis: int("dim").ok_or_else(|| missing("dim"))? })
        }
        "Conv1d" | "Conv2d" | "Conv3d" | "Linear" | "ConvTranspose1d" | "ConvTranspose2d"
        | "ConvTranspose3d" | "BatchNorm1d" | "BatchNorm2d" | "BatchNorm3d" => Part::Float,
        "QFunctional" | "FloatFunctional" => match activation_of_module(module) {
            Some(activation) => Part::Bare { activation, looks_like_stub: false },
            None => Part::Unspecified,
        },
        // Classes of the user's own, and fused containers of float modules: their children are listed themselves.
        _ if !is_framework_class(module) || class.starts_with("Conv") || class.starts_with("Linear") => {
            Part::Unspecified
        }
        _ => Part::Unknown(class.into()),
    })
}

fn is_framework_class(module: &Module) -> bool {
    module.class.as_deref().is_some_and(|c| c.starts_with("torch."))
}

fn batch_norm(module: &Module, relu: bool) -> Option<BatchNorm> {
    let tensor = |name: &str| module.tensor(name).and_then(Tensor::to_f32);
    Some(BatchNorm {
        weight: tensor("weight")?,
        bias: tensor("bias")?,
        mean: tensor("running_mean")?,
        variance: tensor("running_var")?,
        epsilon: module.attributes.get("eps").and_then(Value::as_f64),
        relu,
    })
}

/// A quantized layer norm's parameters.
fn layer_norm(module: &Module) -> Option<LayerNorm> {
    let tensor = |name: &str| module.tensor(name).and_then(Tensor::to_f32);
    Some(LayerNorm {
        shape: module.attributes.get("normalized_shape").and_then(sizes)?,
        weight: tensor("weight"),
        bias: tensor("bias"),
        epsilon: module.attributes.get("eps").and_then(Value::as_f64)?,
    })
}
