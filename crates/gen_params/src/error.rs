//! Why a verb could not be done: one error with its place, its cause and what to do about it.

use std::fmt;
use std::io;

use gen_params_core::certify::Refusal;
use gen_params_core::error::{LowerError, Reason};
use gen_params_core::hardware::TargetError;
use gen_params_core::machine::RunError;
use gen_params_core::tensor::WrongLength;
use gen_params_emit::folder::read_back::ReadBackError;
use gen_params_emit::folder::target_file::TargetFileError;
use gen_params_emit::memory::layout::LayoutError;
use gen_params_formats::ReadError;

/// Why a verb could not be done.
///
/// Printed, it is one text: the place, what was found there, what was expected, and a line `hint: ` with what to do.
#[derive(Debug)]
pub struct Error {
    /// The file, and the place in it, outermost first and separated by `: `; empty where there is none.
    pub place: String,
    /// What is wrong there.
    pub cause: Box<Cause>,
}

/// What is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The system cannot open, read or write the file of this name.
    System(io::Error),
    /// A model or a graph file is broken, or says what is refused by name.
    Read(ReadError),
    /// A target file says what it must not: all of it.
    Target(TargetFileError),
    /// A sound model cannot become integers: every reason.
    Refused(LowerError),
    /// A network cannot be run: every reason.
    Run(RunError),
    /// Nothing can be proven of a channel.
    Unprovable(Refusal),
    /// A folder or a program cannot be written.
    Write(gen_params_emit::Error),
    /// An option of a verb has a value that it cannot have.
    Option {
        /// The option, as the command names it without its dashes.
        name: &'static str,
        /// What was found, and what was expected.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
    /// An option was given where it means nothing.
    Inapplicable {
        /// The option, as the command names it without its dashes.
        name: &'static str,
        /// What it is for, and what is given.
        for_what: &'static str,
    },
    /// An input, labels, a dump or a certificate is not what it must be.
    Given {
        /// What was found, and what was expected.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The caller asked for the end.
    Stopped,
}

/// Result of a verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Something that was given and is not what it must be.
    pub(crate) fn given(problem: impl Into<String>) -> Self {
        Cause::Given { problem: problem.into(), hint: None }.into()
    }

    /// An option with a value that it cannot have.
    pub(crate) fn option(name: &'static str, problem: impl Into<String>) -> Self {
        Cause::Option { name, problem: problem.into(), hint: None }.into()
    }

    /// A network that cannot be run because of one node.
    pub(crate) fn run(node: impl Into<String>, text: impl Into<String>) -> Self {
        Cause::Run(RunError { reasons: vec![Reason { place: node.into(), text: text.into() }] }).into()
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub(crate) fn with_hint(mut self, text: impl Into<String>) -> Self {
        match &mut *self.cause {
            Cause::Option { hint, .. } | Cause::Given { hint, .. } => *hint = Some(text.into()),
            _ => {}
        }
        self
    }

    /// Puts a place before those that are known.
    #[must_use]
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = match self.place.as_str() {
            "" => place.to_string(),
            inner => format!("{place}: {inner}"),
        };
        self
    }

    /// What to do, in the words of the command.
    pub fn hint(&self) -> Option<&str> {
        match &*self.cause {
            Cause::Option { hint, .. } | Cause::Given { hint, .. } => hint.as_deref(),
            Cause::Read(error) => error.hint.as_deref(),
            Cause::Refused(error) => error.hint.as_deref(),
            _ => None,
        }
    }

    /// The error as text, with options written behind `dashes`: `--` for a command, nothing for a library.
    pub fn text(&self, dashes: &str) -> String {
        match (&*self.cause, self.place.as_str()) {
            // It puts its file before each of its lines.
            (Cause::Target(error), file) => error.with_file(file),
            (cause, "") => cause.text(dashes),
            (cause, place) => format!("{place}: {}", cause.text(dashes)),
        }
    }
}

impl Cause {
    fn text(&self, dashes: &str) -> String {
        match self {
            Self::System(error) => error.to_string(),
            Self::Read(error) => error.to_string(),
            Self::Target(error) => error.to_string(),
            Self::Refused(error) => error.to_string(),
            Self::Run(error) => error.to_string(),
            Self::Unprovable(error) => error.to_string(),
            Self::Write(error) => error.to_string(),
            Self::Option { name, problem, hint } => {
                format!("{dashes}{name}: {problem}{}", hint_line(hint.as_deref()))
            }
            Self::Inapplicable { name, for_what } => format!("{dashes}{name} is for {for_what}"),
            Self::Given { problem, hint } => format!("{problem}{}", hint_line(hint.as_deref())),
            Self::Stopped => "stopped".to_owned(),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(""))
    }
}

fn hint_line(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!("\n  hint: {hint}"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(""))
    }
}

impl std::error::Error for Error {}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self { place: String::new(), cause: Box::new(cause) }
    }
}

/// The causes that an error of another crate is.
macro_rules! causes {
    ($($error:ty => $cause:ident),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Cause::$cause(error).into()
            }
        })*
    };
}

causes! {
    io::Error => System,
    ReadError => Read,
    TargetFileError => Target,
    LowerError => Refused,
    RunError => Run,
    Refusal => Unprovable,
    gen_params_emit::Error => Write,
}

impl From<gen_params_runtime::Error> for Error {
    fn from(error: gen_params_runtime::Error) -> Self {
        match error {
            gen_params_runtime::Error::Node { node, text } => Self::run(node, text),
            gen_params_runtime::Error::Input(text) => Self::run("the input", text),
        }
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::run("", error.to_string())
    }
}

/// Errors of other crates about what was given.
macro_rules! given {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::given(error.to_string())
            }
        })*
    };
}

given! {
    WrongLength,
    LayoutError,
    ReadBackError,
    gen_params_emit::memory::formats::ReadError,
    image::ImageError,
    std::num::TryFromIntError,
    zip::result::ZipError,
}

/// Places, put before an error.
pub(crate) trait At<T> {
    /// Puts a place before the error, if it is one.
    fn at<P: fmt::Display>(self, place: impl FnOnce() -> P) -> Result<T>;
}

impl<T, E: Into<Error>> At<T> for std::result::Result<T, E> {
    fn at<P: fmt::Display>(self, place: impl FnOnce() -> P) -> Result<T> {
        self.map_err(|error| error.into().at(place()))
    }
}

/// Returns an error about what was given: its problem, formatted.
macro_rules! refuse {
    ($($text:tt)*) => {
        return Err($crate::error::Error::given(format!($($text)*)))
    };
}
pub(crate) use refuse;
