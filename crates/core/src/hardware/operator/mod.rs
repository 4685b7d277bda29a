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

use super::{Overflow, Rounding, Stage, Target, TargetError, unravel};
use crate::contract::Contract;
use crate::ops::{Context, Fusion, Op, OpError, Shapes, Value, axis_of, broadcast};
use crate::parameters::{Activation, MultiplierForm, OperatorArithmetic, OperatorParameters, Range, Scale};
use crate::tensor::{Codes, Tensor, coordinates, element_count, strides};

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
        let outputs = self.op.shapes(&shapes, known)?;
        if inputs.len() != self.inputs.len() {
            return Err(OpError::new(format!("{} inputs", inputs.len()), self.inputs.len().to_string()));
        }
        let mut overflows = Vec::new();
        let mut received = Vec::with_capacity(inputs.len());
        for (&codes, port) in inputs.iter().zip(&self.inputs) {
            overflows.extend(beyond(codes, port));
            received.push(codes.map(|&code| port.receive(code)));
        }
        let shape = outputs.first().cloned().unwrap_or_default();
        let results = match (&self.arithmetic, received.as_slice()) {
            (&OperatorArithmetic::Sum { multipliers, shift }, [a, b]) => {
                vec![self.pairs(a, b, |x, y| {
                    sum::code(multipliers, shift, x, y, self.rounding(), self.output.zero_point, self.clamp())
                })?]
            }
            (&OperatorArithmetic::Product(scale), [a, b]) => {
                vec![self.pairs(a, b, |x, y| self.scaled(scale, i128::from(x) * i128::from(y)))?]
            }
            (&OperatorArithmetic::MatrixProduct(scale), [a, b]) => {
                if a.shape().len() != b.shape().len()
                    || a.shape()[..shape.len() - 2] != b.shape()[..shape.len() - 2]
                {
                    let found = format!("inputs {:?} and {:?}", a.shape(), b.shape());
                    return Err(OpError::new(found, "the same leading axes"));
                }
                vec![self.matrix_product(scale, a, b, shape)]
            }
            (OperatorArithmetic::Concatenation(scales), parts) => {
                vec![self.concatenated(scales, parts, shape)?]
            }
            (OperatorArithmetic::Mean(_), [codes]) => vec![self.means(codes, shape)?],
            (OperatorArithmetic::ChannelScale { multipliers, offsets, shift }, [codes]) => {
                vec![self.channel_scaled(multipliers, offsets, *shift, codes)?]
            }
            (OperatorArithmetic::Table(table), [codes]) => {
                let first = self.inputs[0].activation.code_type.range().0 - self.inputs[0].shift;
                let entry =
                    |code: i32| usize::try_from(code - first).ok().and_then(|i| table.get(i)).copied();
                vec![codes.map(|&code| entry(code).unwrap_or(self.output.zero_point))]
            }
            (OperatorArithmetic::Clamp, [codes]) => {
                vec![codes.map(|&code| code.clamp(self.output.range.min, self.output.range.max))]
            }
            (OperatorArithmetic::Largest | OperatorArithmetic::Selection, [codes]) => {
                self.selected(codes, known)?
            }
            _ => return Err(OpError::new(format!("{} inputs", inputs.len()), "as many as it takes")),
        };
        let back = self.output.shift;
        let results = results.into_iter().map(|codes| codes.map(|code| code + back)).collect();
        Ok(OperatorCodes { results, overflows })
    }

    fn rounding(&self) -> Rounding {
        self.target.rounding
    }

    fn clamp(&self) -> Range<i32> {
        self.output.range
    }

    /// `clamp(round(M0*value * 2^-n) + Z3)`.
    fn scaled(&self, scale: Scale, value: i128) -> i32 {
        let rounded = scale.apply(value, self.rounding());
        scale::clamped(rounded + i128::from(self.output.zero_point), self.clamp())
    }

    /// A function of two codes minus their zero points, element by element.
    fn pairs(&self, a: &Codes, b: &Codes, f: impl Fn(i32, i32) -> i32) -> Result<Codes, OpError> {
        let (a, b) = broadcast(a, b)?;
        let (za, zb) = (self.inputs[0].zero_point, self.inputs[1].zero_point);
        let (x, y) = (a.elements(), b.elements());
        Ok(Tensor::build(a.shape().to_vec(), a.dense_layout(), |i| f(x[i] - za, y[i] - zb)))
    }

    /// (.., M, P) from (.., M, K) and (.., K, P).
    fn matrix_product(&self, scale: Scale, a: &Codes, b: &Codes, shape: Vec<usize>) -> Codes {
        let rank = shape.len();
        // Leading axes are the same: a broadcast one is refused before.
        let (rows, columns, inner) = (shape[rank - 2], shape[rank - 1], a.shape()[rank - 1]);
        let (za, zb) = (self.inputs[0].zero_point, self.inputs[1].zero_point);
        Tensor::build(shape, a.dense_layout(), |index| {
            let (matrix, row, column) = (index / (rows * columns), index / columns % rows, index % columns);
            let from_a = (matrix * rows + row) * inner;
            let from_b = matrix * inner * columns + column;
            let products = (0..inner).map(|k| {
                i64::from(a.elements()[from_a + k] - za) * i64::from(b.elements()[from_b + k * columns] - zb)
            });
            self.scaled(scale, i128::from(products.sum::<i64>()))
        })
    }

    fn concatenated(
        &self,
        scales: &[Option<Scale>],
        parts: &[Codes],
        shape: Vec<usize>,
    ) -> Result<Codes, OpError> {
        let Op::Concatenate { axis, .. } = self.op else {
            return Err(OpError::new(self.op.name(), "cat"));
        };
        let axis = axis_of(axis, shape.len())?;
        let mut elements = Vec::with_capacity(element_count(&shape).unwrap_or(0));
        let outer: usize = shape[..axis].iter().product();
        for row in 0..outer {
            for ((part, port), scale) in parts.iter().zip(&self.inputs).zip(scales) {
                let length: usize = part.shape()[axis..].iter().product();
                let codes = &part.elements()[row * length..(row + 1) * length];
                elements.extend(codes.iter().map(|&code| match scale {
                    None => code.clamp(self.output.range.min, self.output.range.max),
                    Some(scale) => self.scaled(*scale, i128::from(code - port.zero_point)),
                }));
            }
        }
        Tensor::new(shape, elements).map_err(|error| OpError::new(error.to_string(), "sizes that fit"))
    }

    fn means(&self, codes: &Codes, shape: Vec<usize>) -> Result<Codes, OpError> {
        let input = codes.shape();
        let Some(means) = Means::of(&self.op, input, &shape)? else {
            return Err(OpError::new(self.op.name(), "a mean"));
        };
        let scales = means.distinct().into_iter().map(|divisor| {
            let scale = self.mean_scale(divisor);
            let scale = scale.ok_or_else(|| {
                OpError::new(
                    format!("means of {divisor} codes"),
                    "positive numbers whose sums fit in 31 bits",
                )
            })?;
            Ok((divisor, scale))
        });
        let scales = scales.collect::<Result<Vec<(i64, Scale)>, OpError>>()?;
        let kept: Vec<usize> = means.spans.iter().map(Vec::len).collect();
        let area: usize = kept.iter().skip(2).product();
        let strides = strides(input);
        let zero_point = i64::from(self.inputs[0].zero_point);
        let elements = (0..element_count(&kept).unwrap_or(0)).map(|index| {
            let mut offsets = vec![0];
            for (axis, &place) in coordinates(index, &kept).iter().enumerate() {
                let span = means.spans[axis][place];
                let step = strides[axis];
                offsets =
                    offsets.iter().flat_map(|o| (span.start..span.end).map(move |p| o + p * step)).collect();
            }
            let sum: i64 = offsets.iter().map(|&i| i64::from(codes.elements()[i]) - zero_point).sum();
            let divisor = means.divisor(index % area.max(1));
            let scale = scales.iter().find(|(known, _)| *known == divisor).map(|&(_, scale)| scale);
            scale.map_or(self.output.zero_point, |scale| self.scaled(scale, i128::from(sum)))
        });
        let elements = elements.collect();
        Tensor::new(shape, elements).map_err(|error| OpError::new(error.to_string(), "sizes that fit"))
    }

    fn channel_scaled(
        &self,
        multipliers: &[i32],
        offsets: &[i32],
        shift: i32,
        codes: &Codes,
    ) -> Result<Codes, OpError> {
        let channels = codes.shape().get(1).copied().unwrap_or(0);
        if channels != multipliers.len() || channels != offsets.len() {
            let expected = format!("(N, {}, ...)", multipliers.len());
            return Err(OpError::new(format!("an input {:?}", codes.shape()), expected));
        }
        let area: usize = codes.shape()[2..].iter().product();
        let zero_point = self.inputs[0].zero_point;
        let elements = codes.elements();
        Ok(Tensor::build(codes.shape().to_vec(), codes.dense_layout(), |index| {
            let channel = index / area.max(1) % channels.max(1);
            let (multiplier, offset) = (multipliers[channel], offsets[channel]);
            let x = elements[index] - zero_point;
            let (z3, clamp) = (self.output.zero_point, self.clamp());
            channel_scale::code(multiplier, offset, shift, x, self.rounding(), z3, clamp)
        }))
    }

    /// What moves codes and computes none of them.
    fn selected(&self, codes: &Codes, known: &Shapes) -> Result<Vec<Codes>, OpError> {
        let port = &self.inputs[0];
        let activation = Activation { zero_point: port.zero_point, ..port.activation };
        let value = Value::Codes(codes.clone());
        let context = Context {
            contract: Contract::Exact,
            inputs: &[Some(activation)],
            output: Some(activation),
            fusion: Fusion::default(),
        };
        let results = self.op.apply(&[&value], known, &context)?;
        Ok(results.into_iter().filter_map(|value| value.codes().cloned()).collect())
    }
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
