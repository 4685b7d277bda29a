//! Operators that keep a state: SVDF and LSTM.

use std::sync::Arc;

use gen_params::fixed_point::FixedPoint;
use gen_params::ops::{Gate, Lstm, LstmKernel, Op, Product, Svdf};
use gen_params::parameters::{Activation, CodeType};
use gen_params::tensor::Codes;

use super::case::{Case, activation, codes, run_all};
use super::layers::Outcome;

fn fixed(case: &Case, multiplier: &str, shift: &str) -> Result<FixedPoint, String> {
    Ok(FixedPoint { multiplier: case.small(multiplier)?, exponent: case.small(shift)? })
}

fn product(case: &Case, name: &str, shape: [usize; 2], factor: FixedPoint) -> Result<Product, String> {
    let weights = case.of_length(&[name], shape[0] * shape[1])?;
    let bits = if case.is_wide(name) { 16 } else { 8 };
    let weights: Vec<i16> = weights.into_iter().map(|weight| i16::try_from(weight).unwrap()).collect();
    Ok(Product { shape, codes: Arc::from(weights), bits, scale: 1.0, factor })
}

fn wide(codes: &Codes) -> impl Iterator<Item = i64> {
    codes.elements().iter().map(|&code| i64::from(code))
}

/// A sequence of inputs, of which the last one's output is published.
pub(super) fn svdf(case: &Case) -> Outcome {
    let (images, inputs) = (case.size("input_batches")?, case.size("input_size")?);
    let (filters, memory) = (case.size("feature_batches")?, case.size("time_batches")?);
    let rank = case.size("rank")?;
    let svdf = Svdf {
        feature: product(
            case,
            "weights_feature",
            [filters, inputs],
            fixed(case, "multiplier_in", "shift_1")?,
        )?,
        time: product(case, "weights_time", [filters, memory], fixed(case, "multiplier_out", "shift_2")?)?,
        bias: Some(case.of_length(&["biases"], filters / rank)?),
        rank,
    };
    let kept = activation(1.0, 0, case.is_wide("state"));
    let from = activation(1.0, case.small("input_offset")?, false);
    let to = activation(1.0, case.small("output_offset")?, false);
    let mut state = codes(&[images, filters * memory], &case.array("state").ok_or("no state")?)?;
    let op = Op::Svdf(Box::new(svdf));
    let mut found = Vec::new();
    for input in case.array("input_sequence").ok_or("no input")?.chunks_exact(images * inputs) {
        let mut results = run_all(&op, &[(&codes(&[images, inputs], input)?, from), (&state, kept)], to)?;
        state = results.pop().ok_or("no state")?;
        found = wide(&results[0]).collect();
    }
    Ok((found, case.array("output_ref").ok_or("no output")?))
}

/// TFLite Micro's kernel: it made these cases.
pub(super) fn lstm(case: &Case) -> Outcome {
    let (images, steps) = (case.size("batch_size")?, case.size("time_steps")?);
    let (inputs, units) = (case.size("input_size")?, case.size("hidden_size")?);
    // Two cases hold biases of an older generation; all newer ones of 8-bit codes are zeros.
    let older = case.array("input_to_input_w").is_some();
    let mut gates = Vec::new();
    for name in ["input_gate", "forget_gate", "cell_gate", "output_gate"] {
        let part = |kind: &str, columns: usize| {
            let name = format!("{name}_{kind}");
            let factor = fixed(case, &format!("{name}_multiplier"), &format!("{name}_shift"))?;
            product(case, &format!("{name}_weights"), [units, columns], factor)
        };
        let bias = case.of_length(&[&format!("{name}_bias")], units)?;
        gates.push(Gate {
            input: part("input", inputs)?,
            recurrent: part("hidden", units)?,
            bias: if older { vec![0; units] } else { bias },
        });
    }
    let time_major = case.truth("time_major");
    let lstm = Lstm {
        gates: gates.try_into().map_err(|_| "four gates")?,
        cell_power: case.small("cell_scale_power")?,
        cell_clip: case.small("cell_clip")?,
        output: fixed(case, "output_multiplier", "output_shift")?,
        time_major,
        kernel: LstmKernel::Micro {
            forget: fixed(case, "forget_to_cell_multiplier", "forget_to_cell_shift")?,
            input: fixed(case, "input_to_cell_multiplier", "input_to_cell_shift")?,
        },
    };
    let is_wide = case.is_wide("input_tensor");
    let from = activation(1.0, -case.small("input_zero_point")?, is_wide);
    let to = activation(1.0, case.small("output_zero_point")?, is_wide);
    let cell = Activation { scale: 1.0, zero_point: 0, code_type: CodeType::I16 };
    let shape = if time_major { [steps, images, inputs] } else { [images, steps, inputs] };
    let input = codes(&shape, &case.of_length(&["input_tensor"], steps * images * inputs)?)?;
    let hidden_state = codes(&[images, units], &vec![to.zero_point.into(); images * units])?;
    let cell_state = codes(&[images, units], &vec![0; images * units])?;
    let given = [(&input, from), (&hidden_state, to), (&cell_state, cell)];
    let results = run_all(&Op::Lstm(Box::new(lstm)), &given, to)?;
    Ok((wide(&results[0]).collect(), case.array("output").ok_or("no output")?))
}
