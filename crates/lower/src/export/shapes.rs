//! Changes of shape and selections.

use gen_params_formats::Value as Known;

use super::super::qdq::Value;
use super::call::Call;
use super::{Lowering, Slot};
use gen_params_core::error::Result;
use gen_params_core::ops::{Op, PaddingMode, Shape};

/// `cat(tensors, dim)`.
pub(super) fn cat(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let axis = call.int("dim")?;
    let values = lowering.values(call, "tensors")?;
    lowering.graph.concatenate(&call.name, axis, &values).map(Slot::Value)
}

/// `reshape(self, shape)`, `view(self, size)`.
pub(super) fn reshape(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let name = if call.operator == "aten.reshape.default" { "shape" } else { "size" };
    let extents = lowering.extents(call, name)?.ok_or_else(|| call.missing(name))?;
    if let Value::Constant(constant) = lowering.value(call, "self")? {
        let sizes = call.ints(name)?.unwrap_or_default();
        let known: i64 = sizes.iter().filter(|&&size| size > 0).product();
        let count = constant.shape.iter().product::<usize>();
        let inferred = i64::try_from(count).ok().and_then(|count| count.checked_div(known));
        let sizes: Option<Vec<usize>> = sizes
            .iter()
            .map(|&size| usize::try_from(if size == -1 { inferred? } else { size }).ok())
            .collect();
        let reshaped = sizes.and_then(|sizes| constant.reshaped(sizes)).map(Value::Constant);
        return reshaped.map(Slot::Value).ok_or_else(|| call.refuse("does not fit its constant"));
    }
    lowering.preserving(call, Shape::Reshape(extents))
}

/// `flatten(self, start_dim, end_dim)`.
pub(super) fn flatten(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let (start, end) = (call.int("start_dim")?, call.int("end_dim")?);
    lowering.preserving(call, Shape::Flatten { start, end })
}

/// `permute(self, dims)`.
pub(super) fn permute(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let axes = call.ints("dims")?.ok_or_else(|| call.missing("dims"))?;
    lowering.permuted(call, axes)
}

/// `transpose(self, dim0, dim1)`.
pub(super) fn transpose(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let (first, second) = (call.int("dim0")?, call.int("dim1")?);
    match lowering.value(call, "self")? {
        Value::Constant(constant) => {
            let mut axes: Vec<i64> = (0..).take(constant.shape.len()).collect();
            let place = |axis: i64| {
                let counted = if axis < 0 { axis + i64::try_from(axes.len()).ok()? } else { axis };
                usize::try_from(counted).ok().filter(|&axis| axis < axes.len())
            };
            let (Some(a), Some(b)) = (place(first), place(second)) else {
                return Err(call.refuse(format!("swaps axes {first} and {second} of {:?}", constant.shape)));
            };
            axes.swap(a, b);
            lowering.permuted(call, axes)
        }
        Value::Codes(_) | Value::Real(_) => lowering.preserving(call, Shape::Transpose(first, second)),
    }
}

/// `t(self)`: the two axes of a matrix swapped.
pub(super) fn transpose_matrix(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    lowering.permuted(call, vec![1, 0])
}

/// `squeeze(self, dim)`.
pub(super) fn squeeze(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let axis = call.optional_int("dim")?;
    lowering.preserving(call, Shape::Squeeze(axis))
}

/// `unsqueeze(self, dim)`.
pub(super) fn unsqueeze(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let axis = call.int("dim")?;
    lowering.preserving(call, Shape::Unsqueeze(axis))
}

/// `slice(self, dim, start, end, step)`.
pub(super) fn slice(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let shape = Shape::Slice {
        axis: call.int("dim")?,
        start: call.optional_int("start")?.unwrap_or(0),
        end: call.optional_int("end")?.unwrap_or(i64::MAX),
        step: call.int("step")?,
    };
    lowering.preserving(call, shape)
}

/// `chunk(self, chunks, dim)`.
pub(super) fn chunk(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let shape = Shape::Chunk { parts: call.int("chunks")?, axis: call.int("dim")? };
    let value = lowering.value(call, "self")?;
    lowering.graph.preserving(&call.name, Op::Shape(shape), &value).map(Slot::Values)
}

/// `pad(self, pad, mode, value)`.
pub(super) fn pad(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let constant = call.operator == "aten.constant_pad_nd.default";
    let mode = if constant { None } else { call.known("mode")? };
    let value = call.optional_number("value")?.unwrap_or(0.0);
    let mode = match mode.and_then(Known::as_str).unwrap_or("constant") {
        "constant" if value == 0.0 => PaddingMode::Zeros,
        "constant" => return Err(call.refuse(format!("pads with {value}, expected 0"))),
        other => PaddingMode::from_name(other)
            .ok_or_else(|| call.refuse(format!("pads with mode {other:?}, which is not supported")))?,
    };
    let amounts = call.ints("pad")?.ok_or_else(|| call.missing("pad"))?;
    lowering.preserving(call, Shape::Pad { amounts, mode })
}

/// `channel_shuffle(self, groups)`.
pub(super) fn channel_shuffle(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let groups = call.int("groups")?;
    lowering.preserving(call, Shape::ChannelShuffle(groups))
}

/// `upsample_nearestNd(input, output_size, scale_factors)`.
pub(super) fn upsample_nearest(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    let size = lowering.extents(call, "output_size")?;
    let factors = match call.known("scale_factors")? {
        Some(value @ Known::List(factors)) => {
            let factors: Option<Vec<f64>> = factors.iter().map(Known::as_f64).collect();
            Some(factors.ok_or_else(|| call.wrong("scale_factors", value))?)
        }
        Some(other) => return Err(call.wrong("scale_factors", other)),
        None => None,
    };
    let value = lowering.value(call, "input")?;
    lowering.shaped(call, Shape::Upsample { size, factors }, &value)
}

/// What passes its input on when the network is not trained.
pub(super) fn same(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Slot> {
    if call.operator.contains("dropout") && call.flag("train")? {
        return Err(call.refuse("is in training mode").hint("call model.eval() before exporting"));
    }
    lowering.value(call, call.first()).map(Slot::Value)
}

impl Lowering<'_> {
    fn preserving(&mut self, call: &Call<'_>, shape: Shape) -> Result<Slot> {
        let value = self.value(call, "self")?;
        self.shaped(call, shape, &value)
    }

    fn shaped(&mut self, call: &Call<'_>, shape: Shape, value: &Value) -> Result<Slot> {
        let results = self.graph.preserving(&call.name, Op::Shape(shape), value)?;
        results.into_iter().next().map(Slot::Value).ok_or_else(|| call.refuse("has no result"))
    }

    fn permuted(&mut self, call: &Call<'_>, axes: Vec<i64>) -> Result<Slot> {
        let value = self.value(call, "self")?;
        let Value::Constant(constant) = &value else {
            return self.shaped(call, Shape::Permute(axes), &value);
        };
        let sizes = constant.shape.len();
        let counted =
            |axis: i64| if axis < 0 { axis + i64::try_from(sizes).ok()? } else { axis }.try_into().ok();
        let axes: Option<Vec<usize>> = axes.iter().map(|&axis| counted(axis)).collect();
        let permuted = axes.and_then(|axes| constant.permuted(&axes)).map(Value::Constant);
        permuted.map(Slot::Value).ok_or_else(|| call.refuse(format!("does not fit {:?}", constant.shape)))
    }
}
