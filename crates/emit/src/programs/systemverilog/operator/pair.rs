//! Sums, products and matrix products of two tensors.

use gen_params_core::hardware::TargetOperator;
use gen_params_core::parameters::{Range, Scale};

use super::walk::Walk;
use super::{Input, inputs, normal, scaled};
use crate::programs::systemverilog::block::{Computed, Request, flag, number};
use crate::programs::systemverilog::parts::{Instance, Value};
use crate::programs::systemverilog::widths::address_bits;

fn two<'a>(request: &Request<'a>, operator: &'a TargetOperator) -> Result<[Input<'a>; 2], String> {
    let found = <[Input<'a>; 2]>::try_from(inputs(request, operator));
    found.map_err(|found| format!("{} inputs, expected 2", found.len()))
}

/// Signs, zero points and address widths of both operands.
fn operands(request: &Request<'_>, [a, b]: &[Input<'_>; 2]) -> Vec<(&'static str, Value)> {
    vec![
        ("A_SIGNED", flag(a.buffer.is_signed())),
        ("B_SIGNED", flag(b.buffer.is_signed())),
        ("A_ZERO_POINT", number(a.port.zero_point)),
        ("B_ZERO_POINT", number(b.port.zero_point)),
        ("READ_A_BITS", number(address_bits(a.buffer.elements()))),
        ("READ_B_BITS", number(address_bits(b.buffer.elements()))),
        ("WRITE_BITS", number(address_bits(request.elements()))),
    ]
}

/// An instance that goes over the result element by element.
fn elementwise(
    request: &Request<'_>,
    both: &[Input<'_>; 2],
    operation: i64,
    multipliers: [u32; 2],
    shift: i32,
    arithmetic: Vec<(&'static str, Value)>,
) -> Result<Computed, String> {
    let walk = Walk::broadcast(both.each_ref().map(|input| input.shape), request.shape)?;
    if std::ptr::eq(both[0].buffer, both[1].buffer) && walk.steps[0] != walk.steps[1] {
        return Err("a tensor that meets itself at other places, expected two tensors".into());
    }
    let mut list = vec![("OPERATION", Value::Integer(operation))];
    list.extend(walk.parameters());
    list.extend([
        ("MULTIPLIER_A", number(multipliers[0])),
        ("MULTIPLIER_B", number(multipliers[1])),
        ("SHIFT", number(shift)),
    ]);
    list.extend(operands(request, both));
    list.extend(arithmetic);
    let clocks = request.elements() as u64 + 8;
    Ok(Computed::one(Instance { module: "gp_elementwise", parameters: list, clocks }))
}

pub(super) fn sum(
    request: &Request<'_>,
    operator: &TargetOperator,
    multipliers: [u32; 2],
    shift: i32,
) -> Result<Computed, String> {
    let both = two(request, operator)?;
    let mut factors = [0; 2];
    for (factor, multiplier) in factors.iter_mut().zip(multipliers) {
        *factor = normal(Scale { multiplier, shift })?.0;
    }
    let shift = shift.max(0);
    let [a, b] = [0, 1].map(|i| {
        let Range { min, max } = both[i].centred();
        Range { min: min * i128::from(factors[i]), max: max * i128::from(factors[i]) }
    });
    let range = Range { min: a.min + b.min, max: a.max + b.max };
    let arithmetic = scaled(request, operator, range, &[(1, shift)], operator.output.zero_point);
    elementwise(request, &both, 0, factors, shift, arithmetic)
}

/// All products of two codes minus their zero points.
fn products([a, b]: &[Input<'_>; 2]) -> Range<i128> {
    let (a, b) = (a.centred(), b.centred());
    let ends = [a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max];
    ends.iter().fold(Range { min: ends[0], max: ends[0] }, |range, &end| Range {
        min: range.min.min(end),
        max: range.max.max(end),
    })
}

pub(super) fn product(
    request: &Request<'_>,
    operator: &TargetOperator,
    scale: Scale,
) -> Result<Computed, String> {
    let both = two(request, operator)?;
    let (multiplier, shift) = normal(scale)?;
    let range = products(&both);
    let arithmetic = scaled(request, operator, range, &[(multiplier, shift)], operator.output.zero_point);
    elementwise(request, &both, 1, [multiplier, 1], shift, arithmetic)
}

/// (.., M, K) times (.., K, P).
pub(super) fn matrix_product(
    request: &Request<'_>,
    operator: &TargetOperator,
    scale: Scale,
) -> Result<Computed, String> {
    let both = two(request, operator)?;
    if std::ptr::eq(both[0].buffer, both[1].buffer) {
        return Err("a matrix times itself, expected two tensors".into());
    }
    // Leading axes are the same; those of a vector are left out.
    let (rows, inner) = match both[0].shape {
        [.., rows, inner] => (*rows, *inner),
        [inner] => (1, *inner),
        [] => return Err("a number, expected matrices".into()),
    };
    let columns = request.shape.last().copied().unwrap_or(1);
    let matrices = request.elements() / (rows * columns).max(1);
    let (multiplier, shift) = normal(scale)?;
    let Range { min, max } = products(&both);
    let terms = i128::try_from(inner).unwrap_or(i128::MAX >> 32);
    let range = Range { min: min.min(0) * terms, max: max.max(0) * terms };
    let mut list = vec![
        ("MATRICES", number(matrices)),
        ("ROWS", number(rows)),
        ("INNER", number(inner)),
        ("COLUMNS", number(columns)),
        ("MULTIPLIER", number(multiplier)),
        ("SHIFT", number(shift)),
    ];
    list.extend(operands(request, &both));
    list.extend(scaled(request, operator, range, &[(multiplier, shift)], operator.output.zero_point));
    let clocks = (request.elements() * inner) as u64 + 8;
    Ok(Computed::one(Instance { module: "gp_matrix_product", parameters: list, clocks }))
}
