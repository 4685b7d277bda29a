//! What exporters leave to be computed of numbers that are known: arithmetic of shapes, zero points, factors.

use std::sync::Arc;

use super::call::Call;
use super::numbers::{Data, Element, Numbers, Size};
use super::{Lowering, Slot, one};
use crate::qdq::Value;
use gen_params_core::error::Result;
use gen_params_core::ops::Shape;

/// Numbers that are computed before anything runs are sizes, zero points and biases: no more than a layer has channels.
const MOST: usize = 1 << 20;

/// `Cast`: of known numbers; of codes where it changes nothing.
pub(super) fn cast(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    call.ignore(&["saturate", "round_mode"]);
    let to = call.int("to", 0)?;
    let Some(element) = Element::of_number(to) else {
        return Err(call.refuse(format!("casts to element type {to}, which is not supported")));
    };
    if let Some(numbers) = lowering.numbers(call.input(0)?) {
        return converted(&numbers, element)
            .map(|numbers| vec![Slot::Numbers(numbers)])
            .ok_or_else(|| call.refuse("casts a number that the type does not have"));
    }
    let value = lowering.value(call, 0)?;
    let kept = match &value {
        Value::Codes(_) => lowering.graph.activation_of(&value)?.is_some_and(|a| {
            super::quantization::code_type(&call.name, element)
                .is_ok_and(|code_type| code_type == a.code_type)
        }),
        Value::Real(_) | Value::Constant(_) => element == Element::REAL,
    };
    if kept { one(value) } else { Err(call.refuse("casts a tensor to another type, which is not supported")) }
}

fn converted(numbers: &Numbers, element: Element) -> Option<Numbers> {
    let fits = |n: i64| {
        let bits = element.bits.min(63);
        let (min, max) = match (element.signed, element.bits) {
            (true, 64) => (i64::MIN, i64::MAX),
            (true, _) => (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1),
            (false, _) => (0, (1i64 << bits) - 1),
        };
        (min..=max).contains(&n)
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a cast of the file, which truncates and rounds as ours does"
    )]
    let data = match (&numbers.data, element == Element::REAL) {
        (Data::Reals(reals), true) => Data::Reals(reals.clone()),
        (Data::Reals(reals), false) => Data::Integers(reals.iter().map(|&x| x as i64).collect()),
        (Data::Integers(integers), true) => Data::Reals(integers.iter().map(|&n| n as f32).collect()),
        (Data::Integers(integers), false) => Data::Integers(integers.clone()),
        (Data::Sizes(sizes), false) if element.bits >= 32 => Data::Sizes(sizes.clone()),
        (Data::Sizes(_), _) => return None,
    };
    if let (Data::Integers(integers), false) = (&data, element == Element::REAL)
        && !integers.iter().all(|&n| fits(n))
    {
        return None;
    }
    Some(Numbers { element, shape: numbers.shape.clone(), data })
}

/// `Shape`: sizes that the file gives, and names for those that it leaves open.
pub(super) fn shape(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let input = call.input(0)?;
    let rank = lowering.known_rank(call, 0)?;
    let (start, end) = (call.int("start", 0)?, call.int("end", i64::MAX)?);
    let counted = |i: i64| {
        let rank = i64::try_from(rank).unwrap_or(i64::MAX);
        let place = if i < 0 { i.saturating_add(rank) } else { i }.clamp(0, rank);
        usize::try_from(place).unwrap_or(0)
    };
    let declared = lowering.facts(input).and_then(|f| f.shape.clone());
    let size = |axis: usize| match declared.as_ref().and_then(|s| s.get(axis)) {
        Some(&size) if size > 0 => Size::Known(size),
        _ => Size::Of(input, axis),
    };
    let sizes = (counted(start)..counted(end)).map(size).collect();
    Ok(vec![Slot::Numbers(Numbers::sizes(sizes))])
}

/// `Gather` of known numbers along their only axis.
pub(super) fn gather(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let axis = call.int("axis", 0)?;
    let indices = lowering.numbers(call.input(1)?);
    let (Some(numbers), Some(indices)) = (lowering.numbers(call.input(0)?), indices) else {
        return Err(call.refuse("`Gather` of a tensor is not supported"));
    };
    let Some(places) = indices.integers().map(<[i64]>::to_vec) else {
        return Err(call.refuse("gathers by indices that are no integers"));
    };
    let [count] = numbers.shape[..] else {
        return Err(call.refuse(format!("gathers from sizes {:?}, expected one axis", numbers.shape)));
    };
    let size = i64::try_from(count).unwrap_or(i64::MAX);
    let place =
        |i: i64| usize::try_from(if i < 0 { i.saturating_add(size) } else { i }).ok().filter(|&i| i < count);
    let places = places.into_iter().map(place).collect::<Option<Vec<usize>>>();
    match places.filter(|_| axis == 0 || axis == -1) {
        Some(places) => Ok(vec![Slot::Numbers(selected(&numbers, indices.shape.clone(), &places))]),
        None => Err(call.refuse("gathers from beyond the numbers")),
    }
}

/// `ConstantOfShape`: as many of one number as known sizes say.
pub(super) fn constant_of_shape(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let sizes = lowering.integers(call, 0)?.unwrap_or_default();
    let shape = sizes.iter().map(|&s| usize::try_from(s).ok()).collect::<Option<Vec<usize>>>();
    let count = shape.as_ref().and_then(|s| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d)));
    let (Some(shape), Some(count)) = (shape, count.filter(|&count| count <= MOST)) else {
        return Err(call.refuse(format!("has sizes {sizes:?}, expected at most {MOST} numbers")));
    };
    let value = match call.attribute("value") {
        None => Some(Numbers { element: Element::REAL, shape: vec![1], data: Data::Reals(Arc::from([0.0])) }),
        Some(gen_params_formats::Value::Tensor(tensor)) => Numbers::of_attribute(tensor),
        Some(_) => None,
    };
    let Some(value) = value.filter(|v| v.shape.iter().product::<usize>() == 1) else {
        return Err(call.refuse("its value is no number"));
    };
    Ok(vec![Slot::Numbers(selected(&value, shape, &vec![0; count]))])
}

/// `Sqrt` of known reals.
pub(super) fn sqrt(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    match lowering.numbers(call.input(0)?) {
        Some(Numbers { element, shape, data: Data::Reals(reals) }) => {
            let data = Data::Reals(reals.iter().map(|x| x.sqrt()).collect());
            Ok(vec![Slot::Numbers(Numbers { element, shape, data })])
        }
        _ => Err(call.refuse("`Sqrt` of a tensor is not supported")),
    }
}

/// The result of an arithmetic operation where both operands are known.
pub(super) fn arithmetic(
    lowering: &Lowering<'_>,
    call: &Call<'_>,
    reals: impl Fn(f32, f32) -> f32,
    integers: impl Fn(i64, i64) -> Option<i64>,
) -> Result<Option<Slot>> {
    let (Some(a), Some(b)) = (lowering.numbers(call.input(0)?), lowering.numbers(call.input(1)?)) else {
        return Ok(None);
    };
    // One operand has the sizes of the result, the other has them too or is one number.
    let count = |n: &Numbers| n.shape.iter().product::<usize>();
    let shape = if count(&a) >= count(&b) { a.shape.clone() } else { b.shape.clone() };
    let fits = |n: &Numbers| n.shape == shape || count(n) == 1;
    if !fits(&a) || !fits(&b) {
        return Err(call.refuse(format!("computes with sizes {:?} and {:?}", a.shape, b.shape)));
    }
    let length: usize = shape.iter().product();
    let at = |n: &Numbers, i: usize| if count(n) == 1 { 0 } else { i };
    let data = match (&a.data, &b.data) {
        (Data::Reals(x), Data::Reals(y)) => {
            Some(Data::Reals((0..length).map(|i| reals(x[at(&a, i)], y[at(&b, i)])).collect()))
        }
        (Data::Integers(x), Data::Integers(y)) => (0..length)
            .map(|i| integers(x[at(&a, i)], y[at(&b, i)]))
            .collect::<Option<_>>()
            .map(Data::Integers),
        _ => None,
    };
    match data {
        Some(data) => Ok(Some(Slot::Numbers(Numbers { element: a.element, shape, data }))),
        None => Err(call.refuse("computes with sizes that are not known before the network runs")),
    }
}

/// Known numbers joined along their only axis.
///
/// # Errors
/// They are more than any list of sizes has.
pub(super) fn concatenated(lowering: &Lowering<'_>, call: &Call<'_>, axis: i64) -> Result<Option<Slot>> {
    let mut all: Vec<Size> = Vec::new();
    for position in 0..call.count() {
        let numbers = call.optional(position).and_then(|id| lowering.numbers(id));
        let numbers = numbers.filter(|n| n.shape.len() == 1 && (axis == 0 || axis == -1));
        let Some(sizes) = numbers.and_then(|numbers| numbers.to_sizes()) else { return Ok(None) };
        if all.len() + sizes.len() > MOST {
            return Err(call.refuse(format!("joins more than {MOST} numbers that are known before it runs")));
        }
        all.extend(sizes);
    }
    Ok(Some(Slot::Numbers(Numbers::sizes(all))))
}

/// Known numbers without axes of size 1.
pub(super) fn squeezed(lowering: &Lowering<'_>, call: &Call<'_>) -> Option<Slot> {
    let numbers = lowering.numbers(call.optional(0)?)?;
    let shape = without(&numbers.shape, None)?;
    Some(Slot::Numbers(Numbers { shape, ..numbers }))
}

/// Known numbers with axes of size 1 inserted.
pub(super) fn unsqueezed(lowering: &Lowering<'_>, call: &Call<'_>, axes: &[i64]) -> Option<Slot> {
    let numbers = lowering.numbers(call.optional(0)?)?;
    let shape = with(&numbers.shape, axes)?;
    Some(Slot::Numbers(Numbers { shape, ..numbers }))
}

/// Sizes without the axes of size 1 at places, or without all of them.
pub(super) fn without(shape: &[usize], axes: Option<&[i64]>) -> Option<Vec<usize>> {
    let places = axes.map(|axes| places(axes, shape.len())).unwrap_or(Some(Vec::new()))?;
    let removed = |place: usize, size: usize| size == 1 && (axes.is_none() || places.contains(&place));
    Some(
        shape
            .iter()
            .enumerate()
            .filter(|&(place, &size)| !removed(place, size))
            .map(|(_, &size)| size)
            .collect(),
    )
}

/// Sizes with axes of size 1 inserted at places of the result.
pub(super) fn with(shape: &[usize], axes: &[i64]) -> Option<Vec<usize>> {
    let mut shape = shape.to_vec();
    let mut places = places(axes, shape.len().checked_add(axes.len())?)?;
    places.sort_unstable();
    for place in places {
        if place > shape.len() {
            return None;
        }
        shape.insert(place, 1);
    }
    Some(shape)
}

/// Axes that may count from the end, as places below `rank`.
fn places(axes: &[i64], rank: usize) -> Option<Vec<usize>> {
    let rank = i64::try_from(rank).ok()?;
    axes.iter().map(|&a| usize::try_from(if a < 0 { a.checked_add(rank)? } else { a }).ok()).collect()
}

/// A part of known numbers along their only axis.
pub(super) fn sliced(lowering: &Lowering<'_>, call: &Call<'_>, parts: &[Shape]) -> Option<Slot> {
    let numbers = lowering.numbers(call.optional(0)?)?;
    let ([Shape::Slice { axis: 0 | -1, start, end, step }], [count]) = (parts, &numbers.shape[..]) else {
        return None;
    };
    let size = i64::try_from(*count).ok()?;
    let inside =
        |i: i64| usize::try_from((if i < 0 { i.saturating_add(size) } else { i }).clamp(0, size)).ok();
    let step = usize::try_from(*step).ok().filter(|&s| s > 0)?;
    let places: Vec<usize> = (inside(*start)?..inside(*end)?).step_by(step).collect();
    Some(Slot::Numbers(selected(&numbers, vec![places.len()], &places)))
}

/// Known numbers limited to `min..=max`.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the casts saturate: what is beyond every number limits nothing"
)]
pub(super) fn limited(numbers: &Numbers, min: f64, max: f64) -> Option<Numbers> {
    let data = match &numbers.data {
        Data::Reals(reals) => Data::Reals(reals.iter().map(|x| x.max(min as f32).min(max as f32)).collect()),
        Data::Integers(integers) => {
            Data::Integers(integers.iter().map(|&n| n.max(min as i64).min(max as i64)).collect())
        }
        Data::Sizes(_) => return None,
    };
    Some(Numbers { data, ..numbers.clone() })
}

/// Some of the numbers.
fn selected(numbers: &Numbers, shape: Vec<usize>, places: &[usize]) -> Numbers {
    let data = match &numbers.data {
        Data::Reals(all) => Data::Reals(places.iter().map(|&i| all[i]).collect()),
        Data::Integers(all) => Data::Integers(places.iter().map(|&i| all[i]).collect()),
        Data::Sizes(all) => {
            let sizes = places.iter().map(|&i| all[i]).collect();
            let Numbers { data, .. } = Numbers::sizes(sizes);
            data
        }
    };
    Numbers { element: numbers.element, shape, data }
}
