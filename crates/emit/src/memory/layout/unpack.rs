//! From words back to numbers: the exact inverse of packing.

use super::LayoutError;
use super::description::{BankOrder, ByteOrder, Description, Sizes};
use super::words::{Words, get_bits, set_bits};

/// Reads the words of all banks back: one list of numbers per field, in row-major order of the shape.
///
/// # Errors
/// A description that contradicts itself, another number or width of words than it says, and words that
/// [`pack`](super::pack) does not write: padding and unused bits that are not zero.
pub fn unpack(description: &Description, banks: &[Words]) -> Result<Vec<Vec<i64>>, LayoutError> {
    read(description, banks, true)
}

/// The same for words that hardware wrote: what is in padding and unused bits does not matter.
///
/// # Errors
/// A description that contradicts itself, and another number or width of words than it says.
pub fn unpack_written(description: &Description, banks: &[Words]) -> Result<Vec<Vec<i64>>, LayoutError> {
    read(description, banks, false)
}

fn read(
    description: &Description,
    banks: &[Words],
    padding_is_zero: bool,
) -> Result<Vec<Vec<i64>>, LayoutError> {
    let sizes = description.sizes()?;
    check_sizes(description, &sizes, banks)?;
    let mut fields = vec![vec![0; sizes.elements]; description.fields.len()];
    let mut reader = EntryReader { description, sizes, banks, entry: Vec::new() };
    let (mut entry, mut lane) = (0, 0);
    description.order.nest(&description.axes, &description.shape)?.for_each(|slot| {
        if lane == 0 {
            reader.load(entry)?;
        }
        for (position, (field, numbers)) in description.fields.iter().zip(&mut fields).enumerate() {
            let low = reader.take(lane, position);
            match slot {
                Some(index) => {
                    numbers[index] = field.extend(low).ok_or_else(|| LayoutError::Words {
                        found: format!("{low} in field {}", field.name),
                        expected: "a number below 2^63".to_owned(),
                    })?;
                }
                None if low == 0 || !padding_is_zero => {}
                None => return Err(not_zero("a cell of padding", entry)),
            }
        }
        lane += 1;
        if lane == description.lanes as usize {
            if padding_is_zero {
                reader.check_taken(entry)?;
            }
            (entry, lane) = (entry + 1, 0);
        }
        Ok(())
    })?;
    if padding_is_zero {
        if lane > 0 {
            reader.check_taken(entry)?;
            entry += 1;
        }
        reader.check_rest(entry)?;
    }
    Ok(fields)
}

fn check_sizes(description: &Description, sizes: &Sizes, banks: &[Words]) -> Result<(), LayoutError> {
    let wrong = |found: String, expected: String| Err(LayoutError::Words { found, expected });
    if banks.len() != description.banks as usize {
        return wrong(format!("{} banks", banks.len()), format!("{}", description.banks));
    }
    for (index, bank) in banks.iter().enumerate() {
        let place = if banks.len() > 1 { format!(" in bank {index}") } else { String::new() };
        if bank.bits() != description.word_bits {
            return wrong(
                format!("words of {} bits{place}", bank.bits()),
                format!("{}", description.word_bits),
            );
        }
        if bank.len() != sizes.words_per_bank {
            return wrong(format!("{} words{place}", bank.len()), format!("{}", sizes.words_per_bank));
        }
    }
    Ok(())
}

fn not_zero(what: &str, entry: usize) -> LayoutError {
    LayoutError::Words {
        found: format!("{what} in entry {entry} that is not zero"),
        expected: "zero".to_owned(),
    }
}

/// Gathers entries from the banks.
struct EntryReader<'a> {
    description: &'a Description,
    sizes: Sizes,
    banks: &'a [Words],
    /// The entry, little-endian; what was taken out of it is zero.
    entry: Vec<u8>,
}

impl EntryReader<'_> {
    fn load(&mut self, index: usize) -> Result<(), LayoutError> {
        let (bank, number) = self.sizes.place(self.description, index);
        let count = self.sizes.words_per_entry;
        let bits = self.description.word_bits as usize;
        self.entry.clear();
        self.entry.resize((count * bits).div_ceil(8), 0);
        let words = self.banks[bank].iter().skip(number * count).take(count);
        for (place, word) in words.enumerate() {
            let position = match self.description.byte_order {
                ByteOrder::Little => place,
                ByteOrder::Big => count - 1 - place,
            };
            for (byte, &value) in word.iter().enumerate() {
                let width = (bits - 8 * byte).min(8);
                // At most 8.
                let width = u32::try_from(width).unwrap_or(8);
                set_bits(&mut self.entry, position * bits + 8 * byte, width, value.into());
            }
        }
        Ok(())
    }

    /// The low bits of a field, which are then zero.
    fn take(&mut self, lane: usize, field: usize) -> u64 {
        let offset = self.description.bit_offset(&self.sizes, lane, field);
        let bits = self.description.fields[field].bits;
        let value = get_bits(&self.entry, offset, bits);
        let mut taken = vec![0; self.entry.len().min(offset / 8 + 9) - offset / 8];
        set_bits(&mut taken, offset % 8, bits, value);
        for (byte, taken) in self.entry[offset / 8..].iter_mut().zip(taken) {
            *byte &= !taken;
        }
        value
    }

    /// Nothing but zeros is left in the entry.
    fn check_taken(&self, entry: usize) -> Result<(), LayoutError> {
        let rest = self.entry.iter().any(|&byte| byte != 0);
        if rest { Err(not_zero("an unused bit", entry)) } else { Ok(()) }
    }

    /// Nothing but zeros is in the words after the first `entries`.
    fn check_rest(&self, entries: usize) -> Result<(), LayoutError> {
        for (bank, words) in self.banks.iter().enumerate() {
            // The entries of this bank come first.
            let used = match self.description.bank_order {
                BankOrder::RoundRobin => (entries + self.banks.len() - 1 - bank) / self.banks.len(),
                BankOrder::Blocked => {
                    let per_bank = self.sizes.entries_per_bank;
                    entries.saturating_sub(bank * per_bank).min(per_bank)
                }
            };
            let rest = words.iter().skip(used * self.sizes.words_per_entry).flatten();
            if rest.copied().any(|byte| byte != 0) {
                let found = format!("words after the last entry of bank {bank} that are not zero");
                return Err(LayoutError::Words { found, expected: "zero".to_owned() });
            }
        }
        Ok(())
    }
}
