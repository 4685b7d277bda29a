//! Variables: resources that one run assigns and the next reads.

use std::collections::BTreeMap;

use gen_params_formats::{Argument, ValueId};

use super::call::Call;
use super::recurrent::LARGEST_STATE;
use super::{Lowering, Order, activation_of};
use gen_params_core::error::Result;
use gen_params_core::network::EdgeId;
use gen_params_core::parameters::Activation;
use gen_params_core::tensor::{Codes, Tensor};

/// The variables of a file, by name.
#[derive(Default)]
pub(super) struct Variables {
    /// The name that a handle stands for, by the tensor that is the handle.
    handles: BTreeMap<ValueId, String>,
    /// What variables hold before the first run.
    first: BTreeMap<String, (Activation, Codes)>,
    /// What variables hold, once it was read or assigned in this run.
    current: BTreeMap<String, Current>,
}

#[derive(Clone, Copy)]
struct Current {
    edge: EdgeId,
    activation: Activation,
    /// The edge that had it when the run began; `None` where it was assigned before anybody read it.
    before: Option<EdgeId>,
}

/// `CALL_ONCE`: a subgraph of `VAR_HANDLE` and `ASSIGN_VARIABLE` with constants.
pub(super) fn call_once(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let number = call.int("init_subgraph_index")?;
    let graph = lowering.graph.once.get(&number);
    let graph = graph.ok_or_else(|| call.refuse(&format!("calls a subgraph {number} that is not there")))?;
    let mut handles = BTreeMap::new();
    for node in &graph.nodes {
        let inner = Call::new(node);
        match inner.operator {
            "VAR_HANDLE" => {
                handles.insert(inner.output(0)?, name(&inner)?);
            }
            "ASSIGN_VARIABLE" => {
                let (handle, value) = (inner.input(0)?, inner.input(1)?);
                let variable = handles.get(&handle).ok_or_else(|| inner.refuse("assigns to no variable"))?;
                let facts =
                    graph.facts.get(&value).ok_or_else(|| inner.refuse("assigns what is not there"))?;
                let (Some(constant), Some(quantization)) = (&facts.constant, &facts.quantization) else {
                    return Err(inner.refuse("assigns what is no constant of codes"));
                };
                let activation = activation_of(&inner.place(), facts, quantization)?;
                let (min, max) = activation.code_type.range();
                let codes = constant.to_i64().filter(|codes| codes.len() <= LARGEST_STATE);
                let codes: Option<Vec<i32>> = codes.and_then(|codes| {
                    let code = |code| i32::try_from(code).ok().filter(|code| (min..=max).contains(code));
                    codes.into_iter().map(code).collect()
                });
                let tensor = codes.and_then(|codes| Tensor::new(constant.shape().to_vec(), codes).ok());
                let tensor = tensor.ok_or_else(|| inner.refuse("assigns what are no codes, or too many"))?;
                lowering.variables.first.insert(variable.clone(), (activation, tensor));
            }
            _ => return Err(inner.refuse("is not supported where variables get their first values")),
        }
    }
    Ok(())
}

/// `VAR_HANDLE`.
pub(super) fn handle(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    lowering.variables.handles.insert(call.output(0)?, name(call)?);
    Ok(())
}

/// `READ_VARIABLE`: what was assigned in this run, or else the state that the run before it left.
pub(super) fn read(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let (name, output) = (lowering.variable(call)?, call.output(0)?);
    let activation = lowering.activation(call, output)?;
    let current = match lowering.variables.current.get(&name) {
        Some(current) => *current,
        None => {
            let Some((first, codes)) = lowering.variables.first.get(&name).cloned() else {
                return Err(call.refuse(&format!("reads `{name}`, which has no first value")));
            };
            if codes.shape() != lowering.shape(output)? {
                return Err(call.refuse(&format!("reads `{name}` in another shape than its first value's")));
            }
            let edge = lowering.builder.state(&name, first, codes);
            let current = Current { edge, activation: first, before: Some(edge) };
            lowering.variables.current.insert(name.clone(), current);
            current
        }
    };
    if current.activation != activation {
        return Err(call.refuse(&format!("reads `{name}` with another scale or zero point than it has")));
    }
    lowering.assign(output, current.edge, Order::File);
    Ok(())
}

/// `ASSIGN_VARIABLE`.
pub(super) fn assign(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let (name, value) = (lowering.variable(call)?, call.input(1)?);
    let activation = lowering.activation(call, value)?;
    let edge = lowering.ordered(call, value, Order::File)?;
    let before = lowering.variables.current.get(&name).and_then(|current| current.before);
    if let Some((first, codes)) = lowering.variables.first.get(&name)
        && (*first != activation || codes.shape() != lowering.shape(value)?)
    {
        return Err(
            call.refuse(&format!("assigns to `{name}` another shape, scale or zero point than it has"))
        );
    }
    if let Some(before) = before {
        lowering.builder.keep(before, edge);
    }
    lowering.variables.current.insert(name, Current { edge, activation, before });
    Ok(())
}

fn name(call: &Call<'_>) -> Result<String> {
    let (container, name) = (call.text("container")?, call.text("shared_name")?);
    Ok(if container.is_empty() { name.to_owned() } else { format!("{container}/{name}") })
}

impl Lowering<'_> {
    /// The name of the variable whose handle is the first input.
    fn variable(&self, call: &Call<'_>) -> Result<String> {
        let handle = match call.node.arguments.first() {
            Some(Argument::Value(id)) => self.variables.handles.get(id),
            _ => None,
        };
        handle.cloned().ok_or_else(|| call.refuse("has no variable"))
    }
}
