//! Paths of modules.

/// The path of `name` under `path`.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}
