//! One call of an exported program as its operator reads it: arguments by position or by name.

use std::cell::RefCell;

use gen_params_formats::{Argument, Node, Value as Known, ValueId};

use super::super::parts;
use super::super::qdq::{Constant, Elements, Scheme, Value};
use super::{Lowering, Slot};
use crate::error::{LowerError, Result};
use crate::ops::Extent;

/// The place of arguments that have a name only.
pub(super) const KEYWORD: usize = usize::MAX;

/// A call, its name in the network, and which of its arguments have been read.
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    /// The operator with its overload, without `torch.ops.`.
    pub(super) operator: &'a str,
    /// The name in the network.
    pub(super) name: String,
    /// Places of arguments in the call, keywords behind the others.
    read: RefCell<Vec<usize>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(node: &'a Node, operator: &'a str, name: String) -> Self {
        Self { node, operator, name, read: RefCell::new(Vec::new()) }
    }

    /// A refusal of this call.
    pub(super) fn refuse(&self, text: impl Into<String>) -> LowerError {
        LowerError::at(&self.name, text)
    }

    /// An argument by its place in the operator's signature, or by its name.
    pub(super) fn argument(&self, position: usize, name: &str) -> Option<&'a Argument> {
        let keyword = || self.node.keywords.iter().position(|(own, _)| own == name);
        let place = match self.node.arguments.get(position) {
            Some(_) => position,
            None => self.node.arguments.len() + keyword()?,
        };
        self.read.borrow_mut().push(place);
        self.at(place)
    }

    fn at(&self, place: usize) -> Option<&'a Argument> {
        let keywords = || self.node.keywords.get(place.checked_sub(self.node.arguments.len())?);
        self.node.arguments.get(place).or_else(|| keywords().map(|(_, value)| value))
    }

    /// Arguments that do not change the result.
    pub(super) fn ignore(&self, arguments: &[(usize, &str)]) {
        for (position, name) in arguments {
            self.argument(*position, name);
        }
    }

    /// The first argument that nobody has read, other than `None`.
    pub(super) fn unread(&self) -> Option<String> {
        let read = self.read.borrow();
        let count = self.node.arguments.len();
        let place = (0..count + self.node.keywords.len())
            .filter(|place| !read.contains(place))
            .find(|&place| !matches!(self.at(place), Some(Argument::Constant(Known::None, _))))?;
        Some(match self.node.keywords.get(place.wrapping_sub(count)) {
            Some((name, _)) if place >= count => format!("argument `{name}`"),
            _ => format!("argument {place}"),
        })
    }

    /// Every value that the call takes.
    pub(super) fn values(&self) -> impl Iterator<Item = ValueId> {
        let mut found = Vec::new();
        let keywords = self.node.keywords.iter().map(|(_, value)| value);
        self.node.arguments.iter().chain(keywords).for_each(|argument| collect(argument, &mut found));
        found.into_iter()
    }

    /// An argument that is known; `None` where it is left out or Python's `None`.
    pub(super) fn known(&self, position: usize, name: &str) -> Result<Option<&'a Known>> {
        match self.argument(position, name) {
            None | Some(Argument::Constant(Known::None, _)) => Ok(None),
            Some(Argument::Constant(value, _)) => Ok(Some(value)),
            Some(Argument::Value(_) | Argument::List(_)) => {
                Err(self.refuse(format!("its `{name}` is computed while the network runs")))
            }
        }
    }

    /// An integer.
    pub(super) fn int(&self, position: usize, name: &str, default: Option<i64>) -> Result<i64> {
        match self.known(position, name)? {
            Some(value) => value.as_i64().ok_or_else(|| self.wrong(name, value)),
            None => default.ok_or_else(|| self.missing(name)),
        }
    }

    /// A number, an integer or not.
    pub(super) fn number(&self, position: usize, name: &str, default: Option<f64>) -> Result<f64> {
        #[allow(clippy::cast_precision_loss, reason = "a number written as an integer in the model's source")]
        let number = |value: &Known| value.as_f64().or_else(|| value.as_i64().map(|i| i as f64));
        match self.known(position, name)? {
            Some(value) => number(value).ok_or_else(|| self.wrong(name, value)),
            None => default.ok_or_else(|| self.missing(name)),
        }
    }

    /// A boolean.
    pub(super) fn flag(&self, position: usize, name: &str, default: bool) -> Result<bool> {
        match self.known(position, name)? {
            Some(Known::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(name, other)),
            None => Ok(default),
        }
    }

    /// Integers, one or one per axis; `None` where left out or empty.
    pub(super) fn per_axis(&self, position: usize, name: &str, axes: usize) -> Result<Option<Vec<i64>>> {
        match self.known(position, name)? {
            None => Ok(None),
            Some(Known::List(list)) if list.is_empty() => Ok(None),
            Some(value) => parts::spread(value, axes).map(Some).ok_or_else(|| self.wrong(name, value)),
        }
    }

    /// Integers.
    pub(super) fn ints(&self, position: usize, name: &str) -> Result<Option<Vec<i64>>> {
        match self.known(position, name)? {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(one) => Ok(Some(vec![one])),
                None => value.as_ints().map(Some).ok_or_else(|| self.wrong(name, value)),
            },
        }
    }

    /// One float32 number per channel.
    pub(super) fn reals(&self, position: usize, name: &str) -> Result<Option<Vec<f32>>> {
        match self.known(position, name)? {
            None => Ok(None),
            Some(Known::Tensor(tensor)) => match tensor.to_f32() {
                Some(reals) => Ok(Some(reals)),
                None => Err(self.refuse(format!("its `{name}` is of type {}", tensor.dtype().name()))),
            },
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    pub(super) fn missing(&self, name: &str) -> LowerError {
        self.refuse(format!("has no `{name}`"))
    }

    pub(super) fn wrong(&self, name: &str, value: &Known) -> LowerError {
        self.refuse(format!("its `{name}` is {}", value.kind()))
    }
}

/// Adds every value of an argument.
pub(super) fn collect(argument: &Argument, found: &mut Vec<ValueId>) {
    match argument {
        Argument::Value(id) => found.push(*id),
        Argument::List(items) => items.iter().for_each(|item| collect(item, found)),
        Argument::Constant(..) => {}
    }
}

impl Lowering<'_> {
    /// A tensor argument, if it is there.
    pub(super) fn optional(&self, call: &Call<'_>, position: usize, name: &str) -> Result<Option<Value>> {
        match call.argument(position, name) {
            None | Some(Argument::Constant(Known::None, _)) => Ok(None),
            Some(argument) => self.tensor(call, name, argument).map(Some),
        }
    }

    /// A tensor argument.
    pub(super) fn value(&self, call: &Call<'_>, position: usize, name: &str) -> Result<Value> {
        self.optional(call, position, name)?.ok_or_else(|| call.missing(name))
    }

    /// A list of tensors.
    pub(super) fn values(&self, call: &Call<'_>, position: usize, name: &str) -> Result<Vec<Value>> {
        match call.argument(position, name) {
            Some(Argument::List(items)) => items.iter().map(|item| self.tensor(call, name, item)).collect(),
            _ => Err(call.missing(name)),
        }
    }

    fn tensor(&self, call: &Call<'_>, name: &str, argument: &Argument) -> Result<Value> {
        match argument {
            Argument::Value(id) => match self.slots.get(id) {
                Some(Slot::Value(value)) => Ok(value.clone()),
                Some(Slot::Computed(operator)) => Err(call
                    .refuse(format!("its `{name}` is float: nothing quantizes what `{operator}` computes"))),
                Some(Slot::Values(_) | Slot::Size(_)) | None => {
                    Err(call.refuse(format!("its `{name}` is no tensor")))
                }
            },
            Argument::Constant(Known::Tensor(tensor), _) => {
                constant_of(tensor).map(Value::Constant).ok_or_else(|| {
                    call.refuse(format!("its `{name}` is a constant of type {}", tensor.dtype().name()))
                })
            }
            Argument::Constant(value, _) => Err(call.wrong(name, value)),
            Argument::List(_) => Err(call.refuse(format!("its `{name}` is a list"))),
        }
    }

    /// Sizes, each known or computed from sizes.
    pub(super) fn extents(
        &self,
        call: &Call<'_>,
        position: usize,
        name: &str,
    ) -> Result<Option<Vec<Extent>>> {
        match call.argument(position, name) {
            None | Some(Argument::Constant(Known::None, _)) => Ok(None),
            Some(Argument::List(items)) => {
                items.iter().map(|item| self.extent(call, name, item)).collect::<Result<_>>().map(Some)
            }
            Some(Argument::Constant(value, _)) => {
                let sizes = value.as_ints().ok_or_else(|| call.wrong(name, value))?;
                Ok(Some(sizes.into_iter().map(Extent::Fixed).collect()))
            }
            Some(argument @ Argument::Value(_)) => {
                self.extent(call, name, argument).map(|one| Some(vec![one]))
            }
        }
    }

    pub(super) fn extent(&self, call: &Call<'_>, name: &str, argument: &Argument) -> Result<Extent> {
        match argument {
            Argument::Constant(Known::Int(size), _) => Ok(Extent::Fixed(*size)),
            Argument::Value(id) => match self.slots.get(id) {
                Some(Slot::Size(extent)) => Ok(extent.clone()),
                _ => Err(call.refuse(format!("its `{name}` is no size"))),
            },
            Argument::Constant(..) | Argument::List(_) => {
                Err(call.refuse(format!("its `{name}` is no size")))
            }
        }
    }
}

/// A tensor of the file as a constant of the float graph. What its integers stand for is said by who dequantizes them.
fn constant_of(tensor: &gen_params_formats::Tensor) -> Option<Constant> {
    let shape = tensor.shape().to_vec();
    if let Some(reals) = tensor.to_f32() {
        return Some(Constant { shape, elements: Elements::Reals(reals.into()) });
    }
    let bits = u32::try_from(tensor.dtype().size()).ok()? * 8;
    let signed = tensor.dtype() != gen_params_formats::DType::U8;
    let codes = tensor.to_i64()?.into_iter().map(i32::try_from).collect::<Result<_, _>>().ok()?;
    Some(Constant {
        shape,
        elements: Elements::Codes(codes, Scheme::new(vec![1.0], vec![0], None, signed, bits)),
    })
}
