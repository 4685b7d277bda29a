//! Windows over an input: the sizes that the library's modules take, one per spatial axis.

use gen_params_core::hardware::TargetLayer;
use gen_params_core::ops::{PaddingMode, Pool};
use gen_params_core::parameters::LayerKind;

use super::block::{flag, number};
use super::parts::Value;

/// A window over one spatial axis of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    /// Positions.
    pub(super) input: usize,
    /// Positions; what lies behind the input follows from it.
    pub(super) output: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Before the input.
    pub(super) padding: usize,
    pub(super) dilation: usize,
}

impl Axis {
    /// An axis that is not there.
    pub(super) const ABSENT: Self =
        Self { input: 1, output: 1, kernel: 1, stride: 1, padding: 0, dilation: 1 };
}

/// A window over an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Depth, height, width.
    pub(super) axes: [Axis; 3],
    /// Whether the window is spread over the output instead.
    transposed: bool,
    padding_mode: PaddingMode,
}

/// One entry per spatial axis, behind as many as are missing of depth, height and width.
pub(super) fn spread<T: Copy>(values: &[T], missing: T) -> Result<[T; 3], String> {
    let mut all = [missing; 3];
    let place = all.len().checked_sub(values.len()).and_then(|absent| all.get_mut(absent..));
    place
        .ok_or_else(|| format!("{} spatial axes, expected at most 3", values.len()))?
        .copy_from_slice(values);
    Ok(all)
}

/// Depth, height and width of (C, spatial...).
pub(super) fn spatial(shape: &[usize]) -> Result<[usize; 3], String> {
    spread(shape.get(1..).unwrap_or_default(), 1)
}

impl Geometry {
    /// Windows of these sizes, each with its own axis, without a transposition.
    pub(super) fn new(axes: [Axis; 3]) -> Self {
        Self { axes, transposed: false, padding_mode: PaddingMode::Zeros }
    }

    /// Of a layer over (C, spatial...), or over (..., features).
    pub(super) fn of_layer(layer: &TargetLayer, input: &[usize], output: &[usize]) -> Result<Self, String> {
        if layer.kind() == LayerKind::Linear {
            // A kernel as wide as the features moves over a row of them.
            let features = layer.taps();
            let row: usize = input.iter().product();
            let width = Axis {
                input: row,
                output: row / features.max(1),
                kernel: features,
                stride: features,
                ..Axis::ABSENT
            };
            return Ok(Self::new([Axis::ABSENT, Axis::ABSENT, width]));
        }
        let window = layer.window();
        let sizes = |values: &Option<Vec<u32>>, missing, what: &str| {
            let values = values.as_ref().ok_or_else(|| format!("its {what} is not known"))?;
            spread(values, missing)
        };
        let (input, output) = (spatial(input)?, spatial(output)?);
        let kernel = spread(layer.kernel(), 1)?;
        let stride = sizes(&window.stride, 1, "stride")?;
        let padding = sizes(&window.padding, 0, "padding")?;
        let dilation = sizes(&window.dilation, 1, "dilation")?;
        let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        let axes = std::array::from_fn(|axis| Axis {
            input: input[axis],
            output: output[axis],
            kernel: kernel[axis],
            stride: size(stride[axis]),
            padding: size(padding[axis]),
            dilation: size(dilation[axis]),
        });
        if layer.padding_mode() == PaddingMode::Circular
            && let Some(axis) = axes.iter().find(|axis| axis.padding > axis.input)
        {
            return Err(format!("circular padding of {} for {} positions", axis.padding, axis.input));
        }
        let transposed = matches!(layer.kind(), LayerKind::ConvTranspose(_));
        Ok(Self { axes, transposed, padding_mode: layer.padding_mode() })
    }

    /// Of a pooling over (C, spatial...).
    pub(super) fn of_pool(pool: &Pool, input: &[usize], output: &[usize]) -> Result<Self, String> {
        let sizes = |values: &[i64], missing: i64| -> Result<[usize; 3], String> {
            let mut sizes = [0; 3];
            for (size, value) in sizes.iter_mut().zip(spread(values, missing)?) {
                *size = usize::try_from(value).map_err(|_| format!("a window with a size of {value}"))?;
            }
            Ok(sizes)
        };
        let (input, output) = (spatial(input)?, spatial(output)?);
        let (kernel, stride) = (sizes(&pool.kernel, 1)?, sizes(&pool.stride, 1)?);
        let (padding, dilation) = (sizes(&pool.padding, 0)?, sizes(&pool.dilation, 1)?);
        Ok(Self::new(std::array::from_fn(|axis| Axis {
            input: input[axis],
            output: output[axis],
            kernel: kernel[axis],
            stride: stride[axis],
            padding: padding[axis],
            dilation: dilation[axis],
        })))
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
        for (axis, names) in rows.into_iter().filter(|&(axis, _)| axis != Axis::ABSENT) {
            let Axis { input, output, kernel, stride, padding, dilation } = axis;
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
