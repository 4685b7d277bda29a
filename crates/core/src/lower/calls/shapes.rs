//! Calls that compute sizes or only move codes.

use gen_params_formats::{Argument, Value};

use super::arguments::Arguments;
use super::{Lowering, Slot};
use crate::error::Result;
use crate::ops::{Extent, Op, PaddingMode, Shape};

impl Lowering<'_> {
    /// Shape arithmetic and what passes its argument on: nothing of it is a node of the network. `None` for others.
    pub(super) fn plumbing(&self, a: &Arguments<'_>, operator: &str) -> Result<Option<Slot>> {
        Ok(Some(match operator {
            "contiguous" => {
                let edge = self.tensor(a, 0, "input")?;
                if !self.builder.may_move(edge, asks_for_channels_last(a)?) {
                    return Ok(Some(Slot::Edge(edge)));
                }
                return Ok(None);
            }
            "size" | "shape" => {
                let edge = self.tensor(a, 0, "self")?;
                match a.get(1, "dim") {
                    None => Slot::Sizes(edge),
                    Some(_) => Slot::Extent(Extent::Of(edge, a.int(1, "dim", None)?)),
                }
            }
            "getattr" => {
                let edge = self.tensor(a, 0, "self")?;
                match a.constant(1, "name").and_then(Value::as_str) {
                    Some("shape") => Slot::Sizes(edge),
                    other => {
                        return Err(a.refuse(format!("attribute `{}` of a tensor", other.unwrap_or("?"))));
                    }
                }
            }
            "getitem" | "__getitem__" => self.getitem(a)?,
            // Traces carry sizes through one-element tensors.
            "int" | "Int" | "prim.NumToTensor" | "ScalarImplicit" | "IntImplicit" => self.slot(a, 0, "a")?,
            "mul" | "add" | "sub" | "floordiv" | "floor_divide" if !self.has_edge(a) => {
                let (left, right) = (Box::new(self.size(a, 0)?), Box::new(self.size(a, 1)?));
                Slot::Extent(match operator {
                    "mul" => Extent::Times(left, right),
                    "add" => Extent::Plus(left, right),
                    "sub" => Extent::Minus(left, right),
                    _ => Extent::Over(left, right),
                })
            }
            "identity" | "clone" | "detach" | "dropout" | "feature_dropout" | "alias" => {
                self.slot(a, 0, "input")?
            }
            _ => return Ok(None),
        }))
    }

    /// Operators that only move codes.
    pub(super) fn shape(&self, a: &Arguments<'_>, operator: &str) -> Result<Option<Shape>> {
        Ok(Some(match operator {
            "flatten" => {
                Shape::Flatten { start: a.int(1, "start_dim", Some(0))?, end: a.int(2, "end_dim", Some(-1))? }
            }
            "reshape" | "view" => {
                let extents = self.extents(a, 1, "shape")?;
                let input = self.tensor(a, 0, "self")?;
                // The usual way to write flatten: x.view(x.size(0), -1).
                match extents.as_slice() {
                    [Extent::Of(edge, 0), Extent::Fixed(-1)] if *edge == input => {
                        Shape::Flatten { start: 1, end: -1 }
                    }
                    _ => Shape::Reshape(extents),
                }
            }
            "permute" => {
                let axes = match a.constant(1, "dims") {
                    Some(value @ (Value::List(_) | Value::Tuple(_))) => {
                        value.as_ints().ok_or_else(|| a.wrong("dims", value))?
                    }
                    _ => {
                        (1..a.node.arguments.len()).map(|i| a.int(i, "dims", None)).collect::<Result<_>>()?
                    }
                };
                Shape::Permute(axes)
            }
            "transpose" => Shape::Transpose(a.int(1, "dim0", None)?, a.int(2, "dim1", None)?),
            "squeeze" => Shape::Squeeze(match a.get(1, "dim") {
                None => None,
                Some(_) => Some(a.int(1, "dim", None)?),
            }),
            "unsqueeze" => Shape::Unsqueeze(a.int(1, "dim", None)?),
            "slice" => Shape::Slice {
                axis: a.int(1, "dim", Some(0))?,
                start: a.int(2, "start", Some(0))?,
                end: a.int(3, "end", Some(i64::MAX))?,
                step: a.int(4, "step", Some(1))?,
            },
            "chunk" => Shape::Chunk { parts: a.int(1, "chunks", None)?, axis: a.int(2, "dim", Some(0))? },
            "pad" | "constant_pad_nd" => {
                let mode = a.constant(2, "mode").and_then(Value::as_str).unwrap_or("constant");
                let value = a.number(3, "value", Some(0.0));
                let value = if operator == "pad" { value? } else { 0.0 };
                let mode = match mode {
                    "constant" if value == 0.0 => PaddingMode::Zeros,
                    "constant" => return Err(a.refuse(format!("`pad` with {value}; only 0 is supported"))),
                    other => PaddingMode::from_name(other)
                        .ok_or_else(|| a.refuse(format!("`pad` with mode '{other}' is not supported")))?,
                };
                let amounts = a.constant(1, "pad").ok_or_else(|| a.missing("pad"))?;
                let amounts = amounts.as_ints().ok_or_else(|| a.wrong("pad", amounts))?;
                Shape::Pad { amounts, mode }
            }
            "contiguous" => Shape::InMemory { channels_last: asks_for_channels_last(a)? },
            "channel_shuffle" => Shape::ChannelShuffle(a.int(1, "groups", None)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn upsample(&mut self, a: &Arguments<'_>, name: &str, operator: &str) -> Result<Slot> {
        let mode = a.constant(3, "mode").and_then(Value::as_str).unwrap_or("nearest");
        if !operator.starts_with("upsample_nearest") && mode != "nearest" {
            return Err(a.refuse(format!("`{operator}` with mode '{mode}'; only nearest is supported")));
        }
        let given =
            |i: usize, what: &str| !matches!(a.get(i, what), None | Some(Argument::Constant(Value::None, _)));
        let size = if given(1, "size") { Some(self.extents(a, 1, "size")?) } else { None };
        let factors = match a.constant(2, "scale_factor") {
            Some(Value::List(v) | Value::Tuple(v)) => v.iter().map(Value::as_f64).collect(),
            Some(value) => value.as_f64().map(|one| vec![one]),
            None => None,
        };
        self.simple(a, name, Op::Shape(Shape::Upsample { size, factors }))
    }
}

/// The order of memory that `contiguous` is asked for; where it is not, that of the axes.
fn asks_for_channels_last(a: &Arguments<'_>) -> Result<bool> {
    match a.constant(1, "memory_format") {
        None | Some(Value::None) => Ok(false),
        // PyTorch's numbers: contiguous, preserve, channels last of images and of volumes.
        Some(Value::Int(0 | 1)) => Ok(false),
        Some(Value::Int(2 | 3)) => Ok(true),
        Some(value) => match value.as_str() {
            Some("torch.contiguous_format" | "torch.preserve_format") => Ok(false),
            Some("torch.channels_last" | "torch.channels_last_3d") => Ok(true),
            _ => Err(a.wrong("memory_format", value)),
        },
    }
}
