//! The sigmoid and tanh of an LSTM's gates, as TFLite's two kernels compute them on 16-bit numbers.

use std::sync::OnceLock;

use crate::gemmlowp_narrow;

/// Whose functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GateFunctions {
    /// LiteRT's: polynomials of fixed-point numbers.
    Polynomials,
    /// TFLite Micro's and CMSIS-NN's: a table of the sigmoid, interpolated.
    Table,
}

impl GateFunctions {
    /// Sigmoid of a number of scale 2^-12; the result has scale 2^-15.
    pub(super) fn sigmoid(self, x: i32) -> i32 {
        match self {
            Self::Polynomials => gemmlowp_narrow::logistic(x),
            Self::Table => interpolated_sigmoid(x),
        }
    }

    /// Tanh of a number of scale 2^`power`, -15 to -9; the result has scale 2^-15.
    pub(super) fn tanh(self, x: i32, power: i32) -> i32 {
        match self {
            Self::Polynomials => gemmlowp_narrow::tanh(x, (15 + power).unsigned_abs()),
            Self::Table => interpolated_tanh(x, power),
        }
    }
}

/// Entries of the table.
const ENTRIES: u8 = 255;

/// sigmoid(i/24) at scale 2^-16, each lowered by half of what interpolation is too large, or raised by what it is too
/// small, in the middle of the interval behind it; the last is the largest number of 16 bits.
///
/// Source of the places and uses: TFLite `kernels/internal/common.h`, `reference/integer_ops/logistic.h` and `tanh.h`. The rule
/// gives all 256 of its entries.
fn table() -> &'static [i32] {
    static TABLE: OnceLock<Vec<i32>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let sigmoid = |place: f64| 65_536.0 / (1.0 + (-place / 24.0).exp());
        let entry = |index: u8| {
            let place = f64::from(index);
            let (value, next) = (sigmoid(place), sigmoid(place + 1.0));
            let error = f64::midpoint(value, next) - sigmoid(place + 0.5);
            #[allow(clippy::cast_possible_truncation, reason = "at most 2^16")]
            let rounded = (value - error / 2.0).round() as i32;
            rounded
        };
        (0..ENTRIES).map(entry).chain([65_535]).collect()
    })
}

/// The table at `magnitude / 2^bits`, with `bits` fractional bits more; `None` beyond its end.
fn lookup(magnitude: i32, bits: u32) -> Option<i32> {
    let index = usize::try_from(magnitude >> bits).ok()?;
    match table().get(index..index + 2) {
        Some(&[value, next]) => Some((value << bits) + (magnitude & ((1 << bits) - 1)) * (next - value)),
        _ => None,
    }
}

fn interpolated_sigmoid(x: i32) -> i32 {
    // The table has 24 entries to the unit, and x 4096 to it: 512 of a third to an entry.
    sigmoid_at(3 * x)
}

/// Sigmoid at a place of the table, 512 to an entry, at scale 2^-15.
pub(super) fn sigmoid_at(scaled: i32) -> i32 {
    let value = lookup(scaled.saturating_abs(), 9).unwrap_or(0x7FFF << 10);
    let signed = if scaled >= 0 { value + (1 << 9) } else { (1 << 25) - value + (1 << 9) - 1 };
    signed >> 10
}

/// tanh(x) = 2*sigmoid(2x) - 1.
fn interpolated_tanh(x: i32, power: i32) -> i32 {
    let scaled = match power + 12 {
        shift @ 0.. => (3 * x) << shift.min(15),
        shift => {
            let right = shift.unsigned_abs().min(15);
            (3 * x + (1 << (right - 1))) >> right
        }
    };
    tanh_at(scaled)
}

/// Tanh at half a place of the table, 256 to an entry, at scale 2^-15.
pub(super) fn tanh_at(scaled: i32) -> i32 {
    let value = lookup(scaled.saturating_abs(), 8).unwrap_or(0xFFFF << 8);
    let signed = if scaled >= 0 { value - (1 << 23) + (1 << 7) } else { -value + (1 << 23) + (1 << 7) - 1 };
    signed >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_close_to_the_real_ones() {
        for functions in [GateFunctions::Polynomials, GateFunctions::Table] {
            for x in (-32_768..32_768).step_by(41) {
                let real = 32_768.0 / (1.0 + (-f64::from(x) / 4096.0).exp());
                let found = f64::from(functions.sigmoid(x));
                assert!((found - real).abs() < 20.0, "{functions:?} sigmoid {x}: {found}, {real}");
                for power in -15..=-9 {
                    let real = 32_768.0 * (f64::from(x) * 2f64.powi(power)).tanh();
                    let found = f64::from(functions.tanh(x, power));
                    assert!((found - real).abs() < 40.0, "{functions:?} tanh {x}, {power}: {found}, {real}");
                }
            }
        }
    }

    /// Entries of TFLite's table where rounding the sigmoid alone gives others.
    #[test]
    fn the_table_is_that_of_tflite() {
        for (index, entry) in
            [(0, 32_768), (4, 35_493), (29, 50_464), (93, 64_204), (135, 65_301), (255, 65_535)]
        {
            assert_eq!(table()[index], entry, "{index}");
        }
        assert_eq!(table().len(), 256);
    }
}
