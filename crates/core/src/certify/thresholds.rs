//! Requantization without multiplication: the accumulators at which the output code steps up.
//!
//! From accumulator to code an engine is a step function that never falls, so that
//!
//! ```text
//! output = min + (number of thresholds that sum(x_q * (w_q - Z2)) has reached)
//! ```
//!
//! with min and max the layer's clamp and max - min thresholds per output channel, is that engine's code for every
//! accumulator. Bias, zero points and every rounding are inside the thresholds. Those that no input reaches are one beyond
//! the largest reachable accumulator.

use super::{Refusal, layer_channels};
use crate::contract::Contract;
use crate::hardware::Target;
use crate::ops::Layer;
use crate::parameters::LayerParameters;

/// The thresholds of a layer in the arithmetic of `contract`, per output channel, row-major; accumulators are those of the
/// codes as the target has them.
///
/// # Errors
/// What is not known, and an engine whose codes may fall.
pub fn thresholds(
    contract: Contract,
    layer: &Layer,
    parameters: &LayerParameters,
    target: Target,
) -> Result<Vec<i64>, Refusal> {
    let input = parameters.input.ok_or_else(|| Refusal::Unknown("its input is not known".to_owned()))?;
    let input_zero_point = i64::from(input.zero_point - target.code_shift(input.code_type));
    let channels = layer_channels(contract, layer, parameters, target)?;
    let taps = i64::try_from(parameters.weight.codes.len() / parameters.channels.max(1)).unwrap_or(i64::MAX);
    let zero_points = &parameters.weight.zero_point;
    let mut found = Vec::new();
    for (index, (channel, &sum)) in channels.iter().zip(&parameters.weight_sum).enumerate() {
        let z2 = zero_points.get(if zero_points.len() > 1 { index } else { 0 }).copied().unwrap_or(0);
        // Certificates count (x - Z1) * (w - Z2), hardware x * (w - Z2).
        let origin = input_zero_point * (i64::from(sum) - taps * i64::from(z2));
        found.extend(channel.reference_steps()?.levels().map(|(_, first)| first + origin));
    }
    Ok(found)
}
