//! The command `gen_params`: arguments, terminal, exit codes.
#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod input;
mod model;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

/// Exit codes: 0 done, 2 could not do it (1 is for commands that run and find a difference).
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        None => commands::generate::run(&arguments.generate),
        Some(Command::Inspect(inspect)) => commands::inspect::run(&inspect),
        Some(Command::Graph(graph)) => commands::graph::run(&graph),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::error(&error);
            ExitCode::from(FAILED)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
