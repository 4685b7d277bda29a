//! Kernels for x86-64: tokens that prove their instructions to be there, and the loop over tiles that all share.
#![allow(
    unsafe_code,
    reason = "calls of code compiled for instructions that a token proves, and unchecked reads"
)]

mod avx2;
mod avx512_vnni;
mod avx_vnni;

pub use avx_vnni::AvxVnni;
pub use avx2::Avx2;
pub use avx512_vnni::Avx512Vnni;

use crate::packed::{CodeSign, LANES, Line, PackedWeights, Sums, WORD};

/// Computes some rows for some blocks of channels, all sums in registers.
trait Tile: Copy {
    /// Rows of a tile, at most 8.
    const ROWS: usize;
    /// Blocks of a tile, at most 2.
    const BLOCKS: usize;
    /// Whether signed codes are read plus 128.
    const READS_PLUS_128: bool;

    /// Writes the sums of row `r` and block `b` to `sums[r * row_length + b * LANES..]`. `lines` are the blocks'
    /// weights, `starts` what their sums start from.
    ///
    /// # Safety
    /// Each of `rows` is readable for `offset + WORD` bytes, for all `offsets`; each of `lines` is as long
    /// as `offsets`; the machine has the instructions.
    unsafe fn compute<const ROWS: usize, const BLOCKS: usize, const SIGNED: bool>(
        rows: [*const u8; ROWS],
        offsets: &[usize],
        lines: [&[Line]; BLOCKS],
        starts: [&Sums; BLOCKS],
        sums: &mut [i32],
        row_length: usize,
    );
}

/// All rows and blocks, tile by tile: the weights of some blocks stay in the nearest cache while rows pass.
///
/// # Safety
/// The machine has the instructions of `T`.
#[inline]
unsafe fn multiply<T: Tile>(input: &[u8], rows: &[usize], weights: &PackedWeights, sums: &mut [i32]) {
    let blocks = weights.starts.len();
    let mut block = 0;
    while block < blocks {
        let width = T::BLOCKS.min(blocks - block);
        for (tile, rows) in rows.chunks(T::ROWS).enumerate() {
            let sums = &mut sums[tile * T::ROWS * weights.row_length()..];
            // SAFETY: the caller vouches for the instructions.
            unsafe {
                match (width, weights.sign()) {
                    (2, CodeSign::Unsigned) => tile_of::<T, 2, false>(input, rows, weights, block, sums),
                    (2, CodeSign::Signed) => tile_of::<T, 2, true>(input, rows, weights, block, sums),
                    (_, CodeSign::Unsigned) => tile_of::<T, 1, false>(input, rows, weights, block, sums),
                    (_, CodeSign::Signed) => tile_of::<T, 1, true>(input, rows, weights, block, sums),
                }
            }
        }
        block += width;
    }
}

/// One tile, by its number of rows.
///
/// # Safety
/// The machine has the instructions of `T`.
#[inline]
unsafe fn tile_of<T: Tile, const BLOCKS: usize, const SIGNED: bool>(
    input: &[u8],
    rows: &[usize],
    weights: &PackedWeights,
    block: usize,
    sums: &mut [i32],
) {
    macro_rules! with_rows {
        ($($count:literal)*) => {
            match rows.len() {
                // SAFETY: the caller vouches for the instructions.
                $($count => unsafe { tile_with::<T, $count, BLOCKS, SIGNED>(input, rows, weights, block, sums) },)*
                _ => {}
            }
        };
    }
    with_rows!(1 2 3 4 5 6 7 8);
}

/// # Safety
/// The machine has the instructions of `T`.
#[inline]
unsafe fn tile_with<T: Tile, const ROWS: usize, const BLOCKS: usize, const SIGNED: bool>(
    input: &[u8],
    rows: &[usize],
    weights: &PackedWeights,
    block: usize,
    sums: &mut [i32],
) {
    let pointers: [*const u8; ROWS] =
        std::array::from_fn(|row| input[rows[row]..][..weights.reach()].as_ptr());
    let words = weights.offsets.len();
    let lines: [&[Line]; BLOCKS] =
        std::array::from_fn(|index| &weights.lines[(block + index) * words..][..words]);
    let starts = if SIGNED && T::READS_PLUS_128 { &weights.offset_starts } else { &weights.starts };
    let starts: [&Sums; BLOCKS] = std::array::from_fn(|index| &starts[block + index]);
    // SAFETY: every pointer was sliced to `reach` bytes, which is the largest offset plus `WORD`, and every block to
    // `words` lines; the caller vouches for the instructions.
    unsafe {
        T::compute::<ROWS, BLOCKS, SIGNED>(
            pointers,
            &weights.offsets,
            lines,
            starts,
            &mut sums[block * LANES..],
            weights.row_length(),
        );
    }
}

/// The word of four codes at `row + offset`.
///
/// # Safety
/// `row` is readable for `offset + WORD` bytes.
#[inline(always)]
unsafe fn read_word(row: *const u8, offset: usize) -> i32 {
    // SAFETY: the caller vouches for these bytes; an array of bytes needs no alignment.
    i32::from_ne_bytes(unsafe { row.add(offset).cast::<[u8; WORD]>().read() })
}

/// The place of the sums of one row and block.
#[inline(always)]
fn place(sums: &mut [i32], row: usize, block: usize, row_length: usize) -> &mut [i32; LANES] {
    let (places, _) = sums[row * row_length + block * LANES..][..LANES].as_chunks_mut();
    &mut places[0]
}
