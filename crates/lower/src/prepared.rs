//! Prepared, not yet converted QAT layers: the very integers that `torch.ao.quantization.convert` would give.
//!
//! All arithmetic is binary32 in the order of PyTorch's own operations:
//!
//! ```text
//! batch norm   r = 1/sqrt(var + eps);  w' = w * (gamma * r);  b' = ((b - mean) * r) * gamma + beta
//!              (after a linear layer  b' = (b - mean) * (gamma * r) + beta)
//! weight       scale = max(max(-min, max) / 127.5, eps_observer);  w_q = clamp(rint(w' * (1/scale)), -128, 127)
//! activation   scale = max((max - min) / (qmax - qmin), eps_observer);  zp = clamp(qmin - rint(min/scale), qmin, qmax)
//! ```
//!
//! The stored `weight_fake_quant.scale` is not what convert uses (training divides by 128 and 127 apart), so it is not
//! read. An observer that is still enabled sees the folded weight once more at convert: min += 0.01 * (w.min() - min).
//! A layer that QAT does not know (Conv1d, ConvReLU1d) trains with a float weight; convert observes it for the first time.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use gen_params_formats::{Module, SourceModel, Tensor, Value};
use indexmap::IndexMap;

use super::parts::attributes::{padding_mode, window_of};
use super::parts::paths::join;
use super::parts::weights::bias_of;
use super::{Engine, Options, has_classes};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::ops::{Bias, Layer};
use gen_params_core::parameters::{Activation, CodeType, LayerKind, Weight};

/// `torch.nn.BatchNorm`'s default epsilon, used where a state_dict does not hold it.
const BATCH_NORM_EPSILON: f32 = 1e-5;

/// `averaging_constant` of PyTorch's moving average observers; not stored in a state_dict.
const AVERAGING_CONSTANT: f32 = 0.01;

/// True for FakeQuantize and observer modules, by class or by keys.
pub(super) fn is_observer(module: &Module, own_name: &str) -> bool {
    let has = |name: &str| module.attributes.contains_key(name);
    match module.class_name() {
        Some(class) => class.contains("FakeQuant") || class.contains("Observer"),
        None => {
            own_name.starts_with("activation_post_process")
                && (has("fake_quant_enabled")
                    || (has("min_val") && has("max_val"))
                    || has("histogram")
                    // PyTorch 1.3 kept the switches elsewhere.
                    || (has("scale") && has("zero_point")))
        }
    }
}

/// S and Z of an activation, from the FakeQuantize (or observer) at `path`.
pub(super) fn activation(source: &SourceModel, options: &Options, path: &str) -> Result<Activation> {
    let refuse = |text: &str| LowerError::at(path, text.to_owned());
    let Some(outer) = source.modules.get(path) else {
        return Err(refuse("is named and not there"));
    };
    let inner = source.modules.get(&join(path, "activation_post_process")).unwrap_or(outer);
    if inner.attributes.contains_key("histogram") {
        return Err(refuse("is a HistogramObserver: its scale comes out of a search that convert runs")
            .hint("call torch.ao.quantization.convert and save the result"));
    }
    let observed =
        |name: &str| inner.tensor(name).and_then(Tensor::to_f32).filter(|v| v.len() == 1).map(|v| v[0]);
    let (Some(min), Some(max)) = (observed("min_val"), observed("max_val")) else {
        return fixed(outer).ok_or_else(|| refuse("has neither min_val and max_val nor a fixed scale"));
    };
    if min > max {
        return Err(refuse("was never calibrated: its min_val is above its max_val")
            .hint("run training steps or calibration batches through the prepared model first"));
    }
    if !(min.is_finite() && max.is_finite()) {
        return Err(refuse("has a min_val or max_val that is not finite"));
    }
    let (qmin, qmax) = codes(source, options, outer, inner)?;
    let code_type = match (qmin, qmax) {
        (0..=255, 0..=255) if qmin < qmax => CodeType::U8,
        (-128..=127, -128..=127) if qmin < qmax => CodeType::I8,
        _ => return Err(refuse(&format!("quantizes to {qmin}..={qmax}; only 8-bit codes are supported"))),
    };
    let epsilon = observed("eps").unwrap_or(f32::EPSILON);
    let (min, max) = (min.min(0.0), max.max(0.0));
    #[allow(clippy::cast_precision_loss, reason = "quant_min and quant_max have 8 bits")]
    let steps = (qmax - qmin) as f32;
    let scale = ((max - min) / steps).max(epsilon);
    let symmetric =
        inner.attributes.get("qscheme").and_then(Value::as_str).is_some_and(|s| s.contains("symmetric"));
    if symmetric {
        return Err(refuse("has symmetric activations, which the converted layers of torch.ao do not have"));
    }
    #[allow(clippy::cast_possible_truncation, reason = "|min/scale| <= steps by the choice of scale")]
    let zero_point = (qmin - (min / scale).round_ties_even() as i64).clamp(qmin, qmax);
    let zero_point = i32::try_from(zero_point)
        .map_err(|_| refuse(&format!("has a zero point of {zero_point}, which is no 8-bit code")))?;
    Ok(Activation { scale: f64::from(scale), zero_point, code_type })
}

/// Smallest and largest code of an activation: as the observer says, as the scale tells that training computed with it,
/// as the other observers of the file tell, or as the user's engine has it.
fn codes(source: &SourceModel, options: &Options, outer: &Module, inner: &Module) -> Result<(i64, i64)> {
    let stored =
        |name: &str| [inner, outer].into_iter().find_map(|m| m.attributes.get(name).and_then(Value::as_i64));
    let known = match (stored("quant_min"), stored("quant_max")) {
        (Some(qmin), Some(qmax)) => Some((qmin, qmax)),
        _ => told(outer, inner),
    };
    let found = match known {
        Some((qmin, qmax)) => Some(qmax - qmin),
        None => told_by_all(source),
    };
    match (found, options.engine) {
        (Some(steps), Some(engine)) if steps != i64::from(engine.largest_activation()) => {
            let fitting: Vec<&str> = Engine::ALL
                .into_iter()
                .filter(|engine| i64::from(engine.largest_activation()) == steps)
                .map(Engine::name)
                .collect();
            // Of all observers, and said once.
            Err(LowerError::new(format!(
                "was trained with activations of {} codes, for (max - min) / scale of its observers is {steps}, and \
                 --engine {} has {}",
                steps + 1,
                engine.name(),
                engine.largest_activation() + 1
            ))
            .hint(match fitting.as_slice() {
                [] => "leave --engine out: the file tells its codes".to_owned(),
                names => format!("the file was trained for {}: name that, or leave --engine out", names.join(" or ")),
            }))
        }
        (Some(steps), _) => Ok(known.unwrap_or((0, steps))),
        (None, Some(engine)) => Ok((0, i64::from(engine.largest_activation()))),
        (None, None) => Err(LowerError::new(
            "is a prepared (fake-quantized) checkpoint: whether its activations are 0..=127 or 0..=255 is not \
             stored in it and depends on the engine it was trained for",
        )
        .hint("name the engine: --engine x86 or fbgemm (0..=127), qnnpack or onednn (0..=255)")),
    }
}

/// Smallest and largest code that a FakeQuantize was trained with: its scale is (max - min) / steps in binary32, and its
/// zero point tells where the codes begin.
fn told(outer: &Module, inner: &Module) -> Option<(i64, i64)> {
    let one = |module: &Module, name: &str| {
        module.tensor(name).and_then(Tensor::to_f32).filter(|v| v.len() == 1).map(|v| v[0])
    };
    let (min, max, scale) = (one(inner, "min_val")?, one(inner, "max_val")?, one(outer, "scale")?);
    let (min, max) = (min.min(0.0), max.max(0.0));
    let span = max - min;
    // Below this an observer takes its epsilon for the scale.
    if !span.is_finite() || span <= 255.0 * f32::EPSILON {
        return None;
    }
    let steps = [127_i64, 255].into_iter().find(|&steps| {
        #[allow(clippy::cast_precision_loss, reason = "127 or 255")]
        let expected = span / steps as f32;
        (expected - scale).abs() <= expected * 4.0 * f32::EPSILON
    })?;
    let stored = outer.attributes.get("zero_point").and_then(Value::as_i64);
    #[allow(clippy::cast_possible_truncation, reason = "|min/scale| <= steps")]
    let below = (min / scale).round_ties_even() as i64;
    let signed = -(steps + 1) / 2;
    let qmin = if stored == Some(signed - below) && stored != Some(-below) { signed } else { 0 };
    Some((qmin, qmin + steps))
}

/// The number of steps that all observers of the file which tell one agree on.
fn told_by_all(source: &SourceModel) -> Option<i64> {
    let mut found = None;
    for (path, outer) in &source.modules {
        let own = path.rsplit('.').next().unwrap_or(path);
        if !own.starts_with("activation_post_process") {
            continue;
        }
        let inner = source.modules.get(&join(path, "activation_post_process")).unwrap_or(outer);
        if let Some((qmin, qmax)) = told(outer, inner) {
            match found {
                Some(steps) if steps != qmax - qmin => return None,
                _ => found = Some(qmax - qmin),
            }
        }
    }
    found
}

/// True for an observer that never saw data.
pub(super) fn never_ran(source: &SourceModel, path: &str) -> bool {
    let Some(outer) = source.modules.get(path) else { return false };
    let inner = source.modules.get(&join(path, "activation_post_process")).unwrap_or(outer);
    let values = |name: &str| inner.tensor(name).and_then(Tensor::to_f32);
    match (values("min_val"), values("max_val")) {
        (Some(min), Some(max)) => match (min.as_slice(), max.as_slice()) {
            // As PyTorch 1.4 to 1.7 begin.
            ([], []) => true,
            ([min], [max]) => min > max,
            _ => false,
        },
        _ => false,
    }
}

/// A prepared model of PyTorch 1.3 to 1.6 under the names that later versions have for the same tensors.
///
/// `observer` became `activation_post_process`, `min_vals` and `max_vals` of a channel observer `min_val` and `max_val`, and
/// a batch norm's `gamma`, `beta` and statistics, which stood in the layer itself, a module `bn` of their own.
pub(super) fn modern(source: &SourceModel) -> Cow<'_, SourceModel> {
    let is_old_observer = |path: &str, module: &Module| {
        let has = |name: &str| module.attributes.contains_key(name);
        path.rsplit('.').next() == Some("observer")
            && (has("min_val") || has("min_vals") || source.modules.contains_key(&join(path, "observer")))
    };
    let is_old_norm = |path: &str, module: &Module| {
        module.attributes.contains_key("gamma")
            && module.attributes.contains_key("running_var")
            && source.modules.contains_key(&join(path, "weight_fake_quant"))
    };
    let is_old = |(path, module): (&String, &Module)| {
        is_old_observer(path, module)
            || is_old_norm(path, module)
            || module.attributes.contains_key("min_vals")
    };
    if !source.modules.iter().any(is_old) {
        return Cow::Borrowed(source);
    }
    let renamed: HashSet<&str> = source
        .modules
        .iter()
        .filter(|(path, module)| is_old_observer(path, module))
        .map(|(path, _)| path.as_str())
        .collect();
    let path_of = |path: &str| {
        let mut modern = String::new();
        let mut old = String::new();
        for part in path.split('.') {
            for text in [&mut modern, &mut old].into_iter().filter(|text| !text.is_empty()) {
                text.push('.');
            }
            old.push_str(part);
            modern.push_str(if renamed.contains(old.as_str()) { "activation_post_process" } else { part });
        }
        modern
    };
    let mut modules = IndexMap::new();
    for (path, module) in &source.modules {
        let mut own = Module { class: module.class.clone(), attributes: IndexMap::new() };
        let mut norm = Module::default();
        let is_old_norm = is_old_norm(path, module);
        for (name, value) in &module.attributes {
            let (target, name) = match name.as_str() {
                "min_vals" => (&mut own, "min_val"),
                "max_vals" => (&mut own, "max_val"),
                "gamma" if is_old_norm => (&mut norm, "weight"),
                "beta" if is_old_norm => (&mut norm, "bias"),
                "running_mean" | "running_var" | "num_batches_tracked" if is_old_norm => {
                    (&mut norm, name.as_str())
                }
                other => (&mut own, other),
            };
            target.attributes.insert(name.to_owned(), value.clone());
        }
        let path = path_of(path);
        if is_old_norm {
            modules.insert(join(&path, "bn"), norm);
        }
        modules.insert(path, own);
    }
    Cow::Owned(SourceModel { modules, ..source.clone() })
}

/// A FixedQParamsFakeQuantize (after sigmoid, tanh, ...): scale and zero point as stored.
fn fixed(module: &Module) -> Option<Activation> {
    let scale = module.attributes.get("scale")?.as_f64()?;
    let zero_point = i32::try_from(module.attributes.get("zero_point")?.as_i64()?).ok()?;
    Some(Activation { scale, zero_point, code_type: CodeType::U8 })
}

/// The layer at `path`, converted; and S and Z of its output, where it has an observer of its own.
pub(super) fn layer(
    source: &SourceModel,
    options: &Options,
    path: &str,
    epsilon_assumed: &mut bool,
) -> Result<(Layer, Option<Activation>)> {
    let refuse = |text: String| LowerError::at(path, text);
    let module = source.modules.get(path).ok_or_else(|| refuse("is named and not there".into()))?;
    let class = module.class_name();
    if class.is_some_and(|c| c.contains("Transpose")) {
        return Err(refuse(
            "is a transposed convolution with fake quantization, which convert does not support".into(),
        ));
    }
    let tensor =
        module.tensor("weight").ok_or_else(|| refuse("has a fake-quantized weight and no weight".into()))?;
    let mut weight = tensor
        .to_f32()
        .ok_or_else(|| refuse(format!("has a weight of {}, and not float32", tensor.dtype().name())))?;
    let shape = tensor.shape().to_vec();
    let kind = layer_kind(path, &shape)?;
    let channels = shape[0];
    if weight.is_empty() {
        return Err(refuse(format!("has a weight of sizes {shape:?}")));
    }
    let mut bias = bias_of(path, module.attributes.get("bias"))?;
    if bias.as_ref().is_some_and(|b| b.len() != channels) {
        return Err(refuse(format!("has a bias that is not one per output channel of {channels}")));
    }
    if let Some(norm) = source.modules.get(&join(path, "bn")) {
        let epsilon = epsilon(norm, options, epsilon_assumed);
        let norm = Norm::of(norm, channels).ok_or_else(|| {
            refuse(format!("has a batch norm whose tensors are not float32 of {channels} channels"))
        })?;
        bias = Some(norm.fold(&mut weight, bias, epsilon, kind));
    }
    let observer_path = join(path, "weight_fake_quant");
    let weight = quantize_weight(source, &observer_path, shape, &weight)?;
    let relu = has_classes(source.form).then(|| class.is_some_and(|c| c.contains("ReLU")));
    let layer = Layer {
        kind,
        weight,
        bias: bias.map(Bias::Real),
        relu,
        clamp: None,
        window: (kind != LayerKind::Linear).then(|| window_of(module)),
        padding_mode: padding_mode(path, module)?,
    };
    let output_observer = join(path, "activation_post_process");
    let output = source
        .modules
        .contains_key(&output_observer)
        .then(|| activation(source, options, &output_observer))
        .transpose()?;
    Ok((layer, output))
}

/// True for a float weight under `owner` that has an observer for the layer's output and none for itself, in a model that
/// was prepared for QAT. `module` is the owner (a lone layer) or its first child (a fused pair).
pub(super) fn is_unobserved(source: &SourceModel, owner: &str, module: &Module) -> bool {
    let has = |name: &str| source.modules.contains_key(&join(owner, name));
    module.tensor("weight").is_some_and(|w| w.dtype().is_float() && w.shape().len() >= 2)
        && has("activation_post_process")
        && !has("weight_fake_quant")
        && !has("0.weight_fake_quant")
        && source.modules.keys().any(|p| p.ends_with(".weight_fake_quant"))
}

/// Such a layer: convert observes its weight with a fresh observer of the model's qconfig, which is per channel
/// or per tensor as on the layers that do have one.
pub(super) fn unobserved_layer(
    source: &SourceModel,
    options: &Options,
    path: &str,
    child: &Module,
) -> Result<Layer> {
    let refuse = |text: String| LowerError::at(path, text);
    let tensor = child.tensor("weight").ok_or_else(|| refuse("has no weight".into()))?;
    let weight =
        tensor.to_f32().ok_or_else(|| refuse(format!("has a weight of {}", tensor.dtype().name())))?;
    let shape = tensor.shape().to_vec();
    let kind = layer_kind(path, &shape)?;
    if weight.is_empty() {
        return Err(refuse(format!("has a weight of sizes {shape:?}")));
    }
    let per_channel = source
        .modules
        .iter()
        .filter(|(p, _)| p.ends_with(".weight_fake_quant.activation_post_process"))
        .find_map(|(_, m)| m.tensor("min_val").map(|t| !t.shape().is_empty()));
    let per_channel = match (per_channel, options.engine) {
        (Some(per_channel), _) => per_channel,
        (None, Some(engine)) => engine != Engine::Qnnpack,
        (None, None) => {
            return Err(refuse(
                "has a float weight, and no layer tells whether scales are per channel".into(),
            ));
        }
    };
    let groups = if per_channel { shape[0] } else { 1 };
    let (min, max): (Vec<f32>, Vec<f32>) = weight.chunks_exact(weight.len() / groups).map(extremes).unzip();
    let bias = bias_of(path, child.attributes.get("bias"))?;
    let weight = quantize_codes(path, shape, &weight, &min, &max, f32::EPSILON)?;
    let relu = has_classes(source.form)
        .then(|| source.modules.get(path).and_then(Module::class_name).is_some_and(|c| c.contains("ReLU")));
    Ok(Layer {
        kind,
        weight,
        bias: bias.map(Bias::Real),
        relu,
        clamp: None,
        window: (kind != LayerKind::Linear).then(|| window_of(child)),
        padding_mode: padding_mode(path, child)?,
    })
}

fn layer_kind(path: &str, shape: &[usize]) -> Result<LayerKind> {
    Ok(match shape.len() {
        2 => LayerKind::Linear,
        3 => LayerKind::Conv(1),
        4 => LayerKind::Conv(2),
        5 => LayerKind::Conv(3),
        rank => return Err(LowerError::at(path, format!("has a weight of {rank} axes"))),
    })
}

fn epsilon(norm: &Module, options: &Options, assumed: &mut bool) -> f32 {
    #[allow(clippy::cast_possible_truncation, reason = "PyTorch adds epsilon to a float32 tensor as float32")]
    match (norm.attributes.get("eps").and_then(Value::as_f64), options.batch_norm_epsilon) {
        (Some(stored), _) => stored as f32,
        (None, Some(given)) => given as f32,
        (None, None) => {
            *assumed = true;
            BATCH_NORM_EPSILON
        }
    }
}

struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Norm {
    fn of(module: &Module, channels: usize) -> Option<Self> {
        let tensor =
            |name: &str| module.tensor(name).and_then(Tensor::to_f32).filter(|v| v.len() == channels);
        Some(Self {
            // affine=False: PyTorch folds with ones and zeros.
            gamma: if module.attributes.contains_key("weight") {
                tensor("weight")?
            } else {
                vec![1.0; channels]
            },
            beta: if module.attributes.contains_key("bias") { tensor("bias")? } else { vec![0.0; channels] },
            mean: tensor("running_mean")?,
            variance: tensor("running_var")?,
        })
    }

    /// Folds into the weight (axes: output channel first) and returns the folded bias.
    fn fold(&self, weight: &mut [f32], bias: Option<Vec<f32>>, epsilon: f32, kind: LayerKind) -> Vec<f32> {
        let taps = weight.len() / self.gamma.len();
        let mut folded = Vec::with_capacity(self.gamma.len());
        for (channel, taps) in weight.chunks_exact_mut(taps.max(1)).enumerate() {
            let reciprocal = 1.0 / (self.variance[channel] + epsilon).sqrt();
            let factor = self.gamma[channel] * reciprocal;
            for w in taps {
                *w *= factor;
            }
            let b = bias.as_ref().map_or(0.0, |b| b[channel]);
            let centred = b - self.mean[channel];
            let scaled = if kind == LayerKind::Linear {
                centred * factor
            } else {
                centred * reciprocal * self.gamma[channel]
            };
            folded.push(scaled + self.beta[channel]);
        }
        folded
    }
}

/// A folded weight in codes, by its observer.
fn quantize_weight(source: &SourceModel, path: &str, shape: Vec<usize>, weight: &[f32]) -> Result<Weight> {
    let refuse = |text: String| LowerError::at(path, text);
    let outer = source.modules.get(path).ok_or_else(|| refuse("is named and not there".into()))?;
    let inner = source.modules.get(&join(path, "activation_post_process")).unwrap_or(outer);
    let channels = shape.first().copied().unwrap_or(1);
    let range = |name: &str| {
        inner
            .tensor(name)
            .and_then(Tensor::to_f32)
            .filter(|v| v.len() == 1 || v.len() == channels)
            .ok_or_else(|| refuse(format!("has no float32 {name} per tensor or per channel of {channels}")))
    };
    let (mut min, mut max) = (range("min_val")?, range("max_val")?);
    if min.len() != max.len() {
        return Err(refuse(format!("has {} min_val and {} max_val", min.len(), max.len())));
    }
    let integer =
        |name: &str| [inner, outer].into_iter().find_map(|m| m.attributes.get(name).and_then(Value::as_i64));
    if let (Some(qmin), Some(qmax)) = (integer("quant_min"), integer("quant_max"))
        && (qmin, qmax) != (-128, 127)
    {
        return Err(refuse(format!("quantizes weights to {qmin}..={qmax}; only -128..=127 is supported")));
    }
    let scheme = inner.attributes.get("qscheme").and_then(Value::as_str);
    if let Some(scheme) = scheme.filter(|s| !s.contains("symmetric")) {
        return Err(refuse(format!("has the weight scheme {scheme}; only symmetric weights are supported")));
    }
    let group = weight.len() / min.len();
    if let Some(Value::Tensor(enabled)) = outer.attributes.get("observer_enabled")
        && enabled
            .to_i64()
            .or_else(|| enabled.to_u8().map(|v| v.into_iter().map(i64::from).collect()))
            .is_some_and(|v| v.first() == Some(&1))
    {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "PyTorch multiplies a float32 tensor by this number"
        )]
        let constant = inner
            .attributes
            .get("averaging_constant")
            .and_then(Value::as_f64)
            .map_or(AVERAGING_CONSTANT, |c| c as f32);
        let never = min[0] > max[0];
        for (i, taps) in weight.chunks_exact(group.max(1)).enumerate() {
            let (low, high) = extremes(taps);
            if never {
                (min[i], max[i]) = (low, high);
            } else {
                min[i] += constant * (low - min[i]);
                max[i] += constant * (high - max[i]);
            }
        }
    }
    let epsilon =
        inner.tensor("eps").and_then(Tensor::to_f32).and_then(|v| v.first().copied()).unwrap_or(f32::EPSILON);
    quantize_codes(path, shape, weight, &min, &max, epsilon)
}

/// A weight in codes from observed ranges: one for the whole weight, or one per output channel.
fn quantize_codes(
    path: &str,
    shape: Vec<usize>,
    weight: &[f32],
    min: &[f32],
    max: &[f32],
    epsilon: f32,
) -> Result<Weight> {
    let refuse = |text: String| LowerError::at(path, text);
    let group = weight.len() / min.len();
    let mut scales = Vec::with_capacity(min.len());
    let mut codes = Vec::with_capacity(weight.len());
    for ((&low, &high), taps) in min.iter().zip(max).zip(weight.chunks_exact(group.max(1))) {
        if low > high {
            return Err(refuse("was never calibrated: its min_val is above its max_val".into())
                .hint("run training steps through the prepared model first"));
        }
        let scale = ((-low.min(0.0)).max(high.max(0.0)) / 127.5).max(epsilon);
        let inverse = 1.0 / scale;
        scales.push(f64::from(scale));
        for &w in taps {
            if !w.is_finite() {
                return Err(refuse(format!("quantizes a weight of {w}")));
            }
            #[allow(clippy::cast_possible_truncation, reason = "clamped to -128..=127")]
            codes.push((w * inverse).round_ties_even().clamp(-128.0, 127.0) as i8);
        }
    }
    let zero_point = vec![0; scales.len()];
    Ok(Weight::of_bytes(shape, Arc::from(codes), scales, zero_point))
}

fn extremes(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
}
