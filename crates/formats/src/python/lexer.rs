//! Python text to tokens, one at a time, with the line each stands on.

use std::borrow::Cow;

use super::Source;
use crate::error::Result;

/// Longest first, so that the first match is the right one.
const OPERATORS: [&str; 47] = [
    "**=", "//=", ">>=", "<<=", "...", "->", "**", "//", ">>", "<<", "<=", ">=", "==", "!=", "+=", "-=",
    "*=", "/=", "%=", "@=", "&=", "|=", "^=", ":=", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "=",
    "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "<", ">",
];

/// Columns to which a tab advances.
const TAB: usize = 8;

/// Blocks inside blocks.
const MAX_INDENTATION: usize = 100;

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'t> {
    /// An identifier or keyword.
    Name(&'t str),
    /// An integer literal, without sign.
    Int(i64),
    /// A float literal, without sign.
    Float(f64),
    /// A string literal, unescaped.
    Str(Cow<'t, str>),
    /// One of [`OPERATORS`].
    Operator(&'static str),
    /// End of a logical line.
    Newline,
    /// A deeper block begins.
    Indent,
    /// A block ends.
    Dedent,
    /// End of the text.
    End,
}

impl Token<'_> {
    /// How the token is named in messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{}`", abbreviate(name)),
            Self::Int(value) => format!("`{value}`"),
            Self::Float(value) => format!("`{value}`"),
            Self::Str(text) => format!("the string {:?}", abbreviate(text)),
            Self::Operator(operator) => format!("`{operator}`"),
            Self::Newline => "the end of the line".into(),
            Self::Indent => "a deeper indentation".into(),
            Self::Dedent => "the end of the block".into(),
            Self::End => "the end of the text".into(),
        }
    }
}

/// The beginning of a text that may be long, for messages.
pub(super) fn abbreviate(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
    }
}

/// The tokens of one text.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    source: Source<'t>,
    /// What is left of the text.
    rest: &'t str,
    line: u32,
    /// Open brackets: inside them, line ends and indentation mean nothing.
    brackets: usize,
    /// Columns of the open blocks, outermost first; the first is 0.
    indentation: Vec<usize>,
    /// Blocks that have ended and are still to be reported.
    dedents: usize,
    at_line_start: bool,
    /// The current line holds a token.
    in_line: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(source: Source<'t>) -> Self {
        Self {
            source,
            rest: source.text,
            line: 1,
            brackets: 0,
            indentation: vec![0],
            dedents: 0,
            at_line_start: true,
            in_line: false,
        }
    }

    /// The next token and its line; [`Token::End`] for ever after the last one.
    pub(super) fn next(&mut self) -> Result<(Token<'t>, u32)> {
        if self.at_line_start && self.brackets == 0 {
            self.at_line_start = false;
            if let Some(token) = self.indentation()? {
                return Ok((token, self.line));
            }
        }
        if self.dedents > 0 {
            self.dedents -= 1;
            return Ok((Token::Dedent, self.line));
        }
        self.skip_space();
        let line = self.line;
        let Some(first) = self.rest.chars().next() else {
            return Ok((self.end()?, line));
        };
        self.in_line = first != '\n';
        let token = match first {
            '\n' => {
                self.take(1);
                self.line += 1;
                self.at_line_start = true;
                Token::Newline
            }
            '"' | '\'' => self.string(first)?,
            '0'..='9' => self.number()?,
            '.' if self.rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => self.number()?,
            '_' => self.name(),
            c if c.is_alphabetic() => self.name(),
            _ => self.operator(first)?,
        };
        Ok((token, line))
    }

    /// Measures the indentation of the next line that holds anything. `Some` where it opens a block.
    fn indentation(&mut self) -> Result<Option<Token<'t>>> {
        let column = loop {
            let mut column = 0;
            let mut width = 0;
            for byte in self.rest.bytes() {
                match byte {
                    b' ' => column += 1,
                    b'\t' => column = (column / TAB + 1) * TAB,
                    b'\r' | b'\x0c' => {}
                    _ => break,
                }
                width += 1;
            }
            self.take(width);
            if self.rest.starts_with('#') {
                self.skip_comment();
            }
            if self.rest.starts_with('\n') {
                self.take(1);
                self.line += 1;
                continue;
            }
            break if self.rest.is_empty() { 0 } else { column };
        };
        let current = self.indentation.last().copied().unwrap_or(0);
        if column > current {
            if self.indentation.len() >= MAX_INDENTATION {
                return Err(self.source.unsupported(
                    self.line,
                    "a block",
                    format!("at most {MAX_INDENTATION} inside each other"),
                ));
            }
            self.indentation.push(column);
            return Ok(Some(Token::Indent));
        }
        while self.indentation.last().is_some_and(|&open| open > column) {
            self.indentation.pop();
            self.dedents += 1;
        }
        if self.indentation.last() != Some(&column) {
            return Err(self.source.malformed(
                self.line,
                format!("an indentation of {column}"),
                "that of an enclosing block",
            ));
        }
        Ok(None)
    }

    /// What follows the last character: the end of an unfinished line, then of the open blocks, then of the text.
    fn end(&mut self) -> Result<Token<'t>> {
        if self.brackets > 0 {
            return Err(self.source.malformed(self.line, "the end of the text", "a closing bracket"));
        }
        if self.in_line {
            self.in_line = false;
            self.at_line_start = true;
            return Ok(Token::Newline);
        }
        Ok(Token::End)
    }

    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip_comment(&mut self) {
        let length = self.rest.find('\n').unwrap_or(self.rest.len());
        self.take(length);
    }

    /// Skips what separates tokens: blanks, comments, joined lines, and line ends inside brackets.
    fn skip_space(&mut self) {
        loop {
            let trimmed = self.rest.trim_start_matches([' ', '\t', '\r', '\x0c']);
            self.rest = trimmed;
            if trimmed.starts_with('#') {
                self.skip_comment();
            } else if trimmed.starts_with('\n') && self.brackets > 0 {
                self.take(1);
                self.line += 1;
            } else if let Some(rest) = trimmed.strip_prefix("\\\n").or_else(|| trimmed.strip_prefix("\\\r\n"))
            {
                self.rest = rest;
                self.line += 1;
            } else {
                return;
            }
        }
    }

    fn name(&mut self) -> Token<'t> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        Token::Name(self.take(end))
    }

    fn operator(&mut self, first: char) -> Result<Token<'t>> {
        let Some(&operator) = OPERATORS.iter().find(|&&operator| self.rest.starts_with(operator)) else {
            return Err(self.source.malformed(self.line, format!("the character {first:?}"), "Python text"));
        };
        match operator {
            "(" | "[" | "{" => self.brackets += 1,
            ")" | "]" | "}" => {
                self.brackets = self.brackets.checked_sub(1).ok_or_else(|| {
                    self.source.malformed(self.line, format!("`{operator}`"), "an open bracket before it")
                })?;
            }
            _ => {}
        }
        self.take(operator.len());
        Ok(Token::Operator(operator))
    }

    fn number(&mut self) -> Result<Token<'t>> {
        let bytes = self.rest.as_bytes();
        let mut end = 0;
        let mut previous = b' ';
        // A sign belongs to a number only behind the exponent's `e`.
        while let Some(&byte) = bytes.get(end) {
            let sign = matches!(byte, b'+' | b'-')
                && matches!(previous, b'e' | b'E')
                && !self.rest.starts_with("0x");
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || sign) {
                break;
            }
            previous = byte;
            end += 1;
        }
        let text = self.take(end);
        let digits = text.replace('_', "");
        let token = if let Some(hexadecimal) = digits.strip_prefix("0x") {
            i64::from_str_radix(hexadecimal, 16).ok().map(Token::Int)
        } else if digits.bytes().all(|b| b.is_ascii_digit()) {
            digits.parse().ok().map(Token::Int)
        } else if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && !digits.contains("inf") {
            digits.parse().ok().map(Token::Float)
        } else {
            None
        };
        token.ok_or_else(|| {
            self.source.malformed(self.line, format!("`{}`", abbreviate(text)), "a 64-bit integer or a float")
        })
    }

    fn string(&mut self, quote: char) -> Result<Token<'t>> {
        let line = self.line;
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let delimiter = if self.rest.starts_with(&triple) { 3 } else { 1 };
        self.take(delimiter);
        let body = self.rest;
        let bytes = body.as_bytes();
        let quote = u32::from(quote);
        let mut end = 0;
        let mut escaped = false;
        loop {
            let Some(&byte) = bytes.get(end) else {
                return Err(self.source.malformed(line, "the end of the text", "the end of a string"));
            };
            if byte == b'\\' {
                escaped = true;
                end += 1;
                // What is escaped ends nothing; a line end is still counted.
                if bytes.get(end) != Some(&b'\n') {
                    end += 1;
                }
                continue;
            }
            if byte == b'\n' && delimiter == 1 && bytes.get(end.wrapping_sub(1)) == Some(&b'\\') {
                self.line += 1;
            } else if byte == b'\n' {
                if delimiter == 1 {
                    return Err(self.source.malformed(line, "the end of the line", "the end of a string"));
                }
                self.line += 1;
            }
            if u32::from(byte) == quote
                && (delimiter == 1 || bytes.get(end..end + 3).is_some_and(|b| b.iter().all(|&c| c == byte)))
            {
                break;
            }
            end += 1;
        }
        // The end is at an ASCII quote, hence at a character boundary.
        let content = self.take(end);
        self.take(delimiter);
        if escaped {
            self.unescape(content, line).map(|s| Token::Str(Cow::Owned(s)))
        } else {
            Ok(Token::Str(Cow::Borrowed(content)))
        }
    }

    fn unescape(&self, content: &str, line: u32) -> Result<String> {
        let mut out = String::with_capacity(content.len());
        let mut rest = content;
        while let Some((before, after)) = rest.split_once('\\') {
            out.push_str(before);
            let escape = after.chars().next().unwrap_or('\\');
            let simple = match escape {
                '\n' => Some(""),
                'n' => Some("\n"),
                't' => Some("\t"),
                'r' => Some("\r"),
                'a' => Some("\x07"),
                'b' => Some("\x08"),
                'f' => Some("\x0c"),
                'v' => Some("\x0b"),
                '\\' => Some("\\"),
                '\'' => Some("'"),
                '"' => Some("\""),
                _ => None,
            };
            if let Some(text) = simple {
                out.push_str(text);
                rest = after.get(escape.len_utf8()..).unwrap_or_default();
                continue;
            }
            let (prefix, digits, radix) = match escape {
                'x' => (1, 2, 16),
                'u' => (1, 4, 16),
                'U' => (1, 8, 16),
                _ => (0, after.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count(), 8),
            };
            let code = after.get(prefix..prefix + digits);
            let character =
                code.and_then(|code| u32::from_str_radix(code, radix).ok()).and_then(char::from_u32);
            let Some(character) = character else {
                return Err(self.source.malformed(
                    line,
                    format!("the escape `\\{escape}`"),
                    "one that Python knows",
                ));
            };
            out.push(character);
            rest = after.get(prefix + digits..).unwrap_or_default();
        }
        out.push_str(rest);
        Ok(out)
    }
}
