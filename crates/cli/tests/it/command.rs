//! Runs the command as a user does.

use std::path::Path;

use crate::support::run;

pub(crate) use crate::support::root;

/// What a command did.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Everything, for snapshots; `folder` is written as FOLDER.
    pub(crate) fn text(&self, folder: &Path) -> String {
        let text = format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr);
        text.replace(&folder.display().to_string(), "FOLDER")
    }
}

/// Runs the command with words separated by spaces; FOLDER is replaced by `folder`.
pub(crate) fn gen_params(folder: &Path, words: &str) -> Outcome {
    let folder = folder.display().to_string();
    let words: Vec<String> = words.split_whitespace().map(|word| word.replace("FOLDER", &folder)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = run(&words);
    Outcome { code: done.code.unwrap_or(-1), stdout: done.stdout, stderr: done.stderr }
}
