//! Calls that compute sizes or only move codes.

use gen_params_formats::Value;

use super::super::arguments::{Arguments, number_of};
use super::names::is_python;
use super::{Lowering, Slot};
use gen_params_core::error::Result;
use gen_params_core::ops::{Extent, Op, PaddingMode, Shape};

impl Lowering<'_> {
    /// `contiguous`, which is nothing where the codes lie so already.
    pub(super) fn contiguous(&mut self, a: &Arguments<'_>, operator: &str) -> Result<Slot> {
        let edge = self.input(a)?;
        let channels_last = asks_for_channels_last(a)?;
        if !self.builder.may_move(edge, channels_last) {
            return Ok(Slot::Edge(edge));
        }
        self.simple(a, operator, Op::Shape(Shape::InMemory { channels_last }))
    }

    /// All sizes of a tensor, or one.
    pub(super) fn sizes(&self, a: &Arguments<'_>) -> Result<Slot> {
        let edge = self.input(a)?;
        Ok(match a.optional_int("dim")? {
            None => Slot::Sizes(edge),
            Some(axis) => Slot::Extent(Extent::Of(edge, axis)),
        })
    }

    /// `getattr`, of which only `x.shape` is known.
    pub(super) fn attribute(&self, a: &Arguments<'_>) -> Result<Slot> {
        let edge = self.input(a)?;
        match a.known("name")?.and_then(Value::as_str) {
            Some("shape") => Ok(Slot::Sizes(edge)),
            other => Err(a.refuse(format!("takes the attribute `{}` of a tensor", other.unwrap_or("?")))),
        }
    }

    /// Arithmetic on sizes; that on tensors is of floats.
    pub(super) fn arithmetic(&self, a: &Arguments<'_>, operator: &str) -> Result<Slot> {
        if self.has_edge(a) {
            return Err(a.refuse("is not supported"));
        }
        let (first, second) = a.two();
        let (left, right) = (Box::new(self.size(a, first)?), Box::new(self.size(a, second)?));
        Ok(Slot::Extent(match operator {
            "mul" => Extent::Times(left, right),
            "add" => Extent::Plus(left, right),
            "sub" => Extent::Minus(left, right),
            _ => Extent::Over(left, right),
        }))
    }

    /// Dropout, which does nothing when a network is used.
    pub(super) fn dropout(&self, a: &Arguments<'_>) -> Result<Slot> {
        if a.flag(if is_python(&a.node.callee) { "training" } else { "train" })? {
            return Err(a
                .refuse("drops values at random: the model was saved in training mode")
                .hint("call model.eval() before scripting, tracing or converting"));
        }
        self.slot(a, a.first())
    }

    /// Operators that only move codes.
    pub(super) fn shape(&self, a: &Arguments<'_>, operator: &str) -> Result<Shape> {
        Ok(match operator {
            "flatten" => Shape::Flatten { start: a.int("start_dim")?, end: a.int("end_dim")? },
            "reshape" | "view" => {
                let extents = self.extents(a, if operator == "view" { "size" } else { "shape" })?;
                let input = self.input(a)?;
                // The usual way to write flatten: x.view(x.size(0), -1).
                match extents.as_slice() {
                    [Extent::Of(edge, 0), Extent::Fixed(-1)] if *edge == input => {
                        Shape::Flatten { start: 1, end: -1 }
                    }
                    _ => Shape::Reshape(extents),
                }
            }
            "permute" => {
                let fixed = |extent: Extent| match extent {
                    Extent::Fixed(axis) => Ok(axis),
                    _ => Err(a.refuse("has `dims` that are computed while the network runs")),
                };
                Shape::Permute(self.extents(a, "dims")?.into_iter().map(fixed).collect::<Result<_>>()?)
            }
            "transpose" => Shape::Transpose(a.int("dim0")?, a.int("dim1")?),
            "squeeze" => Shape::Squeeze(a.optional_int("dim")?),
            "unsqueeze" => Shape::Unsqueeze(a.int("dim")?),
            "slice" => Shape::Slice {
                axis: a.int("dim")?,
                start: a.optional_int("start")?.unwrap_or(0),
                end: a.optional_int("end")?.unwrap_or(i64::MAX),
                step: a.int("step")?,
            },
            "chunk" => Shape::Chunk { parts: a.int("chunks")?, axis: a.int("dim")? },
            "pad" | "constant_pad_nd" => {
                let mode = if operator == "pad" { a.text("mode")? } else { "constant" };
                let value = a.optional_number("value")?.unwrap_or(0.0);
                let mode = match mode {
                    "constant" if value == 0.0 => PaddingMode::Zeros,
                    "constant" => return Err(a.refuse(format!("pads with {value}; only 0 is supported"))),
                    other => PaddingMode::from_name(other).ok_or_else(|| {
                        a.refuse(format!("pads with mode '{other}', which is not supported"))
                    })?,
                };
                let amounts = a.ints("pad")?.ok_or_else(|| a.missing("pad"))?;
                Shape::Pad { amounts, mode }
            }
            "channel_shuffle" => Shape::ChannelShuffle(a.int("groups")?),
            _ => return Err(a.refuse("is not supported")),
        })
    }

    pub(super) fn upsample(&mut self, a: &Arguments<'_>, operator: &str) -> Result<Slot> {
        let is_python = !operator.starts_with("upsample_nearest");
        if is_python && a.text("mode")? != "nearest" {
            return Err(a.refuse(format!("has mode '{}'; only nearest is supported", a.text("mode")?)));
        }
        let (size, factors) =
            if is_python { ("size", "scale_factor") } else { ("output_size", "scale_factors") };
        let size = if a.is_given(size) { Some(self.extents(a, size)?) } else { None };
        let factors = match a.known(factors)? {
            Some(value @ (Value::List(list) | Value::Tuple(list))) => {
                let numbers: Option<Vec<f64>> = list.iter().map(number_of).collect();
                Some(numbers.ok_or_else(|| a.wrong(factors, value))?)
            }
            Some(value) => Some(vec![number_of(value).ok_or_else(|| a.wrong(factors, value))?]),
            None => None,
        };
        // Whole factors are what sizes give, too.
        if operator == "interpolate" && factors.iter().flatten().all(|factor| factor.fract() == 0.0) {
            a.ignore(&["recompute_scale_factor"]);
        }
        self.simple(a, operator, Op::Shape(Shape::Upsample { size, factors }))
    }
}

/// The order of memory that `contiguous` is asked for; where it is not, that of the axes.
fn asks_for_channels_last(a: &Arguments<'_>) -> Result<bool> {
    match a.known("memory_format")? {
        // PyTorch's numbers: contiguous, preserve, channels last of images and of volumes.
        None | Some(Value::Int(0 | 1)) => Ok(false),
        Some(Value::Int(2 | 3)) => Ok(true),
        Some(value) => match value.as_str() {
            Some("torch.contiguous_format" | "torch.preserve_format") => Ok(false),
            Some("torch.channels_last" | "torch.channels_last_3d") => Ok(true),
            _ => Err(a.wrong("memory_format", value)),
        },
    }
}
