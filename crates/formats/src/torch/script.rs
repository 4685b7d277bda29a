//! TorchScript archives: the object tree of `data.pkl`, the constants, and the text of the code.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::Text;
use super::archive::Archive;
use super::budget::Budget;
use super::facts::{Facts, MOST_DEPTH, dotted, plain_class, too_deep};
use super::heap::{Instance, Object, Ref};
use super::module::{BOOKKEEPING, attribute, state_tuple};
use super::pickle;
use super::storage::{Storages, ZipStorages};
use crate::error::{ReadError, Result};
use crate::source::{Module, Value};

/// A TorchScript archive, with all that running its text symbolically takes.
#[derive(Debug, Clone)]
pub struct Script {
    /// Qualified type name of each module, by path, as the code writes it: with `__torch__.` and
    /// `___torch_mangle_N.`.
    pub types: IndexMap<String, String>,
    /// The files `code/**.py`, in file order, by the name of their entry.
    pub code: Vec<Text>,
    /// What the code calls `CONSTANTS.cN`, by N.
    pub constants: Vec<Value>,
}

/// True where the archive is TorchScript's.
pub(crate) fn is_script(archive: &Archive) -> bool {
    archive.names().any(|name| name == "constants.pkl" || name.starts_with("code/"))
}

/// Reads a TorchScript archive: its modules, and the rest.
///
/// # Errors
/// An entry is broken, or an object is not as PyTorch writes it.
pub(crate) fn read(archive: &Archive, budget: &Budget) -> Result<(IndexMap<String, Module>, Script)> {
    let constants = constants(archive, budget)?;
    let bytes = archive.require("data.pkl", budget)?;
    let pickle = pickle::load(&bytes, 0, "data.pkl", budget)?;
    let storages = Storages::Zip(ZipStorages::new(archive, "data", budget)?);
    let facts = Facts { heap: &pickle.heap, storages: &storages, budget };
    let mut walk =
        Walk { facts: &facts, modules: IndexMap::new(), types: IndexMap::new(), above: HashSet::new() };
    walk.module(pickle.root, "", 0)?;
    let (modules, types) = (walk.modules, walk.types);
    let code = code(archive, budget)?;
    Ok((modules, Script { types, code, constants }))
}

fn constants(archive: &Archive, budget: &Budget) -> Result<Vec<Value>> {
    let Some(bytes) = archive.read("constants.pkl", budget)? else { return Ok(Vec::new()) };
    let pickle = pickle::load(&bytes, 0, "constants.pkl", budget)?;
    let storages = Storages::Zip(ZipStorages::new(archive, "constants", budget)?);
    let facts = Facts { heap: &pickle.heap, storages: &storages, budget };
    match facts.value("constants.pkl", pickle.root)? {
        Value::Tuple(constants) => Ok(constants),
        other => Err(ReadError::malformed("constants.pkl", other.kind(), "a tuple of constants")),
    }
}

fn code(archive: &Archive, budget: &Budget) -> Result<Vec<Text>> {
    let mut code = Vec::new();
    for name in archive.names().filter(|name| name.starts_with("code/") && name.ends_with(".py")) {
        let bytes = archive.require(name, budget)?;
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(ReadError::malformed(name, "bytes that are no text", "UTF-8"));
        };
        budget.take(name.len() + text.len(), name)?;
        budget.take_elements::<Text>(1, name)?;
        code.push(Text { entry: name.to_owned(), text: text.into() });
    }
    Ok(code)
}

struct Walk<'a> {
    facts: &'a Facts<'a>,
    modules: IndexMap<String, Module>,
    types: IndexMap<String, String>,
    /// Modules on the way from the root: meeting one of them again is a cycle.
    above: HashSet<Ref>,
}

impl<'a> Walk<'a> {
    /// An object of a class that the archive's own code defines.
    fn as_module(&self, at: Ref) -> Option<(&'a str, &'a Instance)> {
        let instance = self.facts.heap.instance(at)?;
        let class = self.facts.heap.name(instance.class);
        (class.starts_with("__torch__.") && !class.starts_with("__torch__.torch.classes."))
            .then_some((class, instance))
    }

    fn module(&mut self, at: Ref, path: &str, depth: usize) -> Result<()> {
        let facts = self.facts;
        let whole = if path.is_empty() { "data.pkl" } else { path };
        if depth > MOST_DEPTH {
            return Err(too_deep(whole));
        }
        let Some((class, instance)) = self.as_module(at) else {
            return Err(ReadError::malformed(whole, facts.heap.kind(at), "a module of class __torch__.*"));
        };
        facts.budget.take(4 * path.len() + 2 * class.len(), whole)?;
        facts.budget.take_elements::<(usize, String, Module, String, String)>(1, whole)?;
        let plain = plain_class(class);
        let mut attributes = IndexMap::new();
        let mut children = Vec::new();
        match instance.state.map(|state| (state, facts.heap.get(state))) {
            None => {}
            Some((_, Object::Tuple(fields))) => state_tuple(facts, path, &plain, fields, &mut attributes)?,
            Some((state, _)) => {
                let Some(pairs) = facts.pairs(whole, state)? else {
                    return Err(ReadError::malformed(whole, facts.heap.kind(state), "a module's state"));
                };
                for (key, value) in pairs {
                    let Some(name) = facts.heap.text(key) else {
                        return Err(ReadError::malformed(whole, facts.heap.kind(key), "names of attributes"));
                    };
                    if BOOKKEEPING.contains(&&**name) {
                        continue;
                    }
                    if self.as_module(value).is_some() {
                        children.push((name, value));
                    } else {
                        attribute(facts, path, name, value, &mut attributes)?;
                    }
                }
            }
        }
        self.types.insert(path.to_owned(), class.to_owned());
        self.modules.insert(path.to_owned(), Module { class: Some(plain), attributes });
        self.above.insert(at);
        for (name, child) in children {
            if !self.above.contains(&child) {
                facts.budget.take(path.len() + name.len() + 1, whole)?;
                self.module(child, &dotted(path, name), depth + 1)?;
            }
        }
        self.above.remove(&at);
        Ok(())
    }
}
