//! Ranges and sets of sums against every input of every small size, on layers of every kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::contract::Contract;
use crate::ops::PaddingMode;
use crate::parameters::{CodeType, Weight, Window};
use crate::tensor::{Codes, Tensor};

/// The largest size along each axis that is tried, by number of axes: every way to cut a window occurs up to there.
const LARGEST: [usize; 4] = [0, 7, 5, 3];

struct Case {
    name: &'static str,
    kind: LayerKind,
    shape: &'static [usize],
    window: Option<Window>,
    mode: PaddingMode,
}

fn window(stride: u32, padding: (u32, u32), dilation: u32, output_padding: u32, axes: usize) -> Window {
    let all = |value| Some(vec![value; axes]);
    Window {
        stride: all(stride),
        padding: all(padding.0),
        padding_end: if padding.0 == padding.1 { None } else { all(padding.1) },
        dilation: all(dilation),
        output_padding: all(output_padding),
        groups: Some(1),
    }
}

fn cases() -> Vec<Case> {
    use LayerKind::{Conv, ConvTranspose, Linear};
    use PaddingMode::{Circular, Reflect, Replicate, Zeros};
    let case = |name, kind, shape, window, mode| Case { name, kind, shape, window: Some(window), mode };
    let grouped = |window: Window, groups| Window { groups: Some(groups), ..window };
    vec![
        Case { name: "linear", kind: Linear, shape: &[3, 4], window: None, mode: Zeros },
        case("conv1d", Conv(1), &[2, 1, 3], window(1, (0, 0), 1, 0, 1), Zeros),
        case("padded", Conv(1), &[2, 1, 3], window(1, (1, 1), 1, 0, 1), Zeros),
        case("padded wide", Conv(1), &[2, 1, 2], window(1, (3, 3), 1, 0, 1), Zeros),
        case("padded before", Conv(1), &[2, 1, 3], window(1, (2, 0), 1, 0, 1), Zeros),
        case("padded behind", Conv(1), &[2, 1, 3], window(2, (0, 2), 1, 0, 1), Zeros),
        case("padded strided", Conv(1), &[2, 1, 4], window(3, (2, 2), 1, 0, 1), Zeros),
        case("dilated", Conv(1), &[2, 1, 3], window(1, (2, 2), 2, 0, 1), Zeros),
        case("dilated strided", Conv(1), &[2, 1, 2], window(2, (4, 1), 3, 0, 1), Zeros),
        case("reflect", Conv(1), &[2, 1, 3], window(1, (1, 1), 1, 0, 1), Reflect),
        case("replicate", Conv(1), &[2, 1, 3], window(1, (2, 2), 1, 0, 1), Replicate),
        case("circular", Conv(1), &[2, 1, 3], window(1, (1, 1), 1, 0, 1), Circular),
        case("conv2d", Conv(2), &[2, 1, 2, 2], window(1, (1, 1), 1, 0, 2), Zeros),
        case("conv2d uneven", Conv(2), &[2, 1, 1, 3], window(2, (1, 0), 1, 0, 2), Zeros),
        case("grouped", Conv(1), &[4, 1, 2], grouped(window(1, (1, 1), 1, 0, 1), 2), Zeros),
        case("depthwise", Conv(2), &[2, 1, 2, 2], grouped(window(1, (1, 0), 1, 0, 2), 2), Zeros),
        case("conv3d", Conv(3), &[2, 1, 2, 1, 2], window(1, (1, 1), 1, 0, 3), Zeros),
        case("transposed", ConvTranspose(1), &[1, 2, 3], window(1, (0, 0), 1, 0, 1), Zeros),
        case("transposed strided", ConvTranspose(1), &[1, 2, 3], window(2, (0, 0), 1, 0, 1), Zeros),
        case("transposed apart", ConvTranspose(1), &[1, 2, 2], window(3, (0, 0), 1, 2, 1), Zeros),
        case("transposed cut", ConvTranspose(1), &[1, 2, 4], window(2, (2, 2), 1, 1, 1), Zeros),
        case("transposed uneven", ConvTranspose(1), &[1, 2, 3], window(1, (0, 2), 1, 0, 1), Zeros),
        case("transposed dilated", ConvTranspose(1), &[1, 2, 3], window(2, (1, 1), 2, 1, 1), Zeros),
        case("transposed inputs", ConvTranspose(1), &[2, 1, 2], window(2, (0, 0), 1, 0, 1), Zeros),
        case(
            "transposed grouped",
            ConvTranspose(1),
            &[2, 2, 2],
            grouped(window(1, (1, 1), 1, 0, 1), 2),
            Zeros,
        ),
        case("transposed2d", ConvTranspose(2), &[1, 2, 2, 2], window(2, (1, 1), 1, 1, 2), Zeros),
        case("transposed3d", ConvTranspose(3), &[1, 1, 2, 1, 2], window(1, (0, 0), 1, 0, 3), Zeros),
    ]
}

impl Case {
    /// The layer, with weights that share a divisor in some channels and not in others.
    fn layer(&self, round: usize) -> Layer {
        let count: usize = self.shape.iter().product();
        let weights: [i8; 16] = match round % 3 {
            0 => [2, -4, 6, -2, 4, 8, -6, 2, 2, -8, 4, 6, -2, 2, 4, -6],
            1 => [5, -3, 1, 7, -2, 4, 6, -5, 3, 1, -7, 2, 8, -1, 3, 2],
            _ => [9, 6, -12, 15, 6, -9, 3, 12, -15, 6, 9, -3, 6, 12, 9, -6],
        };
        let codes: Vec<i8> = (0..count).map(|index| weights[(index + round) % 16]).collect();
        Layer {
            kind: self.kind,
            weight: Weight {
                shape: self.shape.to_vec(),
                codes: Arc::from(codes),
                scale: vec![0.5],
                zero_point: vec![if round % 4 == 3 { 1 } else { 0 }],
                bits: 8,
                offset: 0,
            },
            bias: None,
            relu: Some(false),
            clamp: None,
            window: self.window.clone(),
            padding_mode: self.mode,
        }
    }

    fn inputs(&self) -> usize {
        let groups = self.window.as_ref().map_or(1, |window| window.groups.unwrap_or(1) as usize);
        match self.kind {
            LayerKind::ConvTranspose(_) => self.shape[0],
            LayerKind::Conv(_) | LayerKind::Linear => self.shape[1] * groups,
        }
    }

    /// Every size of the input that has an output.
    fn sizes(&self, layer: &Layer) -> Vec<Vec<usize>> {
        let axes = self.shape.len() - 2;
        let all = 1..=LARGEST[axes];
        let mut sizes = vec![vec![1, self.inputs()]];
        for _ in 0..axes {
            sizes = sizes
                .iter()
                .flat_map(|size| all.clone().map(move |n| [size.as_slice(), &[n]].concat()))
                .collect();
        }
        sizes.retain(|size| layer.shape(size).is_ok());
        sizes
    }
}

fn activation(zero_point: i32) -> Activation {
    Activation { scale: 0.5, zero_point, code_type: CodeType::U8 }
}

/// The accumulators of one input, by channel.
fn accumulators(layer: &Layer, shape: &[usize], codes: Vec<i32>, zero_point: i32) -> Vec<Vec<i64>> {
    let input: Codes = Tensor::new(shape.to_vec(), codes).unwrap();
    let sums = layer.accumulate(Contract::Exact, &input, activation(zero_point)).unwrap();
    let channels = layer.output_channels();
    let area: usize = sums.shape().iter().skip(2).product();
    let elements = sums.elements();
    (0..channels).map(|channel| elements[channel * area..(channel + 1) * area].to_vec()).collect()
}

/// A sum is linear in each code, so its extremes are those of all zero points moved one by one to either end.
#[test]
fn both_ends_are_attained_by_some_input_of_some_size_and_none_goes_beyond() {
    let (mut compared, mut excluded, mut failures) = (0, 0, Vec::new());
    for case in cases() {
        for round in 0..4 {
            let layer = case.layer(round);
            // Z1 inside, at an end, beside and far from the codes.
            for (low, high, zero_point) in [(0, 255, 3), (0, 9, 0), (10, 60, 0), (-60, -10, 40), (4, 4, 3)] {
                let range = Range { min: low, max: high };
                let channels = layer.output_channels();
                let mut found = vec![(i64::MAX, i64::MIN); channels];
                for shape in case.sizes(&layer) {
                    let count: usize = shape.iter().product();
                    let base = accumulators(&layer, &shape, vec![low; count], zero_point);
                    let mut ends: Vec<Vec<(i64, i64)>> =
                        base.iter().map(|sums| sums.iter().map(|&sum| (sum, sum)).collect()).collect();
                    for element in 0..count {
                        let mut codes = vec![low; count];
                        codes[element] = high;
                        let moved = accumulators(&layer, &shape, codes, zero_point);
                        for (channel, sums) in moved.iter().enumerate() {
                            for (place, sum) in sums.iter().enumerate() {
                                let change = sum - base[channel][place];
                                ends[channel][place].0 += change.min(0);
                                ends[channel][place].1 += change.max(0);
                            }
                        }
                    }
                    for (found, ends) in found.iter_mut().zip(ends) {
                        for (min, max) in ends {
                            *found = (found.0.min(min), found.1.max(max));
                        }
                    }
                }
                let centred = centred_accumulators(&layer, activation(zero_point), range).unwrap();
                let claimed: Vec<(i64, i64)> =
                    centred.iter().map(|channel| (channel.range.min, channel.range.max)).collect();
                let exact = meetings(&layer, channels, range, zero_point).unwrap().exact;
                compared += channels;
                excluded += usize::from(!(low..=high).contains(&zero_point));
                if claimed != found || !exact {
                    failures.push((case.name, round, (low, high, zero_point), exact, claimed, found));
                }
            }
        }
    }
    println!("{compared} channels");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(excluded > 100);
}

/// Every input of three codes each, of every size with few elements: the set of sums, number by number.
#[test]
fn the_sums_that_occur_are_those_of_every_input() {
    let (mut sets, mut gaps, mut failures) = (0, 0, Vec::new());
    for case in cases().into_iter().filter(|case| case.shape.len() <= 3) {
        for round in 0..4 {
            let layer = case.layer(round);
            for (low, high, zero_point) in [(0, 2, 1), (3, 5, 0)] {
                let range = Range { min: low, max: high };
                let mut found = vec![BTreeSet::new(); layer.output_channels()];
                for shape in case.sizes(&layer) {
                    let count: usize = shape.iter().product();
                    if count > 7 {
                        continue;
                    }
                    for number in 0..3_i32.pow(u32::try_from(count).unwrap()) {
                        let mut rest = number;
                        let codes = std::iter::repeat_with(|| {
                            let code = low + rest % 3;
                            rest /= 3;
                            code
                        });
                        let codes = codes.take(count).collect();
                        for (found, sums) in
                            found.iter_mut().zip(accumulators(&layer, &shape, codes, zero_point))
                        {
                            found.extend(sums);
                        }
                    }
                }
                let centred = centred_accumulators(&layer, activation(zero_point), range).unwrap();
                for (channel, (claimed, found)) in centred.iter().zip(&found).enumerate() {
                    let ranks = Ranks::new(claimed.range, claimed.sums.as_ref());
                    let claimed: BTreeSet<i64> =
                        (0..ranks.count()).map(|rank| ranks.at(rank).unwrap()).collect();
                    sets += 1;
                    gaps += usize::from(
                        found.len() as u64 != found.first().unwrap().abs_diff(*found.last().unwrap()) + 1,
                    );
                    if claimed != *found || !ranks.exact() {
                        failures.push((case.name, round, zero_point, channel, claimed, found.clone()));
                    }
                }
            }
        }
    }
    println!("{sets} sets, {gaps} with gaps");
    assert!(failures.is_empty(), "{:#?}", &failures[..failures.len().min(2)]);
    assert!(gaps > 50);
}

/// What is too much to look at is contained, and said not to be exact.
#[test]
fn beyond_what_is_looked_at_a_range_contains_what_occurs() {
    let mut window = window(1, (1 << 20, 1 << 20), 1 << 12, 0, 1);
    let case = Case {
        name: "far",
        kind: LayerKind::Conv(1),
        shape: &[1, 1, 3],
        window: Some(window.clone()),
        mode: PaddingMode::Zeros,
    };
    let range = Range { min: 3, max: 5 };
    let layer = case.layer(0);
    let far = centred_accumulators(&layer, activation(0), range).unwrap();
    // Weights 2, -4, 6 and codes 0 or 3..=5.
    assert_eq!(far[0].range, Range { min: -20, max: 40 });
    assert!(!far[0].sums.as_ref().unwrap().exact);
    window.padding = None;
    let unknown = Layer { window: Some(window), ..layer };
    assert_eq!(centred_accumulators(&unknown, activation(0), range).unwrap(), far);
    assert!(!meetings(&unknown, 1, range, 0).unwrap().exact);
}
