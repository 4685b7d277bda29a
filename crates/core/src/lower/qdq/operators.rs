//! Operators without weights between Dequantize and Quantize.

use super::value::{Pending, Real, RealKind, Value};
use super::{Graph, UNBOUNDED};
use crate::error::{LowerError, Result};
use crate::network::EdgeId;
use crate::ops::{Function, Op};

impl Graph {
    /// Limits reals to `min..=max`: ReLU is `0..=infinity`. Folded into the operation before it.
    ///
    /// # Errors
    /// The value is no real tensor.
    pub(in crate::lower) fn clamp(&mut self, name: &str, value: &Value, min: f64, max: f64) -> Result<Value> {
        let Value::Real(real) = value else {
            return Err(LowerError::at(name, format!("limits {}", value.kind())));
        };
        let next = match &real.kind {
            RealKind::Pending(pending) => {
                let mut next = Pending::clone(pending);
                if next.after.is_empty() {
                    let clamp = |x: f64| x.clamp(min, max.max(min));
                    next.bounds = (clamp(next.bounds.0), clamp(next.bounds.1));
                } else {
                    let relu = min == 0.0 && max == f64::INFINITY;
                    next.after.push((name.to_owned(), if relu { Op::Relu } else { Op::Clamp { min, max } }));
                }
                next
            }
            RealKind::Edge(edge) => {
                let (low, high) = UNBOUNDED;
                Pending {
                    name: name.to_owned(),
                    op: Op::Function(Function::Requantize { min: low, max: high }),
                    inputs: vec![*edge],
                    bounds: (min, max),
                    after: Vec::new(),
                }
            }
            RealKind::Input(_) => {
                return Err(LowerError::at(name, "its input is float: nothing quantizes it"));
            }
        };
        Ok(self.pending(next))
    }

    /// The result of an operator on reals that has an S and Z of its own: add, mul, mean, average pooling, sigmoid, ...
    ///
    /// # Errors
    /// An operand is a constant, or not quantized.
    pub(in crate::lower) fn operator(&mut self, name: &str, op: Op, operands: &[Value]) -> Result<Value> {
        let inputs = operands.iter().map(|v| self.operand(name, &op, v)).collect::<Result<Vec<EdgeId>>>()?;
        let name = name.to_owned();
        Ok(self.pending(Pending { name, op, inputs, bounds: UNBOUNDED, after: Vec::new() }))
    }

    fn operand(&mut self, name: &str, op: &Op, value: &Value) -> Result<EdgeId> {
        match value {
            Value::Real(real) => self.edge(name, real),
            other => Err(LowerError::at(name, format!("`{}` of {} is not supported", op.name(), other.kind()))),
        }
    }

    /// The layer that waits to be quantized, if a value is one that nothing has followed.
    pub(super) fn layer_of(value: &Value) -> Option<&Pending> {
        match value {
            Value::Real(Real { kind: RealKind::Pending(pending), .. })
                if pending.after.is_empty() && pending.bounds == UNBOUNDED =>
            {
                matches!(pending.op, Op::Layer(_)).then_some(pending)
            }
            _ => None,
        }
    }
}
