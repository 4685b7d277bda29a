//! No bytes make the reader panic, hang, or allocate much more than the file itself.

use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gen_params_formats::{ErrorKind, ReadError, read};

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

/// Peak memory is a property of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const MOST_MEMORY: usize = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(2);

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder of shared test files, which is not part of the repository.
fn shared() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    if !folder.is_dir() {
        println!("skipped: {} is absent", folder.display());
        return None;
    }
    Some(folder.to_owned())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Reads many files and remembers what went wrong.
#[derive(Default)]
struct Trial {
    outcomes: BTreeMap<&'static str, usize>,
    slowest: Duration,
    wrong: Vec<String>,
}

impl Trial {
    fn read(&mut self, name: &dyn Fn() -> String, bytes: Bytes) -> Option<Result<(), ReadError>> {
        let length = bytes.len();
        let before = ALLOCATOR.allocated();
        let ever = ALLOCATOR.max_allocated();
        let start = Instant::now();
        let result = catch_unwind(|| read(bytes).map(drop));
        let time = start.elapsed();
        self.slowest = self.slowest.max(time);
        // The peak of the process moves only where this file moved it.
        let peak = ALLOCATOR.max_allocated();
        if peak > ever && peak.saturating_sub(before) > MOST_MEMORY + length {
            self.wrong.push(format!("{}: {} MiB for {length} bytes", name(), (peak - before) >> 20));
        }
        if time > MOST_TIME {
            self.wrong.push(format!("{}: {time:?}", name()));
        }
        let Ok(result) = result else {
            self.wrong.push(format!("{}: panic", name()));
            return None;
        };
        let outcome = match &result {
            Ok(()) => "read",
            Err(error) if error.place.is_empty() || error.found.is_empty() => {
                self.wrong.push(format!("{}: an error without a place: {error:?}", name()));
                "nameless"
            }
            Err(error) if error.kind == ErrorKind::Malformed => "malformed",
            Err(_) => "unsupported",
        };
        *self.outcomes.entry(outcome).or_default() += 1;
        Some(result)
    }

    fn finish(self) {
        println!(
            "{:?}, slowest {:?}, peak {} MiB",
            self.outcomes,
            self.slowest,
            ALLOCATOR.max_allocated() >> 20
        );
        let first: Vec<&str> = self.wrong.iter().take(50).map(String::as_str).collect();
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), first.join("\n"));
    }
}

#[test]
fn hostile_files_are_answered_with_an_error() {
    let Some(shared) = shared() else { return };
    let _alone = alone();
    let mut trial = Trial::default();
    for folder in ["pickle", "torch", "zip_tar"] {
        for path in files(&shared.join("bad").join(folder)) {
            let name = || path.strip_prefix(&shared).unwrap().display().to_string();
            let result = trial.read(&name, fs::read(&path).unwrap().into());
            // What CPython pickled is a pickle, whatever the version; only not one of a network.
            let sound =
                path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("cpython"));
            match result {
                Some(Ok(())) => trial.wrong.push(format!("{}: read", name())),
                Some(Err(error)) if sound && error.kind == ErrorKind::Malformed => {
                    trial.wrong.push(format!("{}: {error}", name()));
                }
                _ => {}
            }
        }
    }
    trial.finish();
}

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
                if entry.name().unwrap().ends_with(".pkl") {
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

#[test]
fn damaged_files_never_break_the_reader() {
    let Some(shared) = shared() else { return };
    let _alone = alone();
    let root = shared.join("fixtures");
    let victims: Vec<Victim> = [
        "torch2.9/eager_qat/LeNet_qnnpack/converted_state_dict.pt",
        "torch1.13/eager_qat/LeNetBN_qnnpack/converted_state_dict.pt",
        "torch2.9/eager_qat/LeNet_qnnpack/converted_state_dict_legacy.pt",
        "torch2.9/eager_qat/LeNet_qnnpack/converted_module_legacy.pt",
        "torch2.9/eager_qat/LeNet_x86/converted_module.pt",
        "torch2.9/eager_qat/LeNet_qnnpack/checkpoint_dict.pth.tar",
        "torch2.9/extra/LeNet_qnnpack/state_dict_protocol4.pt",
        "torch2.9/extra/FuncNet_x86/converted_module.pt",
        "torch2.9/extra/FuncNet_qnnpack/converted_state_dict.pt",
        "torch2.9/extra/FuncNet_qnnpack/converted_trace.pt",
        "torch2.9/extra/LeNet_qnnpack/frozen_script.pt",
        "torch2.9/extra/LeNet_qnnpack/mobile.ptl",
        "torch2.9/extra/negative/torchao_int8wo_state_dict.pt",
    ]
    .iter()
    .map(|name| Victim::new(&root, name))
    .collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut trial = Trial::default();
    for victim in &victims {
        let intact = trial.read(&|| format!("{} (intact)", victim.name), victim.bytes.clone().into());
        assert!(matches!(intact, Some(Ok(()))), "{}: {intact:?}", victim.name);
    }
    std::panic::set_hook(Box::new(|_| {}));
    for number in 0..100_000 {
        let victim = &victims[number % victims.len()];
        let other = &victims[random.below(victims.len())];
        let bytes = victim.damaged(other, &mut random);
        trial.read(&|| format!("{} (damage {number})", victim.name), bytes.into());
    }
    drop(std::panic::take_hook());
    trial.finish();
}
