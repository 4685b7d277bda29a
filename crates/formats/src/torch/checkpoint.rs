//! Which object of a pickle is the network: the pickled object itself, or one inside of a checkpoint dict.

use std::collections::HashSet;

use super::facts::Facts;
use super::heap::{Object, Ref, shortened};
use super::module;
use super::tensors;
use crate::error::{ReadError, Result};

/// How many dicts deep a checkpoint keeps its network at most.
const MOST_DEPTH: usize = 8;

/// A network in a pickle.
#[derive(Debug)]
pub(crate) enum Network {
    /// A dict of tensors.
    StateDict(Ref),
    /// A whole module.
    Module(Ref),
}

struct Candidate {
    network: Network,
    keys: Vec<String>,
    quantized: bool,
}

/// Finds the network, and the keys that lead to it, outermost first.
///
/// # Errors
/// There is none, or more than one that could be meant.
pub(crate) fn find(facts: &Facts<'_>, root: Ref) -> Result<(Network, Vec<String>)> {
    let mut candidates = Vec::new();
    collect(facts, root, &mut Vec::new(), &mut HashSet::new(), &mut candidates)?;
    // Where some are quantized, only they can be meant.
    if candidates.iter().any(|candidate| candidate.quantized) {
        candidates.retain(|candidate| candidate.quantized);
    }
    if candidates.len() > 1 {
        let names: Vec<String> = candidates.iter().map(|candidate| describe(&candidate.keys)).collect();
        return Err(ReadError::unsupported(
            "the checkpoint",
            format!("{} networks: {}", names.len(), names.join(", ")),
            "one",
        )
        .hint("save the one you mean alone: torch.save(model.state_dict(), \"model.pth\")"));
    }
    match candidates.pop() {
        Some(Candidate { network, keys, .. }) => Ok((network, keys)),
        None => Err(ReadError::unsupported(
            "the pickle",
            format!("{} without the tensors of a network", facts.heap.kind(root)),
            "a state_dict or a module",
        )
        .hint("save it with torch.save(model.state_dict(), \"model.pth\")")),
    }
}

/// Names a place in a checkpoint as Python would.
pub(crate) fn describe(keys: &[String]) -> String {
    let indices: Vec<String> = keys.iter().map(|key| format!("[{key:?}]").replace('"', "'")).collect();
    format!("checkpoint{}", indices.concat())
}

fn collect(
    facts: &Facts<'_>,
    at: Ref,
    keys: &mut Vec<String>,
    seen: &mut HashSet<Ref>,
    candidates: &mut Vec<Candidate>,
) -> Result<()> {
    let place = if keys.is_empty() { "the pickle".to_owned() } else { describe(keys) };
    if module::is_module(facts, &place, at)? {
        if seen.insert(at) {
            candidates.push(Candidate { network: Network::Module(at), keys: keys.clone(), quantized: false });
        }
        return Ok(());
    }
    let Some(pairs) = facts.pairs(&place, at)? else { return Ok(()) };
    facts.budget.take(2 * size_of::<Candidate>(), &place)?;
    if keys.len() > MOST_DEPTH || !seen.insert(at) {
        return Ok(());
    }
    // Loose numbers such as a best accuracy are tensors too, but without dimensions.
    if pairs.iter().any(|&(_, value)| facts.holds_tensor(value) && !is_number(facts, value)) {
        let quantized = pairs.iter().any(|&(_, value)| facts.holds_quantized(value));
        candidates.push(Candidate { network: Network::StateDict(at), keys: keys.clone(), quantized });
    }
    for (key, value) in pairs {
        // The state of an optimizer has integer keys.
        let Some(key) = facts.heap.text(key) else { continue };
        if matches!(facts.heap.get(value), Object::Dict(_) | Object::Instance(_)) {
            keys.push(shortened(key));
            collect(facts, value, keys, seen, candidates)?;
            keys.pop();
        }
    }
    Ok(())
}

fn is_number(facts: &Facts<'_>, at: Ref) -> bool {
    let Some(instance) = facts.heap.instance(at) else { return false };
    let sizes = facts.heap.tuple(instance.arguments).and_then(|arguments| arguments.get(2));
    tensors::is_rebuild(facts.heap.name(instance.class))
        && sizes.and_then(|&sizes| facts.heap.sequence(sizes)).is_some_and(<[Ref]>::is_empty)
}

/// As the wrapping of a model names the keys that led to it.
pub(crate) fn wrapping(keys: &[String]) -> Vec<String> {
    if keys.is_empty() { Vec::new() } else { vec![describe(keys)] }
}
