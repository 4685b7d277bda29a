//! A model as the user named it, and the warnings that go with it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use gen_params::emit::folder::target_file::TargetFile;
use gen_params::input::{Input, Remark};
use gen_params::{Derived, Model, lower};

use crate::arguments::{InputOptions, Source, Subject, hint_for_missing};
use crate::hardware::target_file;
use crate::terminal;

/// Reads the model, and the graph file if one was given.
pub(crate) fn open(source: &Source) -> Result<Model> {
    let Some(path) = &source.model else { bail!("no model was given") };
    let graph = source.graph.as_ref().map(gen_params::graph).transpose()?;
    if let Some(epsilon) = source.bn_eps.filter(|e| !(e.is_finite() && *e > 0.0)) {
        bail!("--bn-eps: found {epsilon}, expected a positive number");
    }
    if graph.as_ref().is_some_and(|graph| graph.guess)
        && let Some(path) = &source.graph
    {
        terminal::warning(&format!(
            "{}: still holds guesses, `guess = true` or lines marked `# guess`, and is believed no more than the order \
             of keys: correct the lines, then delete the marks",
            path.display()
        ));
    }
    if !path.exists()
        && let Some(hint) = hint_for_missing(path)
    {
        bail!("{}: no such file\n  hint: {hint}", path.display());
    }
    let options = lower::Options { engine: source.engine, graph, batch_norm_epsilon: source.bn_eps };
    Ok(Model::open(path)?.with_options(options))
}

/// The model with the integers of its target.
pub(crate) fn derive(subject: &Subject) -> Result<Derived> {
    let target = target_file(&subject.derivation, Some(&subject.target))?;
    warned(open(&subject.source)?.derive(&target)?)
}

/// The same to run it: one without integers to derive runs, too.
pub(crate) fn derive_to_run(subject: &Subject) -> Result<Derived> {
    let target = target_file(&subject.derivation, Some(&subject.target))?;
    warned(open(&subject.source)?.derive_any(&target)?)
}

/// The same for a target that has been read.
pub(crate) fn derive_for(source: &Source, target: &TargetFile) -> Result<Derived> {
    warned(open(source)?.derive(target)?)
}

fn warned(derived: Derived) -> Result<Derived> {
    warn(derived.warnings());
    Ok(derived)
}

/// Prints warnings.
pub(crate) fn warn(warnings: &[String]) {
    warnings.iter().for_each(|warning| terminal::warning(warning));
}

/// Reads the input that is given, if one is.
pub(crate) fn optional_input(
    derived: &Derived,
    path: Option<&PathBuf>,
    options: &InputOptions,
) -> Result<Option<Input>> {
    path.map(|path| input(derived, path, options)).transpose()
}

/// Reads an input, and says what anybody should know who gives it to this network.
pub(crate) fn input(derived: &Derived, path: &Path, options: &InputOptions) -> Result<Input> {
    let input = Input::read(path, &options.into())?;
    match derived.remark(&input) {
        Some(remark @ Remark::Codes(_)) => terminal::say(format!("{}: {remark}", path.display())),
        Some(remark @ Remark::Saturates { .. }) => {
            terminal::warning(&format!("{}: {remark}", path.display()));
        }
        None => {}
    }
    Ok(input)
}
