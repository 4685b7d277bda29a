//! What the containers of a pickled module say of the order of execution: `nn.Sequential` runs its children one after the
//! other; what other modules do is in `forward`, which is not in the file.

use gen_params_formats::{Form, SourceModel};

use super::{Part, Parts};
use gen_params_core::ops::Op;

/// Forgets that no ReLU follows a layer, where `forward` may call one: `F.relu`, or a module registered elsewhere.
pub(super) fn forget_unknown_relus(source: &SourceModel, parts: &mut Parts) {
    if source.form != Form::Module {
        return;
    }
    for (path, part) in parts.iter_mut() {
        if let Part::Op { op: Op::Layer(layer), .. } = part
            && layer.relu == Some(false)
            && !is_followed_by_known(source, path)
        {
            layer.relu = None;
        }
    }
}

/// Whether a module is a child of an `nn.Sequential`, which says when it runs.
pub(crate) fn is_sequential_child(source: &SourceModel, path: &str) -> bool {
    !path.is_empty() && is_sequential(source, parent(path))
}

/// Whether the file says what runs after a module.
fn is_followed_by_known(source: &SourceModel, path: &str) -> bool {
    if path.is_empty() {
        return true;
    }
    let container = parent(path);
    if !is_sequential(source, container) {
        return false;
    }
    let mut behind = children(source, container).skip_while(|child| *child != path).skip(1);
    match behind.find(|child| !is_nothing(source, child)) {
        Some(next) => begins_with_known(source, next),
        None => is_followed_by_known(source, container),
    }
}

/// Whether the file says what a module does first.
fn begins_with_known(source: &SourceModel, path: &str) -> bool {
    if is_sequential(source, path) {
        return match children(source, path).find(|child| !is_nothing(source, child)) {
            Some(first) => begins_with_known(source, first),
            // Nothing in it: what follows is not looked for.
            None => false,
        };
    }
    let class = source.modules.get(path).and_then(|module| module.class.as_deref());
    class.is_some_and(|class| class.starts_with("torch."))
}

fn is_nothing(source: &SourceModel, path: &str) -> bool {
    let class = source.modules.get(path).and_then(|module| module.class_name()).unwrap_or_default();
    class == "Identity" || class.starts_with("Dropout")
}

fn is_sequential(source: &SourceModel, path: &str) -> bool {
    source.modules.get(path).and_then(|module| module.class_name()) == Some("Sequential")
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn children<'a>(source: &'a SourceModel, path: &'a str) -> impl Iterator<Item = &'a str> {
    let keys = source.modules.keys().map(String::as_str);
    keys.filter(move |key| !key.is_empty() && parent(key) == path)
}
