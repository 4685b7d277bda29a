//! How ONNX Runtime 1.32 fuses each operator of a graph on an x86-64.
//!
//! It fuses what stands between DequantizeLinear and QuantizeLinear where the types of codes allow it, and computes the rest
//! on floats. Before, it gives every reader of a DequantizeLinear one of its own, and makes signed codes unsigned where they
//! go from a QuantizeLinear to a single DequantizeLinear; convolutions have no kernels for what stays signed. The rules are
//! read from its source (`core/optimizer/qdq_transformer`) and confirmed on the graphs that it writes.

use std::collections::HashMap;

use gen_params_formats::{Argument, Callee, Graph, Node, Value, ValueId};

use super::numbers::{Data, Element, Numbers};
use gen_params_core::ops::{Fusion, Unfused};

/// The codes on one side of an operator, as the engine has them when it looks for what to fuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Codes {
    element: Element,
    /// Signed in the file, unsigned in the engine.
    made_unsigned: bool,
}

impl Codes {
    fn is_signed(self) -> bool {
        self.element.signed && !self.made_unsigned
    }

    /// The same element type in the engine.
    fn is_same(self, other: Self) -> bool {
        self.is_signed() == other.is_signed() && self.element.bits == other.element.bits
    }
}

/// Who makes and who reads the values of a graph.
pub(super) struct Surroundings<'a> {
    graph: &'a Graph,
    producers: HashMap<ValueId, &'a Node>,
    /// Each reading: a node that reads a value twice is there twice.
    readers: HashMap<ValueId, Vec<&'a Node>>,
}

fn operator(node: &Node) -> &str {
    match &node.callee {
        Callee::Function(name) | Callee::Method(name) | Callee::Module(name) => name.as_str(),
    }
}

fn dequantizes(node: &Node) -> bool {
    matches!(operator(node), "DequantizeLinear" | "com.microsoft.DequantizeLinear")
}

fn quantizes(node: &Node) -> bool {
    matches!(operator(node), "QuantizeLinear" | "com.microsoft.QuantizeLinear")
}

/// Operators through which the engine moves a DequantizeLinear down or a QuantizeLinear up.
fn lets_codes_through(node: &Node) -> bool {
    matches!(operator(node), "MaxPool" | "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" | "Slice")
}

fn argument(node: &Node, position: usize) -> Option<ValueId> {
    match node.arguments.get(position) {
        Some(Argument::Value(id)) => Some(*id),
        _ => None,
    }
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let mut producers = HashMap::new();
        let mut readers: HashMap<ValueId, Vec<&Node>> = HashMap::new();
        for node in &graph.nodes {
            for &output in &node.outputs {
                producers.insert(output, node);
            }
            for argument in &node.arguments {
                if let Argument::Value(id) = argument {
                    readers.entry(*id).or_default().push(node);
                }
            }
        }
        Self { graph, producers, readers }
    }

    /// How the engine fuses a node.
    pub(super) fn of(&self, node: &Node) -> Fusion {
        // QONNX's quantizers are none that the engine has.
        if !self.graph.nodes.iter().any(dequantizes) {
            return Fusion::Codes;
        }
        match operator(node) {
            "Conv" => self.layer(node, true),
            "Gemm" => self.layer(node, false),
            "MatMul" => self.product(node),
            "Add" | "Mul" => self.fused(node, true),
            "AveragePool" => self.fused(node, true),
            "GlobalAveragePool" | "Softmax" | "Sigmoid" | "LeakyRelu" | "Concat" => self.fused(node, false),
            "com.microsoft.FusedConv"
            | "com.microsoft.FusedGemm"
            | "ConvTranspose"
            | "Sub"
            | "Div"
            | "Tanh"
            | "HardSigmoid"
            | "HardSwish"
            | "Elu"
            | "Gelu"
            | "ReduceMean" => Fusion::Floats(Unfused::Kernel),
            "QuantizeLinear" if self.is_merged(node) => Fusion::Floats(Unfused::Merged),
            _ => Fusion::Codes,
        }
    }

    /// Whether the engine makes one pair of two that stand one behind the other, under the scale of what both can hold.
    fn is_merged(&self, quantize: &Node) -> bool {
        let before = |id: ValueId| {
            let mut node = *self.producers.get(&id)?;
            while matches!(operator(node), "Identity" | "Dropout") {
                node = *self.producers.get(&argument(node, 0)?)?;
            }
            Some(node)
        };
        let alone = |node: &Node| node.outputs.first().is_some_and(|&id| self.only_reader(id).is_some());
        let numbers = |node: &Node| argument(node, 2).is_some();
        let behind = quantize.outputs.first().and_then(|&id| self.only_reader(id));
        let Some(dequantize) = argument(quantize, 0).and_then(before).filter(|node| dequantizes(node)) else {
            return false;
        };
        let Some(first) = argument(dequantize, 0).and_then(before).filter(|node| quantizes(node)) else {
            return false;
        };
        let Some(last) = behind.filter(|node| dequantizes(node)) else { return false };
        alone(first)
            && alone(dequantize)
            && [first, dequantize, quantize, last].into_iter().all(numbers)
            && self.element(first) == self.element(quantize)
    }

    fn is_returned(&self, id: ValueId) -> bool {
        self.graph.outputs.iter().any(|output| matches!(output, Argument::Value(returned) if *returned == id))
    }

    fn readers(&self, id: ValueId) -> &[&'a Node] {
        self.readers.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    fn numbers(&self, id: ValueId) -> Option<Numbers> {
        Numbers::of_facts(self.graph.facts.get(&id)?)
    }

    /// The type of the codes of a QuantizeLinear or DequantizeLinear.
    fn element(&self, node: &Node) -> Option<Element> {
        let of = |id: ValueId| Element::of_name(&self.graph.facts.get(&id)?.element_type);
        if let Some(zero_point) = argument(node, 2) {
            return of(zero_point);
        }
        if dequantizes(node) {
            let codes = argument(node, 0)?;
            let made = self.producers.get(&codes).filter(|node| quantizes(node));
            return made.and_then(|node| self.element(node)).or_else(|| of(codes)).or(Some(Element::UINT8));
        }
        let declared = node.keywords.iter().find_map(|(name, argument)| match argument {
            Argument::Constant(Value::Int(number), _) if name == "output_dtype" => Some(*number),
            _ => None,
        });
        declared.map_or(Some(Element::UINT8), Element::of_number)
    }

    /// Whether signed codes go from a QuantizeLinear to a single reader behind a DequantizeLinear, both with zero points.
    fn is_made_unsigned(&self, quantize: &Node) -> bool {
        let Some(&codes) = quantize.outputs.first() else { return false };
        let [dequantize] = self.readers(codes) else { return false };
        let (Some(_), Some(_), Some(&reals)) =
            (argument(quantize, 2), argument(dequantize, 2), dequantize.outputs.first())
        else {
            return false;
        };
        let copies = self.readers(reals).len() + usize::from(self.is_returned(reals));
        !self.is_returned(codes) && dequantizes(dequantize) && copies == 1
    }

    /// The codes that a real value stands for where an operator reads it.
    fn read(&self, reals: ValueId) -> Option<Codes> {
        let node = self.producers.get(&reals)?;
        if dequantizes(node) {
            let element = self.element(node)?;
            let codes = argument(node, 0)?;
            let quantize = self.producers.get(&codes).filter(|node| quantizes(node));
            let made_unsigned = element.signed && quantize.is_some_and(|node| self.is_made_unsigned(node));
            return Some(Codes { element, made_unsigned });
        }
        if !lets_codes_through(node) {
            return None;
        }
        // The engine writes a QuantizeLinear behind such an operator, and a DequantizeLinear for each of its readers.
        let before = self.read(argument(node, 0)?)?;
        let alone = self.readers(reals).len() + usize::from(self.is_returned(reals)) == 1;
        Some(Codes { made_unsigned: before.element.signed && alone, ..before })
    }

    /// The codes that the result of an operator becomes; `None` where it has other readers or none that quantizes.
    /// An activation that leaves every code as it is stands in nobody's way.
    fn given(&self, result: ValueId) -> Option<Codes> {
        let next = self.only_reader(result)?;
        let next = match operator(next) {
            "Relu" | "Clip" => {
                let behind = self.only_reader(*next.outputs.first()?)?;
                if !quantizes(behind) || !self.is_without_effect(next, behind) {
                    return None;
                }
                behind
            }
            _ => next,
        };
        if quantizes(next) {
            let element = self.element(next)?;
            return Some(Codes { element, made_unsigned: element.signed && self.is_made_unsigned(next) });
        }
        // The engine writes a QuantizeLinear and a DequantizeLinear before such operators.
        let mut next = next;
        while lets_codes_through(next) {
            next = self.only_reader(*next.outputs.first()?)?;
            if quantizes(next) {
                let element = self.element(next)?;
                return Some(Codes { element, made_unsigned: element.signed && argument(next, 2).is_some() });
            }
        }
        None
    }

    fn only_reader(&self, id: ValueId) -> Option<&'a Node> {
        match self.readers(id) {
            [node] if !self.is_returned(id) => Some(node),
            _ => None,
        }
    }

    /// Whether codes have no numbers outside of an activation's limits.
    fn is_without_effect(&self, activation: &Node, quantize: &Node) -> bool {
        let number = |node: &Node, position: usize| -> Option<f64> {
            let numbers = self.numbers(argument(node, position)?)?;
            match &numbers.data {
                Data::Reals(reals) => reals.first().map(|&x| f64::from(x)),
                #[allow(clippy::cast_precision_loss, reason = "zero points are small")]
                Data::Integers(integers) => integers.first().map(|&x| x as f64),
                Data::Sizes(_) => None,
            }
        };
        let Some(element) = self.element(quantize) else { return false };
        let Some(scale) = number(quantize, 1) else { return false };
        let zero_point = number(quantize, 2).unwrap_or(0.0);
        let (low, high) = match (element.signed, element.bits) {
            (false, bits @ 1..=16) => (0.0, f64::from((1u32 << bits) - 1)),
            (true, bits @ 1..=16) => (-f64::from(1u32 << (bits - 1)), f64::from((1u32 << (bits - 1)) - 1)),
            _ => return false,
        };
        let limit = |name: &str, position: usize, open: f64| {
            let attribute = activation.keywords.iter().find_map(|(own, value)| match value {
                Argument::Constant(Value::Float(number), _) if own == name => Some(*number),
                _ => None,
            });
            attribute.or_else(|| number(activation, position)).unwrap_or(open)
        };
        let (min, max) = match operator(activation) {
            "Relu" => (0.0, f64::INFINITY),
            _ => (limit("min", 1, f64::NEG_INFINITY), limit("max", 2, f64::INFINITY)),
        };
        (low - zero_point) * scale >= min && (high - zero_point) * scale <= max
    }

    /// An operator without weights: all of its codes have one type.
    fn fused(&self, node: &Node, depends_on_sign: bool) -> Fusion {
        let result = node.outputs.first().and_then(|&result| self.given(result));
        let inputs: Vec<Option<Codes>> = node
            .arguments
            .iter()
            .filter_map(|argument| match argument {
                Argument::Value(id) => Some(self.read(*id)),
                _ => None,
            })
            .collect();
        let (Some(result), Some(inputs)) = (result, inputs.into_iter().collect::<Option<Vec<Codes>>>())
        else {
            return Fusion::Floats(Unfused::Surroundings);
        };
        if !inputs.iter().all(|input| input.is_same(result)) {
            return Fusion::Floats(if result.element.signed {
                Unfused::SignedCodes
            } else {
                Unfused::Surroundings
            });
        }
        if depends_on_sign && result.made_unsigned { Fusion::Unsigned } else { Fusion::Codes }
    }

    /// A convolution or a matrix product with a bias.
    fn layer(&self, node: &Node, is_convolution: bool) -> Fusion {
        let result = node.outputs.first().and_then(|&result| self.given(result));
        let input = argument(node, 0).and_then(|id| self.read(id));
        let weight = argument(node, 1).and_then(|id| self.read(id));
        let (Some(result), Some(input), Some(weight)) = (result, input, weight) else {
            return Fusion::Floats(Unfused::Surroundings);
        };
        if !input.is_same(result) || (input.is_signed() && (is_convolution || !weight.is_signed())) {
            return Fusion::Floats(if input.element.signed || result.element.signed {
                Unfused::SignedCodes
            } else {
                Unfused::Surroundings
            });
        }
        let Some(bias) = argument(node, 2) else { return Fusion::Codes };
        match self.bias_scale(node, bias) {
            BiasScale::Same => Fusion::Codes,
            BiasScale::None => Fusion::Floats(Unfused::Bias),
            // Of matrix products the engine looks at the type only, of convolutions not closely.
            BiasScale::Far if is_convolution => Fusion::Floats(Unfused::Bias),
            BiasScale::Near | BiasScale::Far => Fusion::Floats(Unfused::ForeignBias),
        }
    }

    /// How near the scale of a bias is to S1*S2. A float bias is given that scale by the engine.
    fn bias_scale(&self, node: &Node, bias: ValueId) -> BiasScale {
        let Some(dequantize) = self.producers.get(&bias).filter(|node| dequantizes(node)) else {
            return if self.numbers(bias).is_some() { BiasScale::Same } else { BiasScale::None };
        };
        let Some(Element { signed: true, bits: 32 }) = self.element(dequantize) else {
            return BiasScale::None;
        };
        let zero = argument(dequantize, 2).is_none_or(|id| {
            self.numbers(id).is_some_and(|n| n.integers().is_some_and(|z| z.iter().all(|&z| z == 0)))
        });
        if !zero {
            return BiasScale::Far;
        }
        let scales = |node: &Node| {
            let numbers = self.numbers(argument(node, 1)?)?;
            numbers.reals().map(<[f32]>::to_vec)
        };
        let source = |position: usize| {
            let mut node = *self.producers.get(&argument(node, position)?)?;
            while lets_codes_through(node) {
                node = *self.producers.get(&argument(node, 0)?)?;
            }
            scales(node)
        };
        let (Some(own), Some(input), Some(weight)) = (scales(dequantize), source(0), source(1)) else {
            return BiasScale::Same;
        };
        let at = |scales: &[f32], channel: usize| {
            scales.get(if scales.len() > 1 { channel } else { 0 }).copied().unwrap_or(f32::NAN)
        };
        let channels = own.len().max(weight.len());
        let all = |nearness: &dyn Fn(f32) -> f32| {
            (0..channels).all(|channel| {
                let expected = at(&input, 0) * at(&weight, channel);
                (at(&own, channel) - expected).abs() <= nearness(expected)
            })
        };
        if all(&|expected| expected * SAME_SCALE) {
            BiasScale::Same
        } else if all(&|expected| expected * NEAR_SCALE + NEAR) {
            BiasScale::Near
        } else {
            BiasScale::Far
        }
    }

    /// A matrix product: with a known sum behind it, the engine makes a layer with a bias of it.
    fn product(&self, node: &Node) -> Fusion {
        let behind = node.outputs.first().and_then(|&result| self.only_reader(result));
        let added = behind.filter(|next| operator(next) == "Add").and_then(|next| {
            let known = next.arguments.iter().any(|argument| match argument {
                Argument::Value(id) => self.numbers(*id).is_some(),
                _ => false,
            });
            next.outputs.first().copied().filter(|_| known)
        });
        let result = added.or_else(|| node.outputs.first().copied()).and_then(|result| self.given(result));
        let operands = [0, 1].map(|position| argument(node, position).and_then(|id| self.read(id)));
        let (Some(result), [Some(a), Some(b)]) = (result, operands) else {
            return Fusion::Floats(Unfused::Surroundings);
        };
        let allowed = !a.is_signed() || (added.is_some() && b.is_signed());
        if a.is_same(result) && allowed {
            Fusion::Codes
        } else if a.element.signed || result.element.signed {
            Fusion::Floats(Unfused::SignedCodes)
        } else {
            Fusion::Floats(Unfused::Surroundings)
        }
    }
}

/// The scale of a bias beside S1*S2.
enum BiasScale {
    /// But for a few roundings of float32.
    Same,
    /// So near that the engine takes it for the same.
    Near,
    /// Further away, or with a zero point.
    Far,
    /// There are no int32 codes.
    None,
}

/// Relative distance within which scales are the same: a few roundings of float32.
const SAME_SCALE: f32 = 1e-6;

/// Relative distance, and the absolute one beside it, within which the engine takes a convolution's bias for one of scale
/// S1*S2: found by trying.
const NEAR_SCALE: f32 = 0.01;
const NEAR: f32 = 1e-6;
