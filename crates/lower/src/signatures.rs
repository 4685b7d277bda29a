//! The operators of PyTorch that are lowered, with their parameters as PyTorch names them: one table for TorchScript, FX
//! and exported programs.

use super::arguments::Signature;

/// An operator under its names, without namespace and overload.
struct Row {
    names: &'static [&'static str],
    /// One for each overload that is lowered; those of old files last.
    signatures: &'static [Signature],
    /// As a Python function of `torch.nn.functional` and its quantized likes, where that differs.
    python: &'static [Signature],
}

const fn row(names: &'static [&'static str], signatures: &'static [Signature]) -> Row {
    Row { names, signatures, python: &[] }
}

impl Row {
    const fn python(self, python: &'static [Signature]) -> Self {
        Self { python, ..self }
    }
}

const SELF: &[Signature] = &["self"];
const IN_PLACE: &[Signature] = &["input, ~inplace=False"];
const LAYER: &[Signature] = &[
    "qx, packed_weight, output_scale, output_zero_point",
    "qx, weight, stride, padding, dilation, groups, output_scale, output_zero_point",
];
const BATCH_NORM: &[Signature] = &["qx, weight, bias, mean, var, eps, output_scale, output_zero_point"];
const TWO: &[Signature] = &["qa, qb, scale, zero_point"];
const MAX_POOL: &[Signature] = &["self, kernel_size, stride=[], padding=0, dilation=1, ceil_mode=False"];
const MAX_POOL_PYTHON: &[Signature] =
    &["input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False"];
const AVERAGE_POOL: &[Signature] = &[
    "self, kernel_size, stride=[], padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None",
];
const AVERAGE_POOL_PYTHON: &[Signature] = &[
    "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None",
];
const SUM: &[Signature] = &["self, other, *, alpha=1", "a, b"];
const CLAMP: &[Signature] = &["self, min=None, max=None"];
const DROPOUT: &[Signature] = &["input, ~p, train"];
const DROPOUT_PYTHON: &[Signature] = &["input, ~p=0.5, training=True, ~inplace=False"];
const LEAKY: &[Signature] = &["self, negative_slope=0.01"];
const ELU: &[Signature] = &["self, alpha=1, scale=1, input_scale=1"];

const TABLE: &[Row] = &[
    row(
        &[
            "quantized.conv1d",
            "quantized.conv1d_relu",
            "quantized.conv2d",
            "quantized.conv2d_relu",
            "quantized.conv3d",
            "quantized.conv3d_relu",
            "quantized.conv_transpose1d",
            "quantized.conv_transpose2d",
            "quantized.conv_transpose3d",
        ],
        LAYER,
    ),
    row(&["quantized.linear", "quantized.linear_relu"], &["X, W_prepack, Y_scale_i, Y_zero_point_i"]),
    row(&["quantize_per_tensor"], &["self, scale, zero_point, dtype"]),
    row(&["dequantize"], SELF),
    row(
        &[
            "quantized.batch_norm",
            "quantized.batch_norm_relu",
            "quantized.batch_norm1d",
            "quantized.batch_norm1d_relu",
            "quantized.batch_norm2d",
            "quantized.batch_norm2d_relu",
            "quantized.batch_norm3d",
            "quantized.batch_norm3d_relu",
        ],
        BATCH_NORM,
    ),
    row(
        &["quantized.layer_norm"],
        &["input, normalized_shape, weight, bias, eps, output_scale, output_zero_point"],
    ),
    row(&["quantized.add", "quantized.add_relu", "quantized.mul", "quantized.mul_relu"], TWO),
    row(&["quantized.matmul"], TWO),
    row(&["quantized.cat"], &["qx, dim, scale, zero_point"]),
    row(&["quantized.sigmoid"], &["qx, output_scale, output_zero_point"]),
    row(&["quantized.hardswish"], &["input, output_scale, output_zero_point"]),
    row(&["quantized.leaky_relu"], &["qx, negative_slope, ~inplace, output_scale, output_zero_point"]),
    row(&["quantized.elu"], &["self, output_scale, output_zero_point, alpha=1, scale=1, input_scale=1"]),
    row(&["quantized.softmax"], &["qx, dim, output_scale, output_zero_point"]),
    row(&["quantized.relu"], &["qx"]),
    row(&["quantized.relu6"], &["qx, ~inplace=False"]),
    row(&["quantized.clamp"], &["qx, min=None, max=None"]),
    row(&["relu", "relu_", "relu6", "relu6_"], SELF).python(IN_PLACE),
    row(&["sigmoid", "sigmoid_", "tanh", "tanh_"], SELF),
    row(&["hardsigmoid", "hardsigmoid_", "hardswish", "hardswish_"], SELF).python(IN_PLACE),
    row(&["hardtanh", "hardtanh_"], &["self, min_val=-1, max_val=1"])
        .python(&["input, min_val=-1.0, max_val=1.0, ~inplace=False"]),
    row(&["clamp", "clamp_", "clip"], CLAMP).python(&["input, min_, max_"]),
    row(&["clamp_min"], &["self, min"]),
    row(&["silu", "silu_"], SELF).python(IN_PLACE),
    row(&["gelu"], &["self, *, approximate='none'"]),
    row(&["leaky_relu", "leaky_relu_"], LEAKY).python(&["input, negative_slope=0.01, ~inplace=False"]),
    row(&["elu", "elu_"], ELU).python(&["input, alpha=1.0, ~inplace=False"]),
    row(&["softmax"], &["self, dim, dtype=None"]),
    row(&["_softmax"], &["self, dim, half_to_float"]),
    row(&["layer_norm"], &["input, normalized_shape, weight=None, bias=None, eps=1e-05, ~cudnn_enable=True"]),
    row(&["max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices"], MAX_POOL)
        .python(MAX_POOL_PYTHON),
    row(&["_max_pool1d", "_max_pool2d", "_max_pool3d"], MAX_POOL_PYTHON),
    row(
        &["avg_pool1d"],
        &["self, kernel_size, stride=[], padding=0, ceil_mode=False, count_include_pad=True"],
    ),
    row(&["avg_pool2d", "avg_pool3d"], AVERAGE_POOL).python(AVERAGE_POOL_PYTHON),
    row(
        &["adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool3d"],
        &["self, output_size"],
    ),
    row(&["mean"], &["self, dim, keepdim=False, *, dtype=None", "self, *, dtype=None"]),
    row(&["cat", "concat"], &["tensors, dim=0"]),
    row(&["add", "add_", "sub"], SUM),
    row(&["mul", "mul_"], &["self, other", "a, b"]),
    row(&["floordiv"], &["a, b"]),
    row(&["floor_divide"], &["self, other"]),
    row(&["linear"], &["input, weight, bias=None"]),
    row(&["addmm"], &["self, mat1, mat2, *, beta=1, alpha=1"]),
    row(&["mm", "bmm"], &["self, mat2"]),
    row(&["matmul"], &["self, other"]),
    row(
        &["batch_norm"],
        &["input, weight, bias, running_mean, running_var, training, ~momentum, eps, ~cudnn_enabled"],
    ),
    row(
        &["_native_batch_norm_legit_no_training"],
        &["input, weight, bias, running_mean, running_var, ~momentum, eps"],
    ),
    row(
        &["conv1d", "conv2d", "conv3d"],
        &[
            "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
            "input, weight, bias=None, stride=1, padding='valid', dilation=1, groups=1",
        ],
    ),
    row(
        &["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"],
        &["input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1"],
    ),
    row(
        &["convolution"],
        &["input, weight, bias, stride, padding, dilation, transposed, output_padding, groups"],
    ),
    row(
        &["quantized_decomposed.quantize_per_tensor"],
        &["input, scale, zero_point, quant_min, quant_max, dtype"],
    ),
    row(
        &["quantized_decomposed.dequantize_per_tensor"],
        &["input, scale, zero_point, quant_min, quant_max, dtype, *, out_dtype=None"],
    ),
    row(
        &["quantized_decomposed.quantize_per_channel"],
        &["input, scales, zero_points, axis, quant_min, quant_max, dtype"],
    ),
    row(
        &["quantized_decomposed.dequantize_per_channel"],
        &["input, scales, zero_points, axis, quant_min, quant_max, dtype, *, out_dtype=None"],
    ),
    row(&["flatten"], &["self, start_dim=0, end_dim=-1"]),
    row(&["reshape"], &["self, *shape"]),
    row(&["view", "_unsafe_view"], &["self, *size"]),
    row(&["permute"], &["self, *dims"]),
    row(&["transpose"], &["self, dim0, dim1"]),
    row(&["t"], SELF),
    row(&["squeeze"], &["self", "self, dim"]),
    row(&["unsqueeze"], &["self, dim"]),
    row(&["slice"], &["self, dim=0, start=None, end=None, step=1"]),
    row(&["chunk"], &["self, chunks, dim=0"]),
    row(&["pad"], &["self, pad, mode='constant', value=None"]),
    row(&["constant_pad_nd"], &["self, pad, value=0"]),
    row(&["channel_shuffle"], &["self, groups"]),
    row(&["upsample_nearest1d"], &["input, output_size, scale_factors", "self, output_size, scales=None"]),
    row(
        &["upsample_nearest2d"],
        &["input, output_size, scale_factors", "self, output_size, scales_h=None, scales_w=None"],
    ),
    row(
        &["upsample_nearest3d"],
        &[
            "input, output_size, scale_factors",
            "self, output_size, scales_d=None, scales_h=None, scales_w=None",
        ],
    ),
    // Functions of Python only.
    row(
        &["interpolate"],
        &[
            "input, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, \
             antialias=False",
        ],
    ),
    row(&["upsample"], &["input, size=None, scale_factor=None, mode='nearest', align_corners=None"]),
    row(&["dropout_"], &["self, ~p, train"]),
    row(&["dropout", "feature_dropout"], DROPOUT).python(DROPOUT_PYTHON),
    row(&["clone"], &["self, *, ~memory_format=None"]),
    row(&["contiguous"], &["self, *, memory_format=0"]),
    row(&["alias", "detach", "detach_", "lift_fresh_copy", "identity"], SELF),
    row(&["size", "sym_size"], &["self", "self, dim"]),
    // Sizes and lists, which are no tensors.
    row(&["shape"], SELF),
    row(&["getattr"], &["self, name"]),
    row(&["getitem"], &["self, index"]),
    row(&["__getitem__"], &["list, idx"]),
    row(&["int", "Int", "IntImplicit", "ScalarImplicit", "prim.NumToTensor"], &["a"]),
];

/// The signatures of an operator by its name without overload; as a function of Python's if `python` says so.
pub(super) fn of(name: &str, python: bool) -> &'static [Signature] {
    match TABLE.iter().find(|row| row.names.contains(&name)) {
        Some(Row { python: own, .. }) if python && !own.is_empty() => own,
        Some(row) => row.signatures,
        None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::super::arguments::{Literal, parameters};
    use super::*;

    /// What PyTorch says of itself (`tests/fixtures/signatures/make.py`).
    const PYTORCH: &str = include_str!("../../../tests/fixtures/signatures/torch.txt");

    /// Syntax of Python rather than operators of PyTorch, and operators that only its old versions have.
    const WITHOUT_SCHEMA: [&str; 7] =
        ["getattr", "getitem", "int", "shape", "identity", "prim.NumToTensor", "quantized.relu"];

    /// Names, defaults and what can only be named; without our marks.
    fn plain(signature: Signature) -> Vec<(&'static str, Option<Literal>, bool)> {
        let number = |literal: Literal| match literal {
            #[allow(clippy::cast_precision_loss, reason = "a default of the table")]
            Literal::Int(int) => Literal::Real(int as f64),
            other => other,
        };
        parameters(signature).into_iter().map(|p| (p.name, p.default.map(number), p.named_only)).collect()
    }

    fn schemas(name: &str) -> Vec<Vec<(&'static str, Option<Literal>, bool)>> {
        let lines = PYTORCH.lines().filter_map(|line| line.split_once(" | "));
        lines.filter(|(own, _)| *own == name).map(|(_, signature)| plain(signature)).collect()
    }

    #[test]
    fn the_signatures_are_those_of_pytorch() {
        let mut failures = Vec::new();
        let mut checked = 0;
        for row in TABLE {
            let names: Vec<&str> =
                row.names.iter().copied().filter(|name| !WITHOUT_SCHEMA.contains(name)).collect();
            for (prefix, signatures) in [("", row.signatures), ("python ", row.python)] {
                let known = |name: &str, signature: Signature| {
                    let from_python = ["interpolate", "upsample"].contains(&name);
                    schemas(&format!("{}{name}", if from_python { "python " } else { prefix }))
                        .contains(&plain(signature))
                };
                for signature in signatures.iter().filter(|_| !names.is_empty()) {
                    checked += 1;
                    if !names.iter().any(|name| known(name, signature)) {
                        failures.push(format!("{prefix}{names:?}: ({signature}) is none of PyTorch's"));
                    }
                }
                if prefix.is_empty() {
                    let strange = names.iter().filter(|name| !signatures.iter().any(|s| known(name, s)));
                    failures.extend(strange.map(|name| format!("{name}: PyTorch has other parameters")));
                }
            }
        }
        assert!(checked > 80, "{checked} signatures checked");
        assert!(failures.is_empty(), "{failures:#?}");
    }

    #[test]
    fn each_operator_stands_in_the_table_once() {
        let mut names: Vec<&str> = TABLE.iter().flat_map(|row| row.names.iter().copied()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_operator_that_is_lowered_has_a_signature() {
        let of_calls = super::super::calls::names().into_iter();
        let of_programs = super::super::export::OPERATORS.iter().map(|operator| operator.name);
        let base = |name: &'static str| {
            let name = name.strip_prefix("aten.").or_else(|| name.strip_prefix("_operator.")).unwrap_or(name);
            if of(name, false).is_empty() {
                name.rsplit_once('.').map_or(name, |(base, _)| base)
            } else {
                name
            }
        };
        let missing: Vec<&str> =
            of_calls.chain(of_programs.map(base)).filter(|name| of(name, false).is_empty()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
