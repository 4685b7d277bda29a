//! Runs the command as a user does.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository, in which the commands run.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

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
    let output = Command::new(env!("CARGO_BIN_EXE_gen_params"))
        .args(words.split_whitespace().map(|word| word.replace("FOLDER", &folder)))
        .current_dir(root())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
