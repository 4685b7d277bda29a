//! Operators that move codes: reshapes, slices, splits, padding, concatenation, and arithmetic on sizes.

use gen_params_formats::ValueId;

use super::call::Call;
use super::{Lowering, Order, first};
use gen_params_core::error::Result;
use gen_params_core::network::EdgeId;
use gen_params_core::ops::{Extent, Op, PaddingMode, Shape};

/// `RESHAPE`, `SQUEEZE`, `EXPAND_DIMS`: the file says the shape of the result.
pub(super) fn reshape(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    let shape = lowering.shape(call.output(0)?)?;
    let edge = lowering.in_sequence(call, input)?;
    let extents = extents(&lowering.shape(input)?, &shape, edge);
    lowering.define_shape(call, 0, Shape::Reshape(extents), edge, Order::File)
}

/// The sizes of a reshaped tensor; the first axis stays that of images where it has the same size.
fn extents(from: &[usize], to: &[usize], edge: EdgeId) -> Vec<Extent> {
    let fixed = |&size: &usize| Extent::Fixed(i64::try_from(size).unwrap_or(i64::MAX));
    let mut extents: Vec<Extent> = to.iter().map(fixed).collect();
    if let (Some(extent), true) = (extents.first_mut(), from.first() == to.first()) {
        *extent = Extent::Of(edge, 0);
    }
    extents
}

/// `TRANSPOSE` by a constant order of axes.
pub(super) fn transpose(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let axes = lowering.integers(call, 1)?;
    let edge = lowering.ordered(call, call.input(0)?, Order::File)?;
    lowering.define_shape(call, 0, Shape::Permute(axes), edge, Order::File)
}

/// `PAD` with the real value 0, `PADV2` with a code.
pub(super) fn pad(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    let activation = lowering.activation(call, input)?;
    let (min, max) = activation.code_type.range();
    let filling = match call.operator {
        "PADV2" => lowering.integer(call, 2)?,
        _ => i64::from(activation.zero_point),
    };
    let filling = i32::try_from(filling).ok().filter(|code| (min..=max).contains(code));
    let filling = filling.ok_or_else(|| call.refuse("pads with what is no code"))?;
    let sides = lowering.integers(call, 1)?;
    let rank = lowering.shape(input)?.len();
    if sides.len() != 2 * rank {
        return Err(call.refuse(&format!("has {} amounts for {rank} axes", sides.len())));
    }
    let (edge, order) = lowering.natural(call, input)?;
    // Before and after each axis, from the last axis of ours backwards; leading axes without any are left out.
    let mut amounts = vec![0; 2 * rank];
    for (axis, side) in sides.chunks_exact(2).enumerate() {
        let place = 2 * (rank - 1 - order.place(axis, rank));
        amounts[place..place + 2].copy_from_slice(side);
    }
    while amounts.ends_with(&[0, 0]) && amounts.len() > 2 {
        amounts.truncate(amounts.len() - 2);
    }
    let shape = match filling - activation.zero_point {
        0 => Shape::Pad { amounts, mode: PaddingMode::Zeros },
        above_zero => Shape::PadWith { amounts, above_zero },
    };
    lowering.define_shape(call, 0, shape, edge, order)
}

/// `CONCATENATION`.
pub(super) fn concatenation(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    call.without_activation()?;
    let inputs = call.inputs()?;
    let rank = lowering.shape(call.output(0)?)?.len();
    let axis = index_of(call, call.int("axis")?, rank)?;
    concatenate(lowering, call, &inputs, axis, rank)
}

fn concatenate(
    lowering: &mut Lowering<'_>,
    call: &Call<'_>,
    inputs: &[ValueId],
    axis: usize,
    rank: usize,
) -> Result<()> {
    let mut order = Order::File;
    for &id in inputs {
        if lowering.natural(call, id)?.1 == Order::ChannelsFirst {
            order = Order::ChannelsFirst;
        }
    }
    let edges =
        inputs.iter().map(|&id| lowering.ordered(call, id, order)).collect::<Result<Vec<EdgeId>>>()?;
    let axis = i64::try_from(order.place(axis, rank)).unwrap_or(i64::MAX);
    lowering.define(call, Op::Concatenate { axis, requantizes: true }, &edges, order)
}

/// `PACK`: each input with an axis more, one after the other. Of sizes, a list.
pub(super) fn pack(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let inputs = call.inputs()?;
    if let Some(known) = lowering.joined(call, &inputs)? {
        return lowering.fold(call, known);
    }
    let rank = lowering.shape(call.output(0)?)?.len();
    let axis = index_of(call, call.int("axis")?, rank)?;
    let place = i64::try_from(axis).unwrap_or(i64::MAX);
    let mut edges = Vec::new();
    for &id in &inputs {
        let edge = lowering.ordered(call, id, Order::File)?;
        let name = format!("{}.unsqueeze", call.node.name);
        edges.push(first(lowering.builder.node(
            &name,
            Op::Shape(Shape::Unsqueeze(place)),
            &[edge],
            None,
        )?)?);
    }
    lowering.define(call, Op::Concatenate { axis: place, requantizes: true }, &edges, Order::File)
}

/// `UNPACK`: the parts along an axis, without it.
pub(super) fn unpack(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    let shape = lowering.shape(input)?;
    let axis = index_of(call, call.int("axis")?, shape.len())?;
    if call.node.outputs.len() != shape[axis] {
        return Err(call.refuse(&format!("has {} results of {shape:?}", call.node.outputs.len())));
    }
    let edge = lowering.ordered(call, input, Order::File)?;
    let place = i64::try_from(axis).unwrap_or(i64::MAX);
    for (part, start) in (0..call.node.outputs.len()).zip(0i64..) {
        let slice = Shape::Slice { axis: place, start, end: start + 1, step: 1 };
        let name = format!("{}.slice", call.node.name);
        let part_edge = first(lowering.builder.node(&name, Op::Shape(slice), &[edge], None)?)?;
        lowering.define_shape(call, part, Shape::Squeeze(Some(place)), part_edge, Order::File)?;
    }
    Ok(())
}

/// `SPLIT` into equal parts, `SPLIT_V` into parts of given sizes.
pub(super) fn split(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let (input, axis) = if call.operator == "SPLIT" { (1, 0) } else { (0, 2) };
    let axis = lowering.integer(call, axis)?;
    let id = call.input(input)?;
    let rank = lowering.shape(id)?.len();
    let axis = index_of(call, axis, rank)?;
    let (edge, order) = lowering.natural(call, id)?;
    let place = i64::try_from(order.place(axis, rank)).unwrap_or(i64::MAX);
    let mut start = 0;
    for (part, &output) in call.node.outputs.iter().enumerate() {
        let size = lowering.shape(output)?.get(axis).copied().and_then(|size| i64::try_from(size).ok());
        let size = size.ok_or_else(|| call.refuse("has a part without its axis"))?;
        let end = start + size;
        lowering.define_shape(call, part, Shape::Slice { axis: place, start, end, step: 1 }, edge, order)?;
        start = end;
    }
    Ok(())
}

/// `STRIDED_SLICE` with constant indices; of sizes, some of them.
pub(super) fn strided_slice(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    let (begin, end) = (lowering.integers(call, 1)?, lowering.integers(call, 2)?);
    let steps = lowering.integers(call, 3)?;
    let sizes = lowering.shape(input)?;
    if call.int("ellipsis_mask")? != 0 || call.int("new_axis_mask")? != 0 || call.flag("offset")? {
        return Err(call.refuse("has an ellipsis, a new axis or offsets"));
    }
    let lists = [begin.len(), end.len(), steps.len()];
    if lists != [lists[0]; 3] || lists[0] > sizes.len() {
        return Err(call.refuse(&format!("has {lists:?} indices for {} axes", sizes.len())));
    }
    let masks = [call.int("begin_mask")?, call.int("end_mask")?, call.int("shrink_axis_mask")?];
    let mut spans = Vec::new();
    for (axis, &size) in sizes.iter().enumerate().take(begin.len()) {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let [no_begin, no_end, shrink] = masks.map(|mask| mask >> axis & 1 == 1);
        let inside = |i: i64| (if i < 0 { i.saturating_add(size) } else { i }).clamp(0, size);
        if steps[axis] < 1 {
            return Err(call.refuse(&format!("has a step of {}", steps[axis])));
        }
        let start = if no_begin { 0 } else { inside(begin[axis]) };
        let stop = match (shrink, no_end) {
            (true, _) => start.saturating_add(1),
            (false, true) => size,
            (false, false) => inside(end[axis]),
        };
        spans.push((start, stop, if shrink { 1 } else { steps[axis] }));
    }
    if let Some(known) = lowering.known(input) {
        let &[(start, stop, step)] = spans.as_slice() else {
            return Err(call.refuse("slices constants of several axes"));
        };
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let chosen = (start..stop).step_by(step);
        let chosen = chosen.filter_map(|index| known.get(usize::try_from(index).ok()?).copied()).collect();
        return lowering.fold(call, chosen);
    }
    let (mut edge, mut order) = lowering.natural(call, input)?;
    if masks[2] != 0 {
        (edge, order) = (lowering.ordered(call, input, Order::File)?, Order::File);
    }
    let mut slices: Vec<Shape> = Vec::new();
    for (axis, (&(start, end, step), &size)) in spans.iter().zip(&sizes).enumerate() {
        if (start, step) != (0, 1) || usize::try_from(end) != Ok(size) {
            let axis = i64::try_from(order.place(axis, sizes.len())).unwrap_or(i64::MAX);
            slices.push(Shape::Slice { axis, start, end, step });
        }
    }
    if masks[2] != 0 {
        let shape = lowering.shape(call.output(0)?)?;
        slices.push(Shape::Reshape(extents(&sizes, &shape, edge)));
    } else if slices.is_empty() {
        slices.push(Shape::Slice { axis: 0, start: 0, end: i64::MAX, step: 1 });
    }
    let last = slices.pop();
    for slice in slices {
        let name = format!("{}.slice", call.node.name);
        edge = first(lowering.builder.node(&name, Op::Shape(slice), &[edge], None)?)?;
    }
    match last {
        Some(last) => lowering.define_shape(call, 0, last, edge, order),
        None => Ok(()),
    }
}

/// `RESIZE_NEAREST_NEIGHBOR`: position p reads floor(p * input/output).
pub(super) fn resize(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    if call.flag("align_corners")? || call.flag("half_pixel_centers")? {
        return Err(call.refuse("aligns corners or centres of pixels"));
    }
    let input = call.input(0)?;
    lowering.image(call, input)?;
    let size = lowering.integers(call, 1)?;
    let edge = lowering.ordered(call, input, Order::ChannelsFirst)?;
    let size = Some(size.into_iter().map(Extent::Fixed).collect());
    lowering.define_shape(call, 0, Shape::Upsample { size, factors: None }, edge, Order::ChannelsFirst)
}

/// `SHAPE`: known before the network runs.
pub(super) fn shape(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let sizes = lowering.shape(call.input(0)?)?;
    lowering.fold(call, sizes.into_iter().filter_map(|size| i64::try_from(size).ok()).collect())
}

/// An axis that may count from the end.
fn index_of(call: &Call<'_>, axis: i64, rank: usize) -> Result<usize> {
    let counted = if axis < 0 { axis.saturating_add(i64::try_from(rank).unwrap_or(i64::MAX)) } else { axis };
    let index = usize::try_from(counted).ok().filter(|&index| index < rank);
    index.ok_or_else(|| call.refuse(&format!("has axis {axis} of {rank}")))
}

impl Lowering<'_> {
    /// Axes that an input holds, each of which may count from the end.
    pub(super) fn axes(&self, call: &Call<'_>, input: usize, rank: usize) -> Result<Vec<usize>> {
        self.integers(call, input)?.into_iter().map(|axis| index_of(call, axis, rank)).collect()
    }
}
