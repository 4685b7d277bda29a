//! The texts of a TorchScript program, parsed when they are first needed: classes, methods, functions, constants.

use std::collections::HashMap;
use std::rc::Rc;

use indexmap::IndexMap;

use super::Source;
use super::ast::{Class, Expression, ExpressionKind, Function, StatementKind};
use super::frame::Frame;
use super::item::{Evaluated, Item};
use super::parser::parse;
use crate::error::Result;
use crate::source::{Module, Value};

/// A TorchScript program: what an archive holds, taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Modules by path; the root's path is empty.
    pub modules: &'a IndexMap<String, Module>,
    /// Raw types of the modules, e.g. `__torch__.nets.___torch_mangle_116.ResBlock`, by path.
    pub types: &'a IndexMap<String, String>,
    /// Archive entries without the archive's prefix, e.g. `code/__torch__/nets.py`, with their text.
    pub sources: &'a [(&'a str, &'a str)],
    /// The tuple in `constants.pkl`, which the text calls `CONSTANTS.c0`, `CONSTANTS.c1`, ...
    pub constants: &'a [Value],
}

/// The texts of a program, parsed when they are first needed.
pub(super) struct Texts<'t> {
    program: Program<'t>,
    sources: HashMap<&'t str, Source<'t>>,
    parsed: HashMap<&'t str, Rc<Text<'t>>>,
}

/// A parsed text.
pub(super) struct Text<'t> {
    pub(super) source: Source<'t>,
    functions: HashMap<&'t str, Rc<Function<'t>>>,
    classes: HashMap<&'t str, Members<'t>>,
}

/// What a class defines.
struct Members<'t> {
    class: Rc<Class<'t>>,
    methods: HashMap<&'t str, Rc<Function<'t>>>,
    /// Where in the body the constants stand: `stride : Final[int] = 2`.
    constants: HashMap<&'t str, usize>,
}

impl<'t> Texts<'t> {
    pub(super) fn new(program: Program<'t>) -> Self {
        let sources = program.sources.iter().map(|&(name, text)| (name, Source { name, text }));
        Self { program, sources: sources.collect(), parsed: HashMap::new() }
    }

    /// The text that defines `__torch__.a.b.name`, and the name.
    pub(super) fn own<'p>(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        path: &'p str,
    ) -> Evaluated<(Rc<Text<'t>>, &'p str)> {
        let (package, name) = path.rsplit_once('.').unwrap_or(("", path));
        let entry = format!("code/{}.py", package.replace('.', "/"));
        if let Some(text) = self.parsed.get(entry.as_str()) {
            return Ok((Rc::clone(text), name));
        }
        let Some((&entry, &source)) = self.sources.get_key_value(entry.as_str()) else {
            return Err(frame.malformed(
                line,
                format!(
                    "`{}`, and no entry `{}`",
                    super::lexer::abbreviate(path),
                    super::lexer::abbreviate(&entry)
                ),
                "the text that defines it",
            ));
        };
        let text = Rc::new(Text::new(source)?);
        self.parsed.insert(entry, Rc::clone(&text));
        Ok((text, name))
    }

    /// The text and name of a module's class.
    pub(super) fn class_of(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        module: &str,
    ) -> Evaluated<(Rc<Text<'t>>, &'t str)> {
        let program = self.program;
        match program.types.get(module) {
            Some(path) => self.own(frame, line, path),
            None => Err(frame.malformed(
                line,
                format!("the module `{}` without a type", super::lexer::abbreviate(module)),
                "a class of the text",
            )),
        }
    }

    /// `CONSTANTS.c3`
    pub(super) fn constant(&self, frame: &Frame<'t>, line: u32, name: &str) -> Evaluated<Item<'t>> {
        let index = name.strip_prefix('c').and_then(|number| number.parse::<usize>().ok());
        match index.and_then(|index| self.program.constants.get(index)) {
            Some(value) => Ok(Item::stored(value, &format!("CONSTANTS.{name}"))),
            None => Err(frame.malformed(
                line,
                format!("`CONSTANTS.{}`", super::lexer::abbreviate(name)),
                format!("one of the {} constants in the file", self.program.constants.len()),
            )),
        }
    }
}

impl<'t> Text<'t> {
    fn new(source: Source<'t>) -> Result<Self> {
        let mut text = Self { source, functions: HashMap::new(), classes: HashMap::new() };
        for statement in parse(source)? {
            match statement.kind {
                StatementKind::Function(function) => {
                    text.functions.insert(function.name, function);
                }
                StatementKind::Class(class) => {
                    text.classes.insert(class.name, Members::new(class));
                }
                // Versions and imports of old files; they bind nothing that is looked up.
                _ => {}
            }
        }
        Ok(text)
    }

    pub(super) fn function(&self, name: &str) -> Option<Rc<Function<'t>>> {
        self.functions.get(name).cloned()
    }

    pub(super) fn method(&self, class: &str, name: &str) -> Option<Rc<Function<'t>>> {
        self.classes.get(class)?.methods.get(name).cloned()
    }

    /// What stands for a constant in the body of a class: `stride : Final[int] = 2`.
    pub(super) fn constant(&self, class: &str, name: &str) -> Option<&Expression<'t>> {
        let members = self.classes.get(class)?;
        match &members.class.body.get(*members.constants.get(name)?)?.kind {
            StatementKind::Annotate(_, value) => value.as_ref(),
            _ => None,
        }
    }

    /// The fields of a NamedTuple, in order.
    pub(super) fn tuple_fields(&self, class: &str) -> Option<Vec<&'t str>> {
        let class = &self.classes.get(class)?.class;
        (class.base == Some("NamedTuple")).then(|| {
            let fields = class.body.iter().filter_map(|statement| match &statement.kind {
                StatementKind::Annotate(target, ..) => match target.kind {
                    ExpressionKind::Name(name) => Some(name),
                    _ => None,
                },
                _ => None,
            });
            fields.collect()
        })
    }
}

impl<'t> Members<'t> {
    fn new(class: Rc<Class<'t>>) -> Self {
        let mut methods = HashMap::new();
        let mut constants = HashMap::new();
        for (index, statement) in class.body.iter().enumerate() {
            match &statement.kind {
                StatementKind::Function(function) => {
                    methods.insert(function.name, Rc::clone(function));
                }
                StatementKind::Annotate(target, Some(_)) => {
                    if let ExpressionKind::Name(name) = target.kind {
                        constants.insert(name, index);
                    }
                }
                _ => {}
            }
        }
        Self { class, methods, constants }
    }
}
