//! The real number that a code stands for, and the accumulators at which it lies halfway between two codes.

use serde::{Deserialize, Serialize};

use crate::exact::Ratio;

/// The exact output `((accumulator + bias_code)*S1*S2 + bias) / S3` of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Real {
    /// S1.
    pub input_scale: f64,
    /// S2.
    pub weight_scale: f64,
    /// S3.
    pub output_scale: f64,
    /// b, where it is a real number.
    pub bias: f32,
    /// b / (S1*S2), where it is an integer.
    #[serde(default)]
    pub bias_code: i64,
}

impl Real {
    /// The accumulator whose exact output is `code - 1/2`, counted from Z3; `None` if no integer has it.
    pub fn tie(&self, code: i32) -> Option<i64> {
        let product = Ratio::from_f64(self.input_scale)?.times(&Ratio::from_f64(self.weight_scale)?);
        let half_step = Ratio::from_f64(self.output_scale)?.times(&Ratio::from_f64(0.5)?);
        let reached = half_step.times(&Ratio::from_i64(2 * i64::from(code) - 1));
        let place = reached.minus(&Ratio::from_f64(f64::from(self.bias))?).over(&product)?;
        let place = place.minus(&Ratio::from_i64(self.bias_code));
        place.is_integer().then(|| place.ceil_saturating())
    }
}
