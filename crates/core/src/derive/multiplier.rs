//! The real factor M = S1*S2/S3 of a layer as integers M0 and n, M ~ M0 * 2^-n.

use crate::error::{LowerError, Result};
use crate::exact::Ratio;
use crate::network::{EdgeId, IntNetwork, Node};
use crate::ops::{Layer, Op};
use crate::parameters::{Activation, MultiplierForm};

/// M0 is written as an unsigned 32-bit word, but hardware and C multiply signed numbers: 31 bits unless asked otherwise.
pub(super) const DEFAULT_MULTIPLIER_BITS: u32 = 31;

/// M0 with fewer significant bits than this is warned about: its relative error passes 2^-8, a step of an 8-bit output.
const SIGNIFICANT_BITS: u32 = 8;

/// The largest shift that the outputs can hold (signed 8 bits).
const LARGEST_SHIFT: i64 = 127;

/// M = S1*S2/S3, exactly; `None` if a scale is not finite or S3 is zero.
pub fn exact_multiplier(input_scale: f64, weight_scale: f64, output_scale: f64) -> Option<Ratio> {
    Ratio::from_f64(input_scale)?.times(&Ratio::from_f64(weight_scale)?).over(&Ratio::from_f64(output_scale)?)
}

/// Every M = S1*S2/S3 of a layer, one per weight scale; empty where a scale is not known or none.
fn exact_multipliers(network: &IntNetwork, node: &Node, layer: &Layer) -> Vec<Ratio> {
    let activation = |ids: &[EdgeId]| ids.first().and_then(|&id| network.edge(id).activation);
    let (Some(input), Some(output)) = (activation(&node.inputs), activation(&node.outputs)) else {
        return Vec::new();
    };
    let scales = layer.weight.scale.iter();
    scales.filter_map(|&scale| exact_multiplier(input.scale, scale, output.scale)).collect()
}

/// The n with which the largest of several M has an M0 of exactly `bits` bits; `None` without any.
fn common_shift(multipliers: impl IntoIterator<Item = Ratio>, bits: u32) -> Option<i64> {
    let largest = multipliers.into_iter().reduce(|a, b| if a.minus(&b).is_negative() { b } else { a })?;
    Some(normalized_multiplier(&largest, bits)?.1)
}

/// A form with the n of the whole network, where it has one.
pub(super) fn network_form(network: &IntNetwork, form: MultiplierForm) -> Result<MultiplierForm> {
    let MultiplierForm::NetworkBits(bits) = form else { return Ok(form) };
    let multipliers = network.nodes.iter().flat_map(|node| match &node.op {
        Op::Layer(layer) => exact_multipliers(network, node, layer),
        _ => Vec::new(),
    });
    Ok(match common_shift(multipliers, bits) {
        Some(n) => MultiplierForm::Shift(given_shift(n).map_err(LowerError::new)?),
        // Nothing is known that would need one.
        None => MultiplierForm::Bits(bits),
    })
}

/// A form with the n of a layer, where it has one.
pub(super) fn layer_form(
    network: &IntNetwork,
    node: &Node,
    layer: &Layer,
    form: MultiplierForm,
) -> Result<MultiplierForm> {
    let MultiplierForm::LayerBits(bits) = form else { return Ok(form) };
    Ok(match common_shift(exact_multipliers(network, node, layer), bits) {
        Some(n) => MultiplierForm::Shift(given_shift(n).map_err(|text| LowerError::at(&node.name, text))?),
        None => MultiplierForm::Bits(bits),
    })
}

/// The smallest and the largest CONSTANT with which every M of the network has an M0 of 1 or more and of 31 bits; `None`
/// if there is none.
fn fitting_shifts(network: &IntNetwork) -> Option<(i64, i64)> {
    let multipliers = network.nodes.iter().flat_map(|node| match &node.op {
        Op::Layer(layer) => exact_multipliers(network, node, layer),
        _ => Vec::new(),
    });
    let ends = multipliers.filter_map(|m| Some((smallest_shift(&m)?, largest_shift(&m)?)));
    let (least, most) = ends.fold((0, LARGEST_SHIFT), |a, b| (a.0.max(b.0), a.1.min(b.1)));
    (least <= most).then_some((least, most))
}

/// The smallest n with which M0 is not 0.
fn smallest_shift(m: &Ratio) -> Option<i64> {
    // From a half on; the tie goes to the even 0.
    let n = -m.floor_log2()? - 1;
    Some(n + i64::from(m.round_scaled(n) == Some(0)))
}

/// The largest n with which M0 has 31 bits: where rounding carries into a 32nd, it is one less.
fn largest_shift(m: &Ratio) -> Option<i64> {
    Some(normalized_multiplier(m, DEFAULT_MULTIPLIER_BITS)?.1)
}

/// What to do instead, where no CONSTANT suits every layer.
const NO_CONSTANT: &str = "no CONSTANT suits every layer: without one each channel has its own n";

/// An n that all channels have.
fn given_shift(n: i64) -> Result<u32, String> {
    let found = u32::try_from(n).ok().filter(|&n| i64::from(n) <= LARGEST_SHIFT);
    found.ok_or_else(|| format!("the largest M takes n = {n}, expected 0 to {LARGEST_SHIFT}"))
}

/// M0 of exactly `bits` bits and n with M ~ M0 * 2^-n; `None` for M = 0.
pub fn normalized_multiplier(m: &Ratio, bits: u32) -> Option<(u32, i64)> {
    let n = i64::from(bits) - 1 - m.floor_log2()?;
    let rounded = u64::try_from(m.round_scaled(n)?).ok()?;
    // Rounding up may carry into one bit more; then M0 is a power of two and halving it is exact.
    let (rounded, n) = if rounded >> bits == 1 { (rounded >> 1, n - 1) } else { (rounded, n) };
    Some((u32::try_from(rounded).ok()?, n))
}

/// M and its integers, per output channel.
pub(super) struct Multipliers {
    /// Nearest binary64 of M.
    pub(super) real: Vec<f64>,
    /// M0.
    pub(super) multiplier: Vec<u32>,
    /// n.
    pub(super) shift: Vec<i32>,
}

/// One M and its integers.
struct Multiplier {
    exact: Ratio,
    real: f64,
    m0: u32,
    n: i64,
}

impl Multipliers {
    /// Those of a layer between `input` and `output`; `form` is without the words "layer" and "network". The whole network
    /// tells which other n there could be.
    pub(super) fn new(
        network: &IntNetwork,
        name: &str,
        layer: &Layer,
        channels: usize,
        (input, output): (Activation, Activation),
        form: MultiplierForm,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        // One computation per distinct scale; per-tensor layers repeat theirs for every channel.
        let scales = layer.weight.scale.iter();
        let distinct = scales
            .map(|&scale| Multiplier::new(network, exact_multiplier(input.scale, scale, output.scale), form))
            .collect::<Result<Vec<_>, String>>()
            .map_err(|text| LowerError::at(name, text))?;
        if let MultiplierForm::Shift(n) = form
            && let Some(warning) =
                lost_bits(network, &distinct, n).map_err(|text| LowerError::at(name, text))?
        {
            warnings.push(format!("{name}: {warning}"));
        }
        let large = distinct.iter().filter(|m| m.real >= 1.0).count();
        if large > 0 {
            warnings.push(format!(
                "{name}: M >= 1{}: the output scale is finer than the accumulator's; hardware that only shifts right \
                 by 31 or more cannot compute it",
                of_channels(large, distinct.len())
            ));
        }
        let shift = |n: i64| {
            i32::try_from(n)
                .map_err(|_| LowerError::at(name, format!("its shift n = {n} does not fit in 32 bits")))
        };
        let spread = |channel: usize| &distinct[if distinct.len() > 1 { channel } else { 0 }];
        Ok(Self {
            real: (0..channels).map(|channel| spread(channel).real).collect(),
            multiplier: (0..channels).map(|channel| spread(channel).m0).collect(),
            shift: (0..channels).map(|channel| shift(spread(channel).n)).collect::<Result<_>>()?,
        })
    }
}

impl Multiplier {
    fn new(network: &IntNetwork, exact: Option<Ratio>, form: MultiplierForm) -> Result<Self, String> {
        let exact = exact.filter(|m| !m.is_zero()).ok_or("M = S1*S2/S3 is not a positive finite number")?;
        let real = exact.to_f64();
        let (m0, n) = match form {
            MultiplierForm::Bits(bits)
            | MultiplierForm::LayerBits(bits)
            | MultiplierForm::NetworkBits(bits) => normalized_multiplier(&exact, bits)
                .filter(|&(_, n)| n.abs() <= LARGEST_SHIFT)
                .ok_or_else(|| format!("M = {real:.3e} needs a shift beyond 127"))?,
            MultiplierForm::Shift(n) => {
                let m0 = exact.round_scaled(i64::from(n)).and_then(|m0| u32::try_from(m0).ok());
                let fits = |m0: &u32| m0.leading_zeros() >= u32::BITS - DEFAULT_MULTIPLIER_BITS;
                let m0 = m0.filter(fits).ok_or_else(|| {
                    let instead = fitting_shifts(network).map_or_else(
                        || NO_CONSTANT.to_owned(),
                        |(_, most)| format!("the largest CONSTANT that suits every layer is {most}"),
                    );
                    format!(
                        "M = {real:.3e} times 2^{n} does not fit in {DEFAULT_MULTIPLIER_BITS} bits; {instead}"
                    )
                })?;
                (m0, i64::from(n))
            }
        };
        Ok(Self { exact, real, m0, n })
    }

    fn significant_bits(&self) -> u32 {
        u32::BITS - self.m0.leading_zeros()
    }
}

/// A warning where a given n leaves an M0 few bits; an error where it leaves none.
fn lost_bits(network: &IntNetwork, distinct: &[Multiplier], n: u32) -> Result<Option<String>, String> {
    let Some(smallest) = distinct.iter().min_by(|a, b| a.real.total_cmp(&b.real)) else { return Ok(None) };
    let zero = distinct.iter().filter(|m| m.m0 == 0).count();
    let few = distinct.iter().filter(|m| m.significant_bits() < SIGNIFICANT_BITS).count();
    if few == 0 {
        return Ok(None);
    }
    let enough = i64::from(SIGNIFICANT_BITS) - 1 - smallest.exact.floor_log2().unwrap_or_default();
    // Never one that another layer refuses.
    let instead = match fitting_shifts(network) {
        Some((least, most)) if (least..=most).contains(&enough) => {
            let unit = if zero > 0 { " significant bits" } else { "" };
            format!("a CONSTANT of {enough} gives {SIGNIFICANT_BITS}{unit}")
        }
        Some((_, most)) if most > i64::from(n) => {
            format!("the largest CONSTANT that suits every layer is {most}")
        }
        Some(_) | None if zero == 0 => {
            "no CONSTANT that suits every layer gives more: without one each channel has its own n".to_owned()
        }
        Some(_) | None => NO_CONSTANT.to_owned(),
    };
    if zero > 0 {
        return Err(format!(
            "M0 = round({:.3e} * 2^{n}) is 0{}: every output would be Z3; {instead}",
            smallest.real,
            of_channels(zero, distinct.len())
        ));
    }
    let fewest = distinct.iter().map(Multiplier::significant_bits).min().unwrap_or_default();
    Ok(Some(format!("M0 has only {fewest} significant bits{}; {instead}", of_channels(few, distinct.len()))))
}

fn of_channels(count: usize, all: usize) -> String {
    if all > 1 { format!(" in {count} of {all} channels") } else { String::new() }
}
