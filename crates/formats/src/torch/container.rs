//! What a file's bytes are wrapped in: gzip, zip, PyTorch's legacy sequence of pickles, or something else by name.

use std::io::Read;

use bytes::Bytes;

use super::archive::Archive;
use super::budget::Budget;
use super::heap::Object;
use super::pickle::{self, Pickle};
use super::signature;
use super::storage::LegacyStorages;
use crate::error::{ReadError, Result};

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
