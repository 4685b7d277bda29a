//! LSTM over a sequence; TFLite's integer kernels, with cells and gates of 16 bits.
//!
//! For each step, with the last output h and cell c, and for each gate k of input i, forget f, cell g and output o:
//!
//! ```text
//! k = round(Mk * (bias + sum(w * (x - Z1)))) + round(Rk * sum(r * (h - Zh)))     scale 2^-12
//! i, f, o = sigmoid(i), sigmoid(f), sigmoid(o);  g = tanh(g)                     scale 2^-15
//! c = f*c + i*g                                                                  scale 2^p
//! h = clamp(round(Mh * o * tanh(c)) + Zh)
//! ```
//!
//! Sums saturate at 16 bits. Source: TFLite `kernels/lstm_eval.cc` (8x8_16) and TFLite Micro `kernels/lstm_eval_general.cc`.

use super::context::{Context, OpError};
use super::fixed_function::clamped;
use super::gates::GateFunctions;
use super::product::{Product, narrow};
use crate::fixed_point::{FixedPoint, divide_half_away};
use crate::gemmlowp_narrow::saturate;
use crate::parameters::{Activation, CodeType};
use crate::tensor::{Codes, Tensor};

/// The weights of one gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// Of the input, (units, I).
    pub input: Product,
    /// Of the last output, (units, units).
    pub recurrent: Product,
    /// At the scale of the input and its weights, one per unit.
    pub bias: Vec<i64>,
}

/// The kernel, which decides how gates are computed and cells are updated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LstmKernel {
    /// LiteRT's. The scale of cells is a power of two.
    Litert,
    /// TFLite Micro's and CMSIS-NN's, the only one for codes of 16 bits: other functions, and two factors.
    Micro {
        /// Of `f*c`: 2^-15.
        forget: FixedPoint,
        /// Of `i*g`: 2^-30 by the scale of cells.
        input: FixedPoint,
    },
}

/// LSTM of an input (N, T, I), a last output (N, units) and a cell (N, units); the result is (N, T, units).
#[derive(Debug, Clone, PartialEq)]
pub struct Lstm {
    /// Input, forget, cell and output gate.
    pub gates: [Gate; 4],
    /// p: the power of two next to the scale of cells, -15 to -9.
    pub cell_power: i32,
    /// Cells stay within plus and minus this code.
    pub cell_clip: i32,
    /// Mh = 2^-30/S3.
    pub output: FixedPoint,
    /// The input is (T, N, I), the result (T, N, units).
    pub time_major: bool,
    /// Whose.
    pub kernel: LstmKernel,
}

/// The scale of a gate before its sigmoid or tanh.
pub const GATE_SCALE: f64 = 1.0 / 4096.0;

/// The names of the gates, in order.
pub const GATES: [&str; 4] = ["input_gate", "forget_gate", "cell_gate", "output_gate"];

/// One image's last output and cell.
struct Memory<'a> {
    hidden: &'a mut [i32],
    cell: &'a mut [i32],
}

impl Lstm {
    /// Number of cells.
    pub fn units(&self) -> usize {
        self.gates[0].input.shape[0]
    }

    /// Shapes of the result and of the two states.
    pub(super) fn shapes(
        &self,
        input: &[usize],
        hidden: &[usize],
        cell: &[usize],
    ) -> Result<Vec<Vec<usize>>, OpError> {
        let (units, inputs) = (self.units(), self.gates[0].input.shape[1]);
        for gate in &self.gates {
            gate.input.check()?;
            gate.recurrent.check()?;
            let sizes = (gate.input.shape, gate.recurrent.shape, gate.bias.len());
            if sizes != ([units, inputs], [units, units], units) {
                return Err(OpError::new(
                    format!("a gate of sizes {sizes:?}"),
                    format!("{units} units of {inputs}"),
                ));
            }
        }
        let images = if self.time_major { 1 } else { 0 };
        match input {
            &[first, second, columns]
                if columns == inputs && [hidden, cell] == [[[first, second][images], units]; 2] =>
            {
                Ok(vec![vec![first, second, units], hidden.to_vec(), cell.to_vec()])
            }
            _ => Err(OpError::new(
                format!("an input {input:?} and states {hidden:?} and {cell:?}"),
                format!("a sequence of {inputs} and (N, {units}) twice"),
            )),
        }
    }

    /// The result, the last output and the cell behind it.
    pub(super) fn apply(
        &self,
        input: &Codes,
        states: [&Codes; 2],
        context: &Context<'_>,
    ) -> Result<Vec<Codes>, OpError> {
        let (from, kept, to) = (context.input(0)?, context.input(1)?, context.output()?);
        let &[first, second, inputs] = input.shape() else {
            return Err(OpError::new("no sequence", "(N, T, I)"));
        };
        let units = self.units();
        let [mut hidden, mut cell] = states.map(|state| state.elements().to_vec());
        let (images, steps) = if self.time_major { (second, first) } else { (first, second) };
        let mut results = vec![0; images * steps * units];
        for image in 0..images {
            let own = image * units..(image + 1) * units;
            let memory = &mut Memory { hidden: &mut hidden[own.clone()], cell: &mut cell[own] };
            for step in 0..steps {
                let place = if self.time_major { step * images + image } else { image * steps + step };
                self.step(&input.elements()[place * inputs..][..inputs], memory, [from, kept, to]);
                results[place * units..][..units].copy_from_slice(memory.hidden);
            }
        }
        let tensor = |shape: &[usize], elements| {
            let tensor = Tensor::new(shape.to_vec(), elements);
            tensor.map_err(|error| OpError::new(error.to_string(), "the sizes of a sequence"))
        };
        let [hidden_shape, cell_shape] = states.map(Tensor::shape);
        Ok(vec![
            tensor(&[first, second, units], results)?,
            tensor(hidden_shape, hidden)?,
            tensor(cell_shape, cell)?,
        ])
    }

    /// One step of one image.
    fn step(&self, inputs: &[i32], memory: &mut Memory<'_>, edges: [Activation; 3]) {
        let [from, kept, to] = edges;
        let units = self.units();
        let functions = match self.kernel {
            LstmKernel::Litert => GateFunctions::Polynomials,
            LstmKernel::Micro { .. } => GateFunctions::Table,
        };
        let mut next = Vec::with_capacity(units);
        for unit in 0..units {
            let mut sums = [0; 4];
            for (sum, gate) in sums.iter_mut().zip(&self.gates) {
                let bias = gate.bias.get(unit).copied().unwrap_or(0);
                let input = gate.input.sum(unit, inputs, from.zero_point).wrapping_add(bias);
                let recurrent = gate.recurrent.sum(unit, memory.hidden, kept.zero_point);
                let input = scaled(gate.input.factor, input, from);
                let recurrent = scaled(gate.recurrent.factor, recurrent, from);
                *sum = match self.kernel {
                    LstmKernel::Litert => saturate(saturate(input).saturating_add(recurrent)),
                    LstmKernel::Micro { .. } => saturate(saturate(input) + saturate(recurrent)),
                };
            }
            let [input, forget, cell, output] = sums;
            let [input, forget, output] = [input, forget, output].map(|gate| functions.sigmoid(gate));
            let cell = functions.tanh(cell, -12);
            let last = memory.cell[unit];
            let [kept_part, new_part] = match self.kernel {
                LstmKernel::Litert => [
                    divide_half_away(forget * last, 15),
                    divide_half_away(input * cell, 30 + self.cell_power),
                ],
                LstmKernel::Micro { forget: by_forget, input: by_input } => {
                    [by_forget.double(forget * last), by_input.double(input * cell)]
                }
            };
            let cell =
                saturate(saturate(kept_part) + saturate(new_part)).clamp(-self.cell_clip, self.cell_clip);
            memory.cell[unit] = cell;
            let product = output * functions.tanh(cell, self.cell_power);
            next.push(clamped(self.output.double(product).into(), to));
        }
        memory.hidden.copy_from_slice(&next);
    }
}

/// A sum times its factor: of 8-bit codes in 32 bits, of 16-bit codes in 64.
fn scaled(factor: FixedPoint, sum: i64, from: Activation) -> i32 {
    match from.code_type {
        CodeType::U8 | CodeType::I8 => factor.double(narrow(sum)),
        CodeType::I16 | CodeType::I32 => {
            i32::try_from(factor.reduced(sum).clamp(i32::MIN.into(), i32::MAX.into())).unwrap_or(0)
        }
    }
}
