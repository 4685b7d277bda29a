//! Billions of products and sums a second, on one core, for every kernel of this machine.
#![allow(clippy::print_stdout, reason = "a table for people")]

use std::hint::black_box;
use std::time::Instant;

use gen_params_kernels::{CodeSign, Kernel, PackedWeights};

fn main() {
    // Rows, channels, taps: layers of small and of large networks.
    let shapes = [
        (196, 16, 9),
        (196, 16, 144),
        (49, 32, 288),
        (16, 64, 576),
        (196, 128, 1152),
        (49, 512, 4608),
        (1, 512, 2048),
    ];
    print!("{:>22}", "rows x channels x taps");
    for kernel in Kernel::available() {
        print!("{:>14}", kernel.name());
    }
    println!("   10^9 products/s");
    for (rows, channels, taps) in shapes {
        print!("{:>22}", format!("{rows} x {channels} x {taps}"));
        let places: Vec<usize> = (0..taps).collect();
        let weights =
            PackedWeights::new(&vec![0; channels], &places, &vec![3; channels * taps], CodeSign::Unsigned);
        // Rows overlap like those of a convolution.
        let starts: Vec<usize> = (0..rows).map(|row| row * taps / 9).collect();
        let input = vec![5; rows * taps / 9 + weights.reach()];
        let mut sums = vec![0; rows * weights.row_length()];
        for kernel in Kernel::available() {
            let products = rows * channels * taps;
            let repeats = 200_000_000 / products + 1;
            let best = (0..5)
                .map(|_| {
                    let start = Instant::now();
                    for _ in 0..repeats {
                        kernel.multiply(black_box(&input), &starts, &weights, &mut sums);
                        black_box(&mut sums);
                    }
                    start.elapsed().as_secs_f64()
                })
                .fold(f64::INFINITY, f64::min);
            print!(
                "{:>14.1}",
                f64::from(u32::try_from(products * repeats / 1000).unwrap_or(0)) * 1000.0 / best / 1e9
            );
        }
        println!();
    }
}
