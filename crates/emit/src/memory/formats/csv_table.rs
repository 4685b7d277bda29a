//! Comma-separated values: a header, then address and decimal word, comments on lines that begin with `#`.

use std::io::{self, Write};

use super::{MemoryFile, ReadError, digits, lines};
use crate::memory::layout::Words;

const HEADER: [&str; 2] = ["address", "word"];

pub(super) fn write(out: &mut dyn Write, file: &MemoryFile<'_>) -> io::Result<()> {
    lines::write_head(out, &file.head, "#")?;
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(HEADER)?;
    let mut text = String::new();
    for (index, word) in file.words.iter().enumerate() {
        text.clear();
        digits::to_decimal(word, file.words.bits(), file.signed, &mut text);
        writer.write_record([index.to_string().as_str(), &text])?;
    }
    writer.flush()
}

pub(super) fn read(bytes: &[u8], bits: u32) -> Result<Words, ReadError> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(bytes);
    let unreadable = |error: csv::Error| ReadError::whole(error.to_string(), "rows of address and word");
    let header = reader.headers().map_err(unreadable)?;
    if header != HEADER.as_slice() {
        return Err(ReadError::whole(format!("{header:?}"), "the header address,word"));
    }
    let mut words = Words::new(bits);
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let line =
            row.position().map_or(0, |position| usize::try_from(position.line()).unwrap_or(usize::MAX));
        let (address, word) = (row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default());
        if address.parse() != Ok(words.len()) {
            return Err(ReadError::at_line(line, format!("address {address}"), words.len().to_string()));
        }
        lines::push(&mut words, word, 10, line)?;
    }
    Ok(words)
}
