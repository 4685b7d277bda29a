//! PyTorch files: pickles in zip or legacy containers.

mod archive;
mod budget;
mod checkpoint;
mod container;
mod escapes;
mod export;
mod facts;
mod heap;
mod input;
mod module;
mod packed;
mod pickle;
mod script;
mod signature;
mod state_dict;
mod storage;
mod tensors;
mod values;

use std::sync::Arc;

pub use script::Script;

use crate::error::Result;
use crate::python;
use crate::source::{Form, Graph, SourceModel};
use budget::Budget;
use checkpoint::Network;
use container::Container;
use facts::Facts;
use pickle::Pickle;
use storage::{Storages, ZipStorages};

/// A piece of program text inside a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Where it stands: an archive entry (`code/__torch__/net.py`) or an attribute (`_code`, `backbone._code`).
    pub entry: String,
    /// The text.
    pub text: Arc<str>,
}

/// The program text of a file, from which its topology can be read.
#[derive(Debug, Clone)]
pub enum Program {
    /// The form has none.
    Absent,
    /// `forward` of each `GraphModule`, as Python.
    Fx(Vec<Text>),
    /// TorchScript.
    Script(Script),
    /// A graph, which the file holds as one.
    Graph(Graph),
}

/// A file's facts beside its program.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Everything but the graph.
    pub model: SourceModel,
    /// What the graph is to be read from.
    pub program: Program,
}

/// Reads any PyTorch file, with its topology where it holds one.
///
/// # Errors
/// The bytes are malformed, or of a form that is refused by name.
pub fn read(bytes: bytes::Bytes) -> Result<SourceModel> {
    let Contents { mut model, program } = read_contents(bytes)?;
    model.graph = match program {
        Program::Absent => None,
        // Of several texts (a GraphModule inside of an eager module) none is the whole network's.
        Program::Fx(texts) => match texts.first() {
            Some(text) if model.form == Form::GraphModule => {
                Some(python::trace_fx(&model.modules, &text.entry, &text.text)?)
            }
            _ => None,
        },
        Program::Graph(graph) => Some(graph),
        Program::Script(script) => {
            let sources: Vec<(&str, &str)> =
                script.code.iter().map(|t| (t.entry.as_str(), &*t.text)).collect();
            Some(python::trace_script(&python::Program {
                modules: &model.modules,
                types: &script.types,
                sources: &sources,
                constants: &script.constants,
            })?)
        }
    };
    Ok(model)
}

/// Reads any PyTorch file, and its program text. [`SourceModel::graph`] is `None`.
///
/// # Errors
/// The bytes are malformed, or of a form that is refused by name.
pub fn read_contents(bytes: bytes::Bytes) -> Result<Contents> {
    let mut wrapping = Vec::new();
    let file = bytes.len();
    let bytes = match container::gunzip(&bytes)? {
        Some(unpacked) => {
            wrapping.push("gzip".to_owned());
            unpacked
        }
        None => bytes,
    };
    let budget = Budget::new(file, bytes.len());
    match container::open(&bytes, &budget)? {
        Container::Zip(archive) if export::is_export(&archive) => {
            let (modules, graph) = export::read(&archive, &budget)?;
            let model = SourceModel { form: Form::ExportedProgram, wrapping, modules, graph: None };
            Ok(Contents { model, program: Program::Graph(graph) })
        }
        Container::Zip(archive) if script::is_script(&archive) => {
            let (modules, script) = script::read(&archive, &budget)?;
            let model = SourceModel { form: Form::TorchScript, wrapping, modules, graph: None };
            Ok(Contents { model, program: Program::Script(script) })
        }
        Container::Zip(archive) => {
            let data = archive.require("data.pkl", &budget)?;
            let pickle = pickle::load(&data, 0, "data.pkl", &budget)?;
            let storages = Storages::Zip(ZipStorages::new(&archive, "data", &budget)?);
            pickled(&pickle, &storages, &budget, wrapping)
        }
        Container::Legacy { pickle, storages } => {
            pickled(&pickle, &Storages::Legacy(&storages), &budget, wrapping)
        }
    }
}

/// What `torch.save` saved.
fn pickled(
    pickle: &Pickle,
    storages: &Storages<'_>,
    budget: &Budget,
    mut wrapping: Vec<String>,
) -> Result<Contents> {
    let facts = Facts { heap: &pickle.heap, storages, budget };
    let (network, keys) = checkpoint::find(&facts, pickle.root)?;
    wrapping.extend(checkpoint::wrapping(&keys));
    let (form, modules, program) = match network {
        Network::StateDict(at) => {
            let (modules, prefixes) = state_dict::read(&facts, at)?;
            wrapping.extend(prefixes);
            (Form::StateDict, modules, Program::Absent)
        }
        Network::Module(at) => {
            let tree = module::read(&facts, at)?;
            // A GraphModule inside of an eager module leaves the wiring around it unknown.
            let form = match tree.texts.first() {
                Some(text) if text.entry == "_code" => Form::GraphModule,
                _ => Form::Module,
            };
            let program = if tree.texts.is_empty() { Program::Absent } else { Program::Fx(tree.texts) };
            (form, tree.modules, program)
        }
    };
    Ok(Contents { model: SourceModel { form, wrapping, modules, graph: None }, program })
}
