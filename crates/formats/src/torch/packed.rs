//! Packed parameters of quantized layers, in every encoding that PyTorch has written.

use super::facts::Facts;
use super::heap::{Object, Ref};
use crate::error::{ReadError, Result};
use crate::source::{Geometry, PackedParams};
use crate::tensor::Tensor;

/// True for the classes that [`unpack`] reads.
pub(crate) fn is_packed(class: &str) -> bool {
    let Some(name) = class.strip_prefix("__torch__.torch.classes.quantized.") else { return false };
    matches!(name, "LinearPackedParamsBase" | "Conv2dPackedParamsBase" | "Conv3dPackedParamsBase")
}

/// Unpacks the state that `__getstate__` of `class` returned.
///
/// | encoding | state |
/// |---|---|
/// | linear | `(weight, bias)` |
/// | convolution 1 | `(weight, bias, [stride], [padding], [dilation], groups)`, numbers as tensors of one element |
/// | convolution 2 | `("2", [int16 configuration, weight], [bias])` |
/// | convolution 3 | `(3, [configuration], [None, weight, bias])` |
///
/// # Errors
/// The state is none of these.
pub(crate) fn unpack(facts: &Facts<'_>, place: &str, class: &str, state: Ref) -> Result<PackedParams> {
    let heap = facts.heap;
    facts.budget.take(size_of::<PackedParams>(), place)?;
    let refuse = || {
        ReadError::malformed(
            place,
            format!("packed parameters made of {}", heap.kind(state)),
            "weight and bias",
        )
    };
    let list = heap.tuple(state).ok_or_else(refuse)?;
    if class.ends_with("LinearPackedParamsBase") {
        let &[weight, bias] = list else { return Err(refuse()) };
        return linear(facts, place, weight, bias);
    }
    let version = list.first().ok_or_else(refuse)?;
    match (heap.get(*version), list) {
        (Object::Text(version), &[_, tensors, optional]) if *version == "2" => {
            let Some(&[configuration, weight]) = heap.sequence(tensors) else { return Err(refuse()) };
            let Some(&[bias]) = heap.sequence(optional) else { return Err(refuse()) };
            let configuration = facts.tensor(place, configuration)?;
            let numbers = small(&configuration).and_then(Tensor::to_i64).ok_or_else(refuse)?;
            convolution(facts, place, weight, bias, geometry(place, &numbers)?)
        }
        (Object::Int(3), &[_, configuration, tensors]) => {
            let numbers = numbers(facts, configuration).ok_or_else(refuse)?;
            let Some(&[_, weight, bias]) = heap.sequence(tensors) else { return Err(refuse()) };
            convolution(facts, place, weight, bias, geometry(place, &numbers)?)
        }
        (Object::Instance(_), &[weight, bias, stride, padding, dilation, groups]) => {
            let axis = |at: Ref| -> Result<Vec<i64>> {
                let list = heap.sequence(at).filter(|list| list.len() <= MOST_AXES).ok_or_else(refuse)?;
                list.iter().map(|&at| facts.tensor(place, at)?.scalar_i64().ok_or_else(refuse)).collect()
            };
            let stride = axis(stride)?;
            let geometry = Geometry {
                padding: axis(padding)?,
                dilation: axis(dilation)?,
                // Transposed convolutions came with version 2.
                output_padding: vec![0; stride.len()],
                groups: facts.tensor(place, groups)?.scalar_i64().ok_or_else(refuse)?,
                transposed: false,
                stride,
            };
            convolution(facts, place, weight, bias, geometry)
        }
        (_, list) => Err(ReadError::unsupported(
            place,
            format!(
                "packed convolution parameters of version {} in {} parts",
                heap.kind(*version),
                list.len()
            ),
            "version 1, 2 or 3",
        )),
    }
}

/// Packed parameters of a linear layer.
///
/// # Errors
/// Weight or bias is no tensor.
pub(crate) fn linear(facts: &Facts<'_>, place: &str, weight: Ref, bias: Ref) -> Result<PackedParams> {
    Ok(PackedParams {
        weight: facts.tensor(place, weight)?,
        bias: facts.optional_tensor(place, bias)?,
        geometry: None,
    })
}

fn convolution(
    facts: &Facts<'_>,
    place: &str,
    weight: Ref,
    bias: Ref,
    geometry: Geometry,
) -> Result<PackedParams> {
    Ok(PackedParams {
        weight: facts.tensor(place, weight)?,
        bias: facts.optional_tensor(place, bias)?,
        geometry: Some(geometry),
    })
}

const MOST_AXES: usize = 3;

/// Length of the longest configuration.
const MOST_NUMBERS: usize = 3 + 4 * MOST_AXES;

fn small(tensor: &Tensor) -> Option<&Tensor> {
    (tensor.len() <= MOST_NUMBERS).then_some(tensor)
}

fn numbers(facts: &Facts<'_>, at: Ref) -> Option<Vec<i64>> {
    let list = facts.heap.sequence(at).filter(|list| list.len() <= MOST_NUMBERS)?;
    list.iter().map(|&at| facts.heap.int(at)).collect()
}

/// `[axes, stride.., padding.., dilation.., output_padding.., groups, flags]`, bit 0 of the flags: transposed.
fn geometry(place: &str, numbers: &[i64]) -> Result<Geometry> {
    let refuse = || {
        ReadError::malformed(
            place,
            format!("the convolution configuration {numbers:?}"),
            "[axes, stride.., padding.., dilation.., output_padding.., groups, flags]",
        )
    };
    let (&axes, rest) = numbers.split_first().ok_or_else(refuse)?;
    let axes = usize::try_from(axes).ok().filter(|axes| (1..=MOST_AXES).contains(axes)).ok_or_else(refuse)?;
    let (windows, &[groups, flags]) = rest.split_at_checked(4 * axes).ok_or_else(refuse)? else {
        return Err(refuse());
    };
    let mut windows = windows.chunks_exact(axes).map(<[i64]>::to_vec);
    let (Some(stride), Some(padding), Some(dilation), Some(output_padding)) =
        (windows.next(), windows.next(), windows.next(), windows.next())
    else {
        return Err(refuse());
    };
    if !matches!(flags, 0 | 1) {
        return Err(ReadError::unsupported(place, format!("convolution flags {flags:#x}"), "0 or 1"));
    }
    Ok(Geometry { stride, padding, dilation, output_padding, groups, transposed: flags == 1 })
}
