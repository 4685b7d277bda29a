//! Real numbers to codes and back to integers, for whole images at once.

use gen_params_core::parameters::Activation;
use gen_params_kernels::{Kernel, Operation};

/// Adding this to an integer of magnitude below 2^22 leaves it, in two's complement, in the low bits of the float.
const INTEGER_IN_LOW_BITS: f32 = 12_582_912.0;

/// The low byte of a float that holds a small integer: a code of either type.
#[inline(always)]
pub(crate) fn low_byte(code: f32) -> u8 {
    (code + INTEGER_IN_LOW_BITS).to_bits().to_le_bytes()[0]
}

/// int32 to float32, rounded to nearest even, as every engine does it.
#[inline(always)]
#[allow(clippy::cast_precision_loss, reason = "this rounding is the engine's")]
pub(crate) fn float(x: i32) -> f32 {
    x as f32
}

/// The codes of real numbers by the rule of [`gen_params_core::quantize::quantize`]: `clamp(rint(x * (1/S)) + Z)`.
pub(crate) fn quantize(kernel: Kernel, reals: &[f32], activation: Activation, codes: &mut [u8]) {
    let (min, max) = activation.code_type.range();
    #[allow(clippy::cast_possible_truncation, reason = "PyTorch narrows the scale to float32 first")]
    let reciprocal = 1.0 / activation.scale as f32;
    let zero_point = float(activation.zero_point);
    kernel.vectorize(Quantize { reals, reciprocal, zero_point, min: float(min), max: float(max), codes });
}

struct Quantize<'a> {
    reals: &'a [f32],
    reciprocal: f32,
    zero_point: f32,
    min: f32,
    max: f32,
    codes: &'a mut [u8],
}

impl Operation for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (code, &real) in self.codes.iter_mut().zip(self.reals) {
            let rounded = (real * self.reciprocal).round_ties_even();
            // What is not a number becomes the integer zero.
            let rounded = if rounded.is_nan() { 0.0 } else { rounded };
            *code = low_byte((rounded + self.zero_point).max(self.min).min(self.max));
        }
    }
}
