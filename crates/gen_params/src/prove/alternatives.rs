//! What replaces the multiplier, side by side, each with its exact count of differences.

use rayon::prelude::*;

use gen_params_core::certify::{CertifiedLayer, Digits, Summary, Trade};

use super::Proof;
use crate::error::{At, Result};

/// What is tried, with its name in tables and in JSON.
pub const TRIED: [(Digits, &str, &str); 6] = [
    (Digits::Added(1), "one shift", "one_shift"),
    (Digits::Added(2), "two shifts", "two_shifts"),
    (Digits::Signed(2), "2 digits", "signed_digits_2"),
    (Digits::Signed(3), "3 digits", "signed_digits_3"),
    (Digits::Signed(4), "4 digits", "signed_digits_4"),
    (Digits::Signed(6), "6 digits", "signed_digits_6"),
];

/// The alternatives of one layer.
#[derive(Debug, Clone)]
pub struct LayerAlternatives {
    /// Its name.
    pub name: String,
    /// The multiplier that was certified.
    pub multiplier: Summary,
    /// As [`TRIED`].
    pub tried: [Summary; TRIED.len()],
    /// Comparators or table entries per channel of the layer, all channels together.
    pub thresholds: usize,
}

impl Proof {
    /// Counts what differs without a multiplier: with one shift, sums of shifts, canonical signed digits, thresholds.
    ///
    /// # Errors
    /// A channel of which nothing can be proven.
    pub fn alternatives(&self) -> Result<Vec<LayerAlternatives>> {
        count_all(&self.certificate.layers, self.target.product_bits)
    }
}

fn count_all(layers: &[CertifiedLayer], product_bits: u32) -> Result<Vec<LayerAlternatives>> {
    let of_layer = |layer: &CertifiedLayer| {
        let channels = layer.channels.par_iter().map(|certified| {
            let trade = Trade::new(&certified.channel, product_bits)?;
            let found = TRIED.map(|(digits, ..)| trade.with_digits(digits).map(|chosen| chosen.difference));
            Ok((found, trade.reachable(), trade.reference().inner().count()))
        });
        let channels: Vec<_> = channels.collect::<Result<_>>().at(|| &layer.name)?;
        let mut tried = [Summary::default(); TRIED.len()];
        for (found, reachable, _) in &channels {
            for (summary, difference) in tried.iter_mut().zip(found) {
                match difference {
                    Some(difference) => summary.add(difference, false),
                    None => summary.add_without_hardware(*reachable),
                }
            }
        }
        let thresholds = channels.iter().map(|(_, _, inner)| inner).sum();
        Ok(LayerAlternatives { name: layer.name.clone(), multiplier: layer.summary(), tried, thresholds })
    };
    layers.iter().map(of_layer).collect()
}
