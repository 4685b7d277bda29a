//! `SourceModel`: what a file says, un-normalised. Lowering in `core` gives it meaning.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::tensor::{DType, Tensor};

/// The forms in which people save quantized networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A PyTorch `state_dict`: dotted keys to tensors, without classes and without topology.
    StateDict,
    /// A whole pickled `nn.Module`: the module tree with its classes, without `forward`.
    Module,
    /// A pickled `torch.fx.GraphModule`: module tree and `forward` as Python text.
    GraphModule,
    /// TorchScript, scripted, traced or frozen: module tree and code as text.
    TorchScript,
    /// A `.pt2` file of `torch.export.save`: the exported program's graph and its tensors.
    ExportedProgram,
    /// An ONNX model.
    Onnx,
    /// A TFLite (LiteRT) flatbuffer.
    Tflite,
}

impl Form {
    /// All forms, in the order in which they are listed to users.
    pub const ALL: [Self; 7] = [
        Self::TorchScript,
        Self::GraphModule,
        Self::Module,
        Self::StateDict,
        Self::ExportedProgram,
        Self::Onnx,
        Self::Tflite,
    ];

    /// What is read of it, for users: one sentence, without its end.
    pub fn description(self) -> &'static str {
        match self {
            Self::TorchScript => "scripted, traced, frozen or mobile; topology in its code, which is parsed",
            Self::GraphModule => "topology in its Python text, which is parsed, never run",
            Self::Module => "topology only under nn.Sequential; --graph gives it else",
            Self::StateDict => "topology, strides and padding are not in the file; --graph gives them",
            Self::ExportedProgram => "PT2E quantization, torch.ao and torchao; topology in the file",
            Self::Onnx => "QDQ, QOperator, QONNX and Brevitas' QCDQ; topology in the file",
            Self::Tflite => "full-integer quantization; topology in the file",
        }
    }

    /// Usual endings of its files; the contents decide what a file is.
    pub fn endings(self) -> &'static str {
        match self {
            Self::TorchScript => ".pt .ptl",
            Self::GraphModule | Self::Module | Self::StateDict => ".pt .pth",
            Self::ExportedProgram => ".pt2",
            Self::Onnx => ".onnx",
            Self::Tflite => ".tflite",
        }
    }

    /// The name used in messages and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::StateDict => "PyTorch state_dict",
            Self::Module => "pickled nn.Module",
            Self::GraphModule => "pickled FX GraphModule",
            Self::TorchScript => "TorchScript",
            Self::ExportedProgram => "torch.export program",
            Self::Onnx => "ONNX",
            Self::Tflite => "TFLite",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Everything a file says about a network.
#[derive(Debug, Clone)]
pub struct SourceModel {
    /// The form it was saved in.
    pub form: Form,
    /// How the network was wrapped, outermost first, e.g. `["gzip", "checkpoint['state_dict']", "prefix 'module.'"]`.
    pub wrapping: Vec<String>,
    /// Modules in file (registration) order. Modules without attributes are present where the file names them.
    pub modules: IndexMap<String, Module>,
    /// The topology, where the file holds it.
    pub graph: Option<Graph>,
}

/// One module: a path in the module tree and what is stored under it.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// Qualified class, e.g. `torch.ao.nn.quantized.modules.conv.Conv2d`, without TorchScript's `__torch__.` and
    /// `___torch_mangle_N.`; `None` in a state_dict.
    pub class: Option<String>,
    /// Parameters, buffers and plain attributes, in file order, by their own name (`weight`, `scale`, ...).
    /// Convolutions saved as a state tuple have the names that PyTorch's `__setstate__` gives its fields.
    pub attributes: IndexMap<String, Value>,
}

impl Module {
    /// The last component of the class path, e.g. `ConvReLU2d`.
    pub fn class_name(&self) -> Option<&str> {
        self.class.as_deref().map(|c| c.rsplit('.').next().unwrap_or(c))
    }

    /// An attribute that is a tensor.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        match self.attributes.get(name) {
            Some(Value::Tensor(t)) => Some(t),
            _ => None,
        }
    }
}

/// A plain value of a file.
#[derive(Debug, Clone)]
pub enum Value {
    /// Python `None`.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A binary64 number.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// A tensor.
    Tensor(Tensor),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A list.
    List(Vec<Value>),
    /// A constant of the framework by its qualified name, e.g. `torch.qint8`, `torch.per_channel_affine`.
    Symbol(Arc<str>),
    /// Packed parameters of a quantized convolution or linear layer.
    Packed(Box<PackedParams>),
    /// An object of a class we do not interpret.
    Opaque(Arc<str>),
}

impl Value {
    /// An integer, also out of a one-element integer tensor.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(i) => Some(*i),
            Self::Tensor(t) => t.scalar_i64(),
            _ => None,
        }
    }

    /// A float, widened exactly, also out of a one-element float tensor.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(x) => Some(*x),
            Self::Tensor(t) => t.scalar_f64(),
            _ => None,
        }
    }

    /// Integers of a tuple, list or integer tensor.
    pub fn as_ints(&self) -> Option<Vec<i64>> {
        match self {
            Self::Tuple(v) | Self::List(v) => v.iter().map(Value::as_i64).collect(),
            Self::Tensor(t) => t.to_i64(),
            _ => None,
        }
    }

    /// Text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(s) | Self::Symbol(s) => Some(s),
            _ => None,
        }
    }

    /// What kind of value this is, for messages.
    pub fn kind(&self) -> String {
        match self {
            Self::None => "None".into(),
            Self::Bool(_) => "a bool".into(),
            Self::Int(_) => "an int".into(),
            Self::Float(_) => "a float".into(),
            Self::Str(_) => "a string".into(),
            Self::Tensor(t) => format!("a {} tensor of sizes {:?}", t.dtype().name(), t.shape()),
            Self::Tuple(v) => format!("a tuple of {}", v.len()),
            Self::List(v) => format!("a list of {}", v.len()),
            Self::Symbol(s) => s.to_string(),
            Self::Packed(_) => "packed parameters".into(),
            Self::Opaque(c) => format!("an object of {c}"),
        }
    }
}

/// Packed parameters of a quantized convolution or linear layer, unpacked.
#[derive(Debug, Clone)]
pub struct PackedParams {
    /// Weight, quantized except in linear layers of dynamic float16: (out, in/groups, kernel...) for convolutions, (in, out/groups, kernel...) for transposed
    /// ones, (out, in) for linear layers.
    pub weight: Tensor,
    /// Float bias, one per output channel.
    pub bias: Option<Tensor>,
    /// Geometry, for convolutions.
    pub geometry: Option<Geometry>,
}

/// Geometry of a convolution; one entry per spatial axis, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Step of the window.
    pub stride: Vec<i64>,
    /// Zeros (zero points) added on both sides.
    pub padding: Vec<i64>,
    /// Distance between taps.
    pub dilation: Vec<i64>,
    /// Extra size on one side of a transposed convolution's output.
    pub output_padding: Vec<i64>,
    /// Channel groups.
    pub groups: i64,
    /// Transposed convolution.
    pub transposed: bool,
}

/// Index of a value in a [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// A line of text inside a file, or an operator by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The archive entry (`code/__torch__/net.py`, `models/model.json`) or the attribute (`_code`).
    pub file: Arc<str>,
    /// Line, from 1; operator or node, from 0.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Straight-line data flow, as written in the file: calls in execution order.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Inputs of the network, with their names.
    pub inputs: Vec<(ValueId, String)>,
    /// What the network returns.
    pub outputs: Vec<Argument>,
    /// Calls, in execution order.
    pub nodes: Vec<Node>,
    /// Number of values; every `ValueId` in the graph is below it.
    pub values: u32,
    /// What the file says of its values, where its format says anything.
    pub facts: BTreeMap<ValueId, ValueFacts>,
    /// Graphs that give variables their first values, before the network runs for the first time: by the number that calls of
    /// them have.
    pub once: BTreeMap<i64, Graph>,
    /// Versions of the operator sets, by domain; the default domain is empty.
    pub versions: BTreeMap<String, i64>,
}

/// What a file says of one value of its graph, un-normalised.
#[derive(Debug, Clone, Default)]
pub struct ValueFacts {
    /// Its name.
    pub name: String,
    /// Sizes, outermost axis first, -1 for one that the file leaves open; `None` where not even the rank is known.
    pub shape: Option<Vec<i64>>,
    /// The element type as the format calls it (`INT8`, `FLOAT`).
    pub element_type: String,
    /// The element type; `None` for types that are no numbers of ours.
    pub dtype: Option<DType>,
    /// S and Z, for formats that keep them with the value.
    pub quantization: Option<Quantization>,
    /// The elements, for a constant. Codes below 8 bits are unpacked, one to a byte.
    pub constant: Option<Tensor>,
}

/// S and Z as a file has them, which need not fit the value that they belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantization {
    /// Scales.
    pub scale: Vec<f32>,
    /// Zero points.
    pub zero_point: Vec<i64>,
    /// The axis that the scales run along, where there are several.
    pub axis: i64,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Node {
    /// What is called.
    pub callee: Callee,
    /// The variable that the result is assigned to, or a name made from the callee.
    pub name: String,
    /// Path of the module whose `forward` contains the call; empty at the root.
    pub scope: String,
    /// Positional arguments.
    pub arguments: Vec<Argument>,
    /// Keyword arguments.
    pub keywords: Vec<(String, Argument)>,
    /// Results: one, or several where a tuple or list was unpacked.
    pub outputs: Vec<ValueId>,
    /// Where it stands.
    pub place: Place,
}

impl Node {
    /// All arguments, keywords last.
    pub(crate) fn all_arguments(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().chain(self.keywords.iter().map(|(_, argument)| argument))
    }
}

/// What a [`Node`] calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// A function by its dotted name as written, e.g. `ops.quantized.conv2d_relu`, `torch.flatten`, `operator.getitem`.
    Function(String),
    /// A method of the first argument, e.g. `dequantize`.
    Method(String),
    /// A module of the tree, by path.
    Module(String),
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub enum Argument {
    /// The result of an earlier call, or an input.
    Value(ValueId),
    /// A constant, including tensors and packed parameters read from attributes; `Some(path)` is where the attribute
    /// lives (`conv1._packed_params`), for naming.
    Constant(Value, Option<String>),
    /// A list or tuple that holds at least one non-constant.
    List(Vec<Argument>),
}

impl Argument {
    /// Calls `visit` for every result of a call, and every input, inside it.
    pub(crate) fn for_each_value(&self, visit: &mut impl FnMut(ValueId)) {
        match self {
            Self::Value(id) => visit(*id),
            Self::Constant(..) => {}
            Self::List(items) => items.iter().for_each(|item| item.for_each_value(visit)),
        }
    }
}
