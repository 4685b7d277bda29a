//! Layers with weights: shapes, accumulators, output codes, and the kernels of engines that do otherwise.

use super::context::{Context, OpError};
use super::layer::Layer;
use super::{convolution, float_layer};
use crate::contract::{Contract, Missing, Requantizer};
use crate::parameters::{Activation, CodeType, LayerKind};
use crate::tensor::{Codes, Layout, Tensor, element_count};

impl Layer {
    /// Shape (N, O, spatial...) of the result for an input (N, I, spatial...); (..., O) for (..., I) of a linear layer.
    ///
    /// # Errors
    /// The input does not fit the weights or the window.
    pub fn shape(&self, input: &[usize]) -> Result<Vec<usize>, OpError> {
        if element_count(&self.weight.shape) != Some(self.weight.codes.len()) {
            return Err(OpError::new(
                format!("weights {:?} with {} codes", self.weight.shape, self.weight.codes.len()),
                "as many codes as the shape holds",
            ));
        }
        if self.weight.shape.len() != self.kind.axes().len() {
            return Err(OpError::new(
                format!("weights {:?}", self.weight.shape),
                format!("axes {} of a {}", self.kind.axes(), self.kind.name()),
            ));
        }
        match self.kind {
            LayerKind::Linear => {
                let [outputs, inputs] = self.weight.shape[..] else {
                    return Err(OpError::new(format!("weights {:?}", self.weight.shape), "axes (O, I)"));
                };
                match input.split_last() {
                    Some((&last, rest)) if last == inputs && !rest.is_empty() => {
                        Ok(rest.iter().copied().chain([outputs]).collect())
                    }
                    _ => Err(OpError::new(format!("an input {input:?}"), format!("(N, ..., {inputs})"))),
                }
            }
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => convolution::shape(self, input),
        }
    }

    /// True if FBGEMM's depthwise kernel computes it, which adds products in pairs that saturate at 16 bits: with codes
    /// above 127 its accumulators are not the sums.
    ///
    /// Source: FBGEMM `takeDepthWiseFastPath` for two spatial axes.
    pub fn saturates_pairs(&self, contract: Contract) -> bool {
        let Ok(geometry) = self.geometry() else { return false };
        let channels = self.output_channels();
        let all = |sizes: &[usize], wanted: &[usize]| sizes.iter().all(|s| wanted.contains(s));
        let size = geometry.kernel.first().copied().unwrap_or(0);
        self.kind == LayerKind::Conv(2)
            && contract.of_layer(self) == Contract::Fbgemm
            && self.weight.shape.get(1) == Some(&1)
            && geometry.groups == channels
            && channels.is_multiple_of(8)
            && (size == 3 || size == 5)
            && all(&geometry.kernel, &[size])
            && all(&geometry.stride, &[1, 2])
            && all(&geometry.dilation, &[1])
            && all(&geometry.padding, &[size / 2])
            && all(&geometry.padding_end, &[size / 2])
    }

    /// True for a transposed convolution whose weights PyTorch's oneDNN takes in the wrong order (torch 2.9): channels in and
    /// out of a group are not as many, and neither is one.
    pub fn is_taken_transposed(&self, contract: Contract) -> bool {
        let Ok(geometry) = self.geometry() else { return false };
        matches!(self.kind, LayerKind::ConvTranspose(_))
            && contract.of_layer(self) == Contract::Onednn
            && match self.weight.shape[..] {
                [inputs, outputs, ..] => {
                    let inputs = inputs / geometry.groups.max(1);
                    inputs != outputs && inputs > 1 && outputs > 1
                }
                _ => false,
            }
    }

    /// True for a convolution that PyTorch's oneDNN computes from memory that is not its own (torch 2.9): its stride along the
    /// last axis is above 1, and its result is 1 wide; or it pads by as much as its kernel covers.
    pub fn leaves_its_memory(&self, contract: Contract, input: &[usize]) -> bool {
        let Ok(geometry) = self.geometry() else { return false };
        let narrow = geometry.stride.last().is_some_and(|&stride| stride > 1)
            && self.shape(input).is_ok_and(|shape| shape.last() == Some(&1));
        let pads_whole = |axis: usize| {
            let covered = geometry.dilation[axis] * geometry.kernel[axis].saturating_sub(1) + 1;
            geometry.padding[axis].max(geometry.padding_end[axis]) >= covered
        };
        matches!(self.kind, LayerKind::Conv(_))
            && contract.of_layer(self) == Contract::Onednn
            && geometry.kernel.iter().any(|&size| size > 1)
            && (narrow || (0..geometry.kernel.len()).any(pads_whole))
    }

    /// True for a transposed convolution of which PyTorch's oneDNN leaves codes unwritten (torch 2.9): along an axis that is not
    /// the last, two places or more in a row take nothing from the input.
    pub fn leaves_places_unwritten(&self, contract: Contract, input: &[usize]) -> bool {
        let Ok(geometry) = self.geometry() else { return false };
        let gap = |axis: usize| {
            let covered = geometry.dilation[axis] * geometry.kernel[axis].saturating_sub(1) + 1;
            input.get(axis + 2).is_some_and(|&size| size > 1) && geometry.stride[axis] > covered + 1
        };
        matches!(self.kind, LayerKind::ConvTranspose(_))
            && contract.of_layer(self) == Contract::Onednn
            && (0..geometry.kernel.len().saturating_sub(1)).any(gap)
    }

    /// The accumulators `sum((x - Z1) * (w - Z2))`, in the shape of the result.
    ///
    /// # Errors
    /// The input does not fit, or a sum of codes of 8 bits does not fit 32 bits.
    pub fn accumulate(
        &self,
        contract: Contract,
        input: &Codes,
        activation: Activation,
    ) -> Result<Tensor<i64>, OpError> {
        let shape = self.shape(input.shape())?;
        let sums = match self.kind {
            LayerKind::Linear => self.dot_products(input, activation.zero_point),
            LayerKind::Conv(_) => {
                let pairs = self.saturates_pairs(contract);
                convolution::direct(self, input, activation.zero_point, &shape, pairs)?
            }
            LayerKind::ConvTranspose(_) => {
                convolution::transposed(self, input, activation.zero_point, &shape)?
            }
        };
        let wide = activation.code_type == CodeType::I16;
        if let Some(sum) = sums.iter().find(|sum| !wide && i32::try_from(**sum).is_err()) {
            return Err(OpError::new(format!("the accumulator {sum}"), "one of 32 bits"));
        }
        // Every engine's convolution writes channels last, whatever it reads.
        let layout = if self.kind == LayerKind::Linear { Layout::Contiguous } else { Layout::ChannelsLast };
        let tensor = Tensor::new(shape, sums).map_err(|e| OpError::new(e.to_string(), "a sound layer"))?;
        Ok(tensor.with_layout(layout))
    }

    /// y[n, o] = sum over i of (x[n, i] - Z1) * (w[o, i] - Z2).
    fn dot_products(&self, input: &Codes, zero_point: i32) -> Vec<i64> {
        let inputs = self.weight.shape[1].max(1);
        let mut sums = Vec::new();
        for row in input.elements().chunks(inputs) {
            for (channel, weights) in self.weight.codes.chunks(inputs).enumerate() {
                let weight_zero_point = self.weight_zero_point(channel);
                let products = row
                    .iter()
                    .zip(weights)
                    .map(|(&x, &w)| i64::from(x - zero_point) * i64::from(i32::from(w) - weight_zero_point));
                sums.push(products.sum());
            }
        }
        sums
    }

    /// One requantizer per output channel.
    ///
    /// # Errors
    /// What the network does not say.
    pub fn requantizers(
        &self,
        contract: Contract,
        input: Activation,
        output: Activation,
    ) -> Result<Vec<Requantizer>, Missing> {
        (0..self.output_channels())
            .map(|channel| Requantizer::new(contract, self, input, output, channel))
            .collect()
    }

    /// Accumulators and output codes, both in the shape of the result.
    ///
    /// # Errors
    /// The input does not fit, a sum does not fit 32 bits, or the network does not say what the codes depend on.
    pub fn apply(&self, input: &Codes, context: &Context<'_>) -> Result<(Tensor<i64>, Codes), OpError> {
        let (source, output) = (context.input(0)?, context.output()?);
        let requantizers = self
            .requantizers(context.contract, source, output)
            .map_err(|missing| OpError::new(missing.to_string(), "all of it"))?;
        let accumulators = self.accumulate(context.contract, input, source)?;
        if context.is_float() {
            return Ok((accumulators, float_layer::apply(self, input, context)?));
        }
        let codes = Self::requantize(self.kind, &accumulators, &requantizers);
        Ok((accumulators, codes))
    }

    /// Output codes of accumulators in the shape of the result.
    fn requantize(kind: LayerKind, accumulators: &Tensor<i64>, requantizers: &[Requantizer]) -> Codes {
        let shape = accumulators.shape();
        let area: usize = match kind {
            LayerKind::Linear => 1,
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) => shape.iter().skip(2).product(),
        };
        let channels = requantizers.len().max(1);
        let elements = accumulators.elements();
        Tensor::build(shape.to_vec(), accumulators.layout(), |i| {
            requantizers[i / area.max(1) % channels].apply(elements[i])
        })
    }
}
