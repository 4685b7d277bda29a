//! Pooling.

use super::call::Call;
use super::layers::Reach;
use super::{Lowering, Slot, one};
use crate::qdq::Value;
use gen_params_core::error::Result;
use gen_params_core::ops::{Op, Pool};

/// `MaxPool(X)`, of reals or codes.
pub(super) fn max_pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    call.ignore(&["storage_order"]);
    if call.node.outputs.len() > 1 {
        return Err(call.refuse("its indices are not supported"));
    }
    let pool = lowering.pool(call)?;
    let value = lowering.value(call, 0)?;
    Ok(lowering
        .graph
        .preserving(&call.name, Op::MaxPool(pool), &value)?
        .into_iter()
        .map(Slot::Value)
        .collect())
}

/// `NhwcMaxPool(X)`, of codes whose channels are their last axis.
pub(super) fn nhwc_max_pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let pool = lowering.pool(call)?;
    let value = lowering.value(call, 0)?;
    let value = lowering.channels_first(call, &value)?;
    let pooled = lowering.graph.preserving(&call.name, Op::MaxPool(pool), &value)?;
    match pooled.first() {
        Some(value) => one(lowering.channels_last(call, value)?),
        None => Err(call.refuse("has no result")),
    }
}

/// `AveragePool(X)`.
pub(super) fn average_pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let value = lowering.value(call, 0)?;
    one(lowering.averaged(call, &value)?)
}

/// `GlobalAveragePool(X)`.
pub(super) fn global_average_pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let value = lowering.value(call, 0)?;
    one(lowering.globally_averaged(call, &value)?)
}

/// `ReduceMean(X)`: axes are an attribute in old operator sets, an input in new ones.
pub(super) fn reduce_mean(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let axes = lowering.axes(call, "axes", 1)?;
    let keep = call.int("keepdims", 1)? != 0;
    let no_operation = call.int("noop_with_empty_axes", 0)? != 0;
    let value = lowering.value(call, 0)?;
    let axes = match axes {
        Some(axes) if !axes.is_empty() => axes,
        _ if no_operation => return one(value),
        _ => return Err(call.refuse("averages everything, batch included")),
    };
    if let (false, Some(rank)) = (keep, call.optional(0).and_then(|id| lowering.rank(id))) {
        lowering.ranks.insert(call.output()?, rank.saturating_sub(axes.len()));
    }
    one(lowering.graph.operator(&call.name, Op::Mean { axes, keep }, &[value])?)
}

impl Lowering<'_> {
    /// The mean of windows.
    pub(super) fn averaged(&mut self, call: &Call<'_>, value: &Value) -> Result<Value> {
        let pool = self.pool(call)?;
        self.graph.operator(&call.name, Op::AveragePool(pool), std::slice::from_ref(value))
    }

    /// The mean of all positions of each channel.
    pub(super) fn globally_averaged(&mut self, call: &Call<'_>, value: &Value) -> Result<Value> {
        let axes = self.known_rank(call, 0)?.saturating_sub(2);
        let op = Op::AdaptiveAveragePool { size: vec![Some(1); axes] };
        self.graph.operator(&call.name, op, std::slice::from_ref(value))
    }

    /// A window from the attributes that all pools share.
    fn pool(&self, call: &Call<'_>) -> Result<Pool> {
        let Some(kernel) = call.ints("kernel_shape")? else {
            return Err(call.refuse("has no `kernel_shape`"));
        };
        let ones = vec![1; kernel.len()];
        let stride = call.ints("strides")?.unwrap_or_else(|| ones.clone());
        let dilation = call.ints("dilations")?.unwrap_or(ones);
        let reach = Reach { kernel, stride, dilation };
        let (padding, padding_end) = self.pads(call, &reach)?;
        let Reach { kernel, stride, dilation } = reach;
        Ok(Pool {
            kernel,
            stride,
            padding_end: (padding_end != padding).then_some(padding_end),
            padding,
            dilation,
            ceil_mode: call.int("ceil_mode", 0)? != 0,
            count_include_pad: call.int("count_include_pad", 0)? != 0,
            divisor: None,
        })
    }
}
