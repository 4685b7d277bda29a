//! In which order the memory of CMSIS-NN, channels-last, holds the elements of each edge.

use gen_params_core::network::{IntNetwork, Node};
use gen_params_core::ops::{Op, Shape};

/// The order of the elements of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// (C, spatial...) with the channels innermost; a vector is as it is.
    ChannelsLast,
    /// As the shape says: the model's own axes are channels-last there.
    AsTheShape,
    /// A vector that the model flattened from (C, spatial...): its elements lie channels-last.
    Flattened {
        /// C.
        channels: usize,
        /// Product of the spatial sizes.
        area: usize,
    },
    /// Not known.
    Unknown,
}

/// Orders, and the nodes that move nothing in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Orders {
    /// By edge.
    pub(super) edges: Vec<Order>,
    /// By node: flattened images, and channels that the model moves to where memory has them.
    pub(super) free: Vec<bool>,
}

impl Orders {
    /// Those of a network. `shapes` are by edge, (1, C, spatial...).
    pub(super) fn new(network: &IntNetwork, shapes: &[Vec<usize>]) -> Self {
        let mut edges = vec![Order::ChannelsLast; network.edges.len()];
        let mut free = vec![false; network.nodes.len()];
        // What TFLite's networks take is channels-last, and becomes (C, spatial...) at once.
        for node in network.nodes.iter().rev() {
            let (Some(&input), Some(&output)) = (node.inputs.first(), node.outputs.first()) else { continue };
            let marked = node.op == Op::Quantize && edges[output.0] == Order::AsTheShape;
            if marked || moves_channels(node, shapes[input.0].len()) == Some(Moves::ToFirst) {
                edges[input.0] = Order::AsTheShape;
            }
        }
        for (node, free) in network.nodes.iter().zip(&mut free) {
            let Some(&input) = node.inputs.first() else { continue };
            for &output in &node.outputs {
                let given = edges[output.0] == Order::AsTheShape;
                let known = order_of(node, &edges, [&shapes[input.0], &shapes[output.0]]);
                let flattens = flattens(node, [&shapes[input.0], &shapes[output.0]]);
                let moves = moves_channels(node, shapes[input.0].len());
                *free = flattens
                    || matches!(node.op, Op::Shape(Shape::InMemory { .. }))
                    || matches!(
                        (moves, &edges[input.0]),
                        (Some(Moves::ToLast), Order::ChannelsLast)
                            | (Some(Moves::ToFirst), Order::AsTheShape)
                    );
                // A reshaping that is left out can give any order.
                let chosen = matches!(node.op, Op::Shape(_)) && !*free && given && !matters(&known);
                edges[output.0] = if chosen { Order::AsTheShape } else { known };
            }
        }
        Self { edges, free }
    }
}

/// The order of what a node gives.
fn order_of(node: &Node, edges: &[Order], [from, to]: [&Vec<usize>; 2]) -> Order {
    let Some(&input) = node.inputs.first() else { return Order::ChannelsLast };
    let given = &edges[input.0];
    match &node.op {
        Op::Quantize | Op::Dequantize | Op::Shape(Shape::InMemory { .. }) => given.clone(),
        Op::Layer(_) => Order::ChannelsLast,
        Op::Shape(_) if flattens(node, [from, to]) => match given {
            Order::ChannelsLast if from.len() > 2 => {
                Order::Flattened { channels: from[1], area: from[2..].iter().product() }
            }
            Order::AsTheShape => Order::ChannelsLast,
            order => order.clone(),
        },
        Op::Shape(_) => match (moves_channels(node, from.len()), given) {
            (Some(Moves::ToLast), Order::ChannelsLast) => Order::AsTheShape,
            (_, order) if matters(order) => Order::Unknown,
            _ => Order::ChannelsLast,
        },
        // Element by element, the order stays.
        op if from == to && *op != Op::MatMul => {
            let same = node.inputs.iter().all(|id| edges[id.0] == *given);
            if same { given.clone() } else { Order::Unknown }
        }
        _ if matters(given) => Order::Unknown,
        _ => Order::ChannelsLast,
    }
}

/// True where an operator on vectors would meet them in another order than the model has.
fn matters(order: &Order) -> bool {
    match order {
        Order::Flattened { channels, area } => *channels > 1 && *area > 1,
        Order::Unknown => true,
        Order::ChannelsLast | Order::AsTheShape => false,
    }
}

/// True for images that become vectors.
fn flattens(node: &Node, [from, to]: [&Vec<usize>; 2]) -> bool {
    matches!(node.op, Op::Shape(Shape::Flatten { .. } | Shape::Reshape(_) | Shape::Squeeze(_)))
        && to.len() == 2
        && from.first() == to.first()
}

/// Where a permutation moves the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moves {
    /// (N, spatial..., C) to (N, C, spatial...).
    ToFirst,
    /// (N, C, spatial...) to (N, spatial..., C).
    ToLast,
}

fn moves_channels(node: &Node, axes: usize) -> Option<Moves> {
    let Op::Shape(Shape::Permute(permutation)) = &node.op else { return None };
    let last = i64::try_from(axes).ok()? - 1;
    if axes < 3 {
        return None;
    }
    if permutation.iter().copied().eq([0, last].into_iter().chain(1..last)) {
        Some(Moves::ToFirst)
    } else if permutation.iter().copied().eq([0].into_iter().chain(2..=last).chain([1])) {
        Some(Moves::ToLast)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use gen_params_core::network::{Edge, EdgeId};

    use super::*;

    /// A chain of shapes from an image of shape (1, 2, 3, 4) on.
    fn orders(chain: &[(Shape, &[usize])]) -> Orders {
        let edges = (0..=chain.len())
            .map(|index| Edge { name: format!("edge{index}"), activation: None, range: None })
            .collect();
        let nodes = chain.iter().enumerate().map(|(index, (shape, _))| Node {
            name: format!("node{index}"),
            op: Op::Shape(shape.clone()),
            inputs: vec![EdgeId(index)],
            outputs: vec![EdgeId(index + 1)],
        });
        let network = IntNetwork {
            edges,
            inputs: vec![EdgeId(0)],
            outputs: vec![EdgeId(chain.len())],
            nodes: nodes.collect(),
            ..IntNetwork::default()
        };
        let shapes: Vec<Vec<usize>> =
            [vec![1, 2, 3, 4]].into_iter().chain(chain.iter().map(|(_, to)| to.to_vec())).collect();
        Orders::new(&network, &shapes)
    }

    #[test]
    fn flattened_images_and_moved_channels_are_free() {
        use Order::{AsTheShape, ChannelsLast, Flattened};
        let flatten = Shape::Flatten { start: 1, end: -1 };
        let to_last = Shape::Permute(vec![0, 2, 3, 1]);
        let to_first = Shape::Permute(vec![0, 3, 1, 2]);
        let mirrored = Shape::Permute(vec![0, 1, 3, 2]);
        let (flat, last): (&[usize], &[usize]) = (&[1, 24], &[1, 3, 4, 2]);
        type Row<'a> = (&'a str, Vec<(Shape, &'a [usize])>, Vec<Order>, Vec<bool>);
        let rows: Vec<Row<'_>> = vec![
            (
                "flattened",
                vec![(flatten.clone(), flat)],
                vec![ChannelsLast, Flattened { channels: 2, area: 12 }],
                vec![true],
            ),
            (
                "moved last, flattened",
                vec![(to_last.clone(), last), (flatten, flat)],
                vec![ChannelsLast, AsTheShape, ChannelsLast],
                vec![true, true],
            ),
            (
                "moved first",
                vec![(to_first.clone(), &[1, 4, 2, 3])],
                vec![AsTheShape, ChannelsLast],
                vec![true],
            ),
            ("mirrored", vec![(mirrored, &[1, 2, 4, 3])], vec![ChannelsLast, ChannelsLast], vec![false]),
            (
                "moved last and first",
                vec![(to_last, last), (to_first, &[1, 2, 3, 4])],
                vec![ChannelsLast, AsTheShape, ChannelsLast],
                vec![true, true],
            ),
        ];
        let mut failures = Vec::new();
        for (name, chain, edges, free) in rows {
            let found = orders(&chain);
            println!("{name}: {found:?}");
            if found != (Orders { edges, free }) {
                failures.push(name);
            }
        }
        assert!(failures.is_empty(), "{failures:?}");
    }
}
