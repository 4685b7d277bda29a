//! Layers of every geometry, by the fast engine and by the scalar reference.

use std::sync::Arc;

use gen_params_core::contract::Contract;
use gen_params_core::network::{Edge, EdgeId, IntNetwork, Node};
use gen_params_core::ops::{Bias, Layer, Op, PaddingMode, Value};
use gen_params_core::parameters::{Activation, CodeType, LayerKind, Range, Weight, Window};
use gen_params_core::tensor::Tensor;
use proptest::prelude::*;

use crate::support::{differences, target_differences, targets};

/// A network of one layer, and a batch for it.
#[derive(Debug, Clone)]
struct Case {
    layer: Layer,
    input: Activation,
    output: Activation,
    /// Input codes are at most this.
    largest: i32,
    shape: Vec<usize>,
    codes: Vec<i32>,
}

impl Case {
    fn network(&self) -> IntNetwork {
        let edge = |name: &str, activation: Activation, max| Edge {
            name: name.into(),
            activation: Some(activation),
            range: Some(Range { min: activation.code_type.range().0, max }),
        };
        IntNetwork {
            edges: vec![edge("input", self.input, self.largest), edge("output", self.output, 255)],
            inputs: vec![EdgeId(0)],
            outputs: vec![EdgeId(1)],
            nodes: vec![Node {
                name: "layer".into(),
                op: Op::Layer(self.layer.clone()),
                inputs: vec![EdgeId(0)],
                outputs: vec![EdgeId(1)],
            }],
            ..IntNetwork::default()
        }
    }
}

fn activation() -> impl Strategy<Value = Activation> {
    (0.001..0.5_f32, 0..=255_i32, any::<bool>()).prop_map(|(scale, zero_point, signed)| {
        let scale = f64::from(scale);
        match signed {
            true => Activation { scale, zero_point: zero_point - 128, code_type: CodeType::I8 },
            false => Activation { scale, zero_point, code_type: CodeType::U8 },
        }
    })
}

/// Kind, groups, and channels of a group: (groups, inputs, outputs); depthwise ones as often as others.
fn channels() -> impl Strategy<Value = (u32, usize, usize)> {
    prop_oneof![
        (Just(1), 1..40_usize, 1..40_usize),
        (2..5_u32, 1..6_usize, 1..20_usize),
        (2..40_u32, Just(1), Just(1)),
    ]
}

fn mode() -> impl Strategy<Value = PaddingMode> {
    prop_oneof![
        3 => Just(PaddingMode::Zeros),
        1 => Just(PaddingMode::Reflect),
        1 => Just(PaddingMode::Replicate),
        1 => Just(PaddingMode::Circular),
    ]
}

/// Per spatial axis: size, kernel, stride, padding, dilation, output padding, padding after the axis.
fn axis() -> impl Strategy<Value = [u32; 7]> {
    (1..9_u32, 1..4_u32, 1..4_u32, 0..4_u32, 1..3_u32, 0..2_u32, 0..4_u32)
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g])
}

fn case() -> impl Strategy<Value = Case> {
    let kinds = (0..3_u8, 1..=3_u8, prop::collection::vec(axis(), 3));
    let parts = (kinds, channels(), mode(), activation(), activation(), any::<[bool; 7]>(), 1..4_usize);
    parts.prop_flat_map(
        |((kind, axes, sizes), (groups, inputs, outputs), mode, input, output, flags, batch)| {
            let [relu, per_channel, biased, asymmetric, narrow, uneven, integers] = flags;
            let sizes = &sizes[..usize::from(axes)];
            let field = |index: usize| sizes.iter().map(|s| s[index]).collect::<Vec<u32>>();
            let kernel = sizes.iter().map(|s| s[1] as usize);
            let groups_size = groups as usize;
            let (kind, weight_shape, image): (LayerKind, Vec<usize>, Vec<usize>) = match kind {
                0 => (LayerKind::Linear, vec![outputs, inputs], vec![inputs]),
                1 => (
                    LayerKind::Conv(axes),
                    [outputs * groups_size, inputs].into_iter().chain(kernel).collect(),
                    [inputs * groups_size].into_iter().chain(sizes.iter().map(|s| s[0] as usize)).collect(),
                ),
                _ => (
                    LayerKind::ConvTranspose(axes),
                    [inputs * groups_size, outputs].into_iter().chain(kernel).collect(),
                    [inputs * groups_size].into_iter().chain(sizes.iter().map(|s| s[0] as usize)).collect(),
                ),
            };
            let linear = kind == LayerKind::Linear;
            let channels = if linear { outputs } else { outputs * groups_size };
            let window = (!linear).then(|| Window {
                stride: Some(field(2)),
                padding: Some(field(3)),
                padding_end: uneven.then(|| field(6)),
                dilation: Some(field(4)),
                output_padding: Some(field(5)),
                groups: Some(groups),
            });
            let (min, max) = input.code_type.range();
            let largest = if narrow { 127 } else { max };
            let shape: Vec<usize> = [batch].into_iter().chain(image).collect();
            let scales = if per_channel { channels } else { 1 };
            (
                prop::collection::vec(any::<i8>(), weight_shape.iter().product::<usize>()),
                prop::collection::vec(
                    prop_oneof![Just(min), Just(largest), min..=largest],
                    shape.iter().product::<usize>(),
                ),
                prop::collection::vec(0.001..0.1_f64, scales),
                prop::collection::vec(if asymmetric { -9..9_i32 } else { 0..1_i32 }, scales),
                prop::collection::vec(-5.0..5.0_f32, channels),
            )
                .prop_map(move |(weights, codes, scale, zero_point, bias)| Case {
                    layer: Layer {
                        kind,
                        weight: Weight::of_bytes(weight_shape.clone(), Arc::from(weights), scale, zero_point),
                        bias: biased.then(|| {
                            if integers {
                                #[allow(clippy::cast_possible_truncation, reason = "any integers will do")]
                                Bias::Codes(bias.iter().map(|&b| (b * 1000.0) as i64).collect())
                            } else {
                                Bias::Real(bias)
                            }
                        }),
                        relu: Some(relu),
                        clamp: integers.then_some(Range { min: -100, max: 100 }),
                        window: window.clone(),
                        padding_mode: if matches!(kind, LayerKind::Conv(_)) {
                            mode
                        } else {
                            PaddingMode::Zeros
                        },
                    },
                    input,
                    output,
                    largest,
                    shape: shape.clone(),
                    codes,
                })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_global_rejects: 1_000_000, ..ProptestConfig::default() })]

    #[test]
    fn every_geometry_and_contract_as_the_reference(case in case()) {
        let network = case.network();
        let input = Value::Codes(Tensor::new(case.shape.clone(), case.codes.clone()).unwrap());
        for contract in Contract::ALL {
            if let Some(differences) = differences(&network, contract, &input) {
                prop_assert!(differences.is_empty(), "{}", differences.join("\n"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_global_rejects: 1_000_000, ..ProptestConfig::default() })]

    #[test]
    fn every_geometry_and_target_as_the_machine(case in case()) {
        let network = case.network();
        let input = Value::Codes(Tensor::new(case.shape.clone(), case.codes.clone()).unwrap());
        for target in targets() {
            if let Some(differences) = target_differences(&network, target, &input) {
                prop_assert!(differences.is_empty(), "{}", differences.join("\n"));
            }
        }
    }
}
