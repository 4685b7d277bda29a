//! What can reach each register of the layers, and so which C types hold it.

use gen_params_core::error::Reason;
use gen_params_core::hardware::TargetLayer;
use gen_params_core::hardware::reach::{ChannelRanges, signed_bits};
use gen_params_core::machine::Machine;
use gen_params_core::parameters::Range;

/// Magnitudes of values in 64-bit arithmetic stay below 2^62: what a rounding adds then fits, too.
pub(super) const LARGEST: i128 = 1 << 62;

/// Whether the registers of the target hold all that can reach them, over all layers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Registers {
    /// Accumulators may leave their register, by the target's own width.
    pub(super) accumulator_overflows: bool,
    /// Biased accumulators may.
    pub(super) biased_overflows: bool,
    /// The product, or what comes after it, may.
    pub(super) product_overflows: bool,
    /// Sums beyond 32 bits can occur.
    pub(super) wide_accumulator: bool,
    /// Folded biases beyond 32 bits occur.
    pub(super) wide_bias: bool,
    /// The most taps of a layer.
    pub(super) largest_taps: usize,
}

impl Registers {
    /// Of all layers of a network.
    ///
    /// # Errors
    /// Every layer whose values leave 63 bits.
    pub(super) fn new(machine: &Machine<'_>) -> Result<Self, Vec<Reason>> {
        let mut registers = Self::default();
        let mut reasons = Vec::new();
        for index in 0..machine.network().nodes.len() {
            let Some(layer) = machine.layer(index) else { continue };
            if let Err(text) = registers.include(layer) {
                reasons.push(Reason { place: layer.name.clone(), text });
            }
        }
        if reasons.is_empty() { Ok(registers) } else { Err(reasons) }
    }

    fn include(&mut self, layer: &TargetLayer) -> Result<(), String> {
        if layer.rounding_constant.is_some() {
            return Err("a rounding constant per channel, expected one of the roundings".into());
        }
        self.largest_taps = self.largest_taps.max(layer.taps());
        self.wide_bias |= layer.folded_bias.iter().any(|&bias| i32::try_from(bias).is_err());
        for channel in 0..layer.channels() {
            let ChannelRanges { partial, accumulator_overflows, stages, .. } =
                layer.ranges(channel, layer.input_range());
            self.wide_accumulator |= signed_bits(partial) > i32::BITS;
            self.accumulator_overflows |= accumulator_overflows;
            check(stages.biased.reached, "its biased accumulators")?;
            self.biased_overflows |= !stages.biased.fits();
            check(stages.product.reached, "its products")?;
            self.product_overflows |= !stages.product_fits();
            if !(0..=62).contains(&layer.shift[channel]) {
                return Err(format!("a shift of {}, expected 0 to 62", layer.shift[channel]));
            }
        }
        Ok(())
    }
}

fn check(range: Range<i128>, what: &str) -> Result<(), String> {
    if range.max.max(-range.min) < LARGEST {
        return Ok(());
    }
    let bits = signed_bits(range);
    Err(format!("{what} take {bits} bits, and C has 64; narrower multipliers help: --multiplier-bits"))
}
