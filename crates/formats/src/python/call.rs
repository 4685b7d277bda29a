//! Calls: of the text's own functions, which are inlined, and of all others, which are recorded.

use std::rc::Rc;

use super::Source;
use super::ast::{Expression, ExpressionKind, Function};
use super::evaluate::{Dialect, Evaluator, Flow};
use super::frame::Frame;
use super::item::{Evaluated, Item};
use super::operation::child;
use crate::source::{Argument, Callee, Value};

/// Functions without a dot in their name that may be recorded from TorchScript text.
const RECORDED: [&str; 4] = ["int", "float", "bool", "str"];

/// Evaluated arguments.
pub(super) struct Arguments<'t> {
    pub(super) positional: Vec<Item<'t>>,
    pub(super) keywords: Vec<(&'t str, Item<'t>)>,
}

impl<'t> Evaluator<'t> {
    /// `callee(positional, keyword=value)`
    pub(super) fn call_expression(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        callee: &Expression<'t>,
        positional: &[Expression<'t>],
        keywords: &[(&'t str, Expression<'t>)],
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        if let ExpressionKind::Name(word) = callee.kind
            && !frame.locals.contains_key(word)
        {
            match (word, positional) {
                ("annotate" | "unchecked_cast", [kind, value]) => {
                    return self.annotated(frame, kind, value, name);
                }
                ("uninitialized", [_]) => return Ok(Item::Open(None)),
                ("isinstance", [value, kind]) => return self.is_instance(frame, value, kind),
                _ => {}
            }
        }
        if let ExpressionKind::Attribute(subject, method) = &callee.kind {
            let subject = self.expression(frame, subject, None)?;
            match (&subject, &self.dialect) {
                (Item::Module(path), Dialect::Script(_)) => {
                    let path = Rc::clone(path);
                    let arguments = self.arguments(frame, positional, keywords)?;
                    return self.call_method(frame, line, &path, method, arguments);
                }
                (Item::Data(_) | Item::Constant(..), _) => {
                    let mut arguments = self.arguments(frame, positional, keywords)?;
                    arguments.positional.insert(0, subject);
                    let callee = Callee::Method((*method).to_owned());
                    return self.record(
                        frame,
                        line,
                        callee,
                        &arguments.positional,
                        &arguments.keywords,
                        name,
                    );
                }
                _ => {
                    let callee = self.attribute(frame, line, subject, method, None)?;
                    return self.call_item(frame, line, callee, positional, keywords, name);
                }
            }
        }
        let callee = self.expression(frame, callee, None)?;
        self.call_item(frame, line, callee, positional, keywords, name)
    }

    /// `annotate(kind, value)`: the value, as a number where it is the only element of a stored tensor.
    fn annotated(
        &mut self,
        frame: &mut Frame<'t>,
        kind: &Expression<'t>,
        value: &Expression<'t>,
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        let item = self.expression(frame, value, name)?;
        match (&kind.kind, item.constant()) {
            (ExpressionKind::Name(kind @ ("int" | "float" | "bool")), Some(Value::Tensor(_))) => {
                self.convert(frame, value.line, kind, &item)
            }
            _ => Ok(item),
        }
    }

    /// `isinstance(value, kind)`, for the kinds that are one word.
    fn is_instance(
        &mut self,
        frame: &mut Frame<'t>,
        value: &Expression<'t>,
        kind: &Expression<'t>,
    ) -> Evaluated<Item<'t>> {
        let item = self.expression(frame, value, None)?;
        let ExpressionKind::Name(kind) = kind.kind else {
            return Err(frame.unsupported(
                value.line,
                "`isinstance` of a compound type",
                "a type of one word",
            ));
        };
        let known = match (&item, kind) {
            (Item::Data(id), "Tensor") if !self.recorder.may_be_none(*id) => Some(true),
            (Item::Data(_) | Item::Open(_), _) => None,
            (Item::Constant(value, _), _) => Some(matches!(
                (&**value, kind),
                (Value::None, "NoneType")
                    | (Value::Bool(_), "bool")
                    | (Value::Int(_), "int")
                    | (Value::Float(_), "float")
                    | (Value::Str(_), "str")
                    | (Value::Tensor(_), "Tensor")
                    | (Value::List(_), "list")
                    | (Value::Tuple(_), "tuple")
            )),
            (item, _) => Some(matches!((item, kind), (Item::List(_), "list") | (Item::Tuple(_), "tuple"))),
        };
        match known {
            Some(known) => Ok(Item::bool(known)),
            None => {
                let arguments = [item, Item::symbol(kind)];
                self.record(frame, value.line, Callee::Function("isinstance".into()), &arguments, &[], None)
            }
        }
    }

    fn call_item(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        callee: Item<'t>,
        positional: &[Expression<'t>],
        keywords: &[(&'t str, Expression<'t>)],
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        let arguments = self.arguments(frame, positional, keywords)?;
        match callee {
            Item::Name(path) => self.call_name(frame, line, &path, arguments, name),
            Item::Module(path) => match self.dialect {
                Dialect::Script(_) => self.call_method(frame, line, &path, "forward", arguments),
                Dialect::Fx => {
                    let callee = Callee::Module(path.as_ref().to_owned());
                    self.record(frame, line, callee, &arguments.positional, &arguments.keywords, name)
                }
            },
            callee => Err(Self::refuse(frame, line, &callee, "a function or module")),
        }
    }

    fn arguments(
        &mut self,
        frame: &mut Frame<'t>,
        positional: &[Expression<'t>],
        keywords: &[(&'t str, Expression<'t>)],
    ) -> Evaluated<Arguments<'t>> {
        let mut arguments = Arguments { positional: Vec::new(), keywords: Vec::new() };
        for argument in positional {
            arguments.positional.push(self.expression(frame, argument, None)?);
        }
        for (keyword, argument) in keywords {
            arguments.keywords.push((keyword, self.expression(frame, argument, None)?));
        }
        Ok(arguments)
    }

    fn call_name(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        path: &Rc<str>,
        arguments: Arguments<'t>,
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        if let Some(item) = self.builtin(frame, line, path, &arguments.positional, &arguments.keywords)? {
            return Ok(item);
        }
        if let Dialect::Script(texts) = &mut self.dialect {
            if path.starts_with("__torch__.") {
                let (text, own) = texts.own(frame, line, path)?;
                if let Some(function) = text.function(own) {
                    let scope = Rc::clone(&frame.scope);
                    return self.inline(frame, line, text.source, &function, scope, arguments);
                }
                return match text.tuple_fields(own) {
                    Some(fields) => {
                        let items = self.bind_fields(frame, line, &fields, arguments)?;
                        Ok(Item::Tuple(items.into()))
                    }
                    None => Err(frame.unsupported(
                        line,
                        format!("a call of `{path}`"),
                        "a function or NamedTuple of the text",
                    )),
                };
            }
            let recordable =
                path.starts_with("torch.") || path.starts_with("ops.") || RECORDED.contains(&&**path);
            if !recordable {
                return Err(frame.unsupported(line, format!("a call of `{path}`"), "a function of torch"));
            }
        }
        self.charge(path.len() / 64, frame, line)?;
        let callee = Callee::Function(path.as_ref().to_owned());
        self.record(frame, line, callee, &arguments.positional, &arguments.keywords, name)
    }

    /// Evaluates a method of a module where it is called.
    pub(super) fn call_method(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        module: &Rc<str>,
        method: &str,
        mut arguments: Arguments<'t>,
    ) -> Evaluated<Item<'t>> {
        let Dialect::Script(texts) = &mut self.dialect else {
            return Err(frame.unsupported(line, "a method of a module", "a call of the module"));
        };
        let (text, class) = texts.class_of(frame, line, module)?;
        if let Some(function) = text.method(class, method) {
            arguments.positional.insert(0, Item::Module(Rc::clone(module)));
            return self.inline(frame, line, text.source, &function, Rc::clone(module), arguments);
        }
        let path = child(module, method);
        // A submodule called directly, or the method of an object that is stored as an attribute's value.
        if self.modules.contains_key(&path) {
            return self.call_method(frame, line, &path.into(), "forward", arguments);
        }
        Err(frame.malformed(
            line,
            format!("`{}`, which its class does not define", super::lexer::abbreviate(&path)),
            "a method",
        ))
    }

    /// Evaluates a function of the text where it is called.
    fn inline(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        source: Source<'t>,
        function: &Function<'t>,
        scope: Rc<str>,
        arguments: Arguments<'t>,
    ) -> Evaluated<Item<'t>> {
        let mut inner = Frame::new(source, scope);
        self.bind(frame, line, function, arguments, &mut inner)?;
        self.run(&mut inner, function).map(|(item, _)| item)
    }

    /// Evaluates a function whose parameters have their values: what it returns, and at which line.
    fn run(&mut self, frame: &mut Frame<'t>, function: &Function<'t>) -> Evaluated<(Item<'t>, u32)> {
        match self.nested(frame, function.line, |run, frame| run.block(frame, &function.body))? {
            Flow::Return(item, line) => Ok((item, line)),
            Flow::Next => Ok((Item::none(), function.line)),
            Flow::Break | Flow::Continue => {
                Err(frame.malformed(function.line, "a loop's end outside a loop", "a loop around it"))
            }
        }
    }

    /// Gives a function's parameters their values.
    fn bind(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        function: &Function<'t>,
        arguments: Arguments<'t>,
        inner: &mut Frame<'t>,
    ) -> Evaluated<()> {
        let parameters = &function.parameters;
        if arguments.positional.len() > parameters.len() {
            return Err(frame.malformed(
                line,
                format!("{} arguments of `{}`", arguments.positional.len(), function.name),
                format!("at most {}", parameters.len()),
            ));
        }
        self.charge(parameters.len(), frame, line)?;
        for (parameter, item) in parameters.iter().zip(arguments.positional) {
            inner.locals.insert(parameter.name, item);
        }
        for (keyword, item) in arguments.keywords {
            let known = parameters.iter().any(|parameter| parameter.name == keyword);
            if !known || inner.locals.insert(keyword, item).is_some() {
                return Err(frame.malformed(
                    line,
                    format!("the argument `{keyword}` of `{}`", function.name),
                    "each of its parameters once",
                ));
            }
        }
        for parameter in parameters {
            if inner.locals.contains_key(parameter.name) {
                continue;
            }
            let Some(default) = &parameter.default else {
                return Err(frame.malformed(
                    line,
                    format!("no argument `{}` of `{}`", parameter.name, function.name),
                    "a value for each parameter without a default",
                ));
            };
            // A default sees no variables of the call.
            let mut outside = Frame::new(inner.source, Rc::clone(&inner.scope));
            let item = self.expression(&mut outside, default, None)?;
            inner.locals.insert(parameter.name, item);
        }
        Ok(())
    }

    /// The fields of a NamedTuple, in order.
    fn bind_fields(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        fields: &[&'t str],
        arguments: Arguments<'t>,
    ) -> Evaluated<Vec<Item<'t>>> {
        self.charge(fields.len(), frame, line)?;
        let mut items = arguments.positional;
        for field in fields.iter().skip(items.len()) {
            match arguments.keywords.iter().find(|(keyword, _)| keyword == field) {
                Some((_, item)) => items.push(item.clone()),
                None => break,
            }
        }
        if items.len() == fields.len() {
            return Ok(items);
        }
        Err(frame.malformed(line, format!("{} fields", items.len()), format!("{}", fields.len())))
    }

    /// Evaluates `forward` of the root module: its parameters without a default become inputs.
    pub(super) fn forward(
        &mut self,
        source: Source<'t>,
        function: &Function<'t>,
    ) -> Evaluated<Vec<Argument>> {
        let mut frame = Frame::new(source, "".into());
        let mut arguments = Arguments { positional: vec![Item::Module("".into())], keywords: Vec::new() };
        for parameter in function.parameters.iter().skip(1).filter(|p| p.default.is_none()) {
            let input = self.recorder.input(parameter.name, admits_none(parameter.annotation.as_ref()));
            arguments.keywords.push((parameter.name, Item::Data(input)));
        }
        let outside = Frame::new(source, "".into());
        self.bind(&outside, function.line, function, arguments, &mut frame)?;
        let (result, line) = self.run(&mut frame, function)?;
        let results = match &result {
            Item::Tuple(_) | Item::List(_) => self.elements(&frame, line, &result)?,
            Item::Dict(id) => self.pairs(*id).map(|(_, value)| value).collect(),
            _ => Rc::new([result]),
        };
        results.iter().map(|item| self.argument(&frame, line, item)).collect()
    }
}

/// True unless the annotation is a plain `Tensor`; a parameter without annotation is taken for a tensor.
fn admits_none(annotation: Option<&Expression<'_>>) -> bool {
    match annotation.map(|annotation| &annotation.kind) {
        Some(ExpressionKind::Index(kind, _)) => {
            matches!(
                kind.kind,
                ExpressionKind::Name("Optional" | "Union")
                    | ExpressionKind::Attribute(_, "Optional" | "Union")
            )
        }
        _ => false,
    }
}
