//! How two runs are compared.

use gen_params_core::contract::Contract;
use gen_params_core::derive;
use gen_params_core::hardware::{OnOverflow, Overflow, Rounding, Target};
use gen_params_core::machine::{self, Keep};
use gen_params_core::machine::{Arithmetic, Machine};
use gen_params_core::network::{EdgeId, IntNetwork};
use gen_params_core::ops::{Op, Value};
use gen_params_core::parameters::Range;
use gen_params_kernels::Kernel;
use gen_params_runtime::{Engine, Request};

/// What differs between the reference and the fast engine with every kernel: codes of all edges, all accumulators, the
/// outputs. Where the reference refuses, nothing is compared and `None` is given.
pub(crate) fn differences(network: &IntNetwork, contract: Contract, input: &Value) -> Option<Vec<String>> {
    let expected = machine::run(network, contract, std::slice::from_ref(input), Keep::Accumulators).ok()?;
    let mut differences = Vec::new();
    for kernel in Kernel::available() {
        let place = |what: &str| format!("{} {}: {what}", contract.name(), kernel.name());
        let images = [input.shape()[1..].to_vec()];
        let engine = match Engine::with_kernel(network, contract, &images, kernel) {
            Ok(engine) => engine,
            Err(error) => {
                differences.push(place(&error.to_string()));
                continue;
            }
        };
        let edges: Vec<EdgeId> = (0..network.edges.len())
            .filter(|&edge| matches!(expected.edges[edge], Some(Value::Codes(_))))
            .map(EdgeId)
            .collect();
        let layers: Vec<usize> =
            (0..network.nodes.len()).filter(|&n| matches!(network.nodes[n].op, Op::Layer(_))).collect();
        let request = Request { edges: &edges, accumulators: &layers };
        match engine.observe(std::slice::from_ref(input), request, |_| {}) {
            Ok(observed) => {
                for (&id, found) in edges.iter().zip(&observed.edges) {
                    let codes = expected.edges[id.0].as_ref().and_then(Value::codes);
                    if codes != Some(found) {
                        differences.push(place(&format!("edge {}", network.edge(id).name)));
                    }
                }
                for (&node, found) in layers.iter().zip(&observed.accumulators) {
                    let wide = found.elements().iter().map(|&sum| i64::from(sum));
                    let same = expected.accumulators[node].as_ref().is_some_and(|expected| {
                        expected.shape() == found.shape()
                            && expected.layout() == found.layout()
                            && expected.elements().iter().copied().eq(wide)
                    });
                    if !same {
                        differences.push(place(&format!("accumulators of {}", network.nodes[node].name)));
                    }
                }
            }
            Err(error) => differences.push(place(&error.to_string())),
        }
        if engine.run(std::slice::from_ref(input)).ok().as_ref() != Some(&expected.outputs) {
            differences.push(place("outputs"));
        }
    }
    Some(differences)
}

/// Hardware that differs in all that the arithmetic of layers depends on.
pub(crate) fn targets() -> Vec<Target> {
    let default = Target::default();
    let mut targets: Vec<Target> =
        Rounding::ALL.into_iter().map(|rounding| Target { rounding, ..default }).collect();
    targets.extend([
        Target { signed_activations: true, ..default },
        Target { bias_fraction_bits: 8, accumulator_bits: 40, ..default },
        Target { activation_range: Some(Range { min: 0, max: 127 }), ..default },
        // Too narrow: registers wrap, or saturate.
        Target { accumulator_bits: 14, product_bits: 40, ..default },
        Target { accumulator_bits: 14, product_bits: 40, on_overflow: OnOverflow::Saturate, ..default },
    ]);
    targets
}

/// What differs between the machine, node by node, and the fast engine on a target: codes of all edges, and overflows.
/// `None` where the machine refuses.
pub(crate) fn target_differences(network: &IntNetwork, target: Target, input: &Value) -> Option<Vec<String>> {
    let options = derive::Options { target, ..derive::Options::default() };
    let parameters = derive::derive(network, &options).ok()?;
    let machine = Machine::new(network, &parameters, Arithmetic::Target(target)).ok()?;
    // A target alone would also pad further than PyTorch lets a layer pad.
    machine.shapes(&[input.shape().to_vec()]).ok()?;
    let mut expected = machine.begin(vec![input.clone()]).ok()?;
    let mut expected_overflows: Vec<(usize, Overflow)> = Vec::new();
    for (index, node) in network.nodes.iter().enumerate() {
        let step = machine.step(index, &expected).ok()?;
        expected.set(&node.outputs, step.results);
        expected_overflows.extend(step.overflows.into_iter().map(|overflow| (index, overflow)));
    }
    let place = |what: &str| format!("{target:?}: {what}");
    let engine = match Engine::of(&machine, &[input.shape()[1..].to_vec()]) {
        Ok(engine) => engine,
        Err(error) => return Some(vec![place(&error.to_string())]),
    };
    let codes = |edge: usize| expected.get(EdgeId(edge)).and_then(Value::codes);
    let edges: Vec<EdgeId> =
        (0..network.edges.len()).filter(|&edge| codes(edge).is_some()).map(EdgeId).collect();
    let request = Request { edges: &edges, accumulators: &[] };
    let observed = match engine.observe(std::slice::from_ref(input), request, |_| {}) {
        Ok(observed) => observed,
        Err(error) => return Some(vec![place(&error.to_string())]),
    };
    let mut differences = Vec::new();
    for (&id, found) in edges.iter().zip(&observed.edges) {
        // Layouts do not matter to a target.
        let same = codes(id.0).is_some_and(|expected| {
            expected.shape() == found.shape() && expected.elements() == found.elements()
        });
        if !same {
            differences.push(place(&format!("edge {}", network.edge(id).name)));
        }
    }
    if joined(observed.overflows) != joined(expected_overflows) {
        differences.push(place("overflows"));
    }
    Some(differences)
}

/// Overflows of some images each, by node and stage: how many, where the first is, and its value.
fn joined(overflows: Vec<(usize, Overflow)>) -> Vec<(usize, Overflow)> {
    let mut joined: Vec<(usize, Overflow)> = Vec::new();
    for (node, overflow) in overflows {
        match joined.iter_mut().find(|(at, known)| *at == node && known.stage == overflow.stage) {
            Some((_, known)) => {
                let count = known.count + overflow.count;
                if overflow.first < known.first {
                    *known = overflow;
                }
                known.count = count;
            }
            None => joined.push((node, overflow)),
        }
    }
    joined.sort_by_key(|(node, overflow)| (*node, overflow.stage));
    joined
}
