//! What the arguments of a call stand for: tensors, sizes, lists, constants.

use gen_params_formats::{Argument, Value};

use super::super::arguments::Arguments;
use super::{Lowering, Slot};
use crate::parts::activation_of;
use gen_params_core::error::{LowerError, Result};
use gen_params_core::network::EdgeId;
use gen_params_core::ops::Extent;
use gen_params_core::parameters::Activation;

impl Lowering<'_> {
    pub(super) fn getitem(&self, a: &Arguments<'_>) -> Result<Slot> {
        let index = a.int(if a.operator.ends_with("__getitem__") { "idx" } else { "index" })?;
        let at = |len: usize| {
            let len = i64::try_from(len).unwrap_or(i64::MAX);
            usize::try_from(if index < 0 { index + len } else { index }).ok()
        };
        match self.slot(a, a.first())? {
            Slot::Sizes(edge) => Ok(Slot::Extent(Extent::Of(edge, index))),
            Slot::List(slots) => at(slots.len())
                .and_then(|i| slots.get(i).cloned())
                .ok_or_else(|| a.refuse(format!("index {index} of a list of {}", slots.len()))),
            _ => Err(a.refuse("indexes a tensor, which is not supported")),
        }
    }

    pub(super) fn slot(&self, a: &Arguments<'_>, name: &str) -> Result<Slot> {
        let argument = a.get(name).ok_or_else(|| a.missing(name))?;
        self.resolve(argument)
    }

    pub(super) fn resolve(&self, argument: &Argument) -> Result<Slot> {
        match argument {
            Argument::Value(id) => self.slots.get(id).cloned().ok_or_else(|| {
                // Its producer has been refused already: no second reason for the same thing.
                LowerError { reasons: Vec::new(), hint: None }
            }),
            Argument::Constant(Value::Int(i), _) => Ok(Slot::Extent(Extent::Fixed(*i))),
            Argument::Constant(value, _) => Ok(Slot::Constant(value.clone())),
            Argument::List(items) => {
                Ok(Slot::List(items.iter().map(|i| self.resolve(i)).collect::<Result<_>>()?))
            }
        }
    }

    /// The first argument, which is the tensor that an operator is applied to.
    pub(super) fn input(&self, a: &Arguments<'_>) -> Result<EdgeId> {
        self.tensor(a, a.first())
    }

    pub(super) fn tensor(&self, a: &Arguments<'_>, name: &str) -> Result<EdgeId> {
        let argument = a.get(name).ok_or_else(|| a.missing(name))?;
        match self.resolve(argument)? {
            Slot::Edge(edge) => Ok(edge),
            Slot::Constant(value) => Err(a.refuse(format!("is applied to {}", value.kind()))),
            Slot::Extent(_) | Slot::Sizes(_) => Err(a.refuse("is applied to a size")),
            Slot::List(_) => Err(a.refuse("is applied to a list")),
        }
    }

    pub(super) fn tensors(&self, a: &Arguments<'_>, name: &str) -> Result<Vec<EdgeId>> {
        match self.slot(a, name)? {
            Slot::List(slots) => slots
                .into_iter()
                .map(|slot| match slot {
                    Slot::Edge(edge) => Ok(edge),
                    _ => Err(a.refuse("is applied to something that is no tensor")),
                })
                .collect(),
            _ => Err(a.missing(name)),
        }
    }

    pub(super) fn has_edge(&self, a: &Arguments<'_>) -> bool {
        a.node.arguments.iter().any(|argument| match argument {
            Argument::Value(id) => matches!(self.slots.get(id), Some(Slot::Edge(_))),
            _ => false,
        })
    }

    /// One size, or a computation on sizes.
    pub(super) fn size(&self, a: &Arguments<'_>, name: &str) -> Result<Extent> {
        match self.slot(a, name)? {
            Slot::Extent(extent) => Ok(extent),
            _ => Err(a.refuse("is applied to something that is no size")),
        }
    }

    /// Sizes given as one list or as separate arguments.
    pub(super) fn extents(&self, a: &Arguments<'_>, name: &str) -> Result<Vec<Extent>> {
        let of = |slot: Slot| match slot {
            Slot::Extent(extent) => Ok(extent),
            Slot::Constant(value) => value.as_i64().map(Extent::Fixed).ok_or_else(|| a.wrong(name, &value)),
            _ => Err(a.refuse(format!("has a `{name}` that is no list of sizes"))),
        };
        let slots: Vec<Slot> =
            a.rest(name).into_iter().map(|argument| self.resolve(argument)).collect::<Result<_>>()?;
        match slots.as_slice() {
            [] => Err(a.missing(name)),
            [Slot::List(slots)] => slots.iter().cloned().map(of).collect(),
            [Slot::Constant(value @ (Value::List(_) | Value::Tuple(_)))] => {
                let sizes = value.as_ints().ok_or_else(|| a.wrong(name, value))?;
                Ok(sizes.into_iter().map(Extent::Fixed).collect())
            }
            slots => slots.iter().cloned().map(of).collect(),
        }
    }

    pub(super) fn activation(&self, a: &Arguments<'_>, scale: &str, zero_point: &str) -> Result<Activation> {
        let (value, zero_point) = (a.needed(scale)?, a.needed(zero_point)?);
        let mut activation = activation_of(value, zero_point).ok_or_else(|| a.wrong(scale, value))?;
        // Results have the type of the first tensor.
        let mut inputs = Vec::new();
        if let Some(first) = a.get(a.first()) {
            self.collect_edges(first, &mut inputs);
        }
        if let Some(input) = inputs.first().and_then(|&edge| self.builder.activation(edge)) {
            activation.code_type = input.code_type;
        }
        Ok(activation)
    }

    pub(super) fn collect_edges(&self, argument: &Argument, edges: &mut Vec<EdgeId>) {
        match argument {
            Argument::Value(id) => match self.slots.get(id) {
                Some(Slot::Edge(edge)) => edges.push(*edge),
                Some(Slot::List(slots)) => {
                    edges.extend(
                        slots.iter().filter_map(|s| if let Slot::Edge(e) = s { Some(*e) } else { None }),
                    );
                }
                _ => {}
            },
            Argument::List(items) => items.iter().for_each(|i| self.collect_edges(i, edges)),
            Argument::Constant(..) => {}
        }
    }
}
