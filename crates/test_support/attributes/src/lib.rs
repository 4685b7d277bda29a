//! The attribute of tests that need what may not be there.
//!
//! Whether it is there is known before a test is built, because the test harness cannot leave out a test while it runs.

use proc_macro::{TokenStream, TokenTree};

/// What the build script did not find, separated by spaces.
const ABSENT: &str = env!("GEN_PARAMS_TESTS_ABSENT");

/// All that can be named: as the build script has them.
const KNOWN: [&str; 8] = ["shared", "gcc", "ghdl", "iverilog", "make", "python3", "verilator", "yosys"];

/// Makes a function a test, which is ignored, with the reason, where something that it names was not there when it was built:
/// `#[needs(shared, iverilog)]`.
#[proc_macro_attribute]
pub fn needs(names: TokenStream, function: TokenStream) -> TokenStream {
    let mut absent = Vec::new();
    for token in names {
        let name = match token {
            TokenTree::Ident(name) => name.to_string(),
            _ => continue,
        };
        if !KNOWN.contains(&name.as_str()) {
            return tokens(&format!("compile_error!(\"{name} is none of {}\");", KNOWN.join(", ")));
        }
        if ABSENT.split(' ').any(|missing| missing == name) {
            absent.push(match name.as_str() {
                "shared" => "the shared material (GEN_PARAMS_SHARED)".to_owned(),
                _ => name,
            });
        }
    }
    let mut attributes = tokens("#[::core::prelude::v1::test]");
    // What is left out anyway keeps its own reason.
    if !absent.is_empty() && !is_ignored(&function) {
        attributes.extend(tokens(&format!("#[ignore = \"needs {}\"]", absent.join(", "))));
    }
    attributes.extend(function);
    attributes
}

/// Whether a function has an `#[ignore]` of its own.
fn is_ignored(function: &TokenStream) -> bool {
    function.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => {
            let first = group.stream().into_iter().next();
            matches!(first, Some(TokenTree::Ident(name)) if name.to_string() == "ignore")
        }
        _ => false,
    })
}

/// Rust, which always parses here.
fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap_or_default()
}
