//! Where two step functions differ: counted exactly, from their steps alone.

use serde::{Deserialize, Serialize};

use super::Steps;
use crate::hardware::reach::Ranks;

/// An accumulator, and what both arithmetics make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// `sum((x - Z1) * (w - Z2))`.
    pub accumulator: i64,
    /// The reference's code.
    pub reference: i32,
    /// The hardware's code.
    pub hardware: i32,
}

impl Witness {
    /// How far apart the codes are.
    pub fn distance(&self) -> u32 {
        self.reference.abs_diff(self.hardware)
    }
}

/// How two step functions over the same accumulators and codes differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Reachable accumulators.
    pub reachable: u64,
    /// Those at which the codes differ. 0 is the proof that both are equal.
    pub differing: u64,
    /// The smallest of them.
    pub first: Option<Witness>,
    /// The smallest of those at which the codes are furthest apart.
    pub largest: Option<Witness>,
}

impl Difference {
    /// The differences of two step functions at the accumulators that occur; `None` unless they have the same range and
    /// clamp.
    pub fn between(reference: &Steps, hardware: &Steps, ranks: &Ranks) -> Option<Self> {
        if reference.range() != hardware.range() || reference.clamp() != hardware.clamp() {
            return None;
        }
        let witness = |rank| {
            let accumulator = ranks.at(rank)?;
            let (reference, hardware) = (reference.code(accumulator), hardware.code(accumulator));
            Some(Witness { accumulator, reference, hardware })
        };
        // An accumulator differs by as many codes as there are levels that one function has reached and the other has
        // not.
        let intervals: Vec<(i64, i64)> = disagreements(reference, hardware)
            .map(|(_, low, high)| (ranks.below(low), ranks.below(high)))
            .filter(|(low, high)| low < high)
            .collect();
        let overlap = Overlap::of(&intervals);
        Some(Self {
            reachable: ranks.count().unsigned_abs(),
            differing: overlap.union.unsigned_abs(),
            first: intervals.first().and_then(|&(low, _)| witness(low)),
            largest: overlap.place.and_then(witness),
        })
    }

    /// Whether they are proven equal.
    pub fn is_none(&self) -> bool {
        self.differing == 0
    }

    /// The largest distance of codes.
    pub fn largest_distance(&self) -> u32 {
        self.largest.map_or(0, |witness| witness.distance())
    }
}

/// How intervals lie over each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overlap {
    /// Numbers in any of them.
    pub(crate) union: i64,
    /// The most that one number is in.
    pub(crate) deepest: u32,
    /// The first such number; `None` without intervals.
    pub(crate) place: Option<i64>,
}

impl Overlap {
    /// Of intervals low..high, none of them empty, whose ends both never fall: one sweep finds the size of their union and
    /// the deepest overlap.
    pub(crate) fn of(intervals: &[(i64, i64)]) -> Self {
        let mut overlap = Self { union: 0, deepest: 0, place: None };
        let (mut open, mut end) = (0, i64::MIN);
        for (index, &(low, high)) in intervals.iter().enumerate() {
            overlap.union += (high - low.max(end)).max(0);
            end = end.max(high);
            while intervals[open].1 <= low {
                open += 1;
            }
            let depth = u32::try_from(index + 1 - open).unwrap_or(u32::MAX);
            if depth > overlap.deepest {
                (overlap.deepest, overlap.place) = (depth, Some(low));
            }
        }
        overlap
    }
}

/// The levels at which two step functions step at different accumulators: the code, the first accumulator at which only
/// one has reached it, and the first at which both have.
pub(crate) fn disagreements(a: &Steps, b: &Steps) -> impl Iterator<Item = (i32, i64, i64)> {
    let pairs = a.levels().zip(b.levels());
    pairs.filter(|(a, b)| a.1 != b.1).map(|((code, a), (_, b))| (code, a.min(b), a.max(b)))
}
