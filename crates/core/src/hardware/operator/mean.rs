//! Means of windows: `clamp(round(M0*sum(x - Z1) * 2^-n) + Z3)`, with M0 and n for each number of positions.

use super::scale::{Choice, centred, ratio};
use crate::exact::Ratio;
use crate::hardware::integer_op::WindowAxis;
use crate::ops::{Op, OpError, Pool, Span, adaptive_spans, axis_of};
use crate::parameters::{Activation, Agreement, Range, Scale};

/// The narrowest multiplier for sums of `count` codes that are divided by `divisor`, against the exact mean over every
/// sum that `count` codes can have.
///
/// `None` for a divisor or count that is not positive, and for sums beyond 31 bits.
pub fn mean_scale(
    input: Activation,
    output: Activation,
    clamp: Range<i32>,
    count: i64,
    divisor: i64,
    choice: Choice,
) -> Option<(Scale, Agreement)> {
    if divisor < 1 || count < 1 {
        return None;
    }
    let factor = ratio(&[input.scale], output.scale)?.over(&Ratio::from_i64(divisor))?;
    let codes = centred(input);
    let reach =
        |code: i32| i32::try_from(i64::from(code).checked_mul(count)?).ok().filter(|s| s.abs() < 1 << 30);
    let sums = Range { min: reach(codes.min)?, max: reach(codes.max)? };
    choice.of_sum(&factor, sums, output.zero_point, clamp)
}

/// The windows of a mean over an input of a certain shape: boxes of positions, and what the sum of each is divided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Means {
    /// By axis of the input, by position of the output with all axes kept: the positions that are summed.
    pub spans: Vec<Vec<Span>>,
    /// The number that each sum is divided by: one for all, or one per output position, row-major over the axes from the
    /// third on.
    pub divisors: Vec<i64>,
}

impl Means {
    /// The windows of `op` for an input and an output of these shapes.
    ///
    /// # Errors
    /// An axis that the input does not have, or an operator that is no mean.
    pub fn of(op: &Op, input: &[usize], output: &[usize]) -> Result<Self, OpError> {
        let each = |size: usize| adaptive_spans(size, size);
        let mut spans: Vec<Vec<Span>> = input.iter().take(2).map(|&size| each(size)).collect();
        let spatial = || input.iter().zip(output).skip(2);
        let mut by_padding = false;
        let mut fixed = None;
        match op {
            Op::AveragePool(pool) => {
                let axes = spatial().enumerate();
                spans.extend(axes.map(|(axis, (&size, &windows))| pool.spans(axis, size, windows)));
                by_padding = pool.count_include_pad;
                fixed = pool.divisor.filter(|&divisor| divisor != 0);
            }
            Op::AdaptiveAveragePool { .. } => {
                spans.extend(spatial().map(|(&size, &windows)| adaptive_spans(size, windows)));
            }
            Op::Mean { axes, .. } => {
                let axes =
                    axes.iter().map(|&axis| axis_of(axis, input.len())).collect::<Result<Vec<_>, _>>()?;
                let sizes = input.iter().enumerate();
                spans = sizes
                    .map(
                        |(axis, &size)| {
                            if axes.contains(&axis) { adaptive_spans(size, 1) } else { each(size) }
                        },
                    )
                    .collect();
            }
            other => return Err(OpError::new(other.name(), "a mean")),
        }
        let length = |span: &Span| i64::try_from(span.end - span.start).unwrap_or(i64::MAX);
        let divisors = match fixed {
            Some(divisor) => vec![divisor],
            None => {
                let extent = |span: &Span| if by_padding { span.padded } else { length(span) };
                // Axes that are not windowed have extents of 1, or, when averaged, one extent for all.
                let (outer, inner) = spans.split_at(spans.len().min(2));
                let outer: i64 = outer.iter().filter_map(|axis| axis.first()).map(extent).product();
                let all = inner.iter().fold(vec![outer], |all, axis| {
                    all.iter()
                        .flat_map(|&d| axis.iter().map(move |span| d.saturating_mul(extent(span))))
                        .collect()
                });
                match all.first() {
                    Some(&first) if all.iter().all(|&divisor| divisor == first) => vec![first],
                    _ => all,
                }
            }
        };
        Ok(Self { spans, divisors })
    }

    /// The grid that the windows are over the axes from the third on; `None` where they are of several sizes, or reach
    /// over images or channels.
    pub(super) fn grid(
        &self,
        op: &Op,
        input: &[usize],
        output: &[usize],
    ) -> Result<Option<Vec<WindowAxis>>, OpError> {
        if let Op::AveragePool(pool) = op {
            return window_axes(pool, input, output).map(Some);
        }
        // The size of windows that stand side by side.
        let kernel = |axis: &Vec<Span>| {
            let size = axis.first()?.end;
            let regular = |(i, span): (usize, &Span)| span.start == i * size && span.end == (i + 1) * size;
            axis.iter().enumerate().all(regular).then_some(size)
        };
        let kernels: Option<Vec<usize>> = self.spans.iter().map(kernel).collect();
        let Some([1, 1, kernels @ ..]) = kernels.as_deref() else { return Ok(None) };
        let axis = |(&kernel, &input): (&usize, &usize)| WindowAxis {
            input,
            output: input / kernel.max(1),
            kernel,
            stride: kernel,
            ..WindowAxis::ABSENT
        };
        Ok(Some(kernels.iter().zip(&input[2..]).map(axis).collect()))
    }

    /// The different divisors, ascending.
    pub fn distinct(&self) -> Vec<i64> {
        let mut distinct = self.divisors.clone();
        distinct.sort_unstable();
        distinct.dedup();
        distinct
    }
}

/// The windows of a pool, one for each axis from the third on.
pub(super) fn window_axes(
    pool: &Pool,
    input: &[usize],
    output: &[usize],
) -> Result<Vec<WindowAxis>, OpError> {
    let axis = |(axis, (&input, &output)): (usize, (&usize, &usize))| {
        let size = |sizes: &[i64]| {
            let size = sizes.get(axis).and_then(|&size| usize::try_from(size).ok());
            size.ok_or_else(|| OpError::new(format!("a window of sizes {sizes:?}"), "one size for each axis"))
        };
        Ok(WindowAxis {
            input,
            output,
            kernel: size(&pool.kernel)?,
            stride: size(&pool.stride)?,
            padding: size(&pool.padding)?,
            dilation: size(&pool.dilation)?,
        })
    };
    input.iter().zip(output).skip(2).enumerate().map(axis).collect()
}
