//! The loops of a layer over one input: positions, and the codes that its taps meet there.

use super::taps::{Axis, AxisSizes};
use super::{TargetError, TargetLayer};
use crate::parameters::LayerKind;

/// Output elements of the largest computation that is begun.
const LARGEST_OUTPUT: usize = 1 << 31;

/// A layer's loops over one input.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hardware) struct Geometry {
    pub(in crate::hardware) images: usize,
    /// Output positions per image and channel.
    pub(super) positions: usize,
    /// (N, C, spatial...).
    pub(in crate::hardware) output_shape: Vec<usize>,
    /// Depth, height, width; 1 for axes that are not there.
    input_sizes: [usize; 3],
    /// Depth, height, width.
    axes: [Axis; 3],
}

impl Geometry {
    pub(super) fn output_elements(&self) -> usize {
        self.output_shape.iter().product()
    }

    /// What the taps of one input channel meet at an output position: an index within its plane, `None` on padding.
    fn sources(&self, position: usize) -> TapSources {
        let [depth, height, width] = &self.axes;
        let [_, rows, columns] = self.input_sizes;
        let (rest, x) = (position / width.outputs, position % width.outputs);
        let (z, y) = (rest / height.outputs, rest % height.outputs);
        let at = |axis: &Axis, o: usize, t: usize| axis.source[o * axis.taps + t];
        let source = |tap: usize| {
            let (rest, tx) = (tap / width.taps, tap % width.taps);
            let iz = at(depth, z, rest / height.taps)?;
            let iy = at(height, y, rest % height.taps)?;
            Some((iz * rows + iy) * columns + at(width, x, tx)?)
        };
        (0..depth.taps * height.taps * width.taps).map(source).collect()
    }

    /// The codes that the taps of one group meet at one output position, in the order of the weights.
    pub(super) fn gather(
        &self,
        layer: &TargetLayer,
        codes: &[i32],
        image: usize,
        group: usize,
        position: usize,
        patch: &mut [i16],
    ) {
        let sources = self.sources(position);
        let first = (image * layer.groups + group) * layer.group_inputs;
        let plane = self.input_sizes.iter().product::<usize>();
        for (channel, taps) in (first..).zip(patch.chunks_mut(sources.len().max(1))) {
            for (place, source) in taps.iter_mut().zip(&sources) {
                let met = source.map_or(layer.padding_value, |index| codes[channel * plane + index]);
                // Codes of 8 bits, shifted or not, fit in 16.
                *place = i16::try_from(met).unwrap_or_default();
            }
        }
    }
}

/// The index of an element of row-major values.
pub fn unravel(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    for (axis, &size) in shape.iter().enumerate().rev() {
        place[axis] = index % size.max(1);
        index /= size.max(1);
    }
    place
}

/// By kernel position: the index within a plane of the input that a tap meets; `None` on padding.
pub(in crate::hardware) type TapSources = Vec<Option<usize>>;

impl TargetLayer {
    /// Sizes of the output for an input of `shape`, and by output position what the taps of one input channel meet: an
    /// index within its plane, `None` on padding.
    pub(in crate::hardware) fn tap_sources(
        &self,
        shape: &[usize],
    ) -> Result<(Vec<usize>, Vec<TapSources>), TargetError> {
        let geometry = self.geometry(shape.iter().product(), shape)?;
        let sources = (0..geometry.positions).map(|position| geometry.sources(position)).collect();
        Ok((geometry.output_shape.into_iter().skip(2).collect(), sources))
    }

    pub(in crate::hardware) fn geometry(
        &self,
        elements: usize,
        shape: &[usize],
    ) -> Result<Geometry, TargetError> {
        let spatial = self.kernel.len();
        let inputs = self.groups * self.group_inputs;
        let refuse = |expected: String| TargetError::Shape {
            layer: self.name.clone(),
            found: shape.to_vec(),
            expected,
        };
        // A linear layer takes its inputs from the last axis, whatever stands before it.
        let batch_axes = if spatial == 0 { shape.len().max(2) - 1 } else { 1 };
        let (batch, rest) = shape.split_at(batch_axes.min(shape.len()));
        let sizes = rest.get(1..).unwrap_or_default();
        if rest.first() != Some(&inputs)
            || sizes.len() != spatial
            || shape.iter().product::<usize>() != elements
        {
            let spatial = (0..spatial).map(|_| ", size").collect::<String>();
            return Err(refuse(format!("(N, {inputs}{spatial})")));
        }
        let images: usize = batch.iter().product();
        let mut axes = [(); 3].map(|()| Axis::none());
        for (axis, (&input, &kernel)) in sizes.iter().zip(&self.kernel).enumerate() {
            axes[3 - spatial + axis] = self.axis(axis, input, kernel)?.ok_or_else(|| {
                refuse(format!(
                    "sizes that leave an output with kernel {:?}, padding and stride",
                    self.kernel
                ))
            })?;
        }
        let too_large = || refuse("sizes whose output fits in memory".into());
        let sizes_out: Vec<usize> = axes[3 - spatial..].iter().map(|axis| axis.outputs).collect();
        let positions = sizes_out.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        let positions = positions.ok_or_else(too_large)?;
        let total = positions.checked_mul(self.channels()).and_then(|n| n.checked_mul(images));
        if total.is_none_or(|total| total > LARGEST_OUTPUT) {
            return Err(too_large());
        }
        let output_shape = batch.iter().copied().chain([self.channels()]).chain(sizes_out).collect();
        let mut input_sizes = [1; 3];
        input_sizes[3 - spatial..].copy_from_slice(sizes);
        Ok(Geometry { images, positions, output_shape, input_sizes, axes })
    }

    /// The table of one spatial axis; `None` if nothing is left of the output.
    fn axis(&self, axis: usize, input: usize, kernel: usize) -> Result<Option<Axis>, TargetError> {
        let entry = |values: &Option<Vec<u32>>, what| {
            let unknown = TargetError::Unknown { layer: self.name.clone(), what };
            values.as_ref().and_then(|values| values.get(axis)).copied().ok_or(unknown)
        };
        let sizes = AxisSizes {
            input,
            kernel,
            stride: entry(&self.window.stride, "its stride")?,
            padding: entry(&self.window.padding, "its padding")?,
            padding_end: match &self.window.padding_end {
                None => entry(&self.window.padding, "its padding")?,
                end => entry(end, "its padding")?,
            },
            dilation: entry(&self.window.dilation, "its dilation")?,
            output_padding: match self.kind {
                LayerKind::ConvTranspose(_) => entry(&self.window.output_padding, "its output padding")?,
                LayerKind::Conv(_) | LayerKind::Linear => 0,
            },
        };
        Ok(match self.kind {
            LayerKind::ConvTranspose(_) => Axis::transposed(sizes),
            LayerKind::Conv(_) | LayerKind::Linear => Axis::convolution(sizes, self.padding_mode),
        })
    }
}
