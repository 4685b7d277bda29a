//! What every network must be, whatever file it is from and whoever lowered it.

use std::collections::HashSet;

use super::{Edge, EdgeId, IntNetwork, Node};
use crate::error::{LowerError, Reason, Result};
use crate::ops::{Bias, Layer, Op};
use crate::parameters::{Activation, CodeType, LayerKind, Range};

impl IntNetwork {
    /// Checks what every user of a network relies on: each edge has one producer, which comes before its readers; scales
    /// are positive and finite, zero points and ranges lie within the codes of their type; a layer's numbers are as many
    /// as its channels and axes say; node names are unique.
    ///
    /// # Errors
    /// Every violation, by the name of the node. What a file can cause is said of the file; everything else is a fault of
    /// ours, and is called one.
    pub fn verify(&self) -> Result<()> {
        let mut check = Check { network: self, reasons: Vec::new(), is_ours: false };
        check.edges();
        check.nodes();
        check.ends();
        let Check { reasons, is_ours, .. } = check;
        if reasons.is_empty() {
            return Ok(());
        }
        let hint =
            "this is a fault of gen_params, not of the file: please report it, with the file if you can";
        Err(LowerError { reasons, hint: is_ours.then(|| hint.to_owned()) })
    }
}

struct Check<'a> {
    network: &'a IntNetwork,
    reasons: Vec<Reason>,
    is_ours: bool,
}

impl Check<'_> {
    /// Something that the file says.
    fn file(&mut self, place: &str, text: String) {
        self.reasons.push(Reason { place: place.to_owned(), text });
    }

    /// Something that no file can cause.
    fn ours(&mut self, place: &str, text: String) {
        self.is_ours = true;
        self.file(place, text);
    }

    fn edges(&mut self) {
        for edge in &self.network.edges {
            let Edge { name, activation, range } = edge;
            match (activation, range) {
                (Some(activation), _) if !is_scale(activation.scale) => {
                    self.file(
                        name,
                        format!("has a scale of {}, expected a positive number", activation.scale),
                    );
                }
                (Some(Activation { zero_point, code_type, .. }), _) if !holds(*code_type, *zero_point) => {
                    self.file(
                        name,
                        format!("has a zero point of {zero_point}, which is no {}", code_type.name()),
                    );
                }
                (Some(Activation { code_type, .. }), Some(Range { min, max })) => {
                    if min > max {
                        self.file(name, format!("can take no code: its limits are {min} and {max}"));
                    } else if !(holds(*code_type, *min) && holds(*code_type, *max)) {
                        self.ours(
                            name,
                            format!("takes codes {min}..={max}, which are no {}", code_type.name()),
                        );
                    }
                }
                (None, Some(_)) => self.ours(name, "has a range of codes and no scale".into()),
                (Some(_) | None, None) => {}
            }
        }
    }

    fn nodes(&mut self) {
        let mut made: HashSet<EdgeId> = self.network.inputs.iter().copied().collect();
        made.extend(self.network.states.iter().map(|state| state.before));
        let mut names = HashSet::new();
        for node in &self.network.nodes {
            if !names.insert(node.name.as_str()) {
                self.ours(&node.name, "is the name of two nodes".into());
            }
            for &id in &node.inputs {
                if !made.contains(&id) {
                    self.ours(&node.name, format!("takes edge {}, which nothing before it makes", id.0));
                }
            }
            for &id in &node.outputs {
                if id.0 >= self.network.edges.len() {
                    self.ours(&node.name, format!("makes edge {}, which is not there", id.0));
                }
                if !made.insert(id) {
                    self.ours(&node.name, format!("makes edge {}, which something else makes, too", id.0));
                }
            }
            if node.outputs.is_empty() {
                self.ours(&node.name, "makes nothing".into());
            }
            self.node(node);
        }
        let ends = self.network.outputs.iter().chain(self.network.states.iter().map(|state| &state.after));
        for id in ends.filter(|id| !made.contains(id)).copied().collect::<Vec<_>>() {
            self.ours("", format!("gives edge {}, which nothing makes", id.0));
        }
    }

    /// What an operation takes and gives.
    fn node(&mut self, node: &Node) {
        let codes = |id: Option<&EdgeId>| {
            let edge = id.and_then(|id| self.network.edges.get(id.0));
            edge.is_some_and(|edge| edge.activation.is_some())
        };
        let gives_codes = codes(node.outputs.first());
        match &node.op {
            Op::Quantize if !gives_codes => self.ours(&node.name, "quantizes and gives no codes".into()),
            Op::Dequantize if gives_codes => self.ours(&node.name, "dequantizes and gives codes".into()),
            Op::Layer(layer) => self.layer(&node.name, layer),
            _ => {}
        }
        if node.inputs.is_empty() && !matches!(node.op, Op::Constant(_)) {
            self.ours(&node.name, "takes nothing".into());
        }
    }

    fn layer(&mut self, name: &str, layer: &Layer) {
        let Layer { kind, weight, bias, window, .. } = layer;
        let axes = match kind {
            LayerKind::Linear => 0,
            LayerKind::Conv(axes) | LayerKind::ConvTranspose(axes) => usize::from(*axes),
        };
        let shape = &weight.shape;
        if shape.len() != axes + 2 {
            self.file(name, format!("is a {} with weights of sizes {shape:?}", kind.name()));
            return;
        }
        let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        if elements != Some(weight.codes.len()) || weight.codes.is_empty() {
            self.file(name, format!("has {} weights, and their sizes are {shape:?}", weight.codes.len()));
        }
        let groups = window.as_ref().and_then(|window| window.groups).map(|groups| groups as usize);
        let channels = match (kind, groups) {
            (LayerKind::ConvTranspose(_), Some(groups)) => shape[1].checked_mul(groups),
            (LayerKind::ConvTranspose(_), None) => None,
            (LayerKind::Linear | LayerKind::Conv(_), _) => Some(shape[0]),
        };
        if let Some(channels) = channels {
            let counts = [("scales", weight.scale.len()), ("zero points", weight.zero_point.len())];
            for (what, count) in counts.into_iter().filter(|(_, count)| *count != 1 && *count != channels) {
                self.file(name, format!("has {count} {what} for its weights, expected 1 or {channels}"));
            }
            if let Some(count) = bias.as_ref().map(Bias::len).filter(|count| *count != channels) {
                let meant = match kind {
                    LayerKind::Conv(_) => {
                        "; if it is a transposed convolution, which a state_dict does not tell, say so with --graph"
                    }
                    LayerKind::Linear | LayerKind::ConvTranspose(_) => "",
                };
                self.file(name, format!("has {count} biases for {channels} output channels{meant}"));
            }
        }
        if let Some(scale) = weight.scale.iter().find(|scale| !is_scale(**scale)) {
            self.file(name, format!("has a weight scale of {scale}, expected a positive number"));
        }
        let Some(window) = window else { return };
        let positive = [("stride", &window.stride), ("dilation", &window.dilation)];
        for (what, sizes) in positive {
            if sizes.as_ref().is_some_and(|sizes| sizes.contains(&0)) {
                self.file(name, format!("has a {what} of 0"));
            }
        }
        let all = [
            ("stride", &window.stride),
            ("padding", &window.padding),
            ("padding_end", &window.padding_end),
            ("dilation", &window.dilation),
            ("output_padding", &window.output_padding),
        ];
        for (what, sizes) in all {
            if let Some(count) = sizes.as_ref().map(Vec::len).filter(|&count| count != axes) {
                self.file(name, format!("has {count} numbers for its {what}, expected {axes}"));
            }
        }
        match groups {
            Some(0) => self.file(name, "has 0 groups".into()),
            Some(groups) if !shape[0].is_multiple_of(groups) => {
                self.file(name, format!("has {} channels in {groups} groups", shape[0]));
            }
            _ => {}
        }
    }

    /// Inputs and outputs are edges of the network.
    fn ends(&mut self) {
        let count = self.network.edges.len();
        let ids = self.network.inputs.iter().chain(&self.network.outputs).copied();
        for id in ids.filter(|id| id.0 >= count).collect::<Vec<_>>() {
            self.ours("", format!("has edge {} for an input or output, which is not there", id.0));
        }
    }
}

fn is_scale(scale: f64) -> bool {
    scale.is_finite() && scale > 0.0
}

fn holds(code_type: CodeType, code: i32) -> bool {
    let (min, max) = code_type.range();
    (min..=max).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> IntNetwork {
        let activation = Activation { scale: 0.5, zero_point: 3, code_type: CodeType::U8 };
        let edge = |name: &str, activation: Option<Activation>| Edge {
            name: name.into(),
            activation,
            range: activation.map(|_| Range { min: 0, max: 255 }),
        };
        let node = |name: &str, op: Op, input: usize| Node {
            name: name.into(),
            op,
            inputs: vec![EdgeId(input)],
            outputs: vec![EdgeId(input + 1)],
        };
        IntNetwork {
            edges: vec![
                edge("x", None),
                edge("quantize", Some(activation)),
                edge("relu", Some(activation)),
                edge("dequantize", None),
            ],
            inputs: vec![EdgeId(0)],
            outputs: vec![EdgeId(3)],
            nodes: vec![
                node("quantize", Op::Quantize, 0),
                node("relu", Op::Relu, 1),
                node("dequantize", Op::Dequantize, 2),
            ],
            ..IntNetwork::default()
        }
    }

    #[test]
    fn a_sound_network_is_sound() {
        network().verify().unwrap();
    }

    type Damage = fn(&mut IntNetwork);

    #[test]
    fn each_violation_names_its_node_and_whose_fault_it_is() {
        const OURS: &str = "fault of gen_params";
        let damages: [(&str, &str, bool, Damage); 11] = [
            ("zero scale", "relu: has a scale of 0,", false, |n| {
                n.edges[2].activation.as_mut().unwrap().scale = 0.0;
            }),
            ("infinite scale", "relu: has a scale of inf,", false, |n| {
                n.edges[2].activation.as_mut().unwrap().scale = f64::INFINITY;
            }),
            ("zero point", "relu: has a zero point of 256, which is no uint8", false, |n| {
                n.edges[2].activation.as_mut().unwrap().zero_point = 256;
            }),
            ("empty range", "relu: can take no code: its limits are 9 and 8", false, |n| {
                n.edges[2].range = Some(Range { min: 9, max: 8 });
            }),
            ("wide range", "relu: takes codes 0..=256, which are no uint8", true, |n| {
                n.edges[2].range = Some(Range { min: 0, max: 256 });
            }),
            ("range of reals", "dequantize: has a range of codes and no scale", true, |n| {
                n.edges[3].range = Some(Range { min: 0, max: 1 });
            }),
            ("two producers", "dequantize: makes edge 2, which something else makes, too", true, |n| {
                n.nodes[2].outputs = vec![EdgeId(2)];
            }),
            ("no producer", "relu: takes edge 3, which nothing before it makes", true, |n| {
                n.nodes[1].inputs = vec![EdgeId(3)];
            }),
            ("two names", "relu: is the name of two nodes", true, |n| n.nodes[2].name = "relu".into()),
            ("codes out of dequantize", "dequantize: dequantizes and gives codes", true, |n| {
                n.edges[3].activation = n.edges[2].activation;
            }),
            ("an output that is not there", "gives edge 7, which nothing makes", true, |n| {
                n.outputs = vec![EdgeId(7)];
            }),
        ];
        let mut failures = Vec::new();
        for (name, expected, is_ours, damage) in damages {
            let mut network = network();
            damage(&mut network);
            match network.verify() {
                Ok(()) => failures.push(format!("{name}: accepted")),
                Err(error) => {
                    let text = error.to_string();
                    if !text.contains(expected) || text.contains(OURS) != is_ours {
                        failures.push(format!("{name}: {text}"));
                    }
                }
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
