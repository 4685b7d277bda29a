//! Values of a TOML text with their lines; everything that is wrong is gathered, not only the first.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// What was found and what is expected.
    pub text: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.text)
    }
}

/// The text, and what is wrong with it so far.
pub(super) struct Reader<'t> {
    text: &'t str,
    pub(super) faults: Vec<Fault>,
}

/// A table of the file; the keys that are asked for are those that it may have.
pub(super) struct Section<'a> {
    table: Option<&'a DeTable<'a>>,
    path: String,
    asked: Vec<String>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, faults: Vec::new() }
    }

    /// Notes a fault at a byte of the text.
    pub(super) fn fault(&mut self, offset: usize, text: impl Into<String>) {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        self.faults.push(Fault { line, text: text.into() });
    }

    /// Notes every key of a section that was not asked for.
    pub(super) fn finish(&mut self, section: Section<'_>) {
        let Section { table, path, asked } = section;
        for key in table.into_iter().flat_map(DeTable::keys) {
            let found = key.get_ref();
            if asked.iter().any(|known| known == found) {
                continue;
            }
            let similarity = |known: &&String| strsim::damerau_levenshtein(known, found);
            let nearest = asked.iter().min_by_key(similarity).map_or("", String::as_str);
            let place = if path.is_empty() { String::new() } else { format!(" in [{path}]") };
            let mut known = asked.clone();
            known.sort();
            self.fault(
                key.span().start,
                format!(
                    "unknown key {found:?}{place}; the nearest known is {nearest:?}, of: {}",
                    known.join(", ")
                ),
            );
        }
    }

    fn wrong(
        &mut self,
        section: &Section<'_>,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: impl Display,
    ) {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(flag) => flag.to_string(),
            other => format!("a value of type {}", other.type_str()),
        };
        let name = section.name(key);
        self.fault(value.span().start, format!("{name}: found {found}, expected {expected}"));
    }

    /// An integer in a range.
    pub(super) fn integer(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let value = section.get(key)?;
        let number = integer(value.get_ref()).filter(|number| range.contains(number));
        if number.is_none() {
            self.wrong(section, key, value, format!("{} to {}", range.start(), range.end()));
        }
        number
    }

    /// An unsigned integer in a range.
    pub(super) fn size(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let wide = i64::from(*range.start())..=i64::from(*range.end());
        u32::try_from(self.integer(section, key, wide)?).ok()
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, section: &mut Section<'_>, key: &str) -> Option<bool> {
        let value = section.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(section, key, value, "true or false");
        }
        flag
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let value = section.get(key)?;
        let word = value.get_ref().as_str();
        let found = choices.iter().find(|(name, _)| Some(*name) == word).map(|choice| choice.1);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
            self.wrong(section, key, value, names.join(", "));
        }
        found
    }

    /// A text, with what reads it.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = section.get(key)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(section, key, value, "a text in quotes");
            return None;
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let name = section.name(key);
                self.fault(value.span().start, format!("{name}: {error}"));
                None
            }
        }
    }

    /// An array; its entries have their own places.
    pub(super) fn array<'a>(
        &mut self,
        section: &mut Section<'a>,
        key: &str,
        expected: &str,
    ) -> Option<Vec<&'a Spanned<DeValue<'a>>>> {
        let value = section.get(key)?;
        let array = value.get_ref().as_array().map(|array| array.iter().collect());
        if array.is_none() {
            self.wrong(section, key, value, expected);
        }
        array
    }

    /// Texts.
    pub(super) fn texts<'a>(
        &mut self,
        section: &mut Section<'a>,
        key: &str,
    ) -> Option<Vec<(usize, &'a str)>> {
        let entries = self.array(section, key, "a list of names")?;
        let mut texts = Vec::new();
        for entry in entries {
            match entry.get_ref().as_str() {
                Some(text) => texts.push((entry.span().start, text)),
                None => self.wrong(section, key, entry, "a name in quotes"),
            }
        }
        Some(texts)
    }

    /// Two integers, the smaller first.
    pub(super) fn pair(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        range: RangeInclusive<i32>,
    ) -> Option<(i32, i32)> {
        let value = section.get(key)?;
        let inside = |entry: &Spanned<DeValue<'_>>| {
            integer(entry.get_ref()).and_then(|n| i32::try_from(n).ok()).filter(|n| range.contains(n))
        };
        let entries: Vec<_> =
            value.get_ref().as_array().map(|array| array.iter().collect()).unwrap_or_default();
        let pair = match entries.as_slice() {
            [min, max] => inside(min).zip(inside(max)).filter(|(min, max)| min < max),
            _ => None,
        };
        if pair.is_none() {
            let expected = format!("[min, max] within {} to {}", range.start(), range.end());
            self.wrong(section, key, value, expected);
        }
        pair
    }

    /// A table inside a table; empty if it is not there.
    pub(super) fn section<'a>(&mut self, section: &mut Section<'a>, key: &str) -> Section<'a> {
        let path = section.name(key);
        let table = section.get(key).and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                self.wrong(section, key, value, format!("a table [{path}]"));
            }
            table
        });
        Section { table, path, asked: Vec::new() }
    }

    /// A table that stands in an array.
    pub(super) fn entry<'a>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        value: &'a Spanned<DeValue<'a>>,
        expected: &str,
    ) -> Option<Section<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(section, key, value, expected);
        }
        table.map(|table| Section { table: Some(table), path: section.name(key), asked: Vec::new() })
    }
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(table: &'a DeTable<'a>) -> Self {
        Self { table: Some(table), path: String::new(), asked: Vec::new() }
    }

    /// Whether it is in the file.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Its keys.
    pub(super) fn keys(&self) -> Vec<&'a str> {
        self.table.into_iter().flat_map(DeTable::keys).map(|key| key.get_ref().as_ref()).collect()
    }

    /// The value of a key, which from now on is a known one.
    fn get(&mut self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        if !self.asked.iter().any(|known| known == key) {
            self.asked.push(key.to_owned());
        }
        self.table?.get(key)
    }

    /// Where the value of a key begins, or the file if it has none.
    pub(super) fn offset(&self, key: &str) -> usize {
        self.table.and_then(|table| table.get(key)).map_or(0, |value| value.span().start)
    }

    /// Whether a key has an integer, without it becoming known.
    pub(super) fn holds_integer(&self, key: &str) -> bool {
        self.table.and_then(|table| table.get(key)).is_some_and(|value| value.get_ref().is_integer())
    }

    /// Path and key.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    let digits = number.as_str().replace('_', "");
    i64::from_str_radix(digits.trim_start_matches('+'), number.radix()).ok()
}
