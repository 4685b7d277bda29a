//! Which tables are written, and how each of them lies in memory, for layers of any size.

use gen_params_core::parameters::LayerParameters;

use super::Kind;
use crate::memory::layout::{BankOrder, ByteOrder, Description, Field, Order, Side};

/// The memory of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The tables of every layer, in the order in which they are written.
    pub tables: Vec<TablePlan>,
    /// How activations lie; `None` in row-major order, one code a word.
    pub activation: Option<Packing>,
    /// All tables in one file instead of one file each.
    pub image: bool,
}

impl Memory {
    /// True if every number lies as it does without a target.
    pub fn is_usual(&self) -> bool {
        let usual = Self::default();
        self.tables == usual.tables && self.image == usual.image
    }
}

/// How one kind of number, or one kind of record, lies in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePlan {
    /// What follows the layer's name in the name of the file: that of the kind or the record.
    pub name: String,
    /// The numbers side by side, with their widths: one, or those of a record.
    pub fields: Vec<FieldPlan>,
    /// How.
    pub packing: Packing,
}

/// One kind of number in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldPlan {
    /// The kind.
    pub kind: Kind,
    /// Its width; `None` is the one that the layer's numbers usually have.
    pub bits: Option<u32>,
    /// Whether it has a sign; `None` is as usual.
    pub signed: Option<bool>,
}

impl FieldPlan {
    fn describe(self, layer: &LayerParameters) -> Field {
        let (bits, signed) = self.kind.width(layer);
        Field {
            name: self.kind.name().to_owned(),
            bits: self.bits.unwrap_or(bits),
            signed: self.signed.unwrap_or(signed),
        }
    }
}

/// A layout without the sizes of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    /// The order of elements; `None` is row-major.
    pub order: Option<Order>,
    /// Elements side by side.
    pub lanes: u32,
    /// Bits of a word; `None` is as many as the lanes have, at least 8.
    pub word_bits: Option<u32>,
    /// Where the first lane is.
    pub first_lane: Side,
    /// The order of bytes in a word, and of words in what takes several.
    pub byte_order: ByteOrder,
    /// Number of memories.
    pub banks: u32,
    /// How they share the words.
    pub bank_order: BankOrder,
    /// Each table is filled up to a multiple of this many words.
    pub align: u32,
}

impl Default for Packing {
    /// One element a word, in row-major order.
    fn default() -> Self {
        Self {
            order: None,
            lanes: 1,
            word_bits: None,
            first_lane: Side::Right,
            byte_order: ByteOrder::Little,
            banks: 1,
            bank_order: BankOrder::RoundRobin,
            align: 1,
        }
    }
}

impl Packing {
    /// The layout of a tensor with these fields and sizes.
    pub(crate) fn describe(
        &self,
        layer: &str,
        name: &str,
        fields: Vec<Field>,
        axes: &str,
        shape: Vec<usize>,
    ) -> Description {
        let cell: u32 = fields.iter().fold(0, |sum: u32, field| sum.saturating_add(field.bits));
        Description {
            layer: layer.to_owned(),
            name: name.to_owned(),
            axes: axes.to_owned(),
            shape,
            fields,
            order: self.order.clone().unwrap_or_else(|| Order::row_major(axes)),
            lanes: self.lanes,
            word_bits: self.word_bits.unwrap_or_else(|| cell.saturating_mul(self.lanes).max(8)),
            first_lane: self.first_lane,
            byte_order: self.byte_order,
            banks: self.banks,
            bank_order: self.bank_order,
            align: self.align,
        }
    }
}

impl TablePlan {
    /// One number a word, in row-major order.
    pub fn plain(kind: Kind) -> Self {
        Self {
            name: kind.name().to_owned(),
            fields: vec![FieldPlan { kind, bits: None, signed: None }],
            packing: Packing::default(),
        }
    }

    /// The layout of this table for a layer.
    pub(crate) fn describe(&self, layer: &LayerParameters) -> Description {
        let (axes, shape) = self.fields.first().map_or(("", Vec::new()), |field| field.kind.shape(layer));
        let fields = self.fields.iter().map(|field| field.describe(layer)).collect();
        self.packing.describe(&layer.name, &self.name, fields, axes, shape)
    }

    /// The numbers of each field; `None` where one of them is unknown.
    pub(crate) fn values(&self, layer: &LayerParameters) -> Option<Vec<Vec<i64>>> {
        self.fields.iter().map(|field| field.kind.values(layer)).collect()
    }
}

impl Default for Memory {
    /// Each usual kind of number in a file of its own, one number a word.
    fn default() -> Self {
        Self { tables: Kind::USUAL.map(TablePlan::plain).to_vec(), activation: None, image: false }
    }
}
