//! Attributes, operators and conditions.

use std::rc::Rc;

use super::ast::Operator;
use super::evaluate::{Dialect, Evaluator};
use super::frame::Frame;
use super::item::{Evaluated, Item, Number, Stop, equal_scalars};
use crate::source::{Callee, Value};

impl<'t> Evaluator<'t> {
    /// `item.attribute`
    pub(super) fn attribute(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        item: Item<'t>,
        attribute: &str,
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        self.charge(attribute.len() / 64, frame, line)?;
        match &item {
            Item::Module(path) => self.module_attribute(frame, line, path, attribute),
            Item::Name(path) => match &self.dialect {
                Dialect::Script(texts) if &**path == "CONSTANTS" => texts.constant(frame, line, attribute),
                _ if matches!(&**path, "torch" | "math") && attribute == "inf" => {
                    Ok(Item::float(f64::INFINITY))
                }
                _ if matches!(&**path, "torch" | "math") && attribute == "nan" => Ok(Item::float(f64::NAN)),
                _ => {
                    self.charge(path.len() / 64, frame, line)?;
                    Ok(Item::Name(format!("{path}.{attribute}").into()))
                }
            },
            Item::Data(_) | Item::Constant(..) => {
                let arguments = [item, Item::str(attribute)];
                self.record(frame, line, Callee::Function("getattr".into()), &arguments, &[], name)
            }
            _ => Err(Self::refuse(frame, line, &item, "something that has attributes")),
        }
    }

    /// What a module holds under a name: a submodule, an attribute, or a constant of its class.
    pub(super) fn module_attribute(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        module: &Rc<str>,
        attribute: &str,
    ) -> Evaluated<Item<'t>> {
        let path = child(module, attribute);
        self.charge(path.len() / 64, frame, line)?;
        if self.modules.contains_key(&path) {
            return Ok(Item::Module(path.into()));
        }
        if let Some(value) = self.modules.get(&**module).and_then(|m| m.attributes.get(attribute)) {
            return Ok(Item::stored(value, &path));
        }
        if let Some(item) = self.class_constant(frame, line, module, attribute)? {
            return Ok(item);
        }
        if let Some(item) = self.packed_attribute(frame, line, module, attribute)? {
            return Ok(item);
        }
        Err(frame.malformed(
            line,
            format!("`{}`, which the file does not hold", super::lexer::abbreviate(&path)),
            "an attribute or submodule",
        ))
    }

    /// Whether a condition holds; `None` where that is known only when the network runs.
    pub(super) fn truth(&self, frame: &Frame<'t>, line: u32, item: &Item<'t>) -> Evaluated<Option<bool>> {
        if let Item::Data(_) | Item::Open(Some(_)) = item {
            return Ok(None);
        }
        if let Some(length) = self.length(item) {
            return Ok(Some(length != 0));
        }
        let truth = match item.constant() {
            Some(Value::None) => Some(false),
            Some(Value::Tensor(tensor)) => {
                tensor.scalar_f64().map(|x| x != 0.0).or_else(|| tensor.scalar_i64().map(|i| i != 0))
            }
            Some(value) => Number::of(value).map(|number| number.to_f64() != 0.0),
            None => None,
        };
        match truth {
            Some(truth) => Ok(Some(truth)),
            None => Err(Self::refuse(frame, line, item, "a condition")),
        }
    }

    /// Whether an item is `None`; `None` where that is known only when the network runs.
    pub(super) fn is_none(&self, item: &Item<'t>) -> Option<bool> {
        match item {
            Item::Constant(value, _) => Some(matches!(**value, Value::None)),
            Item::Data(id) if self.recorder.may_be_none(*id) => None,
            Item::Open(_) => None,
            _ => Some(false),
        }
    }

    /// An operator with one operand.
    pub(super) fn unary(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        operator: Operator,
        operand: Item<'t>,
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        if operator == Operator::Not
            && let Some(truth) = self.truth(frame, line, &operand)?
        {
            return Ok(Item::bool(!truth));
        }
        let folded = match (operator, operand.constant().and_then(Number::of)) {
            (Operator::Negate, Some(Number::Int(i))) => i.checked_neg().map(Item::int),
            (Operator::Negate, Some(Number::Float(x))) => Some(Item::float(-x)),
            (Operator::Positive, Some(number)) => Some(number.into()),
            (Operator::Invert, Some(Number::Int(i))) => Some(Item::int(!i)),
            _ => None,
        };
        match folded {
            Some(item) => Ok(item),
            None => self.record(frame, line, function(operator), &[operand], &[], name),
        }
    }

    /// An operator with two operands.
    pub(super) fn binary(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        operator: Operator,
        left: Item<'t>,
        right: Item<'t>,
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        if let Some(item) = self.fold(frame, line, operator, &left, &right)? {
            return Ok(item);
        }
        match operator {
            // `operator.contains` has the container first, and there is no function for its negation.
            Operator::In => self.record(frame, line, function(operator), &[right, left], &[], name),
            Operator::NotIn => {
                let found = self.record(frame, line, function(operator), &[right, left], &[], None)?;
                self.record(frame, line, function(Operator::Not), &[found], &[], name)
            }
            _ => self.record(frame, line, function(operator), &[left, right], &[], name),
        }
    }

    /// `left += right` and its like.
    pub(super) fn augment(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        operator: Operator,
        left: Item<'t>,
        right: Item<'t>,
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        if let (Item::List(_), Operator::Add) = (&left, operator) {
            let items = self.elements(frame, line, &right)?;
            self.extend(frame, line, &left, &items)?;
            return Ok(left);
        }
        if let Some(item) = self.fold(frame, line, operator, &left, &right)? {
            return Ok(item);
        }
        let callee = Callee::Function(format!("operator.i{}", operator.function().trim_end_matches('_')));
        self.record(frame, line, callee, &[left, right], &[], name)
    }

    /// The value of an operator on two known operands; `None` if it has to wait for data.
    pub(super) fn fold(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        operator: Operator,
        left: &Item<'t>,
        right: &Item<'t>,
    ) -> Evaluated<Option<Item<'t>>> {
        match operator {
            Operator::Is | Operator::IsNot => {
                let same = match (self.is_none(left), self.is_none(right)) {
                    (Some(true), other) | (other, Some(true)) => other,
                    _ => None,
                };
                return Ok(same.map(|same| Item::bool(same == (operator == Operator::Is))));
            }
            Operator::Equal | Operator::NotEqual => {
                let equal = self.equal(frame, line, left, right)?;
                return Ok(equal.map(|equal| Item::bool(equal == (operator == Operator::Equal))));
            }
            Operator::In | Operator::NotIn => {
                if self.length(right).is_none() || matches!(right.constant(), Some(Value::Str(_))) {
                    return Ok(None);
                }
                for item in self.elements(frame, line, right)?.iter() {
                    match self.equal(frame, line, left, item)? {
                        Some(true) => return Ok(Some(Item::bool(operator == Operator::In))),
                        Some(false) => {}
                        None => return Ok(None),
                    }
                }
                return Ok(Some(Item::bool(operator == Operator::NotIn)));
            }
            Operator::Add if self.is_sequence(left) && self.is_sequence(right) => {
                let mut items = self.elements(frame, line, left)?.to_vec();
                items.extend(self.elements(frame, line, right)?.iter().cloned());
                if items.len() > super::containers::MAX_LIST {
                    return Err(frame.unsupported(
                        line,
                        "a long list",
                        format!("at most {} elements", super::containers::MAX_LIST),
                    ));
                }
                self.charge(items.len(), frame, line)?;
                let tuple =
                    matches!(left, Item::Tuple(_)) || matches!(left.constant(), Some(Value::Tuple(_)));
                return Ok(Some(if tuple {
                    Item::Tuple(items.into())
                } else {
                    Item::List(self.lists.add(items))
                }));
            }
            Operator::Multiply if matches!(left, Item::List(_)) => {
                let Some(Value::Int(times)) = right.constant() else { return Ok(None) };
                return self.repeat(frame, line, left, *times).map(Some);
            }
            _ => {}
        }
        let (Some(a), Some(b)) =
            (left.constant().and_then(Number::of), right.constant().and_then(Number::of))
        else {
            return Ok(None);
        };
        let booleans =
            matches!((left.constant(), right.constant()), (Some(Value::Bool(_)), Some(Value::Bool(_))));
        arithmetic(operator, a, b, booleans).map_err(|why| frame.malformed(line, why, "a number"))
    }

    fn is_sequence(&self, item: &Item<'t>) -> bool {
        match item {
            Item::Tuple(_) | Item::List(_) => true,
            Item::Constant(value, _) => matches!(**value, Value::Tuple(_) | Value::List(_)),
            _ => false,
        }
    }

    /// Python's `==`; `None` if it has to wait for data.
    fn equal(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        left: &Item<'t>,
        right: &Item<'t>,
    ) -> Evaluated<Option<bool>> {
        self.charge(1, frame, line)?;
        if let (Some(a), Some(b)) = (left.constant(), right.constant())
            && let Some(equal) = equal_scalars(a, b)
        {
            return Ok(Some(equal));
        }
        if !(self.is_sequence(left) && self.is_sequence(right)) {
            return Ok(None);
        }
        let (left, right) = (self.elements(frame, line, left)?, self.elements(frame, line, right)?);
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut equal = Some(true);
        for (left, right) in left.iter().zip(right.iter()) {
            // Lists of lists are not compared: no text does, and a list may hold itself.
            let same = match (left.constant(), right.constant()) {
                (Some(a), Some(b)) => equal_scalars(a, b),
                _ => None,
            };
            match same {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => equal = None,
            }
        }
        Ok(equal)
    }
}

fn function(operator: Operator) -> Callee {
    Callee::Function(format!("operator.{}", operator.function()))
}

/// The path of what a module holds.
pub(super) fn child(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}.{name}") }
}

/// Arithmetic and order on two numbers. `Ok(None)` for an operator that numbers do not have.
fn arithmetic<'t>(
    operator: Operator,
    a: Number,
    b: Number,
    booleans: bool,
) -> Result<Option<Item<'t>>, &'static str> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    const TOO_LARGE: &str = "a number beyond 64 bits";
    const BY_ZERO: &str = "a division by zero";
    let order = a.compare(b);
    let integer = |result: Option<i64>| result.map(Number::Int).ok_or(TOO_LARGE);
    let number = match (operator, a, b) {
        (Operator::Less, ..) => return Ok(Some(Item::bool(order == Some(Less)))),
        (Operator::LessEqual, ..) => return Ok(Some(Item::bool(matches!(order, Some(Less | Equal))))),
        (Operator::Greater, ..) => return Ok(Some(Item::bool(order == Some(Greater)))),
        (Operator::GreaterEqual, ..) => return Ok(Some(Item::bool(matches!(order, Some(Greater | Equal))))),
        (Operator::BitAnd, Number::Int(a), Number::Int(b)) if booleans => {
            return Ok(Some(Item::bool(a & b != 0)));
        }
        (Operator::BitOr, Number::Int(a), Number::Int(b)) if booleans => {
            return Ok(Some(Item::bool(a | b != 0)));
        }
        (Operator::BitXor, Number::Int(a), Number::Int(b)) if booleans => {
            return Ok(Some(Item::bool(a != b)));
        }
        (Operator::BitAnd, Number::Int(a), Number::Int(b)) => Number::Int(a & b),
        (Operator::BitOr, Number::Int(a), Number::Int(b)) => Number::Int(a | b),
        (Operator::BitXor, Number::Int(a), Number::Int(b)) => Number::Int(a ^ b),
        (Operator::Add, Number::Int(a), Number::Int(b)) => integer(a.checked_add(b))?,
        (Operator::Subtract, Number::Int(a), Number::Int(b)) => integer(a.checked_sub(b))?,
        (Operator::Multiply, Number::Int(a), Number::Int(b)) => integer(a.checked_mul(b))?,
        (Operator::FloorDivide | Operator::Remainder, Number::Int(_), Number::Int(0)) => return Err(BY_ZERO),
        // Python rounds the quotient down, and the remainder has the sign of the divisor.
        (Operator::FloorDivide, Number::Int(a), Number::Int(b)) => {
            let quotient = a.checked_div(b);
            integer(quotient.map(|q| if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { q - 1 } else { q }))?
        }
        (Operator::Remainder, Number::Int(a), Number::Int(b)) => {
            let remainder = a.wrapping_rem(b);
            Number::Int(if remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder })
        }
        (Operator::Power, Number::Int(a), Number::Int(b)) if b >= 0 => {
            integer(u32::try_from(b).ok().and_then(|b| a.checked_pow(b)))?
        }
        (Operator::Divide | Operator::FloorDivide | Operator::Remainder, ..) if b.to_f64() == 0.0 => {
            return Err(BY_ZERO);
        }
        (Operator::Add, ..) => Number::Float(a.to_f64() + b.to_f64()),
        (Operator::Subtract, ..) => Number::Float(a.to_f64() - b.to_f64()),
        (Operator::Multiply, ..) => Number::Float(a.to_f64() * b.to_f64()),
        (Operator::Divide, ..) => Number::Float(a.to_f64() / b.to_f64()),
        _ => return Ok(None),
    };
    Ok(Some(number.into()))
}

/// An exception that the text raises.
pub(super) fn raise(frame: &Frame<'_>, line: u32, message: Option<&Item<'_>>) -> Stop {
    let text = message.and_then(Item::constant).and_then(Value::as_str).unwrap_or("an exception");
    Stop::Raise(frame.place(line), super::lexer::abbreviate(text).into_owned())
}
