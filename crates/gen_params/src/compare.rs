//! A hardware's values against the golden ones: the first layer, stage, channel and position where they part, and why.

use std::collections::BTreeSet;

use gen_params_core::hardware::{Fault, Stage, unravel};
use gen_params_core::machine::{Arithmetic, Machine};
use gen_params_core::ops::Op;
use gen_params_emit::folder::golden::INPUT;
use gen_params_emit::memory::Packing;
use gen_params_emit::{GoldenTensor, Width};

use crate::dump::{Dumped, Folder};
use crate::error::{At, Error, Result, refuse};
use crate::golden;
use crate::input::{Input, Values};
use crate::run::RunOptions;
use crate::text::thousands;

/// What comparing values with the golden ones found.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Files, or arrays, that were compared.
    pub files: usize,
    /// Values that are equal, in the files before the first difference.
    pub equal: usize,
    /// The first file, in execution order, whose values are others.
    pub difference: Option<FirstDifference>,
    /// What the user must know, one sentence each.
    pub warnings: Vec<String>,
}

impl Comparison {
    /// Whether all values are the golden ones.
    pub fn is_equal(&self) -> bool {
        self.difference.is_none()
    }
}

/// Where values leave the golden ones first, and what is known of the reason.
#[derive(Debug, Clone)]
pub struct FirstDifference {
    /// The layer; `None` for the network's input.
    pub layer: Option<String>,
    /// The stage of the layer.
    pub stage: Stage,
    /// The file or array.
    pub file: String,
    /// The place of the value in it.
    pub place: String,
    /// Index of the value, (N, C, spatial...).
    pub index: Vec<usize>,
    /// The golden value.
    pub expected: i64,
    /// The hardware's value.
    pub found: i64,
    /// Values of the file that differ.
    pub mismatches: usize,
    /// Values in the file.
    pub values: usize,
    /// The largest distance.
    pub largest: u64,
    /// Output channels with a difference.
    pub differing_channels: usize,
    /// All output channels.
    pub channels: usize,
    /// Mistakes that each explain every value of the layer that was given.
    pub causes: Vec<String>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

/// Compares the values in a folder; without an input, the folder holds it.
pub(crate) fn compare(
    machine: &Machine<'_>,
    folder: &Folder,
    input: Option<&Input>,
    activation: Option<&Packing>,
    options: RunOptions<'_>,
) -> Result<Comparison> {
    let own;
    let input = match input {
        Some(input) => input,
        None => {
            own = dumped_input(folder, machine)?;
            &own
        }
    };
    let wanted: &[Stage] = match machine.arithmetic() {
        Arithmetic::Target(_) => &Stage::ALL,
        Arithmetic::Contract(_) => &[Stage::Input, Stage::Accumulator, Stage::Output],
    };
    let points = golden::compute(machine, input, options, wanted)?;
    let mut warnings = Vec::new();
    let pairs = pair(&points, folder, activation, &mut warnings)?;
    let mut equal = 0;
    for pair in &pairs {
        if let Some(mut difference) = pair.difference() {
            explain(&mut difference, machine, &points, &pairs, pair);
            return Ok(Comparison { files: pairs.len(), equal, difference: Some(difference), warnings });
        }
        equal += pair.found.len();
    }
    Ok(Comparison { files: pairs.len(), equal, difference: None, warnings })
}

/// The network's input in the folder.
fn dumped_input(folder: &Folder, machine: &Machine<'_>) -> Result<Input> {
    let Some((dumped, shape)) = folder.with_shape(INPUT)?.and_then(|dumped| {
        let shape = dumped.shape.clone()?;
        Some((dumped, shape))
    }) else {
        return Err(Error::given(format!("holds no {INPUT}.npy, and no {INPUT} in an .npz"))
            .with_hint("give --input, what the hardware was given")
            .at(folder.path().display()));
    };
    let activation = machine.network().inputs.first().and_then(|&id| machine.input_activation(id));
    let unknown = || Error::given("the scale and zero point of the network's input are not known");
    let code_type = activation.ok_or_else(unknown)?.code_type;
    let (takes, shift) = match machine.arithmetic() {
        Arithmetic::Target(target) => (target.code_type(code_type), target.code_shift(code_type)),
        Arithmetic::Contract(_) => (code_type, 0),
    };
    // A byte does not show its sign, but an array says it.
    if let Some(found @ ("int8" | "uint8")) = dumped.element
        && found != takes.name()
    {
        let problem = format!("found codes of type {found}, and the hardware takes {}", takes.name());
        let hint =
            "--signed-activations, or a target that has them, says that unsigned codes travel as signed ones";
        return Err(Error::given(problem).with_hint(hint).at(&dumped.place));
    }
    let is_signed = takes.range().0 < 0;
    let code = |value: i64| i32::try_from(value.saturating_add(i64::from(shift)));
    let codes = dumped.values(is_signed).into_iter().map(code).collect::<Result<_, _>>();
    let codes = codes.at(|| &dumped.place)?;
    Ok(Input { shape, values: Values::Codes(codes, code_type.name()), names: None, pixels: false })
}

/// Golden values beside those of the hardware.
struct Pair<'a> {
    node: Option<usize>,
    golden: &'a GoldenTensor,
    dumped: Dumped,
    /// The hardware's values; fewer images than the golden ones, perhaps.
    found: Vec<i64>,
}

/// What is in the folder, in execution order.
fn pair<'a>(
    points: &'a [golden::Point],
    folder: &Folder,
    activation: Option<&Packing>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Pair<'a>>> {
    let mut pairs = Vec::new();
    for point in points {
        let golden = &point.tensor;
        let Some(dumped) = folder.find(golden, activation)? else { continue };
        let found = dumped.values(golden.width != Width::Uint8);
        let images = golden.shape.first().copied().unwrap_or(1).max(1);
        let per_image = golden.values.len() / images;
        if found.len() > golden.values.len()
            || per_image == 0
            || found.len() % per_image != 0
            || found.is_empty()
        {
            refuse!(
                "{}: found {} values, expected {}: {images} images of shape {:?}",
                dumped.place,
                thousands(found.len()),
                thousands(golden.values.len()),
                golden.shape.get(1..).unwrap_or_default()
            );
        }
        if found.len() < golden.values.len() {
            warnings.push(format!(
                "{}: holds {} of {images} images; the others were not compared",
                dumped.place,
                found.len() / per_image
            ));
        }
        pairs.push(Pair { node: point.node, golden, dumped, found });
    }
    let stems: Vec<String> = points.iter().map(|point| point.tensor.file_stem()).collect();
    let unknown = folder.others(&stems);
    if !unknown.is_empty() {
        return Err(Error::given(format!("nothing in the network is named {}", unknown.join(", ")))
            .with_hint(format!("the names are {}", stems.join(", ")))
            .at(folder.path().display()));
    }
    if pairs.is_empty() {
        return Err(Error::given("holds no values")
            .with_hint("gen_params run --golden DIR --stages shows the files' names")
            .at(folder.path().display()));
    }
    Ok(pairs)
}

impl Pair<'_> {
    /// How the values leave the golden ones, if they do.
    fn difference(&self) -> Option<FirstDifference> {
        let values = || self.golden.values.iter().zip(&self.found).enumerate().filter(|(_, (a, b))| a != b);
        let shape = &self.golden.shape;
        let (first, (&expected, &found)) = values().next()?;
        let channels: BTreeSet<usize> =
            values().filter_map(|(index, _)| unravel(index, shape).get(1).copied()).collect();
        Some(FirstDifference {
            layer: self.golden.node.clone(),
            stage: self.golden.stage,
            file: self.dumped.place.clone(),
            place: self.dumped.place_of(first),
            index: unravel(first, shape),
            expected,
            found,
            mismatches: values().count(),
            values: self.found.len(),
            largest: values().map(|(_, (a, b))| a.abs_diff(*b)).max().unwrap_or(0),
            differing_channels: channels.len(),
            channels: shape.get(1).copied().unwrap_or(1),
            causes: Vec::new(),
            notes: Vec::new(),
        })
    }
}

/// Recomputes the layer with every known fault, and keeps those that give what the hardware gave.
fn explain(
    difference: &mut FirstDifference,
    machine: &Machine<'_>,
    points: &[golden::Point],
    pairs: &[Pair<'_>],
    differing: &Pair<'_>,
) {
    let signed = differing.golden.width != Width::Uint8;
    let golden = &differing.golden.values;
    difference.causes.extend(differing.dumped.read_otherwise(golden, signed));
    if interleaved(differing) {
        difference.causes.push("the values are right, in NHWC order and not in NCHW order".into());
    }
    if let Some(signed_codes) = other_signedness(differing) {
        let words =
            if signed_codes { ["signed", "without", "add"] } else { ["unsigned", "with", "leave out"] };
        difference.causes.push(format!(
            "the values are right, as {} codes: the golden ones are {} --signed-activations; {} it",
            words[0], words[1], words[2]
        ));
    }
    let Some((node, layer)) = differing.node.and_then(|node| Some((node, machine.layer(node)?))) else {
        return;
    };
    if !matches!(machine.arithmetic(), Arithmetic::Target(_)) {
        difference.notes.push("known faults are looked for with --contract target only".into());
        return;
    }
    let of_layer: Vec<&Pair<'_>> = pairs.iter().filter(|pair| pair.node == Some(node)).collect();
    let input = points.iter().find(|p| p.node == Some(node) && p.tensor.stage == Stage::Input);
    let Some(input) = input.filter(|_| differing.golden.stage != Stage::Input) else { return };
    if !of_layer.iter().any(|pair| pair.golden.stage == Stage::Input)
        && !input_is_compared(machine, pairs, node)
    {
        let note = "there are no values of this layer's input to compare: the fault may lie before it";
        difference.notes.push(note.into());
    }
    // A layer takes codes of the model's type; the stage has them as the target does.
    let codes: Option<Vec<i32>> = input
        .tensor
        .values
        .iter()
        .map(|&code| i32::try_from(code).ok().map(|code| code + layer.input_shift))
        .collect();
    let Some(codes) = codes else { return };
    for fault in Fault::ALL {
        let Some(faulty) = fault.planted(layer) else { continue };
        let Ok(stages) = faulty.stages(&codes, &input.tensor.shape) else { continue };
        if of_layer.iter().all(|pair| stages.of(pair.golden.stage).starts_with(&pair.found)) {
            difference.causes.push(fault.to_string());
        }
    }
}

/// Whether the codes are right but for the shift of 128 of signed activations: `Some(true)` if the hardware's have it and
/// the golden ones do not, `Some(false)` for the opposite.
fn other_signedness(pair: &Pair<'_>) -> Option<bool> {
    let (shift, signed_codes) = match pair.golden.width {
        Width::Uint8 => (-128, true),
        Width::Int8 => (128, false),
        Width::Int16 | Width::Int32 | Width::Int64 => return None,
    };
    // A word of 8 bits is the same for -128 and 128.
    let same = |expected: i64, found: i64| (expected + shift - found) & 0xff == 0;
    let all = pair.golden.values.iter().zip(&pair.found).all(|(&expected, &found)| same(expected, found));
    (all && pair.dumped.bits == 8).then_some(signed_codes)
}

/// Whether the values are those of (N, C, spatial...) written as (N, spatial..., C).
fn interleaved(pair: &Pair<'_>) -> bool {
    let [images, channels, spatial @ ..] = pair.golden.shape.as_slice() else { return false };
    if pair.dumped.is_laid_out() {
        return false;
    }
    let positions: usize = spatial.iter().product();
    if pair.found.len() != pair.golden.values.len() || positions <= 1 || *channels <= 1 {
        return false;
    }
    (0..images * channels * positions).all(|index| {
        let (image, rest) = (index / (channels * positions), index % (channels * positions));
        let (position, channel) = (rest / channels, rest % channels);
        pair.found[index] == pair.golden.values[(image * channels + channel) * positions + position]
    })
}

/// Whether the codes that a node takes are among those that were compared.
fn input_is_compared(machine: &Machine<'_>, pairs: &[Pair<'_>], node: usize) -> bool {
    let nodes = &machine.network().nodes;
    let Some(taken) = nodes.get(node).and_then(|node| node.inputs.first()) else { return false };
    let maker = nodes.iter().position(|maker| maker.outputs.contains(taken));
    match maker {
        Some(maker) if nodes[maker].op != Op::Quantize => {
            pairs.iter().any(|pair| pair.node == Some(maker) && pair.golden.stage == Stage::Output)
        }
        // The network's own input was given.
        _ => true,
    }
}
