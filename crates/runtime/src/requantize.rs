//! Accumulators to output codes, for all channels of a layer at once.
//!
//! The same float32 operations in the same order as [`Requantizer::apply`], or the same integers as
//! [`Rescale::stages`](gen_params_core::hardware::Rescale::stages), on arrays of constants, one per channel, so that the
//! compiler can do sixteen channels at a time.

use std::ops::Range;

use gen_params_core::contract::{Arithmetic, Contract, Requantizer};
use gen_params_core::hardware::{Rounding, TargetLayer};
use gen_params_core::ops::Layer;
use gen_params_core::parameters::Activation;
use gen_params_kernels::{Kernel, LANES, Operation};

use crate::error::{Error, Result};

use crate::quantize::{float, low_byte};

/// How the accumulators of a layer become codes, in an engine's arithmetic or the target's.
#[derive(Debug)]
pub(crate) enum Rescaling<'a> {
    Contract(Vec<Requantizer>),
    /// Every stage fits its register, whatever the input.
    Target(&'a TargetLayer),
}

impl<'a> Rescaling<'a> {
    pub(crate) fn of_contract(
        name: &str,
        layer: &Layer,
        contract: Contract,
        [input, output]: [Activation; 2],
    ) -> Result<Self> {
        let requantizers = layer.requantizers(contract, input, output);
        requantizers.map(Self::Contract).map_err(|error| Error::node(name, error.to_string()))
    }

    /// `None` where registers may overflow or shifts are no plain shifts to the right: the scalar reference then looks at
    /// every register.
    pub(crate) fn of_target(layer: &'a TargetLayer) -> Option<Self> {
        let shifts = layer.shift.iter().all(|n| (1..=LONGEST_SHIFT).contains(n));
        let constants = layer.rounding_constant.iter().flatten().all(|c| c.abs() <= LARGEST_ADDEND);
        (shifts && constants && layer.fits_its_registers() && layer.products_leave_room(LARGEST_ADDEND))
            .then_some(Self::Target(layer))
    }

    /// The requantizers of some output channels.
    pub(crate) fn channels(&self, channels: Range<usize>) -> ChannelRequantizers {
        match self {
            Self::Contract(requantizers) => ChannelRequantizers::new(requantizers[channels].to_vec()),
            Self::Target(layer) => ChannelRequantizers::of_target(layer, channels),
        }
    }
}

/// The longest shift of 64-bit products; half of its power of two can be added to a product of 62 bits.
const LONGEST_SHIFT: i32 = 62;

/// The largest number that is added to a product before it is shifted; products must leave room for it in 64 bits.
const LARGEST_ADDEND: i64 = 1 << 61;

/// The requantizers of some output channels of a layer.
#[derive(Debug, Clone)]
pub(crate) struct ChannelRequantizers {
    channels: usize,
    form: Form,
    zero_point: f32,
    min: f32,
    max: f32,
}

/// The constants of one variant of [`Arithmetic`], by name, padded to whole blocks of channels.
#[derive(Debug, Clone)]
enum Form {
    FbgemmPerChannel {
        addend: Vec<Block>,
        multiplier: Vec<Block>,
    },
    FbgemmPerTensor {
        bias: Vec<Block>,
        reciprocal: Vec<Block>,
        multiplier: Vec<Block>,
    },
    Qnnpack {
        bias: Vec<[i32; LANES]>,
        multiplier: Vec<Block>,
    },
    Onednn {
        scale: Vec<Block>,
        bias: Vec<Block>,
        multiplier: Vec<Block>,
    },
    Rounded {
        bias: Vec<[i32; LANES]>,
        multiplier: Vec<Block>,
    },
    /// The target's, in integers of 64 bits.
    Target(TargetForm),
    /// Channel by channel, for what is not float32.
    Scalar(Vec<Requantizer>),
}

/// `round(((sum << fraction_bits) + bias) * multiplier * 2^-shift) + zero_point`, rounded as the target rounds.
#[derive(Debug, Clone)]
struct TargetForm {
    rounding: TargetRounding,
    fraction_bits: u32,
    zero_point: i64,
    min: i64,
    max: i64,
    bias: Vec<WideBlock>,
    multiplier: Vec<WideBlock>,
    /// Added before the shift: half of its power of two, or a constant of the channel's own.
    addend: Vec<WideBlock>,
    shift: Vec<WideBlock>,
    /// The shift of a second rounding.
    rest: Vec<WideBlock>,
}

impl TargetForm {
    #[inline(always)]
    fn product(&self, block: usize, lane: usize, sum: i32) -> i64 {
        ((i64::from(sum) << self.fraction_bits) + self.bias[block][lane]) * self.multiplier[block][lane]
    }
}

/// What rounding adds to a product besides its channel's addend.
#[derive(Debug, Clone, Copy)]
enum TargetRounding {
    /// Nothing.
    Addend,
    /// One, where the quotient rounded down is odd.
    HalfEven,
    /// Minus one, where the product is negative.
    HalfAway,
    /// All of the fraction, where the product is negative.
    TowardZero,
    /// Nothing; then the quotient is divided by another power of two, ties away from zero.
    Double,
}

/// Fraction bits of gemmlowp's multiplier: the first of two roundings drops them.
const GEMMLOWP_BITS: i32 = 31;

type Block = [f32; LANES];
type WideBlock = [i64; LANES];

/// One constant of every requantizer, or `None` where one of them has another variant.
macro_rules! constants {
    ($requantizers:expr, $variant:ident, $constant:ident) => {
        blocks($requantizers, |arithmetic| match arithmetic {
            Arithmetic::$variant { $constant, .. } => Some(*$constant),
            _ => None,
        })
    };
}

fn blocks<T: Copy + Default>(
    requantizers: &[Requantizer],
    constant: impl Fn(&Arithmetic) -> Option<T>,
) -> Option<Vec<[T; LANES]>> {
    requantizers
        .chunks(LANES)
        .map(|channels| {
            let mut block = [T::default(); LANES];
            for (lane, requantizer) in block.iter_mut().zip(channels) {
                *lane = constant(requantizer.arithmetic())?;
            }
            Some(block)
        })
        .collect()
}

impl Form {
    fn of(requantizers: &[Requantizer]) -> Option<Self> {
        Some(match requantizers.first()?.arithmetic() {
            Arithmetic::FbgemmPerChannel { .. } => Self::FbgemmPerChannel {
                addend: constants!(requantizers, FbgemmPerChannel, addend)?,
                multiplier: constants!(requantizers, FbgemmPerChannel, multiplier)?,
            },
            Arithmetic::FbgemmPerTensor { .. } => Self::FbgemmPerTensor {
                bias: constants!(requantizers, FbgemmPerTensor, bias)?,
                reciprocal: constants!(requantizers, FbgemmPerTensor, reciprocal)?,
                multiplier: constants!(requantizers, FbgemmPerTensor, multiplier)?,
            },
            Arithmetic::Qnnpack { .. } => Self::Qnnpack {
                bias: constants!(requantizers, Qnnpack, bias)?,
                multiplier: constants!(requantizers, Qnnpack, multiplier)?,
            },
            Arithmetic::Onednn { .. } => Self::Onednn {
                scale: constants!(requantizers, Onednn, scale)?,
                bias: constants!(requantizers, Onednn, bias)?,
                multiplier: constants!(requantizers, Onednn, multiplier)?,
            },
            Arithmetic::Rounded { .. } => Self::Rounded {
                bias: constants!(requantizers, Rounded, bias)?,
                multiplier: constants!(requantizers, Rounded, multiplier)?,
            },
            Arithmetic::Fixed { .. } | Arithmetic::Nearest { .. } | Arithmetic::Exact { .. } => return None,
        })
    }
}

/// 2^31: what `cvtps2dq` cannot convert becomes the smallest integer, also where it is positive.
const FIRST_TOO_LARGE: f32 = 2_147_483_648.0;

impl ChannelRequantizers {
    /// From one requantizer per channel; they share zero point and clamp, which are of the layer's output.
    pub(crate) fn new(requantizers: Vec<Requantizer>) -> Self {
        let channels = requantizers.len();
        let (zero_point, min, max) = requantizers
            .first()
            .map_or((0, 0, 0), |first| (first.zero_point(), first.clamp().min, first.clamp().max));
        let form = Form::of(&requantizers).unwrap_or(Form::Scalar(requantizers));
        Self { channels, form, zero_point: float(zero_point), min: float(min), max: float(max) }
    }

    /// Those of some output channels of the target's layer, which [`Rescaling::of_target`] took.
    fn of_target(layer: &TargetLayer, channels: Range<usize>) -> Self {
        let wide = |value: &dyn Fn(usize) -> i64| -> Vec<WideBlock> {
            channels
                .clone()
                .step_by(LANES)
                .map(|first| {
                    std::array::from_fn(|lane| {
                        let channel = first + lane;
                        if channel < channels.end { value(channel) } else { 0 }
                    })
                })
                .collect()
        };
        let rounding = match (&layer.rounding_constant, layer.target.rounding) {
            (Some(_), _) | (None, Rounding::HalfUp | Rounding::Floor) => TargetRounding::Addend,
            (None, Rounding::HalfEven) => TargetRounding::HalfEven,
            (None, Rounding::HalfAway) => TargetRounding::HalfAway,
            (None, Rounding::TowardZero) => TargetRounding::TowardZero,
            (None, Rounding::Double) => TargetRounding::Double,
        };
        let first_shift = |channel: usize| match rounding {
            TargetRounding::Double => layer.shift[channel].min(GEMMLOWP_BITS),
            _ => layer.shift[channel],
        };
        let addend = |channel: usize| {
            let half = 1_i64 << (first_shift(channel) - 1);
            match (&layer.rounding_constant, layer.target.rounding) {
                (Some(constants), _) => constants[channel],
                (None, Rounding::HalfUp | Rounding::HalfAway | Rounding::Double) => half,
                (None, Rounding::HalfEven) => half - 1,
                (None, Rounding::Floor | Rounding::TowardZero) => 0,
            }
        };
        let (zero_point, clamp) = (layer.output_zero_point + layer.output_shift, layer.clamp);
        let form = TargetForm {
            rounding,
            fraction_bits: layer.target.bias_fraction_bits,
            zero_point: i64::from(zero_point),
            min: i64::from(clamp.min + layer.output_shift),
            max: i64::from(clamp.max + layer.output_shift),
            bias: wide(&|channel| layer.bias[channel]),
            multiplier: wide(&|channel| i64::from(layer.multiplier[channel])),
            addend: wide(&addend),
            shift: wide(&|channel| i64::from(first_shift(channel))),
            rest: wide(&|channel| i64::from(layer.shift[channel] - first_shift(channel))),
        };
        let (channels, none) = (channels.len(), 0.0);
        Self { channels, form: Form::Target(form), zero_point: none, min: none, max: none }
    }

    /// The codes of `sums`, rows of whole blocks of channels, to the first channels of rows of `codes` that are
    /// `row_length` apart.
    pub(crate) fn apply(&self, kernel: Kernel, sums: &[i32], codes: &mut [u8], row_length: usize) {
        kernel.vectorize(Apply { requantizers: self, sums, codes, row_length });
    }
}

/// [`ChannelRequantizers::apply`] as an operation.
struct Apply<'a> {
    requantizers: &'a ChannelRequantizers,
    sums: &'a [i32],
    codes: &'a mut [u8],
    row_length: usize,
}

impl Operation for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let zero_point = self.requantizers.zero_point;
        match &self.requantizers.form {
            Form::FbgemmPerChannel { addend, multiplier } => self.blocks(
                #[inline(always)]
                |block, lane, sum| {
                    to_integer((float(sum) + addend[block][lane]) * multiplier[block][lane]) + zero_point
                },
            ),
            Form::FbgemmPerTensor { bias, reciprocal, multiplier } => self.blocks(
                #[inline(always)]
                |block, lane, sum| {
                    let biased = bias[block][lane].mul_add(reciprocal[block][lane], float(sum));
                    to_integer(biased * multiplier[block][lane]) + zero_point
                },
            ),
            Form::Qnnpack { bias, multiplier } => self.blocks(
                #[inline(always)]
                |block, lane, sum| {
                    let biased = sum.wrapping_add(bias[block][lane]);
                    to_integer(float(biased) * multiplier[block][lane]) + zero_point
                },
            ),
            Form::Onednn { scale, bias, multiplier } => self.blocks(
                #[inline(always)]
                |block, lane, sum| {
                    let real = float(sum) * scale[block][lane] + bias[block][lane];
                    (real * multiplier[block][lane] + zero_point).round_ties_even()
                },
            ),
            Form::Rounded { bias, multiplier } => self.blocks(
                #[inline(always)]
                |block, lane, sum| {
                    let biased = sum.wrapping_add(bias[block][lane]);
                    // Clamped after it was rounded and not before: the bounds are integers, so both give the same.
                    (float(biased) * multiplier[block][lane]).round_ties_even() + zero_point
                },
            ),
            Form::Target(form) => self.on_target(form),
            Form::Scalar(requantizers) => self.scalar(requantizers),
        }
    }
}

impl Apply<'_> {
    /// Codes by a function of block, lane and sum that gives an integer, or what clamps like it.
    #[inline(always)]
    fn blocks(self, code: impl Fn(usize, usize, i32) -> f32) {
        let Self { requantizers: &ChannelRequantizers { channels, min, max, .. }, sums, codes, row_length } =
            self;
        let sums = sums.chunks_exact(channels.next_multiple_of(LANES).max(1));
        for (sums, codes) in sums.zip(codes.chunks_mut(row_length.max(1))) {
            let (sums, _) = sums.as_chunks::<LANES>();
            for (block, (sums, codes)) in sums.iter().zip(codes[..channels].chunks_mut(LANES)).enumerate() {
                let block_codes: [u8; LANES] = std::array::from_fn(
                    #[inline(always)]
                    |lane| low_byte(code(block, lane, sums[lane]).max(min).min(max)),
                );
                match <&mut [u8; LANES]>::try_from(&mut *codes) {
                    Ok(whole) => *whole = block_codes,
                    Err(_) => codes.copy_from_slice(&block_codes[..codes.len()]),
                }
            }
        }
    }

    /// Codes by the target's integers. No sum below leaves 64 bits: [`Rescaling::of_target`] saw to it.
    #[inline(always)]
    fn on_target(self, form: &TargetForm) {
        let product = |block: usize, lane: usize, sum: i32| form.product(block, lane, sum);
        let (addend, shift) = (&form.addend, &form.shift);
        match form.rounding {
            TargetRounding::Addend => self.target_blocks(
                form,
                #[inline(always)]
                |block, lane, sum| (product(block, lane, sum) + addend[block][lane]) >> shift[block][lane],
            ),
            TargetRounding::HalfEven => self.target_blocks(
                form,
                #[inline(always)]
                |block, lane, sum| {
                    let product = product(block, lane, sum);
                    let odd = (product >> shift[block][lane]) & 1;
                    (product + addend[block][lane] + odd) >> shift[block][lane]
                },
            ),
            TargetRounding::HalfAway => self.target_blocks(
                form,
                #[inline(always)]
                |block, lane, sum| {
                    let product = product(block, lane, sum);
                    (product + addend[block][lane] + (product >> 63)) >> shift[block][lane]
                },
            ),
            TargetRounding::TowardZero => self.target_blocks(
                form,
                #[inline(always)]
                |block, lane, sum| {
                    let (product, shift) = (product(block, lane, sum), shift[block][lane]);
                    (product + ((product >> 63) & ((1 << shift) - 1))) >> shift
                },
            ),
            TargetRounding::Double => self.target_blocks(
                form,
                #[inline(always)]
                |block, lane, sum| {
                    let high = (product(block, lane, sum) + addend[block][lane]) >> shift[block][lane];
                    let rest = form.rest[block][lane];
                    // Without a second shift there is no half to add, nor a tie.
                    let half = (1_i64 << rest) >> 1;
                    (high + half + ((high >> 63) & -i64::from(rest > 0))) >> rest
                },
            ),
        }
    }

    /// Codes by a function of block, lane and sum that gives them without zero point and clamp.
    #[inline(always)]
    fn target_blocks(self, form: &TargetForm, shifted: impl Fn(usize, usize, i32) -> i64) {
        let Self { requantizers, sums, codes, row_length } = self;
        let channels = requantizers.channels;
        let sums = sums.chunks_exact(channels.next_multiple_of(LANES).max(1));
        for (sums, codes) in sums.zip(codes.chunks_mut(row_length.max(1))) {
            let (sums, _) = sums.as_chunks::<LANES>();
            for (block, (sums, codes)) in sums.iter().zip(codes[..channels].chunks_mut(LANES)).enumerate() {
                let block_codes: [u8; LANES] = std::array::from_fn(
                    #[inline(always)]
                    |lane| {
                        let code = shifted(block, lane, sums[lane]) + form.zero_point;
                        code.max(form.min).min(form.max).to_le_bytes()[0]
                    },
                );
                match <&mut [u8; LANES]>::try_from(&mut *codes) {
                    Ok(whole) => *whole = block_codes,
                    Err(_) => codes.copy_from_slice(&block_codes[..codes.len()]),
                }
            }
        }
    }

    fn scalar(self, requantizers: &[Requantizer]) {
        let sums = self.sums.chunks_exact(requantizers.len().next_multiple_of(LANES).max(1));
        for (sums, codes) in sums.zip(self.codes.chunks_mut(self.row_length.max(1))) {
            for ((requantizer, &sum), code) in requantizers.iter().zip(sums).zip(codes) {
                *code = requantizer.apply(i64::from(sum)).to_le_bytes()[0];
            }
        }
    }
}

/// `cvtps2dq` as a float: rounded to nearest even. Beyond what converts, the smallest integer or less: both clamp alike.
#[inline(always)]
fn to_integer(x: f32) -> f32 {
    if x < FIRST_TOO_LARGE { x.round_ties_even() } else { -FIRST_TOO_LARGE }
}
