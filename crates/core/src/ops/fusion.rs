//! How ONNX Runtime fuses an operator that stands between DequantizeLinear and QuantizeLinear.

use std::fmt;

/// What ONNX Runtime on an x86-64 makes of an operator; to other engines it means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fusion {
    /// On the codes that the file has.
    #[default]
    Codes,
    /// On unsigned codes, 128 higher than the signed ones of the file: sums, products and means of windows add the zero
    /// point to a float32 before they round, so that a number just beside a tie may round to the other side.
    Unsigned,
    /// On dequantized floats, and the result is quantized.
    Floats(Unfused),
}

impl Fusion {
    /// Whether it is computed on floats.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Floats(_))
    }
}

/// Why ONNX Runtime on x86-64 does not fuse an operator with the DequantizeLinear before and the QuantizeLinear behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfused {
    /// Signed codes become unsigned ones only where one operator alone reads them, and its kernels are for unsigned ones.
    SignedCodes,
    /// A factor, a batch norm, a sum or a limit stands between the operator and its QuantizeLinear.
    Between,
    /// The bias is none of int32 codes of scale S1*S2 and zero point 0.
    Bias,
    /// The engine takes the codes of an int32 bias of another scale, or with a zero point, for those of scale S1*S2.
    ForeignBias,
    /// It has no kernel on codes for it.
    Kernel,
    /// The engine merges a QuantizeLinear with the one before it.
    Merged,
    /// What it takes or gives has other readers, or is no result of a DequantizeLinear.
    Surroundings,
}

impl fmt::Display for Unfused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignedCodes => "its int8 codes do not have exactly one reader",
            Self::Between => "a factor, a sum, a batch norm or a limit stands before its QuantizeLinear",
            Self::Bias => "its bias is not one of int32 codes with the scale S1*S2 and the zero point 0",
            Self::ForeignBias => {
                "it takes its bias, which has another scale than S1*S2 or a zero point, for one of that scale"
            }
            Self::Kernel => "it has no kernel on codes for it",
            Self::Merged => "it merges its QuantizeLinear with the one before it, under another scale",
            Self::Surroundings => "it does not stand alone between DequantizeLinear and QuantizeLinear",
        })
    }
}
