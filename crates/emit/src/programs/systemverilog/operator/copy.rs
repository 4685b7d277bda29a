//! Forms that take one code after another: joins, clamps, tables, affine functions by channel.

use gen_params_core::hardware::Rescale;
use gen_params_core::hardware::integer_op::{ChannelAffine, Clamp, Join, Operand, Part, Table};
use gen_params_core::parameters::{Range, Scale};

use super::{narrow, normal, rescaled};
use crate::names::file_stem;
use crate::names::table_file;
use crate::programs::systemverilog::block::{Computed, Request, address_parameters, path};
use crate::programs::systemverilog::parts::{Buffer, Data, Instance, Value};
use crate::programs::systemverilog::parts::{flag, number};

/// Blocks of an input that go to places in the result.
struct Blocks {
    count: usize,
    length: usize,
    distance: usize,
    offset: usize,
}

/// Codes that are rescaled, or that pass within a clamp.
fn copy(
    request: &Request<'_>,
    (buffer, input): (&Buffer, &Operand),
    blocks: &Blocks,
    rescale: Result<&Rescale, Range<i32>>,
) -> Result<Instance, String> {
    let Range { min, max } = input.port.range;
    let passing = |clamp| Rescale::of_scale(Scale { multiplier: 1, shift: 0 }, request.rounding, 0, clamp);
    let (sums, zero_point, rescale) = match rescale {
        Ok(rescale) => (input.centred(), input.port.zero_point, rescale.clone()),
        Err(clamp) => (Range { min: min.into(), max: max.into() }, 0, passing(clamp)),
    };
    let sums = Range { min: sums.min.into(), max: sums.max.into() };
    let (multiplier, shift) = normal(rescale.scale())?;
    let mut list = vec![
        ("BLOCKS", number(blocks.count)),
        ("BLOCK", number(blocks.length)),
        ("DISTANCE", number(blocks.distance)),
        ("OFFSET", number(blocks.offset)),
        ("INPUT_SIGNED", flag(buffer.is_signed())),
        ("CODE_BITS", number(request.code_bits)),
        ("INPUT_ZERO_POINT", number(zero_point)),
        ("MULTIPLIER", number(multiplier)),
        ("SHIFT", number(shift)),
    ];
    list.extend(rescaled(request, sums, &[&rescale])?);
    list.extend(address_parameters(buffer.elements(), request.elements));
    let clocks = (blocks.count * blocks.length) as u64 + 8;
    Ok(Instance { module: "gp_copy", parameters: list, clocks })
}

pub(super) fn join(request: &Request<'_>, form: &Join) -> Result<Computed, String> {
    narrow(request, &form.parts.iter().map(|part| &part.input).collect::<Vec<_>>())?;
    let buffers = &request.inputs;
    let same = |i: usize| buffers[..i].iter().any(|other| std::ptr::eq(*other, buffers[i]));
    if (0..buffers.len()).any(same) {
        return Err("a tensor that is joined to itself".into());
    }
    let instance = |(&buffer, part): (&&Buffer, &Part)| {
        let Part { input, length, offset, rescale } = part;
        let blocks = Blocks { count: form.rows, length: *length, distance: form.length, offset: *offset };
        copy(request, (buffer, input), &blocks, rescale.as_ref().ok_or(form.clamp))
    };
    let instances = buffers.iter().zip(&form.parts).map(instance).collect::<Result<_, _>>()?;
    Ok(Computed { instances, stages: None, data: Vec::new() })
}

pub(super) fn clamp(request: &Request<'_>, form: &Clamp) -> Result<Computed, String> {
    let buffer = request.first()?;
    let length = buffer.elements();
    let blocks = Blocks { count: 1, length, distance: length, offset: 0 };
    Ok(Computed::one(copy(request, (buffer, &form.input), &blocks, Err(form.range))?))
}

pub(super) fn table(request: &Request<'_>, form: &Table<'_>) -> Result<Computed, String> {
    narrow(request, &[&form.input])?;
    let buffer = request.first()?;
    let count = buffer.elements();
    let file = path(&table_file(&request.node.name, "hex"));
    let mut list = vec![
        ("COUNT", number(count)),
        ("INPUT_SIGNED", flag(buffer.is_signed())),
        ("TABLE_FILE", Value::File(file.clone())),
    ];
    list.extend(address_parameters(count, count));
    let mut computed =
        Computed::one(Instance { module: "gp_table", parameters: list, clocks: count as u64 + 8 });
    let bytes = form.codes.iter().map(|code| code.to_le_bytes()[0].cast_signed()).collect();
    computed.data.push((file, Data::Bytes(bytes)));
    Ok(computed)
}

pub(super) fn channel_affine(request: &Request<'_>, form: &ChannelAffine<'_>) -> Result<Computed, String> {
    narrow(request, &[&form.input])?;
    let buffer = request.first()?;
    let shift = form.rescale.shift;
    if !(0..256).contains(&shift) {
        return Err(format!("a shift of {shift}, expected 0 to 255"));
    }
    let channels = form.multipliers.len();
    let file = |what: &str| path(&format!("{}_{what}.hex", file_stem(&request.node.name)));
    let mut list = vec![
        ("CHANNELS", number(channels)),
        ("AREA", number(request.elements / channels.max(1))),
        ("INPUT_SIGNED", flag(buffer.is_signed())),
        ("INPUT_ZERO_POINT", number(form.input.port.zero_point)),
        ("MULTIPLIER_FILE", Value::File(file("multiplier"))),
        ("OFFSET_FILE", Value::File(file("offset"))),
        ("SHIFT", number(shift)),
    ];
    list.extend(rescaled(request, form.sums(), &[&form.rescale])?);
    list.extend(address_parameters(buffer.elements(), request.elements));
    let clocks = request.elements as u64 + 8;
    let mut computed = Computed::one(Instance { module: "gp_channel_scale", parameters: list, clocks });
    computed.data = vec![
        (file("multiplier"), Data::Signed32(form.multipliers.to_vec())),
        (file("offset"), Data::Signed32(form.offsets.to_vec())),
    ];
    Ok(computed)
}
