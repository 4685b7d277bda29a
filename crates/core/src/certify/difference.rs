//! Where two step functions differ: counted exactly, from their steps alone.

use serde::{Deserialize, Serialize};

use super::steps::Steps;

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
    /// The differences of two step functions; `None` unless they have the same range and clamp.
    pub fn between(reference: &Steps, hardware: &Steps) -> Option<Self> {
        if reference.range() != hardware.range() || reference.clamp() != hardware.clamp() {
            return None;
        }
        let witness = |accumulator| Witness {
            accumulator,
            reference: reference.code(accumulator),
            hardware: hardware.code(accumulator),
        };
        // An accumulator differs by as many codes as there are levels that one function has reached and the other has
        // not. Both ends of these intervals never fall from level to level, so one sweep finds the size of their union
        // and the deepest overlap.
        let intervals: Vec<(i64, i64)> =
            disagreements(reference, hardware).map(|(_, low, high)| (low, high)).collect();
        let (mut differing, mut end) = (0, i64::MIN);
        let (mut open, mut deepest, mut place) = (0, 0, None);
        for (index, &(low, high)) in intervals.iter().enumerate() {
            differing += (high - low.max(end)).max(0);
            end = end.max(high);
            while intervals[open].1 <= low {
                open += 1;
            }
            if index + 1 - open > deepest {
                (deepest, place) = (index + 1 - open, Some(low));
            }
        }
        Some(Self {
            reachable: reference.reachable(),
            differing: differing.unsigned_abs(),
            first: intervals.first().map(|&(low, _)| witness(low)),
            largest: place.map(witness),
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

/// The levels at which two step functions step at different accumulators: the code, the first accumulator at which only
/// one has reached it, and the first at which both have.
pub(super) fn disagreements(a: &Steps, b: &Steps) -> impl Iterator<Item = (i32, i64, i64)> {
    let pairs = a.levels().zip(b.levels());
    pairs.filter(|(a, b)| a.1 != b.1).map(|((code, a), (_, b))| (code, a.min(b), a.max(b)))
}
