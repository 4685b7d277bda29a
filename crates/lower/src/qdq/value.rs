//! What flows through a float graph with Quantize and Dequantize nodes: constants, codes, and the reals that codes stand for.

use std::rc::Rc;
use std::sync::Arc;

use gen_params_core::error::{LowerError, Result};
use gen_params_core::network::{EdgeId, Fusion};
use gen_params_core::ops::Op;
use gen_params_core::parameters::{Activation, CodeType, Range};

/// How integers map to reals, `real = scale * (code - zero_point)`, and which integers there are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scheme {
    /// S: one, or one per index along `axis`.
    pub(crate) scale: Vec<f64>,
    /// Z: as many as `scale`.
    pub(crate) zero_point: Vec<i64>,
    /// The axis of several scales.
    pub(crate) axis: Option<usize>,
    /// Whether codes have a sign.
    pub(crate) signed: bool,
    /// Bits of a code in the file: 1 to 32.
    pub(crate) bits: u32,
    /// Codes that may occur: all of `bits` bits, or fewer (narrow ranges, `Clip` after `QuantizeLinear`).
    pub(crate) range: Range<i64>,
}

impl Scheme {
    /// A scheme for all codes of a width.
    pub(crate) fn new(
        scale: Vec<f64>,
        zero_point: Vec<i64>,
        axis: Option<usize>,
        signed: bool,
        bits: u32,
    ) -> Self {
        let axis = axis.filter(|_| scale.len() > 1);
        Self { scale, zero_point, axis, signed, bits, range: range_of(signed, bits) }
    }

    /// The same with fewer codes.
    #[must_use]
    pub(crate) fn within(mut self, range: Range<i64>) -> Self {
        let (min, max) = (self.range.min, self.range.max);
        self.range = Range { min: range.min.clamp(min, max), max: range.max.clamp(min, max) };
        self
    }

    /// As the scheme of an activation: per tensor, and of a width that codes can have.
    ///
    /// # Errors
    /// It is another.
    pub(crate) fn activation(&self, place: &str) -> Result<Activation> {
        let refuse = |text: String| Err(LowerError::at(place, text));
        let code_type = match (self.signed, self.bits) {
            (false, 1..=8) => CodeType::U8,
            (true, 1..=8) => CodeType::I8,
            (true, 16) => CodeType::I16,
            (signed, bits) => {
                let sign = if signed { "int" } else { "uint" };
                return refuse(format!("activations of type {sign}{bits} are not supported"));
            }
        };
        let ([scale], [zero_point]) = (&self.scale[..], &self.zero_point[..]) else {
            return refuse("an activation with one scale per channel is not supported".into());
        };
        if !(scale.is_finite() && *scale > 0.0) {
            return refuse(format!("has the scale {scale}, expected a positive number"));
        }
        match i32::try_from(*zero_point) {
            Ok(zero_point) if (code_type.range().0..=code_type.range().1).contains(&zero_point) => {
                Ok(Activation { scale: *scale, zero_point, code_type })
            }
            _ => refuse(format!(
                "has the zero point {zero_point}, expected a code of type {}",
                code_type.name()
            )),
        }
    }

    /// The codes of an activation that may occur.
    pub(crate) fn codes(&self) -> Range<i32> {
        let narrow = |code: i64| i32::try_from(code).unwrap_or(if code < 0 { i32::MIN } else { i32::MAX });
        Range { min: narrow(self.range.min), max: narrow(self.range.max) }
    }

    /// S and Z of an index along the axis.
    pub(super) fn of_channel(&self, channel: usize) -> (f64, i64) {
        let index = if self.scale.len() > 1 { channel } else { 0 };
        // A scale that is none is refused where it is used.
        self.scale.get(index).copied().zip(self.zero_point.get(index).copied()).unwrap_or((f64::NAN, 0))
    }
}

/// All integers of a width.
fn range_of(signed: bool, bits: u32) -> Range<i64> {
    let bits = bits.clamp(1, 62);
    if signed {
        Range { min: -(1 << (bits - 1)), max: (1 << (bits - 1)) - 1 }
    } else {
        Range { min: 0, max: (1 << bits) - 1 }
    }
}

/// A constant of the file: elements in row-major order of `shape`.
#[derive(Debug, Clone)]
pub(crate) struct Constant {
    /// Sizes, outermost axis first.
    pub(crate) shape: Vec<usize>,
    /// The numbers.
    pub(crate) elements: Elements,
}

/// The numbers of a [`Constant`].
#[derive(Debug, Clone)]
pub(crate) enum Elements {
    /// Real numbers.
    Reals(Arc<[f32]>),
    /// Codes, and the reals that they stand for.
    Codes(Arc<[i32]>, Scheme),
}

impl Constant {
    /// The reals: `float32((code - zero_point) * scale)` for codes, as dequantization gives them.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "dequantization narrows to float32, in this order"
    )]
    pub(crate) fn reals(&self) -> Arc<[f32]> {
        match &self.elements {
            Elements::Reals(reals) => reals.clone(),
            Elements::Codes(codes, scheme) => {
                let channel = channel_of(&self.shape, scheme.axis);
                let real = |(index, &code): (usize, &i32)| {
                    let (scale, zero_point) = scheme.of_channel(channel(index));
                    (i64::from(code) - zero_point) as f32 * scale as f32
                };
                codes.iter().enumerate().map(real).collect()
            }
        }
    }

    /// The same elements in another order of axes.
    pub(crate) fn permuted(&self, axes: &[usize]) -> Option<Self> {
        let rank = self.shape.len();
        if axes.len() != rank || (0..rank).any(|axis| !axes.contains(&axis)) {
            return None;
        }
        let shape: Vec<usize> = axes.iter().map(|&a| self.shape[a]).collect();
        let own = gen_params_core::tensor::strides(&self.shape);
        let count: usize = shape.iter().product();
        let source = |index: usize| -> usize {
            gen_params_core::tensor::coordinates(index, &shape)
                .iter()
                .zip(axes)
                .map(|(c, &a)| c * own[a])
                .sum()
        };
        let elements = match &self.elements {
            Elements::Reals(reals) => Elements::Reals((0..count).map(|i| reals[source(i)]).collect()),
            Elements::Codes(codes, scheme) => {
                let mut scheme = scheme.clone();
                scheme.axis = scheme.axis.and_then(|axis| axes.iter().position(|&a| a == axis));
                Elements::Codes((0..count).map(|i| codes[source(i)]).collect(), scheme)
            }
        };
        Some(Self { shape, elements })
    }

    /// The same elements under other sizes; `None` where the sizes hold another number, or scales along an axis lose it.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Option<Self> {
        let count = |s: &[usize]| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if count(&shape)? != count(&self.shape)? || shape.contains(&0) {
            return None;
        }
        let mut elements = self.elements.clone();
        if let Elements::Codes(_, scheme) = &mut elements
            && let Some(axis) = scheme.axis
        {
            // The axis of the scales must be the same run of elements before and after.
            let before: usize = self.shape[..axis].iter().product();
            let mut lead = 1;
            let place = shape.iter().position(|&size| {
                let found = lead == before && size == self.shape[axis];
                lead *= size;
                found
            });
            scheme.axis = Some(place?);
        }
        Some(Self { shape, elements })
    }
}

/// The index along `axis` of a row-major index.
pub(super) fn channel_of(shape: &[usize], axis: Option<usize>) -> impl Fn(usize) -> usize + use<> {
    let (inner, size) = match axis.filter(|&a| a < shape.len()) {
        Some(axis) => (shape[axis + 1..].iter().product::<usize>().max(1), shape[axis].max(1)),
        None => (1, 1),
    };
    move |index| index / inner % size
}

/// A value of the graph, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Known before anything runs.
    Constant(Constant),
    /// Codes: what a quantize gives, and what a dequantize and the integer operators take.
    Codes(Codes),
    /// Reals: what a dequantize gives, and what the float operators take and give.
    Real(Real),
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Constant(_) => "a constant",
            Self::Codes(_) => "a tensor of codes",
            Self::Real(_) => "a float tensor",
        }
    }
}

/// A tensor of codes.
#[derive(Debug, Clone)]
pub(crate) enum Codes {
    /// On an edge of the network.
    Edge(EdgeId),
    /// Of a real tensor that is not on an edge yet: its node is written when the codes are used, because a `Clip` of the
    /// codes may still narrow them.
    Quantized {
        /// What is quantized.
        real: Real,
        /// S, Z.
        activation: Activation,
        /// Codes that may occur.
        range: Range<i32>,
        /// Name of the quantize node.
        name: Arc<str>,
    },
}

/// A tensor of reals, with an identity by which a result that is used twice is written once.
#[derive(Debug, Clone)]
pub(crate) struct Real {
    pub(super) id: u32,
    pub(super) kind: RealKind,
}

/// Where reals come from.
#[derive(Debug, Clone)]
pub(super) enum RealKind {
    /// A float input of the network.
    Input(EdgeId),
    /// The reals that the codes of an edge stand for.
    Edge(EdgeId),
    /// The result of an operation that waits for its quantize.
    Pending(Rc<Pending>),
}

/// An operation that waits for the S and Z of its result.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) name: String,
    pub(super) op: Op,
    pub(super) inputs: Vec<EdgeId>,
    /// Limits of the result: the activations that followed.
    pub(super) bounds: (f64, f64),
    /// S2 and Z2 of a layer before anything scaled it.
    pub(super) own_scale: Option<(Vec<f64>, Vec<i32>)>,
    /// How ONNX Runtime fuses it.
    pub(super) fusion: Fusion,
    /// Operations that followed and that give the same codes after the quantize as before it.
    pub(super) after: Vec<(String, Op)>,
}

/// No limits.
pub(super) const UNBOUNDED: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
