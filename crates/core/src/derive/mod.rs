//! From a network to the integers of each layer: bias, weight_sum, folded_bias, M0, n, clamp, reachable accumulators.
//!
//! With S1, Z1 of the input, S2, Z2 of the weight and S3, Z3 of the output, the real equation
//! `S3*(y - Z3) = sum(S1*(x - Z1) * S2*(w - Z2)) + b` becomes
//!
//! ```text
//! y = Z3 + M * (sum(x*(w - Z2)) + folded_bias),   M = S1*S2/S3
//! folded_bias = round(b / (S1*S2)) - Z1*weight_sum + K*Z1*Z2,   weight_sum = sum(w), K taps
//! ```
//!
//! Expanding `(x - Z1)*(w - Z2)` gives **minus** Z1*weight_sum; a well-known write-up of this derivation prints a plus.
//! All roundings are of exact rational values, ties to even.

mod layer;
mod multiplier;
mod on_target;
mod recurrent;

use crate::contract::Contract;
use crate::error::{LowerError, Reason, Result};
use crate::hardware::{Choice, Target, derive_operator};
use crate::network::{EdgeId, IntNetwork, Node};
use crate::ops::{Function, Op};
use crate::parameters::{
    Activation, LayerParameters, MultiplierForm, OperatorParameters, Parameters, TableParameters,
};

pub use crate::hardware::reach::{Accumulators, centred_accumulators};
use multiplier::{DEFAULT_MULTIPLIER_BITS, network_form};
pub use multiplier::{exact_multiplier, normalized_multiplier};
pub use on_target::{Relu, on_target};

/// What the user can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How M becomes M0 and n.
    pub form: MultiplierForm,
    /// Width of the folded bias, for warnings.
    pub bias_bits: u32,
    /// The arithmetic that fills tables of element-wise functions.
    pub tables: Contract,
    /// The arithmetic: its rounding decides the integers of operators without weights, its accumulator what is warned of.
    pub target: Target,
}

impl Default for Options {
    /// M0 of 31 bits normalised per channel; a 32-bit bias; tables of the real functions; the default target.
    fn default() -> Self {
        Self {
            form: MultiplierForm::Bits(31),
            bias_bits: 32,
            tables: Contract::Exact,
            target: Target::default(),
        }
    }
}

/// Derives the integers of every layer with weights.
///
/// # Errors
/// A network without integers to be derived. Otherwise every layer whose integers would be wrong: scales that are not positive and finite, a bias that does not fit in
/// 32 bits, an M0 of zero or of more than 32 bits.
pub fn derive(network: &IntNetwork, options: &Options) -> Result<Parameters> {
    let parameters = derive_any(network, options)?;
    if parameters.layers.is_empty() && parameters.operators.is_empty() && parameters.recurrent.is_empty() {
        let nothing =
            LowerError::new("found no convolution, no linear layer and no other operator with integers");
        let why = parameters.warnings.into_iter().map(|text| Reason { place: String::new(), text });
        return Err(LowerError { reasons: nothing.reasons.into_iter().chain(why).collect(), hint: None });
    }
    Ok(parameters)
}

/// The same, and nothing for a network that has no integers to be derived: engines run it all the same.
///
/// # Errors
/// As [`derive()`], but for a network without integers.
pub fn derive_any(network: &IntNetwork, options: &Options) -> Result<Parameters> {
    let form = options.form;
    let options = &Options { form: network_form(network, form)?, ..*options };
    let mut reasons = Vec::new();
    let mut warnings = network.warnings.clone();
    let mut layers = Vec::new();
    let mut tables = Vec::new();
    for node in &network.nodes {
        if let Op::Function(function) = &node.op {
            match table(network, node, *function, options.tables) {
                Ok(table) => tables.extend(table),
                Err(text) => warnings.push(format!("{}: no table: {text}", node.name)),
            }
        }
        if let Op::Layer(layer) = &node.op {
            match layer::derive_layer(network, node, layer, options, &mut warnings) {
                Ok(parameters) => layers.push(parameters),
                Err(error) => reasons.extend(error.reasons),
            }
        }
    }
    if !reasons.is_empty() {
        return Err(LowerError { reasons, hint: None });
    }
    warnings.extend(weight_zero_point_warning(&layers));
    let operators = operators(network, &tables, options, &mut warnings);
    let recurrent: Vec<_> =
        network.nodes.iter().filter_map(|node| recurrent::recurrent(network, node)).collect();
    Ok(Parameters {
        wiring: network.wiring,
        engine: network.engine.map(Contract::name),
        form,
        inputs: network
            .inputs
            .iter()
            .map(|&id| (network.edge(id).name.clone(), quantized_input(network, id)))
            .collect(),
        layers,
        recurrent,
        tables,
        rounding: options.target.rounding,
        operators,
        warnings,
    })
}

/// One warning for all layers whose Z2 is not 0.
fn weight_zero_point_warning(layers: &[LayerParameters]) -> Option<String> {
    let has_zero_point = |layer: &&LayerParameters| layer.weight.zero_point.iter().any(|&z| z != 0);
    let names: Vec<&str> = layers.iter().filter(has_zero_point).map(|layer| layer.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{}: the weight zero point is not 0; hardware must also subtract Z2 * sum(x_q) from the accumulator",
            names.join(", ")
        )
    })
}

/// Operators without weights. Where a given shift does not suit one, it gets a shift of its own.
fn operators(
    network: &IntNetwork,
    tables: &[TableParameters],
    options: &Options,
    warnings: &mut Vec<String>,
) -> Vec<OperatorParameters> {
    let Options { form, target: Target { rounding, .. }, .. } = *options;
    let own = Choice { form: MultiplierForm::Bits(DEFAULT_MULTIPLIER_BITS), rounding };
    let mut operators = Vec::new();
    for node in &network.nodes {
        let derived = derive_operator(network, node, tables, Choice { form, rounding });
        let derived = match (derived, form) {
            (Err(_), MultiplierForm::Shift(n)) => derive_operator(network, node, tables, own).inspect(|_| {
                warnings.push(format!(
                    "{}: its multipliers do not fit in {DEFAULT_MULTIPLIER_BITS} bits with n = {n}; it has an n of its own",
                    node.name
                ));
            }),
            (derived, _) => derived,
        };
        match derived {
            Ok(operator) => operators.extend(operator),
            // Tables have their own warning.
            Err(_) if matches!(node.op, Op::Function(_)) => {}
            Err(text) => warnings.push(format!("{}: {text}", node.name)),
        }
    }
    operators
}

/// The table of an element-wise function; `None` where its scales are not known.
fn table(
    network: &IntNetwork,
    node: &Node,
    function: Function,
    contract: Contract,
) -> Result<Option<TableParameters>, String> {
    let activation = |id: Option<&EdgeId>| id.and_then(|&id| network.edge(id).activation);
    let (Some(input), Some(output)) = (activation(node.inputs.first()), activation(node.outputs.first()))
    else {
        return Ok(None);
    };
    let table = function
        .table(network.contract_of(node, contract), input, output)
        .map_err(|error| error.to_string())?;
    Ok(Some(TableParameters {
        name: node.name.clone(),
        function: function.name(),
        contract: contract.name(),
        input,
        output,
        codes: table.codes.to_vec(),
    }))
}

/// S and Z of an input of the network: its own, or those of the `quantize` that takes it.
fn quantized_input(network: &IntNetwork, id: EdgeId) -> Option<Activation> {
    network.edge(id).activation.or_else(|| {
        let quantize = network.nodes.iter().find(|n| n.op == Op::Quantize && n.inputs.contains(&id))?;
        network.edge(*quantize.outputs.first()?).activation
    })
}

/// Reasons for layers whose constants cannot be completed, one per layer.
pub fn incomplete(parameters: &Parameters) -> Vec<Reason> {
    parameters
        .layers
        .iter()
        .filter_map(|layer| {
            let missing = match (layer.input, layer.output) {
                (None, None) => "the scale and zero point of its input and of its output are",
                (None, Some(_)) => "the scale and zero point of its input are",
                (Some(_), None) => "the scale and zero point of its output are",
                (Some(_), Some(_)) => return None,
            };
            Some(Reason { place: layer.name.clone(), text: format!("{missing} not in the file") })
        })
        .collect()
}
