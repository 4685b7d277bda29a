//! The narrowest M0, and how many accumulators differ with each width.

use rayon::prelude::*;

use gen_params_core::certify::{CertifiedLayer, Channel, Chosen, Equal, Freedom, Summary, Trade};

use crate::error::{At, Result};

/// Widths of M0 in bits that are tried.
pub const WIDTHS: std::ops::RangeInclusive<u32> = 1..=32;

/// Boxes that all searches with the same freedom may look at together, whatever the network's size is: seconds.
const ALL_BOXES: u32 = 500_000;

/// Each of them may look at no more, however few there are.
const LARGEST_BOXES: u32 = 100_000;

/// Who shares a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody: one per channel.
    Channel,
    /// The channels of a layer.
    Layer,
    /// All channels of the network.
    Network,
    /// All, and it is this one, F included.
    Fixed(u32),
}

impl Sharing {
    /// In words.
    pub fn describe(self) -> String {
        match self {
            Self::Channel => "a shift per channel".into(),
            Self::Layer => "a shift per layer".into(),
            Self::Network => "one shift for all".into(),
            Self::Fixed(n) => format!("n = {n} for all"),
        }
    }
}

/// What is known of all hardware of one width.
#[derive(Debug, Clone, Copy)]
pub struct Width {
    /// The best that was found.
    pub summary: Summary,
    /// Whether it is proven that nothing is better: else this many differ at most.
    pub best: bool,
}

impl Width {
    const NOTHING: Self = Self { summary: Summary::NOTHING, best: true };

    fn merge(&mut self, other: &Self) {
        self.summary.merge(&other.summary);
        self.best &= other.best;
    }
}

/// The narrowest M0 that holds what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// Bits of M0.
    pub bits: u32,
    /// Whether it is proven that no narrower one does.
    pub narrowest: bool,
}

/// What was found for one layer.
pub struct SearchedLayer {
    /// Its name.
    pub name: String,
    /// By freedom, then width from the first of [`WIDTHS`].
    pub by_width: [Vec<Width>; 4],
    /// By freedom, then channel: bits of the narrowest M0 that was found to be equal, with a shift of its own.
    pub equal: [Vec<Option<u32>>; 4],
}

/// What was found.
pub struct Search {
    /// Who shares a shift.
    pub sharing: Sharing,
    /// By layer, in execution order.
    pub layers: Vec<SearchedLayer>,
}

/// A channel under search, with the hardware that is equal by freedom.
struct Task<'a> {
    trade: Trade<'a>,
    equal: [Option<Equal>; 4],
}

/// All channels under search, by layer.
pub struct Tasks<'a> {
    sharing: Sharing,
    layers: Vec<(&'a str, Vec<Task<'a>>)>,
    /// Boxes that one search may look at.
    boxes: u32,
}

impl<'a> Tasks<'a> {
    /// Prepares the search on these channels.
    pub(crate) fn new(layers: &'a [CertifiedLayer], sharing: Sharing, product_bits: u32) -> Result<Self> {
        let prepare = |channel: &'a Channel| {
            let trade = Trade::new(channel, product_bits)?;
            let equal = Freedom::ALL.map(|freedom| trade.equal(freedom));
            Ok(Task { trade, equal })
        };
        let prepared = layers.iter().map(|layer| {
            let tasks: Result<Vec<_>> = layer.channels.par_iter().map(|c| prepare(&c.channel)).collect();
            Ok((layer.name.as_str(), tasks.at(|| &layer.name)?))
        });
        let channels: usize = layers.iter().map(|layer| layer.channels.len()).sum();
        let searches = u32::try_from(channels * WIDTHS.count()).unwrap_or(u32::MAX).max(1);
        let boxes = (ALL_BOXES / searches).min(LARGEST_BOXES);
        Ok(Self { sharing, layers: prepared.collect::<Result<_>>()?, boxes })
    }

    /// The shift of each layer with M0 of `bits` bits; `None` where each channel has its own.
    fn shifts(&self, bits: u32) -> Vec<Option<u32>> {
        let of_layer = |tasks: &[Task<'_>]| tasks.iter().map(|task| task.trade.shift(bits)).min();
        let own: Vec<Option<u32>> = self.layers.iter().map(|(_, tasks)| of_layer(tasks)).collect();
        match self.sharing {
            Sharing::Channel => vec![None; own.len()],
            Sharing::Layer => own,
            Sharing::Network => vec![own.iter().flatten().min().copied(); own.len()],
            Sharing::Fixed(n) => vec![Some(n); own.len()],
        }
    }

    /// The best hardware of a channel at each width of `shifts`, if anything fits the product register. `less` is what was
    /// found with less freedom: with more, nothing is worse.
    fn best(
        &self,
        task: &Task<'_>,
        freedom: Freedom,
        shifts: &[Option<u32>],
        less: &[Option<Chosen>],
    ) -> Vec<Option<Chosen>> {
        let equal = task.equal[freedom as usize].as_ref();
        let best = |index: usize, bits: u32, shift, before: Option<&Chosen>| {
            let less = less.get(index).and_then(Option::as_ref);
            let known: Vec<&Chosen> = before.into_iter().chain(less).collect();
            task.trade.best(freedom, bits, shift, equal, &known, self.boxes)
        };
        // What is possible with less is possible with all bits: no width is better, and none is looked through any more
        // once it is as good.
        let searched = freedom != Freedom::Nearest && self.boxes > 0;
        let last = WIDTHS.zip(shifts).enumerate().last().filter(|_| searched);
        let goal = last.and_then(|(index, (bits, &shift))| best(index, bits, shift, None));
        let goal = goal.filter(|goal| goal.best);
        let mut found: Vec<Option<Chosen>> = Vec::with_capacity(shifts.len());
        for (index, (bits, &shift)) in WIDTHS.zip(shifts).enumerate() {
            let before = found.iter().rev().flatten().next();
            let reached = before.filter(|before| {
                shift.is_none() && goal.as_ref().is_some_and(|goal| goal.rank() >= before.rank())
            });
            found.push(match reached {
                Some(before) => Some(Chosen { best: true, ..before.clone() }),
                None => best(index, bits, shift, before),
            });
        }
        found
    }

    /// What [`Self::best`] finds with each freedom, up to one.
    fn by_freedom(
        &self,
        task: &Task<'_>,
        up_to: Freedom,
        shifts: &[Option<u32>],
    ) -> Vec<Vec<Option<Chosen>>> {
        let mut found: Vec<Vec<Option<Chosen>>> = Vec::new();
        for freedom in Freedom::ALL.into_iter().filter(|&freedom| freedom <= up_to) {
            let less = found.last().map_or(&[][..], Vec::as_slice);
            let best = self.best(task, freedom, shifts, less);
            found.push(best);
        }
        found
    }

    /// Counts the differences of the best hardware of each width.
    pub fn search(&self) -> Search {
        let shifts: Vec<Vec<Option<u32>>> = WIDTHS.map(|bits| self.shifts(bits)).collect();
        let layers = self.layers.iter().enumerate().map(|(index, (name, tasks))| {
            let shifts: Vec<Option<u32>> = shifts.iter().map(|by_layer| by_layer[index]).collect();
            let empty = || Freedom::ALL.map(|_| vec![Width::NOTHING; WIDTHS.count()]);
            let add = |mut sums: [Vec<Width>; 4], task: &Task<'_>| {
                let found = self.by_freedom(task, Freedom::Constant, &shifts);
                for (sum, found) in sums.iter_mut().flatten().zip(found.iter().flatten()) {
                    match found {
                        Some(found) => sum.summary.add(&found.difference, false),
                        None => sum.summary.add_without_hardware(task.trade.reachable()),
                    }
                    sum.best &= found.as_ref().is_none_or(|found| found.best);
                }
                sums
            };
            let merge = |mut a: [Vec<Width>; 4], b: [Vec<Width>; 4]| {
                for (sum, new) in a.iter_mut().flatten().zip(b.iter().flatten()) {
                    sum.merge(new);
                }
                a
            };
            SearchedLayer {
                name: (*name).to_owned(),
                by_width: tasks.par_iter().fold(empty, add).reduce(empty, merge),
                equal: Freedom::ALL.map(|freedom| {
                    tasks.iter().map(|task| task.equal[freedom as usize].as_ref().map(Equal::bits)).collect()
                }),
            }
        });
        Search { sharing: self.sharing, layers: layers.collect() }
    }

    /// The hardware of every channel of every layer with M0 of `bits` bits; `None` if one does not fit the product
    /// register.
    pub fn chosen(&self, freedom: Freedom, bits: u32) -> Option<Vec<Vec<Chosen>>> {
        let shifts: Vec<Vec<Option<u32>>> =
            WIDTHS.take_while(|&width| width <= bits).map(|bits| self.shifts(bits)).collect();
        let layers = self.layers.iter().enumerate().map(|(index, (_, tasks))| {
            let shifts: Vec<Option<u32>> = shifts.iter().map(|by_layer| by_layer[index]).collect();
            let chosen = tasks.par_iter().map(|task| self.by_freedom(task, freedom, &shifts).pop()?.pop()?);
            chosen.collect()
        });
        layers.collect()
    }
}

impl Search {
    /// All layers together, with this freedom, by width.
    pub fn network(&self, freedom: Freedom) -> Vec<Width> {
        let mut sums = vec![Width::NOTHING; WIDTHS.count()];
        for layer in &self.layers {
            for (sum, new) in sums.iter_mut().zip(&layer.by_width[freedom as usize]) {
                sum.merge(new);
            }
        }
        sums
    }

    /// The narrowest M0 of the whole network that is equal, or within a bound: within 1 LSB everywhere and different at no more
    /// than this fraction of accumulators. `None` if there is none of up to 32 bits.
    pub fn narrowest(&self, freedom: Freedom, within: Option<f64>) -> Option<Bits> {
        match within {
            // Equal in every layer: as wide as the widest, which is no narrower if that layer's is not.
            None => {
                let layers = self.layers.iter().map(|layer| self.narrowest_of(layer, freedom, None));
                let layers = layers.collect::<Option<Vec<Bits>>>()?;
                layers.into_iter().max_by_key(|found| (found.bits, found.narrowest))
            }
            Some(fraction) => narrowest(&self.network(freedom), |summary| summary.is_within(fraction)),
        }
    }

    /// The same of one layer.
    pub fn narrowest_of(&self, layer: &SearchedLayer, freedom: Freedom, within: Option<f64>) -> Option<Bits> {
        let by_width = &layer.by_width[freedom as usize];
        match within {
            None => {
                let found = narrowest(by_width, |summary| summary.differing == 0)?;
                let proven = layer.proven(self.sharing, freedom) == Some(found.bits);
                Some(Bits { narrowest: found.narrowest || proven, ..found })
            }
            Some(fraction) => narrowest(by_width, |summary| summary.is_within(fraction)),
        }
    }
}

impl SearchedLayer {
    /// Bits of the narrowest M0 with which all channels are equal, each with a shift of its own, where that is a proof: of
    /// every bias there is none.
    fn proven(&self, sharing: Sharing, freedom: Freedom) -> Option<u32> {
        let channels = self.equal[freedom as usize].iter().copied();
        let is_proof = sharing == Sharing::Channel && freedom != Freedom::Bias;
        channels.filter(|_| is_proof).collect::<Option<Vec<u32>>>()?.into_iter().max()
    }
}

/// The narrowest width that satisfies a bound.
fn narrowest(by_width: &[Width], holds: impl Fn(&Summary) -> bool) -> Option<Bits> {
    let (bits, _) = WIDTHS.zip(by_width).find(|(_, width)| holds(&width.summary))?;
    // A narrower one might, where it is not known to be the best of its width.
    let mut narrower = WIDTHS.zip(by_width).take_while(|(narrower, _)| *narrower < bits);
    Some(Bits { bits, narrowest: narrower.all(|(_, width)| width.best) })
}
