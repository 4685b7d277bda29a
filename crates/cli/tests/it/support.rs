//! Runs the command as a user would.

use std::path::Path;
use std::process::Command;

pub(crate) use gen_params_test_support::root;

/// Exit code, stdout and stderr of one run.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// For snapshots: all that a user sees.
    pub(crate) fn screen(&self) -> String {
        let line = |text: &str| text.lines().map(|l| format!("{}\n", l.trim_end())).collect::<String>();
        format!(
            "exit: {}\n--- stdout\n{}--- stderr\n{}",
            self.code.map_or_else(|| "by a signal".into(), |c| c.to_string()),
            line(&self.stdout),
            line(&self.stderr)
        )
    }
}

/// Runs `gen_params` in a folder, without colours.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_gen_params"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `gen_params` in the repository's folder.
pub(crate) fn run(arguments: &[&str]) -> Run {
    run_in(&root(), arguments)
}
