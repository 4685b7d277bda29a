//! A model: a file that was read, and what is said beside it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use gen_params_core::contract::Contract;
use gen_params_core::derive;
use gen_params_core::error::LowerError;
use gen_params_core::network::IntNetwork;
use gen_params_core::parameters::Parameters;
use gen_params_emit::SourceFile;
use gen_params_emit::folder::target_file::TargetFile;
use gen_params_formats::{Form, ReadError, SourceModel, read, read_with, recipe};
use gen_params_lower::{self as lower, graph_file::GraphFile};

use crate::error::{At, Result};
use crate::{Derived, Folder, map_file};

/// A trained, quantized network as its file has it, and what is said beside the file.
///
/// A copy shares the file's bytes and the network.
#[derive(Debug, Clone)]
pub struct Model {
    path: PathBuf,
    bytes: Bytes,
    source: Arc<SourceModel>,
    options: lower::Options,
    network: OnceLock<Result<Arc<IntNetwork>, LowerError>>,
}

impl Model {
    /// Maps and reads a file in any of the [forms](Form) that are known, and the files beside it that it names.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// use gen_params::Model;
    ///
    /// let model = Model::open("converted_script.pt")?;
    /// assert_eq!(model.form().name(), "TorchScript");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The file cannot be opened, is broken, or says what is refused by name.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = || path.display();
        if path.join("saved_model.pb").is_file() {
            let error = ReadError::malformed("", "a TensorFlow SavedModel", "a model file");
            let hint = format!("load it as a Keras model, then {}", recipe::TFLITE);
            return Err(error.hint(hint)).at(name);
        }
        let bytes = map_file(path).at(name)?;
        let source = read_with(bytes.clone(), &Folder::of(path)).at(name)?;
        Ok(Self::new(path.to_owned(), bytes, source))
    }

    /// Reads a model from memory. `name` stands for its path, in messages and in manifests.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// use gen_params::Model;
    ///
    /// let bytes = std::fs::read("converted_script.pt")?;
    /// let model = Model::from_bytes("lenet.pt", bytes)?;
    /// assert_eq!(model.network()?.nodes.len(), 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Model::open`]; files beside the model cannot be read.
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: impl Into<Bytes>) -> Result<Self> {
        let (path, bytes) = (name.into(), bytes.into());
        let source = read(bytes.clone()).at(|| path.display())?;
        Ok(Self::new(path, bytes, source))
    }

    fn new(path: PathBuf, bytes: Bytes, source: SourceModel) -> Self {
        Self {
            path,
            bytes,
            source: Arc::new(source),
            options: lower::Options::default(),
            network: OnceLock::new(),
        }
    }

    /// The model with what the user says beside the file: its topology, the engine that it was trained for, the epsilon of
    /// its batch norms.
    #[must_use]
    pub fn with_options(self, options: lower::Options) -> Self {
        Self { options, network: OnceLock::new(), ..self }
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path, for messages.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// What kind of file it is.
    pub fn form(&self) -> Form {
        self.source.form
    }

    /// What the file says, before it is given a meaning.
    pub fn source(&self) -> &SourceModel {
        &self.source
    }

    /// What was said beside the file.
    pub fn options(&self) -> &lower::Options {
        &self.options
    }

    /// The record of the file in a manifest.
    pub fn source_file(&self) -> SourceFile {
        let name = self.path.file_name().map_or_else(|| self.name(), |n| n.to_string_lossy().into_owned());
        SourceFile::new(self.form().name(), name, &self.bytes)
    }

    /// The network of integers that the file holds: its layers and operators, and who feeds whom.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # let model = gen_params::Model::open("converted_script.pt")?;
    /// let network = model.network()?;
    /// let operators: Vec<_> = network.nodes.iter().map(|node| node.op.name()).collect();
    /// assert_eq!(operators[..3], ["quantize", "conv2d", "max_pool"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Every reason why the file cannot become one.
    pub fn network(&self) -> Result<&IntNetwork> {
        self.shared_network().map(|network| &**network)
    }

    fn shared_network(&self) -> Result<&Arc<IntNetwork>> {
        let lowered = self.network.get_or_init(|| lower::lower(&self.source, &self.options).map(Arc::new));
        lowered.as_ref().map_err(Clone::clone).at(|| self.path.display())
    }

    /// Who feeds whom, as a graph file to read or to edit; where the file does not say, a draft in the order of its keys.
    ///
    /// # Errors
    /// The file has no layers.
    pub fn graph(&self) -> Result<GraphFile> {
        lower::draft(&self.source, &self.options).at(|| self.path.display())
    }

    /// The engine whose codes the file was made for: the one that it or the user names, or that of its format.
    ///
    /// # Errors
    /// As [`Model::network`].
    pub fn contract(&self) -> Result<Option<Contract>> {
        let own = match self.form() {
            Form::Tflite => Some(Contract::Litert),
            Form::Onnx => Some(Contract::Onnxruntime),
            Form::StateDict
            | Form::Module
            | Form::GraphModule
            | Form::TorchScript
            | Form::ExportedProgram => None,
        };
        Ok(self.network()?.engine.or(own))
    }

    /// Computes the integers of every layer and operator for a target.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # let model = gen_params::Model::open("converted_script.pt")?;
    /// let target = gen_params::target("global-shift")?;
    /// let derived = model.derive(&target)?;
    /// assert!(derived.parameters().layers.iter().all(|layer| layer.multiplier.is_some()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Every reason why the file cannot become a network, or has no integers to derive.
    pub fn derive(&self, target: &TargetFile) -> Result<Derived> {
        self.derived(self.shared_network()?.clone(), target, derive::derive)
    }

    /// The same, where a network without integers to derive is none to refuse: it can be run.
    ///
    /// # Errors
    /// As [`Model::network`].
    pub fn derive_any(&self, target: &TargetFile) -> Result<Derived> {
        self.derived(self.shared_network()?.clone(), target, derive::derive_any)
    }

    /// The same, where who feeds whom need not be known: without a topology, the layers by themselves, and why there is none.
    ///
    /// # Errors
    /// As [`Model::derive`] where the file has a topology; else that it has no layers.
    pub fn inspect(&self, target: &TargetFile) -> Result<(Derived, Option<crate::Error>)> {
        match self.shared_network() {
            Ok(_) => Ok((self.derive(target)?, None)),
            // Where the file has a topology, what it says is what cannot be derived.
            Err(error) if self.source.graph.is_some() && self.options.graph.is_none() => Err(error),
            Err(error) => match lower::layers(&self.source, &self.options) {
                Ok(layers) => Ok((self.derived(Arc::new(layers), target, derive::derive)?, Some(error))),
                Err(_) => Err(error),
            },
        }
    }

    fn derived(
        &self,
        network: Arc<IntNetwork>,
        target: &TargetFile,
        derive: fn(&IntNetwork, &derive::Options) -> Result<Parameters, LowerError>,
    ) -> Result<Derived> {
        let parameters = derive(&network, &target.derivation).at(|| self.path.display())?;
        Ok(Derived { model: self.clone(), network, target: target.clone(), parameters })
    }
}

/// Reads a graph file: who feeds whom, for a model that does not say.
///
/// # Errors
/// The file cannot be read, or is no graph file.
pub fn graph(path: impl AsRef<Path>) -> Result<GraphFile> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).at(|| path.display())?;
    GraphFile::parse(&text).at(|| path.display())
}
