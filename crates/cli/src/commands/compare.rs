//! `gen_params compare`: the first layer, stage, channel and position where a hardware's values leave the golden ones.

use std::io::Write;

use anyhow::{Context, Result, bail};
use serde_json::json;

use gen_params::emit::folder::golden::INPUT;
use gen_params::emit::memory::Packing;
use gen_params::emit::{GoldenTensor, Width};
use gen_params::hardware::{Fault, Stage, unravel};
use gen_params::machine::{Arithmetic, Machine};

use super::{Finding, golden};
use crate::arguments::Compare;
use crate::dump::{Dumped, Folder};
use crate::input::{Input, Values};
use crate::simulation::{Prepared, position};
use crate::table::thousands;
use crate::terminal;

pub(crate) fn run(arguments: &Compare) -> Result<Finding> {
    let prepared = Prepared::open(&arguments.subject)?.not_guessed()?;
    let chosen = prepared.arithmetic("--contract", &arguments.contract)?;
    let machine = prepared.machine(chosen)?;
    let folder = Folder::open(&arguments.dump)?;
    let input = match &arguments.input {
        Some(path) => prepared.input(path, &arguments.input_options)?,
        None => dumped_input(&folder, &machine)?,
    };
    let wanted: &[Stage] = match chosen {
        Arithmetic::Target(_) => &Stage::ALL,
        Arithmetic::Contract(_) => &[Stage::Input, Stage::Accumulator, Stage::Output],
    };
    let points = golden::compute(&machine, &input, 1, wanted)?;
    let pairs = pair(&points, &folder, prepared.target.memory.activation.as_ref())?;

    let mut compared = 0;
    for pair in &pairs {
        let Some(difference) = Difference::find(pair) else {
            compared += pair.found.len();
            continue;
        };
        let explanation = explain(&machine, &points, &pairs, pair);
        return print(arguments, pair, &difference, &explanation).map(|()| Finding::Different);
    }
    let mut stdout = terminal::out();
    if arguments.json {
        writeln!(
            stdout,
            "{:#}",
            json!({"schema": 1, "equal": true, "files": pairs.len(), "values": compared})
        )?;
    } else {
        writeln!(stdout, "equal: {} values in {} files", thousands(compared), pairs.len())?;
    }
    Ok(Finding::None)
}

/// The network's input in the folder.
fn dumped_input(folder: &Folder, machine: &Machine<'_>) -> Result<Input> {
    let Some((dumped, shape)) = folder.with_shape(INPUT)?.and_then(|dumped| {
        let shape = dumped.shape.clone()?;
        Some((dumped, shape))
    }) else {
        bail!(
            "{}: holds no {INPUT}.npy, and no {INPUT} in an .npz\n  hint: give --input, what the hardware was given",
            folder.path().display()
        );
    };
    let activation = machine.network().inputs.first().and_then(|&id| machine.input_activation(id));
    let code_type =
        activation.context("the scale and zero point of the network's input are not known")?.code_type;
    let (takes, shift) = match machine.arithmetic() {
        Arithmetic::Target(target) => (target.code_type(code_type), target.code_shift(code_type)),
        Arithmetic::Contract(_) => (code_type, 0),
    };
    // A byte does not show its sign, but an array says it.
    if let Some(found @ ("int8" | "uint8")) = dumped.element
        && found != takes.name()
    {
        bail!(
            "{}: found codes of type {found}, and the hardware takes {}\n  hint: --signed-activations, or a target that has \
             them, says that unsigned codes travel as signed ones",
            dumped.place,
            takes.name()
        );
    }
    let is_signed = takes.range().0 < 0;
    let code = |value: i64| i32::try_from(value.saturating_add(i64::from(shift)));
    let codes = dumped.values(is_signed).into_iter().map(code).collect::<Result<_, _>>();
    let codes = codes.with_context(|| dumped.place.clone())?;
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
            bail!(
                "{}: found {} values, expected {}: {images} images of shape {:?}",
                dumped.place,
                thousands(found.len()),
                thousands(golden.values.len()),
                golden.shape.get(1..).unwrap_or_default()
            );
        }
        if found.len() < golden.values.len() {
            terminal::warning(&format!(
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
        bail!(
            "{}: nothing in the network is named {}\n  hint: the names are {}",
            folder.path().display(),
            unknown.join(", "),
            stems.join(", ")
        );
    }
    if pairs.is_empty() {
        bail!(
            "{}: holds no values\n  hint: gen_params run --golden DIR --stages shows the files' names",
            folder.path().display()
        );
    }
    Ok(pairs)
}

/// How one file leaves its golden values.
struct Difference {
    /// Row-major index of the first value that differs.
    first: usize,
    expected: i64,
    found: i64,
    count: usize,
    largest: u64,
    /// Output channels with a difference.
    channels: usize,
}

impl Difference {
    fn find(pair: &Pair<'_>) -> Option<Self> {
        let values = || pair.golden.values.iter().zip(&pair.found).enumerate().filter(|(_, (a, b))| a != b);
        let (first, (&expected, &found)) = values().next()?;
        let channels: std::collections::BTreeSet<usize> =
            values().filter_map(|(index, _)| unravel(index, &pair.golden.shape).get(1).copied()).collect();
        Some(Self {
            first,
            expected,
            found,
            count: values().count(),
            largest: values().map(|(_, (a, b))| a.abs_diff(*b)).max().unwrap_or(0),
            channels: channels.len(),
        })
    }
}

/// What is known of the reason.
#[derive(Default)]
struct Explanation {
    /// Each of these explains every value of the layer that is in the folder.
    causes: Vec<String>,
    /// What could not be looked at, and why.
    notes: Vec<String>,
}

/// Recomputes the layer with every known fault, and keeps those that give what the hardware gave.
fn explain(
    machine: &Machine<'_>,
    points: &[golden::Point],
    pairs: &[Pair<'_>],
    differing: &Pair<'_>,
) -> Explanation {
    let mut explanation = Explanation::default();
    let signed = differing.golden.width != Width::Uint8;
    let golden = &differing.golden.values;
    explanation.causes.extend(differing.dumped.read_otherwise(golden, signed));
    if interleaved(differing) {
        explanation.causes.push("the values are right, in NHWC order and not in NCHW order".into());
    }
    if let Some(signed_codes) = other_signedness(differing) {
        let words =
            if signed_codes { ["signed", "without", "add"] } else { ["unsigned", "with", "leave out"] };
        explanation.causes.push(format!(
            "the values are right, as {} codes: the golden ones are {} --signed-activations; {} it",
            words[0], words[1], words[2]
        ));
    }
    let Some((node, layer)) = differing.node.and_then(|node| Some((node, machine.layer(node)?))) else {
        return explanation;
    };
    if !matches!(machine.arithmetic(), Arithmetic::Target(_)) {
        explanation.notes.push("known faults are looked for with --contract target only".into());
        return explanation;
    }
    let of_layer: Vec<&Pair<'_>> = pairs.iter().filter(|pair| pair.node == Some(node)).collect();
    let input = points.iter().find(|p| p.node == Some(node) && p.tensor.stage == Stage::Input);
    let Some(input) = input.filter(|_| differing.golden.stage != Stage::Input) else { return explanation };
    if !of_layer.iter().any(|pair| pair.golden.stage == Stage::Input)
        && !input_is_compared(machine, pairs, node)
    {
        let note = "there are no values of this layer's input to compare: the fault may lie before it";
        explanation.notes.push(note.into());
    }
    // A layer takes codes of the model's type; the stage has them as the target does.
    let codes: Option<Vec<i32>> = input
        .tensor
        .values
        .iter()
        .map(|&code| i32::try_from(code).ok().map(|code| code + layer.input_shift))
        .collect();
    let Some(codes) = codes else { return explanation };
    for fault in Fault::ALL {
        let Some(faulty) = fault.planted(layer) else { continue };
        let Ok(stages) = faulty.stages(&codes, &input.tensor.shape) else { continue };
        if of_layer.iter().all(|pair| stages.of(pair.golden.stage).starts_with(&pair.found)) {
            explanation.causes.push(fault.to_string());
        }
    }
    explanation
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
        Some(maker) if nodes[maker].op != gen_params::ops::Op::Quantize => {
            pairs.iter().any(|pair| pair.node == Some(maker) && pair.golden.stage == Stage::Output)
        }
        // The network's own input was given.
        _ => true,
    }
}

fn print(
    arguments: &Compare,
    pair: &Pair<'_>,
    difference: &Difference,
    explanation: &Explanation,
) -> Result<()> {
    let mut stdout = terminal::out();
    let index = unravel(difference.first, &pair.golden.shape);
    let layer = pair.golden.node.as_deref();
    if arguments.json {
        let report = json!({
            "schema": 1,
            "equal": false,
            "layer": layer,
            "stage": pair.golden.stage.name(),
            "file": pair.dumped.place,
            "place": pair.dumped.place_of(difference.first),
            "first": index,
            "expected": difference.expected,
            "found": difference.found,
            "mismatches": difference.count,
            "values": pair.found.len(),
            "largest": difference.largest,
            "causes": explanation.causes,
            "notes": explanation.notes,
        });
        writeln!(stdout, "{report:#}")?;
        return Ok(());
    }
    match layer {
        Some(layer) => writeln!(stdout, "first difference: layer {layer}, stage {}", pair.golden.stage)?,
        None => writeln!(stdout, "first difference: the network's input")?,
    }
    writeln!(stdout, "  at        {}", position(&index))?;
    writeln!(stdout, "  expected  {}", difference.expected)?;
    writeln!(stdout, "  found     {}  ({})", difference.found, pair.dumped.place_of(difference.first))?;
    let channels = pair.golden.shape.get(1).copied().unwrap_or(1);
    writeln!(
        stdout,
        "  in all    {} of {} values differ, in {} of {channels} channels, by up to {}",
        thousands(difference.count),
        thousands(pair.found.len()),
        difference.channels,
        difference.largest
    )?;
    match explanation.causes.as_slice() {
        [] => writeln!(stdout, "  cause     none of the known faults explains these values")?,
        [one] => writeln!(stdout, "  cause     {one}")?,
        several => {
            for (index, cause) in several.iter().enumerate() {
                writeln!(stdout, "  {}    {cause}", if index == 0 { "cause " } else { "or    " })?;
            }
        }
    }
    for note in &explanation.notes {
        writeln!(stdout, "  note      {note}")?;
    }
    Ok(())
}
