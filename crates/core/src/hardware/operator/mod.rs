//! Operators without weights on the target: sums, products, means, tables and selections of codes, in integers only.
//!
//! Every one is `clamp(round(value * 2^-n) + Z3)` of an integer `value`, with the target's rounding and in registers that
//! hold every value. Multipliers are as narrow as equality with real numbers, rounded once, allows; where it is out of
//! reach (a tie is a tie in integers too, and hardware may round it another way) the differences are counted over
//! everything that can occur.

mod channel_scale;
mod derive;
mod mean;
mod product;
mod scale;
mod sum;
#[cfg(test)]
mod tests;

pub use derive::derive_operator;
pub use mean::{Means, mean_scale};
pub use scale::Choice;

use self::mean::window_axes;
use super::integer_op::{
    ChannelAffine, Clamp, Join, MatrixProduct, Operand, Pair, Part, Product, Select, Sum, Table,
    WindowMaximum, WindowSum,
};
use super::{IntegerOp, Overflow, Rescale, Stage, Target, TargetError, unravel};
use crate::ops::{Op, OpError, Shapes, axis_of};
use crate::parameters::{Activation, MultiplierForm, OperatorArithmetic, OperatorParameters, Range, Scale};
use crate::tensor::{Codes, Tensor};

/// The codes of one input or output, as the target has them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Port {
    /// S, Z and type in the model.
    pub activation: Activation,
    /// Z.
    pub zero_point: i32,
    /// The codes that it can have; of an output, its clamp.
    pub range: Range<i32>,
    /// What the target subtracts from the model's codes: 128 where unsigned codes travel as signed ones, else 0.
    pub shift: i32,
}

impl Port {
    fn new(activation: Activation, range: Range<i32>, target: &Target) -> Self {
        let range = target.within(range);
        let shift = target.code_shift(activation.code_type);
        Self {
            activation,
            zero_point: activation.zero_point - shift,
            range: Range { min: range.min - shift, max: range.max - shift },
            shift,
        }
    }

    /// The smallest code that its type has, as the target has it.
    pub fn first_code(&self) -> i32 {
        self.activation.code_type.range().0 - self.shift
    }

    /// A code of the model as the target has it.
    fn receive(&self, code: i32) -> i32 {
        code.saturating_sub(self.shift).clamp(self.range.min, self.range.max)
    }
}

/// An operator without weights as the target computes it.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetOperator {
    /// Name in the model.
    pub name: String,
    /// The arithmetic.
    pub target: Target,
    /// Geometry: axes, windows, shapes.
    pub op: Op,
    /// Inputs.
    pub inputs: Vec<Port>,
    /// The output, or each of several; its range is the clamp.
    pub output: Port,
    /// The integers. A table has codes as the target has them.
    pub arithmetic: OperatorArithmetic,
    /// How multipliers of means over other numbers of positions are found.
    form: MultiplierForm,
}

impl TargetOperator {
    /// Whether the target can have every code that the inputs' types have.
    pub fn takes_every_code(&self) -> bool {
        self.inputs.iter().all(|port| {
            let (min, max) = port.activation.code_type.range();
            port.range == Range { min: min - port.shift, max: max - port.shift }
        })
    }
}

/// What an operator gives.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorCodes {
    /// One tensor per output, in the element types of the model.
    pub results: Vec<Codes>,
    /// Input codes beyond the target's range.
    pub overflows: Vec<Overflow>,
}

impl TargetOperator {
    /// Prepares an operator. `form` is that of the parameters.
    ///
    /// # Errors
    /// A table of another length than 256.
    pub fn new(
        parameters: &OperatorParameters,
        op: &Op,
        form: MultiplierForm,
        target: Target,
    ) -> Result<Self, TargetError> {
        let whole = |activation: Activation| {
            let (min, max) = activation.code_type.range();
            Range { min, max }
        };
        let inputs = parameters.inputs.iter().map(|&a| Port::new(a, whole(a), &target)).collect();
        let output = Port::new(parameters.output, parameters.clamp, &target);
        let mut arithmetic = parameters.arithmetic.clone();
        if let OperatorArithmetic::Table(codes) = &mut arithmetic {
            if codes.len() != 256 {
                let found = format!("a table of {} codes, expected 256", codes.len());
                return Err(TargetError::Inconsistent { layer: parameters.name.clone(), found });
            }
            for code in codes {
                *code = (*code - output.shift).clamp(output.range.min, output.range.max);
            }
        }
        Ok(Self { name: parameters.name.clone(), target, op: op.clone(), inputs, output, arithmetic, form })
    }

    /// M0 and n of the mean over `divisor` positions; `None` where there is none.
    pub fn mean_scale(&self, divisor: i64) -> Option<Scale> {
        let OperatorArithmetic::Mean(known) = &self.arithmetic else { return None };
        if let Some(&(_, scale)) = known.iter().find(|(positions, _)| *positions == divisor) {
            return Some(scale);
        }
        let (input, output) = (self.inputs.first()?.activation, self.output.activation);
        let (min, max) = output.code_type.range();
        let choice = Choice { form: self.form, rounding: self.target.rounding };
        let scale = mean_scale(input, output, Range { min, max }, divisor, divisor, choice);
        scale.map(|(scale, _)| scale)
    }

    /// The output codes for inputs in the element types of the model. `known` has the shapes of all edges before this node.
    ///
    /// # Errors
    /// The inputs do not fit the operator.
    pub fn codes(&self, inputs: &[&Codes], known: &Shapes) -> Result<OperatorCodes, OpError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|codes| codes.shape()).collect();
        let form = self.at(&shapes, known)?;
        let mut overflows: Vec<Overflow> =
            inputs.iter().zip(&self.inputs).filter_map(|(&codes, port)| beyond(codes, port)).collect();
        let received = inputs.iter().zip(&self.inputs).map(|(codes, port)| {
            codes.elements().iter().map(|&code| port.receive(code)).collect::<Vec<i32>>()
        });
        let received: Vec<Vec<i32>> = received.collect();
        let applied = form.apply(&received.iter().map(Vec::as_slice).collect::<Vec<_>>());
        overflows.extend(applied.overflows);
        let results = applied.results.into_iter().zip(form.shapes()).map(|(codes, shape)| {
            let codes = codes.into_iter().map(|code| code + self.output.shift).collect();
            Tensor::new(shape.to_vec(), codes)
                .map_err(|error| OpError::new(error.to_string(), "sizes that fit"))
        });
        Ok(OperatorCodes { results: results.collect::<Result<_, _>>()?, overflows })
    }

    /// The operator over inputs of these sizes, with its whole geometry: the one place where operators become forms.
    /// `known` has the shapes of all edges before this node.
    ///
    /// # Errors
    /// The inputs do not fit the operator.
    pub fn at(&self, shapes: &[&[usize]], known: &Shapes) -> Result<IntegerOp<'_>, OpError> {
        let results = self.op.shapes(shapes, known)?;
        let takes = || OpError::new(format!("{} inputs", shapes.len()), self.inputs.len().to_string());
        if shapes.len() != self.inputs.len() {
            return Err(takes());
        }
        let operands: Vec<Operand> = self
            .inputs
            .iter()
            .zip(shapes)
            .map(|(&port, shape)| Operand { port, shape: shape.to_vec() })
            .collect();
        let shape = results.into_iter().next().unwrap_or_default();
        let one = || <[Operand; 1]>::try_from(operands.clone()).map_err(|_| takes());
        let two = || <[Operand; 2]>::try_from(operands.clone()).map_err(|_| takes());
        let unit = |shift| self.rescale(Scale { multiplier: 1, shift });
        Ok(match (&self.arithmetic, &self.op) {
            (&OperatorArithmetic::Sum { multipliers, shift }, _) => {
                let pair = Pair { operands: two()?, shape };
                IntegerOp::Sum(Sum { pair, multipliers, rescale: unit(shift) })
            }
            (&OperatorArithmetic::Product(scale), _) => {
                let pair = Pair { operands: two()?, shape };
                IntegerOp::Product(Product { pair, rescale: self.rescale(scale) })
            }
            (&OperatorArithmetic::MatrixProduct(scale), _) => {
                IntegerOp::MatrixProduct(matrix_product(two()?, shape, self.rescale(scale))?)
            }
            (OperatorArithmetic::Concatenation(scales), &Op::Concatenate { axis, .. }) => {
                let scales = scales.iter().map(|scale| scale.map(|scale| self.rescale(scale)));
                IntegerOp::Join(join(operands, shape, axis, scales, self.output.range)?)
            }
            (OperatorArithmetic::Mean(_), op) => {
                let [input] = one()?;
                let windows = Means::of(op, &input.shape, &shape)?;
                let grid = windows.grid(op, &input.shape, &shape)?;
                let rescale = |divisor: i64| {
                    self.mean_scale(divisor).map(|scale| self.rescale(scale)).ok_or_else(|| {
                        let sums = "positive numbers whose sums fit in 31 bits";
                        OpError::new(format!("means of {divisor} codes"), sums)
                    })
                };
                let rescales = windows.distinct().into_iter().map(rescale).collect::<Result<_, _>>()?;
                IntegerOp::WindowSum(WindowSum { input, shape, windows, rescales, grid })
            }
            (OperatorArithmetic::ChannelScale { multipliers, offsets, shift }, _) => {
                let [input] = one()?;
                let channels = input.shape.get(1).copied().unwrap_or(0);
                if channels != multipliers.len() || channels != offsets.len() {
                    let expected = format!("(N, {}, ...)", multipliers.len());
                    return Err(OpError::new(format!("an input {:?}", input.shape), expected));
                }
                IntegerOp::ChannelAffine(ChannelAffine { input, multipliers, offsets, rescale: unit(*shift) })
            }
            (OperatorArithmetic::Table(codes), _) => {
                let [input] = one()?;
                IntegerOp::Table(Table { input, codes })
            }
            (OperatorArithmetic::Clamp, _) => {
                let [input] = one()?;
                IntegerOp::Clamp(Clamp { input, range: self.output.range })
            }
            (OperatorArithmetic::Largest, Op::MaxPool(pool)) => {
                let [input] = one()?;
                let axes = window_axes(pool, &input.shape, &shape)?;
                IntegerOp::WindowMaximum(WindowMaximum { input, shape, axes })
            }
            (OperatorArithmetic::Selection, Op::Shape(selection)) => {
                let [input] = one()?;
                let filling = selection.filling(input.port.zero_point);
                let parts = selection.sources(&input.shape, known)?;
                IntegerOp::Select(Select { input, parts, filling })
            }
            (
                OperatorArithmetic::Concatenation(_)
                | OperatorArithmetic::Largest
                | OperatorArithmetic::Selection,
                op,
            ) => return Err(OpError::new(op.name(), "an operator of the form that its integers have")),
        })
    }

    /// The equation from a sum to a code of the output.
    fn rescale(&self, scale: Scale) -> Rescale {
        Rescale::of_scale(scale, self.target.rounding, self.output.zero_point, self.output.range)
    }
}

/// (.., rows, inner) times (.., inner, columns).
fn matrix_product(
    operands: [Operand; 2],
    shape: Vec<usize>,
    rescale: Rescale,
) -> Result<MatrixProduct, OpError> {
    let [a, b] = operands.each_ref().map(|operand| operand.shape.as_slice());
    let (&[ref leading @ .., rows, columns], &[ref own @ .., _, inner], [others @ .., _, _]) =
        (shape.as_slice(), a, b)
    else {
        return Err(OpError::new(format!("inputs {a:?} and {b:?}"), "matrices"));
    };
    if own != leading || others != leading {
        return Err(OpError::new(format!("inputs {a:?} and {b:?}"), "the same leading axes"));
    }
    let matrices = leading.iter().product();
    Ok(MatrixProduct { operands, matrices, rows, inner, columns, rescale, shape })
}

/// Tensors one behind the other along `axis`.
fn join(
    operands: Vec<Operand>,
    shape: Vec<usize>,
    axis: i64,
    rescales: impl Iterator<Item = Option<Rescale>>,
    clamp: Range<i32>,
) -> Result<Join, OpError> {
    let axis = axis_of(axis, shape.len())?;
    let length = |shape: &[usize]| shape[axis..].iter().product();
    let mut offset = 0;
    let part = |(input, rescale): (Operand, Option<Rescale>)| {
        let part = Part { length: length(&input.shape), offset, input, rescale };
        offset += part.length;
        part
    };
    let parts = operands.into_iter().zip(rescales).map(part).collect();
    Ok(Join { parts, rows: shape[..axis].iter().product(), length: length(&shape), shape, clamp })
}

/// Codes that the target cannot have.
fn beyond(codes: &Codes, port: &Port) -> Option<Overflow> {
    let outside = |&(_, &code): &(usize, &i32)| port.receive(code) != code - port.shift;
    let mut found = codes.elements().iter().enumerate().filter(outside);
    let (index, &code) = found.next()?;
    let count = 1 + u64::try_from(found.count()).unwrap_or(u64::MAX - 1);
    Some(Overflow {
        stage: Stage::Input,
        count,
        first: unravel(index, codes.shape()),
        value: i128::from(code),
    })
}
