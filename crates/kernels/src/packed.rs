//! Weights of a matrix product, packed once in the order in which kernels read them.

/// Output channels that kernels compute together.
pub const LANES: usize = 16;

/// Codes that are multiplied and summed by one instruction, for each channel.
pub(crate) const WORD: usize = 4;

/// How the bytes of the activations are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSign {
    /// 0..=255.
    Unsigned,
    /// -128..=127, two's complement.
    Signed,
}

/// One word of codes for each of [`LANES`] channels: `0[lane * WORD + i]`.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [i8; LANES * WORD]);

/// One int32 for each of [`LANES`] channels.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Sums(pub(crate) [i32; LANES]);

/// The weights of `channels` dot products over the same bytes of a row.
///
/// Channels are padded to a multiple of [`LANES`], taps at consecutive bytes are joined to words of four; both with
/// weights of zero.
#[derive(Debug, Clone)]
pub struct PackedWeights {
    channels: usize,
    sign: CodeSign,
    /// Where each word of a row begins, in bytes from the row's start.
    pub(crate) offsets: Vec<usize>,
    /// `lines[block * offsets.len() + word]`; a block has [`LANES`] channels.
    pub(crate) lines: Vec<Line>,
    /// Per block, what the sums start from.
    pub(crate) starts: Vec<Sums>,
    /// The same for kernels that read signed codes plus 128: `start - 128 * sum(w)`.
    pub(crate) offset_starts: Vec<Sums>,
    /// Bytes of a row that are read, counted from its start.
    pub(crate) reach: usize,
}

impl PackedWeights {
    /// Packs `weights`, row-major (channel, tap), where tap `k` multiplies the byte `taps[k]` after a row's start. Each
    /// channel's sums start from its number in `starts`.
    ///
    /// # Panics
    /// `weights.len()` is not `starts.len() * taps.len()`.
    pub fn new(starts: &[i32], taps: &[usize], weights: &[i8], sign: CodeSign) -> Self {
        let channels = starts.len();
        assert_eq!(weights.len(), channels * taps.len(), "one weight per channel and tap");
        let mut offsets: Vec<usize> = Vec::new();
        // For each tap its word and its place there.
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(taps.len());
        for &tap in taps {
            let place = match (places.last(), offsets.last()) {
                // Only forwards: two taps may read one byte, and then each needs a word of its own.
                (Some(&(word, last)), Some(&start))
                    if tap.checked_sub(start).is_some_and(|place| (last + 1..WORD).contains(&place)) =>
                {
                    (word, tap - start)
                }
                _ => {
                    offsets.push(tap);
                    (offsets.len() - 1, 0)
                }
            };
            places.push(place);
        }

        let blocks = channels.div_ceil(LANES);
        let mut lines = vec![Line([0; LANES * WORD]); blocks * offsets.len()];
        let mut packed_starts = vec![Sums([0; LANES]); blocks];
        let mut offset_starts = packed_starts.clone();
        for (channel, &start) in starts.iter().enumerate() {
            let (block, lane) = (channel / LANES, channel % LANES);
            let mut offset_start = start;
            for (tap, &(word, place)) in places.iter().enumerate() {
                let weight = weights[channel * taps.len() + tap];
                lines[block * offsets.len() + word].0[lane * WORD + place] = weight;
                offset_start = offset_start.wrapping_sub(128 * i32::from(weight));
            }
            packed_starts[block].0[lane] = start;
            offset_starts[block].0[lane] = offset_start;
        }
        // A reach beyond all that can be addressed is beyond every input, and refused with it.
        let reach = offsets.iter().map(|start| start.saturating_add(WORD)).max().unwrap_or(0);
        Self { channels, sign, offsets, lines, starts: packed_starts, offset_starts, reach }
    }

    /// Output channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Output channels rounded up to a multiple of [`LANES`]: the length of one row of sums.
    pub fn row_length(&self) -> usize {
        self.starts.len() * LANES
    }

    /// Bytes that must be readable from the start of every row, words rounded up.
    pub fn reach(&self) -> usize {
        self.reach
    }

    /// How activations are read.
    pub fn sign(&self) -> CodeSign {
        self.sign
    }
}
