//! Registers of a width, and what they do beyond it.

use crate::parameters::Range;

/// What a register does with a value that it cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnOverflow {
    /// Keeps the low bits.
    #[default]
    Wrap,
    /// Takes the nearest value that it can hold.
    Saturate,
}

impl OnOverflow {
    /// The name in commands and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrap => "wrap",
            Self::Saturate => "saturate",
        }
    }
}

/// A two's complement register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Width, 2..=64.
    pub bits: u32,
    /// What happens beyond it.
    pub on_overflow: OnOverflow,
}

impl Register {
    /// Smallest and largest value.
    pub fn range(self) -> Range<i64> {
        let unused = 64 - self.bits.clamp(2, 64);
        Range { min: i64::MIN >> unused, max: i64::MAX >> unused }
    }

    /// What is in the register after `value` was written to it, and whether that is something else.
    pub fn hold(self, value: i128) -> (i64, bool) {
        let Range { min, max } = self.range();
        let exact = i64::try_from(value).ok().filter(|v| (min..=max).contains(v));
        match (exact, self.on_overflow) {
            (Some(exact), _) => (exact, false),
            (None, OnOverflow::Saturate) => (if value < 0 { min } else { max }, true),
            (None, OnOverflow::Wrap) => {
                let unused = 64 - self.bits.clamp(2, 64);
                #[allow(clippy::cast_possible_truncation, reason = "wrapping keeps the low bits")]
                let low = value as i64;
                ((low << unused) >> unused, true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_wrap_or_saturate() {
        let hold = |bits, on_overflow, value| Register { bits, on_overflow }.hold(value);
        let rows = [
            (8, 127, (127, false), (127, false)),
            (8, 128, (-128, true), (127, true)),
            (8, -129, (127, true), (-128, true)),
            (8, 1000, (-24, true), (127, true)),
            (32, 1 << 31, (-(1 << 31), true), ((1 << 31) - 1, true)),
            (64, i128::from(i64::MAX) + 1, (i64::MIN, true), (i64::MAX, true)),
        ];
        for (bits, value, wrapped, saturated) in rows {
            assert_eq!(hold(bits, OnOverflow::Wrap, value), wrapped, "{value} in {bits} bits");
            assert_eq!(hold(bits, OnOverflow::Saturate, value), saturated, "{value} in {bits} bits");
        }
    }
}
