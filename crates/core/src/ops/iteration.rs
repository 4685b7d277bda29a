//! The order in which PyTorch's loops take the elements of several tensors: its `TensorIterator`, on one thread.
//!
//! Where rounding depends on it, an operation asks here which elements the vectorised loop takes ([`Vectors`]), and sums of
//! floats are added up in the loops' own order ([`sum_floats`]).

use crate::tensor::{Layout, strides};

/// Axes that are walked as one.
#[derive(Debug, Clone)]
struct Dimension {
    /// Number of places.
    size: usize,
    /// The axes, innermost first.
    axes: Vec<usize>,
    /// For each tensor, the distance between neighbours; 0 where it is repeated or summed over.
    distances: Vec<usize>,
}

/// The dimensions that are left of these axes, innermost first. The first of `tensors`, each one distance per axis, is the
/// result; of a sum over axes it has distance 0 along them.
fn dimensions(shape: &[usize], tensors: &[Vec<usize>], is_sum: bool) -> Vec<Dimension> {
    let mut order: Vec<usize> = (0..shape.len()).rev().collect();
    for next in 1..order.len() {
        let mut moved = next;
        for before in (0..next).rev() {
            match compare(shape, tensors, is_sum, order[before], order[moved]) {
                std::cmp::Ordering::Greater => {
                    order.swap(before, moved);
                    moved = before;
                }
                std::cmp::Ordering::Less => break,
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    let mut merged: Vec<Dimension> = Vec::new();
    for axis in order {
        let own: Vec<usize> = tensors.iter().map(|distances| distances[axis]).collect();
        match merged.last_mut() {
            Some(last)
                if last.size == 1
                    || shape[axis] == 1
                    || last.distances.iter().zip(&own).all(|(inner, outer)| last.size * inner == *outer) =>
            {
                if last.size == 1 {
                    last.distances = own;
                }
                last.size *= shape[axis];
                last.axes.push(axis);
            }
            _ => merged.push(Dimension { size: shape[axis], axes: vec![axis], distances: own }),
        }
    }
    merged
}

/// Whether the first axis is walked outside of the second (greater), inside of it (less), or may stay where it is.
fn compare(
    shape: &[usize],
    tensors: &[Vec<usize>],
    is_sum: bool,
    first: usize,
    second: usize,
) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    for (index, distances) in tensors.iter().enumerate() {
        let (a, b) = (distances[first], distances[second]);
        if is_sum && index == 0 && (a == 0) != (b == 0) {
            return if b == 0 { Ordering::Greater } else { Ordering::Less };
        }
        if a == 0 || b == 0 {
            continue;
        }
        match a.cmp(&b) {
            Ordering::Equal if shape[first] > shape[second] => return Ordering::Greater,
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

/// Elements that the vectorised loop takes at a time: two registers of 32 codes.
const STEP: usize = 64;

/// Which elements of a result the vectorised loop computes: of every run that is contiguous in all tensors, or the same
/// element of one of them over and over, the whole multiples of 64; the others are computed one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vectors {
    shape: Vec<usize>,
    /// By axis: the distance of its neighbours within a run, 0 for axes outside of runs.
    weights: Vec<usize>,
    /// Elements of a run that are taken at once.
    body: usize,
    /// The only run has all elements.
    is_whole: bool,
}

impl Vectors {
    /// For a result of this shape, and operands that are broadcast to it, each a shape and a layout.
    pub fn new(shape: &[usize], result: Layout, operands: &[(&[usize], Layout)]) -> Self {
        let mut tensors = vec![result.dense(shape).strides(shape)];
        for (own_shape, layout) in operands {
            let own = layout.strides(own_shape);
            let missing = shape.len().saturating_sub(own_shape.len());
            let distance = |axis: usize| match axis.checked_sub(missing) {
                Some(own_axis) if own_shape[own_axis] == shape[axis] => own[own_axis],
                _ => 0,
            };
            tensors.push((0..shape.len()).map(distance).collect());
        }
        let dimensions = dimensions(shape, &tensors, false);
        let mut weights = vec![0; shape.len()];
        let (mut body, mut is_whole) = (0, true);
        if let Some(run) = dimensions.first() {
            let mut weight = 1;
            for &axis in &run.axes {
                weights[axis] = weight;
                weight *= shape[axis];
            }
            let repeated = run.distances.iter().skip(1).filter(|&&distance| distance == 0).count();
            let contiguous = run.distances.first() == Some(&1)
                && run.distances.iter().all(|&distance| distance <= 1)
                && repeated <= 1;
            body = if contiguous { run.size / STEP * STEP } else { 0 };
            is_whole = dimensions.len() == 1;
        }
        Self { shape: shape.to_vec(), weights, body, is_whole }
    }

    /// Whether the vectorised loop computes the element at a row-major index.
    pub fn contains(&self, index: usize) -> bool {
        let mut rest = index;
        let mut position = 0;
        for (&size, weight) in self.shape.iter().zip(&self.weights).rev() {
            position += rest % size * weight;
            rest /= size;
        }
        position < self.body
    }

    /// Where the elements are one run in the order of the result's memory: how many of them, from the first on, the
    /// vectorised loop computes.
    pub fn whole(&self) -> Option<usize> {
        self.is_whole.then_some(self.body)
    }
}

/// Numbers of float32 in a register of the loop that adds floats up.
const FLOATS: usize = 8;

/// Sums over axes of float32, given by row-major index of `shape`, each in the order in which PyTorch's `sum` adds; in the
/// row-major order of the axes that are left.
pub(super) fn sum_floats(
    shape: &[usize],
    layout: Layout,
    summed: &[usize],
    value: impl Fn(usize) -> f32,
) -> Vec<f32> {
    let kept: Vec<usize> =
        (0..shape.len()).map(|axis| if summed.contains(&axis) { 1 } else { shape[axis] }).collect();
    let kept_strides = strides(&kept);
    let result: Vec<usize> =
        (0..shape.len()).map(|axis| if summed.contains(&axis) { 0 } else { kept_strides[axis] }).collect();
    let own = layout.dense(shape).strides(shape);
    let mut memory = vec![0.0; shape.iter().product()];
    for (index, place) in places(shape, &own).enumerate() {
        memory[place] = value(index);
    }
    let mut dimensions = dimensions(shape, &[result, own], true);
    while dimensions.len() < 2 {
        dimensions.push(Dimension { size: 1, axes: Vec::new(), distances: vec![0, 0] });
    }
    let mut sums = vec![0.0; kept.iter().product()];
    let (inner, outer) = dimensions.split_at(2);
    let outer_shape: Vec<usize> = outer.iter().map(|dimension| dimension.size).rev().collect();
    let starts = |tensor: usize| {
        let distances: Vec<usize> = outer.iter().map(|dimension| dimension.distances[tensor]).rev().collect();
        places(&outer_shape, &distances).collect::<Vec<usize>>()
    };
    for (to, from) in starts(0).into_iter().zip(starts(1)) {
        let axis = |d: &Dimension| Axis { size: d.size, to: d.distances[0], from: d.distances[1] };
        add_plane(&mut sums, to, &memory, from, axis(&inner[0]), axis(&inner[1]));
    }
    sums
}

/// The place in memory of every element, in row-major order.
fn places(shape: &[usize], distances: &[usize]) -> impl Iterator<Item = usize> {
    let count: usize = shape.iter().product();
    let (shape, distances) = (shape.to_vec(), distances.to_vec());
    (0..count).map(move |index| {
        let mut rest = index;
        let mut place = 0;
        for (&size, distance) in shape.iter().zip(&distances).rev() {
            place += rest % size * distance;
            rest /= size;
        }
        place
    })
}

/// One of the two dimensions of a plane: how far neighbours are apart in the sums and in the numbers.
#[derive(Debug, Clone, Copy)]
struct Axis {
    size: usize,
    to: usize,
    from: usize,
}

/// Adds a plane of numbers to its sums (`cascade_sum`): along `first`, unless only `second` is summed over.
fn add_plane(sums: &mut [f32], to: usize, memory: &[f32], from: usize, first: Axis, second: Axis) {
    let (first, second) = if first.to != 0 && second.to == 0 { (second, first) } else { (first, second) };
    if first.to != 0 && second.to != 0 {
        for j in 0..second.size {
            for i in 0..first.size {
                sums[to + j * second.to + i * first.to] += memory[from + j * second.from + i * first.from];
            }
        }
        return;
    }
    for j in 0..second.size {
        let row = |i: usize| memory[from + j * second.from + i * first.from];
        let sum = if first.from == 1 && first.size >= FLOATS {
            // Registers along the row, the rest of it first.
            let whole = first.size / FLOATS;
            let rest = (whole * FLOATS..first.size).fold(0.0, |sum, i| sum + row(i));
            (0..FLOATS)
                .map(|lane| interleaved(whole, |i| row(i * FLOATS + lane)))
                .fold(rest, |sum, lane| sum + lane)
        } else {
            // Several rows side by side, then rows by themselves.
            let together = if second.from == 1 && second.size >= FLOATS {
                second.size / (4 * FLOATS) * (4 * FLOATS)
            } else if first.from < second.from {
                0
            } else {
                second.size / 4 * 4
            };
            if j < together { cascade(first.size, row) } else { interleaved(first.size, row) }
        };
        sums[to + j * second.to] += sum;
    }
}

/// Four sums of every fourth number, added at the end.
fn interleaved(size: usize, value: impl Fn(usize) -> f32) -> f32 {
    let each = size / 4;
    let mut sums = [0, 1, 2, 3].map(|k| cascade(each, |i| value(4 * i + k)));
    for i in 4 * each..size {
        sums[0] += value(i);
    }
    sums[0] + sums[1] + sums[2] + sums[3]
}

/// Levels of partial sums.
const LEVELS: u32 = 4;

/// A sum in steps: whenever enough numbers are added, the partial sum goes up a level.
fn cascade(size: usize, value: impl Fn(usize) -> f32) -> f32 {
    let log2 = if size <= 2 { 1 } else { usize::BITS - (size - 1).leading_zeros() };
    let power = (log2 / LEVELS).max(4);
    let step = 1_usize << power;
    let mut sums = [0.0_f32; LEVELS as usize];
    let mut i = 0;
    while i + step <= size {
        for _ in 0..step {
            sums[0] += value(i);
            i += 1;
        }
        let mut mask = (step - 1) << power;
        for level in 1..sums.len() {
            sums[level] += sums[level - 1];
            sums[level - 1] = 0.0;
            if i & mask != 0 {
                break;
            }
            mask <<= power;
        }
    }
    for i in i..size {
        sums[0] += value(i);
    }
    sums[0] + sums[1] + sums[2] + sums[3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Strides;

    /// Rows of 70 out of rows of 100: the first 64 of each row come at once. As rows of a tensor of their own, 128 of 140.
    #[test]
    fn a_part_of_a_tensor_has_a_tail_in_every_row() {
        let shape = [2, 70];
        let rows = Layout::Strided(Strides::new(&[100, 1]).unwrap());
        let part = Vectors::new(&shape, Layout::Contiguous, &[(&shape[..], rows)]);
        let taken: Vec<usize> = (0..140).filter(|&index| part.contains(index)).collect();
        assert_eq!(taken, (0..64).chain(70..134).collect::<Vec<usize>>());
        assert_eq!(part.whole(), None);
        let own = Vectors::new(&shape, Layout::Contiguous, &[(&shape[..], Layout::Contiguous)]);
        assert_eq!(own.whole(), Some(128));
        assert!(own.contains(127) && !own.contains(128));
    }

    /// A number for each channel: repeated along a run of a channel's positions, itself a run where channels come first.
    #[test]
    fn one_operand_may_be_repeated() {
        let (shape, factors) = ([1, 128, 8, 8], [1, 128, 1, 1]);
        for layout in [Layout::Contiguous, Layout::ChannelsLast] {
            let vectors =
                Vectors::new(&shape, layout, &[(&shape[..], layout), (&factors[..], Layout::Contiguous)]);
            assert!((0..128 * 64).all(|index| vectors.contains(index)), "{layout:?}");
        }
        let mixed = Vectors::new(
            &shape,
            Layout::Contiguous,
            &[(&shape[..], Layout::Contiguous), (&shape[..], Layout::ChannelsLast)],
        );
        assert!(
            !(0..128 * 64).any(|index| mixed.contains(index)),
            "operands in different orders go one by one"
        );
    }

    /// Numbers whose sum in order loses all ones behind 2^24, and whose sum in steps of 16 does not.
    #[test]
    fn sums_go_up_in_steps() {
        let large = |i: usize| if i == 0 { 16_777_216.0 } else { 1.0 };
        // 2^24 and fifteen ones stay 2^24; the other steps of 16 are exact.
        assert_eq!(cascade(64, large), 16_777_216.0 + 48.0);
        assert_eq!(interleaved(5, |i| i as f32), 10.0);
    }
}
