//! Windows over one operand: sums, which means are, and largest codes.

use super::Operand;
use crate::hardware::{Means, Rescale};
use crate::tensor::{coordinates, element_count, strides};

/// A window along one spatial axis: at result o, tap t meets the input at `o*stride + t*dilation - padding`, if that is a
/// position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowAxis {
    /// Positions of the input.
    pub input: usize,
    /// Positions of the result; what lies behind the input follows from it.
    pub output: usize,
    /// Taps.
    pub kernel: usize,
    /// Step from one window to the next.
    pub stride: usize,
    /// Positions before the input.
    pub padding: usize,
    /// Distance between taps.
    pub dilation: usize,
}

impl WindowAxis {
    /// An axis that is not there.
    pub const ABSENT: Self = Self { input: 1, output: 1, kernel: 1, stride: 1, padding: 0, dilation: 1 };

    /// The positions of the input that the taps of one window meet.
    pub fn taps(&self, window: usize) -> Vec<usize> {
        let padded = (0..self.kernel).map(|tap| window * self.stride + tap * self.dilation);
        padded.filter_map(|place| place.checked_sub(self.padding)).filter(|&p| p < self.input).collect()
    }

    /// Depth, height and width, from one entry for each spatial axis.
    ///
    /// # Errors
    /// More than three axes.
    pub fn volume(axes: &[Self]) -> Result<[Self; 3], String> {
        let mut all = [Self::ABSENT; 3];
        let absent = all.len().checked_sub(axes.len());
        let absent = absent.ok_or_else(|| format!("a window of {} axes, expected at most 3", axes.len()))?;
        all[absent..].copy_from_slice(axes);
        Ok(all)
    }
}

/// Offsets of the positions of a box, given by the positions along each axis.
fn offsets(positions: impl Iterator<Item = Vec<usize>>, strides: &[usize]) -> Vec<usize> {
    positions.zip(strides).fold(vec![0], |offsets, (positions, step)| {
        offsets.iter().flat_map(|offset| positions.iter().map(move |place| offset + place * step)).collect()
    })
}

/// `rescale(sum(x - Z1))` over boxes of positions.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSum {
    /// x.
    pub input: Operand,
    /// Sizes of the result's axes.
    pub shape: Vec<usize>,
    /// The boxes, and what each sum is divided by.
    pub windows: Means,
    /// Of each of the [different divisors](Means::distinct).
    pub rescales: Vec<Rescale>,
    /// Where the windows are a grid over the axes from the third on: that grid.
    pub grid: Option<Vec<WindowAxis>>,
}

impl WindowSum {
    /// The equation of each divisor of `windows.divisors`.
    pub fn by_position(&self) -> Vec<&Rescale> {
        let distinct = self.windows.distinct();
        let of = |divisor: &i64| self.rescales.get(distinct.binary_search(divisor).ok()?);
        self.windows.divisors.iter().filter_map(of).collect()
    }

    /// Codes of the longest window.
    pub fn longest(&self) -> usize {
        let spans = self.windows.spans.iter();
        spans.map(|axis| axis.iter().map(|span| span.end - span.start).max().unwrap_or(0)).product()
    }

    pub(super) fn apply(&self, codes: &[i32]) -> Vec<i32> {
        // With all axes kept, also those that are averaged.
        let kept: Vec<usize> = self.windows.spans.iter().map(Vec::len).collect();
        let area: usize = kept.iter().skip(2).product();
        let strides = strides(&self.input.shape);
        let rescales = self.by_position();
        let element = |index: usize| {
            let place = coordinates(index, &kept);
            let spans = self.windows.spans.iter().zip(place).map(|(axis, place)| axis[place]);
            let offsets = offsets(spans.map(|span| (span.start..span.end).collect()), &strides);
            let sum = offsets.iter().map(|&i| self.input.centre(codes[i])).sum();
            rescales[if rescales.len() == 1 { 0 } else { index % area.max(1) }].code(sum)
        };
        (0..element_count(&kept).unwrap_or(0)).map(element).collect()
    }
}

/// The largest code of each window; padding is none.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowMaximum {
    /// x, (N, C, spatial...).
    pub input: Operand,
    /// (N, C, spatial...).
    pub shape: Vec<usize>,
    /// One for each spatial axis.
    pub axes: Vec<WindowAxis>,
}

impl WindowMaximum {
    /// Planes that windows move over: images times channels.
    pub fn planes(&self) -> usize {
        self.shape.iter().take(2).product()
    }

    pub(super) fn apply(&self, codes: &[i32]) -> Vec<i32> {
        let strides = strides(&self.input.shape);
        let element = |index: usize| {
            let place = coordinates(index, &self.shape);
            let (outer, inner) = place.split_at(2);
            let taps = self.axes.iter().zip(inner).map(|(axis, &window)| axis.taps(window));
            let offsets = offsets(outer.iter().map(|&place| vec![place]).chain(taps), &strides);
            offsets.iter().map(|&i| codes[i]).max().unwrap_or(self.input.port.range.min)
        };
        (0..element_count(&self.shape).unwrap_or(0)).map(element).collect()
    }
}
