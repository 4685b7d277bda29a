//! Largest codes and means of windows.

use gen_params_core::hardware::{Means, TargetOperator};
use gen_params_core::ops::{Op, Pool, Span};
use gen_params_core::parameters::Range;

use super::{Input, normal, scaled, single};
use crate::names::file_stem;
use crate::programs::systemverilog::block::{Computed, Request, address_parameters, flag, number, path};
use crate::programs::systemverilog::geometry::{Axis, Geometry, spatial, spread};
use crate::programs::systemverilog::parts::{Data, Instance, Value};

/// Entries of the largest table of taps.
const LARGEST_TABLE: usize = 1 << 22;

/// How the codes of a window are found.
enum Windows {
    /// By counting, in two dimensions at most.
    Grid(Geometry),
    /// By a table for one plane.
    Table(Taps),
}

/// The taps of the windows of one plane.
struct Taps {
    planes: usize,
    /// Codes of a plane.
    plane: usize,
    /// By window, places in the plane.
    windows: Vec<Vec<usize>>,
}

impl Taps {
    /// The taps of windows that are boxes: by axis, by position of the result, the positions of the input. The first two
    /// axes, images and channels, count planes where they stay as they are.
    fn of_boxes(input: &[usize], axes: &[Vec<Vec<usize>>]) -> Result<Self, String> {
        let is_whole = |(axis, &size): (&Vec<Vec<usize>>, &usize)| {
            axis.len() == size && axis.iter().enumerate().all(|(i, positions)| *positions == [i])
        };
        let outer = axes.iter().zip(input).take(2).take_while(|&both| is_whole(both)).count();
        let mut windows = vec![vec![0]];
        for (axis, &size) in axes.iter().zip(input).skip(outer) {
            let mut next = Vec::new();
            for places in &windows {
                for positions in axis {
                    let moved =
                        places.iter().flat_map(|place| positions.iter().map(move |p| place * size + p));
                    next.push(moved.collect());
                }
            }
            windows = next;
            if windows.iter().map(Vec::len).sum::<usize>() > LARGEST_TABLE {
                return Err(format!("windows of more than {LARGEST_TABLE} taps in all"));
            }
        }
        if windows.iter().any(Vec::is_empty) {
            return Err("a window without a tap".into());
        }
        let planes = input.iter().take(outer).product();
        Ok(Self { planes, plane: input.iter().skip(outer).product(), windows })
    }

    fn count(&self) -> usize {
        self.windows.iter().map(Vec::len).sum()
    }

    /// As `gp_taps` reads them: the highest bit is that of the last tap of a window.
    fn entries(&self) -> Vec<u32> {
        let entry = |place: usize| u32::try_from(place).unwrap_or(u32::MAX >> 1);
        let last = |window: &[usize], i: usize| if i + 1 == window.len() { 1 << 31 } else { 0 };
        let window = |window: &Vec<usize>| {
            window.iter().enumerate().map(|(i, &place)| entry(place) | last(window, i)).collect::<Vec<u32>>()
        };
        self.windows.iter().flat_map(window).collect()
    }
}

impl Windows {
    /// The longest window's codes.
    fn longest(&self) -> usize {
        match self {
            Self::Grid(geometry) => geometry.taps(),
            Self::Table(taps) => taps.windows.iter().map(Vec::len).max().unwrap_or(0),
        }
    }
}

fn size(value: i64) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("a window with a size of {value}"))
}

/// Spatial axes that windows are counted in.
const GRID_AXES: usize = 2;

pub(super) fn largest(
    request: &Request<'_>,
    operator: &TargetOperator,
    pool: &Pool,
) -> Result<Computed, String> {
    let input = single(request, operator)?;
    let (codes, clamp) = (input.port.range, operator.output.range);
    if codes.min < clamp.min || codes.max > clamp.max {
        return Err("a largest code that is clamped".into());
    }
    let windows = if pool.kernel.len() <= GRID_AXES {
        Windows::Grid(Geometry::of_pool(pool, input.shape, request.shape)?)
    } else {
        Windows::Table(Taps::of_boxes(input.shape, &taps_of_pool(input.shape, request.shape, pool)?)?)
    };
    let others = vec![("CODE_BITS", number(request.code_bits))];
    Ok(windowed(request, "gp_max_pool", &input, &windows, others))
}

/// By axis of (C, spatial...), by position of the result, the positions inside the input.
fn taps_of_pool(input: &[usize], output: &[usize], pool: &Pool) -> Result<Vec<Vec<Vec<usize>>>, String> {
    let channels = input.first().copied().unwrap_or(1);
    let mut axes = vec![(0..channels).map(|channel| vec![channel]).collect::<Vec<_>>()];
    for (axis, (&positions, &results)) in input.iter().zip(output).skip(1).enumerate() {
        let value = |values: &[i64]| values.get(axis).copied().ok_or("a window of other axes").map(size)?;
        let (kernel, stride) = (value(&pool.kernel)?, value(&pool.stride)?);
        let (padding, dilation) = (value(&pool.padding)?, value(&pool.dilation)?);
        let taps = |result: usize| {
            let padded = (0..kernel).map(|tap| result * stride + tap * dilation);
            padded.filter_map(|place| place.checked_sub(padding)).filter(|&p| p < positions).collect()
        };
        axes.push((0..results).map(taps).collect());
    }
    Ok(axes)
}

/// An instance that goes over the windows of every channel.
fn windowed(
    request: &Request<'_>,
    module: &'static str,
    input: &Input<'_>,
    windows: &Windows,
    others: Vec<(&'static str, Value)>,
) -> Computed {
    let mut data = Vec::new();
    let (mut list, clocks) = match windows {
        Windows::Grid(geometry) => {
            let channels = input.shape.first().copied().unwrap_or(1);
            let mut list = vec![("CHANNELS", number(channels))];
            list.extend(geometry.parameters());
            (list, channels * geometry.positions() * geometry.taps())
        }
        Windows::Table(taps) => {
            let file = path(&format!("{}_tap.hex", file_stem(&request.node.name)));
            data.push((file.clone(), Data::Unsigned32(taps.entries())));
            let list = vec![
                ("CHANNELS", number(taps.planes)),
                ("INPUT_WIDTH", number(taps.plane)),
                ("OUTPUT_WIDTH", number(taps.windows.len())),
                ("TAPS", number(taps.count())),
                ("TAP_FILE", Value::File(file)),
            ];
            (list, taps.planes * taps.count())
        }
    };
    list.push(("INPUT_SIGNED", flag(input.buffer.is_signed())));
    list.extend(others);
    list.extend(address_parameters(input.buffer.elements(), request.elements()));
    let instance = Instance { module, parameters: list, clocks: clocks as u64 + 8 };
    Computed { data, ..Computed::one(instance) }
}

/// The windows of a mean: counted where they are a grid in the last two axes, else from a table.
fn windows_of_mean(op: &Op, input: &Input<'_>, output: &[usize], means: &Means) -> Result<Windows, String> {
    if let Op::AveragePool(pool) = op
        && pool.kernel.len() <= GRID_AXES
    {
        return Ok(Windows::Grid(Geometry::of_pool(pool, input.shape, output)?));
    }
    let kernels: Option<Vec<usize>> = means.spans.iter().map(|axis| kernel(axis)).collect();
    if let Some([1, 1, kernel @ ..]) = kernels.as_deref()
        && kernel.len() <= GRID_AXES
        && let [1, shape @ ..] = input.whole
    {
        let (kernel, size) = (spread(kernel, 1)?, spatial(shape)?);
        let geometry = Geometry::new(std::array::from_fn(|axis| Axis {
            input: size[axis],
            output: size[axis] / kernel[axis].max(1),
            kernel: kernel[axis],
            stride: kernel[axis],
            ..Axis::ABSENT
        }));
        return Ok(Windows::Grid(geometry));
    }
    let positions = |axis: &Vec<Span>| axis.iter().map(|span| (span.start..span.end).collect()).collect();
    let axes: Vec<Vec<Vec<usize>>> = means.spans.iter().map(positions).collect();
    Taps::of_boxes(input.whole, &axes).map(Windows::Table)
}

/// The size of windows along an axis that are all of one size and stand side by side.
fn kernel(axis: &[Span]) -> Option<usize> {
    let size = axis.first()?.end;
    let regular = |(i, span): (usize, &Span)| span.start == i * size && span.end == (i + 1) * size;
    axis.iter().enumerate().all(regular).then_some(size)
}

pub(super) fn mean(request: &Request<'_>, operator: &TargetOperator) -> Result<Computed, String> {
    let input = single(request, operator)?;
    let means = Means::of(&operator.op, input.whole, request.whole);
    let means = means.map_err(|error| error.to_string())?.ok_or("no mean")?;
    let windows = windows_of_mean(&operator.op, &input, request.shape, &means)?;
    let scale = |divisor: i64| {
        let scale = operator.mean_scale(divisor).ok_or_else(|| format!("means of {divisor} codes"))?;
        normal(scale)
    };
    let codes = i128::try_from(windows.longest()).unwrap_or(i128::MAX >> 32);
    let Range { min, max } = input.centred();
    let range = Range { min: min.min(0) * codes, max: max.max(0) * codes };
    let scales = means.divisors.iter().map(|&divisor| scale(divisor)).collect::<Result<Vec<_>, String>>()?;
    let &(multiplier, shift) = scales.first().ok_or("no windows")?;
    let file = |what: &str| path(&format!("{}_{what}.hex", file_stem(&request.node.name)));
    let by_position = scales.iter().any(|&known| known != (multiplier, shift));
    let mut others = vec![("INPUT_ZERO_POINT", number(input.port.zero_point))];
    if by_position {
        others.push(("MULTIPLIER_FILE", Value::File(file("multiplier"))));
        others.push(("SHIFT_FILE", Value::File(file("shift"))));
    } else {
        others.extend([("MULTIPLIER", number(multiplier)), ("SHIFT", number(shift))]);
    }
    others.extend(scaled(request, operator, range, &scales, operator.output.zero_point));
    let mut computed = windowed(request, "gp_average_pool", &input, &windows, others);
    if by_position {
        let shifts = scales.iter().map(|&(_, shift)| shift.to_le_bytes()[0].cast_signed()).collect();
        let multipliers = scales.iter().map(|&(multiplier, _)| multiplier).collect();
        computed.data.push((file("multiplier"), Data::Unsigned32(multipliers)));
        computed.data.push((file("shift"), Data::Bytes(shifts)));
    }
    Ok(computed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_other_sizes_become_taps() {
        // A plane of 2 x 5, windows over both rows and columns 0..2, 1..4, 3..5; two channels.
        let whole = vec![vec![0], vec![1]];
        let axes = [whole, vec![vec![0, 1]], vec![vec![0, 1], vec![1, 2, 3], vec![3, 4]]];
        let taps = Taps::of_boxes(&[2, 2, 5], &axes).unwrap();
        assert_eq!((taps.planes, taps.plane, taps.count()), (2, 10, 14));
        assert_eq!(taps.windows, [vec![0, 1, 5, 6], vec![1, 2, 3, 6, 7, 8], vec![3, 4, 8, 9]]);
        assert_eq!(taps.entries()[2..5], [5, 0x8000_0006, 1]);
        assert!(Taps::of_boxes(&[1], &[vec![vec![]]]).is_err());
    }
}
