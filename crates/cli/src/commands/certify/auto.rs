//! CONSTANT `auto`: the smallest n for the whole network with which it is within a bound.

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use gen_params::certify::{Channel, Counted, Freedom, OperatorProof, Summary, Trade, certify_operators};
use gen_params::contract::Contract;
use gen_params::derive::{Options, derive};
use gen_params::hardware::Target;
use gen_params::network::IntNetwork;
use gen_params::parameters::MultiplierForm;

use super::{is_within, prove};
use crate::table::thousands;
use crate::terminal;

/// M0 is a signed 32-bit number in hardware and C.
const MULTIPLIER_BITS: u32 = 31;

/// The smallest n with M0 = round(M * 2^n) in 1 to 31 bits with which codes are within 1 LSB of the contract's
/// everywhere, and differ at no more than `within` of the reachable accumulators, nor of what can enter any operator
/// without weights. Operators that cannot be counted are left out, and named.
pub(crate) fn smallest_shift(
    network: &IntNetwork,
    options: &Options,
    contract: Contract,
    target: Target,
    within: f64,
) -> Result<u32> {
    let parameters = derive(network, options)?;
    let layers = prove::channels(network, &parameters, contract, target)?;
    let channels: Vec<&Channel> = layers.iter().flat_map(|(_, channels)| channels).collect();
    let trades = channels.par_iter().map(|channel| Trade::new(channel, target.product_bits));
    let trades: Vec<Trade<'_>> = trades.collect::<Result<_, _>>().context("CONSTANT auto")?;
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
        let operators = operators_with(network, options, contract, target, n)?;
        let beyond = operators
            .iter()
            .find(|operator| operator.counted.as_ref().is_ok_and(|counted| !is_within(counted, within)));
        let Some(beyond) = beyond else {
            terminal::say(format!(
                "CONSTANT auto: n = {n}, the smallest with which codes are within 1 LSB of those of {} and differ \
                 at no more than {within:e} of the accumulators: {:.3} ppm{}",
                contract.name(),
                summary.parts_per_million(),
                of_operators(&operators)
            ));
            return Ok(n);
        };
        refused = Some(format!(
            "{} with n = {n}: {}",
            beyond.name,
            beyond.counted.as_ref().map_or_else(Clone::clone, differences)
        ));
    }
    if let Some(refused) = refused {
        bail!(
            "CONSTANT auto: no n makes every operator without weights differ from {} at no more than {within:e} of what \
             can enter it and by 1 LSB at most; the last is {refused}\n  hint: a larger --within, another --against, or \
             --rounding",
            contract.name()
        );
    }
    let Some((n, summary)) = best else {
        bail!(
            "CONSTANT auto: the M of its layers lie too far apart for one n and M0 of {MULTIPLIER_BITS} bits"
        );
    };
    bail!(
        "CONSTANT auto: no n makes the network's codes differ from those of {} at no more than {within:e} of the \
         accumulators and by 1 LSB at most; the best is {n}, with {:.3} ppm and {} LSB\n  hint: --within {:.1e}, or \
         another --against",
        contract.name(),
        summary.parts_per_million(),
        summary.largest,
        summary.share() * 1.1
    )
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
fn operators_with(
    network: &IntNetwork,
    options: &Options,
    contract: Contract,
    target: Target,
    n: u32,
) -> Result<Vec<OperatorProof>> {
    let parameters = derive(network, &Options { form: MultiplierForm::Shift(n), ..*options })?;
    Ok(certify_operators(network, &parameters, contract, target, None))
}

fn differences(counted: &Counted) -> String {
    format!(
        "{} of {} cases differ, by up to {} LSB",
        thousands(usize::try_from(counted.differing).unwrap_or(usize::MAX)),
        thousands(usize::try_from(counted.cases).unwrap_or(usize::MAX)),
        counted.largest
    )
}

/// What was counted of the operators, and what was left out.
fn of_operators(operators: &[OperatorProof]) -> String {
    let counted = operators.iter().filter(|operator| operator.counted.is_ok()).count();
    let left_out = operators.iter().filter(|operator| operator.counted.is_err());
    let left_out: Vec<&str> = left_out.map(|operator| operator.name.as_str()).collect();
    let mut text = String::new();
    if counted > 0 {
        text += &format!("; so do {counted} operators without weights");
    }
    if !left_out.is_empty() {
        text += &format!("; left out, because they cannot be counted: {}", left_out.join(", "));
    }
    text
}

/// Smaller is better.
fn rank(summary: &Summary) -> (u32, u64) {
    (summary.largest.max(1), summary.differing)
}
