//! Operators that keep a state from one run to the next: SVDF and LSTM.

use std::sync::Arc;

use gen_params_formats::ValueId;

use super::call::Call;
use super::{Lowering, Order};
use gen_params_core::error::Result;
use gen_params_core::fixed_point::FixedPoint;
use gen_params_core::network::EdgeId;
use gen_params_core::ops::{Bias, GATE_SCALE, Gate, Lstm, LstmKernel, Op, Product, Svdf};
use gen_params_core::parameters::{Activation, CodeType};
use gen_params_core::tensor::{Codes, Tensor};

/// States of more codes than this, all together, are no network's.
pub(super) const LARGEST_STATE: usize = 1 << 24;

/// `SVDF`: input, feature weights, time weights, bias, state.
///
/// Source of the factors, which are products of float32 numbers: TFLite `kernels/svdf.cc`.
pub(super) fn svdf(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    let state = call.input(4)?;
    let activations = [
        lowering.activation(call, input)?,
        lowering.activation(call, state)?,
        lowering.activation(call, call.output(0)?)?,
    ];
    let [from, kept, to] = activations;
    // The kernel clamps to the codes alone.
    let smallest = to.code_type.range().0;
    match call.text("fused_activation_function")? {
        "RELU" if to.zero_point == smallest => {}
        "NONE" => {}
        other => return Err(call.refuse(&format!("ends with {other} and zero point {}", to.zero_point))),
    }
    let narrow = [from.code_type, to.code_type] == [CodeType::I8; 2];
    let symmetrical = kept.code_type == CodeType::I8 || kept.zero_point == 0;
    if !narrow || kept.code_type == CodeType::U8 || !symmetrical {
        let names = activations.map(|activation| activation.code_type.name());
        return Err(call.refuse(&format!("has an input, state and output of {}", names.join(", "))));
    }
    let svdf = Svdf {
        feature: lowering.product(call, 1, from.scale, kept.scale)?,
        time: lowering.product(call, 2, kept.scale, to.scale)?,
        bias: match call.optional(3) {
            Some(id) => Some(lowering.whole_bias(call, id)?),
            None => None,
        },
        rank: usize::try_from(call.size("rank")?).unwrap_or(usize::MAX),
    };
    let before = lowering.state(call, state, "state")?;
    lowering.recurrent(call, Op::Svdf(Box::new(svdf)), input, &[before])
}

/// Inputs of `UNIDIRECTIONAL_SEQUENCE_LSTM` that no model with integers alone was seen to have.
const LEFT_OUT: [(usize, usize, &str); 3] =
    [(9, 12, "peephole weights"), (16, 18, "a projection"), (20, 24, "layer normalization")];

/// `UNIDIRECTIONAL_SEQUENCE_LSTM`: input, four weights of it, four of the last output, three that are left out, four biases, two
/// that are left out, the last output, the cell.
///
/// Source of the factors, which are products of float32 numbers: TFLite `kernels/unidirectional_sequence_lstm.cc`
/// (`PopulateQuantizedLstmParams8x8_16`).
pub(super) fn lstm(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    for (start, end, what) in LEFT_OUT {
        if (start..end).any(|index| call.optional(index).is_some()) {
            return Err(call.refuse(&format!("has {what}")));
        }
    }
    if call.text("fused_activation_function")? != "TANH" || call.flag("diagonal_recurrent_tensors")? {
        return Err(call.refuse("has another activation than TANH, or diagonal weights"));
    }
    let (input, hidden_state, cell_state) = (call.input(0)?, call.input(18)?, call.input(19)?);
    let from = lowering.activation(call, input)?;
    let [hidden, cell] = [lowering.activation(call, hidden_state)?, lowering.activation(call, cell_state)?];
    let to = lowering.activation(call, call.output(0)?)?;
    if hidden != to {
        return Err(call.refuse("gives an output of another scale or zero point than it keeps"));
    }
    let kernel = match (from.code_type, to.code_type, cell.code_type) {
        (CodeType::I8, CodeType::I8, CodeType::I16) => LstmKernel::Litert,
        (CodeType::I16, CodeType::I16, CodeType::I16) => {
            let factor = |real: f64| factor(call, real);
            LstmKernel::Micro { forget: factor(2f64.powi(-15))?, input: factor(2f64.powi(-30) / cell.scale)? }
        }
        _ => return Err(call.refuse("has codes of widths that no kernel has")),
    };
    let (cell_power, exact) = power(cell.scale);
    if !(-15..=-9).contains(&cell_power) || !exact && kernel == LstmKernel::Litert || cell.zero_point != 0 {
        return Err(call.refuse(&format!("has cells of scale {}, expected 2^-15 to 2^-9", cell.scale)));
    }
    let mut gates = Vec::with_capacity(4);
    for gate in 0..4 {
        gates.push(Gate {
            input: lowering.product(call, 1 + gate, from.scale, GATE_SCALE)?,
            recurrent: lowering.product(call, 5 + gate, hidden.scale, GATE_SCALE)?,
            bias: lowering.whole_bias(call, call.input(12 + gate)?)?,
        });
    }
    let gates = gates.try_into().map_err(|_| call.refuse("has another number of gates than four"))?;
    let output =
        factor(call, f64::from(single(2f64.powi(-15) / lowering.hidden_scale(call, to)?)) * 2f64.powi(-15))?;
    let lstm = Lstm {
        gates,
        cell_power,
        cell_clip: clip(call.number("cell_clip")?, cell.scale),
        output,
        time_major: call.flag("time_major")?,
        kernel,
    };
    let states = [lowering.state(call, hidden_state, "hidden")?, lowering.state(call, cell_state, "cell")?];
    lowering.recurrent(call, Op::Lstm(Box::new(lstm)), input, &states)
}

/// The code at which cells are clipped; beyond all codes for 0, which does not clip.
#[allow(clippy::cast_possible_truncation, reason = "TFLite divides as float32; the cast saturates")]
fn clip(real: f64, scale: f64) -> i32 {
    if real > 0.0 { ((real as f32 / scale as f32) as i32).min(32_767) } else { 32_768 }
}

/// The power of two next to a scale, and whether it is one.
#[allow(clippy::cast_possible_truncation, reason = "logarithms of float32 numbers are small")]
fn power(scale: f64) -> (i32, bool) {
    let power = scale.log2().round() as i32;
    (power, (scale.log2() - f64::from(power)).abs() < 1e-6)
}

#[allow(clippy::cast_possible_truncation, reason = "TFLite multiplies and divides scales as float32")]
fn single(real: f64) -> f32 {
    real as f32
}

fn factor(call: &Call<'_>, real: f64) -> Result<FixedPoint> {
    FixedPoint::of(real).ok_or_else(|| call.refuse(&format!("has a factor of {real}")))
}

impl Lowering<'_> {
    /// Weights of a sum of scale `result`, whose inputs have scale `given`.
    fn product(&self, call: &Call<'_>, index: usize, given: f64, result: f64) -> Result<Product> {
        let facts = self.facts(call.input(index)?)?;
        let refuse = |text: &str| call.refuse(&format!("has weights `{}` {text}", facts.name));
        let tensor = facts.constant.as_ref().ok_or_else(|| refuse("that are not in the file"))?;
        let bits = match facts.element_type.as_str() {
            "INT8" => 8,
            "INT16" => 16,
            other => return Err(refuse(&format!("of {other}, expected INT8 or INT16"))),
        };
        let quantization = facts.quantization.as_ref().ok_or_else(|| refuse("without a scale"))?;
        let (&[scale], true) = (
            quantization.scale.as_slice(),
            quantization.zero_point.iter().all(|&zero_point| zero_point == 0),
        ) else {
            return Err(refuse("with several scales, or a zero point other than 0"));
        };
        if !(scale.is_finite() && scale > 0.0) {
            return Err(refuse(&format!("of scale {scale}")));
        }
        let shape: [usize; 2] =
            tensor.shape().try_into().map_err(|_| refuse(&format!("of sizes {:?}", tensor.shape())))?;
        let codes = tensor.to_i64().and_then(|codes| {
            codes.into_iter().map(|code| i16::try_from(code).ok()).collect::<Option<Vec<i16>>>()
        });
        let codes = codes.ok_or_else(|| refuse("that are no codes of 16 bits"))?;
        Ok(Product {
            shape,
            codes: Arc::from(codes),
            bits,
            scale: scale.into(),
            factor: factor(call, (scale * single(given) / single(result)).into())?,
        })
    }

    fn whole_bias(&self, call: &Call<'_>, id: ValueId) -> Result<Vec<i64>> {
        match self.bias(call, id)? {
            Bias::Codes(codes) | Bias::WideCodes(codes) => Ok(codes),
            Bias::Real(_) => Err(call.refuse("has a bias of real numbers")),
        }
    }

    /// The scale that an LSTM's results have before they are codes: that of its fifth intermediate tensor.
    fn hidden_scale(&self, call: &Call<'_>, to: Activation) -> Result<f64> {
        let Some(id) = call.intermediate(4) else { return Ok(to.scale) };
        let hidden = self.activation(call, id)?;
        if hidden != to {
            return Err(call.refuse("has an intermediate of another scale or zero point than its output"));
        }
        Ok(hidden.scale)
    }

    /// The edge of a variable tensor of the file, which begins with its zero point.
    fn state(&mut self, call: &Call<'_>, id: ValueId, name: &str) -> Result<EdgeId> {
        let activation = self.activation(call, id)?;
        let facts = self.facts(id)?;
        if facts.constant.is_some() || self.computed.contains(&id) || self.slots.contains_key(&id) {
            return Err(call.refuse(&format!("keeps `{}`, which is no variable of its own", facts.name)));
        }
        let shape = self.shape(id)?;
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let left = LARGEST_STATE.saturating_sub(self.kept);
        let Some(count) = count.filter(|count| (1..=left).contains(count)) else {
            return Err(call.refuse(&format!("keeps a state of sizes {shape:?}")));
        };
        self.kept += count;
        let beginning: Codes = Tensor::new(shape, vec![activation.zero_point; count])
            .map_err(|error| call.refuse(&error.to_string()))?;
        let name = format!("{}.{name}", call.node.name);
        let before = self.builder.state(&name, activation, beginning);
        self.assign(id, before, Order::File);
        Ok(before)
    }

    /// Adds an operation of an input and states, and closes the loops of the states.
    fn recurrent(&mut self, call: &Call<'_>, op: Op, input: ValueId, states: &[EdgeId]) -> Result<()> {
        let activation = self.activation(call, call.output(0)?)?;
        let edge = self.ordered(call, input, Order::File)?;
        let inputs: Vec<EdgeId> = [edge].into_iter().chain(states.iter().copied()).collect();
        let results = self.builder.node(&call.node.name, op, &inputs, Some(activation))?;
        let mut results = results.into_iter();
        let result = results.next().ok_or_else(|| call.refuse("has no result"))?;
        for (&before, after) in states.iter().zip(results) {
            self.builder.keep(before, after);
        }
        self.assign(call.output(0)?, result, Order::File);
        Ok(())
    }
}
