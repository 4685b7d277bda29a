//! Operators without weights.

use gen_params::ops::{Extremum, Op, PaddingMode, Pool, Shape};
use gen_params::tensor::Codes;

use super::case::{Case, activation, codes, factor, limit, run, to_nchw, to_nhwc};
use super::layers::Outcome;

fn wide(codes: &Codes) -> Vec<i64> {
    codes.elements().iter().map(|&code| i64::from(code)).collect()
}

pub(super) fn pool(case: &Case) -> Outcome {
    let batch = case.size("batch_size")?;
    let channels = case.size("input_c")?;
    let input = [batch, case.size("input_h")?, case.size("input_w")?, channels];
    let output = [case.integer("output_h")?, case.integer("output_w")?];
    let kernel = vec![case.integer("filter_h")?, case.integer("filter_w")?];
    let stride = vec![case.integer("stride_h")?, case.integer("stride_w")?];
    let padding = vec![case.integer("padding_h")?, case.integer("padding_w")?];
    let after = (0..2).map(|axis| {
        let size = i64::try_from(input[axis + 1]).unwrap();
        ((output[axis] - 1) * stride[axis] + kernel[axis] - size - padding[axis]).max(0)
    });
    let pool = Pool {
        padding_end: Some(after.collect()),
        kernel,
        stride,
        padding,
        dilation: vec![1, 1],
        ceil_mode: false,
        count_include_pad: false,
        divisor: None,
    };
    let op = if case.name.starts_with("max") { Op::MaxPool(pool) } else { Op::AveragePool(pool) };
    let unit = activation(1.0, 0, case.is_wide("input_tensor"));
    let length = input.iter().product();
    let codes = to_nchw(input, &case.of_length(&["input_tensor"], length)?)?;
    let found = to_nhwc(&run(&op, &[(&codes, unit)], unit)?);
    let found = limit(found, case.integer("activation_min")?, case.integer("activation_max")?);
    let expected = case.array("output").ok_or("no output")?;
    Ok((found, expected))
}

/// Sums and products of two tensors of one shape.
pub(super) fn binary(case: &Case) -> Outcome {
    let length = case.size("dst_size")?;
    let wide_codes = case.is_wide("input1");
    let [a, b] = ["input1", "input2"].map(|name| case.of_length(&[name], length));
    let (a, b) = (codes(&[length], &a?)?, codes(&[length], &b?)?);
    let zero_points = [-case.small("input1_offset")?, -case.small("input2_offset")?];
    let product = factor(case.integer("output_mult")?, case.integer("output_shift")?);
    // Scales that give the published factors: of a product S1 = S3 = 1, of a sum twice the larger input scale is 2.
    let (op, scales) = if let Ok(left_shift) = case.integer("left_shift") {
        let input = |name: &str| -> Result<f64, String> {
            let (multiplier, shift) = (format!("{name}_mult"), format!("{name}_shift"));
            Ok(2.0 * factor(case.integer(&multiplier)?, case.integer(&shift)?))
        };
        let output = 2.0 / (product * 2f64.powi(i32::try_from(left_shift).unwrap()));
        (Op::Add { relu: false }, [input("input1")?, input("input2")?, output])
    } else {
        (Op::Mul { relu: false }, [1.0, product, 1.0])
    };
    let first = activation(scales[0], zero_points[0], wide_codes);
    let second = activation(scales[1], zero_points[1], wide_codes);
    let output = activation(scales[2], case.small("output_offset")?, wide_codes);
    let found = run(&op, &[(&a, first), (&b, second)], output)?;
    let found = limit(wide(&found), case.integer("out_activation_min")?, case.integer("out_activation_max")?);
    Ok((found, case.of_length(&["output_ref"], length)?))
}

/// Sizes and axes of the transposed tensors, which are lists in a header, and not among the published integers. Each is the
/// only transposition that leads from the input to the output, but for axes that stay together, which may be split anyhow.
#[rustfmt::skip]
const TRANSPOSED: [(&str, &[usize], &[i64]); 10] = [
    ("transpose_3dim", &[5, 4, 20], &[0, 2, 1]), ("transpose_3dim2", &[5, 4, 20], &[1, 2, 0]),
    ("transpose_chwn", &[5, 4, 12, 17], &[3, 1, 2, 0]), ("transpose_default", &[4, 3, 3, 22], &[3, 2, 1, 0]),
    ("transpose_matrix", &[5, 20], &[1, 0]), ("transpose_nchw", &[4, 3, 9, 19], &[0, 3, 1, 2]),
    ("transpose_ncwh", &[5, 4, 3, 9], &[0, 3, 2, 1]), ("transpose_nhcw", &[8, 16, 128], &[2, 0, 1]),
    ("transpose_nwhc", &[19, 3, 8, 8], &[1, 0, 2, 3]), ("transpose_wchn", &[4, 3, 7, 9], &[2, 3, 1, 0]),
];

pub(super) fn transpose(case: &Case) -> Outcome {
    let (_, sizes, axes) =
        TRANSPOSED.iter().find(|(name, ..)| *name == case.name).ok_or("a case without sizes")?;
    let unit = activation(1.0, 0, false);
    let input = codes(sizes, &case.of_length(&["input_tensor"], case.size("size")?)?)?;
    let found = run(&Op::Shape(Shape::Permute(axes.to_vec())), &[(&input, unit)], unit)?;
    Ok((wide(&found), case.array("output").ok_or("no output")?))
}

/// Minimum and maximum, broadcast.
pub(super) fn extremum(case: &Case) -> Outcome {
    let mut operands = Vec::new();
    for number in [1, 2] {
        let mut shape = Vec::new();
        for axis in ["batch", "height", "width", "channel"] {
            shape.push(case.size(&format!("{axis}_{number}"))?);
        }
        let name = format!("input_tensor_{number}");
        operands.push(codes(&shape, &case.of_length(&[&name], shape.iter().product())?)?);
    }
    let unit = activation(1.0, 0, false);
    let which = if case.name.starts_with("min") { Extremum::Minimum } else { Extremum::Maximum };
    let found = run(&Op::Extremum(which), &[(&operands[0], unit), (&operands[1], unit)], unit)?;
    Ok((wide(&found), case.of_length(&["output"], case.size("dst_size")?)?))
}

pub(super) fn pad(case: &Case) -> Outcome {
    let mut shape = Vec::new();
    let mut amounts = Vec::new();
    for axis in ["n", "h", "w", "c"] {
        shape.push(case.size(&format!("input_{axis}"))?);
        // From the last axis backwards, before and after.
        amounts.insert(0, case.integer(&format!("post_pad_{axis}"))?);
        amounts.insert(0, case.integer(&format!("pre_pad_{axis}"))?);
    }
    let filled = activation(1.0, case.small("pad_value")?, false);
    let length = shape.iter().product();
    let input = codes(&shape, &case.of_length(&["input_tensor"], length)?)?;
    let op = Op::Shape(Shape::Pad { amounts, mode: PaddingMode::Zeros });
    let found = run(&op, &[(&input, filled)], filled)?;
    Ok((wide(&found), case.array("output").ok_or("no output")?))
}

pub(super) fn softmax(case: &Case) -> Outcome {
    let shape = [case.size("num_rows")?, case.size("row_size")?];
    let scaled = factor(case.integer("input_mult")?, case.integer("input_left_shift")?);
    let (input, output) = match (case.is_wide("input"), case.is_wide("output_ref")) {
        (true, _) => (activation(scaled * (10.0 / 65_535.0), 0, true), activation(1.0 / 32_768.0, 0, true)),
        (false, true) => {
            (activation(scaled / 2f64.powi(26), 0, false), activation(1.0 / 65_536.0, -32_768, true))
        }
        (false, false) => {
            (activation(scaled / 2f64.powi(26), 0, false), activation(1.0 / 256.0, -128, false))
        }
    };
    let length = shape.iter().product();
    let codes = codes(&shape, &case.of_length(&["input"], length)?)?;
    let found = run(&Op::Softmax { axis: -1 }, &[(&codes, input)], output)?;
    Ok((wide(&found), case.of_length(&["output_ref"], length)?))
}

pub(super) fn batch_matmul(case: &Case) -> Outcome {
    let wide_codes = case.is_wide("lhs_input_tensor");
    let mut operands = Vec::new();
    for (side, transposed) in [("lhs", "adj_x"), ("rhs", "adj_y")] {
        let mut shape = Vec::new();
        for axis in ["batch", "height", "rows", "cols"] {
            shape.push(case.size(&format!("{side}_{axis}"))?);
        }
        let name = format!("{side}_input_tensor");
        let values = codes(&shape, &case.of_length(&[&name], shape.iter().product())?)?;
        let zero_point = -case.small(&format!("{side}_offset"))?;
        let given = activation(1.0, zero_point, wide_codes);
        let values = if case.integer(transposed)? == 1 {
            run(&Op::Shape(Shape::Transpose(2, 3)), &[(&values, given)], given)?
        } else {
            values
        };
        operands.push((values, given));
    }
    let product = factor(case.integer("output_multiplier")?, case.integer("output_shift")?);
    let output = activation(1.0 / product, case.small("output_offset")?, wide_codes);
    let inputs = [(&operands[0].0, operands[0].1), (&operands[1].0, operands[1].1)];
    let found = run(&Op::MatMul, &inputs, output)?;
    let found = limit(wide(&found), case.integer("activation_min")?, case.integer("activation_max")?);
    Ok((found, case.of_length(&["output"], case.size("dst_size")?)?))
}
