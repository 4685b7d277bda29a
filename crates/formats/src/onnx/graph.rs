//! `GraphProto` to a [`Graph`]: names become values, initializers and `Constant` nodes become constants.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::proto;
use super::tensor::{self, ElementType};
use crate::error::{ReadError, Result};
use crate::files::Files;
use crate::source::{Argument, Callee, Graph, Node, Place, Value, ValueFacts, ValueId};
use crate::tensor::{ByteOrder, DType, Tensor};

/// The default domain has two names.
pub(super) fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

/// Reads a graph.
///
/// # Errors
/// A name is defined twice or used before it is defined, or a tensor contradicts itself.
pub(super) fn read(graph: &proto::Graph, files: &dyn Files) -> Result<Graph> {
    if !graph.sparse_initializer.is_empty() {
        return Err(ReadError::unsupported("sparse_initializer", "sparse tensors", "dense tensors"));
    }
    let mut values = Values::default();
    for initializer in &graph.initializer {
        let place = format!("initializer '{}'", initializer.name);
        let id = values.define(&initializer.name, &place)?;
        let constant = tensor::read(initializer, &place, files)?;
        values.set_constant(id, ElementType::of(initializer.data_type), constant);
    }
    let mut inputs = Vec::new();
    for info in &graph.input {
        // Files of before IR version 4 list initializers among the inputs: the default that a caller may replace.
        if !values.ids.contains_key(&info.name) {
            let id = values.define(&info.name, "graph input")?;
            inputs.push((id, info.name.clone()));
            values.describe(id, info);
        }
    }
    let mut nodes = Vec::new();
    for (index, node) in graph.node.iter().enumerate() {
        let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let place =
            if node.name.is_empty() { format!("node {line}") } else { format!("node '{}'", node.name) };
        if node.op_type == "Constant" && domain(&node.domain).is_empty() {
            let [name] = &node.output[..] else {
                return Err(ReadError::malformed(place, format!("{} outputs", node.output.len()), "one"));
            };
            let id = values.define(name, &place)?;
            let (element, constant) = constant_of(node, &place, files)?;
            values.set_constant(id, element, constant);
        } else {
            nodes.push(values.node(node, &place, line, files)?);
        }
    }
    let mut outputs = Vec::new();
    for info in &graph.output {
        outputs.push(Argument::Value(values.find(&info.name, "graph output")?));
    }
    for info in graph.output.iter().chain(&graph.value_info) {
        if let Some(&id) = values.ids.get(&info.name) {
            values.describe(id, info);
        }
    }
    let count = u32::try_from(values.ids.len()).unwrap_or(u32::MAX);
    Ok(Graph { inputs, outputs, nodes, values: count, facts: values.facts, ..Graph::default() })
}

/// The values of a graph, by name.
#[derive(Default)]
struct Values {
    ids: HashMap<String, ValueId>,
    facts: BTreeMap<ValueId, ValueFacts>,
}

impl Values {
    fn define(&mut self, name: &str, place: &str) -> Result<ValueId> {
        let id = ValueId(u32::try_from(self.ids.len()).unwrap_or(u32::MAX));
        if name.is_empty() || self.ids.insert(name.to_owned(), id).is_some() {
            return Err(ReadError::malformed(place, format!("the name '{name}' again"), "a name of its own"));
        }
        self.facts.insert(id, ValueFacts { name: name.to_owned(), ..ValueFacts::default() });
        Ok(id)
    }

    fn find(&self, name: &str, place: &str) -> Result<ValueId> {
        self.ids.get(name).copied().ok_or_else(|| {
            ReadError::malformed(place, format!("the value '{name}'"), "a value that is defined before it")
        })
    }

    fn set_constant(&mut self, id: ValueId, element: ElementType, constant: Option<Tensor>) {
        if let Some(facts) = self.facts.get_mut(&id) {
            facts.element_type = element.name.into();
            facts.dtype = element.dtype;
            facts.shape = constant
                .as_ref()
                .map(|t| t.shape().iter().map(|&s| i64::try_from(s).unwrap_or(i64::MAX)).collect());
            facts.constant = constant;
        }
    }

    /// Element type and sizes that the file gives a value.
    fn describe(&mut self, id: ValueId, info: &proto::ValueInfo) {
        let Some(kind) = info.kind.as_ref().and_then(|k| k.tensor.as_ref()) else { return };
        let element = ElementType::of(kind.element);
        if let Some(facts) = self.facts.get_mut(&id) {
            facts.element_type = element.name.into();
            facts.dtype = element.dtype;
            facts.shape =
                kind.shape.as_ref().map(|s| s.dimension.iter().map(|d| d.value.unwrap_or(-1)).collect());
        }
    }

    fn node(&mut self, node: &proto::Node, place: &str, line: u32, files: &dyn Files) -> Result<Node> {
        let arguments = node.input.iter().map(|name| {
            if name.is_empty() {
                Ok(Argument::Constant(Value::None, None))
            } else {
                self.find(name, place).map(Argument::Value)
            }
        });
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        let mut outputs = Vec::new();
        for (index, name) in node.output.iter().enumerate() {
            // Optional outputs that nobody asked for have no name.
            let name = if name.is_empty() { format!("\0{line}.{index}") } else { name.clone() };
            outputs.push(self.define(&name, place)?);
        }
        let mut keywords = Vec::new();
        for attribute in &node.attribute {
            let value = attribute_of(attribute, place, files)?;
            keywords.push((attribute.name.clone(), Argument::Constant(value, None)));
        }
        let callee = match domain(&node.domain) {
            "" => node.op_type.clone(),
            domain => format!("{domain}.{}", node.op_type),
        };
        let name = if node.name.is_empty() {
            node.output.first().cloned().unwrap_or_default()
        } else {
            node.name.clone()
        };
        Ok(Node {
            callee: Callee::Function(callee),
            name,
            scope: String::new(),
            arguments,
            keywords,
            outputs,
            place: Place { file: Arc::from("graph"), line },
        })
    }
}

/// An attribute's value. Files of IR version 1 may leave out its kind, which then is that of the field that is set.
fn attribute_of(attribute: &proto::Attribute, place: &str, files: &dyn Files) -> Result<Value> {
    let place = format!("{place}, attribute '{}'", attribute.name);
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .map(|s| Value::Str(Arc::from(s)))
            .map_err(|_| ReadError::malformed(place.clone(), "text that is not UTF-8", "UTF-8"))
    };
    let kind = match (attribute.kind, attribute) {
        (0, a) if a.f.is_some() => 1,
        (0, a) if a.i.is_some() => 2,
        (0, a) if a.s.is_some() => 3,
        (0, a) if a.t.is_some() => 4,
        (0, a) if !a.floats.is_empty() => 6,
        (0, a) if !a.ints.is_empty() => 7,
        (0, a) if !a.strings.is_empty() => 8,
        (kind, _) => kind,
    };
    Ok(match kind {
        1 => Value::Float(f64::from(attribute.f.unwrap_or(0.0))),
        2 => Value::Int(attribute.i.unwrap_or(0)),
        3 => text(attribute.s.as_deref().unwrap_or_default())?,
        4 => {
            let tensor = attribute.t.clone().unwrap_or_default();
            match tensor::read(&tensor, &place, files)? {
                Some(tensor) => Value::Tensor(tensor),
                None => Value::Opaque(ElementType::of(tensor.data_type).name.into()),
            }
        }
        6 => Value::List(attribute.floats.iter().map(|&x| Value::Float(f64::from(x))).collect()),
        7 => Value::List(attribute.ints.iter().map(|&x| Value::Int(x)).collect()),
        8 => Value::List(attribute.strings.iter().map(|s| text(s)).collect::<Result<_>>()?),
        5 | 10 => Value::Opaque("a graph".into()),
        _ => Value::Opaque(format!("an attribute of kind {kind}").into()),
    })
}

/// The value of a `Constant` node, in whichever attribute it stands.
fn constant_of(node: &proto::Node, place: &str, files: &dyn Files) -> Result<(ElementType, Option<Tensor>)> {
    const FLOAT: i32 = 1;
    const INT64: i32 = 7;
    let [attribute] = &node.attribute[..] else {
        return Err(ReadError::malformed(place, format!("{} attributes", node.attribute.len()), "one value"));
    };
    let made = |dtype: DType, shape: Vec<usize>, bytes: Vec<u8>| {
        let strides = vec![1; shape.len()];
        Tensor::new(place, dtype, shape, strides, 0, bytes.into(), ByteOrder::Little, None).map(Some)
    };
    let floats = |shape: Vec<usize>, values: &[f32]| {
        made(DType::F32, shape, values.iter().flat_map(|x| x.to_le_bytes()).collect())
    };
    let ints = |shape: Vec<usize>, values: &[i64]| {
        made(DType::I64, shape, values.iter().flat_map(|x| x.to_le_bytes()).collect())
    };
    Ok(match (attribute.name.as_str(), &attribute.t) {
        ("value", Some(value)) => (ElementType::of(value.data_type), tensor::read(value, place, files)?),
        ("value_float", _) => (ElementType::of(FLOAT), floats(vec![], &[attribute.f.unwrap_or(0.0)])?),
        ("value_floats", _) => {
            (ElementType::of(FLOAT), floats(vec![attribute.floats.len()], &attribute.floats)?)
        }
        ("value_int", _) => (ElementType::of(INT64), ints(vec![], &[attribute.i.unwrap_or(0)])?),
        ("value_ints", _) => (ElementType::of(INT64), ints(vec![attribute.ints.len()], &attribute.ints)?),
        (name, _) => {
            return Err(ReadError::unsupported(
                place,
                format!("a constant with the attribute '{name}'"),
                "numbers",
            ));
        }
    })
}
