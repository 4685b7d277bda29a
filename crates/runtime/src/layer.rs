//! Convolutions and linear layers: products of packed weights with windows of the input, requantized tile by tile.

use gen_params_core::ops::{Layer, PaddingMode};
use gen_params_core::parameters::{Activation, CodeType, LayerKind};
use gen_params_kernels::{CodeSign, DepthwiseWeights, Kernel, LANES, PackedWeights};

use crate::error::{Error, Result};
use crate::geometry::{AXES, Axis, Windows};
use crate::requantize::{ChannelRequantizers, Rescaling};

/// Rows whose sums are kept before they are requantized: they stay in the nearest cache.
const TILE_ROWS: usize = 64;

/// Bytes that kernels may read behind the last code, for weights of zero.
pub(crate) const SLACK: usize = 64;

/// A layer, ready to run on images whose codes have their channels innermost.
#[derive(Debug)]
pub(crate) struct LayerStep {
    windows: Windows,
    /// The input is its own padded copy.
    in_place: bool,
    input_length: usize,
    positions: usize,
    channels: usize,
    /// Images whose windows are computed together.
    images: usize,
    /// Starts of the windows of `images` images.
    rows: Vec<usize>,
    parts: Vec<Part>,
    padding: u8,
}

/// Some output channels: all of them, or those of a group.
#[derive(Debug)]
struct Part {
    first: usize,
    channels: usize,
    weights: Weights,
    requantizers: ChannelRequantizers,
}

#[derive(Debug)]
enum Weights {
    Dense(PackedWeights),
    Depthwise(DepthwiseWeights),
    /// Dense, with a last channel that sums the codes, of which each channel takes its Z2 times as much.
    Asymmetric(PackedWeights, Vec<i32>),
}

/// Memory that one thread uses again and again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) padded: Vec<u8>,
    pub(crate) sums: Vec<i32>,
}

/// Where a layer's accumulators `sum((x - Z1) * (w - Z2))` go, channels innermost, if they are wanted.
pub(crate) type Accumulators<'a> = Option<&'a mut [i32]>;

impl LayerStep {
    /// Plans a layer for images of shape `input`, (I, spatial...), or (..., I) for a linear layer.
    pub(crate) fn new(
        name: &str,
        layer: &Layer,
        rescaling: &Rescaling<'_>,
        from: Activation,
        input: &[usize],
        output: &[usize],
    ) -> Result<Self> {
        let geometry = LayerGeometry::new(name, layer, input, output)?;
        let LayerGeometry { windows, inputs, outputs, groups, positions, input_length } = geometry;
        let images = (TILE_ROWS / positions.max(1)).max(1);
        let rows = (0..images)
            .flat_map(|image| windows.starts.iter().map(move |start| image * windows.padded_length + start))
            .collect();
        let parts = parts(layer, from, &windows, [inputs, outputs, groups], rescaling);
        Ok(Self {
            in_place: windows.reads_input_in_place(input_length),
            input_length,
            positions,
            channels: outputs,
            images,
            rows,
            parts,
            padding: from.zero_point.to_le_bytes()[0],
            windows,
        })
    }

    /// Output codes of `count` images.
    ///
    /// `input` holds their codes and [`SLACK`] more bytes, `output` and `accumulators` have room for theirs.
    pub(crate) fn run(
        &self,
        kernel: Kernel,
        count: usize,
        input: &[u8],
        output: &mut [u8],
        mut accumulators: Accumulators<'_>,
        scratch: &mut Scratch,
    ) {
        let mut first = 0;
        while first < count {
            let images = self.images.min(count - first);
            let input = &input[first * self.input_length..];
            let source = if self.in_place {
                input
            } else {
                pad(&self.windows, images, self.input_length, self.padding, input, &mut scratch.padded)
            };
            let rows = &self.rows[..images * self.positions];
            for (tile, rows) in rows.chunks(TILE_ROWS).enumerate() {
                let first_row = first * self.positions + tile * TILE_ROWS;
                let place = first_row * self.channels..(first_row + rows.len()) * self.channels;
                let codes = &mut output[place.clone()];
                for part in &self.parts {
                    let sums = part.multiply(kernel, source, rows, &mut scratch.sums);
                    if let Some(accumulators) = accumulators.as_deref_mut() {
                        part.keep(sums, &mut accumulators[place.clone()], self.channels);
                    }
                    part.requantizers.apply(kernel, sums, &mut codes[part.first..], self.channels);
                }
            }
            first += images;
        }
    }
}

/// Padded copies of some images, and [`SLACK`] more bytes.
pub(crate) fn pad<'a>(
    windows: &Windows,
    images: usize,
    input_length: usize,
    padding: u8,
    input: &[u8],
    padded: &'a mut Vec<u8>,
) -> &'a [u8] {
    padded.clear();
    padded.resize(images * windows.padded_length + SLACK, padding);
    let input = input.chunks(input_length.max(1));
    for (from, to) in input.zip(padded.chunks_mut(windows.padded_length.max(1))).take(images) {
        for copy in &windows.copies {
            to[copy.to..][..copy.length].copy_from_slice(&from[copy.from..][..copy.length]);
        }
    }
    padded
}

impl Part {
    /// Accumulators of some rows: whole blocks of this part's channels.
    fn multiply<'a>(
        &self,
        kernel: Kernel,
        input: &[u8],
        rows: &[usize],
        sums: &'a mut Vec<i32>,
    ) -> &'a [i32] {
        let row_length = match &self.weights {
            Weights::Dense(weights) | Weights::Asymmetric(weights, _) => weights.row_length(),
            Weights::Depthwise(weights) => weights.row_length(),
        };
        let length = rows.len() * row_length;
        if sums.len() < length {
            sums.resize(length, 0);
        }
        let sums = &mut sums[..length];
        match &self.weights {
            Weights::Dense(weights) => kernel.multiply(input, rows, weights, sums),
            Weights::Depthwise(weights) => kernel.multiply_depthwise(input, rows, weights, sums),
            Weights::Asymmetric(weights, zero_points) => {
                kernel.multiply(input, rows, weights, sums);
                return subtract_zero_points(sums, row_length, zero_points);
            }
        }
        sums
    }

    /// Copies the sums of this part's channels.
    fn keep(&self, sums: &[i32], accumulators: &mut [i32], row_length: usize) {
        let sums = sums.chunks(self.channels.next_multiple_of(LANES).max(1));
        for (sums, accumulators) in sums.zip(accumulators.chunks_mut(row_length.max(1))) {
            accumulators[self.first..][..self.channels].copy_from_slice(&sums[..self.channels]);
        }
    }
}

/// `sum(x * w) - Z2 * sum(x)`, where `sum(x)` stands behind the sums of the channels; rows are then packed to whole
/// blocks of the channels alone.
fn subtract_zero_points<'a>(sums: &'a mut [i32], row_length: usize, zero_points: &[i32]) -> &'a [i32] {
    let channels = zero_points.len();
    let packed_length = channels.next_multiple_of(LANES);
    let rows = sums.len() / row_length.max(1);
    for row in 0..rows {
        let total = sums[row * row_length + channels];
        for (channel, &zero_point) in zero_points.iter().enumerate() {
            let sum = sums[row * row_length + channel];
            sums[row * packed_length + channel] = sum.wrapping_sub(zero_point.wrapping_mul(total));
        }
    }
    &sums[..rows * packed_length]
}

/// What a layer's shape comes to.
struct LayerGeometry {
    windows: Windows,
    inputs: usize,
    outputs: usize,
    groups: usize,
    positions: usize,
    input_length: usize,
}

impl LayerGeometry {
    fn new(name: &str, layer: &Layer, input: &[usize], output: &[usize]) -> Result<Self> {
        let input_length = input.iter().product();
        let (axes, inputs, outputs, groups) = match layer.kind {
            LayerKind::Linear => {
                let inputs = input.last().copied().unwrap_or(0);
                let rows = input.iter().rev().skip(1).product();
                let mut axes = [Axis::ABSENT; AXES];
                axes[AXES - 1] = Axis { input: rows, output: rows, ..Axis::ABSENT };
                (axes, inputs, output.last().copied().unwrap_or(0), 1)
            }
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => {
                let geometry = layer.geometry().map_err(|e| Error::node(name, e.to_string()))?;
                let mut axes = [Axis::ABSENT; AXES];
                let count = geometry.kernel.len();
                let absent = AXES.checked_sub(count).ok_or_else(|| {
                    Error::node(
                        name,
                        format!("has {count} spatial axes, of which at most {AXES} are supported"),
                    )
                })?;
                for (index, axis) in axes[absent..].iter_mut().enumerate() {
                    *axis = Axis {
                        input: input[1 + index],
                        output: output[1 + index],
                        kernel: geometry.kernel[index],
                        stride: geometry.stride[index],
                        padding: geometry.padding[index],
                        padding_end: geometry.padding_end[index],
                        dilation: geometry.dilation[index],
                        transposed: matches!(layer.kind, LayerKind::ConvTranspose(_)),
                    };
                }
                (axes, input[0], output[0], geometry.groups)
            }
        };
        let mode = if layer.kind == LayerKind::Linear { PaddingMode::Zeros } else { layer.padding_mode };
        let windows = Windows::new(&axes, inputs, mode);
        Ok(Self { positions: windows.starts.len(), windows, inputs, outputs, groups, input_length })
    }
}

/// Packed weights, one part per group; one alone where every channel is a group of its own.
fn parts(
    layer: &Layer,
    input: Activation,
    windows: &Windows,
    [inputs, outputs, groups]: [usize; 3],
    rescaling: &Rescaling<'_>,
) -> Vec<Part> {
    let sign = match input.code_type {
        CodeType::U8 => CodeSign::Unsigned,
        // A plan has codes of 8 bits only.
        CodeType::I8 | CodeType::I16 | CodeType::I32 => CodeSign::Signed,
    };
    let group_inputs = inputs / groups.max(1);
    let group_outputs = outputs / groups.max(1);
    let zero_point = |channel: usize| {
        let zeros = &layer.weight.zero_point;
        zeros.get(if zeros.len() > 1 { channel } else { 0 }).copied().unwrap_or(0)
    };
    let asymmetric = layer.weight.zero_point.iter().any(|&z| z != 0);
    let kernel = windows.taps.len();
    // The weight of an output channel, an input channel of its group, and a tap.
    let weight = |output: usize, input: usize, tap: usize| {
        layer.weight.codes[match layer.kind {
            LayerKind::Linear | LayerKind::Conv(_) => (output * group_inputs + input) * kernel + tap,
            LayerKind::ConvTranspose(_) => {
                let (group, within) = (output / group_outputs, output % group_outputs);
                ((group * group_inputs + input) * group_outputs + within) * kernel + tap
            }
        }]
    };
    // The padding takes part in the sums as Z1, so that sum((x - Z1)*(w - Z2)) is the sum over all taps.
    let start = |output: usize| {
        let total = (0..group_inputs)
            .flat_map(|input| (0..kernel).map(move |tap| (input, tap)))
            .map(|(input, tap)| i32::from(weight(output, input, tap)).wrapping_sub(zero_point(output)))
            .fold(0_i32, i32::wrapping_add);
        total.wrapping_mul(input.zero_point).wrapping_neg()
    };
    if group_inputs == 1 && group_outputs == 1 && groups > 1 && !asymmetric {
        let starts: Vec<i32> = (0..outputs).map(start).collect();
        let codes: Vec<i8> = (0..outputs)
            .flat_map(|output| (0..kernel).map(move |tap| (output, tap)))
            .map(|(o, t)| weight(o, 0, t))
            .collect();
        return vec![Part {
            first: 0,
            channels: outputs,
            weights: Weights::Depthwise(DepthwiseWeights::new(&starts, &windows.taps, &codes, sign)),
            requantizers: rescaling.channels(0..outputs),
        }];
    }
    (0..groups)
        .map(|group| {
            let first = group * group_outputs;
            let channels = first..first + group_outputs;
            // Taps in the order of their places: the bytes of neighbouring taps then join.
            let mut order: Vec<usize> = (0..kernel).collect();
            order.sort_by_key(|&tap| windows.taps[tap]);
            let taps: Vec<usize> = order
                .iter()
                .flat_map(|&tap| (0..group_inputs).map(move |i| (tap, i)))
                .map(|(tap, i)| windows.taps[tap] + group * group_inputs + i)
                .collect();
            let mut codes: Vec<i8> = Vec::with_capacity((group_outputs + 1) * taps.len());
            for output in channels.clone() {
                for &tap in &order {
                    codes.extend((0..group_inputs).map(|input| weight(output, input, tap)));
                }
            }
            let mut starts: Vec<i32> = channels.clone().map(start).collect();
            let weights = if asymmetric {
                codes.resize(codes.len() + taps.len(), 1);
                starts.push(0);
                let zero_points = channels.clone().map(zero_point).collect();
                Weights::Asymmetric(PackedWeights::new(&starts, &taps, &codes, sign), zero_points)
            } else {
                Weights::Dense(PackedWeights::new(&starts, &taps, &codes, sign))
            };
            let requantizers = rescaling.channels(channels);
            Part { first, channels: group_outputs, weights, requantizers }
        })
        .collect()
}
