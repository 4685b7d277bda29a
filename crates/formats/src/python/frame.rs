//! A function under evaluation: its text, its names, and how its errors name their place.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::Source;
use super::item::{Item, Stop};
use crate::source::Place;

/// A function being evaluated.
pub(super) struct Frame<'t> {
    pub(super) source: Source<'t>,
    /// The source's name, as places hold it.
    pub(super) file: Arc<str>,
    /// Path of the module whose method this is, or calls this.
    pub(super) scope: Rc<str>,
    pub(super) locals: HashMap<&'t str, Item<'t>>,
}

impl<'t> Frame<'t> {
    pub(super) fn new(source: Source<'t>, scope: Rc<str>) -> Self {
        Self { source, file: Arc::from(source.name), scope, locals: HashMap::new() }
    }

    pub(super) fn place(&self, line: u32) -> Place {
        Place { file: Arc::clone(&self.file), line }
    }

    pub(super) fn malformed(&self, line: u32, found: impl Into<String>, expected: impl Into<String>) -> Stop {
        self.source.malformed(line, found, expected).into()
    }

    pub(super) fn unsupported(
        &self,
        line: u32,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Stop {
        self.source.unsupported(line, found, expected).into()
    }
}
