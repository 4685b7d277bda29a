//! Tokens to expressions, by precedence climbing.

use super::ast::{Expression, ExpressionKind, Operator};
use super::lexer::Token;
use super::parser::{MAX_DEPTH, Parser};
use crate::error::Result;

type Node<'t> = Expression<'t>;

/// Precedence of the unary minus: tighter than `*`, looser than `**`.
const UNARY: u8 = 11;
/// Precedence of `not`: tighter than `and`, looser than comparisons.
const NOT: u8 = 3;
/// Precedence of comparisons, which do not chain here.
const COMPARISON: u8 = 4;
/// Precedence of `**`, which associates to the right.
const POWER: u8 = 12;

impl<'t> Parser<'t> {
    /// Expressions with commas between them: a tuple, if there is a comma.
    pub(super) fn expression_list(&mut self) -> Result<Node<'t>> {
        let line = self.line;
        let first = self.expression()?;
        if !self.at(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.accept(",")? {
            if matches!(self.token, Token::Newline) || self.at("=") || self.at(";") || self.at(":") {
                break;
            }
            items.push(self.expression()?);
        }
        self.node(ExpressionKind::Tuple(items), line)
    }

    /// One expression, conditional ones included.
    pub(super) fn expression(&mut self) -> Result<Node<'t>> {
        self.nested(|parser| {
            let line = parser.line;
            let value = parser.binary(1)?;
            if !parser.accept_word("if")? {
                return Ok(value);
            }
            let condition = parser.binary(1)?;
            if !parser.accept_word("else")? {
                return Err(parser.unexpected("`else`"));
            }
            let otherwise = parser.expression()?;
            let kind = ExpressionKind::Conditional {
                value: Box::new(value),
                condition: Box::new(condition),
                otherwise: Box::new(otherwise),
            };
            parser.node(kind, line)
        })
    }

    /// An expression of operators that bind at least as tightly as `minimum`.
    fn binary(&mut self, minimum: u8) -> Result<Node<'t>> {
        let line = self.line;
        let mut left = self.unary(minimum)?;
        let mut compared = false;
        while let Some((operator, precedence)) = self.binary_operator() {
            if precedence < minimum {
                break;
            }
            if precedence == COMPARISON && std::mem::replace(&mut compared, true) {
                return Err(self.source.unsupported(self.line, "a chain of comparisons", "one comparison"));
            }
            let operator = self.take_operator(operator)?;
            let tighter = if precedence == POWER { UNARY } else { precedence + 1 };
            let right = self.nested(|parser| parser.binary(tighter))?;
            left = self.node(ExpressionKind::Binary(operator, Box::new(left), Box::new(right)), line)?;
        }
        Ok(left)
    }

    fn unary(&mut self, minimum: u8) -> Result<Node<'t>> {
        let line = self.line;
        let (operator, precedence) = match self.token {
            Token::Name("not") if minimum <= NOT => (Operator::Not, NOT),
            Token::Operator("-") => (Operator::Negate, UNARY),
            Token::Operator("+") => (Operator::Positive, UNARY),
            Token::Operator("~") => (Operator::Invert, UNARY),
            _ => return self.postfix(),
        };
        self.advance()?;
        let operand = self.nested(|parser| parser.binary(precedence))?;
        self.node(ExpressionKind::Unary(operator, Box::new(operand)), line)
    }

    /// The binary operator in hand, with its precedence.
    fn binary_operator(&self) -> Option<(Operator, u8)> {
        Some(match self.token {
            Token::Name("or") => (Operator::Or, 1),
            Token::Name("and") => (Operator::And, 2),
            Token::Name("is") => (Operator::Is, COMPARISON),
            Token::Name("in") => (Operator::In, COMPARISON),
            Token::Name("not") => (Operator::NotIn, COMPARISON),
            Token::Operator(operator) => match operator {
                "==" => (Operator::Equal, COMPARISON),
                "!=" => (Operator::NotEqual, COMPARISON),
                "<" => (Operator::Less, COMPARISON),
                "<=" => (Operator::LessEqual, COMPARISON),
                ">" => (Operator::Greater, COMPARISON),
                ">=" => (Operator::GreaterEqual, COMPARISON),
                "|" => (Operator::BitOr, 5),
                "^" => (Operator::BitXor, 6),
                "&" => (Operator::BitAnd, 7),
                "<<" => (Operator::ShiftLeft, 8),
                ">>" => (Operator::ShiftRight, 8),
                "+" => (Operator::Add, 9),
                "-" => (Operator::Subtract, 9),
                "*" => (Operator::Multiply, 10),
                "/" => (Operator::Divide, 10),
                "//" => (Operator::FloorDivide, 10),
                "%" => (Operator::Remainder, 10),
                "@" => (Operator::MatrixMultiply, 10),
                "**" => (Operator::Power, POWER),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// Moves past a binary operator, which may be two words.
    fn take_operator(&mut self, operator: Operator) -> Result<Operator> {
        self.advance()?;
        match operator {
            Operator::Is if self.accept_word("not")? => Ok(Operator::IsNot),
            Operator::NotIn if !self.accept_word("in")? => Err(self.unexpected("`in`")),
            _ => Ok(operator),
        }
    }

    /// An atom and what is applied to it.
    fn postfix(&mut self) -> Result<Node<'t>> {
        let line = self.line;
        let mut value = self.atom()?;
        loop {
            // The line of a call is where its arguments open, which is where the callee's name stands.
            let at = self.line;
            if self.accept(".")? {
                let name = self.name()?;
                value = self.node(ExpressionKind::Attribute(Box::new(value), name), line)?;
            } else if self.accept("(")? {
                let (positional, keywords) = self.arguments()?;
                value = self.node(ExpressionKind::Call(Box::new(value), positional, keywords), at)?;
            } else if self.accept("[")? {
                let index = self.index()?;
                value = self.node(ExpressionKind::Index(Box::new(value), Box::new(index)), line)?;
            } else {
                return Ok(value);
            }
        }
    }

    /// Arguments up to and with the closing parenthesis.
    #[allow(clippy::type_complexity)] // The two lists of a call, as the tree holds them.
    fn arguments(&mut self) -> Result<(Vec<Node<'t>>, Vec<(&'t str, Node<'t>)>)> {
        let mut positional = Vec::new();
        let mut keywords: Vec<(&'t str, Node<'t>)> = Vec::new();
        while !self.accept(")")? {
            if self.at("*") || self.at("**") {
                return Err(self.source.unsupported(self.line, "unpacked arguments", "arguments one by one"));
            }
            let argument = self.expression()?;
            match argument.kind {
                ExpressionKind::Name(name) if self.at("=") => {
                    self.advance()?;
                    keywords.push((name, self.expression()?));
                }
                _ if keywords.is_empty() => positional.push(argument),
                _ => return Err(self.unexpected("a keyword argument")),
            }
            if !self.at(")") {
                self.expect(",")?;
            }
        }
        Ok((positional, keywords))
    }

    /// What stands between `[` and `]`, with the latter.
    fn index(&mut self) -> Result<Node<'t>> {
        let line = self.line;
        let mut items = Vec::new();
        let mut tuple = false;
        while !self.accept("]")? {
            items.push(self.slice()?);
            if !self.at("]") {
                self.expect(",")?;
                tuple = true;
            }
        }
        match items.pop() {
            None => Err(self.source.malformed(line, "an empty index", "an index")),
            Some(only) if !tuple => Ok(only),
            last => {
                items.extend(last);
                self.node(ExpressionKind::Tuple(items), line)
            }
        }
    }

    /// An index, or a slice.
    fn slice(&mut self) -> Result<Node<'t>> {
        let line = self.line;
        let mut parts = [None, None, None];
        let mut part = 0;
        loop {
            if self.at(":") && part < 2 {
                self.advance()?;
                part += 1;
            } else if self.at("]") || self.at(",") {
                break;
            } else {
                let value = self.expression()?;
                match parts.get_mut(part) {
                    Some(slot @ None) => *slot = Some(Box::new(value)),
                    _ => return Err(self.unexpected("`]`")),
                }
            }
        }
        match parts {
            [Some(only), None, None] if part == 0 => Ok(*only),
            _ => self.node(ExpressionKind::Slice(parts), line),
        }
    }

    fn atom(&mut self) -> Result<Node<'t>> {
        let line = self.line;
        if self.accept("(")? {
            return self.parenthesized(line);
        }
        if self.accept("[")? {
            let items = self.items("]")?;
            return self.node(ExpressionKind::List(items), line);
        }
        if self.accept("{")? {
            return self.dict(line);
        }
        if self.accept("...")? {
            return self.node(ExpressionKind::Ellipsis, line);
        }
        let kind = match &self.token {
            Token::Int(value) => ExpressionKind::Int(*value),
            Token::Float(value) => ExpressionKind::Float(*value),
            Token::Str(text) => ExpressionKind::Str(text.clone()),
            Token::Name("None") => ExpressionKind::None,
            Token::Name("True") => ExpressionKind::Bool(true),
            Token::Name("False") => ExpressionKind::Bool(false),
            Token::Name(
                "lambda" | "yield" | "await" | "not" | "and" | "or" | "in" | "is" | "if" | "else",
            ) => {
                return Err(self.unexpected("an expression"));
            }
            Token::Name(name) => ExpressionKind::Name(name),
            _ => return Err(self.unexpected("an expression")),
        };
        self.advance()?;
        self.node(kind, line)
    }

    /// A tuple, or an expression in parentheses; `(` has been read.
    fn parenthesized(&mut self, line: u32) -> Result<Node<'t>> {
        if self.accept(")")? {
            return self.node(ExpressionKind::Tuple(Vec::new()), line);
        }
        let first = self.expression()?;
        if self.accept(")")? {
            return Ok(first);
        }
        self.expect(",")?;
        let mut items = vec![first];
        items.extend(self.items(")")?);
        self.node(ExpressionKind::Tuple(items), line)
    }

    /// Expressions up to and with the closing bracket.
    fn items(&mut self, close: &str) -> Result<Vec<Node<'t>>> {
        let mut items = Vec::new();
        while !self.accept(close)? {
            items.push(self.expression()?);
            if !self.at(close) {
                self.expect(",")?;
            }
        }
        Ok(items)
    }

    fn dict(&mut self, line: u32) -> Result<Node<'t>> {
        let mut items = Vec::new();
        while !self.accept("}")? {
            let key = self.expression()?;
            self.expect(":")?;
            items.push((key, self.expression()?));
            if !self.at("}") {
                self.expect(",")?;
            }
        }
        self.node(ExpressionKind::Dict(items), line)
    }

    /// Makes a node, unless the tree would become too high.
    pub(super) fn node(&self, kind: ExpressionKind<'t>, line: u32) -> Result<Node<'t>> {
        let height = kind.tallest_child().map_or(0, |child| child + 1);
        if height > MAX_DEPTH {
            return Err(self.source.unsupported(
                line,
                "a deep expression",
                format!("at most {MAX_DEPTH} levels"),
            ));
        }
        Ok(Expression { kind, line, height })
    }
}

impl ExpressionKind<'_> {
    /// Height of the highest child, `None` for a leaf.
    fn tallest_child(&self) -> Option<u16> {
        match self {
            Self::None
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Str(_)
            | Self::Ellipsis
            | Self::Name(_) => None,
            Self::Attribute(value, _) | Self::Unary(_, value) => Some(value.height),
            Self::Index(left, right) | Self::Binary(_, left, right) => Some(left.height.max(right.height)),
            Self::Slice(parts) => parts.iter().flatten().map(|part| part.height).max(),
            Self::Call(callee, positional, keywords) => {
                let arguments = positional.iter().chain(keywords.iter().map(|(_, value)| value));
                arguments.map(|argument| argument.height).max().max(Some(callee.height))
            }
            Self::Tuple(items) | Self::List(items) => items.iter().map(|item| item.height).max(),
            Self::Dict(items) => items.iter().map(|(key, value)| key.height.max(value.height)).max(),
            Self::Conditional { value, condition, otherwise } => {
                Some(value.height.max(condition.height).max(otherwise.height))
            }
        }
    }
}
