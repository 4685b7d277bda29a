//! Accumulators to output codes, for all channels of a layer at once.
//!
//! The same float32 operations in the same order as [`Requantizer::apply`], on arrays of constants, one per channel, so
//! that the compiler can do sixteen channels at a time.

use gen_params_core::contract::{Arithmetic, Requantizer};
use gen_params_kernels::{Kernel, LANES, Operation};

use crate::quantize::{float, low_byte};

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
    /// Channel by channel, for what is not float32.
    Scalar(Vec<Requantizer>),
}

type Block = [f32; LANES];

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
