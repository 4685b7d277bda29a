//! Operators without weights, over everything that can enter them: the target's integers against a contract's codes.
//!
//! A code has 256 values, so a function of one code is evaluated 256 times and a function of two 65,536 times. The mean of
//! a window depends on the sum of its codes alone, so one window is evaluated for each sum. What only selects codes
//! changes none.
//!
//! PyTorch's engines round the last elements of a tensor in another order than those before, and the codes of pools and
//! concatenations depend on how their input lies in memory. Every way is evaluated, and a case differs if any way does.

use crate::contract::Contract;
use crate::hardware::{Target, TargetOperator};
use crate::network::{EdgeId, IntNetwork};
use crate::ops::{Context, Fusion, Op, Pool, Value, axis_of};
use crate::parameters::{Activation, MultiplierForm, OperatorArithmetic, OperatorParameters, Parameters};
use crate::tensor::{Codes, Layout, Tensor};

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

/// Certifies every operator without weights whose scales are known. Selections of codes are left out. `shapes`, by edge,
/// are the sizes (N, C, spatial...) on which the network is run: means over whole axes depend on them.
pub fn certify_operators(
    network: &IntNetwork,
    parameters: &Parameters,
    contract: Contract,
    target: Target,
    shapes: Option<&[Vec<usize>]>,
) -> Vec<OperatorProof> {
    let mut proofs = Vec::new();
    let counts = |op: &Op| !matches!(op, Op::Layer(_)) && !op.facts().selects;
    for node in network.nodes.iter().filter(|node| counts(&node.op)) {
        let activations = |ids: &[EdgeId]| {
            ids.iter().map(|&id| network.edge(id).activation).collect::<Option<Vec<Activation>>>()
        };
        let shape = node.inputs.first().and_then(|id| shapes?.get(id.0));
        if let Some(text) = network.difference(contract, node) {
            proofs.push(OperatorProof { name: node.name.clone(), op: node.op.name(), counted: Err(text) });
            continue;
        }
        let counted = match parameters.operators.iter().find(|operator| operator.name == node.name) {
            None => Err("has no integer-only form with the scales that are known".to_owned()),
            Some(operator) => match (activations(&node.inputs), activations(&node.outputs)) {
                (Some(inputs), Some(outputs)) => {
                    let output = outputs.first().copied();
                    let question = Question {
                        op: &node.op,
                        contract: network.contract_of(node, contract),
                        inputs,
                        output,
                        fusion: network.fusion(node),
                        shape: shape.map(Vec::as_slice),
                    };
                    question.answer(operator, parameters.form, target)
                }
                _ => Err("its scales are not known".to_owned()),
            },
        };
        proofs.push(OperatorProof { name: node.name.clone(), op: node.op.name(), counted });
    }
    proofs
}

/// An operator, and what is asked of it.
pub(super) struct Question<'a> {
    pub(super) op: &'a Op,
    pub(super) contract: Contract,
    pub(super) inputs: Vec<Activation>,
    pub(super) output: Option<Activation>,
    pub(super) fusion: Fusion,
    /// Sizes of the first input, where they are known.
    pub(super) shape: Option<&'a [usize]>,
}

/// Everything that can enter an operator.
struct Space {
    /// The operator, on a geometry that holds every case once.
    op: Op,
    /// What the elements of the result stand for: one number per input; of a mean, the sum.
    cases: Vec<Vec<i64>>,
    /// The ways to compute them; the first has all cases in their order.
    ways: Vec<Way>,
}

/// Inputs on which an engine computes some of the cases in one of its ways.
struct Way {
    inputs: Vec<Codes>,
    /// An element of the result, and the case that it is.
    results: Vec<(usize, usize)>,
}

impl Way {
    /// All cases in their order.
    fn of_all(inputs: Vec<Codes>, cases: usize) -> Self {
        Self { inputs, results: (0..cases).map(|case| (case, case)).collect() }
    }
}

/// Elements that PyTorch's loops surely take one by one: fewer than fill a vector register.
const PIECE: usize = 16;

/// Elements of all windows of a mean, at most.
const LARGEST_SPACE: usize = 1 << 24;

impl Question<'_> {
    /// Counts everything that can enter; `form` is how multipliers of means over other windows are found.
    pub(super) fn answer(
        &self,
        operator: &OperatorParameters,
        form: MultiplierForm,
        target: Target,
    ) -> Result<Counted, String> {
        if self.contract == Contract::Onnxruntime && self.fusion.is_float() {
            return Err("ONNX Runtime computes it on floats, which is not counted".to_owned());
        }
        let space = self.space(&operator.arithmetic)?;
        let hardware =
            TargetOperator::new(operator, &space.op, form, target).map_err(|error| error.to_string())?;
        self.count(&space, &hardware)
    }

    fn space(&self, arithmetic: &OperatorArithmetic) -> Result<Space, String> {
        if self.inputs.iter().any(|activation| activation.code_type.is_wide()) {
            return Err("has activations of 16 bits, too many to be counted".to_owned());
        }
        self.refuse_peculiar()?;
        let each: Vec<Vec<i32>> = self.inputs.iter().map(|&activation| codes(activation)).collect();
        match (arithmetic, each.as_slice()) {
            (OperatorArithmetic::Sum { .. } | OperatorArithmetic::Product(_), [first, second]) => {
                let pairs = || first.iter().flat_map(|&a| second.iter().map(move |&b| (a, b)));
                self.element_wise(&[pairs().map(|(a, _)| a).collect(), pairs().map(|(_, b)| b).collect()])
            }
            (OperatorArithmetic::Clamp | OperatorArithmetic::Table(_), [all]) => {
                self.element_wise(std::slice::from_ref(all))
            }
            (OperatorArithmetic::Concatenation(_), each) => self.concatenation(each),
            (OperatorArithmetic::ChannelScale { multipliers, .. }, [all]) => {
                let channels = multipliers.len();
                let spread: Vec<i32> = all.iter().flat_map(|&code| vec![code; channels]).collect();
                let cases: Vec<Vec<i64>> = spread.iter().map(|&code| vec![i64::from(code)]).collect();
                let inputs = vec![tensor(vec![all.len(), channels], spread)?];
                Ok(Space { op: self.op.clone(), ways: vec![Way::of_all(inputs, cases.len())], cases })
            }
            (OperatorArithmetic::Mean(_), [_]) => self.windows(),
            (OperatorArithmetic::MatrixProduct(_), _) => {
                Err("has sums of products, as many as its input is long".to_owned())
            }
            _ => Err(format!("has {} inputs", self.inputs.len())),
        }
    }

    /// Windows of a mean that are all of one size.
    fn windows(&self) -> Result<Space, String> {
        match self.op {
            Op::AveragePool(pool) => {
                let (pool, window) = whole_window(pool)?;
                self.mean(Op::AveragePool(pool), &window)
            }
            Op::AdaptiveAveragePool { size } => {
                let window = self.shape()?.get(2..).unwrap_or_default();
                let to_one = |(wanted, given): (&Option<i64>, &usize)| *wanted == Some(1) || *given == 1;
                if size.len() != window.len() || !size.iter().zip(window).all(to_one) {
                    return Err("averages to several positions, windows of different sizes".to_owned());
                }
                self.mean(self.op.clone(), window)
            }
            Op::Mean { axes, keep } => {
                let shape = self.shape()?;
                let axes = axes.iter().map(|&axis| axis_of(axis, shape.len())).collect::<Result<Vec<_>, _>>();
                let axes = axes.map_err(|error| error.to_string())?;
                if axes.iter().any(|&axis| axis < 2) {
                    return Err("averages over images or channels".to_owned());
                }
                let window = shape.iter().enumerate().skip(2);
                let window: Vec<usize> =
                    window.map(|(axis, &size)| if axes.contains(&axis) { size } else { 1 }).collect();
                let axes = axes.iter().map(|&axis| i64::try_from(axis).unwrap_or(i64::MAX)).collect();
                self.mean(Op::Mean { axes, keep: *keep }, &window)
            }
            other => Err(format!("is a {}, which is no mean", other.name())),
        }
    }

    fn shape(&self) -> Result<&[usize], String> {
        self.shape.ok_or_else(|| "depends on the size of its input, which --input tells".to_owned())
    }

    /// Clamps that move codes, means whose order of roundings is not known, and means of floats are beyond counting.
    fn refuse_peculiar(&self) -> Result<(), String> {
        if self.contract.is_pytorch() && self.op.averages_floats(&self.context(&self.activations())) {
            return Err(format!(
                "is a sum of floats in {} where its input lies channels last, which depends on more than the sum of the codes",
                self.contract.name()
            ));
        }
        if !matches!(self.op, Op::Clamp { .. } | Op::Mean { .. }) {
            return Ok(());
        }
        // What a convolution gives: more than one channel and position, channels last.
        let rank = self.shape.map_or(4, <[usize]>::len).max(2);
        let shape = vec![2; rank];
        let codes = tensor(shape, vec![0; 1 << rank.min(8)])?.with_layout(Layout::ChannelsLast);
        match self.op.peculiarity(&[&Value::Codes(codes)], &self.context(&self.activations())) {
            Some(text) => Err(text),
            None => Ok(()),
        }
    }

    fn activations(&self) -> Vec<Option<Activation>> {
        self.inputs.iter().copied().map(Some).collect()
    }

    fn context<'b>(&self, inputs: &'b [Option<Activation>]) -> Context<'b> {
        let Self { contract, output, fusion, .. } = *self;
        Context { contract, inputs, output, fusion }
    }

    /// One case per element of the operands: all at once, and in PyTorch's engines also one by one.
    fn element_wise(&self, operands: &[Vec<i32>]) -> Result<Space, String> {
        let count = operands.first().map_or(0, Vec::len);
        let inputs = |range: std::ops::Range<usize>| {
            let part = |codes: &Vec<i32>| {
                let codes = codes.get(range.clone()).unwrap_or_default().to_vec();
                tensor(vec![codes.len(), 1], codes)
            };
            operands.iter().map(part).collect::<Result<Vec<Codes>, String>>()
        };
        let mut ways = vec![Way::of_all(inputs(0..count)?, count)];
        if self.contract.is_pytorch() {
            for start in (0..count).step_by(PIECE) {
                let end = count.min(start + PIECE);
                let results = (start..end).enumerate().collect();
                ways.push(Way { inputs: inputs(start..end)?, results });
            }
        }
        let case = |index: usize| {
            operands.iter().filter_map(|codes| codes.get(index)).map(|&code| i64::from(code)).collect()
        };
        let cases = (0..count).map(case).collect();
        Ok(Space { op: self.op.clone(), cases, ways })
    }

    /// Each code of each input: alone, and in PyTorch's engines also as one of eight channels that lie side by side.
    fn concatenation(&self, each: &[Vec<i32>]) -> Result<Space, String> {
        const CHANNELS: usize = 8;
        let rows = each.first().map_or(0, Vec::len);
        let columns = each.len();
        let inputs = |channels: usize| {
            let spread = |codes: &Vec<i32>| {
                let codes: Vec<i32> = codes.iter().flat_map(|&code| vec![code; channels]).collect();
                Ok(tensor(vec![rows, channels, 1, 1], codes)?.with_layout(Layout::ChannelsLast))
            };
            each.iter().map(spread).collect::<Result<Vec<Codes>, String>>()
        };
        let mut ways = vec![Way::of_all(inputs(1)?, rows * columns)];
        if self.contract.is_pytorch() {
            let results = (0..rows * columns).map(|case| (case * CHANNELS, case)).collect();
            ways.push(Way { inputs: inputs(CHANNELS)?, results });
        }
        let case = |row: usize| each.iter().filter_map(move |codes| codes.get(row).copied());
        let cases = (0..rows).flat_map(|row| case(row).map(|code| vec![i64::from(code)])).collect();
        let op = match self.op {
            // The axis that these inputs are joined along.
            &Op::Concatenate { requantizes, .. } => Op::Concatenate { axis: 1, requantizes },
            other => other.clone(),
        };
        Ok(Space { op, cases, ways })
    }

    /// One window of these sizes for each sum of its codes, one window a channel; in PyTorch's engines in both orders of
    /// memory.
    fn mean(&self, op: Op, window: &[usize]) -> Result<Space, String> {
        if self.contract == Contract::Onnxruntime && matches!(op, Op::AveragePool(_) | Op::Mean { .. }) {
            return Err(
                "is a sum of floats in ONNX Runtime, which depends on more than the sum of the codes"
                    .to_owned(),
            );
        }
        let all = self.inputs.first().map_or_else(Vec::new, |&activation| codes(activation));
        let (min, max) = (all.first().copied().unwrap_or(0), all.last().copied().unwrap_or(0));
        let too_large = || format!("averages windows of {window:?}, too large to be counted");
        let size = window.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let elements = size.and_then(|size| size.checked_mul(size)?.checked_mul(all.len()));
        let fits = elements.is_some_and(|elements| (1..=LARGEST_SPACE).contains(&elements));
        let size = size.filter(|_| fits).and_then(|size| i32::try_from(size).ok()).ok_or_else(too_large)?;
        let mut elements = Vec::new();
        let mut cases = Vec::new();
        for sum in 0..=size * (max - min) {
            let (each, rest) = (sum / size, sum % size);
            elements.extend((0..size).map(|place| min + each + i32::from(place < rest)));
            cases.push(vec![i64::from(sum + size * min)]);
        }
        let shape: Vec<usize> = [1, cases.len()].into_iter().chain(window.iter().copied()).collect();
        let contiguous = tensor(shape, elements)?;
        let mut ways = Vec::new();
        if self.contract.is_pytorch() {
            let channels_last = contiguous.clone().with_layout(Layout::ChannelsLast);
            ways.push(Way::of_all(vec![channels_last], cases.len()));
        }
        ways.push(Way::of_all(vec![contiguous], cases.len()));
        Ok(Space { op, cases, ways })
    }

    fn count(&self, space: &Space, hardware: &TargetOperator) -> Result<Counted, String> {
        let known: [Option<Vec<usize>>; 0] = [];
        let Some(all) = space.ways.first() else { return Err("has no cases".to_owned()) };
        let ours = hardware
            .codes(&all.inputs.iter().collect::<Vec<_>>(), &known)
            .map_err(|error| error.to_string())?;
        let ours = ours.results.first().map(Codes::elements).unwrap_or_default();
        if ours.len() != space.cases.len() {
            return Err("gives another number of codes".to_owned());
        }
        let activations = self.activations();
        let context = self.context(&activations);
        // By case: the engine's code that is farthest from the hardware's.
        let mut farthest = ours.to_vec();
        for way in &space.ways {
            let values: Vec<Value> = way.inputs.iter().cloned().map(Value::Codes).collect();
            let results = space.op.apply(&values.iter().collect::<Vec<_>>(), &known, &context);
            let results = results.map_err(|error| error.to_string())?;
            let Some(Value::Codes(results)) = results.first() else {
                return Err("gives no codes".to_owned());
            };
            for &(element, case) in &way.results {
                let (Some(&code), Some(known), Some(&ours)) =
                    (results.elements().get(element), farthest.get_mut(case), ours.get(case))
                else {
                    return Err("gives another number of codes".to_owned());
                };
                if code.abs_diff(ours) > known.abs_diff(ours) {
                    *known = code;
                }
            }
        }
        let mut counted = Counted { cases: space.cases.len() as u64, ..Counted::default() };
        for ((&reference, &hardware), inputs) in farthest.iter().zip(ours).zip(&space.cases) {
            let distance = reference.abs_diff(hardware);
            counted.differing += u64::from(distance > 0);
            if distance > counted.largest {
                counted.largest = distance;
                counted.example = Some(Case { inputs: inputs.clone(), reference, hardware });
            }
        }
        Ok(counted)
    }
}

/// All codes of an activation, ascending.
fn codes(activation: Activation) -> Vec<i32> {
    let (min, max) = activation.code_type.range();
    (min..=max).collect()
}

fn tensor(shape: Vec<usize>, elements: Vec<i32>) -> Result<Codes, String> {
    Tensor::new(shape, elements).map_err(|error| error.to_string())
}

/// The same mean on inputs of exactly one window, and the sizes of a window.
fn whole_window(pool: &Pool) -> Result<(Pool, Vec<usize>), String> {
    let padded = pool.padding.iter().chain(pool.padding_end()).any(|&padding| padding > 0);
    if (padded && !pool.count_include_pad && pool.divisor.is_none()) || pool.ceil_mode {
        return Err("divides by less where the border cuts a window, which is not counted".to_owned());
    }
    let sizes = pool.kernel.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<usize>>>();
    let sizes = sizes.ok_or_else(|| format!("its window {:?} is none", pool.kernel))?;
    let axes = sizes.len();
    let alone = Pool {
        stride: vec![1; axes],
        padding: vec![0; axes],
        padding_end: None,
        dilation: vec![1; axes],
        ..pool.clone()
    };
    Ok((alone, sizes))
}
