//! Ranges of stages and sums against every input of small layers and operators.

use super::super::super::integer_op::{Operand, Pair};
use super::super::super::{Means, Port, Rounding, Target};
use super::*;
use crate::ops::{Layer, PaddingMode, Span};
use crate::parameters::{Activation, CodeType, LayerKind, LayerParameters, Scale, Weight};

/// A linear layer of three taps and one channel for codes `codes`, which are at most 15.
fn layer(weights: [i8; 3], zero_point: i32, codes: Range<i32>, target: Target) -> TargetLayer {
    let weight = Weight::of_bytes(vec![1, 3], weights.to_vec().into(), vec![1.0], vec![zero_point]);
    let activation = Activation { scale: 1.0, zero_point: codes.min, code_type: CodeType::U8 };
    let layer = Layer {
        kind: LayerKind::Linear,
        weight: weight.clone(),
        bias: None,
        relu: Some(false),
        clamp: None,
        window: None,
        padding_mode: PaddingMode::Zeros,
    };
    let parameters = LayerParameters {
        name: "layer".into(),
        kind: LayerKind::Linear,
        relu: Some(false),
        input: Some(activation),
        input_range: Some(codes),
        channels: 1,
        weight,
        bias: None,
        weight_sum: vec![weights.iter().map(|&w| i32::from(w)).sum()],
        folded_bias: None,
        real_multiplier: None,
        multiplier: Some(vec![5]),
        shift: Some(vec![2]),
        rounding_constant: None,
        thresholds: None,
        output: Some(activation),
        clamp: Some(Range { min: 0, max: 255 }),
        padding_value: None,
        accumulator: None,
        biased: None,
        window: None,
    };
    TargetLayer::new(&parameters, &layer, target).unwrap()
}

fn of(values: &[i64]) -> Range<i128> {
    Range { min: (*values.iter().min().unwrap()).into(), max: (*values.iter().max().unwrap()).into() }
}

#[test]
fn stages_of_layers_are_those_of_every_input() {
    let mut failures = Vec::new();
    let mut compared = 0;
    for on_overflow in [OnOverflow::Wrap, OnOverflow::Saturate] {
        for (accumulator_bits, product_bits) in [(32, 64), (5, 64), (6, 9), (32, 7), (5, 6)] {
            for (weights, zero_point, rounding) in [
                ([3, -2, 1], 0, Rounding::HalfUp),
                ([-3, -2, -4], 0, Rounding::Floor),
                ([7, -8, 2], 2, Rounding::HalfAway),
                ([1, 2, 3], -1, Rounding::TowardZero),
                ([0, 0, 0], 3, Rounding::HalfEven),
            ] {
                for codes in [Range { min: 0, max: 3 }, Range { min: 2, max: 4 }] {
                    let target = Target {
                        rounding,
                        accumulator_bits,
                        product_bits,
                        on_overflow,
                        activation_range: Some(codes),
                        bias_fraction_bits: 1,
                        ..Target::default()
                    };
                    let layer = layer(weights, zero_point, codes, target);
                    let each = codes.min..=codes.max;
                    let inputs: Vec<i32> = each
                        .clone()
                        .flat_map(|a| each.clone().map(move |b| (a, b)))
                        .flat_map(|(a, b)| each.clone().flat_map(move |c| [a, b, c]))
                        .collect();
                    let found = layer.stages(&inputs, &[inputs.len() / 3, 3]).unwrap();
                    let ranges = layer.ranges(0, layer.input_range());
                    let case = (on_overflow, accumulator_bits, product_bits, weights, zero_point, codes);
                    let accumulators = of(found.of(Stage::Accumulator));
                    let stages = [
                        (Stage::Biased, ranges.stages.biased),
                        (Stage::Product, ranges.stages.product),
                        (Stage::Shifted, ranges.stages.shifted),
                        (Stage::Offset, ranges.stages.offset),
                    ];
                    let left = |stage| found.overflows.iter().any(|overflow| overflow.stage == stage);
                    let mut check = |what: &str, holds: bool| {
                        compared += 1;
                        if !holds {
                            failures.push(format!("{what}: {case:?} {ranges:?}"));
                        }
                    };
                    check("accumulator", contains(ranges.accumulator, accumulators));
                    check(
                        "accumulator's register",
                        ranges.accumulator_overflows || !left(Stage::Accumulator),
                    );
                    // One that wraps does so for whole sums alone, which all occur.
                    if on_overflow == OnOverflow::Wrap {
                        check("wraps", ranges.accumulator_overflows == left(Stage::Accumulator));
                    }
                    let mut exact = !ranges.accumulator_overflows;
                    if exact {
                        check("accumulator's ends", ranges.accumulator == accumulators);
                    }
                    for (stage, range) in stages {
                        let values = of(found.of(stage));
                        check(stage.name(), contains(range.held, values));
                        check("register", !range.fits() || !left(stage));
                        if exact {
                            check("what leaves its register", range.fits() != left(stage));
                        }
                        exact &= range.fits();
                        if exact {
                            check("ends", range.held == values);
                        }
                    }
                    // Partial sums in every order.
                    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
                    let partial = inputs.chunks(3).flat_map(|codes| {
                        orders.iter().flat_map(move |order| {
                            order.iter().scan(0, move |sum, &tap| {
                                *sum += i64::from(codes[tap]) * i64::from(weights[tap]);
                                Some(*sum)
                            })
                        })
                    });
                    let partial: Vec<i64> = partial.chain([0]).collect();
                    check("partial sums", ranges.partial == of(&partial));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(compared > 1000, "{compared}");
}

/// An operand of these codes.
fn operand(min: i32, max: i32, zero_point: i32, shape: &[usize]) -> Operand {
    let activation = Activation { scale: 1.0, zero_point, code_type: CodeType::U8 };
    let port = Port { activation, zero_point, range: Range { min, max }, shift: 0 };
    Operand { port, shape: shape.to_vec() }
}

#[test]
fn sums_of_operators_are_those_of_every_input() {
    let clamp = Range { min: i32::MIN, max: i32::MAX };
    let rescale = Rescale::of_scale(Scale { multiplier: 1, shift: 0 }, Rounding::HalfUp, 0, clamp);
    let (a, b) = (operand(2, 6, 3, &[1]), operand(0, 4, 5, &[1]));
    let pair = Pair { operands: [a.clone(), b.clone()], shape: vec![1] };
    let pairs = || (2..=6_i64).flat_map(|x| (0..=4).map(move |y| (x - 3, y - 5)));
    let of_pairs = |value: fn(i64, i64) -> i64| of(&pairs().map(|(x, y)| value(x, y)).collect::<Vec<_>>());

    let sum = Sum { pair: pair.clone(), multipliers: [3, 7], rescale: rescale.clone() };
    assert_eq!(sum.sums(), of_pairs(|x, y| 3 * x + 7 * y));
    let product = Product { pair, rescale: rescale.clone() };
    assert_eq!(product.sums(), of_pairs(|x, y| x * y));

    // Two products, and the first of them alone.
    let twice: Vec<i64> =
        pairs().flat_map(|(x, y)| pairs().flat_map(move |(p, q)| [0, x * y, x * y + p * q])).collect();
    let matrix = MatrixProduct {
        operands: [a.clone(), b],
        shape: vec![1, 1],
        matrices: 1,
        rows: 1,
        inner: 2,
        columns: 1,
        rescale: rescale.clone(),
    };
    assert_eq!(matrix.sums(), of(&twice));

    // Three codes of a window, or fewer.
    let codes = || -1..=3_i64;
    let three: Vec<i64> = codes()
        .flat_map(|x| codes().flat_map(move |y| codes().flat_map(move |z| [0, x, x + y, x + y + z])))
        .collect();
    let spans = vec![vec![Span { start: 0, end: 3, padded: 3 }, Span { start: 2, end: 3, padded: 1 }]];
    let windows = WindowSum {
        input: operand(2, 6, 3, &[3]),
        shape: vec![2],
        windows: Means { spans, divisors: vec![1] },
        rescales: vec![rescale.clone()],
        grid: None,
    };
    assert_eq!(windows.sums(), of(&three));

    let affine = ChannelAffine {
        input: a.clone(),
        multipliers: &[4, -3],
        offsets: &[10, -20],
        rescale: rescale.clone(),
    };
    let each: Vec<i64> = codes().flat_map(|x| [4 * x + 10, -3 * x - 20]).collect();
    assert_eq!(affine.sums(), of(&each));
    let part = Part { input: a, length: 1, offset: 0, rescale: Some(rescale) };
    assert_eq!(part.sums(), of(&codes().collect::<Vec<_>>()));
}

#[test]
fn bits_hold_both_ends_and_no_more() {
    for (min, max, bits) in
        [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-2, 1, 2), (-3, 1, 3), (-128, 127, 8), (0, 255, 9)]
    {
        assert_eq!(signed_bits(Range { min, max }), bits, "{min}..={max}");
    }
    assert_eq!(signed_bits(Range { min: i128::MIN, max: 0 }), 128);
}
