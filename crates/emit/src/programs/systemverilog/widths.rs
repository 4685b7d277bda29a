//! How wide the registers of a layer must be: the ranges that its own weights and constants allow, stage by stage.

use gen_params_core::hardware::reach::{self, ChannelRanges};
use gen_params_core::hardware::{OnOverflow, Rescale, TargetLayer};
use gen_params_core::parameters::Range;

/// Widths of a layer's registers, proven or the user's own where those are narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Widths {
    pub(super) accumulator: u32,
    /// Of the sum of a window's codes.
    pub(super) code_sum: u32,
    pub(super) bias: u32,
    pub(super) biased: u32,
    pub(super) multiplier: u32,
    pub(super) product: u32,
    /// Whether partial sums can leave the accumulator, and it saturates.
    pub(super) saturating_sums: bool,
}

/// Bits of the narrowest two's complement integer that holds both ends, at least 2: a sign and something else.
pub(super) fn signed_bits(range: Range<i128>) -> u32 {
    reach::signed_bits(range).max(2)
}

/// Bits of the narrowest unsigned integer that holds a value, at least 1.
pub(super) fn unsigned_bits(value: u64) -> u32 {
    (u64::BITS - value.leading_zeros()).max(1)
}

/// Bits of an address into so many elements.
pub(super) fn address_bits(elements: usize) -> u32 {
    unsigned_bits((elements as u64).saturating_sub(1))
}

impl Widths {
    /// Of a layer, for the codes that its producer can give.
    pub(super) fn of(layer: &TargetLayer) -> Self {
        let channels = (0..layer.channels()).map(|channel| layer.ranges(channel, layer.reached_range()));
        let channels: Vec<ChannelRanges> = channels.collect();
        let bits = |range: fn(&ChannelRanges) -> Range<i128>| {
            channels.iter().map(range).reduce(reach::hull).map_or(2, signed_bits)
        };
        // Where sums may saturate on their way, the register is the user's own.
        let saturating_sums = layer.target.on_overflow == OnOverflow::Saturate
            && channels.iter().any(|ranges| ranges.accumulator_overflows);
        let accumulator = bits(|ranges| ranges.accumulator);
        let biases = layer.folded_bias.iter().map(|&bias| Range { min: bias.into(), max: bias.into() });
        let multiplier = layer.multiplier.iter().copied().max().unwrap_or(0);
        Self {
            accumulator: if saturating_sums { layer.target.accumulator().bits } else { accumulator },
            code_sum: bits(|ranges| ranges.code_sum),
            bias: biases.reduce(reach::hull).map_or(2, signed_bits),
            biased: bits(|ranges| ranges.stages.biased.held),
            multiplier: unsigned_bits(multiplier.into()),
            product: bits(|ranges| ranges.stages.of_product()),
            saturating_sums,
        }
    }
}

/// Width of the product stages of several equations, for sums in a range.
pub(super) fn product_bits(sums: Range<i128>, rescales: &[&Rescale]) -> u32 {
    let all = rescales.iter().map(|rescale| rescale.exact_ranges(sums).of_product());
    all.reduce(reach::hull).map_or(1, signed_bits)
}

#[cfg(test)]
mod tests {
    use gen_params_core::hardware::Rounding;
    use gen_params_core::parameters::Scale;

    use super::*;

    #[test]
    fn bits_hold_both_ends_and_no_more() {
        let rows = [(0, 0, 2), (-1, 0, 2), (0, 1, 2), (-2, 1, 2), (-3, 1, 3), (-128, 127, 8), (0, 255, 9)];
        for (min, max, bits) in rows {
            assert_eq!(signed_bits(Range { min, max }), bits, "{min}..={max}");
        }
        for (value, bits) in [(0, 1), (1, 1), (2, 2), (255, 8), (256, 9)] {
            assert_eq!(unsigned_bits(value), bits, "{value}");
        }
        for (elements, bits) in [(0, 1), (1, 1), (2, 1), (3, 2), (64, 6), (65, 7)] {
            assert_eq!(address_bits(elements), bits, "{elements}");
        }
    }

    #[test]
    fn a_product_register_holds_the_product_and_the_offset() {
        // 255 * 3 = 765 needs 11 bits; an offset of 100 on top of 765/1 needs no more, one of 300 does.
        let sum = Range { min: 0, max: 255 };
        let rescale = |multiplier, shift, zero_point| {
            let clamp = Range { min: 0, max: 255 };
            Rescale::of_scale(Scale { multiplier, shift }, Rounding::HalfUp, zero_point, clamp)
        };
        assert_eq!(product_bits(sum, &[&rescale(3, 0, 100)]), 11);
        assert_eq!(product_bits(sum, &[&rescale(3, 0, 300)]), 12);
        assert_eq!(product_bits(sum, &[&rescale(3, 0, 0), &rescale(300, 4, 0)]), 18);
    }
}
