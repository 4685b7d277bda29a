//! The parts of the JSON of an exported program that say what it computes.
//!
//! Text and the values of unions are borrowed from the file: what is not asked for costs nothing. Unknown fields are
//! passed over, because each version of PyTorch adds some; an unknown union is met where it is used.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::heap::shortened;
use crate::error::{ReadError, Result};
use crate::tensor::DType;

/// Reads the JSON text of an entry.
///
/// # Errors
/// It is no JSON, or not of this type.
pub(super) fn parse<'a, T: Deserialize<'a>>(entry: &str, bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        ReadError::malformed(entry, shortened(&error.to_string()), "JSON as torch.export writes it")
    })
}

/// The whole file.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Program<'a> {
    pub(super) schema_version: Version,
    #[serde(borrow)]
    pub(super) graph_module: GraphModule<'a>,
}

/// Version of the schema.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub(super) struct Version {
    pub(super) major: u64,
    pub(super) minor: u64,
}

/// The graph, and what its inputs are.
#[derive(Debug, serde::Deserialize)]
pub(super) struct GraphModule<'a> {
    #[serde(borrow)]
    pub(super) graph: GraphText<'a>,
    #[serde(borrow)]
    pub(super) signature: Signature<'a>,
}

/// Calls in the order of execution.
#[derive(Debug, serde::Deserialize)]
pub(super) struct GraphText<'a> {
    #[serde(borrow)]
    pub(super) nodes: Vec<NodeText<'a>>,
}

/// One call.
#[derive(Debug, serde::Deserialize)]
pub(super) struct NodeText<'a> {
    #[serde(borrow)]
    pub(super) target: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) inputs: Vec<Input<'a>>,
    #[serde(borrow)]
    pub(super) outputs: Vec<Union<'a>>,
    #[serde(borrow, default)]
    pub(super) metadata: Metadata<'a>,
}

/// One argument of a call.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Input<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) arg: Union<'a>,
    /// 1 for positional, 2 for keyword; before schema 8 the file does not say.
    #[serde(default)]
    pub(super) kind: Option<u64>,
}

/// Where a call comes from.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Metadata<'a> {
    /// `key,path,class` of each module around the call, outermost first, between semicolons.
    #[serde(borrow, default)]
    pub(super) nn_module_stack: Option<Cow<'a, str>>,
}

/// What the graph's inputs and outputs are.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Signature<'a> {
    #[serde(borrow)]
    pub(super) input_specs: Vec<Union<'a>>,
    #[serde(borrow)]
    pub(super) output_specs: Vec<Union<'a>>,
}

/// A user's input or output: `{"arg": {"as_tensor": {"name": ...}}}`.
#[derive(Debug, serde::Deserialize)]
pub(super) struct UserArgument<'a> {
    #[serde(borrow)]
    pub(super) arg: Union<'a>,
}

/// An input that is a parameter, buffer or constant of the file.
#[derive(Debug, serde::Deserialize)]
pub(super) struct StoredArgument<'a> {
    #[serde(borrow)]
    pub(super) arg: Name<'a>,
    /// Its key among the tensors of the file.
    #[serde(borrow, alias = "parameter_name", alias = "buffer_name", alias = "tensor_constant_name")]
    pub(super) key: Cow<'a, str>,
}

/// The name of a value.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Name<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
}

/// Sizes and type of a tensor.
#[derive(Debug, serde::Deserialize)]
pub(super) struct TensorMeta<'a> {
    pub(super) dtype: u64,
    #[serde(borrow)]
    pub(super) sizes: Vec<Union<'a>>,
    #[serde(borrow)]
    pub(super) strides: Vec<Union<'a>>,
    #[serde(borrow)]
    pub(super) storage_offset: Union<'a>,
}

/// An object of one entry, whose key says what the value is: `{"as_int": 1}`.
#[derive(Debug)]
pub(super) struct Union<'a> {
    /// The key.
    pub(super) tag: Cow<'a, str>,
    /// The value's text.
    pub(super) value: &'a RawValue,
}

impl<'a> Union<'a> {
    /// The value, of the type that the key stands for.
    ///
    /// # Errors
    /// It is of another type.
    pub(super) fn parse<T: Deserialize<'a>>(&self, place: &str) -> Result<T> {
        serde_json::from_str(self.value.get()).map_err(|error| {
            ReadError::malformed(
                place,
                format!("{:?}: {}", shortened(&self.tag), shortened(&error.to_string())),
                "a value of its type",
            )
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Union<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Entry<'a> {
            type Value = Union<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of one entry")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(Text(tag)) = map.next_key()? else {
                    return Err(A::Error::custom("an empty object, expected one entry"));
                };
                let value = map.next_value()?;
                match map.next_entry::<IgnoredAny, IgnoredAny>()? {
                    None => Ok(Union { tag, value }),
                    Some(_) => Err(A::Error::custom("an object of several entries, expected one")),
                }
            }
        }
        deserializer.deserialize_map(Entry(PhantomData))
    }
}

/// Text, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The element type of a number of the schema's `ScalarType`; `None` for those that we do not read.
pub(super) fn dtype_of(scalar_type: u64) -> Option<DType> {
    Some(match scalar_type {
        1 => DType::U8,
        2 => DType::I8,
        3 => DType::I16,
        4 => DType::I32,
        5 => DType::I64,
        6 => DType::F16,
        7 => DType::F32,
        8 => DType::F64,
        12 => DType::Bool,
        13 => DType::BF16,
        _ => return None,
    })
}
