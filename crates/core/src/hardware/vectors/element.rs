//! One output element as a sum over the input codes that it meets, and codes that give it a wanted sum.

use crate::hardware::TargetLayer;
use crate::hardware::reach::Combination;
use crate::parameters::Range;

/// An output position: what the taps of one input channel meet there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Index among the output positions, row-major.
    pub(super) position: usize,
    /// By kernel position: the index within the input's plane; `None` on padding.
    pub(super) sources: Vec<Option<usize>>,
}

/// One input code that an output element meets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    /// Index within one image of the input.
    pub(super) input: usize,
    /// Sum of w_q over the taps that meet it: its share in the accumulator.
    pub(super) weight: i64,
    /// Sum of w_q - Z2: its share in the biased accumulator.
    pub(super) centred: i64,
}

/// One output element.
#[derive(Debug, Clone)]
pub(super) struct Element {
    /// The codes that it meets.
    pub(super) terms: Vec<Term>,
    /// Taps that meet padding.
    pub(super) padded: usize,
    /// Sum of w_q over them.
    pub(super) padded_weight: i64,
    /// Sum of w_q - Z2 over them.
    pub(super) padded_centred: i64,
}

impl Element {
    /// The element of a channel at a place; `area` input elements are a plane.
    pub(super) fn new(layer: &TargetLayer, channel: usize, place: &Place, area: usize) -> Self {
        let group = channel / (layer.channels() / layer.groups().max(1)).max(1);
        let weights = &layer.weight[channel * layer.taps()..(channel + 1) * layer.taps()];
        let zero_point = i64::from(layer.weight_zero_point[channel]);
        let mut element = Self { terms: Vec::new(), padded: 0, padded_weight: 0, padded_centred: 0 };
        for (tap, &weight) in weights.iter().enumerate() {
            let weight = i64::from(weight);
            let centred = weight - zero_point;
            let positions = place.sources.len().max(1);
            match place.sources[tap % positions] {
                Some(source) => {
                    let input = (group * layer.group_inputs() + tap / positions) * area + source;
                    element.terms.push(Term { input, weight, centred });
                }
                None => {
                    element.padded += 1;
                    element.padded_weight += weight;
                    element.padded_centred += centred;
                }
            }
        }
        // Borders that mirror the input meet a code more than once.
        element.terms.sort_by_key(|term| term.input);
        element.terms.dedup_by(|next, kept| {
            let same = next.input == kept.input;
            if same {
                kept.weight += next.weight;
                kept.centred += next.centred;
            }
            same
        });
        element
    }

    /// The smallest and the largest sum of `share` times code, padding's own sum being `fixed`.
    pub(super) fn reach(&self, codes: Range<i32>, fixed: i64, share: impl Fn(&Term) -> i64) -> Range<i64> {
        let (low, high) = (i64::from(codes.min), i64::from(codes.max));
        self.terms.iter().map(share).fold(Range { min: fixed, max: fixed }, |sum, weight| Range {
            min: sum.min + (weight * low).min(weight * high),
            max: sum.max + (weight * low).max(weight * high),
        })
    }

    /// Codes, one per term, with the largest accumulator, or the smallest.
    pub(super) fn extreme(&self, codes: Range<i32>, largest: bool) -> Vec<i32> {
        let code = |term: &Term| if (term.weight < 0) == largest { codes.min } else { codes.max };
        self.terms.iter().map(code).collect()
    }

    /// The sum over centred weights, for any codes: padding's own sum is `fixed`.
    pub(super) fn centred(&self, codes: Range<i32>, fixed: i64) -> Combination {
        let weights = self.terms.iter().map(|term| term.centred).collect();
        Combination { weights, range: codes, fixed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: Range<i32> = Range { min: 0, max: 255 };

    fn element(weights: &[i64]) -> Element {
        let terms = weights.iter().enumerate();
        let terms = terms.map(|(input, &weight)| Term { input, weight, centred: weight }).collect();
        Element { terms, padded: 0, padded_weight: 0, padded_centred: 0 }
    }

    #[test]
    fn extremes_are_those_of_the_codes() {
        // 255 * (50 + 7 + 1) and 255 * (-20 - 3).
        let weights = [50, -20, 7, -3, 1, 0];
        assert_eq!(element(&weights).reach(CODES, 0, |term| term.weight), Range { min: -5865, max: 14790 });
    }
}
