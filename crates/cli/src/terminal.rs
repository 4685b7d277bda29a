//! What is printed, on stdout and stderr: the one place that decides how errors, warnings and summaries look, and that
//! lets nothing out of a file command a terminal.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;

use anstyle::{AnsiColor, Style};
use gen_params::Progress;
use indicatif::{ProgressBar, ProgressStyle};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Prints an error and the chain of its causes; `hint:` lines stand out.
pub(crate) fn error(error: &anyhow::Error) {
    let text = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<gen_params::Error>() {
        Some(error) => error.text("--"),
        None => cause.to_string(),
    };
    labelled(ERROR, "error", &chain(error.chain().map(text)));
}

/// Prints a warning.
pub(crate) fn warning(text: &str) {
    labelled(WARNING, "warning", &chain([text.to_owned()]));
}

/// Prints a line of summary.
pub(crate) fn say(text: impl Display) {
    // Nobody can be told that stderr is closed.
    let _ = writeln!(anstream::stderr(), "{}", harmless(&text.to_string()));
}

/// Runs work that tells of its progress, and shows it; nothing is drawn unless stderr is a terminal.
pub(crate) fn with_progress<T>(work: impl FnOnce(Progress<'_>) -> T) -> T {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} images, {per_sec}, {eta} left");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let done = work(&|images, all| {
        bar.set_length(all as u64);
        bar.inc(images as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    done
}

/// Where data goes.
pub(crate) fn out() -> Out<io::Stdout> {
    Out { inner: io::stdout(), unfinished: Vec::new(), closed: false }
}

fn labelled(style: Style, label: &str, text: &str) {
    let mut stderr = anstream::stderr();
    let text = harmless(text);
    let mut lines = text.lines();
    let _ = writeln!(stderr, "{style}{label}:{style:#} {}", lines.next().unwrap_or_default());
    for line in lines {
        let _ = match line.trim_start().strip_prefix("hint: ") {
            Some(hint) => writeln!(stderr, "  {HINT}hint:{HINT:#} {hint}"),
            None => writeln!(stderr, "{line}"),
        };
    }
}

/// Data on its way to a terminal, a pipe or a file.
///
/// A name from a model is printed with its control characters escaped, whatever the form: `\u001b` means the same to a
/// reader of JSON, and to a person. When nobody reads on, as under `| head`, the command still runs to its end, and its
/// exit code still says what it found.
pub(crate) struct Out<W: Write> {
    inner: W,
    /// The first bytes of a character whose other bytes are still to come.
    unfinished: Vec<u8>,
    closed: bool,
}

impl<W: Write> Out<W> {
    fn unless_closed(&mut self, done: io::Result<()>) -> io::Result<()> {
        match done {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let joined: Cow<'_, [u8]> = match self.unfinished.as_slice() {
            [] => bytes.into(),
            _ => [std::mem::take(&mut self.unfinished).as_slice(), bytes].concat().into(),
        };
        let (text, unfinished) = match std::str::from_utf8(&joined) {
            Ok(text) => (Cow::from(text), &[][..]),
            Err(error) if error.error_len().is_none() => {
                let (whole, rest) = joined.split_at(error.valid_up_to());
                (String::from_utf8_lossy(whole), rest)
            }
            Err(_) => (String::from_utf8_lossy(&joined), &[][..]),
        };
        self.unfinished = unfinished.to_vec();
        let done = self.inner.write_all(harmless(&text).as_bytes());
        self.unless_closed(done)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.inner.flush();
        self.unless_closed(done)
    }
}

/// The text with every character escaped that moves a terminal's cursor, changes its state, or turns the direction of
/// what follows. Lines and tabs stay.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) {
            // All of these are below U+10000: four digits are what JSON and TOML read back, too.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

/// Control characters but for line feed and tab, and those of Unicode that are not seen but change what is: marks,
/// embeddings, overrides and isolates of direction, separators of lines, and characters of no width.
fn acts(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' => true,
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        other => other.is_control(),
    }
}

/// An error and its causes as one text: places one after the other, each once, then what was found, then the hints.
///
/// A cause that its parent has said already is dropped, wholly or as far as it repeats the parent's last places.
fn chain(messages: impl IntoIterator<Item = String>) -> String {
    let mut text = String::new();
    let mut hints: Vec<String> = Vec::new();
    for message in messages {
        let (said, hint) = match message.split_once("\n  hint: ").or_else(|| message.split_once("\nhint: ")) {
            Some((said, hint)) => (said, Some(hint)),
            None => (message.as_str(), None),
        };
        if text.is_empty() {
            said.clone_into(&mut text);
        } else if !ends_with(&text, said) {
            text = format!("{text}: {said}");
        }
        if let Some(hint) = hint
            && !hints.iter().any(|known| known == hint)
        {
            hints.push(hint.to_owned());
        }
    }
    let mut text = text.lines().map(once_each).collect::<Vec<_>>().join("\n");
    for hint in hints {
        let _ = write!(text, "\n  hint: {hint}");
    }
    text
}

/// Whether `said` stands last in `text`, and is not merely the end of a word of it.
fn ends_with(text: &str, said: &str) -> bool {
    text.strip_suffix(said).is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// A line whose places, between `: `, are said once where they were said twice in a row: `m.onnx: fc: fc: found` is
/// `m.onnx: fc: found`.
fn once_each(line: &str) -> String {
    let (indent, line) = line.split_at(line.len() - line.trim_start().len());
    let mut parts: Vec<&str> = Vec::new();
    for part in line.split(": ") {
        parts.push(part);
        let repeated = (1..=parts.len() / 2).find(|&length| {
            let (before, last) = parts.split_at(parts.len() - length);
            before.ends_with(last)
        });
        if let Some(length) = repeated {
            parts.truncate(parts.len() - length);
        }
    }
    format!("{indent}{}", parts.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let rows: &[(&[&str], &str)] = &[
            (&["m.pt", "fc", "found 1"], "m.pt: fc: found 1"),
            (&["m.pt", "fc: found 1"], "m.pt: fc: found 1"),
            (&["m.pt: fc", "fc: found 1"], "m.pt: fc: found 1"),
            (&["m.pt", "fc: fc: found 1"], "m.pt: fc: found 1"),
            (&["m.pt", "m.pt: fc: found 1"], "m.pt: fc: found 1"),
            (&["m.pt: fc", "m.pt: fc: found 1"], "m.pt: fc: found 1"),
            (&["cannot write x: No space left", "No space left"], "cannot write x: No space left"),
            (&["m.pt", "a: found 1\n  b: b: found 2"], "m.pt: a: found 1\n  b: found 2"),
            (&["m.pt", "found 1\n  hint: do: do: it"], "m.pt: found 1\n  hint: do: do: it"),
            (&["folder\nhint: do", "found 1\n  hint: do"], "folder: found 1\n  hint: do"),
            (&["x\n  hint: one", "y\n  hint: two\nthree"], "x: y\n  hint: one\n  hint: two\nthree"),
            (&["no such file"], "no such file"),
            (&["m.pt: conv_fc", "fc"], "m.pt: conv_fc: fc"),
        ];
        let wrong: Vec<_> = rows
            .iter()
            .map(|(messages, right)| (chain(messages.iter().map(ToString::to_string)), *right))
            .filter(|(text, right)| text != right)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Every chain of up to four messages made of few places: no place is ever repeated next to itself, and every
    /// message's last part is still there.
    #[test]
    fn places_are_joined_once_whatever_the_chain() {
        let words = ["m.pt", "fc", "found 1"];
        let messages: Vec<String> = words
            .iter()
            .flat_map(|a| words.iter().map(move |b| format!("{a}: {b}")))
            .chain(words.iter().map(ToString::to_string))
            .collect();
        let mut chains: Vec<Vec<String>> = vec![Vec::new()];
        for _ in 0..4 {
            let longer = |whole: &Vec<String>| {
                let whole = whole.clone();
                messages.iter().map(move |message| [whole.as_slice(), std::slice::from_ref(message)].concat())
            };
            let next: Vec<_> = chains.iter().flat_map(longer).collect();
            for whole in &next {
                let text = chain(whole.iter().cloned());
                let parts: Vec<_> = text.split(": ").collect();
                for length in 1..=parts.len() / 2 {
                    assert!(
                        parts.windows(2 * length).all(|pair| pair[..length] != pair[length..]),
                        "{whole:?} is printed as {text:?}"
                    );
                }
                for part in whole.iter().flat_map(|message| message.split(": ")) {
                    assert!(parts.contains(&part), "{whole:?} lost {part:?}: {text:?}");
                }
            }
            chains = next;
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let hostile = "a\u{1b}[31m\u{9b}2J\u{7}\r\u{202e}b\u{2066}\u{feff}\u{7f}";
        assert_eq!(harmless(hostile), "a\\u001b[31m\\u009b2J\\u0007\\u000d\\u202eb\\u2066\\ufeff\\u007f");
        assert!(matches!(harmless("größe: ─ \t\n×"), Cow::Borrowed(_)));
        // What is escaped is what JSON reads back.
        let back: String = serde_json::from_str(&format!("\"{}\"", harmless(hostile))).unwrap();
        assert_eq!(back, hostile);
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let text = "ä─\u{202e}×\u{1b}";
        let whole = harmless(text);
        for size in 1..text.len() {
            let mut out = Out { inner: Vec::new(), unfinished: Vec::new(), closed: false };
            for piece in text.as_bytes().chunks(size) {
                out.write_all(piece).unwrap();
            }
            assert_eq!(String::from_utf8(out.inner).unwrap(), whole, "in pieces of {size}");
        }
    }

    /// A pipe whose other end is closed.
    struct Closed(ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let out = |kind| Out { inner: Closed(kind), unfinished: Vec::new(), closed: false };
        let mut closed = out(ErrorKind::BrokenPipe);
        assert!(closed.write_all(b"a").is_ok() && closed.write_all(b"b").is_ok() && closed.flush().is_ok());
        assert!(out(ErrorKind::StorageFull).write_all(b"a").is_err());
    }
}
