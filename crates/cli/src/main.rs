//! The command `gen_params`: arguments, terminal, exit codes.
#![forbid(unsafe_code)]

mod accuracy;
mod arguments;
mod commands;
mod hardware;
mod model;
mod outputs;
mod table;
mod terminal;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use commands::Finding;

/// Exit code of a command that ran and found a difference; 0 is done.
const DIFFERENT: u8 = 1;

/// Exit code of a command that could not do it.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => return failed(&error),
    };
    let done = match arguments.command {
        None => commands::generate::run(&arguments.generate).map(|()| Finding::None),
        Some(Command::Inspect(inspect)) => commands::inspect::run(&inspect).map(|()| Finding::None),
        Some(Command::Graph(graph)) => commands::graph::run(&graph).map(|()| Finding::None),
        Some(Command::Run(run)) => commands::run::run(&run),
        Some(Command::Layout(layout)) => commands::layout::run(&layout).map(|()| Finding::None),
        Some(Command::Targets(targets)) => commands::targets::run(&targets).map(|()| Finding::None),
        Some(Command::Certify(certify)) => commands::certify::run(&certify),
        Some(Command::Formats) => commands::supported::formats().map(|()| Finding::None),
        Some(Command::Ops) => commands::supported::operators().map(|()| Finding::None),
        Some(Command::Emit(emit)) => commands::emit::run(&emit).map(|()| Finding::None),
        Some(Command::Vectors(vectors)) => commands::vectors::run(&vectors).map(|()| Finding::None),
        Some(Command::Compare(compare)) => commands::compare::run(&compare),
    };
    match done {
        Ok(Finding::None) => ExitCode::SUCCESS,
        Ok(Finding::Different) => ExitCode::from(DIFFERENT),
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    terminal::error(error);
    ExitCode::from(FAILED)
}
