//! How many numbers lowering may hold, in proportion to what the file holds: folding must not let a small file fill memory.

use std::collections::HashMap;

use gen_params_formats::{Argument, SourceModel, Tensor, Value};

use gen_params_core::error::{LowerError, Result};

/// Numbers that any file may have computed: sizes, indices, factors.
const FREE: usize = 1 << 24;

/// A weight is converted, quantized, transposed, and copied by each factor that is folded into its layer: about ten
/// times for what exporters write.
const TIMES: usize = 16;

/// What is left of the numbers that lowering may hold.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    held: usize,
}

impl Budget {
    /// In proportion to the numbers of all tensors of a file, each storage counted once.
    pub(super) fn of(source: &SourceModel) -> Self {
        let mut storages = HashMap::new();
        let mut tensor = |tensor: &Tensor| {
            let (start, bytes) = tensor.memory();
            storages.insert(start, bytes / tensor.dtype().size());
        };
        for module in source.modules.values() {
            module.attributes.values().for_each(|value| value_tensors(value, &mut tensor));
        }
        if let Some(graph) = &source.graph {
            graph.facts.values().filter_map(|facts| facts.constant.as_ref()).for_each(&mut tensor);
            for node in &graph.nodes {
                let keywords = node.keywords.iter().map(|(_, argument)| argument);
                node.arguments.iter().chain(keywords).for_each(|a| argument_tensors(a, &mut tensor));
            }
        }
        let numbers = storages.into_values().fold(0, usize::saturating_add);
        Self { most: numbers.saturating_mul(TIMES).saturating_add(FREE), held: 0 }
    }

    /// Counts numbers that are held from now on.
    ///
    /// # Errors
    /// They are too many; said once, at the place that passes the limit.
    pub(super) fn hold(&mut self, place: &str, numbers: usize) -> Result<()> {
        let before = self.held;
        self.held = before.saturating_add(numbers);
        if self.held <= self.most {
            return Ok(());
        }
        if before > self.most {
            return Err(LowerError { reasons: Vec::new(), hint: None });
        }
        Err(LowerError::at(
            place,
            format!(
                "what is computed from constants up to here takes more than {} numbers, out of all proportion to what \
                 the file holds",
                self.most
            ),
        ))
    }

    /// Whether nothing more may be held.
    pub(super) fn is_spent(&self) -> bool {
        self.held > self.most
    }
}

fn value_tensors(value: &Value, found: &mut impl FnMut(&Tensor)) {
    match value {
        Value::Tensor(tensor) => found(tensor),
        Value::Packed(packed) => {
            found(&packed.weight);
            packed.bias.iter().for_each(found);
        }
        Value::Tuple(values) | Value::List(values) => values.iter().for_each(|v| value_tensors(v, found)),
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Symbol(_)
        | Value::Opaque(_) => {}
    }
}

fn argument_tensors(argument: &Argument, found: &mut impl FnMut(&Tensor)) {
    match argument {
        Argument::Value(_) => {}
        Argument::Constant(value, _) => value_tensors(value, found),
        Argument::List(arguments) => arguments.iter().for_each(|a| argument_tensors(a, found)),
    }
}

#[cfg(test)]
mod tests {
    use gen_params_formats::{
        ByteOrder, Callee, DType, Form, Graph, Node, Place, Quantization, ValueFacts, ValueId,
    };

    use super::*;
    use crate::{Options, wired};

    const COUNT: usize = 1 << 16;

    /// A model of `nodes` nodes, each on two copies of the result before; the first on a constant of [`COUNT`] zeros.
    fn chain(
        form: Form,
        operator: &str,
        keywords: &[(&str, Value)],
        dtype: DType,
        nodes: u32,
    ) -> SourceModel {
        let storage = vec![0_u8; COUNT * dtype.size()].into();
        let constant =
            Tensor::new("c", dtype, vec![COUNT], vec![1], 0, storage, ByteOrder::Little, None).unwrap();
        let first = || match form {
            Form::ExportedProgram => Argument::Constant(Value::Tensor(constant.clone()), None),
            _ => Argument::Value(ValueId(0)),
        };
        let node = |index: u32| {
            let operand = || if index == 0 { first() } else { Argument::Value(ValueId(index)) };
            Node {
                callee: Callee::Function(operator.to_owned()),
                name: format!("node{index}"),
                scope: String::new(),
                arguments: if form == Form::ExportedProgram {
                    vec![operand()]
                } else {
                    vec![operand(), operand()]
                },
                keywords: keywords
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), Argument::Constant(value.clone(), None)))
                    .collect(),
                outputs: vec![ValueId(index + 1)],
                place: Place { file: "".into(), line: index },
            }
        };
        let fact = ValueFacts {
            name: "c".to_owned(),
            shape: Some(vec![65536]),
            element_type: if dtype == DType::I64 { "INT64" } else { "INT32" }.to_owned(),
            constant: Some(constant.clone()),
            ..ValueFacts::default()
        };
        // A TFLite file says something of every tensor, and one without any quantized tensor is refused before that.
        let quantization = Some(Quantization { scale: vec![1.0], zero_point: vec![0], axis: 0 });
        let quantized = ValueFacts { quantization, shape: Some(vec![1]), ..ValueFacts::default() };
        let results = (1..=nodes).map(|index| (ValueId(index), quantized.clone()));
        let facts = [(ValueId(0), fact)].into_iter();
        let graph = Graph {
            outputs: vec![Argument::Value(ValueId(nodes))],
            nodes: (0..nodes).map(node).collect(),
            values: nodes + 1,
            facts: if form == Form::Tflite { facts.chain(results).collect() } else { facts.collect() },
            ..Graph::default()
        };
        SourceModel { form, wrapping: Vec::new(), modules: Default::default(), graph: Some(graph) }
    }

    #[test]
    fn chains_of_constants_are_refused_at_the_node_that_is_too_much() {
        let dims = Value::List(vec![Value::Int(0)]);
        let axis = ("axis", Value::Int(0));
        let count = ("values_count", Value::Int(2));
        let cases = [
            (Form::Onnx, "Concat", vec![axis.clone()], DType::I64, "joins more than 1048576 numbers"),
            (Form::Onnx, "Add", vec![], DType::I64, "out of all proportion"),
            (
                Form::ExportedProgram,
                "torch.ops.aten.permute.default",
                vec![("dims", dims)],
                DType::F32,
                "proportion",
            ),
            (Form::Tflite, "PACK", vec![axis, count], DType::I32, "joins more than 65536 integers"),
        ];
        let mut failures = Vec::new();
        for (form, operator, keywords, dtype, expected) in cases {
            let model = chain(form, operator, &keywords, dtype, 5000);
            // Nothing in it is quantized, which is what a user is told first.
            match wired(&model, &Options::default()) {
                Ok(_) => failures.push(format!("{operator}: lowered")),
                Err(error) if error.reasons.len() == 1 && error.to_string().contains(expected) => {}
                Err(error) => failures.push(format!("{operator}: {} reasons, {error}", error.reasons.len())),
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn a_storage_counts_once() {
        let model = chain(Form::Onnx, "Add", &[], DType::I64, 2);
        let budget = Budget::of(&model);
        assert_eq!((budget.most, budget.held), (COUNT * TIMES + FREE, 0));
    }
}
