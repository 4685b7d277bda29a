//! A tensor as a file stores it: a typed, strided window on a shared storage.

use bytes::Bytes;

use crate::error::{ReadError, Result};

/// Element type of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// Signed 8-bit codes of a quantized tensor (`torch.qint8`).
    QInt8,
    /// Unsigned 8-bit codes of a quantized tensor (`torch.quint8`).
    QUInt8,
    /// Signed 32-bit codes of a quantized tensor (`torch.qint32`).
    QInt32,
    /// Boolean, one byte.
    Bool,
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// IEEE binary16.
    F16,
    /// bfloat16.
    BF16,
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

impl DType {
    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Self::QInt8 | Self::QUInt8 | Self::Bool | Self::U8 | Self::I8 => 1,
            Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::QInt32 | Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// The name PyTorch gives it, without `torch.`.
    pub fn name(self) -> &'static str {
        match self {
            Self::QInt8 => "qint8",
            Self::QUInt8 => "quint8",
            Self::QInt32 => "qint32",
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// True for the element types of quantized tensors.
    pub fn is_quantized(self) -> bool {
        matches!(self, Self::QInt8 | Self::QUInt8 | Self::QInt32)
    }

    /// True for floating point.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }
}

/// Order of the bytes of one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// How the codes of a quantized tensor map to real numbers: `real = scale * (code - zero_point)`.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantizer {
    /// One scale for the whole tensor.
    PerTensor {
        /// Scale, as stored (PyTorch keeps it in binary64).
        scale: f64,
        /// Zero point.
        zero_point: i64,
    },
    /// One scale per index along `axis`.
    PerChannel {
        /// Scales, as stored; as many as `shape[axis]`.
        scales: Vec<f64>,
        /// Zero points; as many as `shape[axis]`.
        zero_points: Vec<i64>,
        /// The channel axis.
        axis: usize,
    },
}

/// Elements that a tensor may have on a storage of fewer.
const MOST_EXPANDED: usize = 1 << 16;

/// A strided window on a storage. Logical order is row-major over `shape`; storage order is whatever
/// `strides` say (channels-last is the usual case for convolution weights).
///
/// Constructed only by [`Tensor::new`], which proves that every index lies inside the storage.
#[derive(Debug, Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
    storage: Bytes,
    byte_order: ByteOrder,
    quantizer: Option<Quantizer>,
}

impl Tensor {
    /// A window of `shape` with `strides` (in elements), beginning `offset` elements into `storage`.
    ///
    /// # Errors
    /// The window reaches past the storage, the sizes overflow, or a tensor that repeats elements of its storage has
    /// more than 65,536 and more than the storage. `place` names the tensor in the error.
    #[allow(
        clippy::too_many_arguments,
        reason = "they are the fields of a tensor, which has no smaller parts"
    )]
    pub fn new(
        place: &str,
        dtype: DType,
        shape: Vec<usize>,
        strides: Vec<usize>,
        offset: usize,
        storage: Bytes,
        byte_order: ByteOrder,
        quantizer: Option<Quantizer>,
    ) -> Result<Self> {
        if shape.len() != strides.len() {
            return Err(ReadError::malformed(
                place,
                format!("{} sizes and {} strides", shape.len(), strides.len()),
                "as many strides as sizes",
            ));
        }
        let capacity = storage.len() / dtype.size();
        let mut last = Some(offset);
        let mut count = Some(1usize);
        for (&size, &stride) in shape.iter().zip(&strides) {
            count = count.and_then(|n| n.checked_mul(size));
            let reach = size.checked_sub(1).map_or(Some(0), |n| n.checked_mul(stride));
            last = last.zip(reach).and_then(|(a, b)| a.checked_add(b));
        }
        let fits = match (count, last) {
            (Some(0), _) => true,
            (Some(_), Some(last)) => last < capacity,
            _ => false,
        };
        if !fits {
            return Err(ReadError::malformed(
                place,
                format!("a tensor of sizes {shape:?}, strides {strides:?}, offset {offset}"),
                format!("one that lies inside its storage of {capacity} elements"),
            ));
        }
        // Expanded tensors (stride 0) may claim more elements than there are bytes: a bias of equal numbers does,
        // but not so many that whoever allocates them could be in trouble.
        let limit = capacity.max(MOST_EXPANDED);
        if count.unwrap_or(usize::MAX) > limit {
            return Err(ReadError::malformed(
                place,
                format!("a tensor of sizes {shape:?} on a storage of {capacity} elements"),
                format!("at most {limit} elements"),
            ));
        }
        if let Some(Quantizer::PerChannel { scales, zero_points, axis }) = &quantizer {
            let channels = shape.get(*axis).copied();
            if channels != Some(scales.len()) || channels != Some(zero_points.len()) {
                return Err(ReadError::malformed(
                    place,
                    format!(
                        "{} scales and {} zero points on axis {axis} of sizes {shape:?}",
                        scales.len(),
                        zero_points.len()
                    ),
                    "one scale and one zero point per channel",
                ));
            }
        }
        Ok(Self { dtype, shape, strides, offset, storage, byte_order, quantizer })
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sizes, outermost axis first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Distance between neighbours along each axis, in elements.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// How codes map to reals, for quantized tensors.
    pub fn quantizer(&self) -> Option<&Quantizer> {
        self.quantizer.as_ref()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True when there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if both tensors are the same window on the same storage: one tensor saved under two names.
    pub fn same_memory(&self, other: &Self) -> bool {
        self.storage.as_ptr() == other.storage.as_ptr()
            && self.storage.len() == other.storage.len()
            && self.offset == other.offset
            && self.shape == other.shape
            && self.strides == other.strides
            && self.dtype == other.dtype
    }

    /// Where in memory its storage begins, and its length in bytes: the same for all windows on one storage.
    pub fn memory(&self) -> (usize, usize) {
        (self.storage.as_ptr().addr(), self.storage.len())
    }

    /// Signed 8-bit codes in logical (row-major) order; `None` for any other element type.
    pub fn to_i8(&self) -> Option<Vec<i8>> {
        matches!(self.dtype, DType::QInt8 | DType::I8).then(|| self.gather(|[b]: [u8; 1]| b.cast_signed()))
    }

    /// Unsigned 8-bit codes in logical order; `None` for any other element type.
    pub fn to_u8(&self) -> Option<Vec<u8>> {
        matches!(self.dtype, DType::QUInt8 | DType::U8 | DType::Bool).then(|| self.gather(|[b]: [u8; 1]| b))
    }

    /// 32-bit floats in logical order; `None` for any other element type (no conversion is made).
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        (self.dtype == DType::F32).then(|| match self.byte_order {
            ByteOrder::Little => self.gather(f32::from_le_bytes),
            ByteOrder::Big => self.gather(f32::from_be_bytes),
        })
    }

    /// Floats in logical order, widened exactly; `None` for integers and 16-bit floats.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        match self.dtype {
            DType::F32 => self.to_f32().map(|v| v.into_iter().map(f64::from).collect()),
            DType::F64 => Some(match self.byte_order {
                ByteOrder::Little => self.gather(f64::from_le_bytes),
                ByteOrder::Big => self.gather(f64::from_be_bytes),
            }),
            _ => None,
        }
    }

    /// Integers in logical order, widened exactly; `None` for floats.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        let little = self.byte_order == ByteOrder::Little;
        Some(match self.dtype {
            DType::QInt8 | DType::I8 => self.gather(|[b]: [u8; 1]| i64::from(b.cast_signed())),
            DType::QUInt8 | DType::U8 | DType::Bool => self.gather(|[b]: [u8; 1]| i64::from(b)),
            DType::I16 if little => self.gather(|b| i64::from(i16::from_le_bytes(b))),
            DType::I16 => self.gather(|b| i64::from(i16::from_be_bytes(b))),
            DType::QInt32 | DType::I32 if little => self.gather(|b| i64::from(i32::from_le_bytes(b))),
            DType::QInt32 | DType::I32 => self.gather(|b| i64::from(i32::from_be_bytes(b))),
            DType::I64 if little => self.gather(i64::from_le_bytes),
            DType::I64 => self.gather(i64::from_be_bytes),
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => return None,
        })
    }

    /// The only element of a one-element float tensor, widened exactly.
    pub fn scalar_f64(&self) -> Option<f64> {
        if self.len() == 1 { self.to_f64().and_then(|v| v.first().copied()) } else { None }
    }

    /// The only element of a one-element integer tensor.
    pub fn scalar_i64(&self) -> Option<i64> {
        if self.len() == 1 { self.to_i64().and_then(|v| v.first().copied()) } else { None }
    }

    /// Walks the window in logical order and decodes each element.
    fn gather<const N: usize, T>(&self, decode: impl Fn([u8; N]) -> T) -> Vec<T> {
        debug_assert_eq!(N, self.dtype.size());
        let count = self.len();
        let mut out = Vec::with_capacity(count);
        if count == 0 {
            return out;
        }
        let (elements, _) = self.storage.as_chunks::<N>();
        let (inner, inner_stride) = match (self.shape.last(), self.strides.last()) {
            (Some(&size), Some(&stride)) => (size, stride),
            _ => (1, 1),
        };
        let outer = self.shape.len().saturating_sub(1);
        let mut index = vec![0usize; outer];
        let mut start = self.offset;
        loop {
            if inner_stride == 1 {
                out.extend(elements[start..start + inner].iter().map(|&b| decode(b)));
            } else {
                out.extend((0..inner).map(|i| decode(elements[start + i * inner_stride])));
            }
            // Odometer over the outer axes; `start` follows by strides.
            let mut axis = outer;
            loop {
                if axis == 0 {
                    return out;
                }
                axis -= 1;
                index[axis] += 1;
                start += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                start -= self.strides[axis] * self.shape[axis];
                index[axis] = 0;
            }
        }
    }
}
