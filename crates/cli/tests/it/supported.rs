//! What documents say is supported is what the command prints.

use std::fs;

use crate::support::{root, run};

/// A command's lines as documents quote them.
fn quoted(command: &str) -> String {
    let printed = run(&[command]);
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    printed.stdout.lines().map(|line| format!("    {line}\n")).collect()
}

#[test]
fn documents_quote_what_is_supported() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (formats, operators) = (quoted("formats"), quoted("ops"));
    assert!(readme.contains(&formats), "README.md has other formats than\n{formats}");
    let document = fs::read_to_string(root().join("docs/operators.md")).unwrap();
    assert!(document.ends_with(&operators), "docs/operators.md ends otherwise than\n{operators}");
}
