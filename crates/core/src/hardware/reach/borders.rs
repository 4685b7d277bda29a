//! Which taps of a window meet the input, and which meet Z1, at every position of every size of input.

use std::collections::BTreeSet;

use crate::hardware::{Axis, AxisSizes};
use crate::ops::{Layer, PaddingMode};
use crate::parameters::{LayerKind, Range, Window};

/// What the taps of a layer's window can meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meetings {
    /// By tap of one kernel, row-major, whether it meets the input; elsewhere it meets Z1. One entry for each way that
    /// matters: where Z1 is among the codes that can enter, a window with more taps inside reaches whatever one with fewer
    /// does.
    pub(crate) patterns: Vec<Vec<bool>>,
    /// The codes that a tap inside can meet.
    pub(crate) range: Range<i32>,
    /// Whether each pattern occurs for some size of the input and each code can be met there. If not, what follows from
    /// them contains what can occur.
    pub(crate) exact: bool,
}

impl Meetings {
    /// Taps of one kernel.
    pub(crate) fn kernel(&self) -> usize {
        self.patterns.first().map_or(1, |pattern| pattern.len().max(1))
    }
}

/// Entries of tables of taps that are looked through for one axis, at most; far above every real layer.
const LARGEST_SEARCH: u64 = 1 << 22;

/// Patterns of all axes together that are looked at.
const LARGEST_PATTERNS: usize = 1 << 12;

/// Patterns times taps times channels that are looked at.
const LARGEST_WORK: usize = 1 << 28;

/// What the taps meet, for inputs in `range`; `None` if that depends on a stride or dilation that the file does not say.
///
/// A transposed convolution sees its input with Z1 inserted between the elements, and beyond its ends, whatever its
/// padding is, which only cuts off outputs: a position meets the taps of its phase, `tap * dilation = position (mod
/// stride)` on every axis, as far as its inputs are there.
pub(crate) fn meetings(
    layer: &Layer,
    channels: usize,
    range: Range<i32>,
    zero_point: i32,
) -> Option<Meetings> {
    let no_window = Window::default();
    let window = layer.window.as_ref().unwrap_or(&no_window);
    let excluded = !(range.min..=range.max).contains(&zero_point);
    let widened = Range { min: range.min.min(zero_point), max: range.max.max(zero_point) };
    let kernel = layer.weight.shape.get(2..).unwrap_or_default();
    let taps: usize = match layer.kind {
        LayerKind::Linear => layer.weight.codes.len() / channels.max(1),
        LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => kernel.iter().product(),
    };
    let whole = |range, exact| Meetings { patterns: vec![vec![true; taps.max(1)]], range, exact };
    match layer.kind {
        LayerKind::Linear => Some(whole(range, true)),
        LayerKind::Conv(_) => {
            // Borders that copy the input meet no code that is not one of it.
            if !excluded || layer.padding_mode.copies().is_some() || !may_pad(window) {
                return Some(whole(range, true));
            }
            let cut = every_pattern(layer, window, kernel, channels, taps);
            Some(
                cut.map_or_else(
                    || whole(widened, false),
                    |patterns| Meetings { patterns, range, exact: true },
                ),
            )
        }
        LayerKind::ConvTranspose(_) => {
            let phases = phases(window, kernel)?;
            if !excluded {
                return Some(Meetings { patterns: phases, range, exact: true });
            }
            let cut = every_pattern(layer, window, kernel, channels, taps);
            Some(cut.map_or_else(
                || Meetings { patterns: phases, range: widened, exact: false },
                |patterns| Meetings { patterns, range, exact: true },
            ))
        }
    }
}

/// Whether a side is padded, or not known not to be.
fn may_pad(window: &Window) -> bool {
    let pads = |sides: Option<&Vec<u32>>| sides.is_none_or(|sides| sides.iter().any(|&side| side > 0));
    pads(window.padding.as_ref()) || window.padding_end.iter().any(|sides| pads(Some(sides)))
}

/// By phase of a transposed convolution, the taps that meet its inputs far from every border.
fn phases(window: &Window, kernel: &[usize]) -> Option<Vec<Vec<bool>>> {
    let (stride, dilation) = (window.stride.as_ref()?, window.dilation.as_ref()?);
    let mut axes = Vec::new();
    for (axis, &taps) in kernel.iter().enumerate() {
        let (step, distance) = (u64::from(*stride.get(axis)?).max(1), u64::from(*dilation.get(axis)?));
        let phase = |tap: usize| (tap as u64).wrapping_mul(distance) % step;
        let mut found: BTreeSet<Vec<bool>> =
            (0..taps).map(|tap| (0..taps).map(|other| phase(other) == phase(tap)).collect()).collect();
        if step > found.len() as u64 {
            // Positions between which no input falls.
            found.insert(vec![false; taps]);
        }
        axes.push(found.into_iter().collect());
    }
    Some(product(&axes))
}

/// Every set of taps that meet the input at some position for some size of it; `None` if not all of the geometry is known
/// or there is too much to look at.
fn every_pattern(
    layer: &Layer,
    window: &Window,
    kernel: &[usize],
    channels: usize,
    taps: usize,
) -> Option<Vec<Vec<bool>>> {
    let transposed = matches!(layer.kind, LayerKind::ConvTranspose(_));
    let mut axes = Vec::new();
    for (axis, &taps) in kernel.iter().enumerate() {
        let of = |sizes: &Option<Vec<u32>>| sizes.as_ref()?.get(axis).copied();
        let padding = of(&window.padding)?;
        let sizes = AxisSizes {
            input: 1,
            kernel: taps,
            stride: of(&window.stride)?,
            padding,
            padding_end: if window.padding_end.is_some() { of(&window.padding_end)? } else { padding },
            dilation: of(&window.dilation)?,
            output_padding: if transposed { of(&window.output_padding)? } else { 0 },
        };
        axes.push(axis_patterns(sizes, transposed)?);
    }
    let count = axes.iter().try_fold(1_usize, |count, axis| count.checked_mul(axis.len()))?;
    let work = count.checked_mul(taps)?.checked_mul(channels)?;
    (count > 0 && count <= LARGEST_PATTERNS && work <= LARGEST_WORK).then(|| product(&axes))
}

/// The sets of taps that meet the input along one axis.
fn axis_patterns(sizes: AxisSizes, transposed: bool) -> Option<Vec<Vec<bool>>> {
    let (stride, taps) = (u64::from(sizes.stride), u64::try_from(sizes.kernel).ok()?);
    let reach = u64::from(sizes.dilation).checked_mul(taps.checked_sub(1)?)?.checked_add(1)?;
    let padding = u64::from(sizes.padding) + u64::from(sizes.padding_end);
    if stride == 0 {
        return None;
    }
    // With an input of this size both borders lie too far apart for one window, and every offset of the last window from
    // the end has occurred: larger ones show nothing new.
    let (largest, outputs) = if transposed {
        let largest = (reach + padding).div_ceil(stride) + 2;
        (largest, largest.checked_mul(stride)?.checked_add(reach)?.checked_add(sizes.output_padding.into())?)
    } else {
        let largest = reach.checked_add(stride)?;
        (largest, (largest + padding) / stride + 1)
    };
    if largest.checked_mul(outputs)?.checked_mul(taps)? > LARGEST_SEARCH {
        return None;
    }
    let mut found = BTreeSet::new();
    for input in 1..=usize::try_from(largest).ok()? {
        let sizes = AxisSizes { input, ..sizes };
        let axis =
            if transposed { Axis::transposed(sizes) } else { Axis::convolution(sizes, PaddingMode::Zeros) };
        // A size without any output has no window.
        let Some(axis) = axis else { continue };
        let windows = axis.source.chunks_exact(axis.taps);
        found.extend(windows.map(|window| window.iter().map(Option::is_some).collect::<Vec<bool>>()));
    }
    Some(found.into_iter().collect())
}

/// A tap meets the input where it does so along every axis.
fn product(axes: &[Vec<Vec<bool>>]) -> Vec<Vec<bool>> {
    axes.iter().fold(vec![vec![true]], |patterns, axis| {
        let mut next = Vec::with_capacity(patterns.len() * axis.len());
        for pattern in &patterns {
            for along in axis {
                next.push(
                    pattern
                        .iter()
                        .flat_map(|&outer| along.iter().map(move |&inner| outer && inner))
                        .collect(),
                );
            }
        }
        next
    })
}
