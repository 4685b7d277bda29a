//! Largest codes and sums of windows.

use gen_params_core::hardware::integer_op::{Operand, WindowAxis, WindowMaximum, WindowSum};
use gen_params_core::ops::Span;

use super::{narrow, normal, rescaled};
use crate::names::file_stem;
use crate::programs::systemverilog::block::{Computed, Request, address_parameters, path};
use crate::programs::systemverilog::geometry::Geometry;
use crate::programs::systemverilog::parts::{Data, Instance, Value};
use crate::programs::systemverilog::parts::{flag, number};

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

/// Spatial axes that windows are counted in.
const GRID_AXES: usize = 2;

pub(super) fn maximum(request: &Request<'_>, form: &WindowMaximum) -> Result<Computed, String> {
    let WindowMaximum { input, axes, .. } = form;
    let windows = if axes.len() <= GRID_AXES {
        Windows::Grid(Geometry::new(WindowAxis::volume(axes)?))
    } else {
        let whole = input.shape.iter().take(2).map(|&size| (0..size).map(|place| vec![place]).collect());
        let taps = axes.iter().map(|axis| (0..axis.output).map(|window| axis.taps(window)).collect());
        let positions: Vec<Vec<Vec<usize>>> = whole.chain(taps).collect();
        Windows::Table(Taps::of_boxes(&input.shape, &positions)?)
    };
    let others = vec![("CODE_BITS", number(request.code_bits))];
    windowed(request, "gp_max_pool", input, &windows, others)
}

/// An instance that goes over the windows of every channel.
fn windowed(
    request: &Request<'_>,
    module: &'static str,
    input: &Operand,
    windows: &Windows,
    others: Vec<(&'static str, Value)>,
) -> Result<Computed, String> {
    let buffer = request.first()?;
    let mut data = Vec::new();
    let (mut list, clocks) = match windows {
        Windows::Grid(geometry) => {
            let channels: usize = input.shape.iter().take(2).product();
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
    list.push(("INPUT_SIGNED", flag(buffer.is_signed())));
    list.extend(others);
    list.extend(address_parameters(buffer.elements(), request.elements));
    let instance = Instance { module, parameters: list, clocks: clocks as u64 + 8 };
    Ok(Computed { data, ..Computed::one(instance) })
}

/// The windows of a sum: counted where they are a grid in the last two axes of one image, else from a table.
fn windows_of_sum(form: &WindowSum) -> Result<Windows, String> {
    if let (Some(grid), [1, ..]) = (&form.grid, form.input.shape.as_slice())
        && grid.len() <= GRID_AXES
    {
        return Ok(Windows::Grid(Geometry::new(WindowAxis::volume(grid)?)));
    }
    let positions = |axis: &Vec<Span>| axis.iter().map(|span| (span.start..span.end).collect()).collect();
    let axes: Vec<Vec<Vec<usize>>> = form.windows.spans.iter().map(positions).collect();
    Taps::of_boxes(&form.input.shape, &axes).map(Windows::Table)
}

pub(super) fn sum(request: &Request<'_>, form: &WindowSum) -> Result<Computed, String> {
    narrow(request, &[&form.input])?;
    let windows = windows_of_sum(form)?;
    let rescales = form.by_position();
    let scales =
        rescales.iter().map(|rescale| normal(rescale.scale())).collect::<Result<Vec<_>, String>>()?;
    let &(multiplier, shift) = scales.first().ok_or("no windows")?;
    let file = |what: &str| path(&format!("{}_{what}.hex", file_stem(&request.node.name)));
    let by_position = scales.iter().any(|&known| known != (multiplier, shift));
    let mut others = vec![("INPUT_ZERO_POINT", number(form.input.port.zero_point))];
    if by_position {
        others.push(("MULTIPLIER_FILE", Value::File(file("multiplier"))));
        others.push(("SHIFT_FILE", Value::File(file("shift"))));
    } else {
        others.extend([("MULTIPLIER", number(multiplier)), ("SHIFT", number(shift))]);
    }
    others.extend(rescaled(request, form.sums(), &rescales)?);
    let mut computed = windowed(request, "gp_average_pool", &form.input, &windows, others)?;
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
