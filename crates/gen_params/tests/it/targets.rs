//! What a target changes in the numbers of a real network, against the equations.

use gen_params::contract::Contract;
use gen_params::derive::{self, Options};
use gen_params::derive::{Relu, on_target};
use gen_params::hardware::Target;
use gen_params::lower;
use gen_params::network::IntNetwork;
use gen_params::ops::{Bias, Layer, Op};
use gen_params::parameters::{MultiplierForm, Parameters};

use crate::support::{assert_no_failures, fixtures};

fn lenet(form: MultiplierForm) -> (IntNetwork, Parameters) {
    let path = fixtures().join("../../examples/fashion_mnist/lenet_script.pt");
    let source = gen_params::read(gen_params::map_file(&path).unwrap()).unwrap();
    let network = lower::lower(&source, &lower::Options::default()).unwrap();
    let parameters = derive::derive(&network, &Options { form, ..Options::default() }).unwrap();
    (network, parameters)
}

/// The real bias of an output channel.
fn bias_of(network: &IntNetwork, name: &str, channel: usize) -> f64 {
    match &network.nodes.iter().find(|node| node.name == name).unwrap().op {
        Op::Layer(Layer { bias: Some(Bias::Real(biases)), .. }) => f64::from(biases[channel]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn fractional_biases_and_signed_codes_obey_their_equations() {
    let (network, plain) = lenet(MultiplierForm::Bits(31));
    let target = Target { bias_fraction_bits: 8, signed_activations: true, ..Target::default() };
    let changed = on_target(&network, &plain, target, Relu::Separate, None).unwrap();
    let mut failures = Vec::new();
    for (before, after) in plain.layers.iter().zip(&changed.layers) {
        let (input, output) = (before.input.unwrap(), before.output.unwrap());
        let moved = (after.input.unwrap(), after.output.unwrap());
        if (moved.0.zero_point, moved.1.zero_point) != (input.zero_point - 128, output.zero_point - 128) {
            failures.push(format!("{}: zero points {moved:?}", before.name));
        }
        let clamp = after.clamp.unwrap();
        if (clamp.min, clamp.max) != (-128, 127) || after.padding_value != Some(input.zero_point - 128) {
            failures.push(format!("{}: clamp {clamp:?}, padding {:?}", before.name, after.padding_value));
        }
        for channel in 0..before.channels {
            let real = bias_of(&network, &before.name, channel)
                / (input.scale * before.weight.scale[channel.min(before.weight.scale.len() - 1)]);
            let bias = after.bias.as_ref().unwrap()[channel];
            #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
            let distance = (bias as f64 - real * 256.0).abs();
            let sum = i64::from(before.weight_sum[channel]);
            let folded = bias - i64::from(input.zero_point - 128) * sum * 256;
            let shift = before.shift.as_ref().unwrap()[channel] + 8;
            if distance > 0.5 + 1e-6
                || after.folded_bias.as_ref().unwrap()[channel] != folded
                || after.shift.as_ref().unwrap()[channel] != shift
            {
                failures.push(format!("{} channel {channel}: bias {bias} of {real}", before.name));
            }
        }
    }
    assert_no_failures(&failures, plain.layers.len());
}

#[test]
fn thresholds_count_up_to_the_rounded_real_output() {
    let (network, plain) = lenet(MultiplierForm::Bits(31));
    let exact = Some(Contract::Exact);
    let changed = on_target(&network, &plain, Target::default(), Relu::Clamp, exact).unwrap();
    let (mut failures, mut checked) = (Vec::new(), 0);
    for parameters in &changed.layers {
        let (input, output) = (parameters.input.unwrap(), parameters.output.unwrap());
        let clamp = parameters.clamp.unwrap();
        let levels = usize::try_from(clamp.max - clamp.min).unwrap();
        let thresholds = parameters.thresholds.as_ref().unwrap();
        assert_eq!(thresholds.len(), parameters.channels * levels);
        let reach = parameters.accumulator.unwrap();
        for (channel, steps) in thresholds.chunks(levels).enumerate() {
            assert!(steps.is_sorted());
            let scale = input.scale * parameters.weight.scale[channel.min(parameters.weight.scale.len() - 1)];
            let bias = bias_of(&network, &parameters.name, channel);
            let origin = i64::from(input.zero_point) * i64::from(parameters.weight_sum[channel]);
            for step in 0..=64 {
                // Far beyond what a channel reaches its thresholds mean nothing.
                let accumulator = (reach.min + (reach.max - reach.min) / 64 * step) / 8 + origin;
                #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
                let real = (scale * (accumulator - origin) as f64 + bias) / output.scale;
                if ((real - real.floor()) - 0.5).abs() < 1e-6 || real.abs() > 1e6 {
                    continue;
                }
                #[allow(clippy::cast_possible_truncation, reason = "within +-1e6")]
                let expected = (real.round() as i32 + output.zero_point).clamp(clamp.min, clamp.max);
                let reached = steps.iter().filter(|&&threshold| threshold <= accumulator).count();
                let code = clamp.min + i32::try_from(reached).unwrap();
                checked += 1;
                if code != expected {
                    failures.push(format!(
                        "{} channel {channel} at {accumulator}: {code}, not {expected}",
                        parameters.name
                    ));
                }
            }
        }
    }
    assert_no_failures(&failures, checked);
}

#[test]
fn a_shared_shift_gives_the_largest_multiplier_its_bits() {
    let (_, own) = lenet(MultiplierForm::Bits(16));
    let bits = |m0: u32| u32::BITS - m0.leading_zeros();
    for (form, groups) in [(MultiplierForm::LayerBits(16), 4), (MultiplierForm::NetworkBits(16), 1)] {
        let (_, shared) = lenet(form);
        let layers: Vec<_> = shared.layers.iter().zip(&own.layers).collect();
        for group in layers.chunks(layers.len() / groups) {
            let numbers = || group.iter().flat_map(|(layer, _)| layer.multiplier.iter().flatten().copied());
            let shifts: Vec<_> = group.iter().flat_map(|(layer, _)| layer.shift.iter().flatten()).collect();
            assert!(shifts.windows(2).all(|pair| pair[0] == pair[1]), "{form:?}: {shifts:?}");
            assert_eq!(numbers().map(bits).max(), Some(16), "{form:?}");
            // M0 * 2^-n is within half a unit of M.
            for (layer, _) in group {
                let n = layer.shift.as_ref().unwrap()[0];
                for (m0, m) in layer.multiplier.iter().flatten().zip(layer.real_multiplier.iter().flatten()) {
                    assert!((f64::from(*m0) - m * f64::from(n).exp2()).abs() <= 0.5, "{form:?}: {m0} of {m}");
                }
            }
        }
    }
    // With one bit M0 is 1, and M is within a factor of 0.75 to 1.5 of its power of two.
    let (_, powers) = lenet(MultiplierForm::Bits(1));
    for layer in &powers.layers {
        for ((m0, n), m) in layer
            .multiplier
            .iter()
            .flatten()
            .zip(layer.shift.iter().flatten())
            .zip(layer.real_multiplier.iter().flatten())
        {
            let scaled = m * f64::from(*n).exp2();
            assert!(*m0 == 1 && (0.75..=1.5).contains(&scaled), "{m0} {n} {m}");
        }
    }
}
