//! Products in plain loops, for every machine.

use crate::packed::{CodeSign, LANES, PackedWeights, WORD};

pub(crate) fn multiply(input: &[u8], rows: &[usize], weights: &PackedWeights, sums: &mut [i32]) {
    match weights.sign() {
        CodeSign::Unsigned => multiply_as(input, rows, weights, sums, i32::from),
        CodeSign::Signed => multiply_as(input, rows, weights, sums, |code| i32::from(code.cast_signed())),
    }
}

fn multiply_as(
    input: &[u8],
    rows: &[usize],
    weights: &PackedWeights,
    sums: &mut [i32],
    widen: impl Fn(u8) -> i32,
) {
    if weights.row_length() == 0 {
        return;
    }
    let words = weights.offsets.len();
    for (&row, sums) in rows.iter().zip(sums.chunks_exact_mut(weights.row_length())) {
        for (block, sums) in sums.chunks_exact_mut(LANES).enumerate() {
            sums.copy_from_slice(&weights.starts[block].0);
            for (&offset, line) in weights.offsets.iter().zip(&weights.lines[block * words..]) {
                let codes = &input[row + offset..][..WORD];
                for (sum, word) in sums.iter_mut().zip(line.0.chunks_exact(WORD)) {
                    for (&code, &weight) in codes.iter().zip(word) {
                        *sum = sum.wrapping_add(widen(code) * i32::from(weight));
                    }
                }
            }
        }
    }
}
