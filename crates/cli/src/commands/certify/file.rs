//! Certificates as files: written whole, and proven again without the model.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use gen_params::certify::Certificate;

use crate::commands::Finding;
use crate::table::thousands;
use crate::terminal;

/// Faults that are printed; the rest is counted.
const SHOWN_FAULTS: usize = 20;

/// Writes a certificate beside its place, then gives it its name.
pub(super) fn write(path: &Path, certificate: &Certificate) -> Result<()> {
    write_whole(path, |out| Ok(serde_json::to_writer(out, certificate)?))
}

/// Writes a file that is complete or not there.
pub(super) fn write_whole(path: &Path, content: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let name = || path.display().to_string();
    let partial = PathBuf::from(format!("{}.partial", path.display()));
    let written = fs::File::create(&partial).map_err(anyhow::Error::new).and_then(|file| {
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        writeln!(out)?;
        Ok(out.flush()?)
    });
    if let Err(error) = written {
        // What was begun is of no use to anybody; that it cannot be removed matters less than why.
        let _ = fs::remove_file(&partial);
        return Err(error).with_context(name);
    }
    fs::rename(&partial, path).with_context(name)
}

/// Proves a certificate again.
pub(super) fn check(path: &Path) -> Result<Finding> {
    let name = || path.display().to_string();
    let text = fs::read(path).with_context(name)?;
    let certificate: Certificate = serde_json::from_slice(&text)
        .context("expected a certificate that `gen_params certify -o FILE` wrote")
        .with_context(name)?;
    if certificate.schema != Certificate::SCHEMA {
        bail!("{}: found schema {}, expected {}", name(), certificate.schema, Certificate::SCHEMA);
    }
    let faults = certificate.check();
    for fault in faults.iter().take(SHOWN_FAULTS) {
        terminal::warning(&fault.to_string());
    }
    let network = certificate.summary();
    if !faults.is_empty() {
        terminal::say(format!(
            "not so: {} channels are not as the certificate says",
            thousands(faults.len())
        ));
        return Ok(Finding::Different);
    }
    if network.channels == 0 {
        bail!("{}: a certificate of no channel", name());
    }
    terminal::say(format!(
        "proven again: {} channels against {}, {} of {} accumulators differ, by up to {} LSB\nparameters (SHA-256 of \
         their params.npz): {}",
        thousands(network.channels),
        certificate.contract,
        network.differing,
        network.reachable,
        network.largest,
        certificate.parameters_sha256,
    ));
    Ok(Finding::None)
}
