//! Which input element each tap of a convolution meets, one table per spatial axis.

use crate::ops::PaddingMode;

/// One spatial axis of a convolution over an input of a given size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Output positions.
    pub(crate) outputs: usize,
    /// Taps.
    pub(crate) taps: usize,
    /// The input index that a tap meets at an output position, (outputs, taps); `None` where it meets Z1.
    pub(crate) source: Vec<Option<usize>>,
}

/// Sizes of a convolution along one axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AxisSizes {
    pub(crate) input: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: u32,
    pub(crate) padding: u32,
    pub(crate) padding_end: u32,
    pub(crate) dilation: u32,
    pub(crate) output_padding: u32,
}

impl Axis {
    /// An axis that is not there: one position, one tap.
    pub(crate) fn none() -> Self {
        Self { outputs: 1, taps: 1, source: vec![Some(0)] }
    }

    /// An ordinary convolution: at position o, tap t meets o*stride - padding + t*dilation.
    ///
    /// `None` if the kernel is larger than the padded input, or the mode cannot pad that far.
    pub(crate) fn convolution(sizes: AxisSizes, mode: PaddingMode) -> Option<Self> {
        let AxisSizes { input, kernel, stride, padding, padding_end, dilation, .. } = sizes;
        let (size, taps) = (i64::try_from(input).ok()?, i64::try_from(kernel).ok()?);
        let both = i64::from(padding) + i64::from(padding_end);
        let (stride, padding, dilation) = (i64::from(stride), i64::from(padding), i64::from(dilation));
        let reach = dilation.checked_mul(taps - 1)?.checked_add(1)?;
        let room = size.checked_add(both)?.checked_sub(reach)?;
        if room < 0 || stride < 1 || size < 1 || taps < 1 {
            return None;
        }
        let outputs = room / stride + 1;
        let source = table(outputs, taps, |o, t| {
            let place = o * stride - padding + t * dilation;
            let inside = match mode {
                _ if (0..size).contains(&place) => place,
                PaddingMode::Zeros => return Some(None),
                PaddingMode::Reflect if place < 0 => -place,
                PaddingMode::Reflect => 2 * (size - 1) - place,
                PaddingMode::Replicate => place.clamp(0, size - 1),
                PaddingMode::Circular => place.rem_euclid(size),
            };
            (0..size).contains(&inside).then_some(usize::try_from(inside).ok())
        })?;
        Some(Self { outputs: usize::try_from(outputs).ok()?, taps: kernel, source })
    }

    /// A transposed convolution: input i reaches position i*stride - padding + t*dilation through tap t; a tap that no
    /// input reaches meets Z1, as if Z1 stood between the inputs.
    ///
    /// `None` if nothing is left after the padding is cut off.
    pub(crate) fn transposed(sizes: AxisSizes) -> Option<Self> {
        let AxisSizes { input, kernel, stride, padding, padding_end, dilation, output_padding } = sizes;
        let (size, taps) = (i64::try_from(input).ok()?, i64::try_from(kernel).ok()?);
        let both = i64::from(padding) + i64::from(padding_end);
        let (stride, padding, dilation) = (i64::from(stride), i64::from(padding), i64::from(dilation));
        if stride < 1 || size < 1 || taps < 1 {
            return None;
        }
        let full = (size - 1).checked_mul(stride)?.checked_add(dilation.checked_mul(taps - 1)?)?;
        let outputs = full.checked_add(1 + i64::from(output_padding))?.checked_sub(both)?;
        if outputs < 1 {
            return None;
        }
        let source = table(outputs, taps, |o, t| {
            let place = o + padding - t * dilation;
            let index = place.div_euclid(stride);
            let met = place.rem_euclid(stride) == 0 && (0..size).contains(&index);
            Some(met.then_some(usize::try_from(index).ok()).flatten())
        })?;
        Some(Self { outputs: usize::try_from(outputs).ok()?, taps: kernel, source })
    }
}

/// Entries of the largest table that is made: far above every real layer, far below what exhausts memory.
const LARGEST_TABLE: i64 = 1 << 26;

fn table(
    outputs: i64,
    taps: i64,
    source: impl Fn(i64, i64) -> Option<Option<usize>>,
) -> Option<Vec<Option<usize>>> {
    if outputs.checked_mul(taps)? > LARGEST_TABLE {
        return None;
    }
    (0..outputs).flat_map(|o| (0..taps).map(move |t| (o, t))).map(|(o, t)| source(o, t)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: AxisSizes = AxisSizes {
        input: 3,
        kernel: 3,
        stride: 1,
        padding: 1,
        padding_end: 1,
        dilation: 1,
        output_padding: 0,
    };

    #[test]
    fn padding_modes_continue_the_input() {
        let left_and_right = |mode| {
            let axis = Axis::convolution(SIZES, mode).unwrap();
            (axis.source[0], axis.source[8])
        };
        assert_eq!(left_and_right(PaddingMode::Zeros), (None, None));
        assert_eq!(left_and_right(PaddingMode::Reflect), (Some(1), Some(1)));
        assert_eq!(left_and_right(PaddingMode::Replicate), (Some(0), Some(2)));
        assert_eq!(left_and_right(PaddingMode::Circular), (Some(2), Some(0)));
    }

    #[test]
    fn a_transposed_axis_has_z1_between_its_inputs() {
        // Two inputs a, b, stride 2, kernel 3: full output a0, a1, a2+b0, b1, b2.
        let sizes = AxisSizes { input: 2, stride: 2, padding: 0, padding_end: 0, ..SIZES };
        let axis = Axis::transposed(sizes).unwrap();
        let (a, b) = (Some(0), Some(1));
        #[rustfmt::skip]
        let expected = [
            a, None, None,
            None, a, None,
            b, None, a,
            None, b, None,
            None, None, b,
        ];
        assert_eq!((axis.outputs, axis.source.as_slice()), (5, expected.as_slice()));
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert_eq!(
            Axis::convolution(
                AxisSizes { input: 1, padding: 0, padding_end: 0, ..SIZES },
                PaddingMode::Zeros
            ),
            None
        );
        assert_eq!(Axis::convolution(AxisSizes { stride: 0, ..SIZES }, PaddingMode::Zeros), None);
        assert_eq!(Axis::convolution(AxisSizes { padding: 3, ..SIZES }, PaddingMode::Reflect), None);
        assert_eq!(Axis::transposed(AxisSizes { input: 1, padding: 2, padding_end: 2, ..SIZES }), None);
        assert_eq!(Axis::transposed(AxisSizes { output_padding: u32::MAX, ..SIZES }), None);
    }
}
