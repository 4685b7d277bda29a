//! Layers against equations worked by hand, and against the numbers of `tests/fixtures/target/make.py`.

use std::sync::Arc;

use serde::Deserialize;

use super::*;
use crate::hardware::*;
use crate::ops::{Bias, Layer, PaddingMode};
use crate::parameters::{Activation, CodeType, LayerKind, LayerParameters, Weight, Window};

/// A layer of one input and one output channel, with everything that the target reads.
struct Given {
    kind: LayerKind,
    weight: Weight,
    window: Option<Window>,
    input: Activation,
    input_range: Option<Range<i32>>,
    output: Activation,
    clamp: Range<i32>,
    bias: Vec<f32>,
    multiplier: Vec<u32>,
    shift: Vec<i32>,
    weight_sum: Vec<i32>,
}

impl Given {
    fn prepare(self, target: Target) -> TargetLayer {
        let layer = Layer {
            kind: self.kind,
            weight: self.weight.clone(),
            bias: Some(Bias::Real(self.bias)),
            relu: None,
            clamp: None,
            window: self.window.clone(),
            padding_mode: PaddingMode::Zeros,
        };
        let parameters = LayerParameters {
            name: "layer".into(),
            kind: self.kind,
            relu: None,
            input: Some(self.input),
            input_range: self.input_range,
            channels: self.multiplier.len(),
            weight: self.weight,
            bias: None,
            weight_sum: self.weight_sum,
            folded_bias: None,
            real_multiplier: None,
            multiplier: Some(self.multiplier),
            shift: Some(self.shift),
            rounding_constant: None,
            thresholds: None,
            output: Some(self.output),
            clamp: Some(self.clamp),
            padding_value: None,
            accumulator: None,
            biased: None,
            window: self.window,
        };
        TargetLayer::new(&parameters, &layer, target).unwrap()
    }
}

/// Weights (1, 2, 3), bias round(1.0/0.25) = 4, M0 = 3, n = 3, Z1 = 10, Z3 = 5.
fn by_hand() -> Given {
    let code_type = CodeType::U8;
    Given {
        kind: LayerKind::Conv(1),
        weight: Weight::of_bytes(vec![1, 1, 3], Arc::new([1, 2, 3]), vec![0.5], vec![0]),
        window: Some(Window {
            stride: Some(vec![1]),
            padding: Some(vec![1]),
            padding_end: None,
            dilation: Some(vec![1]),
            output_padding: Some(vec![0]),
            groups: Some(1),
        }),
        input: Activation { scale: 0.5, zero_point: 10, code_type },
        input_range: None,
        output: Activation { scale: 1.0, zero_point: 5, code_type },
        clamp: Range { min: 5, max: 255 },
        bias: vec![1.0],
        multiplier: vec![3],
        shift: vec![3],
        weight_sum: vec![6],
    }
}

#[test]
fn a_padded_convolution_by_hand() {
    // Z1 | 7, 20, 0 | Z1. At the left edge: 10*1 + 7*2 + 20*3 = 84; then 7 + 40 + 0 = 47; then 20 + 0 + 30 = 50.
    // folded_bias = 4 - 10*6 = -56: biased 28, -9, -6; times 3: 84, -27, -18; over 8: 10.5, -3.375, -2.25.
    let stages = by_hand().prepare(Target::default()).stages(&[7, 20, 0], &[1, 1, 3]).unwrap();
    let expected: [&[i64]; 7] =
        [&[7, 20, 0], &[84, 47, 50], &[28, -9, -6], &[84, -27, -18], &[11, -3, -2], &[16, 2, 3], &[16, 5, 5]];
    for (stage, expected) in Stage::ALL.into_iter().zip(expected) {
        assert_eq!(stages.of(stage), expected, "{stage}");
    }
    assert_eq!((stages.shape.as_slice(), stages.overflows.as_slice()), ([1, 1, 3].as_slice(), [].as_slice()));
}

#[test]
fn signed_activations_are_128_less_everywhere() {
    // x - 128 and Z1 = -118: the accumulator is 128*6 = 768 less, folded_bias = 4 + 118*6 = 712 is 768 more.
    let target = Target { signed_activations: true, ..Target::default() };
    let layer = by_hand().prepare(target);
    let stages = layer.stages(&[7, 20, 0], &[1, 1, 3]).unwrap();
    assert_eq!(stages.of(Stage::Input), [-121, -108, -128]);
    assert_eq!(stages.of(Stage::Accumulator), [84 - 768, 47 - 768, 50 - 768]);
    assert_eq!(layer.folded_bias, [712]);
    assert_eq!(stages.of(Stage::Biased), [28, -9, -6]);
    assert_eq!(stages.of(Stage::Output), [16 - 128, 5 - 128, 5 - 128]);
    assert_eq!(layer.codes(&[7, 20, 0], &[1, 1, 3]).unwrap().codes, [16, 5, 5]);
}

#[test]
fn a_weight_zero_point_is_subtracted_with_the_codes() {
    // Z2 = 1 leaves the weights (0, 1, 2): sums over x - 10 of -3*1 + 10*2 = 17, 10*1 - 10*2 = -10, -10*1 = -10.
    let mut given = by_hand();
    given.weight.zero_point = vec![1];
    let stages = given.prepare(Target::default()).stages(&[7, 20, 0], &[1, 1, 3]).unwrap();
    assert_eq!(stages.of(Stage::Accumulator), [84, 47, 50]);
    assert_eq!(stages.of(Stage::Biased), [17 + 4, -10 + 4, -10 + 4]);
}

#[test]
fn fractional_bits_keep_what_rounding_the_bias_loses() {
    // b/(S1*S2) = 0.1/0.25 = 0.4, times 2^4 = 6.4: 6, and folded_bias = 6 - 60*16.
    let mut given = by_hand();
    given.bias = vec![0.1];
    let layer = given.prepare(Target { bias_fraction_bits: 4, ..Target::default() });
    assert_eq!((layer.bias.as_slice(), layer.folded_bias.as_slice()), ([6].as_slice(), [-954].as_slice()));
    let stages = layer.stages(&[7, 20, 0], &[1, 1, 3]).unwrap();
    assert_eq!(stages.of(Stage::Biased), [84 * 16 - 954, 47 * 16 - 954, 50 * 16 - 954]);
    // 390*3/2^7 = 9.14, -202*3/128 = -4.73, -154*3/128 = -3.61.
    assert_eq!(stages.of(Stage::Shifted), [9, -5, -4]);
}

#[test]
fn what_does_not_fit_is_refused_or_unknown() {
    let layer = by_hand().prepare(Target::default());
    for shape in [&[1, 3][..], &[1, 3, 1], &[1, 1, 4], &[3], &[]] {
        assert!(matches!(layer.codes(&[7, 20, 0], shape), Err(TargetError::Shape { .. })), "{shape:?}");
    }
    let mut given = by_hand();
    given.window.as_mut().unwrap().stride = None;
    let found = given.prepare(Target::default()).codes(&[7, 20, 0], &[1, 1, 3]).unwrap_err();
    assert_eq!(found.to_string(), "layer: its stride is not known");
}

#[derive(Deserialize)]
struct Case {
    name: String,
    op: String,
    weight_shape: Vec<usize>,
    weight: Vec<i8>,
    weight_sum: Vec<i32>,
    weight_scale: Vec<f64>,
    input_scale: f64,
    output_scale: f64,
    input_zero_point: i32,
    output_zero_point: i32,
    code_type: String,
    clamp: [i32; 2],
    bias: Vec<f32>,
    multiplier: Vec<u32>,
    shift: Vec<i32>,
    window: Option<CaseWindow>,
    input_shape: Vec<usize>,
    codes: Vec<i32>,
    target: CaseTarget,
    output_shape: Vec<usize>,
    stages: std::collections::BTreeMap<String, Vec<i64>>,
    overflows: std::collections::BTreeMap<String, CaseOverflow>,
}

#[derive(Deserialize)]
struct CaseWindow {
    stride: Vec<u32>,
    padding: Vec<u32>,
    dilation: Vec<u32>,
    output_padding: Vec<u32>,
    groups: u32,
}

#[derive(Deserialize)]
struct CaseTarget {
    rounding: String,
    accumulator_bits: u32,
    product_bits: u32,
    on_overflow: String,
    activation_range: Option<[i32; 2]>,
    signed_activations: bool,
    bias_fraction_bits: u32,
}

#[derive(Debug, PartialEq, Deserialize)]
struct CaseOverflow {
    count: u64,
    first: Vec<usize>,
}

impl Case {
    fn layer(&self) -> TargetLayer {
        let kinds = (1..=3).flat_map(|n| [LayerKind::Conv(n), LayerKind::ConvTranspose(n)]);
        let kind = kinds.chain([LayerKind::Linear]).find(|kind| kind.name() == self.op).unwrap();
        let code_type =
            [CodeType::U8, CodeType::I8].into_iter().find(|t| t.name() == self.code_type).unwrap();
        let t = &self.target;
        let target = Target {
            rounding: Rounding::ALL.into_iter().find(|r| r.name() == t.rounding).unwrap(),
            accumulator_bits: t.accumulator_bits,
            product_bits: t.product_bits,
            on_overflow: [OnOverflow::Wrap, OnOverflow::Saturate]
                .into_iter()
                .find(|o| o.name() == t.on_overflow)
                .unwrap(),
            activation_range: t.activation_range.map(|[min, max]| Range { min, max }),
            signed_activations: t.signed_activations,
            bias_fraction_bits: t.bias_fraction_bits,
        };
        Given {
            kind,
            weight: Weight::of_bytes(
                self.weight_shape.clone(),
                self.weight.clone().into(),
                self.weight_scale.clone(),
                vec![0],
            ),
            window: self.window.as_ref().map(|window| Window {
                stride: Some(window.stride.clone()),
                padding: Some(window.padding.clone()),
                padding_end: None,
                dilation: Some(window.dilation.clone()),
                output_padding: Some(window.output_padding.clone()),
                groups: Some(window.groups),
            }),
            input: Activation { scale: self.input_scale, zero_point: self.input_zero_point, code_type },
            input_range: None,
            output: Activation { scale: self.output_scale, zero_point: self.output_zero_point, code_type },
            clamp: Range { min: self.clamp[0], max: self.clamp[1] },
            bias: self.bias.clone(),
            multiplier: self.multiplier.clone(),
            shift: self.shift.clone(),
            weight_sum: self.weight_sum.clone(),
        }
        .prepare(target)
    }
}

#[test]
fn every_stage_equals_numpy() {
    let text = include_str!("../../../../../tests/fixtures/target/cases.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    let mut failures = Vec::new();
    for case in &cases {
        let layer = case.layer();
        let stages = layer.stages(&case.codes, &case.input_shape).unwrap();
        let overflows: std::collections::BTreeMap<_, _> = stages
            .overflows
            .iter()
            .map(|o| (o.stage.name().to_owned(), CaseOverflow { count: o.count, first: o.first.clone() }))
            .collect();
        if stages.shape != case.output_shape || overflows != case.overflows {
            failures.push(format!("{}: shape {:?}, overflows {overflows:?}", case.name, stages.shape));
        }
        for stage in Stage::ALL {
            let (found, expected) = (stages.of(stage), &case.stages[stage.name()]);
            let wrong = found.iter().zip(expected).filter(|(a, b)| a != b).count();
            if wrong > 0 || found.len() != expected.len() {
                failures.push(format!("{}: {stage}: {wrong} of {} differ", case.name, expected.len()));
            }
        }
        let codes = layer.codes(&case.codes, &case.input_shape).unwrap().codes;
        let shifted_back = stages.of(Stage::Output).iter().map(|&c| c + i64::from(layer.output_shift));
        assert!(codes.iter().map(|&c| i64::from(c)).eq(shifted_back), "{}", case.name);
    }
    assert_eq!(cases.len(), 21);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn vectors_hit_what_was_worked_by_hand() {
    // Codes 0..=255, biased = sum - 56, product = 3*biased, over 8. Ties are biased = 4 (mod 8). 3*-2/8 = -0.75 is the
    // first offset below 5, at 4; 3*668/8 = 250.5 the first above 255, at 256. At the right edge the tap of weight 3 meets
    // padding: 996/8 = 124.5 gives 130, and with padding of 0, 30 less, 906/8 = 113.25 gives 118.
    let layer = by_hand().prepare(Target::default());
    let found = layer.vectors(4).unwrap();
    let expected = [
        (Aim::ZeroPoint, 1, Stage::Biased, 4),
        (Aim::BelowZeroPoint, 1, Stage::Biased, -2),
        (Aim::AboveZeroPoint, 1, Stage::Biased, 10),
        (Aim::LargestAccumulator, 1, Stage::Accumulator, 1530),
        (Aim::SmallestAccumulator, 1, Stage::Accumulator, 0),
        (Aim::PositiveTie, 1, Stage::Product, 12),
        (Aim::NegativeTie, 1, Stage::Product, -12),
        (Aim::LowerSaturation, 1, Stage::Offset, 4),
        (Aim::UpperSaturation, 1, Stage::Offset, 256),
        (Aim::Padding, 2, Stage::Output, 130),
    ];
    let hits = found.vectors.iter().map(|v| (v.aim, v.position[0], v.stage, v.value));
    assert!(hits.eq(expected), "{:#?}", found.vectors);
    let wrong = WrongPadding { code: 0, output: 118, taps: 1 };
    assert_eq!(found.vectors[9].wrong_padding, Some(wrong));
    assert_eq!((found.missing, found.stages.shape), (Vec::new(), vec![10, 1, 3]));
}

#[test]
fn aims_that_a_layer_cannot_reach_are_named_with_what_it_reaches() {
    // Ties are odd multiples of 2^15, and biased lies within 0 - 56 and 1530 - 56; 3*1474/2^16 rounds to 0.
    let mut given = by_hand();
    (given.shift, given.input.zero_point) = (vec![16], 10);
    let found = given.prepare(Target::default()).vectors(4).unwrap();
    let missing: Vec<_> = found.missing.iter().map(|m| (m.aim, m.proven, m.reachable)).collect();
    let biased = Some((Stage::Biased, Range { min: -56, max: 1474 }));
    let offset = Some((Stage::Offset, Range { min: 5, max: 5 }));
    let expected = [
        (Aim::PositiveTie, true, biased),
        (Aim::NegativeTie, true, biased),
        (Aim::LowerSaturation, true, offset),
        (Aim::UpperSaturation, true, offset),
        (Aim::Padding, false, None),
    ];
    assert_eq!(missing, expected);
}

/// Codes 20..=60, which Z1 = 10 is not one of. Whole windows have sums of 6*20 to 6*60; at the right edge 10*3 stands for
/// the last tap, at the left 10*1 for the first. The first sum beyond 100 is 3*255/8 = 95.6, at 311.
#[test]
fn vectors_are_of_codes_that_can_enter() {
    let mut given = by_hand();
    given.input_range = Some(Range { min: 20, max: 60 });
    given.clamp = Range { min: 0, max: 100 };
    let found = given.prepare(Target::default()).vectors(4).unwrap();
    let of = |aim| found.vectors.iter().find(|v| v.aim == aim).map(|v| (v.position[0], v.value));
    assert_eq!(of(Aim::LargestAccumulator), Some((1, 360)));
    assert_eq!(of(Aim::SmallestAccumulator), Some((2, 90)));
    assert_eq!(of(Aim::UpperSaturation), Some((1, 101)));
    let place = found.vectors.iter().position(|v| v.aim == Aim::UpperSaturation).unwrap();
    assert_eq!(found.stages.of(Stage::Biased)[3 * place + 1], 255);
    let entering = found.stages.of(Stage::Input);
    assert!(entering.iter().all(|code| (20..=60).contains(code)), "{entering:?}");
    let zero = found.missing.iter().find(|missing| missing.aim == Aim::ZeroPoint).unwrap();
    assert!(zero.proven);
}
