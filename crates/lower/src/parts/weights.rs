//! Layers from packed parameters and quantized tensors.

use std::sync::Arc;

use gen_params_formats::{DType, Module, PackedParams, Quantizer, Tensor, Value};

use gen_params_core::error::{LowerError, Result};
use gen_params_core::ops::{Bias, Layer, PaddingMode};
use gen_params_core::parameters::{LayerKind, Weight, Window};

/// The kind of a layer saved as packed parameters.
pub(crate) fn kind_of_packed(place: &str, packed: &PackedParams, module: &Module) -> Result<LayerKind> {
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
pub(crate) fn layer_of_packed(
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
pub(crate) fn weight_of(place: &str, tensor: &Tensor, kind: LayerKind) -> Result<Weight> {
    let refuse = |text: String| LowerError::at(place, text);
    if tensor.dtype() != DType::QInt8 {
        return Err(refuse(format!("has {} weights; only int8 is supported", tensor.dtype().name())));
    }
    if tensor.is_empty() {
        return Err(refuse(format!("has a weight of sizes {:?}", tensor.shape())));
    }
    let codes = tensor.to_i8().ok_or_else(|| refuse("has weights that are no 8-bit codes".into()))?;
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

pub(crate) fn bias_of(place: &str, value: Option<&Value>) -> Result<Option<Vec<f32>>> {
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
