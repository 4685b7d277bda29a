//! State dicts: dotted keys to modules and their attributes.

use indexmap::IndexMap;

use super::facts::Facts;
use super::facts::place;
use super::heap::{Object, Ref, shortened};
use super::packed;
use crate::error::{ReadError, Result};
use crate::source::{Module, PackedParams, Value};

/// What wrappers put before every key: `DataParallel`, and `torch.compile`.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// Reads the state_dict at `at`: its modules, and the prefixes that were taken off.
///
/// # Errors
/// A key is no text, or a tensor cannot be read.
pub(crate) fn read(facts: &Facts<'_>, at: Ref) -> Result<(IndexMap<String, Module>, Vec<String>)> {
    let whole = "the state_dict";
    let mut keys: IndexMap<&str, Ref> = IndexMap::new();
    for (key, value) in facts.pairs(whole, at)?.unwrap_or_default() {
        let Some(key) = facts.heap.text(key) else {
            return Err(ReadError::unsupported(
                whole,
                format!("{} as a key", facts.heap.kind(key)),
                "dotted names",
            ));
        };
        facts.budget.take(key.len(), whole)?;
        facts.budget.take_elements::<(usize, &str, Ref)>(1, whole)?;
        keys.insert(key, value);
    }
    let (prefix, wrapping) = common_prefix(&keys);
    let mut modules: IndexMap<String, Module> = IndexMap::new();
    for (key, &value) in &keys {
        let key = key.get(prefix..).unwrap_or(key);
        let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
        facts.budget.take(2 * key.len(), whole)?;
        facts.budget.take_elements::<(usize, String, Value)>(1, whole)?;
        let value = attribute(facts, &place(path, name), name, value)?;
        if !modules.contains_key(path) {
            facts.budget.take_elements::<(usize, String, Module)>(1, whole)?;
            modules.insert(path.to_owned(), Module::default());
        }
        if let Some(module) = modules.get_mut(path) {
            module.attributes.insert(name.to_owned(), value);
        }
    }
    for (path, module) in &mut modules {
        if path.rsplit('.').next() == Some("_packed_params") {
            join_packed(&mut module.attributes);
        }
    }
    let modules = with_empty_modules(facts, at, prefix, modules)?;
    Ok((modules, wrapping))
}

/// Length of the prefixes that all keys share, and their names.
fn common_prefix(keys: &IndexMap<&str, Ref>) -> (usize, Vec<String>) {
    let mut length = 0;
    let mut wrapping = Vec::new();
    let shared = |length: usize| {
        PREFIXES.into_iter().find(|prefix| {
            !keys.is_empty()
                && keys.keys().all(|key| key.get(length..).is_some_and(|rest| rest.starts_with(prefix)))
        })
    };
    while let Some(prefix) = shared(length) {
        length += prefix.len();
        wrapping.push(format!("prefix '{prefix}'"));
    }
    (length, wrapping)
}

/// The value of a key. Linear layers keep `(weight, bias)` under `_packed_params`.
fn attribute(facts: &Facts<'_>, place: &str, name: &str, at: Ref) -> Result<Value> {
    match facts.heap.get(at) {
        Object::Tuple(elements) if name == "_packed_params" => match **elements {
            [weight, bias] => packed::linear(facts, place, weight, bias).map(Box::new).map(Value::Packed),
            _ => Err(ReadError::malformed(place, facts.heap.kind(at), "(weight, bias)")),
        },
        _ => facts.value(place, at),
    }
}

/// Before PyTorch 1.5 the weight and bias of a linear layer were two keys.
fn join_packed(attributes: &mut IndexMap<String, Value>) {
    if attributes.contains_key("_packed_params") {
        return;
    }
    let Some((at, _, Value::Tensor(weight))) = attributes.get_full("weight") else { return };
    let bias = match attributes.get("bias") {
        Some(Value::Tensor(bias)) => Some(bias.clone()),
        Some(Value::None) | None => None,
        Some(_) => return,
    };
    let packed = PackedParams { weight: weight.clone(), bias, geometry: None };
    attributes.shift_remove("weight");
    attributes.shift_remove("bias");
    attributes.shift_insert(
        at.min(attributes.len()),
        "_packed_params".into(),
        Value::Packed(Box::new(packed)),
    );
}

/// Adds the modules that have no keys, where the `_metadata` of the state_dict names them in the order of the keys.
fn with_empty_modules(
    facts: &Facts<'_>,
    at: Ref,
    prefix: usize,
    mut modules: IndexMap<String, Module>,
) -> Result<IndexMap<String, Module>> {
    let place = "the state_dict's _metadata";
    let metadata = facts
        .heap
        .instance(at)
        .and_then(|instance| instance.state)
        .and_then(|state| facts.heap.entry(state, "_metadata"));
    let Some(metadata) = metadata else { return Ok(modules) };
    let mut named: Vec<&str> = Vec::new();
    for (key, _) in facts.pairs(place, metadata)?.unwrap_or_default() {
        let Some(key) = facts.heap.text(key) else {
            return Err(ReadError::malformed(place, facts.heap.kind(key), "names of modules"));
        };
        facts.budget.take(2 * key.len(), place)?;
        facts.budget.take_elements::<(usize, String, Module)>(1, place)?;
        // Names of modules end before the dot of the prefix; the wrapper itself falls away.
        if key.len() + 1 >= prefix {
            named.push(key.get(prefix..).unwrap_or(""));
        }
    }
    let mut order = named.iter();
    if !modules.keys().all(|path| order.any(|name| name == path)) {
        return Ok(modules);
    }
    let mut all = IndexMap::with_capacity(named.len());
    for name in named {
        let module = modules.shift_remove(name).unwrap_or_default();
        all.entry(name.to_owned()).or_insert(module);
    }
    match modules.keys().next() {
        // Unreachable by the check above; said rather than assumed.
        Some(path) => Err(ReadError::malformed(place, "an order of its own", shortened(path))),
        None => Ok(all),
    }
}
