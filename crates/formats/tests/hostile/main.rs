//! Files that mean harm: an error in bounded time and memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and talks by printing"
)]

mod export;
mod torch;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Peak memory is a property of the process: one test at a time.
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
