//! TFLite's sigmoid and tanh of 16-bit codes: the code at its place in a table of the sigmoid, interpolated; of its optimized
//! kernels, polynomials where the scale is a power of two.

use super::context::OpError;
use super::gates::{sigmoid_at, tanh_at};
use crate::gemmlowp_narrow;
use crate::parameters::Activation;

/// Source: TFLite `kernels/activations.cc`, `reference/integer_ops/logistic.h` and `tanh.h`.
pub(super) struct WideFunction {
    tanh: bool,
    /// Codes to places of the table: `code * multiplier / 2^right`, ties up.
    multiplier: i32,
    right: i32,
    /// The power of two that makes a code one of scale 2^-12, where fixed-point polynomials compute instead of the table.
    polynomial: Option<i32>,
}

impl WideFunction {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "TFLite holds scales as float32 and truncates the multiplier; the casts saturate"
    )]
    /// `optimized` kernels compute scales of 2^-12, and 2^-11 for tanh, by polynomials.
    pub(super) fn new(
        tanh: bool,
        optimized: bool,
        input: Activation,
        output: Activation,
    ) -> Result<Self, OpError> {
        let (_, nearly) = nearest_power(output.scale as f32);
        let fits = if tanh { nearly == Some(-15) } else { output.scale == 1.0 / 32_768.0 };
        if !fits || (input.zero_point, output.zero_point) != (0, 0) {
            return Err(OpError::new(
                format!(
                    "zero points {} and {} and a result of scale {}",
                    input.zero_point, output.zero_point, output.scale
                ),
                "0, 0 and 1/32768, the only ones that TFLite has for 16-bit codes",
            ));
        }
        // Scales of 2^-12, and 2^-11 for tanh, are a whole number of places.
        let (power, is_power) = nearest_power(input.scale as f32);
        let left = power + 12;
        if is_power.is_some() && (left == 0 || tanh && left == 1) {
            let polynomial = optimized.then_some(left);
            return Ok(Self { tanh, multiplier: 3 << left, right: 0, polynomial });
        }
        let (mut multiplier, mut right) = (input.scale * 4096.0 * 3.0, 0);
        while multiplier <= 32_767.0 / 2.0 && right <= 30 {
            right += 1;
            multiplier *= 2.0;
        }
        Ok(Self { tanh, multiplier: multiplier as i32, right, polynomial: None })
    }

    pub(super) fn code(&self, code: i32) -> i32 {
        match self.polynomial {
            Some(left) if self.tanh => {
                return gemmlowp_narrow::tanh(gemmlowp_narrow::saturate(code << left), 3);
            }
            Some(_) => return gemmlowp_narrow::logistic(code),
            None => {}
        }
        let half = if self.right > 0 { 1 << (self.right - 1) } else { 0 };
        let place = code.wrapping_mul(self.multiplier).wrapping_add(half) >> self.right;
        if self.tanh { tanh_at(place) } else { sigmoid_at(place) }
    }
}

/// The power of two next to a scale; again, where TFLite takes the scale for it.
#[allow(clippy::cast_possible_truncation, reason = "logarithms of float32 numbers are small")]
fn nearest_power(scale: f32) -> (i32, Option<i32>) {
    let log = scale.ln() * (1.0 / std::f32::consts::LN_2);
    let power = log.round();
    (power as i32, ((log - power).abs() < 1e-3).then_some(power as i32))
}
