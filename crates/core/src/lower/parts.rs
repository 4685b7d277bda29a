//! Recognises the parts of a network among its modules: by class where the file has classes, by attributes in a state_dict.

use std::sync::Arc;

use gen_params_formats::{DType, Module, PackedParams, Quantizer, SourceModel, Tensor, Value};
use indexmap::IndexMap;

use super::{Options, has_classes, prepared};
use crate::error::{LowerError, Result};
use crate::ops::{BatchNorm, Bias, Function, Layer, LayerNorm, Op, PaddingMode, Pool, Shape};
use crate::parameters::{Activation, CodeType, LayerKind, Weight, Window};

/// One recognised module.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "most parts are operations; there are hundreds, not millions")]
pub(super) enum Part {
    /// An operation, with its own output scale and zero point where it has them.
    Op {
        /// What it computes.
        op: Op,
        /// S and Z of its output.
        activation: Option<Activation>,
    },
    /// Scale and zero point of something that a state_dict does not name: a quant stub, a functional, an activation.
    Bare {
        /// S and Z.
        activation: Activation,
        /// Stored as `Quantize` stores them (one-element vectors; all others are scalars).
        looks_like_stub: bool,
    },
    /// A FakeQuantize or observer placed by FX: S and Z of whatever it is applied to.
    Observer(Activation),
    /// Passes its input on: Identity, Dropout, containers.
    Nothing,
    /// A layer with float weights and no quantization.
    Float,
    /// A class that is not supported, by name.
    Unknown(String),
    /// A module that the file names and says nothing about.
    Unspecified,
}

/// Recognised modules by path, in file order.
pub(super) type Parts = IndexMap<String, Part>;

/// Recognises every module.
pub(super) fn recognise(
    source: &SourceModel,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<Parts> {
    refuse_by_name(source)?;
    let mut recogniser = Recogniser {
        source,
        options,
        classes: has_classes(source.form),
        parts: Parts::new(),
        refusal: LowerError { reasons: Vec::new(), hint: None },
        epsilon_assumed: false,
    };
    for (path, module) in &source.modules {
        recogniser.module(path, module);
    }
    let Recogniser { parts, mut refusal, epsilon_assumed, .. } = recogniser;
    if !refusal.reasons.is_empty() {
        // What holds of the whole file is found at every observer: once says it.
        refusal.reasons.dedup_by(|a, b| a.text == b.text && a.place.is_empty() && b.place.is_empty());
        return Err(refusal);
    }
    if epsilon_assumed {
        warnings.push(
            "batch norm's epsilon is not in a state_dict: PyTorch's default 1e-5 was used (--bn-eps for another)".into(),
        );
    }
    refuse_uncalibrated(&parts)?;
    Ok(parts)
}

struct Recogniser<'a> {
    source: &'a SourceModel,
    options: &'a Options,
    classes: bool,
    parts: Parts,
    refusal: LowerError,
    epsilon_assumed: bool,
}

impl Recogniser<'_> {
    fn module(&mut self, path: &str, module: &Module) {
        let result = if path.is_empty() { self.root(module) } else { self.inner(path, module) };
        if let Err(error) = result {
            self.refusal.reasons.extend(error.reasons);
            self.refusal.hint = self.refusal.hint.take().or(error.hint);
        }
    }

    fn inner(&mut self, path: &str, module: &Module) -> Result<()> {
        let (parent, own) = path.rsplit_once('.').unwrap_or(("", path));
        if is_inside_layer(path) {
            // Parts of a layer; the layer itself reads them.
            if own == "_packed_params" && !self.parts.contains_key(parent) {
                self.packed_linear(parent, module)?;
            } else if own == "activation_post_process" && !is_inside_layer(parent) {
                self.observed(parent, path)?;
            }
            return Ok(());
        }
        if own == "bn" && self.has_module(parent, "weight_fake_quant") {
            // Folded into its layer.
            return Ok(());
        }
        if prepared::is_observer(module, own) {
            let activation = prepared::activation(self.source, self.options, path)?;
            self.parts.insert(path.into(), Part::Observer(activation));
            return Ok(());
        }
        let owner = if own == "0" && prepared::is_unobserved(self.source, parent, module) {
            Some(parent)
        } else {
            prepared::is_unobserved(self.source, path, module).then_some(path)
        };
        if let Some(owner) = owner {
            let layer = prepared::unobserved_layer(self.source, self.options, owner, module)?;
            self.parts.insert(owner.into(), Part::Op { op: Op::Layer(layer), activation: None });
            return Ok(());
        }
        let part = if module.tensor("weight").is_some_and(|w| w.dtype().is_quantized()) {
            self.quantized_weight(path, module)?
        } else if let Some(Value::Packed(packed)) = module.attributes.get("_packed_params") {
            let kind = kind_of_packed(path, packed, module)?;
            self.packed(path, packed, kind, module)?
        } else if self.has_module(path, "_packed_params") {
            // Linear: the child holds the weight; its part is made here so that it stands in the layer's place.
            match self.source.modules.get(&format!("{path}._packed_params")) {
                Some(child) => self.linear_part(path, module, child)?,
                None => return Ok(()),
            }
        } else if self.has_module(path, "weight_fake_quant") {
            let (layer, activation) =
                prepared::layer(self.source, self.options, path, &mut self.epsilon_assumed)?;
            Part::Op { op: Op::Layer(layer), activation }
        } else if self.classes {
            match module.class_name() {
                Some(class) => class_part(path, class, module)?,
                None => Part::Unspecified,
            }
        } else {
            state_dict_part(module)?
        };
        self.parts.insert(path.into(), part);
        Ok(())
    }

    /// FX keeps functional operations' attributes at the root: packed weights and `NAME_scale_N`, `NAME_zero_point_N`.
    fn root(&mut self, module: &Module) -> Result<()> {
        for (name, value) in &module.attributes {
            if let Value::Packed(packed) = value {
                let kind = kind_of_packed(name, packed, module)?;
                let layer = layer_of_packed(name, packed, kind, None, PaddingMode::Zeros)?;
                self.parts.insert(name.clone(), Part::Op { op: Op::Layer(layer), activation: None });
            } else if let Some((stem, number)) = name.rsplit_once("_scale_")
                && let Some(zero_point) = module.attributes.get(&format!("{stem}_zero_point_{number}"))
                && !self.classes
                && let Some(activation) = activation_of(value, zero_point)
            {
                let looks_like_stub = stem.ends_with("_input");
                self.parts.insert(format!("{stem}_{number}"), Part::Bare { activation, looks_like_stub });
            }
        }
        // A checkpoint of one bare layer has its tensors at the root.
        if module.tensor("weight").is_some_and(|w| w.dtype().is_quantized()) {
            let part = self.quantized_weight("", module)?;
            self.parts.insert("layer".into(), part);
        } else if let Some(child) = self.source.modules.get("_packed_params") {
            let part = self.linear_part("", module, child)?;
            self.parts.insert("layer".into(), part);
        }
        Ok(())
    }

    fn has_module(&self, path: &str, child: &str) -> bool {
        self.source.modules.contains_key(&format!("{path}.{child}"))
    }

    /// A Linear whose `_packed_params` child has keys while it has none itself.
    fn packed_linear(&mut self, parent: &str, child: &Module) -> Result<()> {
        let empty = Module::default();
        let module = self.source.modules.get(parent).unwrap_or(&empty);
        let part = self.linear_part(parent, module, child)?;
        self.parts.insert(parent.into(), part);
        Ok(())
    }

    fn linear_part(&self, path: &str, module: &Module, child: &Module) -> Result<Part> {
        if let Some(dtype) = child.attributes.get("dtype").and_then(Value::as_str)
            && dtype != "torch.qint8"
        {
            return Err(LowerError::at(path, format!("has weights of {dtype}; only int8 is supported")));
        }
        match child.attributes.get("_packed_params") {
            Some(Value::Packed(packed)) => self.packed(path, packed, LayerKind::Linear, module),
            Some(other) => Err(LowerError::at(path, format!("has {} for packed parameters", other.kind()))),
            None => Err(LowerError::at(path, "has no packed parameters")),
        }
    }

    fn packed(&self, path: &str, packed: &PackedParams, kind: LayerKind, module: &Module) -> Result<Part> {
        let relu = self
            .classes
            .then(|| module.class_name().is_some_and(|c| c.ends_with("ReLU") || c.contains("ReLU")));
        let layer = layer_of_packed(path, packed, kind, relu, PaddingMode::Zeros)?;
        Ok(Part::Op { op: Op::Layer(layer), activation: activation_of_module(module) })
    }

    /// A convolution (or an old Linear) whose weight is stored unpacked.
    fn quantized_weight(&self, path: &str, module: &Module) -> Result<Part> {
        let Some(tensor) = module.tensor("weight") else { return Ok(Part::Nothing) };
        let class = module.class_name();
        let rank = tensor.shape().len();
        let transposed = class.is_some_and(|c| c.contains("Transpose"))
            || matches!(module.attributes.get("transposed"), Some(Value::Bool(true)));
        let kind = match rank {
            2 => LayerKind::Linear,
            3..=5 => {
                let axes = u8::try_from(rank - 2).unwrap_or(1);
                if transposed { LayerKind::ConvTranspose(axes) } else { LayerKind::Conv(axes) }
            }
            _ => return Err(LowerError::at(path, format!("has a weight of {rank} axes"))),
        };
        let bias = bias_of(path, module.attributes.get("bias"))?;
        let relu = class.map(|c| c.contains("ReLU"));
        let padding_mode = padding_mode(path, module)?;
        let window = (kind != LayerKind::Linear).then(|| window_of(module));
        let weight = weight_of(path, tensor, kind)?;
        let bias = bias.map(Bias::Real);
        let layer = Layer { kind, weight, bias, relu, clamp: None, window, padding_mode };
        Ok(Part::Op { op: Op::Layer(layer), activation: activation_of_module(module) })
    }

    /// True while nothing with weights or scales has been met. In a prepared state_dict every observer looks the same: only
    /// being first marks a quant stub.
    fn nothing_yet(&self) -> bool {
        self.parts.values().all(|p| matches!(p, Part::Nothing | Part::Unspecified))
    }

    /// `PARENT.activation_post_process`: S and Z of the parent's output, before conversion.
    fn observed(&mut self, parent: &str, path: &str) -> Result<()> {
        let Some(module) = self.source.modules.get(path) else { return Ok(()) };
        if !prepared::is_observer(module, "activation_post_process") {
            return Ok(());
        }
        let activation = prepared::activation(self.source, self.options, path)?;
        let looks_like_stub = !self.classes && self.nothing_yet();
        match self.parts.get_mut(parent) {
            Some(Part::Op { activation: own, .. }) => *own = Some(activation),
            Some(Part::Observer(_) | Part::Bare { .. }) => {}
            Some(part @ (Part::Nothing | Part::Float | Part::Unknown(_) | Part::Unspecified)) => {
                *part = match part {
                    Part::Unknown(class) if class == "QuantStub" => {
                        Part::Op { op: Op::Quantize, activation: Some(activation) }
                    }
                    _ => Part::Bare { activation, looks_like_stub },
                };
            }
            None => {
                self.parts.insert(parent.into(), Part::Bare { activation, looks_like_stub });
            }
        }
        Ok(())
    }
}

/// True for paths below a layer that hold the layer's own parts.
fn is_inside_layer(path: &str) -> bool {
    path.split('.').any(|p| matches!(p, "_packed_params" | "weight_fake_quant" | "activation_post_process"))
}

/// A state_dict names no classes: what is left is recognised by its keys.
fn state_dict_part(module: &Module) -> Result<Part> {
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
fn class_part(path: &str, class: &str, module: &Module) -> Result<Part> {
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

/// A list of sizes that are not negative.
pub(super) fn sizes(value: &Value) -> Option<Vec<usize>> {
    value.as_ints()?.into_iter().map(|size| usize::try_from(size).ok()).collect()
}

/// One number or one per axis.
pub(super) fn spread(value: &Value, axes: usize) -> Option<Vec<i64>> {
    match value.as_i64() {
        Some(one) => Some(vec![one; axes]),
        None => match value.as_ints()? {
            ints if ints.len() == axes => Some(ints),
            ints if ints.len() == 1 => Some(vec![ints[0]; axes]),
            _ => None,
        },
    }
}

/// Output sizes of adaptive pooling; `None` entries keep the input's size.
pub(super) fn optional_sizes(value: &Value, axes: usize) -> Option<Vec<Option<i64>>> {
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

/// S and Z under the names that modules have for them.
pub(super) fn activation_of_module(module: &Module) -> Option<Activation> {
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
pub(super) fn activation_of(scale: &Value, zero_point: &Value) -> Option<Activation> {
    #[allow(clippy::cast_precision_loss, reason = "a scale saved as the integer 1")]
    let scale = scale.as_f64().or_else(|| scale.as_i64().map(|i| i as f64))?;
    let zero_point = i32::try_from(zero_point.as_i64()?).ok()?;
    let code_type = if zero_point < 0 { CodeType::I8 } else { CodeType::U8 };
    Some(Activation { scale, zero_point, code_type })
}

/// The element type of quantized codes, by PyTorch's name or number.
pub(super) fn code_type_of(value: &Value) -> Option<CodeType> {
    match (value.as_str(), value.as_i64()) {
        (Some("torch.quint8"), _) | (_, Some(13)) => Some(CodeType::U8),
        (Some("torch.qint8"), _) | (_, Some(12)) => Some(CodeType::I8),
        _ => None,
    }
}

/// The kind of a layer saved as packed parameters.
pub(super) fn kind_of_packed(place: &str, packed: &PackedParams, module: &Module) -> Result<LayerKind> {
    let rank = packed.weight.shape().len();
    match (&packed.geometry, rank) {
        (None, 2) => Ok(LayerKind::Linear),
        (Some(geometry), 3..=5) => {
            let spatial = u8::try_from(rank - 2).unwrap_or(1);
            // conv1d is packed as conv2d with a height of 1.
            let is_1d = module.class_name().is_some_and(|c| c.ends_with("1d"));
            let axes = if is_1d { 1 } else { spatial };
            Ok(if geometry.transposed { LayerKind::ConvTranspose(axes) } else { LayerKind::Conv(axes) })
        }
        _ => Err(LowerError::at(place, format!("has a packed weight of {rank} axes"))),
    }
}

/// A layer from packed parameters. A 1-d convolution packed with a height of 1 loses that axis.
pub(super) fn layer_of_packed(
    place: &str,
    packed: &PackedParams,
    kind: LayerKind,
    relu: Option<bool>,
    padding_mode: PaddingMode,
) -> Result<Layer> {
    let mut weight = weight_of(place, &packed.weight, kind)?;
    let bias = packed.bias.as_ref().map(|b| float_bias(place, b)).transpose()?.map(Bias::Real);
    let mut window = packed.geometry.as_ref().map(|g| {
        let sizes = |v: &[i64]| v.iter().map(|&x| u32::try_from(x).ok()).collect::<Option<Vec<u32>>>();
        Window {
            stride: sizes(&g.stride),
            padding: sizes(&g.padding),
            padding_end: None,
            dilation: sizes(&g.dilation),
            output_padding: sizes(&g.output_padding),
            groups: u32::try_from(g.groups).ok(),
        }
    });
    if let (LayerKind::Conv(1) | LayerKind::ConvTranspose(1), 4) = (kind, weight.shape.len()) {
        if weight.shape[2] != 1 {
            return Err(LowerError::at(place, "is a 1-d convolution with a kernel higher than 1"));
        }
        weight.shape.remove(2);
        if let Some(window) = &mut window {
            for sizes in
                [&mut window.stride, &mut window.padding, &mut window.dilation, &mut window.output_padding]
            {
                if let Some(sizes) = sizes.as_mut().filter(|s| s.len() == 2) {
                    sizes.remove(0);
                }
            }
        }
    }
    Ok(Layer { kind, weight, bias, relu, clamp: None, window, padding_mode })
}

/// Codes, S2 and Z2 of a quantized weight tensor.
pub(super) fn weight_of(place: &str, tensor: &Tensor, kind: LayerKind) -> Result<Weight> {
    let refuse = |text: String| LowerError::at(place, text);
    if tensor.dtype() != DType::QInt8 {
        return Err(refuse(format!("has {} weights; only int8 is supported", tensor.dtype().name())));
    }
    if tensor.is_empty() {
        return Err(refuse(format!("has a weight of sizes {:?}", tensor.shape())));
    }
    let codes = tensor.to_i8().unwrap_or_default();
    let output_axis = usize::from(matches!(kind, LayerKind::ConvTranspose(_)));
    let (scale, zero_point) = match tensor.quantizer() {
        Some(Quantizer::PerTensor { scale, zero_point }) => (vec![*scale], vec![*zero_point]),
        Some(Quantizer::PerChannel { scales, zero_points, axis }) if *axis == output_axis => {
            (scales.clone(), zero_points.clone())
        }
        Some(Quantizer::PerChannel { axis, .. }) => {
            return Err(refuse(format!(
                "has scales along weight axis {axis}, which is not the output channel"
            )));
        }
        None => return Err(refuse("has a quantized weight without a scale".into())),
    };
    let zero_point = zero_point
        .into_iter()
        .map(|z| i32::try_from(z).ok().filter(|z| (-128..=127).contains(z)))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| refuse("has a weight zero point outside -128..=127".into()))?;
    Ok(Weight::of_bytes(tensor.shape().to_vec(), Arc::from(codes), scale, zero_point))
}

pub(super) fn bias_of(place: &str, value: Option<&Value>) -> Result<Option<Vec<f32>>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Tensor(tensor)) => float_bias(place, tensor).map(Some),
        Some(other) => Err(LowerError::at(place, format!("has {} for a bias", other.kind()))),
    }
}

fn float_bias(place: &str, tensor: &Tensor) -> Result<Vec<f32>> {
    let bias = tensor
        .to_f32()
        .ok_or_else(|| LowerError::at(place, format!("has a bias of {}", tensor.dtype().name())))?;
    match bias.iter().find(|b| !b.is_finite()) {
        Some(b) => Err(LowerError::at(place, format!("has a bias of {b}"))),
        None => Ok(bias),
    }
}

/// Geometry from a module's plain attributes; what is absent stays unknown.
pub(super) fn window_of(module: &Module) -> Window {
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

pub(super) fn padding_mode(place: &str, module: &Module) -> Result<PaddingMode> {
    match module.attributes.get("padding_mode").and_then(Value::as_str) {
        None => Ok(PaddingMode::Zeros),
        Some(name) => PaddingMode::from_name(name)
            .ok_or_else(|| LowerError::at(place, format!("has padding mode '{name}'"))),
    }
}

/// Kinds of files that look like ours and are not: said by name.
fn refuse_by_name(source: &SourceModel) -> Result<()> {
    let modules = &source.modules;
    let attribute = |test: &dyn Fn(&str, &Value) -> bool| {
        modules
            .iter()
            .find_map(|(path, m)| m.attributes.iter().find(|(k, v)| test(k, v)).map(|(k, _)| join(path, k)))
    };
    let quantized = |v: &Value| match v {
        Value::Tensor(t) => t.dtype().is_quantized(),
        Value::Packed(_) => true,
        _ => false,
    };
    if let Some(place) = attribute(&|_, v| matches!(v, Value::Opaque(c) if c.starts_with("torchao."))) {
        return Err(LowerError::at(
            place,
            "is a torchao tensor: weight-only or dynamic quantization, whose activations are float",
        )
        .hint("hardware needs static quantization: use PT2E or torch.ao QAT/PTQ and convert"));
    }
    if let Some(place) = attribute(&|k, _| k == "weight_qscheme") {
        return Err(LowerError::at(
            place,
            "belongs to an FX reference-quantized model: its weights are still float",
        )
        .hint("save the model that convert_fx returns, not convert_to_reference_fx"));
    }
    if let Some(place) = attribute(&|k, _| k.starts_with("_frozen_param")) {
        return Err(LowerError::at(
            place,
            "belongs to a PT2E state_dict, which has weights but no activation scale: those stand in the graph",
        )
        .hint("save the exported program with torch.export.save, or use TorchScript"));
    }
    if attribute(&|_, v| quantized(v)).is_some() {
        return Ok(());
    }
    if let Some(place) = attribute(&|k, _| k == "histogram") {
        return Err(LowerError::at(
            place,
            "belongs to a PTQ-prepared model (HistogramObserver): its scales come out of a search that convert runs",
        )
        .hint("call torch.ao.quantization.convert and save the result"));
    }
    if modules.keys().any(|path| path.ends_with("weight_fake_quant")) {
        return Ok(());
    }
    if modules.keys().any(|p| p.contains("weight_quant.tensor_quant")) {
        return Err(LowerError::new(
            "is a Brevitas state_dict: its scales are learned parameters of Brevitas' own layers",
        )
        .hint("export it to ONNX (QCDQ) from Brevitas"));
    }
    if modules.keys().any(|p| p.contains("activation_post_process")) {
        return Err(LowerError::new(
            "has observers but no fake-quantized weights: a PTQ- or PT2E-prepared model before conversion",
        )
        .hint("convert it first, then save the result"));
    }
    if attribute(&|k, v| k == "weight" && matches!(v, Value::Tensor(t) if t.dtype().is_float())).is_some() {
        return Err(LowerError::new("is a float checkpoint: nothing in it is quantized")
            .hint("quantize it first (torch.ao QAT or PTQ, then convert) and save the result"));
    }
    Err(LowerError::new("holds no convolution and no linear layer with quantized weights"))
}

/// Networks whose scales were never measured, or are not used: every scale is 1 and every zero point 0.
fn refuse_uncalibrated(parts: &Parts) -> Result<()> {
    let unit = |a: &Activation| a.scale == 1.0 && a.zero_point == 0;
    let layers: Vec<_> = parts
        .iter()
        .filter_map(|(path, part)| match part {
            Part::Op { op: Op::Layer(layer), activation: Some(activation) } => {
                Some((path, layer, activation))
            }
            _ => None,
        })
        .collect();
    if layers.is_empty() || !layers.iter().all(|(_, _, a)| unit(a)) {
        return Ok(());
    }
    let stub = parts
        .values()
        .any(|p| matches!(p, Part::Bare { looks_like_stub: true, .. } | Part::Op { op: Op::Quantize, .. }));
    let linear_only = layers.iter().all(|(_, l, _)| l.kind == LayerKind::Linear);
    let first = layers[0].0;
    if linear_only && !stub {
        return Err(LowerError::at(
            first,
            "has scale 1 and zero point 0, as has every other layer, and there is no quantized input: this is dynamic \
             quantization, whose activations are float and are quantized anew for each input",
        )
        .hint("hardware needs static quantization: prepare with a static qconfig, calibrate or train, then convert"));
    }
    Err(LowerError::at(
        first,
        "has scale 1 and zero point 0, as has every other layer: the observers never saw data before convert",
    )
    .hint("run calibration batches (or training steps) through the prepared model, then convert again"))
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}
