//! The syntax tree of the Python subset.

use std::borrow::Cow;
use std::rc::Rc;

/// An expression and the line on which it begins.
#[derive(Debug)]
pub(super) struct Expression<'t> {
    pub(super) kind: ExpressionKind<'t>,
    pub(super) line: u32,
    /// Height of the tree above its leaves, which the parser bounds: walking a tree, or dropping it, cannot exhaust
    /// the stack.
    pub(super) height: u16,
}

#[derive(Debug)]
pub(super) enum ExpressionKind<'t> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Cow<'t, str>),
    Ellipsis,
    Name(&'t str),
    /// `value.name`
    Attribute(Box<Expression<'t>>, &'t str),
    /// `value[index]`
    Index(Box<Expression<'t>>, Box<Expression<'t>>),
    /// `start:stop:step`, inside an index only.
    Slice([Option<Box<Expression<'t>>>; 3]),
    /// `callee(positional, name=keyword)`
    Call(Box<Expression<'t>>, Vec<Expression<'t>>, Vec<(&'t str, Expression<'t>)>),
    Tuple(Vec<Expression<'t>>),
    List(Vec<Expression<'t>>),
    Dict(Vec<(Expression<'t>, Expression<'t>)>),
    Unary(Operator, Box<Expression<'t>>),
    Binary(Operator, Box<Expression<'t>>, Box<Expression<'t>>),
    /// `value if condition else otherwise`
    Conditional {
        value: Box<Expression<'t>>,
        condition: Box<Expression<'t>>,
        otherwise: Box<Expression<'t>>,
    },
}

/// Operators, unary and binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Not,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Is,
    IsNot,
    In,
    NotIn,
    BitOr,
    BitXor,
    BitAnd,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    MatrixMultiply,
    Power,
    Negate,
    Positive,
    Invert,
}

impl Operator {
    /// The function of Python's module `operator` that does the same.
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Or => "or_",
            Self::And => "and_",
            Self::Not => "not_",
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Less => "lt",
            Self::LessEqual => "le",
            Self::Greater => "gt",
            Self::GreaterEqual => "ge",
            Self::Is => "is_",
            Self::IsNot => "is_not",
            Self::In | Self::NotIn => "contains",
            Self::BitOr => "or_",
            Self::BitXor => "xor",
            Self::BitAnd => "and_",
            Self::ShiftLeft => "lshift",
            Self::ShiftRight => "rshift",
            Self::Add => "add",
            Self::Subtract => "sub",
            Self::Multiply => "mul",
            Self::Divide => "truediv",
            Self::FloorDivide => "floordiv",
            Self::Remainder => "mod",
            Self::MatrixMultiply => "matmul",
            Self::Power => "pow",
            Self::Negate => "neg",
            Self::Positive => "pos",
            Self::Invert => "invert",
        }
    }
}

/// Statements in order.
pub(super) type Block<'t> = Vec<Statement<'t>>;

/// A statement and the line on which it begins.
#[derive(Debug)]
pub(super) struct Statement<'t> {
    pub(super) kind: StatementKind<'t>,
    pub(super) line: u32,
}

#[derive(Debug)]
pub(super) enum StatementKind<'t> {
    Expression(Expression<'t>),
    /// `a = b = value`: the targets in order.
    Assign(Vec<Expression<'t>>, Expression<'t>),
    /// `target += value`
    Augment(Expression<'t>, Operator, Expression<'t>),
    /// `target : annotation = value`, without the annotation.
    Annotate(Expression<'t>, Option<Expression<'t>>),
    Return(Option<Expression<'t>>),
    /// Conditions with their blocks (`if`, `elif`), then the `else` block.
    If(Vec<(Expression<'t>, Block<'t>)>, Block<'t>),
    For(Expression<'t>, Expression<'t>, Block<'t>),
    While(Expression<'t>, Block<'t>),
    Assert(Expression<'t>),
    Raise,
    /// `pass`, and `import`, which means nothing here.
    Pass,
    Break,
    Continue,
    Function(Rc<Function<'t>>),
    Class(Rc<Class<'t>>),
}

/// A function or method.
#[derive(Debug)]
pub(super) struct Function<'t> {
    pub(super) name: &'t str,
    pub(super) parameters: Vec<Parameter<'t>>,
    pub(super) body: Block<'t>,
    pub(super) line: u32,
}

/// A parameter of a function.
#[derive(Debug)]
pub(super) struct Parameter<'t> {
    pub(super) name: &'t str,
    pub(super) annotation: Option<Expression<'t>>,
    pub(super) default: Option<Expression<'t>>,
}

/// A class: its first base and its body.
#[derive(Debug)]
pub(super) struct Class<'t> {
    pub(super) name: &'t str,
    pub(super) base: Option<&'t str>,
    pub(super) body: Block<'t>,
}
