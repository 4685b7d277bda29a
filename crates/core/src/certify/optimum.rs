//! The best of all numbers that a requantization can have, found by branch and bound.
//!
//! A step of the hardware lies at the smallest accumulator a with M0*((a << F) + bias) of [`least_product`] or more. For
//! M0, the bias and the constant within a box it lies between two places: it moves one way only with each of them. So
//! inside of the box a level differs at least at the accumulators between the reference's step and that range, and the
//! union of these over all levels is a lower bound of what differs anywhere in the box. A box that cannot be better than
//! the best so far is left; a box in which no step moves is one function, counted; any other is cut in two. What remains
//! in the end is the best of all, and nothing was assumed of how the count changes from number to number.

use super::integer::{ceiling, least_product};
use crate::hardware::Rounding;
use crate::hardware::reach::Ranks;
use crate::hardware::steps::Overlap;
use crate::hardware::steps::Steps;

/// Smaller is better: within 1 LSB first, then by the number of accumulators that differ.
pub(super) type Rank = (bool, u64);

/// A level and where the reference reaches it, counted in accumulators that occur.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// k - Z3.
    level: i128,
    reached: i64,
}

/// What the hardware is compared with.
#[derive(Debug)]
pub(super) struct Goal {
    levels: Vec<Level>,
    ranks: Ranks,
    rounding: Rounding,
    bias_fraction_bits: u32,
}

/// Numbers of the hardware, each from the first to the last of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    /// n, F included.
    pub(super) shift: u32,
    /// M0. A first of 0 stands for all that is smaller, the real numbers among them.
    pub(super) multiplier: (i64, i64),
    pub(super) bias: (i64, i64),
    /// C; `None` for the target's own rounding.
    pub(super) constant: Option<(i64, i64)>,
}

/// What a box is known by.
#[derive(Debug, Clone, Copy)]
struct Bound {
    rank: Rank,
    /// Whether no step moves: the rank is what it is.
    single: bool,
}

/// Boxes that may still be looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget(pub(super) u32);

impl Goal {
    pub(super) fn new(
        reference: &Steps,
        ranks: Ranks,
        rounding: Rounding,
        bias_fraction_bits: u32,
        zero_point: i32,
    ) -> Self {
        let all: Vec<Level> = reference
            .levels()
            .map(|(code, first)| Level {
                level: i128::from(code) - i128::from(zero_point),
                reached: ranks.below(first),
            })
            .collect();
        // Of the levels that the reference has from the start, and of those that it never has, the two nearest tell
        // whether codes differ there, and whether by more than 1.
        let begun = all.iter().filter(|level| level.reached == 0).count();
        let ended = all.iter().filter(|level| level.reached < ranks.count()).count();
        let levels = all.into_iter().take(ended + 2).skip(begun.saturating_sub(2)).collect();
        Self { levels, ranks, rounding, bias_fraction_bits: bias_fraction_bits.min(24) }
    }

    /// The least that a box can have.
    fn bound(&self, region: &Region) -> Bound {
        let Region { shift, multiplier, bias, constant } = *region;
        let (fewest, most) = (i128::from(multiplier.0), i128::from(multiplier.1));
        let unbounded = i128::from(i64::MAX);
        let fraction = self.bias_fraction_bits;
        let place = |x: i128, bias: i64| {
            let accumulator = (x - i128::from(bias) + (1 << fraction) - 1) >> fraction;
            let accumulator = accumulator.clamp(-unbounded, unbounded);
            self.ranks.below(i64::try_from(accumulator).unwrap_or(i64::MAX))
        };
        let divided = |product: i128, multiplier: i128| match (product, multiplier) {
            (1.., 0) => unbounded,
            (_, 0) => -unbounded,
            (product, multiplier) => ceiling(product, multiplier),
        };
        let mut intervals = [(0, 0); 256];
        let (mut count, mut single) = (0, true);
        for &Level { level, reached } in &self.levels {
            let (low, high) = match constant {
                None => {
                    let product = least_product(self.rounding, None, shift, level);
                    (product, product)
                }
                Some((first, last)) => {
                    let product = level << shift;
                    (product - i128::from(last), product - i128::from(first))
                }
            };
            // Real multipliers of finer shifts lie in a box that begins at 0: a product that is just above theirs is not.
            let low = if fewest == 0 { low - 1 } else { low };
            let earliest = place(divided(low, if low > 0 { most } else { fewest }), bias.1);
            let latest = place(divided(high, if high > 0 { fewest } else { most }), bias.0);
            single &= earliest == latest;
            let interval = if earliest > reached {
                (reached, earliest)
            } else if latest < reached {
                (latest, reached)
            } else {
                continue;
            };
            if let Some(entry) = intervals.get_mut(count) {
                *entry = interval;
                count += 1;
            }
        }
        let overlap = Overlap::of(&intervals[..count]);
        Bound { rank: (overlap.deepest > 1, overlap.union.unsigned_abs()), single }
    }

    /// Whether something in a box could be better than `best`.
    pub(super) fn could_improve(&self, region: &Region, best: Option<Rank>) -> bool {
        best.is_none_or(|best| self.bound(region).rank < best)
    }

    /// Looks through a box for what is better than `best`. `accept` says whether numbers can be had. Returns whether it
    /// came to the end.
    pub(super) fn search(
        &self,
        region: Region,
        best: &mut Option<(Rank, Region)>,
        budget: &mut Budget,
        accept: &impl Fn(&Region) -> bool,
    ) -> bool {
        let improves = |bound: &Bound, best: &Option<(Rank, Region)>| {
            best.as_ref().is_none_or(|(rank, _)| bound.rank < *rank)
        };
        let mut open = vec![(self.bound(&region), region)];
        while let Some((bound, region)) = open.pop() {
            if !improves(&bound, best) {
                continue;
            }
            if bound.single {
                let first = region.first();
                if accept(&first) {
                    *best = Some((bound.rank, first));
                    continue;
                }
            }
            let Some(halves) = self.halves(&region) else { continue };
            if budget.0 < 2 {
                return false;
            }
            budget.0 -= 2;
            let mut halves = halves.map(|half| (self.bound(&half), half));
            // The better one last, to be looked at first.
            halves.sort_by_key(|(bound, _)| std::cmp::Reverse(bound.rank));
            open.extend(halves.into_iter().filter(|(bound, _)| improves(bound, best)));
        }
        true
    }

    /// A box cut in two where its steps move most; `None` if it holds one function's numbers alone.
    #[allow(clippy::cast_precision_loss, reason = "only where to cut depends on it")]
    fn halves(&self, region: &Region) -> Option<[Region; 2]> {
        let Region { shift, multiplier, bias, constant } = *region;
        let (fewest, most) = (multiplier.0.max(1) as f64, multiplier.1 as f64);
        let largest = self.levels.iter().map(|level| level.level.unsigned_abs()).max().unwrap_or(1).max(1);
        let product = largest as f64 * 2f64.powi(i32::try_from(shift).unwrap_or(i32::MAX));
        let by_multiplier = product * (1.0 / fewest - 1.0 / most);
        let by_bias = (bias.1 - bias.0) as f64;
        let by_constant = constant.map_or(0.0, |(first, last)| (last as f64 - first as f64) / fewest);
        let multiplier_moves = multiplier.0 < multiplier.1;
        if multiplier_moves && by_multiplier >= by_bias && by_multiplier >= by_constant {
            let middle = middle(multiplier);
            return Some([
                Region { multiplier: (multiplier.0, middle), ..*region },
                Region { multiplier: (middle + 1, multiplier.1), ..*region },
            ]);
        }
        if bias.0 < bias.1 {
            let middle = i64::midpoint(bias.0, bias.1).min(bias.1 - 1);
            return Some([
                Region { bias: (bias.0, middle), ..*region },
                Region { bias: (middle + 1, bias.1), ..*region },
            ]);
        }
        if let Some((first, last)) = constant.filter(|(first, last)| first < last) {
            let middle = i64::midpoint(first, last).clamp(first, last - 1);
            return Some([
                Region { constant: Some((first, middle)), ..*region },
                Region { constant: Some((middle + 1, last)), ..*region },
            ]);
        }
        multiplier_moves.then(|| {
            let middle = middle(multiplier);
            [
                Region { multiplier: (multiplier.0, middle), ..*region },
                Region { multiplier: (middle + 1, multiplier.1), ..*region },
            ]
        })
    }
}

impl Region {
    /// The first of each.
    fn first(&self) -> Self {
        Self {
            multiplier: (self.multiplier.0, self.multiplier.0),
            bias: (self.bias.0, self.bias.0),
            constant: self.constant.map(|(first, _)| (first, first)),
            ..*self
        }
    }
}

/// Where to cut multipliers in two: in the middle of their logarithms where they are far apart.
fn middle((first, last): (i64, i64)) -> i64 {
    let middle = if last / 4 > first { first.max(1).saturating_mul(2) } else { i64::midpoint(first, last) };
    middle.clamp(first, last - 1)
}
