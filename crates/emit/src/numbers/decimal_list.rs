//! Decimal lists as Python prints them, which `ast.literal_eval` reads: nested for weights, flat for all others.

use std::fmt::Debug;
use std::io::{self, Write};

use gen_params_core::parameters::Weight;

use crate::numbers::nested::{self, Punctuation};

const PYTHON: Punctuation = Punctuation { open: b'[', close: b']', between_outermost: ", " };

/// Writes the codes nested like the weight's shape, on one line: `[[[[1, -2], ...`.
pub fn write_weight(out: &mut (impl Write + ?Sized), weight: &Weight) -> io::Result<()> {
    nested::write(out, weight, &PYTHON)?;
    out.write_all(b"\n")
}

/// Writes integers as a flat list, on one line: `[1, -2, ...`.
pub fn write_integers(out: &mut (impl Write + ?Sized), values: &[impl Debug]) -> io::Result<()> {
    writeln!(out, "{values:?}")
}
