//! Quantize and Dequantize: `clamp(rint(x * (1/S)) + Z, quant_min, quant_max)` and `(q - Z) * S`.

use gen_params_formats::Value as Known;

use super::super::qdq::Scheme;
use super::call::Call;
use super::{Lowering, Slot};
use gen_params_core::error::Result;
use gen_params_core::parameters::{CodeType, Range};

/// True for the operators whose result does not depend on how their input was made: a network begins there again.
pub(super) fn starts_anew(operator: &str) -> bool {
    operator.starts_with("quantized_decomposed.quantize_per_tensor.")
}

/// `quantize_per_tensor(input, scale, zero_point, quant_min, quant_max, dtype)`.
pub(super) fn quantize_per_tensor(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let scheme = per_tensor(call)?;
    let refused = call.values().next().is_some_and(|id| !lowering.slots.contains_key(&id));
    if refused {
        call.get("input");
        let signed = scheme.activation(&call.name)?.code_type != CodeType::U8;
        let code_type = if signed { CodeType::I8 } else { CodeType::U8 };
        return Ok(Slot::Value(lowering.graph.input(&call.node.name, Some(code_type))));
    }
    let value = lowering.value(call, "input")?;
    lowering.graph.quantize(&call.name, &value, &scheme).map(Slot::Value)
}

/// `dequantize_per_tensor(input, scale, zero_point, quant_min, quant_max, dtype)`.
pub(super) fn dequantize_per_tensor(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let scheme = per_tensor(call)?;
    dequantize(lowering, call, &scheme)
}

/// `quantize_per_channel(input, scales, zero_points, axis, quant_min, quant_max, dtype)`.
pub(super) fn quantize_per_channel(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let scheme = per_channel(call)?;
    let value = lowering.value(call, "input")?;
    lowering.graph.quantize(&call.name, &value, &scheme).map(Slot::Value)
}

/// `dequantize_per_channel(input, scales, zero_points, axis, quant_min, quant_max, dtype)`.
pub(super) fn dequantize_per_channel(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let scheme = per_channel(call)?;
    dequantize(lowering, call, &scheme)
}

fn dequantize(lowering: &mut Lowering<'_>, call: &Call<'_>, scheme: &Scheme) -> Result<Slot> {
    call.in_float32("out_dtype")?;
    let value = lowering.value(call, "input")?;
    lowering.graph.dequantize(&call.name, &value, scheme).map(Slot::Value)
}

fn per_tensor(call: &Call<'_>) -> Result<Scheme> {
    let scale = call.number("scale")?;
    let zero_point = call.int("zero_point")?;
    narrowed(call, Scheme::new(vec![scale], vec![zero_point], None, false, 8))
}

fn per_channel(call: &Call<'_>) -> Result<Scheme> {
    let numbers = |name: &str, value: &Known| match value {
        Known::Tensor(tensor) => tensor.to_f64().ok_or_else(|| call.wrong(name, value)),
        other => Err(call.wrong(name, other)),
    };
    let scales = call.needed("scales")?;
    let scales = numbers("scales", scales)?;
    let zero_points = match call.known("zero_points")? {
        None => vec![0; scales.len()],
        Some(value) => value.as_ints().ok_or_else(|| call.wrong("zero_points", value))?,
    };
    if zero_points.len() != scales.len() {
        return Err(call.refuse(format!(
            "has {} scales and {} zero points",
            scales.len(),
            zero_points.len()
        )));
    }
    let axis = call.int("axis")?;
    let axis = usize::try_from(axis).map_err(|_| call.refuse(format!("its `axis` is {axis}")))?;
    narrowed(call, Scheme::new(scales, zero_points, Some(axis), false, 8))
}

/// The scheme with the type and range of codes that `quant_min`, `quant_max` and `dtype` say; `first` is their place.
fn narrowed(call: &Call<'_>, scheme: Scheme) -> Result<Scheme> {
    let min = call.int("quant_min")?;
    let max = call.int("quant_max")?;
    let dtype = call.needed("dtype")?;
    let (signed, bits) = match dtype.as_str() {
        Some("torch.uint8") => (false, 8),
        Some("torch.int8") => (true, 8),
        Some("torch.int16") => (true, 16),
        Some("torch.int32") => (true, 32),
        _ => return Err(call.wrong("dtype", dtype)),
    };
    Ok(Scheme::new(scheme.scale, scheme.zero_point, scheme.axis, signed, bits).within(Range { min, max }))
}
