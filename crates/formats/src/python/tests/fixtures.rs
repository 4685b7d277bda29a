//! Texts that PyTorch wrote, and module maps to evaluate them with.

use std::fs;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use indexmap::IndexMap;

use super::super::Source;
use super::super::ast::StatementKind;
use super::super::parser::parse;
use crate::python::{Program, trace_script};
use crate::source::{Geometry, Graph, Module, PackedParams, Value};
use crate::tensor::{ByteOrder, DType, Tensor};

/// A TorchScript archive's text, with modules made up to fit it.
pub(super) struct Archive {
    pub(super) sources: Vec<(String, String)>,
    pub(super) modules: IndexMap<String, Module>,
    pub(super) types: IndexMap<String, String>,
    constants: Vec<Value>,
}

impl Archive {
    /// The archive at `path`; `None` if it is no zip file with TorchScript code.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let mut zip = zip::ZipArchive::new(fs::File::open(path).ok()?).ok()?;
        let mut sources = Vec::new();
        let mut root = None;
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).ok()?;
            let name = entry.name().ok()?.split_once('/')?.1.to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).ok()?;
            if name.starts_with("code/") && name.ends_with(".py") {
                sources.push((name, String::from_utf8(bytes).ok()?));
            } else if name == "data.pkl" {
                root = root_class(&bytes);
            }
        }
        let (mut modules, mut types) = (IndexMap::new(), IndexMap::new());
        make_up(&sources, "", &root?, &mut modules, &mut types);
        Some(Self { sources, modules, types, constants: vec![packed(); 8] })
    }

    /// Evaluates with the archive's own text, or with another text in place of one.
    pub(super) fn trace(&self, instead: Option<(usize, &str)>) -> crate::Result<Graph> {
        let mut sources: Vec<(&str, &str)> =
            self.sources.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        if let Some((index, text)) = instead {
            sources[index].1 = text;
        }
        trace_script(&Program {
            modules: &self.modules,
            types: &self.types,
            sources: &sources,
            constants: &self.constants,
        })
    }
}

/// The class of the pickled object, which is the first class that its pickle names: `c__torch__.nets\nLeNet\n`.
fn root_class(pickle: &[u8]) -> Option<String> {
    let start = pickle.windows(11).position(|window| window == b"c__torch__.")? + 1;
    let mut lines = pickle.get(start..)?.split(|&byte| byte == b'\n');
    let (package, name) = (lines.next()?, lines.next()?);
    Some(format!("{}.{}", std::str::from_utf8(package).ok()?, std::str::from_utf8(name).ok()?))
}

/// Adds the module of a class, and those below it, as the annotations in the text say.
fn make_up(
    sources: &[(String, String)],
    path: &str,
    class: &str,
    modules: &mut IndexMap<String, Module>,
    types: &mut IndexMap<String, String>,
) {
    let (package, name) = class.rsplit_once('.').expect("a qualified class");
    let entry = format!("code/{}.py", package.replace('.', "/"));
    let (_, text) = sources.iter().find(|(name, _)| *name == entry).expect("the text of a class");
    let mut module = Module { class: Some(class.to_owned()), ..Module::default() };
    let mut children = Vec::new();
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("class {name}(")));
    lines.next();
    for line in lines.take_while(|line| line.starts_with(' ')) {
        let line = line.trim_start();
        let field = line.strip_prefix("__annotations__[\"").and_then(|rest| rest.split_once("\"] = "));
        let Some((field, kind)) = field.or_else(|| line.split_once(" : ")) else { continue };
        if kind.starts_with("Final[") {
            continue;
        }
        if kind.starts_with("__torch__.") && !kind.starts_with("__torch__.torch.classes.") {
            children.push((field, kind));
        } else {
            module.attributes.insert(field.to_owned(), plausible(field, kind));
        }
    }
    // A convolution is saved without its packed parameters, which are made when it is loaded.
    let convolution = module.attributes.get("_packed_params").is_some_and(|_| {
        module.attributes.contains_key("padding_mode") && text.contains("def set_weight_bias(")
    });
    if convolution {
        let axes = module.attributes["kernel_size"].as_ints().expect("a kernel size").len();
        module.attributes.shift_remove("_packed_params");
        module.attributes.insert("weight".to_owned(), Value::Tensor(tensor(vec![1; axes + 2])));
        module.attributes.insert("bias".to_owned(), Value::None);
    }
    types.insert(path.to_owned(), class.to_owned());
    modules.insert(path.to_owned(), module);
    for (field, kind) in children {
        let child = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
        make_up(sources, &child, kind, modules, types);
    }
}

/// A value of an annotated type. The fixtures' `eager` says that the model quantizes its input itself.
fn plausible(field: &str, kind: &str) -> Value {
    let ones = |count| Value::Tuple(vec![Value::Int(1); count]);
    match kind {
        "bool" => Value::Bool(field == "eager"),
        // PyTorch's number of qint8, by which dynamic layers choose their operator.
        "int" if field == "dtype" => Value::Int(12),
        "int" => Value::Int(1),
        "float" => Value::Float(0.5),
        "str" => Value::Str("zeros".into()),
        "Tensor" => Value::Tensor(tensor(vec![])),
        "Tuple[int]" => ones(1),
        "Tuple[int, int]" => ones(2),
        "Tuple[int, int, int]" => ones(3),
        _ if kind.starts_with("Optional[") || kind == "NoneType" || kind == "None" => Value::None,
        _ if kind.starts_with("__torch__.torch.classes.quantized.") => packed(),
        _ => Value::Opaque(kind.into()),
    }
}

fn tensor(shape: Vec<usize>) -> Tensor {
    let strides = vec![1; shape.len()];
    let storage = Bytes::from(1.0f32.to_le_bytes().to_vec());
    Tensor::new("made up", DType::F32, shape, strides, 0, storage, ByteOrder::Little, None)
        .expect("one element")
}

fn packed() -> Value {
    let geometry = Geometry {
        stride: vec![1, 1],
        padding: vec![0, 0],
        dilation: vec![1, 1],
        output_padding: vec![0, 0],
        groups: 1,
        transposed: false,
    };
    let weight = tensor(vec![1, 1, 1, 1]);
    Value::Packed(Box::new(PackedParams { weight, bias: None, geometry: Some(geometry) }))
}

/// The modules that an FX text calls, and the attributes that it reads.
pub(super) fn fx_modules(text: &str) -> IndexMap<String, Module> {
    let mut modules = IndexMap::from([(String::new(), Module::default())]);
    for line in text.lines() {
        let Some((_, value)) = line.split_once(" = ") else { continue };
        let value = value.split(';').next().unwrap_or_default();
        let path = if let Some(rest) = value.strip_prefix("getattr(self.") {
            let (parent, rest) = rest.split_once(", \"").expect("a name");
            format!("{parent}.{}", rest.split('"').next().expect("a name"))
        } else if let Some(rest) = value.strip_prefix("self.") {
            rest.split('(').next().expect("a path").to_owned()
        } else {
            continue;
        };
        if !value.contains('(') {
            modules[""].attributes.insert(path, Value::Float(0.5));
            continue;
        }
        for (end, _) in path.match_indices('.').chain([(path.len(), "")]) {
            modules.entry(path[..end].to_owned()).or_default();
        }
    }
    modules
}

/// The number of functions and methods in a text, which has to parse.
pub(super) fn count_functions(name: &str, text: &str) -> Result<usize, String> {
    let block = parse(Source { name, text }).map_err(|error| error.to_string())?;
    let count = |statement: &StatementKind<'_>| match statement {
        StatementKind::Function(_) => 1,
        StatementKind::Class(class) => {
            class.body.iter().filter(|member| matches!(member.kind, StatementKind::Function(_))).count()
        }
        _ => 0,
    };
    Ok(block.iter().map(|statement| count(&statement.kind)).sum())
}
