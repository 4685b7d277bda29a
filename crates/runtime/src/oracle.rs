//! Asks the scalar reference, so that nothing of it is written twice.

use gen_params_core::contract::Contract;
use gen_params_core::network::{IntNetwork, Node};
use gen_params_core::ops::{Context, Op, Shapes, Value};
use gen_params_core::parameters::Activation;
use gen_params_core::tensor::{Codes, Layout, Tensor};

use crate::error::{Error, Result};

/// The reference of one node.
#[derive(Debug, Clone)]
pub(crate) struct Oracle {
    node: Node,
    contract: Contract,
    inputs: Vec<Option<Activation>>,
    output: Option<Activation>,
    signed_as_unsigned: bool,
}

impl Oracle {
    pub(crate) fn new(network: &IntNetwork, node: &Node, contract: Contract) -> Self {
        Self {
            node: node.clone(),
            contract: network.contract_of(node, contract),
            inputs: node.inputs.iter().map(|&id| network.edge(id).activation).collect(),
            output: node.outputs.first().and_then(|&id| network.edge(id).activation),
            signed_as_unsigned: network.signed_as_unsigned,
        }
    }

    fn context(&self) -> Context<'_> {
        let Self { contract, output, signed_as_unsigned, .. } = *self;
        Context { contract, inputs: &self.inputs, output, signed_as_unsigned }
    }

    /// Its results for some inputs. `known` has the shapes of the edges that sizes are computed from.
    pub(crate) fn ask(&self, inputs: Vec<Codes>, known: &Shapes) -> Result<Vec<Codes>> {
        let values: Vec<Value> = inputs.into_iter().map(Value::Codes).collect();
        let results = self
            .node
            .op
            .apply(&values.iter().collect::<Vec<_>>(), known, &self.context())
            .map_err(|error| self.error(error.to_string()))?;
        results
            .into_iter()
            .map(|value| match value {
                Value::Codes(codes) => Ok(codes),
                Value::Floats(_) => Err(self.error("gives floats where codes are needed")),
            })
            .collect()
    }

    /// Its only result.
    pub(crate) fn ask_one(&self, inputs: Vec<Codes>, known: &Shapes) -> Result<Codes> {
        let results = self.ask(inputs, known)?;
        let count = results.len();
        results.into_iter().next().ok_or_else(|| self.error(format!("gives {count} results, expected one")))
    }

    /// The codes of real numbers, where it quantizes.
    pub(crate) fn quantize(&self, reals: Tensor<f32>) -> Result<Codes> {
        let results = self.node.op.apply(&[&Value::Floats(reals)], &[], &self.context());
        match results.map_err(|error| self.error(error.to_string()))?.into_iter().next() {
            Some(Value::Codes(codes)) => Ok(codes),
            _ => Err(self.error("gives floats where codes are needed")),
        }
    }

    /// The accumulators of a layer.
    pub(crate) fn accumulate(&self, input: &Codes) -> Result<Tensor<i64>> {
        match &self.node.op {
            Op::Layer(layer) => layer
                .accumulate(self.contract, input, self.input(0)?)
                .map_err(|error| self.error(error.to_string())),
            _ => Err(self.error("has no accumulators")),
        }
    }

    /// True for a layer with weights.
    pub(crate) fn is_layer(&self) -> bool {
        matches!(self.node.op, Op::Layer(_))
    }

    /// A tensor for it.
    pub(crate) fn tensor(&self, shape: Vec<usize>, layout: Layout, elements: Vec<i32>) -> Result<Codes> {
        let tensor = Tensor::new(shape, elements).map_err(|error| self.error(error.to_string()))?;
        Ok(tensor.with_layout(layout))
    }

    /// S and Z of an input.
    pub(crate) fn input(&self, index: usize) -> Result<Activation> {
        let known = self.inputs.get(index).copied().flatten();
        known.ok_or_else(|| self.error("the scale and zero point of its input are not known"))
    }

    /// S and Z of the results.
    pub(crate) fn output(&self) -> Result<Activation> {
        self.output.ok_or_else(|| self.error("the scale and zero point of its output are not known"))
    }

    /// The same node with another zero point for its first input.
    pub(crate) fn with_zero_point(mut self, zero_point: i32) -> Self {
        if let Some(Some(activation)) = self.inputs.first_mut() {
            activation.zero_point = zero_point;
        }
        self
    }

    /// An error of this node.
    pub(crate) fn error(&self, text: impl Into<String>) -> Error {
        Error::node(&self.node.name, text)
    }
}
