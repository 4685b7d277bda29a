//! From a float graph with Quantize and Dequantize nodes to an integer network, whatever file the graph comes from.
//!
//! A reader's lowering walks its nodes in execution order and calls one method of [`Graph`] per node, with the values
//! that earlier calls gave; it keeps nothing but a map from its own names to [`Value`]s:
//!
//! ```text
//! let mut graph = Graph::new(source, options);
//! let x = graph.input("x", None);                                  // float input; Some(code type) for codes
//! let q = graph.quantize("q", &x, &scheme)?;                       // Value::Codes
//! let d = graph.dequantize("dq", &q, &scheme)?;                    // Value::Real
//! let w = graph.dequantize("w", &Value::Constant(w), &w_scheme)?;  // constants stay constants
//! let y = graph.layer("conv1", kind, &d, &w, bias.as_ref(), Some(window))?;
//! let y = graph.clamp("relu1", &y, 0.0, f64::INFINITY)?;           // fused into conv1
//! let y = graph.quantize("q1", &y, &y_scheme)?;                    // gives conv1 its S3 and Z3
//! let y = graph.dequantize("dq1", &y, &y_scheme)?;                 // only now conv1 is written to the network
//! let (network, _) = graph.finish(&[("y".into(), y)], &[])?;
//! ```
//!
//! What the methods do is pattern recognition without patterns: the result of a float operator on dequantized codes is
//! *pending* until something quantizes it. Activations, biases, batch norm and per-channel factors that come before the
//! quantize are folded into the pending operation; changes of shape and max pooling commute with quantization and are
//! moved behind it. A pending result that is used without having been quantized is refused by the name of its user. A
//! refusal is an `Err` with the node's name; the caller collects them and goes on, so that all are listed at once.

mod layer;
mod operators;
mod value;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use gen_params_formats::{Form, SourceModel};

use super::Options;
use super::builder::{Builder, numbers_of};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::network::{EdgeId, Fusion, IntNetwork, Unfused};
use gen_params_core::ops::{Op, Shape};
use gen_params_core::parameters::{Activation, CodeType, Range, Wiring};

pub(super) use value::{Codes, Constant, Elements, Real, Scheme, Value};
use value::{Pending, RealKind, UNBOUNDED, channel_of};

/// S, Z and the code range under which a real tensor has been written, with the tensor's identity.
type Written = (u32, u64, i32, CodeType, i32, i32);

/// The graph as far as it has been walked.
pub(super) struct Graph {
    builder: Builder,
    /// Whether the file is for ONNX Runtime, which quantizes float weights as `rint(x / S) + Z`, where PyTorch has
    /// `rint(x * (1/S)) + Z`, and does not fuse every pattern that is folded here.
    is_onnx: bool,
    /// Edges of real tensors that have been written.
    written: HashMap<Written, EdgeId>,
    /// For each edge that a shape operation or pooling gave, the edge it came from.
    origins: HashMap<EdgeId, EdgeId>,
    reals: u32,
    fusion: Fusion,
}

impl Graph {
    /// An empty graph of a file.
    pub(super) fn new(source: &SourceModel, options: &Options) -> Self {
        Self {
            builder: Builder::new(source, Wiring::File, options),
            is_onnx: source.form == Form::Onnx,
            written: HashMap::new(),
            origins: HashMap::new(),
            reals: 0,
            fusion: Fusion::Codes,
        }
    }

    /// How ONNX Runtime fuses the operations that are met from now on.
    pub(super) fn compute_in(&mut self, fusion: Fusion) {
        self.fusion = fusion;
    }

    /// Counts the numbers of a constant that the caller keeps.
    ///
    /// # Errors
    /// They are out of proportion to the file.
    pub(super) fn hold(&mut self, place: &str, shape: &[usize]) -> Result<()> {
        self.builder.hold(place, shape.iter().fold(1, |count, &size| count.saturating_mul(size)))
    }

    /// Whether nothing more may be held, and the rest of the file is not worth a look.
    pub(super) fn is_spent(&self) -> bool {
        self.builder.is_spent()
    }

    /// The file's engine merges a quantize with the one before it.
    pub(super) fn warn_of_merged(&mut self, name: &str) {
        self.builder.set_fusion_of(name, Fusion::Floats(Unfused::Merged));
    }

    /// A layer before something that the file's engine does not fuse, and that stands before its quantize.
    ///
    /// # Errors
    /// The value is no layer's.
    pub(super) fn left_unfused(&mut self, name: &str, layer: &Value) -> Result<Value> {
        let Some(pending) = Self::layer_of(layer) else {
            return Err(LowerError::at(name, "does not follow a layer"));
        };
        let fusion = self.left_between(pending.fusion);
        self.pending(Pending { fusion, ..pending.clone() })
    }

    /// How a layer is fused whose result something changes before its quantize.
    fn left_between(&self, fusion: Fusion) -> Fusion {
        if self.is_onnx { Fusion::Floats(Unfused::Between) } else { fusion }
    }

    /// An input of the network: reals, or codes whose S and Z the first dequantize gives.
    pub(super) fn input(&mut self, name: &str, codes: Option<CodeType>) -> Value {
        let edge = self.builder.input(name, None);
        match codes {
            Some(_) => Value::Codes(Codes::Edge(edge)),
            None => Value::Real(self.real(RealKind::Input(edge))),
        }
    }

    /// The edge that a value has been written to, if it has.
    pub(super) fn edge_of(&self, value: &Value) -> Option<EdgeId> {
        match value {
            Value::Constant(_) => None,
            Value::Codes(Codes::Edge(edge)) => Some(*edge),
            Value::Codes(Codes::Quantized { real, activation, range, .. }) => {
                self.written.get(&key(real, *activation, *range)).copied()
            }
            Value::Real(real) => match real.kind {
                RealKind::Input(edge) | RealKind::Edge(edge) => Some(edge),
                RealKind::Pending(_) => None,
            },
        }
    }

    /// `clamp(rint(x/S) + Z)`: constants become codes, reals become codes of S and Z.
    ///
    /// # Errors
    /// The value has codes already, or the scheme is none for activations.
    pub(super) fn quantize(&mut self, name: &str, value: &Value, scheme: &Scheme) -> Result<Value> {
        match value {
            Value::Constant(constant) => self.quantize_constant(name, constant, scheme).map(Value::Constant),
            Value::Real(real) => Ok(Value::Codes(Codes::Quantized {
                real: real.clone(),
                activation: scheme.activation(name)?,
                range: scheme.codes(),
                name: Arc::from(name),
            })),
            Value::Codes(_) => Err(LowerError::at(name, "quantizes a tensor that is quantized already")),
        }
    }

    /// The reals of codes.
    ///
    /// # Errors
    /// The codes were made with other numbers, or the scheme is none for activations.
    pub(super) fn dequantize(&mut self, name: &str, value: &Value, scheme: &Scheme) -> Result<Value> {
        let edge = match value {
            Value::Constant(Constant { shape, elements: Elements::Codes(codes, own) }) => {
                let elements = Elements::Codes(codes.clone(), scheme.clone().within(own.range));
                return Ok(Value::Constant(Constant { shape: shape.clone(), elements }));
            }
            Value::Constant(_) | Value::Real(_) => {
                return Err(LowerError::at(name, format!("dequantizes {}", value.kind())));
            }
            Value::Codes(codes) => self.write(codes)?,
        };
        let activation = scheme.activation(name)?;
        match self.builder.activation(edge) {
            None => self.observe(edge, activation),
            Some(own) if own == activation => {}
            Some(own) => {
                return Err(LowerError::at(
                    name,
                    format!(
                        "reads codes with S = {}, Z = {} ({}) that were made with S = {}, Z = {} ({})",
                        activation.scale,
                        activation.zero_point,
                        activation.code_type.name(),
                        own.scale,
                        own.zero_point,
                        own.code_type.name(),
                    ),
                ));
            }
        }
        Ok(Value::Real(self.real(RealKind::Edge(edge))))
    }

    /// Codes limited to `min..=max`, codes themselves: `Clip` between Quantize and Dequantize.
    ///
    /// # Errors
    /// The value is real.
    pub(super) fn clip_codes(&mut self, name: &str, value: &Value, limits: Range<i64>) -> Result<Value> {
        match value {
            Value::Constant(Constant { shape, elements: Elements::Codes(codes, scheme) }) => {
                let scheme = scheme.clone().within(limits);
                let Range { min, max } = scheme.codes();
                let codes = codes.iter().map(|c| (*c).clamp(min, max)).collect();
                Ok(Value::Constant(Constant {
                    shape: shape.clone(),
                    elements: Elements::Codes(codes, scheme),
                }))
            }
            Value::Codes(Codes::Quantized { real, activation, range, name }) => {
                let clamp = |code: i64| {
                    let code = code.clamp(i64::from(range.min), i64::from(range.max));
                    i32::try_from(code).unwrap_or(range.max)
                };
                let range = Range { min: clamp(limits.min), max: clamp(limits.max) };
                let (real, activation, name) = (real.clone(), *activation, name.clone());
                Ok(Value::Codes(Codes::Quantized { real, activation, range, name }))
            }
            Value::Codes(Codes::Edge(_)) | Value::Constant(_) | Value::Real(_) => {
                Err(LowerError::at(name, format!("clips {} as codes", value.kind())))
            }
        }
    }

    /// The network with these outputs, and for those of the `named` values that it computes, the edge. Outputs of codes
    /// stay codes, reals of codes go through a dequantize; a layer whose result nothing quantizes is written without S3
    /// and Z3.
    ///
    /// # Errors
    /// An output is a constant, or the float result of an operation other than a layer.
    pub(super) fn finish(
        mut self,
        outputs: &[(String, Value)],
        named: &[(String, Value)],
    ) -> Result<(IntNetwork, BTreeMap<String, EdgeId>)> {
        let mut edges = Vec::new();
        for (name, value) in outputs {
            edges.push(self.output(name, value)?);
        }
        let found = named.iter().filter_map(|(name, value)| Some((name.clone(), self.edge_of(value)?)));
        let found: BTreeMap<String, EdgeId> = found.collect();
        let (network, kept) = self.builder.finish_without_unused(edges);
        let found = found.into_iter().filter_map(|(name, edge)| Some((name, *kept.get(&edge)?)));
        Ok((network, found.collect()))
    }

    /// S and Z of codes, which are not known for an input before its first dequantize.
    ///
    /// # Errors
    /// The value is not codes.
    pub(super) fn activation_of(&self, value: &Value) -> Result<Option<Activation>> {
        match value {
            Value::Codes(Codes::Edge(edge)) => Ok(self.builder.activation(*edge)),
            Value::Codes(Codes::Quantized { activation, .. }) => Ok(Some(*activation)),
            Value::Constant(_) | Value::Real(_) => {
                Err(LowerError::at("", format!("{} has no codes", value.kind())))
            }
        }
    }

    fn output(&mut self, name: &str, value: &Value) -> Result<EdgeId> {
        match value {
            Value::Constant(_) => Err(LowerError::at(name, "is a constant")),
            Value::Codes(codes) => self.write(codes),
            Value::Real(real) => match &real.kind {
                RealKind::Input(edge) => Ok(*edge),
                RealKind::Edge(edge) => self.one("dequantize", Op::Dequantize, &[*edge], None),
                RealKind::Pending(pending) => self.write_float(name, pending.clone()),
            },
        }
    }

    /// The result of codes-preserving operations on reals or codes: a change of shape, or max pooling.
    ///
    /// # Errors
    /// The value is a float input, or a constant.
    pub(super) fn preserving(&mut self, name: &str, op: Op, value: &Value) -> Result<Vec<Value>> {
        let several = matches!(op, Op::Shape(Shape::Chunk { .. }));
        if let Some(original) = self.before_inverse(&op, value)? {
            return Ok(vec![original]);
        }
        match value {
            Value::Constant(_) => Err(LowerError::at(name, format!("`{}` of a constant", op.name()))),
            Value::Codes(codes) => {
                let edge = self.write(codes)?;
                let results = self.derived(name, op, edge)?;
                Ok(results.into_iter().map(|edge| Value::Codes(Codes::Edge(edge))).collect())
            }
            // Padding adds elements that limits would have to know of, and a split has several results.
            Value::Real(Real { kind: RealKind::Pending(pending), .. })
                if !several && !matches!(op, Op::Shape(Shape::Pad { .. })) =>
            {
                let mut next = Pending::clone(pending);
                next.after.push((name.to_owned(), op));
                Ok(vec![self.pending(next)?])
            }
            Value::Real(Real { kind: RealKind::Input(edge), .. })
                if matches!(op, Op::Shape(_)) && !several =>
            {
                // The engines reshape floats before they are quantized; so does the network's caller see its input.
                let quantized = Pending {
                    name: "quantize".into(),
                    op: Op::Quantize,
                    inputs: vec![*edge],
                    bounds: UNBOUNDED,
                    own_scale: None,
                    fusion: Fusion::Codes,
                    after: vec![(name.to_owned(), op)],
                };
                Ok(vec![self.pending(quantized)?])
            }
            Value::Real(real) => {
                let edge = self.edge(name, real)?;
                let results = self.derived(name, op, edge)?;
                Ok(results.into_iter().map(|edge| Value::Real(self.real(RealKind::Edge(edge)))).collect())
            }
        }
    }

    /// What a permutation of axes was applied to, if an operation undoes it.
    fn before_inverse(&mut self, op: &Op, value: &Value) -> Result<Option<Value>> {
        if !matches!(op, Op::Shape(Shape::Permute(_))) {
            return Ok(None);
        }
        let edge = match value {
            Value::Real(Real { kind: RealKind::Edge(edge), .. }) | Value::Codes(Codes::Edge(edge)) => *edge,
            Value::Real(real) => {
                let original = self.pending_before_inverse(op, real)?;
                return Ok(original.map(Value::Real));
            }
            Value::Codes(Codes::Quantized { real, activation, range, name }) => {
                let (activation, range, name) = (*activation, *range, name.clone());
                let original = self.pending_before_inverse(op, real)?;
                return Ok(
                    original.map(|real| Value::Codes(Codes::Quantized { real, activation, range, name }))
                );
            }
            Value::Constant(_) => return Ok(None),
        };
        let Some(origin) = self.builder.producer(edge).filter(|node| undoes(op, &node.op)) else {
            return Ok(None);
        };
        let Some(&origin) = origin.inputs.first() else { return Ok(None) };
        Ok(Some(match value {
            Value::Codes(_) => Value::Codes(Codes::Edge(origin)),
            Value::Real(_) | Value::Constant(_) => Value::Real(self.real(RealKind::Edge(origin))),
        }))
    }

    fn pending_before_inverse(&mut self, op: &Op, real: &Real) -> Result<Option<Real>> {
        let RealKind::Pending(pending) = &real.kind else { return Ok(None) };
        let mut original = Pending::clone(pending);
        match original.after.pop() {
            Some((_, last)) if undoes(op, &last) => match self.pending(original)? {
                Value::Real(real) => Ok(Some(real)),
                Value::Codes(_) | Value::Constant(_) => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Results of an operation that keeps the S and Z of its input.
    fn derived(&mut self, name: &str, op: Op, edge: EdgeId) -> Result<Vec<EdgeId>> {
        let results = self.builder.node(name, op, &[edge], None)?;
        for &result in &results {
            self.origins.insert(result, edge);
        }
        Ok(results)
    }

    /// Gives an edge of unknown S and Z, and those it was reshaped from, S and Z.
    fn observe(&mut self, edge: EdgeId, activation: Activation) {
        let mut next = Some(edge);
        while let Some(edge) = next.filter(|&e| self.builder.activation(e).is_none()) {
            self.builder.observe(edge, activation);
            next = self.origins.get(&edge).copied();
        }
    }

    fn real(&mut self, kind: RealKind) -> Real {
        self.reals += 1;
        Real { id: self.reals, kind }
    }

    fn pending(&mut self, pending: Pending) -> Result<Value> {
        self.builder.hold(&pending.name, numbers_of(&pending.op))?;
        Ok(Value::Real(self.real(RealKind::Pending(Rc::new(pending)))))
    }

    /// A node with one result.
    fn one(&mut self, name: &str, op: Op, inputs: &[EdgeId], own: Option<Activation>) -> Result<EdgeId> {
        let outputs = self.builder.node(name, op, inputs, own)?;
        outputs.first().copied().ok_or_else(|| LowerError::at(name, "has no result"))
    }

    /// Codes of a constant.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the engines quantize in float32, in this order; the cast saturates"
    )]
    fn quantize_constant(&self, name: &str, constant: &Constant, scheme: &Scheme) -> Result<Constant> {
        let Elements::Reals(reals) = &constant.elements else {
            return Err(LowerError::at(name, "quantizes a constant that is quantized already"));
        };
        if let Some(scale) = scheme.scale.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            return Err(LowerError::at(name, format!("has the scale {scale}, expected a positive number")));
        }
        let channel = channel_of(&constant.shape, scheme.axis);
        let Range { min, max } = scheme.codes();
        let code = |(index, &x): (usize, &f32)| {
            let (scale, zero_point) = scheme.of_channel(channel(index));
            let scaled = if self.is_onnx { x / scale as f32 } else { x * (1.0 / scale as f32) };
            let code = (scaled.round_ties_even() as i64).saturating_add(zero_point);
            i32::try_from(code.clamp(i64::from(min), i64::from(max))).unwrap_or(min)
        };
        let codes = reals.iter().enumerate().map(code).collect();
        Ok(Constant { shape: constant.shape.clone(), elements: Elements::Codes(codes, scheme.clone()) })
    }
}

/// Whether one permutation of axes brings back the order before another.
fn undoes(op: &Op, before: &Op) -> bool {
    let (Op::Shape(Shape::Permute(second)), Op::Shape(Shape::Permute(first))) = (op, before) else {
        return false;
    };
    let place = |axis: usize| {
        let axis = usize::try_from(*second.get(axis)?).ok()?;
        usize::try_from(*first.get(axis)?).ok()
    };
    first.len() == second.len() && (0..first.len()).all(|axis| place(axis) == Some(axis))
}

/// The identity of codes of a real tensor.
fn key(real: &Real, activation: Activation, range: Range<i32>) -> Written {
    (real.id, activation.scale.to_bits(), activation.zero_point, activation.code_type, range.min, range.max)
}
