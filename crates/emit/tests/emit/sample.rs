//! A network made by hand that has one layer of each sort, with the extreme values of each type.

use gen_params_core::hardware::Rounding;
use gen_params_core::parameters::{
    Activation, CodeType, LayerKind, LayerParameters, MultiplierForm, Parameters, Range, Reach, Weight,
    Window, Wiring,
};

pub(crate) fn activation(scale: f64, zero_point: i32, code_type: CodeType) -> Option<Activation> {
    Some(Activation { scale, zero_point, code_type })
}

/// Per channel, negative values, everything known.
pub(crate) fn conv() -> LayerParameters {
    LayerParameters {
        name: "conv1".to_owned(),
        kind: LayerKind::Conv(2),
        relu: Some(true),
        input: activation(f64::from(0.1_f32), 3, CodeType::U8),
        input_range: Some(Range { min: 0, max: 255 }),
        weight: Weight::of_bytes(
            vec![3, 1, 2, 2],
            [-128, -1, 0, 1, 127, 2, -3, 4, 10, -100, 99, -5].into(),
            vec![0.1, 1.0 / 3.0, 5e-324],
            vec![0, 0, 0],
        ),
        channels: 3,
        bias: Some(vec![-17, 0, i64::from(i32::MAX)]),
        weight_sum: vec![-128, 130, 4],
        folded_bias: Some(vec![i64::from(i32::MIN), -390, 2_147_483_635]),
        real_multiplier: Some(vec![0.000_123_456_789, 0.25, 1.0]),
        multiplier: Some(vec![1 << 31, u32::MAX, 0]),
        shift: Some(vec![-128, 127, 31]),
        rounding_constant: None,
        thresholds: None,
        output: activation(0.05, 0, CodeType::U8),
        clamp: Some(Range { min: 0, max: 255 }),
        padding_value: Some(3),
        accumulator: Some(Reach { min: -32_895, max: 33_915, bits: 17 }),
        biased: Some(Reach { min: -2_147_516_543, max: 2_147_517_550, bits: 33 }),
        window: Some(Window {
            stride: Some(vec![2, 1]),
            padding: Some(vec![0, 1]),
            padding_end: None,
            dilation: Some(vec![1, 1]),
            output_padding: None,
            groups: Some(1),
        }),
    }
}

/// Depthwise, per tensor, the geometry unknown, signed codes.
pub(crate) fn depthwise() -> LayerParameters {
    LayerParameters {
        name: "features.0.depth-wise".to_owned(),
        kind: LayerKind::Conv(2),
        relu: Some(false),
        input: activation(0.5, -1, CodeType::I8),
        input_range: Some(Range { min: -128, max: 127 }),
        weight: Weight::of_bytes(vec![2, 1, 3, 3], (-9..9).collect(), vec![0.015_625], vec![-4]),
        channels: 2,
        bias: Some(vec![1, -1]),
        weight_sum: vec![-45, 36],
        folded_bias: Some(vec![-8, 71]),
        real_multiplier: Some(vec![0.007_812_5; 2]),
        multiplier: Some(vec![1 << 30; 2]),
        shift: Some(vec![37; 2]),
        rounding_constant: Some(vec![i64::MIN, 68_719_476_735]),
        thresholds: None,
        output: activation(1.0, -128, CodeType::I8),
        clamp: Some(Range { min: -128, max: 127 }),
        padding_value: Some(-1),
        accumulator: Some(Reach { min: -5715, max: 5760, bits: 14 }),
        biased: Some(Reach { min: -5723, max: 5752, bits: 14 }),
        window: Some(Window::default()),
    }
}

/// Per tensor, its wiring unknown: nothing that depends on the input or the output.
pub(crate) fn linear() -> LayerParameters {
    LayerParameters {
        name: "1".to_owned(),
        kind: LayerKind::Linear,
        relu: None,
        input: None,
        input_range: None,
        weight: Weight::of_bytes(vec![2, 3], [-7, 8, -9, 10, -11, 12].into(), vec![0.003], vec![0]),
        channels: 2,
        bias: None,
        weight_sum: vec![-8, 11],
        folded_bias: None,
        real_multiplier: None,
        multiplier: None,
        shift: None,
        rounding_constant: None,
        thresholds: None,
        output: None,
        clamp: None,
        padding_value: None,
        accumulator: None,
        biased: None,
        window: None,
    }
}

/// 1x1 kernels, transposed, a zero point per channel, and a name that is no comment's friend.
pub(crate) fn transposed() -> LayerParameters {
    LayerParameters {
        name: "up */\n\\".to_owned(),
        kind: LayerKind::ConvTranspose(2),
        weight: Weight::of_bytes(vec![2, 2, 1, 1], [1, -2, 3, -4].into(), vec![0.5, 0.25], vec![1, -2]),
        window: Some(Window { output_padding: Some(vec![1, 0]), groups: Some(1), ..Window::default() }),
        ..depthwise()
    }
}

pub(crate) fn network(layers: Vec<LayerParameters>) -> Parameters {
    Parameters {
        wiring: Wiring::KeyOrder,
        engine: Some("fbgemm"),
        form: MultiplierForm::Bits(32),
        inputs: vec![
            ("quant".to_owned(), activation(f64::from(0.1_f32), 3, CodeType::U8)),
            ("second".to_owned(), None),
        ],
        layers,
        recurrent: Vec::new(),
        tables: Vec::new(),
        rounding: Rounding::HalfUp,
        operators: Vec::new(),
        warnings: vec!["layer \"1\": who feeds it is not known".to_owned()],
    }
}

pub(crate) fn sample() -> Parameters {
    network(vec![conv(), depthwise(), linear(), transposed()])
}
