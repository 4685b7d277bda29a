//! The best hardware of a given width for a channel: where none is equal, the one that differs least.
//!
//! With M0 and n given, the sum of the distances between the steps of hardware and reference is a function of the
//! rounding constant C whose smallest value one sweep finds. Step k of the hardware is at the reference's position plus
//! `d_k(C) = ceil((c_k - C) / W)`, W = M0 * 2^F, where `c_k` is the smallest C that reaches the level in time. Lowering C
//! by W moves every step by 1, so among the constants with one remainder modulo W the best is the first one, from above,
//! with at least as many steps late or in time as early. These lie in one period below a median of `c_k + W`, and within
//! a period each step moves once: sorted, 255 events.
//!
//! As long as the codes differ by 1 at most, and no step is pushed over the end of the range, that sum is the number of
//! accumulators that differ. Every result is
//! counted exactly from its steps; that nothing narrower is *equal* is proven by [`narrowest`], while what is found for a
//! bound above 0 is the best of the multipliers on both sides of M * 2^n.

use super::alternatives::{Digits, nearest_with_digits};
use super::channel::{Channel, Refusal};
use super::difference::Difference;
use super::integer::IntegerRequantizer;
use super::search::{Constant, LARGEST_SHIFT, Narrowest, Problem, narrowest};
use super::steps::Steps;
use crate::derive::exact_multiplier;
use crate::exact::Ratio;
use crate::target::Rounding;

/// What may be chosen for a channel; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Freedom {
    /// Nothing: M0 is M * 2^n rounded to nearest.
    Nearest,
    /// M0.
    Multiplier,
    /// M0 and the bias.
    Bias,
    /// M0 and, in place of the rounding, the constant that is added before the shift.
    Constant,
}

impl Freedom {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nearest, Self::Multiplier, Self::Bias, Self::Constant];

    /// The name in commands and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Multiplier => "multiplier",
            Self::Bias => "bias",
            Self::Constant => "constant",
        }
    }
}

/// Hardware that was chosen for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its numbers.
    pub hardware: IntegerRequantizer,
    /// How it differs from the reference.
    pub difference: Difference,
}

impl Chosen {
    /// Smaller is better: within 1 LSB first, then by the number of accumulators.
    fn rank(&self) -> (u32, u64) {
        (self.difference.largest_distance().max(1), self.difference.differing)
    }

    /// The same function with the shift `n`; `None` if its numbers do not fit.
    fn with_shift(&self, n: u32, bits: u32) -> Option<Self> {
        let more = i32::try_from(n).ok()?.checked_sub(self.hardware.shift).filter(|&more| more >= 0)?;
        let factor = 1_i64.checked_shl(more.unsigned_abs())?;
        let multiplier = u32::try_from(i64::from(self.hardware.multiplier).checked_mul(factor)?).ok()?;
        let constant = match self.hardware.constant {
            Some(constant) => Some(constant.checked_mul(factor)?),
            None => None,
        };
        let shift = self.hardware.shift + more;
        let hardware = IntegerRequantizer { multiplier, shift, constant, ..self.hardware.clone() };
        (width(multiplier) <= bits).then(|| Self { hardware, difference: self.difference.clone() })
    }
}

/// Bits of an unsigned number.
fn width(multiplier: u32) -> u32 {
    u32::BITS - multiplier.leading_zeros()
}

/// The search for one channel's hardware.
#[derive(Debug)]
pub struct Trade<'a> {
    channel: &'a Channel,
    reference: Steps,
    /// M * 2^-F.
    real: Ratio,
    product_bits: u32,
}

/// The narrowest hardware that is equal, as conditions for other shifts.
#[derive(Debug)]
pub struct Equal {
    problem: Problem,
    constant: Constant,
    bias: i64,
    narrowest: Narrowest,
}

impl Equal {
    /// Bits of the narrowest M0.
    pub fn bits(&self) -> u32 {
        self.narrowest.bits()
    }

    /// The smallest shift with which the channel can be equal, F included.
    pub fn shift(&self) -> u32 {
        self.narrowest.shift
    }

    /// Equal numbers of at most `bits` bits with the shift `n`, or with any.
    fn at(&self, bits: u32, n: Option<u32>) -> Option<Narrowest> {
        let fits = |found: &Narrowest| found.bits() <= bits;
        match n {
            None => Some(self.narrowest).filter(fits),
            // Each further shift takes one bit more, or nearly.
            Some(n) if n < self.narrowest.shift || self.bits() + (n - self.narrowest.shift) > bits + 1 => {
                None
            }
            Some(n) => self.problem.at_shift(n, self.constant).filter(fits),
        }
    }
}

impl<'a> Trade<'a> {
    /// Prepares the search for a channel, with a product register of `product_bits`.
    ///
    /// # Errors
    /// Nothing can be proven of the reference, or M is no positive number.
    pub fn new(channel: &'a Channel, product_bits: u32) -> Result<Self, Refusal> {
        let reference = channel.reference_steps()?;
        let scales = &channel.real;
        let fraction = Ratio::from_f64(2f64.powi(-channel.hardware.bias_fraction_bits.cast_signed()));
        let real = exact_multiplier(scales.input_scale, scales.weight_scale, scales.output_scale)
            .zip(fraction)
            .map(|(real, fraction)| real.times(&fraction))
            .filter(|real| !real.is_zero() && !real.is_negative())
            .ok_or(Refusal::Unsound("M = S1*S2/S3 is not a positive finite number"))?;
        Ok(Self { channel, reference, real, product_bits })
    }

    /// The reference's steps.
    pub fn reference(&self) -> &Steps {
        &self.reference
    }

    /// The shift, F included, with which M has `bits` bits.
    pub fn shift(&self, bits: u32) -> u32 {
        let n = i64::from(bits) - 1 - self.real.floor_log2().unwrap_or(0);
        u32::try_from(n.max(0)).unwrap_or(LARGEST_SHIFT).min(LARGEST_SHIFT)
    }

    /// The narrowest hardware that is equal; `None` if no M0 of 32 bits is, or none is looked for: M0 that is
    /// [`Freedom::Nearest`], and roundings other than half up without a constant in their place, are only tried.
    pub fn equal(&self, freedom: Freedom) -> Option<Equal> {
        let hardware = &self.channel.hardware;
        if freedom == Freedom::Nearest
            || (freedom != Freedom::Constant && hardware.rounding != Rounding::HalfUp)
        {
            return None;
        }
        let constant = if freedom == Freedom::Constant { Constant::Free } else { Constant::Half };
        let offsets = if freedom == Freedom::Bias { self.bias_offsets() } else { vec![0] };
        let solutions = offsets.into_iter().filter_map(|offset| {
            let bias = hardware.bias.checked_add(offset)?;
            let problem =
                Problem::new(&self.reference, bias, hardware.bias_fraction_bits, hardware.zero_point);
            let narrowest = narrowest(&problem, constant)?;
            Some(Equal { problem, constant, bias, narrowest })
        });
        solutions.min_by_key(|equal| (equal.bits(), equal.bias.abs_diff(hardware.bias)))
    }

    /// What may be added to the bias: the nearest to the best constant of a precise multiplier, and their neighbours.
    fn bias_offsets(&self) -> Vec<i64> {
        let shift = self.shift(30);
        let offset = self.multipliers(shift, 32).first().map_or(0, |&multiplier| {
            (self.best_constant(multiplier, shift) - self.added(shift)).div_euclid(i128::from(multiplier))
        });
        (-1..=2).filter_map(|step| i64::try_from(offset + step).ok()).chain([0]).collect()
    }

    /// M * 2^n rounded to nearest, then the other neighbour, within 1 and `bits` bits.
    fn multipliers(&self, n: u32, bits: u32) -> Vec<u32> {
        let largest = u32::MAX >> (u32::BITS - bits.clamp(1, u32::BITS));
        let nearest = self.real.round_scaled(i64::from(n)).unwrap_or(i128::from(largest));
        let twice = self.real.round_scaled(i64::from(n) + 1).unwrap_or(i128::from(largest));
        let other = if twice > 2 * nearest { nearest + 1 } else { nearest - 1 };
        let within = |m: i128| u32::try_from(m.clamp(1, i128::from(largest))).unwrap_or(largest);
        let mut found = vec![within(nearest), within(other)];
        found.dedup();
        found
    }

    /// What the target's rounding adds before the shift: half a step, or nothing where it rounds down.
    fn added(&self, n: u32) -> i128 {
        if self.channel.hardware.rounding == Rounding::Floor { 0 } else { (1_i128 << n) >> 1 }
    }

    /// The constant with which the steps of the hardware are nearest to the reference's, all together.
    fn best_constant(&self, multiplier: u32, n: u32) -> i128 {
        let hardware = &self.channel.hardware;
        let range = self.reference.range();
        let (min, max) = (i64::from(range.min), i64::from(range.max));
        let multiplier = i128::from(multiplier);
        let period = (multiplier << hardware.bias_fraction_bits.min(24)).max(1);
        let half = (1_i128 << n) >> 1;
        // Each level with the smallest C that reaches it in time, and whether being late and being early costs anything:
        // of the levels that the reference has from the start, and of those that it never has, the nearest can do one.
        let first_missed = self.reference.levels().find(|&(_, first)| first > max);
        let last_reached = self.reference.levels().take_while(|&(_, first)| first <= min).last();
        let inner = self.reference.levels().filter(|&(_, first)| (min + 1..=max).contains(&first));
        let levels = inner
            .map(|level| (level, true, true))
            .chain(last_reached.map(|level| (level, true, false)))
            .chain(first_missed.map(|level| (level, false, true)));
        let mut needed: Vec<(i128, bool, bool)> = levels
            .map(|((code, first), late, early)| {
                let x =
                    (i128::from(first) << hardware.bias_fraction_bits.min(24)) + i128::from(hardware.bias);
                ((i128::from(code - hardware.zero_point) << n) - multiplier * x, late, early)
            })
            .collect();
        needed.sort_unstable_by(|a, b| b.cmp(a));
        // From `top` downwards by whole periods, nothing is won any more.
        let mut won: i64 = -needed.iter().map(|&(_, _, early)| i64::from(early)).sum::<i64>();
        let top = needed.iter().find(|&&(_, late, early)| {
            won += i64::from(late) + i64::from(early);
            won >= 0
        });
        let Some(top) = top.map(|&(needed, ..)| needed + period - 1) else { return half };
        // Below `top - way` a step is one later.
        let mut events: Vec<(i128, i64)> = needed
            .iter()
            .map(|&(needed, late, early)| {
                let distance = -(top - needed).div_euclid(period);
                let change = if distance >= 0 { i64::from(late) } else { -i64::from(early) };
                ((top - needed).rem_euclid(period) + 1, change)
            })
            .collect();
        events.sort_unstable();
        let (mut sum, mut least, mut best) = (0, 0, top);
        for events in events.chunk_by(|a, b| a.0 == b.0) {
            sum += events.iter().map(|event| event.1).sum::<i64>();
            let way = events[0].0;
            if way < period && sum < least {
                (least, best) = (sum, top - way);
            }
        }
        best
    }

    /// The best hardware with M0 of at most `bits` bits and a shift of `n`, F included, or any where `equal` has one.
    /// `before` is that of a smaller width or shift, which stays where nothing is better.
    pub fn best(
        &self,
        freedom: Freedom,
        bits: u32,
        n: Option<u32>,
        equal: Option<&Equal>,
        before: Option<&Chosen>,
    ) -> Option<Chosen> {
        let kept = if freedom == Freedom::Nearest { None } else { before };
        let kept =
            kept.and_then(|before| n.map_or_else(|| Some(before.clone()), |n| before.with_shift(n, bits)));
        if let Some(kept) = kept.as_ref().filter(|kept| kept.difference.is_none()) {
            return Some(kept.clone());
        }
        let own = &self.channel.hardware;
        if let Some((equal, found)) = equal.and_then(|equal| Some((equal, equal.at(bits, n)?))) {
            let constant = (equal.constant == Constant::Free).then_some(found.constant);
            let (multiplier, bias) = (found.multiplier, equal.bias);
            let shift = i32::try_from(found.shift).ok()?;
            let hardware = IntegerRequantizer { multiplier, shift, constant, bias, ..own.clone() };
            if let Some(chosen) = self.evaluate(hardware) {
                return Some(chosen);
            }
        }
        let n = n.unwrap_or_else(|| self.shift(bits));
        let shift = i32::try_from(n).ok()?;
        let mut multipliers = self.multipliers(n, bits);
        if freedom == Freedom::Nearest {
            multipliers.truncate(1);
        }
        let mut candidates = Vec::new();
        for multiplier in multipliers {
            let plain = IntegerRequantizer { multiplier, shift, constant: None, ..own.clone() };
            match freedom {
                Freedom::Nearest | Freedom::Multiplier => candidates.push(plain),
                Freedom::Bias => {
                    let offset = (self.best_constant(multiplier, n) - self.added(n))
                        .div_euclid(i128::from(multiplier));
                    for offset in [offset, offset + 1] {
                        let bias = i64::try_from(offset).ok().and_then(|offset| own.bias.checked_add(offset));
                        candidates.extend(bias.map(|bias| IntegerRequantizer { bias, ..plain.clone() }));
                    }
                }
                Freedom::Constant => {
                    let constant = i64::try_from(self.best_constant(multiplier, n)).ok();
                    candidates.extend(constant.map(|_| IntegerRequantizer { constant, ..plain.clone() }));
                }
            }
        }
        candidates.into_iter().filter_map(|c| self.evaluate(c)).chain(kept).min_by_key(Chosen::rank)
    }

    /// Hardware with shifts and adders in place of the multiplier: the nearest M0 with these digits. `None` if there is
    /// none, or its product does not fit.
    pub fn with_digits(&self, digits: Digits) -> Option<Chosen> {
        let (multiplier, shift) = nearest_with_digits(&self.real, digits, LARGEST_SHIFT)?;
        let shift = i32::try_from(shift).ok()?;
        self.evaluate(IntegerRequantizer {
            multiplier,
            shift,
            constant: None,
            ..self.channel.hardware.clone()
        })
    }

    /// Counts what hardware differs by; `None` if its product does not fit.
    pub fn evaluate(&self, hardware: IntegerRequantizer) -> Option<Chosen> {
        let range = self.reference.range();
        if !hardware.is_sound() || hardware.product_bits(range) > self.product_bits {
            return None;
        }
        let difference = Difference::between(&self.reference, &hardware.steps(range))?;
        Some(Chosen { hardware, difference })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen_params_test_support::needs;

    use crate::certify::tests::{all_channels, own_channels};

    #[test]
    fn no_constant_and_no_bias_differs_less_in_our_own_networks() {
        none_differs_less(own_channels(), 60_000);
    }

    #[needs(shared)]
    fn no_constant_and_no_bias_differs_less() {
        none_differs_less(all_channels(), 8_000);
    }

    /// Every constant and every bias that could matter, tried one by one on channels that reach less than `widest`
    /// accumulators: none differs less.
    fn none_differs_less(mut channels: Vec<Channel>, widest: i64) {
        channels.retain(|channel| {
            let range = channel.accumulator;
            (500..widest).contains(&(i64::from(range.max) - i64::from(range.min)))
                && channel.hardware.bias_fraction_bits == 0
                && Trade::new(channel, 64).is_ok_and(|trade| trade.shift(4) <= 16)
        });
        for channel in &mut channels {
            channel.hardware.rounding = Rounding::HalfUp;
        }
        let stride = (channels.len() / 8).max(1);
        let (mut tried, mut failures) = (0, Vec::new());
        for channel in channels.iter().step_by(stride) {
            let trade = Trade::new(channel, 64).unwrap();
            for bits in [4, 6, 9] {
                let n = trade.shift(bits);
                if n > 16 {
                    continue;
                }
                let least = |variants: &mut dyn Iterator<Item = IntegerRequantizer>| {
                    variants.filter_map(|hardware| trade.evaluate(hardware)).map(|chosen| chosen.rank()).min()
                };
                let plain = |multiplier| IntegerRequantizer {
                    multiplier,
                    shift: i32::try_from(n).unwrap(),
                    ..channel.hardware.clone()
                };
                let multipliers = trade.multipliers(n, bits);
                let reach = 3 * i64::from(multipliers[0]) + (1 << n);
                let constants = &mut multipliers.iter().flat_map(|&m| {
                    (-reach..2 * reach)
                        .map(move |constant| IntegerRequantizer { constant: Some(constant), ..plain(m) })
                });
                let biases = &mut multipliers.iter().flat_map(|&m| {
                    let bias = channel.hardware.bias;
                    (bias - 300..bias + 300).map(move |bias| IntegerRequantizer { bias, ..plain(m) })
                });
                for (freedom, expected) in
                    [(Freedom::Constant, least(constants)), (Freedom::Bias, least(biases))]
                {
                    let equal = trade.equal(freedom);
                    let found = trade.best(freedom, bits, Some(n), equal.as_ref(), None).map(|c| c.rank());
                    tried += 1;
                    // Where steps further apart than 1 LSB overlap, or are pushed over the end of the range, the sum of
                    // distances is not quite the count.
                    let bar = expected.map(|(largest, differing)| (largest, differing + differing / 1000));
                    if found > bar && expected.is_some_and(|rank| rank.0 == 1) {
                        failures.push((freedom, bits, found, expected));
                    }
                }
            }
        }
        println!("{tried} searches");
        assert!(failures.is_empty(), "{failures:#?}");
        assert!(tried > 10);
    }
}
