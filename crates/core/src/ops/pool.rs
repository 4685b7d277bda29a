//! Pooling: the largest code or the mean of a window.

use super::axes::axis_of;
use super::context::{Context, MAX_AXIS, OpError};
use super::float_mean;
use super::iteration::sum_floats;
use crate::contract::Contract;
use crate::exact::Ratio;
use crate::fixed_point::FixedPoint;
use crate::parameters::{Activation, CodeType};
use crate::quantize::{dequantize, quantize, quantize_as};
use crate::tensor::{Codes, Layout, Tensor, coordinates, strides};

/// A pooling window, one entry per spatial axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Size.
    pub kernel: Vec<i64>,
    /// Step.
    pub stride: Vec<i64>,
    /// Padding before each axis, and after it unless `padding_end` says otherwise.
    pub padding: Vec<i64>,
    /// Padding after each axis, where it differs from `padding`.
    pub padding_end: Option<Vec<i64>>,
    /// Distance between taps.
    pub dilation: Vec<i64>,
    /// Round the output size up.
    pub ceil_mode: bool,
    /// Averages divide by the whole window, padding included.
    pub count_include_pad: bool,
    /// Averages divide by this instead.
    pub divisor: Option<i64>,
}

impl Pool {
    /// Shape (N, C, spatial...) of the result.
    ///
    /// # Errors
    /// The input has other axes, or is smaller than the window.
    pub fn shape(&self, input: &[usize]) -> Result<Vec<usize>, OpError> {
        let axes = self.kernel.len();
        let ends = self.padding_end();
        let sound = [&self.stride, &self.padding, ends, &self.dilation].iter().all(|v| v.len() == axes)
            && self.kernel.iter().chain(&self.stride).chain(&self.dilation).all(|&v| v > 0)
            && self.padding.iter().chain(ends).all(|&p| p >= 0);
        let mut all = [&self.kernel, &self.stride, &self.padding, ends, &self.dilation].into_iter().flatten();
        let sound = sound && all.all(|&v| usize::try_from(v).is_ok_and(|v| v <= MAX_AXIS));
        if !sound {
            return Err(OpError::new("a window that is no window", "positive sizes for every axis"));
        }
        if input.len() != axes + 2 {
            return Err(OpError::new(format!("an input {input:?}"), format!("{} axes", axes + 2)));
        }
        let mut shape = input[..2].to_vec();
        for (axis, &size) in input[2..].iter().enumerate() {
            let refuse =
                || OpError::new(format!("an input {input:?}"), format!("one that holds {:?}", self.kernel));
            let size = i64::try_from(size).map_err(|_| refuse())?;
            let (padding, stride) = (self.padding[axis], self.stride[axis]);
            let room = size + padding + ends[axis] - self.dilation[axis] * (self.kernel[axis] - 1) - 1;
            if room < 0 {
                return Err(refuse());
            }
            let mut windows = room / stride + 1;
            if self.ceil_mode && room % stride > 0 {
                // A window that would start in the far padding is left out.
                windows += i64::from(windows * stride < size + padding);
            }
            shape.push(usize::try_from(windows).map_err(|_| refuse())?);
        }
        Ok(shape)
    }

    /// Whether the window is as large as an input (N, C, spatial...), without padding.
    fn is_whole(&self, input: &[usize]) -> bool {
        let sizes = input.iter().skip(2);
        self.kernel.iter().zip(sizes).all(|(&kernel, &size)| usize::try_from(kernel) == Ok(size))
            && self.padding.iter().chain(self.padding_end()).all(|&side| side == 0)
    }

    /// Padding after each axis.
    pub fn padding_end(&self) -> &Vec<i64> {
        self.padding_end.as_ref().unwrap_or(&self.padding)
    }

    /// First and last-but-one position of a window along an axis, padding included.
    pub(super) fn span(&self, axis: usize, window: usize) -> (i64, i64) {
        let start = i64::try_from(window).unwrap_or(i64::MAX) * self.stride[axis] - self.padding[axis];
        (start, start + self.dilation[axis] * (self.kernel[axis] - 1) + 1)
    }
}

/// The result of a pooling kernel: channels last for a channels-last input, and always where QNNPACK does it.
fn layout(input: &Codes, qnnpack: bool) -> Layout {
    match input.layout() {
        _ if qnnpack && input.shape().len() <= 4 => Layout::ChannelsLast,
        Layout::Strided(_) => Layout::Contiguous,
        dense => dense,
    }
}

/// True where PyTorch calls QNNPACK's own kernel.
pub(super) fn by_qnnpack(context: &Context<'_>, activation: Activation) -> bool {
    context.contract == Contract::Qnnpack && activation.code_type == CodeType::U8
}

/// Largest code of each window; padding never wins.
pub(super) fn max(pool: &Pool, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let shape = pool.shape(input.shape())?;
    let qnnpack = by_qnnpack(context, context.input(0)?) && !pool.ceil_mode;
    let strides = strides(input.shape());
    Ok(Tensor::build(shape.clone(), layout(input, qnnpack), |index| {
        let place = coordinates(index, &shape);
        let mut base = vec![place[0] * strides[0] + place[1] * strides[1]];
        for axis in 0..pool.kernel.len() {
            let (start, _) = pool.span(axis, place[axis + 2]);
            let taps = (0..pool.kernel[axis]).filter_map(|k| {
                usize::try_from(start + k * pool.dilation[axis]).ok().filter(|&p| p < input.shape()[axis + 2])
            });
            let taps: Vec<usize> = taps.map(|p| p * strides[axis + 2]).collect();
            base = base.iter().flat_map(|b| taps.iter().map(move |t| b + t)).collect();
        }
        base.iter().map(|&i| input.elements()[i]).max().unwrap_or(i32::MIN)
    }))
}

/// How an engine rounds a mean of codes.
#[derive(Clone, Copy)]
enum Rounding {
    /// rint(S * (1/n)) + Z, S = sum(x - Z).
    ZeroPointAfter,
    /// rint(S * (1/n) + Z).
    ZeroPointBefore,
    /// rint(sum(x) / n): the zero point takes part in the rounding.
    Raw,
    /// rint(sum(x) * (1 / depth / height / width)), each quotient in float32.
    RawByAxes,
    /// sum(x) / n in integers, ties away from zero.
    HalfAway,
    /// rint(sum(S1*(x - Z1)) / n / S3 + Z3), the sum in float32 in the order of the window.
    Floats,
    /// rint(sum(S1*(x - Z1)) / n / S3) + Z3: as `Floats`, of a mean that is quantized by itself.
    Quantized,
    /// rint(S * (S1 / (S3*n))) + Z3, also where S1 is S3: in float32 that is not always 1/n.
    Rescaled,
    /// rint(sum(x) * m + (Z3 - n*Z1*m)), m = (S1/S3) * (1/n): XNNPACK's mean.
    ///
    /// Source: XNNPACK `operators/reduce-nd.c`, `reference/unary-elementwise.cc`.
    RawRescaled,
    /// S times TFLite's factor of S1/S3, divided by n before it multiplies; rounded twice.
    Fixed(FixedPoint),
    /// The exact quotient, ties to even.
    Exact,
}

/// The codes of a window.
struct Window {
    /// sum(x - Z1).
    sum: i64,
    /// sum(S1*(x - Z1)) in float32.
    real: f32,
    /// Number of codes.
    count: i64,
    /// 1 divided in float32 by the number of positions along each axis in turn.
    reciprocal: f32,
    /// What the sum is divided by.
    divisor: i64,
}

impl Rounding {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the engines compute in float32; the cast saturates"
    )]
    fn mean(self, window: &Window, input: Activation, output: Activation) -> i32 {
        let &Window { sum, real, count, reciprocal, divisor } = window;
        let zero_point = input.zero_point;
        let (min, max) = output.code_type.range();
        let rounded = match self {
            Self::ZeroPointAfter => {
                (sum as f32 * (1.0 / divisor as f32)).round_ties_even() as i64 + i64::from(zero_point)
            }
            Self::ZeroPointBefore => {
                (sum as f32 * (1.0 / divisor as f32) + zero_point as f32).round_ties_even() as i64
            }
            Self::Raw => {
                let raw = sum + i64::from(zero_point) * count;
                (raw as f32 / divisor as f32).round_ties_even() as i64
            }
            Self::RawByAxes => {
                let raw = sum + i64::from(zero_point) * count;
                (raw as f32 * reciprocal).round_ties_even() as i64
            }
            Self::HalfAway => {
                let raw = sum + i64::from(zero_point) * divisor;
                (raw + raw.signum() * (divisor / 2)) / divisor
            }
            Self::Floats => {
                let mean = real / divisor as f32;
                (mean / output.scale as f32 + output.zero_point as f32).round_ties_even() as i64
            }
            Self::Quantized => {
                return quantize_as(Contract::Onnxruntime, real / divisor as f32, output);
            }
            Self::Rescaled => {
                let factor = input.scale as f32 / (output.scale as f32 * divisor as f32);
                let rounded = (sum as f32 * factor).round_ties_even() as i64;
                rounded.saturating_add(i64::from(output.zero_point))
            }
            Self::RawRescaled => {
                let factor = input.scale as f32 / output.scale as f32 * (1.0 / count as f32);
                let raw = sum + i64::from(zero_point) * count;
                let offset = output.zero_point as f32 - (count * i64::from(zero_point)) as f32 * factor;
                (raw as f32 * factor + offset).round_ties_even() as i64
            }
            Self::Fixed(factor) => {
                // The sum has 32 bits, whatever the codes have.
                i64::from(factor.double(sum as i32)).saturating_add(i64::from(output.zero_point))
            }
            Self::Exact => {
                let mean =
                    Ratio::from_f64(input.scale).zip(Ratio::from_f64(output.scale)).and_then(|(s1, s3)| {
                        s1.times(&Ratio::from_i64(sum)).over(&s3.times(&Ratio::from_i64(divisor)))
                    });
                let rounded = mean.and_then(|m| m.round_scaled(0)).and_then(|m| i64::try_from(m).ok());
                rounded.unwrap_or(0).saturating_add(i64::from(output.zero_point))
            }
        };
        i32::try_from(rounded.clamp(i64::from(min), i64::from(max))).unwrap_or(min)
    }
}

/// The codes of the box of positions `spans` of the spatial axes, at batch and channel of `place`, row-major; without a
/// divisor.
fn box_sum(
    input: &Codes,
    strides: &[usize],
    place: &[usize],
    spans: &[(usize, usize)],
    activation: Activation,
) -> Window {
    let mut offsets = vec![place[0] * strides[0] + place[1] * strides[1]];
    for (axis, &(start, end)) in spans.iter().enumerate() {
        offsets = offsets.iter().flat_map(|o| (start..end).map(move |p| o + p * strides[axis + 2])).collect();
    }
    let codes = || offsets.iter().map(|&i| input.elements()[i]);
    let count = i64::try_from(offsets.len()).unwrap_or(i64::MAX);
    Window {
        sum: codes().map(|code| i64::from(code - activation.zero_point)).sum(),
        real: codes().map(|code| dequantize(code, activation)).fold(0.0, |sum, real| sum + real),
        count,
        #[allow(clippy::cast_precision_loss, reason = "PyTorch divides in float32")]
        reciprocal: spans.iter().fold(1.0, |r, &(start, end)| r / (end - start) as f32),
        divisor: count,
    }
}

/// Refuses a result whose S and Z are not the input's, for engines that only pass them on.
fn same_scale(contract: Contract, input: Activation, output: Activation) -> Result<(), OpError> {
    match contract {
        Contract::Litert | Contract::LitertXnnpack | Contract::LitertBuiltin if input != output => {
            Err(OpError::new(
                "a result with a scale and zero point of its own",
                "those of its input, as TFLite averages codes",
            ))
        }
        _ => Ok(()),
    }
}

/// Mean of each window.
pub(super) fn average(pool: &Pool, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let shape = pool.shape(input.shape())?;
    let activation = context.input(0)?;
    let qnnpack = by_qnnpack(context, activation) && input.shape().len() <= 4 && !pool.ceil_mode;
    let output = context.output()?;
    same_scale(context.contract, activation, output)?;
    // PyTorch's kernel for three axes takes and gives channels last, whatever comes.
    let is_volume = context.contract.is_pytorch() && pool.kernel.len() == 3;
    let memory = if is_volume { Layout::ChannelsLast } else { layout(input, qnnpack) };
    let rounding = match context.contract {
        Contract::Exact => Rounding::Exact,
        Contract::Onnxruntime if context.is_float() => Rounding::Quantized,
        // A window that is the whole image has the kernel of the mean of all positions.
        Contract::Onnxruntime if pool.is_whole(input.shape()) => Rounding::Rescaled,
        Contract::Onnxruntime => Rounding::Floats,
        Contract::Litert | Contract::LitertXnnpack | Contract::LitertBuiltin => Rounding::HalfAway,
        Contract::Qnnpack if qnnpack => Rounding::Rescaled,
        Contract::Qnnpack | Contract::Fbgemm | Contract::X86 | Contract::Onednn
            if is_volume || input.is_channels_last() =>
        {
            Rounding::ZeroPointAfter
        }
        Contract::Qnnpack | Contract::Fbgemm | Contract::X86 | Contract::Onednn => Rounding::ZeroPointBefore,
    };
    let strides = strides(input.shape());
    let whole: i64 = pool.kernel.iter().product();
    let divisor = pool.divisor.filter(|&d| d != 0);
    let sizes = input.shape();
    Ok(Tensor::build(shape.clone(), memory, |index| {
        let place = coordinates(index, &shape);
        let mut spans = Vec::new();
        let mut padded = 1;
        for axis in 0..pool.kernel.len() {
            let size = i64::try_from(sizes[axis + 2]).unwrap_or(i64::MAX);
            let (start, end) = pool.span(axis, place[axis + 2]);
            padded *= end.min(size + pool.padding_end()[axis]) - start;
            let inside = |p: i64| usize::try_from(p.clamp(0, size)).unwrap_or(0);
            spans.push((inside(start), inside(end)));
        }
        let mut window = box_sum(input, &strides, &place, &spans, activation);
        window.divisor = match divisor {
            // QNNPACK's kernel knows neither `count_include_pad=False` nor a divisor.
            _ if qnnpack => whole,
            Some(divisor) => divisor,
            None if pool.count_include_pad => padded,
            None => window.count,
        };
        rounding.mean(&window, activation, output)
    }))
}

/// Shape of an adaptive pooling: `None` keeps the input's size.
pub(super) fn adaptive_shape(size: &[Option<i64>], input: &[usize]) -> Result<Vec<usize>, OpError> {
    if input.len() != size.len() + 2 {
        return Err(OpError::new(format!("an input {input:?}"), format!("{} axes", size.len() + 2)));
    }
    let mut shape = input[..2].to_vec();
    for (&wanted, &given) in size.iter().zip(&input[2..]) {
        match wanted.map_or(Some(given), |w| usize::try_from(w).ok()) {
            Some(wanted) if (1..=MAX_AXIS).contains(&wanted) && given > 0 => shape.push(wanted),
            _ => return Err(OpError::new(format!("{size:?} of an input {input:?}"), "positive sizes")),
        }
    }
    Ok(shape)
}

/// Mean over as many windows as the output has positions: window i of o covers floor(i*n/o) .. ceil((i+1)*n/o).
pub(super) fn adaptive(size: &[Option<i64>], input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let shape = adaptive_shape(size, input.shape())?;
    let activation = context.input(0)?;
    let sizes = &input.shape()[2..];
    let even = sizes.iter().zip(&shape[2..]).all(|(input, output)| input % output == 0);
    let qnnpack = by_qnnpack(context, activation) && even && sizes.len() <= 2;
    let output = context.output()?;
    let global = shape[2..].iter().all(|&size| size == 1);
    let rounding = match context.contract {
        Contract::Exact => Rounding::Exact,
        Contract::Onnxruntime if global && context.is_float() => Rounding::Quantized,
        Contract::Onnxruntime if global => Rounding::Rescaled,
        Contract::Litert | Contract::LitertXnnpack | Contract::LitertBuiltin if global => {
            same_scale(context.contract, activation, output)?;
            Rounding::HalfAway
        }
        contract @ (Contract::Onnxruntime
        | Contract::Litert
        | Contract::LitertXnnpack
        | Contract::LitertBuiltin) => {
            return Err(OpError::no_formula("adaptive_avg_pool to more than one position", contract));
        }
        Contract::Qnnpack if qnnpack => Rounding::Rescaled,
        Contract::Qnnpack | Contract::Fbgemm | Contract::X86 | Contract::Onednn
            if global && sizes.len() == 3 =>
        {
            return mean(&[2, 3, 4], true, input, context);
        }
        Contract::Qnnpack | Contract::Fbgemm | Contract::X86 | Contract::Onednn
            if input.is_channels_last() =>
        {
            Rounding::ZeroPointAfter
        }
        Contract::Qnnpack | Contract::Fbgemm | Contract::X86 | Contract::Onednn => Rounding::RawByAxes,
    };
    let strides = strides(input.shape());
    Ok(Tensor::build(shape.clone(), layout(input, qnnpack), |index| {
        let place = coordinates(index, &shape);
        let spans: Vec<(usize, usize)> = (0..sizes.len())
            .map(|axis| {
                let (i, n, o) = (place[axis + 2], sizes[axis], shape[axis + 2]);
                (i * n / o, ((i + 1) * n).div_ceil(o))
            })
            .collect();
        rounding.mean(&box_sum(input, &strides, &place, &spans, activation), activation, output)
    }))
}

/// Shape of a mean over whole axes.
pub(super) fn mean_shape(axes: &[i64], keep: bool, input: &[usize]) -> Result<Vec<usize>, OpError> {
    let axes = axes.iter().map(|&a| axis_of(a, input.len())).collect::<Result<Vec<usize>, _>>()?;
    Ok(input
        .iter()
        .enumerate()
        .filter_map(|(axis, &size)| match (axes.contains(&axis), keep) {
            (false, _) => Some(size),
            (true, true) => Some(1),
            (true, false) => None,
        })
        .collect())
}

/// TFLite's factor of S1/S3 over n: the multiplier of S1/S3, shifted left as far as 64 bits allow, divided by n in integers.
fn folded_factor(input: Activation, output: Activation, count: i64) -> Result<FixedPoint, OpError> {
    let factor = FixedPoint::of(input.scale / output.scale)
        .ok_or_else(|| OpError::new("scales too far apart", "a quotient below 2^31"))?;
    let bits = i32::try_from(count.max(1).ilog2()).unwrap_or(31);
    let shift = bits.min(32).min(31 + factor.exponent).max(0);
    let multiplier = (i64::from(factor.multiplier) << shift) / count;
    let multiplier = i32::try_from(multiplier)
        .map_err(|_| OpError::new(format!("a mean of {count} codes"), "fewer, as TFLite folds them"))?;
    Ok(FixedPoint { multiplier, exponent: factor.exponent - shift })
}

/// Mean over whole axes.
pub(super) fn mean(axes: &[i64], keep: bool, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
    let shape = mean_shape(axes, keep, input.shape())?;
    let kept = mean_shape(axes, true, input.shape())?;
    let activation = context.input(0)?;
    let output = context.output()?;
    let rank = input.shape().len();
    let reduced = axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<usize>, _>>()?;
    let innermost = (rank - reduced.len()..rank).all(|axis| reduced.contains(&axis));
    let count: usize = reduced.iter().map(|&a| input.shape()[a]).product();
    if count == 0 {
        return Err(OpError::new(format!("an input {:?}", input.shape()), "something to average"));
    }
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let by_qnnpack = by_qnnpack(context, activation) && rank == 4 && innermost && reduced.len() == 2;
    let rounding = match context.contract {
        Contract::Exact => Some(Rounding::Exact),
        Contract::Litert | Contract::LitertBuiltin => {
            Some(Rounding::Fixed(folded_factor(activation, output, count)?))
        }
        Contract::LitertXnnpack => Some(Rounding::RawRescaled),
        Contract::Onnxruntime => return float_mean::mean(axes, shape, input, context),
        Contract::Qnnpack | Contract::Fbgemm | Contract::X86 | Contract::Onednn => {
            if by_qnnpack {
                Some(Rounding::Rescaled)
            } else if innermost && input.is_contiguous() {
                Some(Rounding::Raw)
            } else {
                None
            }
        }
    };
    let Some(rounding) = rounding else {
        let value = |index: usize| dequantize(input.elements()[index], activation);
        let sums = sum_floats(input.shape(), input.layout(), &reduced, value);
        #[allow(clippy::cast_precision_loss, reason = "PyTorch divides in float32")]
        return Ok(Tensor::build(shape, Layout::Contiguous, |i| quantize(sums[i] / count as f32, output)));
    };
    let target = strides(&kept);
    let mut sums = vec![0i64; kept.iter().product()];
    for (index, &code) in input.elements().iter().enumerate() {
        let place = coordinates(index, input.shape());
        let slot: usize = (0..rank).filter(|a| !reduced.contains(a)).map(|a| place[a] * target[a]).sum();
        sums[slot] += i64::from(code - activation.zero_point);
    }
    Ok(Tensor::build(shape, Layout::Contiguous, |i| {
        // None of these roundings takes floats or axes apart.
        let window = Window { sum: sums[i], real: 0.0, count, reciprocal: 0.0, divisor: count };
        rounding.mean(&window, activation, output)
    }))
}
