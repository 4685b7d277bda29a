//! `emit sv`: every fixture with a topology and integers in simulation, under Icarus Verilog and under Verilator, against
//! `run --contract target`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use gen_params_test_support::{fixtures, needs, shared};
use tempfile::TempDir;

use crate::systemverilog::{IMAGES, NOT_OPTIMISED, emit, images, make, verdict};

/// Names of files that may hold a model.
const MODELS: [&str; 5] = ["pt", "pt2", "ptl", "onnx", "tflite"];

/// The files of a folder and of the folders in it that may hold a model, in order.
fn models(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let is_model = |path: &PathBuf| path.extension().is_some_and(|e| MODELS.iter().any(|known| e == *known));
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.into_iter().partition(|path| path.is_dir());
    files.into_iter().filter(is_model).chain(folders.iter().flat_map(|folder| models(folder))).collect()
}

/// The inputs that may be a model's, each with 20 images where it is an array of its own.
fn inputs(model: &Path, place: &Path) -> Vec<PathBuf> {
    let folder = model.parent().unwrap();
    let arrays = ["input_q.npy", "input_f32.npy"].iter().filter_map(|name| images(&folder.join(name), place));
    let own = model.with_file_name(format!("{}_golden.npz", model.file_stem().unwrap().to_string_lossy()));
    let golden = [own, folder.join("golden.npz")].into_iter().filter(|path| path.is_file());
    let arrays: Vec<PathBuf> = arrays.collect();
    arrays
        .into_iter()
        .chain(golden.map(|path| PathBuf::from(format!("{}:input_f32", path.display()))))
        .collect()
}

/// A model in SystemVerilog, with the first input that is one of it; else what the command said last.
fn written(model: &Path) -> Result<TempDir, String> {
    let place = tempfile::tempdir().unwrap();
    let mut said = "there is no input beside it".to_owned();
    for input in inputs(model, place.path()) {
        match emit(model, &input, &["--limit", &IMAGES.to_string()]) {
            Ok(folder) => return Ok(folder),
            Err(text) => said = text,
        }
    }
    Err(said.replace('\n', " "))
}

/// What tells one folder from another: the names and SHA-256 of all files but the manifest, which names the model.
fn contents(folder: &Path) -> String {
    let text = fs::read(folder.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    manifest["files"].to_string()
}

/// Simulates a folder with every stage; `build` is kept from one folder to the next, for Verilator's own objects in it.
fn simulate(folder: &Path, build: &Path, tool: &str) -> String {
    let place = build.join("network");
    let objects = ["verilated.o", "verilated_timing.o", "verilated_threads.o"];
    let mut options = NOT_OPTIMISED.to_owned();
    if objects.iter().all(|object| place.join(object).is_file()) {
        options.extend(objects.iter().map(|object| format!(" -o {object}")));
    }
    for entry in fs::read_dir(&place).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with('V') {
            fs::remove_file(path).unwrap();
        }
    }
    let build = format!("BUILD={}", build.display());
    let flags = format!("VERILATOR_FLAGS=-MAKEFLAGS '{options}'");
    let (success, text) = make(folder, &[tool, "ARGUMENTS=+stages", &build, &flags]);
    if success { verdict(&text).to_owned() } else { format!("FAIL {}", verdict(&text)) }
}

/// A path from the folder of the fixtures on.
fn short(model: &Path) -> String {
    let path = model.display().to_string();
    path.split_once("fixtures/").map_or(path.clone(), |(_, rest)| rest.to_owned())
}

/// What became of the models.
#[derive(Default)]
struct Table {
    /// By contents of what was written, the first model with them.
    networks: BTreeMap<String, PathBuf>,
    /// Models that are written like another one.
    equal: usize,
    /// Simulations that passed, by tool.
    passed: BTreeMap<&'static str, usize>,
    refused: Vec<String>,
    failures: Vec<String>,
}

/// Every model: simulated once per distinct network, in as many simulations at a time as there are cores.
fn simulate_all(models: &[PathBuf]) -> Table {
    let (table, next) = (Mutex::new(Table::default()), AtomicUsize::new(0));
    let work = || {
        let build = tempfile::tempdir().unwrap();
        while let Some(model) = models.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = short(model);
            let start = Instant::now();
            let folder = match written(model) {
                Ok(folder) => folder,
                Err(text) => {
                    println!("| {name} | refused | {text} |");
                    let mut table = table.lock().unwrap();
                    if text.contains("cannot be written in SystemVerilog") {
                        table.failures.push(format!("{name}: {text}"));
                    }
                    table.refused.push(name);
                    continue;
                }
            };
            let sv = folder.path().join("sv");
            let contents = contents(&sv);
            {
                let mut table = table.lock().unwrap();
                if let Some(first) = table.networks.get(&contents) {
                    println!("| {name} | as {} |", short(first));
                    table.equal += 1;
                    continue;
                }
                table.networks.insert(contents, model.clone());
            }
            for tool in ["icarus", "verilator"] {
                let found = simulate(&sv, build.path(), tool);
                println!("| {name} | {tool} | {found} | {:.0} s |", start.elapsed().as_secs_f64());
                let mut table = table.lock().unwrap();
                if found.starts_with("PASS") {
                    *table.passed.entry(tool).or_default() += 1;
                } else {
                    table.failures.push(format!("{name} under {tool}: {found}"));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    table.into_inner().unwrap()
}

/// Every fixture, those of the repository and those beside it.
#[needs(shared, make, iverilog, verilator)]
#[ignore = "208 networks under two simulators take 20 minutes; networks_equal_the_target_in_simulation runs one of each architecture"]
fn all_fixtures_equal_the_target_in_simulation() {
    let start = Instant::now();
    let folders = [fixtures(), shared().join("fixtures")];
    let all: Vec<PathBuf> = folders.iter().flat_map(|folder| models(folder)).collect();
    let table = simulate_all(&all);
    let distinct = table.networks.len();
    println!(
        "{} models: {} refused, {} written as {distinct} networks; {:?} passed; {} failures; {:.0} minutes",
        all.len(),
        table.refused.len(),
        distinct + table.equal,
        table.passed,
        table.failures.len(),
        start.elapsed().as_secs_f64() / 60.0
    );
    assert!(table.failures.is_empty(), "{}", table.failures.join("\n"));
    assert!(["icarus", "verilator"].iter().all(|tool| table.passed.get(tool) == Some(&distinct)));
}
