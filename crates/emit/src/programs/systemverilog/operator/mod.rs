//! Operators without weights as instances of the library's modules.

mod copy;
mod pair;
mod walk;
mod window;

use gen_params_core::hardware::{Port, TargetOperator};
use gen_params_core::ops::Op;
use gen_params_core::parameters::{OperatorArithmetic, Range, Scale};

use super::block::{Computed, Request, flag, image, number, rounding};
use super::parts::{Buffer, Value};
use super::widths::{product_bits, signed_bits, unsigned_bits};

/// The block of an operator; an error says what cannot be written.
pub(super) fn of(request: &Request<'_>, operator: &TargetOperator) -> Result<Computed, String> {
    let bits = operator.inputs.iter().chain([&operator.output]).map(|port| port.activation.code_type.bits());
    let passes = matches!(operator.arithmetic, OperatorArithmetic::Clamp | OperatorArithmetic::Largest);
    if let Some(wide) = bits.max().filter(|&bits| bits > 8 && !passes) {
        return Err(format!("a {} of codes of {wide} bits, expected 8", operator.op.name()));
    }
    match (&operator.arithmetic, &operator.op) {
        (&OperatorArithmetic::Sum { multipliers, shift }, _) => {
            pair::sum(request, operator, multipliers, shift)
        }
        (&OperatorArithmetic::Product(scale), _) => pair::product(request, operator, scale),
        (&OperatorArithmetic::MatrixProduct(scale), _) => pair::matrix_product(request, operator, scale),
        (OperatorArithmetic::Concatenation(scales), Op::Concatenate { axis, .. }) => {
            copy::concatenation(request, operator, scales, *axis)
        }
        (OperatorArithmetic::ChannelScale { multipliers, offsets, shift }, _) => {
            copy::channel_scale(request, operator, multipliers, offsets, *shift)
        }
        (OperatorArithmetic::Mean(_), _) => window::mean(request, operator),
        (OperatorArithmetic::Table(codes), _) => copy::table(request, operator, codes),
        (OperatorArithmetic::Clamp, _) => copy::clamp(request, operator),
        (OperatorArithmetic::Largest, Op::MaxPool(pool)) => window::largest(request, operator, pool),
        // Selections are memories of addresses, which the plan makes.
        (
            OperatorArithmetic::Concatenation(_)
            | OperatorArithmetic::Largest
            | OperatorArithmetic::Selection,
            op,
        ) => Err(format!("the operator {}, which has no module", op.name())),
    }
}

/// An input with its buffer, its shape (C, spatial...), also with its images before it, and what is known of its codes.
struct Input<'a> {
    buffer: &'a Buffer,
    shape: &'a [usize],
    whole: &'a [usize],
    port: &'a Port,
}

impl Input<'_> {
    /// The codes minus their zero point.
    fn centred(&self) -> Range<i128> {
        let z1 = i128::from(self.port.zero_point);
        Range { min: i128::from(self.port.range.min) - z1, max: i128::from(self.port.range.max) - z1 }
    }
}

fn inputs<'a>(request: &Request<'a>, operator: &'a TargetOperator) -> Vec<Input<'a>> {
    let buffers = request.inputs.iter().zip(&request.whole_inputs).zip(&operator.inputs);
    buffers.map(|((buffer, whole), port)| Input { buffer, shape: image(whole), whole, port }).collect()
}

fn single<'a>(request: &Request<'a>, operator: &'a TargetOperator) -> Result<Input<'a>, String> {
    inputs(request, operator).pop().ok_or_else(|| "no input".into())
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

/// The parameters of `clamp(round(M0*sum * 2^-n) + Z3)`, wide enough for every sum of a range and all of `scales`.
fn scaled(
    request: &Request<'_>,
    operator: &TargetOperator,
    sum: Range<i128>,
    scales: &[(u32, i32)],
    zero_point: i32,
) -> Vec<(&'static str, Value)> {
    let multiplier = scales.iter().map(|&(multiplier, _)| multiplier).max().unwrap_or(1);
    let shift = scales.iter().filter_map(|&(_, shift)| u64::try_from(shift).ok()).max().unwrap_or(0);
    let mode = operator.target.rounding;
    vec![
        ("ACCUMULATOR_BITS", number(signed_bits(sum))),
        ("MULTIPLIER_BITS", number(unsigned_bits(multiplier.into()))),
        ("PRODUCT_BITS", number(product_bits(sum, scales, mode, zero_point))),
        ("SHIFT_BITS", number(unsigned_bits(shift))),
        ("ROUNDING", number(rounding(mode))),
        ("ZERO_POINT", number(zero_point)),
        ("CLAMP_MIN", number(operator.output.range.min)),
        ("CLAMP_MAX", number(operator.output.range.max)),
        ("PIPELINE", flag(request.options.pipeline)),
    ]
}
