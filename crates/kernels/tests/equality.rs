//! Every kernel that this machine has against one naive loop.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use gen_params_kernels::{CodeSign, DepthwiseWeights, Kernel, PackedWeights};
use proptest::prelude::*;

/// The definition: one dot product, in 64 bits.
fn dot(codes: &[u8], row: usize, taps: &[usize], weights: &[i8], sign: CodeSign) -> i64 {
    taps.iter().zip(weights).map(|(tap, weight)| i64::from(*weight) * read(codes[row + tap], sign)).sum()
}

fn read(code: u8, sign: CodeSign) -> i64 {
    match sign {
        CodeSign::Unsigned => i64::from(code),
        CodeSign::Signed => i64::from(code.cast_signed()),
    }
}

#[derive(Debug, Clone)]
struct Case {
    starts: Vec<i32>,
    taps: Vec<usize>,
    weights: Vec<i8>,
    input: Vec<u8>,
    rows: Vec<usize>,
    sign: CodeSign,
}

impl Case {
    /// All sums by the definition; the codes of a channel lie `step` bytes after those of the channel before it.
    fn expected(&self, row_length: usize, step: usize) -> Vec<i32> {
        let sum = |row: usize, channel: usize| {
            let Some(&start) = self.starts.get(channel) else { return 0 };
            let weights = &self.weights[channel * self.taps.len()..][..self.taps.len()];
            let products = dot(&self.input, row + channel * step, &self.taps, weights, self.sign);
            i32::try_from(i64::from(start) + products).unwrap()
        };
        self.rows.iter().flat_map(|&row| (0..row_length).map(move |channel| sum(row, channel))).collect()
    }
}

/// Codes at the ends of their range are as likely as all others together.
fn code() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(255), Just(127), Just(128), any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()]
}

fn sign() -> impl Strategy<Value = CodeSign> {
    prop_oneof![Just(CodeSign::Unsigned), Just(CodeSign::Signed)]
}

/// Runs of consecutive taps at increasing places, like the rows of a window; some with one byte twice.
fn taps() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec((0_usize..9, 1_usize..20), 1..6).prop_map(|runs| {
        let mut taps = Vec::new();
        let mut place = 0;
        for (gap, length) in runs {
            taps.extend(place + gap..place + gap + length);
            place += gap + length;
        }
        taps
    })
}

fn case(channels: impl Strategy<Value = usize>, width: fn(usize) -> usize) -> impl Strategy<Value = Case> {
    (channels, taps(), 0_usize..21, sign()).prop_flat_map(move |(channels, taps, rows, sign)| {
        // The longest word read, and its padding, lies within these bytes.
        let reach = taps.last().map_or(0, |tap| tap + 1) + 3 + width(channels);
        let weights = prop::collection::vec(code().prop_map(u8::cast_signed), channels * taps.len());
        let input = prop::collection::vec(code(), reach + 64);
        let rows = prop::collection::vec(0_usize..=64, rows);
        let starts = prop::collection::vec(-1_000_000_000..1_000_000_000, channels);
        (weights, input, rows, starts).prop_map(move |(weights, input, rows, starts)| Case {
            starts,
            taps: taps.clone(),
            weights,
            input,
            rows,
            sign,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn products(case in case(1_usize..70, |_| 0)) {
        let weights = PackedWeights::new(&case.starts, &case.taps, &case.weights, case.sign);
        for kernel in Kernel::available() {
            // Sums of an earlier product must not survive.
            let mut sums = vec![77; case.rows.len() * weights.row_length()];
            kernel.multiply(&case.input, &case.rows, &weights, &mut sums);
            prop_assert_eq!(sums, case.expected(weights.row_length(), 0), "{}", kernel.name());
        }
    }

    #[test]
    fn depthwise_products(case in case(1_usize..70, |channels| channels)) {
        let weights = DepthwiseWeights::new(&case.starts, &case.taps, &case.weights, case.sign);
        for kernel in Kernel::available() {
            let mut sums = vec![77; case.rows.len() * weights.row_length()];
            kernel.multiply_depthwise(&case.input, &case.rows, &weights, &mut sums);
            prop_assert_eq!(sums, case.expected(weights.row_length(), 1), "{}", kernel.name());
        }
    }
}

/// The largest sums of each sign, where an instruction that saturates 16 bits, or a 128 offset that is forgotten, shows.
#[test]
fn extremes() {
    let mut failures = Vec::new();
    for kernel in Kernel::available() {
        for sign in [CodeSign::Unsigned, CodeSign::Signed] {
            for taps in [1, 2, 3, 4, 5, 9, 64, 576, 4608] {
                for code in [0, 127, 128, 255] {
                    for weight in [-128, -127, 127] {
                        for channels in [1, 15, 16, 17, 32, 33] {
                            for rows in [1, 2, 6, 8, 9] {
                                let places: Vec<usize> = (0..taps).collect();
                                let weights = PackedWeights::new(
                                    &vec![0; channels],
                                    &places,
                                    &vec![weight; channels * taps],
                                    sign,
                                );
                                let input = vec![code; weights.reach()];
                                let mut sums = vec![0; rows * weights.row_length()];
                                kernel.multiply(&input, &vec![0; rows], &weights, &mut sums);
                                let expected =
                                    i64::try_from(taps).unwrap() * read(code, sign) * i64::from(weight);
                                let wrong = sums
                                    .chunks(weights.row_length())
                                    .any(|row| row[..channels].iter().any(|&sum| i64::from(sum) != expected));
                                if wrong {
                                    failures.push(format!(
                                        "{} {sign:?} taps {taps} code {code} weight {weight} channels {channels} rows {rows}",
                                        kernel.name()
                                    ));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A byte that several taps read counts for each.
#[test]
fn taps_that_share_a_byte() {
    for kernel in Kernel::available() {
        let weights = PackedWeights::new(&[0], &[2, 2, 2, 0], &[100, 100, 50, -1], CodeSign::Unsigned);
        let mut sums = vec![0; weights.row_length()];
        kernel.multiply(&[3, 0, 200, 0, 0, 0, 0], &[0], &weights, &mut sums);
        assert_eq!(sums[0], 250 * 200 - 3, "{}", kernel.name());
    }
}

#[test]
#[should_panic(expected = "beyond the input")]
fn rows_beyond_the_input() {
    let weights = PackedWeights::new(&[0], &[0, 1, 2], &[1, 2, 3], CodeSign::Unsigned);
    Kernel::best().multiply(&[0; 7], &[0, 4], &weights, &mut [0; 32]);
}

#[test]
fn nothing_to_compute() {
    for kernel in Kernel::available() {
        kernel.multiply(&[], &[], &PackedWeights::new(&[], &[], &[], CodeSign::Signed), &mut []);
        let no_taps = PackedWeights::new(&[5, -6], &[], &[], CodeSign::Signed);
        let mut sums = [9; 16];
        kernel.multiply(&[], &[0], &no_taps, &mut sums);
        assert_eq!(sums[..3], [5, -6, 0]);
        kernel.multiply_depthwise(&[], &[], &DepthwiseWeights::new(&[], &[], &[], CodeSign::Signed), &mut []);
    }
}
