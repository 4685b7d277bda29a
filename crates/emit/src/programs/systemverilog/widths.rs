//! How wide the registers of a layer must be: the ranges that its own weights and constants allow, stage by stage.

use gen_params_core::hardware::{OnOverflow, Register, Rounding, TargetLayer};
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
    let magnitude = |value: i128| if value < 0 { !value } else { value };
    (129 - magnitude(range.min).max(magnitude(range.max)).leading_zeros()).max(2)
}

/// Bits of the narrowest unsigned integer that holds a value, at least 1.
pub(super) fn unsigned_bits(value: u64) -> u32 {
    (u64::BITS - value.leading_zeros()).max(1)
}

/// Bits of an address into so many elements.
pub(super) fn address_bits(elements: usize) -> u32 {
    unsigned_bits((elements as u64).saturating_sub(1))
}

/// The smallest range that holds both.
fn hull(a: Range<i128>, b: Range<i128>) -> Range<i128> {
    Range { min: a.min.min(b.min), max: a.max.max(b.max) }
}

/// What a register can hold of a range: the range itself if it fits, else everything that the register has.
fn held(register: Register, range: Range<i128>) -> Range<i128> {
    let Range { min, max } = register.range();
    let (min, max) = (i128::from(min), i128::from(max));
    if range.min >= min && range.max <= max { range } else { Range { min, max } }
}

/// The sums of x * (w - Z2) over codes between two ends.
fn sum(codes: [i128; 2], weights: &[i8], zero_point: i128) -> Range<i128> {
    weights.iter().fold(Range { min: 0, max: 0 }, |sum, &weight| {
        let products = codes.map(|code| code * (i128::from(weight) - zero_point));
        let (low, high) = (products[0].min(products[1]), products[0].max(products[1]));
        Range { min: sum.min + low, max: sum.max + high }
    })
}

/// The largest that a partial sum can be, in whatever order.
fn magnitude(codes: [i128; 2], weights: &[i8]) -> i128 {
    let largest = codes[0].abs().max(codes[1].abs());
    weights.iter().map(|&weight| i128::from(weight).abs() * largest).sum()
}

impl Widths {
    /// Of a layer whose input codes, and whose padding, lie in `input`.
    pub(super) fn of(layer: &TargetLayer, input: Range<i32>) -> Self {
        let target = layer.target;
        let codes = [input.min, input.max].map(i128::from);
        let mut widest: Option<[Range<i128>; 4]> = None;
        let mut saturating_sums = false;
        let taps = layer.taps() as i128;
        let code_sum = Range { min: codes[0].min(0) * taps, max: codes[1].max(0) * taps };
        for (channel, weights) in layer.weight.chunks(layer.taps().max(1)).enumerate() {
            let z2 = i128::from(layer.weight_zero_point[channel]);
            let exact = sum(codes, weights, 0);
            saturating_sums |= target.on_overflow == OnOverflow::Saturate
                && magnitude(codes, weights) > i128::from(target.accumulator().range().max);
            let accumulator = held(target.accumulator(), exact);
            let centred = if accumulator == exact {
                sum(codes, weights, z2)
            } else {
                // What is left of a sum in its register says nothing of the codes.
                let [a, b] = [code_sum.min * z2, code_sum.max * z2];
                Range { min: accumulator.min - a.max(b), max: accumulator.max - a.min(b) }
            };
            let bias = i128::from(layer.folded_bias[channel]);
            let scaled = |value: i128| (value << target.bias_fraction_bits) + bias;
            let biased = held(target.biased(), Range { min: scaled(centred.min), max: scaled(centred.max) });
            let multiplier = i128::from(layer.multiplier[channel]);
            let product = Range { min: biased.min * multiplier, max: biased.max * multiplier };
            let product = held(target.product(), product);
            let offset = held(
                target.product(),
                offsets(product, target.rounding, layer.shift[channel], layer.output_zero_point),
            );
            let ranges = [accumulator, Range { min: bias, max: bias }, biased, hull(product, offset)];
            widest = Some(match widest {
                None => ranges,
                Some(known) => std::array::from_fn(|i| hull(known[i], ranges[i])),
            });
        }
        let zero = Range { min: 0, max: 0 };
        let [accumulator, bias, biased, product] = widest.unwrap_or([zero; 4]).map(signed_bits);
        let multiplier = layer.multiplier.iter().copied().max().unwrap_or(0);
        Self {
            // Where sums may saturate on their way, the register is the user's own.
            accumulator: if saturating_sums { target.accumulator().bits } else { accumulator },
            code_sum: signed_bits(code_sum),
            bias,
            biased,
            multiplier: unsigned_bits(multiplier.into()),
            product,
            saturating_sums,
        }
    }
}

/// The values of the offset stage for products in a range: every rounding is monotone, and shifts are not negative.
fn offsets(product: Range<i128>, rounding: Rounding, shift: i32, zero_point: i32) -> Range<i128> {
    let offset = |value| rounding.shift(value, shift).unwrap_or(value) + i128::from(zero_point);
    Range { min: offset(product.min), max: offset(product.max) }
}

/// Width of the product stages of `round(M0 * sum * 2^-n) + Z3` for sums in a range and several (M0, n).
pub(super) fn product_bits(
    sum: Range<i128>,
    scales: &[(u32, i32)],
    rounding: Rounding,
    zero_point: i32,
) -> u32 {
    let all = scales.iter().map(|&(multiplier, shift)| {
        let multiplier = i128::from(multiplier);
        let product = Range { min: sum.min * multiplier, max: sum.max * multiplier };
        hull(product, offsets(product, rounding, shift, zero_point))
    });
    all.reduce(hull).map_or(1, signed_bits)
}

#[cfg(test)]
mod tests {
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
        assert_eq!(product_bits(sum, &[(3, 0)], Rounding::HalfUp, 100), 11);
        assert_eq!(product_bits(sum, &[(3, 0)], Rounding::HalfUp, 300), 12);
        assert_eq!(product_bits(sum, &[(3, 0), (300, 4)], Rounding::HalfUp, 0), 18);
    }
}
