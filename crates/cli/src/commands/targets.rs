//! `gen_params targets`: the targets that come with the tool.

use std::io::Write;

use anyhow::{Result, anyhow, bail};

use gen_params::emit::folder::target_file::Preset;

use crate::arguments::Targets;
use crate::outputs::ruled;
use crate::terminal;

pub(crate) fn run(arguments: &Targets) -> Result<()> {
    let mut stdout = terminal::out();
    let Some(name) = &arguments.name else {
        let mut table = ruled();
        table.set_header(["target", "hardware"]);
        for preset in Preset::ALL {
            let target = preset.read().map_err(|error| anyhow!(error.with_file(preset.name)))?;
            table.add_row([preset.name, &target.description]);
        }
        writeln!(stdout, "{table}")?;
        return Ok(());
    };
    let Some(preset) = Preset::named(name) else {
        let known = Preset::ALL.map(|preset| preset.name).join(", ");
        bail!("no target has the name {name:?}, expected one of: {known}");
    };
    stdout.write_all(preset.toml.as_bytes())?;
    Ok(())
}
