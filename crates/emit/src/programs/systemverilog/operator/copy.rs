//! Operators that take one code after another: concatenations, clamps, tables, batch normalisation.

use gen_params_core::hardware::TargetOperator;
use gen_params_core::parameters::{Range, Scale};

use super::{Input, inputs, normal, scaled, single};
use crate::names::file_stem;
use crate::names::table_file;
use crate::programs::systemverilog::block::{Computed, Request, address_parameters, flag, number, path};
use crate::programs::systemverilog::parts::{Data, Instance, Value};

/// Blocks of an input that go to places in the result.
struct Blocks {
    count: usize,
    length: usize,
    distance: usize,
    offset: usize,
}

fn copy(
    request: &Request<'_>,
    operator: &TargetOperator,
    input: &Input<'_>,
    blocks: &Blocks,
    scale: Option<Scale>,
) -> Result<Instance, String> {
    let (multiplier, shift) = scale.map_or(Ok((1, 0)), normal)?;
    let codes = Range { min: i128::from(input.port.range.min), max: i128::from(input.port.range.max) };
    let (range, z1, z3) = match scale {
        Some(_) => (input.centred(), input.port.zero_point, operator.output.zero_point),
        None => (codes, 0, 0),
    };
    let mut list = vec![
        ("BLOCKS", number(blocks.count)),
        ("BLOCK", number(blocks.length)),
        ("DISTANCE", number(blocks.distance)),
        ("OFFSET", number(blocks.offset)),
        ("INPUT_SIGNED", flag(input.buffer.is_signed())),
        ("CODE_BITS", number(request.code_bits)),
        ("INPUT_ZERO_POINT", number(z1)),
        ("MULTIPLIER", number(multiplier)),
        ("SHIFT", number(shift)),
    ];
    list.extend(scaled(request, operator, range, &[(multiplier, shift)], z3));
    list.extend(address_parameters(input.buffer.elements(), request.elements()));
    let clocks = (blocks.count * blocks.length) as u64 + 8;
    Ok(Instance { module: "gp_copy", parameters: list, clocks })
}

pub(super) fn concatenation(
    request: &Request<'_>,
    operator: &TargetOperator,
    scales: &[Option<Scale>],
    axis: i64,
) -> Result<Computed, String> {
    let rank = i64::try_from(request.whole.len()).unwrap_or(i64::MAX);
    let counted = if axis < 0 { axis.saturating_add(rank) } else { axis };
    let axis = usize::try_from(counted).map_err(|_| format!("a concatenation along axis {axis}"))?;
    let parts = inputs(request, operator);
    let same = |i: usize| parts[..i].iter().any(|other| std::ptr::eq(other.buffer, parts[i].buffer));
    if (0..parts.len()).any(same) {
        return Err("a tensor that is joined to itself".into());
    }
    let length = |shape: &[usize]| shape.get(axis..).unwrap_or_default().iter().product::<usize>();
    let distance = length(request.whole);
    let mut offset = 0;
    let mut instances = Vec::new();
    for (input, scale) in parts.iter().zip(scales) {
        let blocks = Blocks {
            count: request.whole.iter().take(axis).product(),
            length: length(input.whole),
            distance,
            offset,
        };
        instances.push(copy(request, operator, input, &blocks, *scale)?);
        offset += blocks.length;
    }
    Ok(Computed { instances, stages: None, data: Vec::new() })
}

pub(super) fn clamp(request: &Request<'_>, operator: &TargetOperator) -> Result<Computed, String> {
    let input = single(request, operator)?;
    let length = input.buffer.elements();
    let blocks = Blocks { count: 1, length, distance: length, offset: 0 };
    Ok(Computed::one(copy(request, operator, &input, &blocks, None)?))
}

pub(super) fn table(
    request: &Request<'_>,
    operator: &TargetOperator,
    codes: &[i32],
) -> Result<Computed, String> {
    let input = single(request, operator)?;
    let count = input.buffer.elements();
    let file = path(&table_file(&request.node.name, "hex"));
    let mut list = vec![
        ("COUNT", number(count)),
        ("INPUT_SIGNED", flag(input.buffer.is_signed())),
        ("TABLE_FILE", Value::File(file.clone())),
    ];
    list.extend(address_parameters(count, count));
    let mut computed =
        Computed::one(Instance { module: "gp_table", parameters: list, clocks: count as u64 + 8 });
    let bytes = codes.iter().map(|code| code.to_le_bytes()[0].cast_signed()).collect();
    computed.data.push((file, Data::Bytes(bytes)));
    Ok(computed)
}

/// Batch normalisation: `round((multiplier * (code - Z1) + offset) * 2^-n) + Z3`.
pub(super) fn channel_scale(
    request: &Request<'_>,
    operator: &TargetOperator,
    multipliers: &[i32],
    offsets: &[i32],
    shift: i32,
) -> Result<Computed, String> {
    let input = single(request, operator)?;
    if !(0..256).contains(&shift) {
        return Err(format!("a shift of {shift}, expected 0 to 255"));
    }
    let Range { min, max } = input.centred();
    let mut range = Range { min: 0, max: 0 };
    for (&multiplier, &offset) in multipliers.iter().zip(offsets) {
        for code in [min, max] {
            let value = code * i128::from(multiplier) + i128::from(offset);
            range = Range { min: range.min.min(value), max: range.max.max(value) };
        }
    }
    let channels = multipliers.len();
    let file = |what: &str| path(&format!("{}_{what}.hex", file_stem(&request.node.name)));
    let mut list = vec![
        ("CHANNELS", number(channels)),
        ("AREA", number(request.elements() / channels.max(1))),
        ("INPUT_SIGNED", flag(input.buffer.is_signed())),
        ("INPUT_ZERO_POINT", number(input.port.zero_point)),
        ("MULTIPLIER_FILE", Value::File(file("multiplier"))),
        ("OFFSET_FILE", Value::File(file("offset"))),
        ("SHIFT", number(shift)),
    ];
    list.extend(scaled(request, operator, range, &[(1, shift)], operator.output.zero_point));
    list.extend(address_parameters(input.buffer.elements(), request.elements()));
    let clocks = request.elements() as u64 + 8;
    let mut computed = Computed::one(Instance { module: "gp_channel_scale", parameters: list, clocks });
    computed.data = vec![
        (file("multiplier"), Data::Signed32(multipliers.to_vec())),
        (file("offset"), Data::Signed32(offsets.to_vec())),
    ];
    Ok(computed)
}
