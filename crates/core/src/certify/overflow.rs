//! How many reachable accumulators a narrower register gets wrong.
//!
//! A register of B bits that wraps gives the right sum modulo 2^B, whatever its partial sums were: it is wrong at the sums
//! beyond its range, in any order of additions. One that saturates loses what a partial sum had beyond its range, and so
//! may be wrong at sums that fit. If the first i products can reach more than the largest value, and the rest at least
//! adds s_i, then a sum of largest + 1 + s_i or more may have passed through there; the smallest of these over all i
//! decides, and likewise below. These counts are for the order of the weights as they are stored.

use crate::parameters::{LayerKind, LayerParameters, Range};

/// The partial sums of one output channel: exact extremes of `sum(x * (w - Z2))`, padding included.
#[derive(Debug, Clone)]
pub struct Partial {
    /// Extremes of the whole sum.
    sum: Range<i64>,
    /// Extremes after each product, in the order of the weights, and of what the products after it add.
    steps: Vec<(Range<i64>, Range<i64>)>,
    /// Extremes that a partial sum can have in any order.
    any_order: Range<i64>,
}

impl Partial {
    /// The partial sums of each channel of a layer; `None` where its input range is not known, and for transposed
    /// convolutions, whose products meet in another order at every position.
    pub fn of_layer(layer: &LayerParameters) -> Option<Vec<Self>> {
        if matches!(layer.kind, LayerKind::ConvTranspose(_)) {
            return None;
        }
        let (input, range) = (layer.input?, layer.input_range?);
        let padded = layer.window.as_ref().is_some_and(|window| {
            window.padding.as_ref().is_none_or(|padding| padding.iter().any(|&size| size > 0))
        });
        let z1 = input.zero_point;
        let range = if padded { Range { min: range.min.min(z1), max: range.max.max(z1) } } else { range };
        let taps = layer.weight.codes.len().checked_div(layer.channels)?.max(1);
        let zero_points = &layer.weight.zero_point;
        let channels = layer.weight.codes.chunks_exact(taps).enumerate().map(|(channel, weights)| {
            let z2 = zero_points.get(if zero_points.len() > 1 { channel } else { 0 }).copied().unwrap_or(0);
            let products = weights.iter().map(|&weight| {
                let weight = i64::from(weight) - i64::from(z2);
                let ends = [i64::from(range.min) * weight, i64::from(range.max) * weight];
                Range { min: ends[0].min(ends[1]), max: ends[0].max(ends[1]) }
            });
            Self::of(products.collect())
        });
        Some(channels.collect())
    }

    /// The partial sums of products with these extremes, in their order.
    fn of(products: Vec<Range<i64>>) -> Self {
        let add = |a: Range<i64>, b: &Range<i64>| Range { min: a.min + b.min, max: a.max + b.max };
        let nothing = Range { min: 0, max: 0 };
        let sum = products.iter().fold(nothing, add);
        let any_order = products.iter().fold(nothing, |reach, product| Range {
            min: reach.min + product.min.min(0),
            max: reach.max + product.max.max(0),
        });
        let mut before = nothing;
        let steps = products.iter().map(|product| {
            before = add(before, product);
            (before, Range { min: sum.min - before.min, max: sum.max - before.max })
        });
        Self { steps: steps.collect(), sum, any_order }
    }

    /// Bits that hold the sum.
    pub fn bits(&self) -> u32 {
        signed_bits(self.sum)
    }

    /// Bits that hold the sum and every partial sum, in any order of additions.
    pub fn bits_in_any_order(&self) -> u32 {
        signed_bits(self.any_order)
    }

    /// Number of reachable sums.
    pub fn reachable(&self) -> u64 {
        size(self.sum)
    }

    /// Reachable sums that a register of `bits` bits, 2 to 63, that wraps gets wrong.
    pub fn wrapped(&self, bits: u32) -> u64 {
        let register = register(bits);
        let held = Range { min: self.sum.min.max(register.min), max: self.sum.max.min(register.max) };
        self.reachable() - size(held)
    }

    /// Reachable sums that a register of `bits` bits, 2 to 63, that saturates can get wrong, products added in the order
    /// of the weights.
    pub fn saturated(&self, bits: u32) -> u64 {
        let register = register(bits);
        let (mut low, mut high) = (self.sum.min - 1, self.sum.max + 1);
        for (partial, rest) in &self.steps {
            if partial.max > register.max {
                high = high.min(register.max + 1 + rest.min);
            }
            if partial.min < register.min {
                low = low.max(register.min - 1 + rest.max);
            }
        }
        // Right: between both.
        let held = Range { min: (low + 1).max(self.sum.min), max: (high - 1).min(self.sum.max) };
        self.reachable() - size(held)
    }
}

fn register(bits: u32) -> Range<i64> {
    let half = 1_i64 << (bits.clamp(2, 63) - 1);
    Range { min: -half, max: half - 1 }
}

fn size(range: Range<i64>) -> u64 {
    u64::try_from(range.max.saturating_sub(range.min).saturating_add(1)).unwrap_or(0)
}

fn signed_bits(range: Range<i64>) -> u32 {
    let bits = |v: i64| i64::BITS + 1 - if v < 0 { v.leading_ones() } else { v.leading_zeros() };
    bits(range.min).max(bits(range.max))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every input of three products with weights 3, 2, -4 and codes 0..=3, added one by one in 4 bits, -8..=7.
    #[test]
    fn counts_are_those_of_every_input() {
        let weights = [3_i64, 2, -4];
        let products = weights.map(|w| Range { min: (3 * w).min(0), max: (3 * w).max(0) });
        let partial = Partial::of(products.to_vec());
        let (mut sums, mut wrapped, mut saturated) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for input in 0..64_i64 {
            let codes = [input % 4, input / 4 % 4, input / 16];
            let (mut exact, mut held) = (0, 0_i64);
            for (code, weight) in codes.iter().zip(weights) {
                exact += code * weight;
                held = (held + code * weight).clamp(-8, 7);
            }
            sums.insert(exact);
            if (exact + 8).rem_euclid(16) - 8 != exact {
                wrapped.insert(exact);
            }
            if held != exact {
                saturated.insert(exact);
            }
        }
        // What no input reaches is counted with the rest, here as in the certificates; both are beyond the register.
        let unreached =
            [-11, 14].map(|sum| sums.contains(&sum)).into_iter().filter(|&known| !known).count() as u64;
        assert_eq!(unreached, 2);
        assert_eq!(partial.reachable(), sums.len() as u64 + unreached);
        assert_eq!(partial.wrapped(4), wrapped.len() as u64 + unreached);
        assert_eq!(partial.saturated(4), saturated.len() as u64 + unreached);
        assert_eq!((partial.bits(), partial.bits_in_any_order()), (5, 5));
        assert_eq!((partial.wrapped(5), partial.saturated(5)), (0, 0));
    }
}
