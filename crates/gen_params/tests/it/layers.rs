//! One small network per kind of layer, saved by PyTorch; the integers beside them were computed by exact fractions in Python.

use std::fs;

use gen_params::contract::Contract;
use gen_params::derive::Options;
use gen_params::lower::Engine;
use gen_params::parameters::{LayerParameters, MultiplierForm, Wiring};
use gen_params_test_support::npz::NpzArchive;
use serde_json::Value;

use crate::support::{assert_no_failures, fixtures, parameters};

fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

fn wide<T: Copy + Into<i64>>(values: Option<&Vec<T>>) -> Option<Vec<i64>> {
    values.map(|v| v.iter().map(|&x| x.into()).collect())
}

/// Compares one layer with its facts; returns what differs.
fn differences(layer: &LayerParameters, facts: &Value) -> Vec<String> {
    let expected = &facts["expected"];
    let mut found = Vec::new();
    let mut check = |what: &str, ours: Option<Vec<i64>>, theirs: &Value| {
        if ours != Some(integers(theirs)) {
            found.push(format!("{what}: {ours:?}, expected {theirs}"));
        }
    };
    check("bias", wide(layer.bias.as_ref()), &expected["bias"]);
    check("weight_sum", wide(Some(&layer.weight_sum)), &expected["weight_sum"]);
    check("folded_bias", wide(layer.folded_bias.as_ref()), &expected["folded_bias"]);
    check("multiplier", wide(layer.multiplier.as_ref()), &expected["multiplier_31"]);
    check("shift", wide(layer.shift.as_ref()), &expected["shift_31"]);
    let window = layer.window.clone().unwrap_or_default();
    for (name, ours) in
        [("stride", &window.stride), ("padding", &window.padding), ("dilation", &window.dilation)]
    {
        if ours.is_some() {
            check(name, wide(ours.as_ref()), &facts[name]);
        }
    }
    if let Some(groups) = window.groups {
        check("groups", Some(vec![groups.into()]), &Value::Array(vec![facts["groups"].clone()]));
    }
    let real: Vec<f64> =
        expected["real_multiplier"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    if layer.real_multiplier.as_ref() != Some(&real) {
        found.push(format!("real_multiplier: {:?}, expected {real:?}", layer.real_multiplier));
    }
    if layer.relu.is_some() && layer.relu != facts["relu"].as_bool() {
        found.push(format!("relu: {:?}, expected {}", layer.relu, facts["relu"]));
    }
    let range = integers(&facts["input"]["range"]);
    if layer.input_range.map(|r| vec![i64::from(r.min), i64::from(r.max)]) == Some(range) {
        let reach = layer.accumulator.unwrap();
        let min = integers(&expected["accumulator_min"]).into_iter().min().unwrap();
        let max = integers(&expected["accumulator_max"]).into_iter().max().unwrap();
        if (reach.min, reach.max) != (min, max) {
            found.push(format!("accumulator: {}..={}, expected {min}..={max}", reach.min, reach.max));
        }
    }
    found
}

#[test]
fn every_form_of_every_layer_kind_gives_the_exact_integers() {
    let mut failures = Vec::new();
    let mut checked = 0;
    let mut refused = Vec::new();
    for entry in fs::read_dir(fixtures().join("layers")).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(folder.join("facts.json")) else { continue };
        let facts: Value = serde_json::from_str(&text).unwrap();
        let engine = Engine::ALL.into_iter().find(|e| Some(e.name()) == facts["engine"].as_str());
        for form in [
            "converted_state_dict",
            "converted_module",
            "script",
            "trace",
            "prepared_state_dict",
            "prepared_module",
        ] {
            let path = folder.join(format!("{form}.pt"));
            if !path.exists() {
                continue;
            }
            let name = format!("{}/{form}", folder.file_name().unwrap().display());
            let derived = match parameters(&path, engine, &Options::default()) {
                Ok(derived) => derived,
                Err(error) => {
                    refused.push(format!("{name}: {error}"));
                    continue;
                }
            };
            if name.starts_with("misordered") && derived.wiring == Wiring::KeyOrder {
                // Registered in another order than executed: nothing in the keys shows it, so the guess is wrong, and the
                // point is that it is called a guess.
                assert!(
                    derived.warnings.iter().any(|w| w.contains("key-order")),
                    "{name}: {:?}",
                    derived.warnings
                );
                continue;
            }
            for (layer, layer_facts) in facts["layers"].as_object().unwrap() {
                let eps = &facts["batch_norm"][format!("{layer}.bn")]["eps"];
                if form == "prepared_state_dict" && eps.as_f64().is_some_and(|e| e != 1e-5) {
                    // Not in the file: the warning says what was used, and --bn-eps (tested below) sets it.
                    assert!(
                        derived.warnings.iter().any(|w| w.contains("--bn-eps")),
                        "{name}: {:?}",
                        derived.warnings
                    );
                    continue;
                }
                checked += 1;
                match derived.layers.iter().find(|l| &l.name == layer) {
                    None => failures.push(format!("{name} {layer}: missing")),
                    Some(ours) => {
                        failures.extend(
                            differences(ours, layer_facts).into_iter().map(|d| format!("{name} {layer} {d}")),
                        );
                    }
                }
            }
        }
    }
    println!("{checked} layers checked; refused:\n{}", refused.join("\n"));
    assert_no_failures(&failures, checked);
}

#[test]
fn a_constant_gives_the_multipliers_of_the_formula() {
    let mut failures = Vec::new();
    let mut checked = 0;
    for entry in fs::read_dir(fixtures().join("layers")).unwrap() {
        let folder = entry.unwrap().path();
        let path = folder.join("converted_state_dict.pt");
        let Ok(text) = fs::read_to_string(folder.join("facts.json")) else { continue };
        let facts: Value = serde_json::from_str(&text).unwrap();
        for n in [16, 24] {
            let options = Options { form: MultiplierForm::Shift(n), ..Options::default() };
            let Ok(derived) = parameters(&path, None, &options) else { continue };
            if folder.ends_with("misordered_fbgemm") {
                continue;
            }
            for layer in &derived.layers {
                let expected =
                    integers(&facts["layers"][&layer.name]["expected"][format!("multiplier_n{n}")]);
                checked += 1;
                if wide(layer.multiplier.as_ref()) != Some(expected) {
                    failures.push(format!(
                        "{} {} n={n}: {:?}",
                        folder.display(),
                        layer.name,
                        layer.multiplier
                    ));
                }
            }
        }
    }
    assert_no_failures(&failures, checked);
}

#[test]
fn tables_of_functions_hold_the_codes_that_pytorch_gave() {
    let folder = fixtures().join("layers/activations_fbgemm");
    let facts: Value = serde_json::from_str(&fs::read_to_string(folder.join("facts.json")).unwrap()).unwrap();
    let options = Options { tables: Contract::Fbgemm, ..Options::default() };
    let derived = parameters(&folder.join("script.pt"), None, &options).unwrap();
    let mut golden = NpzArchive::open(folder.join("golden.npz")).unwrap();
    let mut codes = |name: &str| -> Vec<u8> {
        golden.by_name(&format!("{name}/int")).unwrap().unwrap().into_vec().unwrap()
    };
    assert!(!derived.tables.is_empty());
    for table in &derived.tables {
        let producer = facts["steps"][&table.name]["inputs"][0].as_str().unwrap();
        let (inputs, outputs) = (codes(producer), codes(&table.name));
        assert_eq!(inputs.len(), outputs.len());
        for (input, output) in inputs.iter().zip(&outputs) {
            assert_eq!(table.codes[usize::from(*input)], i32::from(*output), "{} of {input}", table.name);
        }
    }
}
