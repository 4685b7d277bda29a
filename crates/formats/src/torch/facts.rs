//! Objects of a pickle to values of a [`SourceModel`](crate::source::SourceModel).

use std::sync::Arc;

use super::budget::Budget;
use super::heap::{Heap, Instance, Object, Ref, shortened};
use super::packed;
use super::storage::Storages;
use super::tensors::{self, Rebuilt};
use crate::error::{ReadError, Result};
use crate::source::Value;
use crate::tensor::Tensor;

/// Deepest nesting of values and of modules.
pub(crate) const MOST_DEPTH: usize = 64;

/// A pickle with its storages: everything that values are made from.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) heap: &'a Heap,
    pub(crate) storages: &'a Storages<'a>,
    pub(crate) budget: &'a Budget,
}

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

    /// Class and state of an object of a C++ class: in Python's pickles the class stands beside the state, in
    /// TorchScript's it is the object's own.
    fn script_object<'heap>(&'heap self, instance: &'heap Instance) -> Option<(&'heap str, Ref)> {
        match self.heap.class_of(instance) {
            "torch.ScriptObject" | "torch._C.ScriptObject" => {
                let &[state, class] = self.heap.tuple(instance.state?)? else { return None };
                Some((self.heap.text(class)?, state))
            }
            class if class.starts_with("__torch__.torch.classes.") => Some((class, instance.state?)),
            _ => None,
        }
    }

    /// The tensor at `at`.
    ///
    /// # Errors
    /// There is something else, or a tensor that we cannot read.
    pub(crate) fn tensor(&self, place: &str, at: Ref) -> Result<Tensor> {
        self.optional_tensor(place, at)?
            .ok_or_else(|| ReadError::malformed(place, self.heap.kind(at), "a tensor"))
    }

    /// The tensor at `at`, or `None` for Python's `None`.
    ///
    /// # Errors
    /// There is something else, or a tensor that we cannot read.
    pub(crate) fn optional_tensor(&self, place: &str, at: Ref) -> Result<Option<Tensor>> {
        if matches!(self.heap.get(at), Object::None) {
            return Ok(None);
        }
        let found = match self.heap.instance(at) {
            Some(instance) if tensors::is_rebuild(self.heap.name(instance.class)) => {
                self.budget.take(size_of::<Tensor>(), place)?;
                match tensors::rebuild(self, place, self.heap.name(instance.class), instance.arguments)? {
                    Rebuilt::Tensor(tensor) => return Ok(Some(tensor)),
                    Rebuilt::Opaque(name) => name,
                }
            }
            _ => self.heap.kind(at),
        };
        Err(ReadError::malformed(place, found, "a tensor"))
    }

    /// Pairs of a `dict` or `OrderedDict`, in file order; `None` for anything else.
    ///
    /// # Errors
    /// The file has used up its budget.
    pub(crate) fn pairs(&self, place: &str, at: Ref) -> Result<Option<Vec<(Ref, Ref)>>> {
        let pairs = self.heap.pairs(at);
        self.budget.take(pairs.as_ref().map_or(0, |pairs| size_of_val(pairs.as_slice())), place)?;
        Ok(pairs)
    }

    /// The value under a text key of a `dict` or `OrderedDict`.
    ///
    /// # Errors
    /// The file has used up its budget: looking costs time where many objects share one large state.
    pub(crate) fn entry(&self, place: &str, at: Ref, key: &str) -> Result<Option<Ref>> {
        let pairs = match self.heap.get(at) {
            Object::Dict(pairs) => pairs.len(),
            Object::Instance(instance) => instance.items.len(),
            _ => 0,
        };
        self.budget.take(pairs, place)?;
        Ok(self.heap.entry(at, key))
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

/// A qualified class name without TorchScript's `__torch__.` and `___torch_mangle_N.`.
pub(crate) fn plain_class(class: &str) -> String {
    let class = class.strip_prefix("__torch__.").unwrap_or(class);
    if !class.contains("___torch_mangle_") {
        return shortened(class);
    }
    let parts: Vec<&str> = class.split('.').filter(|part| !part.starts_with("___torch_mangle_")).collect();
    shortened(&parts.join("."))
}

/// An error for values or modules nested beyond [`MOST_DEPTH`].
pub(crate) fn too_deep(place: &str) -> ReadError {
    ReadError::unsupported(place, format!("more than {MOST_DEPTH} levels of nesting"), "fewer")
}

/// The path of `name` under `path`.
pub(crate) fn dotted(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
