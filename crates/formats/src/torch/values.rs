//! Objects of a pickle to values of a [`SourceModel`](crate::source::SourceModel).

use std::sync::Arc;

use super::facts::{Facts, MOST_DEPTH, plain_class, too_deep};
use super::heap::{Instance, Object, Ref};
use super::packed;
use super::tensors::{self, Rebuilt};
use crate::error::Result;
use crate::source::Value;

impl Facts<'_> {
    /// The value of an object; what we do not interpret becomes [`Value::Opaque`] with its class.
    ///
    /// # Errors
    /// A tensor or packed parameters are not as PyTorch writes them, or values are nested too deeply.
    pub(crate) fn value(&self, place: &str, at: Ref) -> Result<Value> {
        self.nested(place, at, 0)
    }

    fn nested(&self, place: &str, at: Ref, depth: usize) -> Result<Value> {
        if depth > MOST_DEPTH {
            return Err(too_deep(place));
        }
        Ok(match self.heap.get(at) {
            Object::None => Value::None,
            Object::Bool(value) => Value::Bool(*value),
            Object::Int(value) => Value::Int(*value),
            Object::Float(value) => Value::Float(*value),
            Object::Text(text) => {
                self.budget.take(text.len(), place)?;
                Value::Str(Arc::from(&**text))
            }
            Object::Tuple(elements) => Value::Tuple(self.list(place, elements, depth)?),
            Object::List(elements) => Value::List(self.list(place, elements, depth)?),
            Object::Class(name) => {
                self.budget.take(name.len(), place)?;
                Value::Symbol(Arc::from(&**name))
            }
            Object::Long(_) => Value::Opaque("int".into()),
            Object::Bytes => Value::Opaque("bytes".into()),
            Object::Set(_) => Value::Opaque("set".into()),
            Object::Dict(_) => Value::Opaque("dict".into()),
            Object::Persistent(_) => Value::Opaque("torch.storage".into()),
            Object::Instance(instance) => self.instance(place, at, instance, depth)?,
        })
    }

    /// Values of elements, in a vector of exactly their number.
    fn list(&self, place: &str, elements: &[Ref], depth: usize) -> Result<Vec<Value>> {
        self.budget.take(size_of::<Value>().saturating_mul(elements.len()), place)?;
        let mut values = Vec::with_capacity(elements.len());
        for &element in elements {
            values.push(self.nested(place, element, depth + 1)?);
        }
        Ok(values)
    }

    /// The values of the elements of a tuple.
    ///
    /// # Errors
    /// As [`Facts::value`].
    pub(crate) fn values(&self, place: &str, elements: &[Ref]) -> Result<Vec<Value>> {
        self.list(place, elements, 0)
    }

    fn instance(&self, place: &str, at: Ref, instance: &Instance, depth: usize) -> Result<Value> {
        let class = self.heap.class_of(instance);
        self.budget.take(class.len(), place)?;
        if tensors::is_rebuild(class) {
            return Ok(match tensors::rebuild(self, place, class, instance.arguments)? {
                Rebuilt::Tensor(tensor) => Value::Tensor(tensor),
                Rebuilt::Opaque(name) => Value::Opaque(name.into()),
            });
        }
        if let Some((class, state)) = self.script_object(instance) {
            self.budget.take(class.len(), place)?;
            if packed::is_packed(class) {
                return packed::unpack(self, place, class, state).map(Box::new).map(Value::Packed);
            }
            return Ok(Value::Opaque(plain_class(class).into()));
        }
        match (class, self.heap.sequence(at)) {
            ("torch.Size", Some(elements)) => self.list(place, elements, depth).map(Value::Tuple),
            (_, Some(elements)) => self.list(place, elements, depth).map(Value::List),
            ("torch.jit._pickle.restore_type_tag", None) => match self.heap.tuple(instance.arguments) {
                Some(&[inner, ..]) => self.nested(place, inner, depth + 1),
                _ => Ok(Value::Opaque(class.into())),
            },
            _ => Ok(Value::Opaque(plain_class(class).into())),
        }
    }

    /// True for tensors, packed parameters, and the tuples that hold either, as values of a state_dict.
    pub(crate) fn holds_tensor(&self, at: Ref) -> bool {
        match self.heap.get(at) {
            Object::Instance(instance) => {
                tensors::is_rebuild(self.heap.name(instance.class)) || self.script_object(instance).is_some()
            }
            Object::Tuple(elements) => elements.first().is_some_and(|&first| {
                self.heap
                    .instance(first)
                    .is_some_and(|first| tensors::is_rebuild(self.heap.name(first.class)))
            }),
            _ => false,
        }
    }

    /// True for quantized tensors and packed parameters.
    pub(crate) fn holds_quantized(&self, at: Ref) -> bool {
        match self.heap.get(at) {
            Object::Instance(instance) => {
                self.heap.name(instance.class) == "torch._utils._rebuild_qtensor"
                    || self.script_object(instance).is_some_and(|(class, _)| packed::is_packed(class))
            }
            Object::Tuple(elements) => elements.first().is_some_and(|&first| {
                self.heap
                    .instance(first)
                    .is_some_and(|first| self.heap.name(first.class) == "torch._utils._rebuild_qtensor")
            }),
            _ => false,
        }
    }
}
