//! The bits that accumulators take, and what narrower registers do to them.

use gen_params_core::certify::Partial;
use gen_params_core::network::IntNetwork;
use gen_params_core::ops::{Layer, Op};
use gen_params_core::parameters::Parameters;

use crate::Derived;

/// Widths that are tried.
pub const REGISTER_WIDTHS: [u32; 3] = [16, 20, 24];

/// The registers of one layer.
#[derive(Debug, Clone)]
pub struct LayerRegisters {
    /// Its name.
    pub name: String,
    /// `None` where the partial sums are not known.
    pub known: Option<KnownRegisters>,
}

/// What is known of the sums of a layer.
#[derive(Debug, Clone, Copy)]
pub struct KnownRegisters {
    /// Whether all sums that are counted occur; else they are those of an interval that contains what does.
    pub exact: bool,
    /// Bits that hold every sum.
    pub bits: u32,
    /// Bits that hold every partial sum in any order of additions.
    pub bits_in_any_order: u32,
    /// Sums that occur, of all channels.
    pub reachable: u64,
    /// By width: accumulators that a register which wraps gets wrong, and one which saturates can get wrong.
    pub wrong: [[u64; 2]; REGISTER_WIDTHS.len()],
}

impl Derived {
    /// The bits that the accumulators of each layer take, and what narrower registers get wrong.
    pub fn registers(&self) -> Vec<LayerRegisters> {
        count_all(&self.network, &self.parameters)
    }
}

fn count_all(network: &IntNetwork, parameters: &Parameters) -> Vec<LayerRegisters> {
    let of_layer = |channels: Vec<Partial>| KnownRegisters {
        exact: channels.iter().all(Partial::exact),
        bits: channels.iter().map(Partial::bits).max().unwrap_or(0),
        bits_in_any_order: channels.iter().map(Partial::bits_in_any_order).max().unwrap_or(0),
        reachable: channels.iter().map(Partial::reachable).sum(),
        wrong: REGISTER_WIDTHS.map(|bits| {
            let all = |wrong: &dyn Fn(&Partial) -> u64| channels.iter().map(wrong).sum();
            [all(&|channel| channel.wrapped(bits)), all(&|channel| channel.saturated(bits))]
        }),
    };
    let layers = parameters.layers.iter();
    layers
        .map(|layer| LayerRegisters {
            name: layer.name.clone(),
            known: of_node(network, &layer.name)
                .and_then(|found| Partial::of_layer(found, layer))
                .map(of_layer),
        })
        .collect()
}

/// The layer of this name.
fn of_node<'a>(network: &'a IntNetwork, name: &str) -> Option<&'a Layer> {
    network.nodes.iter().find_map(|node| match &node.op {
        Op::Layer(layer) if node.name == name => Some(layer),
        _ => None,
    })
}
