//! Numbers that are known before anything runs: constants of the file and what exporters compute from them.

use std::sync::Arc;

use gen_params_formats::{DType, Tensor, ValueFacts, ValueId};

use crate::qdq::{Constant, Elements};

/// An integer type of the file, or the reals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    /// Whether integers have a sign.
    pub(super) signed: bool,
    /// Bits of an integer in the file; 0 for reals.
    pub(super) bits: u32,
}

impl Element {
    pub(super) const REAL: Self = Self { signed: true, bits: 0 };
    pub(super) const INT64: Self = Self { signed: true, bits: 64 };
    pub(super) const UINT8: Self = Self { signed: false, bits: 8 };

    /// By the number of an element type in `Cast` and `output_dtype`.
    pub(super) fn of_number(number: i64) -> Option<Self> {
        Some(match number {
            1 | 10 | 11 | 16 => Self::REAL,
            2 => Self::UINT8,
            3 => Self { signed: true, bits: 8 },
            4 => Self { signed: false, bits: 16 },
            5 => Self { signed: true, bits: 16 },
            6 => Self { signed: true, bits: 32 },
            7 => Self::INT64,
            9 => Self { signed: false, bits: 1 },
            12 => Self { signed: false, bits: 32 },
            21 => Self { signed: false, bits: 4 },
            22 => Self { signed: true, bits: 4 },
            25 => Self { signed: false, bits: 2 },
            26 => Self { signed: true, bits: 2 },
            _ => return None,
        })
    }

    /// By the name that the reader gives an element type.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::of_number(match name {
            "FLOAT" | "FLOAT16" | "DOUBLE" | "BFLOAT16" => 1,
            "UINT8" => 2,
            "INT8" => 3,
            "UINT16" => 4,
            "INT16" => 5,
            "INT32" => 6,
            "INT64" => 7,
            "BOOL" => 9,
            "UINT32" => 12,
            "UINT4" => 21,
            "INT4" => 22,
            "UINT2" => 25,
            "INT2" => 26,
            _ => return None,
        })
    }
}

/// A size of a tensor, where the exporter computes with sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// A number.
    Known(i64),
    /// The size of a value along an axis.
    Of(ValueId, usize),
}

/// The numbers of a [`Numbers`], in row-major order.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// Reals.
    Reals(Arc<[f32]>),
    /// Integers.
    Integers(Arc<[i64]>),
    /// Sizes, some of them not known.
    Sizes(Arc<[Size]>),
}

/// An array of numbers.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

impl Numbers {
    /// A constant of the file; `None` for element types without numbers.
    pub(super) fn of_facts(facts: &ValueFacts) -> Option<Self> {
        let tensor = facts.constant.as_ref()?;
        Self::of_tensor(tensor, Element::of_name(&facts.element_type)?)
    }

    /// A tensor of an attribute.
    pub(super) fn of_attribute(tensor: &Tensor) -> Option<Self> {
        let element = match tensor.dtype() {
            DType::U8 | DType::QUInt8 => Element::UINT8,
            DType::I8 | DType::QInt8 => Element { signed: true, bits: 8 },
            DType::I16 => Element { signed: true, bits: 16 },
            DType::I32 | DType::QInt32 => Element { signed: true, bits: 32 },
            DType::I64 => Element::INT64,
            DType::Bool => Element { signed: false, bits: 1 },
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => Element::REAL,
        };
        Self::of_tensor(tensor, element)
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "the network is one of float32; doubles are rare constants"
    )]
    fn of_tensor(tensor: &Tensor, element: Element) -> Option<Self> {
        let data = if element == Element::REAL {
            match tensor.to_f32() {
                Some(reals) => Data::Reals(reals.into()),
                None => Data::Reals(tensor.to_f64()?.into_iter().map(|x| x as f32).collect()),
            }
        } else {
            Data::Integers(tensor.to_i64()?.into())
        };
        Some(Self { element, shape: tensor.shape().to_vec(), data })
    }

    /// 64-bit integers or sizes in one axis.
    pub(super) fn sizes(sizes: Vec<Size>) -> Self {
        let known: Option<Arc<[i64]>> =
            sizes.iter().map(|s| if let Size::Known(n) = s { Some(*n) } else { None }).collect();
        let shape = vec![sizes.len()];
        let data = known.map_or_else(|| Data::Sizes(sizes.into()), Data::Integers);
        Self { element: Element::INT64, shape, data }
    }

    /// As sizes; `None` for reals.
    pub(super) fn to_sizes(&self) -> Option<Vec<Size>> {
        match &self.data {
            Data::Reals(_) => None,
            Data::Integers(integers) => Some(integers.iter().map(|&n| Size::Known(n)).collect()),
            Data::Sizes(sizes) => Some(sizes.to_vec()),
        }
    }

    /// All integers; `None` for reals and where some are not known.
    pub(super) fn integers(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Integers(integers) => Some(integers),
            Data::Reals(_) | Data::Sizes(_) => None,
        }
    }

    /// All reals; `None` for integers.
    pub(super) fn reals(&self) -> Option<&[f32]> {
        match &self.data {
            Data::Reals(reals) => Some(reals),
            Data::Integers(_) | Data::Sizes(_) => None,
        }
    }

    /// As a constant of the float graph; `None` for integers.
    pub(super) fn constant(&self) -> Option<Constant> {
        match &self.data {
            Data::Reals(reals) => {
                Some(Constant { shape: self.shape.clone(), elements: Elements::Reals(reals.clone()) })
            }
            Data::Integers(_) | Data::Sizes(_) => None,
        }
    }

    /// The same numbers under other sizes, of which one may be -1.
    pub(super) fn reshaped(&self, sizes: &[i64]) -> Option<Self> {
        let count: usize = self.shape.iter().product();
        let fixed = sizes.iter().filter(|&&s| s != -1).map(|&s| usize::try_from(s).ok());
        let product =
            fixed.collect::<Option<Vec<usize>>>()?.into_iter().try_fold(1usize, usize::checked_mul)?;
        let inferred = count.checked_div(product).unwrap_or(0);
        let shape: Vec<usize> = sizes.iter().map(|&s| usize::try_from(s).unwrap_or(inferred)).collect();
        let sound = count > 0
            && sizes.iter().filter(|&&s| s == -1).count() <= 1
            && shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s)) == Some(count);
        sound.then(|| Self { shape, ..self.clone() })
    }
}
