//! From numbers to words.

use super::description::{BankOrder, ByteOrder, Description, Sizes};
use super::words::{Words, copy_bits, set_bits};
use super::{LayoutError, Side};

/// Packs one list of numbers per field, each in row-major order of the shape, into one list of words per bank.
///
/// # Errors
/// A description that contradicts itself, lists of other lengths, and a number that does not fit into its field.
pub fn pack(description: &Description, fields: &[&[i64]]) -> Result<Vec<Words>, LayoutError> {
    let sizes = description.sizes()?;
    if fields.len() != description.fields.len()
        || fields.iter().any(|numbers| numbers.len() != sizes.elements)
    {
        let lengths: Vec<_> = fields.iter().map(|numbers| numbers.len()).collect();
        return Err(LayoutError::Description {
            what: format!(
                "lists of {lengths:?} numbers for {} fields of {} each",
                description.fields.len(),
                sizes.elements
            ),
        });
    }
    let mut writer = EntryWriter::new(description, sizes);
    let mut lane = 0;
    description.order.nest(&description.axes, &description.shape)?.for_each(|slot| {
        if let Some(index) = slot {
            for (position, (field, numbers)) in description.fields.iter().zip(fields).enumerate() {
                let value = numbers[index];
                if !field.holds(value) {
                    return Err(LayoutError::Value {
                        field: field.name.clone(),
                        index,
                        value,
                        bits: field.bits,
                        signed: field.signed,
                    });
                }
                writer.set(lane, position, value);
            }
        }
        lane += 1;
        if lane == description.lanes as usize {
            lane = 0;
            writer.finish_entry();
        }
        Ok(())
    })?;
    if lane > 0 {
        writer.finish_entry();
    }
    Ok(writer.finish())
}

/// Gathers entries and spreads them over the banks.
struct EntryWriter<'a> {
    description: &'a Description,
    sizes: Sizes,
    /// The entry that is being filled, little-endian.
    entry: Vec<u8>,
    word: Vec<u8>,
    banks: Vec<Words>,
    /// Number of entries that were finished.
    finished: usize,
    /// Bit offset of each field in the first lane, and what each further lane adds.
    offsets: Vec<usize>,
}

impl<'a> EntryWriter<'a> {
    fn new(description: &'a Description, sizes: Sizes) -> Self {
        let words = Words::new(description.word_bits);
        Self {
            description,
            entry: vec![0; sizes.entry_bits.div_ceil(8)],
            word: vec![0; words.stride()],
            banks: vec![words; description.banks as usize],
            finished: 0,
            offsets: (0..description.fields.len())
                .map(|field| description.bit_offset(&sizes, 0, field))
                .collect(),
            sizes,
        }
    }

    fn set(&mut self, lane: usize, field: usize, value: i64) {
        let lanes = lane * self.sizes.cell_bits as usize;
        let offset = match self.description.first_lane {
            Side::Right => self.offsets[field] + lanes,
            Side::Left => self.offsets[field] - lanes,
        };
        set_bits(&mut self.entry, offset, self.description.fields[field].bits, value.cast_unsigned());
    }

    fn finish_entry(&mut self) {
        let bank = match self.description.bank_order {
            BankOrder::RoundRobin => self.finished % self.banks.len(),
            BankOrder::Blocked => self.finished / self.sizes.entries_per_bank,
        };
        let count = self.sizes.words_per_entry;
        for place in 0..count {
            let index = match self.description.byte_order {
                ByteOrder::Little => place,
                ByteOrder::Big => count - 1 - place,
            };
            let offset = index * self.description.word_bits as usize;
            copy_bits(&self.entry, offset, self.description.word_bits, &mut self.word);
            // A word has the width of its bank.
            let _written = self.banks[bank].push(&self.word);
        }
        self.entry.fill(0);
        self.finished += 1;
    }

    fn finish(mut self) -> Vec<Words> {
        let length = self.sizes.entries_per_bank * self.sizes.words_per_entry;
        for bank in &mut self.banks {
            bank.extend_zeros(length - bank.len());
            bank.align(self.description.align as usize);
        }
        self.banks
    }
}
