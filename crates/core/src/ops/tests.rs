//! Operators on inputs small enough to be worked out by hand. Whole networks are compared with PyTorch's codes elsewhere.

use std::sync::Arc;

use super::*;
use crate::contract::Contract;
use crate::parameters::{Activation, CodeType, LayerKind, Weight, Window};
use crate::tensor::Layout;
use crate::tensor::{Codes, Tensor};

const UNIT: Activation = Activation { scale: 1.0, zero_point: 0, code_type: CodeType::U8 };

fn codes(shape: &[usize], elements: &[i32]) -> Codes {
    Tensor::new(shape.to_vec(), elements.to_vec()).unwrap()
}

/// Applies an operation to codes that share S and Z.
fn apply(op: &Op, contract: Contract, inputs: &[Codes], activation: Activation) -> Codes {
    let activations = vec![Some(activation); inputs.len()];
    let context =
        Context { contract, inputs: &activations, output: Some(activation), fusion: Fusion::default() };
    let values: Vec<Value> = inputs.iter().cloned().map(Value::Codes).collect();
    let results = op.apply(&values.iter().collect::<Vec<_>>(), &[], &context).unwrap();
    results[0].codes().unwrap().clone()
}

fn shape_of(op: Shape, input: &Codes) -> Vec<Codes> {
    let context = Context {
        contract: Contract::Exact,
        inputs: &[Some(UNIT)],
        output: Some(UNIT),
        fusion: Fusion::default(),
    };
    op.apply(input, &[], &context).unwrap()
}

/// The contracts under which an operator has a formula.
fn with_formula(op: &Op) -> impl Iterator<Item = Contract> {
    let known = |contract| {
        op.check_contract(&Context { contract, inputs: &[], output: None, fusion: Fusion::default() }).is_ok()
    };
    Contract::ALL.into_iter().filter(move |&contract| known(contract))
}

fn layer(kind: LayerKind, shape: &[usize], weights: &[i8], window: Window) -> Layer {
    Layer {
        kind,
        weight: Weight::of_bytes(shape.to_vec(), Arc::from(weights), vec![1.0], vec![0]),
        bias: None,
        relu: Some(false),
        clamp: None,
        window: Some(window),
        padding_mode: PaddingMode::Zeros,
    }
}

fn window(axes: usize, stride: u32, padding: u32, dilation: u32, groups: u32) -> Window {
    Window {
        stride: Some(vec![stride; axes]),
        padding: Some(vec![padding; axes]),
        padding_end: None,
        dilation: Some(vec![dilation; axes]),
        output_padding: Some(vec![0; axes]),
        groups: Some(groups),
    }
}

#[test]
fn padding_modes_of_a_convolution() {
    // Input 1 2 3 4, window 1 10 100 (least tap first), padding 2.
    let input = codes(&[1, 1, 4], &[1, 2, 3, 4]);
    let rows = [
        (PaddingMode::Zeros, [100, 210, 321, 432, 43, 4]),
        (PaddingMode::Reflect, [123, 212, 321, 432, 343, 234]),
        (PaddingMode::Replicate, [111, 211, 321, 432, 443, 444]),
        (PaddingMode::Circular, [143, 214, 321, 432, 143, 214]),
    ];
    for (mode, expected) in rows {
        let mut layer = layer(LayerKind::Conv(1), &[1, 1, 3], &[1, 10, 100], window(1, 1, 2, 1, 1));
        layer.padding_mode = mode;
        let sums = layer.accumulate(Contract::Exact, &input, UNIT).unwrap();
        assert_eq!(sums.elements(), expected, "{}", mode.name());
        assert_eq!(sums.layout(), Layout::ChannelsLast);
    }
}

#[test]
fn stride_dilation_and_groups() {
    // Two groups of one channel, taps two apart, every second window: 1*x[0] + 10*x[2], then 1*x[2] + 10*x[4].
    let input = codes(&[1, 2, 5], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]);
    let layer = layer(LayerKind::Conv(1), &[2, 1, 2], &[1, 10, 2, 20], window(1, 2, 0, 2, 2));
    let sums = layer.accumulate(Contract::Exact, &input, UNIT).unwrap();
    assert_eq!((sums.shape(), sums.elements()), (&[1, 2, 2][..], &[31, 53, 172, 36][..]));
}

#[test]
fn the_zero_point_is_what_padding_holds() {
    let shifted = Activation { zero_point: 3, ..UNIT };
    let input = codes(&[1, 1, 2], &[4, 5]);
    let layer = layer(LayerKind::Conv(1), &[1, 1, 3], &[1, 10, 100], window(1, 1, 1, 1, 1));
    let sums = layer.accumulate(Contract::Exact, &input, shifted).unwrap();
    assert_eq!(sums.elements(), [210, 21]);
}

#[test]
fn a_transposed_convolution_spreads_each_input() {
    // Stride 2: 1*(1 10 100) at 0, 2*(1 10 100) at 2; padding 1 cuts both ends.
    let mut layer = layer(LayerKind::ConvTranspose(1), &[1, 1, 3], &[1, 10, 100], window(1, 2, 0, 1, 1));
    let input = codes(&[1, 1, 2], &[1, 2]);
    let sums = layer.accumulate(Contract::Exact, &input, UNIT).unwrap();
    assert_eq!(sums.elements(), [1, 10, 102, 20, 200]);
    layer.window = Some(window(1, 2, 1, 1, 1));
    let sums = layer.accumulate(Contract::Exact, &input, UNIT).unwrap();
    assert_eq!(sums.elements(), [10, 102, 20]);
}

#[test]
fn fbgemm_saturates_pairs_of_depthwise_products() {
    // 255*127 + 255*127 = 64770, 32003 more than 16 bits hold. At the centre of a 3x3 input all four pairs saturate and
    // the ninth product stands alone: 4*32767 + 32385. A corner sees the taps 4, 5, 7, 8: alone in its pair, then one
    // of two (4, 5), alone with 6 (which is padding), alone.
    let mut layer = layer(LayerKind::Conv(2), &[8, 1, 3, 3], &[127; 72], window(2, 1, 1, 1, 8));
    let input = codes(&[1, 8, 3, 3], &[255; 72]);
    let sums = layer.accumulate(Contract::Fbgemm, &input, UNIT).unwrap();
    assert_eq!(sums.elements()[4], 4 * 32767 + 32385);
    assert_eq!(sums.elements()[0], 32767 + 2 * 32385);
    let exact = layer.accumulate(Contract::Onednn, &input, UNIT).unwrap();
    assert_eq!((exact.elements()[4], exact.elements()[0]), (9 * 32385, 4 * 32385));
    let small = layer.accumulate(Contract::Fbgemm, &codes(&[1, 8, 3, 3], &[127; 72]), UNIT).unwrap();
    assert_eq!(small.elements()[4], 9 * 127 * 127);
    layer.window = Some(window(2, 1, 0, 1, 8));
    assert!(!layer.saturates_pairs(Contract::Fbgemm), "without its padding another kernel computes it");
}

#[test]
fn layers_refuse_what_does_not_fit() {
    let mut layer = layer(LayerKind::Conv(1), &[1, 1, 3], &[1, 2, 3], window(1, 1, 0, 1, 1));
    for (shape, reason) in [
        (&[1, 2, 5][..], "has an input [1, 2, 5], expected (N, C, W) with 1 channels"),
        (
            &[1, 1, 2],
            "has an input of 2 along spatial axis 0, expected one that holds a window of 3 with padding 0 and 0",
        ),
    ] {
        assert_eq!(layer.shape(shape).unwrap_err().to_string(), reason);
    }
    layer.window = Some(Window::default());
    let missing = layer.geometry().unwrap_err().to_string();
    assert_eq!(missing, "the file does not say its stride, padding, dilation, groups");
}

fn pool(kernel: i64, stride: i64, padding: i64) -> Pool {
    Pool {
        kernel: vec![kernel; 2],
        stride: vec![stride; 2],
        padding: vec![padding; 2],
        padding_end: None,
        dilation: vec![1; 2],
        ceil_mode: false,
        count_include_pad: true,
        divisor: None,
    }
}

#[test]
fn averages_round_as_each_engine_does() {
    // Codes 1 2 2 1 with zero point 1: S = 2, S/4 = 0.5 is a tie. After the zero point 0 + 1 = 1; before it 1.5 -> 2;
    // over raw codes 6/4 = 1.5 -> 2.
    let activation = Activation { zero_point: 1, ..UNIT };
    let input = codes(&[1, 2, 2, 2], &[1, 2, 2, 1, 1, 2, 2, 1]);
    let last = input.clone().with_layout(Layout::ChannelsLast);
    let average = Op::AveragePool(pool(2, 2, 0));
    let adaptive = Op::AdaptiveAveragePool { size: vec![Some(1), Some(1)] };
    let mean = Op::Mean { axes: vec![2, 3], keep: false };
    let rows = [
        (&average, Contract::Fbgemm, 2, 1),
        (&average, Contract::Qnnpack, 1, 1),
        (&average, Contract::Exact, 1, 1),
        (&adaptive, Contract::Fbgemm, 2, 1),
        (&adaptive, Contract::Qnnpack, 1, 1),
        (&mean, Contract::Fbgemm, 2, 1),
        (&mean, Contract::Qnnpack, 1, 1),
    ];
    for (op, contract, contiguous, channels_last) in rows {
        let name = format!("{} {}", op.name(), contract.name());
        assert_eq!(
            apply(op, contract, std::slice::from_ref(&input), activation).elements(),
            [contiguous; 2],
            "{name}"
        );
        assert_eq!(
            apply(op, contract, std::slice::from_ref(&last), activation).elements(),
            [channels_last; 2],
            "{name}"
        );
    }
}

#[test]
fn padding_counts_in_averages_unless_told_otherwise() {
    // The corner window of a padded 2x2 input of 8s covers one of them: 8/4, or 8/1 without the padding.
    let input = codes(&[1, 2, 2, 2], &[8; 8]);
    let mut pool = pool(2, 2, 1);
    assert_eq!(
        apply(&Op::AveragePool(pool.clone()), Contract::Fbgemm, std::slice::from_ref(&input), UNIT)
            .elements(),
        [2; 8]
    );
    pool.count_include_pad = false;
    assert_eq!(
        apply(&Op::AveragePool(pool.clone()), Contract::Fbgemm, std::slice::from_ref(&input), UNIT)
            .elements(),
        [8; 8]
    );
    // QNNPACK's kernel does not know the difference.
    assert_eq!(apply(&Op::AveragePool(pool), Contract::Qnnpack, &[input], UNIT).elements(), [2; 8]);
}

#[test]
fn pooled_sizes() {
    // PyTorch's documentation: floor or ceil of (size + 2*padding - dilation*(kernel - 1) - 1)/stride, plus 1; a window
    // must start inside the input or its near padding.
    for (size, kernel, stride, padding, ceil, expected) in [
        (5, 2, 2, 0, false, 2),
        (5, 2, 2, 0, true, 3),
        (4, 3, 2, 1, false, 2),
        (4, 3, 2, 1, true, 3),
        (4, 1, 3, 1, true, 2),
        (3, 3, 1, 0, true, 1),
    ] {
        let pool = Pool { ceil_mode: ceil, ..pool(kernel, stride, padding) };
        assert_eq!(
            pool.shape(&[1, 1, size, size]).unwrap()[2],
            expected,
            "{size} {kernel} {stride} {padding} {ceil}"
        );
    }
    assert!(pool(4, 1, 0).shape(&[1, 1, 3, 3]).is_err());
}

#[test]
fn max_pool_ignores_padding() {
    let input = codes(&[1, 1, 2, 2], &[0, 0, 0, 5]);
    let activation = Activation { zero_point: 9, ..UNIT };
    let result = apply(&Op::MaxPool(pool(2, 2, 1)), Contract::Exact, &[input], activation);
    assert_eq!(result.elements(), [0, 0, 0, 5]);
}

#[test]
fn qnnpack_relabels_channels_last_bytes_when_it_clamps() {
    let clamp = Op::Clamp { min: 0.0, max: 6.0 };
    let input = codes(&[1, 2, 1, 2], &[1, 2, 3, 9]).with_layout(Layout::ChannelsLast);
    let moved = apply(&clamp, Contract::Qnnpack, std::slice::from_ref(&input), UNIT);
    assert_eq!((moved.elements(), moved.layout()), (&[1, 3, 2, 6][..], Layout::Contiguous));
    assert_eq!(apply(&clamp, Contract::Fbgemm, &[input], UNIT).elements(), [1, 2, 3, 6]);
}

#[test]
fn peculiarities_are_said_where_they_happen() {
    let last = Value::Codes(codes(&[1, 2, 1, 2], &[1, 2, 3, 9]).with_layout(Layout::ChannelsLast));
    let contiguous = Value::Codes(codes(&[1, 2, 1, 2], &[1, 2, 3, 9]));
    let clamp = Op::Clamp { min: 0.0, max: 6.0 };
    let excluding = Op::AveragePool(Pool { count_include_pad: false, ..pool(2, 2, 1) });
    let mean = Op::Mean { axes: vec![1], keep: false };
    let odd = Value::Codes(codes(&[1, 3, 1, 2], &[1, 2, 3, 9, 0, 4]));
    let innermost = Op::Mean { axes: vec![2, 3], keep: false };
    for (op, contract, input, expected) in [
        (&clamp, Contract::Qnnpack, &last, true),
        (&clamp, Contract::Qnnpack, &contiguous, false),
        (&clamp, Contract::Fbgemm, &last, false),
        (&excluding, Contract::Qnnpack, &contiguous, true),
        (&excluding, Contract::X86, &contiguous, false),
        (&mean, Contract::X86, &last, false),
        (&mean, Contract::Onnxruntime, &contiguous, true),
        (&innermost, Contract::Onnxruntime, &contiguous, false),
        (&innermost, Contract::Onnxruntime, &odd, true),
    ] {
        let context =
            Context { contract, inputs: &[Some(UNIT)], output: Some(UNIT), fusion: Fusion::default() };
        let said = op.peculiarity(&[input], &context).is_some();
        assert_eq!(said, expected, "{} {}", op.name(), contract.name());
    }
}

#[test]
fn sums_and_products() {
    // Exactly representable everywhere: (3 - 1)*0.5 + (6 - 1)*0.5 = 3.5 -> 7 + 1; (2*0.5)*(5*0.5) = 2.5 -> 5 + 1.
    // Codes 0 are -0.5: their sum is -1 -> -2 + 1, cut at 0; their product 0.25 -> rint(0.5) + 1.
    let half = Activation { scale: 0.5, zero_point: 1, code_type: CodeType::U8 };
    let inputs = [codes(&[1, 2], &[3, 0]), codes(&[1, 2], &[6, 0])];
    for contract in Contract::ALL {
        let name = contract.name();
        let op = |relu| Op::Add { relu };
        assert_eq!(apply(&op(false), contract, &inputs, half).elements(), [8, 0], "{name}");
        assert_eq!(apply(&op(true), contract, &inputs, half).elements(), [8, 1], "{name}");
        // ONNX Runtime adds the zero point before it rounds, TFLite rounds ties up.
        let tie = if matches!(contract, Contract::Onnxruntime | Contract::Litert) { 2 } else { 1 };
        assert_eq!(
            apply(&Op::Mul { relu: false }, contract, &inputs, half).elements(),
            [6, tie],
            "{name} mul"
        );
    }
}

#[test]
fn one_channel_weights_all_positions() {
    let inputs = [codes(&[1, 2, 1, 1], &[2, 3]), codes(&[1, 2, 1, 2], &[1, 2, 3, 4])];
    let result = apply(&Op::Mul { relu: false }, Contract::Fbgemm, &inputs, UNIT);
    assert_eq!((result.shape(), result.elements()), (&[1, 2, 1, 2][..], &[2, 4, 9, 12][..]));
}

#[test]
fn concatenation_joins_along_an_axis() {
    let inputs = [codes(&[1, 1, 2], &[1, 2]), codes(&[1, 2, 2], &[3, 4, 5, 6])];
    let cat = Op::Concatenate { axis: -2, requantizes: true };
    for contract in Contract::ALL {
        assert_eq!(apply(&cat, contract, &inputs, UNIT).elements(), [1, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn shapes_move_codes() {
    let input = codes(&[1, 4, 1, 2], &[0, 1, 2, 3, 4, 5, 6, 7]);
    let zeros = PaddingMode::Zeros;
    let rows: Vec<(Shape, &[usize], &[i32])> = vec![
        (Shape::Flatten { start: 1, end: -1 }, &[1, 8], &[0, 1, 2, 3, 4, 5, 6, 7]),
        (Shape::Reshape(vec![Extent::Fixed(2), Extent::Fixed(-1)]), &[2, 4], &[0, 1, 2, 3, 4, 5, 6, 7]),
        (Shape::Permute(vec![0, 3, 2, 1]), &[1, 2, 1, 4], &[0, 2, 4, 6, 1, 3, 5, 7]),
        (Shape::Transpose(1, -1), &[1, 2, 1, 4], &[0, 2, 4, 6, 1, 3, 5, 7]),
        (Shape::Squeeze(None), &[4, 2], &[0, 1, 2, 3, 4, 5, 6, 7]),
        (Shape::Squeeze(Some(0)), &[4, 1, 2], &[0, 1, 2, 3, 4, 5, 6, 7]),
        (Shape::Slice { axis: 1, start: 1, end: i64::MAX, step: 2 }, &[1, 2, 1, 2], &[2, 3, 6, 7]),
        (Shape::Slice { axis: 1, start: -2, end: -1, step: 1 }, &[1, 1, 1, 2], &[4, 5]),
        (Shape::ChannelShuffle(2), &[1, 4, 1, 2], &[0, 1, 4, 5, 2, 3, 6, 7]),
        (
            Shape::Upsample { size: None, factors: Some(vec![2.0]) },
            &[1, 4, 2, 4],
            &[0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3, 4, 4, 5, 5, 4, 4, 5, 5, 6, 6, 7, 7, 6, 6, 7, 7],
        ),
        (
            Shape::Pad { amounts: vec![1, 0], mode: zeros },
            &[1, 4, 1, 3],
            &[0, 0, 1, 0, 2, 3, 0, 4, 5, 0, 6, 7],
        ),
        (
            Shape::Pad { amounts: vec![-1, 2], mode: PaddingMode::Replicate },
            &[1, 4, 1, 3],
            &[1, 1, 1, 3, 3, 3, 5, 5, 5, 7, 7, 7],
        ),
    ];
    for (op, shape, elements) in rows {
        let name = format!("{op:?}");
        let results = shape_of(op, &input);
        assert_eq!((results[0].shape(), results[0].elements()), (shape, elements), "{name}");
    }
    let parts = shape_of(Shape::Chunk { parts: 3, axis: 1 }, &input);
    let sizes: Vec<usize> = parts.iter().map(|p| p.shape()[1]).collect();
    assert_eq!(sizes, [2, 2], "as torch.chunk: equal parts but the last, so 4 in 3 parts are 2");
}

#[test]
fn shapes_that_cannot_be_are_refused() {
    let known = [];
    for (op, input) in [
        (Shape::Reshape(vec![Extent::Fixed(3)]), &[2, 2][..]),
        (Shape::Reshape(vec![Extent::Fixed(-1), Extent::Fixed(-1)]), &[2, 2]),
        (Shape::Permute(vec![0, 0]), &[2, 2]),
        (Shape::Flatten { start: 0, end: 5 }, &[2, 2]),
        (Shape::Slice { axis: 0, start: 0, end: 1, step: 0 }, &[2]),
        (Shape::Chunk { parts: 0, axis: 0 }, &[2]),
        (Shape::ChannelShuffle(3), &[1, 4]),
        (Shape::Upsample { size: None, factors: Some(vec![1e30]) }, &[1, 1, 2, 2]),
        (Shape::Pad { amounts: vec![-3, 0], mode: PaddingMode::Zeros }, &[2]),
        (Shape::Pad { amounts: vec![i64::MAX, 0], mode: PaddingMode::Zeros }, &[2]),
        (Shape::Pad { amounts: vec![2, 0], mode: PaddingMode::Reflect }, &[2]),
    ] {
        assert!(op.shapes(input, &known).is_err(), "{op:?} of {input:?}");
    }
}

#[test]
fn tables_of_functions() {
    // S = 1/2, Z = 4: the codes 0, 4, 6, 20 are -2, 0, 1, 8.
    let half = Activation { scale: 0.5, zero_point: 4, code_type: CodeType::U8 };
    let unit_interval = Activation { scale: 1.0 / 256.0, zero_point: 0, code_type: CodeType::U8 };
    let rows = [
        (Function::Sigmoid, unit_interval, [31, 128, 187, 255]), // 256 * 0.1192, 0.5, 0.7311, 0.9997
        (Function::Hardsigmoid, unit_interval, [43, 128, 171, 255]), // 256 * 1/6, 3/6, 4/6, 1
        (Function::Tanh, half, [2, 4, 6, 6]),                    // -0.964, 0, 0.762, 1.000
        (Function::Hardswish, half, [3, 4, 5, 20]),              // -1/3, 0, 2/3, 8
        (Function::LeakyRelu(0.5), half, [2, 4, 6, 20]),         // -1, 0, 1, 8
        (Function::Elu(1.0), half, [2, 4, 6, 20]),               // -0.865, 0, 1, 8
        (Function::Gelu, half, [4, 4, 6, 20]),                   // -0.0455, 0, 0.841, 8
    ];
    for contract in Contract::ALL {
        for (function, output, expected) in rows {
            // TFLite's hardswish is one of 16 bits.
            let litert = matches!(contract, Contract::Litert | Contract::LitertXnnpack);
            let Ok(table) = function.table(contract, half, output) else {
                assert!(litert, "{} {}", function.name(), contract.name());
                continue;
            };
            let name = format!("{} {}", function.name(), contract.name());
            assert_eq!([0, 4, 6, 20].map(|code| table.codes[code]), expected, "{name}");
            assert_eq!([0, 4, 6, 20].map(|code| table.tail[code]), expected, "{name} tail");
        }
    }
    assert!(Function::Sigmoid.table(Contract::Qnnpack, half, half).is_err());
}

#[test]
fn layer_norm_of_two_codes() {
    // -1 and 1 have mean 0 and deviation 1: times gamma plus beta.
    let activation = Activation { scale: 1.0, zero_point: 5, code_type: CodeType::U8 };
    let norm =
        LayerNorm { shape: vec![2], weight: Some(vec![2.0, 3.0]), bias: Some(vec![4.0, 1.0]), epsilon: 0.0 };
    let input = codes(&[2, 2], &[4, 6, 8, 8]);
    for contract in with_formula(&Op::LayerNorm(norm.clone())) {
        // The second row has no deviation: nothing but beta may remain, so epsilon must not be 0 for it.
        let norm = LayerNorm { epsilon: 1e-12, ..norm.clone() };
        let result = apply(&Op::LayerNorm(norm), contract, std::slice::from_ref(&input), activation);
        assert_eq!(result.elements(), [7, 9, 9, 6], "{}", contract.name());
    }
    assert!(Op::LayerNorm(norm).shapes(&[&[2, 3]], &[]).is_err());
}

#[test]
fn softmax_adds_up_to_one() {
    // Steps of ln 3: e^0 : e^ln3 = 1 : 3, a quarter and three quarters.
    let input = Activation { scale: 3f64.ln(), zero_point: 9, code_type: CodeType::U8 };
    let output = Activation { scale: 1.0 / 256.0, zero_point: 0, code_type: CodeType::U8 };
    let values = Value::Codes(codes(&[1, 2, 2], &[7, 5, 8, 5]));
    for contract in Contract::ALL {
        let context =
            Context { contract, inputs: &[Some(input)], output: Some(output), fusion: Fusion::default() };
        let results = Op::Softmax { axis: 1 }.apply(&[&values], &[], &context).unwrap();
        assert_eq!(results[0].codes().unwrap().elements(), [64, 128, 192, 128], "{}", contract.name());
        let own_kernel = Op::Softmax { axis: -1 }.apply(&[&values], &[], &context).is_err();
        assert_eq!(own_kernel, contract == Contract::Qnnpack);
    }
}

#[test]
fn matrix_products() {
    // [[1, 2], [3, 4]] * [[5, 6], [7, 8]] = [[19, 22], [43, 50]], and the same about a zero point of 1.
    let (a, b) = (codes(&[1, 2, 2], &[1, 2, 3, 4]), codes(&[1, 2, 2], &[5, 6, 7, 8]));
    let offset = Activation { zero_point: 1, ..UNIT };
    let (c, d) = (codes(&[1, 2, 2], &[2, 3, 4, 5]), codes(&[1, 2, 2], &[6, 7, 8, 9]));
    for contract in Contract::ALL {
        let product = apply(&Op::MatMul, contract, &[a.clone(), b.clone()], UNIT);
        assert_eq!(product.elements(), [19, 22, 43, 50], "{contract:?}");
        let product = apply(&Op::MatMul, contract, &[c.clone(), d.clone()], offset);
        assert_eq!(product.elements(), [20, 23, 44, 51], "{contract:?}");
    }
    assert!(Op::MatMul.shapes(&[&[2, 3], &[2, 3]], &[]).is_err());
}
