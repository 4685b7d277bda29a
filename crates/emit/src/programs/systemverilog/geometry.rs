//! Windows over an input: the sizes that the library's modules take, one per spatial axis.

use gen_params_core::hardware::integer_op::{DotProduct, WindowAxis};
use gen_params_core::ops::PaddingMode;
use gen_params_core::parameters::LayerKind;

use super::parts::Value;
use super::parts::{flag, number};

/// A window over an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Depth, height, width.
    pub(super) axes: [WindowAxis; 3],
    /// Whether the window is spread over the output instead.
    transposed: bool,
    padding_mode: PaddingMode,
}

impl Geometry {
    /// Windows of these sizes, each with its own axis, without a transposition.
    pub(super) fn new(axes: [WindowAxis; 3]) -> Self {
        Self { axes, transposed: false, padding_mode: PaddingMode::Zeros }
    }

    /// Of a layer.
    pub(super) fn of_layer(form: &DotProduct<'_>) -> Result<Self, String> {
        let &DotProduct { layer, images, axes, .. } = form;
        if layer.kind() == LayerKind::Linear {
            // A kernel as wide as the features moves over a row of them.
            let features = layer.taps();
            let width = WindowAxis {
                input: images * features,
                output: images,
                kernel: features,
                stride: features,
                ..WindowAxis::ABSENT
            };
            return Ok(Self::new([WindowAxis::ABSENT, WindowAxis::ABSENT, width]));
        }
        if layer.padding_mode() == PaddingMode::Circular
            && let Some(axis) = axes.iter().find(|axis| axis.padding > axis.input)
        {
            return Err(format!("circular padding of {} for {} positions", axis.padding, axis.input));
        }
        let transposed = matches!(layer.kind(), LayerKind::ConvTranspose(_));
        Ok(Self { axes, transposed, padding_mode: layer.padding_mode() })
    }

    /// The parameters of a module; what is as modules have it anyway is left out.
    pub(super) fn parameters(&self) -> Vec<(&'static str, Value)> {
        let [depth, height, width] = self.axes;
        let rows = [
            (
                depth,
                [
                    "INPUT_DEPTH",
                    "OUTPUT_DEPTH",
                    "KERNEL_DEPTH",
                    "STRIDE_DEPTH",
                    "PADDING_DEPTH",
                    "DILATION_DEPTH",
                ],
            ),
            (
                height,
                [
                    "INPUT_HEIGHT",
                    "OUTPUT_HEIGHT",
                    "KERNEL_HEIGHT",
                    "STRIDE_HEIGHT",
                    "PADDING_HEIGHT",
                    "DILATION_HEIGHT",
                ],
            ),
            (
                width,
                [
                    "INPUT_WIDTH",
                    "OUTPUT_WIDTH",
                    "KERNEL_WIDTH",
                    "STRIDE_WIDTH",
                    "PADDING_WIDTH",
                    "DILATION_WIDTH",
                ],
            ),
        ];
        let mut list = Vec::new();
        for (axis, names) in rows.into_iter().filter(|&(axis, _)| axis != WindowAxis::ABSENT) {
            let WindowAxis { input, output, kernel, stride, padding, dilation } = axis;
            list.extend(
                names.into_iter().zip([input, output, kernel, stride, padding, dilation].map(number)),
            );
        }
        if self.transposed {
            list.push(("TRANSPOSED", flag(true)));
        }
        if self.padding_mode != PaddingMode::Zeros {
            list.push(("PADDING_MODE", number(padding_mode(self.padding_mode))));
        }
        list
    }

    /// Output positions of a channel.
    pub(super) fn positions(&self) -> usize {
        self.axes.iter().map(|axis| axis.output).product()
    }

    /// Input positions that a window has.
    pub(super) fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.kernel).product()
    }
}

/// The number of what stands outside of an input, in `gp_convolution`.
fn padding_mode(mode: PaddingMode) -> usize {
    match mode {
        PaddingMode::Zeros => 0,
        PaddingMode::Reflect => 1,
        PaddingMode::Replicate => 2,
        PaddingMode::Circular => 3,
    }
}
