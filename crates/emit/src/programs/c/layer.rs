//! Convolutions and linear layers: their numbers and their call.

use std::fmt::Write as _;

use gen_params_core::hardware::TargetLayer;
use gen_params_core::network::Node;
use gen_params_core::ops::PaddingMode;
use gen_params_core::parameters::LayerKind;

use super::kernels::{Kernel, Kernels};
use super::{Network, Step, text};

/// Sizes of one spatial axis of a window.
pub(super) struct Axis {
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) dilation: usize,
}

impl Axis {
    /// An axis that is not there.
    pub(super) const ABSENT: Self =
        Self { input: 1, output: 1, kernel: 1, stride: 1, padding: 0, dilation: 1 };

    /// `{input, output, kernel, stride, padding, dilation}`; an error for sizes whose positions do not fit in 32 bits.
    pub(super) fn text(&self) -> Result<String, String> {
        let Self { input, output, kernel, stride, padding, dilation } = *self;
        let furthest = output.saturating_mul(stride).saturating_add(kernel.saturating_mul(dilation));
        if furthest.saturating_add(padding).saturating_add(input) > 1 << 30 {
            return Err(format!(
                "a window over {input} positions that reaches {furthest}, expected fewer than 2^30"
            ));
        }
        Ok(format!("{{{input}, {output}, {kernel}, {stride}, {padding}, {dilation}}}"))
    }
}

impl Network<'_> {
    pub(super) fn layer(
        &self,
        node: &Node,
        layer: &TargetLayer,
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let (from, to) = (&self.shapes[input.0], &self.shapes[output.0]);
        let source = match (layer.kind(), layer.padding_mode()) {
            (LayerKind::ConvTranspose(_), _) => Kernel::SourceTransposed,
            (_, PaddingMode::Zeros) => Kernel::SourceZeros,
            (_, PaddingMode::Reflect) => Kernel::SourceReflect,
            (_, PaddingMode::Replicate) => Kernel::SourceReplicate,
            (_, PaddingMode::Circular) => Kernel::SourceCircular,
        };
        kernels.add(source);
        kernels.add(Kernel::Layer);
        let source = match source {
            Kernel::SourceTransposed => "source_transposed",
            Kernel::SourceReflect => "source_reflect",
            Kernel::SourceReplicate => "source_replicate",
            Kernel::SourceCircular => "source_circular",
            _ => "source_zeros",
        };
        let spatial = layer.kernel().len();
        // A linear layer takes its inputs from the last axis, whatever stands before it.
        let images: usize = if spatial == 0 { from[..from.len() - 1].iter().product() } else { from[0] };
        let window = layer.window();
        let size = |sizes: &Option<Vec<u32>>, axis: usize, what: &str| {
            let size = sizes.as_ref().and_then(|sizes| sizes.get(axis)).copied();
            size.and_then(|size| usize::try_from(size).ok()).ok_or_else(|| format!("its {what} is not known"))
        };
        let mut axes = [Axis::ABSENT; 3];
        for (axis, place) in axes[3 - spatial..].iter_mut().enumerate() {
            *place = Axis {
                input: from[axis + 2],
                output: to[axis + 2],
                kernel: layer.kernel()[axis],
                stride: size(&window.stride, axis, "stride")?,
                padding: size(&window.padding, axis, "padding")?,
                dilation: size(&window.dilation, axis, "dilation")?,
            };
        }
        let [depth, height, width] = [axes[0].text()?, axes[1].text()?, axes[2].text()?];

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
             .group_outputs = {},\n    .depth = {depth}, .height = {height}, .width = {width}, .source = {source},\n    \
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
