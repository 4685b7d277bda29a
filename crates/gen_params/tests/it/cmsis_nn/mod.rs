//! CMSIS-NN's published unit-test data, made by the TFLite interpreter, through the operators under the contract `litert`.

mod case;
mod layers;
mod networks;
mod operators;

use std::collections::BTreeMap;

use case::Case;
use gen_params::derive;
use layers::Outcome;

use crate::support::{assert_no_failures, shared};

/// What computes a case.
type Compute = fn(&Case) -> Outcome;

/// The group of a case, and what computes it, or why nothing does.
fn group(name: &str) -> (&'static str, Result<Compute, &'static str>) {
    let prefixed = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if prefixed(&["ds_cnn"]) {
        ("whole networks", Ok(networks::ds_cnn))
    } else if prefixed(&["lstm"]) {
        ("lstm", Err("there is no such operator"))
    } else if prefixed(&["svdf"]) {
        ("svdf", Err("there is no such operator"))
    } else if prefixed(&["transpose_conv", "reverse_transpose_conv"]) {
        ("transposed convolution", Ok(layers::convolution))
    } else if prefixed(&["transpose"]) {
        ("transpose", Ok(operators::transpose))
    } else if prefixed(&["add", "mul"]) {
        ("add, mul", Ok(operators::binary))
    } else if prefixed(&["avgpooling", "maxpool"]) {
        ("pooling", Ok(operators::pool))
    } else if prefixed(&["minimum", "maximum"]) {
        ("minimum, maximum", Ok(operators::extremum))
    } else if prefixed(&["pad"]) {
        ("pad", Ok(operators::pad))
    } else if prefixed(&["softmax"]) {
        ("softmax", Ok(operators::softmax))
    } else if prefixed(&["batch_matmul"]) {
        ("batch_matmul", Ok(operators::batch_matmul))
    } else if prefixed(&["fc_", "fully_connected"]) {
        ("fully connected", Ok(layers::fully_connected))
    } else if name.contains("int16") || name == "requantize_s64" {
        ("convolution, 16-bit codes", Ok(layers::convolution))
    } else if name.contains("int4") {
        ("convolution, 4-bit weights", Ok(layers::narrow_convolution))
    } else if prefixed(&["depthwise", "in_ch_one"]) {
        ("depthwise convolution", Ok(layers::convolution))
    } else {
        ("convolution", Ok(layers::convolution))
    }
}

/// Cases, values, values that differ, and cases that were not computed.
#[derive(Default)]
struct Row {
    cases: usize,
    values: usize,
    differing: usize,
    left_out: Vec<String>,
}

#[test]
fn published_cases_are_reproduced() {
    let Some(folder) = shared().map(|shared| shared.join("cmsis-nn")) else { return };
    let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    let facts: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let mut table: BTreeMap<&str, Row> = BTreeMap::new();
    let mut failures = Vec::new();
    for (name, facts) in &facts {
        let (group, compute) = group(name);
        let row = table.entry(group).or_default();
        match compute.map_err(str::to_owned).and_then(|compute| compute(&Case::open(&folder, name, facts))) {
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
            Err(text) => row.left_out.push(format!("{name}: {text}")),
        }
    }
    println!("{:<30} {:>5} {:>8} {:>9}", "", "cases", "values", "differing");
    for (group, Row { cases, values, differing, left_out }) in &table {
        println!("{group:<30} {cases:>5} {values:>8} {differing:>9}");
        for case in left_out {
            println!("    not computed: {case}");
        }
    }
    assert_no_failures(&failures, table.values().map(|row| row.cases).sum());
}

#[test]
fn published_multipliers_and_shifts_are_those_of_the_derivation() {
    let Some(folder) = shared().map(|shared| shared.join("cmsis-nn")) else { return };
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
