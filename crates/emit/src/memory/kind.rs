//! The kinds of numbers that a layer has.

use crate::names::file_stem;
use gen_params_core::parameters::{LayerKind, LayerParameters};

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
    /// C, where one was chosen for each channel.
    RoundingConstant,
    /// The accumulators at which the output code steps up, where a target has them in place of a multiplier.
    Threshold,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Weight,
        Self::Bias,
        Self::WeightSum,
        Self::FoldedBias,
        Self::Multiplier,
        Self::Shift,
        Self::Exponent,
        Self::RoundingConstant,
        Self::Threshold,
    ];

    /// Those that are written unless a target says otherwise.
    pub const USUAL: [Self; 7] = [
        Self::Weight,
        Self::Bias,
        Self::WeightSum,
        Self::FoldedBias,
        Self::Multiplier,
        Self::Shift,
        Self::RoundingConstant,
    ];

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
            Self::RoundingConstant => "rounding_constant",
            Self::Threshold => "threshold",
        }
    }

    /// Width and sign of its numbers unless a target says otherwise: biases have 32 bits where all of the layer fit, else
    /// 64, and weights the sign of the model file's.
    pub(crate) fn width(self, layer: &LayerParameters) -> (u32, bool) {
        let of_biases = |biases: Option<&Vec<i64>>| {
            let narrow = biases.into_iter().flatten().all(|&bias| i32::try_from(bias).is_ok());
            (if narrow { 32 } else { 64 }, true)
        };
        match self {
            Self::Weight => (8, layer.weight.offset == 0),
            Self::Bias => of_biases(layer.bias.as_ref()),
            Self::FoldedBias => of_biases(layer.folded_bias.as_ref()),
            Self::WeightSum | Self::Threshold => (32, true),
            Self::Multiplier => (32, false),
            Self::Shift | Self::Exponent => (8, true),
            Self::RoundingConstant => (64, true),
        }
    }

    /// Axes and sizes of its numbers.
    pub(crate) fn shape(self, layer: &LayerParameters) -> (&'static str, Vec<usize>) {
        match self {
            Self::Weight => (layer.kind.axes(), layer.weight.shape.clone()),
            Self::Threshold => {
                let count = layer.thresholds.as_ref().map_or(0, Vec::len);
                ("OT", vec![layer.channels, count / layer.channels.max(1)])
            }
            Self::Bias
            | Self::WeightSum
            | Self::FoldedBias
            | Self::Multiplier
            | Self::Shift
            | Self::Exponent
            | Self::RoundingConstant => ("O", vec![layer.channels]),
        }
    }

    /// All axes that its numbers can have, over the kinds of layers.
    pub fn axes(self) -> &'static str {
        match self {
            Self::Weight => LayerKind::Conv(3).axes(),
            Self::Threshold => "OT",
            _ => "O",
        }
    }

    /// The numbers of this kind as the model file has them, in row-major order; `None` where they are unknown.
    pub(crate) fn values(self, layer: &LayerParameters) -> Option<Vec<i64>> {
        fn wide<T: Copy + Into<i64>>(values: &[T]) -> Vec<i64> {
            values.iter().map(|&value| value.into()).collect()
        }
        match self {
            Self::Weight => {
                let offset = i64::from(layer.weight.offset);
                Some(layer.weight.codes.iter().map(|&code| i64::from(code) + offset).collect())
            }
            Self::Bias => layer.bias.clone(),
            Self::WeightSum => layer.file_weight_sum().as_deref().map(wide),
            Self::FoldedBias => layer.folded_bias.clone(),
            Self::Multiplier => layer.multiplier.as_deref().map(wide),
            Self::Shift => layer.shift.as_deref().map(wide),
            Self::RoundingConstant => layer.rounding_constant.clone(),
            Self::Threshold => layer.thresholds.clone(),
            Self::Exponent => {
                layer.shift.as_ref().map(|shifts| shifts.iter().map(|&n| 31 - i64::from(n)).collect())
            }
        }
    }
}

/// The name of the file with the numbers of one kind of one layer.
pub(crate) fn layer_file(layer: &str, kind: Kind, extension: &str) -> String {
    format!("{}_{}.{extension}", file_stem(layer), kind.name())
}
