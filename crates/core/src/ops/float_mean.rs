//! Means of dequantized codes in the order in which ONNX Runtime adds their float32.
//!
//! `ReduceMean` has no quantized kernel there: it stays between DequantizeLinear and QuantizeLinear, and the last bit of its
//! sum, which depends on the order of the additions, decides ties. Innermost axes are added in packets of four, as
//! x86-64 without extensions does on every processor; scattered axes one by one.

use super::axes::axis_of;
use super::context::{Context, OpError};
use crate::quantize::{dequantize, quantize_as};
use crate::tensor::{Codes, Layout, Tensor, coordinates, strides};

/// Numbers that are added side by side.
const PACKET: usize = 4;

/// `rint(sum(S1*(x - Z1)) / n / S3) + Z3` over `axes`, in the shape of a result that keeps or drops them. An image's codes
/// are those of a batch of one: in a larger batch an image may begin elsewhere within a packet.
///
/// # Errors
/// The input has no such axes.
pub(super) fn mean(
    axes: &[i64],
    shape: Vec<usize>,
    input: &Codes,
    context: &Context<'_>,
) -> Result<Codes, OpError> {
    let (activation, output) = (context.input(0)?, context.output()?);
    let sizes = input.shape();
    let rank = sizes.len();
    let reduced = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<usize>, _>>()?;
    let innermost = are_innermost(&reduced, rank);
    let own = strides(sizes);
    let (inside, outside): (Vec<usize>, Vec<usize>) = (0..rank).partition(|axis| reduced.contains(axis));
    let places = |axes: &[usize]| -> Vec<usize> {
        let sizes: Vec<usize> = axes.iter().map(|&axis| sizes[axis]).collect();
        let place = |index| coordinates(index, &sizes).iter().zip(axes).map(|(c, &axis)| c * own[axis]).sum();
        (0..sizes.iter().product()).map(place).collect()
    };
    let (taps, starts) = (places(&inside), places(&outside));
    let image = if outside.first() == Some(&0) { own[0] } else { usize::MAX };
    Ok(Tensor::build(shape, Layout::Contiguous, |index| {
        let start = starts[index];
        let reals: Vec<f32> =
            taps.iter().map(|tap| dequantize(input.elements()[start + tap], activation)).collect();
        let sum = if innermost { sum_of_packets(&reals, start % image) } else { sum_in_order(&reals) };
        #[allow(clippy::cast_precision_loss, reason = "the engine divides in float32")]
        let mean = sum / reals.len() as f32;
        quantize_as(context.contract, mean, output)
    }))
}

/// Whether axes are the last ones, whose elements lie side by side.
fn are_innermost(axes: &[usize], rank: usize) -> bool {
    let distinct = (0..rank).filter(|axis| axes.contains(axis)).count();
    (rank - distinct..rank).all(|axis| axes.contains(&axis))
}

/// Whether the engine averages over these axes by a product of matrices: they lie side by side, but others lie inside.
pub(super) fn is_product_of_matrices(axes: &[i64], rank: usize) -> bool {
    let axes: Vec<usize> = axes.iter().filter_map(|&axis| axis_of(axis, rank).ok()).collect();
    let (Some(first), Some(last)) = (axes.iter().min(), axes.iter().max()) else { return false };
    !are_innermost(&axes, rank) && (*first..=*last).all(|axis| axes.contains(&axis))
}

/// Whether an image's codes depend on its place in a batch: images do not all begin at the beginning of a packet.
pub(super) fn depends_on_place(axes: &[i64], shape: &[usize]) -> bool {
    let axes: Vec<usize> = axes.iter().filter_map(|&axis| axis_of(axis, shape.len()).ok()).collect();
    are_innermost(&axes, shape.len())
        && !axes.contains(&0)
        && shape.iter().skip(1).fold(1, |product, size| product * size % PACKET) != 0
}

fn sum_in_order(reals: &[f32]) -> f32 {
    reals.iter().copied().reduce(|sum, real| sum + real).unwrap_or(0.0)
}

/// The sum of numbers of which the first is `offset` numbers behind the beginning of a packet: two packets take turns, and
/// what is outside of packets comes last.
fn sum_of_packets(reals: &[f32], offset: usize) -> f32 {
    let (head, rest) = reals.split_at(((PACKET - offset % PACKET) % PACKET).min(reals.len()));
    let (packets, tail) = rest.as_chunks::<PACKET>();
    let add = |a: [f32; PACKET], b: &[f32; PACKET]| std::array::from_fn(|lane| a[lane] + b[lane]);
    let (pairs, last) = packets.as_chunks::<2>();
    let both = pairs.iter().copied().reduce(|[a, b], [c, d]| [add(a, &c), add(b, &d)]);
    let lanes = match (both, last.first()) {
        (Some([a, b]), None) => add(a, &b),
        (Some([a, b]), Some(last)) => add(add(a, &b), last),
        (None, Some(&last)) => last,
        (None, None) => return sum_in_order(reals),
    };
    let sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
    head.iter().chain(tail).fold(sum, |sum, real| sum + real)
}
