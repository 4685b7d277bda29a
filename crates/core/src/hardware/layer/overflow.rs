//! What did not fit in a register, counted.

use super::unravel;
use crate::hardware::Stage;

/// One kind of overflow in one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overflow {
    /// Where: a register that was too narrow, or an input code beyond the target's range.
    pub stage: Stage,
    /// Values that did not fit.
    pub count: u64,
    /// Index of the first of them, (N, C, spatial...); C is the channel.
    pub first: Vec<usize>,
    /// The exact value there; of an accumulator that saturates, the partial sum.
    pub value: i128,
}

/// Overflows while they are counted: by stage, the count, the smallest index and the value there.
#[derive(Default)]
pub(in crate::hardware) struct Overflows([Option<(u64, usize, i128)>; 7]);

impl Overflows {
    pub(super) fn add(&mut self, stage: Stage, index: usize, value: i128) {
        let known = self.0[stage as usize].get_or_insert((0, index, value));
        known.0 += 1;
        if index < known.1 {
            (known.1, known.2) = (index, value);
        }
    }

    pub(in crate::hardware) fn finish(self, input: &[usize], output: &[usize]) -> Vec<Overflow> {
        let found = Stage::ALL.into_iter().zip(self.0);
        found
            .filter_map(|(stage, found)| {
                let (count, first, value) = found?;
                let shape = if stage == Stage::Input { input } else { output };
                Some(Overflow { stage, count, first: unravel(first, shape), value })
            })
            .collect()
    }
}
