//! A pickle with its storages, and what its objects are.

use super::budget::Budget;
use super::heap::{Heap, Instance, Object, Ref, shortened};
use super::storage::Storages;
use crate::error::{ReadError, Result};

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
    /// Class and state of an object of a C++ class: in Python's pickles the class stands beside the state, in
    /// TorchScript's it is the object's own.
    pub(super) fn script_object<'heap>(&'heap self, instance: &'heap Instance) -> Option<(&'heap str, Ref)> {
        match self.heap.class_of(instance) {
            "torch.ScriptObject" | "torch._C.ScriptObject" => {
                let &[state, class] = self.heap.tuple(instance.state?)? else { return None };
                Some((self.heap.text(class)?, state))
            }
            class if class.starts_with("__torch__.torch.classes.") => Some((class, instance.state?)),
            _ => None,
        }
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

/// The place of an attribute: never empty, and short whatever the file says.
pub(crate) fn place(path: &str, name: &str) -> String {
    let place = dotted(&shortened(path), &shortened(name));
    if place.is_empty() { "the empty key".to_owned() } else { place }
}
