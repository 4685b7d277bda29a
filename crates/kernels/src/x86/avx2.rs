//! `vpmaddwd` on 256 bits: codes are widened to 16 bits first, because `vpmaddubsw` saturates on full-range codes.

use std::arch::x86_64::{
    __m128i, _mm_load_si128, _mm_set1_epi32, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16,
    _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_permute4x64_epi64, _mm256_setzero_si256,
    _mm256_storeu_si256,
};

use super::{Tile, place, read_word};
use crate::kernel::Operation;
use crate::packed::{Line, PackedWeights, Sums};

/// Proof that this machine has AVX2 and FMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// The token, where the instructions exist.
    pub fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    pub(crate) fn multiply(self, input: &[u8], rows: &[usize], weights: &PackedWeights, sums: &mut [i32]) {
        // SAFETY: the token proves the instructions.
        unsafe { super::multiply::<Ymm>(input, rows, weights, sums) }
    }

    #[inline]
    pub(crate) fn run<O: Operation>(self, operation: O) -> O::Output {
        // SAFETY: the token proves the instructions.
        unsafe { run(operation) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn run<O: Operation>(operation: O) -> O::Output {
    operation.run()
}

/// Four registers per row and block: each has two sums, of even and of odd pairs of taps, for four channels.
#[derive(Clone, Copy)]
struct Ymm;

impl Tile for Ymm {
    const ROWS: usize = 2;
    const BLOCKS: usize = 1;
    const READS_PLUS_128: bool = false;

    #[target_feature(enable = "avx2")]
    unsafe fn compute<const ROWS: usize, const BLOCKS: usize, const SIGNED: bool>(
        rows: [*const u8; ROWS],
        offsets: &[usize],
        lines: [&[Line]; BLOCKS],
        starts: [&Sums; BLOCKS],
        sums: &mut [i32],
        row_length: usize,
    ) {
        let mut totals = [[[_mm256_setzero_si256(); 4]; BLOCKS]; ROWS];
        for (word, &offset) in offsets.iter().enumerate() {
            // SAFETY: every block has one line of 64 aligned bytes per word: four channels in each quarter.
            let weights = lines.map(|lines| unsafe {
                let line = lines.as_ptr().add(word).cast::<__m128i>();
                std::array::from_fn::<_, 4, _>(|quarter| {
                    _mm256_cvtepi8_epi16(_mm_load_si128(line.add(quarter)))
                })
            });
            for (row, totals) in rows.iter().zip(&mut totals) {
                // SAFETY: the caller's.
                let codes = _mm_set1_epi32(unsafe { read_word(*row, offset) });
                let codes = if SIGNED { _mm256_cvtepi8_epi16(codes) } else { _mm256_cvtepu8_epi16(codes) };
                for (total, weights) in totals.as_flattened_mut().iter_mut().zip(weights.as_flattened()) {
                    *total = _mm256_add_epi32(*total, _mm256_madd_epi16(codes, *weights));
                }
            }
        }
        for (row, totals) in totals.iter().enumerate() {
            for (block, quarters) in totals.iter().enumerate() {
                let (places, _) = place(sums, row, block, row_length).as_chunks_mut::<8>();
                let (starts, _) = starts[block].0.as_chunks::<8>();
                let (pairs, _) = quarters.as_chunks::<2>();
                for ((place, start), &[low, high]) in places.iter_mut().zip(starts).zip(pairs) {
                    // Per half of the register: two channels of `low`, two of `high`; then channels in order.
                    let channels = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(low, high));
                    // SAFETY: eight int32 each.
                    unsafe {
                        let start = _mm256_loadu_si256(start.as_ptr().cast());
                        _mm256_storeu_si256(place.as_mut_ptr().cast(), _mm256_add_epi32(start, channels));
                    }
                }
            }
        }
    }
}
