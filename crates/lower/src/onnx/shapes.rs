//! Changes of shape and selections, of values and of known numbers.

use super::call::Call;
use super::constants;
use super::numbers::{Numbers, Size};
use super::{Lowering, Slot, one};
use crate::qdq::{Constant, Value};
use gen_params_core::error::Result;
use gen_params_core::ops::{Extent, Op, PaddingMode, Shape};

/// Joins tensors along an axis.
pub(super) fn concat(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let axis = call.int("axis", 1)?;
    if let Some(known) = constants::concatenated(lowering, call, axis)? {
        return Ok(vec![known]);
    }
    let values = (0..call.count()).map(|i| lowering.value(call, i)).collect::<Result<Vec<Value>>>()?;
    one(lowering.graph.concatenate(&call.name, axis, &values)?)
}

/// New sizes for the same elements: -1 is inferred, 0 is the input's.
pub(super) fn reshape(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let input = call.input(0)?;
    let zero_is_zero = call.int("allowzero", 0)? != 0;
    let sizes = match call.ints("shape")? {
        Some(sizes) => sizes.into_iter().map(Size::Known).collect(),
        None => {
            let numbers = call.optional(1).and_then(|id| lowering.numbers(id));
            let sizes = numbers.as_ref().and_then(Numbers::to_sizes);
            sizes.ok_or_else(|| call.refuse("its sizes are computed while the network runs"))?
        }
    };
    let declared = lowering.facts(input).and_then(|f| f.shape.clone());
    // A size that the exporter took from this tensor, at the same place, is kept; that is what 0 says.
    let mut resolved = Vec::new();
    for (axis, size) in sizes.iter().enumerate() {
        let own = |axis: usize| declared.as_ref().and_then(|s| s.get(axis).copied()).filter(|&s| s > 0);
        resolved.push(match *size {
            Size::Known(0) if !zero_is_zero => own(axis).unwrap_or(0),
            Size::Known(size) => size,
            Size::Of(value, other) => {
                let known = lowering.facts(value).and_then(|f| f.shape.as_ref()?.get(other).copied());
                match known.filter(|&s| s > 0) {
                    Some(size) => size,
                    None if other == axis && (axis == 0 || value == input) => 0,
                    None => return Err(call.refuse(format!("its size {axis} is computed while the network runs"))),
                }
            }
        });
    }
    lowering.ranks.insert(call.output()?, resolved.len());
    if let Some(numbers) = lowering.numbers(input) {
        let found = numbers.reshaped(&resolved);
        return found
            .map(|n| vec![Slot::Numbers(n)])
            .ok_or_else(|| call.refuse(format!("sizes {resolved:?} of {:?}", numbers.shape)));
    }
    let value = lowering.value(call, 0)?;
    if let Value::Constant(constant) = &value {
        let sizes = resolved.iter().map(|&s| usize::try_from(s).ok()).collect::<Option<Vec<usize>>>();
        return constant_as(call, constant, sizes);
    }
    let zeros = resolved.iter().filter(|&&s| s == 0).count();
    let inferred = resolved.contains(&-1);
    let op = match (&resolved[..], zeros, inferred) {
        (_, 0, _) => {
            // One batch in the file is any number of them in use.
            let mut sizes = resolved;
            if !inferred && sizes.first() == Some(&1) && declared.as_ref().and_then(|s| s.first()) == Some(&1)
            {
                sizes[0] = -1;
            }
            Shape::Reshape(sizes.into_iter().map(Extent::Fixed).collect())
        }
        ([0, -1], ..) => Shape::Flatten { start: 1, end: -1 },
        ([0, 0, -1], ..) => Shape::Flatten { start: 2, end: -1 },
        (sizes, 1, false) => {
            let sizes = sizes.iter().map(|&s| Extent::Fixed(if s == 0 { -1 } else { s }));
            Shape::Reshape(sizes.collect())
        }
        _ => return Err(call.refuse(format!("has sizes {resolved:?}, of which several are open"))),
    };
    lowering.shaped(call, vec![op], &value)
}

/// Axes before `axis` become one, and those from it on another.
pub(super) fn flatten(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let axis = call.int("axis", 1)?;
    let rank = call.optional(0).and_then(|id| lowering.rank(id)).and_then(|rank| i64::try_from(rank).ok());
    let axis = match rank {
        Some(rank) if axis < 0 => axis + rank,
        _ => axis,
    };
    if axis != 1 {
        return Err(call.refuse(format!("flattens from axis {axis}, expected 1")));
    }
    let value = lowering.value(call, 0)?;
    lowering.ranks.insert(call.output()?, 2);
    lowering.shaped(call, vec![Shape::Flatten { start: 1, end: -1 }], &value)
}

/// Axes in another order; reversed unless it is said.
pub(super) fn transpose(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let axes = match call.ints("perm")? {
        Some(axes) => axes,
        None => (0..i64::try_from(lowering.known_rank(call, 0)?).unwrap_or(0)).rev().collect(),
    };
    let value = lowering.value(call, 0)?;
    if let Value::Constant(constant) = &value {
        let places = axes.iter().map(|&a| usize::try_from(a).ok()).collect::<Option<Vec<usize>>>();
        let permuted = places.and_then(|places| constant.permuted(&places));
        return permuted
            .map(|c| vec![Slot::Value(Value::Constant(c))])
            .ok_or_else(|| call.refuse(format!("axes {axes:?} of a constant {:?}", constant.shape)));
    }
    lowering.shaped(call, vec![Shape::Permute(axes)], &value)
}

/// Axes of size 1 removed.
pub(super) fn squeeze(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let axes = lowering.axes(call, "axes", 1)?;
    if let Some(known) = constants::squeezed(lowering, call) {
        return Ok(vec![known]);
    }
    let value = lowering.value(call, 0)?;
    if let Value::Constant(constant) = &value {
        let shape = constants::without(&constant.shape, axes.as_deref());
        return constant_as(call, constant, shape);
    }
    let Some(mut axes) = axes else { return lowering.shaped(call, vec![Shape::Squeeze(None)], &value) };
    if let Some(rank) = call.optional(0).and_then(|id| lowering.rank(id)) {
        lowering.ranks.insert(call.output()?, rank.saturating_sub(axes.len()));
    }
    if axes.len() > 1 && axes.iter().any(|&a| a < 0) {
        return Err(call.refuse(format!("removes axes {axes:?}, expected axes counted from the first")));
    }
    // From the last one on, so that the others keep their places.
    axes.sort_unstable_by(|a, b| b.cmp(a));
    let steps = axes.into_iter().map(|axis| Shape::Squeeze(Some(axis))).collect();
    lowering.shaped(call, steps, &value)
}

/// Axes of size 1 inserted, at places of the result.
pub(super) fn unsqueeze(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let Some(mut axes) = lowering.axes(call, "axes", 1)? else { return Err(call.refuse("has no axes")) };
    if let Some(known) = constants::unsqueezed(lowering, call, &axes) {
        return Ok(vec![known]);
    }
    let value = lowering.value(call, 0)?;
    if let Value::Constant(constant) = &value {
        let shape = constants::with(&constant.shape, &axes);
        return constant_as(call, constant, shape);
    }
    if let Some(rank) = call.optional(0).and_then(|id| lowering.rank(id)) {
        lowering.ranks.insert(call.output()?, rank + axes.len());
    }
    if axes.len() > 1 && axes.iter().any(|&a| a < 0) {
        return Err(call.refuse(format!("inserts axes {axes:?}, expected axes counted from the first")));
    }
    axes.sort_unstable();
    let steps = axes.into_iter().map(Shape::Unsqueeze).collect();
    lowering.shaped(call, steps, &value)
}

/// `X[start:end:step]` along axes.
pub(super) fn slice(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let missing = |what: &str| call.refuse(format!("has no `{what}`"));
    let starts = lowering.axes(call, "starts", 1)?.ok_or_else(|| missing("starts"))?;
    let ends = lowering.axes(call, "ends", 2)?.ok_or_else(|| missing("ends"))?;
    let axes = lowering.axes(call, "axes", 3)?;
    let axes = axes.unwrap_or_else(|| (0..).take(starts.len()).collect());
    let steps = lowering.integers(call, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [&ends, &axes, &steps].iter().any(|v| v.len() != starts.len()) {
        return Err(call.refuse("has starts, ends, axes and steps of different numbers"));
    }
    let parts: Vec<Shape> = (0..starts.len())
        .map(|i| Shape::Slice { axis: axes[i], start: starts[i], end: ends[i], step: steps[i] })
        .collect();
    if let Some(known) = constants::sliced(lowering, call, &parts) {
        return Ok(vec![known]);
    }
    let value = lowering.value(call, 0)?;
    lowering.shaped(call, parts, &value)
}

/// Parts along an axis.
pub(super) fn split(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let axis = call.int("axis", 0)?;
    call.ignore(&["num_outputs"]);
    let count = call.node.outputs.len();
    let sizes = lowering.axes(call, "split", 1)?;
    let value = lowering.value(call, 0)?;
    if let Some(rank) = call.optional(0).and_then(|id| lowering.rank(id)) {
        for &output in &call.node.outputs {
            lowering.ranks.insert(output, rank);
        }
    }
    let Some(sizes) = sizes else {
        let parts = i64::try_from(count).unwrap_or(i64::MAX);
        return lowering.shaped(call, vec![Shape::Chunk { parts, axis }], &value);
    };
    let mut start = 0i64;
    let mut results = Vec::new();
    for size in sizes {
        let end = start.saturating_add(size);
        results.extend(lowering.shaped(call, vec![Shape::Slice { axis, start, end, step: 1 }], &value)?);
        start = end;
    }
    Ok(results)
}

/// Zeros around the input.
pub(super) fn pad(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let mode = match call.text("mode", "constant")? {
        "constant" => PaddingMode::Zeros,
        "reflect" => PaddingMode::Reflect,
        "edge" => PaddingMode::Replicate,
        "wrap" => PaddingMode::Circular,
        other => return Err(call.refuse(format!("its mode {other} is not supported"))),
    };
    let Some(pads) = lowering.axes(call, "pads", 1)? else { return Err(call.refuse("has no pads")) };
    let given = call.optional(2).and_then(|id| lowering.numbers(id));
    let filling = match given.as_ref().and_then(Numbers::reals) {
        Some(reals) => reals.first().copied().map_or(0.0, f64::from),
        None => call.float("value", 0.0)?,
    };
    let value = lowering.value(call, 0)?;
    let real = matches!(value, Value::Real(_));
    if mode == PaddingMode::Zeros && (filling != 0.0 || (!real && given.is_some())) {
        return Err(call.refuse("fills with another number than the real value 0"));
    }
    let rank = pads.len() / 2;
    let chosen = lowering.integers(call, 3)?;
    if chosen.is_some() || pads.len() % 2 != 0 {
        return Err(call.refuse("pads chosen axes, which is not supported"));
    }
    // ONNX has all beginnings, then all ends; ours go from the last axis backwards.
    let amounts = (0..rank).rev().flat_map(|axis| [pads[axis], pads[axis + rank]]).collect();
    lowering.shaped(call, vec![Shape::Pad { amounts, mode }], &value)
}

/// Upsampling to the nearest neighbour by whole factors.
pub(super) fn resize(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    call.ignore(&[
        "cubic_coeff_a",
        "extrapolation_value",
        "exclude_outside",
        "antialias",
        "keep_aspect_ratio_policy",
    ]);
    if call.text("mode", "nearest")? != "nearest" {
        return Err(call.refuse("is no nearest-neighbour upsampling"));
    }
    // For whole factors these read the same positions.
    let position = call.text("coordinate_transformation_mode", "half_pixel")?;
    let nearest = call.text("nearest_mode", "round_prefer_floor")?;
    let sound = matches!(
        (position, nearest),
        ("asymmetric", "floor")
            | (
                "half_pixel" | "pytorch_half_pixel" | "half_pixel_symmetric",
                "round_prefer_floor" | "round_prefer_ceil"
            )
    ) || call.node.callee == gen_params_formats::Callee::Function("Upsample".into());
    if !sound {
        return Err(call.refuse(format!("reads positions as {position}, {nearest}, which is not supported")));
    }
    let reals =
        |id| lowering.numbers(id).and_then(|n| n.reals().map(<[f32]>::to_vec)).filter(|v| !v.is_empty());
    let scales = match call.ints("axes")? {
        Some(_) => return Err(call.refuse("resizes chosen axes, which is not supported")),
        None => (1..call.count().min(3)).rev().filter_map(|i| call.optional(i)).find_map(reals),
    };
    let factors: Vec<f64> = scales.unwrap_or_default().into_iter().map(f64::from).collect();
    match &factors[..] {
        [1.0, 1.0, spatial @ ..]
            if !spatial.is_empty() && spatial.iter().all(|f| f.fract() == 0.0 && *f >= 1.0) =>
        {
            let value = lowering.value(call, 0)?;
            let op = Shape::Upsample { size: None, factors: Some(spatial.to_vec()) };
            lowering.shaped(call, vec![op], &value)
        }
        _ => Err(call.refuse(format!(
            "has the factors {factors:?}, expected whole numbers known before the network runs"
        ))),
    }
}

/// The input as it is.
pub(super) fn identity(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    call.ignore(&["ratio", "seed", "is_test"]);
    let input = call.input(0)?;
    if let Some(numbers) = lowering.numbers(input) {
        return Ok(vec![Slot::Numbers(numbers)]);
    }
    one(lowering.value(call, 0)?)
}

/// A constant under other sizes.
fn constant_as(call: &Call<'_>, constant: &Constant, shape: Option<Vec<usize>>) -> Result<Vec<Slot>> {
    match shape.clone().and_then(|shape| constant.reshaped(shape)) {
        Some(reshaped) => one(Value::Constant(reshaped)),
        None => {
            Err(call.refuse(format!("gives a constant of sizes {:?} the sizes {shape:?}", constant.shape)))
        }
    }
}

impl Lowering<'_> {
    /// Changes of shape, one after the other.
    fn shaped(&mut self, call: &Call<'_>, steps: Vec<Shape>, value: &Value) -> Result<Vec<Slot>> {
        let mut values = vec![value.clone()];
        for step in steps {
            let [only] = &values[..] else { return Err(call.refuse("changes the shape of several tensors")) };
            values = self.graph.preserving(&call.name, Op::Shape(step), only)?;
        }
        Ok(values.into_iter().map(Slot::Value).collect())
    }
}
