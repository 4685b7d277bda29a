//! The kernels of this machine and what they compute.

use crate::depthwise::DepthwiseWeights;
use crate::packed::PackedWeights;
use crate::portable;
#[cfg(target_arch = "x86_64")]
use crate::x86::{Avx2, Avx512Vnni, AvxVnni};

/// A loop to be compiled for the instruction set of a [`Kernel`].
pub trait Operation {
    /// What it returns.
    type Output;

    /// The loop. Must be `#[inline(always)]` (with everything that it calls), or it is compiled for the baseline.
    fn run(self) -> Self::Output;
}

/// One way to compute products, which this machine can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// `vpdpbusd` on 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
    /// `vpdpbusd` on 256 bits.
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    /// Codes widened to 16 bits, `vpmaddwd` on 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// Plain loops.
    Portable,
}

impl Kernel {
    /// Every kernel that this machine can run, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut kernels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(Avx512Vnni::new().map(Self::Avx512Vnni));
            kernels.extend(AvxVnni::new().map(Self::AvxVnni));
            kernels.extend(Avx2::new().map(Self::Avx2));
        }
        kernels.push(Self::Portable);
        kernels
    }

    /// The fastest kernel that this machine can run.
    pub fn best() -> Self {
        Self::available().first().copied().unwrap_or(Self::Portable)
    }

    /// The name, for reports.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(_) => "avx512-vnni",
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(_) => "avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            Self::Portable => "portable",
        }
    }

    /// `sums[r * row_length + c] = starts[c] + sum over taps k of input[rows[r] + taps[k]] * weight[c][k]`, for all rows
    /// and channels; sums of the channels that pad the last block are zero.
    ///
    /// # Panics
    /// A row's start plus [`PackedWeights::reach`] is beyond the input, or `sums` is not
    /// `rows.len() *` [`PackedWeights::row_length`] long.
    pub fn multiply(self, input: &[u8], rows: &[usize], weights: &PackedWeights, sums: &mut [i32]) {
        check_rows(input, rows, weights.reach());
        assert_eq!(sums.len(), rows.len() * weights.row_length(), "one sum per row and padded channel");
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(token) => token.multiply(input, rows, weights, sums),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(token) => token.multiply(input, rows, weights, sums),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.multiply(input, rows, weights, sums),
            Self::Portable => portable::multiply(input, rows, weights, sums),
        }
    }

    /// `sums[r * row_length + c] = starts[c] + sum over taps k of input[rows[r] + taps[k] + c] * weight[c][k]`, for all
    /// rows and channels; sums of the channels that pad the last block are zero.
    ///
    /// # Panics
    /// A row's start plus [`DepthwiseWeights::reach`] is beyond the input, or `sums` is not
    /// `rows.len() *` [`DepthwiseWeights::row_length`] long.
    pub fn multiply_depthwise(
        self,
        input: &[u8],
        rows: &[usize],
        weights: &DepthwiseWeights,
        sums: &mut [i32],
    ) {
        check_rows(input, rows, weights.reach());
        assert_eq!(sums.len(), rows.len() * weights.row_length(), "one sum per row and padded channel");
        self.vectorize(Depthwise { input, rows, weights, sums });
    }

    /// Runs a loop compiled for this kernel's instruction set. Results do not depend on the kernel: Rust's float
    /// operations are never contracted or reordered, and `mul_add` is one rounding everywhere.
    #[inline]
    pub fn vectorize<O: Operation>(self, operation: O) -> O::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(token) => token.run(operation),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(token) => token.run(operation),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.run(operation),
            Self::Portable => operation.run(),
        }
    }
}

/// Kernels read without further checks: every row must lie within the input.
fn check_rows(input: &[u8], rows: &[usize], reach: usize) {
    let Some(&last) = rows.iter().max() else { return };
    assert!(last.checked_add(reach).is_some_and(|end| end <= input.len()), "a row reaches beyond the input");
}

struct Depthwise<'a> {
    input: &'a [u8],
    rows: &'a [usize],
    weights: &'a DepthwiseWeights,
    sums: &'a mut [i32],
}

impl Operation for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.weights.accumulate(self.input, self.rows, self.sums);
    }
}
