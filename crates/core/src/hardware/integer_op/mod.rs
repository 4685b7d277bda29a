//! The narrow waist: the forms in which hardware computes, each with its whole geometry and all of its integers.
//!
//! A node of a network, for inputs of known sizes, is one [`IntegerOp`]. Whoever computes, writes or proves it looks at the
//! form alone, never at the operator that it came from. `docs/integer_ops.md` is the specification.
//!
//! Codes are as the target has them; a rescaled value is the output of [`Rescale`](super::Rescale). Tensors are row-major.

mod dot_product;
mod elements;
mod pair;
mod window;

pub use dot_product::DotProduct;
pub use elements::{ChannelAffine, Clamp, Join, Part, Select, Table};
pub use pair::{MatrixProduct, Pair, Product, Sum};
pub use window::{WindowAxis, WindowMaximum, WindowSum};

use super::{Overflow, Port};
use crate::parameters::Range;

/// One node in integers, for inputs of certain sizes.
#[derive(Debug, Clone, PartialEq)]
pub enum IntegerOp<'a> {
    /// Weights times codes, summed over a window and rescaled: convolutions and linear layers.
    DotProduct(DotProduct<'a>),
    /// `rescale(M0a*(a - Za) + M0b*(b - Zb))`, element by element.
    Sum(Sum),
    /// `rescale((a - Za) * (b - Zb))`, element by element.
    Product(Product),
    /// `rescale(sum((a - Za) * (b - Zb)))`, rows of one with columns of the other.
    MatrixProduct(MatrixProduct),
    /// `rescale(sum(x - Z1))` over windows.
    WindowSum(WindowSum),
    /// The largest code of each window.
    WindowMaximum(WindowMaximum),
    /// `rescale(M0*(x - Z1) + B)`, M0 and B per channel.
    ChannelAffine(ChannelAffine<'a>),
    /// Tensors one behind the other along an axis, each rescaled or as it is.
    Join(Join),
    /// A code for each code.
    Table(Table<'a>),
    /// The code itself, within limits.
    Clamp(Clamp),
    /// Codes in other places.
    Select(Select),
}

/// What a form computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// By result, its codes.
    pub results: Vec<Vec<i32>>,
    /// What did not fit into registers.
    pub overflows: Vec<Overflow>,
}

impl IntegerOp<'_> {
    /// The names of all forms.
    pub const NAMES: [&'static str; 11] = [
        "dot-product",
        "sum",
        "product",
        "matrix-product",
        "window-sum",
        "window-maximum",
        "channel-affine",
        "join",
        "table",
        "clamp",
        "select",
    ];

    /// The name of the form.
    pub fn name(&self) -> &'static str {
        let place = match self {
            Self::DotProduct(_) => 0,
            Self::Sum(_) => 1,
            Self::Product(_) => 2,
            Self::MatrixProduct(_) => 3,
            Self::WindowSum(_) => 4,
            Self::WindowMaximum(_) => 5,
            Self::ChannelAffine(_) => 6,
            Self::Join(_) => 7,
            Self::Table(_) => 8,
            Self::Clamp(_) => 9,
            Self::Select(_) => 10,
        };
        Self::NAMES[place]
    }

    /// The sizes of each result.
    pub fn shapes(&self) -> Vec<&[usize]> {
        match self {
            Self::DotProduct(form) => vec![form.shape()],
            Self::Sum(form) => vec![&form.pair.shape],
            Self::Product(form) => vec![&form.pair.shape],
            Self::MatrixProduct(form) => vec![&form.shape],
            Self::WindowSum(form) => vec![&form.shape],
            Self::WindowMaximum(form) => vec![&form.shape],
            Self::ChannelAffine(form) => vec![&form.input.shape],
            Self::Join(form) => vec![&form.shape],
            Self::Table(form) => vec![&form.input.shape],
            Self::Clamp(form) => vec![&form.input.shape],
            Self::Select(form) => form.parts.iter().map(|(shape, _)| shape.as_slice()).collect(),
        }
    }

    /// The results for inputs of the sizes that it was made for: the specification that everything else is tested against.
    /// An input of other sizes gives an empty result.
    pub fn apply(&self, inputs: &[&[i32]]) -> Applied {
        let results = match (self, inputs) {
            (Self::DotProduct(form), [x]) => return form.apply(x),
            (Self::Sum(form), [a, b]) => vec![form.apply(a, b)],
            (Self::Product(form), [a, b]) => vec![form.apply(a, b)],
            (Self::MatrixProduct(form), [a, b]) => vec![form.apply(a, b)],
            (Self::WindowSum(form), [x]) => vec![form.apply(x)],
            (Self::WindowMaximum(form), [x]) => vec![form.apply(x)],
            (Self::ChannelAffine(form), [x]) => vec![form.apply(x)],
            (Self::Join(form), parts) => vec![form.apply(parts)],
            (Self::Table(form), [x]) => vec![form.apply(x)],
            (Self::Clamp(form), [x]) => vec![form.apply(x)],
            (Self::Select(form), [x]) => form.apply(x),
            _ => Vec::new(),
        };
        Applied { results, overflows: Vec::new() }
    }
}

/// A tensor that enters a form.
#[derive(Debug, Clone, PartialEq)]
pub struct Operand {
    /// Its codes, as the target has them.
    pub port: Port,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
}

impl Operand {
    /// The codes minus their zero point.
    pub fn centred(&self) -> Range<i64> {
        let Range { min, max } = self.port.range;
        let zero_point = i64::from(self.port.zero_point);
        Range { min: i64::from(min) - zero_point, max: i64::from(max) - zero_point }
    }

    /// A code minus its zero point.
    fn centre(&self, code: i32) -> i64 {
        i64::from(code) - i64::from(self.port.zero_point)
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

#[cfg(test)]
mod tests {
    use super::IntegerOp;

    #[test]
    fn the_specification_has_a_section_for_every_form() {
        let page = include_str!("../../../../../docs/integer_ops.md");
        let sections = page.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
        assert_eq!(sections.collect::<Vec<_>>(), IntegerOp::NAMES);
    }
}
