//! One layer on the target, stage by stage, in exact integers.

mod arithmetic;
mod constants;
mod geometry;
mod overflow;
pub(crate) mod taps;
#[cfg(test)]
mod tests;

use self::constants::{arrange_weight, fractional_bias, spread};
pub(in crate::hardware) use self::geometry::Geometry;
pub use self::geometry::unravel;
pub use self::overflow::Overflow;
use super::{Stage, Target};
use crate::ops::{Layer, OpError, PaddingMode};
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

impl From<TargetError> for OpError {
    /// Of a node whose name is known.
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Unknown { what, .. } => {
                Self::new(format!("{what} that is not known"), "a known one")
            }
            TargetError::Inconsistent { found, .. } => Self::new(found, "numbers that fit together"),
            TargetError::Shape { found, expected, .. } => Self::new(format!("an input {found:?}"), expected),
        }
    }
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
    input_type: CodeType,
    /// Those of them that its producer can give.
    reached_range: Range<i32>,
    output_type: CodeType,
    kind: LayerKind,
    /// Kernel sizes, one per spatial axis.
    kernel: Vec<usize>,
    window: Window,
    padding_mode: PaddingMode,
    groups: usize,
    group_inputs: usize,
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

        let groups_known = parameters.window.as_ref().is_some_and(|window| window.groups.is_some());
        if parameters.kind != LayerKind::Linear && !groups_known {
            return Err(unknown("its number of channel groups (say it with --graph)"));
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
        let taps = i64::try_from(weight.len() / channels.max(1))
            .map_err(|_| inconsistent("more weights of a channel than 63 bits can count".into()))?;
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
        let shift = shift
            .iter()
            .map(|n| n.checked_add_unsigned(fraction))
            .collect::<Option<Vec<i32>>>()
            .ok_or_else(|| inconsistent("its shift is beyond 32 bits".into()))?;

        Ok(Self {
            name: parameters.name.clone(),
            target,
            weight,
            weight_zero_point,
            bias,
            folded_bias,
            multiplier,
            shift,
            rounding_constant: parameters.rounding_constant.clone(),
            padding_value,
            output_zero_point: output.zero_point - output_shift,
            clamp: Range { min: clamp.min - output_shift, max: clamp.max - output_shift },
            input_shift,
            output_shift,
            input_range: target.within(Range { min, max }),
            input_type: input.code_type,
            reached_range: target.within(parameters.input_range.unwrap_or(Range { min, max })),
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

    /// Whether the target can have every code that the input's type has.
    pub fn takes_every_code(&self) -> bool {
        self.input_type.range() == (self.input_range.min, self.input_range.max)
    }

    /// The input codes that the layer's producer can give, as the target has them.
    pub fn reached_range(&self) -> Range<i32> {
        let Range { min, max } = self.reached_range;
        Range { min: min - self.input_shift, max: max - self.input_shift }
    }

    /// The smallest code that the output's type has, as the target has it.
    pub(crate) fn smallest_output_code(&self) -> i32 {
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
        let mut beyond = None;
        let overflows = self.evaluate(&geometry, codes, shape, |index, element| {
            match i32::try_from(element[5]).ok().and_then(|code| code.checked_add(self.output_shift)) {
                Some(code) => output[index] = code,
                None => beyond = Some(element[5]),
            }
        });
        if let Some(value) = beyond {
            let found = format!("its clamp gives {value}, which is no code");
            return Err(TargetError::Inconsistent { layer: self.name.clone(), found });
        }
        Ok(LayerCodes { shape: geometry.output_shape, codes: output, overflows })
    }

    /// Every stage for input `codes` of `shape`, (N, C, spatial...), in the element type of the model.
    ///
    /// # Errors
    /// As [`Self::codes`].
    pub fn stages(&self, codes: &[i32], shape: &[usize]) -> Result<Stages, TargetError> {
        let geometry = self.geometry(codes.len(), shape)?;
        let mut values: [Vec<i64>; 7] = std::array::from_fn(|_| vec![0; geometry.output_elements()]);
        values[0] = self.receive(codes).map(i64::from).collect();
        let overflows = self.evaluate(&geometry, codes, shape, |index, element| {
            for (stage, value) in values[1..].iter_mut().zip(element) {
                stage[index] = value;
            }
        });
        Ok(Stages { input_shape: shape.to_vec(), shape: geometry.output_shape, values, overflows })
    }
}
