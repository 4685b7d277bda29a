//! Why a network cannot be run.

use std::fmt;

use crate::error::Reason;
use crate::network::{EdgeId, IntNetwork};
use crate::ops::Op;
use crate::parameters::LayerKind;

/// Why a network cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunError {
    /// All reasons, each with its node.
    pub reasons: Vec<Reason>,
}

impl RunError {
    /// One reason at one node, or at one input.
    pub(crate) fn at(place: &str, text: impl fmt::Display) -> Self {
        Self { reasons: vec![Reason { place: place.into(), text: text.to_string() }] }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reason) in self.reasons.iter().enumerate() {
            let separator = if i > 0 { "\n  " } else { "" };
            write!(f, "{separator}{reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RunError {}

/// Everything that a file does not say and that running needs, for all nodes at once.
pub fn missing(network: &IntNetwork) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for node in &network.nodes {
        let mut report = |text: String| reasons.push(Reason { place: node.name.clone(), text });
        let known = |edge: &EdgeId| network.edge(*edge).activation.is_some();
        match &node.op {
            Op::Layer(layer) if layer.kind != LayerKind::Linear => {
                if let Err(error) = layer.geometry() {
                    report(error.to_string());
                }
            }
            Op::BatchNorm(norm) if norm.epsilon.is_none() => {
                report("the file does not say its epsilon".into());
            }
            _ => {}
        }
        if node.op != Op::Quantize && !node.inputs.iter().all(known) {
            report("the file does not say the scale and zero point of its input".into());
        }
        if node.op != Op::Dequantize && !node.outputs.iter().all(known) {
            report("the file does not say the scale and zero point of its output".into());
        }
    }
    reasons
}
