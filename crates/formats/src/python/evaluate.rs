//! Symbolic evaluation of statements and expressions, the same for both dialects.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use super::ast::{Block, Expression, ExpressionKind, Operator, Statement, StatementKind};
use super::frame::Frame;
use super::item::{Evaluated, Item, Stop};
use super::lists::Lists;
use super::memory;
use super::recorder::{Call, Recorder};
use super::texts::Texts;
use crate::error::ReadError;
use crate::source::{Argument, Callee, Module, Value};
use crate::tensor::Tensor;

/// Expressions evaluated, and elements copied, before a text is refused.
const MAX_STEPS: u64 = 1_000_000;

/// Expressions, blocks and calls inside each other.
const MAX_DEPTH: u32 = 250;

/// What differs between the two dialects.
pub(super) enum Dialect<'t> {
    /// Names must be known, the text's own functions and the modules' methods are inlined.
    Script(Texts<'t>),
    /// Any global name may be called, and so may modules.
    Fx,
}

/// The state of one evaluation.
pub(super) struct Evaluator<'t> {
    pub(super) dialect: Dialect<'t>,
    pub(super) modules: &'t IndexMap<String, Module>,
    pub(super) recorder: Recorder,
    pub(super) lists: Lists<'t>,
    /// Attributes that packing made, by path.
    pub(super) packed: HashMap<String, Item<'t>>,
    /// The module whose weight is being packed.
    pub(super) packing: Option<Rc<str>>,
    steps: u64,
    pub(super) depth: u32,
}

/// How a block ends.
#[derive(Debug)]
pub(super) enum Flow<'t> {
    /// At its end.
    Next,
    /// With a result, at a line.
    Return(Item<'t>, u32),
    Break,
    Continue,
}

impl<'t> Evaluator<'t> {
    pub(super) fn new(dialect: Dialect<'t>, modules: &'t IndexMap<String, Module>) -> Self {
        Self {
            dialect,
            modules,
            recorder: Recorder::default(),
            lists: Lists::default(),
            packed: HashMap::new(),
            packing: None,
            steps: 0,
            depth: 0,
        }
    }

    /// Counts work, so that a small text cannot ask for a lot of it.
    pub(super) fn charge(&mut self, steps: usize, frame: &Frame<'t>, line: u32) -> Evaluated<()> {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps > MAX_STEPS {
            return Err(frame.unsupported(line, "a long computation", format!("at most {MAX_STEPS} steps")));
        }
        Ok(())
    }

    /// Runs `evaluate` one level deeper.
    pub(super) fn nested<T>(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        evaluate: impl FnOnce(&mut Self, &mut Frame<'t>) -> Evaluated<T>,
    ) -> Evaluated<T> {
        self.charge(1, frame, line)?;
        if self.depth >= MAX_DEPTH {
            return Err(frame.unsupported(
                line,
                "deep nesting of calls",
                format!("at most {MAX_DEPTH} levels"),
            ));
        }
        self.depth += 1;
        let result = evaluate(self, frame);
        self.depth -= 1;
        result
    }

    /// Runs the statements of a block, up to the first that leaves it.
    pub(super) fn block(&mut self, frame: &mut Frame<'t>, block: &Block<'t>) -> Evaluated<Flow<'t>> {
        for statement in block {
            match self.nested(frame, statement.line, |run, frame| run.statement(frame, statement))? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, frame: &mut Frame<'t>, statement: &Statement<'t>) -> Evaluated<Flow<'t>> {
        let line = statement.line;
        match &statement.kind {
            StatementKind::Expression(value) => {
                self.expression(frame, value, None)?;
            }
            StatementKind::Assign(targets, value) => {
                let name = targets.iter().find_map(single_name);
                let item = self.expression(frame, value, name)?;
                for target in targets {
                    self.assign(frame, target, item.clone())?;
                }
            }
            StatementKind::Annotate(target, Some(value)) => {
                let item = self.expression(frame, value, single_name(target))?;
                self.assign(frame, target, item)?;
            }
            StatementKind::Annotate(_, None) | StatementKind::Pass => {}
            StatementKind::Augment(target, operator, value) => {
                let left = self.expression(frame, target, None)?;
                let right = self.expression(frame, value, None)?;
                let item = self.augment(frame, line, *operator, left, right, single_name(target))?;
                self.assign(frame, target, item)?;
            }
            StatementKind::Return(value) => {
                let item = match value {
                    Some(value) => self.expression(frame, value, None)?,
                    None => Item::none(),
                };
                return Ok(Flow::Return(item, line));
            }
            StatementKind::If(branches, otherwise) => return self.conditional(frame, branches, otherwise),
            StatementKind::For(target, iterable, body) => {
                let iterable = self.expression(frame, iterable, None)?;
                let items = self.elements(frame, line, &iterable)?;
                for item in items.iter() {
                    self.assign(frame, target, item.clone())?;
                    match self.nested(frame, line, |run, frame| run.block(frame, body))? {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => break,
                        flow @ Flow::Return(..) => return Ok(flow),
                    }
                }
            }
            StatementKind::While(condition, body) => loop {
                let value = self.expression(frame, condition, None)?;
                match self.truth(frame, condition.line, &value)? {
                    Some(true) => {}
                    Some(false) => break,
                    None => {
                        return Err(frame.unsupported(
                            condition.line,
                            "a loop whose length depends on data",
                            "a length that the file fixes",
                        ));
                    }
                }
                match self.nested(frame, line, |run, frame| run.block(frame, body))? {
                    Flow::Next | Flow::Continue => {}
                    Flow::Break => break,
                    flow @ Flow::Return(..) => return Ok(flow),
                }
            },
            StatementKind::Assert(condition) => {
                let value = self.expression(frame, condition, None)?;
                if self.truth(frame, line, &value)? == Some(false) {
                    return Err(Stop::Raise(frame.place(line), "AssertionError".into()));
                }
            }
            StatementKind::Raise => return Err(Stop::Raise(frame.place(line), "raise".into())),
            StatementKind::Break => return Ok(Flow::Break),
            StatementKind::Continue => return Ok(Flow::Continue),
            StatementKind::Function(function) => {
                return Err(frame.unsupported(
                    line,
                    format!("the function `{}` inside a function", function.name),
                    "straight code",
                ));
            }
            StatementKind::Class(class) => {
                return Err(frame.unsupported(
                    line,
                    format!("the class `{}` inside a function", class.name),
                    "straight code",
                ));
            }
        }
        Ok(Flow::Next)
    }

    fn assign(&mut self, frame: &mut Frame<'t>, target: &Expression<'t>, item: Item<'t>) -> Evaluated<()> {
        match &target.kind {
            ExpressionKind::Name(name) => {
                frame.locals.insert(name, item);
                Ok(())
            }
            ExpressionKind::Tuple(targets) | ExpressionKind::List(targets) => {
                let names: Vec<_> = targets.iter().map(single_name).collect();
                let items = self.unpack(frame, target.line, &item, &names)?;
                for (target, item) in targets.iter().zip(items) {
                    self.nested(frame, target.line, |run, frame| run.assign(frame, target, item))?;
                }
                Ok(())
            }
            ExpressionKind::Index(list, index) => {
                let list = self.expression(frame, list, None)?;
                let index = self.expression(frame, index, None)?;
                self.set_element(frame, target.line, &list, &index, item)
            }
            ExpressionKind::Attribute(subject, attribute) => {
                let subject = self.expression(frame, subject, None)?;
                self.set_attribute(frame, target.line, &subject, attribute, item)
            }
            _ => Err(frame.malformed(target.line, "an expression before `=`", "a name to assign to")),
        }
    }

    /// Evaluates an expression. `name` is the variable that takes the value, for naming the call.
    pub(super) fn expression(
        &mut self,
        frame: &mut Frame<'t>,
        expression: &Expression<'t>,
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        self.nested(frame, expression.line, |run, frame| run.expression_inner(frame, expression, name))
    }

    fn expression_inner(
        &mut self,
        frame: &mut Frame<'t>,
        expression: &Expression<'t>,
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        let line = expression.line;
        Ok(match &expression.kind {
            ExpressionKind::None => Item::none(),
            ExpressionKind::Bool(value) => Item::bool(*value),
            ExpressionKind::Int(value) => Item::int(*value),
            ExpressionKind::Float(value) => Item::float(*value),
            ExpressionKind::Str(text) => {
                self.charge(text.len() / 64, frame, line)?;
                Item::str(text)
            }
            ExpressionKind::Ellipsis => Item::symbol("..."),
            ExpressionKind::Name(name) => return self.variable(frame, line, name),
            ExpressionKind::Attribute(value, attribute) => {
                let value = self.expression(frame, value, None)?;
                return self.attribute(frame, line, value, attribute, name);
            }
            ExpressionKind::Index(value, index) => {
                let value = self.expression(frame, value, None)?;
                let index = self.expression(frame, index, None)?;
                return self.element(frame, line, &value, &index, name);
            }
            ExpressionKind::Slice(parts) => {
                let mut items = [Item::none(), Item::none(), Item::none()];
                for (item, part) in items.iter_mut().zip(parts) {
                    if let Some(part) = part {
                        *item = self.expression(frame, part, None)?;
                    }
                }
                Item::Slice(Rc::new(items))
            }
            ExpressionKind::Call(callee, positional, keywords) => {
                return self.call_expression(frame, line, callee, positional, keywords, name);
            }
            ExpressionKind::Tuple(items) => Item::Tuple(self.expressions(frame, items)?.into()),
            ExpressionKind::List(items) => {
                let items = self.expressions(frame, items)?;
                Item::List(self.lists.add(items))
            }
            ExpressionKind::Dict(items) => {
                let mut pairs = Vec::with_capacity(items.len());
                for (key, value) in items {
                    let entry = [self.expression(frame, key, None)?, self.expression(frame, value, None)?];
                    pairs.push(Item::Tuple(Rc::new(entry)));
                }
                Item::Dict(self.lists.add(pairs))
            }
            ExpressionKind::Unary(operator, operand) => {
                let operand = self.expression(frame, operand, None)?;
                return self.unary(frame, line, *operator, operand, name);
            }
            ExpressionKind::Binary(operator @ (Operator::And | Operator::Or), left, right) => {
                let left = self.expression(frame, left, None)?;
                let decided = self.truth(frame, line, &left)?;
                match decided {
                    Some(truth) if truth == (*operator == Operator::Or) => left,
                    Some(_) => return self.expression(frame, right, name),
                    None => {
                        return Err(frame.unsupported(
                            line,
                            "`and` or `or` on data",
                            "a condition that the file fixes",
                        ));
                    }
                }
            }
            ExpressionKind::Binary(operator, left, right) => {
                let left = self.expression(frame, left, None)?;
                let right = self.expression(frame, right, None)?;
                return self.binary(frame, line, *operator, left, right, name);
            }
            ExpressionKind::Conditional { value, condition, otherwise } => {
                let truth = self.expression(frame, condition, None)?;
                match self.truth(frame, line, &truth)? {
                    Some(true) => return self.expression(frame, value, name),
                    Some(false) => return self.expression(frame, otherwise, name),
                    None => {
                        return Err(frame.unsupported(
                            line,
                            "a condition that depends on data",
                            "a condition that the file fixes",
                        ));
                    }
                }
            }
        })
    }

    fn expressions(
        &mut self,
        frame: &mut Frame<'t>,
        expressions: &[Expression<'t>],
    ) -> Evaluated<Vec<Item<'t>>> {
        expressions.iter().map(|expression| self.expression(frame, expression, None)).collect()
    }

    fn variable(&mut self, frame: &mut Frame<'t>, line: u32, name: &'t str) -> Evaluated<Item<'t>> {
        if let Some(item) = frame.locals.get(name) {
            return Ok(item.clone());
        }
        match name {
            "inf" => return Ok(Item::float(f64::INFINITY)),
            "nan" => return Ok(Item::float(f64::NAN)),
            _ => {}
        }
        let known = match self.dialect {
            Dialect::Fx => true,
            Dialect::Script(_) => GLOBALS.contains(&name),
        };
        if !known {
            return Err(frame.malformed(
                line,
                format!("`{}`", super::lexer::abbreviate(name)),
                "a variable that has a value",
            ));
        }
        self.charge(name.len() / 64, frame, line)?;
        Ok(Item::Name(name.into()))
    }

    /// Records a call, and gives its result.
    #[allow(clippy::too_many_arguments)] // The parts of a call, all of them.
    pub(super) fn record(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        callee: Callee,
        arguments: &[Item<'t>],
        keywords: &[(&'t str, Item<'t>)],
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        // What is computed from an open value is as open.
        let mut items = arguments.iter().chain(keywords.iter().map(|(_, item)| item));
        if let Some(open) = items.find(|item| matches!(item, Item::Open(Some(_)))) {
            let changes = memory::changes_by_name(&callee)
                || keywords.iter().any(|(keyword, _)| *keyword == memory::IN_PLACE);
            if changes {
                return Err(Self::refuse(frame, line, open, "a value that can be changed in place"));
            }
            return Ok(open.clone());
        }
        let mut positional = Vec::with_capacity(arguments.len());
        for item in arguments {
            positional.push(self.argument(frame, line, item)?);
        }
        let mut named = Vec::with_capacity(keywords.len());
        for (keyword, item) in keywords {
            named.push(((*keyword).to_owned(), self.argument(frame, line, item)?));
        }
        // Paths and names are copied into every node.
        self.charge(frame.scope.len() / 64 + name.map_or(0, str::len) / 64, frame, line)?;
        let call = Call {
            callee,
            name,
            scope: &frame.scope,
            arguments: positional,
            keywords: named,
            place: frame.place(line),
        };
        Ok(Item::Data(self.recorder.call(frame.source, call)?))
    }

    /// What a call is given for an item.
    pub(super) fn argument(&mut self, frame: &Frame<'t>, line: u32, item: &Item<'t>) -> Evaluated<Argument> {
        self.charge(1, frame, line)?;
        match item {
            Item::Data(id) => Ok(Argument::Value(*id)),
            Item::Constant(value, path) => {
                self.charge(weight(value), frame, line)?;
                Ok(Argument::Constant((**value).clone(), path.as_deref().map(str::to_owned)))
            }
            Item::Tuple(items) => self.collect(frame, line, items, Value::Tuple),
            Item::List(id) => {
                let items = self.lists.get(*id);
                self.collect(frame, line, &items, Value::List)
            }
            Item::Name(name) if name.contains('.') => {
                Ok(Argument::Constant(Value::Symbol(Arc::from(&**name)), None))
            }
            _ => Err(Self::refuse(frame, line, item, "a tensor, number, text, list or tuple")),
        }
    }

    /// A list of arguments: a constant, if all its elements are.
    fn collect(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        items: &[Item<'t>],
        make: fn(Vec<Value>) -> Value,
    ) -> Evaluated<Argument> {
        // A list may hold itself.
        if self.depth >= MAX_DEPTH {
            return Err(frame.unsupported(
                line,
                "deep nesting of lists",
                format!("at most {MAX_DEPTH} levels"),
            ));
        }
        self.depth += 1;
        let arguments: Evaluated<Vec<Argument>> =
            items.iter().map(|item| self.argument(frame, line, item)).collect();
        self.depth -= 1;
        let arguments = arguments?;
        if !arguments.iter().all(|argument| matches!(argument, Argument::Constant(..))) {
            return Ok(Argument::List(arguments));
        }
        let values = arguments.into_iter().filter_map(|argument| match argument {
            Argument::Constant(value, _) => Some(value),
            Argument::Value(_) | Argument::List(_) => None,
        });
        Ok(Argument::Constant(make(values.collect()), None))
    }

    /// The refusal of an item where `expected` had to stand.
    pub(super) fn refuse(frame: &Frame<'t>, line: u32, item: &Item<'t>, expected: &str) -> Stop {
        let found = item.kind();
        match item {
            Item::Open(Some(_)) => frame.source.unsupported(line, found, expected).hint(TRACE).into(),
            Item::Data(_) => frame.unsupported(line, found, expected),
            _ => frame.malformed(line, found, expected),
        }
    }
}

/// What helps where a condition depends on data.
pub(super) const TRACE: &str = "trace the model (torch.jit.trace), which takes one of the branches";

/// Names that TorchScript text uses without assigning them.
const GLOBALS: [&str; 16] = [
    "torch",
    "ops",
    "__torch__",
    "CONSTANTS",
    "annotate",
    "unchecked_cast",
    "uninitialized",
    "int",
    "float",
    "bool",
    "str",
    "range",
    "getattr",
    "print",
    "list",
    "Tensor",
];

/// The name that an assignment is to, if it is one.
fn single_name<'t>(target: &Expression<'t>) -> Option<&'t str> {
    match target.kind {
        ExpressionKind::Name(name) => Some(name),
        _ => None,
    }
}

/// Elements that a copy of the value copies, tensors' bytes excepted, which are shared.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Tuple(items) | Value::List(items) => items.iter().map(|item| 1 + weight(item)).sum(),
        Value::Tensor(tensor) => channels(tensor),
        Value::Packed(packed) => channels(&packed.weight),
        _ => 0,
    }
}

/// Per-channel scales are copied with a tensor, sixteen to a step.
fn channels(tensor: &Tensor) -> usize {
    tensor.shape().first().map_or(0, |channels| channels / 16)
}

/// The error of an evaluation.
pub(super) fn finish<T>(result: Evaluated<T>) -> Result<T, ReadError> {
    result.map_err(ReadError::from)
}
