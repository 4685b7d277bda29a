//! CONSTANT `auto`: the smallest n for all layers with which the network is within a bound.

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use gen_params::certify::{Channel, Freedom, Summary, Trade};
use gen_params::contract::Contract;
use gen_params::network::IntNetwork;
use gen_params::parameters::Parameters;
use gen_params::target::Target;

use super::prove;
use crate::terminal;

/// M0 is a signed 32-bit number in hardware and C.
const MULTIPLIER_BITS: u32 = 31;

/// The smallest n with M0 = round(M * 2^n) in 1 to 31 bits with which codes are within 1 LSB of the contract's
/// everywhere, and differ at no more than `within` of the reachable accumulators.
pub(crate) fn smallest_shift(
    network: &IntNetwork,
    parameters: &Parameters,
    contract: Contract,
    target: Target,
    within: f64,
) -> Result<u32> {
    let layers = prove::channels(network, parameters, contract, target)?;
    let channels: Vec<&Channel> = layers.iter().flat_map(|(_, channels)| channels).collect();
    let trades = channels.par_iter().map(|channel| Trade::new(channel, target.product_bits));
    let trades: Vec<Trade<'_>> = trades.collect::<Result<_, _>>().context("CONSTANT auto")?;
    // M of a bit or more, and of 31 at most, in every channel.
    let least = trades.iter().map(|trade| trade.shift(1)).max().unwrap_or(0);
    let most = trades.iter().map(|trade| trade.shift(MULTIPLIER_BITS)).min().unwrap_or(0);
    let mut best: Option<(u32, Summary)> = None;
    for n in least..=most {
        let counts = trades.par_iter().map(|trade| {
            let chosen = trade.best(Freedom::Nearest, MULTIPLIER_BITS, Some(n), None, None);
            let mut summary = Summary::default();
            match chosen {
                Some(chosen) => summary.add(&chosen.difference, false),
                None => summary.add_without_hardware(trade.reference().reachable()),
            }
            summary
        });
        let summary = counts.reduce(Summary::default, |mut sum, new| {
            sum.merge(&new);
            sum
        });
        if summary.is_within(within) {
            terminal::say(format!(
                "CONSTANT auto: n = {n}, the smallest with which codes are within 1 LSB of those of {} and differ \
                 at no more than {within:e} of the accumulators: {:.3} ppm",
                contract.name(),
                summary.parts_per_million()
            ));
            return Ok(n);
        }
        if best.as_ref().is_none_or(|(_, known)| rank(&summary) < rank(known)) {
            best = Some((n, summary));
        }
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

/// Smaller is better.
fn rank(summary: &Summary) -> (u32, u64) {
    (summary.largest.max(1), summary.differing)
}
