//! Tensors: what `torch._utils._rebuild_*` would have made of its arguments.

use super::facts::Facts;
use super::heap::{Object, Ref, shortened};
use super::storage::{StorageId, StorageType};
use crate::error::{ReadError, Result};
use crate::tensor::{DType, Quantizer, Tensor};

/// PyTorch's own limit.
const MOST_DIMENSIONS: usize = 64;

/// What a call that makes a tensor amounts to.
pub(crate) enum Rebuilt {
    /// A tensor.
    Tensor(Tensor),
    /// A tensor of a class or element type that we do not interpret, by its name.
    Opaque(String),
}

/// True for the functions with which PyTorch makes tensors.
pub(crate) fn is_rebuild(function: &str) -> bool {
    let Some(name) = function.strip_prefix("torch.") else { return false };
    let name = name.trim_start_matches("_utils.").trim_start_matches("_tensor.");
    name.starts_with("_rebuild_")
}

impl Facts<'_> {
    /// The tensor at `at`.
    ///
    /// # Errors
    /// There is something else, or a tensor that we cannot read.
    pub(crate) fn tensor(&self, place: &str, at: Ref) -> Result<Tensor> {
        self.optional_tensor(place, at)?
            .ok_or_else(|| ReadError::malformed(place, self.heap.kind(at), "a tensor"))
    }

    /// The tensor at `at`, or `None` for Python's `None`.
    ///
    /// # Errors
    /// There is something else, or a tensor that we cannot read.
    pub(crate) fn optional_tensor(&self, place: &str, at: Ref) -> Result<Option<Tensor>> {
        if matches!(self.heap.get(at), Object::None) {
            return Ok(None);
        }
        let found = match self.heap.instance(at) {
            Some(instance) if is_rebuild(self.heap.name(instance.class)) => {
                self.budget.take(size_of::<Tensor>(), place)?;
                match rebuild(self, place, self.heap.name(instance.class), instance.arguments)? {
                    Rebuilt::Tensor(tensor) => return Ok(Some(tensor)),
                    Rebuilt::Opaque(name) => name,
                }
            }
            _ => self.heap.kind(at),
        };
        Err(ReadError::malformed(place, found, "a tensor"))
    }
}

/// Makes the tensor of the call `function(*arguments)`.
///
/// # Errors
/// The arguments are not those that PyTorch writes, or reach past their storage.
pub(crate) fn rebuild(facts: &Facts<'_>, place: &str, function: &str, arguments: Ref) -> Result<Rebuilt> {
    let mut function = function;
    let mut arguments = arguments;
    // A parameter wraps a tensor, which is not a parameter again.
    for _ in 0..4 {
        let list = facts.heap.tuple(arguments).unwrap_or_default();
        let name = function.rsplit('.').next().unwrap_or(function);
        match (name, list) {
            ("_rebuild_parameter" | "_rebuild_parameter_with_state", &[data, ..]) => {
                let Some(inner) = facts.heap.instance(data) else {
                    return Err(unexpected(facts, place, data, "the parameter's tensor"));
                };
                function = facts.heap.name(inner.class);
                arguments = inner.arguments;
                if !is_rebuild(function) {
                    return Err(unexpected(facts, place, data, "the parameter's tensor"));
                }
            }
            ("_rebuild_from_type_v2", &[inner, class, tensor_arguments, _]) => {
                let class = facts.heap.name(class);
                if !matches!(
                    class,
                    "torch.Tensor" | "torch.nn.parameter.Parameter" | "torch.nn.parameter.Buffer"
                ) {
                    return Ok(Rebuilt::Opaque(shortened(class)));
                }
                function = facts.heap.name(inner);
                arguments = tensor_arguments;
                if !is_rebuild(function) {
                    return Err(unexpected(facts, place, inner, "a function that makes a tensor"));
                }
            }
            ("_rebuild_wrapper_subclass", &[class, ..]) => {
                return Ok(Rebuilt::Opaque(shortened(facts.heap.name(class))));
            }
            ("_rebuild_tensor", &[storage, offset, sizes, strides]) => {
                return strided(facts, place, [storage, offset, sizes, strides], None, None);
            }
            ("_rebuild_tensor_v2", &[storage, offset, sizes, strides, _, _, ref more @ ..]) => {
                refuse_lazy(facts, place, more.first().copied())?;
                return strided(facts, place, [storage, offset, sizes, strides], None, None);
            }
            ("_rebuild_tensor_v3", &[storage, offset, sizes, strides, _, _, dtype, ref more @ ..]) => {
                refuse_lazy(facts, place, more.first().copied())?;
                let name = facts.heap.name(dtype);
                let Some(dtype) = dtype_of(name) else { return Ok(Rebuilt::Opaque(shortened(name))) };
                return strided(facts, place, [storage, offset, sizes, strides], Some(dtype), None);
            }
            ("_rebuild_qtensor", &[storage, offset, sizes, strides, quantizer, ..]) => {
                return strided(facts, place, [storage, offset, sizes, strides], None, Some(quantizer));
            }
            // Sparse, nested, meta and other tensors have no place in a quantized network.
            (name, _) if !name.starts_with("_rebuild_tensor") && !name.starts_with("_rebuild_q") => {
                return Ok(Rebuilt::Opaque(shortened(function)));
            }
            (_, list) => {
                return Err(ReadError::malformed(
                    place,
                    format!("{} with {} arguments", shortened(function), list.len()),
                    "the arguments that PyTorch writes",
                ));
            }
        }
    }
    Err(ReadError::malformed(place, "a parameter of a parameter", "a tensor"))
}

/// Element type of a `torch.dtype` by its qualified name.
fn dtype_of(name: &str) -> Option<DType> {
    Some(match name.strip_prefix("torch.")? {
        "qint8" => DType::QInt8,
        "quint8" => DType::QUInt8,
        "qint32" => DType::QInt32,
        "bool" => DType::Bool,
        "uint8" => DType::U8,
        "int8" => DType::I8,
        "int16" => DType::I16,
        "int32" => DType::I32,
        "int64" => DType::I64,
        "float16" => DType::F16,
        "bfloat16" => DType::BF16,
        "float32" => DType::F32,
        "float64" => DType::F64,
        _ => return None,
    })
}

/// Lazily negated and conjugated tensors store other numbers than they show.
fn refuse_lazy(facts: &Facts<'_>, place: &str, metadata: Option<Ref>) -> Result<()> {
    let Some(metadata) = metadata else { return Ok(()) };
    for (_, flag) in facts.pairs(place, metadata)?.unwrap_or_default() {
        if matches!(facts.heap.get(flag), Object::Bool(true)) {
            return Err(ReadError::unsupported(
                place,
                "a lazily negated or conjugated tensor",
                "a plain one",
            )
            .hint("call .resolve_neg().resolve_conj() before saving"));
        }
    }
    Ok(())
}

fn strided(
    facts: &Facts<'_>,
    place: &str,
    [storage, offset, sizes, strides]: [Ref; 4],
    dtype: Option<DType>,
    quantizer: Option<Ref>,
) -> Result<Rebuilt> {
    let Object::Persistent(id) = facts.heap.get(storage) else {
        return Err(unexpected(facts, place, storage, "a storage"));
    };
    let id = StorageId::parse(facts.heap, *id).map_err(|error| within(place, error))?;
    let dtype = match (&id.kind, dtype) {
        (StorageType::Other(name, _), _) => return Ok(Rebuilt::Opaque(name.clone())),
        (_, Some(dtype)) => dtype,
        (StorageType::Known(dtype), None) => *dtype,
        (StorageType::Untyped, None) => {
            return Err(ReadError::malformed(place, "a storage without an element type", "torch.<T>Storage"));
        }
    };
    if dtype.is_quantized() != quantizer.is_some() {
        let found = match quantizer {
            Some(_) => format!("scale and zero point of {} elements", dtype.name()),
            None => format!("{} elements without scale and zero point", dtype.name()),
        };
        return Err(ReadError::malformed(place, found, "both or neither"));
    }
    let offset = facts
        .heap
        .int(offset)
        .and_then(|offset| usize::try_from(offset).ok())
        .ok_or_else(|| unexpected(facts, place, offset, "an offset"))?;
    let sizes = lengths(facts, place, sizes)?;
    let strides = lengths(facts, place, strides)?;
    let quantizer = quantizer.map(|quantizer| self::quantizer(facts, place, quantizer)).transpose()?;
    let bytes = facts.storages.get(&id).map_err(|error| within(place, error))?;
    facts.budget.take((sizes.len() + strides.len()) * size_of::<usize>(), place)?;
    Tensor::new(place, dtype, sizes, strides, offset, bytes, facts.storages.byte_order(), quantizer)
        .map(Rebuilt::Tensor)
}

/// Sizes or strides.
fn lengths(facts: &Facts<'_>, place: &str, at: Ref) -> Result<Vec<usize>> {
    let refuse = || unexpected(facts, place, at, "a tuple of at most 64 sizes or strides, none negative");
    let list = facts.heap.sequence(at).filter(|list| list.len() <= MOST_DIMENSIONS).ok_or_else(refuse)?;
    list.iter()
        .map(|&at| facts.heap.int(at).and_then(|length| usize::try_from(length).ok()).ok_or_else(refuse))
        .collect()
}

fn quantizer(facts: &Facts<'_>, place: &str, at: Ref) -> Result<Quantizer> {
    let heap = facts.heap;
    let list = heap.tuple(at).unwrap_or_default();
    let scheme = list.first().map(|&scheme| heap.name(scheme)).unwrap_or_default();
    match (scheme, list) {
        ("torch.per_tensor_affine" | "torch.per_tensor_symmetric", &[_, scale, zero_point]) => {
            let scale = match heap.get(scale) {
                Object::Float(scale) => *scale,
                _ => return Err(unexpected(facts, place, scale, "a scale")),
            };
            let zero_point =
                heap.int(zero_point).ok_or_else(|| unexpected(facts, place, zero_point, "a zero point"))?;
            Ok(Quantizer::PerTensor { scale, zero_point })
        }
        ("torch.per_channel_affine" | "torch.per_channel_symmetric", &[_, scales, zero_points, axis]) => {
            let axis_value = heap.int(axis).and_then(|axis| usize::try_from(axis).ok());
            let axis = axis_value.ok_or_else(|| unexpected(facts, place, axis, "a channel axis"))?;
            let scales = facts.tensor(place, scales)?;
            let zero_points = facts.tensor(place, zero_points)?;
            facts.budget.take(2 * size_of::<f64>() * (scales.len() + zero_points.len()), place)?;
            match (scales.to_f64(), zero_points.to_i64()) {
                (Some(scales), Some(zero_points)) => Ok(Quantizer::PerChannel { scales, zero_points, axis }),
                _ => Err(ReadError::unsupported(
                    place,
                    format!(
                        "{} scales and {} zero points",
                        scales.dtype().name(),
                        zero_points.dtype().name()
                    ),
                    "float scales and integer zero points",
                )),
            }
        }
        _ => Err(ReadError::unsupported(
            place,
            format!("the quantization scheme {:?} of {} values", shortened(scheme), list.len()),
            "torch.per_tensor_affine or torch.per_channel_affine",
        )),
    }
}

fn unexpected(facts: &Facts<'_>, place: &str, at: Ref, expected: &str) -> ReadError {
    ReadError::malformed(place, facts.heap.kind(at), expected)
}

/// Puts the name of the tensor before the place in its storage.
fn within(place: &str, mut error: ReadError) -> ReadError {
    error.place = format!("{place}, {}", error.place);
    error
}
