//! What the arguments of a call stand for: tensors, sizes, lists, constants.

use gen_params_formats::{Argument, Value};

use super::arguments::Arguments;
use super::{Lowering, Slot};
use crate::error::{LowerError, Result};
use crate::lower::parts::activation_of;
use crate::network::EdgeId;
use crate::ops::Extent;
use crate::parameters::Activation;

impl Lowering<'_> {
    pub(super) fn getitem(&self, a: &Arguments<'_>) -> Result<Slot> {
        let index = a.int(1, "index", None)?;
        let at = |len: usize| {
            let len = i64::try_from(len).unwrap_or(i64::MAX);
            usize::try_from(if index < 0 { index + len } else { index }).ok()
        };
        match self.slot(a, 0, "self")? {
            Slot::Sizes(edge) => Ok(Slot::Extent(Extent::Of(edge, index))),
            Slot::List(slots) => at(slots.len())
                .and_then(|i| slots.get(i).cloned())
                .ok_or_else(|| a.refuse(format!("index {index} of a list of {}", slots.len()))),
            _ => Err(a.refuse("indexing of a tensor is not supported".into())),
        }
    }

    pub(super) fn slot(&self, a: &Arguments<'_>, position: usize, name: &str) -> Result<Slot> {
        let argument = a.get(position, name).ok_or_else(|| a.missing(name))?;
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

    pub(super) fn tensor(&self, a: &Arguments<'_>, position: usize, name: &str) -> Result<EdgeId> {
        // The tensor comes first whatever the operator calls it.
        let argument = a
            .get(position, name)
            .or_else(|| a.node.keywords.get(position).map(|(_, v)| v))
            .ok_or_else(|| a.missing(name))?;
        match self.resolve(argument)? {
            Slot::Edge(edge) => Ok(edge),
            Slot::Constant(value) => Err(a.refuse(format!("`{}` of {}", a.callee, value.kind()))),
            Slot::Extent(_) | Slot::Sizes(_) => Err(a.refuse(format!("`{}` of a size", a.callee))),
            Slot::List(_) => Err(a.refuse(format!("`{}` of a list", a.callee))),
        }
    }

    pub(super) fn tensors(&self, a: &Arguments<'_>, position: usize, name: &str) -> Result<Vec<EdgeId>> {
        match self.slot(a, position, name)? {
            Slot::List(slots) => slots
                .into_iter()
                .map(|slot| match slot {
                    Slot::Edge(edge) => Ok(edge),
                    _ => Err(a.refuse(format!("`{}` of something that is no tensor", a.callee))),
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
    pub(super) fn size(&self, a: &Arguments<'_>, position: usize) -> Result<Extent> {
        match self.slot(a, position, "other")? {
            Slot::Extent(extent) => Ok(extent),
            _ => Err(a.refuse(format!("`{}` of something that is no size", a.callee))),
        }
    }

    /// Sizes given as one list or as separate arguments.
    pub(super) fn extents(&self, a: &Arguments<'_>, position: usize, name: &str) -> Result<Vec<Extent>> {
        let of = |slot: Slot| match slot {
            Slot::Extent(extent) => Ok(extent),
            Slot::Constant(value) => value.as_i64().map(Extent::Fixed).ok_or_else(|| a.wrong(name, &value)),
            _ => Err(a.refuse(format!("`{}` with a `{name}` that is no list of sizes", a.callee))),
        };
        match self.slot(a, position, name)? {
            Slot::List(slots) => slots.into_iter().map(of).collect(),
            Slot::Constant(value @ (Value::List(_) | Value::Tuple(_))) => {
                let sizes = value.as_ints().ok_or_else(|| a.wrong(name, &value))?;
                Ok(sizes.into_iter().map(Extent::Fixed).collect())
            }
            first => {
                let mut extents = vec![of(first)?];
                for i in position + 1..a.node.arguments.len() {
                    extents.push(of(self.slot(a, i, name)?)?);
                }
                Ok(extents)
            }
        }
    }

    pub(super) fn activation(
        &self,
        a: &Arguments<'_>,
        scale: usize,
        scale_name: &str,
        zero_point: usize,
        zero_point_name: &str,
    ) -> Result<Activation> {
        let scale = a.constant(scale, scale_name).ok_or_else(|| a.missing(scale_name))?;
        let zero_point = a.constant(zero_point, zero_point_name).ok_or_else(|| a.missing(zero_point_name))?;
        let mut activation = activation_of(scale, zero_point).ok_or_else(|| a.wrong(scale_name, scale))?;
        // Results have the type of the first tensor.
        let mut inputs = Vec::new();
        if let Some(first) = a.node.arguments.first() {
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
