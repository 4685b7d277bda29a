//! TFLite's softmax of 16-bit codes: two tables of 513 entries, interpolated.

use super::context::OpError;
use crate::fixed_point::FixedPoint;
use crate::parameters::Activation;

/// exp(x) for -10 <= x <= 0 and 1/(1 + x) for 0 <= x <= 1, both at scale 2^-15.
///
/// Source: TFLite `kernels/internal/reference/softmax.h`, `gen_lut` and `lut_lookup` of `kernels/internal/common.h`.
pub(super) struct WideSoftmax {
    /// Differences of codes to steps of 10/65535.
    factor: FixedPoint,
    exponentials: Vec<i32>,
    reciprocals: Vec<i32>,
}

/// Entries of a table but the last, which only ends the last interval.
const INTERVALS: u32 = 512;

/// The largest code, and nearly 1.
const LARGEST: i32 = 32_767;

impl WideSoftmax {
    pub(super) fn new(input: Activation, output: Activation) -> Result<Self, OpError> {
        if (output.scale, output.zero_point) != (1.0 / 32_768.0, 0) {
            return Err(OpError::new(
                format!("a softmax to scale {} and zero point {}", output.scale, output.zero_point),
                "1/32768 and 0, the only ones that TFLite has for 16-bit codes",
            ));
        }
        let factor = FixedPoint::of(input.scale / (10.0 / 65_535.0))
            .ok_or_else(|| OpError::new(format!("a softmax of scale {}", input.scale), "a smaller one"))?;
        Ok(Self {
            factor,
            exponentials: table(-10.0, 0.0, f64::exp),
            reciprocals: table(0.0, 1.0, |x| 1.0 / (1.0 + x)),
        })
    }

    fn exp(&self, difference: i32) -> i32 {
        lookup(&self.exponentials, self.factor.double(difference).saturating_add(LARGEST))
    }

    /// The code of an element of a line.
    pub(super) fn code(&self, line: impl Iterator<Item = i32> + Clone, element: i32) -> i32 {
        let largest = line.clone().max().unwrap_or(0);
        let sum: i64 = line.map(|code| i64::from(self.exp(code - largest))).sum();
        // The largest element adds nearly 1: a sum of 32 bits has at most 16 bits of headroom.
        let headroom = i32::try_from(sum).unwrap_or(i32::MAX).leading_zeros().clamp(1, 30);
        let normalized = ((sum << (headroom - 1)) + (1 << 13)) >> 14;
        let centred = i32::try_from(normalized - (1 << 15) - (1 << 16)).unwrap_or(LARGEST);
        let reciprocal = lookup(&self.reciprocals, centred);
        let shift = 31 - headroom;
        let product = i64::from(self.exp(element - largest)) * i64::from(reciprocal);
        let share = (product + (1_i64 << shift >> 1)) >> shift;
        i32::try_from(share).unwrap_or(LARGEST).clamp(0, LARGEST)
    }
}

/// A function at equidistant places, each value lowered by half of what interpolation is too large in the middle.
fn table(from: f64, to: f64, function: impl Fn(f64) -> f64) -> Vec<i32> {
    let step = (to - from) / f64::from(INTERVALS);
    let at = |place: f64| function(place) * 32_768.0;
    let interval = |index: u32| {
        let start = from + f64::from(index) * step;
        let value = at(start).round();
        let interpolated = ((at(from + f64::from(index + 1) * step) + value) / 2.0).round();
        value - ((interpolated - at(start + step / 2.0).round()) / 2.0).round()
    };
    let values = (0..INTERVALS).map(interval).chain([at(to).round()]);
    #[allow(clippy::cast_possible_truncation, reason = "clamped to 16 bits")]
    values.map(|value| value.clamp(-32_768.0, 32_767.0) as i32).collect()
}

/// The entry of a code, counted from the smallest, and a 128th of the way to the next for each of its low 7 bits.
fn lookup(table: &[i32], code: i32) -> i32 {
    let code = code.clamp(-LARGEST - 1, LARGEST);
    let index = usize::try_from((code >> 7) + 256).unwrap_or(0);
    match table.get(index..index + 2) {
        Some(&[value, next]) => value + (((next - value) * (code & 127) + 64) >> 7),
        _ => 0,
    }
}
