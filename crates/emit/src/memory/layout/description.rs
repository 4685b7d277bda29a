//! What a layout consists of, and the sizes that follow from it.

use serde::{Deserialize, Serialize};

use super::{LayoutError, Order};

/// Which end of a word comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The first lane, and the first field of a record, has the lowest bits.
    #[default]
    Right,
    /// It has the highest.
    Left,
}

/// Which byte of a word comes first in memory, and which word of an entry that takes several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByteOrder {
    /// The lowest.
    #[default]
    Little,
    /// The highest.
    Big,
}

/// How entries are spread over banks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BankOrder {
    /// Entry e is in bank e mod banks.
    #[default]
    RoundRobin,
    /// The first entries are in bank 0, as many as are in each of the others; the last bank is filled up.
    Blocked,
}

/// One number of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// What it is: `weight`, `bias`, ...
    pub name: String,
    /// Its width, 1 to 64.
    pub bits: u32,
    /// Two's complement, or without a sign.
    pub signed: bool,
}

impl Field {
    /// Whether it can hold `value`.
    pub(crate) fn holds(&self, value: i64) -> bool {
        match (self.signed, self.bits) {
            (true, 64) => true,
            (true, bits) => (-(1 << (bits - 1))..1 << (bits - 1)).contains(&value),
            (false, 63 | 64) => value >= 0,
            (false, bits) => (0..1 << bits).contains(&value),
        }
    }

    /// The number whose low bits are these; `None` for an unsigned one beyond 63 bits.
    pub(super) fn extend(&self, low: u64) -> Option<i64> {
        if !self.signed {
            return i64::try_from(low).ok();
        }
        let unused = 64 - self.bits;
        Some((low << unused).cast_signed() >> unused)
    }
}

/// How a tensor, or several of one shape, lie in a memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Name of the layer in the model; empty for what belongs to none.
    pub layer: String,
    /// What lies here: `weight`, `bias`, the name of a record.
    pub name: String,
    /// One letter per axis, outermost first: `OIHW`.
    pub axes: String,
    /// Sizes along `axes`.
    pub shape: Vec<usize>,
    /// The numbers of a cell: one, or those of a record. All have the same shape.
    pub fields: Vec<Field>,
    /// The order of cells.
    pub order: Order,
    /// Cells in an entry.
    pub lanes: u32,
    /// Bits of a word, 8 to 1024.
    pub word_bits: u32,
    /// Where in an entry the first lane is, and in a cell the first field.
    pub first_lane: Side,
    /// The order of bytes in a word, and of words in an entry.
    pub byte_order: ByteOrder,
    /// Number of memories that the entries are spread over.
    pub banks: u32,
    /// How.
    pub bank_order: BankOrder,
    /// Every bank has a multiple of this many words.
    pub align: u32,
}

/// The longest entry, in bits.
const LONGEST_ENTRY: u64 = 1 << 16;

/// Sizes that follow from a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Elements of one field.
    pub(super) elements: usize,
    /// Bits of a cell.
    pub(super) cell_bits: u32,
    /// Bits of an entry, before unused ones.
    pub(super) entry_bits: usize,
    /// Entries of all banks that hold cells.
    pub(super) entries: usize,
    /// Entries of one bank, those that only fill it up included.
    pub(super) entries_per_bank: usize,
    /// Words of one entry.
    pub(super) words_per_entry: usize,
    /// Words of one bank, alignment included.
    pub(super) words_per_bank: usize,
}

impl Sizes {
    /// Where entry `index` is: its bank, and its number there.
    pub(super) fn place(&self, description: &Description, index: usize) -> (usize, usize) {
        let banks = description.banks as usize;
        match description.bank_order {
            BankOrder::RoundRobin => (index % banks, index / banks),
            BankOrder::Blocked => (index / self.entries_per_bank, index % self.entries_per_bank),
        }
    }
}

/// Where an element lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The bank.
    pub bank: usize,
    /// The first word of the entry that holds it, in the bank.
    pub word: usize,
    /// Which cell of the entry.
    pub lane: usize,
}

impl Description {
    /// A list of words with one element each, in row-major order: what files have unless a layout says otherwise.
    pub fn plain(layer: &str, field: Field, axes: &str, shape: &[usize]) -> Self {
        Self {
            layer: layer.to_owned(),
            name: field.name.clone(),
            axes: axes.to_owned(),
            shape: shape.to_vec(),
            order: Order::row_major(axes),
            lanes: 1,
            word_bits: field.bits.max(8),
            fields: vec![field],
            first_lane: Side::Right,
            byte_order: ByteOrder::Little,
            banks: 1,
            bank_order: BankOrder::RoundRobin,
            align: 1,
        }
    }

    /// Words of one bank.
    ///
    /// # Errors
    /// A description that contradicts itself, or sizes beyond what can be counted.
    pub fn words_per_bank(&self) -> Result<usize, LayoutError> {
        Ok(self.sizes()?.words_per_bank)
    }

    /// Where the element with this row-major index lies; `None` for one that is not there.
    ///
    /// # Errors
    /// As [`Self::words_per_bank`].
    pub fn place(&self, element: usize) -> Result<Option<Place>, LayoutError> {
        let sizes = self.sizes()?;
        let (mut slot, mut found) = (0, None);
        self.order.nest(&self.axes, &self.shape)?.for_each(|index| {
            if index == Some(element) {
                found = Some(slot);
            }
            slot += 1;
            Ok::<(), LayoutError>(())
        })?;
        let lanes = self.lanes as usize;
        Ok(found.map(|slot| {
            let (bank, number) = sizes.place(self, slot / lanes);
            Place { bank, word: number * sizes.words_per_entry, lane: slot % lanes }
        }))
    }

    /// Where the first bit of a field is in an entry.
    pub(super) fn bit_offset(&self, sizes: &Sizes, lane: usize, field: usize) -> usize {
        let before: u32 = self.fields[..field].iter().map(|field| field.bits).sum();
        let from_first = lane * sizes.cell_bits as usize + before as usize;
        match self.first_lane {
            Side::Right => from_first,
            Side::Left => sizes.entry_bits - from_first - self.fields[field].bits as usize,
        }
    }

    pub(super) fn sizes(&self) -> Result<Sizes, LayoutError> {
        let refuse = |what: String| Err(LayoutError::Description { what });
        if !(8..=1024).contains(&self.word_bits) {
            return refuse(format!("words of {} bits, expected 8 to 1024", self.word_bits));
        }
        if self.fields.is_empty() {
            return refuse("no field".to_owned());
        }
        if let Some(field) = self.fields.iter().find(|field| !(1..=64).contains(&field.bits)) {
            return refuse(format!("field {} of {} bits, expected 1 to 64", field.name, field.bits));
        }
        for (what, found, most) in
            [("lanes", self.lanes, 1 << 16), ("banks", self.banks, 1 << 12), ("align", self.align, 1 << 24)]
        {
            if !(1..=most).contains(&found) {
                return refuse(format!("{what} = {found}, expected 1 to {most}"));
            }
        }
        let cell_bits: u64 = self.fields.iter().map(|field| u64::from(field.bits)).sum();
        let entry_bits = cell_bits.saturating_mul(self.lanes.into());
        if entry_bits > LONGEST_ENTRY {
            return refuse(format!(
                "{} lanes of {cell_bits} bits, expected {LONGEST_ENTRY} in all",
                self.lanes
            ));
        }
        let slots = self.order.nest(&self.axes, &self.shape)?.slots;
        let entries = slots.div_ceil(self.lanes as usize);
        let entries_per_bank = entries.div_ceil(self.banks as usize);
        // Both are at most LONGEST_ENTRY.
        let (cell_bits, entry_bits) =
            (u32::try_from(cell_bits).unwrap_or(u32::MAX), usize::try_from(entry_bits).unwrap_or(usize::MAX));
        let words_per_entry = entry_bits.div_ceil(self.word_bits as usize);
        let words_per_bank = entries_per_bank
            .checked_mul(words_per_entry)
            .and_then(|words| words.checked_next_multiple_of(self.align as usize))
            // The bits of all banks are counted, too.
            .filter(|words| {
                words.checked_mul(self.banks as usize).and_then(|all| all.checked_mul(1024)).is_some()
            });
        let Some(words_per_bank) = words_per_bank else {
            return refuse(format!("sizes {:?} are beyond what can be counted", self.shape));
        };
        Ok(Sizes {
            elements: self.shape.iter().product(),
            cell_bits,
            entry_bits,
            entries,
            entries_per_bank,
            words_per_entry,
            words_per_bank,
        })
    }
}
