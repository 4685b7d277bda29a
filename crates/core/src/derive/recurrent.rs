//! The integers of operators that keep a state.

use crate::fixed_point::FixedPoint;
use crate::network::{IntNetwork, Node};
use crate::ops::{GATE_SCALE, GATES, Lstm, LstmKernel, Op, Product, Svdf};
use crate::parameters::{Activation, CodeType, FactorParameters, ProductParameters, RecurrentParameters};

/// Those of a node; `None` for other operators, and where a scale is not known.
pub(super) fn recurrent(network: &IntNetwork, node: &Node) -> Option<RecurrentParameters> {
    let activation = |edge: Option<&crate::network::EdgeId>| network.edge(*edge?).activation;
    let input = activation(node.inputs.first())?;
    let output = activation(node.outputs.first())?;
    let states = node.inputs.iter().skip(1).map(|&id| {
        let edge = network.edge(id);
        Some((edge.name.clone(), edge.activation?))
    });
    let states = states.collect::<Option<Vec<(String, Activation)>>>()?;
    let state = states.first()?.1;
    let (products, factors, cell_clip) = match &node.op {
        Op::Svdf(svdf) => (of_svdf(&node.name, svdf, [input, state, output]), Vec::new(), None),
        Op::Lstm(lstm) => {
            let products = of_lstm(&node.name, lstm, [input, state]);
            let clip = (lstm.cell_clip <= CodeType::I16.range().1).then_some(lstm.cell_clip);
            (products, of_cells(lstm), clip)
        }
        _ => return None,
    };
    Some(RecurrentParameters {
        name: node.name.clone(),
        op: node.op.name(),
        states,
        products,
        factors,
        cell_clip,
    })
}

fn of_svdf(name: &str, svdf: &Svdf, [input, state, output]: [Activation; 3]) -> Vec<ProductParameters> {
    let filters = vec![0; svdf.feature.shape[0]];
    let bias = svdf.bias.clone().unwrap_or_else(|| vec![0; svdf.units()]);
    vec![
        product(format!("{name}.feature"), &svdf.feature, 1, filters, [input, state]),
        product(format!("{name}.time"), &svdf.time, svdf.rank, bias, [state, output]),
    ]
}

/// What a gate is before its sigmoid or tanh.
const GATE: Activation = Activation { scale: GATE_SCALE, zero_point: 0, code_type: CodeType::I16 };

fn of_lstm(name: &str, lstm: &Lstm, [input, hidden]: [Activation; 2]) -> Vec<ProductParameters> {
    let gates = lstm.gates.iter().zip(GATES).flat_map(|(gate, gate_name)| {
        let none = vec![0; gate.bias.len()];
        [
            product(format!("{name}.{gate_name}.input"), &gate.input, 1, gate.bias.clone(), [input, GATE]),
            product(format!("{name}.{gate_name}.recurrent"), &gate.recurrent, 1, none, [hidden, GATE]),
        ]
    });
    gates.collect()
}

fn of_cells(lstm: &Lstm) -> Vec<FactorParameters> {
    let fixed = |factor: FixedPoint| (factor.multiplier.unsigned_abs(), 31 - factor.exponent);
    let [forget, input] = match lstm.kernel {
        LstmKernel::Litert => [(1, 15), (1, 30 + lstm.cell_power)],
        LstmKernel::Micro { forget, input } => [fixed(forget), fixed(input)],
    };
    let factors = [("forget_to_cell", forget), ("input_to_cell", input), ("output", fixed(lstm.output))];
    let factors = factors.map(|(name, (multiplier, shift))| FactorParameters { name, multiplier, shift });
    factors.to_vec()
}

fn product(
    name: String,
    product: &Product,
    rank: usize,
    bias: Vec<i64>,
    [input, output]: [Activation; 2],
) -> ProductParameters {
    let columns = product.shape[1].saturating_mul(rank).max(1);
    let sums = product.codes.chunks(columns).map(|row| row.iter().map(|&code| i64::from(code)).sum::<i64>());
    let zero_point = i64::from(input.zero_point);
    let folded_bias = bias.iter().zip(sums).map(|(bias, sum)| bias.wrapping_sub(zero_point * sum)).collect();
    let FixedPoint { multiplier, exponent } = product.factor;
    ProductParameters {
        name,
        input,
        weight_shape: product.shape,
        weight: product.codes.clone(),
        weight_bits: product.bits,
        weight_scale: product.scale,
        rank,
        folded_bias,
        bias,
        real_multiplier: f64::from(multiplier) * 2f64.powi(exponent - 31),
        multiplier: multiplier.unsigned_abs(),
        shift: 31 - exponent,
        output,
    }
}
