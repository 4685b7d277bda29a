//! The hardware's equation, once: from a sum to an output code, stage by stage.

use serde::{Deserialize, Serialize};

use super::{Rounding, Stage};
use crate::parameters::{Range, Scale};

/// The constants of one output channel, or of an operator: everything between a sum and its code.
///
/// ```text
/// biased  = (sum << F) + bias
/// product = biased * M0
/// shifted = round(product * 2^-shift)        or, with a constant C, (product + C) >> shift
/// offset  = shifted + Z3
/// output  = clamp(offset, min, max)
/// ```
///
/// For a layer the sum is its accumulator, for an operator whatever its form adds up. Every stage is monotone in the sum,
/// since M0 is not negative and every rounding keeps the order: extremes of a stage are its values at the extremes before
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rescale {
    /// What is added to the sum: of a layer `round(b / (S1*S2) * 2^F)`, or with the zero points folded in.
    pub bias: i64,
    /// F, 0..=24: fractional bits of the bias.
    pub bias_fraction_bits: u32,
    /// M0.
    pub multiplier: u32,
    /// n + F, of magnitude 127 at most. Negative shifts are to the left.
    pub shift: i32,
    /// Of the division by 2^shift.
    pub rounding: Rounding,
    /// C: what is added before the shift, in place of the rounding.
    pub constant: Option<i64>,
    /// Z3.
    pub zero_point: i32,
    /// Of the output codes.
    pub clamp: Range<i32>,
}

/// What stands for a shifted value that 128 bits do not hold: a register that wraps keeps none of its bits, one that
/// saturates and every clamp see its sign.
const BEYOND: i128 = 1 << 126;

impl Rescale {
    /// `clamp(round(sum * M0 * 2^-n) + Z3)`: without a bias.
    pub fn of_scale(scale: Scale, rounding: Rounding, zero_point: i32, clamp: Range<i32>) -> Self {
        let Scale { multiplier, shift } = scale;
        Self {
            bias: 0,
            bias_fraction_bits: 0,
            multiplier,
            shift,
            rounding,
            constant: None,
            zero_point,
            clamp,
        }
    }

    /// M0 and the shift.
    pub fn scale(&self) -> Scale {
        Scale { multiplier: self.multiplier, shift: self.shift }
    }

    /// The stages of a sum: biased, product, shifted, offset, output. `hold` says what is left of each but the last in
    /// the register that takes it.
    pub fn stages(&self, sum: i128, mut hold: impl FnMut(Stage, i128) -> i128) -> [i128; 5] {
        let biased = hold(Stage::Biased, (sum << self.bias_fraction_bits.min(64)) + i128::from(self.bias));
        let product = hold(Stage::Product, biased * i128::from(self.multiplier));
        let shifted = match self.constant {
            Some(constant) => Rounding::Floor.shift(product + i128::from(constant), self.shift),
            None => self.rounding.shift(product, self.shift),
        };
        let shifted = hold(Stage::Shifted, shifted.unwrap_or(if product < 0 { -BEYOND } else { BEYOND }));
        let offset = hold(Stage::Offset, shifted + i128::from(self.zero_point));
        let output = offset.min(i128::from(self.clamp.max)).max(i128::from(self.clamp.min));
        [biased, product, shifted, offset, output]
    }

    /// The output code of a sum, in registers that hold every stage.
    pub fn code(&self, sum: i64) -> i32 {
        let [.., output] = self.stages(i128::from(sum), |_, value| value);
        i32::try_from(output).unwrap_or(self.clamp.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (3 * 4 + 5) * 7 = 119; 119 / 8 = 14.875; + 2; with C = -7: 112 / 8 = 14.
    #[test]
    fn stages_are_those_worked_by_hand() {
        let plain = Rescale {
            bias: 5,
            bias_fraction_bits: 2,
            multiplier: 7,
            shift: 3,
            rounding: Rounding::HalfUp,
            constant: None,
            zero_point: 2,
            clamp: Range { min: 0, max: 16 },
        };
        let exact = |rescale: &Rescale, sum| rescale.stages(sum, |_, value| value);
        assert_eq!(exact(&plain, 3), [17, 119, 15, 17, 16]);
        assert_eq!(exact(&Rescale { constant: Some(-7), ..plain.clone() }, 3), [17, 119, 14, 16, 16]);
        assert_eq!(exact(&Rescale { rounding: Rounding::Floor, ..plain.clone() }, -3), [-7, -49, -7, -5, 0]);
        // A register of 4 bits that saturates at every stage.
        let held = plain.stages(3, |_, value| value.clamp(-8, 7));
        assert_eq!(held, [7, 7, 1, 3, 3]);
        assert_eq!((plain.code(3), plain.code(-3)), (16, 0));
        let far = Rescale { shift: -127, ..plain };
        assert_eq!((far.code(1), far.code(-2)), (16, 0));
    }
}
