//! The seven stages of a layer.

use std::fmt;

/// One observable point inside a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// x_q, the input codes.
    Input,
    /// sum(x_q * w_q), padding counted as Z1.
    Accumulator,
    /// accumulator + folded_bias (- Z2*sum(x_q) where Z2 is not 0).
    Biased,
    /// biased * M0.
    Product,
    /// product * 2^-n, rounded.
    Shifted,
    /// shifted + Z3.
    Offset,
    /// clamp(offset), the output codes.
    Output,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Input,
        Self::Accumulator,
        Self::Biased,
        Self::Product,
        Self::Shifted,
        Self::Offset,
        Self::Output,
    ];

    /// The name in files, commands and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Accumulator => "accumulator",
            Self::Biased => "biased",
            Self::Product => "product",
            Self::Shifted => "shifted",
            Self::Offset => "offset",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
