//! Every channel of a network, proven on all processors.

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use gen_params::certify::{
    Certificate, CertificateFile, CertifiedChannel, CertifiedLayer, Channel, FileSubject, OperatorProof,
    layer_channels,
};
use gen_params::contract::Contract;
use gen_params::emit;
use gen_params::hardware::Target;
use gen_params::network::IntNetwork;
use gen_params::ops::Op;
use gen_params::parameters::Parameters;

use crate::simulation::Prepared;

/// Proves all layers with weights against a contract.
pub(super) fn prove(prepared: &Prepared, contract: Contract, target: Target) -> Result<Certificate> {
    let layers = channels(&prepared.network, &prepared.parameters, contract, target)?;
    let layers = layers.into_iter().map(|(name, channels)| {
        let proven = channels
            .into_par_iter()
            .map(|channel| CertifiedChannel::new(channel, target.product_bits))
            .collect::<Result<_, _>>();
        Ok(CertifiedLayer { channels: proven.with_context(|| name.clone())?, name })
    });
    certificate(contract, &prepared.parameters, layers.collect::<Result<_>>()?)
}

/// The record of what was proven of these parameters.
pub(super) fn certificate(
    contract: Contract,
    parameters: &Parameters,
    layers: Vec<CertifiedLayer>,
) -> Result<Certificate> {
    Ok(Certificate {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        contract: contract.name().to_owned(),
        parameters_sha256: emit::digest(parameters)?,
        layers,
    })
}

/// The certificate's text.
pub(super) fn text(
    subject: FileSubject<'_>,
    certificate: &Certificate,
    operators: &[OperatorProof],
) -> Result<Vec<u8>> {
    let file = CertificateFile::new(&subject, &certificate.layers, operators).map_err(anyhow::Error::msg)?;
    let mut text = serde_json::to_vec(&file)?;
    text.push(b'\n');
    Ok(text)
}

/// The channels of all layers with weights, by layer.
pub(super) fn channels(
    network: &IntNetwork,
    parameters: &Parameters,
    contract: Contract,
    target: Target,
) -> Result<Vec<(String, Vec<Channel>)>> {
    let mut layers = Vec::new();
    for node in &network.nodes {
        let Op::Layer(layer) = &node.op else { continue };
        let Some(parameters) = parameters.layers.iter().find(|p| p.name == node.name) else {
            bail!("{}: its parameters were not derived", node.name);
        };
        if layer.saturates_pairs(contract) && parameters.input_range.is_none_or(|range| range.max > 127) {
            bail!(
                "{}: {}'s depthwise kernel saturates for codes above 127, which this layer can reach: its \
                 accumulators are not sums, and nothing can be proven of them",
                node.name,
                contract.name()
            );
        }
        if contract == Contract::Onnxruntime && network.fusion(node).is_float() {
            bail!(
                "{}: ONNX Runtime does not fuse this layer, but adds up floats: its codes are no function of the accumulators, \
                 and nothing can be proven of them",
                node.name
            );
        }
        let channels = layer_channels(network.contract_of(node, contract), layer, parameters, target)
            .with_context(|| node.name.clone())?;
        layers.push((node.name.clone(), channels));
    }
    Ok(layers)
}
