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

/// The order of every edge. `shapes` are (1, C, spatial...).
pub(super) fn of_edges(network: &IntNetwork, shapes: &[Vec<usize>]) -> Vec<Order> {
    let mut orders = vec![Order::ChannelsLast; network.edges.len()];
    // What TFLite's networks take is channels-last, and becomes (C, spatial...) at once.
    for node in network.nodes.iter().filter(|node| is_free(node, shapes)) {
        if let (Op::Shape(shape), Some(&input)) = (&node.op, node.inputs.first())
            && moves_channels(shape, shapes[input.0].len()) == Some(Moves::ToFirst)
        {
            orders[input.0] = Order::AsTheShape;
        }
    }
    for node in &network.nodes {
        let Some(&input) = node.inputs.first() else { continue };
        let from = &shapes[input.0];
        for &output in &node.outputs {
            let to = &shapes[output.0];
            let order = match &node.op {
                Op::Quantize | Op::Dequantize => orders[input.0].clone(),
                Op::Shape(shape) if is_free(node, shapes) => {
                    match (moves_channels(shape, from.len()), &orders[input.0]) {
                        (Some(Moves::ToLast), _) => Order::AsTheShape,
                        (Some(Moves::ToFirst), _) => Order::ChannelsLast,
                        (None, Order::ChannelsLast) if from.len() > 2 => {
                            Order::Flattened { channels: from[1], area: from[2..].iter().product() }
                        }
                        (None, Order::AsTheShape) => Order::ChannelsLast,
                        (None, order) => order.clone(),
                    }
                }
                // Element by element, or channel by channel of a vector, the order stays.
                _ if from == to && !matches!(node.op, Op::Layer(_) | Op::Shape(_) | Op::MatMul) => {
                    let same = node.inputs.iter().all(|id| orders[id.0] == orders[input.0]);
                    if same { orders[input.0].clone() } else { Order::Unknown }
                }
                Op::Layer(_) => Order::ChannelsLast,
                _ if matters(&orders[input.0]) => Order::Unknown,
                _ => Order::ChannelsLast,
            };
            orders[output.0] = order;
        }
    }
    orders
}

/// True where an operator on vectors would meet them in another order than the model has.
fn matters(order: &Order) -> bool {
    match order {
        Order::Flattened { channels, area } => *channels > 1 && *area > 1,
        Order::Unknown => true,
        Order::ChannelsLast | Order::AsTheShape => false,
    }
}

/// True for nodes that move nothing in memory: flattened images, and channels that the model moves to where they are.
pub(super) fn is_free(node: &Node, shapes: &[Vec<usize>]) -> bool {
    let (Op::Shape(shape), [input], [output]) = (&node.op, node.inputs.as_slice(), node.outputs.as_slice())
    else {
        return false;
    };
    let (from, to) = (&shapes[input.0], &shapes[output.0]);
    match shape {
        Shape::Flatten { .. } | Shape::Reshape(_) | Shape::Squeeze(_) => {
            to.len() == 2 && from.first() == to.first()
        }
        other => moves_channels(other, from.len()).is_some(),
    }
}

/// Where a permutation moves the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moves {
    /// (N, spatial..., C) to (N, C, spatial...).
    ToFirst,
    /// (N, C, spatial...) to (N, spatial..., C).
    ToLast,
}

fn moves_channels(shape: &Shape, axes: usize) -> Option<Moves> {
    let Shape::Permute(permutation) = shape else { return None };
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
