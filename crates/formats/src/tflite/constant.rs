//! The elements of constants: buffers inside of the FlatBuffer or behind it, those below 8 bits unpacked.

use std::cell::Cell;

use bytes::Bytes;

use super::flatbuffer::Table;
use super::schema::{self, ElementType};
use crate::error::{ReadError, Result};
use crate::tensor::{ByteOrder, Tensor};

/// How many times the size of the file all uses of constants together may have: operators may share weights.
const MOST_SHARED: usize = 64;

/// What they may have however small the file is.
const SMALL: usize = 1 << 20;

/// The buffers of a file.
pub(super) struct Constants<'a> {
    file: &'a Bytes,
    buffers: Vec<Table<'a>>,
    /// Bytes that uses of constants may still have.
    budget: Cell<usize>,
}

impl<'a> Constants<'a> {
    pub(super) fn new(file: &'a Bytes, buffers: Vec<Table<'a>>) -> Self {
        let budget = file.len().saturating_mul(MOST_SHARED).saturating_add(SMALL);
        Self { file, buffers, budget: Cell::new(budget) }
    }

    /// The elements of a tensor; `None` where it is no constant, or has no elements that are numbers.
    pub(super) fn of(
        &self,
        place: &str,
        tensor: &Table<'_>,
        element: &ElementType,
        shape: &[i32],
    ) -> Result<Option<Tensor>> {
        let unsupported =
            |found: &str| ReadError::unsupported(place, found, "its elements in this file, all of them");
        if tensor.u32(schema::tensor::EXTERNAL)? != 0 {
            return Err(unsupported("elements in another file"));
        }
        if tensor.table(schema::tensor::SPARSITY)?.is_some() {
            return Err(unsupported("a sparse tensor").hint("convert the model without sparsity"));
        }
        let bytes = self.buffer(place, tensor.u32(schema::tensor::BUFFER)?)?;
        let (Some(dtype), false) = (element.dtype, bytes.is_empty()) else { return Ok(None) };
        let sizes = shape.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<usize>>>();
        let count = sizes.as_ref().and_then(|s| s.iter().try_fold(1usize, |n, &size| n.checked_mul(size)));
        let expected = count.and_then(|count| count.div_ceil(element.packed).checked_mul(dtype.size()));
        let (Some(sizes), Some(count), Some(expected)) = (sizes, count, expected) else {
            return Err(ReadError::malformed(place, format!("a constant of sizes {shape:?}"), "sizes"));
        };
        if bytes.len() != expected {
            return Err(ReadError::malformed(
                place,
                format!("{} bytes", bytes.len()),
                format!("{expected} for {} of sizes {shape:?}", element.name),
            ));
        }
        let bytes = if element.packed == 1 {
            bytes
        } else {
            self.spend(place, count)?;
            unpack(&bytes, count, element)
        };
        let mut strides = vec![1; sizes.len()];
        for axis in (1..sizes.len()).rev() {
            strides[axis - 1] = strides[axis] * sizes[axis];
        }
        Tensor::new(place, dtype, sizes, strides, 0, bytes, ByteOrder::Little, None).map(Some)
    }

    /// Counts one use of a constant by an operator.
    pub(super) fn used(&self, operator: &Table<'_>, constant: &Tensor) -> Result<()> {
        self.spend(&operator.place(), constant.len().saturating_mul(constant.dtype().size()))
    }

    fn spend(&self, place: &str, bytes: usize) -> Result<()> {
        let left = self.budget.get().checked_sub(bytes).ok_or_else(|| {
            ReadError::unsupported(
                place,
                "constants that are used again and again",
                format!("uses of at most {MOST_SHARED} times the size of the file"),
            )
        })?;
        self.budget.set(left);
        Ok(())
    }

    /// The bytes of a buffer, empty for tensors that are computed.
    fn buffer(&self, place: &str, index: u32) -> Result<Bytes> {
        let table = usize::try_from(index).ok().and_then(|index| self.buffers.get(index));
        let table = table.ok_or_else(|| {
            let count = self.buffers.len();
            ReadError::malformed(place, format!("buffer {index}"), format!("one of {count}"))
        })?;
        let offset = table.u64(schema::buffer::OFFSET)?;
        // 0 and 1 say that the bytes are inside of the FlatBuffer.
        if offset <= 1 {
            return table.bytes(schema::buffer::DATA);
        }
        let size = table.u64(schema::buffer::SIZE)?;
        let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
        match (usize::try_from(offset).ok(), end.filter(|&end| end <= self.file.len())) {
            (Some(start), Some(end)) => Ok(self.file.slice(start..end)),
            _ => Err(ReadError::malformed(
                place,
                format!("{size} bytes at byte {offset} of a file of {}", self.file.len()),
                "bytes inside of it",
            )),
        }
    }
}

/// Elements of less than 8 bits, one to a byte; the first is in the lowest bits.
fn unpack(bytes: &[u8], count: usize, element: &ElementType) -> Bytes {
    let bits = 8 / element.packed;
    let signed = element.dtype == Some(crate::tensor::DType::I8);
    let elements = bytes.iter().flat_map(|&byte| {
        (0..element.packed).map(move |place| {
            // To the top, and down again with the sign or with zeros.
            let top = byte << (8 - bits * (place + 1));
            if signed { (top.cast_signed() >> (8 - bits)).cast_unsigned() } else { top >> (8 - bits) }
        })
    });
    elements.take(count).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_bits_come_first_and_keep_their_sign() {
        let element = |number| schema::element_type(number).unwrap();
        // INT4: 0x81 is 1, then -8; UINT4: 1, then 8; INT2: 0b11_10_01_00 is 0, 1, -2, -1.
        let rows: [(u8, &[u8], usize, &[u8]); 3] = [
            (17, &[0x81, 0x07], 3, &[1, 0xf8, 7]),
            (20, &[0x81], 2, &[1, 8]),
            (19, &[0xe4], 4, &[0, 1, 0xfe, 0xff]),
        ];
        for (number, bytes, count, expected) in rows {
            assert_eq!(unpack(bytes, count, element(number)), expected, "{}", element(number).name);
        }
    }
}
