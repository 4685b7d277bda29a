//! One call of an exported program, and what its arguments stand for.

use gen_params_formats::{Argument, Node, Value as Known, ValueId};

use super::super::arguments::Arguments;
use super::super::qdq::{Constant, Elements, Scheme, Value};
use super::super::signatures;
use super::{Lowering, Slot};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::ops::Extent;

/// A call, its arguments, and its name in the network.
pub(super) struct Call<'a> {
    pub(super) arguments: Arguments<'a>,
    /// The name in the network.
    pub(super) name: String,
}

impl<'a> std::ops::Deref for Call<'a> {
    type Target = Arguments<'a>;

    fn deref(&self) -> &Arguments<'a> {
        &self.arguments
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(node: &'a Node, operator: &'a str, name: String) -> Self {
        // `aten.flatten.using_ints` is `flatten`; the overload is found by its arguments.
        let base = operator
            .strip_prefix("aten.")
            .or_else(|| operator.strip_prefix("_operator."))
            .unwrap_or(operator);
        let known = signatures::of(base, false);
        let known = match base.rsplit_once('.') {
            Some((base, _)) if known.is_empty() => signatures::of(base, false),
            _ => known,
        };
        Self { arguments: Arguments::new(node, operator, name.clone(), known), name }
    }

    /// A refusal of this call.
    pub(super) fn refuse(&self, text: impl Into<String>) -> LowerError {
        LowerError::at(&self.name, text)
    }

    /// Every value that the call takes.
    pub(super) fn values(&self) -> impl Iterator<Item = ValueId> {
        let mut found = Vec::new();
        let keywords = self.node.keywords.iter().map(|(_, value)| value);
        self.node.arguments.iter().chain(keywords).for_each(|argument| collect(argument, &mut found));
        found.into_iter()
    }

    /// Refuses a type of the result other than float32, which is that of all reals here.
    pub(super) fn in_float32(&self, name: &str) -> Result<()> {
        match self.known(name)? {
            None => Ok(()),
            Some(dtype) if dtype.as_str() == Some("torch.float32") => Ok(()),
            Some(dtype) => Err(self.wrong(name, dtype)),
        }
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
    pub(super) fn optional(&self, call: &Call<'_>, name: &str) -> Result<Option<Value>> {
        match call.get(name) {
            None | Some(Argument::Constant(Known::None, _)) => Ok(None),
            Some(argument) => self.tensor(call, name, argument).map(Some),
        }
    }

    /// A tensor argument.
    pub(super) fn value(&self, call: &Call<'_>, name: &str) -> Result<Value> {
        self.optional(call, name)?.ok_or_else(|| call.missing(name))
    }

    /// A list of tensors.
    pub(super) fn values(&self, call: &Call<'_>, name: &str) -> Result<Vec<Value>> {
        match call.get(name) {
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
    pub(super) fn extents(&self, call: &Call<'_>, name: &str) -> Result<Option<Vec<Extent>>> {
        match call.get(name) {
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
