//! `vpdpbusd` on 256 bits, in either encoding: processors have it as AVX-VNNI, or as a part of AVX-512.

use std::arch::x86_64::{
    __m256i, _mm256_dpbusd_avx_epi32, _mm256_dpbusd_epi32, _mm256_load_si256, _mm256_set1_epi32,
    _mm256_storeu_si256,
};

use super::{Tile, place, read_word};
use crate::kernel::Operation;
use crate::packed::{Line, PackedWeights, Sums};

/// Proof that this machine has `vpdpbusd` on 256 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvxVnni(Encoding);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Vex,
    Evex,
}

impl AvxVnni {
    /// The token, where the instructions exist.
    pub fn new() -> Option<Self> {
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            return None;
        }
        if is_x86_feature_detected!("avxvnni") {
            Some(Self(Encoding::Vex))
        } else if is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512vnni") {
            Some(Self(Encoding::Evex))
        } else {
            None
        }
    }

    pub(crate) fn multiply(self, input: &[u8], rows: &[usize], weights: &PackedWeights, sums: &mut [i32]) {
        // SAFETY of both: the token proves the instructions.
        match self.0 {
            Encoding::Vex => unsafe { super::multiply::<Vex>(input, rows, weights, sums) },
            Encoding::Evex => unsafe { super::multiply::<Evex>(input, rows, weights, sums) },
        }
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

/// The same tile for both encodings: intrinsics cannot be passed as values without losing their inlining.
macro_rules! tile {
    ($name:ident, $features:literal, $dot:ident) => {
        /// Two registers per row and block: eight channels each.
        #[derive(Clone, Copy)]
        struct $name;

        impl Tile for $name {
            const ROWS: usize = 6;
            const BLOCKS: usize = 1;
            const READS_PLUS_128: bool = true;

            #[target_feature(enable = $features)]
            unsafe fn compute<const ROWS: usize, const BLOCKS: usize, const SIGNED: bool>(
                rows: [*const u8; ROWS],
                offsets: &[usize],
                lines: [&[Line]; BLOCKS],
                starts: [&Sums; BLOCKS],
                sums: &mut [i32],
                row_length: usize,
            ) {
                let mut totals = [starts.map(|start| {
                    let start = start.0.as_ptr().cast::<__m256i>();
                    // SAFETY: the halves of 64 aligned bytes.
                    unsafe { [_mm256_load_si256(start), _mm256_load_si256(start.add(1))] }
                }); ROWS];
                for (word, &offset) in offsets.iter().enumerate() {
                    // SAFETY: every block has one line of 64 aligned bytes per word.
                    let weights = lines.map(|lines| unsafe {
                        let line = lines.as_ptr().add(word).cast::<__m256i>();
                        [_mm256_load_si256(line), _mm256_load_si256(line.add(1))]
                    });
                    for (row, totals) in rows.iter().zip(&mut totals) {
                        // SAFETY: the caller's.
                        let codes = unsafe { read_word(*row, offset) };
                        // A signed code plus 128 is the unsigned byte with its top bit flipped.
                        let codes = _mm256_set1_epi32(if SIGNED {
                            codes ^ i32::from_ne_bytes([0x80; 4])
                        } else {
                            codes
                        });
                        for (total, weights) in
                            totals.as_flattened_mut().iter_mut().zip(weights.as_flattened())
                        {
                            *total = $dot(*total, codes, *weights);
                        }
                    }
                }
                for (row, totals) in totals.iter().enumerate() {
                    for (block, halves) in totals.iter().enumerate() {
                        let (places, _) = place(sums, row, block, row_length).as_chunks_mut::<8>();
                        for (place, &total) in places.iter_mut().zip(halves) {
                            // SAFETY: eight int32.
                            unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), total) }
                        }
                    }
                }
            }
        }
    };
}

tile!(Vex, "avx2,avxvnni", _mm256_dpbusd_avx_epi32);
tile!(Evex, "avx2,avx512vl,avx512vnni", _mm256_dpbusd_epi32);
