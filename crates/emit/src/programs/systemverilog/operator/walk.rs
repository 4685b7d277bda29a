//! Loops over a result whose operands may be repeated along some axes.

use crate::programs::systemverilog::parts::Value;
use crate::programs::systemverilog::parts::number;

/// Loops of `gp_walk`.
const LOOPS: usize = 4;

/// Loops, outermost first, and by operand how far each turn moves its address; 0 where the operand is repeated.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Walk {
    sizes: [usize; LOOPS],
    pub(super) steps: [[usize; LOOPS]; 2],
}

/// One loop: its size, and the steps of both operands.
type Turn = (usize, [usize; 2]);

impl Walk {
    /// The walk over `result`; axes are matched from the last one, and those that are alike are one loop.
    ///
    /// An error where that are more loops than there are.
    pub(super) fn broadcast(operands: [&[usize]; 2], result: &[usize]) -> Result<Self, String> {
        let mut distances = [1; 2];
        let mut loops: Vec<Turn> = Vec::new();
        // From the innermost axis outwards.
        for (axis, &size) in result.iter().rev().enumerate() {
            let mut steps = [0; 2];
            for ((step, distance), shape) in steps.iter_mut().zip(&mut distances).zip(operands) {
                let own = shape.len().checked_sub(axis + 1).and_then(|i| shape.get(i)).copied().unwrap_or(1);
                *step = if own == 1 { 0 } else { *distance };
                *distance *= own;
            }
            match loops.last_mut() {
                _ if size == 1 => {}
                Some((inner, known)) if [0, 1].iter().all(|&i| steps[i] == known[i] * *inner) => {
                    *inner *= size
                }
                _ => loops.push((size, steps)),
            }
        }
        if loops.len() > LOOPS {
            let [a, b] = operands;
            return Err(format!("operands {a:?} and {b:?} that are repeated along too many axes in turn"));
        }
        loops.resize(LOOPS, (1, [0; 2]));
        loops.reverse();
        let mut walk = Self { sizes: [1; LOOPS], steps: [[0; LOOPS]; 2] };
        for (index, (size, [a, b])) in loops.into_iter().enumerate() {
            walk.sizes[index] = size;
            walk.steps[0][index] = a;
            walk.steps[1][index] = b;
        }
        Ok(walk)
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, Value)> {
        let names = [
            (["SIZE_0", "SIZE_1", "SIZE_2", "SIZE_3"], self.sizes),
            (["A_STEP_0", "A_STEP_1", "A_STEP_2", "A_STEP_3"], self.steps[0]),
            (["B_STEP_0", "B_STEP_1", "B_STEP_2", "B_STEP_3"], self.steps[1]),
        ];
        names.into_iter().flat_map(|(names, values)| names.into_iter().zip(values.map(number))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_are_alike_are_one_loop() {
        type Row<'a> = (&'a [usize], &'a [usize], &'a [usize], [usize; 4], [[usize; 4]; 2]);
        // Operands, result, loops, steps: equal shapes; a factor per channel; a number; a row; rows and columns.
        let rows: [Row<'_>; 6] = [
            (&[2, 3, 4], &[2, 3, 4], &[2, 3, 4], [1, 1, 1, 24], [[0, 0, 0, 1], [0, 0, 0, 1]]),
            (&[2, 3, 4], &[2, 1, 1], &[2, 3, 4], [1, 1, 2, 12], [[0, 0, 12, 1], [0, 0, 1, 0]]),
            (&[2, 3, 4], &[], &[2, 3, 4], [1, 1, 1, 24], [[0, 0, 0, 1], [0, 0, 0, 0]]),
            (&[4], &[2, 3, 4], &[2, 3, 4], [1, 1, 6, 4], [[0, 0, 0, 1], [0, 0, 4, 1]]),
            (&[2, 1, 4], &[1, 3, 1], &[2, 3, 4], [1, 2, 3, 4], [[0, 4, 0, 1], [0, 0, 1, 0]]),
            (&[1], &[1], &[1], [1, 1, 1, 1], [[0, 0, 0, 0], [0, 0, 0, 0]]),
        ];
        let mut failures = Vec::new();
        for (a, b, result, sizes, steps) in rows {
            let found = Walk::broadcast([a, b], result);
            if found != Ok(Walk { sizes, steps }) {
                failures.push(format!("{a:?} and {b:?}: {found:?}"));
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
        let [a, b] = [[2, 1, 2, 1, 2], [1, 2, 1, 2, 1]];
        assert!(Walk::broadcast([&a, &b], &[2; 5]).is_err());
    }
}
