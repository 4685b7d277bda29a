//! Values in the layout of a machine's memory.

use gen_params_emit::memory::layout::{
    BankOrder, ByteOrder, Description, Order, Side, Words, sentences, unpack_written,
};

use super::{Dumped, Memory, word};
use crate::error::{At, Error, Result};

/// The values of banks that hold as many images as fit exactly, at most those of `description`.
pub(super) fn read(description: Description, banks: Vec<Words>, files: Vec<String>) -> Result<Dumped> {
    let place = files.join(", ");
    let description = fitting(description, &banks).at(|| &place)?;
    let memory = Memory { description, banks, files };
    let values = memory.values(&memory.description, &memory.banks);
    let values = values.ok_or_else(|| Error::given("its layout contradicts itself").at(&place))?;
    let bits = memory.description.fields.first().map_or(64, |field| field.bits);
    let words = values.iter().map(|&value| word(value, bits));
    Ok(Dumped {
        place,
        words: words.collect(),
        bits,
        shape: Some(memory.description.shape.clone()),
        element: None,
        memory: Some(memory),
    })
}

/// The description of as many images as the banks hold.
fn fitting(description: Description, banks: &[Words]) -> Result<Description> {
    let found = banks.first().map_or(0, Words::len);
    let images = description.shape.first().copied().unwrap_or(1);
    for count in (1..=images).rev() {
        let mut fewer = description.clone();
        fewer.shape.iter_mut().take(1).for_each(|size| *size = count);
        let words = fewer.words_per_bank()?;
        if words == found {
            return Ok(fewer);
        }
        if words < found {
            break;
        }
    }
    let expected = description.words_per_bank()?;
    Err(Error::given(format!(
        "found {found} words of {} bits{}, expected {expected}:\n  {}",
        description.word_bits,
        if banks.len() > 1 { " in each bank" } else { "" },
        sentences(&description).join("\n  ")
    )))
}

impl Memory {
    /// Where the value with this index is.
    pub(super) fn place_of(&self, index: usize) -> Option<String> {
        let place = self.description.place(index).ok()??;
        let file = self.files.get(place.bank)?;
        let lane = if self.description.lanes > 1 { format!(", lane {}", place.lane) } else { String::new() };
        Some(format!("{file}, word {}{lane}", place.word))
    }

    fn values(&self, description: &Description, banks: &[Words]) -> Option<Vec<i64>> {
        unpack_written(description, banks).ok()?.into_iter().next()
    }

    /// The mistakes after which the values would be the golden ones.
    pub(super) fn read_otherwise(&self, golden: &[i64]) -> Vec<String> {
        let given = &self.description;
        let (first_lane, lanes) = match given.first_lane {
            Side::Right => {
                (Side::Left, "the first lane of each word is in its highest bits and not in its lowest")
            }
            Side::Left => {
                (Side::Right, "the first lane of each word is in its lowest bits and not in its highest")
            }
        };
        let (byte_order, words) = match given.byte_order {
            ByteOrder::Little => {
                (ByteOrder::Big, "the highest of the words that belong together comes first")
            }
            ByteOrder::Big => (ByteOrder::Little, "the lowest of the words that belong together comes first"),
        };
        let (bank_order, banks) = match given.bank_order {
            BankOrder::RoundRobin => {
                (BankOrder::Blocked, "banks are filled one after the other, not in turn")
            }
            BankOrder::Blocked => {
                (BankOrder::RoundRobin, "banks are filled in turn, not one after the other")
            }
        };
        let mut others = vec![
            (Description { first_lane, ..given.clone() }, lanes.to_owned()),
            (Description { byte_order, ..given.clone() }, words.to_owned()),
            (Description { bank_order, ..given.clone() }, banks.to_owned()),
        ];
        let spatial: String = given.axes.chars().filter(|axis| !"NC".contains(*axis)).collect();
        for axes in [format!("NC{spatial}"), format!("N{spatial}C")] {
            let order = Order::row_major(&axes);
            let text = format!("the values are right, in {order} order and not in {}", given.order);
            others.push((Description { order, ..given.clone() }, text));
        }
        let mut causes: Vec<String> = others
            .into_iter()
            .filter(|(other, _)| *other != self.description && self.is(other, &self.banks, golden))
            .map(|(_, text)| text)
            .collect();
        if let Some(reversed) = self.banks.iter().map(bytes_reversed).collect::<Option<Vec<_>>>()
            && self.is(given, &reversed, golden)
        {
            causes.push("the bytes of each word are in reverse order".to_owned());
        }
        causes
    }

    fn is(&self, description: &Description, banks: &[Words], golden: &[i64]) -> bool {
        self.values(description, banks).is_some_and(|values| golden.starts_with(&values))
    }
}

/// Words with their bytes in reverse order; `None` where they have one byte, or a part of one.
fn bytes_reversed(words: &Words) -> Option<Words> {
    if words.bits() <= 8 || !words.bits().is_multiple_of(8) {
        return None;
    }
    let mut reversed = Words::new(words.bits());
    for word in words.iter() {
        let mut word = word.to_vec();
        word.reverse();
        reversed.push(&word)?;
    }
    Some(reversed)
}
