//! TorchScript text: classes, methods and functions, evaluated from the root module's `forward`.

use std::collections::HashMap;
use std::rc::Rc;

use indexmap::IndexMap;

use super::Source;
use super::ast::{Class, ExpressionKind, Function, StatementKind};
use super::evaluate::{Dialect, Evaluator, Frame, finish};
use super::item::{Evaluated, Item};
use super::operation::child;
use super::parser::parse;
use crate::error::Result;
use crate::source::{Graph, Module, Value};

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

/// Evaluates `forward` of the root module. Submodules are inlined; a node's scope is the path of the module in whose
/// method it stands.
///
/// # Errors
/// The text is malformed, or does what is not supported; the place is `entry:line`.
pub fn trace_script(program: &Program<'_>) -> Result<Graph> {
    let mut texts = Texts::new(*program);
    let root = Frame::new(Source { name: "data.pkl", text: "" }, "".into());
    let (text, class) = finish(texts.class_of(&root, 0, ""))?;
    let Some(function) = text.method(class, "forward") else {
        let found = format!("the class `{class}` without `forward`");
        return Err(text.source.unsupported(1, found, "a network that can be called"));
    };
    let mut run = Evaluator::new(Dialect::Script(texts), program.modules);
    let outputs = finish(run.forward(text.source, &function))?;
    run.recorder.finish(outputs, true)
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
    fn new(program: Program<'t>) -> Self {
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

impl<'t> Evaluator<'t> {
    /// A constant that only the text of a module's class holds: `stride : Final[int] = 2`.
    pub(super) fn class_constant(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        module: &str,
        name: &str,
    ) -> Evaluated<Option<Item<'t>>> {
        let Dialect::Script(texts) = &mut self.dialect else {
            return Ok(None);
        };
        let (text, class) = texts.class_of(frame, line, module)?;
        let Some(members) = text.classes.get(class) else {
            return Ok(None);
        };
        let statement = members.constants.get(name).and_then(|&index| members.class.body.get(index));
        let Some(StatementKind::Annotate(_, Some(value))) = statement.map(|s| &s.kind) else {
            return Ok(None);
        };
        let mut outside = Frame::new(text.source, "".into());
        let item = self.expression(&mut outside, value, None)?;
        Ok(Some(match item {
            Item::Constant(value, _) => Item::Constant(value, Some(child(module, name).into())),
            item => item,
        }))
    }
}
