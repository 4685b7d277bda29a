//! The constants of a layer as the target holds them: weights by output channel, biases with fractional bits.

use crate::exact::Ratio;
use crate::ops::{Bias, Layer};
use crate::parameters::{LayerKind, LayerParameters};

/// One value per channel of a list that has one for all, or one each.
pub(super) fn spread<T: Copy>(values: &[T], channels: usize) -> Option<Vec<T>> {
    match values {
        [one] => Some(vec![*one; channels]),
        each => (each.len() == channels).then(|| each.to_vec()),
    }
}

/// Weights as (output channel, input channel of the group, kernel...), the kernel's sizes, the number of groups, and
/// the input channels of one group.
pub(super) fn arrange_weight(parameters: &LayerParameters) -> Option<(Vec<i8>, Vec<usize>, usize, usize)> {
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
pub(super) fn fractional_bias(
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
