//! Zip archives of PyTorch, whose entries are slices of the file.

use std::io::{Cursor, Read};

use bytes::Bytes;
use indexmap::IndexMap;
use zip::CompressionMethod;

use super::budget::Budget;
use super::signature;
use crate::error::{ReadError, Result};
use crate::tensor::ByteOrder;

/// The graph's entry up to PyTorch 2.7.
pub(crate) const OLD_PROGRAM: &str = "serialized_exported_program.json";

/// What stands in every archive since PyTorch 2.8, beside its models.
pub(crate) const FORMAT: &str = "archive_format";

/// A zip archive whose entries are slices of the file.
#[derive(Debug)]
pub(crate) struct Archive {
    /// What stands before `data.pkl`, or before the graph of a `.pt2` archive: up to and with the first slash.
    prefix: String,
    entries: IndexMap<Box<str>, Entry>,
}

#[derive(Debug)]
struct Entry {
    raw: Bytes,
    method: CompressionMethod,
    size: usize,
    crc: u32,
}

impl Archive {
    /// Lists the entries of a checkpoint.
    ///
    /// # Errors
    /// The archive is broken, ambiguous or encrypted, or holds no `<name>/data.pkl`.
    pub(crate) fn open(bytes: &Bytes, budget: &Budget) -> Result<Self> {
        /// More than any checkpoint has, few enough for the directory to be small.
        const MOST_ENTRIES: usize = 1 << 16;

        let broken = |error: zip::result::ZipError| {
            ReadError::malformed("the zip archive", error.to_string(), "a complete zip archive")
        };
        // Before the directory is read, because reading it allocates.
        if bytes.len() / 46 > MOST_ENTRIES
            && memchr::memmem::find_iter(bytes, b"PK\x01\x02").nth(MOST_ENTRIES).is_some()
        {
            return Err(ReadError::unsupported(
                "the zip archive",
                format!("more than {MOST_ENTRIES} entries"),
                "fewer",
            ));
        }
        // PyTorch's archives begin at the file's first byte. Left to detect that, the zip crate takes the second directory
        // record for the first where a record is as long as the zip64 trailer: where `<prefix>/data.pkl` has 30 bytes.
        let config = zip::read::Config { archive_offset: zip::read::ArchiveOffset::Known(0) };
        let mut zip = zip::ZipArchive::with_config(config, Cursor::new(bytes.clone())).map_err(broken)?;
        if zip.has_duplicate_names() {
            return Err(ReadError::malformed("the zip archive", "two entries of one name", "each name once"));
        }
        let mut entries = IndexMap::with_capacity(zip.len());
        let mut total = 0usize;
        for index in 0..zip.len() {
            let file = zip.by_index_raw(index).map_err(broken)?;
            let name: Box<str> = file.name().map_err(broken)?.into();
            budget.take(name.len() + 2 * size_of::<(Box<str>, Entry)>(), "the zip archive")?;
            if file.encrypted() {
                return Err(ReadError::unsupported(&*name, "an encrypted entry", "one that can be read")
                    .hint("unpack it with its password"));
            }
            let end = |start: u64| {
                let start = usize::try_from(start).ok()?;
                let length = usize::try_from(file.compressed_size()).ok()?;
                start.checked_add(length).filter(|&end| end <= bytes.len()).map(|end| start..end)
            };
            let (Some(range), Ok(size)) = (file.data_start().and_then(end), usize::try_from(file.size()))
            else {
                return Err(ReadError::malformed(&*name, "an entry that ends behind the file", "all of it"));
            };
            // Entries that share their bytes would be verified, and inflated, once each.
            total = total.saturating_add(range.len());
            if total > bytes.len() {
                return Err(ReadError::malformed(
                    &*name,
                    "entries that overlap",
                    "bytes of its own for each",
                ));
            }
            let entry =
                Entry { raw: bytes.slice(range), method: file.compression(), size, crc: file.crc32() };
            entries.insert(name, entry);
        }
        let prefix = entries
            .keys()
            .find_map(|name| name.strip_suffix("data.pkl").filter(|prefix| prefix.matches('/').count() == 1))
            .or_else(|| entries.keys().find_map(|name| export_root(name)))
            .map(str::to_owned);
        match prefix {
            Some(prefix) => Ok(Self { prefix, entries }),
            None => Err(signature::refuse_zip(entries.keys().map(|name| &**name))),
        }
    }

    /// Contents of `<prefix>/<name>`; `None` where there is no such entry.
    ///
    /// # Errors
    /// The contents are not what their size and checksum say.
    pub(crate) fn read(&self, name: &str, budget: &Budget) -> Result<Option<Bytes>> {
        let Some(entry) = self.entries.get(&*format!("{}{name}", self.prefix)) else { return Ok(None) };
        let contents = match entry.method {
            CompressionMethod::Stored => entry.raw.clone(),
            CompressionMethod::Deflated => {
                budget.take(entry.size, name)?;
                let mut out = Vec::with_capacity(entry.size);
                flate2::read::DeflateDecoder::new(&entry.raw[..])
                    .take(entry.size as u64 + 1)
                    .read_to_end(&mut out)
                    .map_err(|error| ReadError::malformed(name, error.to_string(), "deflated data"))?;
                out.into()
            }
            other => {
                return Err(ReadError::unsupported(
                    name,
                    format!("the compression {other}"),
                    "none, or deflate",
                ));
            }
        };
        if contents.len() != entry.size {
            return Err(ReadError::malformed(
                name,
                format!("{} bytes", contents.len()),
                format!("the {} that the archive's directory promises", entry.size),
            ));
        }
        // PyTorch can be told not to compute checksums, and then writes 0.
        if entry.crc != 0 && crc32fast::hash(&contents) != entry.crc {
            return Err(ReadError::malformed(
                name,
                "contents that do not match their checksum",
                format!("CRC-32 {:08x}", entry.crc),
            )
            .hint("the file was damaged on its way: fetch it again"));
        }
        Ok(Some(contents))
    }

    /// As [`Archive::read`], for an entry that has to be there.
    ///
    /// # Errors
    /// It is not, or is broken.
    pub(crate) fn require(&self, name: &str, budget: &Budget) -> Result<Bytes> {
        self.read(name, budget)?.ok_or_else(|| {
            ReadError::malformed(name, "no such entry in the archive", format!("<name>/{name}"))
        })
    }

    /// Names of the entries under the prefix, in file order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().filter_map(|name| name.strip_prefix(&*self.prefix))
    }

    /// The order of the bytes of every storage: PyTorch before 2.1 does not say, and wrote little-endian.
    ///
    /// # Errors
    /// The entry says neither `little` nor `big`.
    pub(crate) fn byte_order(&self, budget: &Budget) -> Result<ByteOrder> {
        match self.read("byteorder", budget)?.as_deref() {
            None | Some(b"little") => Ok(ByteOrder::Little),
            Some(b"big") => Ok(ByteOrder::Big),
            Some(other) => Err(ReadError::malformed(
                "byteorder",
                format!("{:?}", String::from_utf8_lossy(other.get(..32).unwrap_or(other))),
                "\"little\" or \"big\"",
            )),
        }
    }
}

/// What stands before the entries of a `.pt2` archive, if `entry` is one that only they have.
fn export_root(entry: &str) -> Option<&str> {
    let root = entry.strip_suffix(OLD_PROGRAM).or_else(|| entry.strip_suffix(FORMAT))?;
    (root.is_empty() || root.ends_with('/') && root.matches('/').count() == 1).then_some(root)
}
