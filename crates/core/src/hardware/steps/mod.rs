//! The positions of the steps of a function from accumulators to codes that never falls.

mod difference;

pub use difference::{Difference, Witness};
pub(crate) use difference::{Overlap, disagreements};

use crate::parameters::Range;

/// A step function over a range of accumulators, by where it reaches each code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    range: Range<i32>,
    clamp: Range<i32>,
    /// By code, from clamp.min + 1 to clamp.max: the first accumulator that gives it or more; range.max + 1 if none does.
    first: Vec<i64>,
}

impl Steps {
    /// The steps of `code` over `range`, whose values lie in `clamp`. It must never fall.
    pub fn of(range: Range<i32>, clamp: Range<i32>, code: impl Fn(i64) -> i32) -> Self {
        let (min, max) = (i64::from(range.min), i64::from(range.max));
        let (lowest, highest) = (code(min), code(max));
        let mut first = Vec::with_capacity(usize::try_from(clamp.max - clamp.min).unwrap_or_default());
        // Steps are nearly equidistant: the distance between two tells where the next one is, give or take one or two.
        let mut distance = (max - min) / i64::from((highest - lowest).max(1));
        let (mut below, mut reached) = (min, lowest);
        for level in clamp.min + 1..=clamp.max {
            if level <= reached {
                first.push(below);
            } else if level > highest {
                first.push(max + 1);
            } else {
                let position = first_reaching(&code, level, below, max, below + distance);
                if reached > lowest {
                    distance = position - below;
                }
                (below, reached) = (position, code(position));
                first.push(position);
            }
        }
        Self { range, clamp, first }
    }

    /// The steps of a function that reaches each code above the smallest at the accumulator `first(code)`, which need not
    /// lie in `range` and never falls from code to code.
    pub(crate) fn from_levels(range: Range<i32>, clamp: Range<i32>, first: impl Fn(i32) -> i128) -> Self {
        let (min, max) = (i64::from(range.min), i64::from(range.max));
        let within = |place: i128| i64::try_from(place.clamp(i128::from(min), i128::from(max) + 1));
        let first = (clamp.min + 1..=clamp.max).map(|code| within(first(code)).unwrap_or(max + 1)).collect();
        Self { range, clamp, first }
    }

    /// The accumulators.
    pub fn range(&self) -> Range<i32> {
        self.range
    }

    /// The accumulators within the range at which the code steps: the thresholds that a comparison takes.
    pub fn inner(&self) -> impl Iterator<Item = i64> {
        let (min, max) = (i64::from(self.range.min), i64::from(self.range.max));
        self.first.iter().copied().filter(move |first| (min + 1..=max).contains(first))
    }

    /// The codes.
    pub fn clamp(&self) -> Range<i32> {
        self.clamp
    }

    /// Each code but the smallest, with the first accumulator that gives it or more; one beyond the range if none does.
    pub fn levels(&self) -> impl Iterator<Item = (i32, i64)> {
        (self.clamp.min + 1..=self.clamp.max).zip(self.first.iter().copied())
    }

    /// The code of an accumulator in the range.
    pub fn code(&self, accumulator: i64) -> i32 {
        let steps = self.first.partition_point(|&first| first <= accumulator);
        self.clamp.min.saturating_add(i32::try_from(steps).unwrap_or(i32::MAX)).min(self.clamp.max)
    }
}

/// The first accumulator in (below, at] whose code is `level` or more, where that of `below` is less and that of `at` is
/// not: a search in strides that double, away from `guess`, then bisection.
fn first_reaching(code: impl Fn(i64) -> i32, level: i32, mut below: i64, mut at: i64, guess: i64) -> i64 {
    let guess = guess.min(at - 1);
    let mut stride = 1;
    if guess <= below {
        // Nothing lies between to be tried.
    } else if code(guess) < level {
        below = guess;
        while below + stride < at {
            let next = below + stride;
            if code(next) >= level {
                at = next;
                break;
            }
            below = next;
            stride *= 2;
        }
    } else {
        at = guess;
        while at - stride > below {
            let next = at - stride;
            if code(next) < level {
                below = next;
                break;
            }
            at = next;
            stride *= 2;
        }
    }
    while at - below > 1 {
        let middle = below + (at - below) / 2;
        if code(middle) < level {
            below = middle;
        } else {
            at = middle;
        }
    }
    at
}
