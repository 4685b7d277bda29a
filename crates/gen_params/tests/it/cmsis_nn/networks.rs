//! Whole networks, layer after layer: the codes of each are the next one's input.

use gen_params::ops::Bias;
use gen_params::parameters::{LayerKind, Range};

use super::case::{Case, PublishedLayer, codes, factor};
use super::layers::{Outcome, convolution};
use super::operators::{pool, softmax};

/// Keyword spotting: convolutions, depthwise ones, a mean, a linear layer, softmax.
pub(super) fn ds_cnn(case: &Case) -> Outcome {
    let mut found = case.array("input").ok_or("no input")?;
    for number in 1.. {
        let suffix = format!("_{number}_dst_size");
        let Some(kind) = case.keys().find_map(|key| key.strip_suffix(&suffix)) else {
            // A reshape has a number and nothing to compute.
            if case.keys().any(|key| key.contains(&format!("_{}_", number + 1))) {
                continue;
            }
            break;
        };
        let array = |name: &str| case.array(&format!("layer_{number}_{kind}_{name}")).unwrap_or_default();
        let prefix = format!("{kind}_{number}_");
        let arrays = [
            ("input", found.clone()),
            ("weights", array("weights")),
            ("bias", array("bias")),
            ("output_mult", array("output_mult")),
            ("output_shift", array("output_shift")),
            ("output_ref", vec![0; case.size(&format!("{prefix}dst_size"))?]),
        ];
        let mut part = case.part(&prefix, &arrays);
        found = match kind {
            "conv_2d" => convolution(&part)?.0,
            "depthwise_conv_2d" => {
                part.set("ch_mult", 1);
                convolution(&part)?.0
            }
            "average_pool_2d" => {
                for (published, named) in [
                    ("pad_h", "padding_h"),
                    ("pad_w", "padding_w"),
                    ("in_ch", "input_c"),
                    ("input_batches", "batch_size"),
                ] {
                    part.copy(published, named)?;
                }
                for side in ["min", "max"] {
                    part.copy(&format!("out_activation_{side}"), &format!("activation_{side}"))?;
                }
                part.set_array("input_tensor", found);
                part.set_array("output", Vec::new());
                pool(&part)?.0
            }
            "fully_connected" => linear(&part, &found)?,
            "softmax" => {
                part.copy("mult", "input_mult")?;
                part.copy("shift", "input_left_shift")?;
                part.set_array("output_ref", vec![0; found.len()]);
                softmax(&part)?.0
            }
            other => return Err(format!("{other} has no formula here")),
        };
    }
    Ok((found, case.array("output_ref").ok_or("no output")?))
}

/// The last layer, whose sizes follow from its arrays: what is published counts channels otherwise.
fn linear(case: &Case, input: &[i64]) -> Result<Vec<i64>, String> {
    let (bias, weights) = (case.array("bias").unwrap_or_default(), case.array("weights").unwrap_or_default());
    let layer = PublishedLayer {
        kind: LayerKind::Linear,
        shape: vec![bias.len(), input.len()],
        weights,
        weight_zero_point: 0,
        bits: 8,
        multipliers: vec![factor(case.integer("output_multiplier")?, case.integer("output_shift")?)],
        bias: Some(Bias::Codes(bias)),
        window: None,
        input_zero_point: -case.small("input_offset")?,
        output_zero_point: case.small("output_offset")?,
        clamp: Range { min: case.small("out_activation_min")?, max: case.small("out_activation_max")? },
        wide: false,
    };
    let found = layer.run(&codes(&[1, input.len()], input)?)?;
    Ok(found.elements().iter().map(|&code| i64::from(code)).collect())
}
