//! Asks the scalar reference of a node, an engine's or the target's, so that nothing of it is written twice.

use gen_params_core::contract::Contract;
use gen_params_core::hardware::{Overflow, TargetLayer, TargetOperator};
use gen_params_core::machine::{Arithmetic, Machine};
use gen_params_core::network::{IntNetwork, Node};
use gen_params_core::ops::{Context, Fusion, Op, Shapes, Value};
use gen_params_core::parameters::Activation;
use gen_params_core::tensor::{Codes, Layout, Tensor};

use crate::error::{Error, Result};

/// Whose integers a network is run in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Integers<'a> {
    /// A reference engine's.
    Contract(Contract),
    /// The hardware's, node by node.
    Target(&'a Machine<'a>),
}

impl<'a> Integers<'a> {
    pub(crate) fn of(machine: &'a Machine<'a>) -> Self {
        match machine.arithmetic() {
            Arithmetic::Contract(contract) => Self::Contract(contract),
            Arithmetic::Target(_) => Self::Target(machine),
        }
    }

    /// The contract of all that is computed outside of the target: a target quantizes and moves codes exactly.
    pub(crate) fn contract(self) -> Contract {
        match self {
            Self::Contract(contract) => contract,
            Self::Target(_) => Contract::Exact,
        }
    }
}

/// A node of the target.
#[derive(Debug, Clone)]
pub(crate) enum OnTarget {
    Layer(Box<TargetLayer>),
    Operator(Box<TargetOperator>),
}

/// The reference of one node.
#[derive(Debug, Clone)]
pub(crate) struct Oracle {
    node: Node,
    contract: Contract,
    /// On the target, for what is computed there.
    target: Option<OnTarget>,
    inputs: Vec<Option<Activation>>,
    output: Option<Activation>,
    fusion: Fusion,
}

impl Oracle {
    pub(crate) fn new(network: &IntNetwork, index: usize, node: &Node, integers: Integers<'_>) -> Self {
        let target = match integers {
            Integers::Contract(_) => None,
            Integers::Target(machine) => match (machine.operator(index), machine.layer(index)) {
                (Some(operator), _) => Some(OnTarget::Operator(Box::new(operator.clone()))),
                (None, Some(layer)) => Some(OnTarget::Layer(Box::new(layer.clone()))),
                (None, None) => None,
            },
        };
        Self {
            node: node.clone(),
            contract: network.contract_of(node, integers.contract()),
            target,
            inputs: node.inputs.iter().map(|&id| network.edge(id).activation).collect(),
            output: node.outputs.first().and_then(|&id| network.edge(id).activation),
            fusion: network.fusion(node),
        }
    }

    fn context(&self) -> Context<'_> {
        let Self { contract, output, fusion, .. } = *self;
        Context { contract, inputs: &self.inputs, output, fusion }
    }

    /// The node on the target, where it is computed there.
    pub(crate) fn on_target(&self) -> Option<&OnTarget> {
        self.target.as_ref()
    }

    /// Whether what is asked for holds for all codes: the target may be unable to have some, and counts those.
    pub(crate) fn takes_every_code(&self) -> bool {
        match &self.target {
            None => true,
            Some(OnTarget::Layer(layer)) => layer.takes_every_code(),
            Some(OnTarget::Operator(operator)) => operator.takes_every_code(),
        }
    }

    /// Its results for some inputs, and what did not fit into the target's registers. `known` has the shapes of the edges
    /// that sizes are computed from.
    pub(crate) fn compute(&self, inputs: Vec<Codes>, known: &Shapes) -> Result<(Vec<Codes>, Vec<Overflow>)> {
        match &self.target {
            None => Ok((self.ask_contract(inputs, known)?, Vec::new())),
            Some(OnTarget::Operator(operator)) => {
                let inputs: Vec<&Codes> = inputs.iter().collect();
                let computed =
                    operator.codes(&inputs, known).map_err(|error| self.error(error.to_string()))?;
                Ok((computed.results, computed.overflows))
            }
            Some(OnTarget::Layer(layer)) => {
                let [input] = inputs.as_slice() else {
                    return Err(self.error(format!("has {} inputs, expected one", inputs.len())));
                };
                // The error names the layer.
                let computed = layer
                    .codes(input.elements(), input.shape())
                    .map_err(|error| Error::Input(error.to_string()))?;
                let codes = self.tensor(computed.shape, Layout::Contiguous, computed.codes)?;
                Ok((vec![codes], computed.overflows))
            }
        }
    }

    /// Its results for some inputs. `known` has the shapes of the edges that sizes are computed from.
    pub(crate) fn ask(&self, inputs: Vec<Codes>, known: &Shapes) -> Result<Vec<Codes>> {
        Ok(self.compute(inputs, known)?.0)
    }

    fn ask_contract(&self, inputs: Vec<Codes>, known: &Shapes) -> Result<Vec<Codes>> {
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

    /// The accumulators of a layer, exact on a target.
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

    /// The same node, which only moves codes, with another zero point for its first input.
    pub(crate) fn with_zero_point(mut self, zero_point: i32) -> Self {
        self.target = None;
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
