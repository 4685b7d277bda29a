//! Certificates against the evaluation of every reachable accumulator, and against known answers.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod certificate;
mod trade;

use std::path::{Path, PathBuf};

use gen_params_core::certify::*;
use gen_params_formats::read;
use gen_params_test_support::{files, fixtures, needs, samples, shared};

use gen_params_core::contract::{Contract, Requantizer};
use gen_params_core::derive::{self, derive};
use gen_params_core::hardware::{Rescale, Rounding, Target};
use gen_params_core::machine::{Arithmetic, Machine};
use gen_params_core::ops::{Layer, Op, PaddingMode};
use gen_params_core::parameters::{Activation, LayerKind, MultiplierForm, Range, Weight};
use gen_params_lower::{self as lower, lower};

/// Accumulators that brute force evaluates at most: together, and of one channel.
const BUDGET: u64 = 300_000_000;
const LARGEST_CHANNEL: u64 = 1 << 24;

/// How files of PyTorch are called.
const MODELS: [&str; 2] = [".pt", ".pth"];

/// The channels of a file with these choices; none of a file that is no converted network.
fn channels_of(path: &Path, contract: Contract, bits: u32, target: Target) -> Vec<Channel> {
    let bytes = std::fs::read(path).unwrap();
    let Ok(source) = read(bytes.into()) else { return Vec::new() };
    let Ok(network) = lower(&source, &lower::Options::default()) else { return Vec::new() };
    let options = derive::Options { form: MultiplierForm::Bits(bits), ..derive::Options::default() };
    let Ok(parameters) = derive(&network, &options) else { return Vec::new() };
    let layers = network.nodes.iter().filter_map(|node| match &node.op {
        Op::Layer(layer) => Some((layer, parameters.layers.iter().find(|p| p.name == node.name)?)),
        _ => None,
    });
    layers
        .filter_map(|(layer, parameters)| layer_channels(contract, layer, parameters, target).ok())
        .flatten()
        .collect()
}

/// The repository's own networks.
fn own() -> Vec<PathBuf> {
    let mut found = files(&fixtures().join("layers"), &MODELS);
    found.extend(files(&samples(), &MODELS));
    found
}

/// Some hundred networks, the own ones of which are small.
fn all() -> Vec<PathBuf> {
    let mut found = files(&fixtures().join("layers"), &MODELS);
    for folder in ["torch2.9", "torch1.13"] {
        found.extend(files(&shared().join("fixtures").join(folder), &MODELS));
    }
    found
}

/// The channels of the repository's own networks, with one choice of arithmetics for each file.
pub(crate) fn own_channels() -> Vec<Channel> {
    channels(&own())
}

/// The same, of all networks.
pub(crate) fn all_channels() -> Vec<Channel> {
    channels(&all())
}

fn channels(paths: &[PathBuf]) -> Vec<Channel> {
    let widths = [4, 7, 8, 12, 16, 24, 31];
    let mut channels = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let contract = Contract::ALL[index % Contract::ALL.len()];
        let target = Target {
            rounding: Rounding::ALL[index % Rounding::ALL.len()],
            bias_fraction_bits: [0, 0, 8][index % 3],
            ..Target::default()
        };
        channels.extend(channels_of(path, contract, widths[index % widths.len()], target));
    }
    channels
}

/// Channels of the repository's own layers with at most this many accumulators, one contract and rounding after the other.
pub(crate) fn small_channels(largest: u64) -> Vec<Channel> {
    let files = files(&fixtures().join("layers"), &MODELS);
    let mut channels = Vec::new();
    for (index, path) in files.iter().enumerate() {
        let rounding = Rounding::ALL[index % Rounding::ALL.len()];
        let target = Target { rounding, bias_fraction_bits: [0, 0, 4][index % 3], ..Target::default() };
        channels.extend(channels_of(path, Contract::ALL[index % Contract::ALL.len()], 8, target));
    }
    channels.retain(|channel| size(channel) <= largest && channel.reference_steps().is_ok());
    channels
}

/// A channel of one weight or a few, with any M, bias, zero points, clamp and rounding.
pub(crate) fn random_channel(seed: u64, largest: u64) -> Channel {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |range: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap() % range
    };
    loop {
        let step = [1, 1, 1, 2, 3][usize::try_from(random(5)).unwrap()];
        let weights: Vec<i8> =
            (0..1 + random(3)).map(|_| i8::try_from(step * (random(9) - 4)).unwrap()).collect();
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let part = |number: i64| number as f64 / 1000.0;
        let (input_scale, weight_scale) = (0.01 + part(random(90)), 0.01 + part(random(50)));
        let output_scale = input_scale * weight_scale * (0.8 + part(random(60_000)) / 2.0);
        let (input_zero, output_zero) =
            (i32::try_from(random(40)).unwrap(), i32::try_from(random(256)).unwrap());
        let layer = Layer {
            kind: LayerKind::Linear,
            weight: Weight {
                shape: vec![1, weights.len()],
                codes: weights.into(),
                scale: vec![weight_scale],
                zero_point: vec![0],
                bits: 8,
                offset: 0,
            },
            #[allow(clippy::cast_possible_truncation, reason = "a bias of any size")]
            bias: Some(gen_params_core::ops::Bias::Real(vec![
                (output_scale * part(random(40_000) - 20_000)) as f32,
            ])),
            relu: Some(false),
            clamp: None,
            window: None,
            padding_mode: PaddingMode::Zeros,
        };
        let activation = |scale, zero_point| Activation {
            scale,
            zero_point,
            code_type: gen_params_core::parameters::CodeType::U8,
        };
        let (input, output) = (activation(input_scale, input_zero), activation(output_scale, output_zero));
        let range = Range { min: 0, max: 20 + i32::try_from(random(200)).unwrap() };
        let accumulators = derive::centred_accumulators(&layer, input, range).unwrap().remove(0);
        let contracts = [Contract::Exact, Contract::Fbgemm, Contract::Qnnpack, Contract::Onednn];
        let contract = contracts[usize::try_from(random(4)).unwrap()];
        let reference = Requantizer::new(contract, &layer, input, output, 0).unwrap();
        let Some(gen_params_core::ops::Bias::Real(bias)) = &layer.bias else { continue };
        let fraction = [0, 0, 0, 4][usize::try_from(random(4)).unwrap()];
        let rounding = Rounding::ALL[usize::try_from(random(6)).unwrap()];
        let code = gen_params_core::quantize::quantize_bias(bias[0], input_scale, weight_scale).unwrap();
        let (a, b) = (i32::try_from(random(256)).unwrap(), i32::try_from(random(256)).unwrap());
        let clamp = if seed.is_multiple_of(3) {
            Range { min: a.min(b), max: a.max(b) }
        } else {
            Range { min: 0, max: 255 }
        };
        let channel = Channel {
            accumulator: Range {
                min: i32::try_from(accumulators.range.min).unwrap(),
                max: i32::try_from(accumulators.range.max).unwrap(),
            },
            sums: accumulators.sums,
            real: Real { input_scale, weight_scale, output_scale, bias: bias[0], bias_code: 0 },
            reference,
            hardware: Rescale {
                bias: code << fraction,
                bias_fraction_bits: fraction,
                zero_point: output_zero,
                clamp,
                ..hardware(input_scale * weight_scale / output_scale, 8, rounding)
            },
        };
        if size(&channel) <= largest && size(&channel) > 1 && channel.reference_steps().is_ok() {
            return channel;
        }
    }
}

/// What brute force counts: reachable, differing, the largest distance.
fn brute_force(channel: &Channel) -> (u64, u64, u32) {
    let clamp = channel.hardware.clamp;
    let mut counts = (0, 0, 0);
    let ranks = channel.ranks().unwrap();
    for accumulator in (0..ranks.count()).filter_map(|rank| ranks.at(rank)) {
        let reference = channel.reference.apply(accumulator).clamp(clamp.min, clamp.max);
        let distance = reference.abs_diff(channel.hardware.code(accumulator));
        counts.0 += 1;
        counts.1 += u64::from(distance > 0);
        counts.2 = counts.2.max(distance);
    }
    counts
}

fn size(channel: &Channel) -> u64 {
    (i64::from(channel.accumulator.max) - i64::from(channel.accumulator.min)).unsigned_abs() + 1
}

#[test]
fn certificates_of_our_own_networks_are_what_brute_force_counts() {
    brute_force_counts(own_channels(), 1000);
}

#[needs(shared)]
fn certificates_are_what_brute_force_counts() {
    brute_force_counts(all_channels(), 2000);
}

/// Of so many channels at least.
fn brute_force_counts(mut channels: Vec<Channel>, least: usize) {
    channels.sort_by_key(size);
    // Small ones for their number, and then some of each size.
    let (mut left, mut tried, mut differing, mut failures) = (BUDGET, 0, 0, Vec::new());
    let small = channels.len().min(2500);
    let rest = channels.split_off(small);
    let stride = (rest.len() / 40).max(1);
    for channel in channels.iter().chain(rest.iter().step_by(stride)) {
        if size(channel) > LARGEST_CHANNEL.min(left) {
            continue;
        }
        left -= size(channel);
        let Ok(difference) = channel.difference(64) else { continue };
        let found = (difference.reachable, difference.differing, difference.largest_distance());
        let expected = brute_force(channel);
        for witness in [difference.first, difference.largest].into_iter().flatten() {
            let clamp = channel.hardware.clamp;
            let reference = channel.reference.apply(witness.accumulator).clamp(clamp.min, clamp.max);
            if (reference, channel.hardware.code(witness.accumulator))
                != (witness.reference, witness.hardware)
            {
                failures.push((witness.accumulator, found, expected));
            }
        }
        if found != expected {
            failures.push((0, found, expected));
        }
        tried += 1;
        differing += usize::from(difference.differing > 0);
    }
    println!("{tried} channels, {differing} of them differ, {} accumulators", BUDGET - left);
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(tried >= least, "only {tried} channels");
    assert!(differing > 10 && differing < tried, "{differing} of {tried} differ");
}

/// A hardware requantizer without bias for M = `real`, M0 of `bits` bits.
fn hardware(real: f64, bits: u32, rounding: Rounding) -> Rescale {
    let m = gen_params_core::exact::Ratio::from_f64(real).unwrap();
    let (multiplier, shift) = derive::normalized_multiplier(&m, bits).unwrap();
    Rescale {
        bias: 0,
        bias_fraction_bits: 0,
        multiplier,
        shift: i32::try_from(shift).unwrap(),
        rounding,
        constant: None,
        zero_point: 0,
        clamp: Range { min: -128, max: 127 },
    }
}

/// M spread over the octave below 2^`octave`, with accumulators that use the whole range of codes.
fn share_of_differences(octave: f64, first: (u32, Rounding), second: (u32, Rounding)) -> f64 {
    let (mut differing, mut reachable) = (0, 0);
    for i in 0..200 {
        let real = 2f64.powf(octave - f64::from(i) * 0.004_971);
        #[allow(clippy::cast_possible_truncation, reason = "below 2^20")]
        let end = (127.0 / real) as i32;
        let range = Range { min: -end, max: end };
        let steps = |(bits, rounding)| {
            let hardware = hardware(real, bits, rounding);
            Steps::of(range, hardware.clamp, |accumulator| hardware.code(accumulator))
        };
        let ranks = Ranks::new(Range { min: (-end).into(), max: end.into() }, None);
        let difference = Difference::between(&steps(first), &steps(second), &ranks).unwrap();
        differing += difference.differing;
        reachable += difference.reachable;
    }
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    let share = differing as f64 / reachable as f64;
    share
}

/// Narrow multipliers against exact ones: the shares published for random accumulators.
#[test]
fn narrow_multipliers_differ_as_often_as_is_known() {
    let exact = (32, Rounding::HalfUp);
    for (bits, low, high) in [(8, 0.04, 0.12), (12, 0.0025, 0.0075), (16, 1.5e-4, 5e-4), (24, 4e-7, 4e-6)] {
        let share = share_of_differences(-10.0, (bits, Rounding::HalfUp), exact);
        println!("{bits} bits: {share:e}");
        assert!((low..high).contains(&share), "{bits} bits: {share:e}");
    }
}

/// With M in 2^-7..2^-6, n - 31 is 6: the first rounding makes a tie of 1 in 2^6, and the second sends half of them wrong.
#[test]
fn double_rounding_differs_as_often_as_is_known() {
    let share = share_of_differences(-6.01, (31, Rounding::Double), (31, Rounding::HalfUp));
    println!("double against single rounding: {share:e}");
    assert!((0.006..0.008).contains(&share), "{share:e}");
}

/// Textbook integers, M0 = round(M * 2^n) and rounding half up, against FBGEMM's float32: about 4e-4 of the accumulators
/// that do not saturate differ with 16 bits, and 4e-6 with 24, where float32 itself has 24.
#[test]
fn textbook_integers_differ_from_fbgemm_as_often_as_is_known() {
    let activation = |scale, zero_point| Activation {
        scale,
        zero_point,
        code_type: gen_params_core::parameters::CodeType::U8,
    };
    for (bits, low, high) in [(16, 1e-4, 8e-4), (24, 1e-6, 1e-5)] {
        let (mut differing, mut reachable) = (0, 0);
        for i in 0..200_u32 {
            let scale = f64::from(2f32.powf(-11.0 - 0.017 * (i % 59) as f32));
            let layer = Layer {
                kind: LayerKind::Linear,
                weight: Weight {
                    shape: vec![1, 1],
                    codes: std::sync::Arc::from([1_i8]),
                    scale: vec![scale],
                    zero_point: vec![0],
                    bits: 8,
                    offset: 0,
                },
                bias: None,
                relu: Some(false),
                clamp: None,
                window: None,
                padding_mode: PaddingMode::Zeros,
            };
            let (input, output) = (activation(f64::from(0.01 + 1e-5 * i as f32), 0), activation(0.05, 128));
            let reference = Requantizer::new(Contract::Fbgemm, &layer, input, output, 0).unwrap();
            let real = Real {
                input_scale: input.scale,
                weight_scale: scale,
                output_scale: output.scale,
                bias: 0.0,
                bias_code: 0,
            };
            #[allow(clippy::cast_possible_truncation, reason = "below 2^22")]
            let end = (127.0 / (input.scale * scale / output.scale)) as i32;
            let m = derive::exact_multiplier(input.scale, scale, output.scale).unwrap();
            let (multiplier, shift) = derive::normalized_multiplier(&m, bits).unwrap();
            let channel = Channel {
                accumulator: Range { min: -end, max: end },
                sums: None,
                real,
                reference,
                hardware: Rescale {
                    multiplier,
                    shift: i32::try_from(shift).unwrap(),
                    zero_point: 128,
                    clamp: Range { min: 0, max: 255 },
                    ..hardware(1.0, 8, Rounding::HalfUp)
                },
            };
            let difference = channel.difference(64).unwrap();
            differing += difference.differing;
            reachable += difference.reachable;
        }
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let share = differing as f64 / reachable as f64;
        println!("{bits} bits: {share:e}");
        assert!((low..high).contains(&share), "{bits} bits: {share:e}");
    }
}

#[test]
fn operators_of_our_own_networks_differ_from_real_numbers_as_often_as_their_derivation_says() {
    operators_differ_as_derived(own());
}

#[needs(shared)]
fn operators_differ_from_real_numbers_as_often_as_their_derivation_says() {
    operators_differ_as_derived(all());
}

/// Counted here over the codes that two functions give; by derivation, with its own loops, over its own candidates.
fn operators_differ_as_derived(paths: Vec<PathBuf>) {
    let (mut compared, mut failures) = (0, Vec::new());
    // Scripts have operators; those of branches have most of them.
    let name = |path: &PathBuf| path.display().to_string();
    let scripts = paths.into_iter().filter(|path| name(path).contains("script"));
    let chosen =
        scripts.enumerate().filter(|(index, path)| index % 6 == 0 || name(path).contains("branches"));
    for (_, path) in chosen {
        let bytes = std::fs::read(&path).unwrap();
        let Ok(source) = read(bytes.into()) else { continue };
        let Ok(network) = lower(&source, &lower::Options::default()) else { continue };
        for rounding in [Rounding::HalfUp, Rounding::Floor] {
            let target = Target { rounding, ..Target::default() };
            let options = derive::Options { target, ..derive::Options::default() };
            let Ok(parameters) = derive(&network, &options) else { continue };
            for proof in certify_operators(&network, &parameters, Contract::Exact, target, None) {
                let derived = parameters.operators.iter().find(|operator| operator.name == proof.name);
                let agreement = derived.and_then(|operator| operator.agreement);
                // An input of a concatenation that is only passed on is counted here.
                let (Ok(counted), Some(agreement), false) = (proof.counted, agreement, proof.op == "cat")
                else {
                    continue;
                };
                compared += 1;
                if (counted.cases, counted.differing) != (agreement.cases, agreement.differing) {
                    failures.push((path.clone(), proof.name, counted, agreement));
                }
            }
        }
    }
    println!("{compared} operators");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(compared > 0);
}

/// By hand: QNNPACK gives rint(S/16) for a window of 4 x 4 codes that keeps its scale, ties to even, and the hardware rounds
/// ties up. Of the 255 sums S = 16k + 8, those of an even k differ: 128.
#[test]
fn means_of_whole_images_are_counted_where_their_size_is_known() {
    let path = samples().join("torch2.9/fx_qat/ResNetMini_qnnpack/converted_script.pt");
    let bytes = std::fs::read(&path).unwrap();
    let network = lower(&read(bytes.into()).unwrap(), &lower::Options::default()).unwrap();
    let parameters = derive(&network, &derive::Options::default()).unwrap();
    let target = Target::default();
    let machine = Machine::new(&network, &parameters, Arithmetic::Target(target)).unwrap();
    let shapes = machine.shapes(&[vec![1, 1, 8, 8]]).unwrap();
    let mean_of = |shapes| {
        let proofs = certify_operators(&network, &parameters, Contract::Qnnpack, target, shapes);
        proofs.into_iter().find(|proof| proof.op == "adaptive_avg_pool").unwrap().counted
    };
    assert!(mean_of(None).is_err());
    let counted = mean_of(Some(&shapes)).unwrap();
    assert_eq!((counted.cases, counted.differing, counted.largest), (16 * 255 + 1, 128, 1));
}

/// Every accumulator that is named is one of codes: they are constructed, and their products summed.
#[test]
fn witnesses_have_inputs() {
    let files = files(&fixtures().join("layers"), &MODELS);
    let (mut witnesses, mut failures) = (0, Vec::new());
    for path in &files {
        let Ok(source) = read(std::fs::read(path).unwrap().into()) else { continue };
        let Ok(network) = lower(&source, &lower::Options::default()) else { continue };
        let options = derive::Options { form: MultiplierForm::Bits(7), ..derive::Options::default() };
        let Ok(parameters) = derive(&network, &options) else { continue };
        for node in &network.nodes {
            let Op::Layer(layer) = &node.op else { continue };
            let Some(parameters) = parameters.layers.iter().find(|p| p.name == node.name) else { continue };
            let channels = layer_channels(Contract::Exact, layer, parameters, Target::default());
            let (Ok(channels), Some(input), Some(range)) =
                (channels, parameters.input, parameters.input_range)
            else {
                continue;
            };
            let ways =
                gen_params_core::hardware::reach::combinations(layer, channels.len(), input, range).unwrap();
            for (channel, ways) in channels.iter().zip(ways) {
                let ways = ways.expect("small layers are known");
                assert!(channel.ranks().unwrap().exact());
                let Ok(difference) = channel.difference(64) else { continue };
                for witness in [difference.first, difference.largest].into_iter().flatten() {
                    witnesses += 1;
                    let found = ways.iter().find_map(|way| Some((way, way.solve(witness.accumulator)?)));
                    let right = found.is_some_and(|(way, codes)| {
                        let products = codes.iter().zip(&way.weights).map(|(&x, w)| i64::from(x) * w);
                        let inside = codes.iter().all(|code| (range.min..=range.max).contains(code));
                        inside && products.sum::<i64>() + way.fixed == witness.accumulator
                    });
                    if !right {
                        failures.push((path.clone(), node.name.clone(), witness));
                    }
                }
            }
        }
    }
    println!("{witnesses} witnesses");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(witnesses > 100);
}

#[test]
fn solutions_for_our_own_networks_are_equal_and_no_narrower_one_is() {
    equal_and_no_narrower(own_channels());
}

#[needs(shared)]
fn solutions_of_the_search_are_equal_and_no_narrower_one_is() {
    equal_and_no_narrower(all_channels());
}

fn equal_and_no_narrower(mut channels: Vec<Channel>) {
    channels.sort_by_key(size);
    let (mut tried, mut fixed, mut free, mut failures) = (0, 0, 0, Vec::new());
    for channel in channels.iter().step_by((channels.len() / 150).max(1)) {
        let Ok(reference) = channel.reference_steps() else { continue };
        let bias = &channel.hardware;
        let problem = Problem::new(
            &reference,
            &channel.ranks().unwrap(),
            bias.bias,
            bias.bias_fraction_bits,
            bias.zero_point,
        );
        for constant in [Constant::Half, Constant::Free] {
            tried += 1;
            let Some(solution) = narrowest(&problem, constant) else { continue };
            *if constant == Constant::Half { &mut fixed } else { &mut free } += 1;
            let equal = |multiplier, shift: u32, constant| {
                let hardware = Rescale {
                    multiplier,
                    shift: i32::try_from(shift).unwrap(),
                    constant: Some(constant),
                    ..channel.hardware.clone()
                };
                Channel { hardware, ..channel.clone() }.difference(127).is_ok_and(|d| d.is_none())
            };
            if !equal(solution.multiplier, solution.shift, solution.constant) {
                failures.push((constant, solution));
            }
            // The next larger shift must have a solution, and none that is narrower.
            if let Some(next) = problem.at_shift(solution.shift + 1, constant)
                && (next.bits() < solution.bits() || !equal(next.multiplier, next.shift, next.constant))
            {
                failures.push((constant, next));
            }
        }
    }
    println!("{tried} searches: {fixed} found with half a step, {free} with a free constant");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(free >= fixed && fixed > 0);
}

/// By hand: y = x/2 rounded up at ties, over -4..=4, is (x + 1) >> 1, and needs one bit.
#[test]
fn a_search_worked_by_hand() {
    let range = Range { min: -4, max: 4 };
    let clamp = Range { min: -128, max: 127 };
    let reference = Steps::of(range, clamp, |x| i32::try_from((x + 1) >> 1).unwrap());
    let ranks = Ranks::new(Range { min: -4, max: 4 }, None);
    let problem = Problem::new(&reference, &ranks, 0, 0, 0);
    let expected = Some(Narrowest { multiplier: 1, shift: 1, constant: 1 });
    assert_eq!(narrowest(&problem, Constant::Half), expected);
    assert_eq!(narrowest(&problem, Constant::Free), expected);
    // x/3 rounded to nearest, over -4..=4, is -1 from -4 to -2, 0 from -1 to 1, 1 from 2 to 4. With n = 4 and half a step of
    // 8: 2*M0 + 8 >= 16, -2*M0 + 8 <= -1 and 4*M0 + 8 <= 31 leave M0 = 5; with n = 3 nothing is left.
    let thirds = Steps::of(range, clamp, |x| i32::try_from((2 * x + 3).div_euclid(6)).unwrap());
    let found = narrowest(&Problem::new(&thirds, &ranks, 0, 0, 0), Constant::Half).unwrap();
    assert_eq!(found, Narrowest { multiplier: 5, shift: 4, constant: 8 });
}
