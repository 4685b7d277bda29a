//! Recognises the parts of a network among its modules: by class where the file has classes, by attributes in a state_dict.

pub(super) mod attributes;
mod classes;
pub(super) mod paths;
mod refusals;
pub(super) mod sequence;
pub(super) mod weights;

use gen_params_formats::{Module, PackedParams, SourceModel, Value};
use indexmap::IndexMap;

use self::attributes::activation_of_module;
pub(super) use self::attributes::{
    activation_of, code_type_of, optional_sizes, padding_mode, sizes, window_of,
};
use self::classes::{class_part, state_dict_part};
pub(super) use self::paths::join;
use self::refusals::{refuse_by_name, refuse_uncalibrated};
pub(super) use self::weights::{bias_of, kind_of_packed, layer_of_packed, weight_of};
use super::{Options, has_classes, prepared};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::ops::{Bias, Layer, Op, PaddingMode};
use gen_params_core::parameters::{Activation, CodeType, LayerKind};

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
    let Recogniser { mut parts, mut refusal, epsilon_assumed, .. } = recogniser;
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
    sequence::forget_unknown_relus(source, &mut parts);
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
        // A functional that no forward() calls, as torchvision's `skip_add` in blocks without a shortcut: after convert its
        // scale is 1 and its zero point 0.
        let is_functional =
            !self.source.modules.get(parent).is_some_and(|m| m.attributes.contains_key("weight"))
                && matches!(self.parts.get(parent), None | Some(Part::Unspecified));
        if is_functional && prepared::never_ran(self.source, path) {
            let activation = Activation { scale: 1.0, zero_point: 0, code_type: CodeType::U8 };
            self.parts.insert(parent.into(), Part::Bare { activation, looks_like_stub: false });
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
