//! `quantized.conv*`, `quantized.linear*` and the norms.

use gen_params_formats::{Argument, Geometry, Module, PackedParams, Value};

use super::arguments::Arguments;
use super::{Lowering, Slot};
use crate::error::Result;
use crate::lower::parts::{self, kind_of_packed, layer_of_packed};
use crate::ops::{BatchNorm, LayerNorm, Op, PaddingMode};
use crate::parameters::LayerKind;

impl Lowering<'_> {
    /// `quantized.conv*` and `quantized.linear*`.
    pub(super) fn layer(&mut self, a: &Arguments<'_>, rest: &str) -> Result<Slot> {
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
            _ => return Err(a.refuse(format!("`quantized.{rest}` is not supported"))),
        };
        let input = self.tensor(a, 0, "qx")?;
        let Some(Argument::Constant(Value::Packed(packed), path)) = a.get(1, "packed_weight") else {
            return Err(a.refuse(format!("`quantized.{rest}` without packed parameters")));
        };
        // Files of 2019 repeat stride, padding, dilation and groups as arguments.
        let last = a.node.arguments.len();
        let (scale, zero_point) = if last > 4 { (last - 2, last - 1) } else { (2, 3) };
        let activation = self.activation(a, scale, "output_scale", zero_point, "output_zero_point")?;
        let name = self.layer_name(a.node, path.as_deref(), base);
        let mut packed = PackedParams::clone(packed);
        if let (None, true, LayerKind::Conv(axes)) = (&packed.geometry, last > 4, kind) {
            packed.geometry = Some(explicit_geometry(a, usize::from(axes))?);
        }
        if kind == LayerKind::Linear {
            kind_of_packed(&name, &packed, &Module::default())?;
        }
        let layer = layer_of_packed(&name, &packed, kind, Some(relu), PaddingMode::Zeros)?;
        self.single(&name, Op::Layer(layer), &[input], Some(activation))
    }

    pub(super) fn batch_norm(&mut self, a: &Arguments<'_>, name: &str, relu: bool) -> Result<Slot> {
        let input = self.tensor(a, 0, "qx")?;
        let vector = |i: usize, what: &str| match a.constant(i, what) {
            Some(Value::Tensor(t)) => t.to_f32().ok_or_else(|| a.missing(what)),
            _ => Err(a.missing(what)),
        };
        let norm = BatchNorm {
            weight: vector(1, "weight")?,
            bias: vector(2, "bias")?,
            mean: vector(3, "mean")?,
            variance: vector(4, "var")?,
            epsilon: Some(a.number(5, "eps", None)?),
            relu,
        };
        let activation = self.activation(a, 6, "output_scale", 7, "output_zero_point")?;
        self.single(name, Op::BatchNorm(norm), &[input], Some(activation))
    }

    pub(super) fn layer_norm(&mut self, a: &Arguments<'_>, name: &str) -> Result<Slot> {
        let input = self.tensor(a, 0, "input")?;
        let vector = |i: usize, what: &str| match a.constant(i, what) {
            None | Some(Value::None) => Ok(None),
            Some(Value::Tensor(t)) => t.to_f32().map(Some).ok_or_else(|| a.missing(what)),
            Some(other) => Err(a.wrong(what, other)),
        };
        let sizes = a.constant(1, "normalized_shape").ok_or_else(|| a.missing("normalized_shape"))?;
        let norm = LayerNorm {
            shape: parts::sizes(sizes).ok_or_else(|| a.wrong("normalized_shape", sizes))?,
            weight: vector(2, "weight")?,
            bias: vector(3, "bias")?,
            epsilon: a.number(4, "eps", None)?,
        };
        let activation = self.activation(a, 5, "output_scale", 6, "output_zero_point")?;
        self.single(name, Op::LayerNorm(norm), &[input], Some(activation))
    }
}

/// Geometry written as arguments: `conv2d(x, packed, stride, padding, dilation, groups, scale, zero_point)`.
fn explicit_geometry(a: &Arguments<'_>, axes: usize) -> Result<Geometry> {
    Ok(Geometry {
        stride: a.extent(2, "stride", axes)?.unwrap_or_else(|| vec![1; axes]),
        padding: a.extent(3, "padding", axes)?.unwrap_or_else(|| vec![0; axes]),
        dilation: a.extent(4, "dilation", axes)?.unwrap_or_else(|| vec![1; axes]),
        output_padding: vec![0; axes],
        groups: a.int(5, "groups", Some(1))?,
        transposed: false,
    })
}
