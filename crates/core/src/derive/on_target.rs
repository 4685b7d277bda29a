//! Parameters as the target has them: fractional bits of the bias, unsigned codes that travel as signed ones, a narrower
//! range of codes.

use crate::certify::thresholds;
use crate::contract::Contract;
use crate::hardware::reach::{accumulator_range, reach_of};
use crate::hardware::{Target, TargetError, TargetLayer};
use crate::network::IntNetwork;
use crate::ops::{Layer, Op};
use crate::parameters::{
    CodeType, LayerParameters, OperatorArithmetic, OperatorParameters, Parameters, Range, TableParameters,
};

/// Where a fused ReLU is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Relu {
    /// The clamp begins at Z3.
    #[default]
    Clamp,
    /// By a unit of its own; the clamp is that of the codes alone.
    Separate,
}

/// The parameters of a network as the target's memories have them.
///
/// With F fractional bits, `bias` and `folded_bias` are 2^F times as large and `shift` is n + F. With signed activations
/// every zero point, clamp, range and table of unsigned codes, operators' included, is 128 less, and `folded_bias` is that of the smaller Z1.
/// Clamps and ranges are within the target's own. `steps_of` adds the [`thresholds`] of that engine.
///
/// # Errors
/// What a layer's numbers leave unknown, a fractional bias beyond 64 bits, and thresholds that there are none of.
pub fn on_target(
    network: &IntNetwork,
    parameters: &Parameters,
    target: Target,
    relu: Relu,
    steps_of: Option<Contract>,
) -> Result<Parameters, TargetError> {
    let as_they_are = target.bias_fraction_bits == 0
        && !target.signed_activations
        && target.activation_range.is_none()
        && relu == Relu::Clamp
        && steps_of.is_none();
    let mut parameters = parameters.clone();
    if as_they_are {
        return Ok(parameters);
    }
    for layer in &mut parameters.layers {
        let node = network.nodes.iter().find(|node| node.name == layer.name);
        if let Some(Op::Layer(source)) = node.map(|node| &node.op) {
            let thresholds = steps_of.map(|contract| thresholds(contract, source, layer, target)).transpose();
            let thresholds = thresholds.map_err(|refusal| TargetError::Inconsistent {
                layer: layer.name.clone(),
                found: format!("no thresholds: {refusal}"),
            })?;
            *layer = LayerParameters { thresholds, ..layer_on_target(layer, source, target, relu)? };
        }
    }
    for (_, activation) in &mut parameters.inputs {
        *activation = activation.map(|activation| target.activation(activation));
    }
    for table in &mut parameters.tables {
        table_on_target(table, target);
    }
    for operator in &mut parameters.operators {
        operator_on_target(operator, target);
    }
    Ok(parameters)
}

fn layer_on_target(
    parameters: &LayerParameters,
    layer: &Layer,
    target: Target,
    relu: Relu,
) -> Result<LayerParameters, TargetError> {
    let on_target = TargetLayer::new(parameters, layer, target)?;
    let mut changed = parameters.clone();
    let moved = |range: Range<i32>, shift: i32| Range { min: range.min - shift, max: range.max - shift };
    changed.input = parameters.input.map(|input| target.activation(input));
    changed.output = parameters.output.map(|output| target.activation(output));
    changed.input_range =
        parameters.input_range.map(|range| moved(target.within(range), on_target.input_shift));
    changed.padding_value = parameters.padding_value.map(|code| code - on_target.input_shift);
    let mut clamp = on_target.clamp;
    if relu == Relu::Separate && parameters.relu == Some(true) {
        let lowest = on_target.smallest_output_code() + on_target.output_shift;
        let lowest = target.within(Range { min: lowest, max: lowest }).min;
        clamp.min = lowest - on_target.output_shift;
    }
    changed.clamp = Some(clamp);

    let reach = changed
        .input
        .zip(changed.input_range)
        .and_then(|(input, range)| accumulator_range(layer, parameters.channels, range, input.zero_point));
    let extremes = |offsets: &[i64], fraction: u32| {
        let ranges = reach.iter().flatten().zip(offsets);
        let scale = 1_i64.checked_shl(fraction)?;
        ranges
            .map(|(&(min, max), &offset)| {
                let end = |end: i64| end.checked_mul(scale)?.checked_add(offset);
                Some((end(min)?, end(max)?))
            })
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .map(|(min, max)| reach_of(min, max))
    };
    changed.accumulator = extremes(&vec![0; parameters.channels], 0);
    changed.biased = extremes(&on_target.folded_bias, target.bias_fraction_bits);
    changed.bias = Some(on_target.bias);
    changed.folded_bias = Some(on_target.folded_bias);
    changed.shift = Some(on_target.shift);
    Ok(changed)
}

fn table_on_target(table: &mut TableParameters, target: Target) {
    codes_on_target(&mut table.codes, table.output.code_type, target);
    table.input = target.activation(table.input);
    table.output = target.activation(table.output);
}

/// Differences of codes, and with them multipliers, stay as they are. How an operator agrees with real numbers is counted
/// over all codes, and is not known where some cannot occur.
fn operator_on_target(operator: &mut OperatorParameters, target: Target) {
    let code_type = operator.output.code_type;
    if let OperatorArithmetic::Table(codes) = &mut operator.arithmetic {
        codes_on_target(codes, code_type, target);
    }
    let shift = target.code_shift(code_type);
    let Range { min, max } = target.within(operator.clamp);
    operator.clamp = Range { min: min - shift, max: max - shift };
    for input in &mut operator.inputs {
        *input = target.activation(*input);
    }
    operator.output = target.activation(operator.output);
    operator.agreement = operator.agreement.filter(|_| target.activation_range.is_none());
}

fn codes_on_target(codes: &mut [i32], code_type: CodeType, target: Target) {
    for code in codes {
        *code = target.receive(*code, code_type);
    }
}
