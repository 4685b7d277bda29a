//! What was meant, where what was typed cannot be: a command misspelt, the model and CONSTANT the wrong way round, a file
//! without its option.

use std::error::Error as _;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;

use anyhow::{Error, anyhow};
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, Parser};

use super::Arguments;
use super::names::Unknown;

/// How many letters a word may be away from the one that was meant, of words of so many letters.
fn tolerance(letters: usize) -> usize {
    match letters {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    }
}

/// The one of `known` that is most like `word`, if it is like it at all.
fn alike<T: AsRef<str>>(word: &str, known: impl IntoIterator<Item = T>) -> Option<T> {
    let distance =
        |known: &T| strsim::damerau_levenshtein(&word.to_lowercase(), &known.as_ref().to_lowercase());
    let letters = word.chars().count();
    let near = known.into_iter().map(|known| (distance(&known), known));
    let nearest = near.min_by_key(|(distance, _)| *distance);
    nearest
        .filter(|(distance, _)| *distance < letters && *distance <= tolerance(letters))
        .map(|(_, known)| known)
}

/// The names of the commands.
fn commands() -> Vec<String> {
    Arguments::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

impl Arguments {
    /// What was typed, or an error that says what was meant.
    ///
    /// # Errors
    /// What was typed cannot be, and what was meant can be told. What cannot be told is left to the parser, which ends the
    /// program.
    pub(crate) fn read() -> Result<Self, Error> {
        Self::try_parse().map_err(|error| {
            let words: Vec<OsString> = std::env::args_os().skip(1).collect();
            meant(&words, &error).unwrap_or_else(|| error.exit())
        })
    }
}

/// What was meant by words that could not be parsed.
fn meant(words: &[OsString], error: &clap::Error) -> Option<Error> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return None;
    }
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let commands = commands();
    let is_command = |word: &str| commands.iter().any(|command| command == word);
    let first = *words.first()?;
    let rest = |words: &[&str]| words.iter().map(|word| format!(" {word}")).collect::<String>();
    if !is_command(first)
        && !Path::new(first).exists()
        && let Some(command) = alike(first, &commands)
    {
        return Some(anyhow!(
            "{first}: found no command and no file of this name\n  hint: gen_params {command}{}",
            rest(&words[1..])
        ));
    }
    if !is_command(first)
        && !first.starts_with('-')
        && let Some(place) = words.iter().position(|word| is_command(word))
    {
        let others: Vec<&str> =
            words.iter().enumerate().filter(|(i, _)| *i != place).map(|(_, w)| *w).collect();
        return Some(anyhow!(
            "{}: found a command behind {first}, expected it first\n  hint: gen_params {}{}",
            words[place],
            words[place],
            rest(&others)
        ));
    }
    if first == "emit"
        && error.kind() == ErrorKind::InvalidSubcommand
        && let Some(what) = error.get(ContextKind::InvalidSubcommand)
    {
        return Some(anyhow!(
            "emit: found {what}, expected c or sv, what to write\n  hint: gen_params emit c MODEL, or gen_params emit \
             sv MODEL"
        ));
    }
    if error.kind() == ErrorKind::ArgumentConflict
        && let Some(more) = error.get(ContextKind::InvalidSubcommand)
    {
        return Some(anyhow!("found {more} behind MODEL and CONSTANT, expected options or nothing"));
    }
    let text = |kind| error.get(kind).map(ToString::to_string);
    if let Some(unknown) = error.source().and_then(|source| source.downcast_ref::<Unknown>()) {
        let argument = text(ContextKind::InvalidArg)?;
        let option = argument.split(' ').next().unwrap_or_default();
        return Some(anyhow!("{option}: {unknown}"));
    }
    let value = match (error.kind(), text(ContextKind::InvalidArg)) {
        (ErrorKind::ValueValidation, Some(argument)) if argument.contains("CONSTANT") => {
            text(ContextKind::InvalidValue)?
        }
        // A number is no option, though it begins with a dash.
        (ErrorKind::UnknownArgument, Some(argument)) if argument.parse::<f64>().is_ok() => argument,
        _ => return None,
    };
    let command = if is_command(first) { format!("{first} ") } else { String::new() };
    Some(of_constant(&command, &words, &value))
}

/// What was meant by a CONSTANT that is none.
fn of_constant(command: &str, words: &[&str], value: &str) -> Error {
    let said = format!("CONSTANT: found {value}, expected n, 0 to 127, or auto");
    let before = words.iter().take_while(|word| **word != value).last();
    let hint: Option<Box<dyn Display>> = if let Some(n) =
        before.filter(|before| super::parse_constant(before).is_ok() && !Path::new(before).exists())
        && !is_number(value)
    {
        Some(Box::new(format!("the model comes first: gen_params {command}{value} {n}")))
    } else if let Some(n) = ["2^", "2**", "1<<"].iter().find_map(|power| value.strip_prefix(power))
        && is_number(n)
    {
        Some(Box::new(format!("n is the exponent alone: {n}")))
    } else if let Ok(power) = value.parse::<u128>()
        && power.is_power_of_two()
    {
        let n = power.ilog2();
        Some(Box::new(format!("n is the exponent: of 2^{n}, it is {n}")))
    } else if is_number(value) {
        None
    } else if Path::new(value).is_file() {
        let takes_input = ["run ", "compare ", "vectors ", "emit ", "certify "].contains(&command);
        Some(if takes_input {
            Box::new(format!("an input is given by its option: --input {value}"))
        } else {
            Box::new("one model at a time; CONSTANT may follow it")
        })
    } else if command.is_empty() {
        Some(Box::new(format!("the folder to write is given by its option: -o {value}")))
    } else {
        None
    };
    match hint {
        Some(hint) => anyhow!("{said}\n  hint: {hint}"),
        None => anyhow!("{said}"),
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

/// What was meant by a model that is not there.
pub(crate) fn hint_for_missing(model: &Path) -> Option<String> {
    let name = model.to_str()?;
    if is_number(name) {
        return Some(format!("the model comes first, then CONSTANT: gen_params MODEL {name}"));
    }
    if let Some(command) = alike(name, commands()) {
        return Some(format!("gen_params {command} MODEL, if the command was meant"));
    }
    let folder = match model.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Some(format!("there is no folder {}", folder.display()));
    };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let near = alike(model.file_name()?.to_str()?, &names)?;
    Some(format!("{} is there", model.with_file_name(near).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_alike_or_not() {
        let commands = commands();
        let rows = [
            ("inspct", Some("inspect")),
            ("Inspect", Some("inspect")),
            ("certfiy", Some("certify")),
            ("vector", Some("vectors")),
            ("model.pth", None),
            ("net", None),
            ("c", None),
            ("16", None),
        ];
        for (word, right) in rows {
            assert_eq!(alike(word, &commands).map(String::as_str), right, "{word}");
        }
    }

    #[test]
    fn what_was_meant_is_told() {
        let rows: &[(&[&str], &str)] = &[
            (&["inspct", "model.pth"], "hint: gen_params inspect model.pth"),
            (&["inspct", "model.pth", "--json"], "hint: gen_params inspect model.pth --json"),
            (&["model.pth", "inspect"], "hint: gen_params inspect model.pth"),
            (&["16", "model.pth"], "hint: the model comes first: gen_params model.pth 16"),
            (&["inspect", "16", "model.pth"], "hint: the model comes first: gen_params inspect model.pth 16"),
            (&["model.pth", "-1"], "CONSTANT: found -1, expected n, 0 to 127, or auto"),
            (&["-1", "model.pth"], "CONSTANT: found -1, expected n, 0 to 127, or auto"),
            (&["model.pth", "65536"], "hint: n is the exponent: of 2^16, it is 16"),
            (&["model.pth", "2^16"], "hint: n is the exponent alone: 16"),
            (&["inspect", "model.pth", "Cargo.toml"], "hint: one model at a time"),
            (&["model.pth", "weights"], "-o weights"),
            (&["model.pth", "1.5"], "CONSTANT: found 1.5, expected n, 0 to 127, or auto"),
            (&["run", "--input", "x", "model.pth", "Cargo.toml"], "--input Cargo.toml"),
            (&["model.pth", "16", "17"], "found 17 behind MODEL and CONSTANT"),
            (&["emit", "model.pth"], "expected c or sv"),
        ];
        for (words, right) in rows {
            let typed = std::iter::once("gen_params").chain(words.iter().copied());
            let error = Arguments::try_parse_from(typed).unwrap_err();
            let words: Vec<OsString> = words.iter().map(Into::into).collect();
            let said = meant(&words, &error).map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains(right), "{words:?}: {said:?} has no {right:?}");
        }
    }

    #[test]
    fn what_is_meant_by_no_one_is_left_to_the_parser() {
        for words in [&["run", "model.pth"][..], &["model.pth", "--fromat", "hex"], &["--help"]] {
            let typed = std::iter::once("gen_params").chain(words.iter().copied());
            let error = Arguments::try_parse_from(typed).unwrap_err();
            let words: Vec<OsString> = words.iter().map(Into::into).collect();
            assert!(meant(&words, &error).is_none(), "{words:?}");
        }
    }
}
