//! CMSIS-NN's published unit-test data, made by the TFLite interpreter, through the operators under the contract `litert`.

mod case;
mod layers;
mod networks;
mod operators;
mod recurrent;

use std::collections::BTreeMap;

use case::Case;
use gen_params::derive;
use gen_params_test_support::{needs, shared};
use layers::Outcome;

use crate::support::assert_no_failures;

/// What computes a case.
type Compute = fn(&Case) -> Outcome;

/// The group of a case, and what computes it.
fn group(name: &str) -> (&'static str, Compute) {
    let prefixed = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if prefixed(&["ds_cnn"]) {
        ("whole networks", networks::ds_cnn)
    } else if prefixed(&["lstm"]) {
        ("lstm", recurrent::lstm)
    } else if prefixed(&["svdf"]) {
        ("svdf", recurrent::svdf)
    } else if prefixed(&["transpose_conv", "reverse_transpose_conv"]) {
        ("transposed convolution", layers::convolution)
    } else if prefixed(&["transpose"]) {
        ("transpose", operators::transpose)
    } else if prefixed(&["add", "mul"]) {
        ("add, mul", operators::binary)
    } else if prefixed(&["avgpooling", "maxpool"]) {
        ("pooling", operators::pool)
    } else if prefixed(&["minimum", "maximum"]) {
        ("minimum, maximum", operators::extremum)
    } else if prefixed(&["pad"]) {
        ("pad", operators::pad)
    } else if prefixed(&["softmax"]) {
        ("softmax", operators::softmax)
    } else if prefixed(&["batch_matmul"]) {
        ("batch_matmul", operators::batch_matmul)
    } else if prefixed(&["fc_", "fully_connected"]) {
        ("fully connected", layers::fully_connected)
    } else if name.contains("int16") || name == "requantize_s64" {
        ("convolution, 16-bit codes", layers::convolution)
    } else if name.contains("int4") {
        ("convolution, 4-bit weights", layers::narrow_convolution)
    } else if prefixed(&["depthwise", "in_ch_one"]) {
        ("depthwise convolution", layers::convolution)
    } else {
        ("convolution", layers::convolution)
    }
}

/// Cases, values, and values that differ.
#[derive(Default)]
struct Row {
    cases: usize,
    values: usize,
    differing: usize,
}

#[needs(shared)]
fn published_cases_are_reproduced() {
    let folder = shared().join("cmsis-nn");
    let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    let facts: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let mut table: BTreeMap<&str, Row> = BTreeMap::new();
    let mut failures = Vec::new();
    for (name, facts) in &facts {
        let (group, compute) = group(name);
        let row = table.entry(group).or_default();
        match compute(&Case::open(&folder, name, facts)) {
            Ok((found, expected)) => {
                let differing = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
                row.cases += 1;
                row.values += expected.len();
                row.differing += differing;
                if found.len() != expected.len() || differing > 0 {
                    let lengths = (found.len(), expected.len());
                    failures.push(format!("{name}: {differing} differ, lengths {lengths:?}"));
                }
            }
            Err(text) => failures.push(format!("{name}: {text}")),
        }
    }
    println!("{:<30} {:>5} {:>8} {:>9}", "", "cases", "values", "differing");
    for (group, Row { cases, values, differing }) in &table {
        println!("{group:<30} {cases:>5} {values:>8} {differing:>9}");
    }
    assert_no_failures(&failures, table.values().map(|row| row.cases).sum());
}

#[needs(shared)]
fn published_multipliers_and_shifts_are_those_of_the_derivation() {
    let folder = shared().join("cmsis-nn");
    let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    let facts: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let (mut failures, mut checked) = (Vec::new(), 0);
    for (name, facts) in &facts {
        let case = Case::open(&folder, name, facts);
        for (multipliers, shifts) in [("output_mult", "output_shift"), ("output_multiplier", "output_shift")]
        {
            let (Some(multipliers), Some(shifts)) = (case.array(multipliers), case.array(shifts)) else {
                continue;
            };
            if multipliers.len() != shifts.len() {
                continue;
            }
            for (channel, (&multiplier, &shift)) in multipliers.iter().zip(&shifts).enumerate() {
                // M = multiplier * 2^(shift - 31): exact in binary64.
                let real = multiplier as f64 * 2f64.powi(i32::try_from(shift).unwrap() - 31);
                let Some(m) = derive::exact_multiplier(real, 1.0, 1.0) else { continue };
                let found = derive::normalized_multiplier(&m, 31).map(|(m0, n)| (i64::from(m0), 31 - n));
                checked += 1;
                if found != Some((multiplier, shift)) {
                    failures.push(format!("{name}, {channel}: {found:?}, published {multiplier}, {shift}"));
                }
            }
        }
    }
    println!("{checked} published multipliers and shifts");
    assert_no_failures(&failures, checked);
}
