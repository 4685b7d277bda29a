//! `TensorProto` to a [`Tensor`]: the numbers of the file, in whichever of its fields they stand.

use bytes::Bytes;

use super::proto;
use crate::error::{ReadError, Result};
use crate::files::Files;
use crate::tensor::{ByteOrder, DType, Tensor};

/// `DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;

/// An element type of the ONNX standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ElementType {
    /// The standard's name.
    pub(super) name: &'static str,
    /// What its elements are read as; `None` where they are not read.
    pub(super) dtype: Option<DType>,
    /// Bits of an element in the file.
    bits: usize,
    /// Whether elements narrower than their `dtype` have a sign.
    signed: bool,
}

impl ElementType {
    /// The element type of a number of `TensorProto.DataType`.
    pub(super) fn of(number: i32) -> Self {
        let as_is =
            |name, dtype: DType| Self { name, dtype: Some(dtype), bits: dtype.size() * 8, signed: true };
        let other = |name| Self { name, dtype: None, bits: 0, signed: false };
        match number {
            1 => as_is("FLOAT", DType::F32),
            2 => as_is("UINT8", DType::U8),
            3 => as_is("INT8", DType::I8),
            // Wider and narrower elements are read as the next type that holds them.
            4 => Self { name: "UINT16", dtype: Some(DType::I32), bits: 16, signed: false },
            5 => as_is("INT16", DType::I16),
            6 => as_is("INT32", DType::I32),
            7 => as_is("INT64", DType::I64),
            8 => other("STRING"),
            9 => as_is("BOOL", DType::Bool),
            10 => as_is("FLOAT16", DType::F16),
            11 => as_is("DOUBLE", DType::F64),
            12 => Self { name: "UINT32", dtype: Some(DType::I64), bits: 32, signed: false },
            13 => other("UINT64"),
            14 => other("COMPLEX64"),
            15 => other("COMPLEX128"),
            16 => as_is("BFLOAT16", DType::BF16),
            17 => other("FLOAT8E4M3FN"),
            18 => other("FLOAT8E4M3FNUZ"),
            19 => other("FLOAT8E5M2"),
            20 => other("FLOAT8E5M2FNUZ"),
            21 => Self { name: "UINT4", dtype: Some(DType::U8), bits: 4, signed: false },
            22 => Self { name: "INT4", dtype: Some(DType::I8), bits: 4, signed: true },
            23 => other("FLOAT4E2M1"),
            24 => other("FLOAT8E8M0"),
            25 => Self { name: "UINT2", dtype: Some(DType::U8), bits: 2, signed: false },
            26 => Self { name: "INT2", dtype: Some(DType::I8), bits: 2, signed: true },
            _ => other("an unknown element type"),
        }
    }

    /// Bytes of `count` elements in the file.
    fn bytes(self, count: usize) -> Option<usize> {
        count.checked_mul(self.bits).map(|bits| bits.div_ceil(8))
    }
}

/// The numbers of a tensor; `None` for element types that are not read.
///
/// # Errors
/// The numbers are not as many as the sizes say, or stand in a file that cannot be had.
pub(super) fn read(tensor: &proto::Tensor, place: &str, files: &dyn Files) -> Result<Option<Tensor>> {
    let element = ElementType::of(tensor.data_type);
    let Some(dtype) = element.dtype else { return Ok(None) };
    let malformed = |found: String, expected: String| ReadError::malformed(place, found, expected);
    if tensor.segment.is_some() {
        return Err(ReadError::unsupported(place, "a tensor in segments", "a tensor in one piece"));
    }
    let shape: Option<Vec<usize>> = tensor.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    // Sizes of an empty tensor are bounded too: whoever computes with them multiplies them.
    let bounded = |s: &Vec<usize>| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1)));
    let count = shape.as_ref().filter(|s| bounded(s).is_some()).map(|s| s.iter().product::<usize>());
    let (Some(shape), Some(count)) = (shape, count) else {
        return Err(malformed(format!("sizes {:?}", tensor.dims), "sizes of a tensor".into()));
    };
    let bytes = element.bytes(count);
    let storage = if tensor.data_location == EXTERNAL {
        external(tensor, place, bytes, files)?
    } else if let Some(raw) = &tensor.raw_data {
        raw.clone()
    } else {
        return of_fields(tensor, element, dtype, shape, count, place).map(Some);
    };
    if bytes != Some(storage.len()) {
        return Err(malformed(
            format!("{} bytes for {count} elements of type {}", storage.len(), element.name),
            bytes.map_or_else(String::new, |b| format!("{b} bytes")),
        ));
    }
    let storage =
        if element.bits == dtype.size() * 8 { storage } else { unpack(&storage, element, dtype, count) };
    of_storage(place, dtype, shape, storage).map(Some)
}

/// A row-major tensor of little-endian elements.
fn of_storage(place: &str, dtype: DType, shape: Vec<usize>, storage: Bytes) -> Result<Tensor> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    Tensor::new(place, dtype, shape, strides, 0, storage, ByteOrder::Little, None)
}

/// Elements of 2, 4, 16 or 32 bits, the least significant first, each widened to `dtype`.
fn unpack(storage: &[u8], element: ElementType, dtype: DType, count: usize) -> Bytes {
    let mut wide = Vec::with_capacity(count * dtype.size());
    if element.bits >= 8 {
        for code in storage.chunks_exact(element.bits / 8) {
            wide.extend(code);
            wide.resize(wide.len() + dtype.size() - code.len(), 0);
        }
        return wide.into();
    }
    let each = 8 / element.bits;
    let mask = (1u8 << element.bits) - 1;
    for index in 0..count {
        let byte = storage.get(index / each).copied().unwrap_or(0);
        let code = byte >> (index % each * element.bits) & mask;
        let negative = element.signed && code >> (element.bits - 1) == 1;
        wide.push(if negative { code | !mask } else { code });
    }
    wide.into()
}

/// Numbers in the typed fields: `float_data`, `int32_data` (all integers of 32 bits and less), ...
fn of_fields(
    tensor: &proto::Tensor,
    element: ElementType,
    dtype: DType,
    shape: Vec<usize>,
    count: usize,
    place: &str,
) -> Result<Tensor> {
    let (given, expected) = match element.name {
        "FLOAT" => (tensor.float_data.len(), count),
        "DOUBLE" => (tensor.double_data.len(), count),
        "INT64" => (tensor.int64_data.len(), count),
        "UINT32" => return Err(ReadError::unsupported(place, "UINT32 elements in uint64_data", "raw_data")),
        // Of narrow integers, each entry holds one byte of them.
        _ => (
            tensor.int32_data.len(),
            if element.bits < 8 { element.bytes(count).unwrap_or(0) } else { count },
        ),
    };
    if given != expected {
        return Err(ReadError::malformed(
            place,
            format!("{given} numbers for {count} elements of type {}", element.name),
            format!("{expected} numbers"),
        ));
    }
    let small = |number: &i32| {
        let bits = if element.bits < 8 { 8 } else { element.bits };
        let fits = if element.signed
            && element.bits >= 8
            && dtype != DType::U8
            && dtype != DType::Bool
            && !dtype.is_float()
        {
            i64::from(*number) >= -(1i64 << (bits - 1)) && i64::from(*number) < 1i64 << (bits - 1)
        } else {
            i64::from(*number) >= 0 && i64::from(*number) < 1i64 << bits
        };
        if fits {
            Ok(number.to_le_bytes())
        } else {
            Err(ReadError::malformed(
                place,
                format!("{number}"),
                format!("a number of type {}", element.name),
            ))
        }
    };
    let mut bytes = Vec::with_capacity(expected.saturating_mul(dtype.size()));
    match dtype {
        DType::F32 => tensor.float_data.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
        DType::F64 => tensor.double_data.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
        DType::I64 => tensor.int64_data.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
        _ => {
            for number in &tensor.int32_data {
                bytes.extend(small(number)?.iter().take(element.bits.div_ceil(8)));
            }
            if element.bits != dtype.size() * 8 {
                return of_storage(place, dtype, shape, unpack(&bytes, element, dtype, count));
            }
        }
    }
    of_storage(place, dtype, shape, bytes.into())
}

/// Bytes of another file.
fn external(
    tensor: &proto::Tensor,
    place: &str,
    expected: Option<usize>,
    files: &dyn Files,
) -> Result<Bytes> {
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let Some(location) = entry("location") else {
        return Err(ReadError::malformed(place, "external data without a location", "the name of a file"));
    };
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => text.parse::<usize>().map(Some).map_err(|_| {
            ReadError::malformed(place, format!("external data with {key} '{text}'"), "a number of bytes")
        }),
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let file = files
        .open(location)
        .map_err(|error| ReadError { place: format!("{place}, external data '{location}'"), ..error })?;
    let end = length.or(expected).and_then(|length| offset.checked_add(length));
    match end.filter(|&end| end <= file.len()) {
        Some(end) => Ok(file.slice(offset..end)),
        None => Err(ReadError::malformed(
            format!("{place}, external data '{location}'"),
            format!("a file of {} bytes", file.len()),
            format!("{} bytes from byte {offset}", length.or(expected).unwrap_or(usize::MAX)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::NoFiles;

    fn tensor(data_type: i32, dims: &[i64], raw: &'static [u8]) -> proto::Tensor {
        let raw_data = Some(Bytes::from_static(raw));
        proto::Tensor { data_type, dims: dims.to_vec(), raw_data, ..proto::Tensor::default() }
    }

    #[test]
    fn narrow_and_wide_integers_are_unpacked() {
        // Two elements of 4 bits a byte, the first in the low half; what is left of the last byte is nothing.
        for (data_type, raw, expected) in [
            (22, &[0x8f, 0x07][..], [-1, -8, 7]),
            (21, &[0x8f, 0x07][..], [15, 8, 7]),
            (26, &[0b0011_1001][..], [1, -2, -1]),
            (4, &[0xff, 0xff, 0x01, 0x00, 0x00, 0x80][..], [65_535, 1, 32_768]),
            (5, &[0xff, 0xff, 0x01, 0x00, 0x00, 0x80][..], [-1, 1, -32_768]),
        ] {
            let read = read(&tensor(data_type, &[3], raw), "t", &NoFiles).unwrap().unwrap();
            assert_eq!(read.to_i64().unwrap(), expected, "type {data_type}");
        }
    }

    #[test]
    fn numbers_are_as_many_as_the_sizes_say() {
        for dims in [&[2][..], &[-1], &[i64::MAX, i64::MAX], &[1 << 40]] {
            assert!(read(&tensor(3, dims, &[1, 2, 3]), "t", &NoFiles).is_err(), "{dims:?}");
        }
        let typed =
            proto::Tensor { data_type: 3, dims: vec![1], int32_data: vec![128], ..proto::Tensor::default() };
        assert!(read(&typed, "t", &NoFiles).is_err(), "an int8 of 128");
        assert!(read(&tensor(17, &[1], &[0]), "t", &NoFiles).unwrap().is_none(), "float8 is not read");
    }
}
