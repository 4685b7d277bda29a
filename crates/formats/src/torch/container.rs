//! What a file's bytes are wrapped in: gzip, zip, PyTorch's legacy sequence of pickles, or something else by name.

use std::io::{Cursor, Read};

use bytes::Bytes;
use indexmap::IndexMap;
use zip::CompressionMethod;

use super::budget::Budget;
use super::export;
use super::heap::Object;
use super::pickle::{self, Pickle};
use super::signature;
use super::storage::LegacyStorages;
use crate::error::{ReadError, Result};
use crate::tensor::ByteOrder;

/// A checkpoint, by the way in which it holds its pickles and storages.
#[derive(Debug)]
pub(crate) enum Container {
    /// `torch.save` since 1.6, and TorchScript.
    Zip(Archive),
    /// `torch.save` before 1.6: pickles and storages one after the other.
    Legacy { pickle: Pickle, storages: LegacyStorages },
}

/// Decompresses gzip: `None` where the bytes are not gzip.
///
/// # Errors
/// The stream is broken, or expands beyond 48 MiB and four times its size.
pub(crate) fn gunzip(bytes: &Bytes) -> Result<Option<Bytes>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(None);
    }
    let limit = (48 << 20) + bytes.len().saturating_mul(4);
    let mut stream = flate2::read::MultiGzDecoder::new(&bytes[..]).take(limit as u64 + 1);
    let mut out = Vec::new();
    // Grows in steps instead of by doubling, so that the peak stays near the size of the contents.
    const STEP: usize = 4 << 20;
    loop {
        let before = out.len();
        out.reserve_exact(STEP.min(limit + 1 - before.min(limit)));
        stream
            .by_ref()
            .take(STEP as u64)
            .read_to_end(&mut out)
            .map_err(|error| ReadError::malformed("the gzip stream", error.to_string(), "gzip data"))?;
        if out.len() > limit {
            return Err(ReadError::unsupported(
                "the gzip stream",
                format!("more than {limit} bytes in {} of gzip", bytes.len()),
                "a compressed model",
            )
            .hint("decompress it with gunzip and give the result"));
        }
        if out.len() == before {
            return Ok(Some(out.into()));
        }
    }
}

/// Recognises the container of bytes that are not gzip.
///
/// # Errors
/// The container is broken, or is none of PyTorch's.
pub(crate) fn open(bytes: &Bytes, budget: &Budget) -> Result<Container> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Archive::open(bytes, budget).map(Container::Zip);
    }
    if signature::is_tar(bytes) {
        return Err(signature::refuse_tar(bytes));
    }
    if looks_like_pickle(bytes) {
        return legacy(bytes, budget);
    }
    // A zip archive may stand behind other bytes; only then is it searched for from the end.
    match Archive::open(bytes, budget) {
        Ok(archive) => Ok(Container::Zip(archive)),
        Err(_) => Err(signature::refuse(bytes)),
    }
}

/// PROTO, or an opcode with which a pickle without PROTO can begin, and STOP as the last byte.
fn looks_like_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 0..=5, ..])
        || matches!(
            bytes,
            [b'(' | b'c' | b'I' | b'L' | b'F' | b'S' | b'V' | b'N' | b']' | b'}' | b')', .., b'.']
        )
}

/// The five pickles of a legacy file, then its storages.
fn legacy(bytes: &Bytes, budget: &Budget) -> Result<Container> {
    const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    const MAGIC_DECIMAL: &[u8] = b"119547037146038801333356";

    let magic = pickle::load(bytes, 0, "the first pickle", budget)?;
    match magic.heap.get(magic.root) {
        Object::Long(value) if value[..] == MAGIC || value[..] == *MAGIC_DECIMAL => {}
        _ => {
            return Err(ReadError::unsupported(
                "",
                format!("a plain pickle of {}", magic.heap.kind(magic.root)),
                "a file written by torch.save",
            )
            .hint("save the model with torch.save instead of pickle, joblib or dill"));
        }
    }
    let protocol = pickle::load(bytes, magic.end, "the protocol", budget)?;
    if protocol.heap.int(protocol.root) != Some(1001) {
        return Err(ReadError::unsupported(
            "the protocol",
            protocol.heap.kind(protocol.root),
            "the integer 1001, the only protocol PyTorch ever wrote",
        ));
    }
    let system = pickle::load(bytes, protocol.end, "the system information", budget)?;
    let little = system.heap.entry(system.root, "little_endian").map(|flag| system.heap.get(flag));
    if !matches!(little, None | Some(Object::Bool(true))) {
        return Err(ReadError::unsupported(
            "the system information",
            "a legacy file of a big-endian machine",
            "little-endian storages",
        )
        .hint("load it in PyTorch and save it again with torch.save"));
    }
    let pickle = pickle::load(bytes, system.end, "the pickle", budget)?;
    let keys = pickle::load(bytes, pickle.end, "the list of storages", budget)?;
    let storages = LegacyStorages::read(bytes, &pickle, &keys, budget)?;
    Ok(Container::Legacy { pickle, storages })
}

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
    fn open(bytes: &Bytes, budget: &Budget) -> Result<Self> {
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
            .or_else(|| entries.keys().find_map(|name| export::root(name)))
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
