//! The commands of README.md, as a reader would type them, and what it shows of their output.

use std::fs;
use std::path::Path;
use std::process::Command;

use gen_params_test_support::{needs, root, shared};

/// The test images, which are not part of the repository.
const IMAGES: [&str; 2] = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"];

/// A command of README.md, and the lines that are shown below it.
struct Example {
    command: String,
    shown: Vec<String>,
}

impl Example {
    /// Whether it reads the test images.
    fn needs_images(&self) -> bool {
        IMAGES.iter().any(|name| self.command.contains(name))
    }
}

/// The lines of indented blocks that begin with `$`, and what `## Try it` tells a reader to type first.
fn examples() -> Vec<Example> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut found: Vec<Example> = Vec::new();
    let mut lines = text.lines().peekable();
    let mut is_open = false;
    while let Some(line) = lines.next() {
        let Some(line) = line.strip_prefix("    ") else {
            // An empty line may stand within a table.
            is_open &= line.is_empty();
            continue;
        };
        let command = line.strip_prefix("$ ").or_else(|| line.starts_with("cargo run ").then_some(line));
        if let Some(command) = command {
            let mut command = command.to_owned();
            while command.ends_with('\\') {
                command.pop();
                command.push_str(lines.next().unwrap_or_default().trim_start());
            }
            found.push(Example { command, shown: Vec::new() });
            is_open = true;
        } else if is_open && let Some(example) = found.last_mut() {
            example.shown.push(line.trim_end().to_owned());
        }
    }
    // One is about a model of the reader's own; two simulate for minutes what other tests simulate with fewer images.
    found.retain(|example| !example.command.contains("model.pth") && !example.command.starts_with("make "));
    found
}

/// Runs examples one after the other in a folder that has the repository's examples, and the test images where they are given;
/// says which did not do what README.md shows.
#[cfg(unix)]
fn run(examples: &[Example], images: Option<&Path>) {
    use std::os::unix::fs::symlink;

    let place = tempfile::tempdir().unwrap();
    symlink(root().join("examples"), place.path().join("examples")).unwrap();
    for name in IMAGES {
        if let Some(folder) = images {
            symlink(folder.join(name), place.path().join(name)).unwrap();
        }
    }
    let program = Path::new(env!("CARGO_BIN_EXE_gen_params"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut wrong = Vec::new();
    for example in examples {
        let command = example.command.replace("cargo run --release -- ", "gen_params ");
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(place.path())
            .env("PATH", &path)
            .env("NO_COLOR", "1")
            .env_remove("COLUMNS")
            .output()
            .unwrap();
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        // 1 is a difference that was found; 2 is a failure.
        if !matches!(output.status.code(), Some(0 | 1)) {
            wrong.push(format!("$ {command}\n{said}"));
        }
        for shown in example.shown.iter().filter(|line| !line.is_empty() && *line != "...") {
            if !words(&said).contains(&words(shown)) {
                wrong.push(format!("$ {command}\nREADME.md shows: {shown}\nit says:\n{said}"));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), examples.len(), wrong.join("\n"));
}

/// A text without the width of its lines and columns: README.md's lines are as long as its page is wide.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(unix)]
#[test]
fn commands_do_what_is_shown() {
    let (on_images, examples): (Vec<Example>, Vec<Example>) =
        examples().into_iter().partition(Example::needs_images);
    assert!(examples.len() >= 8 && !on_images.is_empty(), "{} commands were found", examples.len());
    run(&examples, None);
}

#[cfg(unix)]
#[needs(shared)]
fn commands_on_the_test_images_do_what_is_shown() {
    let examples: Vec<Example> = examples().into_iter().filter(Example::needs_images).collect();
    run(&examples, Some(&shared().join("data/fashion-mnist")));
}
