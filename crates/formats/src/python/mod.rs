//! The subset of Python text in which PyTorch writes `forward`: TorchScript code and FX code.
//!
//! The text is parsed and evaluated *symbolically*: values that the file fixes (attributes of modules, literals) are
//! computed, calls on data are recorded, and nothing is run. The result is a [`Graph`](crate::Graph):
//!
//! * Every call gives one value. What a call returns as a tuple or list is taken apart by `operator.getitem` nodes, for
//!   `a, b = f(x)` and for `f(x)[0]` alike, as FX does it; a slice is a node `slice(start, stop, step)`.
//! * `x.name` on data is a node `getattr(x, "name")`; `x + y` is `operator.add(x, y)`, `x += y` is `operator.iadd(x, y)`;
//!   `int(x)`, `float(x)` and `bool(x)` on data are nodes of these names.
//! * An attribute of a module is a constant with its path. Framework names (`torch.quint8`) are
//!   [`Value::Symbol`](crate::Value::Symbol)s.
//! * TorchScript: submodules' methods and the text's own functions are inlined, and calls whose result nothing uses
//!   (shape checks, messages) are left out. FX: a call of a submodule is a node, and every call is kept.
//! * The packed weight that a module of TorchScript has after loading is made from its weight, bias and geometry, as its
//!   `set_weight_bias` says.
//! * A parameter of `forward` with a default value has that value; the others are the inputs.
//! * A condition on data selects a branch only if the other one raises. Otherwise what the branches disagree on cannot
//!   be used afterwards.
//! * A value that is changed in place (`relu_`, `inplace=True`, `+=`) must not be used, under any of its views, after that.
//!
//! Text is untrusted: nesting, steps and nodes are bounded, and every error names `entry:line`.

mod ast;
mod branch;
mod builtins;
mod call;
mod containers;
mod evaluate;
mod expression;
mod frame;
mod fx;
mod item;
mod lexer;
mod lists;
mod memory;
mod operation;
mod packed;
mod parser;
mod recorder;
mod script;
#[cfg(test)]
mod tests;
mod texts;

pub use fx::trace_fx;
pub use script::trace_script;
pub use texts::Program;

use crate::error::ReadError;

/// A text and the name by which messages call it.
#[derive(Debug, Clone, Copy)]
struct Source<'t> {
    name: &'t str,
    text: &'t str,
}

impl Source<'_> {
    /// A line of the text, or with 0 the whole of it.
    fn place(self, line: u32) -> String {
        if line == 0 { self.name.to_owned() } else { format!("{}:{line}", self.name) }
    }

    fn malformed(self, line: u32, found: impl Into<String>, expected: impl Into<String>) -> ReadError {
        ReadError::malformed(self.place(line), found, expected)
    }

    fn unsupported(self, line: u32, found: impl Into<String>, expected: impl Into<String>) -> ReadError {
        ReadError::unsupported(self.place(line), found, expected)
    }
}
