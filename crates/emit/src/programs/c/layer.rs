//! Dot products, of convolutions and linear layers: their numbers and their call.

use std::fmt::Write as _;

use gen_params_core::hardware::integer_op::{DotProduct, WindowAxis};
use gen_params_core::network::Node;
use gen_params_core::ops::PaddingMode;
use gen_params_core::parameters::LayerKind;

use super::kernels::{Kernel, Kernels};
use super::{Network, Step, text};

/// `{input, output, kernel, stride, padding, dilation}`; an error for sizes whose positions do not fit in 32 bits.
pub(super) fn axis(axis: &WindowAxis) -> Result<String, String> {
    let &WindowAxis { input, output, kernel, stride, padding, dilation } = axis;
    let furthest = output.saturating_mul(stride).saturating_add(kernel.saturating_mul(dilation));
    if furthest.saturating_add(padding).saturating_add(input) > 1 << 30 {
        return Err(format!(
            "a window over {input} positions that reaches {furthest}, expected fewer than 2^30"
        ));
    }
    Ok(format!("{{{input}, {output}, {kernel}, {stride}, {padding}, {dilation}}}"))
}

impl Network<'_> {
    pub(super) fn dot_product(
        &self,
        node: &Node,
        form: &DotProduct<'_>,
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        let &DotProduct { layer, images, axes: [depth, height, width], .. } = form;
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let (source, function) = match (layer.kind(), layer.padding_mode()) {
            (LayerKind::ConvTranspose(_), _) => (Kernel::SourceTransposed, "source_transposed"),
            (_, PaddingMode::Zeros) => (Kernel::SourceZeros, "source_zeros"),
            (_, PaddingMode::Reflect) => (Kernel::SourceReflect, "source_reflect"),
            (_, PaddingMode::Replicate) => (Kernel::SourceReplicate, "source_replicate"),
            (_, PaddingMode::Circular) => (Kernel::SourceCircular, "source_circular"),
        };
        kernels.add(source);
        kernels.add(Kernel::Layer);
        let [depth, height, width] = [axis(&depth)?, axis(&height)?, axis(&width)?];
        let name = self.identifier(node)?.to_owned();
        let bias_type = if self.registers.wide_bias { "int64_t" } else { "int32_t" };
        let mut data = format!("/* {} */\n", self.comment(node));
        data.push_str(&text::array("int8_t", &format!("{name}_weight"), &layer.weight));
        data.push_str(&text::array(
            bias_type,
            &format!("{name}_folded_bias"),
            &constants(&layer.folded_bias),
        ));
        data.push_str(&text::array("uint32_t", &format!("{name}_multiplier"), &layer.multiplier));
        data.push_str(&text::array("uint8_t", &format!("{name}_shift"), &layer.shift));
        let channels = layer.channels();
        let bias_bytes = if self.registers.wide_bias { 8 } else { 4 };
        let mut constant_bytes = layer.weight.len() + channels * (bias_bytes + 4 + 1);
        let zero_points = if layer.weight_zero_point.iter().any(|&z| z != 0) {
            data.push_str(&text::array(
                "int16_t",
                &format!("{name}_weight_zero_point"),
                &layer.weight_zero_point,
            ));
            constant_bytes += 2 * channels;
            format!("{name}_weight_zero_point")
        } else {
            "NULL".to_owned()
        };
        let _ = write!(
            data,
            "static const struct layer {name}_layer = {{\n    .images = {images}, .groups = {}, .group_inputs = {}, \
             .group_outputs = {},\n    .depth = {depth}, .height = {height}, .width = {width}, .source = {function},\n    \
             .weight = {name}_weight, .folded_bias = {name}_folded_bias,\n    .multiplier = {name}_multiplier, .shift = \
             {name}_shift, .weight_zero_point = {zero_points},\n    .input_flip = {}, .padding_value = {}, \
             .output_zero_point = {}, .min = {}, .max = {}\n}};\n\n",
            layer.groups(),
            layer.group_inputs(),
            channels / layer.groups().max(1),
            self.flip(input),
            layer.padding_value,
            layer.output_zero_point,
            layer.clamp.min,
            layer.clamp.max,
        );
        let calls =
            format!("    run_layer(&{name}_layer, {}, {});\n", self.pointer(input), self.pointer(output));
        Ok(Step { data, constant_bytes, calls })
    }
}

/// Decimal constants take the first type that holds them; the smallest of 32 and 64 bits have no literal.
fn constants(values: &[i64]) -> Vec<String> {
    let constant = |&value: &i64| match i32::try_from(value) {
        Ok(i32::MIN) => "INT32_MIN".to_owned(),
        Ok(value) => value.to_string(),
        Err(_) => format!("INT64_C({value})"),
    };
    values.iter().map(constant).collect()
}
