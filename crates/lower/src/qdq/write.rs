//! Writes operations to the network once the S and Z of their results are known.

use std::rc::Rc;

use super::value::{Codes, Pending, Real, RealKind};
use super::{Graph, UNBOUNDED, key};
use gen_params_core::contract::Contract;
use gen_params_core::error::{LowerError, Result};
use gen_params_core::network::{EdgeId, Fusion, Unfused};
use gen_params_core::ops::{Function, Op};
use gen_params_core::parameters::{Activation, Range};
use gen_params_core::quantize::{quantize, quantize_as};

impl Graph {
    /// The edge of codes.
    pub(super) fn write(&mut self, codes: &Codes) -> Result<EdgeId> {
        let (real, activation, range, name) = match codes {
            Codes::Edge(edge) => return Ok(*edge),
            Codes::Quantized { real, activation, range, name } => (real, *activation, *range, name),
        };
        let key = key(real, activation, range);
        if let Some(&edge) = self.written.get(&key) {
            return Ok(edge);
        }
        let edge = match &real.kind {
            RealKind::Input(edge) => {
                let quantized = self.one(name, Op::Quantize, &[*edge], Some(activation))?;
                self.narrow(name, quantized, activation, range)?
            }
            RealKind::Edge(edge) => {
                let requantized = if self.builder.activation(*edge) == Some(activation) {
                    *edge
                } else {
                    let (min, max) = UNBOUNDED;
                    let op = Op::Function(Function::Requantize { min, max });
                    self.one(name, op, &[*edge], Some(activation))?
                };
                self.narrow(name, requantized, activation, range)?
            }
            RealKind::Pending(pending) => self.write_pending(pending, activation, range)?,
        };
        self.written.insert(key, edge);
        Ok(edge)
    }

    /// The edge whose codes stand for reals: what an operator on reals takes as its input. `user` is who asks.
    pub(super) fn edge(&mut self, user: &str, real: &Real) -> Result<EdgeId> {
        match &real.kind {
            RealKind::Edge(edge) => Ok(*edge),
            RealKind::Input(_) => Err(LowerError::at(user, "its input is float: nothing quantizes it")),
            RealKind::Pending(pending) => {
                let own = pending.inputs.first().and_then(|&edge| self.builder.activation(edge));
                let is_mean = matches!(
                    pending.op,
                    Op::AveragePool(_) | Op::AdaptiveAveragePool { .. } | Op::Mean { .. }
                );
                match (&pending.op, own) {
                    // A limit of codes keeps their S and Z where nothing else is asked for, and so does a mean in
                    // PyTorch, whose exports of networks in training leave the quantizer after it out.
                    (op, Some(activation))
                        if is_mean || matches!(op, Op::Function(Function::Requantize { .. })) =>
                    {
                        if is_mean {
                            let name = &pending.name;
                            self.builder.warn(format!("{name}: nothing quantizes this mean, so its codes keep the scale and zero point of its input"));
                        }
                        let codes = Codes::Quantized {
                            real: real.clone(),
                            activation,
                            range: full(activation),
                            name: pending.name.as_str().into(),
                        };
                        self.write(&codes)
                    }
                    _ => Err(LowerError::at(
                        user,
                        format!("its input is float: nothing quantizes the result of `{}`", pending.name),
                    )),
                }
            }
        }
    }

    /// Writes an operation whose result has been quantized, and what followed it.
    fn write_pending(
        &mut self,
        pending: &Rc<Pending>,
        activation: Activation,
        range: Range<i32>,
    ) -> Result<EdgeId> {
        let Pending { name, op, inputs, bounds, fusion, after, .. } = &**pending;
        Self::check_scales(name, op)?;
        let (bounds, mut fusion) = (*bounds, *fusion);
        let mut op = op.clone();
        // Limits that the operation does not take are left for operations of their own.
        let (mut open_bounds, mut open_range) = (bounds, range);
        match &mut op {
            Op::Layer(layer) => {
                layer.relu = Some(bounds.0 == 0.0);
                let within = self.codes_of(bounds, activation);
                if self.is_onnx && within != full(activation) && !fusion.is_float() {
                    fusion = Fusion::Floats(Unfused::Surroundings);
                }
                let limits = intersection(within, range);
                let relu_alone = Range { min: activation.zero_point, ..full(activation) };
                let implied = if layer.relu == Some(true) { relu_alone } else { full(activation) };
                layer.clamp = (limits != implied).then_some(limits);
                (open_bounds, open_range) = (UNBOUNDED, full(activation));
            }
            Op::Add { relu } | Op::Sub { relu } | Op::Mul { relu } => {
                *relu = bounds.0 == 0.0;
                if *relu {
                    open_bounds.0 = f64::NEG_INFINITY;
                }
            }
            Op::Function(Function::Requantize { min, max }) => {
                let same = inputs.first().and_then(|&edge| self.builder.activation(edge)) == Some(activation);
                if same {
                    op = limit(bounds);
                } else {
                    (*min, *max) = bounds;
                }
                open_bounds = UNBOUNDED;
            }
            _ => {}
        }
        let mut edge = self.one(name, op, inputs, Some(activation))?;
        self.builder.set_fusion(edge, fusion);
        if open_bounds != UNBOUNDED {
            edge = self.one(&format!("{name}.clamp"), limit(open_bounds), &[edge], None)?;
        }
        edge = self.narrow(name, edge, activation, open_range)?;
        for (name, op) in after {
            edge = self.one(name, op.clone(), &[edge], None)?;
        }
        Ok(edge)
    }

    /// Factors before the quantize may have left a scale that is none.
    fn check_scales(name: &str, op: &Op) -> Result<()> {
        let Op::Layer(layer) = op else { return Ok(()) };
        match layer.weight.scale.iter().position(|s| !(s.is_finite() && *s > 0.0)) {
            Some(index) => Err(LowerError::at(
                name,
                format!(
                    "has the weight scale {} in channel {index}, expected a positive number",
                    layer.weight.scale[index]
                ),
            )),
            None => Ok(()),
        }
    }

    /// Writes a layer whose result stays float: it has no S3 and Z3.
    pub(super) fn write_float(&mut self, output: &str, pending: Rc<Pending>) -> Result<EdgeId> {
        let Pending { name, op, inputs, bounds, after, .. } = &*pending;
        Self::check_scales(name, op)?;
        let mut op = op.clone();
        let Op::Layer(layer) = &mut op else {
            return Err(LowerError::at(
                output,
                format!("is float: nothing quantizes the result of `{name}`"),
            )
            .hint("cut the graph at the last tensor that is quantized"));
        };
        if !after.is_empty() || !(*bounds == UNBOUNDED || *bounds == (0.0, f64::INFINITY)) {
            return Err(LowerError::at(
                output,
                format!("is float: nothing quantizes the result of `{name}`"),
            ));
        }
        layer.relu = Some(bounds.0 == 0.0);
        self.builder.warn(format!(
            "{name}: nothing quantizes its result, so it has no multiplier and shift; give it a scale and zero point with \
             --graph"
        ));
        self.one(name, op, inputs, None)
    }

    /// The codes of real limits, which may be infinite.
    #[allow(clippy::cast_possible_truncation, reason = "the engines clamp float32")]
    fn codes_of(&self, limits: (f64, f64), activation: Activation) -> Range<i32> {
        let code = |limit: f64| match self.is_onnx {
            true => quantize_as(Contract::Onnxruntime, limit as f32, activation),
            false => quantize(limit as f32, activation),
        };
        Range { min: code(limits.0), max: code(limits.1) }
    }

    /// Codes limited to `range`.
    fn narrow(
        &mut self,
        name: &str,
        edge: EdgeId,
        activation: Activation,
        range: Range<i32>,
    ) -> Result<EdgeId> {
        let full = full(activation);
        if intersection(range, full) == full {
            return Ok(edge);
        }
        let real = |code: i32, end: i32, open: f64| {
            if code == end { open } else { f64::from(code - activation.zero_point) * activation.scale }
        };
        let min = real(range.min, full.min, f64::NEG_INFINITY);
        let max = real(range.max, full.max, f64::INFINITY);
        self.one(&format!("{name}.clip"), Op::Clamp { min, max }, &[edge], None)
    }
}

/// The operation that limits reals to `bounds`.
fn limit((min, max): (f64, f64)) -> Op {
    if (min, max) == (0.0, f64::INFINITY) { Op::Relu } else { Op::Clamp { min, max } }
}

/// All codes of a type.
pub(super) fn full(activation: Activation) -> Range<i32> {
    let (min, max) = activation.code_type.range();
    Range { min, max }
}

fn intersection(a: Range<i32>, b: Range<i32>) -> Range<i32> {
    let min = a.min.max(b.min);
    Range { min, max: a.max.min(b.max).max(min) }
}
