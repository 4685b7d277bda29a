//! `vpdpbusd` on 512 bits: four products of unsigned and signed codes, summed without saturation, in sixteen channels.

use std::arch::x86_64::{_mm512_dpbusd_epi32, _mm512_load_si512, _mm512_set1_epi32, _mm512_storeu_si512};

use super::{Tile, place, read_word};
use crate::kernel::Operation;
use crate::packed::{Line, PackedWeights, Sums};

/// Proof that this machine has AVX-512 with VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx512Vnni(());

impl Avx512Vnni {
    /// The token, where the instructions exist.
    pub fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma"))
        .then_some(Self(()))
    }

    pub(crate) fn multiply(self, input: &[u8], rows: &[usize], weights: &PackedWeights, sums: &mut [i32]) {
        // SAFETY: the token proves the instructions.
        unsafe { super::multiply::<Zmm>(input, rows, weights, sums) }
    }

    #[inline]
    pub(crate) fn run<O: Operation>(self, operation: O) -> O::Output {
        // SAFETY: the token proves the instructions.
        unsafe { run(operation) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
fn run<O: Operation>(operation: O) -> O::Output {
    operation.run()
}

/// One register per row and block.
#[derive(Clone, Copy)]
struct Zmm;

impl Tile for Zmm {
    const ROWS: usize = 8;
    const BLOCKS: usize = 2;
    const READS_PLUS_128: bool = true;

    #[target_feature(enable = "avx512f,avx512vnni")]
    unsafe fn compute<const ROWS: usize, const BLOCKS: usize, const SIGNED: bool>(
        rows: [*const u8; ROWS],
        offsets: &[usize],
        lines: [&[Line]; BLOCKS],
        starts: [&Sums; BLOCKS],
        sums: &mut [i32],
        row_length: usize,
    ) {
        // SAFETY: 64 aligned bytes.
        let mut totals = [starts.map(|start| unsafe { _mm512_load_si512(start.0.as_ptr().cast()) }); ROWS];
        for (word, &offset) in offsets.iter().enumerate() {
            // SAFETY: every block has one line of 64 aligned bytes per word.
            let weights = lines.map(|lines| unsafe { _mm512_load_si512(lines.as_ptr().add(word).cast()) });
            for (row, totals) in rows.iter().zip(&mut totals) {
                // SAFETY: the caller's.
                let codes = unsafe { read_word(*row, offset) };
                // A signed code plus 128 is the unsigned byte with its top bit flipped.
                let codes =
                    _mm512_set1_epi32(if SIGNED { codes ^ i32::from_ne_bytes([0x80; 4]) } else { codes });
                for (total, &weights) in totals.iter_mut().zip(&weights) {
                    *total = _mm512_dpbusd_epi32(*total, codes, weights);
                }
            }
        }
        for (row, totals) in totals.iter().enumerate() {
            for (block, &total) in totals.iter().enumerate() {
                // SAFETY: sixteen int32.
                unsafe { _mm512_storeu_si512(place(sums, row, block, row_length).as_mut_ptr().cast(), total) }
            }
        }
    }
}
