//! Files that look like quantized networks and hold none: refused by what they are.

use gen_params_formats::{SourceModel, Value, recipe};

use super::{Part, Parts, join};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::ops::Op;
use gen_params_core::parameters::{Activation, LayerKind};

/// Kinds of files that look like ours and are not: said by name.
pub(super) fn refuse_by_name(source: &SourceModel) -> Result<()> {
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
        .hint(recipe::TORCH));
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
        return Err(LowerError::new("is a float checkpoint: nothing in it is quantized").hint(recipe::TORCH));
    }
    Err(LowerError::new("holds no convolution and no linear layer with quantized weights"))
}

/// Networks whose scales were never measured, or are not used: every scale is 1 and every zero point 0.
pub(super) fn refuse_uncalibrated(parts: &Parts) -> Result<()> {
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
        .hint(recipe::TORCH));
    }
    Err(LowerError::at(
        first,
        "has scale 1 and zero point 0, as has every other layer: the observers never saw data before convert",
    )
    .hint("run calibration batches (or training steps) through the prepared model, then convert again"))
}
