//! Intel HEX: the bytes of [raw](super::raw) in records with addresses and checksums.

use std::io::{self, Write};

use ihex::Record;

use super::{MemoryFile, ReadError, raw};
use crate::memory::layout::{ByteOrder, Words};

/// Data bytes of a record.
const RECORD: usize = 16;

pub(super) fn write(out: &mut dyn Write, file: &MemoryFile<'_>) -> io::Result<()> {
    let bytes = raw::bytes(file.words, file.byte_order);
    for (index, chunk) in bytes.chunks(RECORD).enumerate() {
        let address = u32::try_from(index * RECORD).map_err(|_| {
            io::Error::other("an Intel HEX file has addresses of 32 bits, and there are more than 4 GiB")
        })?;
        let [offset_low, offset_high, upper_low, upper_high] = address.to_le_bytes();
        if address != 0 && offset_low == 0 && offset_high == 0 {
            write_record(out, &Record::ExtendedLinearAddress(u16::from_le_bytes([upper_low, upper_high])))?;
        }
        let offset = u16::from_le_bytes([offset_low, offset_high]);
        write_record(out, &Record::Data { offset, value: chunk.to_vec() })?;
    }
    write_record(out, &Record::EndOfFile)
}

fn write_record(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let text = record.to_record_string().map_err(|error| io::Error::other(error.to_string()))?;
    writeln!(out, "{text}")
}

pub(super) fn read(bytes: &[u8], bits: u32, byte_order: ByteOrder) -> Result<Words, ReadError> {
    let text = super::lines::text(bytes)?;
    let mut data = Vec::new();
    let mut upper = 0_usize;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let record = Record::from_record_string(line)
            .map_err(|error| ReadError::at_line(number, line, format!("a record: {error}")))?;
        match record {
            Record::Data { offset, value } => {
                if upper + usize::from(offset) != data.len() {
                    let found = format!("address {}", upper + usize::from(offset));
                    return Err(ReadError::at_line(number, found, format!("{}, without a gap", data.len())));
                }
                data.extend(value);
            }
            Record::ExtendedLinearAddress(high) => upper = usize::from(high) << 16,
            Record::EndOfFile => return raw::read(&data, bits, byte_order),
            other => {
                let expected = "data, an extended linear address or the end";
                return Err(ReadError::at_line(number, format!("{other:?}"), expected));
            }
        }
    }
    Err(ReadError::whole("no end-of-file record", "a whole file"))
}
