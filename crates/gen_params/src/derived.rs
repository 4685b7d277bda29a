//! A model with the integers of a target, and all that can be done with them.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use gen_params_core::derive;
use gen_params_core::derive::on_target;
use gen_params_core::error::LowerError;
use gen_params_core::hardware::Stage;
use gen_params_core::machine::{Arithmetic, Machine};
use gen_params_core::network::IntNetwork;
use gen_params_core::parameters::{Activation, Parameters, Wiring};
use gen_params_emit::folder::target_file::TargetFile;
use gen_params_emit::programs::{c, cmsis_nn, systemverilog};
use gen_params_emit::{
    Existing, Formats, Golden, GoldenFiles, Manifest, Vectors, write_for_target, write_golden, write_vectors,
};
use gen_params_formats::Form;
use gen_params_runtime::Engine;

use crate::dump::Folder;
use crate::error::{At, Error, Result};
use crate::input::{Input, Remark};
use crate::programs::{TestImages, write_c, write_cmsis_nn, write_systemverilog};
use crate::run::{RunOptions, code_outputs, run};
use crate::vectors::{NetworkImages, vectors};
use crate::versus::{Versus, versus};
use crate::{Comparison, Model, Progress, Run, arithmetic, compare, golden};

/// A model with the integers of a target.
///
/// Each verb returns what it found; nothing is printed. What a user must know is in [`Derived::warnings`] and in the
/// `warnings` of what a verb returns.
#[derive(Debug, Clone)]
pub struct Derived {
    pub(crate) model: Model,
    pub(crate) network: Arc<IntNetwork>,
    pub(crate) target: TargetFile,
    pub(crate) parameters: Parameters,
}

impl Derived {
    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Its network of integers.
    pub fn network(&self) -> &IntNetwork {
        &self.network
    }

    /// The hardware.
    pub fn target(&self) -> &TargetFile {
        &self.target
    }

    /// Every number of every layer and operator.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What the user must know, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.parameters.warnings
    }

    fn name(&self) -> String {
        self.model.name()
    }

    /// That it is known who feeds whom: what is computed or proven along a guess would be a guess, too. All verbs that run the
    /// network ask it.
    ///
    /// # Errors
    /// The file does not say, and the order of its keys is a guess.
    pub fn wired(&self) -> Result<()> {
        if self.network.wiring != Wiring::KeyOrder {
            return Ok(());
        }
        let chain: Vec<&str> = self.network.nodes.iter().map(|node| node.name.as_str()).collect();
        let problem = format!(
            "the file does not say which layer feeds which, and the order of its keys is only a guess: {}",
            chain.join(" -> ")
        );
        let hint = format!(
            "gen_params graph {} > net.toml; correct net.toml, delete its marks, and give it with --graph net.toml",
            self.name()
        );
        Err(Error::given(problem).with_hint(hint).at(self.name()))
    }

    /// That no number is missing that hardware takes, so that they can be [written](Derived::write).
    ///
    /// # Errors
    /// All that is missing.
    pub fn complete(&self) -> Result<()> {
        // Where the file's own topology shows that nothing quantizes a layer's result, null is the answer, and a warning
        // says so; where the topology is the user's, it is a gap to be filled.
        let float_result = |name: &str| {
            self.parameters.wiring == Wiring::File
                && self.parameters.layers.iter().any(|layer| layer.name == name && layer.input.is_some())
        };
        let mut reasons = derive::incomplete(&self.parameters);
        reasons.retain(|reason| !float_result(&reason.place));
        if reasons.is_empty() {
            return Ok(());
        }
        let hint =
            "give what is missing in a graph file: gen_params graph MODEL > net.toml, edit, --graph net.toml";
        Err(LowerError { reasons, hint: Some(hint.into()) }).at(|| self.name())
    }

    /// What is in it, as in `manifest.json`, with the files of these formats.
    pub fn manifest(&self, formats: &Formats) -> Manifest {
        Manifest::describe(&self.parameters, Some(self.model.source_file()), formats)
    }

    /// Writes the folder of parameters, and returns its manifest. The folder is complete or not there at all; one that is there
    /// already is replaced if it is ours, or as `existing` says.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = folder.path().join("weight");
    /// use gen_params::{Existing, Formats, Model, TargetFile};
    ///
    /// let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// let manifest = derived.write(&place, &Formats::default(), Existing::KeepForeign)?;
    /// assert!(manifest.files.iter().any(|file| file.name == "conv1_weight.hex"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Numbers that are [missing](Derived::complete) or that the target cannot hold, a folder that is not ours, the system's.
    pub fn write(
        &self,
        directory: impl AsRef<Path>,
        formats: &Formats,
        existing: Existing,
    ) -> Result<Manifest> {
        self.complete()?;
        let TargetFile { derivation, relu, thresholds, .. } = self.target;
        let parameters = on_target(&self.network, &self.parameters, derivation.target, relu, thresholds);
        let parameters = parameters.at(|| self.name())?;
        let source = Some(self.model.source_file());
        Ok(write_for_target(directory.as_ref(), &parameters, source, formats, &self.target, existing)?)
    }

    /// The integer-only arithmetic of the target.
    ///
    /// # Errors
    /// The target has thresholds in the place of multipliers: there is nothing to multiply with.
    pub fn arithmetic(&self) -> Result<Arithmetic> {
        arithmetic::of_target(&self.target).map(Arithmetic::Target)
    }

    /// The network in one arithmetic, an engine's or the target's, ready to be run node by node: every value can be seen.
    ///
    /// # Errors
    /// All that is not known and that running needs.
    pub fn machine(&self, arithmetic: impl Into<Arithmetic>) -> Result<Machine<'_>> {
        Machine::new(&self.network, &self.parameters, arithmetic.into()).at(|| self.name())
    }

    /// The network in the target's arithmetic.
    pub(crate) fn target_machine(&self) -> Result<Machine<'_>> {
        self.machine(self.arithmetic()?)
    }

    /// The network in one arithmetic, planned for images of these sizes, (C, spatial...), one for each input: the fastest way
    /// to run many batches.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Model, TargetFile};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// use gen_params::contract::Contract;
    /// use gen_params::{ops::Value, tensor::Tensor};
    ///
    /// let engine = derived.engine(Contract::X86, &[vec![1, 8, 8]])?;
    /// let images = Value::Floats(Tensor::new(vec![8, 1, 8, 8], vec![0.5; 8 * 8 * 8])?);
    /// assert_eq!(engine.run(&[images])?[0].shape(), [8, 10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A guessed wiring, what is not known and running needs, sizes that do not fit.
    pub fn engine(&self, arithmetic: impl Into<Arithmetic>, images: &[Vec<usize>]) -> Result<Engine> {
        self.wired()?;
        Engine::of(&self.machine(arithmetic)?, images).at(|| self.name())
    }

    /// What anybody should know who gives this input to the network, if anything.
    pub fn remark(&self, input: &Input) -> Option<Remark> {
        input.remark(self.taken()?)
    }

    /// S, Z and type of the codes that the network makes of its input, where it has one, and they are known.
    fn taken(&self) -> Option<Activation> {
        let &[input] = self.network.inputs.as_slice() else { return None };
        self.network.input_activation(input)
    }

    /// The input with its pixels in the order of axes that the network takes.
    pub(crate) fn ordered<'a>(&self, input: &'a Input) -> Cow<'a, Input> {
        match self.model.form() {
            Form::Tflite if input.pixels => Cow::Owned(input.clone().channels_last()),
            _ => Cow::Borrowed(input),
        }
    }

    /// Runs the network on all images, on all processors: the codes of its outputs.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Model, TargetFile};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// use gen_params::{RunOptions, contract::Contract, input::{Input, InputOptions}};
    ///
    /// let input = Input::read("input_f32.npy", &InputOptions::default())?;
    /// let done = derived.run(&input, Contract::X86, RunOptions::default())?;
    /// assert_eq!(done.outputs[0].classes()?.len(), input.images());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A guessed wiring, what is not known and running needs, an input that the network does not take.
    pub fn run(
        &self,
        input: &Input,
        arithmetic: impl Into<Arithmetic>,
        options: RunOptions<'_>,
    ) -> Result<Run> {
        self.wired()?;
        let outputs = code_outputs(&self.network).at(|| self.name())?;
        run(&self.machine(arithmetic)?, &outputs, &self.ordered(input), options)
    }

    /// Runs the network in two arithmetics, and counts where their codes differ, layer by layer.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Model, TargetFile};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// use gen_params::{RunOptions, contract::Contract, input::{Input, InputOptions}};
    ///
    /// let input = Input::read("input_f32.npy", &InputOptions::default())?;
    /// let arithmetics = [Contract::X86.into(), derived.arithmetic()?];
    /// let versus = derived.versus(&input, arithmetics, RunOptions::default())?;
    /// assert!(versus.layers.iter().all(|layer| layer.isolated.largest <= 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Derived::run`].
    pub fn versus(
        &self,
        input: &Input,
        arithmetics: [Arithmetic; 2],
        options: RunOptions<'_>,
    ) -> Result<Versus> {
        self.wired()?;
        let [first, second] = arithmetics;
        let machines = [&self.machine(first)?, &self.machine(second)?];
        let outputs = code_outputs(&self.network).at(|| self.name())?;
        versus(machines, &outputs, &self.ordered(input), options)
    }

    /// The values at every point of the network: the codes of operators, and the given stages of layers with weights.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Model, RunOptions, TargetFile, input::{Input, InputOptions}};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// # let input = Input::read("input_f32.npy", &InputOptions { limit: Some(1), ..Default::default() })?;
    /// use gen_params::hardware::Stage;
    ///
    /// let golden = derived.golden(&input, derived.arithmetic()?, &Stage::ALL, RunOptions::default())?;
    /// let biased = golden.tensors.iter().find(|tensor| tensor.stage == Stage::Biased).unwrap();
    /// assert_eq!((biased.node.as_deref(), &biased.shape[..]), (Some("conv1"), &[1, 6, 8, 8][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Derived::run`]; more values than memory should hold.
    pub fn golden(
        &self,
        input: &Input,
        arithmetic: impl Into<Arithmetic>,
        stages: &[Stage],
        options: RunOptions<'_>,
    ) -> Result<Golden> {
        self.wired()?;
        let machine = self.machine(arithmetic)?;
        let points = golden::compute(&machine, &self.ordered(input), options, stages)?;
        Ok(golden::golden(&machine, points.into_iter().map(|point| point.tensor)))
    }

    /// Writes golden values as a folder.
    ///
    /// # Errors
    /// As [`Derived::write`].
    pub fn write_golden(
        &self,
        directory: impl AsRef<Path>,
        golden: &Golden,
        files: &GoldenFiles,
        existing: Existing,
    ) -> Result<Manifest> {
        let source = Some(self.model.source_file());
        let (network, parameters) = (&self.network, &self.parameters);
        Ok(write_golden(directory.as_ref(), network, parameters, source, golden, files, existing)?)
    }

    /// Compares a hardware's values with the golden ones: the first layer, stage, channel and position where they part, and the
    /// known mistakes that explain it. The folder has files named as those of [`Derived::write_golden`], any subset; without
    /// `input` it has the network's input, too.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Existing, Model, RunOptions, TargetFile, hardware::Stage, input::{Input, InputOptions}};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// # let input = Input::read("input_f32.npy", &InputOptions { limit: Some(1), ..Default::default() })?;
    /// # let folder = tempfile::tempdir()?;
    /// # let dump = folder.path().join("dump");
    /// let arithmetic = derived.arithmetic()?;
    /// let golden = derived.golden(&input, arithmetic, &Stage::ALL, RunOptions::default())?;
    /// derived.write_golden(&dump, &golden, &derived.target().golden_files(), Existing::KeepForeign)?;
    /// let comparison = derived.compare(&dump, None, arithmetic, RunOptions::default())?;
    /// assert!(comparison.is_equal());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Derived::run`]; files that cannot be read, or are of nothing in the network.
    pub fn compare(
        &self,
        dump: impl AsRef<Path>,
        input: Option<&Input>,
        arithmetic: impl Into<Arithmetic>,
        options: RunOptions<'_>,
    ) -> Result<Comparison> {
        self.wired()?;
        let machine = self.machine(arithmetic)?;
        let folder = Folder::open(dump.as_ref())?;
        let input = input.map(|input| self.ordered(input));
        let activation = self.target.memory.activation.as_ref();
        compare::compare(&machine, &folder, input.as_deref(), activation, options)
    }

    /// Makes inputs that hurt: ties, saturation, the largest accumulators, padding, layer by layer, each kind for at most
    /// `channels` output channels of a layer; and the values of the network on images, where there are some.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Model, NetworkImages, RunOptions, TargetFile};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// let vectors = derived.vectors(1, NetworkImages::None, RunOptions::default().progress)?;
    /// let (name, layer) = &vectors.layers[0];
    /// assert!(name == "conv1" && !layer.vectors.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A guessed wiring, what is not known and running needs, images that the network does not take.
    pub fn vectors(
        &self,
        channels: usize,
        images: NetworkImages<'_>,
        progress: Progress<'_>,
    ) -> Result<Vectors> {
        self.wired()?;
        let machine = self.target_machine()?;
        let ordered;
        let images = match images {
            NetworkImages::Input(input) => {
                ordered = self.ordered(input);
                NetworkImages::Input(&ordered)
            }
            NetworkImages::None | NetworkImages::Constant(_) => images,
        };
        vectors(&machine, channels, images, progress).at(|| self.name())
    }

    /// Writes vectors as a folder.
    ///
    /// # Errors
    /// As [`Derived::write`].
    pub fn write_vectors(
        &self,
        directory: impl AsRef<Path>,
        vectors: &Vectors,
        existing: Existing,
    ) -> Result<Manifest> {
        let source = Some(self.model.source_file());
        let (network, parameters) = (&self.network, &self.parameters);
        let files = self.target.golden_files();
        Ok(write_vectors(directory.as_ref(), network, parameters, source, vectors, &files, existing)?)
    }

    /// Writes the network as a C99 program, `NAME.h` and `NAME.c`, with a known-answer test compiled in.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Existing, Model, TargetFile, TestImages};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = folder.path().join("c");
    /// let images = TestImages::Arbitrary(&[vec![1, 8, 8]], 4);
    /// let written = derived.emit_c(&place, "lenet", images, Existing::KeepForeign)?;
    /// assert!(written.source.contains("#include \"lenet.h\""));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A guessed wiring, every node that cannot be written in C, and as [`Derived::write`].
    pub fn emit_c(
        &self,
        directory: impl AsRef<Path>,
        name: &str,
        images: TestImages<'_>,
        existing: Existing,
    ) -> Result<c::Written> {
        self.wired()?;
        self.with_ordered(images, |images| write_c(self, directory.as_ref(), name, images, existing))
    }

    /// Writes the parameter structs of CMSIS-NN for the layers and poolings that it has.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Existing, Model, TestImages};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = folder.path().join("cmsis");
    /// let derived = Model::open("converted_script.pt")?.derive(&gen_params::target("cmsis-nn")?)?;
    /// let images = TestImages::Arbitrary(&[vec![1, 8, 8]], 0);
    /// let written = derived.emit_cmsis_nn(&place, "lenet", images, Existing::KeepForeign)?;
    /// assert!(written.header.contains("cmsis_nn_conv_params"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A guessed wiring, a target that is not CMSIS-NN's, and as [`Derived::write`].
    pub fn emit_cmsis_nn(
        &self,
        directory: impl AsRef<Path>,
        name: &str,
        images: TestImages<'_>,
        existing: Existing,
    ) -> Result<cmsis_nn::Written> {
        self.wired()?;
        self.with_ordered(images, |images| write_cmsis_nn(self, directory.as_ref(), name, images, existing))
    }

    /// Writes the network as SystemVerilog: a module per layer, the network, and testbenches that check themselves on the images,
    /// at the given stages of each layer.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// # use gen_params::{Existing, Model, TargetFile, TestImages, hardware::Stage};
    /// # let derived = Model::open("converted_script.pt")?.derive(&TargetFile::default())?;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = folder.path().join("sv");
    /// use gen_params::emit::programs::systemverilog::Options;
    ///
    /// let images = TestImages::Arbitrary(&[vec![1, 8, 8]], 1);
    /// let options = Options { clocks_per_output: 8, pipeline: true };
    /// let manifest = derived.emit_sv(&place, images, &[Stage::Output], options, Existing::KeepForeign)?;
    /// assert!(manifest.files.iter().any(|file| file.name == "tb/conv1_tb.sv"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A guessed wiring, every node that cannot be written in SystemVerilog, and as [`Derived::write`].
    pub fn emit_sv(
        &self,
        directory: impl AsRef<Path>,
        images: TestImages<'_>,
        stages: &[Stage],
        options: systemverilog::Options,
        existing: Existing,
    ) -> Result<Manifest> {
        self.wired()?;
        self.with_ordered(images, |images| {
            write_systemverilog(self, directory.as_ref(), images, stages, options, existing)
        })
    }

    /// Images in the order of axes that the network takes.
    fn with_ordered<T>(&self, images: TestImages<'_>, write: impl FnOnce(TestImages<'_>) -> T) -> T {
        match images {
            TestImages::Input(input) => write(TestImages::Input(&self.ordered(input))),
            TestImages::Arbitrary(..) => write(images),
        }
    }
}
