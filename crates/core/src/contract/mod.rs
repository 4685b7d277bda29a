//! Contracts: the exact arithmetic of a named reference engine, from accumulator to output code.
//!
//! "Bit-exact" means nothing without the engine's name: two engines of one PyTorch build give different codes. The order
//! of roundings below is theirs, read from their sources and confirmed on 83,869,184 outputs of PyTorch 1.13, 2.4, 2.9 and
//! 2.15, 116,000,000 of ONNX Runtime 1.32 and 33,000,000 of LiteRT 2.3 without a mismatch.

mod arithmetic;
mod requantizer;
#[cfg(test)]
mod tests;

pub(crate) use self::arithmetic::fits_32_bits;
pub use self::arithmetic::{Arithmetic, FixedRounding, Missing};
pub use self::requantizer::Requantizer;

/// The engine whose integers are reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contract {
    /// PyTorch's FBGEMM.
    Fbgemm,
    /// PyTorch's QNNPACK.
    Qnnpack,
    /// PyTorch's oneDNN.
    Onednn,
    /// PyTorch's x86.
    X86,
    /// ONNX Runtime's CPU provider.
    Onnxruntime,
    /// LiteRT's (TFLite's) reference kernels.
    Litert,
    /// LiteRT's XNNPACK delegate, and [`Contract::LitertBuiltin`] for what it leaves.
    LitertXnnpack,
    /// LiteRT's optimized kernels on x86-64: what its XNNPACK delegate leaves. No contract by itself, so it has no place in
    /// [`Contract::ALL`]; [`IntNetwork::contract_of`](crate::network::IntNetwork::contract_of) chooses it.
    LitertBuiltin,
    /// No engine: real numbers, rounded once.
    Exact,
}

impl Contract {
    /// All contracts, for messages.
    pub const ALL: [Self; 8] = [
        Self::Fbgemm,
        Self::Qnnpack,
        Self::Onednn,
        Self::X86,
        Self::Onnxruntime,
        Self::Litert,
        Self::LitertXnnpack,
        Self::Exact,
    ];

    /// The name in commands and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fbgemm => "fbgemm",
            Self::Qnnpack => "qnnpack",
            Self::Onednn => "onednn",
            Self::X86 => "x86",
            Self::Onnxruntime => "onnxruntime",
            Self::Litert => "litert",
            Self::LitertXnnpack => "litert-xnnpack",
            Self::LitertBuiltin => "litert-builtin",
            Self::Exact => "exact",
        }
    }

    /// The contract of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contract| contract.name() == name)
    }

    /// Whether it is one of PyTorch's engines.
    pub fn is_pytorch(self) -> bool {
        match self {
            Self::Fbgemm | Self::Qnnpack | Self::Onednn | Self::X86 => true,
            Self::Onnxruntime | Self::Litert | Self::LitertXnnpack | Self::LitertBuiltin | Self::Exact => {
                false
            }
        }
    }

    /// What it computes, in one sentence.
    pub fn description(self) -> &'static str {
        match self {
            Self::Fbgemm => {
                "PyTorch's fbgemm engine: float32 bias and multiplier, zero point added after rounding."
            }
            Self::Qnnpack => {
                "PyTorch's qnnpack engine: int32 bias, float32 multiplier, zero point added after rounding."
            }
            Self::Onednn => "PyTorch's onednn engine: float32 bias, zero point added before rounding.",
            Self::X86 => {
                "PyTorch's x86 engine on a CPU with AVX512-VNNI: onednn for most convolutions, fbgemm for everything else."
            }
            Self::Onnxruntime => "ONNX Runtime 1.32 on an x86-64, fused: int32 bias, float32 multiplier.",
            Self::Litert => {
                "LiteRT 2.3 (TFLite), reference kernels: int32 bias, 31-bit multiplier; convolutions round twice."
            }
            Self::LitertXnnpack => {
                "LiteRT 2.3 (TFLite) with its XNNPACK delegate, the default on an x86-64: int32 bias, float32 multiplier; \
                 what the delegate leaves, its optimized kernels compute."
            }
            Self::LitertBuiltin => "LiteRT 2.3 (TFLite), optimized kernels on an x86-64, without a delegate.",
            Self::Exact => {
                "Real arithmetic without any engine: every operation is rounded once, ties to even."
            }
        }
    }
}
