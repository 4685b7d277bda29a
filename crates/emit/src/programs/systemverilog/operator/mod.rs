//! Forms as instances of the library's modules.

mod copy;
mod pair;
mod walk;
mod window;

use gen_params_core::hardware::integer_op::Operand;
use gen_params_core::hardware::{IntegerOp, Rescale};
use gen_params_core::parameters::{Range, Scale};

use super::block::{Computed, Request, dot_product, rounding};
use super::parts::Value;
use super::widths::{product_bits, signed_bits, unsigned_bits};
use crate::programs::systemverilog::parts::{flag, number};

/// The block of a form; an error says what cannot be written.
pub(super) fn of(request: &Request<'_>) -> Result<Computed, String> {
    match request.form {
        IntegerOp::DotProduct(form) => dot_product(request, form),
        IntegerOp::Sum(form) => pair::sum(request, form),
        IntegerOp::Product(form) => pair::product(request, form),
        IntegerOp::MatrixProduct(form) => pair::matrix_product(request, form),
        IntegerOp::WindowSum(form) => window::sum(request, form),
        IntegerOp::WindowMaximum(form) => window::maximum(request, form),
        IntegerOp::ChannelAffine(form) => copy::channel_affine(request, form),
        IntegerOp::Join(form) => copy::join(request, form),
        IntegerOp::Table(form) => copy::table(request, form),
        IntegerOp::Clamp(form) => copy::clamp(request, form),
        IntegerOp::Select(_) => Err("a selection that is computed".into()),
    }
}

/// Refuses operands whose codes have more than 8 bits.
fn narrow(request: &Request<'_>, operands: &[&Operand]) -> Result<(), String> {
    let bits = operands.iter().map(|operand| operand.port.activation.code_type.bits());
    match bits.chain([request.code_bits]).max().filter(|&bits| bits > 8) {
        Some(wide) => Err(format!("a {} of codes of {wide} bits, expected 8", request.node.op.name())),
        None => Ok(()),
    }
}

/// M0 and n with a shift to the right.
fn normal(scale: Scale) -> Result<(u32, i32), String> {
    let Scale { multiplier, shift } = scale;
    let refuse = || format!("M0 = {multiplier} with a shift of {shift}, expected a shift of 0 to 255");
    if shift > 255 {
        return Err(refuse());
    }
    let left = u32::try_from(-shift.min(0)).map_err(|_| refuse())?;
    let multiplier = u64::from(multiplier).checked_shl(left).filter(|_| left < 32);
    let multiplier = multiplier.and_then(|m| i32::try_from(m).ok()).ok_or_else(refuse)?;
    Ok((multiplier.cast_unsigned(), shift.max(0)))
}

/// The parameters of equations that share rounding, Z3 and clamp, wide enough for all sums of a range.
fn rescaled(
    request: &Request<'_>,
    sums: Range<i128>,
    rescales: &[&Rescale],
) -> Result<Vec<(&'static str, Value)>, String> {
    let first = rescales.first().ok_or("no equation")?;
    let scales = rescales.iter().map(|rescale| normal(rescale.scale())).collect::<Result<Vec<_>, _>>()?;
    let multiplier = scales.iter().map(|&(multiplier, _)| multiplier).max().unwrap_or(1);
    let shift = scales.iter().filter_map(|&(_, shift)| u64::try_from(shift).ok()).max().unwrap_or(0);
    Ok(vec![
        ("ACCUMULATOR_BITS", number(signed_bits(sums))),
        ("MULTIPLIER_BITS", number(unsigned_bits(multiplier.into()))),
        ("PRODUCT_BITS", number(product_bits(sums, rescales))),
        ("SHIFT_BITS", number(unsigned_bits(shift))),
        ("ROUNDING", number(rounding(first.rounding))),
        ("ZERO_POINT", number(first.zero_point)),
        ("CLAMP_MIN", number(first.clamp.min)),
        ("CLAMP_MAX", number(first.clamp.max)),
        ("PIPELINE", flag(request.options.pipeline)),
    ])
}
