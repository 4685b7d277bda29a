//! How many reachable accumulators a narrower register gets wrong.
//!
//! A register of B bits that wraps gives the right sum modulo 2^B, whatever its partial sums were: it is wrong at the sums
//! beyond its range, in any order of additions. One that saturates loses what a partial sum had beyond its range, and so
//! may be wrong at sums that fit. If the first i products can reach more than the largest value, and the rest at least
//! adds s_i, then a sum of largest + 1 + s_i or more may have passed through there; the smallest of these over all i
//! decides, and likewise below. These counts are for the order of the weights as they are stored.

use crate::hardware::reach::{
    Accumulators, Ranks, Run, Sums, centred_accumulators, hull, meetings, of_channel, signed_bits,
    weight_sums,
};
use crate::ops::Layer;
use crate::parameters::{LayerKind, LayerParameters, Range};

/// The partial sums of one output channel: extremes of `sum(x * (w - Z2))`, padding included.
#[derive(Debug, Clone)]
pub struct Partial {
    /// Extremes of the whole sum.
    sum: Range<i64>,
    /// The whole sums that occur.
    ranks: Ranks,
    /// Extremes after each product, in the order of the weights, and of what the products after it add; for every way in
    /// which a border may cut the window.
    steps: Vec<(Range<i64>, Range<i64>)>,
    /// Extremes that a partial sum can have in any order.
    any_order: Range<i64>,
}

const NOTHING: Range<i64> = Range { min: 0, max: 0 };

impl Partial {
    /// The partial sums of each channel of a layer; `None` where its input range is not known, and for transposed
    /// convolutions, whose products meet in another order at every position.
    pub fn of_layer(layer: &Layer, parameters: &LayerParameters) -> Option<Vec<Self>> {
        if matches!(layer.kind, LayerKind::ConvTranspose(_)) {
            return None;
        }
        let (input, range) = (parameters.input?, parameters.input_range?);
        let channels = parameters.channels;
        let met = meetings(layer, channels, range, input.zero_point)?;
        let centred = centred_accumulators(layer, input, range)?;
        let totals = weight_sums(layer, channels, &layer.weight.zero_point);
        let taps = layer.weight.codes.len().checked_div(channels)?.max(1);
        let z1 = i64::from(input.zero_point);
        let ends = [i64::from(met.range.min), i64::from(met.range.max)];
        let each = layer.weight.codes.chunks_exact(taps).zip(centred).zip(totals).enumerate();
        let of_channel = |(channel, ((weights, centred), total)): (usize, ((&[i8], _), i64))| {
            let z2 = of_channel(&layer.weight.zero_point, channel);
            let of_pattern = |inside: &Vec<bool>| {
                let products = weights.iter().enumerate().map(|(index, &weight)| {
                    let weight = i64::from(weight) - z2;
                    let [a, b] =
                        if inside[index % inside.len()] { ends } else { [z1; 2] }.map(|x| x * weight);
                    Range { min: a.min(b), max: a.max(b) }
                });
                Self::of(&products.collect::<Vec<_>>())
            };
            let parts = met.patterns.iter().map(of_pattern).reduce(|mut a, mut b| {
                a.steps.append(&mut b.steps);
                a.sum = hull(a.sum, b.sum);
                a.any_order = hull(a.any_order, b.any_order);
                a
            })?;
            Some(Self { ranks: moved(&centred, z1 * total), ..parts })
        };
        each.map(of_channel).collect()
    }

    /// The partial sums of products with these extremes, in their order; every sum between the ends.
    fn of(products: &[Range<i64>]) -> Self {
        let add = |a: Range<i64>, b: &Range<i64>| Range { min: a.min + b.min, max: a.max + b.max };
        let sum = products.iter().fold(NOTHING, add);
        let any_order = products.iter().fold(NOTHING, |reach, product| Range {
            min: reach.min + product.min.min(0),
            max: reach.max + product.max.max(0),
        });
        let mut before = NOTHING;
        let steps = products.iter().map(|product| {
            before = add(before, product);
            (before, Range { min: sum.min - before.min, max: sum.max - before.max })
        });
        Self { steps: steps.collect(), sum, ranks: Ranks::new(sum, None), any_order }
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
        self.ranks.count().unsigned_abs()
    }

    /// Whether all that are counted occur: else they are those of an interval that contains what does.
    pub fn exact(&self) -> bool {
        self.ranks.exact()
    }

    /// How many sums are beyond a range.
    fn beyond(&self, held: Range<i64>) -> u64 {
        let held = self.ranks.below(held.max.saturating_add(1)) - self.ranks.below(held.min);
        self.reachable() - held.max(0).unsigned_abs()
    }

    /// Reachable sums that a register of `bits` bits, 2 to 63, that wraps gets wrong.
    pub fn wrapped(&self, bits: u32) -> u64 {
        self.beyond(register(bits))
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
        self.beyond(Range { min: low + 1, max: high - 1 })
    }
}

fn register(bits: u32) -> Range<i64> {
    let half = 1_i64 << (bits.clamp(2, 63) - 1);
    Range { min: -half, max: half - 1 }
}

/// The accumulators of a channel with another origin.
fn moved(accumulators: &Accumulators, by: i64) -> Ranks {
    let Range { min, max } = accumulators.range;
    let sums = accumulators.sums.as_ref().map(|sums| Sums {
        runs: sums
            .runs
            .iter()
            .map(|run| Run { first: run.first + by, last: run.last + by, ..*run })
            .collect(),
        exact: sums.exact,
    });
    Ranks::new(Range { min: min + by, max: max + by }, sums.as_ref())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::hardware::reach::Combination;

    /// Every input of three products with weights 3, 2, -4 and codes 0..=3, added one by one in 4 bits, -8..=7.
    #[test]
    fn counts_are_those_of_every_input() {
        let weights = [3_i64, 2, -4];
        let products = weights.map(|w| Range { min: (3 * w).min(0), max: (3 * w).max(0) });
        let combination =
            Combination { weights: weights.to_vec(), range: Range { min: 0, max: 3 }, fixed: 0 };
        let interval = Partial::of(&products);
        let known = Sums::of(&[combination], interval.sum);
        let partial = Partial { ranks: Ranks::new(interval.sum, known.as_ref()), ..interval };
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
        assert_eq!(partial.reachable(), sums.len() as u64);
        assert_eq!(partial.wrapped(4), wrapped.len() as u64);
        assert_eq!(partial.saturated(4), saturated.len() as u64);
        assert_eq!((partial.bits(), partial.bits_in_any_order()), (5, 5));
        assert_eq!((partial.wrapped(5), partial.saturated(5)), (0, 0));
    }
}
