//! The kinds of numbers that a layer has.

use gen_params_core::parameters::{LayerKind, LayerParameters};

use crate::layout::Field;

/// A kind of number that has files of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Weight codes.
    Weight,
    /// `bias`.
    Bias,
    /// `weight_sum`.
    WeightSum,
    /// `folded_bias`.
    FoldedBias,
    /// M0.
    Multiplier,
    /// n.
    Shift,
    /// 31 - n, so that M ~ M0 * 2^-31 * 2^exponent: the shift of a Q31 number as TFLite and CMSIS-NN store it.
    Exponent,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Weight,
        Self::Bias,
        Self::WeightSum,
        Self::FoldedBias,
        Self::Multiplier,
        Self::Shift,
        Self::Exponent,
    ];

    /// Those that are written unless a target says otherwise.
    pub const USUAL: [Self; 6] =
        [Self::Weight, Self::Bias, Self::WeightSum, Self::FoldedBias, Self::Multiplier, Self::Shift];

    /// The name in files, manifests and target files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::WeightSum => "weight_sum",
            Self::FoldedBias => "folded_bias",
            Self::Multiplier => "multiplier",
            Self::Shift => "shift",
            Self::Exponent => "exponent",
        }
    }

    /// Name, width and sign that its numbers have unless a target says otherwise.
    pub fn field(self) -> Field {
        let (bits, signed) = match self {
            Self::Weight | Self::Shift | Self::Exponent => (8, true),
            Self::Bias | Self::WeightSum | Self::FoldedBias => (32, true),
            Self::Multiplier => (32, false),
        };
        Field { name: self.name().to_owned(), bits, signed }
    }

    /// Axes and sizes of its numbers.
    pub(crate) fn shape(self, layer: &LayerParameters) -> (&'static str, Vec<usize>) {
        match self {
            Self::Weight => (layer.kind.axes(), layer.weight.shape.clone()),
            Self::Bias
            | Self::WeightSum
            | Self::FoldedBias
            | Self::Multiplier
            | Self::Shift
            | Self::Exponent => ("O", vec![layer.channels]),
        }
    }

    /// All axes that its numbers can have, over the kinds of layers.
    pub fn axes(self) -> &'static str {
        match self {
            Self::Weight => LayerKind::Conv(3).axes(),
            _ => "O",
        }
    }

    /// The numbers of this kind, in row-major order; `None` where they are unknown.
    pub(crate) fn values(self, layer: &LayerParameters) -> Option<Vec<i64>> {
        fn wide<T: Copy + Into<i64>>(values: &[T]) -> Vec<i64> {
            values.iter().map(|&value| value.into()).collect()
        }
        match self {
            Self::Weight => Some(wide(&layer.weight.codes)),
            Self::Bias => layer.bias.as_deref().map(wide),
            Self::WeightSum => Some(wide(&layer.weight_sum)),
            Self::FoldedBias => layer.folded_bias.as_deref().map(wide),
            Self::Multiplier => layer.multiplier.as_deref().map(wide),
            Self::Shift => layer.shift.as_deref().map(wide),
            Self::Exponent => {
                layer.shift.as_ref().map(|shifts| shifts.iter().map(|&n| 31 - i64::from(n)).collect())
            }
        }
    }
}
