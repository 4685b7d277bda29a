//! Pooling and means.

use super::call::Call;
use super::{Lowering, Slot};
use crate::parts;
use gen_params_core::error::Result;
use gen_params_core::ops::{Op, Pool};

/// `max_poolNd(self, kernel_size, stride, padding, dilation, ceil_mode)`.
pub(super) fn max_pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let axes = spatial_axes(call);
    let pool = Pool {
        dilation: call.per_axis("dilation", axes)?.unwrap_or_else(|| vec![1; axes]),
        ceil_mode: call.flag("ceil_mode")?,
        ..window(call, axes)?
    };
    let value = lowering.value(call, "self")?;
    // The second result of `max_pool2d_with_indices` has no value, so that whoever takes it is refused.
    let results = lowering.graph.preserving(&call.name, Op::MaxPool(pool), &value)?;
    results.into_iter().next().map(Slot::Value).ok_or_else(|| call.refuse("has no result"))
}

/// `avg_poolNd(self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)`.
pub(super) fn average_pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let pool = Pool {
        ceil_mode: call.flag("ceil_mode")?,
        count_include_pad: call.flag("count_include_pad")?,
        divisor: call.optional_int("divisor_override")?,
        ..window(call, spatial_axes(call))?
    };
    let value = lowering.value(call, "self")?;
    lowering.graph.operator(&call.name, Op::AveragePool(pool), &[value]).map(Slot::Value)
}

/// `adaptive_avg_poolNd(self, output_size)`.
pub(super) fn adaptive_average_pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let sizes = call.needed("output_size")?;
    let size =
        parts::optional_sizes(sizes, spatial_axes(call)).ok_or_else(|| call.wrong("output_size", sizes))?;
    let value = lowering.value(call, "self")?;
    lowering.graph.operator(&call.name, Op::AdaptiveAveragePool { size }, &[value]).map(Slot::Value)
}

/// `mean(self, dim, keepdim)`.
pub(super) fn mean(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    call.in_float32("dtype")?;
    let axes = call.ints("dim")?.filter(|axes| !axes.is_empty());
    let axes = axes.ok_or_else(|| call.refuse("averages everything, batch included"))?;
    let keep = call.flag("keepdim")?;
    let value = lowering.value(call, "self")?;
    lowering.graph.operator(&call.name, Op::Mean { axes, keep }, &[value]).map(Slot::Value)
}

/// What all pools have.
fn window(call: &Call<'_>, axes: usize) -> Result<Pool> {
    let kernel = call.per_axis("kernel_size", axes)?.ok_or_else(|| call.missing("kernel_size"))?;
    Ok(Pool {
        stride: call.per_axis("stride", axes)?.unwrap_or_else(|| kernel.clone()),
        padding: call.per_axis("padding", axes)?.unwrap_or_else(|| vec![0; axes]),
        padding_end: None,
        dilation: vec![1; axes],
        ceil_mode: false,
        count_include_pad: false,
        divisor: None,
        kernel,
    })
}

/// Number of spatial axes, from the operator's name.
fn spatial_axes(call: &Call<'_>) -> usize {
    let digit = call.operator.bytes().find(u8::is_ascii_digit);
    digit.map_or(2, |digit| usize::from(digit - b'0'))
}
