//! Why numbers cannot be laid out, or words not be read.

/// What is wrong with a layout, a number or a memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The description contradicts itself or the tensor.
    #[error("{what}")]
    Description {
        /// What is wrong.
        what: String,
    },
    /// A number does not fit into its field.
    #[error(
        "{field}: {value} at element {index} does not fit in {bits} bits {}",
        if *signed { "with a sign" } else { "without a sign" }
    )]
    Value {
        /// The field.
        field: String,
        /// Row-major index of the element.
        index: usize,
        /// The number.
        value: i64,
        /// Width of the field.
        bits: u32,
        /// Whether the field is two's complement.
        signed: bool,
    },
    /// Words that no numbers are packed into.
    #[error("found {found}, expected {expected}")]
    Words {
        /// What is there.
        found: String,
        /// What the description says.
        expected: String,
    },
}
