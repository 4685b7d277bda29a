//! TFLite files: a FlatBuffer with tensors, operators that connect them, and buffers with the elements of constants.
//!
//! A value of the graph is a tensor of the file, by its index. Each operator becomes a call of the function of its name
//! (`CONV_2D`), its inputs in their order, its options as keywords under their names in TensorFlow Lite's schema; an
//! option that the file leaves out has the schema's default.

mod constant;
mod flatbuffer;
mod names;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;

use crate::error::{ReadError, Result};
use crate::source::{
    Argument, Callee, Form, Graph, Node, Place, Quantization, SourceModel, Value, ValueFacts, ValueId,
};
use constant::Constants;
use flatbuffer::{Buffer, Table};
use names::Names;
use schema::Kind;

/// What the bytes 4 to 8 of every TFLite file are.
const IDENTIFIER: &[u8; 4] = b"TFL3";

/// The only version of the schema that is in use.
const VERSION: u32 = 3;

/// True for bytes that claim to be a TFLite file.
pub(crate) fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(IDENTIFIER)
}

/// Reads a TFLite file.
///
/// # Errors
/// The bytes are malformed, have several entry points, or keep their weights in another file or in sparse form.
pub fn read(bytes: &Bytes) -> Result<SourceModel> {
    let buffer = Buffer::new(bytes);
    let model = buffer.root(IDENTIFIER)?;
    let version = model.u32(schema::model::VERSION)?;
    if version != VERSION {
        return Err(ReadError::unsupported(
            model.place(),
            format!("version {version} of the schema"),
            format!("version {VERSION}"),
        ));
    }
    let entry = Entry::of(&model)?;
    let operators = operator_names(&model)?;
    let subgraphs = model.tables(schema::model::SUBGRAPHS)?;
    let subgraph = subgraphs.get(entry.subgraph).ok_or_else(|| {
        ReadError::malformed(
            model.place(),
            format!("{} subgraphs", subgraphs.len()),
            format!("one with the number {}", entry.subgraph),
        )
    })?;
    let constants = Constants::new(bytes, model.tables(schema::model::BUFFERS)?);
    let reader = Reader { operators, constants };
    let mut graph = reader.graph(subgraph, &entry.inputs)?;
    for number in called_once(&graph) {
        let called = usize::try_from(number).ok().and_then(|number| subgraphs.get(number));
        let called = called.ok_or_else(|| {
            let found = format!("a call of subgraph {number}");
            ReadError::malformed(model.place(), found, format!("one of {}", subgraphs.len()))
        })?;
        let called = reader.graph(called, &BTreeMap::new())?;
        graph.once.insert(number, called);
    }
    Ok(SourceModel { form: Form::Tflite, wrapping: Vec::new(), modules: IndexMap::new(), graph: Some(graph) })
}

/// The subgraph that is the network, and the names that its signature gives to inputs.
#[derive(Default)]
struct Entry {
    subgraph: usize,
    /// Names of inputs by tensor index.
    inputs: BTreeMap<u32, String>,
}

impl Entry {
    /// The only signature, or the first subgraph where there is none.
    fn of(model: &Table<'_>) -> Result<Self> {
        let signatures = model.tables(schema::model::SIGNATURES)?;
        let entries = signatures
            .iter()
            .map(|s| s.u32(schema::signature::SUBGRAPH))
            .collect::<Result<BTreeSet<u32>>>()?;
        let (Some(&first), 0..=1) = (entries.first(), entries.len()) else {
            if entries.is_empty() {
                return Ok(Self::default());
            }
            let keys =
                signatures.iter().map(|s| s.text(schema::signature::KEY)).collect::<Result<Vec<String>>>()?;
            return Err(ReadError::unsupported(
                model.place(),
                format!("the signatures {}", keys.join(", ")),
                "one entry point",
            )
            .hint("convert each signature into a file of its own"));
        };
        let mut inputs = BTreeMap::new();
        if let Some(signature) = signatures.first() {
            for map in signature.tables(schema::signature::INPUTS)? {
                inputs.insert(map.u32(schema::tensor_map::INDEX)?, map.text(schema::tensor_map::NAME)?);
            }
        }
        Ok(Self { subgraph: usize::try_from(first).unwrap_or(usize::MAX), inputs })
    }
}

/// The name of each operator code of a file; `CUSTOM:` and its own name for one that the schema does not know.
fn operator_names(model: &Table<'_>) -> Result<Vec<String>> {
    let name = |code: &Table<'_>| {
        let deprecated = i32::from(code.u8(schema::operator_code::DEPRECATED, 0)?.cast_signed());
        let builtin = deprecated.max(code.i32(schema::operator_code::BUILTIN, 0)?);
        match schema::operator_name(builtin) {
            _ if builtin == schema::CUSTOM => {
                Ok(format!("CUSTOM:{}", code.text(schema::operator_code::CUSTOM)?))
            }
            Some(name) => Ok(name.to_owned()),
            None => Ok(format!("operator code {builtin}")),
        }
    };
    model.tables(schema::model::OPERATOR_CODES)?.iter().map(name).collect()
}

/// The numbers of the subgraphs that a graph calls once.
fn called_once(graph: &Graph) -> BTreeSet<i64> {
    let once = |node: &&Node| matches!(&node.callee, Callee::Function(name) if name == schema::CALL_ONCE);
    let numbers = graph.nodes.iter().filter(once).flat_map(|node| &node.keywords);
    let number = |(_, argument): &(String, Argument)| match argument {
        Argument::Constant(value, _) => value.as_i64(),
        Argument::Value(_) | Argument::List(_) => None,
    };
    numbers.filter_map(number).collect()
}

struct Reader<'a> {
    operators: Vec<String>,
    constants: Constants<'a>,
}

impl Reader<'_> {
    /// A subgraph. `input_names` are those that a signature gives, by tensor.
    fn graph(&self, subgraph: &Table<'_>, input_names: &BTreeMap<u32, String>) -> Result<Graph> {
        let tensors = subgraph.tables(schema::subgraph::TENSORS)?;
        let mut facts = BTreeMap::new();
        for (id, tensor) in (0u32..).zip(&tensors) {
            facts.insert(ValueId(id), self.facts(tensor)?);
        }
        let count = u32::try_from(tensors.len()).unwrap_or(u32::MAX);
        let value = |table: &Table<'_>, index: i32| {
            u32::try_from(index).ok().filter(|&id| id < count).map(ValueId).ok_or_else(|| {
                ReadError::malformed(table.place(), format!("tensor {index}"), format!("one of {count}"))
            })
        };
        let mut names = Names::default();
        let mut given = BTreeSet::new();
        let mut give = |table: &Table<'_>, id: ValueId| {
            let once = given.insert(id);
            let found = || format!("tensor {} once more", id.0);
            if once { Ok(()) } else { Err(ReadError::malformed(table.place(), found(), "tensors made once")) }
        };
        let mut inputs = Vec::new();
        for index in subgraph.i32s(schema::subgraph::INPUTS)? {
            let id = value(subgraph, index)?;
            give(subgraph, id)?;
            let own = facts.get(&id).map_or("", |facts| facts.name.as_str());
            inputs.push((id, names.unique(input_names.get(&id.0).map_or(own, String::as_str), id)));
        }
        let mut nodes = Vec::new();
        for (line, table) in (0u32..).zip(subgraph.tables(schema::subgraph::OPERATORS)?) {
            let operator = self.operator(&table)?;
            let mut arguments = Vec::new();
            for index in table.i32s(schema::operator::INPUTS)? {
                // -1 stands for an input that is left out.
                if index == -1 {
                    arguments.push(Argument::Constant(Value::None, None));
                    continue;
                }
                let id = value(&table, index)?;
                if let Some(constant) = facts.get(&id).and_then(|facts| facts.constant.as_ref()) {
                    self.constants.used(&table, constant)?;
                }
                arguments.push(Argument::Value(id));
            }
            let outputs = table.i32s(schema::operator::OUTPUTS)?;
            let outputs = outputs.into_iter().map(|o| value(&table, o)).collect::<Result<Vec<ValueId>>>()?;
            for &id in &outputs {
                give(&table, id)?;
            }
            let name = match outputs.first() {
                Some(&id) => names.unique(facts.get(&id).map_or("", |facts| facts.name.as_str()), id),
                None => format!("{operator} {line}"),
            };
            let mut keywords = options(&table, &operator)?;
            let intermediates = table.i32s(schema::operator::INTERMEDIATES)?.into_iter();
            let intermediates = intermediates.map(|index| value(&table, index).map(Argument::Value));
            let intermediates = intermediates.collect::<Result<Vec<Argument>>>()?;
            if !intermediates.is_empty() {
                keywords.push(("intermediates".to_owned(), Argument::List(intermediates)));
            }
            nodes.push(Node {
                keywords,
                place: Place { file: Arc::from("operator"), line },
                callee: Callee::Function(operator),
                name,
                scope: String::new(),
                arguments,
                outputs,
            });
        }
        let outputs = subgraph.i32s(schema::subgraph::OUTPUTS)?.into_iter();
        let outputs = outputs.map(|o| value(subgraph, o).map(Argument::Value)).collect::<Result<Vec<_>>>()?;
        Ok(Graph { inputs, outputs, nodes, values: count, facts, ..Graph::default() })
    }

    /// The name of an operator.
    fn operator(&self, table: &Table<'_>) -> Result<String> {
        let index = table.u32(schema::operator::CODE)?;
        let name = usize::try_from(index).ok().and_then(|index| self.operators.get(index));
        name.cloned().ok_or_else(|| {
            let count = self.operators.len();
            ReadError::malformed(table.place(), format!("operator code {index}"), format!("one of {count}"))
        })
    }

    fn facts(&self, tensor: &Table<'_>) -> Result<ValueFacts> {
        let name = tensor.text(schema::tensor::NAME)?;
        let place = if name.is_empty() { tensor.place() } else { name.clone() };
        let number = tensor.u8(schema::tensor::TYPE, 0)?;
        let element = schema::element_type(number).ok_or_else(|| {
            ReadError::unsupported(&place, format!("element type {number}"), "one that the schema has")
        })?;
        let shape = tensor.i32s(schema::tensor::SHAPE)?;
        let constant = self.constants.of(&place, tensor, element, &shape)?;
        let quantization = match tensor.table(schema::tensor::QUANTIZATION)? {
            Some(table) => {
                let scale = table.f32s(schema::quantization::SCALE)?;
                let zero_point = table.i64s(schema::quantization::ZERO_POINT)?;
                let axis = i64::from(table.i32(schema::quantization::AXIS, 0)?);
                // The converter writes empty parameters for tensors that are not quantized.
                (!scale.is_empty()).then_some(Quantization { scale, zero_point, axis })
            }
            None => None,
        };
        Ok(ValueFacts {
            name,
            shape: Some(shape.into_iter().map(i64::from).collect()),
            element_type: element.name.to_owned(),
            dtype: element.dtype,
            quantization,
            constant,
        })
    }
}

/// The options of an operator as keywords.
fn options(table: &Table<'_>, operator: &str) -> Result<Vec<(String, Argument)>> {
    let Some(options) = schema::options(operator) else { return Ok(Vec::new()) };
    let number = table.u8(schema::operator::OPTIONS_TYPE, 0)?;
    let written = if number == options.number { table.table(schema::operator::OPTIONS)? } else { None };
    if number != 0 && number != options.number {
        return Err(ReadError::malformed(
            table.place(),
            format!("options of kind {number} for {operator}"),
            format!("kind {}", options.number),
        ));
    }
    let value = |&(field, kind): &(flatbuffer::Field, Kind)| {
        let value = match (kind, &written) {
            (Kind::Int(default), None) => Value::Int(default.into()),
            (Kind::Int(default), Some(t)) => Value::Int(t.i32(field, default)?.into()),
            (Kind::Bool(default), None) => Value::Bool(default),
            (Kind::Bool(default), Some(t)) => Value::Bool(t.bool(field, default)?),
            (Kind::Float, None) => Value::Float(0.0),
            (Kind::Float, Some(t)) => Value::Float(t.f32(field)?.into()),
            (Kind::Text, None) => Value::Str(Arc::from("")),
            (Kind::Text, Some(t)) => Value::Str(Arc::from(t.text(field)?)),
            (Kind::Ints, None) => Value::None,
            (Kind::Ints, Some(t)) => {
                Value::List(t.i32s(field)?.into_iter().map(|i| Value::Int(i.into())).collect())
            }
            (Kind::Name(names), t) => {
                let number = t.as_ref().map_or(Ok(0), |t| t.u8(field, 0))?;
                let name = names.get(usize::from(number)).ok_or_else(|| {
                    let name = field.name();
                    ReadError::unsupported(
                        table.place(),
                        format!("{name} {number} of {operator}"),
                        format!("one of {}", names.join(", ")),
                    )
                })?;
                Value::Symbol(Arc::from(*name))
            }
        };
        Ok((field.name().to_owned(), Argument::Constant(value, None)))
    };
    options.fields.iter().map(value).collect()
}
