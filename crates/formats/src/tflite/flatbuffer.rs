//! FlatBuffers read in place: every offset, length and field is proven to lie inside the bytes before it is followed.
//!
//! Written here because the `flatbuffers` crate lets nothing but its own generated code read a table without `unsafe`,
//! and `planus` reads through generated code only. Alignment, which other readers need, is not asked for.

use std::cell::Cell;

use bytes::Bytes;

use crate::error::{ReadError, Result};

/// A field of a table: its slot in the vtable, and its name in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    slot: usize,
    name: &'static str,
}

impl Field {
    /// The field in `slot`, counted from 0.
    pub(super) const fn new(slot: usize, name: &'static str) -> Self {
        Self { slot, name }
    }

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        self.name
    }
}

/// The bytes of a FlatBuffer.
pub(super) struct Buffer<'a> {
    bytes: &'a Bytes,
    /// Bytes that may still be read. Offsets may share what they point at, so that a small file could otherwise describe
    /// something huge.
    budget: Cell<usize>,
}

/// How often each byte of a file may be read; a writer shares little but vtables.
const MOST_SHARED: usize = 8;

/// What may be read of a file however small it is.
const SMALL: usize = 1 << 16;

impl<'a> Buffer<'a> {
    /// The bytes, untouched yet.
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        let budget = bytes.len().saturating_mul(MOST_SHARED).saturating_add(SMALL);
        Self { bytes, budget: Cell::new(budget) }
    }

    /// The table that the file begins with, which carries this identifier.
    pub(super) fn root(&self, identifier: &[u8; 4]) -> Result<Table<'_>> {
        const ROOT: &str = "root";
        let found: [u8; 4] = self.array(4, ROOT)?;
        if found != *identifier {
            return Err(ReadError::malformed(
                place(ROOT, 4),
                format!("the identifier {}", found.escape_ascii()),
                identifier.escape_ascii().to_string(),
            ));
        }
        self.follow(0, ROOT).and_then(|at| Table::open(self, at, ROOT))
    }

    /// `N` bytes at an offset.
    fn array<const N: usize>(&self, at: usize, name: &str) -> Result<[u8; N]> {
        let found = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied();
        found.ok_or_else(|| self.outside(at, N, name))
    }

    /// Where the forward offset at `at` leads.
    fn follow(&self, at: usize, name: &str) -> Result<usize> {
        let offset = u32::from_le_bytes(self.array(at, name)?);
        usize::try_from(offset)
            .ok()
            .filter(|&offset| offset > 0)
            .and_then(|offset| at.checked_add(offset))
            .filter(|&target| target < self.bytes.len())
            .ok_or_else(|| {
                ReadError::malformed(
                    place(name, at),
                    format!("an offset of {offset}"),
                    format!("one that leads into the {} bytes", self.bytes.len()),
                )
            })
    }

    /// The range of a vector's elements of `size` bytes each.
    fn vector(&self, at: usize, size: usize, name: &str) -> Result<std::ops::Range<usize>> {
        let count = u32::from_le_bytes(self.array(at, name)?);
        let start = at.saturating_add(4);
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(size));
        let end = length.and_then(|length| start.checked_add(length)).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| {
            ReadError::malformed(
                place(name, at),
                format!("{count} elements of {size} bytes"),
                format!("at most the {} bytes that are left", self.bytes.len().saturating_sub(start)),
            )
        })?;
        self.spend(end - at, at, name)?;
        Ok(start..end)
    }

    fn spend(&self, bytes: usize, at: usize, name: &str) -> Result<()> {
        match self.budget.get().checked_sub(bytes) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(ReadError::malformed(
                place(name, at),
                "the same bytes used again and again",
                format!("a file that says at most {MOST_SHARED} times what it holds"),
            )),
        }
    }

    fn outside(&self, at: usize, length: usize, name: &str) -> ReadError {
        ReadError::malformed(
            place(name, at),
            format!("{length} bytes of a file of {}", self.bytes.len()),
            "bytes inside of it",
        )
    }
}

fn place(name: &str, at: usize) -> String {
    format!("{name} at byte {at}")
}

/// A table: fields that may each be absent.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    buffer: &'a Buffer<'a>,
    /// Where its fields are.
    at: usize,
    /// Bytes of its fields.
    size: usize,
    /// Where the offsets of its fields are, and how many.
    slots: usize,
    count: usize,
    /// How it is called in errors.
    name: &'static str,
}

impl<'a> Table<'a> {
    fn open(buffer: &'a Buffer<'a>, at: usize, name: &'static str) -> Result<Self> {
        let back = i32::from_le_bytes(buffer.array(at, name)?);
        let wrong = |found: String, expected: &str| ReadError::malformed(place(name, at), found, expected);
        let vtable = i64::try_from(at)
            .ok()
            .and_then(|at| usize::try_from(at - i64::from(back)).ok())
            .ok_or_else(|| wrong(format!("a vtable {back} bytes before"), "one inside the file"))?;
        let length = usize::from(u16::from_le_bytes(buffer.array(vtable, name)?));
        let size = usize::from(u16::from_le_bytes(buffer.array(vtable.saturating_add(2), name)?));
        let inside = |start: usize, length: usize| {
            start.checked_add(length).is_some_and(|end| end <= buffer.bytes.len())
        };
        if length < 4 || !length.is_multiple_of(2) || !inside(vtable, length) {
            return Err(wrong(
                format!("a vtable of {length} bytes"),
                "an even number, 4 or more, inside the file",
            ));
        }
        if size < 4 || !inside(at, size) {
            return Err(wrong(format!("a table of {size} bytes"), "4 or more, inside the file"));
        }
        buffer.spend(size, at, name)?;
        Ok(Self { buffer, at, size, slots: vtable + 4, count: (length - 4) / 2, name })
    }

    /// Where it stands, for errors.
    pub(super) fn place(&self) -> String {
        place(self.name, self.at)
    }

    /// Where a field of `size` bytes is; `None` where it is absent.
    fn position(&self, field: Field, size: usize) -> Result<Option<usize>> {
        if field.slot >= self.count {
            return Ok(None);
        }
        let offset =
            usize::from(u16::from_le_bytes(self.buffer.array(self.slots + 2 * field.slot, field.name)?));
        match offset {
            0 => Ok(None),
            4.. if offset + size <= self.size => Ok(Some(self.at + offset)),
            _ => Err(ReadError::malformed(
                place(field.name, self.at),
                format!("{size} bytes at {offset} of a table of {}", self.size),
                "a field inside of its table",
            )),
        }
    }

    fn scalar<const N: usize>(&self, field: Field) -> Result<Option<[u8; N]>> {
        let position = self.position(field, N)?;
        position.map(|at| self.buffer.array(at, field.name)).transpose()
    }

    /// An unsigned byte; `default` where it is absent.
    pub(super) fn u8(&self, field: Field, default: u8) -> Result<u8> {
        Ok(self.scalar(field)?.map_or(default, u8::from_le_bytes))
    }

    /// A boolean; `default` where it is absent.
    pub(super) fn bool(&self, field: Field, default: bool) -> Result<bool> {
        Ok(self.u8(field, u8::from(default))? != 0)
    }

    /// An unsigned 32-bit integer, 0 where it is absent.
    pub(super) fn u32(&self, field: Field) -> Result<u32> {
        Ok(self.scalar(field)?.map_or(0, u32::from_le_bytes))
    }

    /// A signed 32-bit integer; `default` where it is absent.
    pub(super) fn i32(&self, field: Field, default: i32) -> Result<i32> {
        Ok(self.scalar(field)?.map_or(default, i32::from_le_bytes))
    }

    /// An unsigned 64-bit integer, 0 where it is absent.
    pub(super) fn u64(&self, field: Field) -> Result<u64> {
        Ok(self.scalar(field)?.map_or(0, u64::from_le_bytes))
    }

    /// A binary32 number, 0 where it is absent.
    pub(super) fn f32(&self, field: Field) -> Result<f32> {
        Ok(self.scalar(field)?.map_or(0.0, f32::from_le_bytes))
    }

    /// The table that a field points at.
    pub(super) fn table(&self, field: Field) -> Result<Option<Self>> {
        let Some(at) = self.position(field, 4)? else { return Ok(None) };
        Self::open(self.buffer, self.buffer.follow(at, field.name)?, field.name).map(Some)
    }

    /// The tables of a vector, none where it is absent.
    pub(super) fn tables(&self, field: Field) -> Result<Vec<Self>> {
        let Some(range) = self.range(field, 4)? else { return Ok(Vec::new()) };
        range
            .step_by(4)
            .map(|at| Self::open(self.buffer, self.buffer.follow(at, field.name)?, field.name))
            .collect()
    }

    /// The elements of a vector, none where it is absent.
    fn elements<const N: usize, T>(&self, field: Field, decode: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
        let Some(range) = self.range(field, N)? else { return Ok(Vec::new()) };
        let (elements, _) = self.buffer.bytes.get(range).unwrap_or_default().as_chunks::<N>();
        Ok(elements.iter().map(|&element| decode(element)).collect())
    }

    /// Signed 32-bit integers.
    pub(super) fn i32s(&self, field: Field) -> Result<Vec<i32>> {
        self.elements(field, i32::from_le_bytes)
    }

    /// Signed 64-bit integers.
    pub(super) fn i64s(&self, field: Field) -> Result<Vec<i64>> {
        self.elements(field, i64::from_le_bytes)
    }

    /// Binary32 numbers.
    pub(super) fn f32s(&self, field: Field) -> Result<Vec<f32>> {
        self.elements(field, f32::from_le_bytes)
    }

    /// Bytes, shared with the file; none where the field is absent.
    pub(super) fn bytes(&self, field: Field) -> Result<Bytes> {
        Ok(self.range(field, 1)?.map_or_else(Bytes::new, |range| self.buffer.bytes.slice(range)))
    }

    /// Text, empty where it is absent. What is no UTF-8 is replaced: names are labels.
    pub(super) fn text(&self, field: Field) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(field)?).into_owned())
    }

    /// Where the elements of a vector are; `None` where it is absent.
    fn range(&self, field: Field, size: usize) -> Result<Option<std::ops::Range<usize>>> {
        let Some(at) = self.position(field, 4)? else { return Ok(None) };
        self.buffer.vector(self.buffer.follow(at, field.name)?, size, field.name).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: Field = Field::new(0, "Root.number");
    const WORDS: Field = Field::new(1, "Root.words");
    const ABSENT: Field = Field::new(2, "Root.absent");
    const BEYOND: Field = Field::new(9, "Root.beyond");

    /// A table with the number 7 and the vector [1, -2], assembled by hand from the format's description.
    fn sound() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(18u32.to_le_bytes()); // the root table is at byte 18
        bytes.extend(b"TEST");
        bytes.extend([10, 0, 12, 0, 4, 0, 8, 0, 0, 0]); // vtable at 8: 10 bytes, table of 12, fields at 4, 8, none
        bytes.extend(10i32.to_le_bytes()); // table at 18: its vtable is 10 bytes before
        bytes.extend(7i32.to_le_bytes());
        bytes.extend(4u32.to_le_bytes()); // byte 26: the vector is 4 bytes on
        bytes.extend(2u32.to_le_bytes()); // byte 30: two elements
        bytes.extend(1i32.to_le_bytes());
        bytes.extend((-2i32).to_le_bytes());
        bytes
    }

    fn read(bytes: Vec<u8>) -> Result<(i32, Vec<i32>, i32, i32)> {
        let bytes = Bytes::from(bytes);
        let buffer = Buffer::new(&bytes);
        let root = buffer.root(b"TEST")?;
        Ok((root.i32(NUMBER, 0)?, root.i32s(WORDS)?, root.i32(ABSENT, 5)?, root.i32(BEYOND, 6)?))
    }

    #[test]
    fn fields_are_found_and_absent_ones_have_their_default() {
        assert_eq!(read(sound()).unwrap(), (7, vec![1, -2], 5, 6));
    }

    #[test]
    fn every_cut_is_refused() {
        let whole = sound();
        for length in 0..whole.len() {
            assert!(read(whole[..length].to_vec()).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn what_leads_outside_is_refused_with_its_place() {
        let rows: &[(usize, &[u8], &str)] = &[
            (0, &[0, 0, 0, 0], "root at byte 0"),
            (0, &[255, 255, 255, 255], "root at byte 0"),
            (4, b"TFL3", "root at byte 4"),
            (8, &[3], "root at byte 18"),
            (8, &[200], "root at byte 18"),
            (10, &[200], "root at byte 18"),
            (12, &[2], "Root.number at byte 18"),
            (12, &[9], "Root.number at byte 18"),
            (18, &[0, 0, 0, 128], "root at byte 2147483666"),
            (26, &[0], "Root.words at byte 26"),
            (26, &[100], "Root.words at byte 26"),
            (30, &[3], "Root.words at byte 30"),
            (30, &[255, 255, 255, 255], "Root.words at byte 30"),
        ];
        let failures: Vec<String> = rows
            .iter()
            .filter_map(|&(at, patch, place)| {
                let mut bytes = sound();
                bytes[at..at + patch.len()].copy_from_slice(patch);
                match read(bytes) {
                    Err(error) if error.place == place => None,
                    other => Some(format!("{patch:?} at {at}: {other:?}, expected an error at {place}")),
                }
            })
            .collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn sharing_without_end_is_refused() {
        let bytes = Bytes::from(sound());
        let buffer = Buffer::new(&bytes);
        let root = buffer.root(b"TEST").unwrap();
        let error = (0..100_000).find_map(|_| root.i32s(WORDS).err()).unwrap();
        assert!(error.found.contains("again and again"), "{error}");
    }
}
