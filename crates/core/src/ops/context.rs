//! What operators take and give, and why they cannot.

use std::fmt;

use super::fusion::Fusion;
use crate::contract::Contract;
use crate::parameters::Activation;
use crate::tensor::{Codes, Tensor};

/// Axes beyond this are no network's: what a file asks for is refused before it is allocated.
pub(super) const MAX_AXIS: usize = 1 << 24;

/// Why an operation cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpError {
    /// What it met.
    pub found: String,
    /// What it can take.
    pub expected: String,
}

impl OpError {
    /// An error.
    pub fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into() }
    }

    /// An operator whose formula under an engine is not known.
    pub(crate) fn no_formula(op: &str, contract: Contract) -> Self {
        Self::new(format!("no known formula for {op} under {}", contract.name()), "another contract")
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "has {}, expected {}", self.found, self.expected)
    }
}

impl std::error::Error for OpError {}

/// A tensor on an edge: codes, or floats before quantization and after dequantization.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Integer codes.
    Codes(Codes),
    /// Real numbers.
    Floats(Tensor<f32>),
}

impl Value {
    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Codes(codes) => codes.shape(),
            Self::Floats(floats) => floats.shape(),
        }
    }

    /// The codes, where it has codes.
    pub fn codes(&self) -> Option<&Codes> {
        match self {
            Self::Codes(codes) => Some(codes),
            Self::Floats(_) => None,
        }
    }
}

/// What the arithmetic of a node depends on, besides its operands.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The engine.
    pub contract: Contract,
    /// S and Z of each input; `None` for floats.
    pub inputs: &'a [Option<Activation>],
    /// S and Z of the result; `None` for floats.
    pub output: Option<Activation>,
    /// How ONNX Runtime fuses it.
    pub fusion: Fusion,
}

impl Context<'_> {
    pub(super) fn input(&self, index: usize) -> Result<Activation, OpError> {
        self.inputs.get(index).copied().flatten().ok_or_else(|| {
            OpError::new("an input whose scale and zero point are not known", "a quantized one")
        })
    }

    pub(super) fn output(&self) -> Result<Activation, OpError> {
        self.output.ok_or_else(|| {
            OpError::new("a result whose scale and zero point are not known", "a quantized one")
        })
    }

    /// Whether the engine computes dequantized floats.
    pub(super) fn is_float(&self) -> bool {
        self.contract == Contract::Onnxruntime && self.fusion.is_float()
    }

    /// Exact arithmetic needs scales that are numbers.
    pub(super) fn finite(&self) -> Result<(), OpError> {
        let scales = self.inputs.iter().copied().chain([self.output]).flatten().map(|a| a.scale);
        match scales.into_iter().find(|s| !(s.is_finite() && *s > 0.0)) {
            Some(scale) => Err(OpError::new(format!("a scale of {scale}"), "a positive number")),
            None => Ok(()),
        }
    }
}
