//! The numbers of a network as text and archives: hex files, include files, packages, lists, numpy archives.

pub mod c_header;
pub(crate) mod constants;
pub mod decimal_list;
pub mod hex;
mod integers;
mod nested;
pub mod npz;
pub mod packages;
pub mod svh;

use gen_params_core::parameters::Weight;

pub(crate) use integers::Integers;

/// Biases as 32 bits, where all fit.
pub(crate) fn narrow(values: &[i64]) -> Option<Vec<i32>> {
    values.iter().map(|&value| i32::try_from(value).ok()).collect()
}

/// Codes of 8 unsigned bits, as the file has them.
pub(crate) fn file_bytes(weight: &Weight) -> Vec<u8> {
    let byte = |&code: &i8| (i32::from(code) + weight.offset).to_le_bytes()[0];
    weight.codes.iter().map(byte).collect()
}
