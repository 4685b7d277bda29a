//! Values that share memory: a graph says what flows where, so nothing in it may change behind its back.

use std::collections::HashMap;

use crate::error::{ReadError, Result};
use crate::source::{Argument, Callee, Graph, Node, Place, Value, ValueId};

/// Operators whose result may be a window on their first argument.
const VIEWS: [&str; 31] = [
    "alias",
    "as_strided",
    "chunk",
    "contiguous",
    "detach",
    "diagonal",
    "dropout",
    "expand",
    "expand_as",
    "feature_dropout",
    "flatten",
    "getitem",
    "identity",
    "index_select",
    "movedim",
    "narrow",
    "permute",
    "reshape",
    "select",
    "slice",
    "split",
    "split_with_sizes",
    "squeeze",
    "t",
    "to",
    "transpose",
    "type_as",
    "unbind",
    "unflatten",
    "unsqueeze",
    "view",
];

/// What follows `operator.i` in the names of augmented assignments.
const AUGMENTED: [&str; 13] = [
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift",
    "rshift",
];

/// True if a call by this name changes its first argument: `relu_`, `operator.iadd`.
pub(super) fn changes_by_name(callee: &Callee) -> bool {
    let marked = |name: &str| name.ends_with('_') && !name.ends_with("__");
    match callee {
        Callee::Function(path) => match path.strip_prefix("operator.") {
            Some(name) => name.strip_prefix('i').is_some_and(|name| AUGMENTED.contains(&name)),
            None => marked(path),
        },
        Callee::Method(name) => marked(name),
        Callee::Module(_) => false,
    }
}

/// The keyword that asks a function to change its argument.
pub(super) const IN_PLACE: &str = "inplace";

/// True if the call changes its first argument.
pub(super) fn changes_argument(node: &Node) -> bool {
    changes_by_name(&node.callee)
        || node.keywords.iter().any(|(keyword, argument)| {
            keyword == IN_PLACE && !matches!(argument, Argument::Constant(Value::Bool(false), _))
        })
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// True if the result may be a window on the first argument.
fn is_view(node: &Node) -> bool {
    match &node.callee {
        Callee::Function(path) | Callee::Method(path) => VIEWS.contains(&last(path)),
        Callee::Module(_) => false,
    }
}

/// Refuses a graph in which a value is used after it, or another window on its memory, was changed in place.
///
/// # Errors
/// Names the use and the change.
pub(super) fn check(graph: &Graph) -> Result<()> {
    if !graph.nodes.iter().any(changes_argument) {
        return Ok(());
    }
    // For every value, the value whose memory it shares.
    let mut owners: HashMap<ValueId, ValueId> = HashMap::new();
    // For every owner, the last change: its result and the node.
    let mut changes: HashMap<ValueId, (ValueId, &Node)> = HashMap::new();
    for node in &graph.nodes {
        for argument in node.all_arguments() {
            check_use(argument, &owners, &changes, Some(&node.place))?;
        }
        let in_place = changes_argument(node);
        if in_place && !matches!(node.arguments.first(), Some(Argument::Value(_))) {
            let found = "a change in place of something that is no value of `forward`";
            return Err(ReadError::unsupported(
                node.place.to_string(),
                found,
                "a `forward` that changes no module",
            ));
        }
        if let (Some(Argument::Value(subject)), Some(&output)) =
            (node.arguments.first(), node.outputs.first())
            && (in_place || is_view(node))
        {
            let owner = owners.get(subject).copied().unwrap_or(*subject);
            owners.insert(output, owner);
            if in_place {
                changes.insert(owner, (output, node));
            }
        }
    }
    graph.outputs.iter().try_for_each(|output| check_use(output, &owners, &changes, None))
}

fn check_use(
    argument: &Argument,
    owners: &HashMap<ValueId, ValueId>,
    changes: &HashMap<ValueId, (ValueId, &Node)>,
    place: Option<&Place>,
) -> Result<()> {
    let mut stale = None;
    argument.for_each_value(&mut |id| {
        let owner = owners.get(&id).copied().unwrap_or(id);
        // Values are numbered in the order in which they are made: an older one has changed since.
        if let Some((output, node)) = changes.get(&owner)
            && id < *output
        {
            stale = Some(*node);
        }
    });
    let Some(node) = stale else { return Ok(()) };
    let (place, found) = match place {
        Some(place) => (place, format!("a value that was changed in place at {}", node.place)),
        None => (&node.place, "a change in place of what `forward` returns as it was".to_owned()),
    };
    Err(ReadError::unsupported(place.to_string(), found, "a value that is not used after it was changed")
        .hint(
            "write the result of the in-place call to a variable and use that, or leave out `inplace=True`",
        ))
}
