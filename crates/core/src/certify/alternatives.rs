//! Multiplications that are sums of shifts: M as a few powers of two, each added or subtracted.
//!
//! `x * M0` with M0 = +-2^a +-2^b ... needs an adder for each power of two but the first, and no multiplier. The numbers
//! with few such digits that are nearest to M differ from it by up to 1/3 with one digit, 1/9 with two, 1/27 with three.

use crate::exact::Ratio;

/// How M may be composed of powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digits {
    /// This many, all added: shifts and adders.
    Added(u32),
    /// This many, added or subtracted: canonical signed digits.
    Signed(u32),
}

/// Bits of the multipliers that are composed: the digits lie within as many places.
const BITS: u32 = 31;

/// The M0 nearest to M with these digits and n with M ~ M0 * 2^-n, `shift` places at most; M0 is odd, or n is 0. `None`
/// where M is no positive number or 32 bits of M0 do not hold its nearest.
pub fn nearest_with_digits(real: &Ratio, digits: Digits, largest_shift: u32) -> Option<(u32, u32)> {
    let n = i64::from(BITS) - 1 - real.floor_log2()?;
    let n = n.clamp(0, i64::from(largest_shift));
    let exact = real.round_scaled(n)?;
    let (count, signed) = match digits {
        Digits::Added(count) => (count, false),
        Digits::Signed(count) => (count, true),
    };
    let multiplier = u32::try_from(composed(exact, count, signed)).ok().filter(|&m| m > 0)?;
    let excess = multiplier.trailing_zeros().min(u32::try_from(n).ok()?);
    Some((multiplier >> excess, u32::try_from(n).ok()? - excess))
}

/// The number nearest to `value` with at most `count` digits; the smaller of two.
fn composed(value: i128, count: u32, signed: bool) -> i128 {
    if count == 0 || value == 0 {
        return 0;
    }
    if value < 0 {
        return if signed { -composed(-value, count, signed) } else { 0 };
    }
    let below = 1_i128 << value.ilog2();
    // The best sum begins with one of the two powers around the value.
    let candidates = [below, 2 * below].map(|first| first + composed(value - first, count - 1, signed));
    let [a, b] = candidates;
    if (b - value).abs() < (a - value).abs() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nearest of all sums of at most 1, 2, 3, 4 powers of two within 14 places, found by trying every one with
    /// Python's fractions: numerator and exponent of the denominator.
    #[test]
    fn few_digits_are_nearest() {
        let rows = [
            (0.7, false, [(1, 1), (3, 2), (11, 4), (45, 6)]),
            (0.7, true, [(1, 1), (3, 2), (11, 4), (45, 6)]),
            (0.9, false, [(1, 0), (1, 0), (7, 3), (29, 5)]),
            (0.9, true, [(1, 0), (7, 3), (29, 5), (115, 7)]),
            (0.003_641, false, [(1, 8), (1, 8), (7, 11), (15, 12)]),
            (0.003_641, true, [(1, 8), (15, 12), (239, 16), (477, 17)]),
        ];
        let mut failures = Vec::new();
        for (real, signed, expected) in rows {
            for (count, expected) in (1..).zip(expected) {
                let digits = if signed { Digits::Signed(count) } else { Digits::Added(count) };
                let found = nearest_with_digits(&Ratio::from_f64(real).unwrap(), digits, 62);
                if found != Some(expected) {
                    failures.push((real, digits, found, expected));
                }
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
