//! C programs, compiled with sanitizers, give the codes of the target's arithmetic.

use std::fs;
use std::path::{Path, PathBuf};

use gen_params::derive::{self, Options};
use gen_params::emit::programs::c::{self as c_program, KnownAnswer, Program};
use gen_params::hardware::{OnOverflow, Rounding, Target};
use gen_params::lower;
use gen_params::machine::{Arithmetic, Machine};
use gen_params::network::IntNetwork;
use gen_params::ops::Value;
use gen_params::parameters::{MultiplierForm, Range};
use gen_params::tensor::Tensor;
use gen_params_test_support::{fixtures, needs, samples, shared};

use crate::support::{compile_and_run, golden_folders, network};

/// Images of each program: those of the file, then arbitrary codes.
const IMAGES: usize = 64;

/// How the verdict on a network without integers begins.
const REFUSED: &str = "refused";

/// What a program gave.
struct Outcome {
    form: String,
    arena_bytes: usize,
    codes: usize,
    verdict: String,
}

/// The first file of a folder that holds a topology and can be lowered.
fn network_of(folder: &Path) -> Option<(String, IntNetwork)> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().filter(|path| path.is_file()).find_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let known = [".pt", ".pth", ".pt2", ".onnx", ".tflite"].iter().any(|end| name.ends_with(end));
        let source = known.then(|| gen_params::read(gen_params::map_file(&path).ok()?).ok()).flatten()?;
        let network = lower::lower(&source, &lower::Options::default()).ok()?;
        (network.wiring.name() == "file").then_some((name, network))
    })
}

/// The reals that the network was run on, (N, C, spatial...).
fn inputs_of(folder: &Path) -> Option<Tensor<f32>> {
    if let Ok(bytes) = fs::read(folder.join("input_f32.npy")) {
        let file = npyz::NpyFile::new(&bytes[..]).ok()?;
        let shape = file.shape().iter().map(|&size| size.try_into().unwrap()).collect();
        return Tensor::new(shape, file.into_vec().ok()?).ok();
    }
    archived_inputs(&folder.join("golden.npz"))
}

/// The same, of an archive with golden values.
fn archived_inputs(path: &Path) -> Option<Tensor<f32>> {
    let mut archive = gen_params_test_support::npz::NpzArchive::open(path).ok()?;
    let file = archive.by_name("input_f32").ok()??;
    let shape = file.shape().iter().map(|&size| size.try_into().unwrap()).collect();
    Tensor::new(shape, file.into_vec().ok()?).ok()
}

/// Writes, compiles and runs the program of a folder's network, with this level of the compiler's optimisation.
fn check(folder: &Path, target: Target, form: MultiplierForm, level: &str) -> Option<Outcome> {
    let (name, network) = network_of(folder)?;
    let inputs = inputs_of(folder)?;
    let options = Options { target, form, ..Options::default() };
    let failed = |verdict: String| Outcome { form: name.clone(), arena_bytes: 0, codes: 0, verdict };
    let outcome = run(&network, &inputs, &options, target, level);
    Some(outcome.map_or_else(failed, |(arena_bytes, codes)| Outcome {
        form: name.clone(),
        arena_bytes,
        codes,
        verdict: "equal".into(),
    }))
}

fn run(
    network: &IntNetwork,
    inputs: &Tensor<f32>,
    options: &Options,
    target: Target,
    level: &str,
) -> Result<(usize, usize), String> {
    // What has no integers, such as a bias beyond 32 bits or a softmax, is refused before any program is written.
    let refused = |error: &dyn std::fmt::Display| format!("{REFUSED}: {error}");
    let parameters = derive::derive(network, options).map_err(|error| refused(&error))?;
    let machine =
        Machine::new(network, &parameters, Arithmetic::Target(target)).map_err(|error| refused(&error))?;
    let image = inputs.shape()[1..].to_vec();
    let size: usize = image.iter().product();
    let one: Vec<usize> = [1].into_iter().chain(image.iter().copied()).collect();
    let mut answers = Vec::new();
    for reals in inputs.elements().chunks(size).take(IMAGES) {
        let value = Value::Floats(Tensor::new(one.clone(), reals.to_vec()).unwrap());
        answers.push(KnownAnswer::compute(&machine, vec![value]).map_err(|error| error.to_string())?);
    }
    let arbitrary = IMAGES - answers.len();
    let images = [image];
    answers.extend(KnownAnswer::of_arbitrary(&machine, &images, arbitrary).map_err(|e| e.to_string())?);
    let program = Program { machine: &machine, images: &images, name: "net", known_answers: &answers };
    let written = c_program::render(&program).map_err(|error| error.to_string())?;

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("net.h"), &written.header).unwrap();
    fs::write(folder.path().join("net.c"), &written.source).unwrap();
    compile_and_run(folder.path(), &["-DGEN_PARAMS_TEST", level, "net.c"])?;
    let codes: usize = answers.iter().flat_map(|answer| &answer.outputs).map(Vec::len).sum();
    Ok((written.arena_bytes, codes))
}

/// Tensors that the file holds as codes: factors and addends of every shape.
#[needs(gcc)]
fn constants_of_the_file_are_constants_of_the_program() {
    let folder = fixtures().join("operators");
    let network = network(&folder.join("constants.onnx"));
    let inputs = archived_inputs(&folder.join("constants_golden.npz")).unwrap();
    for signed_activations in [false, true] {
        let target = Target { signed_activations, ..Target::default() };
        run(&network, &inputs, &Options::default(), target, "-O1").unwrap();
    }
}

#[needs(gcc)]
fn c_programs_of_the_samples_give_the_codes_of_the_target() {
    programs_of(&samples(), 12, "-O1");
}

/// The same, of more networks than there is time to optimise.
#[needs(shared, gcc)]
fn c_programs_give_the_codes_of_the_target() {
    programs_of(&shared().join("fixtures"), 101, "-O0");
}

/// The program of each network below a folder; at least so many have integers.
fn programs_of(root: &Path, least: usize, level: &str) {
    let mut failures = Vec::new();
    let mut checked = 0;
    println!(
        "| network | file | arena, bytes | images | output codes | against run --contract target |\n|---|---|---|---|---|---|"
    );
    for folder in golden_folders(root) {
        let name = folder.strip_prefix(root).unwrap().display().to_string();
        let Some(outcome) = check(&folder, Target::default(), MultiplierForm::Bits(31), level) else {
            continue;
        };
        let Outcome { form, arena_bytes, codes, verdict } = outcome;
        println!("| {name} | {form} | {arena_bytes} | {IMAGES} | {codes} | {verdict} |");
        checked += usize::from(verdict == "equal");
        if verdict != "equal" && !verdict.starts_with(REFUSED) {
            failures.push(format!("{name}/{form}: {verdict}"));
        }
    }
    println!("{checked} networks are equal");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(checked >= least, "only {checked} networks have integers");
}

#[needs(gcc)]
fn c_programs_of_small_networks_give_the_codes_of_every_target() {
    let mut folders = golden_folders(&fixtures().join("layers"));
    folders.retain(|folder| network_of(folder).is_some());
    let usual = Target::default();
    let narrow = Target { accumulator_bits: 14, product_bits: 32, ..usual };
    let rounded = |rounding| Target { rounding, ..usual };
    let targets = [
        ("half-even", rounded(Rounding::HalfEven)),
        ("half-away", rounded(Rounding::HalfAway)),
        ("floor", rounded(Rounding::Floor)),
        ("toward-zero", rounded(Rounding::TowardZero)),
        ("double", rounded(Rounding::Double)),
        ("signed activations", Target { signed_activations: true, ..usual }),
        ("codes 0..127", Target { activation_range: Some(Range { min: 0, max: 127 }), ..usual }),
        ("8 bits of bias fraction", Target { bias_fraction_bits: 8, ..usual }),
        ("narrow, wraps", narrow),
        ("narrow, saturates", Target { on_overflow: OnOverflow::Saturate, ..narrow }),
    ];
    let mut failures = Vec::new();
    println!("| target | network | file | verdict |\n|---|---|---|---|");
    // With F fractional bits the products are wider by F: 23 bits of M0 leave room.
    for (folder, (label, target)) in folders.iter().zip(targets.into_iter().cycle()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = check(folder, target, MultiplierForm::Bits(23), "-O1").unwrap();
        println!("| {label} | {name} | {} | {} |", outcome.form, outcome.verdict);
        if outcome.verdict != "equal" && !outcome.verdict.starts_with(REFUSED) {
            failures.push(format!("{label}, {name}: {}", outcome.verdict));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
