//! Batch normalisation: `clamp(round((M0*(x - Z1) + B) * 2^-n) + Z3)`, with M0 and B per channel.

use super::scale::{Choice, centred, clamped, count, narrowest};
use crate::exact::Ratio;
use crate::ops::BatchNorm;
use crate::parameters::{Activation, Agreement, OperatorArithmetic, Range, Scale};

/// The narrowest multipliers with a common shift, against `rint(alpha*(x - Z1) + beta) + Z3` in binary32 for every code and
/// channel, which is what every contract computes.
pub(super) fn derive(
    norm: &BatchNorm,
    input: Activation,
    output: Activation,
    clamp: Range<i32>,
    choice: Choice,
) -> Option<(OperatorArithmetic, Agreement)> {
    let gains = norm.gains(input, output)?;
    let codes = centred(input);
    let mut exact = Vec::new();
    for gain in &gains {
        for code in codes.min..=codes.max {
            exact.push((code, clamped(i128::from(gain.code(code, output)), clamp)));
        }
    }
    let constants: Vec<(Ratio, Ratio)> = gains
        .iter()
        .map(|gain| Some((Ratio::from_f64(f64::from(gain.alpha))?, Ratio::from_f64(f64::from(gain.beta))?)))
        .collect::<Option<_>>()?;
    let log2 = constants.iter().flat_map(|(alpha, beta)| [alpha, beta]).filter_map(Ratio::floor_log2).max();
    let candidates = choice.shifts(log2.unwrap_or(0)).into_iter().filter_map(|n| {
        let (multipliers, offsets) = integers(&constants, n)?;
        Some((multipliers, offsets, i32::try_from(n).ok()?))
    });
    let per_channel = exact.len() / constants.len().max(1);
    let ((multipliers, offsets, shift), differing) =
        narrowest(candidates.collect(), |(multipliers, offsets, shift), limit| {
            let ours = choice.rescale(Scale { multiplier: 1, shift: *shift }, output.zero_point, clamp);
            let channels = exact.chunks(per_channel.max(1)).zip(multipliers).zip(offsets);
            let differs = channels.flat_map(|((cases, &multiplier), &offset)| {
                let ours = &ours;
                cases.iter().map(move |&(x, expected)| ours.code(sum(multiplier, offset, x)) != expected)
            });
            count(differs, limit)
        })?;
    let arithmetic = OperatorArithmetic::ChannelScale { multipliers, offsets, shift };
    Some((arithmetic, Agreement { cases: exact.len() as u64, differing }))
}

/// What is rescaled: M0*(x - Z1) + B, of a code minus its zero point.
pub(super) fn sum(multiplier: i32, offset: i32, x: i32) -> i64 {
    i64::from(multiplier) * i64::from(x) + i64::from(offset)
}

/// `round(alpha * 2^n)` and `round(beta * 2^n)` of each channel; `None` beyond 32 bits.
fn integers(constants: &[(Ratio, Ratio)], n: i64) -> Option<(Vec<i32>, Vec<i32>)> {
    let round = |real: &Ratio| i32::try_from(real.round_scaled(n)?).ok();
    constants.iter().map(|(alpha, beta)| Some((round(alpha)?, round(beta)?))).collect()
}
