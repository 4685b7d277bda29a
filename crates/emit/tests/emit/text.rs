//! The files that are pure text: hex and lists, and the names that layers may have.

use std::io::Cursor;

use gen_params_core::parameters::Parameters;
use gen_params_emit::folder::files;
use gen_params_emit::{Error, Format, Formats};

use crate::sample::{conv, depthwise, linear, network, sample};

/// Renders one file of a network.
pub(crate) fn render(parameters: &Parameters, formats: &Formats, name: &str) -> Vec<u8> {
    let files = files(parameters, formats).unwrap();
    let file = files.iter().find(|file| file.name() == name).unwrap_or_else(|| panic!("no file {name}"));
    let mut out = Cursor::new(Vec::new());
    file.render(&mut out).unwrap();
    out.into_inner()
}

fn names(parameters: &Parameters, formats: &str) -> Vec<String> {
    let formats = formats.parse().unwrap();
    files(parameters, &formats).unwrap().iter().map(|file| file.name().to_owned()).collect()
}

#[test]
fn text_files_hold_one_kind_of_number_each() {
    let rows = [
        ("conv1_weight.hex", "80\nff\n00\n01\n7f\n02\nfd\n04\n0a\n9c\n63\nfb\n"),
        ("conv1_bias.hex", "ffffffef\n00000000\n7fffffff\n"),
        ("conv1_folded_bias.hex", "80000000\nfffffe7a\n7ffffff3\n"),
        ("conv1_weight_sum.hex", "ffffff80\n00000082\n00000004\n"),
        ("conv1_multiplier.hex", "80000000\nffffffff\n00000000\n"),
        ("conv1_shift.hex", "80\n7f\n1f\n"),
        ("1_weight.hex", "f9\n08\nf7\n0a\nf5\n0c\n"),
        ("conv1_weight.txt", "[[[[-128, -1], [0, 1]]], [[[127, 2], [-3, 4]]], [[[10, -100], [99, -5]]]]\n"),
        ("conv1_bias.txt", "[-17, 0, 2147483647]\n"),
        ("conv1_folded_bias.txt", "[-2147483648, -390, 2147483635]\n"),
        ("conv1_multiplier.txt", "[2147483648, 4294967295, 0]\n"),
        ("conv1_shift.txt", "[-128, 127, 31]\n"),
        ("1_weight.txt", "[[-7, 8, -9], [10, -11, 12]]\n"),
        ("up______weight.txt", "[[[[1]], [[-2]]], [[[3]], [[-4]]]]\n"),
    ];
    let formats = "hex,list".parse().unwrap();
    let failures: Vec<_> = rows
        .iter()
        .map(|(name, expected)| {
            (name, String::from_utf8(render(&sample(), &formats, name)).unwrap(), expected)
        })
        .filter(|(_, found, expected)| found != *expected)
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_is_unknown_has_no_file() {
    let kinds = ["weight", "bias", "weight_sum", "folded_bias", "multiplier", "shift", "rounding_constant"];
    let stem = "features_0_depth_wise";
    let expected: Vec<_> = kinds.iter().map(|kind| format!("{stem}_{kind}.hex")).collect();
    assert_eq!(names(&network(vec![depthwise()]), "hex"), expected);
    assert_eq!(names(&network(vec![linear()]), "hex"), ["1_weight.hex", "1_weight_sum.hex"]);
    assert_eq!(names(&network(vec![linear()]), "h,svh,npz"), ["params.h", "params.npz", "params.svh"]);
}

#[test]
fn layers_that_would_share_a_name_are_an_error_that_names_both() {
    let rows = [
        ("conv.1", "conv_1", "hex", "conv_1_weight.hex"),
        ("conv", "CONV", "list", "CONV_weight.hex"),
        ("conv", "conv_folded", "hex", "conv_folded_bias.hex"),
        ("1", "layer_1", "h", "LAYER_1_CHANNELS"),
        ("conv", "conv_folded", "svh", "CONV_FOLDED_BIAS"),
        ("conv", "conv", "npz", "conv"),
    ];
    let mut failures = Vec::new();
    for (first, second, formats, name) in rows {
        let layers = [first, second].map(|name| {
            let mut layer = depthwise();
            name.clone_into(&mut layer.name);
            layer
        });
        let parameters = network(layers.to_vec());
        match files(&parameters, &formats.parse().unwrap()) {
            Err(Error::SameName { name: found, first: one, second: two })
                if (found.as_str(), one.as_str(), two.as_str()) == (name, first, second) => {}
            other => failures.push(format!("{first}, {second} as {formats}: {other:?}")),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn parameters_that_contradict_themselves_are_refused() {
    type Change = fn(&mut gen_params_core::parameters::LayerParameters);
    let rows: &[(&str, Change)] = &[
        ("bias", |layer| layer.bias = Some(vec![1])),
        ("weight_sum", |layer| layer.weight_sum.clear()),
        ("multiplier", |layer| layer.multiplier = Some(vec![])),
        ("shift", |layer| layer.shift = Some(vec![0, 128, 0])),
        ("shift", |layer| layer.shift = Some(vec![0, 0, -129])),
        ("weight", |layer| layer.weight.codes = [1, 2].into()),
        ("weight", |layer| layer.weight.shape = vec![usize::MAX, 2, 2, 2]),
        ("weight shape", |layer| layer.weight.shape = vec![12]),
        ("weight scale", |layer| layer.weight.scale = vec![1.0, 2.0]),
        ("weight scale", |layer| layer.weight.scale = vec![1.0, f64::NAN, 1.0]),
        ("weight zero point", |layer| layer.weight.zero_point = vec![0]),
        ("real_multiplier", |layer| layer.real_multiplier = Some(vec![1.0, f64::INFINITY, 1.0])),
        ("output scale", |layer| layer.output.as_mut().unwrap().scale = f64::NAN),
        ("stride", |layer| layer.window.as_mut().unwrap().stride = Some(vec![1])),
    ];
    let mut failures = Vec::new();
    for (expected, change) in rows {
        let mut layer = conv();
        change(&mut layer);
        match files(&network(vec![layer]), &Formats::from_iter(Format::ALL)) {
            Err(Error::Inconsistent { layer, field, .. }) if layer == "conv1" && field == *expected => {}
            other => failures.push(format!("{expected}: {other:?}")),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
