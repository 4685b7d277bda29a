//! One node of an ONNX graph as its operator reads it: inputs by position, attributes by name.

use std::cell::RefCell;

use gen_params_formats::{Argument, Node, Value, ValueId};

use gen_params_core::error::{LowerError, Result};

/// A node, its name, and which of its attributes have been read.
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    /// The name in the network.
    pub(super) name: String,
    read: RefCell<Vec<&'a str>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(node: &'a Node, operator: &str) -> Self {
        Self { node, name: module_path(&node.name, operator), read: RefCell::new(Vec::new()) }
    }

    /// A refusal of this node.
    pub(super) fn refuse(&self, text: impl AsRef<str>) -> LowerError {
        LowerError::at(&self.node.name, text.as_ref())
    }

    /// An input, if it is there.
    pub(super) fn optional(&self, position: usize) -> Option<ValueId> {
        match self.node.arguments.get(position) {
            Some(Argument::Value(id)) => Some(*id),
            _ => None,
        }
    }

    /// An input.
    pub(super) fn input(&self, position: usize) -> Result<ValueId> {
        self.optional(position).ok_or_else(|| self.refuse(format!("has no input {position}")))
    }

    /// Number of inputs.
    pub(super) fn count(&self) -> usize {
        self.node.arguments.len()
    }

    /// The first result.
    pub(super) fn output(&self) -> Result<ValueId> {
        self.node.outputs.first().copied().ok_or_else(|| self.refuse("has no result"))
    }

    /// An attribute, if it is there.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a Value> {
        let (own, argument) = self.node.keywords.iter().find(|(own, _)| own == name)?;
        match argument {
            Argument::Constant(value, _) => {
                self.read.borrow_mut().push(own);
                Some(value)
            }
            // A graph: nobody has read it, and the node is refused for it.
            Argument::Value(_) | Argument::List(_) => None,
        }
    }

    /// Attributes that do not change the result.
    pub(super) fn ignore(&self, names: &[&str]) {
        for name in names {
            self.attribute(name);
        }
    }

    /// The first attribute that nobody has read.
    pub(super) fn unread(&self) -> Option<&'a str> {
        let read = self.read.borrow();
        self.node.keywords.iter().map(|(name, _)| name.as_str()).find(|name| !read.contains(name))
    }

    /// An integer attribute.
    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Value::Int(value)) => Ok(*value),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// A float attribute.
    pub(super) fn float(&self, name: &str, default: f64) -> Result<f64> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Value::Float(value)) => Ok(*value),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// A text attribute.
    pub(super) fn text(&self, name: &str, default: &'a str) -> Result<&'a str> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Value::Str(value)) => Ok(value),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// A list of integers, if it is there.
    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(value @ Value::List(_)) => value.as_ints().map(Some).ok_or_else(|| self.wrong(name, value)),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// A list of floats, if it is there.
    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f64>>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(value @ Value::List(items)) => {
                let float = |item: &Value| if let Value::Float(number) = item { Some(*number) } else { None };
                let floats = items.iter().map(float).collect::<Option<Vec<f64>>>();
                floats.map(Some).ok_or_else(|| self.wrong(name, value))
            }
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    fn wrong(&self, name: &str, value: &Value) -> LowerError {
        self.refuse(format!("its `{name}` is {}", value.kind()))
    }
}

/// The path of the module that a node was exported from: `/features/features.0/Conv` is `features.0`, `/block/Add` is
/// `block.Add`; other names as they are.
pub(super) fn module_path(name: &str, operator: &str) -> String {
    /// Operators that are written as code of a module rather than as a module.
    const FUNCTIONS: [&str; 12] = [
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Concat",
        "Reshape",
        "Flatten",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Slice",
        "Split",
    ];
    let operator = match operator.rsplit('.').next().unwrap_or(operator) {
        "QGemm" => "Gemm",
        other => other.strip_prefix("QLinear").unwrap_or(other),
    };
    let mut path = String::new();
    let mut last = "";
    // TensorFlow joins the names of what it fused.
    let name = name.split(';').next().unwrap_or(name);
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        // Quantizers append `_quant`, exporters number what repeats.
        let is_operator = part.strip_prefix(operator).is_some_and(|rest| {
            rest.is_empty() || rest == "_quant" || rest.bytes().all(|b| b == b'_' || b.is_ascii_digit())
        });
        if index > 0 && index + 1 == parts.len() && is_operator && !FUNCTIONS.contains(&operator) {
            break;
        }
        // A module inside a Sequential repeats the Sequential's name.
        if !last.is_empty() && part.strip_prefix(last).is_some_and(|rest| rest.starts_with('.')) {
            path.truncate(path.len() - last.len());
        } else if !path.is_empty() {
            path.push('.');
        }
        path.push_str(part);
        last = part;
    }
    if path.is_empty() { name.to_owned() } else { path }
}

#[cfg(test)]
mod tests {
    use super::module_path;

    #[test]
    fn nodes_are_named_after_their_modules() {
        for (name, operator, expected) in [
            ("/features/features.0/Conv", "Conv", "features.0"),
            ("/features/features.0/Conv_quant", "QLinearConv", "features.0"),
            ("/block/conv1/Conv", "Conv", "block.conv1"),
            ("/block/Add", "Add", "block.Add"),
            ("/classifier/classifier.1/Gemm_quant", "com.microsoft.QGemm", "classifier.1"),
            ("/features/features.7/AveragePool_quant", "com.microsoft.QLinearAveragePool", "features.7"),
            ("net/conv2d/Relu;net/conv2d/BiasAdd_quant", "QLinearConv", "net.conv2d.Relu"),
            ("Conv_3", "Conv", "Conv_3"),
            ("fc", "Gemm", "fc"),
        ] {
            assert_eq!(module_path(name, operator), expected, "{name}");
        }
    }
}
