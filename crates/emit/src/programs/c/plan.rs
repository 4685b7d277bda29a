//! Where activations lie: the arena, shared by those that do not live together.

use gen_params_core::hardware::Target;
use gen_params_core::machine::Machine;
use gen_params_core::network::EdgeId;
use gen_params_core::parameters::Range;

use super::{is_alias, text};

/// Bytes of the largest arena that is planned.
const LARGEST_ARENA: usize = 1 << 30;

/// Where the codes of an edge lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the caller's memory, as the input of this number.
    Input(usize),
    /// In the arena from this byte on.
    Arena(usize),
}

/// The places of all edges.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// By edge, the edge whose codes it has.
    roots: Vec<usize>,
    /// By edge; of roots only.
    places: Vec<Place>,
    /// By node, whether its results are its input.
    aliases: Vec<bool>,
    /// By edge, what an input of the network is clamped to.
    received: Vec<Option<Range<i32>>>,
    /// Bytes.
    pub(super) arena: usize,
}

/// From the node that writes an edge to the last that reads it.
#[derive(Debug, Clone, Copy)]
struct Life {
    edge: usize,
    size: usize,
    first: usize,
    last: usize,
}

impl Plan {
    pub(super) fn new(machine: &Machine<'_>, target: Target, shapes: &[Vec<usize>]) -> Result<Self, String> {
        let network = machine.network();
        let mut roots: Vec<usize> = (0..network.edges.len()).collect();
        let aliases: Vec<bool> = network.nodes.iter().map(|node| is_alias(machine, node)).collect();
        for (node, _) in network.nodes.iter().zip(&aliases).filter(|(_, alias)| **alias) {
            if let (Some(input), Some(output)) = (node.inputs.first(), node.outputs.first()) {
                roots[output.0] = roots[input.0];
            }
        }
        let mut received = vec![None; network.edges.len()];
        for &id in &network.inputs {
            received[id.0] = machine.input_activation(id).and_then(|activation| {
                let (min, max) = activation.code_type.range();
                let (whole, shift) = (Range { min, max }, target.code_shift(activation.code_type));
                let range = target.within(whole);
                (range != whole).then(|| Range { min: range.min - shift, max: range.max - shift })
            });
        }

        let mut places = vec![Place::Arena(0); network.edges.len()];
        let mut lives: Vec<Life> = Vec::new();
        for (index, &id) in network.inputs.iter().enumerate() {
            match received[id.0] {
                None => places[id.0] = Place::Input(index),
                Some(_) => {
                    lives.push(Life { edge: id.0, size: text::count(&shapes[id.0]), first: 0, last: 0 })
                }
            }
        }
        for (index, node) in network.nodes.iter().enumerate() {
            for id in node.outputs.iter().filter(|id| roots[id.0] == id.0) {
                lives.push(Life { edge: id.0, size: text::count(&shapes[id.0]), first: index, last: index });
            }
        }
        for life in &mut lives {
            let reads = |ids: &[EdgeId]| ids.iter().any(|id| roots[id.0] == life.edge);
            let readers = network.nodes.iter().enumerate().filter(|(_, node)| reads(&node.inputs));
            let last = readers.map(|(index, _)| index).max().unwrap_or(life.first);
            life.last = if reads(&network.outputs) { network.nodes.len() } else { last };
        }

        // The largest first, each at the lowest place that nothing takes that lives with it.
        lives.sort_by_key(|life| (std::cmp::Reverse(life.size), life.first));
        let mut placed: Vec<(Life, usize)> = Vec::new();
        let mut arena = 0;
        for life in lives {
            let mut neighbours: Vec<(usize, usize)> = placed
                .iter()
                .filter(|(other, _)| other.first <= life.last && life.first <= other.last)
                .map(|&(other, offset)| (offset, offset + other.size))
                .collect();
            neighbours.sort_unstable();
            let mut offset = 0;
            for (start, end) in neighbours {
                if start >= offset + life.size {
                    break;
                }
                offset = offset.max(end);
            }
            places[life.edge] = Place::Arena(offset);
            arena = arena.max(offset + life.size);
            if arena > LARGEST_ARENA {
                return Err(format!("its activations take more than {LARGEST_ARENA} bytes"));
            }
            placed.push((life, offset));
        }
        Ok(Self { roots, places, aliases, received, arena })
    }

    /// Where the codes of an edge lie.
    pub(super) fn place(&self, id: EdgeId) -> Place {
        self.places[self.roots[id.0]]
    }

    /// Whether a node's results are its input.
    pub(super) fn is_alias(&self, node: usize) -> bool {
        self.aliases[node]
    }

    /// What an input of the network is clamped to before anything reads it.
    pub(super) fn received(&self, id: EdgeId) -> Option<Range<i32>> {
        self.received[id.0]
    }
}
