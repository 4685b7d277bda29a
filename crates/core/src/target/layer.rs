//! One layer on the target, stage by stage, in exact integers.

use super::taps::{Axis, AxisSizes};
use super::{OnOverflow, Register, Rounding, Stage, Target};
use crate::exact::Ratio;
use crate::ops::{Bias, Layer, PaddingMode};
use crate::parameters::{CodeType, LayerKind, LayerParameters, Range, Window};

/// Why a layer cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The model file does not say something that the computation takes.
    #[error("{layer}: {what} is not known")]
    Unknown {
        /// The layer.
        layer: String,
        /// What is missing.
        what: &'static str,
    },
    /// The layer's own numbers do not fit together.
    #[error("{layer}: {found}")]
    Inconsistent {
        /// The layer.
        layer: String,
        /// What was found.
        found: String,
    },
    /// The input does not fit the layer.
    #[error("{layer}: input of shape {found:?}, expected {expected}")]
    Shape {
        /// The layer.
        layer: String,
        /// The input's shape.
        found: Vec<usize>,
        /// What it must be.
        expected: String,
    },
}

/// A layer as the target computes it. The numbers are public: changing one of them asks what hardware with that fault
/// would compute.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetLayer {
    /// Name in the model.
    pub name: String,
    /// The arithmetic.
    pub target: Target,
    /// Weight codes, (output channel, input channel of the group, kernel...), for all kinds of layers.
    pub weight: Vec<i8>,
    /// Z2, per output channel.
    pub weight_zero_point: Vec<i32>,
    /// `round(b / (S1*S2) * 2^F)`, per output channel.
    pub bias: Vec<i64>,
    /// `bias + (K*Z1*Z2 - Z1*weight_sum) * 2^F`, per output channel, for Z1 as the target has it.
    pub folded_bias: Vec<i64>,
    /// M0, per output channel.
    pub multiplier: Vec<u32>,
    /// n + F, per output channel.
    pub shift: Vec<i32>,
    /// C, per output channel, where it takes the place of the rounding: `(product + C) >> shift`.
    pub rounding_constant: Option<Vec<i64>>,
    /// The code of padding, as the target has it: Z1.
    pub padding_value: i32,
    /// Z3, as the target has it.
    pub output_zero_point: i32,
    /// Clamp, as the target has it.
    pub clamp: Range<i32>,
    /// What the target subtracts from input codes: 128 where unsigned codes travel as signed ones, else 0.
    pub input_shift: i32,
    /// What the target subtracts from output codes.
    pub output_shift: i32,
    /// Input codes that the target can have, before `input_shift`.
    input_range: Range<i32>,
    output_type: CodeType,
    kind: LayerKind,
    /// Kernel sizes, one per spatial axis.
    kernel: Vec<usize>,
    window: Window,
    padding_mode: PaddingMode,
    groups: usize,
    group_inputs: usize,
}

/// One kind of overflow in one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overflow {
    /// Where: a register that was too narrow, or an input code beyond the target's range.
    pub stage: Stage,
    /// Values that did not fit.
    pub count: u64,
    /// Index of the first of them, (N, C, spatial...); C is the channel.
    pub first: Vec<usize>,
    /// The exact value there; of an accumulator that saturates, the partial sum.
    pub value: i128,
}

/// Output codes of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerCodes {
    /// (N, C, spatial...).
    pub shape: Vec<usize>,
    /// Row-major, in the element type of the model: `output_shift` is added back.
    pub codes: Vec<i32>,
    /// What did not fit, by stage.
    pub overflows: Vec<Overflow>,
}

/// Every stage of a layer, values as the target has them. All but `input` have the shape of the output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stages {
    /// Shape of the input, (N, C, spatial...).
    pub input_shape: Vec<usize>,
    /// Shape of the output, (N, C, spatial...).
    pub shape: Vec<usize>,
    /// Values by [`Stage`], in its order, row-major.
    pub values: [Vec<i64>; 7],
    /// What did not fit, by stage.
    pub overflows: Vec<Overflow>,
}

impl Stages {
    /// The values of a stage.
    pub fn of(&self, stage: Stage) -> &[i64] {
        &self.values[stage as usize]
    }

    /// The shape of a stage's values.
    pub fn shape_of(&self, stage: Stage) -> &[usize] {
        if stage == Stage::Input { &self.input_shape } else { &self.shape }
    }
}

/// The stages of one output element: accumulator to output.
type Element = [i64; 6];

/// By kernel position: the index within a plane of the input that a tap meets; `None` on padding.
pub(super) type TapSources = Vec<Option<usize>>;

impl TargetLayer {
    /// Prepares a layer.
    ///
    /// # Errors
    /// What the layer's parameters leave unknown, or a fractional bias beyond 64 bits.
    pub fn new(parameters: &LayerParameters, layer: &Layer, target: Target) -> Result<Self, TargetError> {
        let unknown = |what| TargetError::Unknown { layer: parameters.name.clone(), what };
        let inconsistent =
            |found: String| TargetError::Inconsistent { layer: parameters.name.clone(), found };
        let input = parameters.input.ok_or_else(|| unknown("the scale and zero point of its input"))?;
        let output = parameters.output.ok_or_else(|| unknown("the scale and zero point of its output"))?;
        let clamp = parameters.clamp.ok_or_else(|| unknown("whether a ReLU is fused"))?;
        let multiplier = parameters.multiplier.clone().ok_or_else(|| unknown("the multiplier"))?;
        let shift = parameters.shift.as_ref().ok_or_else(|| unknown("the shift"))?;
        let channels = parameters.channels;
        let constants = parameters.rounding_constant.as_ref().map_or(channels, Vec::len);
        let lengths = [multiplier.len(), shift.len(), parameters.weight_sum.len(), constants];
        if lengths.iter().any(|&n| n != channels) {
            return Err(inconsistent(format!(
                "not every list has one entry for each of {channels} channels"
            )));
        }

        let (weight, kernel, groups, group_inputs) = arrange_weight(parameters)
            .ok_or_else(|| inconsistent(format!("weight of sizes {:?}", parameters.weight.shape)))?;
        let fraction = target.bias_fraction_bits;
        let bias = fractional_bias(parameters, layer, input.scale, fraction).ok_or_else(|| {
            inconsistent(format!("its bias with {fraction} fractional bits is beyond 64 bits"))
        })?;

        let (input_shift, output_shift) =
            (target.code_shift(input.code_type), target.code_shift(output.code_type));
        let clamp = target.within(clamp);
        let (min, max) = input.code_type.range();

        let padding_value = input.zero_point - input_shift;
        let weight_zero_point: Vec<i32> = spread(&parameters.weight.zero_point, channels)
            .ok_or_else(|| inconsistent("weight zero points for other channels".into()))?;
        let taps = i64::try_from(weight.len() / channels.max(1)).unwrap_or(i64::MAX);
        let folded_bias = bias
            .iter()
            .zip(&parameters.weight_sum)
            .zip(&weight_zero_point)
            .map(|((&bias, &sum), &z2)| {
                let centred = taps.checked_mul(i64::from(z2))?.checked_sub(i64::from(sum))?;
                let correction = centred.checked_mul(i64::from(padding_value))?;
                bias.checked_add(correction.checked_mul(1_i64.checked_shl(fraction)?)?)
            })
            .collect::<Option<Vec<i64>>>()
            .ok_or_else(|| inconsistent("its folded_bias is beyond 64 bits".into()))?;
        let fraction = i32::try_from(fraction).unwrap_or(i32::MAX);

        Ok(Self {
            name: parameters.name.clone(),
            target,
            weight,
            weight_zero_point,
            bias,
            folded_bias,
            multiplier,
            shift: shift.iter().map(|n| n.saturating_add(fraction)).collect(),
            rounding_constant: parameters.rounding_constant.clone(),
            padding_value,
            output_zero_point: output.zero_point - output_shift,
            clamp: Range { min: clamp.min - output_shift, max: clamp.max - output_shift },
            input_shift,
            output_shift,
            input_range: target.within(Range { min, max }),
            output_type: output.code_type,
            kind: parameters.kind,
            kernel,
            // Its own padding alone: a `pad` node before it, which the parameters include, is computed as a node.
            window: layer.window.clone().unwrap_or_default(),
            padding_mode: layer.padding_mode,
            groups,
            group_inputs,
        })
    }

    /// Number of output channels.
    pub fn channels(&self) -> usize {
        self.multiplier.len()
    }

    /// Taps of one output channel: input channels of its group times kernel positions.
    pub fn taps(&self) -> usize {
        self.weight.len() / self.channels().max(1)
    }

    /// What it is.
    pub fn kind(&self) -> LayerKind {
        self.kind
    }

    /// Kernel sizes, one per spatial axis, outermost first; none for linear layers.
    pub fn kernel(&self) -> &[usize] {
        &self.kernel
    }

    /// Strides, padding and dilation, as far as they are known.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// What stands outside of the input.
    pub fn padding_mode(&self) -> PaddingMode {
        self.padding_mode
    }

    /// Channel groups; 1 for linear layers.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Input channels of one group.
    pub fn group_inputs(&self) -> usize {
        self.group_inputs
    }

    /// The input codes that the target can have, as it has them.
    pub fn input_range(&self) -> Range<i32> {
        let Range { min, max } = self.input_range;
        Range { min: min - self.input_shift, max: max - self.input_shift }
    }

    /// The smallest code that the output's type has, as the target has it.
    pub(super) fn smallest_output_code(&self) -> i32 {
        self.output_type.range().0 - self.output_shift
    }

    /// Sizes of `weight`: output channels, input channels of the group, kernel...
    pub fn weight_shape(&self) -> Vec<usize> {
        [self.channels(), self.group_inputs].into_iter().chain(self.kernel.iter().copied()).collect()
    }

    /// The output codes for input `codes` of `shape`, (N, C, spatial...), in the element types of the model.
    ///
    /// # Errors
    /// An input that does not fit the layer, or unknown strides and padding.
    pub fn codes(&self, codes: &[i32], shape: &[usize]) -> Result<LayerCodes, TargetError> {
        let geometry = self.geometry(codes.len(), shape)?;
        let mut output = vec![0; geometry.output_elements()];
        let overflows = self.evaluate(&geometry, codes, shape, |index, element| {
            // The clamp is one of codes: it fits.
            output[index] = i32::try_from(element[5]).unwrap_or_default() + self.output_shift;
        });
        Ok(LayerCodes { shape: geometry.output_shape, codes: output, overflows })
    }

    /// Every stage for input `codes` of `shape`, (N, C, spatial...), in the element type of the model.
    ///
    /// # Errors
    /// As [`Self::codes`].
    pub fn stages(&self, codes: &[i32], shape: &[usize]) -> Result<Stages, TargetError> {
        let geometry = self.geometry(codes.len(), shape)?;
        let mut values: [Vec<i64>; 7] = std::array::from_fn(|_| vec![0; geometry.output_elements()]);
        values[0] = codes.iter().map(|&code| i64::from(self.receive(code))).collect();
        let overflows = self.evaluate(&geometry, codes, shape, |index, element| {
            for (stage, value) in values[1..].iter_mut().zip(element) {
                stage[index] = value;
            }
        });
        Ok(Stages { input_shape: shape.to_vec(), shape: geometry.output_shape, values, overflows })
    }

    /// An input code as the target has it.
    fn receive(&self, code: i32) -> i32 {
        code.clamp(self.input_range.min, self.input_range.max) - self.input_shift
    }

    fn evaluate(
        &self,
        geometry: &Geometry,
        codes: &[i32],
        shape: &[usize],
        mut record: impl FnMut(usize, Element),
    ) -> Vec<Overflow> {
        let mut overflows = Overflows::default();
        for (index, &code) in codes.iter().enumerate() {
            if !(self.input_range.min..=self.input_range.max).contains(&code) {
                overflows.add(Stage::Input, index, i128::from(code));
            }
        }
        let taps = self.taps();
        let channels_per_group = self.channels() / self.groups.max(1);
        let may_overflow = self.accumulator_may_overflow();
        let mut patch = vec![0_i16; taps];
        for image in 0..geometry.images {
            for group in 0..self.groups {
                for position in 0..geometry.positions {
                    geometry.gather(self, codes, image, group, position, &mut patch);
                    let code_sum: i64 = patch.iter().map(|&x| i64::from(x)).sum();
                    for channel in group * channels_per_group..(group + 1) * channels_per_group {
                        let weights = &self.weight[channel * taps..(channel + 1) * taps];
                        let (accumulator, partial) = if may_overflow {
                            accumulate(self.target.accumulator(), &patch, weights)
                        } else {
                            (dot(&patch, weights), None)
                        };
                        let index = (image * self.channels() + channel) * geometry.positions + position;
                        let mut note = |stage, value| overflows.add(stage, index, value);
                        if let Some(partial) = partial {
                            note(Stage::Accumulator, partial);
                        }
                        record(index, self.requantize(channel, accumulator, code_sum, note));
                    }
                }
            }
        }
        overflows.finish(shape, &geometry.output_shape)
    }

    /// Sizes of the output for an input of `shape`, and by output position what the taps of one input channel meet: an
    /// index within its plane, `None` on padding.
    pub(super) fn tap_sources(&self, shape: &[usize]) -> Result<(Vec<usize>, Vec<TapSources>), TargetError> {
        let geometry = self.geometry(shape.iter().product(), shape)?;
        let [depth, height, width] = [&geometry.axes[0], &geometry.axes[1], &geometry.axes[2]];
        let [_, rows, columns] = geometry.input_sizes;
        let sources = (0..geometry.positions).map(|position| {
            let (rest, x) = (position / width.outputs, position % width.outputs);
            let (z, y) = (rest / height.outputs, rest % height.outputs);
            (0..depth.taps * height.taps * width.taps)
                .map(|tap| {
                    let (rest, tx) = (tap / width.taps, tap % width.taps);
                    let iz = depth.source[z * depth.taps + rest / height.taps]?;
                    let iy = height.source[y * height.taps + rest % height.taps]?;
                    Some((iz * rows + iy) * columns + width.source[x * width.taps + tx]?)
                })
                .collect()
        });
        let sources = sources.collect();
        Ok((geometry.output_shape.into_iter().skip(2).collect(), sources))
    }

    /// The stages after the accumulator, of one element.
    pub(super) fn requantize(
        &self,
        channel: usize,
        accumulator: i64,
        code_sum: i64,
        mut note: impl FnMut(Stage, i128),
    ) -> Element {
        let target = &self.target;
        let mut hold = |stage, register: Register, value: i128| {
            let (held, overflowed) = register.hold(value);
            if overflowed {
                note(stage, value);
            }
            held
        };
        let scaled =
            i128::from(accumulator) - i128::from(self.weight_zero_point[channel]) * i128::from(code_sum);
        let biased = (scaled << target.bias_fraction_bits) + i128::from(self.folded_bias[channel]);
        let biased = hold(Stage::Biased, target.biased(), biased);
        let product = i128::from(biased) * i128::from(self.multiplier[channel]);
        let product = hold(Stage::Product, target.product(), product);
        let shift = self.shift[channel];
        let shifted = match &self.rounding_constant {
            Some(constants) => {
                Rounding::Floor.shift(i128::from(product) + i128::from(constants[channel]), shift)
            }
            None => target.rounding.shift(i128::from(product), shift),
        };
        // Beyond 128 bits nothing is left of the low bits, and the sign is the product's.
        let shifted = shifted.unwrap_or(match (target.on_overflow, product < 0) {
            (OnOverflow::Saturate, true) => i128::MIN,
            (OnOverflow::Saturate, false) => i128::MAX,
            (OnOverflow::Wrap, _) => 1 << 126,
        });
        let shifted = hold(Stage::Shifted, target.product(), shifted);
        let offset = i128::from(shifted) + i128::from(self.output_zero_point);
        let offset = hold(Stage::Offset, target.product(), offset);
        let output = offset.clamp(i64::from(self.clamp.min), i64::from(self.clamp.max));
        [accumulator, biased, product, shifted, offset, output]
    }

    /// Whether some input could take an accumulator, or a partial sum of one, out of its register.
    pub(super) fn accumulator_may_overflow(&self) -> bool {
        let largest = [self.input_range.min - self.input_shift, self.input_range.max - self.input_shift]
            .into_iter()
            .chain([self.padding_value])
            .map(|x| i64::from(x).abs())
            .max()
            .unwrap_or_default();
        let limit = self.target.accumulator().range().max;
        self.weight.chunks(self.taps().max(1)).any(|weights| {
            let magnitude: i64 = weights.iter().map(|&w| i64::from(w).abs()).sum();
            magnitude.checked_mul(largest).is_none_or(|reach| reach > limit)
        })
    }

    fn geometry(&self, elements: usize, shape: &[usize]) -> Result<Geometry, TargetError> {
        let spatial = self.kernel.len();
        let inputs = self.groups * self.group_inputs;
        let refuse = |expected: String| TargetError::Shape {
            layer: self.name.clone(),
            found: shape.to_vec(),
            expected,
        };
        // A linear layer takes its inputs from the last axis, whatever stands before it.
        let batch_axes = if spatial == 0 { shape.len().max(2) - 1 } else { 1 };
        let (batch, rest) = shape.split_at(batch_axes.min(shape.len()));
        let sizes = rest.get(1..).unwrap_or_default();
        if rest.first() != Some(&inputs)
            || sizes.len() != spatial
            || shape.iter().product::<usize>() != elements
        {
            let spatial = (0..spatial).map(|_| ", size").collect::<String>();
            return Err(refuse(format!("(N, {inputs}{spatial})")));
        }
        let images: usize = batch.iter().product();
        let mut axes = Vec::with_capacity(3);
        axes.resize(3_usize.saturating_sub(spatial), Axis::none());
        for (axis, (&input, &kernel)) in sizes.iter().zip(&self.kernel).enumerate() {
            axes.push(self.axis(axis, input, kernel)?.ok_or_else(|| {
                refuse(format!(
                    "sizes that leave an output with kernel {:?}, padding and stride",
                    self.kernel
                ))
            })?);
        }
        let too_large = || refuse("sizes whose output fits in memory".into());
        let sizes_out: Vec<usize> = axes[3 - spatial..].iter().map(|axis| axis.outputs).collect();
        let positions = sizes_out.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        let positions = positions.ok_or_else(too_large)?;
        let total = positions.checked_mul(self.channels()).and_then(|n| n.checked_mul(images));
        if total.is_none_or(|total| total > LARGEST_OUTPUT) {
            return Err(too_large());
        }
        let output_shape = batch.iter().copied().chain([self.channels()]).chain(sizes_out).collect();
        let mut input_sizes = [1; 3];
        input_sizes[3 - spatial..].copy_from_slice(sizes);
        Ok(Geometry { images, positions, output_shape, input_sizes, axes })
    }

    /// The table of one spatial axis; `None` if nothing is left of the output.
    fn axis(&self, axis: usize, input: usize, kernel: usize) -> Result<Option<Axis>, TargetError> {
        let entry = |values: &Option<Vec<u32>>, what| {
            let unknown = TargetError::Unknown { layer: self.name.clone(), what };
            values.as_ref().and_then(|values| values.get(axis)).copied().ok_or(unknown)
        };
        let sizes = AxisSizes {
            input,
            kernel,
            stride: entry(&self.window.stride, "its stride")?,
            padding: entry(&self.window.padding, "its padding")?,
            padding_end: match &self.window.padding_end {
                None => entry(&self.window.padding, "its padding")?,
                end => entry(end, "its padding")?,
            },
            dilation: entry(&self.window.dilation, "its dilation")?,
            output_padding: match self.kind {
                LayerKind::ConvTranspose(_) => entry(&self.window.output_padding, "its output padding")?,
                LayerKind::Conv(_) | LayerKind::Linear => 0,
            },
        };
        Ok(match self.kind {
            LayerKind::ConvTranspose(_) => Axis::transposed(sizes),
            LayerKind::Conv(_) | LayerKind::Linear => Axis::convolution(sizes, self.padding_mode),
        })
    }
}

/// Output elements of the largest computation that is begun.
const LARGEST_OUTPUT: usize = 1 << 31;

/// A layer's loops over one input.
struct Geometry {
    images: usize,
    /// Output positions per image and channel.
    positions: usize,
    /// (N, C, spatial...).
    output_shape: Vec<usize>,
    /// Depth, height, width; 1 for axes that are not there.
    input_sizes: [usize; 3],
    /// Depth, height, width.
    axes: Vec<Axis>,
}

impl Geometry {
    fn output_elements(&self) -> usize {
        self.output_shape.iter().product()
    }

    /// The codes that the taps of one group meet at one output position, in the order of the weights.
    fn gather(
        &self,
        layer: &TargetLayer,
        codes: &[i32],
        image: usize,
        group: usize,
        position: usize,
        patch: &mut [i16],
    ) {
        let [depth, height, width] = [&self.axes[0], &self.axes[1], &self.axes[2]];
        let [_, rows, columns] = self.input_sizes;
        let (rest, x) = (position / width.outputs, position % width.outputs);
        let (z, y) = (rest / height.outputs, rest % height.outputs);
        let at = |axis: &Axis, o: usize, t: usize| axis.source[o * axis.taps + t];
        // Codes of 8 bits, shifted or not, fit in 16.
        let narrow = |code: i32| i16::try_from(code).unwrap_or_default();
        let first = (image * layer.groups + group) * layer.group_inputs;
        let mut patch = patch.iter_mut();
        for channel in first..first + layer.group_inputs {
            let plane = channel * self.input_sizes.iter().product::<usize>();
            for tz in 0..depth.taps {
                for ty in 0..height.taps {
                    for tx in 0..width.taps {
                        let met = match (at(depth, z, tz), at(height, y, ty), at(width, x, tx)) {
                            (Some(iz), Some(iy), Some(ix)) => {
                                layer.receive(codes[plane + (iz * rows + iy) * columns + ix])
                            }
                            _ => layer.padding_value,
                        };
                        if let Some(place) = patch.next() {
                            *place = narrow(met);
                        }
                    }
                }
            }
        }
    }
}

/// Products that certainly sum without overflow in 32 bits: each is at most 2^22 in magnitude.
const SAFE_PRODUCTS: usize = 1 << 8;

/// The exact sum of x*w.
fn dot(codes: &[i16], weights: &[i8]) -> i64 {
    codes
        .chunks(SAFE_PRODUCTS)
        .zip(weights.chunks(SAFE_PRODUCTS))
        .map(|(codes, weights)| {
            let products = codes.iter().zip(weights).map(|(&x, &w)| i32::from(x) * i32::from(w));
            i64::from(products.sum::<i32>())
        })
        .sum()
}

/// The sum of x*w in a register, and the first value that did not fit. A register that saturates does so after every
/// addition, in the order of the weights; one that wraps ends as if it had wrapped once, and only that counts.
fn accumulate(register: Register, codes: &[i16], weights: &[i8]) -> (i64, Option<i128>) {
    if register.on_overflow == OnOverflow::Wrap {
        let exact = i128::from(dot(codes, weights));
        let (held, overflowed) = register.hold(exact);
        return (held, overflowed.then_some(exact));
    }
    let mut first = None;
    let sum = codes.iter().zip(weights).fold(0_i64, |sum, (&x, &w)| {
        let exact = i128::from(sum) + i128::from(x) * i128::from(w);
        let (held, overflowed) = register.hold(exact);
        if overflowed && first.is_none() {
            first = Some(exact);
        }
        held
    });
    (sum, first)
}

/// Overflows while they are counted: by stage, the count, the smallest index and the value there.
#[derive(Default)]
struct Overflows([Option<(u64, usize, i128)>; 7]);

impl Overflows {
    fn add(&mut self, stage: Stage, index: usize, value: i128) {
        let known = self.0[stage as usize].get_or_insert((0, index, value));
        known.0 += 1;
        if index < known.1 {
            (known.1, known.2) = (index, value);
        }
    }

    fn finish(self, input: &[usize], output: &[usize]) -> Vec<Overflow> {
        let found = Stage::ALL.into_iter().zip(self.0);
        found
            .filter_map(|(stage, found)| {
                let (count, first, value) = found?;
                let shape = if stage == Stage::Input { input } else { output };
                Some(Overflow { stage, count, first: unravel(first, shape), value })
            })
            .collect()
    }
}

/// The index of an element of row-major values.
pub fn unravel(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    for (axis, &size) in shape.iter().enumerate().rev() {
        place[axis] = index % size.max(1);
        index /= size.max(1);
    }
    place
}

/// One value per channel of a list that has one for all, or one each.
fn spread<T: Copy>(values: &[T], channels: usize) -> Option<Vec<T>> {
    match values {
        [one] => Some(vec![*one; channels]),
        each => (each.len() == channels).then(|| each.to_vec()),
    }
}

/// Weights as (output channel, input channel of the group, kernel...), the kernel's sizes, the number of groups, and
/// the input channels of one group.
fn arrange_weight(parameters: &LayerParameters) -> Option<(Vec<i8>, Vec<usize>, usize, usize)> {
    let weight = &parameters.weight;
    let [first, second, kernel @ ..] = weight.shape.as_slice() else { return None };
    let groups = match parameters.kind {
        LayerKind::Linear => 1,
        LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => {
            usize::try_from(parameters.window.as_ref()?.groups?).ok()?
        }
    };
    let elements = weight.shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size))?;
    if groups == 0
        || elements == 0
        || elements != weight.codes.len()
        || first % groups != 0
        || kernel.len() > 3
    {
        return None;
    }
    match parameters.kind {
        LayerKind::Conv(_) | LayerKind::Linear => {
            (*first == parameters.channels).then(|| (weight.codes.to_vec(), kernel.to_vec(), groups, *second))
        }
        LayerKind::ConvTranspose(_) => {
            // Stored as (input channel, output channel of the group, kernel...).
            let (group_inputs, group_outputs) = (first / groups, *second);
            let taps: usize = kernel.iter().product();
            let mut arranged = Vec::with_capacity(elements);
            for channel in 0..groups * group_outputs {
                let (group, output) = (channel / group_outputs, channel % group_outputs);
                for input in 0..group_inputs {
                    let start = ((group * group_inputs + input) * group_outputs + output) * taps;
                    arranged.extend_from_slice(&weight.codes[start..start + taps]);
                }
            }
            (groups * group_outputs == parameters.channels)
                .then(|| (arranged, kernel.to_vec(), groups, group_inputs))
        }
    }
}

/// `round(b / (S1*S2) * 2^fraction)`, exact, ties to even, per output channel; `None` beyond 64 bits.
fn fractional_bias(
    parameters: &LayerParameters,
    layer: &Layer,
    input_scale: f64,
    fraction: u32,
) -> Option<Vec<i64>> {
    let Some(bias) = &layer.bias else { return Some(vec![0; parameters.channels]) };
    let scales = spread(&parameters.weight.scale, parameters.channels)?;
    let input_scale = Ratio::from_f64(input_scale)?;
    (bias.len() == parameters.channels).then_some(())?;
    let bias = match bias {
        Bias::Real(values) => values,
        Bias::Codes(codes) | Bias::WideCodes(codes) => {
            return codes.iter().map(|code| code.checked_mul(1_i64.checked_shl(fraction)?)).collect();
        }
    };
    bias.iter()
        .zip(scales)
        .map(|(&bias, scale)| {
            let unit = input_scale.times(&Ratio::from_f64(scale)?);
            let rounded = Ratio::from_f64(f64::from(bias))?.over(&unit)?.round_scaled(i64::from(fraction))?;
            i64::try_from(rounded).ok()
        })
        .collect()
}
