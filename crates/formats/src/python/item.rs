//! What an expression can stand for while `forward` is evaluated.

use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::ReadError;
use crate::source::{Place, Value, ValueId};

/// Index of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListId(pub(super) usize);

/// The value of an expression.
#[derive(Debug, Clone)]
pub(super) enum Item<'t> {
    /// Known now, with the path of the attribute it was read from.
    Constant(Known<'t>, Option<Rc<str>>),
    /// Known when the network runs.
    Data(ValueId),
    /// A tuple.
    Tuple(Rc<[Item<'t>]>),
    /// A list, which can be changed through any of its names.
    List(ListId),
    /// A dict: a list of pairs.
    Dict(ListId),
    /// `start:stop:step`.
    Slice(Rc<[Item<'t>; 3]>),
    /// A module, by path.
    Module(Rc<str>),
    /// Something of the framework or of the text, by dotted name.
    Name(Rc<str>),
    /// Declared without a value (`uninitialized(T)`), or left open by a condition on data at this place.
    Open(Option<Rc<Place>>),
}

/// A value that is in the file, or that was computed.
#[derive(Debug, Clone)]
pub(super) enum Known<'t> {
    Stored(&'t Value),
    Made(Rc<Value>),
}

impl Deref for Known<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        match self {
            Self::Stored(value) => value,
            Self::Made(value) => value,
        }
    }
}

impl<'t> Item<'t> {
    pub(super) fn made(value: Value) -> Self {
        Self::Constant(Known::Made(Rc::new(value)), None)
    }

    pub(super) fn stored(value: &'t Value, path: &str) -> Self {
        Self::Constant(Known::Stored(value), Some(path.into()))
    }

    pub(super) fn none() -> Self {
        Self::made(Value::None)
    }

    pub(super) fn bool(value: bool) -> Self {
        Self::made(Value::Bool(value))
    }

    pub(super) fn int(value: i64) -> Self {
        Self::made(Value::Int(value))
    }

    pub(super) fn float(value: f64) -> Self {
        Self::made(Value::Float(value))
    }

    pub(super) fn str(value: &str) -> Self {
        Self::made(Value::Str(Arc::from(value)))
    }

    pub(super) fn symbol(name: &str) -> Self {
        Self::made(Value::Symbol(Arc::from(name)))
    }

    /// The value, if it is known.
    pub(super) fn constant(&self) -> Option<&Value> {
        match self {
            Self::Constant(value, _) => Some(value),
            _ => None,
        }
    }

    /// What kind of thing this is, for messages.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Constant(value, Some(path)) => format!("`{path}`, {},", value.kind()),
            Self::Constant(value, None) => value.kind(),
            Self::Data(_) => "a value that is known only when the network runs".into(),
            Self::Tuple(items) => format!("a tuple of {}", items.len()),
            Self::List(_) => "a list".into(),
            Self::Dict(_) => "a dict".into(),
            Self::Slice(_) => "a slice".into(),
            Self::Module(path) if path.is_empty() => "the module itself".into(),
            Self::Module(path) => format!("the module `{path}`"),
            Self::Name(name) => format!("`{}`", super::lexer::abbreviate(name)),
            Self::Open(None) => "a variable without a value".into(),
            Self::Open(Some(place)) => format!("a variable whose value depends on the condition at {place}"),
        }
    }

    /// True if both are plainly one value: the same data, module, or scalar. Lists and tuples are the same only if
    /// they are one object.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Data(a), Self::Data(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Dict(a), Self::Dict(b)) => a == b,
            (Self::Tuple(a), Self::Tuple(b)) => Rc::ptr_eq(a, b),

            (Self::Slice(a), Self::Slice(b)) => Rc::ptr_eq(a, b),
            (Self::Module(a), Self::Module(b)) | (Self::Name(a), Self::Name(b)) => a == b,
            (Self::Constant(a, _), Self::Constant(b, _)) => {
                std::ptr::eq::<Value>(&**a, &**b) || equal_scalars(a, b) == Some(true)
            }
            _ => false,
        }
    }
}

/// Python's `==` between scalars; `None` where one is no scalar.
pub(super) fn equal_scalars(a: &Value, b: &Value) -> Option<bool> {
    Some(match (a, b) {
        (Value::None, Value::None) => true,
        (Value::Str(a) | Value::Symbol(a), Value::Str(b) | Value::Symbol(b)) => a == b,
        _ => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.compare(b).is_some_and(std::cmp::Ordering::is_eq),
            _ => is_scalar(a).then_some(false).filter(|_| is_scalar(b))?,
        },
    })
}

fn is_scalar(value: &Value) -> bool {
    matches!(
        value,
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_) | Value::Symbol(_)
    )
}

/// A number of Python.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// The number that a scalar is; booleans count as integers.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(b) => Some(Self::Int(i64::from(*b))),
            Value::Int(i) => Some(Self::Int(*i)),
            Value::Float(x) => Some(Self::Float(*x)),
            _ => None,
        }
    }

    /// The number as a float, rounded to nearest beyond 2^53 as Python does.
    #[allow(clippy::cast_precision_loss)] // Python's own conversion.
    pub(super) fn to_f64(self) -> f64 {
        match self {
            Self::Int(i) => i as f64,
            Self::Float(x) => x,
        }
    }

    /// Order; `None` beside a NaN.
    pub(super) fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            _ => self.to_f64().partial_cmp(&other.to_f64()),
        }
    }
}

impl From<Number> for Item<'_> {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(i) => Self::int(i),
            Number::Float(x) => Self::float(x),
        }
    }
}

/// Why evaluation ends before `return`.
#[derive(Debug)]
pub(super) enum Stop {
    /// The text raises an exception here, with this message.
    Raise(Place, String),
    /// The text is refused.
    Refused(Box<ReadError>),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<Stop> for ReadError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Raise(place, message) => {
                Self::unsupported(place.to_string(), format!("an exception: {message}"), "a result")
                    .hint("`forward` raises whatever its input; was the model saved in working order?")
            }
            Stop::Refused(error) => *error,
        }
    }
}

/// Result of evaluating.
pub(super) type Evaluated<T> = Result<T, Stop>;
