//! A model as the user named it: the file, read, with what was said beside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use gen_params::emit::SourceFile;
use gen_params::formats::{SourceModel, recipe};
use gen_params::lower::{self, graph_file::GraphFile};

use crate::arguments::{Source, hint_for_missing};
use crate::terminal;

/// A model that was read.
pub(crate) struct Model {
    pub(crate) path: PathBuf,
    pub(crate) bytes: bytes::Bytes,
    pub(crate) source: SourceModel,
    pub(crate) options: lower::Options,
}

impl Model {
    /// Maps and reads the file, and the graph file if one was given.
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let Some(path) = source.model.clone() else { bail!("no model was given") };
        let graph = source.graph.as_deref().map(read_graph).transpose()?;
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
        let options = lower::Options {
            engine: source.engine.map(Into::into),
            graph,
            batch_norm_epsilon: source.bn_eps,
        };
        let name = path.display().to_string();
        if !path.exists()
            && let Some(hint) = hint_for_missing(&path)
        {
            bail!("{name}: no such file\n  hint: {hint}");
        }
        if path.join("saved_model.pb").is_file() {
            bail!(
                "{name}: found a TensorFlow SavedModel, expected a model file\n  hint: load it as a Keras model, then {}",
                recipe::TFLITE
            );
        }
        let bytes = gen_params::map_file(&path).with_context(|| name.clone())?;
        let read =
            gen_params::read_with(bytes.clone(), &gen_params::Folder::of(&path)).with_context(|| name)?;
        Ok(Self { path, bytes, source: read, options })
    }

    /// The model's path, for messages.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The record of the file in a manifest.
    pub(crate) fn source_file(&self) -> SourceFile {
        let name = self.path.file_name().map_or_else(|| self.name(), |n| n.to_string_lossy().into_owned());
        SourceFile::new(name, &self.bytes)
    }
}

fn read_graph(path: &Path) -> Result<GraphFile> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(name)?;
    GraphFile::parse(&text).with_context(name)
}
