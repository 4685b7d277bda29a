//! A real factor as an integer multiplier and a shift, as narrow as equality with the exact result allows.

use crate::exact::Ratio;
use crate::hardware::reach::Ranks;
use crate::hardware::steps::{Difference, Steps};
use crate::hardware::{Rescale, Rounding};
use crate::parameters::{Activation, Agreement, MultiplierForm, Range, Scale};

/// Widest multiplier, a sign not counted: hardware and C multiply signed 32-bit numbers.
const WIDEST: u32 = 31;

/// How factors become integers, and how the division by 2^n rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// One n for all, or as many bits as needed up to a number.
    pub form: MultiplierForm,
    /// Of the division by 2^n.
    pub rounding: Rounding,
}

/// Multipliers of several factors with one common shift.
pub(super) type Common<const N: usize> = ([u32; N], i32);

impl Choice {
    /// The equation with these numbers.
    pub(super) fn rescale(&self, scale: Scale, zero_point: i32, clamp: Range<i32>) -> Rescale {
        Rescale::of_scale(scale, self.rounding, zero_point, clamp)
    }

    /// The candidates for factors with a common shift, narrowest first; empty where a given n cannot hold them.
    ///
    /// With a number of bits, the candidate of width w has a largest multiplier of w bits.
    pub(super) fn candidates<const N: usize>(&self, factors: [&Ratio; N]) -> Vec<Common<N>> {
        let largest = factors.iter().filter_map(|factor| factor.floor_log2()).max();
        let shifts = largest.map(|log2| self.shifts(log2)).unwrap_or_default();
        shifts.into_iter().filter_map(|n| integers(factors, n)).collect()
    }

    /// The shifts that give numbers of this magnitude the bits of the form, narrowest first.
    pub(super) fn shifts(&self, log2: i64) -> Vec<i64> {
        match self.form {
            MultiplierForm::Shift(n) => vec![i64::from(n)],
            MultiplierForm::Bits(bits)
            | MultiplierForm::LayerBits(bits)
            | MultiplierForm::NetworkBits(bits) => {
                (1..=bits.min(WIDEST)).map(|w| i64::from(w) - 1 - log2).collect()
            }
        }
    }

    /// The factor of a sum over `range`, such as one of codes, with how it agrees with the exact result
    /// `clamp(round(factor*sum) + Z)`, ties to even, over all of `range`.
    pub(super) fn of_sum(
        &self,
        factor: &Ratio,
        range: Range<i32>,
        zero_point: i32,
        clamp: Range<i32>,
    ) -> Option<(Scale, Agreement)> {
        let exact = Steps::of(range, clamp, |sum| {
            let real = factor.times(&Ratio::from_i64(sum));
            let rounded = real.round_scaled(0).unwrap_or(if sum < 0 { i128::MIN } else { i128::MAX });
            clamped(rounded.saturating_add(i128::from(zero_point)), clamp)
        });
        let ranks = Ranks::new(Range { min: range.min.into(), max: range.max.into() }, None);
        let differences = |&([multiplier], shift): &Common<1>| {
            let ours = self.rescale(Scale { multiplier, shift }, zero_point, clamp).steps(range);
            Difference::between(&exact, &ours, &ranks).map_or(u64::MAX, |difference| difference.differing)
        };
        let (([multiplier], shift), differing) =
            narrowest(self.candidates([factor]), |candidate, _| differences(candidate))?;
        let cases = (i64::from(range.max) - i64::from(range.min) + 1).unsigned_abs();
        Some((Scale { multiplier, shift }, Agreement { cases, differing }))
    }

    /// The factor with as many bits as the form has, where what it multiplies has no bound.
    pub(super) fn widest(&self, factor: &Ratio) -> Option<Scale> {
        let ([multiplier], shift) = self.candidates([factor]).pop()?;
        Some(Scale { multiplier, shift })
    }
}

/// The candidate, of several with the narrowest first, that differs from the exact result in the fewest cases, and the
/// narrowest of those, with that count. `count` gives up, with any number beyond it, at `limit`.
pub(super) fn narrowest<C>(
    mut candidates: Vec<C>,
    mut count: impl FnMut(&C, u64) -> u64,
) -> Option<(C, u64)> {
    if let Some(equal) = candidates.iter().position(|candidate| count(candidate, 1) == 0) {
        return Some((candidates.swap_remove(equal), 0));
    }
    let mut best = None;
    let mut fewest = u64::MAX;
    for candidate in candidates.into_iter().rev() {
        let differing = count(&candidate, fewest.saturating_add(1));
        if differing <= fewest {
            (fewest, best) = (differing, Some(candidate));
        }
    }
    best.map(|best| (best, fewest))
}

/// How many cases differ, up to `limit`.
pub(super) fn count(differs: impl Iterator<Item = bool>, limit: u64) -> u64 {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    differs.filter(|&differs| differs).take(limit).count() as u64
}

/// `round(factor * 2^n)` of each; `None` if the largest is 0 or has more than [`WIDEST`] bits.
fn integers<const N: usize>(factors: [&Ratio; N], n: i64) -> Option<Common<N>> {
    let mut multipliers = [0; N];
    for (multiplier, factor) in multipliers.iter_mut().zip(factors) {
        *multiplier = u32::try_from(factor.round_scaled(n)?).ok().filter(|m| m >> WIDEST == 0)?;
    }
    (multipliers.iter().any(|&m| m > 0)).then_some((multipliers, i32::try_from(n).ok()?))
}

/// The ratio of two scales; `None` unless both are positive and finite.
pub(super) fn ratio(numerators: &[f64], denominator: f64) -> Option<Ratio> {
    let positive = |scale: f64| Ratio::from_f64(scale).filter(|r| !r.is_zero() && !r.is_negative());
    let product = numerators
        .iter()
        .try_fold(Ratio::from_i64(1), |product, &scale| Some(product.times(&positive(scale)?)))?;
    product.over(&positive(denominator)?)
}

/// A result as a code.
pub(super) fn clamped(value: i128, clamp: Range<i32>) -> i32 {
    let code = value.min(i128::from(clamp.max)).max(i128::from(clamp.min));
    i32::try_from(code).unwrap_or(clamp.min)
}

/// Codes of an activation minus its zero point.
pub(super) fn centred(activation: Activation) -> Range<i32> {
    let (min, max) = activation.code_type.range();
    Range { min: min - activation.zero_point, max: max - activation.zero_point }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: Range<i32> = Range { min: 0, max: 255 };

    fn choice(form: MultiplierForm, rounding: Rounding) -> Choice {
        Choice { form, rounding }
    }

    #[test]
    fn a_quarter_is_one_and_a_shift_by_two() {
        // Sums 0..=1020 of four codes: a quarter of a sum ends in .5 at every fourth, and half-up differs from ties to
        // even where the integer below is even: sums 2, 10, 18, ... up to 1018.
        let quarter = Ratio::from_f64(0.25).unwrap();
        let sums = Range { min: 0, max: 1020 };
        for (rounding, differing) in [(Rounding::HalfEven, 0), (Rounding::HalfUp, 128)] {
            let found = choice(MultiplierForm::Bits(31), rounding).of_sum(&quarter, sums, 0, CODES).unwrap();
            assert_eq!(found, (Scale { multiplier: 1, shift: 2 }, Agreement { cases: 1021, differing }));
        }
    }

    #[test]
    fn a_ninth_of_nine_codes_is_narrow_and_equal() {
        let ninth = Ratio::from_i64(1).over(&Ratio::from_i64(9)).unwrap();
        let sums = Range { min: 0, max: 9 * 255 };
        let choice = choice(MultiplierForm::Bits(31), Rounding::HalfUp);
        let (scale, agreement) = choice.of_sum(&ninth, sums, 0, CODES).unwrap();
        assert_eq!(agreement.differing, 0);
        for sum in 0..=9 * 255 {
            // No tie: nine is odd.
            assert_eq!(i64::from(choice.rescale(scale, 0, CODES).code(sum)), (2 * sum + 9) / 18, "{sum}");
        }
        assert!(scale.multiplier < 1 << 12, "{scale:?}");
    }

    #[test]
    fn a_given_shift_is_kept() {
        let third = Ratio::from_i64(1).over(&Ratio::from_i64(3)).unwrap();
        let choice = choice(MultiplierForm::Shift(8), Rounding::HalfUp);
        assert_eq!(choice.candidates([&third]), [([85], 8)]);
        assert_eq!(choice.widest(&third), Some(Scale { multiplier: 85, shift: 8 }));
        let tiny = Ratio::from_f64(1e-9).unwrap();
        assert_eq!(choice.widest(&tiny), None);
    }
}
