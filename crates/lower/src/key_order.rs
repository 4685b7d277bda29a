//! Wiring guessed from the order of modules: a chain, or nothing.
//!
//! The order of keys is the order of registration in `__init__`, which for plain networks is the order of execution. It
//! knows nothing of branches, so wherever the keys show one (a quant stub that is not first, a functional add, a module
//! that may be an activation with a scale of its own, channels that do not fit) nothing is guessed.

use gen_params_formats::{Form, SourceModel, Tensor};

use super::builder::Builder;
use super::parts::{Part, Parts, join, sequence};
use super::{Options, has_classes};
use gen_params_core::error::{LowerError, Reason, Result};
use gen_params_core::network::{EdgeId, IntNetwork};
use gen_params_core::ops::{Layer, Op, Shape};
use gen_params_core::parameters::{Activation, LayerKind, Wiring};

/// A module outside `nn.Sequential` is registered anywhere, and applied wherever `forward` says, as often as it says.
/// What leaves S and Z as they are is left out, as it is in a state_dict, which does not name it; what changes them stays:
/// without it nothing behind it would have an input.
fn leave_out(source: &SourceModel, parts: &mut Parts, warnings: &mut Vec<String>) {
    let mut left: Vec<String> = Vec::new();
    parts.retain(|path, part| {
        let keeps_scale = matches!(
            part,
            Part::Op {
                op: Op::Relu
                    | Op::Clamp { .. }
                    | Op::MaxPool(_)
                    | Op::AveragePool(_)
                    | Op::AdaptiveAveragePool { .. }
                    | Op::Shape(_),
                ..
            }
        );
        let has_place = sequence::is_sequential_child(source, path);
        if keeps_scale && !has_place {
            left.push(path.clone());
        }
        !keeps_scale || has_place
    });
    if !left.is_empty() {
        warnings.push(format!(
            "where {} stand among the layers is said by forward(), which is not in the file: left out of the guess",
            left.join(", ")
        ));
    }
}

/// Lowers modules to a chain in their order.
pub(super) fn lower(
    source: &SourceModel,
    mut parts: Parts,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<IntNetwork> {
    pair_fx_observers(source, &mut parts);
    pair_fx_functionals(&mut parts);
    let obstacles = obstacles(source, &parts);
    if !obstacles.is_empty() {
        return Err(LowerError { reasons: obstacles, hint: Some(hint(source.form)) }.because(
            "the file does not hold the topology, and the order of its keys must not be taken for it",
        ));
    }
    let sequential = source.form != Form::StateDict && is_sequential(source);
    let wiring = if sequential { Wiring::File } else { Wiring::KeyOrder };
    if wiring == Wiring::KeyOrder && source.form == Form::Module {
        leave_out(source, &mut parts, warnings);
    }
    let dequantize =
        parts.iter().find(|(_, p)| matches!(p, Part::Op { op: Op::Dequantize, .. })).map(|(k, _)| k.clone());
    let mut chain = Chain { builder: Builder::new(source, wiring, options), edge: None, channels: None };
    for (path, part) in parts {
        match part {
            Part::Bare { activation, looks_like_stub: true } => chain.quantize(&path, activation)?,
            Part::Op { op: Op::Quantize, activation: Some(activation) } => {
                chain.quantize(&path, activation)?
            }
            // Registered beside the quant stub as a rule, executed at the end.
            Part::Op { op: Op::Dequantize, .. } => {}
            Part::Op { op: Op::Layer(layer), activation } => {
                chain.layer(&path, layer, activation, source.form)?
            }
            Part::Op { op, activation } => chain.op(&path, op, activation)?,
            Part::Bare { .. } => warnings.push(format!(
                "{path} has scale 1 and zero point 0: taken for a functional that is never executed"
            )),
            Part::Observer(_) | Part::Nothing | Part::Float | Part::Unknown(_) | Part::Unspecified => {}
        }
    }
    if let Some(path) = dequantize {
        chain.op(&path, Op::Dequantize, None)?;
    }
    let Chain { builder, edge, .. } = chain;
    let network = builder.finish(edge.into_iter().collect());
    if wiring == Wiring::KeyOrder {
        let names: Vec<&str> = network.nodes.iter().map(|node| node.name.as_str()).collect();
        warnings.push(format!(
            "the file does not say which layer feeds which: the order of its keys was taken for the order of execution \
             (wiring \"key-order\" in the manifest): {}; if that is wrong, give it with --graph",
            names.join(" -> ")
        ));
    }
    Ok(network)
}

fn hint(form: Form) -> String {
    let module = if form == Form::StateDict {
        "save TorchScript (torch.jit.script(model).save(..))"
    } else {
        "save TorchScript"
    };
    format!(
        "{module}, which holds it; or write the topology: gen_params graph MODEL > net.toml, edit, --graph net.toml"
    )
}

/// Everything that shows that the order of keys is not the order of execution, or is not enough.
fn obstacles(source: &SourceModel, parts: &Parts) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut reason =
        |place: &str, text: &str| reasons.push(Reason { place: place.into(), text: text.into() });
    let is_stub = |part: &Part| {
        matches!(part, Part::Bare { looks_like_stub: true, .. } | Part::Op { op: Op::Quantize, .. })
    };
    let is_layer = |part: &Part| matches!(part, Part::Op { op: Op::Layer(_), .. });
    let first_layer = parts.values().position(is_layer);
    let stubs: Vec<(usize, &String)> =
        parts.iter().enumerate().filter(|(_, (_, p))| is_stub(p)).map(|(i, (path, _))| (i, path)).collect();
    match (stubs.as_slice(), first_layer) {
        ([], _) => {
            reason("", "no quant stub: the scale and zero point of the network's input are not in the file")
        }
        ([(at, path)], Some(first)) if *at > first => {
            reason(
                path,
                "is the quant stub of the input and stands after the first layer: keys are not in execution order",
            );
        }
        ([_], _) => {}
        ([.., (_, path)], _) => {
            reason(path, "is one quant stub of several: the network has more than one quantized part")
        }
    }
    for (path, part) in parts {
        match part {
            Part::Bare { activation, looks_like_stub: false }
                if !(activation.scale == 1.0 && activation.zero_point == 0) =>
            {
                reason(
                    path,
                    "has a scale and zero point and no weight: an add, a concat or an activation, whose inputs the keys \
                     do not tell",
                );
            }
            Part::Float => reason(path, "has float weights: part of the network runs in float"),
            Part::Unknown(class) => reason(path, &format!("is a {class}, which is not supported")),
            Part::Observer(_) => reason(path, "is an observer that no key ties to a layer"),
            Part::Unspecified if !has_classes(source.form) && may_requantize(path) => reason(
                path,
                "has no keys, and its name suggests an activation whose output has a scale of its own",
            ),
            Part::Op { op: Op::Layer(_), activation: None } => {
                reason(path, "has no output scale of its own: it is not known which one belongs to it");
            }
            Part::Op { .. } | Part::Bare { .. } | Part::Nothing | Part::Unspecified => {}
        }
    }
    reasons
}

/// Names that people give to activations which change the scale without leaving a key.
fn may_requantize(path: &str) -> bool {
    let own = path.rsplit('.').next().unwrap_or(path).to_ascii_lowercase();
    let own = own.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    if own.contains("hardtanh") {
        return false;
    }
    ["sigmoid", "tanh", "swish", "silu", "softmax", "leaky", "gelu", "mish"].iter().any(|n| own.contains(n))
        || ["sig", "hs", "elu", "celu", "selu"].contains(&own)
}

/// True if the root and every container below it is an `nn.Sequential`: then order *is* execution order.
fn is_sequential(source: &SourceModel) -> bool {
    let container = |path: &str| {
        let prefix = join(path, "");
        source
            .modules
            .keys()
            .any(|k| !k.is_empty() && k != path && (path.is_empty() || k.starts_with(&prefix)))
    };
    let inside_layer = |path: &str| path.split('.').any(|p| p == "_packed_params");
    source.modules.iter().all(|(path, module)| {
        let class = module.class_name().unwrap_or_default();
        class == "Sequential"
            || (module.class.as_deref().is_some_and(|c| c.starts_with("torch."))
                && (inside_layer(path) || class != "Module"))
            || !container(path)
    }) && source.modules.get("").is_some_and(|root| root.class_name() == Some("Sequential"))
}

/// FX inserts one observer per value and numbers them in graph order; values that share an observer share its tensors.
/// If there is one observer for the input and one for each layer, they belong together in this order.
fn pair_fx_observers(source: &SourceModel, parts: &mut Parts) {
    let mut observers: Vec<(String, Activation, Option<&Tensor>)> = Vec::new();
    for (path, part) in parts.iter() {
        if let Part::Observer(activation) = part {
            let inner = source.modules.get(&join(path, "activation_post_process"));
            let tensor = inner.or_else(|| source.modules.get(path)).and_then(|m| m.tensor("min_val"));
            let seen = observers.iter().any(|(_, _, t)| match (t, tensor) {
                (Some(a), Some(b)) => a.same_memory(b),
                _ => false,
            });
            if !seen {
                observers.push((path.clone(), *activation, tensor));
            }
        }
    }
    let layers: Vec<usize> = parts
        .values()
        .enumerate()
        .filter(|(_, p)| matches!(p, Part::Op { op: Op::Layer(_), activation: None }))
        .map(|(i, _)| i)
        .collect();
    if observers.is_empty() || observers.len() != layers.len() + 1 {
        return;
    }
    let activations: Vec<Activation> = observers.iter().map(|o| o.1).collect();
    for (&index, &output) in layers.iter().zip(&activations[1..]) {
        if let Some((_, Part::Op { activation, .. })) = parts.get_index_mut(index) {
            *activation = Some(output);
        }
    }
    let input = observers[0].0.clone();
    parts.retain(|_, part| !matches!(part, Part::Observer(_)));
    parts.shift_insert(0, input, Part::Op { op: Op::Quantize, activation: Some(activations[0]) });
}

/// FX keeps functional layers as `_packed_weight_N` and their outputs as `_scale_M`: in graph order both.
fn pair_fx_functionals(parts: &mut Parts) {
    let unpaired = |p: &Part| matches!(p, Part::Op { op: Op::Layer(_), activation: None });
    let bare = |p: &Part| matches!(p, Part::Bare { looks_like_stub: false, .. });
    let count = parts.values().filter(|p| unpaired(p)).count();
    if count == 0
        || parts.values().filter(|p| bare(p)).count() != count
        || parts.values().any(|p| matches!(p, Part::Op { op: Op::Layer(_), activation: Some(_) }))
    {
        return;
    }
    let outputs: Vec<Activation> = parts
        .values()
        .filter_map(|p| match p {
            Part::Bare { activation, looks_like_stub: false } => Some(*activation),
            _ => None,
        })
        .collect();
    parts.retain(|_, p| !bare(p));
    let mut outputs = outputs.into_iter();
    for part in parts.values_mut() {
        if let Part::Op { op: Op::Layer(_), activation: slot @ None } = part {
            *slot = outputs.next();
        }
    }
}

struct Chain {
    builder: Builder,
    /// The result of the last node.
    edge: Option<EdgeId>,
    /// Channels (convolutions) or features (linear layers) of `edge`, where known.
    channels: Option<(usize, LayerKind)>,
}

impl Chain {
    fn current(&mut self) -> EdgeId {
        match self.edge {
            Some(edge) => edge,
            None => {
                let edge = self.builder.input("input", None);
                self.edge = Some(edge);
                edge
            }
        }
    }

    fn quantize(&mut self, path: &str, activation: Activation) -> Result<()> {
        // FX names the stub after the layer it feeds: `stem_0_input`.
        let name = if path.contains("_input_") || path.starts_with("activation_post_process") {
            "quant"
        } else {
            path
        };
        self.op(name, Op::Quantize, Some(activation))
    }

    fn op(&mut self, path: &str, op: Op, activation: Option<Activation>) -> Result<()> {
        let input = self.current();
        self.edge = self.builder.node(path, op, &[input], activation)?.first().copied();
        Ok(())
    }

    fn layer(
        &mut self,
        path: &str,
        mut layer: Layer,
        activation: Option<Activation>,
        form: Form,
    ) -> Result<()> {
        let shape = layer.weight.shape.clone();
        let refuse = |text: String| {
            Err(LowerError::at(path, text)
                .hint(hint(form))
                .because("the file does not hold the topology, and the order of its keys does not fit"))
        };
        let mut out = shape[0];
        match (self.channels, layer.kind) {
            (Some((channels, before)), LayerKind::Linear) => {
                let features = shape.get(1).copied().unwrap_or_default();
                let fits =
                    if before == LayerKind::Linear { features == channels } else { features % channels == 0 };
                if !fits {
                    return refuse(format!(
                        "takes {features} features, and the layer before it in the keys gives {channels} channels"
                    ));
                }
                if before != LayerKind::Linear {
                    self.op(
                        &format!("{path}.flatten"),
                        Op::Shape(Shape::Flatten { start: 1, end: -1 }),
                        None,
                    )?;
                }
            }
            (Some((channels, _)), LayerKind::Conv(_)) => {
                let per_group = shape.get(1).copied().unwrap_or_default().max(1);
                let groups = channels / per_group;
                if channels % per_group != 0 || groups == 0 || !out.is_multiple_of(groups) {
                    return refuse(format!(
                        "takes {per_group} channels per group, and the layer before it in the keys gives {channels}"
                    ));
                }
                let window = layer.window.get_or_insert_default();
                match window.groups {
                    None => window.groups = u32::try_from(groups).ok(),
                    Some(stored) if usize::try_from(stored).ok() != Some(groups) => {
                        return refuse(format!(
                            "takes {} channels, and the layer before it in the keys gives {channels}",
                            per_group * stored as usize
                        ));
                    }
                    Some(_) => {}
                }
            }
            (None, LayerKind::Conv(_)) => {
                // One output channel leaves only one group.
                let window = layer.window.get_or_insert_default();
                if out == 1 && window.groups.is_none() {
                    window.groups = Some(1);
                }
            }
            (before, LayerKind::ConvTranspose(_)) => {
                if before.is_some_and(|(channels, _)| channels != shape[0]) {
                    return refuse(format!(
                        "takes {} channels, which the layer before it does not give",
                        shape[0]
                    ));
                }
                let groups = layer.window.as_ref().and_then(|w| w.groups).unwrap_or(1);
                out = shape.get(1).copied().unwrap_or_default() * groups as usize;
            }
            (None, LayerKind::Linear) => {}
        }
        self.channels = Some((out.max(1), layer.kind));
        self.op(path, Op::Layer(layer), activation)
    }
}
