//! Whole pickled modules: the tree of `nn.Module` objects, flattened to paths.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::Text;
use super::facts::place;
use super::facts::{Facts, MOST_DEPTH, dotted, too_deep};
use super::heap::{Object, Ref, shortened};
use crate::error::{ReadError, Result};
use crate::source::{Module, Value};

/// What `__setstate__` of quantized convolutions names the fields of its tuple.
pub(crate) const CONVOLUTION_FIELDS: [&str; 15] = [
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "transposed",
    "output_padding",
    "groups",
    "padding_mode",
    "weight",
    "bias",
    "scale",
    "zero_point",
    "training",
];

/// Attributes with which `nn.Module` keeps its own books; hooks are recognised by their names.
pub(crate) const BOOKKEEPING: [&str; 7] = [
    "_parameters",
    "_buffers",
    "_modules",
    "_non_persistent_buffers_set",
    "_is_full_backward_hook",
    "_backend",
    "_compiled_call_impl",
];

/// A pickled module, flattened.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Modules in registration order.
    pub(crate) modules: IndexMap<String, Module>,
    /// Python text of the `forward` of each `GraphModule`.
    pub(crate) texts: Vec<Text>,
}

/// True for objects that are modules by their state.
///
/// # Errors
/// The file has used up its budget.
pub(crate) fn is_module(facts: &Facts<'_>, place: &str, at: Ref) -> Result<bool> {
    let Some(instance) = facts.heap.instance(at) else { return Ok(false) };
    if is_graph_module(facts.heap.name(instance.class)) {
        return Ok(true);
    }
    match instance.state {
        Some(state) => Ok(facts.entry(place, state, "_modules")?.is_some()),
        None => Ok(false),
    }
}

/// Functions that would remake a `GraphModule` out of its dict and text.
fn is_graph_module(function: &str) -> bool {
    matches!(
        function,
        "torch.fx.graph_module.reduce_graph_module"
            | "torch.fx.graph_module.reduce_deploy_graph_module"
            | "torch.fx.graph_module.reduce_package_graph_module"
            | "torch.fx._lazy_graph_module._lazy_graph_module_reduce"
    )
}

/// Flattens the module at `root`.
///
/// # Errors
/// A tensor cannot be read, or a module is of a form that is refused by name.
pub(crate) fn read(facts: &Facts<'_>, root: Ref) -> Result<Tree> {
    let mut walk =
        Walk { facts, tree: Tree { modules: IndexMap::new(), texts: Vec::new() }, above: HashSet::new() };
    walk.module(root, "", 0)?;
    Ok(walk.tree)
}

struct Walk<'a> {
    facts: &'a Facts<'a>,
    tree: Tree,
    /// Modules on the way from the root: meeting one of them again is a cycle.
    above: HashSet<Ref>,
}

impl Walk<'_> {
    fn module(&mut self, at: Ref, path: &str, depth: usize) -> Result<()> {
        let facts = self.facts;
        let whole = if path.is_empty() { "the module" } else { path };
        if depth > MOST_DEPTH {
            return Err(too_deep(whole));
        }
        let Some(instance) = facts.heap.instance(at) else {
            // `None` is how a module that is not there is registered.
            return match facts.heap.get(at) {
                Object::None => Ok(()),
                _ => Err(ReadError::malformed(whole, facts.heap.kind(at), "a module")),
            };
        };
        facts.budget.take(2 * path.len(), whole)?;
        facts.budget.take_elements::<(usize, String, Module)>(1, whole)?;
        let function = facts.heap.name(instance.class);
        let (mut class, state) = match (function, facts.heap.tuple(instance.arguments)) {
            ("torch.fx.graph_module.reduce_graph_module", Some(&[body, ..])) => {
                ("torch.fx.graph_module.GraphModule".to_owned(), Some(body))
            }
            _ if is_graph_module(function) => {
                return Err(ReadError::unsupported(
                    whole,
                    shortened(function),
                    "a GraphModule saved by torch.save",
                )
                .hint("load it in PyTorch and save it again with torch.save"));
            }
            _ => (shortened(facts.heap.class_of(instance)), instance.state),
        };
        let mut attributes = IndexMap::new();
        let mut children = Vec::new();
        match state.map(|state| (state, facts.heap.get(state))) {
            None => {}
            Some((_, Object::Tuple(fields))) => state_tuple(facts, path, &class, fields, &mut attributes)?,
            Some((state, _)) => {
                let Some(pairs) = facts.pairs(whole, state)? else {
                    return Err(ReadError::malformed(whole, facts.heap.kind(state), "a module's state"));
                };
                // Parameters and buffers before plain attributes, whatever the order of the dict.
                for group in ["_parameters", "_buffers"] {
                    let group = facts.entry(whole, state, group)?;
                    self.attributes(path, group, &mut attributes)?;
                }
                for (key, value) in pairs {
                    let Some(name) = facts.heap.text(key) else { continue };
                    facts.budget.take(name.len(), whole)?;
                    if &**name == "_graphmodule_cls_name" {
                        if let Some(name) = facts.heap.text(value) {
                            class = shortened(name);
                        }
                    } else if &**name == "_code" && is_graph_module(function) {
                        self.text(path, value)?;
                    } else if !BOOKKEEPING.contains(&&**name) && !is_hooks(name) {
                        self.attribute(path, name, value, &mut attributes)?;
                    }
                }
                if let Some(group) = facts.entry(whole, state, "_modules")? {
                    children = facts.pairs(whole, group)?.unwrap_or_default();
                }
            }
        }
        self.tree.modules.insert(path.to_owned(), Module { class: Some(class), attributes });
        self.above.insert(at);
        for (key, child) in children {
            let Some(name) = facts.heap.text(key) else {
                return Err(ReadError::malformed(whole, facts.heap.kind(key), "names of modules"));
            };
            if !self.above.contains(&child) {
                facts.budget.take(path.len() + name.len() + 1, whole)?;
                self.module(child, &dotted(path, name), depth + 1)?;
            }
        }
        self.above.remove(&at);
        Ok(())
    }

    fn attributes(&self, path: &str, group: Option<Ref>, out: &mut IndexMap<String, Value>) -> Result<()> {
        let Some(group) = group else { return Ok(()) };
        for (key, value) in self.facts.pairs(path, group)?.unwrap_or_default() {
            if let Some(name) = self.facts.heap.text(key) {
                self.attribute(path, name, value, out)?;
            }
        }
        Ok(())
    }

    fn attribute(&self, path: &str, name: &str, at: Ref, out: &mut IndexMap<String, Value>) -> Result<()> {
        attribute(self.facts, path, name, at, out)
    }

    fn text(&mut self, path: &str, at: Ref) -> Result<()> {
        let entry = dotted(path, "_code");
        let Some(text) = self.facts.heap.text(at) else {
            return Err(ReadError::malformed(entry, self.facts.heap.kind(at), "Python text"));
        };
        self.facts.budget.take(entry.len() + text.len(), path)?;
        self.tree.texts.push(Text { entry, text: (&**text).into() });
        Ok(())
    }
}

/// Adds one attribute.
///
/// # Errors
/// Its value cannot be read.
pub(crate) fn attribute(
    facts: &Facts<'_>,
    path: &str,
    name: &str,
    at: Ref,
    out: &mut IndexMap<String, Value>,
) -> Result<()> {
    let place = place(path, name);
    facts.budget.take(2 * name.len(), &place)?;
    facts.budget.take_elements::<(usize, String, Value)>(1, &place)?;
    out.insert(name.to_owned(), facts.value(&place, at)?);
    Ok(())
}

/// Names the fields of the tuple that `__getstate__` of a quantized module returned.
///
/// # Errors
/// A field cannot be read.
pub(crate) fn state_tuple(
    facts: &Facts<'_>,
    path: &str,
    class: &str,
    fields: &[Ref],
    out: &mut IndexMap<String, Value>,
) -> Result<()> {
    let name = class.rsplit('.').next().unwrap_or(class);
    if name.contains("Conv") && fields.len() == CONVOLUTION_FIELDS.len() {
        for (name, &field) in CONVOLUTION_FIELDS.into_iter().zip(fields) {
            attribute(facts, path, name, field, out)?;
        }
        return Ok(());
    }
    if let ("LinearPackedParams", &[weight, bias, training, dtype]) = (name, fields) {
        let place = place(path, "_packed_params");
        let packed = super::packed::linear(facts, &place, weight, bias)?;
        out.insert("_packed_params".into(), Value::Packed(Box::new(packed)));
        attribute(facts, path, "training", training, out)?;
        return attribute(facts, path, "dtype", dtype, out);
    }
    let place = place(path, "__getstate__");
    let fields = facts.values(&place, fields)?;
    out.insert("__getstate__".into(), Value::Tuple(fields));
    Ok(())
}

/// `_forward_hooks`, `_load_state_dict_pre_hooks`, `_forward_hooks_with_kwargs` and their like.
fn is_hooks(name: &str) -> bool {
    name.starts_with('_') && name.contains("_hooks")
}
