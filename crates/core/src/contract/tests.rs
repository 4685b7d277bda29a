//! Contracts against values worked out by hand.

use std::sync::Arc;

use super::*;
use crate::ops::Layer;
use crate::ops::{Bias, PaddingMode};
use crate::parameters::LayerKind;
use crate::parameters::{Activation, CodeType, Range, Weight, Window};

const U8: CodeType = CodeType::U8;

fn activation(scale: f64, zero_point: i32) -> Activation {
    Activation { scale, zero_point, code_type: U8 }
}

/// A linear layer of one channel; only its scales and bias matter here.
fn layer(weight_scale: f64, bias: Option<f32>, relu: bool) -> Layer {
    Layer {
        kind: LayerKind::Linear,
        weight: Weight::of_bytes(vec![1, 1], Arc::from([1i8]), vec![weight_scale], vec![0]),
        bias: bias.map(|b| Bias::Real(vec![b])),
        relu: Some(relu),
        clamp: None,
        window: None,
        padding_mode: PaddingMode::Zeros,
    }
}

fn code(contract: Contract, layer: &Layer, output: Activation, accumulator: i64) -> i32 {
    Requantizer::new(contract, layer, activation(1.0, 0), output, 0).unwrap().apply(accumulator)
}

#[test]
fn names_are_their_own_inverse() {
    for contract in Contract::ALL {
        assert_eq!(Contract::from_name(contract.name()), Some(contract));
        assert!(contract.description().ends_with('.'));
    }
    assert_eq!(Contract::from_name("FBGEMM"), None);
}

/// Powers of two make every float exact: only the order of rounding and zero point is left, worked out by hand.
#[test]
fn ties_go_where_each_engine_sends_them() {
    let half = layer(0.5, None, false);
    // acc * 1/2, odd accumulators are ties. Zero point 1: added after rounding 0.5 -> 0, 1.5 -> 2, 2.5 -> 2;
    // before it 1.5 -> 2, 2.5 -> 2, 3.5 -> 4.
    let rows = [
        (Contract::Fbgemm, [1, 3, 3]),
        (Contract::Qnnpack, [1, 3, 3]),
        (Contract::X86, [1, 3, 3]),
        (Contract::Onednn, [2, 2, 4]),
        (Contract::Exact, [1, 3, 3]),
    ];
    for (contract, expected) in rows {
        let codes = [1, 3, 5].map(|acc| code(contract, &half, activation(1.0, 1), acc));
        assert_eq!(codes, expected, "{}", contract.name());
    }
}

#[test]
fn only_qnnpack_rounds_the_bias() {
    // M = 1, S1*S2 = 1, b = 0.5: qnnpack's bias is rint(0.5) = 0; the others round acc + 0.5 to even.
    let biased = layer(1.0, Some(0.5), false);
    let rows = [
        (Contract::Fbgemm, [2, 2, 4]),
        (Contract::Onednn, [2, 2, 4]),
        (Contract::Exact, [2, 2, 4]),
        (Contract::Qnnpack, [1, 2, 3]),
    ];
    for (contract, expected) in rows {
        let codes = [1, 2, 3].map(|acc| code(contract, &biased, activation(1.0, 0), acc));
        assert_eq!(codes, expected, "{}", contract.name());
    }
}

#[test]
fn clamps_at_both_ends_and_at_the_zero_point_under_relu() {
    for contract in Contract::ALL {
        for (relu, low) in [(false, 0), (true, 7)] {
            let layer = layer(1.0, None, relu);
            let codes = [-300, 300].map(|acc| code(contract, &layer, activation(1.0, 7), acc));
            assert_eq!(codes, [low, 255], "{} relu {relu}", contract.name());
        }
    }
}

#[test]
fn exact_is_the_rational_function() {
    // round((acc*0.375 + 0.3125)/1.5) + 100 = round((6*acc + 5)/24) + 100 in integers.
    let layer = layer(0.375, Some(0.3125), false);
    let requantizer =
        Requantizer::new(Contract::Exact, &layer, activation(1.0, 0), activation(1.5, 100), 0).unwrap();
    for accumulator in -700..700 {
        let numerator: i32 = 6 * accumulator + 5;
        let (floor, rest) = (numerator.div_euclid(24), numerator.rem_euclid(24));
        let up = rest > 12 || (rest == 12 && floor % 2 != 0);
        let expected = (floor + i32::from(up) + 100).clamp(0, 255);
        assert_eq!(requantizer.apply(i64::from(accumulator)), expected, "{accumulator}");
    }
}

#[test]
fn large_accumulators_lose_bits_before_anything_else() {
    // 2^24 + 1 is no float32: engines that narrow it first see 2^24. M = 2^-24 * 128, code = 128 * (1 + 2^-24).
    let layer = layer(1.0, Some(-16_777_216.0), false);
    for (contract, expected) in
        [(Contract::Fbgemm, 0), (Contract::Onednn, 0), (Contract::Qnnpack, 1), (Contract::Exact, 1)]
    {
        assert_eq!(code(contract, &layer, activation(1.0, 0), 16_777_217), expected, "{}", contract.name());
    }
}

#[test]
fn x86_chooses_by_groups_zero_point_and_kind() {
    let mut conv = layer(1.0, None, false);
    conv.kind = LayerKind::Conv(2);
    conv.window = Some(Window { groups: Some(100), ..Window::default() });
    assert_eq!(Contract::X86.of_layer(&conv), Contract::Onednn);
    conv.weight.zero_point = vec![3];
    assert_eq!(Contract::X86.of_layer(&conv), Contract::Fbgemm);
    conv.weight.zero_point = vec![0];
    conv.window = Some(Window { groups: Some(101), ..Window::default() });
    assert_eq!(Contract::X86.of_layer(&conv), Contract::Fbgemm);
    conv.kind = LayerKind::ConvTranspose(2);
    conv.window = Some(Window { output_padding: Some(vec![0, 0]), ..Window::default() });
    assert_eq!(Contract::X86.of_layer(&conv), Contract::Onednn);
    conv.window = Some(Window { output_padding: Some(vec![0, 1]), ..Window::default() });
    assert_eq!(Contract::X86.of_layer(&conv), Contract::Fbgemm);
    assert_eq!(Contract::X86.of_layer(&layer(1.0, None, false)), Contract::Fbgemm);
}

#[test]
fn what_is_missing_is_named() {
    let mut unknown = layer(1.0, None, false);
    unknown.relu = None;
    let new = |layer: &Layer, output, channel| {
        Requantizer::new(Contract::Exact, layer, activation(1.0, 0), output, channel).unwrap_err()
    };
    assert_eq!(new(&unknown, activation(1.0, 9), 0), Missing::Relu);
    assert_eq!(new(&layer(0.0, None, false), activation(1.0, 9), 0), Missing::Scale);
    assert_eq!(new(&layer(1.0, Some(1.0), false), activation(1.0, 9), 1), Missing::Channel);
}

/// Bounds of RELU6 (relu) and RELU_N1_TO_1 at ties, with what LiteRT 2.3 gives: 6/4 steps and 1/2 steps. TFLite's kernels
/// round them away from zero before they add the zero point, XNNPACK to even after it.
#[test]
fn fused_bounds_at_ties_are_those_of_the_kernel() {
    let rows = [
        (CodeType::I8, 4.0, -127, true, (-127, -125), (-127, -126)),
        (CodeType::I8, 4.0, -128, true, (-128, -126), (-128, -126)),
        (U8, 2.0, 8, false, (7, 9), (8, 8)),
        (U8, 2.0, 7, false, (6, 8), (6, 8)),
    ];
    for (code_type, scale, zero_point, relu, litert, xnnpack) in rows {
        let clamp = Some(Range { min: litert.0, max: litert.1 });
        let layer = Layer { clamp, ..layer(1.0, None, relu) };
        let output = Activation { scale, zero_point, code_type };
        let found = [Contract::Litert, Contract::LitertXnnpack].map(|contract| {
            let clamp = Requantizer::new(contract, &layer, activation(1.0, 0), output, 0).unwrap().clamp();
            (clamp.min, clamp.max)
        });
        assert_eq!(found, [litert, xnnpack], "{scale} {zero_point}");
    }
}

/// A uint8 convolution of LiteRT 2.3 whose accumulator -47992 gives 57: S1*S2 is rounded to float32. In float64 it were 58.
#[test]
fn unsigned_scales_are_multiplied_in_float32() {
    let of = |scale: f32, zero_point| activation(f64::from(scale), zero_point);
    let (input, output) = (of(0.045_144_923, 0), of(0.051_157_672, 200));
    let layer = Layer { kind: LayerKind::Conv(2), ..layer(f64::from(0.003_364_665_7_f32), None, false) };
    let signed = |a: Activation| Activation { code_type: CodeType::I8, zero_point: a.zero_point - 128, ..a };
    let code =
        |input, output| Requantizer::new(Contract::Litert, &layer, input, output, 0).unwrap().apply(-47_992);
    assert_eq!(code(input, output), 57);
    assert_eq!(code(signed(input), signed(output)), 58 - 128);
}
