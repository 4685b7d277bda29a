//! The arguments of one call, as the signature of its operator names them: the one reader of TorchScript, FX and
//! exported programs.
//!
//! A [`Signature`] has PyTorch's own names and defaults. The reader finds an argument by its position or its name,
//! remembers what was read, tells an argument that is *computed* while the network runs from one that is *absent*, and
//! at the end refuses the call by the name of each argument that nobody read and that is not what PyTorch takes when it
//! is left out: arithmetic that was asked for and would not be done.

use std::cell::RefCell;

use gen_params_formats::{Argument, Node, Tensor, Value};

use gen_params_core::error::{LowerError, Result};

/// The parameters of an operator in PyTorch's notation: `self, dim, keepdim=False, *, dtype=None`.
///
/// Behind a lone `*` stand parameters that have a name only, `*shape` takes all that follows, and `~` marks what does not
/// change the result.
pub(super) type Signature = &'static str;

/// One parameter of a signature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parameter {
    /// PyTorch's name.
    pub(super) name: &'static str,
    /// What PyTorch takes where it is left out; `None` for what has to be given.
    pub(super) default: Option<Literal>,
    /// It cannot be given by position.
    pub(super) named_only: bool,
    /// It does not change the result.
    pub(super) is_ignored: bool,
    /// It takes all further positional arguments.
    pub(super) takes_rest: bool,
}

/// A default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(&'static str),
    /// `[]`.
    Empty,
}

impl Literal {
    fn parse(text: &'static str) -> Self {
        match text {
            "None" => Self::None,
            "True" => Self::Bool(true),
            "False" => Self::Bool(false),
            "[]" => Self::Empty,
            _ => match (text.parse(), text.parse()) {
                (Ok(int), _) => Self::Int(int),
                (_, Ok(real)) => Self::Real(real),
                _ => Self::Text(text.trim_matches('\'')),
            },
        }
    }

    fn as_f64(self) -> Option<f64> {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "a default of the table")]
            Self::Int(int) => Some(int as f64),
            Self::Real(real) => Some(real),
            Self::None | Self::Bool(_) | Self::Text(_) | Self::Empty => None,
        }
    }

    /// Whether a call that gives this value says nothing more than one that leaves it out.
    pub(super) fn is(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::None) => true,
            (Self::Bool(own), Value::Bool(given)) => own == *given,
            (Self::Text(own), Value::Str(given) | Value::Symbol(given)) => *own == **given,
            (Self::Empty, Value::List(given) | Value::Tuple(given)) => given.is_empty(),
            // One number stands for one per axis.
            (Self::Int(_) | Self::Real(_), Value::List(given) | Value::Tuple(given)) => {
                given.iter().all(|given| self.is(given))
            }
            (Self::Int(_) | Self::Real(_), _) => {
                number_of(value).is_some() && number_of(value) == self.as_f64()
            }
            (Self::None | Self::Bool(_) | Self::Text(_) | Self::Empty, _) => false,
        }
    }
}

/// The parameters of a signature.
pub(super) fn parameters(signature: Signature) -> Vec<Parameter> {
    let mut named_only = false;
    let mut parameters = Vec::new();
    for text in signature.split(", ").filter(|text| !text.is_empty()) {
        if text == "*" {
            named_only = true;
            continue;
        }
        let (is_ignored, text) = text.strip_prefix('~').map_or((false, text), |text| (true, text));
        let (takes_rest, text) = text.strip_prefix('*').map_or((false, text), |text| (true, text));
        let (name, default) = match text.split_once('=') {
            Some((name, default)) => (name, Some(Literal::parse(default))),
            None => (text, None),
        };
        parameters.push(Parameter { name, default, named_only, is_ignored, takes_rest });
    }
    parameters
}

/// Other names that Python's parser of arguments takes for these.
const ALIASES: [(&str, &[&str]); 4] =
    [("self", &["input"]), ("dim", &["axis"]), ("keepdim", &["keepdims"]), ("tensors", &["qx"])];

fn is_called(parameter: &str, keyword: &str) -> bool {
    let other = ALIASES.iter().find(|(own, _)| *own == parameter);
    parameter == keyword || other.is_some_and(|(_, others)| others.contains(&keyword))
}

/// The arguments of one call.
pub(super) struct Arguments<'a> {
    pub(super) node: &'a Node,
    /// The operator, for messages.
    pub(super) operator: &'a str,
    /// Where it stands, for messages.
    place: String,
    parameters: Vec<Parameter>,
    /// Places in the call of the arguments that were read, keywords behind the others.
    read: RefCell<Vec<usize>>,
}

impl<'a> Arguments<'a> {
    /// The arguments of a call along the first signature that takes as many and has their names; along the first of all
    /// where none does.
    pub(super) fn new(node: &'a Node, operator: &'a str, place: String, signatures: &[Signature]) -> Self {
        let fits = |parameters: &Vec<Parameter>| {
            let positions = parameters.iter().filter(|p| !p.named_only).count();
            let has = |index: usize, parameter: &Parameter| {
                (!parameter.named_only && index < node.arguments.len())
                    || node.keywords.iter().any(|(keyword, _)| is_called(parameter.name, keyword))
            };
            (node.arguments.len() <= positions || parameters.iter().any(|p| p.takes_rest))
                && node.keywords.iter().all(|(k, _)| parameters.iter().any(|p| is_called(p.name, k)))
                && parameters.iter().enumerate().all(|(index, p)| p.default.is_some() || has(index, p))
        };
        let mut all = signatures.iter().map(|signature| parameters(signature));
        let first = all.next().unwrap_or_default();
        let parameters = if fits(&first) { first } else { all.find(fits).unwrap_or(first) };
        Self { node, operator, place, parameters, read: RefCell::new(Vec::new()) }
    }

    /// The place of an argument in the call, and its parameter.
    fn find(&self, name: &str) -> (Option<usize>, Option<&Parameter>) {
        let count = self.node.arguments.len();
        let position = self.parameters.iter().position(|p| p.name == name);
        let parameter = position.and_then(|position| self.parameters.get(position));
        let by_position = position.filter(|&p| p < count && parameter.is_some_and(|p| !p.named_only));
        let by_name = || Some(count + self.node.keywords.iter().position(|(k, _)| is_called(name, k))?);
        (by_position.or_else(by_name), parameter)
    }

    fn at(&self, place: usize) -> Option<&'a Argument> {
        let keyword = || self.node.keywords.get(place.checked_sub(self.node.arguments.len())?);
        self.node.arguments.get(place).or_else(|| keyword().map(|(_, argument)| argument))
    }

    /// An argument by its name in the signature, as it stands in the call.
    pub(super) fn get(&self, name: &str) -> Option<&'a Argument> {
        let place = self.find(name).0?;
        self.read.borrow_mut().push(place);
        self.at(place)
    }

    /// An argument and all that follow it, where the signature says that it takes them.
    pub(super) fn rest(&self, name: &str) -> Vec<&'a Argument> {
        let (Some(first), parameter) = self.find(name) else { return Vec::new() };
        let count = self.node.arguments.len();
        let takes_rest = first < count && parameter.is_some_and(|parameter| parameter.takes_rest);
        let last = if takes_rest { count } else { first + 1 };
        self.read.borrow_mut().extend(first..last);
        (first..last).filter_map(|place| self.at(place)).collect()
    }

    /// Whether an argument is given, as something other than `None`.
    pub(super) fn is_given(&self, name: &str) -> bool {
        let argument = self.find(name).0.and_then(|place| self.at(place));
        !matches!(argument, None | Some(Argument::Constant(Value::None, _)))
    }

    /// An argument that is known; `None` where it is left out or Python's `None`.
    pub(super) fn known(&self, name: &str) -> Result<Option<&'a Value>> {
        match self.get(name) {
            None | Some(Argument::Constant(Value::None, _)) => Ok(None),
            Some(Argument::Constant(value, _)) => Ok(Some(value)),
            Some(Argument::Value(_) | Argument::List(_)) => Err(self.computed(name)),
        }
    }

    /// An argument that is known and has to be given.
    pub(super) fn needed(&self, name: &str) -> Result<&'a Value> {
        self.known(name)?.ok_or_else(|| self.missing(name))
    }

    /// The name of the first parameter: the tensor that an operator is applied to.
    pub(super) fn first(&self) -> &'static str {
        self.parameters.first().map_or("input", |parameter| parameter.name)
    }

    /// The names of the first two parameters.
    pub(super) fn two(&self) -> (&'static str, &'static str) {
        (self.first(), self.parameters.get(1).map_or("other", |parameter| parameter.name))
    }

    /// Marks arguments that do not change the result of this call.
    pub(super) fn ignore(&self, names: &[&str]) {
        for name in names {
            self.get(name);
        }
    }

    fn default(&self, name: &str) -> Option<Literal> {
        self.find(name).1.and_then(|parameter| parameter.default)
    }

    /// An integer, or PyTorch's default.
    pub(super) fn int(&self, name: &str) -> Result<i64> {
        match (self.optional_int(name)?, self.default(name)) {
            (Some(int), _) | (None, Some(Literal::Int(int))) => Ok(int),
            (None, _) => Err(self.missing(name)),
        }
    }

    /// An integer where one is given.
    pub(super) fn optional_int(&self, name: &str) -> Result<Option<i64>> {
        match self.known(name)? {
            Some(value) => value.as_i64().map(Some).ok_or_else(|| self.wrong(name, value)),
            None => Ok(None),
        }
    }

    /// A number, an integer or not, or PyTorch's default.
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        match self.optional_number(name)? {
            Some(number) => Ok(number),
            None => self.default(name).and_then(Literal::as_f64).ok_or_else(|| self.missing(name)),
        }
    }

    /// A number where one is given.
    pub(super) fn optional_number(&self, name: &str) -> Result<Option<f64>> {
        match self.known(name)? {
            Some(value) => number_of(value).map(Some).ok_or_else(|| self.wrong(name, value)),
            None => Ok(None),
        }
    }

    /// A boolean, or PyTorch's default.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        match (self.known(name)?, self.default(name)) {
            (Some(Value::Bool(flag)), _) => Ok(*flag),
            (Some(other), _) => Err(self.wrong(name, other)),
            (None, Some(Literal::Bool(flag))) => Ok(flag),
            (None, _) => Err(self.missing(name)),
        }
    }

    /// A word, or PyTorch's default.
    pub(super) fn text(&self, name: &str) -> Result<&'a str> {
        match (self.known(name)?, self.default(name)) {
            (Some(value), _) => value.as_str().ok_or_else(|| self.wrong(name, value)),
            (None, Some(Literal::Text(text))) => Ok(text),
            (None, _) => Err(self.missing(name)),
        }
    }

    /// Integers, one or one per axis, or PyTorch's default; `None` where that is an empty list.
    pub(super) fn per_axis(&self, name: &str, axes: usize) -> Result<Option<Vec<i64>>> {
        match self.known(name)? {
            Some(Value::List(list) | Value::Tuple(list)) if list.is_empty() => Ok(None),
            Some(value) => spread(value, axes).map(Some).ok_or_else(|| self.wrong(name, value)),
            None => Ok(match self.default(name) {
                Some(Literal::Int(one)) => Some(vec![one; axes]),
                _ => None,
            }),
        }
    }

    /// Integers, one or several; `None` where left out.
    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        match self.known(name)? {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(one) => Ok(Some(vec![one])),
                None => value.as_ints().map(Some).ok_or_else(|| self.wrong(name, value)),
            },
        }
    }

    /// A float32 tensor's numbers.
    pub(super) fn reals(&self, name: &str) -> Result<Option<Vec<f32>>> {
        match self.known(name)? {
            None => Ok(None),
            Some(value @ Value::Tensor(tensor)) => {
                Tensor::to_f32(tensor).map(Some).ok_or_else(|| self.wrong(name, value))
            }
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// Refuses the call for each argument that nobody read and that is not as if it were left out.
    pub(super) fn finish(&self) -> Result<()> {
        let mut reasons = Vec::new();
        let read = self.read.borrow();
        let count = self.node.arguments.len();
        for place in (0..count + self.node.keywords.len()).filter(|place| !read.contains(place)) {
            let keyword = place.checked_sub(count).and_then(|place| self.node.keywords.get(place));
            let parameter = match keyword {
                Some((keyword, _)) => self.parameters.iter().find(|p| is_called(p.name, keyword)),
                None => self.parameters.get(place).filter(|p| !p.named_only),
            };
            let name = match (keyword, parameter) {
                (Some((keyword, _)), _) => format!("`{keyword}`"),
                (None, Some(parameter)) => format!("`{}`", parameter.name),
                (None, None) => format!("{}", place + 1),
            };
            let text = match (parameter, self.at(place)) {
                (Some(parameter), _) if parameter.is_ignored => continue,
                (None, _) => format!("has an argument {name}, which PyTorch's operator does not have"),
                (Some(Parameter { default: Some(default), .. }), Some(Argument::Constant(value, _)))
                    if default.is(value) =>
                {
                    continue;
                }
                (Some(_), Some(Argument::Constant(Value::None, _))) => continue,
                (Some(parameter), Some(Argument::Constant(value, _))) => {
                    let expected = parameter.default.map(|default| format!("; only {default} is"));
                    format!("with {name} = {} is not supported{}", shown(value), expected.unwrap_or_default())
                }
                (Some(_), _) => format!("with a computed {name} is not supported"),
            };
            reasons.extend(self.refuse(text).reasons);
        }
        if reasons.is_empty() {
            return Ok(());
        }
        let hint = "give the operator without it in the model and save it again, or let it run in float after the network";
        Err(LowerError { reasons, hint: Some(hint.into()) })
    }

    pub(super) fn missing(&self, name: &str) -> LowerError {
        self.refuse(format!("has no `{name}`"))
    }

    pub(super) fn wrong(&self, name: &str, value: &Value) -> LowerError {
        self.refuse(format!("has {} for `{name}`", value.kind()))
    }

    fn computed(&self, name: &str) -> LowerError {
        self.refuse(format!("has a `{name}` that is computed while the network runs, expected a constant"))
    }

    /// A refusal of this call: what is said of its operator.
    pub(super) fn refuse(&self, text: impl AsRef<str>) -> LowerError {
        LowerError::at(&self.place, format!("`{}` {}", self.operator, text.as_ref()))
    }
}

impl std::fmt::Display for Literal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(flag) => f.write_str(if *flag { "True" } else { "False" }),
            Self::Int(int) => write!(f, "{int}"),
            Self::Real(real) => write!(f, "{real:?}"),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Empty => f.write_str("[]"),
        }
    }
}

/// A value as Python writes it, where it is short.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Int(int) => int.to_string(),
        Value::Float(real) => format!("{real:?}"),
        Value::Str(text) if text.len() <= 40 => format!("'{text}'"),
        Value::List(list) | Value::Tuple(list) if list.len() <= 6 => {
            format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        other => other.kind(),
    }
}

/// A number, an integer or not.
pub(super) fn number_of(value: &Value) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "a number written as an integer in the model's source")]
    value.as_f64().or_else(|| value.as_i64().map(|int| int as f64))
}

/// One number or one per axis.
pub(crate) fn spread(value: &Value, axes: usize) -> Option<Vec<i64>> {
    match value.as_i64() {
        Some(one) => Some(vec![one; axes]),
        None => match value.as_ints()? {
            ints if ints.len() == axes => Some(ints),
            ints if ints.len() == 1 => Some(vec![ints[0]; axes]),
            _ => None,
        },
    }
}
