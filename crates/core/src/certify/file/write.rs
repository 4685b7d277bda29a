//! A certificate from what was proven.

use serde_json::Value;

use super::*;
use crate::certify::certificate::CertifiedLayer;
use crate::certify::operators::{Counted, OperatorProof};
use crate::contract::Contract;
use crate::hardware::{Target, TargetOperator};
use crate::network::{EdgeId, IntNetwork, Node};
use crate::ops::{BatchNorm, Bias, Fusion, Layer, Op, PaddingMode, Pool, Shape, axis_of};
use crate::parameters::{LayerParameters, OperatorArithmetic, OperatorParameters, Parameters};

/// What a certificate is about.
#[derive(Debug, Clone, Copy)]
pub struct FileSubject<'a> {
    /// The network.
    pub network: &'a IntNetwork,
    /// Its parameters.
    pub parameters: &'a Parameters,
    /// Their digest.
    pub parameters_sha256: &'a str,
    /// The reference.
    pub contract: Contract,
    /// The hardware.
    pub target: Target,
    /// Sizes of all edges, where the network was given an input.
    pub shapes: Option<&'a [Vec<usize>]>,
    /// Version of the tool.
    pub version: &'a str,
}

impl CertificateFile {
    /// The certificate of what was found.
    ///
    /// # Errors
    /// A target whose codes are not the model's, or a layer of which something is not known.
    pub fn new(
        subject: &FileSubject<'_>,
        layers: &[CertifiedLayer],
        operators: &[OperatorProof],
    ) -> Result<Self, String> {
        let FileSubject { network, target, .. } = *subject;
        if target.activation_range.is_some() {
            return Err("the target clamps codes that the reference does not".to_owned());
        }
        let edges = network.edges.iter().map(|edge| {
            edge.activation.map(|activation| EdgeRecord {
                scale: activation.scale,
                zero_point: activation.zero_point,
                code_type: activation.code_type,
                range: edge.range,
            })
        });
        let ids = |ids: &[EdgeId]| ids.iter().map(|id| id.0).collect::<Vec<usize>>();
        let nodes = network.nodes.iter().map(|node| NodeRecord {
            name: node.name.clone(),
            op: node.op.name().to_owned(),
            contract: subject.contract.name().to_owned(),
            fusion: subject.fusion(node),
            inputs: ids(&node.inputs),
            outputs: ids(&node.outputs),
            detail: subject.detail(node),
        });
        let mut certificate = Self {
            schema: Self::SCHEMA,
            version: subject.version.to_owned(),
            contract: subject.contract.name().to_owned(),
            target: TargetRecord {
                rounding: target.rounding,
                accumulator_bits: target.accumulator_bits,
                product_bits: target.product_bits,
                bias_fraction_bits: target.bias_fraction_bits,
            },
            parameters_sha256: subject.parameters_sha256.to_owned(),
            edges: edges.collect(),
            inputs: ids(&network.inputs),
            outputs: ids(&network.outputs),
            states: network.states.iter().map(|state| state.before.0).collect(),
            nodes: nodes.collect(),
            layers: Vec::with_capacity(layers.len()),
            operators: Vec::with_capacity(operators.len()),
            sha256: String::new(),
        };
        for node in &network.nodes {
            let computed = network.contract_of(node, subject.contract);
            if !node.op.facts().selects && computed != subject.contract {
                return Err(format!(
                    "{}: {} leaves it to the kernels of {}, which a certificate does not have",
                    node.name,
                    subject.contract.name(),
                    computed.name()
                ));
            }
            if let Op::Layer(layer) = &node.op {
                if subject.contract == Contract::Onnxruntime && network.fusion(node).is_float() {
                    return Err(format!(
                        "{}: ONNX Runtime adds up floats: its codes are no function of the accumulators",
                        node.name
                    ));
                }
                let proven = layers.iter().find(|proven| proven.name == node.name);
                let parameters = subject.parameters.layers.iter().find(|known| known.name == node.name);
                let (Some(proven), Some(parameters)) = (proven, parameters) else {
                    return Err(format!("{}: was not proven", node.name));
                };
                certificate.layers.push(layer_record(layer, parameters, proven)?);
            } else if !node.op.facts().selects {
                certificate.operators.push(subject.operator(node, operators));
            }
        }
        certificate.sha256 = digest_of(&certificate.to_value()?);
        Ok(certificate)
    }

    /// The certificate as JSON.
    ///
    /// # Errors
    /// A number that JSON does not have.
    pub fn to_value(&self) -> Result<Value, String> {
        serde_json::to_value(self).map_err(|error| error.to_string())
    }
}

impl FileSubject<'_> {
    fn shape(&self, node: &Node) -> Option<&[usize]> {
        Some(self.shapes?.get(node.inputs.first()?.0)?)
    }

    fn fusion(&self, node: &Node) -> FusionRecord {
        match self.network.fusion(node) {
            Fusion::Codes => FusionRecord::Codes,
            Fusion::Unsigned => FusionRecord::Unsigned,
            Fusion::Floats(_) => FusionRecord::Floats,
        }
    }

    fn detail(&self, node: &Node) -> Option<Detail> {
        let zero_point =
            || node.inputs.first().and_then(|&id| self.network.edge(id).activation).map(|a| a.zero_point);
        match &node.op {
            Op::Add { relu } | Op::Sub { relu } | Op::Mul { relu } => Some(Detail::Relu(*relu)),
            Op::Concatenate { requantizes, .. } => Some(Detail::Requantizes(*requantizes)),
            Op::Clamp { min, max } => Some(bounds(*min, *max)),
            Op::Function(function) => match function {
                crate::ops::Function::Requantize { min, max } => Some(bounds(*min, *max)),
                other => other.number().map(Detail::Number),
            },
            Op::AveragePool(pool) => pool_window(pool, zero_point()),
            Op::AdaptiveAveragePool { .. } => self.shape(node).and_then(|shape| {
                Some(Detail::Window {
                    sizes: shape.get(2..)?.to_vec(),
                    divisor: None,
                    filling: None,
                    axes: None,
                })
            }),
            Op::Mean { axes, .. } => self.shape(node).and_then(|shape| {
                let axes: Vec<usize> =
                    axes.iter().map(|&axis| axis_of(axis, shape.len())).collect::<Result<_, _>>().ok()?;
                let size = |(axis, &size): (usize, &usize)| if axes.contains(&axis) { size } else { 1 };
                let sizes = shape.iter().enumerate().skip(2).map(size).collect();
                Some(Detail::Window { sizes, divisor: None, filling: None, axes: Some(axes) })
            }),
            Op::BatchNorm(norm) => Some(batch_norm(norm)),
            Op::Shape(Shape::Pad { mode: PaddingMode::Zeros, .. }) => zero_point().map(Detail::Filling),
            Op::Shape(shape @ Shape::PadWith { .. }) => {
                zero_point().map(|zero_point| Detail::Filling(shape.filling(zero_point)))
            }
            Op::Constant(codes) => {
                let range = |min: i32, max: i32| Range { min, max };
                let elements = codes.elements().iter().map(|&code| range(code, code));
                elements.reduce(|a, b| range(a.min.min(b.min), a.max.max(b.max))).map(Detail::Constant)
            }
            Op::Quantize
            | Op::Dequantize
            | Op::Layer(_)
            | Op::Extremum(_)
            | Op::MatMul
            | Op::MaxPool(_)
            | Op::Relu
            | Op::Shape(_)
            | Op::LayerNorm(_)
            | Op::Softmax { .. }
            | Op::Svdf(_)
            | Op::Lstm(_) => None,
        }
    }

    fn operator(&self, node: &Node, proofs: &[OperatorProof]) -> OperatorRecord {
        let name = node.name.clone();
        let unproven =
            |why: String| OperatorRecord { name: name.clone(), counted: None, unproven: Some(why) };
        let Some(proof) = proofs.iter().find(|proof| proof.name == node.name) else {
            return unproven("was not counted".to_owned());
        };
        let counted = match &proof.counted {
            Ok(counted) => counted,
            Err(why) => return unproven(why.clone()),
        };
        let parameters = self.parameters.operators.iter().find(|operator| operator.name == node.name);
        let record = parameters.and_then(|parameters| self.counted(node, parameters, counted));
        match record {
            Some(counted) => OperatorRecord { name, counted: Some(counted), unproven: None },
            None => unproven("has no form that a certificate holds".to_owned()),
        }
    }

    fn counted(
        &self,
        node: &Node,
        parameters: &OperatorParameters,
        counted: &Counted,
    ) -> Option<CountedRecord> {
        let integers = match &parameters.arithmetic {
            &OperatorArithmetic::Sum { multipliers, shift } => IntegersRecord::Sum { multipliers, shift },
            &OperatorArithmetic::Product(scale) => IntegersRecord::Product(scale),
            OperatorArithmetic::Concatenation(scales) => IntegersRecord::Concatenation(scales.clone()),
            OperatorArithmetic::Mean(_) => {
                let Detail::Window { sizes, divisor, .. } = self.detail(node)? else { return None };
                let count = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))?;
                let hardware =
                    TargetOperator::new(parameters, &node.op, self.parameters.form, self.target).ok()?;
                let divisor = divisor.or_else(|| i64::try_from(count).ok())?;
                IntegersRecord::Mean(hardware.mean_scale(divisor)?)
            }
            OperatorArithmetic::ChannelScale { multipliers, offsets, shift } => {
                IntegersRecord::ChannelScale {
                    multipliers: multipliers.clone(),
                    offsets: offsets.clone(),
                    shift: *shift,
                }
            }
            OperatorArithmetic::Table(codes) => IntegersRecord::Table(codes.clone()),
            OperatorArithmetic::Clamp => IntegersRecord::Clamp,
            OperatorArithmetic::MatrixProduct(_)
            | OperatorArithmetic::Largest
            | OperatorArithmetic::Selection => return None,
        };
        Some(CountedRecord {
            clamp: parameters.clamp,
            integers,
            cases: counted.cases,
            differing: counted.differing,
            largest: counted.largest,
            example: counted.example.as_ref().map(|case| CaseRecord {
                inputs: case.inputs.clone(),
                reference: case.reference,
                hardware: case.hardware,
            }),
        })
    }
}

fn bounds(min: f64, max: f64) -> Detail {
    let finite = |bound: f64| Some(bound).filter(|bound| bound.is_finite());
    Detail::Bounds { min: finite(min), max: finite(max) }
}

fn pool_window(pool: &Pool, zero_point: Option<i32>) -> Option<Detail> {
    let sizes = pool.kernel.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<_>>()?;
    let padded = pool.padding.iter().chain(pool.padding_end()).any(|&padding| padding > 0);
    Some(Detail::Window {
        sizes,
        divisor: pool.divisor.filter(|&divisor| divisor != 0),
        filling: zero_point.filter(|_| padded),
        axes: None,
    })
}

fn batch_norm(norm: &BatchNorm) -> Detail {
    let widen = |values: &[f32]| values.iter().copied().map(f64::from).collect();
    Detail::BatchNorm {
        weight: widen(&norm.weight),
        bias: widen(&norm.bias),
        mean: widen(&norm.mean),
        variance: widen(&norm.variance),
        epsilon: norm.epsilon,
        relu: norm.relu,
    }
}

fn layer_record(
    layer: &Layer,
    parameters: &LayerParameters,
    proven: &CertifiedLayer,
) -> Result<LayerRecord, String> {
    let weight = &layer.weight;
    Ok(LayerRecord {
        name: proven.name.clone(),
        window: layer.window.as_ref().map(|window| WindowRecord {
            stride: window.stride.clone(),
            padding: window.padding.clone(),
            padding_end: window.padding_end.clone(),
            dilation: window.dilation.clone(),
            output_padding: window.output_padding.clone(),
            groups: window.groups,
        }),
        padding_mode: layer.padding_mode,
        weight: WeightRecord {
            shape: weight.shape.clone(),
            codes: base64::encode(weight.codes.iter().map(|code| code.to_le_bytes()[0])),
            scale: weight.scale.clone(),
            zero_point: weight.zero_point.clone(),
            offset: weight.offset,
        },
        bias: layer.bias.as_ref().map(|bias| match bias {
            Bias::Real(values) => BiasRecord::Real(values.iter().copied().map(f64::from).collect()),
            Bias::Codes(codes) => BiasRecord::Codes(codes.clone()),
            Bias::WideCodes(codes) => BiasRecord::WideCodes(codes.clone()),
        }),
        relu: layer.relu,
        activation_clamp: layer.clamp,
        clamp: parameters.clamp.ok_or_else(|| format!("{}: its clamp is not known", proven.name))?,
        channels: proven
            .channels
            .iter()
            .map(|proven| ChannelRecord {
                accumulator: proven.channel.accumulator,
                exact: !proven.is_of_interval(),
                bias: proven.channel.hardware.bias,
                multiplier: proven.channel.hardware.multiplier,
                shift: proven.channel.hardware.shift,
                constant: proven.channel.hardware.constant,
                difference: proven.difference.clone(),
                only_ties: proven.only_ties,
            })
            .collect(),
    })
}
