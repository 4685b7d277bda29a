//! The parameters, buffers and constants of a `.pt2` archive, by their keys.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use indexmap::IndexMap;

use super::super::archive::Archive;
use super::super::budget::Budget;
use super::super::container::{self, Container};
use super::super::facts::Facts;
use super::super::heap::shortened;
use super::super::pickle;
use super::super::storage::{Storages, ZipStorages};
use super::schema::{self, TensorMeta, Union};
use crate::error::{ReadError, Result};
use crate::source::Value;
use crate::tensor::Tensor;

/// PyTorch's own limit.
const MOST_DIMENSIONS: usize = 64;

/// Values by key, in file order: tensors, and by name what we do not interpret.
pub(super) type Tensors = IndexMap<String, Value>;

/// Reads every tensor of the archive.
///
/// # Errors
/// An entry is missing or broken, or a tensor reaches past its bytes.
pub(super) fn read(archive: &Archive, model: Option<&str>, budget: &Budget) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    let Some(model) = model else {
        saved(archive, "serialized_state_dict.pt", budget, &mut tensors)?;
        saved(archive, "serialized_constants.pt", budget, &mut tensors)?;
        return Ok(tensors);
    };
    for folder in ["weights", "constants"] {
        let config = format!("data/{folder}/{model}_{folder}_config.json");
        match archive.read(&config, budget)? {
            Some(bytes) => listed(archive, folder, &config, &bytes, budget, &mut tensors)?,
            None => saved(archive, &format!("data/{folder}/{model}.pt"), budget, &mut tensors)?,
        }
    }
    Ok(tensors)
}

/// A file of `torch.save` inside of the archive: a dict of tensors. An empty entry is an empty dict.
fn saved(archive: &Archive, entry: &str, budget: &Budget, tensors: &mut Tensors) -> Result<()> {
    let bytes = archive.require(entry, budget)?;
    if bytes.is_empty() {
        return Ok(());
    }
    let inside = |error: ReadError| ReadError { place: format!("{entry}: {}", error.place), ..error };
    let refuse = |found: String| ReadError::malformed(entry, found, "a dict of tensors, saved by torch.save");
    let Container::Zip(inner) = container::open(&bytes, budget).map_err(inside)? else {
        return Err(refuse("a file in PyTorch's format of before 1.6".into()));
    };
    let data = inner.require("data.pkl", budget).map_err(inside)?;
    let pickle = pickle::load(&data, 0, "data.pkl", budget).map_err(inside)?;
    let storages = Storages::Zip(ZipStorages::new(&inner, "data", budget).map_err(inside)?);
    let facts = Facts { heap: &pickle.heap, storages: &storages, budget };
    let pairs = facts.pairs(entry, pickle.root)?.ok_or_else(|| refuse(pickle.heap.kind(pickle.root)))?;
    for (key, value) in pairs {
        let key = pickle.heap.text(key).ok_or_else(|| refuse(pickle.heap.kind(key)))?;
        let value = facts.value(&shortened(key), value).map_err(inside)?;
        insert(tensors, entry, key, value, budget)?;
    }
    Ok(())
}

/// The list of raw tensors.
#[derive(serde::Deserialize)]
struct Config<'a> {
    #[serde(borrow)]
    config: IndexMap<Cow<'a, str>, Stored<'a>>,
}

/// Where a tensor stands.
#[derive(serde::Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    path_name: Cow<'a, str>,
    #[serde(default)]
    use_pickle: bool,
    #[serde(borrow, default)]
    tensor_meta: Option<TensorMeta<'a>>,
}

/// Tensors whose bytes are entries of their own.
fn listed(
    archive: &Archive,
    folder: &str,
    entry: &str,
    bytes: &[u8],
    budget: &Budget,
    tensors: &mut Tensors,
) -> Result<()> {
    // What the parsed text may take: sizes take the most, 6 times their shortest text.
    budget.take(bytes.len().saturating_mul(8), entry)?;
    let Config { config } = schema::parse(entry, bytes)?;
    let byte_order = archive.byte_order(budget)?;
    // Tensors may share their bytes, whose checksum is verified once.
    let mut verified: HashMap<&str, Bytes> = HashMap::new();
    for (key, stored) in &config {
        let place = shortened(key);
        let meta = match &stored.tensor_meta {
            Some(meta) if !stored.use_pickle => meta,
            _ => {
                insert(tensors, entry, key, Value::Opaque("a pickled object".into()), budget)?;
                continue;
            }
        };
        let Some(dtype) = schema::dtype_of(meta.dtype) else {
            let name = format!("a tensor of scalar type {}", meta.dtype);
            insert(tensors, entry, key, Value::Opaque(name.into()), budget)?;
            continue;
        };
        let shape = extents(&place, &meta.sizes)?;
        let strides = extents(&place, &meta.strides)?;
        let offset = extent(&place, &meta.storage_offset)?;
        let raw = match verified.get(&*stored.path_name) {
            Some(raw) => raw.clone(),
            None => {
                let raw = archive.require(&format!("data/{folder}/{}", stored.path_name), budget)?;
                verified.insert(&stored.path_name, raw.clone());
                raw
            }
        };
        let tensor = Tensor::new(&place, dtype, shape, strides, offset, raw, byte_order, None)?;
        insert(tensors, entry, key, Value::Tensor(tensor), budget)?;
    }
    Ok(())
}

fn insert(tensors: &mut Tensors, entry: &str, key: &str, value: Value, budget: &Budget) -> Result<()> {
    budget.take(key.len(), entry)?;
    budget.take_elements::<(usize, String, Value)>(1, entry)?;
    match tensors.insert(key.to_owned(), value) {
        None => Ok(()),
        Some(_) => {
            Err(ReadError::malformed(entry, format!("a second tensor {:?}", shortened(key)), "each key once"))
        }
    }
}

fn extents(place: &str, sizes: &[Union<'_>]) -> Result<Vec<usize>> {
    if sizes.len() > MOST_DIMENSIONS {
        return Err(ReadError::malformed(
            place,
            format!("a tensor of {} dimensions", sizes.len()),
            format!("at most {MOST_DIMENSIONS}"),
        ));
    }
    sizes.iter().map(|size| extent(place, size)).collect()
}

/// A size of a stored tensor, which is a number and not a symbol.
fn extent(place: &str, size: &Union<'_>) -> Result<usize> {
    let number: Option<u64> = if size.tag == "as_int" { Some(size.parse(place)?) } else { None };
    number.and_then(|number| usize::try_from(number).ok()).ok_or_else(|| {
        ReadError::malformed(
            place,
            format!("{:?} for a size", shortened(&size.tag)),
            "{\"as_int\": a number that is not negative}",
        )
    })
}
