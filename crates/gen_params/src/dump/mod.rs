//! A folder of values that hardware wrote, in files named as golden ones are.

mod folder;
mod hex;
mod memory;

use gen_params_emit::memory::layout::{Description, Words};

pub(crate) use folder::Folder;

/// The values of one file or array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dumped {
    /// Where they are, for messages.
    pub(crate) place: String,
    /// Values of `bits` bits each, in row-major order.
    pub(crate) words: Vec<u64>,
    /// Width of each: the digits of hex, the element type of an array, what a layout says.
    pub(crate) bits: u32,
    /// Sizes, where the file has them.
    pub(crate) shape: Option<Vec<usize>>,
    /// The element type, where the file has one.
    pub(crate) element: Option<&'static str>,
    /// What they were taken out of, where they did not lie one by one.
    memory: Option<Memory>,
}

/// Words of a memory, and how values lie in them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Memory {
    description: Description,
    /// By bank.
    banks: Vec<Words>,
    /// The file of each bank.
    files: Vec<String>,
}

impl Dumped {
    /// Values that lie one by one.
    fn plain(place: String, words: Vec<u64>, bits: u32, shape: Option<Vec<usize>>) -> Self {
        Self { place, words, bits, shape, element: None, memory: None }
    }

    /// The words as integers.
    pub(crate) fn values(&self, signed: bool) -> Vec<i64> {
        self.words.iter().map(|&word| interpret(word, self.bits, signed)).collect()
    }

    /// The same words with their bytes in reverse order; `None` where they have one byte, or half of one.
    fn bytes_reversed(&self) -> Option<Self> {
        if self.bits <= 8 || !self.bits.is_multiple_of(8) {
            return None;
        }
        let words = self.words.iter().map(|word| word.swap_bytes() >> (64 - self.bits)).collect();
        Some(Self { words, ..self.clone() })
    }

    /// Whether the values lie in a memory as a layout says, and not one by one.
    pub(crate) fn is_laid_out(&self) -> bool {
        self.memory.is_some()
    }

    /// Where the value with this index is.
    pub(crate) fn place_of(&self, index: usize) -> String {
        let in_memory = self.memory.as_ref().and_then(|memory| memory.place_of(index));
        in_memory.unwrap_or_else(|| format!("{}, value {}", self.place, index + 1))
    }

    /// The mistakes in reading or writing the file after which its values would be the golden ones.
    pub(crate) fn read_otherwise(&self, golden: &[i64], signed: bool) -> Vec<String> {
        if let Some(memory) = &self.memory {
            return memory.read_otherwise(golden);
        }
        let reversed = self.bytes_reversed().map(|dumped| dumped.values(signed));
        let is_right = reversed.is_some_and(|values| golden.starts_with(&values));
        let cause = || format!("the bytes of each word in {} are in reverse order", self.place);
        is_right.then(cause).into_iter().collect()
    }
}

/// The low `bits` bits of a value.
fn word(value: i64, bits: u32) -> u64 {
    value.cast_unsigned() & (u64::MAX >> (64 - bits.clamp(1, 64)))
}

fn interpret(word: u64, bits: u32, signed: bool) -> i64 {
    let unused = 64 - bits.clamp(1, 64);
    if signed { (word << unused).cast_signed() >> unused } else { word.cast_signed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_signs_where_the_stage_has() {
        let dumped = |bits, words: &[u64]| Dumped::plain(String::new(), words.to_vec(), bits, None);
        assert_eq!(dumped(8, &[0xff]).values(false), [255]);
        assert_eq!(dumped(8, &[0xff]).values(true), [-1]);
        assert_eq!(dumped(20, &[0xf_fffe]).values(true), [-2]);
        assert_eq!(dumped(32, &[0x0100_0000]).bytes_reversed().unwrap().words, [1]);
        assert_eq!(dumped(8, &[1]).bytes_reversed(), None);
    }
}
