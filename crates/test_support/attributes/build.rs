//! Looks for what tests need: the shared material, and programs. What is absent is handed to the attribute.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Programs that tests run.
const PROGRAMS: [&str; 7] = ["gcc", "ghdl", "iverilog", "make", "python3", "verilator", "yosys"];

/// A file of the shared material that it always has.
const MARK: &str = "fixtures/MANIFEST.json";

fn main() -> ExitCode {
    let Some(here) = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) else {
        return fail("CARGO_MANIFEST_DIR is not set: this is run by cargo");
    };
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=GEN_PARAMS_SHARED");
    let mut absent = Vec::new();

    // Relative paths begin at the root of the repository.
    let root = here.join("../../..");
    let named = env::var_os("GEN_PARAMS_SHARED");
    let shared = root.join(named.clone().unwrap_or_else(|| "../shared".into()));
    let mark = shared.join(MARK);
    if mark.is_file() {
        watch(&mark);
    } else if let Some(named) = named {
        return fail(&format!(
            "GEN_PARAMS_SHARED is {named:?}, and there is no {}: name the folder of the shared material, or unset the variable",
            mark.display()
        ));
    } else {
        absent.push("shared");
    }

    let folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    for program in PROGRAMS {
        match folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file()) {
            Some(path) => watch(&path),
            None => absent.push(program),
        }
    }
    println!("cargo::rustc-env=GEN_PARAMS_TESTS_ABSENT={}", absent.join(" "));
    ExitCode::SUCCESS
}

/// Looks again when a file changes or goes. A file that is absent cannot be watched: cargo would look, and build the tests
/// anew, each time.
fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

fn fail(message: &str) -> ExitCode {
    println!("cargo::error={message}");
    ExitCode::FAILURE
}
