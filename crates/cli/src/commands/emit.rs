//! `emit`: a program that computes the whole network, with golden values that it is tested with.

use anyhow::Result;

use super::emit_c;
use crate::arguments::Emit;

pub(crate) fn run(language: &Emit) -> Result<()> {
    match language {
        Emit::C(arguments) => emit_c::run(arguments),
    }
}
