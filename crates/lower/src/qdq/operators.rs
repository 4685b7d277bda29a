//! Operators without weights between Dequantize and Quantize.

use super::value::{Codes, Constant, Elements, Pending, Real, RealKind, Value};
use super::{Graph, UNBOUNDED};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::network::EdgeId;
use gen_params_core::ops::{Function, Op};
use gen_params_core::tensor::Tensor;

impl Graph {
    /// Limits reals to `min..=max`: ReLU is `0..=infinity`. Folded into the operation before it.
    ///
    /// # Errors
    /// The value is no real tensor.
    pub(crate) fn clamp(&mut self, name: &str, value: &Value, min: f64, max: f64) -> Result<Value> {
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
                    own_scale: None,
                    fusion: self.fusion,
                    after: Vec::new(),
                }
            }
            RealKind::Input(_) => {
                return Err(LowerError::at(name, "its input is float: nothing quantizes it"));
            }
        };
        self.pending(next)
    }

    /// The result of an operator on reals that has an S and Z of its own: add, mul, mean, average pooling, sigmoid, ...
    ///
    /// # Errors
    /// An operand is a constant, or not quantized.
    pub(crate) fn operator(&mut self, name: &str, op: Op, operands: &[Value]) -> Result<Value> {
        let inputs = operands.iter().map(|v| self.operand(name, &op, v)).collect::<Result<Vec<EdgeId>>>()?;
        let name = name.to_owned();
        let fusion = self.fusion;
        self.pending(Pending {
            name,
            op,
            inputs,
            bounds: UNBOUNDED,
            own_scale: None,
            fusion,
            after: Vec::new(),
        })
    }

    /// The product of two values; `x * hardsigmoid(x)` is hardswish.
    ///
    /// # Errors
    /// An operand is a constant, or not quantized.
    pub(crate) fn product_of(&mut self, name: &str, a: &Value, b: &Value) -> Result<Value> {
        for (x, gate) in [(a, b), (b, a)] {
            if let (
                Value::Real(Real { kind: RealKind::Edge(edge), .. }),
                Value::Real(Real { kind: RealKind::Pending(pending), .. }),
            ) = (x, gate)
                && pending.op == Op::Function(Function::Hardsigmoid)
                && pending.inputs == [*edge]
                && pending.after.is_empty()
                && pending.bounds == UNBOUNDED
            {
                return self.operator(name, Op::Function(Function::Hardswish), std::slice::from_ref(x));
            }
        }
        self.operator(name, Op::Mul { relu: false }, &[a.clone(), b.clone()])
    }

    /// Tensors joined along an axis: of reals, or of codes that have the same S and Z.
    ///
    /// # Errors
    /// An operand is a constant or not quantized, or codes differ in S or Z.
    pub(crate) fn concatenate(&mut self, name: &str, axis: i64, operands: &[Value]) -> Result<Value> {
        let codes: Option<Vec<&Codes>> =
            operands.iter().map(|v| if let Value::Codes(codes) = v { Some(codes) } else { None }).collect();
        let Some(codes) = codes else {
            return self.operator(name, Op::Concatenate { axis, requantizes: true }, operands);
        };
        let edges = codes.into_iter().map(|c| self.write(c)).collect::<Result<Vec<EdgeId>>>()?;
        let same = |pair: &[EdgeId]| self.builder.activation(pair[0]) == self.builder.activation(pair[1]);
        if !edges.windows(2).all(same) {
            return Err(LowerError::at(name, "joins codes with different scales or zero points"));
        }
        let edge = self.one(name, Op::Concatenate { axis, requantizes: false }, &edges, None)?;
        Ok(Value::Codes(Codes::Edge(edge)))
    }

    /// The edge of an operand; quantized constants become nodes.
    fn operand(&mut self, name: &str, op: &Op, value: &Value) -> Result<EdgeId> {
        match value {
            Value::Real(real) => self.edge(name, real),
            Value::Constant(Constant { shape, elements: Elements::Codes(codes, scheme) }) => {
                let activation = scheme.activation(name)?;
                let codes = Tensor::new(shape.clone(), codes.to_vec());
                let codes = codes.map_err(|error| LowerError::at(name, error.to_string()))?;
                self.one(&format!("{name}.constant"), Op::Constant(codes), &[], Some(activation))
            }
            Value::Constant(_) => {
                Err(LowerError::at(name, format!("`{}` of a float constant is not supported", op.name())))
            }
            Value::Codes(_) => {
                Err(LowerError::at(name, format!("`{}` of {} is not supported", op.name(), value.kind())))
            }
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
