//! No damage to a good file makes the way from bytes to integers panic, hang, or allocate much more than the file itself.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and talks by printing"
)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use gen_params::derive::{self, Options};
use gen_params::lower;
use gen_params_test_support::{fixtures, needs, processor_time, shared};

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

const MOST_MEMORY: usize = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(2);
const DAMAGES: usize = 100_000;
const FLATBUFFER_DAMAGES: usize = 20_000;

/// Deterministic pseudo-random numbers (Marsaglia's xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}

/// A good file to be damaged, and where its pickles are.
struct Victim {
    name: String,
    bytes: Vec<u8>,
    /// Pickles, and the graphs and lists of exported programs.
    pickles: Vec<std::ops::Range<usize>>,
}

impl Victim {
    /// Clears the checksums of a zip archive, so that damage reaches the parsers behind them.
    fn new(root: &Path, name: &str) -> Self {
        let mut bytes = fs::read(root.join(name)).unwrap();
        let mut pickles = Vec::new();
        if let Ok(mut archive) = zip::ZipArchive::new(std::io::Cursor::new(bytes.clone())) {
            let mut checksums = Vec::new();
            for index in 0..archive.len() {
                let entry = archive.by_index_raw(index).unwrap();
                checksums.push(usize::try_from(entry.central_header_start()).unwrap() + 16);
                if [".pkl", ".json"].iter().any(|end| entry.name().unwrap().ends_with(end)) {
                    let start = usize::try_from(entry.data_start().unwrap()).unwrap();
                    pickles.push(start..start + usize::try_from(entry.size()).unwrap());
                }
            }
            for at in checksums {
                bytes[at..at + 4].fill(0);
            }
        } else {
            pickles.push(0..bytes.len() / 2);
        }
        Self { name: name.to_owned(), bytes, pickles }
    }

    /// A position, mostly inside of a pickle.
    fn position(&self, random: &mut Random) -> usize {
        if random.below(4) > 0 && !self.pickles.is_empty() {
            let pickle = &self.pickles[random.below(self.pickles.len())];
            return pickle.start + random.below(pickle.len());
        }
        random.below(self.bytes.len())
    }

    fn damaged(&self, other: &Self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for _ in 0..=random.below(3) {
            let at = self.position(random).min(bytes.len().saturating_sub(1));
            match random.below(8) {
                0 | 1 => {
                    for _ in 0..=random.below(4) {
                        let at = self.position(random).min(bytes.len().saturating_sub(1));
                        bytes[at] ^= 1 << random.below(8);
                    }
                }
                2 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                3 => {
                    // A length, of any width and either sign.
                    let width = 1 << random.below(4);
                    let value = [u64::MAX, i32::MAX as u64, 1 << 31, 1 << 63, random.next()][random.below(5)];
                    let end = (at + width).min(bytes.len());
                    bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
                }
                4 => {
                    if random.below(4) == 0 {
                        bytes.truncate(at.max(1));
                    }
                }
                5 => {
                    // Bytes of another file over these.
                    let from = other.position(random);
                    let length = random.below(64).min(other.bytes.len() - from).min(bytes.len() - at);
                    bytes[at..at + length].copy_from_slice(&other.bytes[from..from + length]);
                }
                6 => {
                    // Bytes of this file elsewhere.
                    let from = random.below(bytes.len());
                    let length = random.below(64).min(bytes.len() - from).min(bytes.len() - at);
                    bytes.copy_within(from..from + length, at);
                }
                _ => {
                    // An opcode of the kind that builds things.
                    const OPCODES: &[u8] =
                        b"(.0125NKMJRbcqrhjteausd})]l\x81\x85\x86\x87\x88\x89\x93\x94\x95Q";
                    bytes[at] = OPCODES[random.below(OPCODES.len())];
                }
            }
        }
        bytes
    }
}

/// What became of damaged files.
#[derive(Default)]
struct Outcome {
    derived: usize,
    slowest: Duration,
    refusals: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Outcome {
    /// Derives each victim as it is, and then damaged, within the limits of memory and time.
    fn of(victims: &[Victim], damages: usize) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut outcome = Self::default();
        std::panic::set_hook(Box::new(|panic| *PANIC.lock().unwrap() = panic.to_string()));
        for number in 0..damages {
            let victim = &victims[number % victims.len()];
            let bytes = if number < victims.len() {
                victim.bytes.clone()
            } else {
                victim.damaged(&victims[random.below(victims.len())], &mut random)
            };
            // An allocation beyond the limit aborts the test.
            ALLOCATOR.set_limit(ALLOCATOR.allocated() + bytes.len() + MOST_MEMORY).unwrap();
            let start = processor_time();
            let result = catch_unwind(|| integers(bytes.into()));
            let time = processor_time() - start;
            ALLOCATOR.set_limit(usize::MAX).unwrap();
            outcome.slowest = outcome.slowest.max(time);
            let name = &victim.name;
            match result {
                Err(_) => {
                    outcome.wrong.push(format!("{name} (damage {number}): {}", PANIC.lock().unwrap()));
                }
                Ok(_) if time > MOST_TIME => {
                    outcome.wrong.push(format!("{name} (damage {number}): {time:?}"))
                }
                Ok(Ok(())) => outcome.derived += 1,
                Ok(Err(error)) if number < victims.len() => outcome.wrong.push(format!("{name}: {error}")),
                Ok(Err(_)) => *outcome.refusals.entry(name.clone()).or_default() += 1,
            }
        }
        drop(std::panic::take_hook());
        let Self { derived, slowest, refusals, .. } = &outcome;
        println!("{damages} files: {derived} derived, slowest {slowest:?}; refused: {refusals:?}");
        outcome
    }

    fn assert_right(&self) {
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

/// What the last panic said.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// The memory limit is the process's: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The whole way of the main command, but for writing.
fn integers(bytes: Bytes) -> Result<(), String> {
    let source = gen_params::read(bytes).map_err(|error| {
        assert!(!error.found.is_empty(), "an error that says nothing: {error:?}");
        error.to_string()
    })?;
    let options = lower::Options::default();
    let network = lower::lower(&source, &options).or_else(|_| lower::layers(&source, &options));
    let network = network.map_err(|error| {
        assert!(!error.reasons.is_empty(), "a refusal without a reason");
        error.to_string()
    })?;
    derive::derive(&network, &Options::default()).map(drop).map_err(|error| error.to_string())
}

#[test]
fn damaged_files_are_derived_or_refused() {
    let root = fixtures();
    let victims: Vec<Victim> = [
        "layers/conv2d_fbgemm/converted_state_dict.pt",
        "layers/conv2d_fbgemm/prepared_state_dict.pt",
        "layers/linear_fbgemm/converted_module.pt",
        "layers/branches_fbgemm/script.pt",
        "layers/conv2d_fbgemm/prepared_module.pt",
        "layers/transposed2d_qnnpack/script.pt",
        "layers/linear_fbgemm/trace.pt",
        "layers/activations_fbgemm/script.pt",
        "containers/legacy.pt",
        "containers/legacy_module.pt",
        "containers/nested_prefix.pt",
        "containers/protocol4.pt",
        "containers/big_endian.pt",
        "containers/shared_storage.pt",
        "onnx/qdq.onnx",
        "onnx/qoperator.onnx",
        "export/small.pt2",
    ]
    .iter()
    .map(|name| Victim::new(&root, name))
    .collect();
    let guard = ONE_AT_A_TIME.lock();
    Outcome::of(&victims, DAMAGES).assert_right();
    drop(guard);
}

/// Small TFLite files, so that most damage hits what the reader and the lowering look at.
#[test]
fn damaged_flatbuffers_are_derived_or_refused() {
    let root = fixtures().join("tflite");
    let victims: Vec<Victim> = ["MLP_pt_int8", "LeNet_pc_uint8", "LeNet_pc_float32", "ResNetMini_pc_int8"]
        .iter()
        .map(|name| format!("{name}/model.tflite"))
        .map(|name| Victim { pickles: Vec::new(), ..Victim::new(&root, &name) })
        .collect();
    let guard = ONE_AT_A_TIME.lock();
    Outcome::of(&victims, FLATBUFFER_DAMAGES).assert_right();
    drop(guard);
}

/// Files with SVDF, LSTM and variables.
#[needs(shared)]
fn damaged_states_are_derived_or_refused() {
    let root = shared().join("models/third_party");
    let micro = "tensorflow__tflite-micro/tensorflow/lite/micro";
    let victims: Vec<Victim> = [
        format!("{micro}/models/keyword_scrambled.tflite"),
        format!("{micro}/examples/mnist_lstm/trained_lstm_int8.tflite"),
        "OHF-Voice__pymicro-wakeword/tests/computer/computer.tflite".to_owned(),
    ]
    .iter()
    .map(|name| Victim { pickles: Vec::new(), ..Victim::new(&root, name) })
    .collect();
    let guard = ONE_AT_A_TIME.lock();
    Outcome::of(&victims, FLATBUFFER_DAMAGES / 4).assert_right();
    drop(guard);
}
