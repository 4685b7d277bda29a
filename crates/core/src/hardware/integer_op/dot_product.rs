//! Weights times codes: a layer over an input of certain sizes.

use super::{Applied, WindowAxis};
use crate::hardware::layer::Geometry;
use crate::hardware::{TargetError, TargetLayer};

/// A layer with weights over an input of certain sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct DotProduct<'a> {
    /// Weights, constants and registers.
    pub layer: &'a TargetLayer,
    /// Images; of a linear layer, whatever stands before its features.
    pub images: usize,
    /// Depth, height, width: of a transposed convolution the window is spread over the result instead. Absent of a linear
    /// layer.
    pub axes: [WindowAxis; 3],
    shape: Vec<usize>,
    geometry: Geometry,
}

impl<'a> DotProduct<'a> {
    /// A layer over an input of `shape`, (N, C, spatial...); of a linear layer (..., features).
    ///
    /// # Errors
    /// An input that does not fit the layer, or unknown strides and padding.
    pub fn new(layer: &'a TargetLayer, shape: &[usize]) -> Result<Self, TargetError> {
        let geometry = layer.geometry(shape.iter().product(), shape)?;
        let spatial = layer.kernel().len();
        let window = layer.window();
        let mut axes = [WindowAxis::ABSENT; 3];
        let size = |sizes: &Option<Vec<u32>>, axis: usize| {
            let size = sizes.as_ref().and_then(|sizes| sizes.get(axis));
            size.and_then(|&size| usize::try_from(size).ok()).unwrap_or_default()
        };
        for (axis, place) in axes[3 - spatial..].iter_mut().enumerate() {
            // Strides and padding are known, or there was no geometry.
            *place = WindowAxis {
                input: shape[axis + 2],
                output: geometry.output_shape[axis + 2],
                kernel: layer.kernel()[axis],
                stride: size(&window.stride, axis),
                padding: size(&window.padding, axis),
                dilation: size(&window.dilation, axis),
            };
        }
        Ok(Self { layer, images: geometry.images, axes, shape: geometry.output_shape.clone(), geometry })
    }

    /// Sizes of the result, (N, C, spatial...).
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn apply(&self, codes: &[i32]) -> Applied {
        let mut output = vec![0; self.shape.iter().product()];
        let overflows = self.layer.sweep(&self.geometry, codes, |index, element| {
            output[index] = i32::try_from(element[5]).unwrap_or_default();
        });
        Applied { results: vec![output], overflows: overflows.finish(&[], &self.shape) }
    }
}
