//! Convolutions of dequantized floats, as ONNX Runtime computes them where it does not fuse them.
//!
//! Its sums are those of a matrix product: filters times patches of the input, in the order of input channels and window
//! positions. Every sum is a chain of fused multiply-adds that begins anew after as many products as a block has; the sums of
//! the blocks are then added. Products with one filter, or with one position, have kernels of their own without fused
//! multiply-adds. The orders are read from the engine's source (MLAS) and confirmed on ONNX Runtime 1.32's own codes.

use super::context::{Context, OpError};
use super::layer::{Geometry, Layer, PaddingMode};
use crate::contract::Contract;
use crate::ops::Bias;
use crate::parameters::{Activation, LayerKind};
use crate::quantize::{dequantize, quantize_as};
use crate::tensor::{Codes, Layout, Tensor, coordinates, strides};

/// Products in a block, for matrices that are wide enough.
pub(super) const BLOCK: usize = 128;

/// Columns that a matrix at most has when the engine trades them for longer blocks.
const WIDEST: usize = 128;

/// Columns that it keeps at least.
const NARROWEST: usize = 16;

/// Lanes of the kernel for matrices with one column.
const LANES: usize = 8;

/// How a sum of products is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// A chain of fused multiply-adds in each block.
    Chain {
        /// Products in a block.
        block: usize,
    },
    /// One filter: products by fours, then two, then one, each group added up before it is added to the sum.
    Fours,
    /// One column: eight lanes, each a sum of its own. The number of rows in the engine's step says how lanes are added.
    Lanes {
        /// 4, 2 or 1.
        rows: usize,
    },
}

impl Order {
    /// The order of the sums of `filters` rows and `columns` columns of `products` each, at a row.
    fn new(filters: usize, columns: usize, row: usize) -> Self {
        if filters == 1 {
            return Self::Fours;
        }
        if columns == 1 {
            return Self::lanes(filters, row);
        }
        Self::chain(columns)
    }

    /// The order at a row of the kernel for one column, which takes four rows at a time, then two, then one.
    fn lanes(count: usize, row: usize) -> Self {
        let whole = count / 4 * 4;
        let rows = match count - whole {
            _ if row < whole => 4,
            2 | 3 if row < whole + 2 => 2,
            _ => 1,
        };
        Self::Lanes { rows }
    }

    /// The order of the kernel for all other matrices.
    fn chain(columns: usize) -> Self {
        let (mut width, mut block) = (WIDEST, BLOCK);
        while width > NARROWEST && width / 2 >= columns {
            width /= 2;
            block *= 2;
        }
        Self::Chain { block }
    }

    fn sum(self, patch: &[f32], filter: &[f32]) -> f32 {
        let multiply = |(x, w): (&f32, &f32)| x * w;
        match self {
            Self::Chain { block } => patch
                .chunks(block)
                .zip(filter.chunks(block))
                .map(|(patch, filter)| patch.iter().zip(filter).fold(0.0, |sum, (&x, &w)| fused(x, w, sum)))
                .reduce(|total, sum| sum + total)
                .unwrap_or(0.0),
            Self::Fours => {
                let mut total = 0.0;
                let mut rest = (patch, filter);
                for size in [4, 2, 1] {
                    while rest.0.len() >= size {
                        let (patch, others) = rest.0.split_at(size);
                        let (filter, weights) = rest.1.split_at(size);
                        let group = patch.iter().zip(filter).map(multiply).reduce(|sum, x| sum + x);
                        total += group.unwrap_or(0.0);
                        rest = (others, weights);
                    }
                }
                total
            }
            Self::Lanes { rows } => {
                let mut lanes = [0.0f32; LANES];
                for (patch, filter) in patch.chunks(LANES).zip(filter.chunks(LANES)) {
                    for (lane, product) in lanes.iter_mut().zip(patch.iter().zip(filter).map(multiply)) {
                        *lane += product;
                    }
                }
                let [a, b, c, d, e, f, g, h] = lanes;
                match rows {
                    4 => (((a + b) + c) + d) + (((e + f) + g) + h),
                    2 => ((c + a) + (g + e)) + ((d + b) + (h + f)),
                    _ => ((a + b) + (c + d)) + ((e + f) + (g + h)),
                }
            }
        }
    }
}

/// `x * w + sum`, rounded once.
#[allow(clippy::cast_possible_truncation, reason = "the one rounding")]
fn fused(x: f32, w: f32, sum: f32) -> f32 {
    // The product is exact in float64; the sum may be rounded there, which matters only where float32 has a tie.
    let wide = f64::from(x) * f64::from(w) + f64::from(sum);
    const TIE: u64 = 1 << 28;
    if wide.to_bits() & (2 * TIE - 1) == TIE || wide.abs() < f64::from(f32::MIN_POSITIVE) {
        return x.mul_add(w, sum);
    }
    wide as f32
}

/// Whether the engine's sums are known to the last bit: of convolutions they are.
pub(super) fn is_known(layer: &Layer) -> bool {
    layer.padding_mode == PaddingMode::Zeros
        && match layer.kind {
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => true,
            LayerKind::Linear => false,
        }
}

/// Whether the engine's sums depend on how many threads share a batch of one image.
pub(super) fn depends_on_threads(layer: &Layer) -> bool {
    let taps = match layer.kind {
        LayerKind::Conv(_) => layer.weight.shape.iter().skip(1).product(),
        LayerKind::ConvTranspose(_) => layer.weight.shape.first().copied().unwrap_or(0),
        LayerKind::Linear => 0,
    };
    let groups = layer.window.as_ref().and_then(|window| window.groups).unwrap_or(1);
    taps > BLOCK && (groups == 1 || matches!(layer.kind, LayerKind::ConvTranspose(_)))
}

/// The numbers that the engine has of a layer.
struct Floats {
    geometry: Geometry,
    weights: Vec<f32>,
    bias: Option<Vec<f32>>,
    input: Vec<f32>,
}

impl Floats {
    fn new(layer: &Layer, input: &Codes, from: Activation) -> Result<Self, OpError> {
        let geometry = match layer.kind {
            LayerKind::Linear => Geometry {
                kernel: Vec::new(),
                stride: Vec::new(),
                padding: Vec::new(),
                padding_end: Vec::new(),
                dilation: Vec::new(),
                output_padding: Vec::new(),
                groups: 1,
            },
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => {
                layer.geometry().map_err(|e| OpError::new(e.to_string(), "all of it"))?
            }
        };
        let channels = layer.output_channels();
        let each = layer.weight.codes.len() / layer.weight.shape.first().copied().unwrap_or(1).max(1);
        let window: usize = geometry.kernel.iter().product();
        let scale = |channel: usize| {
            let scales = &layer.weight.scale;
            scales.get(if scales.len() > 1 { channel } else { 0 }).copied().unwrap_or(f64::NAN)
        };
        let group_outputs = (channels / geometry.groups.max(1)).max(1);
        let group_inputs = layer.weight.shape.first().copied().unwrap_or(0) / geometry.groups.max(1);
        let channel_of = |index: usize| match layer.kind {
            LayerKind::Conv(_) | LayerKind::Linear => index / each.max(1),
            LayerKind::ConvTranspose(_) => {
                let group = index / each.max(1) / group_inputs.max(1);
                group * group_outputs + index / window.max(1) % group_outputs
            }
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "the engine dequantizes in float32, in this order"
        )]
        let weights = layer.weight.codes.iter().enumerate().map(|(index, &code)| {
            let channel = channel_of(index);
            (i32::from(code) - layer.weight_zero_point(channel)) as f32 * scale(channel) as f32
        });
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "the engine dequantizes in float32, in this order"
        )]
        let bias = layer.bias.as_ref().map(|bias| match bias {
            Bias::Real(reals) => reals.clone(),
            Bias::Codes(codes) | Bias::WideCodes(codes) => codes
                .iter()
                .enumerate()
                .map(|(channel, &code)| code as f32 * (from.scale as f32 * scale(channel) as f32))
                .collect(),
        });
        Ok(Self {
            weights: weights.collect(),
            bias,
            input: input.elements().iter().map(|&code| dequantize(code, from)).collect(),
            geometry,
        })
    }

    /// The sums of a convolution, without bias.
    fn direct(&self, input: &[usize], shape: &[usize]) -> Vec<f32> {
        let Geometry { kernel, stride, padding, padding_end, dilation, groups, .. } = &self.geometry;
        let (window_shape, result, sizes) = (kernel.as_slice(), &shape[2..], &input[2..]);
        let group_inputs = input[1] / (*groups).max(1);
        let filters = shape[1] / (*groups).max(1);
        let columns: usize = result.iter().product();
        let area: usize = sizes.iter().product();
        let taps: usize = window_shape.iter().product();
        let products = group_inputs * taps;
        let steps = strides(sizes);
        // A window as wide as its input, of one channel, is a product with a transposed matrix, of which one filter is the row.
        let alone = group_inputs == 1
            && taps > 1
            && sizes.len() <= 2
            && stride.iter().chain(dilation).all(|&step| step == 1)
            && padding.iter().chain(padding_end).all(|&side| side == 0)
            && window_shape.last() == sizes.last();
        let order = |filter: usize, column: usize| match (alone, filters) {
            (true, 1) => Order::lanes(columns, column),
            (true, _) => Order::chain(columns),
            (false, _) => Order::new(filters, columns, filter),
        };
        let positions: Vec<Vec<usize>> = (0..columns).map(|column| coordinates(column, result)).collect();
        let offsets: Vec<Vec<usize>> = (0..taps).map(|tap| coordinates(tap, window_shape)).collect();
        let mut sums = vec![0.0; shape.iter().product()];
        let mut patch = vec![0.0; products];
        for image in 0..input[0] {
            for group in 0..*groups {
                for (column, position) in positions.iter().enumerate() {
                    for (tap, offset) in offsets.iter().enumerate() {
                        let place = (0..sizes.len())
                            .map(|axis| {
                                let padded = position[axis] * stride[axis] + offset[axis] * dilation[axis];
                                let inside = padded.checked_sub(padding[axis]).filter(|&p| p < sizes[axis]);
                                inside.map(|inside| inside * steps[axis])
                            })
                            .sum::<Option<usize>>();
                        for channel in 0..group_inputs {
                            let start = (image * input[1] + group * group_inputs + channel) * area;
                            patch[channel * taps + tap] =
                                place.map_or(0.0, |place| self.input[start + place]);
                        }
                    }
                    for filter in 0..filters {
                        let channel = group * filters + filter;
                        let weights = &self.weights[channel * products..][..products];
                        sums[(image * shape[1] + channel) * columns + column] =
                            order(filter, column).sum(&patch, weights);
                    }
                }
            }
        }
        sums
    }

    /// The sums of a linear layer, without bias. The engine adds the bias before them, and a single row in another order,
    /// which the network does not know: codes beside a tie may differ.
    fn dense(&self, outputs: usize) -> Vec<f32> {
        let inputs = self.weights.len() / outputs.max(1);
        let order = Order::chain(outputs);
        let row = |patch: &[f32]| -> Vec<f32> {
            self.weights.chunks(inputs.max(1)).map(|filter| order.sum(patch, filter)).collect()
        };
        self.input.chunks(inputs.max(1)).flat_map(row).collect()
    }

    /// The sums of a transposed convolution, without bias: each tap is a matrix product over the input channels, and the
    /// taps are added in the order of the window.
    fn transposed(&self, input: &[usize], shape: &[usize]) -> Vec<f32> {
        let Geometry { kernel, stride, padding, dilation, groups, .. } = &self.geometry;
        let (result, sizes) = (&shape[2..], &input[2..]);
        let group_inputs = input[1] / (*groups).max(1);
        let filters = shape[1] / (*groups).max(1);
        let taps: usize = kernel.iter().product();
        let (area, columns): (usize, usize) = (sizes.iter().product(), result.iter().product());
        let steps = strides(result);
        let offsets: Vec<Vec<usize>> = (0..taps).map(|tap| coordinates(tap, kernel)).collect();
        let places: Vec<Vec<usize>> = (0..area).map(|place| coordinates(place, sizes)).collect();
        let mut sums = vec![0.0; shape.iter().product()];
        for image in 0..input[0] {
            for group in 0..*groups {
                let first = image * input[1] + group * group_inputs;
                let patches: Vec<Vec<f32>> = (0..area)
                    .map(|place| (0..group_inputs).map(|i| self.input[(first + i) * area + place]).collect())
                    .collect();
                for filter in 0..filters {
                    let channel = group * filters + filter;
                    for (tap, offset) in offsets.iter().enumerate() {
                        let row = filter * taps + tap;
                        let order = Order::new(filters * taps, area, row);
                        let weight =
                            |i: usize| self.weights[(group * group_inputs + i) * filters * taps + row];
                        let weights: Vec<f32> = (0..group_inputs).map(weight).collect();
                        for (place, patch) in places.iter().zip(&patches) {
                            let target = (0..result.len())
                                .map(|axis| {
                                    let padded = place[axis] * stride[axis] + offset[axis] * dilation[axis];
                                    let inside = padded.checked_sub(padding[axis]);
                                    inside.filter(|&p| p < result[axis]).map(|p| p * steps[axis])
                                })
                                .sum::<Option<usize>>();
                            if let Some(target) = target {
                                sums[(image * shape[1] + channel) * columns + target] +=
                                    order.sum(patch, &weights);
                            }
                        }
                    }
                }
            }
        }
        sums
    }
}

/// The codes of a layer of floats.
///
/// # Errors
/// The input does not fit, or the network does not say what the codes depend on.
pub(super) fn apply(layer: &Layer, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let (from, to) = (context.input(0)?, context.output()?);
    let shape = layer.shape(input.shape())?;
    let clamp = layer
        .clamp_of(to)
        .ok_or_else(|| OpError::new("a layer of which it is not known whether it clamps", "a known one"))?;
    let floats = Floats::new(layer, input, from)?;
    let sums = match layer.kind {
        LayerKind::Conv(_) => floats.direct(input.shape(), &shape),
        LayerKind::ConvTranspose(_) => floats.transposed(input.shape(), &shape),
        LayerKind::Linear => floats.dense(layer.output_channels()),
    };
    let (columns, layout) = match layer.kind {
        LayerKind::Linear => (1, Layout::Contiguous),
        LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => {
            (shape[2..].iter().product(), Layout::ChannelsLast)
        }
    };
    let channels = layer.output_channels().max(1);
    let code = |(index, sum): (usize, f32)| {
        let bias = floats.bias.as_ref().map(|bias| bias[index / columns.max(1) % channels]);
        let real = bias.map_or(sum, |bias| sum + bias);
        quantize_as(Contract::Onnxruntime, real, to).clamp(clamp.min, clamp.max)
    };
    let codes = sums.into_iter().enumerate().map(code).collect();
    let tensor = Tensor::new(shape, codes).map_err(|e| OpError::new(e.to_string(), "a sound layer"))?;
    Ok(tensor.with_layout(layout))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard library's is the processor's, or libm's.
    #[test]
    fn products_are_added_with_one_rounding() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Few bits, so that sums often lie between two float32.
            f32::from_bits((state & 0x8fff_0000) | 0x3f00_0000)
        };
        let mut failures = Vec::new();
        for _ in 0..100_000 {
            let (x, w, sum) = (next(), next() * 1.000_000_1, next() * 4096.0);
            if fused(x, w, sum).to_bits() != x.mul_add(w, sum).to_bits() {
                failures.push((x, w, sum));
            }
        }
        let ties =
            [(1.0 + f32::EPSILON, 1.0 - f32::EPSILON, 1.0), (1.0, 0.5, 16_777_217.0), (1e-30, 1e-9, 0.0)];
        failures.extend(ties.into_iter().filter(|&(x, w, sum)| fused(x, w, sum) != x.mul_add(w, sum)));
        assert!(failures.is_empty(), "{} differ: {:?}", failures.len(), failures.first());
    }

    /// Read from the engine's kernels: which columns and filters make it change how it adds.
    #[test]
    fn orders_follow_the_shape_of_the_matrix() {
        let rows = [
            ((1, 1, 0), Order::Fours),
            ((1, 50, 0), Order::Fours),
            ((7, 1, 3), Order::Lanes { rows: 4 }),
            ((7, 1, 4), Order::Lanes { rows: 2 }),
            ((7, 1, 6), Order::Lanes { rows: 1 }),
            ((8, 65, 0), Order::Chain { block: 128 }),
            ((8, 64, 0), Order::Chain { block: 256 }),
            ((8, 16, 0), Order::Chain { block: 1024 }),
            ((8, 2, 0), Order::Chain { block: 1024 }),
        ];
        for ((filters, columns, row), expected) in rows {
            assert_eq!(Order::new(filters, columns, row), expected, "{filters} x {columns}, row {row}");
        }
    }
}
