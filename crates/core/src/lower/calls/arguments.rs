//! The arguments of one call, by position or keyword.

use gen_params_formats::{Argument, Node, Value};

use crate::error::{LowerError, Result};
use crate::lower::parts;

/// The arguments of one call, by position or keyword.
pub(super) struct Arguments<'a> {
    pub(super) node: &'a Node,
    pub(super) callee: &'a str,
}

impl<'a> Arguments<'a> {
    pub(super) fn get(&self, position: usize, name: &str) -> Option<&'a Argument> {
        self.node
            .arguments
            .get(position)
            .or_else(|| self.node.keywords.iter().find(|(k, _)| k == name).map(|(_, v)| v))
    }

    pub(super) fn constant(&self, position: usize, name: &str) -> Option<&'a Value> {
        match self.get(position, name) {
            Some(Argument::Constant(value, _)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn int(&self, position: usize, name: &str, default: Option<i64>) -> Result<i64> {
        match self.constant(position, name).map(|v| (v, v.as_i64())) {
            Some((_, Some(int))) => Ok(int),
            None | Some((Value::None, _)) => default.ok_or_else(|| self.missing(name)),
            Some((other, None)) => Err(self.wrong(name, other)),
        }
    }

    pub(super) fn number(&self, position: usize, name: &str, default: Option<f64>) -> Result<f64> {
        #[allow(clippy::cast_precision_loss, reason = "a bound written as an integer in the model's source")]
        match self.constant(position, name).map(|v| (v, v.as_f64().or_else(|| v.as_i64().map(|i| i as f64))))
        {
            Some((_, Some(number))) => Ok(number),
            None | Some((Value::None, _)) => default.ok_or_else(|| self.missing(name)),
            Some((other, None)) => Err(self.wrong(name, other)),
        }
    }

    pub(super) fn flag(&self, position: usize, name: &str, default: bool) -> Result<bool> {
        match self.constant(position, name) {
            Some(Value::Bool(flag)) => Ok(*flag),
            None | Some(Value::None) => Ok(default),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// One number or one per axis; an absent or empty list is `None`.
    pub(super) fn extent(&self, position: usize, name: &str, axes: usize) -> Result<Option<Vec<i64>>> {
        match self.constant(position, name) {
            None | Some(Value::None) => Ok(None),
            Some(Value::List(v) | Value::Tuple(v)) if v.is_empty() => Ok(None),
            Some(value) => parts::spread(value, axes).map(Some).ok_or_else(|| self.wrong(name, value)),
        }
    }

    pub(super) fn missing(&self, name: &str) -> LowerError {
        self.refuse(format!("`{}` without a constant `{name}`", self.callee))
    }

    pub(super) fn wrong(&self, name: &str, value: &Value) -> LowerError {
        self.refuse(format!("`{}` with {} for `{name}`", self.callee, value.kind()))
    }

    pub(super) fn refuse(&self, text: String) -> LowerError {
        LowerError::at(self.node.place.to_string(), text)
    }
}
