//! The windows of means along each spatial axis.

use super::pool::Pool;

/// The positions of one window along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First position inside the input.
    pub start: usize,
    /// End of the positions inside the input, exclusive.
    pub end: usize,
    /// Positions, those in the padding included.
    pub padded: i64,
}

impl Span {
    /// A window without padding.
    fn inside(start: usize, end: usize) -> Self {
        Self { start, end, padded: i64::try_from(end - start).unwrap_or(i64::MAX) }
    }
}

impl Pool {
    /// The windows along an axis of `input` positions with `output` results.
    pub(crate) fn spans(&self, axis: usize, input: usize, output: usize) -> Vec<Span> {
        let size = i64::try_from(input).unwrap_or(i64::MAX);
        let inside = |p: i64| usize::try_from(p.clamp(0, size)).unwrap_or(0);
        (0..output)
            .map(|window| {
                let (start, end) = self.span(axis, window);
                let padded = end.min(size.saturating_add(self.padding_end()[axis])) - start;
                Span { start: inside(start), end: inside(end).max(inside(start)), padded }
            })
            .collect()
    }
}

/// `output` windows over `input` positions: window i covers floor(i*n/o) .. ceil((i+1)*n/o).
pub(crate) fn adaptive_spans(input: usize, output: usize) -> Vec<Span> {
    let window = |i: usize| Span::inside(i * input / output, ((i + 1) * input).div_ceil(output));
    (0..output).map(window).collect()
}
