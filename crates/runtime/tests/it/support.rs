//! How two runs are compared.

use gen_params_core::contract::Contract;
use gen_params_core::network::{EdgeId, IntNetwork};
use gen_params_core::ops::{Op, Value};
use gen_params_core::reference::{self, Keep};
use gen_params_kernels::Kernel;
use gen_params_runtime::{Engine, Request};

/// What differs between the reference and the fast engine with every kernel: codes of all edges, all accumulators, the
/// outputs. Where the reference refuses, nothing is compared and `None` is given.
pub(crate) fn differences(network: &IntNetwork, contract: Contract, input: &Value) -> Option<Vec<String>> {
    let expected = reference::run(network, contract, std::slice::from_ref(input), Keep::Accumulators).ok()?;
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
