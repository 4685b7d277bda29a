//! What lowering refuses, with every reason at once.

use std::fmt;

/// One reason why a model is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The layer, node or key it concerns; empty for the whole model.
    pub place: String,
    /// What was found there and why it cannot be used.
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.text),
            place => write!(f, "{place}: {}", self.text),
        }
    }
}

/// A sound file that cannot be lowered to integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowerError {
    /// All reasons found, not only the first.
    pub reasons: Vec<Reason>,
    /// What to do instead.
    pub hint: Option<String>,
}

impl LowerError {
    /// A refusal of the whole model.
    pub fn new(text: impl Into<String>) -> Self {
        Self::at("", text)
    }

    /// A refusal because of one place.
    pub fn at(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { reasons: vec![Reason { place: place.into(), text: text.into() }], hint: None }
    }

    /// Puts a sentence in front of the reasons.
    #[must_use]
    pub fn because(mut self, text: &str) -> Self {
        self.reasons.insert(0, Reason { place: String::new(), text: text.into() });
        self
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for LowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reason) in self.reasons.iter().enumerate() {
            let separator = if i > 0 { "\n  " } else { "" };
            write!(f, "{separator}{reason}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LowerError {}

/// Result of lowering.
pub type Result<T, E = LowerError> = std::result::Result<T, E>;
