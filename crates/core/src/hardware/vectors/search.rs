//! The search for inputs: channels that can reach an aim, codes for it, and the proof by running them.

use super::element::{Element, Place};
use super::{Aim, LayerVectors, Missing, Vector, WrongPadding};
use crate::hardware::reach::{Ranks, Sums};
use crate::hardware::{Stage, TargetError, TargetLayer, unravel};
use crate::parameters::{LayerKind, Range};

/// Ties and sums beyond the clamp that are tried for one channel.
const ATTEMPTS: i64 = 24;

/// Elements of one stage, over all vectors, at most.
const LARGEST: usize = 1 << 26;

/// An input before it was run.
struct Candidate {
    aim: Aim,
    channel: usize,
    place: usize,
    /// One image of codes, as the target has them.
    codes: Vec<i32>,
    /// The sum that is claimed: of the accumulator for its aims, else of the biased accumulator without folded_bias.
    sum: i64,
}

/// What the sums of one channel can be, at its widest place.
struct Reach {
    /// Of x_q * w_q, with the places of the ends.
    accumulator: Range<i64>,
    smallest_at: usize,
    largest_at: usize,
    /// Of x_q * (w_q - Z2).
    centred: Range<i64>,
    centred_at: usize,
}

/// A layer, the shape of its inputs, and what its output elements meet.
pub(super) struct Search<'a> {
    layer: &'a TargetLayer,
    /// (1, C, spatial...).
    shape: Vec<usize>,
    area: usize,
    /// One place for each set of taps that meet padding.
    places: Vec<Place>,
    output_sizes: Vec<usize>,
    reach: Vec<Reach>,
}

impl<'a> Search<'a> {
    pub(super) fn new(layer: &'a TargetLayer) -> Result<Self, TargetError> {
        let shape = frame(layer)?;
        let area = shape.iter().skip(2).product();
        let (output_sizes, all) = layer.tap_sources(&shape)?;
        let mut places: Vec<Place> = Vec::new();
        let mut known = std::collections::HashSet::new();
        for (position, sources) in all.into_iter().enumerate() {
            let distinct: std::collections::HashSet<_> = sources.iter().flatten().collect();
            let padded: Vec<bool> = sources.iter().map(Option::is_none).collect();
            if known.insert((padded, distinct.len())) {
                places.push(Place { position, sources });
            }
        }
        let mut search = Self { layer, shape, area, places, output_sizes, reach: Vec::new() };
        search.reach = (0..layer.channels()).map(|channel| search.reach_of(channel)).collect();
        Ok(search)
    }

    fn element(&self, channel: usize, place: usize) -> Element {
        Element::new(self.layer, channel, &self.places[place], self.area)
    }

    fn reach_of(&self, channel: usize) -> Reach {
        let (codes, zero) = (self.layer.reached_range(), i64::from(self.layer.padding_value));
        let nothing = Range { min: i64::MAX, max: i64::MIN };
        let mut reach =
            Reach { accumulator: nothing, smallest_at: 0, largest_at: 0, centred: nothing, centred_at: 0 };
        let mut widest = -1;
        for place in 0..self.places.len() {
            let element = self.element(channel, place);
            let sums = element.reach(codes, zero * element.padded_weight, |term| term.weight);
            if sums.min < reach.accumulator.min {
                (reach.accumulator.min, reach.smallest_at) = (sums.min, place);
            }
            if sums.max > reach.accumulator.max {
                (reach.accumulator.max, reach.largest_at) = (sums.max, place);
            }
            let centred = element.reach(codes, zero * element.padded_centred, |term| term.centred);
            reach.centred.min = reach.centred.min.min(centred.min);
            reach.centred.max = reach.centred.max.max(centred.max);
            if centred.max - centred.min > widest {
                (widest, reach.centred_at) = (centred.max - centred.min, place);
            }
        }
        reach
    }

    pub(super) fn run(&self, channels: usize) -> Result<LayerVectors, TargetError> {
        let mut candidates = Vec::new();
        let mut missing = Vec::new();
        for aim in Aim::ALL {
            let before = candidates.len();
            let able = self.able(aim);
            if let Err(reason) = able {
                missing.push(reason);
                continue;
            }
            let able = able.unwrap_or_default();
            for channel in spread(&able, channels) {
                candidates.extend(self.candidate(aim, channel));
            }
            // Those in between where none of the chosen has codes for it.
            for channel in able.into_iter().take(if candidates.len() == before { channels } else { 0 }) {
                candidates.extend(self.candidate(aim, channel));
            }
        }
        let (vectors, stages) = self.prove(candidates)?;
        for aim in Aim::ALL {
            if vectors.iter().all(|v| v.aim != aim) && missing.iter().all(|m| m.aim != aim) {
                let reason = "no codes were found that reach it".to_owned();
                missing.push(Missing { aim, proven: false, reason, reachable: None });
            }
        }
        missing.sort_by_key(|missing| missing.aim);
        Ok(LayerVectors { vectors, stages, missing })
    }

    /// Channels that can reach an aim, or why there are none.
    fn able(&self, aim: Aim) -> Result<Vec<usize>, Missing> {
        let layer = self.layer;
        let channels = 0..layer.channels();
        let codes = layer.reached_range();
        let none = |reason: &str, reachable: Option<_>| {
            // Registers that overflow leave sums out of their order.
            let proven = reachable.is_none() || self.fits();
            Missing { aim, proven, reason: reason.to_owned(), reachable }
        };
        let (able, why, stage): (Vec<usize>, &str, Option<Stage>) = match aim {
            // One input for all channels; it is claimed for the one in which codes weigh most.
            Aim::ZeroPoint | Aim::BelowZeroPoint | Aim::AboveZeroPoint => {
                let code = layer.padding_value + step(aim);
                if !(codes.min..=codes.max).contains(&code) {
                    return Err(none("codes that can enter end before it", None));
                }
                let weight = |&channel: &usize| {
                    let element = self.element(channel, self.reach[channel].centred_at);
                    element.terms.iter().map(|term| term.centred).sum::<i64>().unsigned_abs()
                };
                (channels.max_by_key(weight).into_iter().collect(), "no channel", None)
            }
            Aim::LargestAccumulator | Aim::SmallestAccumulator => (channels.collect(), "no channel", None),
            Aim::PositiveTie | Aim::NegativeTie => (
                channels.filter(|&channel| !self.ties(channel, aim).is_empty()).collect(),
                "no product that can occur is halfway between two multiples of 2^n",
                Some(Stage::Biased),
            ),
            Aim::LowerSaturation => (
                channels.filter(|&channel| self.offsets(channel).min < i64::from(layer.clamp.min)).collect(),
                "no value before the clamp can be below it",
                Some(Stage::Offset),
            ),
            Aim::UpperSaturation => (
                channels.filter(|&channel| self.offsets(channel).max > i64::from(layer.clamp.max)).collect(),
                "no value before the clamp can be above it",
                Some(Stage::Offset),
            ),
            Aim::Padding => {
                let padded = self.places.iter().any(|place| place.sources.iter().any(Option::is_none));
                if !padded {
                    return Err(none("no tap meets padding", None));
                }
                (channels.collect(), "no channel", None)
            }
        };
        if able.is_empty() {
            let reachable = stage.and_then(|stage| {
                let of = |channel| match stage {
                    Stage::Offset => self.offsets(channel),
                    _ => self.biased(channel),
                };
                let ranges = (0..layer.channels()).map(of);
                let all = ranges.reduce(|a, b| Range { min: a.min.min(b.min), max: a.max.max(b.max) })?;
                Some((stage, all))
            });
            return Err(none(why, reachable));
        }
        Ok(able)
    }

    /// Whether every value fits in its register, for all inputs.
    fn fits(&self) -> bool {
        let mut fits = !self.layer.accumulator_may_overflow();
        for (channel, reach) in self.reach.iter().enumerate() {
            for sum in [reach.centred.min, reach.centred.max] {
                self.layer.requantize(channel, sum, 0, |_, _| fits = false);
            }
        }
        fits
    }

    /// The values that the biased accumulator of a channel can have, were its registers wide enough.
    fn biased(&self, channel: usize) -> Range<i64> {
        let Range { min, max } = self.reach[channel].centred;
        Range { min: self.biased_of(channel, min), max: self.biased_of(channel, max) }
    }

    fn biased_of(&self, channel: usize, sum: i64) -> i64 {
        let fraction = self.layer.target.bias_fraction_bits.min(32);
        sum.saturating_mul(1 << fraction).saturating_add(self.layer.folded_bias[channel])
    }

    /// The values before the clamp that a channel can have.
    fn offsets(&self, channel: usize) -> Range<i64> {
        let Range { min, max } = self.reach[channel].centred;
        Range { min: self.offset_of(channel, min), max: self.offset_of(channel, max) }
    }

    fn offset_of(&self, channel: usize, sum: i64) -> i64 {
        self.layer.requantize(channel, sum, 0, |_, _| ())[OFFSET]
    }

    /// Sums over centred weights whose products are ties, those of the smallest magnitude first.
    ///
    /// With M0 = m*2^t and m odd, biased*M0 is an odd multiple of 2^(n-1) if and only if biased is one of 2^(n-1-t).
    fn ties(&self, channel: usize, aim: Aim) -> Vec<i64> {
        let layer = self.layer;
        let multiplier = layer.multiplier[channel];
        let zeros = i64::from(multiplier.trailing_zeros().min(31));
        let exponent = i64::from(layer.shift[channel]) - 1 - zeros;
        if layer.rounding_constant.is_some() || multiplier == 0 || !(0..=60).contains(&exponent) {
            return Vec::new();
        }
        let (unit, fraction) = (1_i64 << exponent, layer.target.bias_fraction_bits.min(32));
        let Range { min, max } = self.biased(channel);
        let sign = if aim == Aim::NegativeTie { -1 } else { 1 };
        // The first odd multiple inside of the range, on this side of zero.
        let nearest = if sign > 0 { min.max(0) } else { max.min(0) };
        let first = (nearest / unit).saturating_abs() | 1;
        (0..ATTEMPTS)
            .filter_map(|attempt| (first + 2 * attempt).checked_mul(unit).map(|tie| sign * tie))
            .filter(|tie| (min..=max).contains(tie))
            .filter_map(|tie| tie.checked_sub(layer.folded_bias[channel]))
            .filter(|shifted| shifted % (1 << fraction) == 0)
            .map(|shifted| shifted >> fraction)
            .collect()
    }

    /// The first sum beyond one end of the clamp that codes have, and the place that has it; where it is not known which
    /// sums codes have, those that follow and the farthest, too.
    fn beyond_clamp(&self, channel: usize, aim: Aim) -> (usize, Vec<i64>) {
        let clamp = self.layer.clamp;
        let lower = aim == Aim::LowerSaturation;
        // Offsets grow with sums.
        let is_low = |sum: i64| {
            let offset = self.offset_of(channel, sum);
            if lower { offset < i64::from(clamp.min) } else { offset <= i64::from(clamp.max) }
        };
        let Range { min, max } = self.reach[channel].centred;
        // The last sum of the low ones, the first of the others.
        let (mut low, mut high) = (min - 1, max + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if is_low(middle) { low = middle } else { high = middle }
        }
        let first = |place: usize| {
            let ranks = self.sums(channel, place)?;
            let sum = if lower { ranks.at(ranks.below(low + 1) - 1) } else { ranks.at(ranks.below(high)) };
            Some((place, sum?))
        };
        let widest = self.reach[channel].centred_at;
        let nearest =
            |&(place, sum): &(usize, i64)| (if lower { low - sum } else { sum - high }, place != widest);
        if let Some((place, sum)) = (0..self.places.len()).filter_map(first).min_by_key(nearest) {
            return (place, vec![sum]);
        }
        let near = (0..ATTEMPTS).map(|step| if lower { low - step } else { high + step });
        let end = if lower { min } else { max };
        (widest, near.filter(|sum| (min..=max).contains(sum)).chain([end]).collect())
    }

    /// The sums over centred weights that codes have at a place; `None` if they are too many to be known.
    fn sums(&self, channel: usize, place: usize) -> Option<Ranks> {
        let (element, codes) = (self.element(channel, place), self.layer.reached_range());
        let fixed = i64::from(self.layer.padding_value) * element.padded_centred;
        let range = element.reach(codes, fixed, |term| term.centred);
        let sums = Sums::of(&[element.centred(codes, fixed)], range);
        let ranks = Ranks::new(range, sums.as_ref());
        ranks.exact().then_some(ranks)
    }

    /// Codes for an aim in a channel.
    fn candidate(&self, aim: Aim, channel: usize) -> Option<Candidate> {
        let (layer, reach) = (self.layer, &self.reach[channel]);
        let (codes, zero) = (layer.reached_range(), layer.padding_value);
        let solved = |place: usize, sums: Vec<i64>| {
            let element = self.element(channel, place);
            let fixed = i64::from(zero) * element.padded_centred;
            sums.into_iter().find_map(|sum| {
                let chosen = element.centred(codes, fixed).solve(sum)?;
                Some(Candidate { aim, channel, place, codes: self.image(&element, &chosen), sum })
            })
        };
        match aim {
            Aim::ZeroPoint | Aim::BelowZeroPoint | Aim::AboveZeroPoint => {
                let place = reach.centred_at;
                let element = self.element(channel, place);
                let code = zero + step(aim);
                let weights: i64 = element.terms.iter().map(|term| term.centred).sum();
                let sum = i64::from(code) * weights + i64::from(zero) * element.padded_centred;
                Some(Candidate { aim, channel, place, codes: vec![code; self.image_elements()], sum })
            }
            Aim::LargestAccumulator | Aim::SmallestAccumulator => {
                let largest = aim == Aim::LargestAccumulator;
                let (place, sum) = if largest {
                    (reach.largest_at, reach.accumulator.max)
                } else {
                    (reach.smallest_at, reach.accumulator.min)
                };
                let element = self.element(channel, place);
                let chosen = element.extreme(codes, largest);
                Some(Candidate { aim, channel, place, codes: self.image(&element, &chosen), sum })
            }
            Aim::PositiveTie | Aim::NegativeTie => solved(reach.centred_at, self.ties(channel, aim)),
            Aim::LowerSaturation | Aim::UpperSaturation => {
                let (place, sums) = self.beyond_clamp(channel, aim);
                solved(place, sums)
            }
            Aim::Padding => {
                // The middle of the clamp, where a wrong code of padding shows first.
                let mut places: Vec<(u64, usize)> = (0..self.places.len())
                    .map(|place| (self.element(channel, place).padded_centred.unsigned_abs(), place))
                    .filter(|(weight, _)| *weight > 0)
                    .collect();
                places.sort_by_key(|&(weight, place)| (std::cmp::Reverse(weight), place));
                let middle = self.sum_inside(channel);
                let near = |sum: i64| (0..ATTEMPTS).flat_map(move |step| [sum + step, sum - step]).collect();
                places.into_iter().find_map(|(_, place)| solved(place, near(middle)))
            }
        }
    }

    /// A sum whose output lies between the ends of the clamp, as far as the channel has one.
    fn sum_inside(&self, channel: usize) -> i64 {
        let Range { mut min, mut max } = self.reach[channel].centred;
        let middle = i64::midpoint(i64::from(self.layer.clamp.min), i64::from(self.layer.clamp.max));
        while max - min > 1 {
            let sum = min + (max - min) / 2;
            if self.offset_of(channel, sum) < middle { min = sum } else { max = sum }
        }
        max
    }

    fn image_elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// One image: the codes of an element where it meets them, Z1 elsewhere, or the code nearest to it that can enter.
    fn image(&self, element: &Element, chosen: &[i32]) -> Vec<i32> {
        let Range { min, max } = self.layer.reached_range();
        let mut codes = vec![self.layer.padding_value.clamp(min, max); self.image_elements()];
        for (term, &code) in element.terms.iter().zip(chosen) {
            codes[term.input] = code;
        }
        codes
    }

    /// Runs all candidates and keeps those that reach what they claim, with their stages.
    fn prove(
        &self,
        candidates: Vec<Candidate>,
    ) -> Result<(Vec<Vector>, crate::hardware::Stages), TargetError> {
        let (found, _) = self.check(&candidates)?;
        let (kept, vectors): (Vec<Candidate>, Vec<Vector>) =
            candidates.into_iter().zip(found).filter_map(|(candidate, hit)| Some((candidate, hit?))).unzip();
        let (_, stages) = self.check(&kept)?;
        Ok((vectors, stages))
    }

    /// What each candidate reaches, where it is what it claims, and the stages of all.
    fn check(
        &self,
        candidates: &[Candidate],
    ) -> Result<(Vec<Option<Vector>>, crate::hardware::Stages), TargetError> {
        let layer = self.layer;
        let positions: usize = self.output_sizes.iter().product();
        let image = positions * layer.channels();
        if image.max(self.image_elements()).saturating_mul(candidates.len()) > LARGEST {
            let found = format!("{} vectors are too many for its size", candidates.len());
            return Err(TargetError::Inconsistent { layer: layer.name.clone(), found });
        }
        let mut shape = self.shape.clone();
        shape[0] = candidates.len();
        let shifted = candidates.iter().flat_map(|candidate| &candidate.codes);
        let codes: Vec<i32> = shifted.map(|code| code + layer.input_shift).collect();
        let stages = layer.stages(&codes, &shape)?;
        let wrong = if layer.padding_value == 0 { layer.input_range().max } else { 0 };
        let mut wrongly_padded = layer.clone();
        wrongly_padded.padding_value = wrong;
        let wrong_outputs = wrongly_padded.stages(&codes, &shape)?;
        let vectors = candidates.iter().enumerate().map(|(number, candidate)| {
            let place = &self.places[candidate.place];
            let index = number * image + candidate.channel * positions + place.position;
            let at = |stage: Stage| stages.of(stage)[index];
            let shift = u32::try_from(layer.shift[candidate.channel]).unwrap_or(0).min(126);
            let tie = || {
                let unit = 1_i128 << shift;
                shift > 0 && i128::from(at(Stage::Product)).rem_euclid(unit) == unit / 2
            };
            let biased = at(Stage::Biased) == self.biased_of(candidate.channel, candidate.sum);
            let wrong_output = wrong_outputs.of(Stage::Output)[index];
            let (stage, reached) = match candidate.aim {
                Aim::ZeroPoint | Aim::BelowZeroPoint | Aim::AboveZeroPoint => (Stage::Biased, biased),
                Aim::LargestAccumulator | Aim::SmallestAccumulator => {
                    // A register that is too narrow is reached by its overflow.
                    let range = layer.target.accumulator().range();
                    let overflows = !(range.min..=range.max).contains(&candidate.sum);
                    (Stage::Accumulator, overflows || at(Stage::Accumulator) == candidate.sum)
                }
                Aim::PositiveTie => (Stage::Product, tie() && at(Stage::Product) > 0),
                Aim::NegativeTie => (Stage::Product, tie() && at(Stage::Product) < 0),
                Aim::LowerSaturation => (Stage::Offset, at(Stage::Offset) < i64::from(layer.clamp.min)),
                Aim::UpperSaturation => (Stage::Offset, at(Stage::Offset) > i64::from(layer.clamp.max)),
                Aim::Padding => (Stage::Output, wrong_output != at(Stage::Output)),
            };
            let wrong_padding = (candidate.aim == Aim::Padding).then(|| WrongPadding {
                code: wrong,
                output: wrong_output,
                taps: self.element(candidate.channel, candidate.place).padded,
            });
            reached.then(|| Vector {
                aim: candidate.aim,
                channel: candidate.channel,
                position: unravel(place.position, &self.output_sizes),
                stage,
                value: at(stage),
                wrong_padding,
            })
        });
        Ok((vectors.collect(), stages))
    }
}

/// Index of the value before the clamp among the stages after the input.
const OFFSET: usize = Stage::Offset as usize - 1;

/// What is added to Z1.
fn step(aim: Aim) -> i32 {
    match aim {
        Aim::BelowZeroPoint => -1,
        Aim::AboveZeroPoint => 1,
        _ => 0,
    }
}

/// At most `count` entries, evenly spaced, the first and the last among them.
fn spread(entries: &[usize], count: usize) -> Vec<usize> {
    let count = count.min(entries.len());
    let last = entries.len().saturating_sub(1);
    (0..count).map(|index| entries[index * last / count.saturating_sub(1).max(1)]).collect()
}

/// The shape of a small input, (1, C, spatial...): a window that no padding touches, and each border cuts others.
fn frame(layer: &TargetLayer) -> Result<Vec<usize>, TargetError> {
    let transposed = matches!(layer.kind(), LayerKind::ConvTranspose(_));
    let mut shape = vec![1, layer.groups() * layer.group_inputs()];
    for (axis, &kernel) in layer.kernel().iter().enumerate() {
        let entry = |sizes: &Option<Vec<u32>>, what| {
            let size = sizes.as_ref().and_then(|sizes| usize::try_from(*sizes.get(axis)?).ok());
            size.filter(|&size| size < 1 << 12)
                .ok_or_else(|| TargetError::Unknown { layer: layer.name.clone(), what })
        };
        let stride = entry(&layer.window().stride, "its stride")?.max(1);
        let padding = entry(&layer.window().padding, "its padding")?;
        let padding_end = match &layer.window().padding_end {
            None => padding,
            end => entry(end, "its padding")?,
        };
        let dilation = entry(&layer.window().dilation, "its dilation")?;
        let extent = dilation.saturating_mul(kernel.max(1) - 1).saturating_add(1);
        let before = padding.div_ceil(stride) * stride - padding;
        shape.push(if transposed {
            // Every phase of the stride, in the middle of the output.
            2 * extent.div_ceil(stride) + padding.div_ceil(stride) + padding_end.div_ceil(stride) + 1
        } else {
            // Borders that mirror the input need as much of it.
            (before + extent).max(padding.max(padding_end) + 1)
        });
    }
    Ok(shape)
}
