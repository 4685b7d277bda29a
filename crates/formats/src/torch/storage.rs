//! Storages: the raw bytes behind tensors, found by the persistent ids of the pickle.

use std::cell::RefCell;
use std::collections::HashMap;

use bytes::Bytes;
use bytestring::ByteString;

use super::archive::Archive;
use super::budget::Budget;
use super::heap::{Heap, Object, Ref, shortened};
use super::pickle::Pickle;
use crate::error::{ReadError, Result};
use crate::tensor::{ByteOrder, DType};

/// Element type of a storage, as far as its class says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StorageType {
    /// One of ours.
    Known(DType),
    /// Bytes; the tensor says the element type.
    Untyped,
    /// One that we do not read, with its name and bytes per element.
    Other(String, usize),
}

impl StorageType {
    /// From a class such as `torch.FloatStorage`; `None` for anything else.
    fn from_class(name: &str) -> Option<Self> {
        let short = name
            .strip_prefix("torch.")?
            .trim_start_matches("cuda.")
            .trim_start_matches("storage.")
            .strip_suffix("Storage")?;
        Some(match short {
            "QInt8" => Self::Known(DType::QInt8),
            "QUInt8" => Self::Known(DType::QUInt8),
            "QInt32" => Self::Known(DType::QInt32),
            "Bool" => Self::Known(DType::Bool),
            "Byte" => Self::Known(DType::U8),
            "Char" => Self::Known(DType::I8),
            "Short" => Self::Known(DType::I16),
            "Int" => Self::Known(DType::I32),
            "Long" => Self::Known(DType::I64),
            "Half" => Self::Known(DType::F16),
            "BFloat16" => Self::Known(DType::BF16),
            "Float" => Self::Known(DType::F32),
            "Double" => Self::Known(DType::F64),
            "Untyped" | "_Untyped" => Self::Untyped,
            "QUInt4x2" | "QUInt2x4" => Self::Other(name.to_owned(), 1),
            "ComplexFloat" => Self::Other(name.to_owned(), 8),
            "ComplexDouble" => Self::Other(name.to_owned(), 16),
            _ => return None,
        })
    }

    /// Bytes per element.
    fn size(&self) -> usize {
        match self {
            Self::Known(dtype) => dtype.size(),
            Self::Untyped => 1,
            Self::Other(_, size) => *size,
        }
    }
}

/// A persistent id: `('storage', torch.<T>Storage, key, location, number of elements[, view])`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StorageId {
    pub(crate) kind: StorageType,
    pub(crate) key: ByteString,
    /// Length, in bytes.
    pub(crate) bytes: usize,
}

impl StorageId {
    /// Reads the persistent id `id`.
    ///
    /// # Errors
    /// It is not one of PyTorch's, or is one of before PyTorch 0.4 that is a view of another storage.
    pub(crate) fn parse(heap: &Heap, id: Ref) -> Result<Self> {
        let refuse = |found: String| {
            ReadError::malformed(
                "a persistent id",
                found,
                "('storage', torch.<T>Storage, key, location, number of elements)",
            )
        };
        let (tag, class, key, count, view) = match heap.tuple(id) {
            Some(&[tag, class, key, _, count]) => (tag, class, key, count, None),
            Some(&[tag, class, key, _, count, view]) => (tag, class, key, count, Some(view)),
            _ => return Err(refuse(heap.kind(id))),
        };
        if heap.text(tag).is_none_or(|tag| *tag != "storage") {
            return Err(refuse(heap.kind(tag)));
        }
        if view.is_some_and(|view| !matches!(heap.get(view), Object::None)) {
            return Err(ReadError::unsupported(
                "a persistent id",
                "a storage that is a view of another one",
                "storages of PyTorch 0.4 or newer",
            )
            .hint("load the file in PyTorch and save it again"));
        }
        let name = heap.name(class);
        let kind = StorageType::from_class(name).ok_or_else(|| {
            ReadError::unsupported(
                "a persistent id",
                format!("a storage of class {:?}", shortened(name)),
                "torch.<T>Storage",
            )
        })?;
        // Keys are numbers, or the decimal digits of a pointer.
        let key =
            heap.text(key).filter(|key| key.len() <= 256).ok_or_else(|| refuse(heap.kind(key)))?.clone();
        let bytes = heap
            .int(count)
            .and_then(|count| usize::try_from(count).ok()?.checked_mul(kind.size()))
            .ok_or_else(|| refuse(heap.kind(count)))?;
        Ok(Self { kind, key, bytes })
    }
}

/// Where the bytes of storages come from.
#[derive(Debug)]
pub(crate) enum Storages<'a> {
    Zip(ZipStorages<'a>),
    Legacy(&'a LegacyStorages),
}

impl Storages<'_> {
    /// The bytes of a storage, shared with the file.
    ///
    /// # Errors
    /// There are none under its key, or not as many as it has elements.
    pub(crate) fn get(&self, id: &StorageId) -> Result<Bytes> {
        let (name, bytes) = match self {
            Self::Zip(zip) => zip.get(&id.key)?,
            Self::Legacy(legacy) => (
                format!("storage {:?}", shortened(&id.key)),
                legacy.0.get(&id.key).cloned().unwrap_or_default(),
            ),
        };
        if bytes.len() != id.bytes {
            return Err(ReadError::malformed(
                name,
                format!("{} bytes", bytes.len()),
                format!("the {} of the elements that the pickle counts", id.bytes),
            ));
        }
        Ok(bytes)
    }

    /// Order of the bytes of an element.
    pub(crate) fn byte_order(&self) -> ByteOrder {
        match self {
            Self::Zip(zip) => zip.byte_order,
            Self::Legacy(_) => ByteOrder::Little,
        }
    }
}

/// Storages of a zip archive, one entry each.
#[derive(Debug)]
pub(crate) struct ZipStorages<'a> {
    archive: &'a Archive,
    folder: &'a str,
    byte_order: ByteOrder,
    budget: &'a Budget,
    /// Entries whose checksum was verified: a storage may be shared by many tensors.
    verified: RefCell<HashMap<ByteString, Bytes>>,
}

impl<'a> ZipStorages<'a> {
    /// Storages in `<prefix>/<folder>/`.
    ///
    /// # Errors
    /// The archive's byte order is unknown.
    pub(crate) fn new(archive: &'a Archive, folder: &'a str, budget: &'a Budget) -> Result<Self> {
        let byte_order = archive.byte_order(budget)?;
        Ok(Self { archive, folder, byte_order, budget, verified: RefCell::default() })
    }

    fn get(&self, key: &ByteString) -> Result<(String, Bytes)> {
        // Mobile files keep the storages of all pickles in one folder, and say so in the key.
        let folder = if key.ends_with(".storage") { "constants" } else { self.folder };
        let name = format!("{folder}/{key}");
        if let Some(bytes) = self.verified.borrow().get(key) {
            return Ok((name, bytes.clone()));
        }
        let bytes = self.archive.require(&name, self.budget)?;
        self.verified.borrow_mut().insert(key.clone(), bytes.clone());
        Ok((name, bytes))
    }
}

/// Storages that stand behind the pickles of a legacy file.
#[derive(Debug)]
pub(crate) struct LegacyStorages(HashMap<ByteString, Bytes>);

impl LegacyStorages {
    /// Cuts the storages out of `bytes`: for each key of the list, the number of elements as an int64, then the
    /// elements, little-endian.
    ///
    /// # Errors
    /// A key has no persistent id in the pickle, or a storage is cut short or of another length than its id says.
    pub(crate) fn read(bytes: &Bytes, pickle: &Pickle, keys: &Pickle, budget: &Budget) -> Result<Self> {
        let place = "the list of storages";
        let mut ids = HashMap::new();
        for id in pickle.heap.persistent_ids() {
            let id = StorageId::parse(&pickle.heap, id)?;
            budget.take(4 * size_of::<(ByteString, StorageId)>(), place)?;
            ids.insert(id.key.clone(), id);
        }
        let list = keys
            .heap
            .sequence(keys.root)
            .ok_or_else(|| ReadError::malformed(place, keys.heap.kind(keys.root), "a list of keys"))?;
        let mut storages = HashMap::new();
        let mut at = keys.end;
        for &key in list {
            let Some(key) = keys.heap.text(key) else {
                return Err(ReadError::malformed(place, keys.heap.kind(key), "a key"));
            };
            let place = format!("storage {:?} at byte {at}", shortened(key));
            let Some(id) = ids.get(key) else {
                return Err(ReadError::malformed(
                    place,
                    "a storage that no tensor names",
                    "one in the pickle",
                ));
            };
            let count =
                bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).map(|b| i64::from_le_bytes(*b));
            let expected = id.bytes / id.kind.size();
            if count.and_then(|count| usize::try_from(count).ok()) != Some(expected) {
                return Err(ReadError::malformed(
                    place,
                    count.map_or_else(
                        || "the end of the file".to_owned(),
                        |count| format!("{count} elements"),
                    ),
                    format!("the {expected} that the pickle counts"),
                ));
            }
            let start = at + 8;
            let Some(end) = start.checked_add(id.bytes).filter(|&end| end <= bytes.len()) else {
                return Err(ReadError::malformed(
                    place,
                    format!("{} bytes up to the end of the file", bytes.len() - start),
                    format!("{} bytes", id.bytes),
                ));
            };
            storages.insert(key.clone(), bytes.slice(start..end));
            at = end;
        }
        Ok(Self(storages))
    }
}
