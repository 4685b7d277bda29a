//! Changes of shape and selections: codes pass through unchanged.

use super::axes::axis_of;
use super::context::{Context, MAX_AXIS, OpError};
use super::edge::EdgeId;
use super::layer::PaddingMode;
use crate::contract::Contract;
use crate::tensor::{Codes, Layout, Tensor, coordinates, element_count, strides};

/// Changes of shape and selections. An [`Extent`] is a size, possibly computed from the sizes of other edges.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Axes `start..=end` become one.
    Flatten {
        /// First axis.
        start: i64,
        /// Last axis.
        end: i64,
    },
    /// New sizes for the same elements.
    Reshape(
        /// Sizes; -1 is inferred.
        Vec<Extent>,
    ),
    /// Axes in another order.
    Permute(
        /// For each output axis, the input axis.
        Vec<i64>,
    ),
    /// Two axes swapped.
    Transpose(
        /// One axis.
        i64,
        /// The other.
        i64,
    ),
    /// An axis of size 1 removed, or all of them.
    Squeeze(
        /// The axis.
        Option<i64>,
    ),
    /// An axis of size 1 inserted.
    Unsqueeze(
        /// Its place.
        i64,
    ),
    /// `x[start:end:step]` along an axis.
    Slice {
        /// The axis.
        axis: i64,
        /// First index.
        start: i64,
        /// End index, exclusive.
        end: i64,
        /// Step.
        step: i64,
    },
    /// Equal parts along an axis.
    Chunk {
        /// Number of parts.
        parts: i64,
        /// The axis.
        axis: i64,
    },
    /// Nearest-neighbour upsampling.
    Upsample {
        /// Output sizes, where given.
        size: Option<Vec<Extent>>,
        /// Scale factors, where given.
        factors: Option<Vec<f64>>,
    },
    /// More positions around the input; negative amounts cut.
    Pad {
        /// Amounts: before and after the last axis, before and after the one before it, and so on.
        amounts: Vec<i64>,
        /// What stands there; zeros are the real value zero, the code Z.
        mode: PaddingMode,
    },
    /// More positions around the input, which have a code other than Z; negative amounts cut.
    PadWith {
        /// As those of [`Shape::Pad`].
        amounts: Vec<i64>,
        /// The code less Z.
        above_zero: i32,
    },
    /// The same elements in an order of memory that some engines compute other codes in.
    InMemory {
        /// Channels innermost, or the axes as they are.
        channels_last: bool,
    },
    /// The channels of groups interleaved.
    ChannelShuffle(
        /// Groups.
        i64,
    ),
}

impl Shape {
    /// The name in graph files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Flatten { .. } => "flatten",
            Self::Reshape(_) => "reshape",
            Self::Permute(_) => "permute",
            Self::Transpose(..) => "transpose",
            Self::Squeeze(_) => "squeeze",
            Self::Unsqueeze(_) => "unsqueeze",
            Self::Slice { .. } => "slice",
            Self::Chunk { .. } => "chunk",
            Self::Upsample { .. } => "upsample_nearest",
            Self::Pad { .. } => "pad",
            Self::PadWith { .. } => "pad_with",
            Self::InMemory { channels_last: false } => "contiguous",
            Self::InMemory { channels_last: true } => "channels_last",
            Self::ChannelShuffle(_) => "channel_shuffle",
        }
    }
}

/// A size: a number, or computed from the sizes of edges when they are known.
#[derive(Debug, Clone, PartialEq)]
pub enum Extent {
    /// A number.
    Fixed(i64),
    /// The size of the edge at this index of the network along an axis.
    Of(EdgeId, i64),
    /// Product.
    Times(Box<Extent>, Box<Extent>),
    /// Sum.
    Plus(Box<Extent>, Box<Extent>),
    /// Difference.
    Minus(Box<Extent>, Box<Extent>),
    /// Quotient, rounded down.
    Over(Box<Extent>, Box<Extent>),
}

/// The shapes of all edges that are known so far, by edge.
pub type Shapes = [Option<Vec<usize>>];

impl Extent {
    /// Its value, once the shapes that it depends on are known.
    ///
    /// # Errors
    /// A shape is not known, or the arithmetic leaves 64 bits.
    pub fn value(&self, shapes: &Shapes) -> Result<i64, OpError> {
        let overflow = || OpError::new("a size beyond 64 bits", "a size");
        let of = |a: &Self, b: &Self| Ok::<_, OpError>((a.value(shapes)?, b.value(shapes)?));
        match self {
            Self::Fixed(size) => Ok(*size),
            Self::Of(edge, axis) => {
                let shape = shapes.get(edge.0).and_then(Option::as_ref);
                let shape = shape
                    .ok_or_else(|| OpError::new("a size of a tensor not yet computed", "one before it"))?;
                i64::try_from(shape[axis_of(*axis, shape.len())?]).map_err(|_| overflow())
            }
            Self::Times(a, b) => of(a, b)?.0.checked_mul(b.value(shapes)?).ok_or_else(overflow),
            Self::Plus(a, b) => of(a, b)?.0.checked_add(b.value(shapes)?).ok_or_else(overflow),
            Self::Minus(a, b) => of(a, b)?.0.checked_sub(b.value(shapes)?).ok_or_else(overflow),
            Self::Over(a, b) => of(a, b)?.0.checked_div_euclid(b.value(shapes)?).ok_or_else(overflow),
        }
    }
}

/// The input's element, by row-major index, at a result's coordinates; `None` is the zero point.
type Source = Box<dyn Fn(&[usize]) -> Option<usize>>;

/// For each result, its shape and the input's element that each of its elements is; `None` is the zero point.
struct Selection {
    shape: Vec<usize>,
    source: Source,
}

/// A shape and, row-major, the index of the input element that stands at each of its places; `None` where there is padding.
pub type Sources = (Vec<usize>, Vec<Option<usize>>);

impl Shape {
    /// Shapes of the results.
    ///
    /// # Errors
    /// The input does not allow it.
    pub fn shapes(&self, input: &[usize], known: &Shapes) -> Result<Vec<Vec<usize>>, OpError> {
        Ok(self.selections(input, known)?.into_iter().map(|s| s.shape).collect())
    }

    /// The code of positions that no element of the input has, where the real value 0 has this one.
    pub fn filling(&self, zero_point: i32) -> i32 {
        match self {
            Self::PadWith { above_zero, .. } => zero_point.saturating_add(*above_zero),
            _ => zero_point,
        }
    }

    /// Where the elements of each result come from.
    ///
    /// # Errors
    /// The input does not fit.
    pub fn sources(&self, input: &[usize], known: &Shapes) -> Result<Vec<Sources>, OpError> {
        let results = self.selections(input, known)?.into_iter().map(|selection| {
            let count = element_count(&selection.shape).unwrap_or(0);
            let place = |index| (selection.source)(&coordinates(index, &selection.shape));
            let sources = (0..count).map(place).collect();
            (selection.shape, sources)
        });
        Ok(results.collect())
    }

    /// The results.
    pub(super) fn apply(
        &self,
        input: &Codes,
        known: &Shapes,
        context: &Context<'_>,
    ) -> Result<Vec<Codes>, OpError> {
        let elements = input.elements();
        // Padding is the only one that makes elements of its own.
        let zero_point = context.inputs.first().copied().flatten().map_or(0, |a| a.zero_point);
        let filling = self.filling(zero_point);
        let results = self.selections(input.shape(), known)?.into_iter().map(|selection| {
            let shape = selection.shape.clone();
            let layout = self.layout(input, &shape, context.contract);
            Tensor::build(selection.shape.clone(), layout, |index| {
                match (selection.source)(&coordinates(index, &shape)) {
                    Some(source) => elements[source],
                    None => filling,
                }
            })
        });
        Ok(results.collect())
    }

    /// The order in which the engine keeps a result of this shape: PyTorch leaves the input where it is and reads it in
    /// another order wherever that is possible.
    fn layout(&self, input: &Codes, shape: &[usize], contract: Contract) -> Layout {
        let own = input.layout().strides(input.shape());
        let view = |distances: &[usize]| {
            if contract.is_pytorch() { Layout::of_strides(distances, shape) } else { Layout::Contiguous }
        };
        let axis = |axis: i64, rank: usize| axis_of(axis, rank).unwrap_or(0);
        let rank = input.shape().len();
        match self {
            Self::Slice { axis: along, step, .. } => {
                let mut distances = own;
                distances[axis(*along, rank)] *= usize::try_from(*step).unwrap_or(1);
                view(&distances)
            }
            Self::Chunk { .. } => view(&own),
            Self::Permute(axes) => view(&axes.iter().map(|&a| own[axis(a, rank)]).collect::<Vec<_>>()),
            Self::Transpose(a, b) => {
                let mut distances = own;
                distances.swap(axis(*a, rank), axis(*b, rank));
                view(&distances)
            }
            Self::Squeeze(along) => {
                let gone = along.map(|along| axis(along, rank));
                let kept = (0..rank).filter(|&a| input.shape()[a] != 1 || gone.is_some_and(|gone| gone != a));
                view(&kept.map(|a| own[a]).collect::<Vec<_>>())
            }
            Self::Unsqueeze(along) => {
                let place = axis(*along, rank + 1);
                let distance = if place < rank { input.shape()[place] * own[place] } else { 1 };
                let mut distances = own;
                distances.insert(place, distance);
                view(&distances)
            }
            Self::Flatten { .. } | Self::Reshape(_) => {
                viewed(input.shape(), &own, shape).map_or(Layout::Contiguous, |distances| view(&distances))
            }
            Self::Upsample { .. }
            | Self::Pad { mode: PaddingMode::Zeros, .. }
            | Self::PadWith { .. }
            | Self::ChannelShuffle(_) => input.dense_layout(),
            Self::InMemory { channels_last: true } if contract.is_pytorch() => Layout::ChannelsLast,
            Self::InMemory { .. } | Self::Pad { .. } => Layout::Contiguous,
        }
    }

    fn selections(&self, input: &[usize], known: &Shapes) -> Result<Vec<Selection>, OpError> {
        let rank = input.len();
        let one = |selection| Ok(vec![selection]);
        match self {
            Self::Flatten { start, end } => {
                let (start, end) = (axis_of(*start, rank)?, axis_of(*end, rank)?);
                if start > end {
                    return Err(OpError::new(format!("axes {start} to {end}"), "the first before the last"));
                }
                let mut shape = input[..start].to_vec();
                shape.push(input[start..=end].iter().product());
                shape.extend(&input[end + 1..]);
                one(in_order(shape))
            }
            Self::Reshape(extents) => one(in_order(reshape(extents, input, known)?)),
            Self::Permute(axes) => {
                let axes = axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<usize>, _>>()?;
                if axes.len() != rank || (0..rank).any(|axis| !axes.contains(&axis)) {
                    return Err(OpError::new(format!("axes {axes:?}"), format!("each of {rank} axes once")));
                }
                one(permuted(input, axes))
            }
            Self::Transpose(a, b) => {
                let mut axes: Vec<usize> = (0..rank).collect();
                axes.swap(axis_of(*a, rank)?, axis_of(*b, rank)?);
                one(permuted(input, axes))
            }
            Self::Squeeze(axis) => {
                let axis = axis.map(|a| axis_of(a, rank)).transpose()?;
                let keeps = |i: usize, size: usize| size != 1 || axis.is_some_and(|a| a != i);
                let kept = input.iter().enumerate().filter(|&(i, &size)| keeps(i, size));
                one(in_order(kept.map(|(_, &size)| size).collect()))
            }
            Self::Unsqueeze(axis) => {
                let mut shape = input.to_vec();
                shape.insert(axis_of(*axis, rank + 1)?, 1);
                one(in_order(shape))
            }
            Self::Slice { axis, start, end, step } => {
                let axis = axis_of(*axis, rank)?;
                let size = i64::try_from(input[axis]).unwrap_or(i64::MAX);
                let inside = |i: i64| (if i < 0 { i.saturating_add(size) } else { i }).clamp(0, size);
                let (start, end) = (inside(*start), inside(*end));
                let step = usize::try_from(*step).ok().filter(|&s| s > 0);
                let step =
                    step.ok_or_else(|| OpError::new("a slice that does not advance", "a positive step"))?;
                let count = usize::try_from((end - start).max(0)).unwrap_or(0).div_ceil(step);
                one(part(input, axis, usize::try_from(start).unwrap_or(0), step, count))
            }
            Self::Chunk { parts, axis } => {
                let axis = axis_of(*axis, rank)?;
                let parts = usize::try_from(*parts).ok().filter(|&p| p > 0);
                let parts =
                    parts.ok_or_else(|| OpError::new("a number of parts that is not positive", "one"))?;
                let size = input[axis].div_ceil(parts).max(1);
                let chunks = (0..input[axis]).step_by(size);
                Ok(chunks.map(|start| part(input, axis, start, 1, size.min(input[axis] - start))).collect())
            }
            Self::Upsample { size, factors } => {
                one(upsample(size.as_deref(), factors.as_deref(), input, known)?)
            }
            Self::Pad { amounts, mode } => one(pad(amounts, *mode, input)?),
            Self::PadWith { amounts, .. } => one(pad(amounts, PaddingMode::Zeros, input)?),
            Self::InMemory { channels_last } => {
                if *channels_last && !matches!(rank, 4 | 5) {
                    return Err(OpError::new(format!("an input {input:?}"), "images or volumes"));
                }
                one(in_order(input.to_vec()))
            }
            Self::ChannelShuffle(groups) => {
                let channels = input.get(1).copied().unwrap_or(0);
                let groups = usize::try_from(*groups).ok().filter(|&g| g > 0 && channels % g == 0);
                let groups = groups.ok_or_else(|| {
                    OpError::new(format!("{channels} channels"), "a multiple of the groups")
                })?;
                let strides = strides(input);
                one(Selection {
                    shape: input.to_vec(),
                    source: Box::new(move |place| {
                        let mut place = place.to_vec();
                        // (g, C/g) read as (C/g, g).
                        place[1] = place[1] % groups * (channels / groups) + place[1] / groups;
                        Some(dot(&place, &strides))
                    }),
                })
            }
        }
    }
}

/// The distances with which a tensor's elements can be read as one of another shape without moving them; `None` where they
/// cannot.
fn viewed(shape: &[usize], distances: &[usize], wanted: &[usize]) -> Option<Vec<usize>> {
    let mut result = vec![0; wanted.len()];
    let mut next = wanted.len();
    // Runs of axes of the input that follow each other without a gap, from the last on, take up axes of the result.
    let (mut run, mut taken, mut distance) = (1, 1, distances.last().copied().unwrap_or(1));
    for axis in (0..shape.len()).rev() {
        run *= shape[axis];
        let ends = axis == 0 || (shape[axis - 1] != 1 && distances[axis - 1] != run * distance);
        if !ends {
            continue;
        }
        while next > 0 && (taken < run || wanted[next - 1] == 1) {
            next -= 1;
            result[next] = taken * distance;
            taken *= wanted[next];
        }
        if taken != run {
            return None;
        }
        if axis > 0 {
            (run, taken, distance) = (1, 1, distances[axis - 1]);
        }
    }
    (next == 0).then_some(result)
}

fn dot(place: &[usize], strides: &[usize]) -> usize {
    place.iter().zip(strides).map(|(c, s)| c * s).sum()
}

/// The same elements in the same order.
fn in_order(shape: Vec<usize>) -> Selection {
    let strides = strides(&shape);
    Selection { shape, source: Box::new(move |place| Some(dot(place, &strides))) }
}

fn permuted(input: &[usize], axes: Vec<usize>) -> Selection {
    let shape = axes.iter().map(|&a| input[a]).collect();
    let strides: Vec<usize> = {
        let all = strides(input);
        axes.iter().map(|&a| all[a]).collect()
    };
    Selection { shape, source: Box::new(move |place| Some(dot(place, &strides))) }
}

/// `count` positions along an axis, `step` apart.
fn part(input: &[usize], axis: usize, start: usize, step: usize, count: usize) -> Selection {
    let mut shape = input.to_vec();
    shape[axis] = count;
    let mut strides = strides(input);
    let offset = start * strides[axis];
    strides[axis] *= step;
    Selection { shape, source: Box::new(move |place| Some(offset + dot(place, &strides))) }
}

fn reshape(extents: &[Extent], input: &[usize], known: &Shapes) -> Result<Vec<usize>, OpError> {
    let sizes = extents.iter().map(|e| e.value(known)).collect::<Result<Vec<i64>, _>>()?;
    let refuse = || OpError::new(format!("sizes {sizes:?}"), format!("sizes for the elements of {input:?}"));
    let count = element_count(input).ok_or_else(refuse)?;
    let fixed: Vec<usize> = sizes
        .iter()
        .filter(|&&s| s != -1)
        .map(|&s| usize::try_from(s).map_err(|_| refuse()))
        .collect::<Result<_, _>>()?;
    let product = element_count(&fixed).ok_or_else(refuse)?;
    let inferred = count.checked_div(product).unwrap_or(0);
    let shape: Vec<usize> = sizes.iter().map(|&s| usize::try_from(s).unwrap_or(inferred)).collect();
    if sizes.iter().filter(|&&s| s == -1).count() > 1 || element_count(&shape) != Some(count) {
        return Err(refuse());
    }
    Ok(shape)
}

/// Nearest neighbour: output position p reads floor(p * input/output), or floor(p / factor) where a factor is given, in
/// float32 as PyTorch does.
fn upsample(
    size: Option<&[Extent]>,
    factors: Option<&[f64]>,
    input: &[usize],
    known: &Shapes,
) -> Result<Selection, OpError> {
    let axes = input.len().saturating_sub(2);
    let spread = |len: usize, axis: usize| if len == 1 { 0 } else { axis };
    let refuse = || {
        OpError::new(format!("an input {input:?} and another number of sizes"), "one size per spatial axis")
    };
    let mut shape = input[..input.len() - axes].to_vec();
    let mut sources: Vec<Vec<usize>> = Vec::new();
    for axis in 0..axes {
        let given = input[axis + 2];
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "PyTorch scales positions in float32; the casts saturate"
        )]
        let (target, scale) = match (size, factors) {
            (Some(sizes), _) => {
                let target = sizes.get(spread(sizes.len(), axis)).ok_or_else(refuse)?.value(known)?;
                let target = usize::try_from(target).ok().filter(|&t| t > 0).ok_or_else(refuse)?;
                (target, given as f32 / target as f32)
            }
            (None, Some(factors)) => {
                let factor = *factors.get(spread(factors.len(), axis)).ok_or_else(refuse)?;
                ((given as f64 * factor).floor() as usize, (1.0 / factor) as f32)
            }
            (None, None) => return Err(refuse()),
        };
        shape.push(target);
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "PyTorch scales positions in float32; the casts saturate"
        )]
        let source = |p: usize| ((p as f32 * scale).floor() as usize).min(given.saturating_sub(1));
        if target > MAX_AXIS {
            return Err(OpError::new(format!("an axis of {target}"), format!("at most {MAX_AXIS}")));
        }
        sources.push((0..target).map(source).collect());
    }
    let strides = strides(input);
    Ok(Selection {
        shape,
        source: Box::new(move |place| {
            let spatial: usize =
                sources.iter().enumerate().map(|(a, s)| s[place[a + 2]] * strides[a + 2]).sum();
            Some(dot(&place[..2], &strides) + spatial)
        }),
    })
}

/// Amounts from the last axis backwards, before and after it; negative amounts cut.
fn pad(amounts: &[i64], mode: PaddingMode, input: &[usize]) -> Result<Selection, OpError> {
    let refuse = || {
        OpError::new(
            format!("padding {amounts:?} of {input:?}"),
            format!("two amounts per axis that the mode '{}' can fill", mode.name()),
        )
    };
    if !amounts.len().is_multiple_of(2) || amounts.len() > 2 * input.len() {
        return Err(refuse());
    }
    let mut shape = input.to_vec();
    let mut sources: Vec<Vec<Option<usize>>> =
        input.iter().map(|&size| (0..size).map(Some).collect()).collect();
    for (pair, axis) in amounts.chunks(2).zip((0..input.len()).rev()) {
        let size = input[axis];
        let limit = match mode {
            PaddingMode::Zeros => MAX_AXIS,
            PaddingMode::Replicate => {
                if size > 0 {
                    MAX_AXIS
                } else {
                    0
                }
            }
            PaddingMode::Reflect => size.saturating_sub(1),
            PaddingMode::Circular => size,
        };
        if pair.iter().any(|&amount| usize::try_from(amount).is_ok_and(|a| a > limit)) {
            return Err(refuse());
        }
        let end = i64::try_from(size).map_err(|_| refuse())?.checked_add(pair[1]).ok_or_else(refuse)?;
        let start = pair[0].checked_neg().filter(|&start| start <= end).ok_or_else(refuse)?;
        sources[axis] = (start..end).map(|position| mode.source(position, size)).collect();
        shape[axis] = sources[axis].len();
    }
    let strides = strides(input);
    Ok(Selection {
        shape,
        source: Box::new(move |place| {
            let steps = place.iter().enumerate().map(|(axis, &p)| Some(sources[axis][p]? * strides[axis]));
            steps.sum()
        }),
    })
}
