//! Lowering: what a file says, made into an [`IntNetwork`] that means something.
//!
//! In order, each in a file of its own:
//! 1. `parts`: recognise modules by their class or, in a state_dict, by their attributes;
//! 2. `prepared`: give fake-quantized layers the integers that `torch.ao`'s convert would give;
//! 3. wiring, who feeds whom: `calls` from the file's own topology, `graph_file` from the user's `--graph`,
//!    `key_order` by a guess that is named as one;
//!    `onnx`, `tflite` and `export` are the same for the graphs of those files; `qdq` makes integers of float graphs with
//!    Quantize and Dequantize nodes, whichever file they are from;
//! 4. `builder`: edges with scale, zero point and reachable codes, by the rule of each operation;
//! 5. [`IntNetwork::verify`]: what every network must be, whoever made it.
//!
//! `arguments` reads the arguments of PyTorch's operators by the names and defaults of `signatures`, and refuses what
//! nobody read.

#![forbid(unsafe_code)]

mod arguments;

mod budget;
mod builder;
mod calls;
mod export;
pub mod graph_file;
mod key_order;
mod onnx;
mod parts;
mod prepared;
mod qdq;
mod signatures;
mod tflite;
mod unquantized;

use std::collections::BTreeMap;

use gen_params_formats::{Form, SourceModel};

use gen_params_core::contract::Contract;
use gen_params_core::error::Result;
use gen_params_core::network::{EdgeId, IntNetwork, Node};
use gen_params_core::ops::Op;
use gen_params_core::parameters::Wiring;
use graph_file::GraphFile;

/// A PyTorch quantized engine: it decides the activation range of a prepared checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// FBGEMM: 7-bit activations, 0..=127 (`reduce_range`).
    Fbgemm,
    /// QNNPACK: 8-bit activations, 0..=255.
    Qnnpack,
    /// oneDNN: 8-bit activations, 0..=255.
    Onednn,
    /// x86 (FBGEMM and oneDNN): 7-bit activations, 0..=127 (`reduce_range`).
    X86,
}

impl Engine {
    /// All engines, for messages.
    pub const ALL: [Self; 4] = [Self::Fbgemm, Self::Qnnpack, Self::Onednn, Self::X86];

    /// PyTorch's name.
    pub fn name(self) -> &'static str {
        self.contract().name()
    }

    /// Its arithmetic.
    pub fn contract(self) -> Contract {
        match self {
            Self::Fbgemm => Contract::Fbgemm,
            Self::Qnnpack => Contract::Qnnpack,
            Self::Onednn => Contract::Onednn,
            Self::X86 => Contract::X86,
        }
    }

    /// Largest activation code of the engine's default QAT configuration; the smallest is 0.
    pub fn largest_activation(self) -> i32 {
        match self {
            Self::Fbgemm | Self::X86 => 127,
            Self::Qnnpack | Self::Onednn => 255,
        }
    }
}

/// What the user says beside the file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The engine that a prepared checkpoint was trained for.
    pub engine: Option<Engine>,
    /// The topology.
    pub graph: Option<GraphFile>,
    /// Batch norm's epsilon, where a prepared state_dict does not hold it.
    pub batch_norm_epsilon: Option<f64>,
}

/// Lowers a file to an integer network.
///
/// # Errors
/// Every reason why the file cannot become one: float, dynamic or uncalibrated networks, unsupported nodes (all of
/// them), a wiring that the file does not hold and that must not be guessed.
pub fn lower(source: &SourceModel, options: &Options) -> Result<IntNetwork> {
    let refused = |error| unquantized::cause(source).unwrap_or(error);
    wired(source, options).map_err(refused)
}

fn wired(source: &SourceModel, options: &Options) -> Result<IntNetwork> {
    let source = &*prepared::modern(source);
    let mut warnings = Vec::new();
    let network = if let (Some(graph), None) = (&source.graph, &options.graph) {
        match source.form {
            Form::Onnx => onnx::lower(source, graph, options)?,
            Form::ExportedProgram => export::lower(source, graph, options)?,
            Form::Tflite => tflite::lower(source, graph, options)?,
            _ => calls::lower(source, graph, options, &mut warnings)?,
        }
    } else {
        let own = match (source.form, &options.graph) {
            // Their layers are not modules: what the user's graph names are the nodes of the file's own.
            (Form::ExportedProgram | Form::Onnx | Form::Tflite, _) => {
                Some(layers(source, &file_only(options))?)
            }
            // The same, unless their own graph has what is refused: then it is the modules that are named.
            (Form::GraphModule | Form::TorchScript, Some(_)) => lower(source, &file_only(options)).ok(),
            (Form::StateDict | Form::Module | Form::GraphModule | Form::TorchScript, _) => None,
        };
        let parts = match &own {
            Some(network) => {
                warnings.extend(network.warnings.iter().cloned());
                parts_of(network)
            }
            None => parts::recognise(source, options, &mut warnings)?,
        };
        match &options.graph {
            Some(file) => {
                let given = graph_file::lower(source, &parts, own.as_ref(), file, options)?;
                // A draft that nobody has touched is the guess that it was made of.
                let mut said = Vec::new();
                let guess = match file.guess && own.is_none() {
                    true => key_order::lower(source, parts, options, &mut said).ok(),
                    false => None,
                };
                match guess.filter(|guess| guess.nodes == given.nodes && guess.edges == given.edges) {
                    Some(guess) => {
                        warnings.append(&mut said);
                        guess
                    }
                    None => given,
                }
            }
            None => key_order::lower(source, parts, options, &mut warnings)?,
        }
    };
    let mut network = network;
    warnings.append(&mut network.warnings);
    network.warnings = warnings;
    network.verify()?;
    Ok(network)
}

/// The same options without the user's graph.
fn file_only(options: &Options) -> Options {
    Options { graph: None, ..options.clone() }
}

/// The operations of a network by name, for a graph file that wires them anew.
fn parts_of(network: &IntNetwork) -> parts::Parts {
    let part = |node: &Node| {
        let activation = node.outputs.first().and_then(|&id| network.edge(id).activation);
        (node.name.clone(), parts::Part::Op { op: node.op.clone(), activation })
    };
    network.nodes.iter().map(part).collect()
}

/// Where the values of a file are in its network: for each tensor of codes that the network computes, by its name in the
/// file, the edge that holds it. Forms whose values have no names of their own give none.
///
/// # Errors
/// As [`lower`].
pub fn values(source: &SourceModel, options: &Options) -> Result<BTreeMap<String, EdgeId>> {
    match (&source.graph, source.form) {
        (Some(graph), Form::Onnx) => onnx::edges(source, graph, options),
        (Some(graph), Form::ExportedProgram) => export::edges(source, graph, options),
        _ => Ok(BTreeMap::new()),
    }
}

/// The operators of a form's graphs that are lowered, by the names that its files have for them. Forms without graphs of
/// operators have none: their modules are recognised by class or by attributes.
pub fn operators(form: Form) -> Vec<&'static str> {
    match form {
        Form::StateDict | Form::Module => Vec::new(),
        Form::GraphModule | Form::TorchScript => calls::names(),
        Form::ExportedProgram => export::OPERATORS.iter().map(|operator| operator.name).collect(),
        Form::Onnx => onnx::OPERATORS.iter().map(|operator| operator.name).collect(),
        Form::Tflite => tflite::operators().collect(),
    }
}

/// The layers of a file without any wiring: for what can be said of a file whose topology is unknown.
///
/// # Errors
/// As [`lower`], but for the wiring.
pub fn layers(source: &SourceModel, options: &Options) -> Result<IntNetwork> {
    let source = &*prepared::modern(source);
    match (&source.graph, source.form) {
        (Some(graph), Form::ExportedProgram) => return export::layers(source, graph, options),
        (Some(_), _) => return lower(source, options),
        (None, _) => {}
    }
    let mut warnings = Vec::new();
    let parts = parts::recognise(source, options, &mut warnings)?;
    let mut builder = builder::Builder::new(source, Wiring::Unknown, options);
    for (path, part) in parts {
        if let parts::Part::Op { op: op @ Op::Layer(_), activation } = part {
            let input = builder.input(&format!("{path}.input"), None);
            builder.node(&path, op, &[input], activation)?;
        }
    }
    let mut network = builder.finish(Vec::new());
    network.warnings = warnings;
    network.verify()?;
    Ok(network)
}

/// A graph file to start from: the file's own topology, or its modules as a chain in the order of its keys, where what
/// the keys do not tell is left to be filled in.
///
/// # Errors
/// As [`lower`], but for the wiring.
pub fn draft(source: &SourceModel, options: &Options) -> Result<GraphFile> {
    let source = &*prepared::modern(source);
    match lower(source, options) {
        Ok(network) => {
            let named = |name: &str| {
                source.modules.get(name).is_some_and(|m| {
                    m.attributes.contains_key("scale") || m.attributes.contains_key("output_scale")
                }) || source.modules.contains_key(&format!("{name}.activation_post_process"))
            };
            let mut file = GraphFile::from_network(&network, named)?;
            if (source.form, network.wiring) == (Form::Module, Wiring::KeyOrder) {
                file.unplaced(&parts::recognise(source, options, &mut Vec::new())?)?;
            }
            Ok(file)
        }
        Err(error) if source.graph.is_some() => Err(error),
        Err(_) => graph_file::draft(&parts::recognise(source, options, &mut Vec::new())?),
    }
}

/// True for forms whose modules name their classes.
fn has_classes(form: Form) -> bool {
    match form {
        Form::StateDict | Form::ExportedProgram | Form::Onnx | Form::Tflite => false,
        Form::Module | Form::GraphModule | Form::TorchScript => true,
    }
}
