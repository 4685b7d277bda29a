//! The model, and a model on its hardware.

use std::path::PathBuf;

use clap::Args;

use gen_params::lower::Engine;

use super::names::one_of;
use super::{Derivation, TargetOptions};

/// A model on its hardware. It is the last part of a command's arguments: its heading would hold for any after it.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) derivation: Derivation,
    #[command(flatten)]
    pub(crate) target: TargetOptions,
}

/// The model and what the user says beside it.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The model: a PyTorch checkpoint, pickled module, FX GraphModule, TorchScript or torch.export program; an ONNX or
    /// TFLite file (see `gen_params formats`)
    #[arg(value_name = "MODEL", required = true)]
    pub(crate) model: Option<PathBuf>,
    /// Topology, where the model does not hold it (see `gen_params graph`)
    #[arg(long, value_name = "TOML")]
    pub(crate) graph: Option<PathBuf>,
    /// The engine that a prepared (fake-quantized) checkpoint was trained for: decides its activation range
    #[arg(long, value_parser = one_of(&Engine::ALL, Engine::name, activations))]
    pub(crate) engine: Option<Engine>,
    /// Epsilon of the batch norms of a prepared state_dict, which does not hold it [PyTorch's default: 1e-5]
    #[arg(long, value_name = "EPSILON")]
    pub(crate) bn_eps: Option<f64>,
}

/// The activations of an engine, for the help.
fn activations(engine: Engine) -> &'static str {
    match engine {
        Engine::Fbgemm => "FBGEMM: activations 0..=127",
        Engine::Qnnpack => "QNNPACK: activations 0..=255",
        Engine::Onednn => "oneDNN: activations 0..=255",
        Engine::X86 => "x86: activations 0..=127",
    }
}
