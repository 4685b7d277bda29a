//! Whole commands: what they print, what they leave behind, how they exit.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it skips"
)]

mod certify;
mod command;
mod compare;
mod docs;
mod emit;
mod folders;
mod memory;
mod messages;
mod proofs;
mod readme;
mod refusals;
mod run;
mod screens;
mod seed;
mod support;
mod supported;
mod systemverilog;
mod systemverilog_fixtures;
mod systemverilog_targets;
mod vectors;
