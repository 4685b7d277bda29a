//! Words of a memory, each of 1 to 1024 bits.

/// A list of words of one width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    bits: u32,
    /// Every word in little-endian order, in as few bytes as it fits in; unused bits are zero.
    bytes: Vec<u8>,
}

impl Words {
    /// No words yet, of `bits` bits each.
    pub fn new(bits: u32) -> Self {
        Self { bits: bits.max(1), bytes: Vec::new() }
    }

    /// Bits of a word.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Bytes that one word takes in [`Self::as_bytes`].
    pub fn stride(&self) -> usize {
        self.bits.div_ceil(8) as usize
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.stride()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All words, each little-endian in [`Self::stride`] bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The words in order, each little-endian.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.bytes.chunks_exact(self.stride())
    }

    /// Appends a word, little-endian; `None` for one of other length, or with bits beyond the width.
    #[must_use]
    pub fn push(&mut self, word: &[u8]) -> Option<()> {
        let used_of_top = (self.bits - 1) % 8 + 1;
        let fits =
            word.len() == self.stride() && word.last().is_some_and(|&top| u16::from(top) >> used_of_top == 0);
        fits.then(|| self.bytes.extend_from_slice(word))
    }

    /// Appends words of zero until the length is a multiple of `count`.
    pub(super) fn align(&mut self, count: usize) {
        let length = self.len().next_multiple_of(count.max(1));
        self.bytes.resize(length * self.stride(), 0);
    }

    /// Appends `count` words of zero.
    pub fn extend_zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count * self.stride(), 0);
    }

    /// The words of `range`; `None` if there are not as many.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Option<Self> {
        let stride = self.stride();
        let bytes = self.bytes.get(range.start.checked_mul(stride)?..range.end.checked_mul(stride)?)?;
        Some(Self { bits: self.bits, bytes: bytes.to_vec() })
    }

    /// Appends the words of another list of the same width; `None` if its width differs.
    #[must_use]
    pub fn append(&mut self, other: &Self) -> Option<()> {
        (self.bits == other.bits).then(|| self.bytes.extend_from_slice(&other.bytes))
    }
}

/// Sets `bits` bits of `bytes` (little-endian, zero so far) from bit `offset` on to the low bits of `value`.
///
/// `bytes` must reach that far; `bits` is 1 to 64.
pub(super) fn set_bits(bytes: &mut [u8], offset: usize, bits: u32, value: u64) {
    let low = if bits >= 64 { value } else { value & ((1 << bits) - 1) };
    let shifted = (u128::from(low) << (offset % 8)).to_le_bytes();
    let last = (offset % 8 + bits as usize).div_ceil(8);
    for (byte, part) in bytes[offset / 8..].iter_mut().zip(&shifted[..last]) {
        *byte |= part;
    }
}

/// The `bits` bits of `bytes` (little-endian) from bit `offset` on; bits beyond its end are zero.
pub(super) fn get_bits(bytes: &[u8], offset: usize, bits: u32) -> u64 {
    let mut window = [0; 16];
    let rest = bytes.get(offset / 8..).unwrap_or_default();
    let length = rest.len().min(9);
    window[..length].copy_from_slice(&rest[..length]);
    let value = (u128::from_le_bytes(window) >> (offset % 8)).to_le_bytes();
    let mut low = [0; 8];
    low.copy_from_slice(&value[..8]);
    let value = u64::from_le_bytes(low);
    if bits >= 64 { value } else { value & ((1 << bits) - 1) }
}

/// Copies `bits` bits of `from`, from bit `offset` on, into `to`, which has as many bytes as they take.
pub(super) fn copy_bits(from: &[u8], offset: usize, bits: u32, to: &mut [u8]) {
    let mut left = bits;
    for (index, byte) in to.iter_mut().enumerate() {
        let take = left.min(8);
        *byte = get_bits(from, offset + 8 * index, take.max(1)).to_le_bytes()[0];
        left -= take;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_set_and_read_anywhere() {
        let rows =
            [(0, 8, 0xa5), (3, 5, 0b10110), (7, 64, u64::MAX - 2), (13, 1, 1), (60, 33, 0x1_2345_6789)];
        for (offset, bits, value) in rows {
            let mut bytes = [0; 20];
            set_bits(&mut bytes, offset, bits, value);
            assert_eq!(get_bits(&bytes, offset, bits), value, "{bits} bits at {offset}");
            let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(ones, value.count_ones(), "{bits} bits at {offset}: nothing else is set");
        }
        let mut bytes = [0; 2];
        set_bits(&mut bytes, 4, 8, 0xab);
        assert_eq!(bytes, [0xb0, 0x0a]);
    }

    #[test]
    fn a_word_beyond_its_width_is_refused() {
        let mut words = Words::new(10);
        assert_eq!(words.push(&[0xff, 0x03]), Some(()));
        assert_eq!(words.push(&[0xff, 0x04]), None);
        assert_eq!(words.push(&[0xff]), None);
        assert_eq!(words.len(), 1);
        let mut bytes = Words::new(8);
        assert_eq!(bytes.push(&[0xff]), Some(()));
    }
}
