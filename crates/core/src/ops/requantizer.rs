//! How each engine requantizes a layer: which of its kernels computes it, and with which constants.

use super::constants::Scales;
use super::layer::{Bias, Layer};
use crate::contract::{Contract, Missing, Requantizer};
use crate::parameters::{Activation, CodeType, LayerKind};

impl Contract {
    /// The engine that computes a layer: x86 chooses between two.
    #[must_use]
    pub fn of_layer(self, layer: &Layer) -> Self {
        if self != Self::X86 {
            return self;
        }
        let window = layer.window.as_ref();
        let groups = window.and_then(|w| w.groups).unwrap_or(1);
        let symmetric = layer.weight.zero_point.iter().all(|&z| z == 0);
        let grows = window.and_then(|w| w.output_padding.as_ref()).is_some_and(|p| p.iter().any(|&p| p != 0));
        match layer.kind {
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) if groups <= 100 && symmetric && !grows => {
                Self::Onednn
            }
            LayerKind::Conv(_) | LayerKind::ConvTranspose(_) | LayerKind::Linear => Self::Fbgemm,
        }
    }
}

impl Requantizer {
    /// The requantizer of one output channel of a layer from `input` to `output`.
    ///
    /// # Errors
    /// Something is missing that the codes depend on.
    pub fn new(
        contract: Contract,
        layer: &Layer,
        input: Activation,
        output: Activation,
        channel: usize,
    ) -> Result<Self, Missing> {
        let clamp = layer.clamp_in(contract, output).ok_or(Missing::Relu)?;
        let per_channel = layer.weight.scale.len() > 1;
        let scale = layer.weight.scale.get(if per_channel { channel } else { 0 });
        let weight_scale = *scale.ok_or(Missing::Channel)?;
        let positive = |s: f64| s.is_finite() && s > 0.0;
        if ![input.scale, weight_scale, output.scale].into_iter().all(positive) {
            return Err(Missing::Scale);
        }
        if layer.bias.as_ref().is_some_and(|bias| bias.len() <= channel) {
            return Err(Missing::Channel);
        }
        let real = layer.bias.as_ref().and_then(|bias| bias.real(channel, input.scale, weight_scale));
        let integer = match &layer.bias {
            Some(bias) => bias.code(channel, input.scale, weight_scale).ok_or(Missing::Bias)?,
            None => 0,
        };
        let narrow = || i32::try_from(integer).map_err(|_| Missing::Bias);
        let wide = [input, output].iter().any(|activation| activation.code_type == CodeType::I16);
        let scales = Scales { input: input.scale, weight: weight_scale, output: output.scale };
        let arithmetic = match contract.of_layer(layer) {
            Contract::Litert => scales.litert(integer, layer, input.code_type)?,
            Contract::LitertBuiltin => scales.litert_builtin(integer, layer, input.code_type, channel)?,
            engine if wide => return Err(Missing::Wide(engine)),
            Contract::Fbgemm | Contract::X86 => scales.fbgemm(real, per_channel),
            Contract::Qnnpack => match &layer.bias {
                Some(Bias::Codes(_) | Bias::WideCodes(_)) => scales.qnnpack(narrow()?, input.code_type),
                Some(Bias::Real(_)) | None => scales.qnnpack(scales.qnnpack_bias(real), input.code_type),
            },
            Contract::Onednn => scales.onednn(real, layer.kind, per_channel),
            Contract::Onnxruntime | Contract::LitertXnnpack => scales.rounded(narrow()?),
            Contract::Exact => {
                let (real, integer) = match &layer.bias {
                    Some(Bias::Real(_)) => (real, 0),
                    Some(Bias::Codes(_) | Bias::WideCodes(_)) | None => (None, integer),
                };
                scales.exact(real, integer, output.zero_point, clamp).ok_or(Missing::Scale)?
            }
        };
        Ok(Self { arithmetic, zero_point: output.zero_point, clamp })
    }
}
