//! The layout language: how numbers lie in a memory, as a description, with packing and its exact inverse.
//!
//! A [`Description`] turns one tensor, or several of one shape as the fields of a record, into words:
//!
//! ```text
//! tensor --order--> sequence of cells --lanes--> entries --word_bits--> words --banks--> one list of words per bank
//! ```
//!
//! * The [`Order`] is a nest of loops over the tensor's axes, blocks included; a block that an axis does not fill is
//!   padded with cells of zero.
//! * A cell is one element, or one record: its fields side by side.
//! * An entry is `lanes` cells side by side; the last entry is filled up with cells of zero.
//! * An entry takes as few words as it fits in; unused bits are its highest, and zero.
//! * Banks take entries in turn or in blocks, and have the same length; each is filled up with words of zero to a
//!   multiple of `align` words.
//!
//! [`pack`] and [`unpack`] are inverse to each other, and `unpack` takes nothing that `pack` would not have written:
//! padding that is not zero is an error. [`unpack_written`] is for what hardware wrote, which may leave anything there.

mod description;
mod error;
mod order;
mod pack;
mod sentences;
#[cfg(test)]
mod tests;
mod unpack;
mod words;

pub use description::{BankOrder, ByteOrder, Description, Field, Place, Side};
pub use error::LayoutError;
pub use order::{Loop, Order};
pub use pack::pack;
pub use sentences::sentences;
pub use unpack::{unpack, unpack_written};
pub use words::Words;
