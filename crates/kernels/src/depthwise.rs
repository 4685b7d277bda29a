//! Products where every channel has weights of its own and reads only its own bytes.

use crate::packed::{CodeSign, LANES};

/// The weights of a depthwise product:
/// `sum(channel) = start(channel) + sum over taps of input[row + tap + channel] * weight[tap][channel]`.
#[derive(Debug, Clone)]
pub struct DepthwiseWeights {
    starts: Vec<i32>,
    sign: CodeSign,
    taps: Vec<usize>,
    /// Row-major (tap, channel), widened: the loop over channels then multiplies without widening them again.
    weights: Vec<i16>,
    reach: usize,
}

impl DepthwiseWeights {
    /// Packs `weights`, row-major (channel, tap), where tap `k` multiplies the byte `taps[k] + channel` after a row's
    /// start. Each channel's sums start from its number in `starts`.
    ///
    /// # Panics
    /// `weights.len()` is not `starts.len() * taps.len()`.
    pub fn new(starts: &[i32], taps: &[usize], weights: &[i8], sign: CodeSign) -> Self {
        let channels = starts.len();
        assert_eq!(weights.len(), channels * taps.len(), "one weight per channel and tap");
        let packed = (0..taps.len())
            .flat_map(|tap| (0..channels).map(move |channel| i16::from(weights[channel * taps.len() + tap])))
            .collect();
        // A reach beyond all that can be addressed is beyond every input, and refused with it.
        let reach = taps.iter().map(|tap| tap.saturating_add(channels)).max().unwrap_or(0);
        Self { starts: starts.to_vec(), sign, taps: taps.to_vec(), weights: packed, reach }
    }

    /// Channels, of input and output.
    pub fn channels(&self) -> usize {
        self.starts.len()
    }

    /// Channels rounded up to a multiple of [`LANES`]: the length of one row of sums.
    pub fn row_length(&self) -> usize {
        self.channels().next_multiple_of(LANES)
    }

    /// Bytes that must be readable from the start of every row.
    pub fn reach(&self) -> usize {
        self.reach
    }

    /// The sums of one row after another; one loop for all instruction sets, which the compiler vectorises.
    #[inline(always)]
    pub(crate) fn accumulate(&self, input: &[u8], rows: &[usize], sums: &mut [i32]) {
        match self.sign {
            CodeSign::Unsigned => self.accumulate_as(input, rows, sums, i16::from),
            CodeSign::Signed => self.accumulate_as(input, rows, sums, |code| i16::from(code.cast_signed())),
        }
    }

    #[inline(always)]
    fn accumulate_as(&self, input: &[u8], rows: &[usize], sums: &mut [i32], widen: impl Fn(u8) -> i16) {
        let channels = self.channels();
        if channels == 0 {
            return;
        }
        for (&row, sums) in rows.iter().zip(sums.chunks_exact_mut(self.row_length())) {
            let (sums, padding) = sums.split_at_mut(channels);
            sums.copy_from_slice(&self.starts);
            padding.fill(0);
            for (&tap, weights) in self.taps.iter().zip(self.weights.chunks_exact(channels)) {
                let codes = &input[row + tap..][..channels];
                for ((sum, &code), &weight) in sums.iter_mut().zip(codes).zip(weights) {
                    *sum = sum.wrapping_add(i32::from(widen(code)) * i32::from(weight));
                }
            }
        }
    }
}
