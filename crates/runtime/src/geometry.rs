//! Where the taps of a convolution lie: a padded copy of the input, channels innermost, in which every output position
//! reads its taps at the same offsets.
//!
//! A transposed convolution is a convolution of its input with zeros (the code Z1) between the elements, by the mirrored
//! kernel; only the copy differs. Likewise the padding modes.

use gen_params_core::ops::PaddingMode;

/// Spatial axes that all geometry is brought to: depth, height, width, of size 1 where the layer has fewer.
pub(crate) const AXES: usize = 3;

/// One spatial axis of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    pub(crate) padding_end: usize,
    pub(crate) dilation: usize,
    pub(crate) transposed: bool,
}

impl Axis {
    /// An axis that the layer does not have.
    pub(crate) const ABSENT: Self = Self {
        input: 1,
        output: 1,
        kernel: 1,
        stride: 1,
        padding: 0,
        padding_end: 0,
        dilation: 1,
        transposed: false,
    };

    /// Distance from the first tap to the last.
    fn span(&self) -> usize {
        self.dilation * self.kernel.saturating_sub(1)
    }

    /// Distance between the windows of neighbouring outputs, in the padded copy.
    fn step(&self) -> usize {
        if self.transposed { 1 } else { self.stride }
    }

    /// Size of the padded copy.
    fn padded(&self) -> usize {
        let read = match self.output {
            0 => 0,
            output => (output - 1) * self.step() + self.span() + 1,
        };
        // An input without padding is copied whole, which is no copy at all.
        if self.transposed || self.padding + self.padding_end > 0 { read } else { read.max(self.input) }
    }

    /// Where a tap lies in a window.
    fn tap(&self, index: usize) -> usize {
        self.dilation * if self.transposed { self.kernel - 1 - index } else { index }
    }

    /// The input element at a place of the padded copy; `None` for padding.
    fn source(&self, place: usize, mode: PaddingMode) -> Option<usize> {
        if self.transposed {
            // y_out = x_in * stride - padding + tap: the first place is the last tap of output 0.
            let inserted = (place + self.padding).checked_sub(self.span())?;
            return (inserted.is_multiple_of(self.stride))
                .then_some(inserted / self.stride)
                .filter(|&x| x < self.input);
        }
        match place.checked_sub(self.padding) {
            Some(x) if x < self.input => return Some(x),
            _ => {}
        }
        match mode {
            PaddingMode::Zeros => None,
            PaddingMode::Reflect => match place.checked_sub(self.padding) {
                None => Some(self.padding - place),
                Some(x) => (2 * (self.input - 1)).checked_sub(x),
            },
            PaddingMode::Replicate => Some(place.saturating_sub(self.padding).min(self.input - 1)),
            PaddingMode::Circular => {
                // Padding may be wider than the input.
                let turns = self.padding.div_ceil(self.input);
                Some((place + turns * self.input - self.padding) % self.input)
            }
        }
    }
}

/// A run of bytes copied from the input of one image to its padded copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) length: usize,
}

/// The padded copy of one image, (D, H, W, C), and the windows in it.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    /// Bytes of the padded copy.
    pub(crate) padded_length: usize,
    /// What is copied; the rest is padding.
    pub(crate) copies: Vec<Copy>,
    /// Start of each output position's window, row-major (D, H, W).
    pub(crate) starts: Vec<usize>,
    /// Offset of each tap's first channel from the window's start, row-major over the kernel.
    pub(crate) taps: Vec<usize>,
}

impl Windows {
    /// Windows over an input of `channels` channels. Axes must have positive input, kernel, stride and dilation.
    pub(crate) fn new(axes: &[Axis; AXES], channels: usize, mode: PaddingMode) -> Self {
        let padded = axes.map(|axis| axis.padded());
        let input = axes.map(|axis| axis.input);
        let sources: [Vec<Option<usize>>; AXES] =
            axes.map(|axis| (0..axis.padded()).map(|place| axis.source(place, mode)).collect());

        let mut copies: Vec<Copy> = Vec::new();
        for place in positions(padded) {
            let mut from = [0; AXES];
            let mut inside = true;
            for axis in 0..AXES {
                match sources[axis][place[axis]] {
                    Some(source) => from[axis] = source,
                    None => inside = false,
                }
            }
            if !inside {
                continue;
            }
            let copy = Copy {
                from: flat(from, input) * channels,
                to: flat(place, padded) * channels,
                length: channels,
            };
            match copies.last_mut() {
                Some(last) if last.from + last.length == copy.from && last.to + last.length == copy.to => {
                    last.length += channels;
                }
                _ => copies.push(copy),
            }
        }

        let windows = positions(axes.map(|axis| axis.output))
            .map(|at| std::array::from_fn(|axis| at[axis] * axes[axis].step()))
            .map(|start| flat(start, padded) * channels)
            .collect();
        let taps = positions(axes.map(|axis| axis.kernel))
            .map(|at| std::array::from_fn(|axis| axes[axis].tap(at[axis])))
            .map(|tap| flat(tap, padded) * channels)
            .collect();
        Self { padded_length: padded.iter().product::<usize>() * channels, copies, starts: windows, taps }
    }

    /// True if the padded copy is the input itself.
    pub(crate) fn reads_input_in_place(&self, input_length: usize) -> bool {
        match self.copies.as_slice() {
            [Copy { from: 0, to: 0, length }] => {
                *length == input_length && self.padded_length == input_length
            }
            _ => false,
        }
    }
}

/// All positions of an array, row-major.
pub(crate) fn positions(sizes: [usize; AXES]) -> impl Iterator<Item = [usize; AXES]> {
    let [depth, height, width] = sizes;
    (0..depth).flat_map(move |d| (0..height).flat_map(move |h| (0..width).map(move |w| [d, h, w])))
}

/// Index of a position, row-major.
fn flat([d, h, w]: [usize; AXES], [_, height, width]: [usize; AXES]) -> usize {
    (d * height + h) * width + w
}
