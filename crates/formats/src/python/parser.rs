//! Tokens to statements: modules, classes, functions and what stands in their bodies.

use std::rc::Rc;

use super::Source;
use super::ast::{
    Block, Class, Expression, ExpressionKind, Function, Operator, Parameter, Statement, StatementKind,
};
use super::lexer::{Lexer, Token};
use crate::error::{ReadError, Result};

/// Height of an expression, and depth of what the parser has begun and not finished. Python's own limit is 100.
pub(super) const MAX_DEPTH: u16 = 100;

/// Words of Python that are refused by name, the comprehension's `for` among them.
const REFUSED: [&str; 9] = ["with", "try", "async", "del", "global", "nonlocal", "yield", "for", "lambda"];

/// Parses a whole text.
///
/// # Errors
/// The text is not Python, or outside the subset; the place is `entry:line`.
pub(super) fn parse(source: Source<'_>) -> Result<Block<'_>> {
    let mut parser = Parser::new(source)?;
    let mut block = Vec::new();
    while parser.token != Token::End {
        parser.statement(&mut block)?;
    }
    Ok(block)
}

/// Recursive descent with one token in hand.
pub(super) struct Parser<'t> {
    pub(super) source: Source<'t>,
    lexer: Lexer<'t>,
    pub(super) token: Token<'t>,
    pub(super) line: u32,
    /// Constructs begun and not finished.
    pub(super) depth: u16,
}

impl<'t> Parser<'t> {
    fn new(source: Source<'t>) -> Result<Self> {
        let mut lexer = Lexer::new(source);
        let (token, line) = lexer.next()?;
        Ok(Self { source, lexer, token, line, depth: 0 })
    }

    /// Moves on, and gives the token that was in hand.
    pub(super) fn advance(&mut self) -> Result<Token<'t>> {
        let (token, line) = self.lexer.next()?;
        self.line = line;
        Ok(std::mem::replace(&mut self.token, token))
    }

    pub(super) fn at(&self, operator: &str) -> bool {
        matches!(self.token, Token::Operator(found) if found == operator)
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        matches!(self.token, Token::Name(found) if found == word)
    }

    /// Moves past `operator` if it is next.
    pub(super) fn accept(&mut self, operator: &str) -> Result<bool> {
        let found = self.at(operator);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Moves past the keyword `word` if it is next.
    pub(super) fn accept_word(&mut self, word: &str) -> Result<bool> {
        let found = self.at_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect(&mut self, operator: &str) -> Result<()> {
        if self.accept(operator)? { Ok(()) } else { Err(self.unexpected(&format!("`{operator}`"))) }
    }

    pub(super) fn name(&mut self) -> Result<&'t str> {
        match self.token {
            Token::Name(name) => {
                self.advance()?;
                Ok(name)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    pub(super) fn unexpected(&self, expected: &str) -> ReadError {
        match self.token {
            Token::Name(word) if REFUSED.contains(&word) => {
                self.source.unsupported(self.line, format!("`{word}`"), "the Python that PyTorch writes")
            }
            _ => self.source.malformed(self.line, self.token.describe(), expected),
        }
    }

    /// Runs `parse` one level deeper.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.source.unsupported(
                self.line,
                "deep nesting",
                format!("at most {MAX_DEPTH} levels"),
            ));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// One compound statement, or the simple statements of one line.
    fn statement(&mut self, block: &mut Block<'t>) -> Result<()> {
        while self.accept("@")? {
            self.expression_list()?;
            self.end_of_line()?;
        }
        let line = self.line;
        let kind = match self.token {
            Token::Name("def") => StatementKind::Function(Rc::new(self.function()?)),
            Token::Name("class") => StatementKind::Class(Rc::new(self.class()?)),
            Token::Name("if") => self.if_statement()?,
            Token::Name("for") => {
                self.advance()?;
                let target = self.target_list()?;
                if !self.accept_word("in")? {
                    return Err(self.unexpected("`in`"));
                }
                let iterable = self.expression_list()?;
                StatementKind::For(target, iterable, self.block()?)
            }
            Token::Name("while") => {
                self.advance()?;
                let condition = self.expression()?;
                StatementKind::While(condition, self.block()?)
            }
            _ => return self.simple_statements(block),
        };
        block.push(Statement { kind, line });
        Ok(())
    }

    fn simple_statements(&mut self, block: &mut Block<'t>) -> Result<()> {
        loop {
            let line = self.line;
            let kind = self.simple_statement()?;
            block.push(Statement { kind, line });
            if !self.accept(";")? || self.token == Token::Newline {
                return self.end_of_line();
            }
        }
    }

    fn end_of_line(&mut self) -> Result<()> {
        match self.token {
            Token::Newline => self.advance().map(drop),
            _ => Err(self.unexpected("the end of the line")),
        }
    }

    fn simple_statement(&mut self) -> Result<StatementKind<'t>> {
        if let Token::Name(word) = self.token {
            match word {
                "pass" | "break" | "continue" | "import" | "from" | "return" | "raise" | "assert" => {
                    self.advance()?;
                    return self.keyword_statement(word);
                }
                _ if REFUSED.contains(&word) => return Err(self.unexpected("a statement")),
                _ => {}
            }
        }
        let first = self.expression_list()?;
        if self.accept(":")? {
            self.expression()?;
            let value = if self.accept("=")? { Some(self.expression_list()?) } else { None };
            return Ok(StatementKind::Annotate(first, value));
        }
        if let Token::Operator(operator) = self.token
            && let Some(operator) = augmented(operator)
        {
            self.advance()?;
            return Ok(StatementKind::Augment(first, operator, self.expression_list()?));
        }
        if !self.at("=") {
            return Ok(StatementKind::Expression(first));
        }
        let mut targets = Vec::new();
        let mut value = first;
        while self.accept("=")? {
            self.check_target(&value)?;
            targets.push(value);
            value = self.expression_list()?;
        }
        Ok(StatementKind::Assign(targets, value))
    }

    fn keyword_statement(&mut self, word: &str) -> Result<StatementKind<'t>> {
        Ok(match word {
            "pass" => StatementKind::Pass,
            "break" => StatementKind::Break,
            "continue" => StatementKind::Continue,
            "return" if matches!(self.token, Token::Newline) || self.at(";") => StatementKind::Return(None),
            "return" => StatementKind::Return(Some(self.expression_list()?)),
            "raise" => {
                if self.token != Token::Newline {
                    self.expression()?;
                }
                StatementKind::Raise
            }
            "assert" => {
                let condition = self.expression()?;
                if self.accept(",")? {
                    self.expression()?;
                }
                StatementKind::Assert(condition)
            }
            // An import means nothing here: the names it binds are looked up as they are written.
            _ => {
                while self.token != Token::Newline {
                    self.advance()?;
                }
                StatementKind::Pass
            }
        })
    }

    /// Refuses what cannot be assigned to.
    fn check_target(&self, target: &Expression<'t>) -> Result<()> {
        match &target.kind {
            ExpressionKind::Name(_) | ExpressionKind::Attribute(..) | ExpressionKind::Index(..) => Ok(()),
            ExpressionKind::Tuple(items) | ExpressionKind::List(items) => {
                items.iter().try_for_each(|item| self.check_target(item))
            }
            _ => Err(self.source.malformed(target.line, "an expression before `=`", "a name to assign to")),
        }
    }

    /// The names between `for` and `in`.
    fn target_list(&mut self) -> Result<Expression<'t>> {
        let line = self.line;
        let mut names = vec![self.target()?];
        let mut tuple = false;
        while self.accept(",")? {
            tuple = true;
            if self.at_word("in") {
                break;
            }
            names.push(self.target()?);
        }
        match names.pop() {
            Some(only) if !tuple => Ok(only),
            last => {
                names.extend(last);
                self.node(ExpressionKind::Tuple(names), line)
            }
        }
    }

    fn target(&mut self) -> Result<Expression<'t>> {
        let line = self.line;
        let name = self.name()?;
        self.node(ExpressionKind::Name(name), line)
    }

    fn if_statement(&mut self) -> Result<StatementKind<'t>> {
        self.advance()?;
        let condition = self.expression()?;
        let mut branches = vec![(condition, self.block()?)];
        loop {
            if self.accept_word("elif")? {
                let condition = self.expression()?;
                branches.push((condition, self.block()?));
            } else if self.accept_word("else")? {
                return Ok(StatementKind::If(branches, self.block()?));
            } else {
                return Ok(StatementKind::If(branches, Block::new()));
            }
        }
    }

    /// `:` and the statements below it, or behind it on the same line. A class without a body, which TorchScript
    /// writes for a module that holds nothing, is a line that ends after the colon.
    fn block(&mut self) -> Result<Block<'t>> {
        self.expect(":")?;
        let mut block = Vec::new();
        if self.token != Token::Newline {
            self.simple_statements(&mut block)?;
            return Ok(block);
        }
        self.advance()?;
        if self.token != Token::Indent {
            return Ok(block);
        }
        self.advance()?;
        self.nested(|parser| {
            while parser.token != Token::Dedent {
                parser.statement(&mut block)?;
            }
            parser.advance()?;
            Ok(())
        })?;
        Ok(block)
    }

    fn function(&mut self) -> Result<Function<'t>> {
        let line = self.line;
        self.advance()?;
        let name = self.name()?;
        self.expect("(")?;
        let mut parameters: Vec<Parameter<'t>> = Vec::new();
        while !self.accept(")")? {
            if self.at("*") || self.at("**") || self.at("/") {
                return Err(self.source.unsupported(
                    self.line,
                    format!("{} among the parameters of `{name}`", self.token.describe()),
                    "plain parameters",
                ));
            }
            let parameter = self.name()?;
            if parameters.iter().any(|p| p.name == parameter) {
                return Err(self.source.malformed(
                    self.line,
                    format!("two parameters named `{parameter}`"),
                    "different names",
                ));
            }
            let annotation = if self.accept(":")? { Some(self.expression()?) } else { None };
            let default = if self.accept("=")? { Some(self.expression()?) } else { None };
            parameters.push(Parameter { name: parameter, annotation, default });
            if !self.at(")") {
                self.expect(",")?;
            }
        }
        if self.accept("->")? {
            self.expression()?;
        }
        Ok(Function { name, parameters, body: self.block()?, line })
    }

    fn class(&mut self) -> Result<Class<'t>> {
        self.advance()?;
        let name = self.name()?;
        let mut base = None;
        if self.accept("(")? {
            while !self.accept(")")? {
                let expression = self.expression()?;
                if let (None, ExpressionKind::Name(name)) = (base, &expression.kind) {
                    base = Some(*name);
                }
                if !self.at(")") {
                    self.expect(",")?;
                }
            }
        }
        Ok(Class { name, base, body: self.block()? })
    }
}

/// The operator of an augmented assignment.
fn augmented(token: &str) -> Option<Operator> {
    Some(match token {
        "+=" => Operator::Add,
        "-=" => Operator::Subtract,
        "*=" => Operator::Multiply,
        "/=" => Operator::Divide,
        "//=" => Operator::FloorDivide,
        "%=" => Operator::Remainder,
        "**=" => Operator::Power,
        "@=" => Operator::MatrixMultiply,
        "&=" => Operator::BitAnd,
        "|=" => Operator::BitOr,
        "^=" => Operator::BitXor,
        "<<=" => Operator::ShiftLeft,
        ">>=" => Operator::ShiftRight,
        _ => return None,
    })
}
