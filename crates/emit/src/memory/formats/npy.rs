//! An array of unsigned integers for numpy; words of more than 64 bits are rows of bytes in the byte order of the memory.

use std::io::{self, Write};

use npyz::{NpyFile, WriterBuilder};

use super::{MemoryFile, ReadError, raw};
use crate::memory::layout::{ByteOrder, Words};

/// Bytes of the element type that holds a word; `None` for rows of bytes.
fn element_bytes(bits: u32) -> Option<usize> {
    [1, 2, 4, 8].into_iter().find(|bytes| bits as usize <= 8 * bytes)
}

pub(super) fn write(out: &mut dyn Write, file: &MemoryFile<'_>) -> io::Result<()> {
    let words = file.words;
    let count = words.len() as u64;
    match element_bytes(words.bits()) {
        Some(1) => write_array(out, &[count], words.iter().map(|word| word[0])),
        Some(2) => write_array(out, &[count], words.iter().map(|word| u16::from_le_bytes(padded(word)))),
        Some(4) => write_array(out, &[count], words.iter().map(|word| u32::from_le_bytes(padded(word)))),
        Some(_) => write_array(out, &[count], words.iter().map(|word| u64::from_le_bytes(padded(word)))),
        None => write_array(out, &[count, words.stride() as u64], raw::bytes(words, file.byte_order)),
    }
}

/// A word in as many bytes as an element has.
fn padded<const N: usize>(word: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
    bytes
}

fn write_array<T: npyz::AutoSerialize>(
    out: &mut dyn Write,
    shape: &[u64],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd()?;
    writer.extend(values)?;
    writer.finish()?;
    out.write_all(&bytes)
}

pub(super) fn read(bytes: &[u8], bits: u32, byte_order: ByteOrder) -> Result<Words, ReadError> {
    let unreadable = |error: io::Error| ReadError::whole(error.to_string(), "an array of unsigned integers");
    let file = NpyFile::new(bytes).map_err(unreadable)?;
    let elements = file.shape().iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
    if elements.is_none_or(|elements| elements > bytes.len() as u64) {
        return Err(ReadError::whole(format!("sizes {:?}", file.shape()), "no more than there are bytes"));
    }
    let width = element_bytes(bits);
    let values: Vec<u64> = match width {
        None | Some(1) => {
            let data = file.into_vec::<u8>().map_err(unreadable)?;
            if width.is_none() {
                return raw::read(&data, bits, byte_order);
            }
            data.into_iter().map(u64::from).collect()
        }
        Some(2) => file.into_vec::<u16>().map_err(unreadable)?.into_iter().map(u64::from).collect(),
        Some(4) => file.into_vec::<u32>().map_err(unreadable)?.into_iter().map(u64::from).collect(),
        Some(_) => file.into_vec::<u64>().map_err(unreadable)?,
    };
    let mut words = Words::new(bits);
    for (index, value) in values.into_iter().enumerate() {
        let fits = bits >= 64 || value >> bits == 0;
        let stride = words.stride();
        fits.then(|| words.push(&value.to_le_bytes()[..stride])).flatten().ok_or_else(|| ReadError {
            place: format!("element {index}"),
            found: value.to_string(),
            expected: format!("{bits} bits"),
        })?;
    }
    Ok(words)
}
