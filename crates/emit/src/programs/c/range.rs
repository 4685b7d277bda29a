//! What can reach each register of the layers, and so which C types hold it.

use gen_params_core::error::Reason;
use gen_params_core::hardware::{Register, Target, TargetLayer};
use gen_params_core::machine::Machine;

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
    pub(super) fn new(machine: &Machine<'_>, target: Target) -> Result<Self, Vec<Reason>> {
        let mut registers = Self::default();
        let mut reasons = Vec::new();
        for index in 0..machine.network().nodes.len() {
            let Some(layer) = machine.layer(index) else { continue };
            if let Err(text) = registers.include(layer, target) {
                reasons.push(Reason { place: layer.name.clone(), text });
            }
        }
        if reasons.is_empty() { Ok(registers) } else { Err(reasons) }
    }

    fn include(&mut self, layer: &TargetLayer, target: Target) -> Result<(), String> {
        if layer.rounding_constant.is_some() {
            return Err("a rounding constant per channel, expected one of the roundings".into());
        }
        let range = layer.input_range();
        let largest_code = [range.min, range.max, layer.padding_value].map(|code| i128::from(code).abs());
        let largest_code = largest_code.into_iter().max().unwrap_or(0);
        let taps = layer.taps();
        self.largest_taps = self.largest_taps.max(taps);
        let limit = |register: Register| i128::from(register.range().max);
        for channel in 0..layer.channels() {
            let weights = &layer.weight[channel * taps..(channel + 1) * taps];
            let magnitude: i128 = weights.iter().map(|&w| i128::from(w).abs()).sum();
            let mut sum = magnitude * largest_code;
            if sum > limit(target.accumulator()) {
                self.accumulator_overflows = true;
            }
            // A sum before it is held leaves the register by one product at most, or is the exact one.
            self.wide_accumulator |= sum > i128::from(i32::MAX);
            if self.accumulator_overflows {
                sum = sum.min(limit(target.accumulator()) + 1);
            }
            let z2 = i128::from(layer.weight_zero_point[channel]).abs();
            let codes = i128::try_from(taps).unwrap_or(i128::MAX) * largest_code;
            let folded = i128::from(layer.folded_bias[channel]).abs();
            self.wide_bias |= i32::try_from(layer.folded_bias[channel]).is_err();
            let mut biased = ((sum + z2 * codes) << target.bias_fraction_bits) + folded;
            self.check(biased, "its biased accumulators")?;
            if biased > limit(target.biased()) {
                self.biased_overflows = true;
                biased = limit(target.biased()) + 1;
            }
            let product = biased * i128::from(layer.multiplier[channel]);
            self.check(product, "its products")?;
            let offset = product + i128::from(layer.output_zero_point).abs();
            self.product_overflows |= offset > limit(target.product());
            if !(0..=62).contains(&layer.shift[channel]) {
                return Err(format!("a shift of {}, expected 0 to 62", layer.shift[channel]));
            }
        }
        Ok(())
    }

    fn check(&self, value: i128, what: &str) -> Result<(), String> {
        if value < LARGEST {
            return Ok(());
        }
        let bits = 129 - value.leading_zeros();
        Err(format!("{what} take {bits} bits, and C has 64; narrower multipliers help: --multiplier-bits"))
    }
}
