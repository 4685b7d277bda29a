//! An operator of a certificate, counted again.

use super::check::{Fault, FaultKind};
use super::*;
use crate::certify::operators::Question;
use crate::contract::Contract;
use crate::hardware::Target;
use crate::ops::{BatchNorm, Function, Fusion, Op, Pool, Unfused};
use crate::parameters::{MultiplierForm, OperatorArithmetic, OperatorParameters};

impl CertificateFile {
    /// Counts an operator again.
    pub(super) fn check_operator(&self, record: &OperatorRecord, contract: Contract) -> Result<(), Fault> {
        let fault = |kind, text: &str| Fault::new(&record.name, kind, text);
        let counted = match (&record.counted, &record.unproven) {
            (Some(counted), None) => counted,
            (None, Some(_)) => return Ok(()),
            _ => return Err(fault(FaultKind::Operator, "is counted and unproven, or neither")),
        };
        let none = || fault(FaultKind::Operator, "has numbers that are none of its operation");
        let node = self.node(&record.name).ok_or_else(none)?;
        let inputs = node.inputs.iter().map(|id| self.edge(Some(id)).map(EdgeRecord::activation));
        let inputs: Vec<_> = inputs.collect::<Option<_>>().ok_or_else(none)?;
        let output = self.edge(node.outputs.first()).ok_or_else(none)?;
        let op = operation(node).ok_or_else(none)?;
        let whole = output.code_type.range();
        if !(whole.0 <= counted.clamp.min
            && counted.clamp.min <= counted.clamp.max
            && counted.clamp.max <= whole.1)
        {
            return Err(fault(FaultKind::Clamp, "clamps to what is no range of its codes"));
        }
        let arithmetic = arithmetic(node, counted, inputs.len()).ok_or_else(none)?;
        let shape: Option<Vec<usize>> = match &node.detail {
            Some(Detail::Window { sizes, .. }) => {
                Some([1, 1].into_iter().chain(sizes.iter().copied()).collect())
            }
            _ => None,
        };
        let parameters = OperatorParameters {
            name: record.name.clone(),
            op: op.name(),
            inputs: inputs.clone(),
            output: output.activation(),
            clamp: counted.clamp,
            arithmetic,
            agreement: None,
        };
        let fusion = match node.fusion {
            FusionRecord::Codes => Fusion::Codes,
            FusionRecord::Unsigned => Fusion::Unsigned,
            FusionRecord::Floats => Fusion::Floats(Unfused::Surroundings),
        };
        let question = Question {
            op: &op,
            contract,
            inputs,
            output: Some(output.activation()),
            fusion,
            shape: shape.as_deref(),
        };
        let target = Target { rounding: self.target.rounding, ..Target::default() };
        let found = question
            .answer(&parameters, MultiplierForm::Bits(1), target)
            .map_err(|why| fault(FaultKind::Reference, &why))?;
        let example = found.example.map(|case| CaseRecord {
            inputs: case.inputs,
            reference: case.reference,
            hardware: case.hardware,
        });
        if (found.cases, found.differing, found.largest, &example)
            == (counted.cases, counted.differing, counted.largest, &counted.example)
        {
            return Ok(());
        }
        Err(fault(
            FaultKind::Difference,
            &format!(
                "says that {} of {} cases differ, and {} of {} do; or another example",
                counted.differing, counted.cases, found.differing, found.cases
            ),
        ))
    }
}

impl OperatorRecord {
    /// The integers that a folder of parameters must have, too, by the name of their array; of a mean its clamp alone, since
    /// a folder may have the multiplier of another window.
    pub fn numbers(&self) -> Vec<(&'static str, Vec<i64>)> {
        let Some(counted) = &self.counted else { return Vec::new() };
        let widen = |values: &[i32]| values.iter().copied().map(i64::from).collect::<Vec<i64>>();
        let lists =
            |multiplier: Vec<i64>, shift: Vec<i64>| vec![("multiplier", multiplier), ("shift", shift)];
        let mut numbers = match &counted.integers {
            IntegersRecord::Sum { multipliers, shift } => {
                lists(multipliers.iter().copied().map(i64::from).collect(), vec![i64::from(*shift)])
            }
            IntegersRecord::Product(scale) => {
                lists(vec![i64::from(scale.multiplier)], vec![i64::from(scale.shift)])
            }
            // Codes that pass unchanged are written with a multiplier of 1 and a shift of 0.
            IntegersRecord::Concatenation(scales) => lists(
                scales.iter().map(|scale| scale.map_or(1, |scale| i64::from(scale.multiplier))).collect(),
                scales.iter().map(|scale| scale.map_or(0, |scale| i64::from(scale.shift))).collect(),
            ),
            IntegersRecord::ChannelScale { multipliers, offsets, shift } => {
                let mut lists = lists(widen(multipliers), vec![i64::from(*shift)]);
                lists.push(("offset", widen(offsets)));
                lists
            }
            IntegersRecord::Table(codes) => return vec![("table", widen(codes))],
            IntegersRecord::Mean(_) | IntegersRecord::Clamp => Vec::new(),
        };
        numbers.push(("clamp", vec![counted.clamp.min.into(), counted.clamp.max.into()]));
        numbers
    }
}

/// The operation of a node, on a geometry that holds every case.
fn operation(node: &NodeRecord) -> Option<Op> {
    let number = || match node.detail {
        Some(Detail::Number(number)) => Some(number),
        _ => None,
    };
    let bounds = || match node.detail {
        Some(Detail::Bounds { min, max }) => {
            Some((min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY)))
        }
        _ => None,
    };
    Some(match (node.op.as_str(), &node.detail) {
        ("add", &Some(Detail::Relu(relu))) => Op::Add { relu },
        ("mul", &Some(Detail::Relu(relu))) => Op::Mul { relu },
        ("cat", &Some(Detail::Requantizes(requantizes))) => Op::Concatenate { axis: 1, requantizes },
        ("clamp", _) => {
            let (min, max) = bounds()?;
            Op::Clamp { min, max }
        }
        (Function::WITH_BOUNDS, _) => {
            let (min, max) = bounds()?;
            Op::Function(Function::Requantize { min, max })
        }
        (name, None) if Function::is_name(name) => Op::Function(Function::plain(name)?),
        (name, Some(_)) if Function::is_name(name) => Op::Function(Function::with_number(name, number()?)?),
        ("batch_norm", Some(Detail::BatchNorm { weight, bias, mean, variance, epsilon, relu })) => {
            #[allow(clippy::cast_possible_truncation, reason = "they were widened from float32")]
            let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
            let lengths = [bias, mean, variance];
            lengths.iter().all(|values| values.len() == weight.len() && !weight.is_empty()).then_some(())?;
            Op::BatchNorm(BatchNorm {
                weight: narrow(weight),
                bias: narrow(bias),
                mean: narrow(mean),
                variance: narrow(variance),
                epsilon: *epsilon,
                relu: *relu,
            })
        }
        ("avg_pool", Some(Detail::Window { sizes, divisor, axes: None, .. }))
            if divisor.is_none_or(|divisor| divisor > 0) =>
        {
            let axes = sizes.len();
            Op::AveragePool(Pool {
                kernel: sizes.iter().map(|&size| i64::try_from(size).ok()).collect::<Option<_>>()?,
                stride: vec![1; axes],
                padding: vec![0; axes],
                padding_end: None,
                dilation: vec![1; axes],
                ceil_mode: false,
                count_include_pad: true,
                divisor: *divisor,
            })
        }
        ("adaptive_avg_pool", Some(Detail::Window { sizes, divisor: None, axes: None, .. })) => {
            Op::AdaptiveAveragePool { size: vec![Some(1); sizes.len()] }
        }
        ("mean", Some(Detail::Window { divisor: None, axes: Some(axes), .. })) => Op::Mean {
            axes: axes.iter().map(|&axis| i64::try_from(axis).ok()).collect::<Option<_>>()?,
            keep: true,
        },
        _ => return None,
    })
}

/// The integers, where they are of the operation's form.
fn arithmetic(node: &NodeRecord, counted: &CountedRecord, inputs: usize) -> Option<OperatorArithmetic> {
    let within = |shift: i32| (-63..=127).contains(&shift);
    Some(match (node.op.as_str(), &counted.integers) {
        ("add", &IntegersRecord::Sum { multipliers, shift }) if within(shift) && inputs == 2 => {
            OperatorArithmetic::Sum { multipliers, shift }
        }
        ("mul", &IntegersRecord::Product(scale)) if within(scale.shift) && inputs == 2 => {
            OperatorArithmetic::Product(scale)
        }
        ("cat", IntegersRecord::Concatenation(scales))
            if scales.len() == inputs && scales.iter().flatten().all(|scale| within(scale.shift)) =>
        {
            OperatorArithmetic::Concatenation(scales.clone())
        }
        ("avg_pool" | "adaptive_avg_pool" | "mean", &IntegersRecord::Mean(scale))
            if within(scale.shift) && inputs == 1 =>
        {
            let Some(Detail::Window { sizes, divisor, .. }) = &node.detail else { return None };
            let count = sizes.iter().try_fold(1_i64, |product, &size| {
                product.checked_mul(i64::try_from(size).ok()?).filter(|&product| product > 0)
            })?;
            OperatorArithmetic::Mean(vec![(divisor.unwrap_or(count), scale)])
        }
        ("batch_norm", IntegersRecord::ChannelScale { multipliers, offsets, shift })
            if within(*shift) && inputs == 1 && multipliers.len() == offsets.len() =>
        {
            OperatorArithmetic::ChannelScale {
                multipliers: multipliers.clone(),
                offsets: offsets.clone(),
                shift: *shift,
            }
        }
        ("clamp", IntegersRecord::Clamp) if inputs == 1 => OperatorArithmetic::Clamp,
        (name, IntegersRecord::Table(codes))
            if Function::is_name(name) && codes.len() == 256 && inputs == 1 =>
        {
            OperatorArithmetic::Table(codes.clone())
        }
        _ => return None,
    })
}
