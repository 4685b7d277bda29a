//! Networks whose activations are real numbers: called what they are, with the lines of Python that quantize them.

use gen_params_formats::{Argument, Callee, Form, Graph, Node, SourceModel, recipe};

use gen_params_core::error::LowerError;

/// The refusal of a network that was refused already, if all of its reasons have this one cause.
pub(super) fn cause(source: &SourceModel) -> Option<LowerError> {
    let graph = source.graph.as_ref()?;
    // Observers wait for `convert`.
    let is_observer = |path: &String| {
        path.rsplit('.').next().is_some_and(|name| name.starts_with("activation_post_process"))
    };
    if source.modules.keys().any(is_observer) {
        return None;
    }
    let quantized_modules = source.modules.values().any(|module| {
        module.attributes.values().any(|value| match value {
            gen_params_formats::Value::Tensor(tensor) => tensor.dtype().is_quantized(),
            gen_params_formats::Value::Packed(_) => true,
            _ => false,
        })
    });
    let mut kinds: Vec<Operator> = graph.nodes.iter().map(|node| Operator::of(graph, node)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let text = match source.form {
        Form::Tflite => {
            // S and Z stand with the tensors.
            let has_scale = |constant: bool| {
                graph.facts.values().any(|facts| {
                    facts.constant.is_some() == constant
                        && facts.quantization.as_ref().is_some_and(|q| !q.scale.is_empty())
                })
            };
            match (has_scale(false), has_scale(true)) {
                (true, _) => return None,
                (false, true) => DYNAMIC.to_owned(),
                (false, false) => {
                    format!("is a float model: none of its {} tensors is quantized", graph.facts.len())
                }
            }
        }
        Form::Onnx | Form::ExportedProgram | Form::TorchScript | Form::GraphModule => match kinds.last()? {
            Operator::Float if quantized_modules => return None,
            Operator::Float => "is a float model: nothing in it is quantized".to_owned(),
            Operator::OfConstant => "has its weights quantized alone: its activations are float".to_owned(),
            Operator::Dynamic => DYNAMIC.to_owned(),
            Operator::Static => return None,
        },
        Form::StateDict | Form::Module => return None,
    };
    let hint = match source.form {
        Form::Tflite => recipe::TFLITE,
        Form::Onnx => {
            let name = graph.inputs.first().map_or("input", |(_, name)| name.as_str());
            return Some(LowerError::new(text).hint(recipe::ONNX.replace("NAME OF INPUT", name)));
        }
        Form::ExportedProgram | Form::TorchScript | Form::GraphModule | Form::StateDict | Form::Module => {
            recipe::TORCH
        }
    };
    Some(LowerError::new(text).hint(hint))
}

const DYNAMIC: &str =
    "is dynamic quantization, whose activations are float and are quantized anew for each input";

/// What an operator says of the network that it stands in; a later one outweighs those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operator {
    /// Computes on real numbers.
    Float,
    /// Gives a constant's codes their real values.
    OfConstant,
    /// Takes the scale of its input from the input.
    Dynamic,
    /// Has a scale of its own.
    Static,
}

impl Operator {
    fn of(graph: &Graph, node: &Node) -> Self {
        let name = match &node.callee {
            Callee::Function(name) | Callee::Method(name) | Callee::Module(name) => name.to_lowercase(),
        };
        let of_constant = match node.arguments.first() {
            Some(Argument::Constant(..)) => true,
            Some(Argument::Value(id)) => graph.facts.get(id).is_some_and(|facts| facts.constant.is_some()),
            Some(Argument::List(_)) | None => false,
        };
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        match () {
            () if has(&["dynamic", "integer", "choose_qparams"]) => Self::Dynamic,
            () if has(&["dequantize"]) && of_constant => Self::OfConstant,
            () if has(&["quant", "qlinear", "qgemm", "qattention"]) => Self::Static,
            () => Self::Float,
        }
    }
}
