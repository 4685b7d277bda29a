//! Sums, products and matrix products of two tensors.

use gen_params_core::hardware::Rescale;
use gen_params_core::hardware::integer_op::{MatrixProduct, Operand, Pair, Product, Sum};
use gen_params_core::parameters::Scale;

use super::walk::Walk;
use super::{narrow, normal, rescaled};
use crate::programs::systemverilog::block::{Computed, Request};
use crate::programs::systemverilog::parts::{Buffer, Instance, Value};
use crate::programs::systemverilog::parts::{flag, number};
use crate::programs::systemverilog::widths::address_bits;

fn two<'a>(request: &Request<'a>, operands: &[Operand; 2]) -> Result<[&'a Buffer; 2], String> {
    narrow(request, &operands.each_ref())?;
    let buffers = <[&Buffer; 2]>::try_from(request.inputs.as_slice());
    buffers.map_err(|_| format!("{} inputs, expected 2", request.inputs.len()))
}

/// Signs, zero points and address widths of both operands.
fn operands(
    request: &Request<'_>,
    [a, b]: [&Buffer; 2],
    [first, second]: &[Operand; 2],
) -> Vec<(&'static str, Value)> {
    vec![
        ("A_SIGNED", flag(a.is_signed())),
        ("B_SIGNED", flag(b.is_signed())),
        ("A_ZERO_POINT", number(first.port.zero_point)),
        ("B_ZERO_POINT", number(second.port.zero_point)),
        ("READ_A_BITS", number(a.address_bits())),
        ("READ_B_BITS", number(b.address_bits())),
        ("WRITE_BITS", number(address_bits(request.elements))),
    ]
}

/// An instance that goes over the result element by element.
fn elementwise(
    request: &Request<'_>,
    pair: &Pair,
    operation: i64,
    multipliers: [u32; 2],
    shift: i32,
    arithmetic: Vec<(&'static str, Value)>,
) -> Result<Computed, String> {
    let both = two(request, &pair.operands)?;
    let walk =
        Walk::broadcast(pair.operands.each_ref().map(|operand| operand.shape.as_slice()), &pair.shape)?;
    if std::ptr::eq(both[0], both[1]) && walk.steps[0] != walk.steps[1] {
        return Err("a tensor that meets itself at other places, expected two tensors".into());
    }
    let mut list = vec![("OPERATION", Value::Integer(operation))];
    list.extend(walk.parameters());
    list.extend([
        ("MULTIPLIER_A", number(multipliers[0])),
        ("MULTIPLIER_B", number(multipliers[1])),
        ("SHIFT", number(shift)),
    ]);
    list.extend(operands(request, both, &pair.operands));
    list.extend(arithmetic);
    let clocks = request.elements as u64 + 8;
    Ok(Computed::one(Instance { module: "gp_elementwise", parameters: list, clocks }))
}

pub(super) fn sum(request: &Request<'_>, form: &Sum) -> Result<Computed, String> {
    let Rescale { shift, .. } = form.rescale;
    let mut factors = [0; 2];
    for (factor, multiplier) in factors.iter_mut().zip(form.multipliers) {
        *factor = normal(Scale { multiplier, shift })?.0;
    }
    // The shift to the left that is none of hardware is in the factors, and so in the sums.
    let sums = Sum { multipliers: factors, ..form.clone() }.sums();
    let shift = shift.max(0);
    let arithmetic = rescaled(request, sums, &[&Rescale { shift, ..form.rescale.clone() }])?;
    elementwise(request, &form.pair, 0, factors, shift, arithmetic)
}

pub(super) fn product(request: &Request<'_>, form: &Product) -> Result<Computed, String> {
    let (multiplier, shift) = normal(form.rescale.scale())?;
    let arithmetic = rescaled(request, form.sums(), &[&form.rescale])?;
    elementwise(request, &form.pair, 1, [multiplier, 1], shift, arithmetic)
}

pub(super) fn matrix_product(request: &Request<'_>, form: &MatrixProduct) -> Result<Computed, String> {
    let both = two(request, &form.operands)?;
    if std::ptr::eq(both[0], both[1]) {
        return Err("a matrix times itself, expected two tensors".into());
    }
    let (multiplier, shift) = normal(form.rescale.scale())?;
    let mut list = vec![
        ("MATRICES", number(form.matrices)),
        ("ROWS", number(form.rows)),
        ("INNER", number(form.inner)),
        ("COLUMNS", number(form.columns)),
        ("MULTIPLIER", number(multiplier)),
        ("SHIFT", number(shift)),
    ];
    list.extend(operands(request, both, &form.operands));
    list.extend(rescaled(request, form.sums(), &[&form.rescale])?);
    let clocks = (request.elements * form.inner) as u64 + 8;
    Ok(Computed::one(Instance { module: "gp_matrix_product", parameters: list, clocks }))
}
