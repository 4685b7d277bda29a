//! From a layer's name in the model to names that a file system, C and SystemVerilog accept.

mod reserved;

use std::collections::{HashMap, HashSet};

use crate::Error;

/// The name with every character outside `[A-Za-z0-9_]` as an underscore: `layer1.0.conv1` is `layer1_0_conv1`.
pub(crate) fn file_stem(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The name of the file with a function's table.
pub(crate) fn table_file(node: &str, extension: &str) -> String {
    format!("{}_table.{extension}", file_stem(node))
}

/// The upper-case prefix of a layer's identifiers: `layer1.0.conv1` is `LAYER1_0_CONV1`, `0` is `LAYER_0`.
pub(crate) fn identifier_prefix(name: &str) -> String {
    let stem = file_stem(name).to_ascii_uppercase();
    if stem.starts_with(|c: char| c.is_ascii_alphabetic()) { stem } else { format!("LAYER_{stem}") }
}

/// The identifiers of nodes in one generated text: each other than all others, in upper or lower case, and than what the
/// language and the text around them keep for themselves. The same nodes in the same order have the same identifiers.
#[derive(Debug)]
pub(crate) struct Identifiers {
    language: Language,
    taken: HashSet<String>,
}

/// The languages that have identifiers of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Names of arrays and structs, behind each of which a word follows that says what it is.
    C,
    /// Names of modules, instances and wires.
    SystemVerilog,
}

impl Identifiers {
    /// None yet.
    pub(crate) fn of(language: Language) -> Self {
        Self { language, taken: HashSet::new() }
    }

    /// The identifier that is `wanted`, or as near as possible: `cell` is `cell_node`, and a second one `cell_node_2`.
    pub(crate) fn claim(&mut self, wanted: &str) -> String {
        let is_reserved = |name: &str| match self.language {
            Language::C => reserved::in_c(name),
            Language::SystemVerilog => reserved::in_system_verilog(name),
        };
        // Nothing of ours ends with `_node`, nor with that and a number: such a name is free unless another node has it.
        let base = if is_reserved(wanted) { format!("{wanted}_node") } else { wanted.to_owned() };
        let mut found = base.clone();
        let mut number = 1_u64;
        while !self.taken.insert(found.to_ascii_lowercase()) {
            number += 1;
            found = format!("{base}_{number}");
            if is_reserved(&found) && !base.ends_with("_node") {
                found = format!("{base}_node_{number}");
            }
        }
        found
    }
}

/// The names in one name space (a folder, the identifiers of one include file), each with the layer that it belongs to.
#[derive(Debug, Default)]
pub(crate) struct NameSpace<'a> {
    owners: HashMap<String, &'a str>,
}

impl<'a> NameSpace<'a> {
    /// Claims `name` for `layer`; an error if another layer has it already, in upper or lower case.
    pub(crate) fn claim(&mut self, name: &str, layer: &'a str) -> Result<(), Error> {
        match self.owners.insert(name.to_ascii_lowercase(), layer) {
            None => Ok(()),
            Some(first) => Err(Error::SameName {
                name: name.to_owned(),
                first: first.to_owned(),
                second: layer.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_free_and_each_node_has_its_own() {
        let rows: &[(Language, &[(&str, &str)])] = &[
            (
                Language::SystemVerilog,
                &[
                    ("conv1", "conv1"),
                    ("cell", "cell_node"),
                    ("Cell", "Cell_node_2"),
                    ("cell_node", "cell_node_3"),
                    ("CONV1", "CONV1_2"),
                    ("start", "start_node"),
                    ("conv1_start", "conv1_start_node"),
                    ("input_data", "input_data_node"),
                    ("conv_read_address_0", "conv_read_address_0_node"),
                ],
            ),
            (Language::C, &[("run", "run_node"), ("conv1", "conv1"), ("conv1", "conv1_2"), ("int", "int")]),
        ];
        for (language, row) in rows {
            let mut identifiers = Identifiers::of(*language);
            let found: Vec<_> = row.iter().map(|(wanted, _)| identifiers.claim(wanted)).collect();
            let right: Vec<_> = row.iter().map(|(_, right)| *right).collect();
            assert_eq!(found, right, "{language:?}");
        }
    }

    #[test]
    fn names_become_stems_and_prefixes() {
        let rows = [
            ("conv1", "conv1", "CONV1"),
            ("layer1.0.conv1", "layer1_0_conv1", "LAYER1_0_CONV1"),
            ("0", "0", "LAYER_0"),
            ("_conv", "_conv", "LAYER__CONV"),
            ("/a/../b c\n", "_a____b_c_", "LAYER__A____B_C_"),
            ("größe", "gr__e", "GR__E"),
            ("", "", "LAYER_"),
        ];
        let failures: Vec<_> = rows
            .iter()
            .map(|(name, stem, prefix)| (*name, file_stem(name), *stem, identifier_prefix(name), *prefix))
            .filter(|(_, stem, expected_stem, prefix, expected)| stem != expected_stem || prefix != expected)
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
    }
}
