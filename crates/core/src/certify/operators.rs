//! Operators without weights, over everything that can enter them: the target's integers against a contract's codes.
//!
//! A code has 256 values, so a function of one code is evaluated 256 times and a function of two 65,536 times. The mean of
//! a window depends on the sum of its codes alone and never falls, so one window is evaluated for each sum. What only
//! selects codes, or clamps them, changes none.

use std::collections::BTreeMap;

use crate::contract::Contract;
use crate::network::IntNetwork;
use crate::ops::{Context, Op, Pool, Value};
use crate::parameters::{Activation, CodeType, Parameters};
use crate::target::{Target, TargetOperator};
use crate::tensor::{Codes, Tensor};

/// Inputs and the codes that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// One code per input; of a mean, the sum of its codes.
    pub inputs: Vec<i64>,
    /// The reference's code.
    pub reference: i32,
    /// The hardware's code.
    pub hardware: i32,
}

/// What was found of one operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorProof {
    /// Name in the model.
    pub name: String,
    /// The operator.
    pub op: &'static str,
    /// What was counted, or why nothing was.
    pub counted: Result<Counted, String>,
}

/// Everything that can enter an operator, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Different inputs.
    pub cases: u64,
    /// Those at which the codes differ.
    pub differing: u64,
    /// The largest distance of codes.
    pub largest: u32,
    /// One of those at which it is largest.
    pub example: Option<Case>,
}

/// Certifies every operator without weights whose scales are known. Selections of codes are left out.
pub fn certify_operators(
    network: &IntNetwork,
    parameters: &Parameters,
    contract: Contract,
    target: Target,
) -> Vec<OperatorProof> {
    let mut proofs = Vec::new();
    for node in &network.nodes {
        let selects = matches!(
            node.op,
            Op::Quantize | Op::Dequantize | Op::Layer(_) | Op::MaxPool(_) | Op::Shape(_) | Op::Relu
        );
        if selects {
            continue;
        }
        let activations = |ids: &[crate::network::EdgeId]| {
            ids.iter().map(|&id| network.edge(id).activation).collect::<Option<Vec<Activation>>>()
        };
        let counted = match parameters.operators.iter().find(|operator| operator.name == node.name) {
            None => Err("has no integer-only form with the scales that are known".to_owned()),
            Some(operator) => match (activations(&node.inputs), activations(&node.outputs)) {
                (Some(inputs), Some(outputs)) => space(&node.op, &inputs).and_then(|space| {
                    let hardware = TargetOperator::new(operator, &space.op, parameters.form, target)
                        .map_err(|error| error.to_string())?;
                    space.count(&hardware, contract, outputs.first().copied())
                }),
                _ => Err("its scales are not known".to_owned()),
            },
        };
        proofs.push(OperatorProof { name: node.name.clone(), op: node.op.name(), counted });
    }
    proofs
}

/// Everything that can enter an operator.
struct Space {
    /// The operator, on a geometry that holds every case once.
    op: Op,
    activations: Vec<Activation>,
    inputs: Vec<Codes>,
    /// What the elements of the result stand for: one number per input; of a mean, the sum.
    cases: Vec<Vec<i64>>,
}

fn space(op: &Op, activations: &[Activation]) -> Result<Space, String> {
    if activations.iter().any(|activation| activation.code_type == CodeType::I16) {
        return Err("has activations of 16 bits, too many to be counted".to_owned());
    }
    let codes = |activation: Activation| {
        let (min, max) = activation.code_type.range();
        (min..=max).collect::<Vec<i32>>()
    };
    let each = || activations.iter().map(|&activation| codes(activation)).collect::<Vec<_>>();
    let tensor = |shape: Vec<usize>, elements: Vec<i32>| {
        Tensor::new(shape, elements).map_err(|error| format!("{error:?}"))
    };
    let wide = |values: &[i32]| values.iter().map(|&value| i64::from(value)).collect::<Vec<i64>>();
    let space = |op: Op, inputs: Vec<Codes>, cases: Vec<Vec<i64>>| {
        Ok(Space { op, activations: activations.to_vec(), inputs, cases })
    };
    match (op, each().as_slice()) {
        (Op::Add { .. } | Op::Mul { .. }, [first, second]) => {
            let pairs: Vec<(i32, i32)> =
                first.iter().flat_map(|&a| second.iter().map(move |&b| (a, b))).collect();
            let shape = vec![1, pairs.len()];
            let inputs = vec![
                tensor(shape.clone(), pairs.iter().map(|pair| pair.0).collect())?,
                tensor(shape, pairs.iter().map(|pair| pair.1).collect())?,
            ];
            space(op.clone(), inputs, pairs.iter().map(|&(a, b)| wide(&[a, b])).collect())
        }
        (Op::Clamp { .. } | Op::Function(_), [all]) => {
            let inputs = vec![tensor(vec![1, all.len()], all.clone())?];
            space(op.clone(), inputs, all.iter().map(|&code| wide(&[code])).collect())
        }
        (Op::Concatenate { requantizes, .. }, each) => {
            let op = Op::Concatenate { axis: 1, requantizes: *requantizes };
            let inputs = each.iter().map(|all| tensor(vec![1, all.len()], all.clone()));
            let cases = each.iter().flatten().map(|&code| wide(&[code])).collect();
            space(op, inputs.collect::<Result<_, _>>()?, cases)
        }
        (Op::BatchNorm(norm), [all]) => {
            let channels = norm.weight.len();
            let spread: Vec<i32> = all.iter().flat_map(|&code| vec![code; channels]).collect();
            let cases = spread.iter().map(|&code| wide(&[code])).collect();
            space(op.clone(), vec![tensor(vec![all.len(), channels], spread)?], cases)
        }
        (Op::AveragePool(pool), [all]) => {
            let (pool, window) = whole_window(pool)?;
            let (min, max) = (all.first().copied().unwrap_or(0), all.last().copied().unwrap_or(0));
            let size = i32::try_from(window).map_err(|_| "its window is too large".to_owned())?;
            let mut elements = Vec::new();
            let mut cases = Vec::new();
            for sum in 0..=size.saturating_mul(max - min) {
                let (each, rest) = (sum / size, sum % size);
                elements.extend((0..size).map(|place| min + each + i32::from(place < rest)));
                cases.push(wide(&[sum + size * min]));
            }
            let mut shape = vec![cases.len(), 1];
            shape.extend(pool.kernel.iter().filter_map(|&size| usize::try_from(size).ok()));
            space(Op::AveragePool(pool), vec![tensor(shape, elements)?], cases)
        }
        (Op::AdaptiveAveragePool { .. } | Op::Mean { .. }, _) => {
            Err("depends on the size of its input, which --input tells".to_owned())
        }
        (Op::MatMul, _) => Err("has sums of products, as many as its input is long".to_owned()),
        (Op::LayerNorm(_) | Op::Softmax { .. }, _) => Err("has no integer-only form".to_owned()),
        _ => Err(format!("has {} inputs", activations.len())),
    }
}

/// The same mean on inputs of exactly one window, and the number of positions of a window.
fn whole_window(pool: &Pool) -> Result<(Pool, usize), String> {
    /// Positions of a window for which every sum is tried.
    const LARGEST_WINDOW: usize = 4096;
    let axes = pool.kernel.len();
    let window = pool.kernel.iter().try_fold(1_usize, |product, &size| {
        product.checked_mul(usize::try_from(size).ok()?).filter(|&n| (1..=LARGEST_WINDOW).contains(&n))
    });
    let window = window.ok_or_else(|| format!("its window {:?} is too large", pool.kernel))?;
    let alone = Pool {
        stride: vec![1; axes],
        padding: vec![0; axes],
        padding_end: None,
        dilation: vec![1; axes],
        ceil_mode: false,
        ..pool.clone()
    };
    Ok((alone, window))
}

impl Space {
    fn count(
        &self,
        hardware: &TargetOperator,
        contract: Contract,
        output: Option<Activation>,
    ) -> Result<Counted, String> {
        let known: [Option<Vec<usize>>; 0] = [];
        let values: Vec<Value> = self.inputs.iter().cloned().map(Value::Codes).collect();
        let activations: Vec<Option<Activation>> = self.activations.iter().copied().map(Some).collect();
        let context = Context { contract, inputs: &activations, output };
        let reference = self
            .op
            .apply(&values.iter().collect::<Vec<_>>(), &known, &context)
            .map_err(|error| error.to_string())?;
        let ours = hardware
            .codes(&self.inputs.iter().collect::<Vec<_>>(), &known)
            .map_err(|error| error.to_string())?;
        let (Some(Value::Codes(reference)), Some(ours)) = (reference.first(), ours.results.first()) else {
            return Err("gives no codes".to_owned());
        };
        if [reference.elements().len(), ours.elements().len()] != [self.cases.len(); 2] {
            return Err("gives another number of codes".to_owned());
        }
        // A code of a channel, or of one input of several, is a case of its own.
        let mut counted = Counted { cases: self.cases.len() as u64, ..Counted::default() };
        let mut distances = BTreeMap::new();
        for ((&reference, &hardware), inputs) in
            reference.elements().iter().zip(ours.elements()).zip(&self.cases)
        {
            let distance = reference.abs_diff(hardware);
            if distance > 0 {
                counted.differing += 1;
                let case = || Case { inputs: inputs.clone(), reference, hardware };
                distances.entry(distance).or_insert_with(case);
            }
        }
        if let Some((largest, example)) = distances.pop_last() {
            (counted.largest, counted.example) = (largest, Some(example));
        }
        Ok(counted)
    }
}
