//! `quantized.conv*`, `quantized.linear*` and the norms.

use gen_params_formats::{Argument, Geometry, Module, PackedParams, Value};

use super::super::arguments::Arguments;
use super::{Lowering, Slot};
use crate::parts::{self, kind_of_packed, layer_of_packed};
use gen_params_core::error::Result;
use gen_params_core::ops::{BatchNorm, LayerNorm, Op, PaddingMode};
use gen_params_core::parameters::LayerKind;

impl Lowering<'_> {
    /// `quantized.conv*` and `quantized.linear*`.
    pub(super) fn layer(&mut self, a: &Arguments<'_>, operator: &str) -> Result<Slot> {
        let rest = operator.strip_prefix("quantized.").unwrap_or(operator);
        let (base, relu) = match rest.strip_suffix("_relu") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let kind = match base {
            "conv1d" => LayerKind::Conv(1),
            "conv2d" => LayerKind::Conv(2),
            "conv3d" => LayerKind::Conv(3),
            "conv_transpose1d" => LayerKind::ConvTranspose(1),
            "conv_transpose2d" => LayerKind::ConvTranspose(2),
            "conv_transpose3d" => LayerKind::ConvTranspose(3),
            "linear" => LayerKind::Linear,
            _ => return Err(a.refuse("is not supported")),
        };
        let input = self.input(a)?;
        // Files of 2019 repeat stride, padding, dilation and groups as arguments.
        let is_old = a.is_given("groups");
        let (weight, scale, zero_point) = match kind {
            LayerKind::Linear => ("W_prepack", "Y_scale_i", "Y_zero_point_i"),
            _ if is_old => ("weight", "output_scale", "output_zero_point"),
            _ => ("packed_weight", "output_scale", "output_zero_point"),
        };
        let Some(Argument::Constant(Value::Packed(packed), path)) = a.get(weight) else {
            return Err(a.refuse("has no packed parameters"));
        };
        let activation = self.activation(a, scale, zero_point)?;
        let name = self.layer_name(a.node, path.as_deref(), base);
        let mut packed = PackedParams::clone(packed);
        if let (None, true, LayerKind::Conv(axes)) = (&packed.geometry, is_old, kind) {
            packed.geometry = Some(explicit_geometry(a, usize::from(axes))?);
        } else if is_old {
            // The packed parameters hold the same.
            a.ignore(&["stride", "padding", "dilation", "groups"]);
        }
        if kind == LayerKind::Linear {
            kind_of_packed(&name, &packed, &Module::default())?;
        }
        let layer = layer_of_packed(&name, &packed, kind, Some(relu), PaddingMode::Zeros)?;
        self.single(&name, Op::Layer(layer), &[input], Some(activation))
    }

    pub(super) fn batch_norm(&mut self, a: &Arguments<'_>, operator: &str, relu: bool) -> Result<Slot> {
        let input = self.input(a)?;
        let vector = |what: &str| a.reals(what)?.ok_or_else(|| a.missing(what));
        let norm = BatchNorm {
            weight: vector("weight")?,
            bias: vector("bias")?,
            mean: vector("mean")?,
            variance: vector("var")?,
            epsilon: Some(a.number("eps")?),
            relu,
        };
        let activation = self.activation(a, "output_scale", "output_zero_point")?;
        self.single(&self.name(a.node, operator), Op::BatchNorm(norm), &[input], Some(activation))
    }

    pub(super) fn layer_norm(&mut self, a: &Arguments<'_>, operator: &str) -> Result<Slot> {
        let input = self.input(a)?;
        let sizes = a.needed("normalized_shape")?;
        let norm = LayerNorm {
            shape: parts::sizes(sizes).ok_or_else(|| a.wrong("normalized_shape", sizes))?,
            weight: a.reals("weight")?,
            bias: a.reals("bias")?,
            epsilon: a.number("eps")?,
        };
        let activation = self.activation(a, "output_scale", "output_zero_point")?;
        self.single(&self.name(a.node, operator), Op::LayerNorm(norm), &[input], Some(activation))
    }
}

/// Geometry written as arguments: `conv2d(x, packed, stride, padding, dilation, groups, scale, zero_point)`.
fn explicit_geometry(a: &Arguments<'_>, axes: usize) -> Result<Geometry> {
    Ok(Geometry {
        stride: a.per_axis("stride", axes)?.unwrap_or_else(|| vec![1; axes]),
        padding: a.per_axis("padding", axes)?.unwrap_or_else(|| vec![0; axes]),
        dilation: a.per_axis("dilation", axes)?.unwrap_or_else(|| vec![1; axes]),
        output_padding: vec![0; axes],
        groups: a.int("groups")?,
        transposed: false,
    })
}
