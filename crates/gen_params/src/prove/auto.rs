//! The smallest n for the whole network with which it is within a bound.

use rayon::prelude::*;

use gen_params_core::certify::{Channel, Counted, Freedom, OperatorProof, Summary, Trade, certify_operators};
use gen_params_core::contract::Contract;
use gen_params_core::derive;
use gen_params_core::parameters::MultiplierForm;

use super::is_within;
use crate::Derived;
use crate::error::{At, Error, Result};
use crate::text::thousands;

/// M0 is a signed 32-bit number in hardware and C.
const MULTIPLIER_BITS: u32 = 31;

/// The smallest n with which a network is within a bound.
#[derive(Debug, Clone)]
pub struct SmallestShift {
    /// n.
    pub n: u32,
    /// What differs in all layers with weights.
    pub summary: Summary,
    /// What differs in operators without weights; those that cannot be counted are not part of the bound.
    pub operators: Vec<OperatorProof>,
}

impl Derived {
    /// The smallest n with M0 = round(M * 2^n) in 1 to 31 bits with which codes are within 1 LSB of the engine's everywhere,
    /// and differ at no more than `within` of the reachable accumulators, nor of what can enter any operator without weights.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Model, TargetFile, contract::Contract};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// let found = derived.smallest_shift(Contract::X86, 1e-3)?;
    /// assert!(found.summary.is_within(1e-3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// There is none: with the best that there is.
    pub fn smallest_shift(&self, against: Contract, within: f64) -> Result<SmallestShift> {
        smallest_shift(self, against, within).at(|| self.model.name())
    }
}

fn smallest_shift(derived: &Derived, contract: Contract, within: f64) -> Result<SmallestShift> {
    let target = derived.target.derivation.target;
    let refuse = |problem: String| Error::given(problem).at("CONSTANT auto");
    let layers = derived.channels(contract)?;
    let channels: Vec<&Channel> = layers.iter().flat_map(|(_, channels)| channels).collect();
    let trades = channels.par_iter().map(|channel| Trade::new(channel, target.product_bits));
    let trades: Vec<Trade<'_>> = trades.collect::<Result<_, _>>().at(|| "CONSTANT auto")?;
    // M0 of 1 or more, and of 31 bits at most, in every channel.
    let least = trades.iter().map(Trade::smallest_shift).max().unwrap_or(0);
    let most = trades.iter().map(|trade| trade.shift(MULTIPLIER_BITS)).min().unwrap_or(MULTIPLIER_BITS);
    let fraction = target.bias_fraction_bits;
    let (mut best, mut refused) = (None, None);
    // Shifts of channels include the bits of the bias's fraction.
    for n in least.max(fraction)..=most {
        let summary = layers_with(&trades, n);
        if !summary.is_within(within) {
            if best.as_ref().is_none_or(|(_, known)| rank(&summary) < rank(known)) {
                best = Some((n - fraction, summary));
            }
            continue;
        }
        let n = n - fraction;
        let operators = operators_with(derived, contract, n)?;
        let beyond = operators
            .iter()
            .find(|operator| operator.counted.as_ref().is_ok_and(|counted| !is_within(counted, within)));
        let Some(beyond) = beyond else {
            return Ok(SmallestShift { n, summary, operators });
        };
        refused = Some(format!(
            "{} with n = {n}: {}",
            beyond.name,
            beyond.counted.as_ref().map_or_else(Clone::clone, differences)
        ));
    }
    if let Some(refused) = refused {
        let problem = format!(
            "no n makes every operator without weights differ from {} at no more than {within:e} of what can enter it and \
             by 1 LSB at most; the last is {refused}",
            contract.name()
        );
        return Err(refuse(problem).with_hint("a larger --within, another --against, or --rounding"));
    }
    let Some((n, summary)) = best else {
        return Err(refuse(format!(
            "the M of its layers lie too far apart for one n and M0 of {MULTIPLIER_BITS} bits"
        )));
    };
    let problem = format!(
        "no n makes the network's codes differ from those of {} at no more than {within:e} of the accumulators and by 1 \
         LSB at most; the best is {n}, with {:.3} ppm and {} LSB",
        contract.name(),
        summary.parts_per_million(),
        summary.largest,
    );
    Err(refuse(problem).with_hint(format!("--within {:.1e}, or another --against", summary.share() * 1.1)))
}

/// All layers with M0 = round(M * 2^n).
fn layers_with(trades: &[Trade<'_>], n: u32) -> Summary {
    let counts = trades.par_iter().map(|trade| {
        let mut summary = Summary::default();
        match trade.best(Freedom::Nearest, MULTIPLIER_BITS, Some(n), None, &[], 0) {
            Some(chosen) => summary.add(&chosen.difference, false),
            None => summary.add_without_hardware(trade.reachable()),
        }
        summary
    });
    counts.reduce(Summary::default, |mut sum, new| {
        sum.merge(&new);
        sum
    })
}

/// What the operators without weights are with this n, which they have as far as it suits them.
fn operators_with(derived: &Derived, contract: Contract, n: u32) -> Result<Vec<OperatorProof>> {
    let (network, target) = (&derived.network, &derived.target);
    let options = derive::Options { form: MultiplierForm::Shift(n), ..target.derivation };
    let parameters = derive::derive(network, &options)?;
    Ok(certify_operators(network, &parameters, contract, target.derivation.target, None))
}

fn differences(counted: &Counted) -> String {
    format!(
        "{} of {} cases differ, by up to {} LSB",
        thousands(usize::try_from(counted.differing).unwrap_or(usize::MAX)),
        thousands(usize::try_from(counted.cases).unwrap_or(usize::MAX)),
        counted.largest
    )
}

/// Smaller is better.
fn rank(summary: &Summary) -> (u32, u64) {
    (summary.largest.max(1), summary.differing)
}
