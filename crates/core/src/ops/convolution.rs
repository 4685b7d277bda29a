//! The sums of convolutions and transposed convolutions with one to three spatial axes.

use super::context::{MAX_AXIS, OpError};
use super::layer::{Geometry, Layer, PaddingMode};
use crate::parameters::LayerKind;
use crate::tensor::Codes;

/// Shape of the result: (N, O, spatial...) for (N, I, spatial...).
pub(super) fn shape(layer: &Layer, input: &[usize]) -> Result<Vec<usize>, OpError> {
    let geometry = layer.geometry().map_err(|e| OpError::new(e.to_string(), "all of it"))?;
    let axes = geometry.kernel.len();
    let [batch, channels, spatial @ ..] = input else {
        return Err(OpError::new(format!("an input {input:?}"), format!("{} axes", axes + 2)));
    };
    let groups = geometry.groups;
    let (inputs, outputs) = match layer.kind {
        LayerKind::ConvTranspose(_) => (layer.weight.shape[0], layer.output_channels()),
        LayerKind::Conv(_) | LayerKind::Linear => (layer.weight.shape[1] * groups, layer.weight.shape[0]),
    };
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        return Err(OpError::new(format!("{groups} groups"), format!("a divisor of {inputs} and {outputs}")));
    }
    if *channels != inputs || spatial.len() != axes {
        let names = ["(N, C, W)", "(N, C, H, W)", "(N, C, D, H, W)"].get(axes - 1).unwrap_or(&"");
        return Err(OpError::new(format!("an input {input:?}"), format!("{names} with {inputs} channels")));
    }
    let mut result = vec![*batch, outputs];
    for (axis, &size) in spatial.iter().enumerate() {
        let stride = geometry.stride[axis];
        let sides = [geometry.padding[axis], geometry.padding_end[axis]];
        let padding = sides[0].saturating_add(sides[1]);
        let reach =
            geometry.dilation[axis].saturating_mul(geometry.kernel[axis].saturating_sub(1)).saturating_add(1);
        let extended = match layer.kind {
            LayerKind::ConvTranspose(_) => {
                let first = size.saturating_sub(1).saturating_mul(stride);
                let last = first.saturating_add(reach).saturating_add(geometry.output_padding[axis]);
                last.checked_sub(padding).filter(|_| size > 0)
            }
            LayerKind::Conv(_) | LayerKind::Linear => size
                .saturating_add(padding)
                .checked_sub(reach)
                .and_then(|steps| steps.checked_div(stride))
                .map(|steps| steps + 1),
        };
        let too_far = match layer.padding_mode {
            PaddingMode::Zeros | PaddingMode::Replicate => false,
            PaddingMode::Reflect => sides.iter().any(|&side| side >= size),
            PaddingMode::Circular => sides.iter().any(|&side| side > size),
        };
        match extended {
            Some(size) if (1..=MAX_AXIS).contains(&size) && !too_far => result.push(size),
            _ => {
                return Err(OpError::new(
                    format!("an input of {size} along spatial axis {axis}"),
                    format!("one that holds a window of {reach} with padding {} and {}", sides[0], sides[1]),
                ));
            }
        }
    }
    Ok(result)
}

/// Three spatial axes: one that is absent has size 1.
fn three(sizes: &[usize], absent: usize) -> [usize; 3] {
    let mut result = [absent; 3];
    let first = 3usize.saturating_sub(sizes.len());
    for (slot, &size) in result.iter_mut().skip(first).zip(sizes) {
        *slot = size;
    }
    result
}

/// For each output position and tap of one axis, the input position that it reads; `None` where padding is zero.
fn taps(
    geometry: &Geometry,
    mode: PaddingMode,
    axis: usize,
    input: usize,
    output: usize,
) -> Vec<Vec<Option<usize>>> {
    let kernel = three(&geometry.kernel, 1)[axis];
    let stride = three(&geometry.stride, 1)[axis];
    let padding = three(&geometry.padding, 0)[axis];
    let dilation = three(&geometry.dilation, 1)[axis];
    let source = |padded: usize| {
        let position = i64::try_from(padded).ok()?.checked_sub(i64::try_from(padding).ok()?)?;
        mode.source(position, input)
    };
    (0..output).map(|o| (0..kernel).map(|k| source(o * stride + k * dilation)).collect()).collect()
}

/// y[n, o, p] = sum over i, k of (x[n, i, p*stride + k*dilation - padding] - Z1) * (w[o, i, k] - Z2), i over the channels
/// of o's group. With `pairs`, products are taken in raster order two by two and each such sum of codes times weights
/// saturates at 16 bits, the last alone.
pub(super) fn direct(
    layer: &Layer,
    input: &Codes,
    zero_point: i32,
    shape: &[usize],
    pairs: bool,
) -> Result<Vec<i64>, OpError> {
    let geometry = layer.geometry().map_err(|e| OpError::new(e.to_string(), "all of it"))?;
    let [batch, inputs] = [input.shape()[0], input.shape()[1]];
    let outputs = shape[1];
    let size = three(&input.shape()[2..], 1);
    let result = three(&shape[2..], 1);
    let kernel = three(&geometry.kernel, 1);
    let taps: Vec<_> = (0..3).map(|a| taps(&geometry, layer.padding_mode, a, size[a], result[a])).collect();
    let group_inputs = inputs / geometry.groups;
    let group_outputs = outputs / geometry.groups;
    let window = kernel[0] * kernel[1] * kernel[2];
    let area = size[0] * size[1] * size[2];
    let mut sums = Vec::with_capacity(batch * outputs * result[0] * result[1] * result[2]);
    for n in 0..batch {
        for o in 0..outputs {
            let first_input = o / group_outputs * group_inputs;
            let weights = &layer.weight.codes[o * group_inputs * window..][..group_inputs * window];
            let weight_zero_point = layer.weight_zero_point(o);
            for d in 0..result[0] {
                for h in 0..result[1] {
                    for w in 0..result[2] {
                        let mut sum = 0i64;
                        let mut pair = Pair::default();
                        let mut weight = weights.iter();
                        for i in 0..group_inputs {
                            let channel = &input.elements()[(n * inputs + first_input + i) * area..][..area];
                            for kd in &taps[0][d] {
                                for kh in &taps[1][h] {
                                    for kw in &taps[2][w] {
                                        let code = match (kd, kh, kw) {
                                            (Some(d), Some(h), Some(w)) => {
                                                channel[(d * size[1] + h) * size[2] + w]
                                            }
                                            _ => zero_point,
                                        };
                                        let tap = weight.next().map_or(0, |&w| i32::from(w));
                                        sum +=
                                            i64::from(code - zero_point) * i64::from(tap - weight_zero_point);
                                        if pairs {
                                            pair.add(code * tap);
                                        }
                                    }
                                }
                            }
                        }
                        sums.push(sum - pair.lost);
                    }
                }
            }
        }
    }
    Ok(sums)
}

/// Products added two by two with saturation at 16 bits.
#[derive(Default)]
struct Pair {
    first: Option<i32>,
    /// What saturation has cut off so far.
    lost: i64,
}

impl Pair {
    fn add(&mut self, product: i32) {
        match self.first.take() {
            None => self.first = Some(product),
            Some(first) => {
                let sum = first + product;
                self.lost += i64::from(sum - sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)));
            }
        }
    }
}

/// y[n, o, i*stride + k*dilation - padding] += (x[n, c, i] - Z1) * (w[c, o, k] - Z2), c over the channels of o's group.
pub(super) fn transposed(
    layer: &Layer,
    input: &Codes,
    zero_point: i32,
    shape: &[usize],
) -> Result<Vec<i64>, OpError> {
    let geometry = layer.geometry().map_err(|e| OpError::new(e.to_string(), "all of it"))?;
    let [batch, inputs] = [input.shape()[0], input.shape()[1]];
    let outputs = shape[1];
    let size = three(&input.shape()[2..], 1);
    let result = three(&shape[2..], 1);
    let kernel = three(&geometry.kernel, 1);
    let stride = three(&geometry.stride, 1);
    let padding = three(&geometry.padding, 0);
    let dilation = three(&geometry.dilation, 1);
    let place = |axis: usize, i: usize, k: usize| {
        (i * stride[axis] + k * dilation[axis]).checked_sub(padding[axis]).filter(|&p| p < result[axis])
    };
    let group_inputs = inputs / geometry.groups;
    let group_outputs = outputs / geometry.groups;
    let window = kernel[0] * kernel[1] * kernel[2];
    let area = size[0] * size[1] * size[2];
    let result_area = result[0] * result[1] * result[2];
    let mut sums = vec![0i64; batch * outputs * result_area];
    for n in 0..batch {
        for c in 0..inputs {
            let channel = &input.elements()[(n * inputs + c) * area..][..area];
            for within in 0..group_outputs {
                let o = c / group_inputs * group_outputs + within;
                let weights = &layer.weight.codes[(c * group_outputs + within) * window..][..window];
                let weight_zero_point = layer.weight_zero_point(o);
                for (position, &code) in channel.iter().enumerate() {
                    let [d, h, w] = spatial(position, size);
                    for (tap, &weight) in weights.iter().enumerate() {
                        let [kd, kh, kw] = spatial(tap, kernel);
                        if let (Some(d), Some(h), Some(w)) =
                            (place(0, d, kd), place(1, h, kh), place(2, w, kw))
                        {
                            let index = (n * outputs + o) * result_area + (d * result[1] + h) * result[2] + w;
                            sums[index] += i64::from(code - zero_point)
                                * i64::from(i32::from(weight) - weight_zero_point);
                        }
                    }
                }
            }
        }
    }
    Ok(sums)
}

/// Row-major index to coordinates.
fn spatial(index: usize, size: [usize; 3]) -> [usize; 3] {
    [index / size[2] / size[1], index / size[2] % size[1], index % size[2]]
}
