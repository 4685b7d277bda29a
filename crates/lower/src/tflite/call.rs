//! One operator of the file: its inputs, outputs and options by name.

use std::cell::RefCell;

use gen_params_formats::{Argument, Callee, Node, Value, ValueFacts, ValueId, recipe};

use super::super::arguments::shown;
use gen_params_core::error::{LowerError, Reason, Result};

/// An operator, and which of its options have been read.
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    /// Its name in TensorFlow Lite's schema.
    pub(super) operator: &'a str,
    read: RefCell<Vec<&'a str>>,
}

/// Options that do not change the result: how floats and memory are handled, names, and what the sizes of the tensors, which
/// are read, say again.
const WITHOUT_MEANING: [&str; 10] = [
    "asymmetric_quantize_inputs",
    "container",
    "shared_name",
    "intermediates",
    "depth_multiplier",
    "keep_num_dims",
    "new_shape",
    "squeeze_dims",
    "values_count",
    "num",
];

/// The activation that an operator ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fused {
    None,
    Relu,
    Relu6,
    ReluN1To1,
}

impl<'a> Call<'a> {
    pub(super) fn new(node: &'a Node) -> Self {
        let (Callee::Function(operator) | Callee::Method(operator) | Callee::Module(operator)) = &node.callee;
        Self { node, operator, read: RefCell::new(Vec::new()) }
    }

    /// Where it is, for errors.
    pub(super) fn place(&self) -> String {
        format!("{} ({}, {})", self.node.name, self.operator, self.node.place)
    }

    pub(super) fn refuse(&self, text: &str) -> LowerError {
        LowerError::at(self.place(), text)
    }

    /// A refusal because a tensor has no codes.
    pub(super) fn float(&self, facts: &ValueFacts) -> LowerError {
        self.refuse(&format!(
            "has a tensor `{}` of {}, which is not quantized",
            facts.name, facts.element_type
        ))
        .hint(recipe::TFLITE)
    }

    /// An input; `None` where it is left out.
    pub(super) fn optional(&self, index: usize) -> Option<ValueId> {
        match self.node.arguments.get(index) {
            Some(Argument::Value(id)) => Some(*id),
            Some(Argument::Constant(..) | Argument::List(_)) | None => None,
        }
    }

    /// An input that must be there.
    pub(super) fn input(&self, index: usize) -> Result<ValueId> {
        self.optional(index).ok_or_else(|| self.refuse(&format!("has no input {index}")))
    }

    /// All inputs.
    pub(super) fn inputs(&self) -> Result<Vec<ValueId>> {
        (0..self.node.arguments.len()).map(|index| self.input(index)).collect()
    }

    /// A result.
    pub(super) fn output(&self, index: usize) -> Result<ValueId> {
        let output = self.node.outputs.get(index).copied();
        output.ok_or_else(|| self.refuse(&format!("has {} outputs, expected more", self.node.outputs.len())))
    }

    /// A tensor that holds the scale of something inside of the operator.
    pub(super) fn intermediate(&self, index: usize) -> Option<ValueId> {
        let (_, list) = self.node.keywords.iter().find(|(keyword, _)| keyword == "intermediates")?;
        match list {
            Argument::List(list) => match list.get(index) {
                Some(Argument::Value(id)) => Some(*id),
                _ => None,
            },
            Argument::Value(_) | Argument::Constant(..) => None,
        }
    }

    fn option(&self, name: &str) -> Result<&'a Value> {
        match self.node.keywords.iter().find(|(keyword, _)| keyword == name) {
            Some((keyword, Argument::Constant(value, _))) => {
                self.read.borrow_mut().push(keyword);
                Ok(value)
            }
            _ => Err(self.refuse(&format!("has no option `{name}`"))),
        }
    }

    /// Refuses the operator for each option that nobody read and that says more than its absence would.
    pub(super) fn finish(&self) -> Result<()> {
        let read = self.read.borrow();
        let unread = self.node.keywords.iter().filter(|(keyword, argument)| {
            let says_nothing = match argument {
                Argument::Constant(Value::Int(0) | Value::Bool(false) | Value::None, _) => true,
                Argument::Constant(Value::Float(number), _) => *number == 0.0,
                Argument::Constant(Value::Str(text), _) => matches!(&**text, "" | "NONE" | "DEFAULT"),
                Argument::Constant(Value::List(list), _) => list.is_empty(),
                Argument::Constant(..) | Argument::Value(_) | Argument::List(_) => false,
            };
            !read.contains(&keyword.as_str()) && !says_nothing && !WITHOUT_MEANING.contains(&keyword.as_str())
        });
        let reasons: Vec<Reason> = unread
            .map(|(keyword, argument)| {
                let found = match argument {
                    Argument::Constant(value, _) => shown(value),
                    Argument::Value(_) | Argument::List(_) => "tensors".into(),
                };
                Reason {
                    place: self.place(),
                    text: format!("has `{keyword}` = {found}, which is not supported"),
                }
            })
            .collect();
        if reasons.is_empty() { Ok(()) } else { Err(LowerError { reasons, hint: None }) }
    }

    pub(super) fn int(&self, name: &str) -> Result<i64> {
        let value = self.option(name)?;
        value.as_i64().ok_or_else(|| self.refuse(&format!("has {} for `{name}`", value.kind())))
    }

    /// A size that must be positive.
    pub(super) fn size(&self, name: &str) -> Result<u32> {
        let value = self.int(name)?;
        let size = u32::try_from(value).ok().filter(|&size| size > 0);
        size.ok_or_else(|| self.refuse(&format!("has a `{name}` of {value}")))
    }

    pub(super) fn number(&self, name: &str) -> Result<f64> {
        let value = self.option(name)?;
        value.as_f64().ok_or_else(|| self.refuse(&format!("has {} for `{name}`", value.kind())))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        match self.option(name)? {
            Value::Bool(flag) => Ok(*flag),
            other => Err(self.refuse(&format!("has {} for `{name}`", other.kind()))),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str> {
        let value = self.option(name)?;
        value.as_str().ok_or_else(|| self.refuse(&format!("has {} for `{name}`", value.kind())))
    }

    /// The activation that it ends with.
    pub(super) fn fused(&self) -> Result<Fused> {
        match self.text("fused_activation_function")? {
            "NONE" => Ok(Fused::None),
            "RELU" => Ok(Fused::Relu),
            "RELU6" => Ok(Fused::Relu6),
            "RELU_N1_TO_1" => Ok(Fused::ReluN1To1),
            other => Err(self.refuse(&format!("ends with the activation {other}"))),
        }
    }

    /// Refuses an activation at the end, where the format has one and no converter writes it.
    pub(super) fn without_activation(&self) -> Result<()> {
        match self.fused()? {
            Fused::None => Ok(()),
            Fused::Relu | Fused::Relu6 | Fused::ReluN1To1 => Err(self.refuse("ends with an activation")),
        }
    }
}
