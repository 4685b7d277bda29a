//! Functions of TorchScript and Python whose result is known where their arguments are.

use std::rc::Rc;

use super::ast::Operator;
use super::evaluate::Evaluator;
use super::frame::Frame;
use super::item::{Evaluated, Item, Number};
use super::operation::raise;
use crate::source::Value;

/// Functions that change a list in ways that no `forward` was seen to use.
const LIST_CHANGES: [&str; 8] = [
    "torch.clear",
    "torch.insert",
    "torch.pop",
    "torch.remove",
    "torch.reverse",
    "torch.sort",
    "torch.Delete",
    "torch.__delitem__",
];

impl<'t> Evaluator<'t> {
    /// The result of a function that is evaluated here; `None` if the call has to be recorded.
    pub(super) fn builtin(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        path: &str,
        arguments: &[Item<'t>],
        keywords: &[(&'t str, Item<'t>)],
    ) -> Evaluated<Option<Item<'t>>> {
        match path {
            "ops.prim.RaiseException" => return Err(raise(frame, line, arguments.first())),
            // What these say goes to a terminal or a log.
            "torch.warn" | "print" => return Ok(Some(Item::none())),
            "torch._C._get_tracing_state" => return Ok(Some(Item::bool(false))),
            "torch.device" | "device" => {
                let device = arguments.first().or(keywords.first().map(|(_, device)| device));
                let device = device.and_then(Item::constant).and_then(Value::as_str);
                return Ok(device.map(|device| Item::symbol(&format!("torch.device({device:?})"))));
            }
            _ if path.starts_with("torch._C._log_api_usage") => return Ok(Some(Item::none())),
            _ => {}
        }
        if !keywords.is_empty() {
            return Ok(None);
        }
        if let ([left, right], Some(operator)) = (arguments, operator(path)) {
            return self.fold(frame, line, operator, left, right);
        }
        if let Some(item) = self.prepack(frame, line, path, arguments)? {
            return Ok(Some(item));
        }
        Ok(match (path, arguments) {
            ("torch.__not__", [item]) => self.truth(frame, line, item)?.map(|truth| Item::bool(!truth)),
            ("torch.neg", [item]) => match item.constant().and_then(Number::of) {
                Some(_) => Some(self.unary(frame, line, Operator::Negate, item.clone(), None)?),
                None => None,
            },
            ("torch.len" | "len", [item]) => {
                self.length(item).map(|length| Item::int(i64::try_from(length).unwrap_or(i64::MAX)))
            }
            ("int" | "float" | "bool", [item @ Item::Constant(..)]) => {
                Some(self.convert(frame, line, path, item)?)
            }
            ("bool", [item]) => self.truth(frame, line, item)?.map(Item::bool),
            ("ops.prim.NumToTensor", [item @ Item::Constant(..)]) => Some(item.clone()),
            ("ops.prim.min" | "ops.prim.max" | "min" | "max", [left, right]) => {
                let lower = self.fold(frame, line, Operator::Less, left, right)?;
                match lower.as_ref().and_then(Item::constant) {
                    Some(Value::Bool(lower)) => {
                        Some(if *lower == path.ends_with("min") { left.clone() } else { right.clone() })
                    }
                    _ => None,
                }
            }
            ("range", _) => Some(self.range(frame, line, arguments)?),
            ("getattr", [item, name]) => {
                let Some(Value::Str(name)) = name.constant() else {
                    return Err(Self::refuse(frame, line, name, "the name of an attribute"));
                };
                let name = std::sync::Arc::clone(name);
                Some(self.attribute(frame, line, item.clone(), &name, None)?)
            }
            ("torch.append", [list, item]) => {
                self.extend(frame, line, list, std::slice::from_ref(item))?;
                Some(list.clone())
            }
            ("torch.extend", [list, items]) => {
                let items = self.elements(frame, line, items)?;
                self.extend(frame, line, list, &items)?;
                Some(Item::none())
            }
            ("torch._set_item", [list, index, item]) => {
                self.set_element(frame, line, list, index, item.clone())?;
                Some(list.clone())
            }
            ("torch.__getitem__", [item, index]) => Some(self.element(frame, line, item, index, None)?),
            ("torch.select", [item, index]) if self.length(item).is_some() => {
                Some(self.element(frame, line, item, index, None)?)
            }
            ("torch.slice", [item, bounds @ ..]) if bounds.len() <= 3 && self.length(item).is_some() => {
                let bound = |index: usize| bounds.get(index).cloned().unwrap_or_else(Item::none);
                let parts = Item::Slice(Rc::new([bound(0), bound(1), bound(2)]));
                Some(self.element(frame, line, item, &parts, None)?)
            }
            ("torch.dict", []) => Some(Item::Dict(self.lists.add(Vec::new()))),
            ("torch.floor" | "torch.ceil", [item]) => match item.constant() {
                Some(Value::Float(x)) => {
                    truncate(if path.ends_with("floor") { x.floor() } else { x.ceil() }).map(Item::int)
                }
                Some(Value::Int(_)) => Some(item.clone()),
                _ => None,
            },
            ("torch.__range_length", [_, _, _]) => {
                let range = self.range(frame, line, arguments)?;
                self.length(&range).map(|length| Item::int(i64::try_from(length).unwrap_or(i64::MAX)))
            }
            ("torch.__derive_index", [index, start, step]) => {
                match self.fold(frame, line, Operator::Multiply, index, step)? {
                    Some(distance) => self.fold(frame, line, Operator::Add, start, &distance)?,
                    None => None,
                }
            }
            ("torch.list" | "torch.copy" | "list", [item]) if self.length(item).is_some() => {
                let items = self.elements(frame, line, item)?.to_vec();
                Some(Item::List(self.lists.add(items)))
            }
            ("torch.__contains__", [container, item]) => {
                self.fold(frame, line, Operator::In, item, container)?
            }
            (_, [Item::List(_) | Item::Dict(_), ..]) if LIST_CHANGES.contains(&path) => {
                return Err(frame.unsupported(
                    line,
                    format!("`{path}` on a list or dict"),
                    "append, extend or an assignment",
                ));
            }
            _ => None,
        })
    }

    /// `int(x)`, `float(x)`, `bool(x)` on a known value, which keeps the path of the attribute it came from.
    pub(super) fn convert(
        &self,
        frame: &Frame<'t>,
        line: u32,
        kind: &str,
        item: &Item<'t>,
    ) -> Evaluated<Item<'t>> {
        let Item::Constant(value, path) = item else {
            return Ok(item.clone());
        };
        let number = match &**value {
            Value::Tensor(tensor) if !tensor.dtype().is_quantized() => {
                tensor.scalar_i64().map(Number::Int).or_else(|| tensor.scalar_f64().map(Number::Float))
            }
            value => Number::of(value),
        };
        let converted = match (kind, number) {
            ("float", Some(number)) => Some(Value::Float(number.to_f64())),
            ("int", Some(Number::Int(i))) => Some(Value::Int(i)),
            ("int", Some(Number::Float(x))) => truncate(x).map(Value::Int),
            ("bool", _) => self.truth(frame, line, item)?.map(Value::Bool),
            _ => None,
        };
        match converted {
            Some(value) => Ok(Item::Constant(super::item::Known::Made(Rc::new(value)), path.clone())),
            None => Err(Self::refuse(frame, line, item, &format!("something that {kind}() takes"))),
        }
    }

    /// `range(stop)`, `range(start, stop)`, `range(start, stop, step)`
    fn range(&mut self, frame: &Frame<'t>, line: u32, arguments: &[Item<'t>]) -> Evaluated<Item<'t>> {
        let mut numbers = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match argument.constant().and_then(Number::of) {
                Some(Number::Int(number)) => numbers.push(number),
                _ => return Err(Self::refuse(frame, line, argument, "a bound that the file fixes")),
            }
        }
        let (start, stop, step) = match numbers[..] {
            [stop] => (0, stop, 1),
            [start, stop] => (start, stop, 1),
            [start, stop, step] if step != 0 => (start, stop, step),
            _ => return Err(frame.malformed(line, "a range of unusual form", "`range(start, stop, step)`")),
        };
        let distance = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
        let count = u64::try_from(distance).unwrap_or(0).div_ceil(step.unsigned_abs());
        self.charge(usize::try_from(count).unwrap_or(usize::MAX), frame, line)?;
        let items = (0..count).map(|index| {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            Item::int(start.saturating_add(index.saturating_mul(step)))
        });
        Ok(Item::Tuple(items.collect()))
    }
}

/// The part of a float before the point, if 64 bits hold it.
fn truncate(x: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63, which is a float, as -2^63 is.
    let whole = x.trunc();
    #[allow(clippy::cast_possible_truncation)] // A whole number between -2^63 and 2^63 - 1, by the test.
    (-LIMIT..LIMIT).contains(&whole).then_some(whole as i64)
}

/// The operator that a function of two arguments is.
fn operator(path: &str) -> Option<Operator> {
    let name = path.strip_prefix("torch.").or_else(|| path.strip_prefix("operator."))?;
    Some(match name {
        "__is__" => Operator::Is,
        "__isnot__" => Operator::IsNot,
        "eq" => Operator::Equal,
        "ne" => Operator::NotEqual,
        "lt" => Operator::Less,
        "le" => Operator::LessEqual,
        "gt" => Operator::Greater,
        "ge" => Operator::GreaterEqual,
        "add" => Operator::Add,
        "sub" => Operator::Subtract,
        "mul" => Operator::Multiply,
        "div" | "truediv" => Operator::Divide,
        "floordiv" => Operator::FloorDivide,
        "remainder" | "mod" => Operator::Remainder,
        "__and__" => Operator::BitAnd,
        "__or__" => Operator::BitOr,
        "__xor__" => Operator::BitXor,
        _ => return None,
    })
}
