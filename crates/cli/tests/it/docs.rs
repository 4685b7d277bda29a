//! What docs/ shows is what the command does: every example is run as it stands there.

use std::path::Path;
use std::process::Command;

use crate::support::{root, run_in};

/// A block of a document: the word behind its fence, and its lines.
struct Block<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let lines = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block { language, lines });
        }
    }
    blocks
}

/// What a command line prints, both streams; `gen_params` is ours, everything else the shell's.
fn output(folder: &Path, line: &str) -> String {
    let text = match line.strip_prefix("gen_params ") {
        Some(words) => {
            let done = run_in(folder, &words.split_whitespace().collect::<Vec<_>>());
            format!("{}{}", done.stderr, done.stdout)
        }
        None => {
            let done = Command::new("sh").args(["-c", line]).current_dir(folder).output().unwrap();
            String::from_utf8_lossy(&done.stdout).into_owned()
        }
    };
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Runs a document's examples in a folder of their own; with `GEN_PARAMS_DOCS=update` writes their output into it.
#[cfg(unix)]
fn check(name: &str) {
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(
        root().join("examples").canonicalize().unwrap(),
        place.path().join("examples"),
    )
    .unwrap();
    let path = root().join("docs").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut updated = text.clone();
    let mut commands = 0;
    for block in blocks(&text) {
        match block.language {
            "toml" => {
                let file = block.lines[0].strip_prefix("# ").unwrap();
                std::fs::write(place.path().join(file), block.lines.join("\n")).unwrap();
            }
            "console" => {
                let mut ran = String::new();
                for line in block.lines.iter().filter_map(|line| line.strip_prefix("$ ")) {
                    ran += &format!("$ {line}\n{}", output(place.path(), line));
                    commands += 1;
                }
                let shown = block.lines.join("\n") + "\n";
                updated =
                    updated.replace(&format!("```console\n{shown}```"), &format!("```console\n{ran}```"));
            }
            other => unreachable!("{name}: a block of {other:?}"),
        }
    }
    assert!(commands > 0, "{name} has no example");
    if std::env::var_os("GEN_PARAMS_DOCS").is_some_and(|value| value == "update") {
        std::fs::write(path, updated).unwrap();
    } else {
        assert_eq!(text, updated, "{name}: run the tests with GEN_PARAMS_DOCS=update");
    }
}

#[cfg(unix)]
#[test]
fn targets_are_as_documented() {
    check("targets.md");
}

#[cfg(unix)]
#[test]
fn layouts_are_as_documented() {
    check("layouts.md");
}
