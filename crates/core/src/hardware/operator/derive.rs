//! The integers of an operator without weights, from its scales and zero points.

use super::scale::{Choice, centred};
use super::{channel_scale, mean, product, sum};
use crate::exact::Ratio;
use crate::network::{IntNetwork, Node};
use crate::ops::{Op, Pool};
use crate::parameters::{
    Activation, Agreement, OperatorArithmetic, OperatorParameters, Range, TableParameters,
};
use crate::quantize::round_exact;

/// Derives an operator. `None` for layers with weights, for conversions from and to reals, where a scale or zero point is
/// not known, and [where there is no integer-only form](crate::ops::Facts::without_integers).
///
/// # Errors
/// The operator has no integer-only form with these scales.
pub fn derive_operator(
    network: &IntNetwork,
    node: &Node,
    tables: &[TableParameters],
    choice: Choice,
) -> Result<Option<OperatorParameters>, String> {
    let activations = |ids: &[crate::network::EdgeId]| {
        ids.iter().map(|&id| network.edge(id).activation).collect::<Option<Vec<Activation>>>()
    };
    let (Some(inputs), Some(outputs)) = (activations(&node.inputs), activations(&node.outputs)) else {
        return Ok(None);
    };
    let (Some(&input), Some(&output)) = (inputs.first(), outputs.first()) else { return Ok(None) };
    if matches!(node.op, Op::Svdf(_) | Op::Lstm(_)) {
        return Ok(None);
    }
    let selects =
        matches!(node.op, Op::Shape(_) | Op::MaxPool(_) | Op::Relu | Op::Clamp { .. } | Op::Layer(_));
    if !selects && inputs.iter().chain(&outputs).any(|activation| activation.code_type.is_wide()) {
        return Err("has codes of 16 bits, whose pairs are too many to be compared".into());
    }
    let (min, max) = output.code_type.range();
    let whole = Range { min, max };
    let rectified = |relu| if relu { Range { min: output.zero_point.clamp(min, max), max } } else { whole };
    let second = || inputs.get(1).copied().ok_or_else(|| "has one input, expected two".to_owned());
    let unfit = || "its scales lie too far apart for 31-bit multipliers".to_owned();
    let with = |found: Option<(OperatorArithmetic, Agreement)>| {
        found.map(|(arithmetic, agreement)| (arithmetic, Some(agreement))).ok_or_else(unfit)
    };

    let (clamp, (arithmetic, agreement)) = match &node.op {
        Op::Quantize | Op::Dequantize | Op::Constant(_) | Op::Layer(_) => return Ok(None),
        Op::Add { relu } => {
            let clamp = rectified(*relu);
            (clamp, with(sum::derive(input, second()?, output, clamp, choice))?)
        }
        Op::Mul { relu } => {
            let clamp = rectified(*relu);
            (clamp, with(product::derive(input, second()?, output, clamp, choice))?)
        }
        Op::MatMul => {
            let matrix = product::derive_matrix(input, second()?, output, choice).ok_or_else(unfit)?;
            (whole, (matrix, None))
        }
        Op::Concatenate { .. } => (whole, with(concatenation(&inputs, output, whole, choice))?),
        Op::AveragePool(pool) => (whole, average(pool, input, output, whole, choice).ok_or_else(unfit)?),
        Op::AdaptiveAveragePool { .. } | Op::Mean { .. } => {
            (whole, (OperatorArithmetic::Mean(Vec::new()), None))
        }
        Op::Relu => (Range { min: input.zero_point.clamp(min, max), max }, (OperatorArithmetic::Clamp, None)),
        Op::Clamp { min: low, max: high } => {
            let clamp = bounds(*low, *high, input).ok_or_else(unfit)?;
            (clamp, (OperatorArithmetic::Clamp, None))
        }
        Op::Function(function) => {
            let table = tables.iter().find(|table| table.name == node.name);
            let table = table.ok_or_else(|| format!("{} has no table for these scales", function.name()))?;
            (whole, (OperatorArithmetic::Table(table.codes.clone()), None))
        }
        Op::BatchNorm(norm) => {
            let clamp = rectified(norm.relu);
            (clamp, with(channel_scale::derive(norm, input, output, clamp, choice))?)
        }
        Op::MaxPool(_) => (whole, (OperatorArithmetic::Largest, None)),
        Op::Shape(_) => (whole, (OperatorArithmetic::Selection, None)),
        Op::Sub { .. }
        | Op::Extremum(_)
        | Op::LayerNorm(_)
        | Op::Softmax { .. }
        | Op::Svdf(_)
        | Op::Lstm(_) => {
            return Ok(None);
        }
    };
    Ok(Some(OperatorParameters {
        name: node.name.clone(),
        op: node.op.name(),
        inputs,
        output,
        clamp,
        arithmetic,
        agreement,
    }))
}

/// One factor per input whose scale or zero point is not the output's, against the exact code of each of its 256 codes.
fn concatenation(
    inputs: &[Activation],
    output: Activation,
    clamp: Range<i32>,
    choice: Choice,
) -> Option<(OperatorArithmetic, Agreement)> {
    let mut total = Agreement { cases: 0, differing: 0 };
    let mut scales = Vec::with_capacity(inputs.len());
    for &input in inputs {
        if input == output {
            scales.push(None);
            continue;
        }
        let factor = super::scale::ratio(&[input.scale], output.scale)?;
        let (scale, agreement) = choice.of_sum(&factor, centred(input), output.zero_point, clamp)?;
        total.cases += agreement.cases;
        total.differing += agreement.differing;
        scales.push(Some(scale));
    }
    Some((OperatorArithmetic::Concatenation(scales), total))
}

/// The mean of whole windows. Windows that the border cuts may have other numbers of positions.
fn average(
    pool: &Pool,
    input: Activation,
    output: Activation,
    clamp: Range<i32>,
    choice: Choice,
) -> Option<(OperatorArithmetic, Option<Agreement>)> {
    let count = pool.kernel.iter().try_fold(1_i64, |product, &size| product.checked_mul(size))?;
    let divisor = pool.divisor.filter(|&divisor| divisor != 0).unwrap_or(count);
    let (scale, agreement) = mean::mean_scale(input, output, clamp, count, divisor, choice)?;
    Some((OperatorArithmetic::Mean(vec![(divisor, scale)]), Some(agreement)))
}

/// The codes of the bounds of a clamp, which may be infinite.
fn bounds(low: f64, high: f64, activation: Activation) -> Option<Range<i32>> {
    let (min, max) = activation.code_type.range();
    let code = |bound: f64| match Ratio::from_f64(bound) {
        Some(bound) => round_exact(&bound, activation),
        None if bound == f64::INFINITY => Some(max),
        None if bound == f64::NEG_INFINITY => Some(min),
        None => None,
    };
    let (low, high) = (code(low)?, code(high)?);
    // Where the bounds cross, the upper one wins.
    Some(Range { min: low.min(high), max: high })
}
