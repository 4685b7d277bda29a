//! Names of operators: each that of the tensor it makes, short and unique.

use std::collections::HashSet;

use crate::source::ValueId;

/// Names that are taken.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// A name from a tensor's. The converter joins the names of all that it fused with `;`: the first is enough, unless it
    /// is taken, when the tensor's index is added.
    pub(super) fn unique(&mut self, name: &str, id: ValueId) -> String {
        let first = name.split(';').find(|part| !part.is_empty()).unwrap_or("tensor");
        let mut unique = if first == "tensor" { format!("tensor_{}", id.0) } else { first.to_owned() };
        while !self.0.insert(unique.clone()) {
            unique = format!("{unique}_{}", id.0);
        }
        unique
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_unique() {
        let mut names = Names::default();
        let rows = [
            ("net/conv/Relu;net/conv/BiasAdd", "net/conv/Relu"),
            ("net/conv/Relu;net/bn", "net/conv/Relu_1"),
            ("", "tensor_2"),
            (";x", "x"),
        ];
        for ((name, expected), id) in rows.into_iter().zip(0..) {
            assert_eq!(names.unique(name, ValueId(id)), expected);
        }
    }
}
