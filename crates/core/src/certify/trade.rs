//! The best hardware of a given width for a channel: where none is equal, the one that differs least.
//!
//! With M0 and n given, the sum of the distances between the steps of hardware and reference is a function of the
//! rounding constant C whose smallest value one sweep finds. Step k of the hardware is at the reference's position plus
//! `d_k(C) = ceil((c_k - C) / W)`, W = M0 * 2^F, where `c_k` is the smallest C that reaches the level in time. Lowering C
//! by W moves every step by 1, so among the constants with one remainder modulo W the best is the first one, from above,
//! with at least as many steps late or in time as early. These lie in one period below a median of `c_k + W`, and within
//! a period each step moves once: sorted, 255 events.
//!
//! That is where the search begins; what it finds is the best of all: every M0 of a width and every n, with every bias
//! that moves a sum by no more than its range, or every constant that does, are [looked through](super::optimum) box by
//! box. Where there are more boxes than a [search](Trade::best) may look at, what it found is marked as not proven to be
//! the best.

use super::alternatives::{Digits, nearest_with_digits};
use super::channel::{Channel, Refusal};
use super::optimum::{Budget, Goal, Rank, Region};
use super::search::{Constant, LARGEST_SHIFT, Narrowest, Problem, narrowest};
use crate::derive::{exact_multiplier, normalized_multiplier};
use crate::exact::Ratio;
use crate::hardware::reach::Ranks;
use crate::hardware::steps::Difference;
use crate::hardware::steps::Steps;
use crate::hardware::{Rescale, Rounding};

/// What may be chosen for a channel. Each includes those before it, but for a constant in the place of a rounding that does
/// more than to add one: half to even, half away from zero, toward zero and double.
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
    pub hardware: Rescale,
    /// How it differs from the reference.
    pub difference: Difference,
    /// Whether it is proven that no other numbers that could have been chosen are better.
    pub best: bool,
}

impl Chosen {
    /// Smaller is better: within 1 LSB first, then by the number of accumulators that differ.
    pub fn rank(&self) -> (bool, u64) {
        (self.difference.largest_distance() > 1, self.difference.differing)
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
    ranks: Ranks,
    goal: Goal,
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
        let ranks = channel.ranks()?;
        let hardware = &channel.hardware;
        let goal = Goal::new(
            &reference,
            ranks.clone(),
            hardware.rounding,
            hardware.bias_fraction_bits,
            hardware.zero_point,
        );
        let scales = &channel.real;
        let fraction = Ratio::from_f64(2f64.powi(-channel.hardware.bias_fraction_bits.cast_signed()));
        let real = exact_multiplier(scales.input_scale, scales.weight_scale, scales.output_scale)
            .zip(fraction)
            .map(|(real, fraction)| real.times(&fraction))
            .filter(|real| !real.is_zero() && !real.is_negative())
            .ok_or(Refusal::Unsound("M = S1*S2/S3 is not a positive finite number"))?;
        Ok(Self { channel, reference, ranks, goal, real, product_bits })
    }

    /// The reference's steps.
    pub fn reference(&self) -> &Steps {
        &self.reference
    }

    /// Accumulators that can occur.
    pub fn reachable(&self) -> u64 {
        self.ranks.count().unsigned_abs()
    }

    /// The largest shift, F included, with which M rounded to nearest has no more than `bits` bits.
    pub fn shift(&self, bits: u32) -> u32 {
        // What rounds up to a power of two has one shift less.
        let n = normalized_multiplier(&self.real, bits).map_or(0, |(_, n)| n);
        u32::try_from(n.max(0)).unwrap_or(LARGEST_SHIFT).min(LARGEST_SHIFT)
    }

    /// The smallest shift, F included, with which M rounded to nearest is not 0.
    pub fn smallest_shift(&self) -> u32 {
        // From a half on, ties going to the even 0.
        let n = (-self.real.floor_log2().unwrap_or(0) - 1).max(0);
        let is_none = self.real.round_scaled(n) == Some(0);
        u32::try_from(n + i64::from(is_none)).unwrap_or(LARGEST_SHIFT).min(LARGEST_SHIFT)
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
            let problem = Problem::new(
                &self.reference,
                &self.ranks,
                bias,
                hardware.bias_fraction_bits,
                hardware.zero_point,
            );
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

    /// M * 2^n rounded to nearest, in at most `bits` bits: with the shift `n`, or the one with which it has all of them.
    fn nearest(&self, bits: u32, n: Option<u32>) -> Option<(u32, u32)> {
        match n {
            Some(n) => {
                let multiplier = u32::try_from(self.real.round_scaled(i64::from(n))?).ok()?;
                (multiplier > 0 && width(multiplier) <= bits).then_some((multiplier, n))
            }
            None => {
                let (multiplier, n) = normalized_multiplier(&self.real, bits)?;
                if let Ok(n) = u32::try_from(n)
                    && n <= LARGEST_SHIFT
                {
                    return Some((multiplier, n));
                }
                self.nearest(bits, Some(if n < 0 { 0 } else { LARGEST_SHIFT }))
            }
        }
    }

    /// Candidates to begin a search with: M0 on both sides of M * 2^n, with the constants and biases that suit them.
    fn beginnings(&self, freedom: Freedom, bits: u32, n: u32) -> Vec<Rescale> {
        let own = &self.channel.hardware;
        let Ok(shift) = i32::try_from(n) else { return Vec::new() };
        let mut candidates = Vec::new();
        for multiplier in self.multipliers(n, bits) {
            let plain = Rescale { multiplier, shift, constant: None, ..own.clone() };
            match freedom {
                Freedom::Nearest => {}
                Freedom::Multiplier => candidates.push(plain),
                Freedom::Bias => {
                    let offset = (self.best_constant(multiplier, n) - self.added(n))
                        .div_euclid(i128::from(multiplier));
                    for offset in [offset, offset + 1] {
                        let bias = i64::try_from(offset).ok().and_then(|offset| own.bias.checked_add(offset));
                        candidates.extend(bias.map(|bias| Rescale { bias, ..plain.clone() }));
                    }
                }
                Freedom::Constant => {
                    let constant = i64::try_from(self.best_constant(multiplier, n)).ok();
                    candidates.extend(constant.map(|_| Rescale { constant, ..plain.clone() }));
                }
            }
        }
        candidates
    }

    /// The best hardware with M0 of at most `bits` bits and the shift `n`, F included, or any. `equal` may be asked first.
    /// `known` is hardware of a smaller width or shift, or with less that was chosen: nothing worse comes out, as far as
    /// its numbers are among those that may be chosen. No more than `boxes` boxes are looked at; where that is not enough,
    /// [`Chosen::best`] says so.
    pub fn best(
        &self,
        freedom: Freedom,
        bits: u32,
        n: Option<u32>,
        equal: Option<&Equal>,
        known: &[&Chosen],
        boxes: u32,
    ) -> Option<Chosen> {
        let own = &self.channel.hardware;
        if freedom == Freedom::Nearest {
            let (multiplier, n) = self.nearest(bits, n)?;
            let shift = i32::try_from(n).ok()?;
            let plain = Rescale { multiplier, shift, constant: None, ..own.clone() };
            return Some(Chosen { best: true, ..self.evaluate(plain)? });
        }
        let known = known.iter().filter_map(|known| self.among(known, freedom, bits, n));
        let known = known.min_by_key(Chosen::rank);
        if let Some(known) = known.as_ref().filter(|known| known.difference.is_none()) {
            return Some(Chosen { best: true, ..known.clone() });
        }
        if let Some((equal, found)) = equal.and_then(|equal| Some((equal, equal.at(bits, n)?))) {
            let constant = (equal.constant == Constant::Free).then_some(found.constant);
            let (multiplier, bias) = (found.multiplier, equal.bias);
            let shift = i32::try_from(found.shift).ok()?;
            let hardware = Rescale { multiplier, shift, constant, bias, ..own.clone() };
            if let Some(chosen) = self.evaluate(hardware) {
                return Some(Chosen { best: true, ..chosen });
            }
        }
        let begin = n.unwrap_or_else(|| self.shift(bits));
        let candidates = self.beginnings(freedom, bits, begin).into_iter().filter_map(|c| self.evaluate(c));
        let known = known.into_iter().chain(candidates).min_by_key(Chosen::rank);
        // Even a first look at every shift takes its time, and without boxes it seldom ends in a proof.
        let (found, complete) = match boxes {
            0 => (None, false),
            _ => self.look_through(freedom, bits, n, known.as_ref().map(Chosen::rank), boxes),
        };
        let better = found.and_then(|region| self.evaluate(self.hardware(&region, n.is_some())?));
        better.or(known).map(|chosen| Chosen { best: complete, ..chosen })
    }

    /// The function of known hardware with numbers of at most `bits` bits that may be chosen; `None` if it has none.
    fn among(&self, known: &Chosen, freedom: Freedom, bits: u32, n: Option<u32>) -> Option<Chosen> {
        let mut hardware = known.hardware.clone();
        if freedom == Freedom::Constant && hardware.constant.is_none() {
            hardware.constant = Some(self.as_constant(&hardware)?);
            hardware.bias = self.channel.hardware.bias;
        }
        if let Some(n) = n {
            let more = i32::try_from(n).ok()?.checked_sub(hardware.shift).filter(|&more| more >= 0)?;
            if more > 0 && hardware.rounding == Rounding::Double && hardware.constant.is_none() {
                // Its first rounding is at a place that no shift moves.
                return None;
            }
            let factor = 1_i64.checked_shl(more.unsigned_abs())?;
            let multiplier = i64::from(hardware.multiplier).checked_mul(factor)?;
            hardware.multiplier = u32::try_from(multiplier).ok()?;
            hardware.constant = match hardware.constant {
                Some(constant) => Some(constant.checked_mul(factor)?),
                None => None,
            };
            hardware.shift += more;
        }
        (width(hardware.multiplier) <= bits && self.fits(&hardware)).then(|| Chosen {
            hardware,
            difference: known.difference.clone(),
            best: false,
        })
    }

    /// The constant that does what the rounding and the chosen bias do; `None` where no constant does.
    fn as_constant(&self, hardware: &Rescale) -> Option<i64> {
        let n = u32::try_from(hardware.shift).ok().filter(|&n| n <= LARGEST_SHIFT)?;
        let added = match hardware.rounding {
            Rounding::HalfUp => (1_i128 << n) >> 1,
            Rounding::Floor => 0,
            Rounding::HalfEven | Rounding::HalfAway | Rounding::TowardZero | Rounding::Double => return None,
        };
        let moved = i128::from(hardware.bias) - i128::from(self.channel.hardware.bias);
        i64::try_from(i128::from(hardware.multiplier) * moved + added).ok()
    }

    /// What is better than `known`, and whether all was looked at.
    fn look_through(
        &self,
        freedom: Freedom,
        bits: u32,
        n: Option<u32>,
        known: Option<Rank>,
        boxes: u32,
    ) -> (Option<Region>, bool) {
        let largest = (1_i64 << bits.min(32)) - 1;
        let mut budget = Budget(boxes);
        // The rank of `known` is no region's: one that is better replaces it.
        let nothing = self.region(freedom, 0, (0, 0));
        let mut best = known.map(|rank| (rank, nothing));
        let accept =
            |region: &Region| self.hardware(region, n.is_some()).is_some_and(|hardware| self.fits(&hardware));
        let mut complete = true;
        let mut look = |region: Region, best: &mut Option<(Rank, Region)>| {
            complete &= self.goal.search(region, best, &mut budget, &accept);
        };
        let rank = |best: &Option<(Rank, Region)>| best.as_ref().map(|(rank, _)| *rank);
        let doubles = self.channel.hardware.rounding != Rounding::Double || freedom == Freedom::Constant;
        match n {
            Some(n) => look(self.region(freedom, n, (1, largest)), &mut best),
            // Twice M0 with n + 1 is another function where products are rounded twice.
            None if !doubles => {
                for n in 0..=LARGEST_SHIFT {
                    look(self.region(freedom, n, (1, largest)), &mut best);
                }
            }
            // Else a smaller M0 is an even one of all bits, so those of all bits are enough.
            None => {
                let top = (largest / 2 + 1, largest);
                let own = self.shift(bits);
                look(self.region(freedom, own, top), &mut best);
                for n in (0..own).rev() {
                    let all_above = self.region(freedom, n, (top.0, 1 << 61));
                    if !self.goal.could_improve(&all_above, rank(&best)) {
                        break;
                    }
                    look(self.region(freedom, n, top), &mut best);
                }
                for n in own + 1..=LARGEST_SHIFT {
                    let all_below = self.region(freedom, n, (0, largest));
                    if !self.goal.could_improve(&all_below, rank(&best)) {
                        break;
                    }
                    let from = if n == LARGEST_SHIFT { 1 } else { top.0 };
                    look(self.region(freedom, n, (from, largest)), &mut best);
                }
            }
        }
        (best.map(|(_, region)| region).filter(|&region| region != nothing), complete)
    }

    /// All that may be chosen, with these M0 and n.
    fn region(&self, freedom: Freedom, shift: u32, multiplier: (i64, i64)) -> Region {
        let own = &self.channel.hardware;
        let range = self.reference.range();
        let fraction = own.bias_fraction_bits.min(24);
        let span = (i64::from(range.max) - i64::from(range.min) + 1) << fraction;
        let bias = match freedom {
            Freedom::Bias => {
                let held = i64::from(i32::MAX) << fraction;
                let ends = (own.bias.saturating_sub(span), own.bias.saturating_add(span));
                (ends.0.max(-held).min(own.bias), ends.1.min(held).max(own.bias))
            }
            Freedom::Nearest | Freedom::Multiplier | Freedom::Constant => (own.bias, own.bias),
        };
        let constant = (freedom == Freedom::Constant).then(|| {
            let moved = span.saturating_mul(multiplier.1).min(LARGEST_CONSTANT / 2);
            let half = (1_i64 << shift) >> 1;
            (half - moved, half + moved)
        });
        Region { shift, multiplier, bias, constant }
    }

    /// The hardware that the first numbers of a box are, with as small numbers as give the same function.
    fn hardware(&self, region: &Region, keep_shift: bool) -> Option<Rescale> {
        let own = &self.channel.hardware;
        let (mut multiplier, mut n) = (u32::try_from(region.multiplier.0).ok()?, region.shift);
        let mut constant = region.constant.map(|(first, _)| first);
        let doubles = own.rounding != Rounding::Double || constant.is_some();
        while doubles && !keep_shift && n > 0 && multiplier > 0 && multiplier.is_multiple_of(2) {
            // The last bit of the constant changes nothing where products are even.
            (multiplier, n, constant) = (multiplier / 2, n - 1, constant.map(|constant| constant >> 1));
        }
        let shift = i32::try_from(n).ok()?;
        Some(Rescale { multiplier, shift, constant, bias: region.bias.0, ..own.clone() })
    }

    fn fits(&self, hardware: &Rescale) -> bool {
        hardware.is_sound() && hardware.product_bits(self.reference.range()) <= self.product_bits
    }

    /// Hardware with shifts and adders in place of the multiplier: the nearest M0 with these digits. `None` if there is
    /// none, or its product does not fit.
    pub fn with_digits(&self, digits: Digits) -> Option<Chosen> {
        let (multiplier, shift) = nearest_with_digits(&self.real, digits, LARGEST_SHIFT)?;
        let shift = i32::try_from(shift).ok()?;
        self.evaluate(Rescale { multiplier, shift, constant: None, ..self.channel.hardware.clone() })
    }

    /// Counts what hardware differs by; `None` if its product does not fit.
    pub fn evaluate(&self, hardware: Rescale) -> Option<Chosen> {
        if !self.fits(&hardware) {
            return None;
        }
        let steps = hardware.steps(self.reference.range());
        let difference = Difference::between(&self.reference, &steps, &self.ranks)?;
        Some(Chosen { hardware, difference, best: false })
    }
}

/// Constants of 64 bits, and sums with them that are far from their end.
const LARGEST_CONSTANT: i64 = 1 << 62;
