//! Sizes, and computations on them.

use super::call::Call;
use super::{Lowering, Slot};
use gen_params_core::error::Result;
use gen_params_core::ops::Extent;

/// `sym_size(self, dim)`.
pub(super) fn size(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let axis = call.int("dim")?;
    let value = lowering.value(call, "self")?;
    let edge = lowering.graph.edge_of(&value);
    let edge = edge.ok_or_else(|| call.refuse("takes the size of a tensor that nothing quantizes"))?;
    Ok(Slot::Size(Extent::Of(edge, axis)))
}

/// `a + b`.
pub(super) fn plus(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.computed(call, Extent::Plus)
}

/// `a - b`.
pub(super) fn minus(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.computed(call, Extent::Minus)
}

/// `a * b`.
pub(super) fn times(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.computed(call, Extent::Times)
}

/// `a // b`.
pub(super) fn over(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.computed(call, Extent::Over)
}

impl Lowering<'_> {
    fn computed(&self, call: &Call<'_>, of: fn(Box<Extent>, Box<Extent>) -> Extent) -> Result<Slot> {
        let operand = |name: &str| {
            let argument = call.get(name).ok_or_else(|| call.missing(name))?;
            self.extent(call, name, argument).map(Box::new)
        };
        Ok(Slot::Size(of(operand("a")?, operand("b")?)))
    }
}
