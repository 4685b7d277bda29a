//! From a layer's name in the model to names that a file system, C and SystemVerilog accept.

use std::collections::HashMap;

use crate::Error;

/// The name with every character outside `[A-Za-z0-9_]` as an underscore: `layer1.0.conv1` is `layer1_0_conv1`.
pub(crate) fn file_stem(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The upper-case prefix of a layer's identifiers: `layer1.0.conv1` is `LAYER1_0_CONV1`, `0` is `LAYER_0`.
pub(crate) fn identifier_prefix(name: &str) -> String {
    let stem = file_stem(name).to_ascii_uppercase();
    if stem.starts_with(|c: char| c.is_ascii_alphabetic()) { stem } else { format!("LAYER_{stem}") }
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
