//! Talk on stderr: one place decides how errors, warnings and summaries look.

use std::fmt::Display;
use std::io::Write;

use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Prints an error and the chain of its causes; `hint:` lines stand out.
pub(crate) fn error(error: &anyhow::Error) {
    let mut chain = error.chain().map(ToString::to_string);
    let head = chain.next().unwrap_or_default();
    let text = chain.fold(head, |text, cause| format!("{text}: {cause}"));
    labelled(ERROR, "error", &text);
}

/// Prints a warning.
pub(crate) fn warning(text: &str) {
    labelled(WARNING, "warning", text);
}

/// Prints a line of summary.
pub(crate) fn say(text: impl Display) {
    // Nobody can be told that stderr is closed.
    let _ = writeln!(anstream::stderr(), "{text}");
}

fn labelled(style: Style, label: &str, text: &str) {
    let mut stderr = anstream::stderr();
    let mut lines = text.lines();
    let _ = writeln!(stderr, "{style}{label}:{style:#} {}", lines.next().unwrap_or_default());
    for line in lines {
        let _ = match line.trim_start().strip_prefix("hint: ") {
            Some(hint) => writeln!(stderr, "  {HINT}hint:{HINT:#} {hint}"),
            None => writeln!(stderr, "{line}"),
        };
    }
}
