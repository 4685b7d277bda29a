//! The narrowest multiplier with which a channel is proven equal to its reference: an integer program, solved exactly.
//!
//! The hardware computes `(M0*x + C) >> n` of x = (accumulator << F) + bias, and its code is k - Z3 or more where this is.
//! It equals the reference if and only if, for every step of the reference that the range contains, first reached at x1
//! and not yet at x0,
//!
//! ```text
//! M0*x1 + C >= (k - Z3) * 2^n        M0*x0 + C <= (k - Z3) * 2^n - 1
//! ```
//!
//! For a given M0 these are bounds of C: it exists where the largest lower bound does not exceed the smallest upper one. The
//! room between them is the smallest of linear functions of M0 minus the largest of others, so it is concave, and the two
//! that meet tell on which side of M0 there is more: bisection finds an M0 with room, and another the smallest. Where C is
//! half a step, 2^(n-1), each condition bounds M0 itself.
//!
//! What is possible with n is possible with n + 1, with M0 and C doubled, so bisection finds the smallest n. Its smallest M0
//! is the narrowest of all: were M0' < M0 possible with n + 1, M0' would be odd, and the real line between both solutions
//! would pass through M0 - 1 at n with room for C, because all bounds are multiples of 2^-n there.

use crate::hardware::reach::Ranks;
use crate::hardware::steps::Steps;

/// What may be added before the shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Constant {
    /// Half a step, 2^(n-1): rounding half up.
    Half,
    /// Any number, one per channel.
    Free,
}

/// A multiplier, a shift and a constant with which a channel equals its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrowest {
    /// M0.
    pub multiplier: u32,
    /// n, F included.
    pub shift: u32,
    /// C.
    pub constant: i64,
}

impl Narrowest {
    /// Bits of M0.
    pub fn bits(&self) -> u32 {
        u32::BITS - self.multiplier.leading_zeros()
    }
}

/// The largest shift that is tried: half of its step still fits in the 64 bits of C.
pub(super) const LARGEST_SHIFT: u32 = 62;

/// The largest M0 that is looked at, so that what is possible with n always is with n + 1: products with x of 56 bits
/// fit in 128. An M0 of more than 32 bits is refused in the end.
const LARGEST_MULTIPLIER: i128 = 1 << 70;

/// The conditions on M0 and C, as points of x and k - Z3.
#[derive(Debug, Clone, Default)]
pub struct Problem {
    /// x at which the level must be reached.
    reached: Vec<(i128, i128)>,
    /// x at which it must not.
    missed: Vec<(i128, i128)>,
}

/// A bound of C, and the x that it comes from.
type Bound = (i128, i128);

impl Problem {
    /// The conditions for equality with a reference at the accumulators that occur, for
    /// x = (accumulator << `bias_fraction_bits`) + `bias` and Z3.
    pub fn new(
        reference: &Steps,
        ranks: &Ranks,
        bias: i64,
        bias_fraction_bits: u32,
        zero_point: i32,
    ) -> Self {
        let x = |accumulator: i64| (i128::from(accumulator) << bias_fraction_bits.min(64)) + i128::from(bias);
        let mut problem = Self::default();
        let mut reached_from_the_start = None;
        for (code, first) in reference.levels() {
            let level = i128::from(code) - i128::from(zero_point);
            let rank = ranks.below(first);
            // The last accumulator before the step, and the first behind it.
            match (ranks.at(rank - 1), ranks.at(rank)) {
                (None, Some(first)) => reached_from_the_start = Some((x(first), level)),
                (Some(before), Some(first)) => {
                    problem.missed.push((x(before), level));
                    problem.reached.push((x(first), level));
                }
                (Some(before), None) => {
                    problem.missed.push((x(before), level));
                    // Those above are missed with it.
                    break;
                }
                (None, None) => break,
            }
        }
        problem.reached.extend(reached_from_the_start);
        problem
    }

    /// The bounds of C for an M0 and n; `None` without any condition on that side.
    fn constants(&self, multiplier: i128, n: u32) -> (Option<Bound>, Option<Bound>) {
        let bound = |&(x, level): &(i128, i128)| ((level << n) - multiplier * x, x);
        let lower = self.reached.iter().map(bound).max_by_key(|bound| bound.0);
        let upper = self.missed.iter().map(bound).min_by_key(|bound| bound.0);
        (lower, upper.map(|(bound, x)| (bound - 1, x)))
    }

    fn has_room(&self, multiplier: i128, n: u32) -> bool {
        match self.constants(multiplier, n) {
            (Some(lower), Some(upper)) => lower.0 <= upper.0,
            _ => true,
        }
    }

    /// Bounds of M0 for n, from the conditions that are furthest apart: C drops out of the difference of two.
    fn bracket(&self, n: u32) -> (i128, i128) {
        let ends = |points: &[(i128, i128)]| {
            let by_x = |point: &&(i128, i128)| point.0;
            [points.iter().min_by_key(by_x).copied(), points.iter().max_by_key(by_x).copied()]
        };
        let (mut low, mut high) = (1, LARGEST_MULTIPLIER);
        for (x1, reached) in ends(&self.reached).into_iter().flatten() {
            for (x0, missed) in ends(&self.missed).into_iter().flatten() {
                // M0*(x0 - x1) <= (missed - reached)*2^n - 1
                let most = ((missed - reached) << n) - 1;
                match x0 - x1 {
                    distance @ 1.. => high = high.min(most.div_euclid(distance)),
                    0 => {}
                    distance => low = low.max(-most.div_euclid(-distance)),
                }
            }
        }
        (low, high)
    }

    /// The smallest M0 for n with any C; 0 is none.
    fn free(&self, n: u32) -> Option<i128> {
        let (mut low, mut high) = self.bracket(n);
        while low <= high {
            let middle = low + (high - low) / 2;
            match self.constants(middle, n) {
                // The room grows by x of the lower minus x of the upper bound for each unit of M0.
                (Some((lower, x1)), Some((upper, x0))) if lower > upper => {
                    if x1 > x0 {
                        low = middle + 1;
                    } else {
                        high = middle - 1;
                    }
                }
                _ => return Some(first(low, middle, |multiplier| self.has_room(multiplier, n))),
            }
        }
        None
    }

    /// The smallest M0 for n with C = 2^(n-1); 0 is none.
    fn half(&self, n: u32) -> Option<i128> {
        let (mut low, mut high) = (1, LARGEST_MULTIPLIER);
        // factor * M0 >= least
        let mut require = |factor: i128, least: i128| match factor {
            1.. => low = low.max(-(-least).div_euclid(factor)),
            0 if least > 0 => high = -1,
            0 => {}
            _ => high = high.min((-least).div_euclid(-factor)),
        };
        // Doubled, so that half a step is an integer for n = 0, too.
        for (x, level) in &self.reached {
            require(2 * x, (2 * level - 1) << n);
        }
        for (x, level) in &self.missed {
            require(-2 * x, 1 - ((2 * level - 1) << n));
        }
        (low <= high).then_some(low)
    }

    fn smallest(&self, n: u32, constant: Constant) -> Option<i128> {
        match constant {
            Constant::Half => self.half(n),
            Constant::Free => self.free(n),
        }
    }

    /// The smallest solution with the shift n; `None` if there is none with 32 bits of M0 and 64 of C.
    pub fn at_shift(&self, n: u32, constant: Constant) -> Option<Narrowest> {
        if n > LARGEST_SHIFT {
            return None;
        }
        let multiplier = self.smallest(n, constant)?;
        let half = if n == 0 { 0 } else { 1_i128 << (n - 1) };
        let constant = match constant {
            Constant::Half => half,
            // As near to half a step as the bounds allow.
            Constant::Free => match self.constants(multiplier, n) {
                (lower, Some((upper, _))) => half.max(lower.map_or(half, |lower| lower.0)).min(upper),
                (Some((lower, _)), None) => half.max(lower),
                (None, None) => half,
            },
        };
        Some(Narrowest {
            multiplier: u32::try_from(multiplier).ok()?,
            shift: n,
            constant: i64::try_from(constant).ok()?,
        })
    }
}

/// The narrowest M0, with the smallest shift; `None` if no M0 of 32 bits makes the channel equal.
pub fn narrowest(problem: &Problem, constant: Constant) -> Option<Narrowest> {
    let possible = |n| u32::try_from(n).is_ok_and(|n| problem.smallest(n, constant).is_some());
    let n = first(0, i128::from(LARGEST_SHIFT), possible);
    problem.at_shift(u32::try_from(n).ok()?, constant)
}

/// The first number in low..=high that holds, or high; those that hold follow those that do not.
fn first(mut low: i128, mut high: i128, holds: impl Fn(i128) -> bool) -> i128 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
