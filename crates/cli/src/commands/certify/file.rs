//! Certificates as files: written whole, and proven again without the model.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use gen_params::certify::{Checked, Fault};
use gen_params::check_certificate;
use gen_params::text::thousands;

use crate::commands::Finding;
use crate::terminal;

/// Faults that are printed; the rest is counted.
const SHOWN_FAULTS: usize = 20;

/// A file that is complete under another name, and is removed unless it is kept.
pub(super) struct Pending {
    path: PathBuf,
    partial: PathBuf,
    kept: bool,
}

impl Pending {
    /// Writes beside the file's place.
    pub(super) fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Self> {
        let partial = PathBuf::from(format!("{}.partial", path.display()));
        let name = || path.display().to_string();
        let file = fs::File::create(&partial).with_context(name)?;
        let pending = Self { path: path.to_owned(), partial, kept: false };
        let mut out = BufWriter::new(file);
        content(&mut out).and_then(|()| Ok(out.flush()?)).with_context(name)?;
        Ok(pending)
    }

    /// Gives the file its name.
    pub(super) fn keep(mut self) -> Result<()> {
        fs::rename(&self.partial, &self.path).with_context(|| self.path.display().to_string())?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.kept {
            // What was begun is of no use to anybody; that it cannot be removed matters less than why.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// Proves a certificate again, and compares it with the parameters in a folder.
pub(super) fn check(path: &Path, folder: Option<&Path>) -> Result<Finding> {
    let checked = match check_certificate(path, folder)? {
        Ok(checked) => checked,
        Err(faults) => return Ok(refused(&faults)),
    };
    let bound = match folder {
        Some(folder) => format!("bound: every number is that of {}", folder.display()),
        None => "not bound to parameters: that its weights, scales and wiring are those of your model is not shown\n  \
                 hint: --parameters DIR compares every number with a folder that the main command wrote"
            .to_owned(),
    };
    terminal::say(format!(
        "{}\nparameters (SHA-256 of their params.npz): {}\n{bound}",
        summary(&checked),
        checked.file.parameters_sha256
    ));
    Ok(Finding::None)
}

fn summary(checked: &Checked) -> String {
    let mut text = format!(
        "proven again: {} channels against {}, {} of {} accumulators differ, by up to {} LSB",
        thousands(checked.channels),
        checked.file.contract,
        checked.differing,
        checked.reachable,
        checked.largest,
    );
    if checked.operators > 0 {
        text += &format!(
            "; {} of {} operators without weights differ",
            checked.differing_operators, checked.operators
        );
    }
    if !checked.unproven.is_empty() {
        let names: Vec<String> =
            checked.unproven.iter().map(|name| name.escape_debug().to_string()).collect();
        text += &format!("; not proven: {}", names.join(", "));
    }
    text
}

/// Says what is not so.
fn refused(faults: &[Fault]) -> Finding {
    for fault in faults.iter().take(SHOWN_FAULTS) {
        terminal::warning(&fault.to_string());
    }
    let more =
        if faults.len() == 1 { "1 fault".to_owned() } else { format!("{} faults", thousands(faults.len())) };
    terminal::say(format!("refused: {more}"));
    Finding::Different
}
