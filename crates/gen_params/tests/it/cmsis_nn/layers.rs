//! Convolutions, transposed and depthwise ones, and fully connected layers.

use gen_params::ops::Bias;
use gen_params::parameters::{LayerKind, Range, Window};

use super::case::{Case, PublishedLayer, factor, to_nchw, to_nhwc, unpack_4_bits};

/// Padding before and after an axis, and what a transposed convolution adds, from the sizes of input and output.
fn padding(input: usize, output: usize, kernel: [usize; 3], before: usize, transposed: bool) -> [u32; 3] {
    let [kernel, stride, dilation] = kernel.map(|size| i64::try_from(size).unwrap());
    let [input, output, before] = [input, output, before].map(|size| i64::try_from(size).unwrap());
    let reach = dilation * (kernel - 1) + 1;
    let (after, added) = if transposed {
        let rest = (input - 1) * stride + reach - before - output;
        (rest.max(0), (-rest).max(0))
    } else {
        (((output - 1) * stride + reach - input - before).max(0), 0)
    };
    [before, after, added].map(|size| u32::try_from(size).unwrap())
}

/// A bias as the case has it: 64 bits beside 16-bit codes, but for the cases that say otherwise in their name.
fn bias(case: &Case, channels: usize, wide: bool) -> Option<Bias> {
    let published = case.of_length(&["input_bias", "bias", "biases"], channels).ok();
    let narrow = !wide || case.name.contains("xint32");
    let values = published.filter(|_| !case.name.contains("null_bias"));
    match values {
        Some(values) if narrow => Some(Bias::Codes(values)),
        Some(values) => Some(Bias::WideCodes(values)),
        None => narrow.then(|| Bias::Codes(vec![0; channels])),
    }
}

fn multipliers(case: &Case, channels: usize) -> Result<Vec<f64>, String> {
    if let (Some(multiplier), Some(shift)) = (case.known("output_multiplier"), case.known("output_shift")) {
        return Ok(vec![factor(multiplier, shift)]);
    }
    let multipliers = case.of_length(&["output_multiplier", "output_mult"], channels)?;
    let shifts = case.of_length(&["output_shift"], channels)?;
    Ok(multipliers.iter().zip(&shifts).map(|(&m, &s)| factor(m, s)).collect())
}

fn weights(case: &Case, count: usize) -> Result<(Vec<i64>, u32), String> {
    let names = ["input_weights", "weights"];
    if let Ok(weights) = case.of_length(&names, count) {
        return Ok((weights, 8));
    }
    let packed = case.of_length(&names, count.div_ceil(2))?;
    Ok((unpack_4_bits(&packed, count), 4))
}

fn clamp(case: &Case) -> Result<Range<i32>, String> {
    Ok(Range { min: case.small("out_activation_min")?, max: case.small("out_activation_max")? })
}

/// What is computed and what is published.
pub(super) type Outcome = Result<(Vec<i64>, Vec<i64>), String>;

/// Where the older of two generations of a case was made with another configuration than the newer, which is the one that
/// `cases.json` has: names and integers.
///
/// Source: `config_data.h` of these cases in CMSIS-NN's commits bc25bce and bfc54ed, when the older arrays were made.
#[rustfmt::skip]
const OLDER: &[(&str, &[(&str, i64)])] = &[
    ("basic_int4", &[]),
    ("basic_2_int4", &[("input_offset", 0)]),
    ("stride2pad1_int4", &[("input_offset", 0)]),
    ("kernel1x1_int4", &[("out_activation_min", -126), ("input_batches", 2), ("dst_size", 490)]),
    ("kernel1x1_int4_2", &[
        ("input_offset", 0), ("out_activation_min", -126), ("input_w", 60), ("output_w", 60), ("dst_size", 3600),
    ]),
    ("kernel1x1_int4_3", &[("input_offset", 0), ("out_activation_min", -126)]),
    ("kernel1x1_stride_x_int4", &[
        ("input_offset", 0), ("out_activation_min", -126), ("input_batches", 2), ("dst_size", 120),
    ]),
    ("kernel1x1_stride_x_y_int4", &[("input_offset", 0), ("input_batches", 3), ("dst_size", 540)]),
    ("kernel1x1_stride_x_y_1_int4", &[("out_activation_min", -126), ("input_batches", 2), ("dst_size", 40)]),
    ("kernel1x1_stride_x_y_2_int4", &[
        ("input_offset", 0), ("out_activation_min", -126), ("input_batches", 2), ("dst_size", 40),
    ]),
    ("conv_1_x_n_1_int4", &[
        ("input_offset", 0), ("out_activation_min", -127), ("stride_y", 1), ("input_batches", 2), ("dst_size", 12),
    ]),
    ("conv_1_x_n_2_int4", &[("out_activation_min", -111)]),
    ("conv_1_x_n_3_int4", &[("input_offset", 0), ("out_activation_min", -111)]),
    ("conv_1_x_n_4_int4", &[("input_offset", 0), ("out_activation_min", -88)]),
    ("conv_1_x_n_5_int4", &[("input_offset", 0), ("out_activation_min", -88)]),
    ("conv_2_int4", &[("input_offset", 0), ("out_activation_min", -101)]),
    ("conv_3_int4", &[("out_activation_min", -127)]),
    ("conv_4_int4", &[("input_offset", 0), ("out_activation_min", -109), ("input_batches", 3), ("dst_size", 36)]),
    ("conv_5_int4", &[("out_activation_min", -88)]),
    ("conv_out_activation_int4", &[("input_offset", 0), ("out_activation_max", 107)]),
    ("conv_dilation_golden_int4", &[("input_offset", 0), ("input_batches", 2), ("dst_size", 144)]),
    ("conv_2x2_dilation_int4", &[("input_offset", 0), ("out_activation_min", -61), ("out_activation_max", 107)]),
    ("conv_2x2_dilation_5x5_input_int4", &[
        ("input_offset", 0), ("out_activation_min", -61), ("out_activation_max", 107),
    ]),
    ("conv_2x3_dilation_int4", &[
        ("input_offset", 0), ("out_activation_min", -61), ("out_activation_max", 107), ("dilation_y", 2), ("pad_y", 2),
    ]),
    ("conv_3x2_dilation_int4", &[("input_offset", 0), ("out_activation_min", -61), ("out_activation_max", 107)]),
    ("conv_3x3_dilation_5x5_input_int4", &[
        ("out_activation_min", -61), ("out_activation_max", 107), ("input_h", 11), ("input_w", 9), ("output_h", 11),
        ("output_w", 9), ("dilation_x", 2), ("dilation_y", 2), ("pad_x", 2), ("pad_y", 2), ("dst_size", 198),
    ]),
];

/// Convolutions with weights of 4 bits.
///
/// Most of these cases hold arrays of two generations: of the newer one weights, bias, multipliers and output, but neither
/// input nor shifts, so that only the older one is whole. It is computed with the configuration that it was made with.
pub(super) fn narrow_convolution(case: &Case) -> Outcome {
    let Some((_, differences)) = OLDER.iter().find(|(name, _)| *name == case.name) else {
        return convolution(case);
    };
    let mut older = case.clone();
    older.forget(&["input_weights", "input_bias", "output_multiplier", "output"]);
    for &(key, value) in *differences {
        older.set(key, value);
    }
    convolution(&older)
}

pub(super) fn convolution(case: &Case) -> Outcome {
    let (inputs, outputs) = (case.size("in_ch")?, case.size("out_ch")?);
    let input = [case.size("input_batches")?, case.size("input_h")?, case.size("input_w")?, inputs];
    let output = [case.size("output_h")?, case.size("output_w")?];
    let kernel = [case.size("filter_y")?, case.size("filter_x")?];
    let transposed = case.name.contains("transpose_conv");
    let depthwise = case.known("ch_mult").is_some();
    let group_inputs = match case.known("filter_ch") {
        Some(channels) => usize::try_from(channels).unwrap(),
        None if depthwise => 1,
        None => inputs,
    };
    let mut window = Window { groups: u32::try_from(inputs / group_inputs).ok(), ..Window::default() };
    let mut sides = [Vec::new(), Vec::new(), Vec::new()];
    let mut steps = [Vec::new(), Vec::new()];
    for (axis, name) in ["y", "x"].into_iter().enumerate() {
        let stride = case.size(&format!("stride_{name}"))?;
        let dilation = case.size(&format!("dilation_{name}"))?;
        let before = case.size(&format!("pad_{name}"))?;
        let sizes = [kernel[axis], stride, dilation];
        let padding = padding(input[axis + 1], output[axis], sizes, before, transposed);
        for (side, size) in sides.iter_mut().zip(padding) {
            side.push(size);
        }
        for (step, size) in steps.iter_mut().zip([stride, dilation]) {
            step.push(u32::try_from(size).unwrap());
        }
    }
    let [stride, dilation] = steps;
    let [before, after, added] = sides;
    window.stride = Some(stride);
    window.dilation = Some(dilation);
    window.padding = Some(before);
    window.padding_end = Some(after);
    window.output_padding = Some(added);

    let area = kernel[0] * kernel[1];
    let (published, bits) = weights(case, outputs * group_inputs * area)?;
    // OHWI, or of depthwise convolutions 1HWO, to OIHW, or of transposed convolutions IOHW.
    let at = |o: usize, i: usize, k: usize| {
        if depthwise { published[k * outputs + o] } else { published[(o * area + k) * group_inputs + i] }
    };
    let (first, second) = if transposed { (group_inputs, outputs) } else { (outputs, group_inputs) };
    let places = (0..first).flat_map(|a| (0..second).map(move |b| (a, b)));
    let weights = places
        .flat_map(|(a, b)| {
            let (o, i) = if transposed { (b, a) } else { (a, b) };
            (0..area).map(move |k| (o, i, k))
        })
        .map(|(o, i, k)| at(o, i, k))
        .collect();

    let wide = case.is_wide("input");
    let codes = case.of_length(&["input"], input.iter().product())?;
    let layer = PublishedLayer {
        kind: if transposed { LayerKind::ConvTranspose(2) } else { LayerKind::Conv(2) },
        shape: vec![first, second, kernel[0], kernel[1]],
        weights,
        weight_zero_point: 0,
        bits,
        multipliers: multipliers(case, outputs)?,
        bias: bias(case, outputs, wide),
        window: Some(window),
        input_zero_point: -case.small("input_offset")?,
        output_zero_point: case.small("output_offset")?,
        clamp: clamp(case)?,
        wide,
    };
    let found = layer.run(&to_nchw(input, &codes)?)?;
    let expected = case.of_length(&["output", "output_ref"], case.size("dst_size")?)?;
    Ok((to_nhwc(&found), expected))
}

pub(super) fn fully_connected(case: &Case) -> Outcome {
    let (rows, depth) = (case.size("input_batches")?, case.size("accumulation_depth")?);
    let outputs = case.size("out_ch")?;
    let wide = case.is_wide("input");
    let (weights, bits) = weights(case, outputs * depth)?;
    let codes = case.of_length(&["input"], rows * depth)?;
    // For 16-bit codes CMSIS-NN reduces the multiplier as a convolution's, and LiteRT no longer does.
    let (kind, axes): (_, &[usize]) =
        if wide { (LayerKind::Conv(1), &[1]) } else { (LayerKind::Linear, &[]) };
    let window = wide.then(|| Window {
        stride: Some(vec![1]),
        padding: Some(vec![0]),
        dilation: Some(vec![1]),
        output_padding: Some(vec![0]),
        groups: Some(1),
        ..Window::default()
    });
    let layer = PublishedLayer {
        kind,
        shape: [&[outputs, depth], axes].concat(),
        weights,
        weight_zero_point: -i32::try_from(case.known("filter_offset").unwrap_or(0)).unwrap(),
        bits,
        multipliers: multipliers(case, outputs)?,
        bias: bias(case, outputs, wide),
        window,
        input_zero_point: -case.small("input_offset")?,
        output_zero_point: case.small("output_offset")?,
        clamp: clamp(case)?,
        wide,
    };
    let found = layer.run(&super::case::codes(&[&[rows, depth], axes].concat(), &codes)?)?;
    let expected = case.of_length(&["output", "output_ref"], case.size("dst_size")?)?;
    Ok((found.elements().iter().map(|&code| i64::from(code)).collect(), expected))
}
